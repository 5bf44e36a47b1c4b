# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
name: app_forbidden_changes
short_description: What a changed cluster may not change while its members live
version_added: 0.1.0
author: The baremetal.bigdata maintainers (@baremetal)
description:
  - Compares a cluster with the one that was applied before. KubeDirector allows a role with members nothing but
    another number of them. With O(strict=false) only that is refused which Kubernetes cannot change in place, that is
    another app and other volumes.
options:
  _input:
    description: The cluster as it was applied before, C(record) of P(baremetal.bigdata.app_translate#filter).
    type: dict
    required: true
  cluster:
    description: The cluster as it is now, of the same dialect.
    type: dict
    required: true
  strict:
    description: KubeDirector's own rule, for documents of its dialect.
    type: bool
    default: true
positional: cluster
seealso:
  - plugin: baremetal.bigdata.app_translate
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Refuse changes that would need new members
  ansible.builtin.assert:
    that: forbidden == []
    fail_msg: "{{ forbidden | join('; ') }}"
  vars:
    forbidden: "{{ applied | baremetal.bigdata.app_forbidden_changes(cluster) }}"
"""

RETURN = r"""
_value:
  description: One sentence for each change, with the field, what was expected, what was found and the remedy.
  type: list
  elements: str
"""

from typing import Any


def app_forbidden_changes(old: Any, cluster: Any, strict: bool = True) -> list[str]:
    # Here, since whatever uses one filter loads the files of all, in each task and for each host.
    from ..module_utils.app.dialects.changes import forbidden_changes

    return [str(problem) for problem in forbidden_changes(old, cluster, strict)]


class FilterModule:
    def filters(self) -> dict[str, Any]:
        return {"app_forbidden_changes": app_forbidden_changes}
