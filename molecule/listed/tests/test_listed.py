# SPDX-License-Identifier: GPL-3.0-or-later
"""Clusters of app_clusters, by definitions alone: all of them come, grow, shrink and are found."""

from __future__ import annotations

import pytest
from conftest import STATE, module, wait_for

CONVERGE = "molecule/listed/converge.yml"
CLUSTER = {"kubeconfig": str(STATE / "kubeconfig"), "namespace": "listed"}
# Ready members by role, in the smallest cluster and with one more.
MEMBERS = {
    "grid": [{"member": 1}, {"member": 2}],
    "flow": [{"controller": 1, "worker": 1}, {"controller": 1, "worker": 2}],
    "ring": [{"seed": 1}, {"seed": 1, "worker": 1}],
    "farm": [{"master": 1, "compute": 1}, {"master": 1, "compute": 2}],
}


def ready(name: str) -> dict[str, int]:
    """Role -> ready members, of one cluster."""
    found = module("role_discovery", **CLUSTER, instance=name)["members"]
    counts = {role: sum(member["ready"] for member in members) for role, members in found.items()}
    return {role: count for role, count in counts.items() if count}


@pytest.mark.parametrize("name", MEMBERS)
def test_each_cluster_is_found_by_its_name(name):
    assert ready(name) == MEMBERS[name][0]


def test_all_grow_in_one_run_and_shrink_in_another(playbook):
    for more in (1, 0):
        settings = (CONVERGE, "-e", f"listed_more={more}")
        run = playbook(*settings, timeout=900)
        assert run.rc == 0, run.output
        assert {name: ready(name) for name in MEMBERS} == {name: found[more] for name, found in MEMBERS.items()}
        again = playbook(*settings)
        assert (again.rc, again.changed) == (0, {}), again.output


def test_killed_members_come_back(kubectl):
    names = kubectl("-n listed get pods -o name").split()
    kubectl(f"-n listed delete {' '.join(names)} --grace-period=0 --force")
    wait_for(
        lambda: {name: ready(name) for name in MEMBERS} == {name: found[0] for name, found in MEMBERS.items()},
        "all members of all clusters",
    )
