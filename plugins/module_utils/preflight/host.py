# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rules of the preflight: settings and facts of all hosts in, a list of findings out.

Pure functions. What was found on a host comes from the preflight_probe module; nothing here reads
a file, opens a connection or knows of Ansible. Every check has an id (the keys of `CHECKS`), which
`preflight_ignore` takes.
"""

from __future__ import annotations

import difflib
import fnmatch
import ipaddress
import re
from dataclasses import asdict, dataclass, replace

ERROR = "error"
WARNING = "warning"
IGNORED = "ignored"
INVENTORY = "inventory"

# id -> default severity. docs/preflight.md has one line for each.
CHECKS = {
    # the inventory
    "groups": ERROR,
    "etcd_members": ERROR,
    "api_endpoint": ERROR,
    "subnets": ERROR,
    "network_plugin": ERROR,
    "kubernetes_version": ERROR,
    "dns_domain": ERROR,
    "controller_files": ERROR,
    "variable_unknown": ERROR,
    "variable_value": ERROR,
    # every host
    "unreachable": WARNING,
    "privileges": ERROR,
    "python": ERROR,
    "systemd": ERROR,
    "os": ERROR,
    "cpus": ERROR,
    "memory": ERROR,
    "disk": ERROR,
    "etcd_fsync": WARNING,
    "swap": WARNING,
    "clock": ERROR,
    "time_sync": WARNING,
    "port": ERROR,
    "hostname": ERROR,
    "hostname_differs": WARNING,
    "node_address": ERROR,
    "host_networks": ERROR,
    "kernel": ERROR,
    "cgroup": ERROR,
    "mtu": ERROR,
    "dns": WARNING,
    "artifacts": ERROR,
    "leftovers": WARNING,
    "version_jump": ERROR,
    # hosts compared with each other
    "hostname_duplicate": ERROR,
    "machine_id": ERROR,
    "product_uuid": WARNING,
    "address_duplicate": ERROR,
    "mtu_differs": WARNING,
    "architecture": ERROR,
}

NETWORK_PLUGINS = ("flannel",)
NODE_PREFIX = 24  # kube-controller-manager's --node-cidr-mask-size
OVERLAY_BYTES = {"flannel": 50}
# Interfaces that the cluster itself makes, on a host that already belongs to it.
OWN_INTERFACES = ("lo", "flannel*", "cni*", "veth*", "kube-*", "nodelocaldns")
_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_VERSION = re.compile(r"v?(\d+)\.(\d+)\.(\d+)(-[0-9A-Za-z.-]+)?")
# How far an inventory's own variable may look like one of a role before it is taken for a misspelling.
_SIMILAR = 0.9


@dataclass(frozen=True)
class Finding:
    """One thing that is not as it should be. *host* is a host of the inventory, or ``inventory``."""

    host: str
    check: str
    expected: str
    found: str
    remedy: str
    severity: str = ""

    def as_dict(self):
        # type: () -> dict[str, str]
        return asdict(self)


def _finding(host, check, expected, found, remedy, severity=None):
    # type: (str, str, str, object, str, str | None) -> Finding
    return Finding(host, check, expected, str(found), remedy, severity or CHECKS[check])


def _network(text):
    # type: (object) -> object
    """The IPv4 or IPv6 network that *text* means, None when it means none."""
    try:
        return ipaddress.ip_network(str(text), strict=True)
    except ValueError:
        return None


def _address(text):
    # type: (object) -> object
    try:
        return ipaddress.ip_address(str(text))
    except ValueError:
        return None


def _overlap(one, other):
    # type: (object, object) -> bool
    return one is not None and other is not None and one.version == other.version and one.overlaps(other)


def _listed(names, limit=8):
    # type: (object, int) -> str
    names = [str(name) for name in names]
    if len(names) <= limit:
        return ", ".join(names) or "none"
    return "{} and {} more".format(", ".join(names[:limit]), len(names) - limit)


# --- the inventory -------------------------------------------------------------------------------


def check_inventory(settings, groups):
    # type: (dict, dict[str, list[str]]) -> list[Finding]
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
                _finding(
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
            _finding(
                INVENTORY,
                "groups",
                "every control-plane and worker host in group {}".format(names.get("cluster", "k8s_cluster")),
                f"outside it: {_listed(outside)}",
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
            _finding(
                INVENTORY,
                "groups",
                "every host of {} to be a control-plane or a worker host".format(names.get("cluster", "k8s_cluster")),
                f"neither: {_listed(neither)}",
                "add them to {} or {}".format(
                    names.get("control_plane", "kube_control_plane"), names.get("worker", "kube_node")
                ),
            )
        )
    if etcd and (len(etcd) % 2 == 0 or len(etcd) > 7):
        findings.append(
            _finding(
                INVENTORY,
                "etcd_members",
                "1, 3, 5 or 7 hosts in group {}".format(names.get("etcd", "etcd")),
                f"{len(etcd)} ({_listed(etcd)})",
                "add or remove a host: an even number survives no more failures than one fewer",
            )
        )
    endpoint = str(settings.get("api_endpoint") or "")
    if len(control_plane) > 1 and not endpoint:
        findings.append(
            _finding(
                INVENTORY,
                "api_endpoint",
                f"cluster_api_endpoint, since there are {len(control_plane)} control-plane hosts",
                "it is empty",
                "set cluster_api_endpoint to the host:port of a load balancer or virtual address before them",
            )
        )
    if endpoint and not re.fullmatch(r"(\[[0-9a-fA-F:]+\]|[^\s:/]+):[0-9]{1,5}", endpoint):
        findings.append(
            _finding(
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
            _finding(
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
            _finding(
                INVENTORY,
                "kubernetes_version",
                "cluster_kubernetes_version to be one of: {}".format(", ".join(supported)),
                version,
                f"set it to {close[0] if close else supported[0]}; other releases need their entry in "
                "artifacts/artifacts.yml and a filled mirror",
            )
        )
    domain = str(settings.get("dns_domain") or "")
    if len(domain) > 253 or not all(_LABEL.fullmatch(label) for label in domain.split(".")):
        findings.append(
            _finding(
                INVENTORY,
                "dns_domain",
                "cluster_dns_domain to be a DNS domain in lower case, such as cluster.local",
                domain or "nothing",
                "set cluster_dns_domain to labels of a-z, 0-9 and - joined by dots",
            )
        )
    for variable, path in sorted((settings.get("missing_files") or {}).items()):
        findings.append(
            _finding(
                INVENTORY,
                "controller_files",
                f"the file that {variable} names on this machine",
                f"{path} does not exist",
                f"fill the mirror first (playbooks/mirror.yml writes it), or correct {variable}",
            )
        )
    return findings


def _check_subnets(settings, nodes):
    # type: (dict, int) -> list[Finding]
    findings = []
    networks = {}
    for name, example in (("pod_subnet", "10.244.0.0/16"), ("service_subnet", "10.96.0.0/16")):
        text = settings.get(name)
        networks[name] = _network(text)
        if networks[name] is None or "/" not in str(text):
            networks[name] = None
            findings.append(
                _finding(
                    INVENTORY,
                    "subnets",
                    f"cluster_{name} to be one network in CIDR form, such as {example}",
                    text,
                    f"correct cluster_{name}: address bits behind the prefix must be 0",
                )
            )
    pods, services = networks["pod_subnet"], networks["service_subnet"]
    if _overlap(pods, services):
        findings.append(
            _finding(
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
                _finding(
                    INVENTORY,
                    "subnets",
                    f"cluster_pod_subnet to hold a /{NODE_PREFIX} for each of {nodes} nodes",
                    f"{pods} holds {room}",
                    "choose a larger network, such as a /16 (256 nodes)",
                )
            )
    if services is not None and services.version == 4 and not 12 <= services.prefixlen <= 28:
        findings.append(
            _finding(
                INVENTORY,
                "subnets",
                "cluster_service_subnet with a prefix between /12 (the API server's limit) and /28 (the cluster DNS's "
                "address is its tenth)",
                services,
                "set cluster_service_subnet to a network of that size, such as 10.96.0.0/16",
            )
        )
    return findings


# --- variables -----------------------------------------------------------------------------------


def check_variable_names(variables, known, prefixes, own=()):
    # type: (list[tuple[str, str]], set[str], list[str], object) -> list[Finding]
    """Names that no role knows.

    *variables*: (name, where it is set). *known*: every variable that a role declares. *prefixes*:
    the names of the roles. *own*: patterns of names that the site uses for itself.
    """
    findings, seen = [], set()
    candidates = sorted(known)
    starts = tuple(f"{prefix}_" for prefix in prefixes)
    for name, where in variables:
        if (name, where) in seen or name in known or name.startswith(("_", "ansible_")):
            continue
        seen.add((name, where))
        if any(fnmatch.fnmatchcase(name, pattern) for pattern in own):
            continue
        prefixed = name.startswith(starts)
        close = difflib.get_close_matches(name, candidates, 1, 0.75 if prefixed else _SIMILAR)
        if not prefixed and not close:
            continue
        role = max((start for start in starts if name.startswith(start)), key=len, default="")[:-1]
        findings.append(
            _finding(
                INVENTORY,
                "variable_unknown",
                "the name of a variable that {} knows".format(f"the role {role}" if role else "a role"),
                f"{name} ({where})",
                "{}; if the name is the site's own, add it to preflight_own_variables".format(
                    f"misspelt: did you mean {close[0]}?" if close else "remove or rename it"
                ),
            )
        )
    return findings


def value_limits(name, kind):
    # type: (str, str) -> tuple[float, float] | None
    """The range that a name promises: counts of members are at least 1, ports are ports, amounts not negative."""
    if kind not in ("int", "float"):
        return None
    if name.endswith("_replicas"):
        return 1, float("inf")
    if name.endswith("_port"):
        return 1, 65535
    if name.endswith(("_seconds", "_mb", "_gb", "_ms", "_count", "_minutes", "_hours", "_days")):
        return 0, float("inf")
    return None


def check_variable_range(name, kind, value, where):
    # type: (str, str, object, str) -> list[Finding]
    limits = value_limits(name, kind)
    if limits is None or isinstance(value, bool) or not isinstance(value, (int, float)):
        return []
    low, high = limits
    if low <= value <= high:
        return []
    text = f"at least {low}" if high == float("inf") else f"between {low} and {high}"
    return [
        _finding(
            INVENTORY,
            "variable_value",
            f"{name} to be {text}",
            f"{value} ({where})",
            "set {} to a value {}".format(name, f"of {text}" if text.startswith("at") else text),
        )
    ]


# --- one host ------------------------------------------------------------------------------------


def _need(thresholds, roles):
    # type: (dict, list[str]) -> float
    """The largest threshold of the roles that a host has."""
    return max([float((thresholds or {}).get(role) or 0) for role in roles] or [0.0])


def check_host(host, roles, facts, settings):
    # type: (str, list[str], dict, dict) -> list[Finding]
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
        _rule_leftovers,
        _rule_version,
    ):
        findings += rule(found)
    return findings


class _Host:
    def __init__(self, name, roles, facts, settings):
        self.name, self.roles, self.facts, self.settings = name, roles, facts, settings
        self.is_node = "control_plane" in roles or "worker" in roles

    def finding(self, check, expected, found, remedy, severity=None):
        return _finding(self.name, check, expected, found, remedy, severity)


def _rule_base(host):
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


def _rule_os(host):
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


def _rule_size(host):
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


def _rule_disk(host):
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
                    "free or add space, or lower preflight_min_disk_gb",
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


def _rule_swap(host):
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
            f"{swap} MB of swap space, and host_swap keeps it",
            "turn it off, or set failSwapOn: false in kubelet's configuration",
            ERROR,
        )
    ]


def clock_offset(controller, host):
    # type: (dict, dict) -> tuple[float, float]
    """The least and the most that the host's clock can be ahead of the controller's, in seconds.

    The controller noted its time before and after, the host when it began and ended in between.
    """
    return host["end"] - controller["after"], host["start"] - controller["before"]


def _rule_clock(host):
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


def _rule_ports(host):
    findings = []
    listeners = {}
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


def _is_own(listener, wanted):
    # type: (dict, dict) -> bool
    """Whether a socket is held by what shall hold it: the program, and where its control group is known, that too."""
    if listener.get("process") not in wanted["owner"]:
        return False
    cgroup, expected = listener.get("cgroup") or "", wanted.get("cgroup")
    return not cgroup or not expected or expected in cgroup


def _rule_names(host):
    findings = []
    hostname, node = str(host.facts.get("hostname") or ""), str(host.settings.get("node_name") or host.name)
    if len(node) > 253 or not all(_LABEL.fullmatch(label) for label in node.split(".")):
        findings.append(
            host.finding(
                "hostname",
                "a node name of a-z, 0-9, - and dots (RFC 1123)",
                node,
                "rename the host in the inventory: its name there becomes the node's",
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


def _rule_kernel(host):
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


def _is_own_interface(name):
    # type: (str) -> bool
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in OWN_INTERFACES)


def node_interface(facts, address):
    # type: (dict, str) -> dict | None
    """The interface that has the address by which the cluster knows a host."""
    for interface in facts.get("addresses") or []:
        if interface["address"] == address:
            return interface
    return None


def _rule_network(host):
    findings = []
    address, addresses = str(host.settings.get("node_address") or ""), host.facts.get("addresses")
    interface = None
    if _address(address) is None:
        findings.append(
            host.finding(
                "node_address",
                "cluster_node_address to be an IP address",
                address or "nothing (the host has no default route to derive it from)",
                "set cluster_node_address for the host",
            )
        )
    elif addresses is not None:
        interface = node_interface(host.facts, address)
        if interface is None:
            findings.append(
                host.finding(
                    "node_address",
                    "cluster_node_address to be an address of the host",
                    "{}; the host has {}".format(
                        address,
                        _listed(a["address"] for a in addresses if not _is_own_interface(a["interface"])),
                    ),
                    "correct cluster_node_address, or give the host that address",
                )
            )
    findings += _overlaps(host)
    if interface is not None and host.is_node:
        overhead = OVERLAY_BYTES.get(host.settings.get("network_plugin"), 0)
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


def _overlaps(host):
    findings = []
    cluster = [
        ("cluster_pod_subnet", _network(host.settings.get("pod_subnet"))),
        ("cluster_service_subnet", _network(host.settings.get("service_subnet"))),
    ]
    peers = set(host.settings.get("node_addresses") or [])
    networks = {}
    for address in host.facts.get("addresses") or []:
        if not _is_own_interface(address["interface"]):
            network = ipaddress.ip_network(f"{address['address']}/{address['prefix']}", strict=False)
            networks[network] = f"{network} on {address['interface']}"
    for route in host.facts.get("routes") or []:
        network = _network(route["destination"])
        # A route by way of another node is the pod network's own (flannel's host-gw).
        if network is None or network.prefixlen == 0 or route.get("gateway") in peers:
            continue
        if not _is_own_interface(route["interface"]):
            networks.setdefault(network, f"route to {network} on {route['interface']}")
    for variable, subnet in cluster:
        clashes = [title for network, title in networks.items() if _overlap(network, subnet)]
        if clashes:
            findings.append(
                host.finding(
                    "host_networks",
                    f"{variable} ({subnet}) not to overlap a network of the host",
                    _listed(sorted(clashes), 4),
                    f"choose another {variable}",
                )
            )
    return findings


def _rule_artifacts(host):
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


def _rule_leftovers(host):
    return [
        host.finding(
            "leftovers",
            "no other Kubernetes on the host",
            "{}: {}".format(leftover["name"], leftover["path"]),
            "uninstall {} first, it uses the same ports and directories".format(leftover["name"]),
        )
        for leftover in host.facts.get("leftovers") or []
    ]


def _rule_version(host):
    installed = _VERSION.fullmatch(str(host.facts.get("kubelet_version") or ""))
    wanted = _VERSION.fullmatch(str(host.settings.get("kubernetes_version") or ""))
    if not installed or not wanted:
        return []
    now, then = ([int(part) for part in match.groups()[:2]] for match in (installed, wanted))
    if now[0] == then[0] and 0 <= then[1] - now[1] <= 1:
        return []
    older = then < now
    return [
        host.finding(
            "version_jump",
            "Kubernetes {} to be the installed minor release or the one after it".format(wanted.group().lstrip("v")),
            "{} is installed".format(installed.group().lstrip("v")),
            "Kubernetes cannot go back: set cluster_kubernetes_version to what is installed"
            if older
            else "upgrade one minor release after another",
        )
    ]


# --- hosts compared ------------------------------------------------------------------------------


def check_site(hosts):
    # type: (dict[str, dict]) -> list[Finding]
    """Compare hosts with each other. *hosts*: host -> {roles, facts, settings}; facts None: no answer."""
    findings = []
    answered = {name: host for name, host in hosts.items() if host.get("facts")}
    for check, fact, title, remedy in (
        ("hostname_duplicate", "hostname", "a host name of its own", "rename all but one"),
        (
            "machine_id",
            "machine_id",
            "a machine id of its own (/etc/machine-id)",
            "on all but one: empty /etc/machine-id and run systemd-machine-id-setup (clones of one image)",
        ),
        ("product_uuid", "product_uuid", "a hardware id of its own (product_uuid)", "let the hypervisor make new ones"),
    ):
        for value, names in _shared(answered, lambda host, fact=fact: host["facts"].get(fact)):
            for name in names:
                others = [other for other in names if other != name]
                findings.append(_finding(name, check, title, f"{value}, as on {_listed(others)}", remedy))
    for value, names in _shared(hosts, lambda host: (host.get("settings") or {}).get("node_address")):
        for name in names:
            others = [other for other in names if other != name]
            findings.append(
                _finding(
                    name,
                    "address_duplicate",
                    "a cluster_node_address of its own",
                    f"{value}, as for {_listed(others)}",
                    "correct cluster_node_address; or the same host is in the inventory twice",
                )
            )
    findings += _check_mtu(answered)
    kinds = {}
    for name, host in answered.items():
        kinds.setdefault(host["facts"].get("architecture"), []).append(name)
    if len(kinds) > 1:
        findings.append(
            _finding(
                INVENTORY,
                "architecture",
                "hosts of one architecture",
                "; ".join(f"{kind}: {_listed(names, 4)}" for kind, names in sorted(kinds.items(), key=str)),
                "keep hosts of another architecture out of the inventory",
            )
        )
    for name, host in hosts.items():
        if not host.get("facts"):
            findings.append(
                _finding(
                    name,
                    "unreachable",
                    "the host to answer and to be examined",
                    host.get("reason") or "it could not be reached",
                    "check sudo and Python there"
                    if host.get("severity") == ERROR
                    else "the run goes on without it; start it or check SSH, then run again",
                    host.get("severity"),
                )
            )
    return findings


def _shared(hosts, value):
    by_value = {}
    for name, host in hosts.items():
        key = value(host)
        if key:
            by_value.setdefault(key, []).append(name)
    return [(key, names) for key, names in by_value.items() if len(names) > 1]


def _check_mtu(hosts):
    # type: (dict[str, dict]) -> list[Finding]
    sizes = {}
    for name, host in hosts.items():
        if not {"control_plane", "worker"} & set(host["roles"]):
            continue
        interface = node_interface(host["facts"], str(host["settings"].get("node_address")))
        if interface:
            sizes[name] = interface["mtu"]
    if len(set(sizes.values())) < 2:
        return []
    counted = list(sizes.values())
    usual = max(sorted(set(counted)), key=counted.count)
    return [
        _finding(
            name,
            "mtu_differs",
            f"the same MTU on every node ({usual} on most)",
            size,
            "give the interfaces of all nodes one MTU: larger packets get lost on the smaller ones",
        )
        for name, size in sizes.items()
        if size != usual
    ]


# --- the report ----------------------------------------------------------------------------------


def apply_ignore(findings, ignore):
    # type: (list[Finding], object) -> list[Finding]
    """Findings with those of ignored checks marked so. An unknown check id is a finding itself."""
    ignore = list(ignore or [])
    result = [replace(f, severity=IGNORED) if f.check in ignore else f for f in findings]
    for check in ignore:
        if check not in CHECKS:
            close = difflib.get_close_matches(str(check), CHECKS, 1)
            result.append(
                _finding(
                    INVENTORY,
                    "variable_value",
                    "preflight_ignore to hold ids of checks",
                    check,
                    f"did you mean {close[0]}?" if close else "docs/preflight.md lists them",
                )
            )
    return result


def _merged(findings):
    # type: (list[Finding]) -> list[tuple[tuple[str, ...], list[Finding]]]
    """(hosts, findings) with what several hosts have in common said once; the inventory first."""
    same = {}
    for finding in findings:
        same.setdefault(replace(finding, host=""), []).append(finding.host)
    blocks = {}
    for finding, hosts in same.items():
        blocks.setdefault(tuple(hosts), []).append(finding)
    order = [finding.host for finding in findings]
    return sorted(blocks.items(), key=lambda block: (INVENTORY not in block[0], order.index(block[0][0])))


def format_report(findings, total):
    # type: (list[Finding], int) -> str
    """The report as text: errors and warnings by host, and what was ignored in one line."""
    counts = {severity: sum(f.severity == severity for f in findings) for severity in (ERROR, WARNING, IGNORED)}
    verdict = "Nothing was changed." if counts[ERROR] else "Going on."
    lines = [
        "preflight of {} host{}: {} error{}, {} warning{}. {}".format(
            total,
            "" if total == 1 else "s",
            counts[ERROR],
            "" if counts[ERROR] == 1 else "s",
            counts[WARNING],
            "" if counts[WARNING] == 1 else "s",
            verdict,
        )
    ]
    shown = [finding for finding in findings if finding.severity != IGNORED]
    for hosts, group in _merged(shown):
        lines += ["", _listed(hosts)]
        for finding in sorted(group, key=lambda f: f.severity):
            lines += [
                f"  {finding.severity.upper()} {finding.check}",
                f"    expected: {finding.expected}",
                f"    found:    {finding.found}",
                f"    remedy:   {finding.remedy}",
            ]
    ignored = {}
    for finding in findings:
        if finding.severity == IGNORED:
            ignored.setdefault(finding.check, []).append(finding.host)
    if ignored:
        lines += ["", "ignored (preflight_ignore)"]
        lines += [f"  {check}: {_listed(hosts)}" for check, hosts in sorted(ignored.items())]
    return "\n".join(lines)


def warning_lines(findings):
    # type: (list[Finding]) -> list[str]
    """One line per warning, hosts with the same one named together."""
    lines = []
    for hosts, group in _merged([finding for finding in findings if finding.severity == WARNING]):
        lines += [
            f"preflight: {_listed(hosts)}: {finding.check}: expected {finding.expected}; found {finding.found}; "
            f"remedy: {finding.remedy}"
            for finding in group
        ]
    return lines


def summary(facts):
    # type: (dict) -> str
    """One line about a host, for whoever asks for more detail."""
    return "{}, kernel {}, {} CPUs, {} MB, cgroup v{}, SELinux {}, firewalld {}".format(
        (facts.get("distribution") or {}).get("name") or "unknown system",
        facts.get("kernel"),
        facts.get("cpus"),
        facts.get("memory_mb"),
        facts.get("cgroup_version"),
        facts.get("selinux"),
        "running" if facts.get("firewalld") else "not running",
    )


def evaluate(settings, groups, hosts, ignore=()):
    # type: (dict, dict[str, list[str]], dict[str, dict], object) -> list[Finding]
    """All findings except those about variables: the inventory's, each host's, and the hosts' together."""
    findings = check_inventory(settings, groups)
    unsupported = any(finding.check == "kubernetes_version" for finding in findings)
    addresses = [str(host["settings"].get("node_address")) for host in hosts.values() if host.get("settings")]
    for name, host in hosts.items():
        if host.get("facts"):
            facts, own = host["facts"], dict(host["settings"], node_addresses=addresses)
            if unsupported and (facts.get("fetch") or {}).get("status") == 404:
                # No mirror holds a release that does not exist: said once, for the inventory.
                facts = dict(facts, fetch=None)
            findings += check_host(name, host["roles"], facts, own)
    findings += check_site(hosts)
    return apply_ignore(findings, ignore)
