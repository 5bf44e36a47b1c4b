# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Deleting directories with what is in them, and never what another file system holds.

shutil.rmtree goes on into what is mounted below: a pod's network share, a disk of another service.
"""

from __future__ import annotations

import os
import re


class Refused(Exception):
    """Something that is not deleted, with the reason and the remedy."""


def entries(path):
    # type: (str) -> list[str]
    """What can be deleted from a directory: not what other file systems are mounted on."""
    if not os.path.isdir(path):
        return []
    device = os.lstat(path).st_dev
    with os.scandir(path) as found:
        return sorted(entry.path for entry in found if entry.stat(follow_symlinks=False).st_dev == device)


def mount_points(mountinfo="/proc/self/mountinfo"):
    # type: (str) -> set[str]
    """Where something is mounted, bind mounts included. Source: proc_pid_mountinfo(5)."""
    with open(mountinfo, encoding="utf-8", errors="surrogateescape") as stream:
        return {re.sub(r"\\([0-7]{3})", lambda code: chr(int(code[1], 8)), line.split(" ")[4]) for line in stream}


def refuse_mounts(path, mounted):
    # type: (str, set[str]) -> None
    """Raise Refused where one of *mounted* lies below *path*."""
    below = sorted(point for point in mounted if point.startswith(os.path.realpath(path).rstrip("/") + "/"))
    if below:
        raise Refused(f"{path}: expected nothing mounted below it, found {', '.join(below)}. Unmount it first.")


def delete(path, device):
    # type: (str, int) -> None
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
