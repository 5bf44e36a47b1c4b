# SPDX-License-Identifier: GPL-3.0-or-later
"""Two racks with two members each: data and its copy never lie in one rack."""

from __future__ import annotations

import pytest
from conftest import hazelcast_entries, hazelcast_map, hazelcast_members, wait_for

CONVERGE = "molecule/hazelcast/converge.yml"
ENTRIES = {"map": "racks", "entries": 10_000}


@pytest.fixture(scope="module")
def entries():
    """10,000 entries, written while all members are up."""
    with hazelcast_entries(members=4, **ENTRIES) as written:
        yield written


@pytest.fixture(scope="module")
def racks(kubectl):
    """Rack -> name and identity of its members' pods."""

    def look() -> dict[str, dict[str, str]]:
        label = "topology.kubernetes.io/zone"
        nodes = {
            one["metadata"]["name"]: one["metadata"]["labels"].get(label)
            for one in kubectl("get nodes -o json")["items"]
        }
        found: dict[str, dict[str, str]] = {}
        for pod in kubectl("-n hazelcast get pods -l baremetal.bigdata/role=member -o json")["items"]:
            rack = found.setdefault(nodes[pod["spec"]["nodeName"]], {})
            rack[pod["metadata"]["name"]] = pod["metadata"]["uid"]
        return found

    return look


def test_each_rack_has_as_many_members(racks):
    assert {rack: len(pods) for rack, pods in racks().items()} == {"rack-a": 2, "rack-b": 2}


def test_members_with_and_without_racks_are_not_mixed(playbook, racks):
    before = racks()
    refused = playbook("playbooks/apps.yml", "-e", "hazelcast_replicas=4")
    assert refused.rc != 0
    said = " ".join(refused.output.split())
    assert "parameter rack_aware: expected True as its members have it, found False" in said, refused.output
    assert racks() == before


def test_a_lost_rack_loses_no_entry(kubectl, entries, racks):
    assert (entries["written"], entries["found"]) == (10_000, 10_000)
    lost = racks()["rack-a"]
    kubectl(f"-n hazelcast delete pod {' '.join(lost)} --grace-period=0 --force")
    wait_for(
        lambda: (
            not {uid for pods in racks().values() for uid in pods.values()} & set(lost.values())
            and hazelcast_members() == (4, 4)
        ),
        "new members in place of the lost ones",
    )
    assert hazelcast_map(state="present", members=4, **ENTRIES)["found"] == 10_000


def test_a_changed_setting_restarts_all_members_one_by_one(playbook, entries, racks):
    # The run after a loss tells the members of their new addresses.
    assert playbook(CONVERGE).rc == 0
    before = {uid for pods in racks().values() for uid in pods.values()}
    setting = (CONVERGE, "-e", '{"hazelcast_config": {"map": {"racks-*": {"backup-count": 1}}}}')
    run = playbook(*setting, timeout=900)
    assert run.rc == 0, run.output
    assert not before & {uid for pods in racks().values() for uid in pods.values()}
    assert hazelcast_map(state="present", members=4, **ENTRIES)["found"] == 10_000
    again = playbook(*setting)
    assert (again.rc, again.changed) == (0, {}), again.output
