# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter: which member of etcd others take their authority from, and where one may be made."""

from __future__ import annotations

DOCUMENTATION = r"""
name: etcd_authority
short_description: Which member of etcd others take their authority from
version_added: 0.2.0
author: The baremetal.bigdata maintainers (@baremetal)
description:
  - Members trust each other by one authority, and each of them keeps it. A host without it takes it from one that has
    it. One is made on a new site alone, since members that live would not trust a second one.
options:
  _input:
    description: All members of etcd, in the inventory's order.
    type: list
    elements: str
    required: true
  hostvars:
    description: Ansible's C(hostvars), with what the role C(etcd) has registered on each host of the run.
    type: dict
    required: true
  outside:
    description: Results of asking the other members, with C(item) as the host.
    type: list
    elements: dict
    required: true
  play_hosts:
    description: The hosts of the run.
    type: list
    elements: str
    required: true
  directory:
    description: Where the authority is, on each host.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Decide where the authority is from
  ansible.builtin.set_fact:
    decision: >-
      {{ groups.etcd | baremetal.bigdata.etcd_authority(hostvars=hostvars, outside=others.results,
      play_hosts=ansible_play_hosts, directory='/etc/kubernetes/pki/etcd') }}
"""

RETURN = r"""
_value:
  description: What was decided.
  type: dict
  contains:
    source:
      description: The host that has the authority, or that makes it.
      type: str
    refusal:
      description: Why none may be taken or made, and what to do; empty where all is well.
      type: str
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Held:
    """What a member has of an authority.

    certificate: the SHA-256 of the certificate by which it trusts others; empty where it has none.
    key: whether it can sign.
    """

    certificate: str = ""
    key: bool = False


@dataclass(frozen=True)
class Decision:
    """Which host the authority is taken from or made on, or why neither may be."""

    source: str
    refusal: str = ""


def decide(held: Mapping[str, Held | None], play_hosts: Sequence[str], directory: str) -> Decision:
    """Where the authority is from. *held*: by member; None of one that cannot be asked."""
    here = [name for name in held if name in play_hosts]
    trusted: dict[str, list[str]] = {}
    for name, found in held.items():
        if found and found.certificate:
            trusted.setdefault(found.certificate, []).append(name)
    holders = [name for name, found in held.items() if found and found.key]
    silent = [name for name, found in held.items() if found is None]
    first = [*(name for name in here if name in holders), *holders, *here][0]
    if len(trusted) > 1:
        which = "; ".join(f"{', '.join(names)} trust {digest[:12]}" for digest, names in trusted.items())
        return Decision(
            first,
            f"expected one authority for all members of etcd ({directory}/ca.crt), found {len(trusted)}: {which}. Move "
            f"{directory} away on the members that the others do not trust, and run again.",
        )
    if holders or not (silent or trusted):
        return Decision(first)
    why = [f"{', '.join(names)} trust one" for names in trusted.values()]
    why += [f"{', '.join(silent)} cannot be asked"] if silent else []
    return Decision(
        first,
        f"{', '.join(here)}: expected the authority of etcd ({directory}/ca.key) on a member, or no member that may "
        f"have one, found that {' and '.join(why)}. A new one would not be trusted there. Nothing was made. "
        + ("Start what cannot be asked, or b" if silent else "B")
        + f"ring {directory}/ca.crt and ca.key back from a backup to one member; then run again.",
    )


def etcd_authority(
    members: Sequence[str],
    hostvars: Mapping[str, Any],
    outside: Sequence[Mapping[str, Any]],
    play_hosts: Sequence[str],
    directory: str,
) -> dict[str, Any]:
    """Decide from what tasks have registered."""
    answers = {item["item"]: item for item in outside}
    answers |= {name: hostvars[name]["__etcd_kubeadm_files"] for name in members if name in play_hosts}
    held = {name: _held(answers.get(name) or {}, directory) for name in members}
    return asdict(decide(held, play_hosts, directory))


def _held(answer: Mapping[str, Any], directory: str) -> Held | None:
    looked = answer.get("looked")
    if looked is None:
        return None
    return Held(looked.get(f"{directory}/ca.crt") or "", looked.get(f"{directory}/ca.key") is not None)


class FilterModule:
    """Filters of this file."""

    def filters(self) -> dict[str, Any]:
        return {"etcd_authority": etcd_authority}
