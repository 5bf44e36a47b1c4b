# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter: a document for Kubernetes' programs."""

from __future__ import annotations

DOCUMENTATION = r"""
name: yaml_document
short_description: A document in YAML, whose texts Kubernetes' programs take for texts
version_added: 0.2.0
author: The baremetal.bigdata maintainers (@baremetal)
description:
  - As P(ansible.builtin.to_nice_yaml#filter), but a text such as V(1e3), V(0o17) or V(y) is in quotes. Programs in Go
    take it for a number or a truth value otherwise, and refuse it where a name is meant.
options:
  _input:
    description: The document, in plain data.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Show the configuration of kubelet
  ansible.builtin.debug:
    msg: "{{ cluster_kubelet_config | baremetal.bigdata.yaml_document }}"
"""

RETURN = r"""
_value:
  description: The text.
  type: str
"""

from collections.abc import Mapping
from typing import Any

from ..plugin_utils.kubernetes_yaml import dump


def yaml_document(document: Mapping[str, Any]) -> str:
    return dump(document, indent=2)


class FilterModule:
    """Filters of this file."""

    def filters(self) -> dict[str, Any]:
        return {"yaml_document": yaml_document}
