# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a cluster that exists already asks of a run: that it makes no second one over it. Pure functions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from .findings import INVENTORY, Finding, make_finding
from .inventory import VERSION


def cluster_lives(
    cluster: Mapping[str, Any],
    hosts: Mapping[str, Mapping[str, Any]],
    outside: Mapping[str, Mapping[str, bool] | None],
) -> bool:
    """Whether anything tells of a cluster: the API behind the controller's kubeconfig, or a node of one."""
    found = [host["facts"]["kubernetes"] for host in hosts.values() if host.get("facts")]
    found += [facts for facts in outside.values() if facts]
    return bool(cluster.get("version")) or any(host["node"] or host["applied"] for host in found)


def check_existing(
    cluster: Mapping[str, Any],
    control_plane: Sequence[str],
    hosts: Mapping[str, Mapping[str, Any]],
    outside: Mapping[str, Mapping[str, bool] | None] = MappingProxyType({}),
) -> list[Finding]:
    """Compare the hosts of a run with the cluster that they, or the controller's kubeconfig, tell of.

    *cluster*: ``{kubeconfig, version, error}``: path on the controller (empty: there is none), what the API behind it
    says of itself, such as ``v1.36.3`` (empty: nothing), and why it says nothing. *control_plane*: all hosts of that
    group. *hosts*: host -> {roles, facts}; the fact ``kubernetes`` has ``node``, ``applied``, ``authority``, ``etcd``.
    *outside*: that fact of hosts of etcd and of the control plane that the run leaves out; None of one that is silent.
    """
    found = {name: host["facts"]["kubernetes"] for name, host in hosts.items() if host.get("facts")}
    answers = bool(cluster.get("version"))
    living = cluster_lives(cluster, hosts, outside)
    findings = []
    if cluster.get("kubeconfig") and not answers and found and not any(any(host.values()) for host in found.values()):
        findings.append(
            make_finding(
                INVENTORY,
                "existing_cluster",
                "the cluster of the controller's kubeconfig to answer, or no such file where all hosts are bare",
                f"{cluster['kubeconfig']}, whose API does not answer: {cluster.get('error') or 'no reason given'}",
                "bring that cluster back; or move the file away if the cluster is gone for good",
            )
        )
    for name in found:
        if living and "etcd" in hosts[name]["roles"] and not found[name]["etcd"]:
            findings.append(
                make_finding(
                    name,
                    "existing_cluster",
                    "etcd's data, as on a member of the cluster that exists",
                    "none in etcd's data directory",
                    "members are neither added nor replaced by this playbook: take the host out of etcd's group, or "
                    "bring its data back",
                )
            )
    whole = set(control_plane) <= set(found)
    if whole and not answers and not any(found[name]["applied"] or found[name]["authority"] for name in control_plane):
        findings += [
            make_finding(
                name,
                "existing_cluster",
                "a node of this cluster, or of none",
                "/etc/kubernetes/kubelet.conf of a cluster that no control-plane host knows of",
                "take it out of that cluster first: playbooks/reset.yml removes what was installed",
            )
            for name in found
            if found[name]["node"]
        ]
    return findings


def check_running_version(running: str, wanted: str) -> list[Finding]:
    """Refuse another minor release than the cluster's: kubelets would be newer than the API servers that they talk to.

    Both as ``1.36.3`` or ``v1.36.3``; *running* may be empty.
    """
    now, then = VERSION.fullmatch(running), VERSION.fullmatch(wanted)
    if not now or not then or now.groups()[:2] == then.groups()[:2]:
        return []
    return [
        make_finding(
            INVENTORY,
            "version_jump",
            "cluster_kubernetes_version to be of the minor release that the cluster runs",
            f"{wanted.lstrip('v')} is wanted, {running.lstrip('v')} runs",
            "set cluster_kubernetes_version to what runs: this playbook does not upgrade a cluster",
        )
    ]
