# Copyright (c) 2026 The baremetal.bigdata maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter: a mirror's lock file after a run that published a bundle."""

from __future__ import annotations

DOCUMENTATION = r"""
name: lock_merge
short_description: What a mirror holds after it was filled again
version_added: 0.1.0
description:
  - The lock of what was just published, and what the former lock names and the mirror still holds.
  - What is published now comes first, so it is the default of its name.
positional: former, held_files, gone_images
options:
  _input:
    description: The lock of what was just published.
    type: dict
    required: true
  former:
    description: Content of the former lock file. Empty for none.
    type: dict
    required: true
  held_files:
    description: SHA-256 of the files that the mirror held before.
    type: list
    elements: str
    required: true
  gone_images:
    description: Digests of images of the former lock that the registry does not hold under their tag.
    type: list
    elements: str
    required: true
"""

EXAMPLES = r"""
- name: Show what the mirror holds
  ansible.builtin.debug:
    msg: "{{ bundle.lock | baremetal.bigdata.lock_merge(former_lock, checksums, missing.missing) }}"
"""

RETURN = r"""
_value:
  description: Content of the new lock file.
  type: dict
"""

import copy
from collections.abc import Iterable, Mapping
from typing import Any


def lock_merge(
    published: Mapping[str, Any],
    former: Mapping[str, Any] | None,
    held_files: Iterable[str],
    gone_images: Iterable[str],
) -> dict[str, Any]:
    """The lock of a mirror. Neither input changes."""
    result, former = copy.deepcopy(dict(published)), former or {}
    held, gone = set(held_files), set(gone_images)
    for version, release in (former.get("kubernetes") or {}).items():
        result["kubernetes"].setdefault(version, copy.deepcopy(release))
    for name, entry in (former.get("files") or {}).items():
        kept = {
            version: {arch: value for arch, value in (sums or {}).items() if value in held}
            for version, sums in (entry.get("versions") or {}).items()
        }
        if any(kept.values()):
            versions = result["files"].setdefault(name, {**copy.deepcopy(entry), "versions": {}})["versions"]
            for version, sums in kept.items():
                if sums:
                    versions[version] = {**sums, **versions.get(version, {})}
    for repository, tags in (former.get("images") or {}).items():
        for tag, digest in (tags or {}).items():
            if digest and digest not in gone:
                result["images"].setdefault(repository, {}).setdefault(tag, digest)
    return result


class FilterModule:
    """Filters of this file."""

    def filters(self) -> dict[str, Any]:
        return {"lock_merge": lock_merge}
