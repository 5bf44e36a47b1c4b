# SPDX-License-Identifier: GPL-3.0-or-later
"""The hosts, seen from the outside: units, ports, permissions, firewall."""

from __future__ import annotations

import json
import re

import pytest
import yaml
from conftest import ROOT, connect

# (protocol, address, port) -> what listens there. docs/architecture.md has the same table.
ANY_HOST = {
    ("tcp", "*", 22): "sshd",
    ("tcp", "127.0.0.1", 10248): "kubelet health",
    ("tcp", "*", 10250): "kubelet",
    ("tcp", "127.0.0.1", 10249): "kube-proxy metrics",
    ("tcp", "*", 10256): "kube-proxy health",
    ("udp", "*", 8472): "flannel vxlan",
}
CONTROL_PLANE_HOST = {
    ("tcp", "*", 6443): "kube-apiserver",
    ("tcp", "127.0.0.1", 10257): "kube-controller-manager",
    ("tcp", "127.0.0.1", 10259): "kube-scheduler",
}
ETCD_HOST = {
    ("tcp", "127.0.0.1", 2379): "etcd clients",
    ("tcp", "node", 2379): "etcd clients",
    ("tcp", "node", 2380): "etcd peers",
    ("tcp", "127.0.0.1", 2381): "etcd metrics",
}


def listening(host) -> set[tuple[str, str, int]]:
    """Sockets that listen on a host, the loopback ports that containerd picks at random left out."""
    node_address = host.check_output("ip -4 -o addr show dev eth0 | awk '{print $4}'").split("/")[0]
    found = set()
    for line in host.check_output("ss --no-header --tcp --udp --listening --numeric --processes").splitlines():
        protocol, _state, _, _, local, *_rest = line.split()
        address, _, port = local.rpartition(":")
        address = address.strip("[]").split("%")[0]
        if "containerd" in line and address == "127.0.0.1":
            continue  # the CRI streaming server: a port of the kernel's choice, loopback only
        address = {"0.0.0.0": "*", "::": "*", node_address: "node"}.get(address, address)
        found.add((protocol, address, int(port)))
    return found


@pytest.mark.parametrize("unit", ["containerd", "kubelet", "firewalld"])
def test_units_run_and_start_at_boot(node, unit):
    assert node.service(unit).is_running
    assert node.service(unit).is_enabled


def test_crictl_shows_what_runs_without_the_api(node):
    with node.sudo():
        done = node.run("crictl pods --state ready --output json")
        assert (done.rc, done.stderr) == (0, "")
        assert "kube-flannel" in {pod["metadata"]["namespace"] for pod in json.loads(done.stdout)["items"]}
        pinned = yaml.safe_load((ROOT / "artifacts/artifacts.yml").read_text())["files"]["crictl"]["versions"]
        assert node.check_output("crictl --version") == f"crictl version v{next(iter(pinned))}"


def test_etcd_runs_as_its_own_user(control_plane):
    assert control_plane.service("etcd").is_running
    assert control_plane.service("etcd").is_enabled
    assert control_plane.check_output("ps -o user= -C etcd").split() == ["etcd"]


@pytest.mark.parametrize(
    ("name", "expected"),
    [("cp1", ANY_HOST | CONTROL_PLANE_HOST | ETCD_HOST), ("worker1", ANY_HOST), ("worker2", ANY_HOST)],
)
def test_nothing_listens_but_what_the_documents_list(name, expected):
    assert listening(connect(name)) == set(expected)


def test_the_documents_list_what_listens():
    text = (ROOT / "docs/architecture.md").read_text()
    for protocol, _address, port in ANY_HOST | CONTROL_PLANE_HOST | ETCD_HOST:
        assert re.search(rf"\|\s*{port}/{protocol}\s*\|", text), f"{port}/{protocol}"


def test_no_private_key_is_readable_by_others(node):
    secrets = node.check_output(
        "find /etc /opt /usr/local /home /var/lib/kubelet /var/lib/etcd /var/lib/containerd -xdev -type f -size -64k "
        "-not -path '/var/lib/containerd/*/snapshots/*' -not -path '*/kubernetes.io~*' "
        r"-perm /077 -exec grep -lE 'PRIVATE KEY-----|client-key-data:' {} + || true"
    )
    assert secrets == ""


def test_etcd_data_is_closed(control_plane):
    data = control_plane.file("/var/lib/etcd")
    assert (data.user, data.mode) == ("etcd", 0o700)


def test_no_join_secret_is_left(node):
    assert not node.file("/etc/kubernetes/kubeadm-join.yaml").exists
    assert not node.file("/etc/kubernetes/bootstrap-kubelet.conf").exists


def test_the_firewall_has_our_policies_and_the_operators_zone(node):
    policies = node.check_output("firewall-cmd --get-policies").split()
    assert {"kubernetes-kubelet", "kubernetes-flannel", "kubernetes-egress"} <= set(policies)
    assert "ssh" in node.check_output("firewall-cmd --zone=public --list-services").split()
    assert node.check_output("firewall-cmd --zone=public --list-ports") == ""


def test_the_hosts_reach_nothing_outside_the_site(node):
    # A documentation address (RFC 5737): nobody is there, and the lab's router forwards nothing.
    assert node.run("timeout 3 bash -c 'exec 3<>/dev/tcp/192.0.2.1/443'").rc != 0
