# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Local volumes: which directories of hosts become PersistentVolumes, and under which names. Pure functions.

One directory is one volume. Volumes in one another would not be: emptying the outer one deletes the inner one's files.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ..kube.quantity import quantity

# What belongs to the system: a volume there would hand its files to whoever claims it.
_SYSTEM = {"/", "/bin", "/boot", "/dev", "/etc", "/home", "/lib", "/lib64", "/mnt", "/opt", "/proc", "/root", "/run",
           "/sbin", "/srv", "/sys", "/tmp", "/usr", "/var", "/var/lib", "/var/log", "/var/tmp"}  # fmt: skip
_NEVER_BELOW = ("/boot", "/dev", "/etc", "/proc", "/run", "/sys", "/usr", "/var/lib/containerd", "/var/lib/etcd",
                "/var/lib/kubelet")  # fmt: skip


# Names of objects: RFC 1123 subdomains.
_LONGEST = 253


@dataclass(frozen=True)
class VolumeProblem:
    """One reason to refuse a description of volumes."""

    host: str
    expected: str
    found: str
    remedy: str = "Correct storage_local_volumes."

    def __str__(self) -> str:
        return f"{self.host}: expected {self.expected}, found {self.found}. {self.remedy}"


def read_volumes(
    hosts: Iterable[str], hostvars: Mapping[str, Mapping[str, Any]], storage_class: str = "local"
) -> tuple[list[dict[str, str]], list[VolumeProblem]]:
    """The volumes of hosts, in order: each with ``name``, ``host``, ``node``, ``path``, ``size``; and every problem."""
    problems: list[VolumeProblem] = []
    volumes: list[dict[str, str]] = []
    names: dict[str, tuple[str, str]] = {}
    for host in hosts:
        variables = hostvars[host]
        entries = list(_entries(host, variables.get("storage_local_volumes"), problems))
        # Of a host without volumes it need not be known: it may be by facts, and the host not in the run.
        node = str(variables.get("cluster_node_name") or host) if entries else host
        own: list[str] = []
        for path, size in entries:
            name = volume_name(storage_class, node, path)
            if len(name) > _LONGEST:
                problems.append(
                    VolumeProblem(host, f"names of at most {_LONGEST} characters", name, "Shorten the path.")
                )
            other = names.setdefault(name, (host, path))
            if other != (host, path) or path in own:
                problems.append(
                    VolumeProblem(
                        host,
                        "hosts and paths that differ in their letters and digits",
                        f"{path} and {other[1]} of {other[0]}, which make one name, {name}",
                        "Rename one of the directories.",
                    )
                )
            problems += [
                VolumeProblem(
                    host,
                    "volumes beside each other",
                    f"{inner} in {outer}",
                    "Emptying one would delete files of the other.",
                )
                for outer, inner in (sorted((path, one), key=len) for one in own)
                if inner.startswith(outer + "/")
            ]
            own.append(path)
            volumes.append({"name": name, "host": host, "node": node, "path": path, "size": size})
    return volumes, problems


def volume_name(storage_class: str, node: str, path: str) -> str:
    """Name of the PersistentVolume of a directory."""
    return re.sub(r"[^a-z0-9.]+", "-", f"{storage_class}-{node}-{path.strip('/')}".lower()).strip("-.")


def _entries(host: str, entries: Any, problems: list[VolumeProblem]) -> Iterable[tuple[str, str]]:
    where = "storage_local_volumes"
    if entries in (None, ""):
        return
    if not isinstance(entries, (list, tuple)):
        problems.append(VolumeProblem(host, f"{where} to be a list", repr(entries), "Write it as a list."))
        return
    for number, entry in enumerate(entries):
        at = f"{where}[{number}]"
        if not isinstance(entry, Mapping):
            problems.append(VolumeProblem(host, f"{at} with path and size, or base, count and size", repr(entry)))
            continue
        fields = set(entry)
        if fields not in ({"path", "size"}, {"base", "count", "size"}):
            found = ", ".join(sorted(map(str, fields)))
            problems.append(VolumeProblem(host, f"{at} with path and size, or base, count and size", found))
            continue
        size = str(entry["size"])
        if not quantity(size):
            problems.append(VolumeProblem(host, f"{at}.size to be a Kubernetes quantity such as 100Gi", repr(size)))
        if "path" in fields:
            paths = [_path(host, f"{at}.path", entry["path"], problems)]
        else:
            base, count = _path(host, f"{at}.base", entry["base"], problems, base=True), entry["count"]
            if isinstance(count, bool) or not str(count).isdigit() or not 0 < int(count) <= 100:
                problems.append(VolumeProblem(host, f"{at}.count to be a whole number from 1 to 100", repr(count)))
                continue
            paths = [f"{base}/vol{index}" for index in range(1, int(count) + 1)]
        for path in paths:
            yield path, size


def _path(host: str, at: str, value: Any, problems: list[VolumeProblem], base: bool = False) -> str:
    path = str(value).rstrip("/") or "/"
    bad = not re.fullmatch(r"/[A-Za-z0-9._/-]*", path) or "//" in path or {".", ".."} & set(path.split("/"))
    # A base is never handed out itself, so it may be a place such as /srv.
    if not bad and path != "/" and base and path in _SYSTEM and path in ("/srv", "/mnt", "/opt", "/home"):
        return path
    if bad or path in _SYSTEM or any(path == item or path.startswith(item + "/") for item in _NEVER_BELOW):
        what = f"{at} to be the absolute path of a directory that is for this alone, such as /srv/volumes/vol1"
        problems.append(VolumeProblem(host, what, repr(value)))
    return path
