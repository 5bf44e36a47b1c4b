# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What holds between the hosts of a site. Pure functions."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from types import MappingProxyType

from .addresses import Network, as_address, as_network, network_mistake
from .findings import ERROR, INVENTORY, Finding, listed, make_finding
from .host import node_interface


def check_site(
    hosts: dict[str, dict], elsewhere: Mapping[str, str] = MappingProxyType({}), cluster: Collection[str] = ()
) -> list[Finding]:
    """Compare hosts with each other.

    *hosts*: host -> {roles, facts, settings}; facts None: no answer. *elsewhere*: host -> address, as far as it is
    known, of those that the run leaves out. *cluster*: all hosts that are nodes, of the run and elsewhere.
    """
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
        values = {name: host["facts"].get(fact) for name, host in answered.items()}
        for value, names in _shared(values):
            for name in names:
                others = [other for other in names if other != name]
                findings.append(make_finding(name, check, title, f"{value}, as on {listed(others)}", remedy))
    for value, names in _shared({name: host["settings"].get("node_name") for name, host in answered.items()}):
        findings += [
            make_finding(
                name,
                "hostname_duplicate",
                "a node's name of its own",
                f"{value}, as for {listed(other for other in names if other != name)}",
                "correct cluster_node_name",
            )
            for name in names
        ]
    addresses = {name: (host.get("settings") or {}).get("node_address") for name, host in hosts.items()}
    for value, names in _shared({**elsewhere, **addresses}):
        for name in [name for name in names if name in hosts]:
            others = [other for other in names if other != name]
            findings.append(
                make_finding(
                    name,
                    "address_duplicate",
                    "a cluster_node_address of its own",
                    f"{value}, as for {listed(others)}",
                    "correct cluster_node_address; or the same host is in the inventory twice",
                )
            )
    findings += _check_node_subnets(answered, {name: elsewhere[name] for name in cluster if name in elsewhere})
    findings += _check_mtu(answered)
    kinds: dict[str | None, list[str]] = {}
    for name, host in answered.items():
        kinds.setdefault(host["facts"].get("architecture"), []).append(name)
    if len(kinds) > 1:
        findings.append(
            make_finding(
                INVENTORY,
                "architecture",
                "hosts of one architecture",
                "; ".join(f"{kind}: {listed(names, 4)}" for kind, names in sorted(kinds.items(), key=str)),
                "keep hosts of another architecture out of the inventory",
            )
        )
    for name, host in hosts.items():
        if not host.get("facts"):
            findings.append(
                make_finding(
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


def _shared(values: dict[str, object]) -> list[tuple[object, list[str]]]:
    """What several hosts have in common, and which they are."""
    by_value: dict[object, list[str]] = {}
    for name, value in values.items():
        if value:
            by_value.setdefault(value, []).append(name)
    return [(key, names) for key, names in by_value.items() if len(names) > 1]


def _meant(text: object) -> Network | None:
    """The network that a text means, also where it is written wrong: that is said of its variable."""
    mistake = network_mistake(text)
    return as_network(mistake.right if mistake and mistake.right else text)


def _check_node_subnets(hosts: dict[str, dict], elsewhere: Mapping[str, str]) -> list[Finding]:
    """Whether every node opens its firewall to all others, also to those that the run leaves out."""
    nodes = {name: host for name, host in hosts.items() if {"control_plane", "worker"} & set(host["roles"])}
    known = {**elsewhere, **{name: host["settings"].get("node_address") for name, host in nodes.items()}}
    addresses = {name: as_address(value) for name, value in known.items()}
    findings = []
    for name, host in nodes.items():
        texts = host["settings"].get("node_subnets") or []
        if not host["facts"].get("firewalld") or not texts:
            continue
        networks = [network for network in map(_meant, texts) if network is not None]
        shut = [
            f"{other} ({address})"
            for other, address in addresses.items()
            if other != name and address is not None and not any(address in network for network in networks)
        ]
        if shut:
            findings.append(
                make_finding(
                    name,
                    "node_subnets",
                    "cluster_node_subnets, the networks that its firewall opens to, to hold the addresses of all nodes",
                    f"{listed(texts)}, without {listed(shut)}",
                    "set cluster_node_subnets to the networks of all hosts, for all hosts",
                )
            )
    return findings


def _check_mtu(hosts: dict[str, dict]) -> list[Finding]:
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
        make_finding(
            name,
            "mtu_differs",
            f"the same MTU on every node ({usual} on most)",
            size,
            "give the interfaces of all nodes one MTU: larger packets get lost on the smaller ones",
        )
        for name, size in sizes.items()
        if size != usual
    ]
