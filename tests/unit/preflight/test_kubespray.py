# SPDX-License-Identifier: GPL-3.0-or-later
"""Inventories of kubespray: its addresses, its former groups, its variables."""

from __future__ import annotations

import pytest
from ansible_collections.baremetal.bigdata.plugins.filter.node_addresses import node_addresses
from ansible_collections.baremetal.bigdata.plugins.filter.node_subnets import node_subnets
from ansible_collections.baremetal.bigdata.plugins.module_utils.preflight.inventory import check_inventory
from ansible_collections.baremetal.bigdata.plugins.module_utils.preflight.kubespray import (
    COUNTERPARTS,
    KNOWN,
    UNREAD,
    check_addresses,
    check_variables,
    former_name,
)
from ansible_collections.baremetal.bigdata.plugins.plugin_utils import role_specs

FACTS = {
    "default_ipv4": {"address": "192.0.2.11", "network": "192.0.2.0", "prefix": "24", "interface": "eth0"},
    "interfaces": ["eth0", "br-site"],
    "eth0": {"ipv4": {"address": "192.0.2.11", "network": "192.0.2.0", "prefix": "24"}},
    "br_site": {
        "ipv4": {"address": "10.3.0.1", "network": "10.3.0.0", "prefix": "22"},
        "ipv4_secondaries": [{"address": "10.9.0.1", "network": "10.9.0.0", "prefix": "24"}],
    },
}


@pytest.mark.parametrize(
    ("variables", "address"),
    [
        ({"cluster_node_address": "10.9.0.1", "ip": "10.3.0.1"}, "10.9.0.1"),
        ({"ip": "10.3.0.1"}, "10.3.0.1"),
        ({"ip": ""}, "192.0.2.11"),
        ({}, "192.0.2.11"),
    ],
)
def test_ip_stands_for_the_address_that_is_not_set(variables, address):
    assert node_addresses(["node1"], {"node1": {**variables, "ansible_facts": FACTS}}) == [address]


@pytest.mark.parametrize(
    ("address", "networks"),
    [
        ("192.0.2.11", ["192.0.2.0/24"]),
        ("10.3.0.1", ["10.3.0.0/22"]),
        ("10.9.0.1", ["10.9.0.0/24"]),
        ("10.7.0.1", []),
        ("", []),
    ],
)
def test_the_firewall_opens_to_the_network_of_the_address(address, networks):
    assert node_subnets(FACTS, address) == networks


def test_nothing_is_known_without_facts():
    assert node_subnets({}, "192.0.2.11") == []


def host(address="10.3.0.1", ip="10.3.0.1", access_ip="", own=False):
    return {"address": address, "ip": ip, "access_ip": access_ip, "own": own}


@pytest.mark.parametrize(
    ("one", "found"),
    [
        (host(), ["ip, taken for the address of node1"]),
        (host(access_ip="10.3.0.1"), ["ip, taken for the address of node1"]),
        (
            host(access_ip="198.51.100.1"),
            ["ip, taken for the address of node1", "10.3.0.1 by ip, and access_ip 198.51.100.1"],
        ),
        (
            host(address="192.0.2.11", ip="", access_ip="198.51.100.1"),
            ["192.0.2.11 by its default route, and access_ip 198.51.100.1"],
        ),
        # cluster_node_address decides.
        (host(address="192.0.2.11", access_ip="198.51.100.1", own=True), []),
        (host(ip=""), []),
        # One that does not answer, with nothing in the inventory.
        (host(address=None, ip="", access_ip="198.51.100.1"), []),
    ],
)
def test_ip_and_access_ip_are_named(one, found):
    assert [finding.found for finding in check_addresses({"node1": one})] == found


@pytest.mark.parametrize(
    ("former", "now"),
    [
        ("kube-master", "kube_control_plane"),
        ("kube_master", "kube_control_plane"),
        ("kube-controlplane", "kube_control_plane"),
        ("kube-control-plane", "kube_control_plane"),
        ("kube-node", "kube_node"),
        ("k8s-cluster", "k8s_cluster"),
    ],
)
def test_former_names_of_groups_are_known(former, now):
    assert former_name(now, {"all": ["node1"], former: ["node1"]}) == former
    # An empty one, as the samples have them, is nobody's.
    assert former_name(now, {former: []}) == ""


SETTINGS = {
    "pod_subnet": "10.244.0.0/16",
    "service_subnet": "10.96.0.0/16",
    "dns_domain": "cluster.local",
    "network_plugin": "flannel",
}


def found(present, **groups):
    everyone = {"etcd": ["node1"], "control_plane": [], "worker": [], "cluster": [], **groups}
    findings = check_inventory({**SETTINGS, "inventory_groups": present}, everyone)
    return [(finding.found, finding.remedy) for finding in findings]


def test_former_groups_are_suggested_and_nothing_else():
    present = {"kube-master": ["node1"], "kube-node": ["node2"], "k8s-cluster": ["node1", "node2"], "etcd": ["node1"]}
    assert found(present) == [
        ("none; the group kube-master has node1", "rename the group kube-master to kube_control_plane"),
        ("none; the group kube-node has node2", "rename the group kube-node to kube_node"),
        ("none; the group k8s-cluster has node1, node2", "rename the group k8s-cluster to k8s_cluster"),
    ]


def test_groups_without_a_counterpart_are_named():
    present = {"kube_control_plane": ["node1"], "k8s_cluster": ["node1", "rr1"], "calico_rr": ["rr1"]}
    assert found(present, control_plane=["node1"], cluster=["node1", "rr1"]) == [
        ("neither: rr1", "take calico_rr out of k8s_cluster: kubespray's groups without a counterpart here")
    ]


def test_todays_sample_has_no_group_of_all():
    (only,) = found({"kube_control_plane": ["node1"]}, control_plane=["node1"], worker=["node2"])
    assert only == ("outside it: node1, node2", "make kube_control_plane and kube_node children of k8s_cluster")


def test_variables_are_named_once():
    lines = [("etcd_member_name", f"inventory.ini:{line}", "etcd1") for line in (2, 3, 4)]
    (finding,) = check_variables([*lines, ("etcd_deployment_type", "group_vars/etcd.yml:3", "host"), ("own", "x", 1)])
    assert finding.severity == "warning"
    assert finding.found == "kubespray's etcd_deployment_type, etcd_member_name, without effect here"
    assert finding.remedy == "nothing to do: etcd is a service of systemd, a member has the name of its host"


def test_variables_with_a_counterpart_are_refused_until_that_is_set():
    written = [("kube_pods_subnet", "group_vars/all.yml:3", "10.2.0.0/16"), ("kube_version", "group_vars/all.yml:4", 1)]
    (finding,) = check_variables(written)
    assert finding.severity == "error"
    assert finding.found == "kube_pods_subnet (group_vars/all.yml:3), kube_version (group_vars/all.yml:4)"
    assert finding.remedy == (
        "set cluster_pod_subnet for kube_pods_subnet, cluster_kubernetes_version for kube_version; names that are the "
        "site's own belong into preflight_own_variables"
    )
    assert check_variables([*written, ("cluster_pod_subnet", "x", ""), ("cluster_kubernetes_version", "x", "")]) == []
    assert check_variables([("dns_domain", "group_vars/all.yml:5", "example.org")], own=["dns_*"]) == []


def said(name, value, *others):
    variables = [(name, "all.yml:3", value), *((other, "all.yml:4", "x") for other in others)]
    return [(finding.severity, finding.found, finding.remedy) for finding in check_variables(variables)]


OWN = "names that are the site's own belong into preflight_own_variables"


@pytest.mark.parametrize(
    ("name", "value", "severity", "remedy"),
    [
        ("dns_domain", "cluster.local", "error", f"set cluster_dns_domain for dns_domain; {OWN}"),
        ("enable_dual_stack_networks", True, "error", "set enable_dual_stack_networks to false, or remove it"),
        ("ipv6_stack", "true", "error", "set ipv6_stack to false, or remove it"),
        ("enable_dual_stack_networks", False, None, ""),
        ("ipv6_stack", "{{ six }}", None, ""),
        ("ipv4_stack", True, "warning", "nothing to do: IPv4 is what there is"),
        ("kube_pods_subnet_ipv6", "fd85::/112", "warning", "nothing to do: IPv4 is what there is"),
        (
            "node_labels",
            {},
            "warning",
            f"give nodes their labels with kubectl label, the zone with cluster_rack; {OWN}",
        ),
        ("node_taints", [], "warning", f"give nodes their taints with kubectl taint; {OWN}"),
        (
            "http_proxy",
            "http://proxy:3128",
            "warning",
            f"set containerd_proxy_environment for a proxy by which images are pulled; {OWN}",
        ),
    ],
)
def test_what_kubespray_reads_and_this_collection_does_not(name, value, severity, remedy):
    assert [(kind, end) for kind, _found, end in said(name, value)] == ([(severity, remedy)] if severity else [])


def test_variables_that_nothing_reads_are_said_together():
    ((_severity, found, remedy),) = said("http_proxy", "x", "node_labels", "no_proxy")
    assert found == "kubespray's http_proxy, no_proxy, node_labels, which nothing reads here"
    assert remedy.count("containerd_proxy_environment") == 1
    assert said("http_proxy", "x", "no_proxy", "containerd_proxy_environment") == []


def test_counterparts_are_variables_of_roles():
    known = role_specs.known_names(role_specs.load())
    assert {*COUNTERPARTS.values(), *(name for name, _remedy in UNREAD.values() if name)} <= known
    assert not set(KNOWN) & known
    assert len(set(KNOWN)) == len(KNOWN)
