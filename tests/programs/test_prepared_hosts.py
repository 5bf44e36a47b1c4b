# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts that are prepared before there is a cluster: the steps that speak to one leave them alone, on this machine."""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path

import pytest
import yaml
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template
from running import run_playbook

ROOT = Path(__file__).resolve().parents[2]
STEPS = {"kubelet": "settings.yml", "flannel": "network.yml"}
BARE = {"facts": {"kubernetes": {"applied": False}}}
APPLIED = {"facts": {"kubernetes": {"applied": True}}}


@pytest.fixture
def play(tmp_path):
    """Run an entry point of a role on hosts that are this machine; returns its exit code and output."""

    def run(role: str, **variables: object) -> tuple[int, str]:
        local = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
        hosts = dict.fromkeys(("cp1", "cp2"), local)
        inventory = {"all": {"vars": {"cluster_kubeconfig": str(tmp_path / "none"), **variables}, "hosts": hosts}}
        (tmp_path / "inventory.json").write_text(json.dumps(inventory))
        task = {"ansible.builtin.import_role": {"name": f"baremetal.bigdata.{role}", "tasks_from": STEPS[role]}}
        (tmp_path / "play.json").write_text(json.dumps([{"hosts": "all", "gather_facts": False, "tasks": [task]}]))
        return run_playbook(tmp_path / "inventory.json", tmp_path / "play.json")

    return run


@pytest.mark.parametrize("role", STEPS)
def test_a_host_that_has_only_been_prepared_is_left_alone(play, role):
    code, output = play(role, __preflight_probe=BARE)
    assert code == 0, output
    assert output.count("changed=0") == 2, output


@pytest.mark.parametrize("variables", [{"__preflight_probe": APPLIED}, {}], ids=["a cluster", "no preflight"])
def test_the_pod_network_of_a_cluster_without_a_kubeconfig_is_not_passed_over(play, tmp_path, variables):
    code, output = play("flannel", **variables)
    assert code == 2, output
    assert f"Could not find or access '{tmp_path / 'none'}'" in output, output


NODE, RECORD = "/etc/kubernetes/kubelet.conf", "/etc/kubernetes/kubelet.applied.yaml"


def digest(text: str | None) -> str | None:
    """What config_files tells of a file with that text."""
    return None if text is None else hashlib.sha256(text.encode()).hexdigest()


@pytest.mark.parametrize(
    ("node", "record", "check", "applied"),
    [
        # Prepared, or taken out of its cluster.
        (None, None, False, False),
        (None, "other", False, False),
        ("any", "other", False, True),
        ("any", "other", True, True),
        ("any", "settings", False, False),
        # What an interrupted join has not recorded.
        ("any", None, False, True),
        ("any", None, True, False),
    ],
)
def test_kubelets_settings_are_those_of_nodes(node, record, check, applied):
    _look, task = yaml.safe_load((ROOT / "roles/kubelet/tasks/settings.yml").read_text())
    looked = {NODE: digest(node), RECORD: digest(record)}
    variables = {
        "__kubelet_node": {"looked": looked},
        "__kubelet_settings": "settings",
        "ansible_check_mode": check,
    }
    templar = Templar(loader=DataLoader(), variables=variables)
    assert all(templar.evaluate_conditional(trust_as_template(condition)) for condition in task["when"]) is applied
