# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an inventory of kubespray says that this collection calls otherwise, or does not need. Pure functions.

Its names: docs/ansible/vars.md and inventory/sample of https://github.com/kubernetes-sigs/kubespray.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from .addresses import UNSUPPORTED
from .findings import ERROR, INVENTORY, Finding, listed, make_finding
from .variables import is_known

# Its variable -> the one that this collection has for it.
COUNTERPARTS = {
    "apiserver_loadbalancer_domain_name": "cluster_api_endpoint",
    "containerd_storage_dir": "containerd_root",
    "dns_domain": "cluster_dns_domain",
    "etcd_election_timeout": "etcd_election_timeout_ms",
    "etcd_heartbeat_interval": "etcd_heartbeat_interval_ms",
    "flannel_backend_type": "flannel_backend",
    "kube_network_plugin": "cluster_network_plugin",
    "kube_override_hostname": "cluster_node_name",
    "kube_pods_subnet": "cluster_pod_subnet",
    "kube_service_addresses": "cluster_service_subnet",
    "kube_version": "cluster_kubernetes_version",
    "kubelet_cgroup_driver": "cluster_cgroup_driver",
    "loadbalancer_apiserver": "cluster_api_endpoint",
    "supplementary_addresses_in_ssl_keys": "control_plane_certificate_sans",
}
# Its variable -> why nothing is lost without it.
NEEDLESS = {
    "container_manager": "containerd runs the containers",
    "etcd_deployment_type": "etcd is a service of systemd",
    "etcd_kubeadm_enabled": "etcd is a service of systemd",
    "etcd_member_name": "a member has the name of its host",
    "ipv4_stack": "IPv4 is what there is",
    "kube_pods_subnet_ipv6": "IPv4 is what there is",
    "kube_service_addresses_ipv6": "IPv4 is what there is",
    "kubelet_deployment_type": "kubelet is a service of systemd",
}
_PROXY = ("containerd_proxy_environment", "set containerd_proxy_environment for a proxy by which images are pulled")
# Its variable -> the one that is set for it here, if there is one, and what to do else.
UNREAD = {
    "http_proxy": _PROXY,
    "https_proxy": _PROXY,
    "no_proxy": _PROXY,
    "node_labels": ("", "give nodes their labels with kubectl label, the zone with cluster_rack"),
    "node_taints": ("", "give nodes their taints with kubectl taint"),
}
# Its variables that switch IPv6 on.
IPV6 = ("enable_dual_stack_networks", "ipv6_stack")
_OWN = "names that are the site's own belong into preflight_own_variables"
# What is said of these is said by check_variables.
KNOWN = (*COUNTERPARTS, *NEEDLESS, *UNREAD, *IPV6)
# Groups whose hosts are not the cluster's.
FOREIGN_GROUPS = ("calico_rr", "bastion", "no_floating")


def _spelt(group: str) -> str:
    """A group's name in today's spelling."""
    name = group.lower().replace("-", "_").replace("controlplane", "control_plane")
    return {"kube_master": "kube_control_plane", "kube_worker": "kube_node"}.get(name, name)


def former_name(wanted: str, groups: Mapping[str, Iterable[str]]) -> str:
    """The group with hosts whose name means *wanted* in an older or another spelling; empty where there is none."""
    for group, hosts in groups.items():
        if group != wanted and _spelt(group) == wanted and list(hosts):
            return group
    return ""


def foreign_groups(hosts: Iterable[str], groups: Mapping[str, Iterable[str]]) -> list[str]:
    """Groups of kubespray without a counterpart that hold one of *hosts*."""
    wanted = set(hosts)
    return [group for group, members in groups.items() if _spelt(group) in FOREIGN_GROUPS and wanted & set(members)]


def check_variables(variables: Iterable[tuple[str, str, Any]], own: Iterable[str] = ()) -> list[Finding]:
    """What is said of kubespray's variables, each kind once.

    *variables*: (name, where it is set, value). *own*: patterns of names that the site uses for itself.
    """
    own = list(own)
    places: dict[str, str] = {}
    six: dict[str, str] = {}
    for name, where, value in variables:
        if is_known(name, (), own):
            continue
        places.setdefault(name, where)
        if name in IPV6 and str(value).lower() in ("true", "yes", "on", "1"):
            six.setdefault(name, where)
    findings = [
        make_finding(
            INVENTORY,
            "kubespray",
            f"hosts and pods with IPv4 addresses, {UNSUPPORTED}",
            f"{name} to be true ({where})",
            f"set {name} to false, or remove it",
            ERROR,
        )
        for name, where in six.items()
    ]
    renamed = sorted(name for name in places if name in COUNTERPARTS and COUNTERPARTS[name] not in places)
    if renamed:
        findings.append(
            make_finding(
                INVENTORY,
                "kubespray",
                "variables of kubespray that mean something here to be set by the names that they have here",
                listed((f"{name} ({places[name]})" for name in renamed), len(renamed)),
                "set {}; {}".format(
                    listed((f"{COUNTERPARTS[name]} for {name}" for name in renamed), len(renamed)), _OWN
                ),
                ERROR,
            )
        )
    needless = sorted(name for name in places if name in NEEDLESS)
    if needless:
        findings.append(
            make_finding(
                INVENTORY,
                "kubespray",
                "variables of this collection",
                f"kubespray's {listed(needless)}, without effect here",
                f"nothing to do: {listed(dict.fromkeys(NEEDLESS[name] for name in needless))}",
            )
        )
    unread = sorted(name for name in places if name in UNREAD and UNREAD[name][0] not in places)
    if unread:
        findings.append(
            make_finding(
                INVENTORY,
                "kubespray",
                "variables of this collection",
                f"kubespray's {listed(unread)}, which nothing reads here",
                "; ".join(dict.fromkeys([*(UNREAD[name][1] for name in unread), _OWN])),
            )
        )
    return findings


def check_addresses(hosts: Mapping[str, Mapping[str, Any]]) -> list[Finding]:
    """What is said of ``ip`` and ``access_ip``.

    *hosts*: host -> {address, ip, access_ip, own}: the address by which the cluster will know it, kubespray's two, and
    whether the inventory sets cluster_node_address, which wins.
    """
    findings = []
    taken = [name for name, host in hosts.items() if host["ip"] and not host["own"]]
    if taken:
        findings.append(
            make_finding(
                INVENTORY,
                "kubespray",
                "cluster_node_address, or kubespray's ip in its place",
                f"ip, taken for the address of {listed(taken)}",
                "nothing to do; where another address is meant, set cluster_node_address",
            )
        )
    for name, host in hosts.items():
        # One that could not be looked at has none but the inventory's.
        address, other = str(host["address"] or host["ip"] or ""), str(host["access_ip"] or "")
        if other and address and not host["own"] and other != address:
            source = "ip" if host["ip"] else "its default route"
            findings.append(
                make_finding(
                    name,
                    "node_address",
                    "one address by which a host listens and others reach it",
                    f"{address} by {source}, and access_ip {other}",
                    "set cluster_node_address to an address of the host by which all others reach it",
                )
            )
    return findings
