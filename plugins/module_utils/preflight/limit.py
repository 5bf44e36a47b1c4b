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
# Tags of the steps that prepare a host, and by what it is seen that a host has its role: keys of the fact kubernetes.
PREPARING = ("host", "containerd", "kubelet", "network")
_SIGNS = {"etcd": "etcd", "control_plane": "applied"}


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
    etcd, nodes = part.check_etcd(), part.check_nodes()
    # What is said once is not said again of what needs it.
    return (
        etcd
        + ([] if etcd else part.check_members())
        + part.check_control_plane()
        + part.check_firewall(etcd_clients)
        + nodes
        + ([] if nodes else part.check_network())
        + part.check_prepared()
        + ([] if nodes or not kubeconfig else part.check_kubeconfig(kubeconfig))
    )


def _include(tags: Iterable[str]) -> str:
    return f"let the run's tags include {listed(tags)}, or run without --tags and --skip-tags"


def _refuse(hosts: Iterable[str], expected: str, found: str, remedy: str) -> Finding:
    return make_finding(listed(hosts), "limit", expected, found, remedy)


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
        self.nodes = [name for name in self.here if name in groups["cluster"]]
        # Those that are no nodes yet, by the tag of the step that would make them one.
        self.unjoined = {
            name: "control_plane" if "control_plane" in self.here[name]["roles"] else "worker"
            for name in self.nodes
            if not self.state[name]["node"]
        }

    def of(self, role: str) -> list[str]:
        """The hosts of the run that have a role."""
        return [name for name, host in self.here.items() if role in host["roles"]]

    def elsewhere(self, role: str) -> list[str]:
        """The others, outside of the run or silent, that have a role."""
        return [name for name in self.groups[role] if name in self.others]

    def silent(self, role: str) -> list[str]:
        return [name for name in self.elsewhere(role) if self.others[name] is None]

    def passed_over(self, role: str) -> list[str]:
        """The hosts of the run that have nothing of a role yet, and will not have it, since the tags leave it out."""
        return [] if self.meant(role) else [name for name in self.of(role) if not self.state[name][_SIGNS[role]]]

    def bare(self, role: str) -> list[str]:
        """The hosts outside of the run that have nothing of a role yet."""
        found = {name: self.others[name] for name in self.elsewhere(role)}
        return [name for name, state in found.items() if state is not None and not state[_SIGNS[role]]]

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
        silent = self.silent("etcd")
        if not (left or silent) or not self.meant("etcd") or self.lives:
            return []
        found, remedy = [], []
        if left:
            found.append(f"--limit leaves out {listed(left)}")
            remedy.append("add them to --limit, or run without it")
        if silent:
            found.append(f"{listed(silent)} cannot be reached")
            remedy.append("start it, or check SSH" if len(silent) == 1 else "start them, or check SSH")
        return [
            make_finding(
                name,
                "limit",
                "all members of etcd in a run that starts a member for the first time: none can be added later",
                "; ".join(found),
                "; ".join(remedy),
            )
            for name in self.of("etcd")
            if not self.state[name]["etcd"]
        ]

    def check_members(self) -> list[Finding]:
        """The API server needs etcd, and its client's certificate from there; the first one needs all members."""
        bare, passed_over, silent = self.bare("etcd"), self.passed_over("etcd"), self.silent("etcd")
        running = {*self.groups["etcd"]} - {*bare, *passed_over, *silent}
        missing = bare + passed_over
        if not self.control_plane_here or not (missing or silent) or (running and (self.lives or not missing)):
            return []
        found, remedy = f"no member's data on {listed(missing)}", "add them to --limit, or run without it"
        if passed_over:
            remedy = _include(["etcd"])
        elif silent and not running:
            found, remedy = f"{listed(silent)} cannot be reached", "start them, or check SSH"
        expected = "every member of etcd to have been started" if running else "etcd to run, or its hosts in the run"
        return [_refuse(self.control_plane_here, expected, found, remedy)]

    def check_control_plane(self) -> list[Finding]:
        """No second one is started beside one that cannot be asked."""
        new = self.new_control_plane()
        silent = self.silent("control_plane")
        if not new or not silent or self.whole():
            return []
        return [
            _refuse(
                new,
                "to know of every host of the control plane whether it has one, before one is started",
                f"{listed(silent)} cannot be reached",
                "start it, or take it out of the inventory if it is gone for good",
            )
        ]

    def check_firewall(self, etcd_clients: Mapping[str, Collection[str] | None]) -> list[Finding]:
        """A member of etcd opens to the hosts of the control plane when its own turn in a run comes."""
        findings = []
        # Without etcd among the tags, those of the run stay as they are, too.
        unchanged = [] if self.meant("etcd") else self.of("etcd")
        own = {member: self.here[member]["facts"].get("etcd_clients") for member in unchanged}
        for name in self.new_control_plane():
            address = self.here[name]["settings"]["node_address"]
            shut = [
                member
                for member, open_to in {**etcd_clients, **own}.items()
                if open_to is not None and address not in open_to
            ]
            if shut:
                outside = [member for member in shut if member not in own]
                findings.append(
                    make_finding(
                        name,
                        "limit",
                        "etcd's firewall to be open to a host that joins the control plane, or its hosts in the run",
                        f"{listed(shut)} {'outside of the run, ' if outside else ''}not open to {address}",
                        "add them to --limit, or run without it" if outside else _include(["etcd"]),
                    )
                )
        return findings

    def check_nodes(self) -> list[Finding]:
        """A host joins by the word of a control-plane host, and is asked for there."""
        joining = [name for name, step in self.unjoined.items() if step == "worker" and self.meant("worker")]
        asking = self.nodes if self.meant("ready") else joining
        left, silent = self.elsewhere("control_plane"), self.silent("control_plane")
        passed_over = self.passed_over("control_plane")
        if asking and (left or passed_over) and not self.control_plane_here and not self.whole():
            if silent:
                expected, found = "a host with a control plane to answer", f"{listed(silent)} cannot be reached"
                remedy = "start one of them, or check SSH"
            elif passed_over:
                expected, found = "a cluster, or the steps in the run that make it", f"none on {listed(passed_over)}"
                remedy = _include([*(["etcd"] if self.passed_over("etcd") else []), "control_plane"])
            else:
                expected, found = "a cluster, or the hosts in the run that make it", f"none on {listed(left)}"
                remedy = f"add {listed(sorted({*left, *self.elsewhere('etcd')}))} to --limit, or run without it"
            return [_refuse(asking, expected, found, remedy)]
        waiting = {name: step for name, step in self.unjoined.items() if self.meant("ready") and not self.meant(step)}
        if not waiting:
            return []
        return [
            _refuse(
                waiting,
                "nodes, where the run waits until they are ready",
                f"none yet, and tags that leave out {listed(sorted({*waiting.values()}))}",
                f"{_include(sorted({*waiting.values()}))}; or leave out ready as well (--skip-tags ready)",
            )
        ]

    def check_network(self) -> list[Finding]:
        """No node is ready without the pod network. Where the control plane is outside of the run, it has one."""
        outside = [name for name in self.whole() if name in self.others]
        there = outside or any(self.here[name]["facts"].get("pod_network") for name in self.nodes)
        if not self.nodes or not self.meant("ready") or self.meant("network") or there:
            return []
        return [
            _refuse(
                self.nodes,
                "the pod network, without which no node is ready",
                "none yet, and tags that leave it out",
                f"{_include(['network'])}; or leave out ready as well (--skip-tags ready)",
            )
        ]

    def check_prepared(self) -> list[Finding]:
        """What joins a cluster has been prepared for it, in this run or before."""
        lacking: dict[tuple[str, ...], list[str]] = {}
        for name, step in self.unjoined.items():
            missing = tuple(tag for tag in PREPARING if not self.meant(tag) and not self._is_prepared(name, tag))
            if missing and self.meant(step):
                lacking.setdefault(missing, []).append(name)
        return [
            _refuse(
                names,
                f"a host that is to join to be prepared by the tags {listed(PREPARING)}",
                f"{listed(missing)} neither in the run nor before it",
                f"run without --tags and --skip-tags; or first with --tags {','.join(PREPARING)}",
            )
            for missing, names in lacking.items()
        ]

    def _is_prepared(self, name: str, tag: str) -> bool:
        facts = self.here[name]["facts"]
        if tag == "network" and not (facts.get("firewalld") and self.here[name]["settings"].get("node_subnets")):
            # The network's step on a host is that it opens firewalld, where that is the site's firewall.
            return True
        return tag in (facts.get("prepared") or [])

    def check_kubeconfig(self, path: str) -> list[Finding]:
        """The controller itself speaks to the API, for volumes and for the network of a cluster that there is."""
        whole = self.whole()
        speaks = (self.meant("storage") and self.nodes) or (
            self.meant("network") and self.of("control_plane") and whole
        )
        if not speaks or self.control_plane_here:
            return []
        remedy = _include(["control_plane"])
        if not self.of("control_plane"):
            left = [name for name in whole if name in self.others] or self.elsewhere("control_plane")
            remedy = f"add {listed(left[:1])} to --limit"
        if whole or self.silent("control_plane"):
            remedy += "; or copy the file from where the cluster was made"
        return [
            _refuse(
                self.here,
                f"the administrator's kubeconfig on this machine ({path}), or a control-plane host to fetch it from",
                "no such file, and no such step in the run",
                remedy,
            )
        ]
