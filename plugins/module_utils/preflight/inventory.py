# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the inventory has to be like: groups, addresses, subnets. Pure functions."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from .addresses import (
    LABEL,
    UNSUPPORTED,
    Network,
    as_address,
    as_network,
    endpoint_mistake,
    is_ipv6,
    network_mistake,
    overlap,
    url_mistake,
)
from .findings import INVENTORY, Finding, listed, make_finding
from .kubespray import foreign_groups, former_name

NETWORK_PLUGINS = ("flannel",)
NODE_PREFIX = 24  # kube-controller-manager's --node-cidr-mask-size
# role -> the variable with its group's name, and the name that the playbooks take without it
GROUPS = {
    "etcd": ("cluster_etcd_group", "etcd"),
    "control_plane": ("cluster_control_plane_group", "kube_control_plane"),
    "worker": ("cluster_worker_group", "kube_node"),
    "cluster": ("cluster_hosts_group", "k8s_cluster"),
}
# Where a variable can be set so that a play knows it when it looks for its hosts.
EXTRA, PLAY = "extra variable", "play"
VERSION = re.compile(r"v?(\d+)\.(\d+)\.(\d+)(-[0-9A-Za-z.-]+)?")


def check_inventory(settings: dict, groups: dict[str, list[str]]) -> list[Finding]:
    """What can be judged without a host.

    *settings*: pod_subnet, service_subnet, dns_domain, network_plugin, kubernetes_version,
    supported_versions, api_endpoint, mirror_url, group_names (role -> the group's name), inventory_groups (name ->
    hosts), missing_files (variable -> path of a file on the controller that is not there).
    *groups*: role (``etcd``, ``control_plane``, ``worker``, ``cluster``) -> hosts.
    """
    findings = []
    names = settings.get("group_names") or {}
    etcd, control_plane, worker, cluster = (
        list(groups.get(role) or []) for role in ("etcd", "control_plane", "worker", "cluster")
    )

    findings += _check_groups(names, settings.get("inventory_groups") or {}, etcd, control_plane, worker, cluster)
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
    findings += _check_endpoint(settings, len(control_plane))
    findings += _check_mirror(str(settings.get("mirror_url") or ""))
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


def check_group_variables(variables: Iterable[tuple[str, Any, str]]) -> list[Finding]:
    """Names of groups among the inventory's variables, which a play does not know yet when it looks for its hosts.

    *variables*: (name, value, where it is set).
    """
    defaults = dict(GROUPS.values())
    settings = [(name, str(value), where) for name, value, where in variables if name in defaults]
    # These override the inventory's.
    known = {name for name, _value, where in settings if where in (EXTRA, PLAY)}
    return [
        make_finding(
            INVENTORY,
            "groups",
            f"{name} on the command line, since plays choose their hosts before they read the inventory's variables",
            f"{value} ({where})",
            f"run with -e {name}={value}, or call the group {defaults[name]}",
        )
        for name, value, where in dict.fromkeys(settings)
        if name not in known and value != defaults[name]
    ]


def missing_groups(groups: Mapping[str, Sequence[str]], wanted: Sequence[str]) -> list[str]:
    """What to say where no group of those *wanted* has a host: no play would find one, and the run would end well."""
    if any(groups.get(name) for name in wanted):
        return []
    former = {name: former_name(name, groups) for name in wanted}
    renamed = [f"rename {former[name]} to {name}" for name in wanted if former[name]]
    others = [name for name, hosts in groups.items() if hosts and name not in ("all", "ungrouped")]
    plural = "group" if len(wanted) == 1 else "one of the groups"
    return [
        f"inventory: expected hosts in {plural} {listed(wanted)}, found none; groups with hosts: "
        f"{listed(others, 8) or 'none'}. "
        + (f"In the inventory, {listed(renamed)}." if renamed else "Is it the inventory that you meant (-i)?")
    ]


def _check_groups(
    names: Mapping[str, str],
    present: Mapping[str, list[str]],
    etcd: list[str],
    control_plane: list[str],
    worker: list[str],
    cluster: list[str],
) -> list[Finding]:
    """Findings about who is in which group. *present*: every group of the inventory, by its name."""
    title = {role: names.get(role) or default for role, (_variable, default) in GROUPS.items()}
    findings = []
    former = {role: former_name(name, present) for role, name in title.items()}
    for role, hosts in (("etcd", etcd), ("control_plane", control_plane), ("worker", worker), ("cluster", cluster)):
        if hosts or (role in ("worker", "cluster") and not former[role]):
            continue
        findings.append(
            make_finding(
                INVENTORY,
                "groups",
                f"at least one host in group {title[role]}",
                f"none; the group {former[role]} has {listed(present[former[role]])}" if former[role] else "none",
                f"rename the group {former[role]} to {title[role]}"
                if former[role]
                else f"add a host to group {title[role]} in the inventory (cluster_{role}_group names it)",
            )
        )
    outside = sorted(set(control_plane + worker) - set(cluster))
    if outside and not former["cluster"]:
        findings.append(
            make_finding(
                INVENTORY,
                "groups",
                f"every control-plane and worker host in group {title['cluster']}",
                f"outside it: {listed(outside)}",
                f"make {title['control_plane']} and {title['worker']} children of {title['cluster']}",
            )
        )
    neither = sorted(set(cluster) - set(control_plane) - set(worker))
    if neither and not former["control_plane"] and not former["worker"]:
        foreign = foreign_groups(neither, present)
        findings.append(
            make_finding(
                INVENTORY,
                "groups",
                f"every host of {title['cluster']} to be a control-plane or a worker host",
                f"neither: {listed(neither)}",
                f"take {listed(foreign)} out of {title['cluster']}: kubespray's groups without a counterpart here"
                if foreign
                else f"add them to {title['control_plane']} or {title['worker']}",
            )
        )
    return findings


def _check_endpoint(settings: dict, control_plane: int) -> list[Finding]:
    endpoint = str(settings.get("api_endpoint") or "")
    if not endpoint:
        if control_plane < 2:
            return []
        return [
            make_finding(
                INVENTORY,
                "api_endpoint",
                f"cluster_api_endpoint, since there are {control_plane} control-plane hosts",
                "it is empty",
                "set cluster_api_endpoint to the host:port of a load balancer or virtual address before them",
            )
        ]
    mistake = endpoint_mistake(endpoint)
    if mistake is None:
        address = as_address(endpoint.rpartition(":")[0])
        return [
            make_finding(
                INVENTORY,
                "api_endpoint",
                f"cluster_api_endpoint not to lie in cluster_{name} ({settings[name]})",
                endpoint,
                "give the load balancer an address of the hosts' networks",
            )
            for name in ("pod_subnet", "service_subnet")
            for network in [as_network(settings.get(name))]
            if address is not None and network is not None and address in network
        ]
    if mistake.reason == "IPv6":
        return [
            make_finding(
                INVENTORY,
                "api_endpoint",
                f"cluster_api_endpoint to be a name or an IPv4 address, {UNSUPPORTED}",
                endpoint,
                "set it to host:port of a name, or of an IPv4 address",
            )
        ]
    return [
        make_finding(
            INVENTORY,
            "api_endpoint",
            "cluster_api_endpoint as host:port by which every host reaches the API, a DNS name in lower case or an "
            "IPv4 address",
            f"{endpoint!r}: {mistake.reason}",
            f"set cluster_api_endpoint to {mistake.right}"
            if mistake.right
            else "set it to the load balancer's name or address, such as api.example.org:6443",
        )
    ]


def _check_mirror(url: str) -> list[Finding]:
    mistake = url_mistake(url) if url else None
    if mistake is None:
        return []
    six = mistake.reason == "IPv6"
    return [
        make_finding(
            INVENTORY,
            "mirror_url",
            f"cluster_mirror_url to be of a name or an IPv4 address, {UNSUPPORTED}"
            if six
            else "cluster_mirror_url as https://host or https://host:port",
            url if six else f"{url!r}: {mistake.reason}",
            f"set cluster_mirror_url to {mistake.right}"
            if mistake.right
            else "set it to the mirror's address, such as https://mirror1.example.org",
        )
    ]


def _check_subnets(settings: dict, nodes: int) -> list[Finding]:
    findings = []
    networks: dict[str, Network | None] = {}
    for name, example in (("pod_subnet", "10.244.0.0/16"), ("service_subnet", "10.96.0.0/16")):
        text = settings.get(name)
        mistake = network_mistake(text)
        networks[name] = None if mistake else as_network(text)
        if mistake is None:
            continue
        six = is_ipv6(text)
        findings.append(
            make_finding(
                INVENTORY,
                "subnets",
                f"cluster_{name} to be one IPv4 network, {UNSUPPORTED}"
                if six
                else f"cluster_{name} to be one network in CIDR form, such as {example}",
                text if six else f"{text}: {mistake.reason}",
                f"set cluster_{name} to {mistake.right or f'a network such as {example}'}",
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
    if pods is not None:
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
    if services is not None and not 12 <= services.prefixlen <= 28:
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
