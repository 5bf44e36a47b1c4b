# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names and values of variables. Pure functions."""

from __future__ import annotations

import difflib
import fnmatch
import ipaddress
import re
from collections.abc import Iterable

from .addresses import LABEL, UNSUPPORTED, Mistake, as_address, as_network, is_ipv6, network_mistake
from .findings import INVENTORY, Finding, make_finding

# How far an inventory's own variable may look like one of a role before it is taken for a misspelling.
_SIMILAR = 0.9
# Where names begin with a playbook's instead of a role's.
_PLAYBOOKS = {"apps": "the playbook apps"}


def is_known(name: str, known: Iterable[str], own: Iterable[str]) -> bool:
    """Whether a variable is among the *known* ones, or matches a pattern of the site's *own*."""
    return name in known or any(fnmatch.fnmatchcase(name, pattern) for pattern in own)


def check_variable_names(
    variables: list[tuple[str, str]], known: set[str], prefixes: list[str], own: Iterable[str] = ()
) -> list[Finding]:
    """Names that neither a role nor the playbook apps knows.

    *variables*: (name, where it is set). *known*: every variable that these have. *prefixes*: what the names of
    these begin with, the names of the roles. *own*: patterns of names that the site uses for itself.
    """
    findings, seen = [], set()
    candidates = sorted(known)
    starts = tuple(f"{prefix}_" for prefix in prefixes)
    for name, where in variables:
        if (name, where) in seen or name.startswith(("_", "ansible_")) or is_known(name, known, own):
            continue
        seen.add((name, where))
        prefixed = name.startswith(starts)
        close = difflib.get_close_matches(name, candidates, 1, 0.75 if prefixed else _SIMILAR)
        if not prefixed and not close:
            continue
        role = max((start for start in starts if name.startswith(start)), key=len, default="")[:-1]
        owner = _PLAYBOOKS.get(role) or (f"the role {role}" if role else "a role or a playbook")
        findings.append(
            make_finding(
                INVENTORY,
                "variable_unknown",
                f"the name of a variable that {owner} knows",
                f"{name} ({where})",
                "{}; if the name is the site's own, add it to preflight_own_variables".format(
                    f"misspelt: did you mean {close[0]}?" if close else "remove or rename it"
                ),
            )
        )
    return findings


_ANY = float("inf")
# What numbers of the site's roles may be, the lowest and the highest. Those of apps are held by their definitions.
LIMITS: dict[str, tuple[float, float]] = {
    "binaries_timeout_seconds": (1, _ANY),
    "control_plane_certificate_days": (1, _ANY),
    "control_plane_ca_certificate_days": (1, _ANY),
    "control_plane_start_timeout_seconds": (1, _ANY),
    "etcd_quota_backend_bytes": (0, _ANY),
    "etcd_auto_compaction_hours": (0, _ANY),
    "etcd_heartbeat_interval_ms": (1, _ANY),
    "etcd_election_timeout_ms": (1, 50000),
    "etcd_start_timeout_seconds": (1, _ANY),
    "flannel_vxlan_port": (1, 65535),
    "flannel_vxlan_vni": (1, 2**24 - 1),
    "kubelet_join_timeout_seconds": (0, _ANY),
    "mirror_certificate_days": (1, _ANY),
    "preflight_etcd_fsync_p99_ms": (0, _ANY),
    "preflight_max_clock_offset_seconds": (0, _ANY),
    "preflight_min_mtu": (576, 65535),
    "preflight_timeout_seconds": (0.1, _ANY),
    "worker_join_timeout_seconds": (1, _ANY),
}


# Lists of networks or addresses, from which hosts let others in, and whether they may be of IPv6.
NETWORKS = {"cluster_node_subnets": False, "control_plane_api_sources": True}


def _item_mistake(item: object, ipv6: bool) -> Mistake | None:
    """What keeps an item of such a list from being a network, or an address, which is a network of its own."""
    if as_address(item) is not None and (ipv6 or not is_ipv6(item)):
        return None
    if not is_ipv6(item) or not ipv6:
        return network_mistake(item)
    try:
        right = str(ipaddress.ip_network(str(item), strict=False))
    except ValueError:
        return Mistake("not a network", "")
    return None if as_network(item) is not None else Mistake("address bits behind the prefix", right)


def _check_networks(name: str, value: list, where: str) -> list[Finding]:
    findings = []
    for item in value:
        mistake = _item_mistake(item, NETWORKS[name])
        if mistake is None:
            continue
        six = mistake.reason == "IPv6"
        findings.append(
            make_finding(
                INVENTORY,
                "variable_value",
                f"{name} to hold IPv4 networks, {UNSUPPORTED}" if six else f"{name} to hold networks in CIDR form",
                f"{item} ({where})" if six else f"{item} ({where}): {mistake.reason}",
                f"in {name}, write {mistake.right}" if mistake.right else f"correct {name}, such as 192.0.2.0/24",
            )
        )
    return findings


# Lists of names that a certificate is to have, as kubeadm takes them: a wildcard in front, and addresses, are fine.
CERTIFICATE_NAMES = ("control_plane_certificate_sans",)


def _check_certificate_names(name: str, value: list, where: str) -> list[Finding]:
    wrong = [
        str(item)
        for item in value
        if as_address(item) is None
        and not all(LABEL.fullmatch(label) for label in str(item).removeprefix("*.").split("."))
    ]
    return [
        make_finding(
            INVENTORY,
            "variable_value",
            f"{name} to hold DNS names in lower case, and IP addresses",
            f"{text!r} ({where})",
            f"correct {name}: no scheme, no port, no underscore",
        )
        for text in wrong
    ]


def check_variable_range(name: str, value: object, where: str) -> list[Finding]:
    """Whether a value is one that its variable may have: numbers, networks, names. Of others nothing is known here."""
    if name in NETWORKS and isinstance(value, list):
        return _check_networks(name, value, where)
    if name in CERTIFICATE_NAMES and isinstance(value, list):
        return _check_certificate_names(name, value, where)
    limits = LIMITS.get(name)
    if limits is None or isinstance(value, bool) or not isinstance(value, (int, float)):
        return []
    low, high = limits
    if low <= value <= high:
        return []
    text = f"at least {low}" if high == _ANY else f"between {low} and {high}"
    return [
        make_finding(
            INVENTORY,
            "variable_value",
            f"{name} to be {text}",
            f"{value} ({where})",
            "set {} to a value {}".format(name, f"of {text}" if text.startswith("at") else text),
        )
    ]


# By these things are called: 1.10 without quotes is 1.1, and nothing is called "None".
NAMES = ("cluster_name", "cluster_node_name", "cluster_rack", "cluster_kubernetes_version")
# Part of a file's name, which a colon would end in $KUBECONFIG; of a certificate's, of 64 characters with " mirror";
# and of etcd's settings, where systemd reads quotes and backslashes.
_CLUSTER_NAME = re.compile(r"\w(?:[^/:\\'\"`$\x00-\x1f\x7f\x85\u2028\u2029]{0,55}[^\s/:\\'\"`$\x00-\x1f\x7f])?")


def check_variable_text(name: str, value: object, where: str) -> list[Finding]:
    """Whether a text is one, and a name one that files and certificates can have."""
    if isinstance(value, bool) or (name in NAMES and isinstance(value, float)):
        remedy = f'put it in quotes: {name}: "..."; YAML takes on, yes, 1.10 and their like for something else'
        return [make_finding(INVENTORY, "variable_value", f"{name} to be a text", f"{value!r} ({where})", remedy)]
    if name in NAMES and value is None:
        remedy = f"set {name}, or remove it"
        return [make_finding(INVENTORY, "variable_value", f"{name} to be a text", f"nothing ({where})", remedy)]
    if name == "cluster_name" and not _CLUSTER_NAME.fullmatch(str(value)):
        expected = "cluster_name to have up to 57 characters, a letter or digit first, without / : \\ ` $ and quotes"
        remedy = "choose another name: files, certificates and the kubeconfig's context are called by it"
        return [make_finding(INVENTORY, "variable_value", expected, f"{str(value)!r} ({where})", remedy)]
    return []
