# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Waits that end early, since a host does not come back. tests/api has waits against a real API server."""

from __future__ import annotations

import itertools
import time
from typing import Any

import pytest
from ansible_collections.baremetal.bigdata.plugins.module_utils.app.contract import RoleContract
from ansible_collections.baremetal.bigdata.plugins.module_utils.app.run import watch as app_watch
from ansible_collections.baremetal.bigdata.plugins.module_utils.app.run.leave import Refused, leave_one, restart_one
from ansible_collections.baremetal.bigdata.plugins.module_utils.app.run.watch import Deadline, RoleWatch, until
from ansible_collections.baremetal.bigdata.plugins.module_utils.kube.client import api_error
from ansible_collections.baremetal.bigdata.plugins.modules import app_wait

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

    def list(self, _version, kind, _namespace, _selector):
        self.may(kind)
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
            "spec": {"replicas": self.replicas},
            "status": {"observedGeneration": 1, "readyReplicas": 1},
        }

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
    assert view.missing == (
        f"1 of 2 members are ready: member store-1 waits for host worker2, {SILENT}. {BOTTOM}"
    )  # fmt: skip
    assert clock.now == 3


def test_so_does_one_for_the_host_of_a_volume(cluster, clock):
    cluster.second = cluster.pod("store-1")
    assert "member store-1 waits for host worker2 with its volume local-data-store-1, which" in wait(cluster).missing
    assert clock.now == 3


def test_and_one_for_a_host_that_was_removed(cluster, clock):
    cluster.second = cluster.pod("store-1")
    cluster.hosts = ["worker1"]
    assert "with its volume local-data-store-1, which is no longer a node of the cluster" in wait(cluster).missing
    assert clock.now == 3


def test_and_one_for_a_member_that_cannot_stop(cluster, clock):
    cluster.second = cluster.pod("store-1", "worker2", deleted=True)
    assert "member store-1 cannot stop on host worker2, which has not answered since" in wait(cluster).missing
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
    assert wait(cluster).missing == (
        "1 of 2 members are ready (store-1: Unschedulable: 0/2 nodes are available): member store-1 finds no place "
        f"without host worker2, {SILENT}. {BOTTOM}"
    )
    assert clock.now == 30


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
    assert "Unschedulable: 0/2 nodes are available" in wait(cluster).missing
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


class Module:
    """The part of AnsibleModule that app_wait uses."""

    check_mode = False

    def __init__(self, *contracts: RoleContract) -> None:
        self.params = {"namespace": "ns", "contracts": [item.as_dict() for item in contracts], "timeout": 300}

    def fail_json(self, **result: Any) -> None:
        raise SystemExit(result["msg"])


def test_the_module_does_not_wait_for_roles_after_one_that_waits_in_vain(cluster, clock, monkeypatch):
    monkeypatch.setattr(app_wait, "create_module", lambda _spec: Module(CONTRACT, CONTRACT))
    monkeypatch.setattr(app_wait, "Kube", lambda _module: cluster)
    with pytest.raises(SystemExit) as ended:
        app_wait.main()
    sentence = f"store: 1 of 2 members are ready: member store-1 waits for host worker2, {SILENT}. {BOTTOM}"
    assert str(ended.value) == (
        f"Not settled in namespace ns after 3.0 s: {sentence}. {sentence}. Nothing was taken away. Then run again."
    )
    assert clock.now == 3
