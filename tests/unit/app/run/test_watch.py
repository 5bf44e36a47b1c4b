# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Waits that end early, since a host does not come back. tests/api has waits against a real API server."""

from __future__ import annotations

import itertools
import re
import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.baremetal.bigdata.plugins.module_utils.app.contract import Counted, LiveQuestion, RoleContract
from ansible_collections.baremetal.bigdata.plugins.module_utils.app.run import watch as app_watch
from ansible_collections.baremetal.bigdata.plugins.module_utils.app.run.leave import Refused, leave_one, restart_one
from ansible_collections.baremetal.bigdata.plugins.module_utils.app.run.watch import (
    Deadline,
    NoReadyMember,
    RoleWatch,
    ready_member,
    selector_of,
    until,
)
from ansible_collections.baremetal.bigdata.plugins.module_utils.kube.client import api_error
from ansible_collections.baremetal.bigdata.plugins.module_utils.kube.question import Question
from ansible_collections.baremetal.bigdata.plugins.module_utils.kube.stream import CommandFailed
from ansible_collections.baremetal.bigdata.plugins.modules import app_compare, app_wait

ROOT = Path(__file__).resolve().parents[4]
SINCE = "2026-11-28T02:13:07Z"
BOTTOM = "Bring the host back, or replace it: docs/troubleshooting.md#a-host-that-is-away"
SILENT = "which has not answered since 2026-11-28 02:13:07 UTC (NodeStatusUnknown: Kubelet stopped posting node status)"


class Clock:
    """Time that passes by sleeping alone. *epoch*: seconds since 1970 at its beginning."""

    def __init__(self, epoch: float) -> None:
        self.now, self.epoch = 0.0, epoch

    def monotonic(self) -> float:
        return self.now

    def time(self) -> float:
        return self.epoch + self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


class Cluster:
    """The part of Kube that a wait uses: a StatefulSet `store` of two, whose second member is on worker2.

    `silent`: hosts that do not answer; `forbidden`: kinds that the user may not read.
    """

    def __init__(self) -> None:
        self.silent: set[str] = {"worker2"}
        self.hosts = ["worker1", "worker2"]
        self.forbidden: set[str] = set()
        self.asked: list[str] = []
        self.replicas = 2
        self.others: dict[str, list[dict[str, Any]]] = {}
        self.replies: dict[str, str | Exception] = {}
        self.second: dict[str, Any] = self.pod("store-1", "worker2")

    def pod(self, name, node="", deleted=False):
        works = node not in self.silent
        placed = {"type": "PodScheduled", "status": "True" if node else "False", "message": "0/2 nodes are available"}
        return {
            "metadata": {"name": name, "uid": name, **({"deletionTimestamp": SINCE} if deleted else {})},
            "spec": {"nodeName": node, "volumes": [{"persistentVolumeClaim": {"claimName": f"data-{name}"}}, {}]},
            "status": {
                "phase": "Running" if node else "Pending",
                "conditions": [placed, {"type": "Ready", "status": "True" if node and works else "False"}],
            },
        }

    def may(self, kind):
        self.asked.append(kind)
        if kind in self.forbidden:
            raise api_error(f"https://h/{kind}", "list", 403, "forbidden")

    def list(self, _version, kind, _namespace, selector):
        self.may(kind)
        if selector in self.others:
            return self.others[selector]
        if kind == "Pod":
            return [self.pod("store-0", "worker1"), self.second]
        return [self.node(name) for name in self.hosts]

    def node(self, name):
        ready = {"type": "Ready", "status": "True"}
        if name in self.silent:
            ready = {"type": "Ready", "status": "Unknown", "reason": "NodeStatusUnknown", "lastTransitionTime": SINCE,
                     "message": "Kubelet stopped posting node status."}  # fmt: skip
        labels = {"kubernetes.io/hostname": name}
        return {"metadata": {"name": name, "labels": labels}, "status": {"conditions": [ready]}}

    def get(self, _version, kind, name, _namespace):
        self.may(kind)
        if kind == "PersistentVolumeClaim":
            return {"spec": {"volumeName": f"local-{name}"}} if name == "data-store-1" else None
        if kind == "PersistentVolume":
            term = {"matchExpressions": [{"key": "kubernetes.io/hostname", "operator": "In", "values": ["worker2"]}]}
            return {"metadata": {"name": name}, "spec": {"nodeAffinity": {"required": {"nodeSelectorTerms": [term]}}}}
        return {
            "kind": kind,
            "metadata": {"name": name, "generation": 1},
            "spec": {"replicas": self.replicas, "selector": {"matchLabels": {"app": name}}},
            "status": {
                "observedGeneration": 1,
                "readyReplicas": 1 + (self.second["spec"]["nodeName"] not in {"", *self.silent}),
            },
        }

    def ask(self, _namespace, pod, _container, question, timeout=20):
        reply = self.replies.get(f"{pod} {question.json or question.command[0]}")
        reply = self.replies[question.json or question.command[0]] if reply is None else reply
        if isinstance(reply, Exception):
            raise reply
        return reply

    def delete(self, _item, uid=""):
        assert uid == "store-1"
        self.second = self.pod("store-1", "worker2", deleted=True)

    def patch(self, _version, kind, _name, _namespace, body, **_options):
        if kind != "Pod":
            self.replicas = body["spec"]["replicas"]
            self.second = self.pod("store-1", "worker2", deleted=True)


CONTRACT = RoleContract("store", "StatefulSet", "store", "role=store", "app", "store.ns.svc", "new", 2)


@pytest.fixture
def clock(monkeypatch):
    """It is an hour after worker2 went away."""
    clock = Clock(time.mktime((2026, 11, 28, 3, 13, 7, 0, 0, 0)) - time.timezone)
    monkeypatch.setattr(app_watch, "time", clock)
    return clock


@pytest.fixture
def cluster():
    return Cluster()


def wait(cluster, seconds=300.0):
    watch = RoleWatch(cluster, "ns", CONTRACT)
    return until(watch.look, Deadline(seconds))


def test_a_wait_for_a_host_that_is_away_for_long_ends_at_once_and_says_which(cluster, clock):
    view = wait(cluster)
    assert view.why == (
        f"1 of 2 members are ready: member store-1 waits for host worker2, {SILENT}. {BOTTOM}"
    )  # fmt: skip
    assert clock.now == 3


def test_so_does_one_for_the_host_of_a_volume(cluster, clock):
    cluster.second = cluster.pod("store-1")
    assert "member store-1 waits for its volume local-data-store-1 on host worker2, which" in wait(cluster).why
    assert clock.now == 3


def test_and_one_for_a_host_that_was_removed(cluster, clock):
    cluster.second = cluster.pod("store-1")
    cluster.hosts = ["worker1"]
    assert (
        "its volume local-data-store-1 on host worker2, which is no longer a node of the cluster" in wait(cluster).why
    )
    assert clock.now == 3


def test_and_one_for_a_member_that_cannot_stop(cluster, clock):
    cluster.second = cluster.pod("store-1", "worker2", deleted=True)
    assert "member store-1 cannot stop on host worker2, which has not answered since" in wait(cluster).why
    assert clock.now == 3


def test_a_host_that_has_just_gone_may_come_back(cluster, clock):
    clock.epoch -= 3590
    assert wait(cluster).obstacles
    assert clock.now == 50


@pytest.mark.parametrize("wrong", [-86400, 86400])
def test_a_clock_that_goes_wrong_costs_a_minute_at_most(cluster, clock, wrong):
    clock.epoch += wrong
    assert wait(cluster).obstacles
    assert clock.now <= 60


def test_a_host_that_comes_back_is_waited_for_anew(cluster, clock, monkeypatch):
    clock.epoch -= 3600
    steps = itertools.count()

    def sleep(seconds):
        clock.now += seconds
        step = next(steps)
        cluster.silent = set() if 30 <= step < 40 else {"worker2"}

    monkeypatch.setattr(clock, "sleep", sleep)
    cluster.second["status"]["conditions"][1]["status"] = "False"
    wait(cluster)
    assert clock.now >= 60


def test_where_another_host_could_make_room_it_is_waited_longer(cluster, clock):
    cluster.second = cluster.pod("store-1")
    cluster.second["spec"]["volumes"] = []
    assert wait(cluster).why == (
        "1 of 2 members are ready (store-1: Unschedulable: 0/2 nodes are available): member store-1 finds no place "
        f"without host worker2, {SILENT}. {BOTTOM}"
    )
    assert clock.now == 30


def test_a_member_that_stops_on_a_host_that_works_makes_room(cluster, clock):
    cluster.second = cluster.pod("store-1")
    cluster.second["spec"]["volumes"] = []
    cluster.others["role=store"] = [cluster.pod("store-0", "worker1", deleted=True), cluster.second]
    view = wait(cluster, 120)
    assert (view.obstacles, clock.now) == ((), 120)
    # Not one that cannot stop.
    cluster.others["role=store"][0] = cluster.pod("store-0", "worker2", deleted=True)
    assert "member store-0 cannot stop on host worker2" in wait(cluster, 120).why
    assert clock.now == 123


def test_without_the_right_to_read_nodes_it_waits_as_long_as_it_may(cluster, clock):
    cluster.forbidden.add("Node")
    view = wait(cluster, 20)
    assert view.missing == (
        "1 of 2 members are ready (store-1: phase Running, condition Ready False). Whether worker2 works is not known: "
        "the kubeconfig's user may not list nodes"
    )
    assert clock.now == 20
    assert cluster.asked.count("Node") == 1


def test_without_the_right_to_read_volumes_the_scheduler_has_the_word(cluster, clock):
    cluster.second = cluster.pod("store-1")
    cluster.forbidden.add("PersistentVolume")
    assert "Unschedulable: 0/2 nodes are available" in wait(cluster).why
    assert clock.now == 30


def test_nodes_are_not_read_at_every_look(cluster, clock):
    clock.epoch -= 3600
    wait(cluster, 20)
    assert cluster.asked.count("Node") == 5


def test_a_member_that_leaves_and_cannot_stop_is_told(cluster, clock):
    with pytest.raises(
        Refused, match=r"has not settled since: store-1 is still stopping: member store-1 cannot stop on host"
    ):
        leave_one(RoleWatch(cluster, "ns", CONTRACT), 1, 300)
    assert clock.now < 10


def test_a_member_that_restarts_and_cannot_stop_is_told(cluster, clock):
    with pytest.raises(Refused, match=r"store-1 is still stopping: member store-1 cannot stop on host worker2"):
        restart_one(RoleWatch(cluster, "ns", CONTRACT), "store-1", 300)
    assert clock.now < 10


def test_the_document_that_the_message_names_is_there():
    file, _hash, heading = app_watch.DOCUMENT.partition("#")
    headings = re.findall("^## (.+)$", (ROOT / file).read_text(), re.MULTILINE)
    assert heading in [text.lower().replace(" ", "-") for text in headings]


# --- what members answer ---------------------------------------------------------------------------


def asking(cluster, **changes):
    """A role whose members work, and are asked how many they are, and whether their data is safe."""
    cluster.silent = set()
    cluster.second = cluster.pod("store-1", "worker2")
    cluster.replies = {"count": "2", "safe": "true", **cluster.replies}
    checks = {"asks_members": Question(("count",)), "asks_safe": Question(port=80, json="safe")}
    return RoleWatch(cluster, "ns", replace(CONTRACT, **checks, **changes))


@pytest.mark.parametrize("count", ["2", "2\r\n", " 2 ", "2.0", "\ufeff2", "Welcome\nwarning: old option\n2\n"])
@pytest.mark.parametrize("safe", ["true", "true\r", "True", '"true"'])
def test_members_are_counted_however_the_answer_is_written(cluster, clock, count, safe):
    cluster.replies = {"count": count, "safe": safe}
    view = asking(cluster).look()
    assert (view.missing, view.counted, view.safe) == ("", 2, True)
    assert view.answers == {name: {"members": "2", "safe": "true"} for name in ("store-0", "store-1")}


@pytest.mark.parametrize(
    ("replies", "missing"),
    [
        ({"count": "1\r\n"}, "store-0 counts 1 members, 2 wanted"),
        ({"count": "1\n2"}, "store-0 counts no number ('1 2'), 2 members wanted"),
        ({"count": "null"}, "store-0 counts no number ('null'), 2 members wanted"),
        ({"count": ""}, "store-0 counts no number (''), 2 members wanted"),
        ({"count": "\u00b2"}, "store-0 counts no number ('\u00b2'), 2 members wanted"),
        ({"count": "x" * 10**6}, f"store-0 counts no number ('{'x' * 197}...'), 2 members wanted"),
        (
            {"count": CommandFailed("count gave more than 16777216 bytes of output", None, "")},
            "store-0 counts no answer (count gave more than 16777216 bytes of output), 2 members wanted",
        ),
        ({"count": CommandFailed("count ended with 1", 1, "no\r\nroute")}, "store-0 counts no answer (no route), 2"),
        ({"safe": "null"}, "store-0 says that data is not safe yet (null)"),
        ({"safe": "1"}, "store-0 says that data is not safe yet (1)"),
        ({"safe": ""}, "store-0 says that data is not safe yet (false)"),
        ({"safe": ValueError("expected JSON with safe, found ''")}, "data is not safe yet (expected JSON with safe"),
        ({"store-1 count": "3"}, "store-1 counts 3 members, 2 wanted"),
    ],
)
def test_an_answer_that_says_something_else_is_told_as_it_is(cluster, clock, replies, missing):
    cluster.replies = replies
    view = asking(cluster).look()
    assert view.missing.startswith(missing) or missing in view.missing
    assert len(view.missing) < 400


def live(command, *last):
    return {"live": LiveQuestion(Question((command,)), r"^Mode: (\w+)$"), "restart_last": last}


def test_members_say_who_they_are(cluster, clock):
    cluster.replies = {"store-0 who": "Mode: leader", "store-1 who": "Mode: follower"}
    watch = asking(cluster, **live("who", "leader"))
    members = watch.members()
    assert watch.live_roles(members) == ""
    assert [item.live_role for item in members] == ["leader", "follower"]


def test_a_live_role_that_no_member_has_is_said(cluster, clock):
    cluster.replies = {"store-0 who": "Mode: standalone", "store-1 who": CommandFailed("who ended with 1", 1, "")}
    watch = asking(cluster, **live("who", "leader", "primary"))
    assert watch.live_roles(watch.members()) == (
        "expected a member that is leader or primary (restart_last), found none, so that nobody is kept for the end; "
        "members say: store-0 standalone, store-1 nothing that live_role knows"
    )
    assert asking(cluster, **live("who")).live_roles(watch.members()) == ""


def test_the_selector_of_any_controller():
    assert selector_of({"spec": {"selector": {"matchLabels": {"b": "2", "a": "1"}}}}) == "a=1,b=2"
    # A ReplicationController's.
    assert selector_of({"spec": {"selector": {"a": "1"}}}) == "a=1"
    assert selector_of({}) == ""


def test_where_nobody_is_ready_it_is_said_why(cluster):
    assert ready_member(cluster, "ns", "role=store") == "store-0"
    cluster.silent = {"worker1", "worker2"}
    cluster.second = cluster.pod("store-1")
    with pytest.raises(NoReadyMember, match=r"found none of 2 \(role=store; .*; store-1: Unschedulable: 0/2 nodes are"):
        ready_member(cluster, "ns", "role=store")


class Module:
    """The part of AnsibleModule that app_wait uses."""

    check_mode = False

    def __init__(self, *contracts: RoleContract) -> None:
        self.params = {"namespace": "ns", "contracts": [asdict(item) for item in contracts], "timeout": 300}

    def fail_json(self, **result: Any) -> None:
        raise SystemExit(result["msg"])


def ends(cluster, monkeypatch, *contracts):
    """With what the module fails."""
    monkeypatch.setattr(app_wait, "create_module", lambda _spec: Module(*contracts))
    monkeypatch.setattr(app_wait, "Kube", lambda _module: cluster)
    with pytest.raises(SystemExit) as ended:
        app_wait.main()
    return str(ended.value)


def test_the_module_says_it_of_all_roles_at_once(cluster, clock, monkeypatch):
    other = replace(CONTRACT, role="front", name="front", members=3)
    assert ends(cluster, monkeypatch, other, CONTRACT) == (
        "Not settled in namespace ns after 3.0 s: front: it is set to 2 members, not 3. store: 1 of 2 members are ready"
        f": member store-1 waits for host worker2, {SILENT}. {BOTTOM}. Nothing was taken away. Then run again."
    )
    assert clock.now == 3


@pytest.mark.parametrize("changes", [{"counted_with": (Counted("StatefulSet", "other"),)}, {"asked": "app=other"}])
def test_so_does_a_role_that_another_with_a_member_there_keeps_from_settling(cluster, clock, monkeypatch, changes):
    cluster.second = cluster.pod("store-1", "worker1")
    cluster.others["app=other"] = [cluster.pod("other-0", "worker2")]
    cluster.replies = {"count": "2"}
    contract = replace(CONTRACT, template_hash="", asks_members=Question(("count",)), **changes)
    assert f"member other-0 waits for host worker2, {SILENT}. {BOTTOM}" in ends(cluster, monkeypatch, contract)
    assert clock.now == 3


def test_a_plan_begins_with_the_live_role_that_no_member_has():
    todo = {
        "note": "expected a leader",
        "changes": ["ConfigMap/a"],
        "want": 2,
        "have": 2,
        "leaving": [],
        "restarts": [],
    }
    assert app_compare.sentences("store", todo) == ["store: expected a leader", "store: change ConfigMap/a"]
