# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter: on which host a control plane may be started, if anywhere."""

from __future__ import annotations

DOCUMENTATION = r"""
name: control_plane_start
short_description: Where a control plane may be started, where no host of the run has one that answers
version_added: 0.2.0
author: The baremetal.bigdata maintainers (@baremetal)
description:
  - Starting one makes an authority of the cluster. That is right on a new site, and where an earlier start was cut
    off; over a cluster that exists it is the end of it. So nothing may say that there is one.
options:
  _input:
    description: The control-plane hosts of the run, in the inventory's order.
    type: list
    elements: str
    required: true
  hostvars:
    description: Ansible's C(hostvars), with what the role C(control_plane) has registered on each host.
    type: dict
    required: true
  outside:
    description: Results of asking the other control-plane hosts of the inventory, with C(item) as the host.
    type: list
    elements: dict
    required: true
  etcd:
    description: Result of asking etcd for a key below C(/registry/).
    type: dict
    required: true
  kubeconfig:
    description: Path of the administrator's kubeconfig on the controller, empty where there is none.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Decide where the control plane starts
  ansible.builtin.set_fact:
    decision: >-
      {{ ansible_play_hosts | baremetal.bigdata.control_plane_start(hostvars=hostvars, outside=others.results,
      etcd=keys, kubeconfig='') }}
"""

RETURN = r"""
_value:
  description: What was decided.
  type: dict
  contains:
    members:
      description: Control-plane hosts outside of the run that answer. Hosts of the run join these.
      type: list
      elements: str
    start:
      description: The host that starts the control plane; empty where none may.
      type: str
    refusal:
      description: Why none may, and what to do; empty where all is well.
      type: str
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

APPLIED = "/etc/kubernetes/kubeadm.applied.yaml"


@dataclass(frozen=True)
class Traces:
    """What was found of a cluster. Hosts are names of the inventory."""

    hosts: Sequence[str]
    # Hosts of the run on which a control plane has been whole before, and those that hold the cluster's authority.
    applied: Sequence[str] = ()
    authority: Sequence[str] = ()
    # Control-plane hosts outside of the run: those that answer, and those that could not be asked.
    answering: Sequence[str] = ()
    silent: Sequence[str] = ()
    # Whether etcd holds keys of Kubernetes; None where it could not be asked, and then why.
    etcd_in_use: bool | None = False
    etcd_error: str = ""
    kubeconfig: str = ""


@dataclass(frozen=True)
class Decision:
    """Which hosts have a control plane, which one starts it, or why none may."""

    members: list[str]
    start: str = ""
    refusal: str = ""


def decide(traces: Traces) -> Decision:
    """Where a control plane starts: nowhere, while anything says that there is one already."""
    if traces.answering:
        return Decision(list(traces.answering))
    first = (list(traces.authority) or list(traces.hosts))[0]
    where = ", ".join(traces.hosts)
    never = "expected no cluster where a control plane is to be started, found "
    if traces.applied:
        refusal = (
            f"{', '.join(traces.applied)}: expected the API of the control plane that runs there to answer, found none "
            f"({APPLIED} tells that it was whole once). Nothing was started anew. Look there at `journalctl -u etcd`, "
            "`journalctl -u kubelet` and `crictl ps -a`, and run again once the API is back."
        )
    elif traces.silent:
        refusal = (
            f"{where}: {never}that {', '.join(traces.silent)}, of the inventory's control plane, cannot be asked for "
            "one. Bring it back, or take it out of the inventory if it is gone for good; then run again."
        )
    elif traces.etcd_in_use and not traces.authority:
        refusal = (
            f"{where}: {never}the keys of one in etcd, whose authority (/etc/kubernetes/pki/ca.key) is on none of "
            "these hosts. Run without --limit, so that a host that has it can be joined; or restore it from a backup."
        )
    elif traces.etcd_in_use is None:
        refusal = (
            f"{where}: expected etcd to tell whether it holds a cluster already, found: "
            f"{traces.etcd_error or 'no answer'}. Run the playbook with the hosts of etcd, and see there "
            "`journalctl -u etcd`."
        )
    elif traces.kubeconfig:
        refusal = (
            f"{where}: {never}the kubeconfig of one on the controller, {traces.kubeconfig}. Bring that cluster back; "
            "or move the file away if the cluster is gone for good; then run again."
        )
    else:
        return Decision([], first)
    # A check goes on as if there were nothing to refuse.
    return Decision([], first, refusal)


def control_plane_start(
    hosts: Sequence[str],
    hostvars: Mapping[str, Any],
    outside: Sequence[Mapping[str, Any]],
    etcd: Mapping[str, Any],
    kubeconfig: str,
) -> dict[str, Any]:
    """Decide from what tasks have registered."""
    looked = {host: hostvars[host]["__control_plane_described"]["looked"] for host in hosts}
    asked = etcd.get("rc") == 0
    return asdict(
        decide(
            Traces(
                hosts=hosts,
                applied=[host for host in hosts if looked[host].get(APPLIED) is not None],
                authority=[host for host in hosts if hostvars[host]["__control_plane_authority"]["stat"]["exists"]],
                answering=[item["item"] for item in outside if str(item.get("stdout") or "").startswith("{")],
                silent=[item["item"] for item in outside if item.get("unreachable")],
                etcd_in_use=bool(str(etcd.get("stdout") or "").strip()) if asked else None,
                etcd_error=" ".join(str(etcd.get("stderr") or etcd.get("msg") or "").split())[-300:],
                kubeconfig=kubeconfig,
            )
        )
    )


class FilterModule:
    """Filters of this file."""

    def filters(self) -> dict[str, Any]:
        return {"control_plane_start": control_plane_start}
