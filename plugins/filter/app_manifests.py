# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
name: app_manifests
short_description: Kubernetes objects as files, numbered in the order in which they can be applied
version_added: 0.1.0
author: The baremetal.bigdata maintainers (@baremetal)
description:
  - Turns objects into the files that M(baremetal.bigdata.config_files) writes, one for each object.
    The files of Secrets are readable by their owner alone, and are never shown.
options:
  _input:
    description: The objects, C(objects) of P(baremetal.bigdata.app_render#filter).
    type: list
    elements: dict
    required: true
  directory:
    description: Absolute path of the directory.
    type: str
    required: true
  mark:
    description: A comment for the first line of every file, such as one that says who wrote it.
    type: str
    default: ""
positional: directory, mark
"""

EXAMPLES = r"""
- name: Write the manifests of a cluster
  baremetal.bigdata.config_files:
    files: "{{ rendered.objects | baremetal.bigdata.app_manifests('/srv/manifests') }}"
"""

RETURN = r"""
_value:
  description: Files with C(dest), C(content), C(mode) and C(secret).
  type: list
  elements: dict
"""

from collections.abc import Mapping, Sequence
from typing import Any

from ..plugin_utils.kubernetes_yaml import dump


def app_manifests(objects: Sequence[Mapping[str, Any]], directory: str, mark: str = "") -> list[dict[str, Any]]:
    width = max(2, len(str(len(objects))))
    files = []
    for number, item in enumerate(objects, 1):
        secret = item["kind"] == "Secret"
        text = dump(item, sort_keys=False, width=120)
        files.append(
            {
                "dest": f"{directory}/{number:0{width}}-{item['kind'].lower()}-{item['metadata']['name']}.yml",
                "content": f"{mark}\n{text}" if mark else text,
                "mode": "0600" if secret else "0644",
                "secret": secret,
            }
        )
    return files


class FilterModule:
    def filters(self) -> dict[str, Any]:
        return {"app_manifests": app_manifests}
