# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter: the network in which a host has an address."""

from __future__ import annotations

DOCUMENTATION = r"""
name: node_subnets
short_description: The network in which a host has an address
version_added: 0.2.0
author: The baremetal.bigdata maintainers (@baremetal)
description:
  - From the host's facts, the network of the interface that has the address. It need not be that of the default route.
positional: address
options:
  _input:
    description: The host's facts, at least those of its network.
    type: dict
    required: true
  address:
    description: An IPv4 address of the host.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Show the network of the node's address
  ansible.builtin.debug:
    msg: "{{ ansible_facts | baremetal.bigdata.node_subnets('192.0.2.11') }}"
"""

RETURN = r"""
_value:
  description: The network in CIDR form. Empty where no interface has the address, or nothing is known of any.
  type: list
  elements: str
"""

from collections.abc import Iterator, Mapping
from typing import Any


def node_subnets(facts: Mapping[str, Any], address: str) -> list[str]:
    """At most one network."""
    for found in _addresses(facts):
        if found.get("address") == str(address) and found.get("network") and found.get("prefix"):
            return [f"{found['network']}/{found['prefix']}"]
    return []


def _addresses(facts: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    # Nearly always this one. Those of all interfaces cost a look at every fact.
    yield facts.get("default_ipv4") or {}
    for fact in facts.values():
        if isinstance(fact, Mapping):
            yield from ([fact["ipv4"]] if isinstance(fact.get("ipv4"), Mapping) else [])
            yield from fact.get("ipv4_secondaries") or []


class FilterModule:
    """Filters of this file."""

    def filters(self) -> dict[str, Any]:
        return {"node_subnets": node_subnets}
