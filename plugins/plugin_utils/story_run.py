# Copyright (c) 2026 The baremetal.bigdata maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the story callback knows of a run: its phases, the tasks that run, what failed, and the figures of it all."""

from __future__ import annotations

import dataclasses
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from .story_text import STATUSES

_SLOWEST_WRITTEN = 20
_LONGEST_PAUSE = 120
# A prompt waits for a person, who knows.
_SILENT_ACTIONS = ("pause", "ansible.builtin.pause", "ansible.legacy.pause")

# What a recap says of a host: status -> number of task results.
Recap = Mapping[str, int]


@dataclasses.dataclass
class Phase:
    number: int
    name: str
    uuid: str
    started: float
    check: bool
    seconds: float = 0.0
    tasks: int = 0
    announced: bool = False
    # An ordered set.
    hosts: dict[str, bool] = dataclasses.field(default_factory=dict)
    results: Counter[str] = dataclasses.field(default_factory=Counter)

    def pause(self) -> None:
        """Take in the time since it started or went on."""
        now = time.monotonic()
        self.seconds, self.started = self.seconds + now - self.started, now


@dataclasses.dataclass
class Task:
    """A task between its start and its last result; its dictionaries are by host."""

    name: str
    path: str
    action: str
    phase: int
    check: bool
    started: float
    # Seconds between two mentions that it still runs, and when the next is due.
    pause: float
    mention_at: float
    seconds: float = 0.0
    hosts: dict[str, bool] = dataclasses.field(default_factory=dict)
    attempts: dict[str, tuple[int, int]] = dataclasses.field(default_factory=dict)
    changed: dict[str, list[str]] = dataclasses.field(default_factory=dict)
    failed_items: dict[str, list[tuple[str, str]]] = dataclasses.field(default_factory=dict)
    diffs: dict[str, str] = dataclasses.field(default_factory=dict)
    last_failure: str = ""

    def is_due(self, now: float) -> bool:
        """Whether it is time to mention that it still runs."""
        return bool(self.hosts) and now >= self.mention_at and self.action not in _SILENT_ACTIONS

    def mentioned(self, now: float) -> None:
        self.pause = min(self.pause * 2, _LONGEST_PAUSE)
        self.mention_at = now + self.pause

    def waiting(self) -> list[str]:
        """The hosts that it still runs on, with the attempt where it is tried again and again."""
        found = []
        for host in self.hosts:
            attempt = self.attempts.get(host)
            found.append(f"{host} (attempt {attempt[0]} of {attempt[1]})" if attempt else host)
        return found


@dataclasses.dataclass
class Failure:
    host: str
    # The host, and the one that it delegated to.
    label: str
    task: str
    path: str
    message: str
    phase: int
    unreachable: bool


class Run:
    """The record of a run, from its first play on."""

    def __init__(self) -> None:
        self.started = time.monotonic()
        self.started_at = time.time()
        self.phases: list[Phase] = []
        self.play_names: list[str] = []
        # By the tasks' uuids.
        self.running: dict[str, Task] = {}
        # (seconds, name, number of the phase) of the tasks that ended.
        self.took: list[tuple[float, str, int]] = []
        self.failures: list[Failure] = []

    @property
    def phase(self) -> Phase | None:
        return self.phases[-1] if self.phases else None

    @property
    def checks(self) -> bool:
        """Whether a part of it was a check."""
        return any(phase.check for phase in self.phases)

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.started

    @property
    def slowest(self) -> list[tuple[float, str, int]]:
        return sorted(self.took, reverse=True)

    def not_started(self) -> list[str]:
        """Names of the plays that nothing was done of."""
        return self.play_names[len(self.phases) :]

    def forget_ended(self) -> None:
        """Of tasks that run nowhere any more, only how long they took is kept."""
        for uuid, task in list(self.running.items()):
            task.changed, task.diffs = {}, {}
            if not task.hosts:
                self.took.append((task.seconds, task.name, task.phase))
                del self.running[uuid]

    def lasting_failures(self, hosts: Mapping[str, Recap]) -> list[Failure]:
        """Failures without those that a rescue dealt with: the latest of each host, as many as its recap counts."""
        left = {name: found["failures"] for name, found in hosts.items()}
        lasting = []
        for failure in reversed(self.failures):
            if failure.unreachable:
                lasting.append(failure)
            elif left.get(failure.host, 0) > 0:
                left[failure.host] -= 1
                lasting.append(failure)
        return lasting[::-1]

    def figures(self, hosts: Mapping[str, Recap], failures: Sequence[Failure], complete: bool) -> dict[str, Any]:
        """The run in numbers, as they are written as JSON."""
        results, skipped = totals(hosts)
        sums: Counter[str] = Counter()
        for phase in self.phases:
            sums.update(phase.results)
        return {
            "complete": complete,
            "failed": bool(failures) or not complete,
            "check": self.checks,
            "started": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(self.started_at)),
            "seconds": round(self.seconds, 3),
            "tasks": sum(phase.tasks for phase in self.phases),
            "results": {status: sums[status] for status in STATUSES},
            "task_results": results,
            "skip_share": round(skipped / results, 4) if results else 0.0,
            "hosts": hosts,
            "changed": {host: found["changed"] for host, found in hosts.items()},
            "phases": [
                {
                    "number": phase.number,
                    "name": phase.name,
                    "seconds": round(phase.seconds, 3),
                    "hosts": list(phase.hosts),
                    "tasks": phase.tasks,
                    "results": {status: phase.results[status] for status in STATUSES},
                }
                for phase in self.phases
            ],
            "slowest": [
                {"seconds": round(took, 3), "task": name, "phase": phase}
                for took, name, phase in self.slowest[:_SLOWEST_WRITTEN]
            ],
            "failures": [
                {"host": found.host, "task": found.task, "path": found.path, "unreachable": found.unreachable}
                for found in failures
            ],
        }


def totals(hosts: Mapping[str, Recap]) -> tuple[int, int]:
    """Task results of all hosts, and how many of them were skipped, as the recap counts them."""
    counted = ("ok", "failures", "unreachable", "skipped", "rescued")
    return (
        sum(found[status] for found in hosts.values() for status in counted),
        sum(found["skipped"] for found in hosts.values()),
    )
