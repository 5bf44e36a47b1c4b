# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host has to be like, by rules over its facts. Pure functions."""

from __future__ import annotations

import fnmatch
import ipaddress
import re

from .addresses import LABEL, UNSUPPORTED, Network, as_address, as_network, is_ipv6, overlap, why_not_reached
from .findings import ERROR, Finding, listed, make_finding
from .inventory import VERSION

# A label's value: https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/.
_LABEL_VALUE = re.compile(r"(([A-Za-z0-9][-A-Za-z0-9_.]{0,61})?[A-Za-z0-9])?")
OVERLAY_BYTES = {"flannel": 50}
# Interfaces that the cluster itself makes, on a host that already belongs to it.
OWN_INTERFACES = ("lo", "flannel*", "cni*", "veth*", "kube-*", "nodelocaldns")


def _need(thresholds: dict | None, roles: list[str]) -> float:
    """The largest threshold of the roles that a host has."""
    return max([float((thresholds or {}).get(role) or 0) for role in roles] or [0.0])


def check_host(host: str, roles: list[str], facts: dict, settings: dict) -> list[Finding]:
    """What one host tells about itself. *facts*: the result of preflight_probe. *settings*: that host's own."""
    found = _Host(host, roles, facts, settings)
    findings = []
    for rule in (
        _rule_base,
        _rule_os,
        _rule_size,
        _rule_disk,
        _rule_swap,
        _rule_clock,
        _rule_ports,
        _rule_names,
        _rule_kernel,
        _rule_network,
        _rule_artifacts,
        _rule_rack,
        _rule_leftovers,
        _rule_version,
    ):
        findings += rule(found)
    return findings


class _Host:
    def __init__(self, name: str, roles: list[str], facts: dict, settings: dict) -> None:
        self.name, self.roles, self.facts, self.settings = name, roles, facts, settings
        self.is_node = "control_plane" in roles or "worker" in roles

    def finding(self, check: str, expected: str, found: object, remedy: str, severity: str | None = None) -> Finding:
        return make_finding(self.name, check, expected, found, remedy, severity)


def _rule_base(host: _Host) -> list[Finding]:
    facts, findings = host.facts, []
    if facts.get("effective_uid") != 0:
        findings.append(
            host.finding(
                "privileges",
                "to be root on the host (become)",
                "user id {}".format(facts.get("effective_uid")),
                "let the play become root, and the login user use sudo",
            )
        )
    if tuple(facts.get("python") or (3, 9)) < (3, 9):
        findings.append(
            host.finding(
                "python",
                "Python 3.9 or newer",
                ".".join(str(part) for part in facts["python"]),
                "install a newer one and set ansible_python_interpreter",
            )
        )
    if facts.get("init") != "systemd":
        findings.append(
            host.finding(
                "systemd",
                "systemd as process 1",
                facts.get("init") or "unknown",
                "install the host with systemd: etcd, containerd and kubelet are its units",
            )
        )
    return findings


def _rule_os(host: _Host) -> list[Finding]:
    distribution = host.facts.get("distribution") or {}
    families = [distribution.get("id", "")] + (distribution.get("id_like") or [])
    version = re.match(r"\d+", str(distribution.get("version") or ""))
    major = int(version.group()) if version else 0
    title = distribution.get("name") or distribution.get("id") or "unknown"
    minimum = None
    if {"rhel", "centos", "fedora"} & set(families):
        # Fedora counts otherwise: every supported one is newer than RHEL 9.
        minimum = 34 if distribution.get("id") == "fedora" else 9
    elif distribution.get("id") == "ubuntu":
        minimum = 22
    elif "debian" in families:
        # A derivative counts its own releases; a rolling one has no number.
        minimum = 12 if distribution.get("id") == "debian" and version else 0
    if minimum is not None and major >= minimum:
        return []
    return [
        host.finding(
            "os",
            "RHEL or a relative of it, release 9 or newer, or Debian 12 or newer",
            title,
            "install a supported release, or add os to preflight_ignore to try",
        )
    ]


def _rule_size(host: _Host) -> list[Finding]:
    findings = []
    cpus, memory = (
        _need(host.settings.get("min_cpus"), host.roles),
        _need(host.settings.get("min_memory_mb"), host.roles),
    )
    if host.facts.get("cpus", cpus) < cpus:
        findings.append(
            host.finding(
                "cpus",
                "at least {:g} CPUs ({})".format(cpus, " and ".join(host.roles)),
                host.facts["cpus"],
                "give the host more, or lower preflight_min_cpus",
            )
        )
    if host.facts.get("memory_mb", memory) < memory:
        findings.append(
            host.finding(
                "memory",
                "at least {:g} MB of memory ({})".format(memory, " and ".join(host.roles)),
                "{} MB".format(host.facts["memory_mb"]),
                "give the host more, or lower preflight_min_memory_mb",
            )
        )
    return findings


def _rule_disk(host: _Host) -> list[Finding]:
    findings = []
    for path, need in sorted((host.settings.get("min_disk_gb") or {}).items()):
        disk = (host.facts.get("disks") or {}).get(path)
        if disk and disk["free_gb"] < float(need):
            findings.append(
                host.finding(
                    "disk",
                    f"at least {float(need):g} GB free for {path}",
                    "{:.1f} GB of {:.1f} GB on the file system of {}".format(
                        disk["free_gb"], disk["total_gb"], disk["parent"]
                    ),
                    "free or add space, or lower preflight_min_disk_gb (of etcd's own, preflight_etcd_min_disk_gb)",
                )
            )
    fsync, limit = host.facts.get("fsync"), host.settings.get("etcd_fsync_p99_ms")
    if fsync and fsync.get("error"):
        findings.append(
            host.finding(
                "etcd_fsync",
                "to be able to write below {}".format(fsync["path"]),
                fsync["error"],
                "make the file system writable",
                ERROR,
            )
        )
    elif fsync and limit is not None and fsync["p99_ms"] > float(limit):
        findings.append(
            host.finding(
                "etcd_fsync",
                "99 % of {} writes to etcd's disk to be safe within {:g} ms".format(fsync["samples"], float(limit)),
                "{:.1f} ms on {}".format(fsync["p99_ms"], fsync["path"]),
                "give etcd a faster disk of its own: slow ones cost leader elections (preflight_etcd_fsync_p99_ms)",
            )
        )
    return findings


def _rule_swap(host: _Host) -> list[Finding]:
    swap, policy = host.facts.get("swap_mb") or 0, host.settings.get("swap_allowed")
    if not swap or not host.is_node or policy:
        return []
    if host.settings.get("swap_disabled_by_role", True):
        return [
            host.finding(
                "swap",
                "no swap, since kubelet does not start with it",
                f"{swap} MB in use as swap space",
                "nothing to do: the run turns it off; to keep it, set failSwapOn: false in kubelet's configuration",
            )
        ]
    return [
        host.finding(
            "swap",
            "no swap, since kubelet does not start with it",
            f"{swap} MB of swap space, and host_disable_swap: false keeps it",
            "turn it off, or set failSwapOn: false in kubelet's configuration",
            ERROR,
        )
    ]


def clock_offset(controller: dict, host: dict) -> tuple[float, float]:
    """The least and the most that the host's clock can be ahead of the controller's, in seconds.

    The controller noted its time before and after, the host when it began and ended in between.
    """
    return host["end"] - controller["after"], host["start"] - controller["before"]


def _rule_clock(host: _Host) -> list[Finding]:
    findings = []
    limit, controller, clock = (
        host.settings.get("max_clock_offset_seconds"),
        host.facts.get("controller"),
        host.facts.get("clock"),
    )
    if limit is not None and controller and clock:
        least, most = clock_offset(controller, clock)
        if least > float(limit) or most < -float(limit):
            ahead = least > 0
            findings.append(
                host.finding(
                    "clock",
                    f"within {float(limit):g} s of the controller's clock",
                    "at least {:.1f} s {}".format(least if ahead else -most, "ahead" if ahead else "behind"),
                    "synchronise the clocks (chrony); certificates and etcd depend on them "
                    "(preflight_max_clock_offset_seconds)",
                )
            )
    if not (host.settings.get("time_managed_by_role") or host.facts.get("time_sync") or host.facts.get("container")):
        findings.append(
            host.finding(
                "time_sync",
                "a time service to run (chronyd, systemd-timesyncd, ntpd)",
                "none",
                "install and start chrony",
            )
        )
    return findings


def _rule_ports(host: _Host) -> list[Finding]:
    findings = []
    listeners: dict[tuple[int, str], list[dict]] = {}
    for listener in host.facts.get("listeners") or []:
        listeners.setdefault((listener["port"], listener["protocol"]), []).append(listener)
    for wanted in host.settings.get("ports") or []:
        if wanted["role"] != "node" and wanted["role"] not in host.roles:
            continue
        if wanted["role"] == "node" and not host.is_node:
            continue
        protocol = wanted.get("protocol") or "tcp"
        for listener in listeners.get((int(wanted["port"]), protocol), []):
            if _is_own(listener, wanted):
                continue
            process = listener.get("process") or "the kernel"
            findings.append(
                host.finding(
                    "port",
                    "port {}/{} to be free for {}".format(wanted["port"], protocol, " or ".join(wanted["owner"])),
                    "taken by {}{}{}".format(
                        process,
                        f" (process {listener['pid']})" if listener.get("pid") else "",
                        f", unit {listener['unit']}" if listener.get("unit") else "",
                    ),
                    "stop {} or move it to another port".format(
                        "the service {}".format(listener["unit"]) if listener.get("unit") else process
                    ),
                )
            )
            break
    return findings


def _is_own(listener: dict, wanted: dict) -> bool:
    """Whether a socket is held by what shall hold it: the program, and where its control group is known, that too."""
    if listener.get("process") not in wanted["owner"]:
        return False
    cgroup, expected = listener.get("cgroup") or "", wanted.get("cgroup")
    return not cgroup or not expected or expected in cgroup


def _rule_names(host: _Host) -> list[Finding]:
    findings = []
    hostname, node = str(host.facts.get("hostname") or ""), str(host.settings.get("node_name") or host.name)
    if len(node) > 253 or not all(LABEL.fullmatch(label) for label in node.split(".")):
        findings.append(
            host.finding(
                "hostname",
                "a node name of a-z, 0-9, - and dots (RFC 1123)",
                node,
                "rename the host in the inventory: its name there becomes the node's"
                if node == host.name
                else "correct cluster_node_name",
            )
        )
    if hostname.split(".")[0].lower() != node.split(".")[0]:
        findings.append(
            host.finding(
                "hostname_differs",
                "the host to call itself {}".format(node.split(".")[0]),
                hostname or "nothing",
                "set the host's name or its name in the inventory: two names for one host confuse whoever reads logs",
            )
        )
    dns = host.facts.get("dns")
    if dns and not dns.get("addresses"):
        findings.append(
            host.finding(
                "dns",
                "the host to resolve the name {}".format(dns["name"]),
                dns.get("error") or "no address",
                "add it to the site's DNS or to /etc/hosts, and check /etc/resolv.conf",
            )
        )
    return findings


_FEATURES = {
    "overlay": ("the overlay file system (containerd)", "cluster"),
    "veth": ("veth interfaces (pods)", "cluster"),
    "bridge": ("bridge interfaces (pods)", "cluster"),
    "br_netfilter": ("the bridge's netfilter hooks (Services)", "cluster"),
    "nf_conntrack": ("connection tracking (Services)", "cluster"),
    "nf_tables": ("nftables (Services, firewalld)", "cluster"),
    "vxlan": ("vxlan interfaces (flannel)", "flannel"),
}


def _rule_kernel(host: _Host) -> list[Finding]:
    findings = []
    kernel = host.facts.get("kernel_features") or {}
    for feature, (title, scope) in sorted(_FEATURES.items()):
        if not host.is_node or (scope == "flannel" and host.settings.get("network_plugin") != "flannel"):
            continue
        # None: could not be found out, which is not a finding.
        if kernel.get(feature) is False:
            findings.append(
                host.finding(
                    "kernel",
                    f"a kernel with {title}",
                    "{} has neither {} built in nor as a module".format(host.facts.get("kernel") or "it", feature),
                    "install the package with the kernel's further modules (kernel-modules-extra), or another kernel",
                )
            )
    if host.is_node and host.facts.get("cgroup_version") != 2 and not host.settings.get("cgroup_v1_allowed"):
        findings.append(
            host.finding(
                "cgroup",
                "control groups version 2",
                "version {}".format(host.facts.get("cgroup_version") or "unknown"),
                "boot with systemd.unified_cgroup_hierarchy=1, or let kubelet accept version 1: "
                "failCgroupV1: false in its configuration",
            )
        )
    return findings


def _is_own_interface(name: str) -> bool:
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in OWN_INTERFACES)


def node_interface(facts: dict, address: str) -> dict | None:
    """The interface that has the address by which the cluster knows a host."""
    for interface in facts.get("addresses") or []:
        if interface["address"] == address and not why_not_reached(address):
            return interface
    return None


def _rule_network(host: _Host) -> list[Finding]:
    findings = []
    address, addresses = str(host.settings.get("node_address") or ""), host.facts.get("addresses")
    variable = host.settings.get("node_address_variable") or "cluster_node_address"
    interface = None
    if is_ipv6(address):
        findings.append(
            host.finding(
                "node_address",
                f"{variable} to be an IPv4 address, {UNSUPPORTED}",
                address,
                "set cluster_node_address to an IPv4 address of the host",
            )
        )
    elif as_address(address) is None:
        findings.append(
            host.finding(
                "node_address",
                f"{variable} to be an IP address",
                address or "nothing (the host has no default route to derive it from)",
                "set cluster_node_address for the host",
            )
        )
    elif unreached := why_not_reached(address):
        findings.append(
            host.finding(
                "node_address",
                f"{variable} to be an address by which other hosts reach this one",
                f"{address}: {unreached}",
                "set cluster_node_address to the host's address in the cluster's network",
            )
        )
    elif addresses is not None:
        interface = node_interface(host.facts, address)
        if interface is None:
            findings.append(
                host.finding(
                    "node_address",
                    f"{variable} to be an address of the host",
                    "{}; the host has {}".format(
                        address,
                        listed(a["address"] for a in addresses if not _is_own_interface(a["interface"])),
                    ),
                    f"correct {variable}, or give the host that address",
                )
            )
    member = host.facts.get("member_address")
    if interface is not None and member and member != address:
        findings.append(
            host.finding(
                "node_address",
                f"{variable} to be the address that the host's etcd member has",
                f"{address}; the member has {member}",
                f"set cluster_node_address to {member}: this playbook does not move a member",
            )
        )
    findings += _overlaps(host)
    if interface is not None and host.is_node:
        overhead = OVERLAY_BYTES.get(str(host.settings.get("network_plugin")), 0)
        minimum = int(host.settings.get("min_mtu") or 0)
        if interface["mtu"] < minimum:
            findings.append(
                host.finding(
                    "mtu",
                    f"an MTU of at least {minimum} bytes, {overhead} of which go to the overlay's headers",
                    "{} on {}".format(interface["mtu"], interface["interface"]),
                    "raise the interface's MTU (preflight_min_mtu)",
                )
            )
    return findings


def _overlaps(host: _Host) -> list[Finding]:
    findings = []
    cluster = [
        ("cluster_pod_subnet", as_network(host.settings.get("pod_subnet"))),
        ("cluster_service_subnet", as_network(host.settings.get("service_subnet"))),
    ]
    peers = set(host.settings.get("node_addresses") or [])
    networks: dict[Network, str] = {}
    for address in host.facts.get("addresses") or []:
        if not _is_own_interface(address["interface"]):
            network = ipaddress.ip_network(f"{address['address']}/{address['prefix']}", strict=False)
            networks[network] = f"{network} on {address['interface']}"
    for route in host.facts.get("routes") or []:
        target = as_network(route["destination"])
        # A route by way of another node is the pod network's own (flannel's host-gw).
        if target is None or target.prefixlen == 0 or route.get("gateway") in peers:
            continue
        if not _is_own_interface(route["interface"]):
            networks.setdefault(target, f"route to {target} on {route['interface']}")
    for variable, subnet in cluster:
        clashes = [title for network, title in networks.items() if overlap(network, subnet)]
        if clashes:
            findings.append(
                host.finding(
                    "host_networks",
                    f"{variable} ({subnet}) not to overlap a network of the host",
                    listed(sorted(clashes), 4),
                    f"choose another {variable}",
                )
            )
    return findings


def _rule_artifacts(host: _Host) -> list[Finding]:
    fetch = host.facts.get("fetch")
    if not fetch or fetch.get("ok"):
        return []
    mirror = host.settings.get("mirror_url")
    if fetch.get("status") == 404:
        remedy = (
            "fill the mirror for this release (playbooks/mirror.yml)"
            if mirror
            else "correct cluster_kubernetes_version"
        )
    elif mirror:
        remedy = (
            "start the mirror, open its port, and check cluster_mirror_url, cluster_mirror_ca_file and the host's DNS"
        )
    else:
        remedy = "let the host reach it, or set cluster_mirror_url to a mirror of the site"
    return [
        host.finding(
            "artifacts",
            "to reach {}".format(fetch["url"]),
            fetch.get("error") or "HTTP status {}".format(fetch.get("status")),
            remedy,
        )
    ]


def _rule_rack(host: _Host) -> list[Finding]:
    rack = host.settings.get("rack", "")
    if not isinstance(rack, bool) and _LABEL_VALUE.fullmatch(str(rack)):
        return []
    return [
        host.finding(
            "rack",
            "cluster_rack to be the value of a label: at most 63 letters, digits, dashes, dots and underscores, a "
            "letter or digit at either end; in quotes where YAML would take it for something else",
            repr(rack),
            "correct cluster_rack",
        )
    ]


def _rule_leftovers(host: _Host) -> list[Finding]:
    return [
        host.finding(
            "leftovers",
            "no other Kubernetes on the host",
            "{}: {}".format(leftover["name"], leftover["path"]),
            "uninstall {} first, it uses the same ports and directories".format(leftover["name"]),
        )
        for leftover in host.facts.get("leftovers") or []
    ]


def _rule_version(host: _Host) -> list[Finding]:
    installed = VERSION.fullmatch(str(host.facts.get("kubelet_version") or ""))
    wanted = VERSION.fullmatch(str(host.settings.get("kubernetes_version") or ""))
    if not installed or not wanted:
        return []
    now, then = ([int(part) for part in match.groups()[:2]] for match in (installed, wanted))
    # What an interrupted installation left is replaced.
    if now == then or not host.facts["kubernetes"]["node"]:
        return []
    return [
        host.finding(
            "version_jump",
            "Kubernetes {} to be of the minor release that the node runs".format(wanted.group().lstrip("v")),
            "{} is installed".format(installed.group().lstrip("v")),
            "set cluster_kubernetes_version to what is installed: this playbook does not upgrade a node",
        )
    ]
