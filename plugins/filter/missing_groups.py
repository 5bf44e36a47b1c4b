# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter: what to say of an inventory in which a playbook finds no host."""

from __future__ import annotations

DOCUMENTATION = r"""
name: missing_groups
short_description: What to say of an inventory in which a playbook finds no host
version_added: 0.2.0
author: The baremetal.bigdata maintainers (@baremetal)
description:
  - Where none of the groups has a host, one sentence that names those of the inventory that have, and those with an
    older or another spelling of the name that is meant.
options:
  _input:
    description: Ansible's C(groups).
    type: dict
    required: true
  wanted:
    description: The groups whose hosts the playbook is for.
    type: list
    elements: str
    required: true
positional: wanted
"""

EXAMPLES = r"""
- name: Show what is wrong with an inventory
  ansible.builtin.debug:
    msg: "{{ groups | baremetal.bigdata.missing_groups(['etcd', 'k8s_cluster']) }}"
"""

RETURN = r"""
_value:
  description: The sentence, or nothing where one of the groups has a host.
  type: list
  elements: str
"""

from collections.abc import Mapping, Sequence
from typing import Any


def missing_groups(groups: Mapping[str, Sequence[str]], wanted: Sequence[str]) -> list[str]:
    """A sentence where none of the groups *wanted* has a host."""
    # Here, since whatever uses one filter loads the files of all, in each task and for each host.
    from ..module_utils.preflight import inventory

    return inventory.missing_groups(groups, wanted)


class FilterModule:
    """Filters of this file."""

    def filters(self) -> dict[str, Any]:
        return {"missing_groups": missing_groups}
