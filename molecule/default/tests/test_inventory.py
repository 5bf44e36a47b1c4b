# SPDX-License-Identifier: GPL-3.0-or-later
"""Members as hosts, live roles and the discovery ConfigMap, on the Hazelcast that runs in the lab."""

from __future__ import annotations

import json

from conftest import HAZELCAST, PATIENCE, ansible, module

# By HTTP through the API server, and by a command in the container: both by the app's own word.
BY_HTTP = {"member": {"http": {"port": 5701, "path": "/hazelcast/health", "json": "nodeState"}}}
BY_COMMAND = {"member": {"command": ["sh", "-c", "echo state: $HOSTNAME"], "match": r"state: (hazelcast)-member-\d+"}}


def pods(kubectl) -> dict[str, str]:
    """Name -> address of Hazelcast's pods, as kubectl tells."""
    found = kubectl("-n hazelcast get pods -l baremetal.bigdata/role=member -o json")["items"]
    return {pod["metadata"]["name"]: pod["status"]["podIP"] for pod in found}


def test_each_member_is_a_host_in_the_groups_of_its_role(kubectl, members_inventory):
    inventory = members_inventory(**HAZELCAST, live_roles=BY_HTTP)
    listed = ansible("ansible-inventory", "-i", inventory, "--list")
    assert listed.returncode == 0, listed.stdout
    groups = json.loads(listed.stdout[listed.stdout.index("{") :])
    for group in ("hazelcast_member", "role_member", "app_hazelcast", "live_ACTIVE", "hazelcast_live_ACTIVE"):
        assert sorted(groups[group]["hosts"]) == sorted(pods(kubectl)), group


def test_a_command_runs_in_every_member_of_a_role(kubectl, members_inventory, path):
    command = ("hazelcast_member", "-m", "raw", "-a", "cat /etc/hostname")
    done = ansible("ansible", "-i", members_inventory(**HAZELCAST), *command, PATH=path)
    assert done.returncode == 0, done.stdout
    for pod in pods(kubectl):
        assert f"{pod} | CHANGED" in done.stdout
        assert pod in [line.strip() for line in done.stdout.splitlines()]


def test_live_roles_by_command_and_waiting_for_them(kubectl):
    members = len(pods(kubectl))
    found = module(
        "role_discovery", **HAZELCAST, live_roles=BY_COMMAND, expect={"member": members},
        expect_live={"hazelcast": members}, wait=True, wait_timeout=PATIENCE,
    )  # fmt: skip
    assert [member["pod"] for member in found["live"]["hazelcast"]] == sorted(pods(kubectl))
    assert found["findings"] == []


def test_the_table_has_every_member_and_its_live_role(playbook, kubectl):
    settings = {
        "discover_kubeconfig": HAZELCAST["kubeconfig"],
        "discover_namespace": HAZELCAST["namespace"],
        "discover_live_roles": BY_HTTP,
    }
    run = playbook("playbooks/discover.yml", "-e", json.dumps(settings))
    assert (run.rc, run.changed) == (0, {}), run.output
    rows = [line.split() for line in run.output.splitlines()]
    for pod, address in pods(kubectl).items():
        assert any(row[:5] == ["hazelcast", "member", "ACTIVE", pod, address] for row in rows), run.output


def test_the_members_are_published_and_nothing_changes_after_that(playbook, kubectl):
    settings = {
        "discover_kubeconfig": HAZELCAST["kubeconfig"],
        "discover_namespace": HAZELCAST["namespace"],
        "discover_instance": "hazelcast",
        "discover_publish": True,
    }
    run = playbook("playbooks/discover.yml", "-e", json.dumps(settings))
    assert run.rc == 0, run.output
    data = kubectl("-n hazelcast get configmap hazelcast-members -o json")["data"]
    listed = {member["name"]: member["ip"] for member in json.loads(data["members.json"])["member"]}
    assert listed == pods(kubectl)
    assert [line.split()[0] for line in data["hosts"].splitlines()] == list(listed.values())
    again = playbook("playbooks/discover.yml", "-e", json.dumps(settings))
    assert (again.rc, again.changed) == (0, {}), again.output
