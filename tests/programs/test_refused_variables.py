# SPDX-License-Identifier: GPL-3.0-or-later
"""Playbooks run for real as far as they are refused, by their variables or by the inventory. No host is asked."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from running import run_playbook

ROOT = Path(__file__).resolve().parents[2]
GROUPS = ("mirror", "etcd", "kube_control_plane", "kube_node", "k8s_cluster")
# Nobody listens there, so that whatever is not refused fails.
HOST = {"ansible_host": "127.0.0.1", "ansible_port": 9, "ansible_python_interpreter": "/usr/bin/python3"}


@pytest.fixture
def play(tmp_path):
    """Run a playbook with extra variables, and some of the inventory; returns its exit code and folded output."""

    def run(
        playbook: Path, arguments: dict, groups: Sequence[str] = GROUPS, options: Sequence[str] = (), **site: object
    ) -> tuple[int, str]:
        inventory = {
            "all": {
                "vars": {"cluster_name": "site", **site},
                "hosts": {"localhost": {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}},
                "children": {group: {"hosts": {"host1": HOST}} for group in groups},
            }
        }
        (tmp_path / "inventory.json").write_text(json.dumps(inventory))
        code, output = run_playbook(tmp_path / "inventory.json", playbook, "-e", json.dumps(arguments), *options)
        return code, re.sub(r"\s+", " ", output)

    return run


@pytest.mark.parametrize(
    ("name", "arguments", "said"),
    [
        (
            "reset",
            {"reset_confirm": "site", "reset_delete_etcd": True},
            "reset_delete_etcd: expected a variable that the playbook knows, one of reset_confirm, "
            "reset_delete_etcd_data, reset_delete_volume_files. Did you mean reset_delete_etcd_data?",
        ),
        (
            "reset",
            {"reset_confirm": "site", "storage_delete_files": True, "reset_delete_volume_files": "no"},
            "Host host1: expected reset_delete_volume_files alone, found it to be no and its former name "
            "storage_delete_files to be True. Leave out the former name.",
        ),
        (
            "reset",
            {"etcd_delete_data": True},
            "etcd_delete_data is called reset_delete_etcd_data now; the old name is taken until 1.0.",
        ),
        ("reset", {}, "expected the name of the cluster that is to be removed, site, found nothing."),
        ("mirror", {"mirror_souce": "build"}, "Did you mean mirror_source?"),
        (
            "mirror",
            {"mirror_apps": "hazelcast,spark"},
            'Host localhost, variable mirror_apps: expected a list, found the text "hazelcast,spark". On the command '
            'line: -e \'{"mirror_apps": ["hazelcast", "spark"]}\'',
        ),
        ("mirror_reset", {"mirror_reset_confrim": "site"}, "Did you mean mirror_reset_confirm?"),
        (
            "mirror_reset",
            {"mirror_reset_confirm": "sites"},
            "expected the name of the cluster whose mirror is to be removed, site, found sites.",
        ),
    ],
)
def test_what_cannot_be_meant_is_refused(play, name, arguments, said):
    code, output = play(ROOT / f"playbooks/{name}.yml", arguments)
    assert code == 2, output
    assert said in output
    assert "unreachable=0" in output


@pytest.mark.parametrize("name", [2024, "2024", "Site A"])
@pytest.mark.parametrize("playbook", ["reset", "mirror_reset"])
def test_a_cluster_is_named_as_it_is_written(play, playbook, name):
    book = ROOT / f"playbooks/{playbook}.yml"
    _code, output = play(book, {f"{playbook}_confirm": "2023"}, cluster_name=name)
    said = f"-e {playbook}_confirm=2024" if str(name) == "2024" else f'-e \'{{"{playbook}_confirm": "Site A"}}\''
    assert "found 2023. Look first with --check --diff; then run ansible-playbook -i " in output
    assert f"baremetal.bigdata.{playbook} {said}" in output
    _code, output = play(book, {f"{playbook}_confirm": str(name)}, cluster_name=name)
    assert "expected the name of the cluster" not in output
    assert "unreachable=1" in output


@pytest.mark.parametrize(
    ("arguments", "site", "found"),
    [
        ({}, {}, "False False"),
        ({"reset_delete_etcd_data": True}, {}, "True False"),
        ({}, {"reset_delete_volume_files": True}, "False True"),
        # By their former names.
        ({"etcd_delete_data": True}, {}, "True False"),
        ({}, {"etcd_delete_data": True, "storage_delete_files": True}, "True True"),
    ],
)
def test_what_reset_deletes_reaches_the_roles(play, tmp_path, arguments, site, found):
    """As the plays of reset.yml pass it: over what a role has by default."""
    tasks = [
        {"ansible.builtin.debug": {"msg": "found {{ etcd_delete_data | bool }} {{ storage_delete_files | bool }}"}}
    ]
    roles = [{"role": f"baremetal.bigdata.{name}", "when": False} for name in ("etcd", "storage")]
    settings = {"hosts": "host1", "gather_facts": False, "vars_files": [str(ROOT / "playbooks/vars/reset.yml")]}
    (tmp_path / "play.yml").write_text(json.dumps([{**settings, "pre_tasks": tasks, "roles": roles, "tasks": tasks}]))
    code, output = play(tmp_path / "play.yml", arguments, **site)
    assert code == 0, output
    assert output.count(f"found {found}") == 2, output


@pytest.mark.parametrize(
    ("name", "arguments", "groups", "said"),
    [
        (
            "cluster",
            {},
            ["kube-master", "kube-node"],
            "expected hosts in one of the groups k8s_cluster, etcd, kube_control_plane, kube_node, found none; groups "
            "with hosts: kube-master, kube-node. In the inventory, rename kube-master to kube_control_plane, rename "
            "kube-node to kube_node.",
        ),
        ("cluster", {"cluster_etcd_group": "db"}, ["web"], "one of the groups k8s_cluster, db, kube_control_plane, "),
        ("site", {}, ["web"], "groups with hosts: web. Is it the inventory that you meant (-i)?"),
        (
            "reset",
            {"reset_confirm": "site"},
            ["web"],
            "expected hosts in one of the groups k8s_cluster, etcd, found none",
        ),
        (
            "mirror",
            {},
            ["Mirror"],
            "expected hosts in group mirror, found none; groups with hosts: Mirror. In the "
            "inventory, rename Mirror to mirror.",
        ),
        ("mirror_reset", {"mirror_reset_confirm": "site"}, [], "groups with hosts: none."),
    ],
)
def test_an_inventory_without_hosts_is_refused(play, name, arguments, groups, said):
    code, output = play(ROOT / f"playbooks/{name}.yml", arguments, groups, cluster_hosts_group="web")
    assert code == 2, output
    assert said in output
    assert "changed=0 unreachable=0 failed=1" in output


@pytest.mark.parametrize(
    ("name", "arguments", "groups"),
    [
        ("cluster", {}, ["kube-master", "kube-node"]),
        ("site", {}, ["web"]),
        ("reset", {"reset_confirm": "site"}, ["web"]),
        ("mirror", {}, ["Mirror"]),
        ("mirror_reset", {"mirror_reset_confirm": "site"}, ["Mirror"]),
    ],
)
def test_a_limit_hides_no_inventory_without_hosts(play, name, arguments, groups):
    code, output = play(ROOT / f"playbooks/{name}.yml", arguments, groups, ["--limit", "host1"])
    assert code == 2, output
    assert f"groups with hosts: {groups[0]}" in output
    assert "changed=0 unreachable=0 failed=1" in output
