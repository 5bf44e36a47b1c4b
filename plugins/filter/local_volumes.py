# Copyright (c) 2026 The baremetal.bigdata maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter: the local volumes of hosts, as a list of directories with the names of their PersistentVolumes."""

from __future__ import annotations

DOCUMENTATION = r"""
name: local_volumes
short_description: Directories of hosts that are to be PersistentVolumes
version_added: 0.1.0
description:
  - Reads the variable C(storage_local_volumes) of each host. An entry with C(path) is one directory; an entry with
    C(base) and C(count) stands for C(base)/vol1, C(base)/vol2 and so on. Both have a C(size).
  - A volume's name follows from its class, its host and its path alone, so it stays when others come and go.
positional: hostvars, storage_class
options:
  _input:
    description: Names of inventory hosts.
    type: list
    elements: str
    required: true
  hostvars:
    description: Ansible's C(hostvars).
    type: dict
    required: true
  storage_class:
    description: Name of the StorageClass. Names of volumes begin with it.
    type: str
    default: local
"""

EXAMPLES = r"""
- name: Show the volumes of all hosts
  ansible.builtin.debug:
    msg: "{{ ansible_play_hosts | baremetal.bigdata.local_volumes(hostvars, 'local') }}"
"""

RETURN = r"""
_value:
  description: Each with C(name), C(host), C(node), C(path), C(size).
  type: list
  elements: dict
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from ansible.errors import AnsibleFilterError

_QUANTITY = re.compile(r"[1-9][0-9]*(\.[0-9]+)?(k|M|G|T|Ki|Mi|Gi|Ti)")
# What belongs to the system: a volume there would hand its files to whoever claims it.
_SYSTEM = {"/", "/bin", "/boot", "/dev", "/etc", "/home", "/lib", "/lib64", "/mnt", "/opt", "/proc", "/root", "/run",
           "/sbin", "/srv", "/sys", "/tmp", "/usr", "/var", "/var/lib", "/var/log", "/var/tmp"}  # fmt: skip
_NEVER_BELOW = ("/boot", "/dev", "/etc", "/proc", "/run", "/sys", "/usr", "/var/lib/containerd", "/var/lib/etcd",
                "/var/lib/kubelet")  # fmt: skip


def local_volumes(
    hosts: Iterable[str], hostvars: Mapping[str, Mapping[str, Any]], storage_class: str = "local"
) -> list[dict[str, str]]:
    """The volumes of hosts, in order.

    :raises AnsibleFilterError: with every problem: host, field, what was expected, what was found.
    """
    problems: list[str] = []
    volumes: list[dict[str, str]] = []
    for host in hosts:
        variables = hostvars[host]
        node = str(variables.get("cluster_node_name") or host)
        taken: dict[str, str] = {}
        for path, size in _entries(host, variables.get("storage_local_volumes"), problems):
            name = volume_name(storage_class, node, path)
            if name in taken:
                problems.append(
                    f"{host}: storage_local_volumes: expected paths that differ in their letters and digits, found "
                    f"{taken[name]} and {path}. Rename one of the directories."
                )
            taken[name] = path
            volumes.append({"name": name, "host": host, "node": node, "path": path, "size": size})
    if problems:
        raise AnsibleFilterError("\n".join(problems))
    return volumes


def volume_name(storage_class: str, node: str, path: str) -> str:
    """Name of the PersistentVolume of a directory."""
    return re.sub(r"[^a-z0-9.]+", "-", f"{storage_class}-{node}-{path.strip('/')}".lower()).strip("-.")


def _entries(host: str, entries: Any, problems: list[str]) -> Iterable[tuple[str, str]]:
    where = f"{host}: storage_local_volumes"
    if entries in (None, ""):
        return
    if not isinstance(entries, (list, tuple)):
        problems.append(f"{where}: expected a list, found {entries!r}.")
        return
    for number, entry in enumerate(entries):
        at = f"{where}[{number}]"
        if not isinstance(entry, Mapping):
            problems.append(f"{at}: expected path and size, or base, count and size; found {entry!r}.")
            continue
        fields = set(entry)
        if fields not in ({"path", "size"}, {"base", "count", "size"}):
            problems.append(
                f"{at}: expected path and size, or base, count and size; found {', '.join(sorted(fields))}."
            )
            continue
        size = str(entry["size"])
        if not _QUANTITY.fullmatch(size):
            problems.append(f"{at}.size: expected a Kubernetes quantity such as 100Gi, found {size!r}.")
        if "path" in fields:
            paths = [_path(f"{at}.path", entry["path"], problems)]
        else:
            base, count = _path(f"{at}.base", entry["base"], problems, base=True), entry["count"]
            if isinstance(count, bool) or not str(count).isdigit() or not 0 < int(count) <= 100:
                problems.append(f"{at}.count: expected a whole number from 1 to 100, found {count!r}.")
                continue
            paths = [f"{base}/vol{index}" for index in range(1, int(count) + 1)]
        for path in paths:
            yield path, size


def _path(at: str, value: Any, problems: list[str], base: bool = False) -> str:
    path = str(value).rstrip("/") or "/"
    bad = not re.fullmatch(r"/[A-Za-z0-9._/-]*", path) or "//" in path or ".." in path.split("/")
    # A base is never handed out itself, so it may be a place such as /srv.
    if not bad and path != "/" and base and path in _SYSTEM and path in ("/srv", "/mnt", "/opt", "/home"):
        return path
    if bad or path in _SYSTEM or any(path == item or path.startswith(item + "/") for item in _NEVER_BELOW):
        problems.append(
            f"{at}: expected the absolute path of a directory that is for this alone, such as /srv/volumes/vol1, "
            f"found {value!r}."
        )
    return path


class FilterModule:
    """Filters of this file."""

    def filters(self):
        return {"local_volumes": local_volumes}
