# Copyright (c) 2026 The baremetal.bigdata maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter: the cluster addresses of inventory hosts."""

from __future__ import annotations

DOCUMENTATION = r"""
name: node_addresses
short_description: Addresses of inventory hosts in the cluster's network
version_added: 0.1.0
description:
  - For each host the value of C(cluster_node_address) where the inventory sets it, or kubespray's C(ip), and otherwise
    the address of the host's default route, from its facts.
positional: hostvars
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
"""

EXAMPLES = r"""
- name: Show the etcd members' addresses
  ansible.builtin.debug:
    msg: "{{ groups['etcd'] | baremetal.bigdata.node_addresses(hostvars) }}"
"""

RETURN = r"""
_value:
  description: IP addresses, in the order of the input.
  type: list
  elements: str
"""

from collections.abc import Iterable, Mapping
from typing import Any

from ansible.errors import AnsibleFilterError


def node_addresses(hosts: Iterable[str], hostvars: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Return the cluster address of each host, in order.

    :raises AnsibleFilterError: for a host with neither the variable nor the fact.
    """
    return [_known_address(host, hostvars[host]) for host in hosts]


def node_address(variables: Mapping[str, Any]) -> str:
    """The cluster address of a host by its variables and facts; empty where neither tells."""
    return str(
        variables.get("cluster_node_address")
        or variables.get("ip")
        or variables.get("ansible_facts", {}).get("default_ipv4", {}).get("address")
        or ""
    )


def _known_address(host: str, variables: Mapping[str, Any]) -> str:
    address = node_address(variables)
    if not address:
        raise AnsibleFilterError(
            f"{host}: its address in the cluster's network is not known. Expected cluster_node_address in the "
            "inventory, or a default route on the host and its facts gathered in this run; found neither. "
            "Set cluster_node_address for the host."
        )
    return address


class FilterModule:
    """Filters of this file."""

    def filters(self) -> dict[str, Any]:
        return {"node_addresses": node_addresses}
