# Copyright (c) 2026 The baremetal.bigdata maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter: the local volumes of hosts, as a list of directories with the names of their PersistentVolumes."""

from __future__ import annotations

DOCUMENTATION = r"""
name: local_volumes
short_description: Directories of hosts that are to be PersistentVolumes
version_added: 0.1.0
description:
  - Reads the variable C(storage_local_volumes) of each host. An entry with C(path) is one directory; an entry with
    C(base) and C(count) stands for C(base)/vol1, C(base)/vol2 and so on. Both have a C(size).
  - A volume's name follows from its class, its host and its path alone, so it stays when others come and go.
positional: hostvars, storage_class
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
  storage_class:
    description: Name of the StorageClass. Names of volumes begin with it.
    type: str
    default: local
"""

EXAMPLES = r"""
- name: Show the volumes of all hosts
  ansible.builtin.debug:
    msg: "{{ ansible_play_hosts | baremetal.bigdata.local_volumes(hostvars, 'local') }}"
"""

RETURN = r"""
_value:
  description: Each with C(name), C(host), C(node), C(path), C(size).
  type: list
  elements: dict
"""

from collections.abc import Iterable, Mapping
from typing import Any

from ansible.errors import AnsibleFilterError


def local_volumes(
    hosts: Iterable[str], hostvars: Mapping[str, Mapping[str, Any]], storage_class: str = "local"
) -> list[dict[str, str]]:
    """The volumes of hosts, in order.

    :raises AnsibleFilterError: with every problem: host, what was expected, what was found, what to do.
    """
    # Here, since whatever uses one filter loads the files of all, in each task and for each host.
    from ..module_utils.host.volumes import read_volumes

    volumes, problems = read_volumes(hosts, hostvars, storage_class)
    if problems:
        raise AnsibleFilterError("\n".join(str(problem) for problem in problems))
    return volumes


class FilterModule:
    """Filters of this file."""

    def filters(self) -> dict[str, Any]:
        return {"local_volumes": local_volumes}
