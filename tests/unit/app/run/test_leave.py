# SPDX-License-Identifier: GPL-3.0-or-later
"""Leaving by commands: who runs which, with what in it. tests/api has whole leaves against a real API server."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from ansible_collections.baremetal.bigdata.plugins.module_utils.app.contract import RoleContract, Step
from ansible_collections.baremetal.bigdata.plugins.module_utils.app.run import watch as app_watch
from ansible_collections.baremetal.bigdata.plugins.module_utils.app.run.leave import Leaving, Refused, filled, leave_one
from ansible_collections.baremetal.bigdata.plugins.module_utils.app.run.status import Member
from ansible_collections.baremetal.bigdata.plugins.module_utils.app.run.watch import RoleWatch
from ansible_collections.baremetal.bigdata.plugins.module_utils.kube.question import Question
from ansible_collections.baremetal.bigdata.plugins.module_utils.kube.stream import CommandFailed

LEAVER = Member("demo-2", ip="10.0.0.3", ready=True, hostname="demo-2")


class Cluster:
    """The part of Kube that leaving uses, and the cluster behind it: an app whose members answer commands.

    `counted`: the pods that the app counts; `holding`: those with data; `fail`: words of commands that fail.
    """

    def __init__(self, pods=3, kind="StatefulSet", master=False):
        self.kind, self.replicas = kind, pods
        self.pods = {f"demo-{number}": {} for number in range(pods)}
        self.counted, self.holding = set(self.pods), set(self.pods)
        self.unready: set[str] = set()
        self.master = master
        self.fail: dict[str, str] = {}
        self.said: list[tuple[str, str]] = []
        self.transfer = True
        self.nodes: list[dict[str, Any]] = []

    def pod(self, name, labels):
        ready = "False" if name in self.unready else "True"
        annotations = self.pods.get(name, {})
        return {
            "metadata": {"name": name, "uid": f"uid-{name}", "labels": labels, "annotations": annotations},
            "spec": {"nodeName": "worker1"},
            "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": ready}], "podIP": "10.0.0.9"},
        }

    def list(self, _version, kind, _namespace, selector):
        if kind == "Node":
            return self.nodes
        if selector == "role=master":
            return [self.pod("master-0", {})] if self.master else []
        return [self.pod(name, {}) for name in self.pods]

    def get(self, _version, kind, name, _namespace):
        assert (kind, name) == (self.kind, "demo")
        return {
            "kind": kind,
            "metadata": {"name": name, "generation": 1},
            "spec": {"replicas": self.replicas},
            "status": {"observedGeneration": 1, "readyReplicas": len(set(self.pods) - self.unready)},
        }

    def patch(self, _version, kind, name, _namespace, body, **_options):
        if kind == "Pod":
            self.pods[name].update(body["metadata"]["annotations"])
            return
        self.replicas = body["spec"]["replicas"]
        order = sorted(self.pods, key=lambda pod: ("controller.kubernetes.io/pod-deletion-cost" in self.pods[pod], pod))
        for pod in order[self.replicas :]:
            del self.pods[pod]
            self.unready.discard(pod)

    def ask(self, _namespace, pod, _container, question, timeout=20):
        command = question.command
        self.said.append((pod, " ".join(command)))
        word, *rest = command
        if word in self.fail:
            raise CommandFailed(f"{word} ended with 1: {self.fail[word]}", 1, self.fail[word])
        if word == "count":
            return str(len(self.counted))
        name = rest[0] if rest else pod
        if word == "announce" and self.transfer:
            self.holding.discard(name)
            self.counted.discard(name)
        if word == "done" and name in self.holding:
            raise CommandFailed("done ended with 1: 7 partitions", 1, "7 partitions")
        return ""

    def calls(self, *words):
        return [(pod, text) for pod, text in self.said if text.split()[0] in words]


def contract(kind="StatefulSet", at="", without=(), **changes):
    def step(name):
        return None if name in without else Step(Question((name, "$(member.name)")), at)

    return replace(
        RoleContract(
            role="worker",
            kind=kind,
            name="demo",
            selector="role=worker",
            container="app",
            domain="demo.apps.svc.cluster.local",
            template_hash="",
            members=2,
            asks_members=Question(("count",)),
            leave_allowed=step("allowed"),
            leave_announce=step("announce"),
            leave_done=step("done"),
        ),
        **changes,
    )


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(app_watch, "PAUSE", 0.01)


def watch(cluster: Cluster, **options: Any) -> RoleWatch:
    return RoleWatch(cluster, "apps", contract(cluster.kind, **options))


def test_what_only_a_run_knows_is_filled_in_everywhere():
    question = Question(("go", "$(member.name)/$(member.ip)", "$(member.host)", "$(remaining)", "$(HOME)"))
    found = filled(question, LEAVER, 2, "demo.apps.svc.cluster.local")
    assert found.command == ("go", "demo-2/10.0.0.3", "demo-2.demo.apps.svc.cluster.local", "2", "$(HOME)")
    assert filled(Question(port=80, path="/m/$(member.name)"), LEAVER, 2, "x").path == "/m/demo-2"


def test_a_member_leaves_step_by_step():
    cluster = Cluster()
    result = leave_one(watch(cluster), 2, 1)
    assert (result["changed"], result["member"], result["members"]) == (True, "demo-2", 2)
    assert cluster.calls("allowed", "announce", "done") == [
        ("demo-2", "allowed demo-2"),
        ("demo-2", "announce demo-2"),
        ("demo-2", "done demo-2"),
    ]
    assert sorted(cluster.pods) == ["demo-0", "demo-1"]


def test_steps_may_run_in_another_role():
    cluster = Cluster(master=True)
    assert leave_one(watch(cluster, at="role=master"), 2, 1)["changed"]
    assert {pod for pod, _text in cluster.calls("allowed", "announce", "done")} == {"master-0"}


def test_steps_at_the_own_role_run_in_a_member_that_stays():
    cluster = Cluster()
    assert leave_one(watch(cluster, at="role=worker"), 2, 1)["changed"]
    assert {pod for pod, _text in cluster.calls("allowed", "announce", "done")} == {"demo-0"}


def test_nobody_leaves_where_nobody_could_be_asked():
    cluster = Cluster()
    with pytest.raises(Refused, match="no ready member that could be asked"):
        leave_one(watch(cluster, at="role=master"), 2, 0)
    assert cluster.replicas == 3


def test_a_refusal_comes_before_anything_is_changed():
    cluster = Cluster()
    cluster.fail["allowed"] = "replication factor 3"
    with pytest.raises(Refused, match=r"demo-2 may not leave role worker \(2 would stay\): replication factor 3"):
        leave_one(watch(cluster), 2, 1)
    assert (cluster.replicas, cluster.pods["demo-2"], cluster.calls("announce")) == (3, {}, [])


def test_all_that_leave_are_asked_as_if_the_others_had_left():
    cluster = Cluster()
    members = [Member(f"demo-{number}", ready=True) for number in (2, 1)]
    Leaving(watch(cluster), members).refuse(1)
    assert cluster.calls("allowed") == [("demo-2", "allowed demo-2"), ("demo-1", "allowed demo-1")]


def test_nobody_is_asked_who_leaves_as_well():
    cluster = Cluster()
    members = [Member(f"demo-{number}", ready=True) for number in (0, 1)]
    Leaving(watch(cluster, at="role=worker"), members).refuse(1)
    assert cluster.calls("allowed") == [("demo-2", "allowed demo-0"), ("demo-2", "allowed demo-1")]


def test_nobody_leaves_while_the_app_does_not_count_all():
    cluster = Cluster()
    cluster.counted.discard("demo-0")
    with pytest.raises(Refused, match="demo-2 does not leave while demo is not settled: demo-0 counts 2 members, 3"):
        leave_one(watch(cluster), 2, 0)
    assert (cluster.replicas, cluster.calls("announce")) == (3, [])


def test_a_hand_over_that_fails_keeps_the_member():
    cluster = Cluster()
    cluster.fail["announce"] = "disk full"
    with pytest.raises(Refused, match=r"demo-2 could not hand over what it holds.*disk full"):
        leave_one(watch(cluster), 2, 1)
    assert cluster.replicas == 3


def test_data_that_is_still_there_keeps_the_member():
    cluster = Cluster()
    cluster.transfer = False
    with pytest.raises(Refused, match=r"has not handed over everything after .*: 7 partitions"):
        leave_one(watch(cluster), 2, 1)
    assert cluster.replicas == 3
    assert len(cluster.calls("done")) > 1


def test_a_run_that_was_interrupted_goes_on_with_the_same_member():
    cluster = Cluster()
    cluster.fail["done"] = "interrupted"
    with pytest.raises(Refused):
        leave_one(watch(cluster), 2, 0)
    # It has handed over, the app no longer counts it, and it says so itself.
    cluster.fail.clear()
    cluster.unready.add("demo-2")
    cluster.said.clear()
    assert leave_one(watch(cluster), 2, 1)["changed"]
    assert cluster.calls("allowed", "announce") == []
    assert sorted(cluster.pods) == ["demo-0", "demo-1"]


def test_a_run_that_was_interrupted_before_it_announced_does_so():
    cluster = Cluster()
    cluster.pods["demo-2"]["baremetal.bigdata/leaving"] = "true"
    cluster.holding.discard("demo-2")
    assert leave_one(watch(cluster), 2, 1)["changed"]
    assert cluster.calls("allowed", "announce") == [("demo-2", "announce demo-2")]


def test_a_member_that_happens_to_hold_nothing_is_announced_all_the_same():
    cluster = Cluster()
    cluster.holding.discard("demo-2")
    assert leave_one(watch(cluster), 2, 1)["changed"]
    assert cluster.calls("announce") == [("demo-2", "announce demo-2")]


def test_of_others_the_one_that_began_goes_and_the_controller_is_told_so():
    cluster = Cluster(kind="ReplicationController")
    cluster.pods["demo-1"]["baremetal.bigdata/leaving"] = "true"
    assert leave_one(watch(cluster), 2, 1)["member"] == "demo-1"
    assert sorted(cluster.pods) == ["demo-0", "demo-2"]


def test_a_member_that_never_came_up_goes_without_a_word():
    cluster = Cluster()
    cluster.unready.add("demo-2")
    cluster.counted.discard("demo-2")
    assert leave_one(watch(cluster), 2, 0)["member"] == "demo-2"
    assert (cluster.replicas, cluster.calls("allowed", "announce", "done")) == (2, [])


def test_so_does_one_that_was_never_made():
    cluster = Cluster()
    cluster.replicas = 4
    result = leave_one(watch(cluster), 3, 0)
    assert (result["changed"], result["member"], cluster.replicas) == (True, "", 3)


def test_a_member_that_is_down_stays_while_the_app_counts_it():
    cluster = Cluster()
    cluster.unready.add("demo-2")
    with pytest.raises(Refused, match="demo-2 does not leave while demo is not settled: 2 of 3 members are ready"):
        leave_one(watch(cluster), 2, 0)
    del cluster.pods["demo-2"]
    cluster.unready.clear()
    with pytest.raises(Refused, match="nobody leaves demo: the member that shall leave has no pod"):
        leave_one(watch(cluster), 2, 0)
    assert cluster.replicas == 3


def test_a_member_that_is_down_stays_where_the_app_cannot_be_asked_but_data_have_to_move():
    cluster = Cluster()
    cluster.unready.add("demo-2")
    with pytest.raises(Refused):
        leave_one(watch(cluster, asks_members=None), 2, 0)
    nothing_to_move = watch(cluster, asks_members=None, without=("allowed", "announce", "done"))
    assert leave_one(nothing_to_move, 2, 0)["changed"]


def test_nobody_leaves_when_all_are_down():
    cluster = Cluster()
    cluster.unready.update(cluster.pods)
    with pytest.raises(Refused):
        leave_one(watch(cluster), 2, 0)
    assert cluster.replicas == 3


def test_with_no_more_members_than_stay_there_is_nothing_to_do():
    cluster = Cluster(2)
    assert leave_one(watch(cluster), 2, 0) == {"changed": False, "member": "", "members": 2}
    with pytest.raises(Refused, match="expected 2 members of demo, of which one leaves; found 4"):
        leave_one(watch(Cluster(4)), 1, 0)
