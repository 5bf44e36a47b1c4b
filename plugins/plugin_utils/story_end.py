# Copyright (c) 2026 The baremetal.bigdata maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a run's story ends: the lines of its closing summary, out of the record of the run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ansible import constants as C

from . import story_text as text
from .story_run import Failure, Recap, Run, totals

_SLOWEST_SHOWN = 5

# A line and its colour.
Line = tuple[str, Any]


def phases(run: Run) -> list[str]:
    """The table of the phases that had something to do."""
    rows = [
        [str(phase.number), phase.name, text.duration(phase.seconds), text.counts(phase.results, phase.check)]
        for phase in run.phases
        if phase.announced
    ]
    return text.table(rows, right=(0, 2))


def slowest(run: Run, least: float) -> list[str]:
    """The table of the slowest tasks, of those that took at least so many seconds."""
    slow = [found for found in run.slowest if found[0] >= least][:_SLOWEST_SHOWN]
    return text.table([[text.duration(took), name] for took, name, _phase in slow], right=(0,))


def sums(run: Run, hosts: Mapping[str, Recap]) -> str:
    results, skipped = totals(hosts)
    share = f" ({100 * skipped / results:.0f} %)" if results else ""
    return f"{results} task results, {skipped} of them skipped{share}, in {text.duration(run.seconds)}."


def check(run: Run) -> list[Line]:
    # What roles report is what will be up, not what is.
    would = sum(phase.results["changed"] for phase in run.phases)
    return [(f"This was a check: nothing was changed, {would} task results would be.\n", C.COLOR_OK)]


def reported(story: Any, failed: bool) -> list[Line]:
    """What roles reported by set_stats."""
    lines: list[Line] = []
    for heading, found in text.summary(story, failed):
        lines += [(f"\n{heading}", C.COLOR_OK), *((f"  {line}", None) for line in found)]
    return lines if failed else [*lines, ("", None)]


def failed(run: Run, failures: Sequence[Failure], command: str) -> list[Line]:
    """What failed where, and how to resume."""
    lines: list[Line] = [("\nFailed", C.COLOR_ERROR)]
    alike: dict[tuple[str, str, bool], list[Failure]] = {}
    for failure in failures:
        alike.setdefault((failure.task, failure.message, failure.unreachable), []).append(failure)
    for group in alike.values():
        failure = group[0]
        word = "unreachable at" if failure.unreachable else "at"
        hosts = text.names(one.label for one in group)
        phase = f", phase {run.phases[failure.phase - 1].name}" if failure.phase else ""
        lines.append((f"  {hosts}: {word} {failure.task}{phase}", C.COLOR_ERROR))
        lines.append((f"    {text.first_line(failure.message)}", C.COLOR_ERROR))
    return lines + _resume(run, command)


def interrupted(run: Run, command: str) -> list[Line]:
    """Where a run ended that got no recap, and how to resume."""
    phase = run.phases[-1]
    lines: list[Line] = [(f"\nEnded early, in phase {phase.number} {phase.name}", C.COLOR_ERROR)]
    lines += [
        (f"  during {task.name}  [{text.names(task.hosts)}]", C.COLOR_ERROR)
        for task in list(run.running.values())
        if task.hosts
    ]
    return lines + _resume(run, command)


def _resume(run: Run, command: str) -> list[Line]:
    ahead = run.not_started()
    return [
        *([(f"\nNot started: {text.names(ahead)}", None)] if ahead else []),
        ("\nTo resume, put right what failed and run the same again; what is done stays done:", C.COLOR_OK),
        (f"  {command}\n", None),
    ]
