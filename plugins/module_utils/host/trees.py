# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Deleting directories with what is in them, and never what another file system holds.

shutil.rmtree goes on into what is mounted below: a pod's network share, a disk of another service.
"""

from __future__ import annotations

import os
import re

# Source: proc_pid_mountinfo(5).
MOUNTINFO = "/proc/self/mountinfo"


class Refused(Exception):
    """Something that is not deleted, with the reason and the remedy."""


def entries(path: str) -> list[str]:
    """What can be deleted from a directory: not what other file systems are mounted on."""
    if not os.path.isdir(path):
        return []
    device = os.lstat(path).st_dev
    with os.scandir(path) as found:
        return sorted(entry.path for entry in found if entry.stat(follow_symlinks=False).st_dev == device)


def _mounts(mountinfo: str) -> list[tuple[str, str, str]]:
    """(device, directory of its file system, where that is mounted), as mounted one after the other."""

    def plain(field: str) -> str:
        return re.sub(r"\\([0-7]{3})", lambda code: chr(int(code[1], 8)), field)

    with open(mountinfo, encoding="utf-8", errors="surrogateescape") as stream:
        fields = [line.split(" ") for line in stream]
    return [(field[2], plain(field[3]), plain(field[4])) for field in fields]


def mount_points(mountinfo: str = MOUNTINFO) -> set[str]:
    """Where something is mounted, bind mounts included."""
    return {where for _device, _root, where in _mounts(mountinfo)}


def place(path: str, mountinfo: str = MOUNTINFO) -> tuple[str, str]:
    """Where a path really lies: the device of its file system, and the path in it. It need not exist."""
    real = os.path.realpath(path)
    device, root, where = max(
        (mount for mount in _mounts(mountinfo) if (real + "/").startswith(mount[2].rstrip("/") + "/")),
        key=lambda mount: len(mount[2]),
    )
    return device, os.path.normpath(f"{root.rstrip('/')}/{os.path.relpath(real, where)}")


def refuse_mounts(path: str, mounted: set[str]) -> None:
    """Raise Refused where one of *mounted* lies below *path*."""
    below = sorted(point for point in mounted if point.startswith(os.path.realpath(path).rstrip("/") + "/"))
    if below:
        raise Refused(f"{path}: expected nothing mounted below it, found {', '.join(below)}. Unmount it first.")


def delete(path: str, device: int) -> None:
    """Delete a file or a tree that lies on the file system *device* (st_dev). Raises Refused at another one."""
    if os.path.islink(path) or not os.path.isdir(path):
        os.unlink(path)
        return
    with os.scandir(path) as found:
        inside = [(entry.path, entry.stat(follow_symlinks=False).st_dev) for entry in found]
    for below, its_device in inside:
        if its_device != device:
            raise Refused(f"{below}: expected no other file system below {path}, found one. Unmount it first.")
        delete(below, device)
    os.rmdir(path)
