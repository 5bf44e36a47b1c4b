#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: storage_directories
short_description: Directories of a host that are volumes, made or emptied in one round trip
version_added: 0.1.0
author: The baremetal.bigdata maintainers (@baremetal)
description:
  - Makes directories that are missing, with their parents. One that is there keeps its owner, its mode and what is in
    it, since kubelet gives a volume to the group of the pod that has it.
  - All paths are looked at before the first one is changed. No directory is ever removed.
extends_documentation_fragment:
  - baremetal.bigdata.attributes.posix
options:
  paths:
    description: Absolute paths of the directories.
    type: list
    elements: path
    required: true
  emptied:
    description: Those of O(paths) in which everything is deleted. Other file systems below them are left alone.
    type: list
    elements: path
    default: []
  owner:
    description: Owner of a directory that is made.
    type: str
    default: root
  group:
    description: Group of a directory that is made.
    type: str
    default: root
  mode:
    description: Octal mode of a directory that is made.
    type: str
    default: "0755"
attributes:
  check_mode:
    description: Says what would be made and emptied.
    support: full
  diff_mode:
    description: Shows the paths that are made, and how many entries are deleted.
    support: full
"""

EXAMPLES = r"""
- name: Make two directories
  baremetal.bigdata.storage_directories:
    paths: [/srv/volumes/vol1, /srv/volumes/vol2]
"""

RETURN = r"""
made:
  description: The directories that were made.
  type: list
  elements: str
  returned: success
emptied:
  description: The directories from which something was deleted.
  type: list
  elements: str
  returned: success
"""

import grp
import os
import pwd
import stat
from collections.abc import Callable
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.host.trees import MOUNTINFO, Refused, delete, entries, place


def identifier(database: Callable[[str], Any], name: str, what: str) -> int:
    """The number of a user or a group, by its name or its number."""
    if str(name).isdigit():
        return int(name)
    try:
        return database(name)[2]
    except KeyError:
        raise Refused(f"{what}: expected one that the host knows, found {name}.") from None


def missing(paths: list[str]) -> list[str]:
    """The directories that are not there. Raises Refused where something else is."""
    found = []
    for path in paths:
        try:
            kind = os.lstat(path).st_mode
        except FileNotFoundError:
            found.append(path)
            continue
        except NotADirectoryError:
            raise Refused(f"{path}: expected a directory, found a file above it. Name another path.") from None
        if not stat.S_ISDIR(kind):
            what = "a symbolic link" if stat.S_ISLNK(kind) else "something else"
            raise Refused(f"{path}: expected a directory, found {what}. Move it away, or name another path.")
    return found


def refuse_nested(paths: list[str], mountinfo: str = MOUNTINFO) -> None:
    """Raise Refused where a directory lies in another, also by a symbolic link or a mount."""
    places = [(path, *place(path, mountinfo)) for path in paths]
    for path, device, inner in places:
        for other, its_device, outer in places:
            if path == other or device != its_device:
                continue
            if inner == outer or inner.startswith(outer.rstrip("/") + "/"):
                what = "the same as" if inner == outer else "one in"
                raise Refused(f"{path}: expected a directory of its own, found {what} {other}. Name another path.")


def make(path: str, owner: int, group: int, mode: int) -> None:
    """Make a directory. Its owner and mode are right from the moment that it has its name."""
    os.makedirs(os.path.dirname(path), mode=0o755, exist_ok=True)
    fresh = f"{path}.new-{os.getpid()}"
    os.mkdir(fresh, 0o700)
    try:
        os.chown(fresh, owner, group)
        os.chmod(fresh, mode)
        os.rename(fresh, path)
    except OSError:
        os.rmdir(fresh)
        raise


def main() -> None:
    module = AnsibleModule(
        {
            "paths": {"type": "list", "elements": "path", "required": True},
            "emptied": {"type": "list", "elements": "path", "default": []},
            "owner": {"type": "str", "default": "root"},
            "group": {"type": "str", "default": "root"},
            "mode": {"type": "str", "default": "0755"},
        },
        supports_check_mode=True,
    )
    params = module.params
    emptied: list[str] = []
    lines: list[str] = []
    try:
        stray = [path for path in params["emptied"] if path not in params["paths"]]
        if stray:
            raise Refused(f"emptied: expected some of paths, found {', '.join(stray)}.")
        made = missing(params["paths"])
        refuse_nested(params["paths"])
        owner = identifier(pwd.getpwnam, params["owner"], "owner")
        group = identifier(grp.getgrnam, params["group"], "group")
        for path in made:
            lines.append(f"directory {path}, {params['owner']}:{params['group']} {params['mode']}")
            if not module.check_mode:
                make(path, owner, group, int(params["mode"], 8))
        for path in params["emptied"]:
            doomed = entries(path)
            if not doomed:
                continue
            emptied.append(path)
            lines.append(f"empty {path}: {len(doomed)} entries deleted")
            if not module.check_mode:
                device = os.lstat(path).st_dev
                for entry in doomed:
                    delete(entry, device)
    except (Refused, OSError) as error:
        module.fail_json(msg=str(error))
    result: dict[str, Any] = {"changed": bool(made or emptied), "made": made, "emptied": emptied}
    if lines:
        result["diff"] = {"before": "", "after": "\n".join(lines) + "\n"}
    module.exit_json(**result)


if __name__ == "__main__":
    main()
