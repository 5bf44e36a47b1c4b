# Copyright (c) 2026 The baremetal.bigdata maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter: PersistentVolumes of local volumes."""

from __future__ import annotations

DOCUMENTATION = r"""
name: persistent_volumes
short_description: PersistentVolumes of local volumes
version_added: 0.1.0
description:
  - Turns what P(baremetal.bigdata.local_volumes#filter) returns into Kubernetes objects, each bound to its host.
positional: storage_class
options:
  _input:
    description: The volumes.
    type: list
    elements: dict
    required: true
  storage_class:
    description: Name of the StorageClass.
    type: str
    default: local
"""

EXAMPLES = r"""
- name: Show the objects
  ansible.builtin.debug:
    msg: >-
      {{ ansible_play_hosts | baremetal.bigdata.local_volumes(hostvars, 'local')
         | baremetal.bigdata.persistent_volumes('local') }}
"""

RETURN = r"""
_value:
  description: Objects of kind PersistentVolume.
  type: list
  elements: dict
"""

from collections.abc import Iterable, Mapping
from typing import Any

from ..module_utils.labels import LABEL_HOSTNAME, LABEL_MANAGER, MANAGER


def persistent_volumes(volumes: Iterable[Mapping[str, str]], storage_class: str = "local") -> list[dict[str, Any]]:
    """One PersistentVolume for each directory."""
    return [_volume(volume, storage_class) for volume in volumes]


def _volume(volume: Mapping[str, str], storage_class: str) -> dict[str, Any]:
    host = {"key": LABEL_HOSTNAME, "operator": "In", "values": [volume["node"]]}
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": volume["name"], "labels": {LABEL_MANAGER: MANAGER}},
        "spec": {
            "accessModes": ["ReadWriteOnce"],
            "capacity": {"storage": volume["size"]},
            "local": {"path": volume["path"]},
            "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [host]}]}},
            "persistentVolumeReclaimPolicy": "Retain",
            "storageClassName": storage_class,
            "volumeMode": "Filesystem",
        },
    }


class FilterModule:
    """Filters of this file."""

    def filters(self) -> dict[str, Any]:
        return {"persistent_volumes": persistent_volumes}
