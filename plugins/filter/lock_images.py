# Copyright (c) 2026 The baremetal.bigdata maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter: the images of a mirror's lock file."""

from __future__ import annotations

DOCUMENTATION = r"""
name: lock_images
short_description: Images that a mirror's lock file names
version_added: 0.1.0
description:
  - Every image of a lock file that has a digest, as M(baremetal.bigdata.registry_image) takes it.
options:
  _input:
    description: Content of the lock file. Empty for none.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Show the images
  ansible.builtin.debug:
    msg: "{{ lookup('ansible.builtin.file', cluster_artifacts_lock_file) | from_yaml | baremetal.bigdata.lock_images }}"
"""

RETURN = r"""
_value:
  description: Images, each with C(repository), C(tag) and C(digest).
  type: list
  elements: dict
"""

from collections.abc import Mapping
from typing import Any


def lock_images(lock: Mapping[str, Any] | None) -> list[dict[str, str]]:
    """``{repository, tag, digest}`` of each image with a digest."""
    return [
        {"repository": repository, "tag": str(tag), "digest": digest}
        for repository, tags in ((lock or {}).get("images") or {}).items()
        for tag, digest in (tags or {}).items()
        if digest
    ]


class FilterModule:
    """Filters of this file."""

    def filters(self) -> dict[str, Any]:
        return {"lock_images": lock_images}
