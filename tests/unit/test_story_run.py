# SPDX-License-Identifier: GPL-3.0-or-later
"""The record of a run, and the end of its story: from plain data, without Ansible running."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from ansible_collections.baremetal.bigdata.plugins.callback.story import CallbackModule
from ansible_collections.baremetal.bigdata.plugins.plugin_utils import story_end as end
from ansible_collections.baremetal.bigdata.plugins.plugin_utils.story_run import Failure, Phase, Run, Task

RECAP = {"ok": 3, "changed": 1, "failures": 0, "unreachable": 0, "skipped": 1, "rescued": 0, "ignored": 0}


def failure(host: str, message: str = "no", unreachable: bool = False) -> Failure:
    return Failure(host, host, "Do it", "site.yml:3", message, 1, unreachable)


@pytest.fixture
def run() -> Run:
    found = Run()
    found.play_names = ["One", "Two", "Three"]
    for number, name in enumerate(found.play_names[:2], 1):
        found.phases.append(Phase(number, name, str(number), 0.0, check=False, seconds=1.0, announced=number == 1))
    found.phases[0].results.update(ok=2, changed=1)
    return found


def task(**values) -> Task:
    return Task(**{"name": "Wait", "path": "", "action": "command", "phase": 1, "check": False, "started": 0.0,
                   "pause": 15.0, "mention_at": 15.0, "hosts": {"a": True, "b": True}, **values})  # fmt: skip


def test_a_task_that_takes_long_is_mentioned_less_and_less():
    found, mentions = task(), []
    for second in range(600):
        if found.is_due(second):
            mentions.append(second)
            found.mentioned(second)
    assert mentions == [15, 45, 105, 225, 345, 465, 585]


def test_a_prompt_and_a_task_without_hosts_are_never_mentioned():
    assert not task(action="ansible.builtin.pause").is_due(1000)
    assert not task(hosts={}).is_due(1000)
    assert task(attempts={"b": (2, 5)}).waiting() == ["a", "b (attempt 2 of 5)"]


def test_of_a_task_that_ended_only_its_time_is_kept(run):
    run.running = {"1": task(hosts={}, seconds=3.0, changed={"a": []}), "2": task(changed={"a": []}, diffs={"a": "+"})}
    run.forget_ended()
    assert (run.took, list(run.running)) == ([(3.0, "Wait", 1)], ["2"])
    assert (run.running["2"].changed, run.running["2"].diffs) == ({}, {})


def test_failures_that_a_rescue_dealt_with_do_not_last(run):
    run.failures = [failure("a", "first"), failure("a", "second"), failure("b"), failure("c", unreachable=True)]
    found = run.lasting_failures({"a": {**RECAP, "failures": 1}, "b": RECAP, "c": RECAP})
    assert [(one.host, one.message) for one in found] == [("a", "second"), ("c", "no")]


def test_the_figures_of_a_run(run):
    found = run.figures({"a": RECAP, "b": RECAP}, [failure("a")], complete=True)
    assert (found["task_results"], found["skip_share"], found["failed"]) == (8, 0.25, True)
    assert found["phases"][0]["results"] == {
        "ok": 2, "changed": 1, "failed": 0, "unreachable": 0, "skipped": 0, "rescued": 0, "ignored": 0,
    }  # fmt: skip
    assert run.figures({}, [], complete=False)["failed"] is True


def test_alike_failures_are_told_once_with_all_their_hosts(run):
    lines = [line for line, _color in end.failed(run, [failure("a"), failure("b"), failure("c", "else")], "make it")]
    assert lines == [
        "\nFailed",
        "  a, b: at Do it, phase One",
        "    no",
        "  c: at Do it, phase One",
        "    else",
        "\nNot started: Three",
        "\nTo resume, put right what failed and run the same again; what is done stays done:",
        "  make it\n",
    ]


def test_a_run_that_was_interrupted_says_during_what(run):
    run.running = {"1": task(), "2": task(hosts={})}
    lines = [line for line, _color in end.interrupted(run, "make it")]
    assert lines[:2] == ["\nEnded early, in phase 2 Two", "  during Wait  [a, b]"]


def test_phases_without_anything_to_do_and_quick_tasks_are_not_in_the_tables(run):
    run.took = [(1.0, "Quick", 1), (70.0, "Slow", 1), (8.0, "Slower than quick", 1)]
    assert end.phases(run) == ["1  One  1.0 s  2 ok (1 changed)"]
    assert end.slowest(run, 5) == ["1 min 10 s  Slow", "     8.0 s  Slower than quick"]


@pytest.mark.parametrize(
    ("delegate", "label"),
    [
        (None, "worker1"),
        ("worker1", "worker1"),
        ("cp1", "worker1 -> cp1"),
        # Of a loop over hosts: the item says which.
        ("{{ item }}", "worker1"),
    ],
)
def test_the_host_that_a_task_delegates_to_is_named_where_it_is_one(delegate, label):
    host = SimpleNamespace(get_name=lambda: "worker1")
    result = SimpleNamespace(host=host, task=SimpleNamespace(delegate_to=delegate))
    assert CallbackModule.host_label(result) == label
