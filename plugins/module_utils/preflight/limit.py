# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run of a part of the site needs of the rest: --limit and --tags. Pure functions."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from .existing import cluster_lives
from .findings import Finding, listed, make_finding

# Tags that stand for all, or for nothing but this look.
_WHOLE = {"all", "tagged", "always", "preflight"}


def is_meant(tag: str, run: Iterable[str], skip: Iterable[str]) -> bool:
    """Whether a run with ``--tags`` *run* and ``--skip-tags`` *skip* does what has *tag*."""
    return bool(({tag} | _WHOLE) & set(run)) and not {tag, "all", "tagged"} & set(skip)


def check_limit(
    cluster: Mapping[str, Any],
    groups: Mapping[str, Sequence[str]],
    hosts: Mapping[str, Mapping[str, Any]],
    outside: Mapping[str, Mapping[str, bool] | None],
    meant: Callable[[str], bool],
    kubeconfig: str = "",
    etcd_clients: Mapping[str, Collection[str] | None] = MappingProxyType({}),
) -> list[Finding]:
    """What keeps a run with a part of the hosts, or of the steps, from its end.

    *cluster*, *hosts*, *outside*: as for check_existing. *groups*: role -> all of its hosts. *meant*: whether a tag's
    steps are part of the run. *kubeconfig*: where the controller would have it, if it is not there. *etcd_clients*:
    the addresses that the firewall of a host outside of the run lets reach etcd; None where it has no such policy.
    """
    part = _Part(cluster, groups, hosts, outside, meant)
    findings = (
        part.check_etcd()
        + part.check_control_plane()
        + part.check_firewall(etcd_clients)
        + part.check_nodes()
        + part.check_tags()
    )
    if kubeconfig and part.whole():
        findings += part.check_kubeconfig(kubeconfig)
    return findings


class _Part:
    def __init__(
        self,
        cluster: Mapping[str, Any],
        groups: Mapping[str, Sequence[str]],
        hosts: Mapping[str, Mapping[str, Any]],
        outside: Mapping[str, Mapping[str, bool] | None],
        meant: Callable[[str], bool],
    ) -> None:
        self.groups, self.meant, self.outside = groups, meant, outside
        self.here = {name: host for name, host in hosts.items() if host.get("facts")}
        self.state = {name: host["facts"]["kubernetes"] for name, host in self.here.items()}
        # None of one that is silent, be it in the run or not.
        self.others = {**outside, **{name: None for name in hosts if name not in self.here}}
        self.lives = cluster_lives(cluster, hosts, outside)
        self.control_plane_here = self.of("control_plane") if meant("control_plane") else []

    def of(self, role: str) -> list[str]:
        """The hosts of the run that have a role."""
        return [name for name, host in self.here.items() if role in host["roles"]]

    def elsewhere(self, role: str) -> list[str]:
        """The others, outside of the run or silent, that have a role."""
        return [name for name in self.groups[role] if name in self.others]

    def silent(self, role: str) -> list[str]:
        return [name for name in self.elsewhere(role) if self.others[name] is None]

    def whole(self) -> list[str]:
        """Hosts with a control plane that this run can ask."""
        found = {**self.others, **self.state}
        return [name for name in self.groups["control_plane"] if (found.get(name) or {}).get("applied")]

    def new_control_plane(self) -> list[str]:
        """The hosts of the run that are to get a control plane."""
        return [name for name in self.control_plane_here if not self.state[name]["applied"]]

    def check_etcd(self) -> list[Finding]:
        """The first members start together, and one of them makes the authority of all."""
        left = [name for name in self.groups["etcd"] if name in self.outside]
        if not left or not self.meant("etcd") or self.lives:
            return []
        return [
            make_finding(
                name,
                "limit",
                "all members of etcd in a run that starts a member for the first time",
                f"--limit leaves out {listed(left)}",
                "add them to --limit, or run without it",
            )
            for name in self.of("etcd")
            if not self.state[name]["etcd"]
        ]

    def check_control_plane(self) -> list[Finding]:
        """The API server needs etcd, and its client's certificate from there."""
        findings = []
        left, silent = self.elsewhere("etcd"), self.silent("etcd")
        running = [name for name in left if (self.others[name] or {}).get("etcd")]
        if self.control_plane_here and left and not running and not self.of("etcd"):
            findings.append(
                make_finding(
                    listed(self.control_plane_here),
                    "limit",
                    "etcd to run, or its hosts in the run",
                    f"{listed(silent)} cannot be reached" if silent else f"no member's data on {listed(left)}",
                    "start them, or check SSH" if silent else "add them to --limit, or run without it",
                )
            )
        new = self.new_control_plane()
        silent = self.silent("control_plane")
        if new and silent and not self.whole():
            findings.append(
                make_finding(
                    listed(new),
                    "limit",
                    "to know of every host of the control plane whether it has one, before one is started",
                    f"{listed(silent)} cannot be reached",
                    "start it, or take it out of the inventory if it is gone for good",
                )
            )
        return findings

    def check_firewall(self, etcd_clients: Mapping[str, Collection[str] | None]) -> list[Finding]:
        """A member of etcd opens to the hosts of the control plane when its own turn in a run comes."""
        findings = []
        for name in self.new_control_plane():
            address = self.here[name]["settings"]["node_address"]
            shut = [
                member for member, open_to in etcd_clients.items() if open_to is not None and address not in open_to
            ]
            if shut:
                findings.append(
                    make_finding(
                        name,
                        "limit",
                        "etcd's firewall to be open to a host that joins the control plane, or its hosts in the run",
                        f"{listed(shut)} outside of the run, not open to {address}",
                        "add them to --limit, or run without it",
                    )
                )
        return findings

    def check_nodes(self) -> list[Finding]:
        """A host joins by the word of a control-plane host, and is asked for there."""
        nodes = [name for name in self.here if name in self.groups["cluster"]]
        joining = [name for name in self.of("worker") if not self.state[name]["node"]]
        asking = nodes if self.meant("ready") else joining if self.meant("worker") else []
        left, silent = self.elsewhere("control_plane"), self.silent("control_plane")
        if not asking or not left or self.control_plane_here or self.whole():
            return []
        if silent:
            expected, found = "a host with a control plane to answer", f"{listed(silent)} cannot be reached"
            remedy = "start one of them, or check SSH"
        else:
            expected, found = "a cluster, or the hosts in the run that make it", f"none on {listed(left)}"
            remedy = f"add {listed(sorted({*left, *self.elsewhere('etcd')}))} to --limit, or run without it"
        return [make_finding(listed(asking), "limit", expected, found, remedy)]

    def check_tags(self) -> list[Finding]:
        """What joins a cluster has been prepared for it, in this run or before."""
        bare = [
            name
            for name, host in self.here.items()
            if not self.state[name]["node"]
            and not host["facts"].get("kubelet_version")
            and any(self.meant(role) and role in host["roles"] for role in ("control_plane", "worker"))
        ]
        if not bare or self.meant("kubelet"):
            return []
        return [
            make_finding(
                listed(bare),
                "limit",
                "kubelet and containerd on a host that is to join",
                "no kubelet, and a run whose tags leave it out",
                "run without --tags; or first with --tags host,containerd,kubelet,network",
            )
        ]

    def check_kubeconfig(self, path: str) -> list[Finding]:
        """The controller itself speaks to the API, for volumes and for the pod network."""
        left = self.elsewhere("control_plane")
        speaks = self.meant("storage") or (self.meant("network") and self.of("control_plane"))
        if not speaks or self.control_plane_here:
            return []
        return [
            make_finding(
                listed(self.here),
                "limit",
                f"the administrator's kubeconfig on this machine ({path}), or a control-plane host to fetch it from",
                "no such file, and no such step in the run",
                "{}, or copy the file from where the cluster was made".format(
                    f"add {left[0]} to --limit" if left else "add control_plane to --tags"
                ),
            )
        ]
