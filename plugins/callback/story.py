# Copyright (c) 2026 The baremetal.bigdata maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stdout callback: a run tells its story."""

from __future__ import annotations

DOCUMENTATION = r"""
name: story
type: stdout
short_description: A run tells its story in phases
version_added: 0.1.0
author: The baremetal.bigdata maintainers (@baremetal)
description:
  - Shows a run as phases (a phase is a play), and in each only what changed or failed, with the hosts.
    Tasks that changed nothing or were skipped are counted, not shown.
  - While a task takes long, tells which task, and on which hosts it still runs.
  - Ends, also after a failure, with the phases and their times, the slowest tasks, the usual C(PLAY RECAP), and
    what is up, what to open and what to do next; after a failure, what failed where, and the command that resumes.
    That is the same command again, since roles converge. It never adds C(--limit), since plays read facts of
    hosts outside it, nor C(--start-at-task), which leaves out what later tasks need.
  - With C(-v) and above everything is shown as the C(default) callback shows it, followed by the closing summary.
  - Roles add to the closing summary by M(ansible.builtin.set_stats), see the examples. The sections are C(up),
    C(open) and C(next), each a dictionary of title and text (or a list of lines). Those of several roles are merged.
extends_documentation_fragment:
  - ansible.builtin.default_callback
  - ansible.builtin.result_format_callback
requirements:
  - set as stdout in configuration
options:
  progress_after:
    description:
      - Seconds after which a running task is first mentioned, and between two mentions after that (doubled each
        time, up to two minutes). V(0) never mentions it.
    type: int
    default: 15
    env:
      - name: BB_STORY_PROGRESS
    ini:
      - section: callback_story
        key: progress_after
  slow_seconds:
    description: Seconds from which a task is listed among the slowest.
    type: float
    default: 5
    ini:
      - section: callback_story
        key: slow_seconds
  json_path:
    description:
      - File to which the figures of the run are written as JSON, whether it failed or not; phases with their
        seconds and hosts, results by status, share of skipped results, changed by host, slowest tasks, failures.
    type: path
    env:
      - name: BB_STORY_JSON
    ini:
      - section: callback_story
        key: json_path
  resume_command:
    description:
      - What to tell the operator to run after a failure, where that is not the C(ansible-playbook) command itself
        but what called it, such as V(make demo).
    type: str
    env:
      - name: BB_STORY_RESUME
    ini:
      - section: callback_story
        key: resume_command
"""

EXAMPLES = r"""
# ansible.cfg
# [defaults]
# stdout_callback = baremetal.bigdata.story

- name: Tell what is up
  ansible.builtin.set_stats:
    data:
      story:
        up:
          Kubernetes: 1.36.3, 3 nodes Ready
        open:
          Kubernetes API: https://192.0.2.10:6443
        next:
          Look at the nodes: kubectl --kubeconfig kubeconfig get nodes
"""

import atexit
import contextlib
import json
import os
import re
import sys
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ansible import constants as C
from ansible.playbook.block import Block
from ansible.playbook.role_include import IncludeRole
from ansible.playbook.task_include import TaskInclude
from ansible.plugins.callback.default import CallbackModule as DefaultCallback

from ..plugin_utils import story_end as end
from ..plugin_utils import story_text as text
from ..plugin_utils.story_run import Failure, Phase, Recap, Run, Task

if TYPE_CHECKING:
    from ansible.executor.stats import AggregateStats
    from ansible.executor.task_result import CallbackTaskResult
    from ansible.inventory.host import Host
    from ansible.playbook import Playbook
    from ansible.playbook.included_file import IncludedFile
    from ansible.playbook.play import Play
    from ansible.playbook.task import Task as AnsibleTask


class CallbackModule(DefaultCallback):
    """Counts in every mode; prints its own way only without C(-v)."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "stdout"
    CALLBACK_NAME = "baremetal.bigdata.story"

    def __init__(self) -> None:
        super().__init__()
        self._run = Run()
        # The timer reads what the callback's methods write.
        self._guard = threading.RLock()
        self._stop = threading.Event()
        self._end_told = False
        self._pid = 0

    # ------------------------------------------------------------------ printing

    @property
    def _as_default(self) -> bool:
        return self._display.verbosity > 0

    def _say(self, line: str = "", color: Any = None, stderr: bool = False) -> None:
        self._display.display(line, color=color, stderr=stderr)

    @staticmethod
    def _flush() -> None:
        # A pipe is buffered in blocks: without this, the log of a CI run stands still for minutes.
        with contextlib.suppress(OSError, ValueError):
            sys.stdout.flush()

    def _say_lines(self, lines: Iterable[end.Line]) -> None:
        for line, color in lines:
            self._say(line, color)

    def _tell_changes(self) -> None:
        """Print what finished tasks changed, one line a task, and forget the tasks that run nowhere any more."""
        for task in self._run.running.values():
            if task.changed and not self._as_default:
                self._tell_change(task)
        self._run.forget_ended()

    def _tell_change(self, task: Task) -> None:
        items = list(dict.fromkeys(item for found in task.changed.values() for item in found))
        word = "would change" if task.check else "changed"
        # Results come in the order in which hosts finish; people look for the inventory's.
        order = list(self._run.phases[-1].hosts)
        hosts = sorted(task.changed, key=lambda label: _position(order, label))
        self._say(f"  {word}  {task.name}  {text.changed_names(hosts, items)}", C.COLOR_CHANGED)
        by_diff: dict[str, list[str]] = {}
        for host in hosts:
            if task.diffs.get(host):
                by_diff.setdefault(task.diffs[host], []).append(host)
        for diff, alike in by_diff.items():
            if len(alike) < len(hosts):
                self._say(f"    on {text.names(alike)}", C.COLOR_CHANGED)
            self._say(text.indent(diff, 4))

    def _announce_phase(self) -> None:
        """Print the phase's heading; not before it has something to do."""
        phase = self._run.phase
        if phase is None or phase.announced:
            return
        phase.announced = True
        if self._as_default:
            return
        total = max(len(self._run.play_names), phase.number)
        hosts = text.names(self._play_hosts())
        where = f"  on {hosts}" if hosts else ""
        self._say(f"\n{phase.number}/{total} {phase.name}{where}{'  (check)' if phase.check else ''}")

    def _play_hosts(self) -> list[str]:
        try:
            inventory = self._play.get_variable_manager()._inventory
            return [host.name for host in inventory.get_hosts(self._play.hosts)]
        except Exception:
            # Only a nicety of the heading, and no public way to it.
            return []

    def _close_phase(self) -> None:
        self._tell_changes()
        phase = self._run.phase
        if phase is None:
            return
        phase.pause()
        if phase.announced and not self._as_default:
            bad = phase.results["failed"] or phase.results["unreachable"]
            color = C.COLOR_ERROR if bad else C.COLOR_CHANGED if phase.results["changed"] else C.COLOR_OK
            self._say(f"  {text.counts(phase.results, phase.check)} in {text.duration(phase.seconds)}", color)
            self._flush()

    # ------------------------------------------------------------------ progress

    def _watch(self, stop: threading.Event) -> None:
        while not stop.wait(1):
            with self._guard:
                self._mention_slow(time.monotonic())

    def _mention_slow(self, now: float) -> None:
        for task in self._run.running.values():
            if task.is_due(now):
                task.mentioned(now)
                since = text.duration(now - task.started)
                self._say(f"  ... {since}  {task.name}  [still on {text.names(task.waiting())}]", C.COLOR_VERBOSE)
                self._flush()

    # ------------------------------------------------------------------ playbook and plays

    def v2_playbook_on_start(self, playbook: Playbook) -> None:
        super().v2_playbook_on_start(playbook)
        self._run.play_names.extend(play.get_name().strip() for play in playbook.get_plays())
        self._end_told = False
        if not self._pid:
            self._pid = os.getpid()
            atexit.register(self._at_exit)
        if self.get_option("progress_after") > 0:
            self._stop = threading.Event()
            threading.Thread(target=self._watch, args=(self._stop,), name="story", daemon=True).start()

    def v2_playbook_on_play_start(self, play: Play) -> None:
        with self._guard:
            self._play = play
            phase = self._run.phase
            if phase and phase.uuid == play._uuid:
                # The next batch of a serial play is the same phase.
                self._tell_changes()
            else:
                self._close_phase()
                self._run.phases.append(
                    Phase(
                        number=len(self._run.phases) + 1,
                        name=play.get_name().strip() or "(no name)",
                        uuid=play._uuid,
                        started=time.monotonic(),
                        check=bool(play.check_mode),
                    )
                )
            if self._as_default:
                super().v2_playbook_on_play_start(play)
                self._flush()

    def v2_playbook_on_no_hosts_matched(self) -> None:
        if self._as_default:
            super().v2_playbook_on_no_hosts_matched()

    def v2_playbook_on_no_hosts_remaining(self) -> None:
        if self._as_default:
            super().v2_playbook_on_no_hosts_remaining()

    # ------------------------------------------------------------------ tasks

    @staticmethod
    def host_label(result: CallbackTaskResult) -> str:
        """The host, and the one that it delegates to by its inventory name; none, where each item has its own."""
        host, delegate = result.host.get_name(), result.task.delegate_to
        return f"{host} -> {delegate}" if delegate and delegate != host and "{{" not in delegate else host

    @staticmethod
    def _name_of(task: AnsibleTask) -> str:
        # include_role knows only its own name, and takes no argument.
        named = task.get_name() if isinstance(task, IncludeRole) else task.get_name(include_role_fqcn=False)
        return re.sub(r"\s+", " ", named).strip()

    def _add_task(self, task: AnsibleTask) -> Task:
        now = time.monotonic()
        pause = self.get_option("progress_after")
        path, here = task.get_path() or "", os.getcwd() + os.sep
        self._run.running[task._uuid] = running = Task(
            # Here, since only during this call the name is templated.
            name=self._name_of(task),
            path=path[len(here) :] if path.startswith(here) else path,
            action=task.action,
            phase=self._run.phase.number if self._run.phase else 0,
            check=bool(task.check_mode),
            started=now,
            pause=pause,
            mention_at=now + pause,
        )
        return running

    def _start(self, task: AnsibleTask) -> None:
        self._tell_changes()
        self._announce_phase()
        if task._uuid not in self._run.running:
            self._add_task(task)
            if self._run.phase:
                self._run.phase.tasks += 1
        self._flush()

    def v2_playbook_on_task_start(self, task: AnsibleTask, is_conditional: bool) -> None:
        with self._guard:
            self._start(task)
            if self._as_default:
                super().v2_playbook_on_task_start(task, is_conditional)

    def v2_playbook_on_handler_task_start(self, task: AnsibleTask) -> None:
        with self._guard:
            self._start(task)
            if self._as_default:
                super().v2_playbook_on_handler_task_start(task)

    def v2_runner_on_start(self, host: Host, task: AnsibleTask) -> None:
        with self._guard:
            if task._uuid in self._run.running:
                self._run.running[task._uuid].hosts[host.get_name()] = True
            if self._run.phase:
                self._run.phase.hosts[host.get_name()] = True
            if self._as_default:
                super().v2_runner_on_start(host, task)

    def _task_of(self, result: CallbackTaskResult) -> Task:
        return self._run.running.get(result.task._uuid) or self._add_task(result.task)

    def _ended(self, result: CallbackTaskResult, *statuses: str) -> Task:
        task = self._task_of(result)
        host = result.host.get_name()
        task.hosts.pop(host, None)
        task.attempts.pop(host, None)
        task.seconds = time.monotonic() - task.started
        if self._run.phase:
            self._run.phase.results.update(statuses)
        return task

    # ------------------------------------------------------------------ results

    def v2_runner_on_ok(self, result: CallbackTaskResult) -> None:
        with self._guard:
            # The recap does not count includes either.
            include = isinstance(result.task, TaskInclude)
            changed = result.is_changed() and not include
            task = self._ended(result, *(["ok"] if not include else []), *(["changed"] if changed else []))
            if changed:
                task.changed.setdefault(self.host_label(result), [])
            if self._as_default:
                super().v2_runner_on_ok(result)
                return
            self._tell_warnings(result)
            if not result.task.loop:
                self._tell_debug(result)

    def _tell_warnings(self, result: CallbackTaskResult) -> None:
        """Print a result's warnings. `result.result` is a copy, made when it is asked for: of a large one, slowly."""
        if result.warnings or result.deprecations:
            self._handle_warnings(result.result)

    def _tell_debug(self, result: CallbackTaskResult) -> None:
        """Print what a debug task has to say; that is what it is for."""
        if result.task.action not in C._ACTION_DEBUG:
            return
        found = result.result
        if not found.get("_ansible_verbose_always") or "censored" in found:
            return
        self._tell_changes()
        self._clean_results(found, result.task.action)
        message = found.get("msg")
        if isinstance(message, list) and all(isinstance(line, str) for line in message):
            message = "\n".join(message)
        if not isinstance(message, str):
            shown = {key: value for key, value in found.items() if not key.startswith("_") and key != "item"}
            message = text.structure(message if message is not None else shown)
        label = self.host_label(result)
        self._say(f"  {label}:\n{text.indent(message, 4)}" if "\n" in message else f"  {label}: {message}")

    def v2_runner_on_failed(self, result: CallbackTaskResult, ignore_errors: bool = False) -> None:
        with self._guard:
            rescued = not ignore_errors and _has_rescue(result.task)
            task = self._ended(result, *(("ok", "ignored") if ignore_errors else ("rescued" if rescued else "failed",)))
            message = self._remember_failure(task, result, False, ignore_errors)
            if self._as_default:
                super().v2_runner_on_failed(result, ignore_errors)
                return
            self._tell_warnings(result)
            if ignore_errors:
                self._tell_ignored(task, result, message)
            elif rescued:
                self._tell_failure("failed, rescue follows", C.COLOR_WARN, task, result, message)
            else:
                self._tell_failure("FAILED", C.COLOR_ERROR, task, result, message)

    def v2_runner_on_unreachable(self, result: CallbackTaskResult) -> None:
        with self._guard:
            ignored = bool(result.task.ignore_unreachable)
            task = self._ended(result, *(("ok", "ignored") if ignored else ("unreachable",)))
            message = self._remember_failure(task, result, True, ignored)
            if self._as_default:
                super().v2_runner_on_unreachable(result)
                return
            self._tell_warnings(result)
            if ignored:
                self._tell_ignored(task, result, message)
            else:
                self._tell_failure("UNREACHABLE", C.COLOR_UNREACHABLE, task, result, message)

    def _remember_failure(self, task: Task, result: CallbackTaskResult, unreachable: bool, ignored: bool) -> str:
        """Before anything is printed as default does, since that consumes the result."""
        host, label = result.host.get_name(), self.host_label(result)
        items = task.failed_items.pop(host, [])
        if items and "censored" not in result.result:
            message = "\n".join(f"item {item}:\n{text.indent(found, 2)}" for item, found in items)
        else:
            message = text.failure_text(result.result)
        if not ignored:
            self._run.failures.append(
                Failure(host, label, task.name, task.path, message, task.phase, unreachable=unreachable)
            )
        return message

    def _tell_ignored(self, task: Task, result: CallbackTaskResult, message: str) -> None:
        self._say(f"  ignored  {task.name}  [{self.host_label(result)}]  {text.first_line(message)}", C.COLOR_SKIP)

    def _tell_failure(self, word: str, color: Any, task: Task, result: CallbackTaskResult, message: str) -> None:
        stderr = self.get_option("display_failed_stderr")
        if task.changed:
            # What a loop changed before it failed, and hosts that finished before this one.
            self._tell_change(task)
            task.changed, task.diffs = {}, {}
        self._say(f"  {word}  {task.name}  [{self.host_label(result)}]", color, stderr)
        if message == task.last_failure:
            self._say("    the same as the host before", color, stderr)
        else:
            if task.path:
                self._say(f"    at {task.path}", color, stderr)
            self._say(text.indent(message, 4), color, stderr)
        task.last_failure = message
        self._flush()

    def v2_runner_on_skipped(self, result: CallbackTaskResult) -> None:
        with self._guard:
            self._ended(result, "skipped")
            if self._as_default:
                super().v2_runner_on_skipped(result)
            else:
                self._tell_warnings(result)

    def v2_runner_item_on_ok(self, result: CallbackTaskResult) -> None:
        with self._guard:
            if isinstance(result.task, TaskInclude):
                return
            if result.is_changed():
                items = self._task_of(result).changed.setdefault(self.host_label(result), [])
                if not result.result.get("_ansible_no_log") and "censored" not in result.result:
                    items.append(self._label(result))
            if self._as_default:
                super().v2_runner_item_on_ok(result)
                return
            self._tell_warnings(result)
            self._tell_debug(result)

    def v2_runner_item_on_failed(self, result: CallbackTaskResult) -> None:
        with self._guard:
            failed = self._task_of(result).failed_items.setdefault(result.host.get_name(), [])
            failed.append((self._label(result), text.failure_text(result.result)))
            if self._as_default:
                super().v2_runner_item_on_failed(result)
            else:
                self._tell_warnings(result)

    def v2_runner_item_on_skipped(self, result: CallbackTaskResult) -> None:
        if self._as_default:
            super().v2_runner_item_on_skipped(result)

    def _label(self, result: CallbackTaskResult) -> str:
        label = self._get_item_label(result.result)
        label = label if isinstance(label, str) else json.dumps(label, default=str)
        label = re.sub(r"\s+", " ", label)
        return label if len(label) <= 40 else f"{label[:37]}..."

    def v2_runner_retry(self, result: CallbackTaskResult) -> None:
        with self._guard:
            attempts, retries = result.result.get("attempts", 0), result.result.get("retries", 0)
            self._task_of(result).attempts[result.host.get_name()] = (attempts + 1, retries)
            if self._as_default:
                super().v2_runner_retry(result)

    def v2_on_file_diff(self, result: CallbackTaskResult) -> None:
        with self._guard:
            if self._as_default:
                super().v2_on_file_diff(result)
                return
            found = result.result.get("results", []) if result.task.loop else [result.result]
            diffs = [
                self._get_diff(one["diff"])
                for one in found
                if isinstance(one, dict) and one.get("diff") and one.get("changed")
            ]
            self._task_of(result).diffs[self.host_label(result)] = "".join(diffs).strip("\n")

    def v2_runner_on_async_poll(self, result: CallbackTaskResult) -> None:
        if self._as_default:
            super().v2_runner_on_async_poll(result)

    def v2_runner_on_async_ok(self, result: CallbackTaskResult) -> None:
        if self._as_default:
            super().v2_runner_on_async_ok(result)

    def v2_playbook_on_include(self, included_file: IncludedFile) -> None:
        if self._as_default:
            super().v2_playbook_on_include(included_file)

    # ------------------------------------------------------------------ the end

    def v2_playbook_on_stats(self, stats: AggregateStats) -> None:
        with self._guard:
            self._stop.set()
            self._close_phase()
            self._end_told = True
            hosts = {host: stats.summarize(host) for host in sorted(stats.processed)}
            failures = self._run.lasting_failures(hosts)
            self._tell_tables()
            super().v2_playbook_on_stats(stats)
            self._say(end.sums(self._run, hosts))
            story = stats.custom.get("_run", {}).get("story")
            if failures:
                self._say_lines(end.reported(story, failed=True))
                self._say_lines(end.failed(self._run, failures, self._resume_command()))
            else:
                self._say_lines(end.check(self._run) if self._run.checks else end.reported(story, failed=False))
            self._flush()
            self._write_json(hosts, failures, complete=True)

    def _tell_tables(self) -> None:
        phases = end.phases(self._run)
        if not phases:
            return
        slowest = end.slowest(self._run, self.get_option("slow_seconds"))
        for heading, lines in (("PHASES", phases), ("SLOWEST TASKS", slowest)):
            if lines:
                self._display.banner(heading)
                self._say_lines((line, None) for line in lines)

    def _resume_command(self) -> str:
        return self.get_option("resume_command") or text.resume_command(sys.argv)

    def _at_exit(self) -> None:
        """A run that was interrupted, or ended by an error outside its tasks, gets no stats: say at least this."""
        phase = self._run.phase
        if self._end_told or os.getpid() != self._pid or phase is None:
            return
        self._end_told = True
        self._stop.set()
        # Without the guard, which the code that was interrupted may hold.
        phase.pause()
        self._say_lines(end.interrupted(self._run, self._resume_command()))
        self._flush()
        self._write_json({}, self._run.failures, complete=False)

    def _write_json(self, hosts: Mapping[str, Recap], failures: Sequence[Failure], complete: bool) -> None:
        path = self.get_option("json_path")
        if not path:
            return
        try:
            with open(path, "w", encoding="utf-8") as stream:
                json.dump(self._run.figures(hosts, failures, complete), stream, indent=2)
                stream.write("\n")
        except OSError as error:
            self._display.warning(f"The figures of this run were not written to {path}: {error.strerror}.")


def _position(order: Sequence[str], label: str) -> int:
    host = label.split(" -> ")[0]
    return order.index(host) if host in order else len(order)


def _has_rescue(task: AnsibleTask) -> bool:
    """Whether the task stands in a block, however deep, that has a rescue section."""
    child, parent = task, task._parent
    while parent is not None:
        if isinstance(parent, Block) and parent.rescue and any(part._uuid == child._uuid for part in parent.block):
            return True
        child, parent = parent, parent._parent
    return False
