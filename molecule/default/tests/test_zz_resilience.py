# SPDX-License-Identifier: GPL-3.0-or-later
"""Power cuts: a worker that dies and returns, and all hosts at once. Nobody does anything, and all is back."""

from __future__ import annotations

import datetime
import os
import re
import subprocess

import pytest
from conftest import MIRROR, NODES, STATE, hazelcast_map, hazelcast_members, wait_for

ENTRIES = {"map": "power-cut", "entries": 1_000}


def podman(action: str, hosts: list[str]) -> None:
    """Press the power switch of hosts."""
    subprocess.run(
        ["podman", *action.split(), *(f"{STATE.name[1:]}-{host}" for host in hosts)],
        env=os.environ | {"CONTAINERS_CONF": str(STATE / "containers.conf")},
        capture_output=True,
        timeout=120,
        check=True,
    )


def ready_since(kubectl, moment: datetime.datetime) -> set[str]:
    """The nodes whose kubelet said after *moment* that they are ready."""
    return {
        node["metadata"]["name"]
        for node in kubectl("get nodes -o json")["items"]
        for condition in node["status"]["conditions"]
        if condition["type"] == "Ready"
        and condition["status"] == "True"
        and datetime.datetime.fromisoformat(condition["lastHeartbeatTime"]) > moment
    }


def unready_pods(kubectl) -> set[str]:
    return {
        f"{pod['metadata']['namespace']}/{pod['metadata']['name']}"
        for pod in kubectl("get pods -A -o json")["items"]
        if "True" not in [one["status"] for one in pod["status"].get("conditions", []) if one["type"] == "Ready"]
    }


def test_a_worker_dies_and_returns(kubectl, playbook):
    hazelcast_map(state="written", members=2, **ENTRIES)
    podman("stop --time=5", ["worker1"])
    kubectl("wait --for=condition=Ready=Unknown node/worker1 --timeout=600s")
    # The other member has a copy of everything.
    wait_for(lambda: hazelcast_members() == (1, 1), "one Hazelcast member less")
    assert hazelcast_map(state="present", **ENTRIES)["found"] == 1_000
    run = playbook("playbooks/apps.yml")
    said = " ".join(run.output.split())
    assert run.rc == 2, said
    assert re.search(
        # The second once the pod is to leave, five minutes after its host.
        r"member hazelcast-member-\d (waits for|cannot stop on) host worker1, which has not answered since 20\d\d-",
        said,
    ), said

    started = datetime.datetime.now(datetime.timezone.utc)
    podman("start", ["worker1"])
    wait_for(lambda: ready_since(kubectl, started) >= {"worker1"}, "worker1 to be ready")
    wait_for(lambda: hazelcast_members() == (2, 2), "two Hazelcast members")
    assert hazelcast_map(state="present", **ENTRIES)["found"] == 1_000
    hazelcast_map(state="absent", **ENTRIES)


@pytest.mark.parametrize(
    ("hosts", "actions"),
    [
        pytest.param(NODES, ["restart --time=5"], id="cluster hosts restarted", marks=pytest.mark.long),
        pytest.param([MIRROR, *NODES], ["kill", "start"], id="power cut of the whole site"),
    ],
)
def test_all_hosts_restart_at_once(kubectl, hosts, actions):
    for action in actions:
        started = datetime.datetime.now(datetime.timezone.utc)
        podman(action, hosts)
    wait_for(lambda: ready_since(kubectl, started) == set(NODES), "all nodes to be ready")
    wait_for(lambda: hazelcast_members() == (2, 2), "two Hazelcast members")
    wait_for(lambda: not unready_pods(kubectl), "every pod to be ready")
    for pod in kubectl("-n hazelcast get pods -o name").split():
        address = kubectl(f"-n hazelcast exec {pod} -- getent hosts kubernetes.default.svc.cluster.local")
        assert address.split()[0] == "10.96.0.1"


def test_the_site_needs_no_repair(playbook):
    """All there is to do is to tell the members of each other's new addresses."""
    run = playbook("site.yml", "--diff")
    assert (run.rc, set(run.changed) - {"localhost"}) == (0, set()), run.output
    assert run.changed.get("localhost", 0) == run.output.count("before: ConfigMap/hazelcast-members"), run.output
    again = playbook("playbooks/apps.yml")
    assert (again.rc, again.changed) == (0, {}), again.output
