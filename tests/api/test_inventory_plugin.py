# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The inventory plugin app_members as a user runs it, by `ansible-inventory`, against a real API server."""

from __future__ import annotations

import json
import subprocess

import pytest
import yaml

ROLE = "baremetal.bigdata/role"
TIMEOUT = 60


@pytest.fixture
def namespace(api_server, node):
    """A Cassandra of one seed and two workers, one of which is not ready, on the node that runs commands."""
    name = api_server.namespace("inv")
    for role, index, ready in (("seed", 0, True), ("worker", 0, True), ("worker", 1, False)):
        add(api_server, name, f"cassandra-{role}-{index}", role, ready=ready)
    return name


def add(api_server, namespace, pod, role, *, ready=True, phase="Running", instance="cassandra"):
    labels = {"app.kubernetes.io/name": "cassandra", "app.kubernetes.io/instance": instance, ROLE: role}
    containers = [{"name": name, "image": "registry.example/app:1"} for name in ("exporter", "app")]
    api_server.create(
        f"/api/v1/namespaces/{namespace}/pods",
        {
            "metadata": {"name": pod, "labels": labels},
            "spec": {"nodeName": "runs-commands", "containers": containers},
        },
        {
            "phase": phase,
            "podIP": "10.1.0.7",
            "hostIP": "192.0.2.7",
            "conditions": [{"type": "Ready", "status": "True" if ready else "False"}],
        },
    )


def plain(value):
    """A text that is no template is marked as such in the list."""
    return value["__ansible_unsafe"] if set(value) == {"__ansible_unsafe"} else value


@pytest.fixture
def inventory(api_server, tmp_path):
    """Run ansible-inventory with these settings; the parsed list, or what it printed where it failed."""

    def run(env=None, **settings):
        path = tmp_path / "app_members.yml"
        path.write_text(yaml.safe_dump({"plugin": "baremetal.bigdata.app_members", **settings}))
        done = subprocess.run(
            ["ansible-inventory", "-i", str(path), "--list"],
            env=api_server.ansible_env(ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED="true", **(env or {})),
            capture_output=True,
            text=True,
            timeout=TIMEOUT,
            check=False,
        )
        if done.returncode:
            return " ".join(done.stderr.split())
        found = json.loads(done.stdout, object_hook=plain)
        found["warnings"] = done.stderr
        return found

    return run


def test_members_are_hosts_and_roles_are_groups(api_server, inventory, namespace):
    add(api_server, namespace, "cassandra-seed-9", "seed", phase="Failed")
    found = inventory(namespaces=[namespace], racks=False)
    groups = {name: group.get("hosts", []) for name, group in found.items() if isinstance(group, dict)}
    assert groups["cassandra_seed"] == ["cassandra-seed-0"]
    assert sorted(groups["cassandra_worker"]) == ["cassandra-worker-0", "cassandra-worker-1"]
    assert sorted(found["cassandra"]["children"]) == ["cassandra_seed", "cassandra_worker"]
    assert sorted(groups["app_cassandra"]) == ["cassandra-seed-0", "cassandra-worker-0", "cassandra-worker-1"]
    assert groups["role_seed"] == ["cassandra-seed-0"]
    host = found["_meta"]["hostvars"]["cassandra-seed-0"]
    assert {name: value for name, value in host.items() if name.startswith("ansible_")} == {
        "ansible_connection": "kubernetes.core.kubectl",
        "ansible_kubectl_namespace": namespace,
        "ansible_kubectl_pod": "cassandra-seed-0",
        "ansible_kubectl_container": "app",
        "ansible_kubectl_kubeconfig": str(api_server.kubeconfig),
    }
    assert (host["member_ip"], host["member_ready"], host["member_role"]) == ("10.1.0.7", True, "seed")


def test_only_ready_members_of_one_kind(inventory, namespace):
    found = inventory(
        namespaces=[namespace], racks=False, only_ready=True, label_selector=[f"{ROLE} in (worker)"], context="tests"
    )
    assert list(found["_meta"]["hostvars"]) == ["cassandra-worker-0"]
    assert found["_meta"]["hostvars"]["cassandra-worker-0"]["ansible_kubectl_context"] == "tests"


def test_composed_variables_and_keyed_groups(inventory, namespace):
    settings = {"namespaces": [namespace], "racks": False, "strict": True}
    found = inventory(
        **settings,
        compose={"native": "member_ip ~ ':9042'"},
        keyed_groups=[{"key": "member_node", "prefix": "on"}],
        groups={"starting": "not member_ready"},
    )
    assert found["_meta"]["hostvars"]["cassandra-seed-0"]["native"] == "10.1.0.7:9042"
    assert len(found["on_runs_commands"]["hosts"]) == 3
    assert found["starting"]["hosts"] == ["cassandra-worker-1"]
    assert "no_such_variable" in inventory(**settings, compose={"x": "no_such_variable"})


def test_live_roles_are_groups(inventory, node, namespace, tmp_path):
    node.command = lambda pod, words: (0, f"{words[0]} {'boss' if 'seed' in pod else 'helper'}", "")
    settings = {"namespaces": [namespace], "racks": False}
    probe = {"command": ["role-of"], "match": r"role-of (\w+)"}
    found = inventory(**settings, live_roles={"seed": probe, "worker": probe})
    assert found["live_boss"]["hosts"] == ["cassandra-seed-0"]
    assert found["cassandra_live_helper"]["hosts"] == ["cassandra-worker-0"]

    definition = {
        "kind": "App",
        "metadata": {"name": "cassandra"},
        "spec": {"roles": [{"id": "seed", "live_role": probe}]},
    }
    (tmp_path / "cassandra.yml").write_text(yaml.safe_dump(definition))
    assert inventory(**settings, definitions=["cassandra.yml"])["live_boss"]["hosts"] == ["cassandra-seed-0"]

    node.command = lambda _pod, _words: (1, "", "broken")
    found = inventory(**settings, live_roles={"seed": probe})
    assert "live_boss" not in found
    assert "cassandra-seed-0 (role seed): role-of ended with 1: broken" in " ".join(found["warnings"].split())


def test_several_namespaces(api_server, inventory, namespace):
    other = api_server.namespace("inv")
    add(api_server, other, "cassandra-seed-0", "seed")
    found = inventory(namespaces=[namespace, other], racks=False)
    assert found[f"{other.replace('-', '_')}_cassandra_seed"]["hosts"] == [f"cassandra-seed-0.{other}"]
    everywhere = inventory(all_namespaces=True, racks=False, app="cassandra")
    assert f"cassandra-seed-0.{namespace}" in everywhere["_meta"]["hostvars"]


def test_a_cached_inventory_asks_nobody(api_server, inventory, namespace, tmp_path):
    settings = {
        "namespaces": [namespace],
        "racks": False,
        "cache": True,
        "cache_plugin": "ansible.builtin.jsonfile",
        "cache_connection": str(tmp_path / "cache"),
    }
    first = inventory(**settings)
    api_server.delete(f"/api/v1/namespaces/{namespace}/pods/cassandra-worker-1")
    assert inventory(**settings) == first
    assert "cassandra-worker-1" not in inventory(**{**settings, "cache": False})["_meta"]["hostvars"]
    assert "secret" not in "".join(path.read_text() for path in (tmp_path / "cache").iterdir())


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"kubeconfig": "gone.kubeconfig"}, "gone.kubeconfig not found"),
        ({"context": "elsewhere"}, "there are: tests"),
        ({"namespaces": ["a"], "all_namespaces": True}, "expected either namespaces or all_namespaces, found both"),
        ({"live_roles": {"w": {"command": "x"}}}, "live_roles.w.command: expected a list of words"),
        ({"definitions": ["gone.yml"]}, "gone.yml: expected a file that can be read"),
        ({"namespces": ["a"]}, "expected one of all_namespaces, "),
    ],
)
def test_what_is_wrong_is_named(inventory, settings, message):
    found = inventory(**settings)
    assert isinstance(found, str), found
    assert message in found
    assert "Traceback" not in found


def test_a_user_without_rights_gets_to_know_which(api_server, inventory, namespace):
    rules = [{"apiGroups": [""], "resources": ["pods"], "verbs": ["list"]}]
    settings = {"namespaces": [namespace], "kubeconfig": str(api_server.kubeconfig_limited)}
    assert "the verb 'list' on 'pods'" in inventory(**settings)
    api_server.grant("limited", namespace, rules)
    assert "Or do without, by racks: false" in inventory(**settings)
    assert len(inventory(**settings, racks=False)["_meta"]["hostvars"]) == 3
