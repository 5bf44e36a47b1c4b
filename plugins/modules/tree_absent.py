#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: tree_absent
short_description: Remove directories with all that is in them, on their own file system only
version_added: 0.1.0
author: The baremetal.bigdata maintainers (@baremetal)
description:
  - Removes directories and files, with all that is in them. Where another file system is mounted below one of them,
    nothing at all is removed, and the mount is named, unlike M(ansible.builtin.file), which goes on into it.
  - A path that is a mount point itself is emptied and stays.
extends_documentation_fragment:
  - baremetal.bigdata.attributes.posix
options:
  paths:
    description: Absolute paths. The last part may be a pattern (C(*), C(?), C([abc])).
    type: list
    elements: path
    required: true
  keep:
    description: Whether the directories themselves stay, empty.
    type: bool
    default: false
attributes:
  check_mode:
    description: Says what would be removed, as if by then nothing were mounted there.
    support: full
  diff_mode:
    description: Shows the paths, and how many entries each holds.
    support: full
"""

EXAMPLES = r"""
- name: Remove containerd's images and snapshots
  baremetal.bigdata.tree_absent:
    paths: [/var/lib/containerd]
"""

RETURN = r"""
removed:
  description: Paths that were removed or emptied.
  type: list
  elements: str
  returned: success
  sample: [/var/lib/containerd]
"""

import glob
import os

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.host.trees import Refused, delete, entries, mount_points, refuse_mounts


def matching(patterns: list[str]) -> list[str]:
    """The paths that are there, each once. Raises Refused on one that is not absolute, or that is the root."""
    found = []
    for pattern in patterns:
        # POSIX leaves two leading slashes to the system, and so does normpath.
        if not os.path.isabs(pattern) or not os.path.normpath(pattern).strip("/"):
            raise Refused(f"paths: expected absolute paths below /, found {pattern!r}.")
        parent, last = os.path.split(os.path.normpath(pattern))
        found += sorted(path for path in glob.glob(os.path.join(glob.escape(parent), last)) if path not in found)
    return found


def main() -> None:
    module = AnsibleModule(
        {
            "paths": {"type": "list", "elements": "path", "required": True},
            "keep": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    removed, lines = [], []
    try:
        found = matching(module.params["paths"])
        mounted = mount_points()
        for path in found:
            # In a check, what unmounts has not run either.
            if not os.path.islink(path) and not module.check_mode:
                refuse_mounts(path, mounted)
        for path in found:
            directory = os.path.isdir(path) and not os.path.islink(path)
            stays = directory and (module.params["keep"] or os.path.realpath(path) in mounted)
            inside = entries(path) if directory else []
            if stays and not inside:
                continue
            removed.append(path)
            count = f" ({len(inside)} {'entry' if len(inside) == 1 else 'entries'})" if directory else ""
            lines.append(f"{'all in ' if stays else ''}{path}{count}")
            if module.check_mode:
                continue
            device = os.lstat(path).st_dev
            for target in inside if stays else [path]:
                delete(target, device)
    except (Refused, OSError) as error:
        module.fail_json(msg=str(error))
    result = {"changed": bool(removed), "removed": removed}
    if lines:
        result["diff"] = {"before": "\n".join(lines) + "\n", "after": ""}
    module.exit_json(**result)


if __name__ == "__main__":
    main()
