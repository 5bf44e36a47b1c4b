# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter: the host of a group that others ask."""

from __future__ import annotations

DOCUMENTATION = r"""
name: host_to_ask
short_description: The host of a group that others ask
version_added: 0.2.0
author: The baremetal.bigdata maintainers (@baremetal)
description:
  - One host out of several that can all say the same, such as a token for a join. One of the run, or else one that the
    preflight has found with what is asked for, or else one that answered it, or else the first.
positional: hostvars, play_hosts, sign
options:
  _input:
    description: Names of inventory hosts.
    type: list
    elements: str
    required: true
  hostvars:
    description: Ansible's C(hostvars).
    type: dict
    required: true
  play_hosts:
    description: Hosts that are in the play and have not failed.
    type: list
    elements: str
    required: true
  sign:
    description: What tells the preflight that a host has it.
    type: str
    choices: [applied, etcd]
    required: true
"""

EXAMPLES = r"""
- name: Show which control-plane host gives tokens
  ansible.builtin.debug:
    msg: "{{ groups['kube_control_plane'] | baremetal.bigdata.host_to_ask(hostvars, ansible_play_hosts, 'applied') }}"
"""

RETURN = r"""
_value:
  description: Name of the host.
  type: str
"""

from collections.abc import Mapping, Sequence
from typing import Any

# Registered on all hosts of the control plane once it is whole.
_WHOLE = "__control_plane_admin_conf"


def host_to_ask(
    hosts: Sequence[str], hostvars: Mapping[str, Mapping[str, Any]], play_hosts: Sequence[str], sign: str
) -> str:
    """The first of *hosts* of the best kind that there is."""
    here = [host for host in hosts if host in play_hosts]
    if here:
        return here[0]
    facts = {host: _facts(hostvars[host]) for host in hosts}
    having = [
        host
        for host in hosts
        if (facts[host].get("kubernetes") or {}).get(sign) or (sign == "applied" and _WHOLE in hostvars[host])
    ]
    return [*having, *(host for host in hosts if facts[host]), *hosts][0]


def _facts(variables: Mapping[str, Any]) -> Mapping[str, Any]:
    """What the preflight has found on a host; nothing where it does not answer, or without a preflight."""
    probe = variables.get("__preflight_probe")
    return (probe.get("facts") or {}) if isinstance(probe, Mapping) else {}


class FilterModule:
    """Filters of this file."""

    def filters(self) -> dict[str, Any]:
        return {"host_to_ask": host_to_ask}
