# SPDX-License-Identifier: GPL-3.0-or-later
"""A role asks hosts that may not be in the run only by what knows about them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted(
    path
    for pattern in ("roles/*/tasks/*.yml", "roles/*/vars/*.yml", "roles/*/templates/**/*.j2", "playbooks/**/*.yml")
    for path in ROOT.glob(pattern)
)
# Filters that know what to do without a host's facts, and hosts that are in the play.
KNOWN = re.compile(
    r"""
    baremetal\.bigdata\.(node_addresses\(hostvars\)|host_to_ask\(hostvars,|local_volumes\(hostvars,)
    | hostvars=hostvars,
    | hostvars\[inventory_hostname\]\[
    | ansible_play_hosts\ \|\ map\('extract',\ hostvars\)
    | hostvars\[host\]\.cluster_node_name\ \|\ default\(host\)
    | hostvars\[item\]\.etcd_data_dir\ \|\ default\(
    """,
    re.VERBOSE,
)
DELEGATES = {
    "localhost",
    "{{ item }}",
    "{{ item.item }}",
    "{{ __cluster_control_plane_host }}",
    "{{ __cluster_etcd_host }}",
    "{{ __control_plane_source }}",
    "{{ __etcd_authority.source }}",
    "{{ kubelet_join_source }}",
}


def tasks(value: Any) -> list[dict[str, Any]]:
    """Every mapping of a file of tasks or plays."""
    if isinstance(value, list):
        return [task for item in value for task in tasks(item)]
    if not isinstance(value, dict):
        return []
    return [value, *(task for item in value.values() for task in tasks(item))]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_variables_of_other_hosts_are_read_by_what_knows_about_them(path):
    lines = [line for line in path.read_text().splitlines() if not line.lstrip().startswith("#")]
    unknown = [line.strip() for line in lines if "hostvars" in KNOWN.sub("", line)]
    assert unknown == []


@pytest.mark.parametrize(
    "path", [path for path in FILES if path.suffix == ".yml"], ids=lambda path: str(path.relative_to(ROOT))
)
def test_tasks_for_other_hosts(path):
    for task in tasks(yaml.safe_load(path.read_text())):
        if "delegate_to" in task:
            assert task["delegate_to"] in DELEGATES, task.get("name")
        # It fails the play at a host that cannot be reached, and says nothing.
        assert not (task.get("run_once") and task.get("ignore_unreachable")), task.get("name")


def test_the_controller_alone_has_no_part_in_a_cluster():
    """With --limit it is left out, and what it has to do for the cluster would be missing."""
    plays = yaml.safe_load((ROOT / "playbooks/cluster.yml").read_text())
    (local,) = (play for play in plays if play["hosts"] == "localhost")
    assert local["name"] == "Applications"
