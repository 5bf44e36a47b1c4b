# SPDX-License-Identifier: GPL-3.0-or-later
"""The preflight run for real, on this machine: the probe, the role and its report."""

from __future__ import annotations

import json
import os
import pathlib
import re
import socket
import subprocess
import sys

import pytest
import yaml
from ansible_collections.baremetal.bigdata.plugins.module_utils.preflight.findings import CHECKS
from ansible_collections.baremetal.bigdata.plugins.plugin_utils import role_specs

ROOT = pathlib.Path(__file__).resolve().parents[2]

INVENTORY = """
[all:vars]
ansible_connection=local
ansible_python_interpreter={python}
[etcd]
cp1
[kube_control_plane]
cp1
[kube_node]
worker1
[k8s_cluster:children]
kube_control_plane
kube_node
"""

PLAYBOOK = """
- hosts: k8s_cluster:etcd
  gather_facts: false
  roles:
    - role: baremetal.bigdata.preflight
      tags: [always]
  tasks:
    - name: Change something
      ansible.builtin.debug:
        msg: changed the host
"""

# What this machine is like is not what is tested.
HOST_CHECKS = [
    check
    for check in CHECKS
    if check
    not in (
        "etcd_members",
        "subnets",
        "network_plugin",
        "kubernetes_version",
        "variable_unknown",
        "variable_value",
        "port",
    )
]


def ansible(program, *arguments, cwd):
    environment = {
        **os.environ,
        "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
        "ANSIBLE_LOCAL_TEMP": str(cwd / "local"),
        "ANSIBLE_REMOTE_TEMP": str(cwd / "remote"),
        "ANSIBLE_STDOUT_CALLBACK": "ansible.builtin.default",
        "ANSIBLE_NOCOLOR": "1",
    }
    return subprocess.run(
        [str(pathlib.Path(sys.executable).parent / program), *arguments],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def make_site(directory, inventory=INVENTORY):
    (directory / "hosts").write_text(inventory.format(python=sys.executable))
    (directory / "play.yml").write_text(PLAYBOOK)
    return directory


def run(site, **variables):
    defaults = {
        "cluster_node_address": "127.0.0.1",
        "preflight_artifact_url": "",
        "preflight_etcd_fsync_dir": str(site),
        "preflight_ports": [],
        "preflight_ignore": HOST_CHECKS,
    }
    return ansible("ansible-playbook", "-i", "hosts", "play.yml", "-e", json.dumps({**defaults, **variables}), cwd=site)


def test_role_specs_of_all_roles_parse():
    specs = role_specs.load()
    assert {"cluster", "preflight"} <= set(specs)
    for role, spec in specs.items():
        for name, option in spec["options"].items():
            assert isinstance(option, dict), f"{role}: {name}"
            assert option.get("type", "str") in (
                "str", "int", "float", "bool", "list", "dict", "path", "raw", "jsonarg", "json", "bytes", "bits",
            ), f"{role}: {name}"  # fmt: skip


def test_every_check_is_documented():
    documented = re.findall(r"^\| `(\w+)` \|", (ROOT / "docs" / "preflight.md").read_text(), re.MULTILINE)
    assert sorted(documented) == sorted(CHECKS)


def test_probe_looks_and_leaves_nothing(tmp_path):
    directory = tmp_path / "disk"
    directory.mkdir()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        arguments = {
            "roles": ["etcd"],
            "ports": [{"port": port}],
            "paths": [str(directory / "not" / "there")],
            "fsync_path": str(directory),
            "resolve": "localhost",
            "url": f"http://127.0.0.1:{port}/",
            "timeout": 1,
            "settings": {"min_mtu": 1330},
        }
        done = ansible(
            "ansible",
            "localhost",
            "--check",
            "-m",
            "baremetal.bigdata.preflight_probe",
            "-a",
            json.dumps(arguments),
            "-e",
            f"ansible_python_interpreter={sys.executable}",
            "--one-line",
            cwd=tmp_path,
        )
    assert done.returncode == 0, done.stdout + done.stderr
    answer = json.loads(done.stdout.split("=>", 1)[1])
    facts = answer["facts"]
    assert answer["changed"] is False
    assert (answer["roles"], answer["settings"]) == (["etcd"], {"min_mtu": 1330})
    assert list(directory.iterdir()) == []

    assert facts["listeners"][0]["port"] == port
    assert facts["listeners"][0]["pid"] == os.getpid()
    assert facts["disks"][str(directory / "not" / "there")]["parent"] == str(directory)
    assert 0 < facts["fsync"]["samples"] <= 100
    assert facts["fsync"]["p99_ms"] > 0
    assert facts["dns"]["addresses"]
    assert facts["fetch"]["ok"] is False
    assert facts["fetch"]["error"]
    assert facts["controller"]["before"] <= facts["clock"]["start"] <= facts["clock"]["end"]
    assert facts["clock"]["end"] <= facts["controller"]["after"]
    assert facts["cpus"] >= 1
    assert facts["memory_mb"] > 100
    assert facts["python"][:2] == list(sys.version_info[:2])
    assert set(facts["kernel_features"].values()) <= {True, False, None}
    assert facts["machine_id"] == pathlib.Path("/etc/machine-id").read_text().strip()
    assert {"architecture", "cgroup_version", "distribution", "hostname", "init", "routes", "swap_mb"} <= set(facts)
    forwards = pathlib.Path("/proc/sys/net/ipv4/ip_forward").read_text().strip() == "1"
    assert ("host" in facts["prepared"]) is forwards
    assert facts["pod_network"] is False


def test_good_inventory_passes(tmp_path):
    done = run(make_site(tmp_path))
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("changed the host") == 2


REFUSALS = [
    ("subnets", "pods 10.96.0.0/12, Services 10.96.0.0/16"),
    ("network_plugin", "calico"),
    ("kubernetes_version", "1.34.1"),
    ("etcd_members", "2 (cp1, worker1)"),
    ("variable_unknown", "did you mean preflight_min_memory_mb?"),
    ("variable_unknown", "did you mean apps_enabled?"),
    ("variable_unknown", "cluster_rak (group_vars/kube_node.yml:3)"),
    ("variable_value", "cluster_cgroup_driver to be of type str, one of: systemd, cgroupfs"),
    ("port", "port {port}/tcp to be free for etcd"),
    ("port", "(process {pid})"),
]


@pytest.fixture(scope="module")
def refused(tmp_path_factory):
    """One run against everything that is wrong at once."""
    site = make_site(tmp_path_factory.mktemp("refused"), INVENTORY.replace("[etcd]\ncp1", "[etcd]\ncp1\nworker1"))
    (site / "group_vars").mkdir()
    (site / "group_vars" / "kube_node.yml").write_text("---\nown: 1\ncluster_rak: r1\n")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = run(
            site,
            cluster_pod_subnet="10.96.0.0/12",
            cluster_network_plugin="calico",
            cluster_kubernetes_version="1.34.1",
            cluster_cgroup_driver="openrc",
            preflight_min_memory_mbs=1,
            app_enabled=["hazelcast"],
            preflight_ports=[{"port": port, "role": "etcd", "owner": ["etcd"]}],
        )
    return done, {"port": port, "pid": os.getpid()}


def test_nothing_is_changed_after_a_refusal(refused):
    done, _values = refused
    assert done.returncode != 0
    assert "Nothing was changed." in done.stdout + done.stderr
    assert "changed the host" not in done.stdout


@pytest.mark.parametrize(("check", "text"), REFUSALS, ids=[f"{check}-{n}" for n, (check, _text) in enumerate(REFUSALS)])
def test_one_report_names_everything(refused, check, text):
    done, values = refused
    report = " ".join((done.stdout + done.stderr).split())
    assert f"ERROR {check} expected:" in report
    assert text.format(**values) in report


# cp1 is this machine too, or somewhere that does not answer.
SILENT = INVENTORY.replace("[etcd]\ncp1", "[etcd]\ncp1 ansible_connection=ssh ansible_host=127.0.0.1 ansible_port=1", 1)


def run_limited(site, *arguments, ignore=HOST_CHECKS, **variables):
    """As `run`, without an address for every host by the command line: what is known of others is what counts."""
    defaults = {
        "preflight_artifact_url": "",
        "preflight_etcd_fsync_dir": "",
        "preflight_ports": [],
        "preflight_ignore": list(ignore),
    }
    return ansible(
        "ansible-playbook", "-i", "hosts", "play.yml", "-e", json.dumps({**defaults, **variables}), *arguments, cwd=site
    )


TOLD = """
    - name: Tell where the API is, and who is asked
      ansible.builtin.debug:
        msg: "API at {{ __cluster_endpoint }} by {{ __cluster_control_plane_host }} and {{ __cluster_etcd_host }},
          open to {{ cluster_node_subnets | length }} network"
"""


@pytest.fixture
def told(tmp_path):
    site = make_site(tmp_path, INVENTORY.replace("worker1", "worker1\nworker2"))
    (site / "play.yml").write_text(PLAYBOOK + TOLD)
    return site


@pytest.mark.parametrize("limit", ["worker1", "kube_node,localhost", "cp1"])
def test_what_is_told_of_hosts_outside_of_the_run_is_known(told, limit):
    done = run_limited(told, "--limit", limit)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"API at [0-9.]+:6443 by cp1 and cp1, open to 1 network", done.stdout)


@pytest.mark.parametrize(
    ("limit", "tags", "refused"),
    [
        ("kube_node,localhost", [], True),
        ("worker1", ["--tags", "preflight"], True),
        ("worker1", ["--tags", "host,containerd"], False),
        ("worker1:cp1", ["--skip-tags", "ready"], False),
    ],
)
def test_part_of_a_bare_site_runs_or_is_refused_before_the_first_change(told, limit, tags, refused):
    done = run_limited(told, "--limit", limit, *tags, ignore=[check for check in HOST_CHECKS if check != "limit"])
    report = " ".join((done.stdout + done.stderr).split())
    assert done.returncode == (2 if refused else 0), report
    sentence = "ERROR limit expected: a cluster, or the hosts in the run that make it found: none on cp1"
    assert (f"{sentence} remedy: add cp1 to --limit" in report) is refused
    if refused:
        assert "changed the host" not in report


def test_a_control_plane_that_does_not_answer_is_a_line_of_the_report(tmp_path):
    site = make_site(tmp_path, SILENT)
    done = run_limited(site, "--limit", "worker1", ignore=[])
    report = " ".join((done.stdout + done.stderr).split())
    assert done.returncode == 2
    assert "ERROR limit expected: a host with a control plane to answer found: cp1 cannot be reached" in report
    assert "cp1 ERROR node_address expected: its address to be known" in report


def test_variables_by_facts_of_hosts_outside_of_the_run_are_no_hindrance(told):
    by_facts = 'cluster_node_name="{{ ansible_facts.nodename }}-{{ inventory_hostname }}"\n'
    (told / "hosts").write_text((told / "hosts").read_text().replace("[etcd]", f"{by_facts}[etcd]"))
    assert run_limited(told, "--limit", "worker1").returncode == 0
    (told / "host_vars").mkdir()
    (told / "host_vars/worker2.yml").write_text("---\nstorage_local_volumes: [{path: /srv/a, size: 1Gi}]\n")
    done = run_limited(told, "--limit", "worker1", ignore=[check for check in HOST_CHECKS if check != "limit"])
    report = " ".join((done.stdout + done.stderr).split())
    assert "worker2 ERROR limit expected: its storage_local_volumes and cluster_node_name to be known" in report
    assert "write them without the host's facts, or add it to --limit" in report


def test_kubesprays_inventory_is_read_by_its_addresses(tmp_path):
    inventory = INVENTORY.replace("[etcd]\ncp1", "[etcd]\ncp1 ip=127.0.0.1 etcd_member_name=etcd1")
    site = make_site(tmp_path, inventory.replace("worker1", "worker1 ip=127.0.0.1 access_ip=192.0.2.9"))
    (site / "play.yml").write_text(PLAYBOOK + TOLD)
    done = run_limited(site, ignore=[check for check in HOST_CHECKS if check not in ("node_address", "kubespray")])
    report = " ".join((done.stdout + done.stderr).split())
    assert "found: ip, taken for the address of cp1, worker1" in report
    assert "found: kubespray's etcd_member_name, without effect here" in report
    assert "worker1 ERROR node_address expected: one address by which a host listens" in report
    assert "found: 127.0.0.1 by ip, and access_ip 192.0.2.9" in report
    assert "variable_unknown" not in report
    done = run_limited(site)
    assert done.stdout.count("API at 127.0.0.1:6443 by cp1 and cp1, open to 1 network") == 2, done.stdout


def test_defaults_and_spec_agree():
    role = ROOT / "roles" / "preflight"
    defaults = yaml.safe_load((role / "defaults" / "main.yml").read_text())
    spec = yaml.safe_load((role / "meta" / "argument_specs.yml").read_text())["argument_specs"]["main"]["options"]
    assert {name: option["default"] for name, option in spec.items()} == defaults
