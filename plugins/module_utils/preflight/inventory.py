# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the inventory has to be like: groups, addresses, subnets. Pure functions."""

from __future__ import annotations

import difflib
import ipaddress
import re
from typing import Union

from .findings import INVENTORY, Finding, listed, make_finding

NETWORK_PLUGINS = ("flannel",)
NODE_PREFIX = 24  # kube-controller-manager's --node-cidr-mask-size
LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
VERSION = re.compile(r"v?(\d+)\.(\d+)\.(\d+)(-[0-9A-Za-z.-]+)?")


Network = Union[ipaddress.IPv4Network, ipaddress.IPv6Network]


def as_network(text: object) -> Network | None:
    """The IPv4 or IPv6 network that *text* means, None when it means none."""
    try:
        return ipaddress.ip_network(str(text), strict=True)
    except ValueError:
        return None


def overlap(one: Network | None, other: Network | None) -> bool:
    return one is not None and other is not None and one.version == other.version and one.overlaps(other)


def check_inventory(settings: dict, groups: dict[str, list[str]]) -> list[Finding]:
    """What can be judged without a host.

    *settings*: pod_subnet, service_subnet, dns_domain, network_plugin, kubernetes_version,
    supported_versions, api_endpoint, group_names (role -> the group's name), missing_files
    (variable -> path of a file on the controller that is not there).
    *groups*: role (``etcd``, ``control_plane``, ``worker``, ``cluster``) -> hosts.
    """
    findings = []
    names = settings.get("group_names") or {}
    etcd, control_plane, worker, cluster = (
        list(groups.get(role) or []) for role in ("etcd", "control_plane", "worker", "cluster")
    )

    for role, hosts in (("etcd", etcd), ("control_plane", control_plane)):
        if not hosts:
            findings.append(
                make_finding(
                    INVENTORY,
                    "groups",
                    f"at least one host in group {names.get(role, role)}",
                    "none",
                    f"add a host to group {names.get(role, role)} in the inventory (cluster_{role}_group names it)",
                )
            )
    outside = sorted(set(control_plane + worker) - set(cluster))
    if outside:
        findings.append(
            make_finding(
                INVENTORY,
                "groups",
                "every control-plane and worker host in group {}".format(names.get("cluster", "k8s_cluster")),
                f"outside it: {listed(outside)}",
                "make {} and {} children of {}".format(
                    names.get("control_plane", "kube_control_plane"),
                    names.get("worker", "kube_node"),
                    names.get("cluster", "k8s_cluster"),
                ),
            )
        )
    neither = sorted(set(cluster) - set(control_plane) - set(worker))
    if neither:
        findings.append(
            make_finding(
                INVENTORY,
                "groups",
                "every host of {} to be a control-plane or a worker host".format(names.get("cluster", "k8s_cluster")),
                f"neither: {listed(neither)}",
                "add them to {} or {}".format(
                    names.get("control_plane", "kube_control_plane"), names.get("worker", "kube_node")
                ),
            )
        )
    if etcd and (len(etcd) % 2 == 0 or len(etcd) > 7):
        findings.append(
            make_finding(
                INVENTORY,
                "etcd_members",
                "1, 3, 5 or 7 hosts in group {}".format(names.get("etcd", "etcd")),
                f"{len(etcd)} ({listed(etcd)})",
                "add or remove a host: an even number survives no more failures than one fewer",
            )
        )
    endpoint = str(settings.get("api_endpoint") or "")
    if len(control_plane) > 1 and not endpoint:
        findings.append(
            make_finding(
                INVENTORY,
                "api_endpoint",
                f"cluster_api_endpoint, since there are {len(control_plane)} control-plane hosts",
                "it is empty",
                "set cluster_api_endpoint to the host:port of a load balancer or virtual address before them",
            )
        )
    if endpoint and not re.fullmatch(r"(\[[0-9a-fA-F:]+\]|[^\s:/]+):[0-9]{1,5}", endpoint):
        findings.append(
            make_finding(
                INVENTORY,
                "api_endpoint",
                "cluster_api_endpoint as host:port",
                endpoint,
                "write it without a scheme, for example api.example.org:6443",
            )
        )
    findings += _check_subnets(settings, len(set(cluster)))
    plugin = settings.get("network_plugin")
    if plugin not in NETWORK_PLUGINS:
        findings.append(
            make_finding(
                INVENTORY,
                "network_plugin",
                "cluster_network_plugin to be one of: {}".format(", ".join(NETWORK_PLUGINS)),
                plugin,
                "set cluster_network_plugin to one of those",
            )
        )
    version, supported = (
        str(settings.get("kubernetes_version")),
        [str(v) for v in settings.get("supported_versions") or []],
    )
    if supported and version not in supported:
        close = difflib.get_close_matches(version.lstrip("v"), supported, 1, 0)
        findings.append(
            make_finding(
                INVENTORY,
                "kubernetes_version",
                "cluster_kubernetes_version to be one of: {}".format(", ".join(supported)),
                version,
                f"set it to {close[0] if close else supported[0]}; other releases need their entry in "
                "artifacts/artifacts.yml and a filled mirror",
            )
        )
    domain = str(settings.get("dns_domain") or "")
    if len(domain) > 253 or not all(LABEL.fullmatch(label) for label in domain.split(".")):
        findings.append(
            make_finding(
                INVENTORY,
                "dns_domain",
                "cluster_dns_domain to be a DNS domain in lower case, such as cluster.local",
                domain or "nothing",
                "set cluster_dns_domain to labels of a-z, 0-9 and - joined by dots",
            )
        )
    for variable, path in sorted((settings.get("missing_files") or {}).items()):
        findings.append(
            make_finding(
                INVENTORY,
                "controller_files",
                f"the file that {variable} names on this machine",
                f"{path} does not exist",
                f"fill the mirror first (playbooks/mirror.yml writes it), or correct {variable}",
            )
        )
    return findings


def _check_subnets(settings: dict, nodes: int) -> list[Finding]:
    findings = []
    networks: dict[str, Network | None] = {}
    for name, example in (("pod_subnet", "10.244.0.0/16"), ("service_subnet", "10.96.0.0/16")):
        text = settings.get(name)
        networks[name] = as_network(text)
        if networks[name] is None or "/" not in str(text):
            networks[name] = None
            findings.append(
                make_finding(
                    INVENTORY,
                    "subnets",
                    f"cluster_{name} to be one network in CIDR form, such as {example}",
                    text,
                    f"correct cluster_{name}: address bits behind the prefix must be 0",
                )
            )
    pods, services = networks["pod_subnet"], networks["service_subnet"]
    if overlap(pods, services):
        findings.append(
            make_finding(
                INVENTORY,
                "subnets",
                "cluster_pod_subnet and cluster_service_subnet not to overlap",
                f"pods {pods}, Services {services}",
                "change one of them, for example 10.244.0.0/16 and 10.96.0.0/16",
            )
        )
    if pods is not None and pods.version == 4:
        room = 2 ** (NODE_PREFIX - pods.prefixlen) if pods.prefixlen <= NODE_PREFIX else 0
        if room < max(nodes, 1):
            findings.append(
                make_finding(
                    INVENTORY,
                    "subnets",
                    f"cluster_pod_subnet to hold a /{NODE_PREFIX} for each of {nodes} nodes",
                    f"{pods} holds {room}",
                    "choose a larger network, such as a /16 (256 nodes)",
                )
            )
    if services is not None and services.version == 4 and not 12 <= services.prefixlen <= 28:
        findings.append(
            make_finding(
                INVENTORY,
                "subnets",
                "cluster_service_subnet with a prefix between /12 (the API server's limit) and /28 (the cluster DNS's "
                "address is its tenth)",
                services,
                "set cluster_service_subnet to a network of that size, such as 10.96.0.0/16",
            )
        )
    return findings
