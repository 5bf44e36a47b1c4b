# SPDX-License-Identifier: GPL-3.0-or-later
"""Hazelcast, scaled as an operator does it: 2 -> 4 -> 2 members and a killed one, and no entry is lost."""

from __future__ import annotations

import pytest
from conftest import ansible, hazelcast_entries, hazelcast_map, hazelcast_members, pod_uids, wait_for

ENTRIES = {"map": "survivors", "entries": 10_000}


@pytest.fixture(scope="module")
def entries():
    """10,000 entries, written while there are two members."""
    with hazelcast_entries(members=2, **ENTRIES) as written:
        yield written


def test_two_members_by_hazelcasts_own_count_and_by_discovery():
    assert hazelcast_members() == (2, 2)


def test_the_role_verifies_its_cluster():
    found = ansible(
        "ansible", "localhost", "-m", "include_role", "-a", "name=baremetal.bigdata.hazelcast tasks_from=verify.yml"
    )
    assert found.returncode == 0, found.stdout
    assert "2 members, 1000 entries written, 1000 of 1000 found" in " ".join(found.stdout.split())


def test_entries_are_written(entries):
    assert (entries["written"], entries["found"]) == (10_000, 10_000)


@pytest.mark.parametrize("replicas", [4, 2])
def test_every_entry_survives_another_number_of_members(playbook, entries, replicas):
    setting = ("-e", f"hazelcast_replicas={replicas}")
    scaled = playbook("playbooks/apps.yml", *setting)
    assert scaled.rc == 0, scaled.output
    assert list(scaled.changed) == ["localhost"]
    assert hazelcast_members() == (replicas, replicas)
    assert hazelcast_map(state="present", members=replicas, **ENTRIES)["found"] == 10_000
    again = playbook("playbooks/apps.yml", *setting)
    assert (again.rc, again.changed) == (0, {}), again.output


def test_a_killed_member_comes_back_and_no_entry_is_lost(kubectl, playbook, entries):
    name, uid = next(iter(pod_uids(kubectl, "hazelcast", "member").items()))
    kubectl(f"-n hazelcast delete pod {name} --grace-period=0 --force")

    def replaced() -> bool:
        return uid not in pod_uids(kubectl, "hazelcast", "member").values() and hazelcast_members() == (2, 2)

    wait_for(replaced, "a new member in place of the killed one")
    assert hazelcast_map(state="present", members=2, **ENTRIES)["found"] == 10_000
    # The next run tells the members of its new address.
    run = playbook("playbooks/apps.yml", "--diff")
    assert run.rc == 0, run.output
    assert "ConfigMap/hazelcast-members" in run.output


def test_nothing_is_left_to_change(playbook):
    run = playbook("playbooks/apps.yml")
    assert (run.rc, run.changed) == (0, {}), run.output
