# SPDX-License-Identifier: GPL-3.0-or-later
"""Cassandra, run as an operator does it. A client writes rows at QUORUM all the time, and none may be lost."""

from __future__ import annotations

import json
import re

import pytest
from conftest import STATE, ansible, module, wait_for

NAMESPACE = "cassandra"
CLUSTER = {"kubeconfig": str(STATE / "kubeconfig"), "namespace": NAMESPACE}
PLAYBOOK = ("playbooks/apps.yml",)
ROWS = {**CLUSTER, "selector": "app.kubernetes.io/instance=cassandra", "keyspace": "survivors", "rows": 2000}
MEMBER = "python3 /etc/baremetal-bigdata/member.py"


def rows(state: str, **parameters) -> dict:
    return module("cassandra_rows", state=state, **(ROWS | parameters))


@pytest.fixture(scope="module")
def run_in(kubectl):
    """Run a command in a member; returns its output."""
    return lambda pod, command: kubectl(f"-n {NAMESPACE} exec {pod} -c app -- {command}")


@pytest.fixture(scope="module")
def states(run_in):
    """The states of all members in `nodetool status`, such as UN."""
    return lambda: re.findall(r"^([UD][NLJM]) ", run_in("cassandra-seed-0", "nodetool status"), re.MULTILINE)


@pytest.fixture(scope="module")
def starts(kubectl):
    """When each member was started: its pod's identity and how often its container has been restarted."""

    def look() -> dict[str, tuple]:
        pods = kubectl(f"-n {NAMESPACE} get pods -l app.kubernetes.io/instance=cassandra -o json")["items"]
        return {
            pod["metadata"]["name"]: (
                pod["metadata"]["uid"],
                pod["status"].get("containerStatuses", [{}])[0].get("restartCount"),
            )
            for pod in pods
        }

    return look


@pytest.fixture(scope="module", autouse=True)
def survivors():
    """Rows that are there from the beginning, in three copies."""
    rows("absent")
    written = rows("written")
    assert (written["written"], written["found"]) == (2000, 2000)
    yield
    rows("absent")


@pytest.fixture(scope="module", autouse=True)
def writer(kubectl, survivors):
    """A client in a pod of its own, which writes rows at QUORUM during all tests. Its words are looked at last."""
    name = "writer"
    kubectl(f"-n {NAMESPACE} delete pod {name} --ignore-not-found --grace-period=1")
    template = kubectl(f"-n {NAMESPACE} get statefulset cassandra-seed -o json")["spec"]["template"]["spec"]
    container = template["containers"][0]
    for field in ("lifecycle", "readinessProbe", "resources", "ports"):
        container.pop(field, None)
    script = MEMBER.split()[1]
    container["command"] = ["python3", script, "rows", "sustained", "client", "0", "3", "3600"]
    container["volumeMounts"] = [mount for mount in container["volumeMounts"] if mount["name"] != "data"]
    template.pop("topologySpreadConstraints", None)
    template["restartPolicy"] = "Never"
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": NAMESPACE}, "spec": template}
    kubectl("apply -f -", stdin=json.dumps(pod))
    wait_for(
        lambda: "client" in kubectl(f"-n {NAMESPACE} exec cassandra-seed-0 -c app -- ls /var/lib/cassandra/data"),
        "the client's keyspace",
    )
    yield name
    kubectl(f"-n {NAMESPACE} delete pod {name} --ignore-not-found --grace-period=1")
    rows("absent", keyspace="client")


def test_three_members_are_up_and_each_knows_its_rack(kubectl, states, run_in):
    assert states() == ["UN", "UN", "UN"]
    nodes = {
        node["metadata"]["name"]: node["metadata"]["labels"].get("topology.kubernetes.io/zone", "rack1")
        for node in kubectl("get nodes -o json")["items"]
    }
    for pod in kubectl(f"-n {NAMESPACE} get pods -l app.kubernetes.io/instance=cassandra -o json")["items"]:
        told = run_in(pod["metadata"]["name"], "cat /run/cassandra/conf/cassandra-rackdc.properties")
        assert f"rack={nodes[pod['spec']['nodeName']]}" in told.splitlines()


def test_the_seeds_answer_as_hosts_of_an_inventory(members_inventory, path):
    command = ("cassandra_seed", "-m", "raw", "-a", "nodetool status")
    done = ansible("ansible", "-i", members_inventory(**CLUSTER), *command, PATH=path)
    assert done.returncode == 0, done.stdout
    for seed in ("cassandra-seed-0", "cassandra-seed-1"):
        assert f"{seed} | CHANGED" in done.stdout
    assert len(re.findall(r"^UN ", done.stdout, re.MULTILINE)) == 6, done.stdout


def test_nobody_gets_in_without_the_password(kubectl, run_in):
    for user, password in (("cassandra", "cassandra"), ("admin", "wrong")):
        said = run_in(
            "cassandra-seed-0", f"sh -c 'cqlsh -u {user} -p {password} $POD_IP -e \"list roles\" 2>&1 || true'"
        )
        assert "AuthenticationFailed" in said or "Bad credentials" in said, said
    roles = run_in("cassandra-seed-0", f"{MEMBER} cqlsh -e 'list roles'")
    assert re.search(r"^\s*admin \|", roles, re.MULTILINE), roles
    assert not re.search(r"^\s*cassandra \|", roles, re.MULTILINE), roles


def test_jmx_is_not_reached_from_outside(run_in):
    tables = run_in("cassandra-seed-0", "cat /proc/net/tcp /proc/net/tcp6")
    # As the kernel writes it: port 7199, state listening, address 127.0.0.1 in version 4 or within version 6.
    listening = re.findall(r"^\s*\d+: (\w+):1C1F \w+:0000 0A ", tables, re.MULTILINE)
    assert listening
    assert all(address.endswith("0100007F") for address in listening), listening


def test_the_role_verifies_its_cluster():
    found = ansible(
        "ansible", "localhost", "-m", "include_role", "-a", "name=baremetal.bigdata.cassandra tasks_from=verify.yml"
    )
    assert found.returncode == 0, found.stdout
    assert "3 members, 1000 rows written, 1000 of 1000 found at QUORUM" in " ".join(found.stdout.split())


def test_a_leave_that_would_lose_copies_is_refused_by_the_keyspaces_name(playbook, starts, states):
    before = starts()
    run = playbook(*PLAYBOOK, "-e", "cassandra_workers=0")
    assert run.rc != 0
    said = " ".join(run.output.split())
    assert "keyspace survivors: expected a replication factor of at most 2" in said, run.output
    assert (starts(), states()) == (before, ["UN"] * 3)


def test_the_last_seed_stays(playbook, starts):
    before = starts()
    run = playbook(*PLAYBOOK, "-e", "cassandra_seeds=0")
    assert run.rc != 0
    assert "cassandra_seeds: expected 1 or more members of role seed, found 0" in " ".join(run.output.split())
    assert starts() == before


def test_a_member_more_joins_and_takes_its_part(playbook, states):
    run = playbook(*PLAYBOOK, "-e", "cassandra_workers=2", timeout=900)
    assert run.rc == 0, run.output
    assert list(run.changed) == ["localhost"]
    assert states() == ["UN"] * 4
    assert rows("present")["found"] == 2000


def test_an_interrupted_leave_is_taken_up_and_no_row_is_lost(kubectl, playbook, run_in, states):
    # As a run that was interrupted leaves it behind: the member is marked and hands its data over.
    kubectl(f"-n {NAMESPACE} annotate pod cassandra-worker-1 --overwrite baremetal.bigdata/leaving=true")
    run_in("cassandra-worker-1", f"{MEMBER} leave")
    run = playbook(*PLAYBOOK, timeout=900)
    assert run.rc == 0, run.output
    assert states() == ["UN"] * 3
    assert rows("present")["found"] == 2000
    again = playbook(*PLAYBOOK)
    assert (again.rc, again.changed) == (0, {}), again.output


def test_a_member_that_was_killed_comes_back(kubectl, states, starts):
    before = starts()["cassandra-worker-0"]
    kubectl(f"-n {NAMESPACE} delete pod cassandra-worker-0 --grace-period=0 --force")
    wait_for(
        lambda: starts().get("cassandra-worker-0", before)[0] != before[0] and states() == ["UN"] * 3,
        "the killed member in the ring again",
    )
    assert rows("present")["found"] == 2000


@pytest.mark.long
def test_a_changed_setting_restarts_its_readers_one_by_one(playbook, starts, states):
    before = starts()
    setting = ("-e", '{"cassandra_config": {"slow_query_log_timeout": "700ms"}}')
    run = playbook(*PLAYBOOK, *setting, timeout=1200)
    assert run.rc == 0, run.output
    after = starts()
    assert all(after[name][0] != before[name][0] for name in before), (before, after)
    assert states() == ["UN"] * 3
    assert rows("present")["found"] == 2000
    again = playbook(*PLAYBOOK, *setting)
    assert (again.rc, again.changed) == (0, {}), again.output


@pytest.mark.long
def test_a_member_that_lost_its_volume_is_replaced(kubectl, run_in, states):
    kubectl(f"-n {NAMESPACE} delete pvc data-cassandra-worker-0 --wait=false")
    kubectl(f"-n {NAMESPACE} delete pod cassandra-worker-0 --grace-period=0 --force")
    wait_for(
        lambda: json.loads(run_in("cassandra-worker-0", f"{MEMBER} waiting")).get("dead"),
        "the member to wait with its empty volume",
    )
    assert sorted(states()) == ["DN", "UN", "UN"]
    replaced = module("cassandra_replace", **CLUSTER, member="cassandra-worker-0")
    assert replaced["replaced"]
    assert states() == ["UN"] * 3
    assert rows("present")["found"] == 2000
    assert not module("cassandra_replace", **CLUSTER, member="cassandra-worker-0")["changed"]


def test_the_client_lost_nothing(kubectl, writer):
    kubectl(f"-n {NAMESPACE} exec {writer} -c app -- touch /run/cassandra/enough")
    wait_for(
        lambda: kubectl(f"-n {NAMESPACE} get pod {writer} -o jsonpath={{.status.phase}}") in ("Succeeded", "Failed"),
        "the client to end",
    )
    words = [line for line in kubectl(f"-n {NAMESPACE} logs {writer}").splitlines() if line.startswith("{")]
    told = json.loads(words[-1])
    print(told)
    assert told["written"] > 500
    assert (told["lost"], told["found"]) == ([], told["written"]), told
    # On a busy machine a write may time out, and the client knows it. A ring without QUORUM fails far more.
    assert told["failed"] <= told["written"] // 100, told
