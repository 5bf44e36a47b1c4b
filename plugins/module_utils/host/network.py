# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host's network is: its addresses, its routes, and who listens."""

from __future__ import annotations

import glob
import ipaddress
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Union

from .files import read

# A process that holds a socket: process, pid, cgroup, unit; of a listener port and protocol too.
Owner = dict[str, Union[str, int, None]]


def sockets(protocol: str) -> Iterator[tuple[int, str]]:
    """(port, inode) of listening TCP or bound UDP sockets."""
    state = "0A" if protocol == "tcp" else "07"
    for family in ("", "6"):
        for line in read(f"/proc/net/{protocol}{family}").splitlines()[1:]:
            fields = line.split()
            if len(fields) > 9 and fields[3] == state:
                yield int(fields[1].rpartition(":")[2], 16), fields[9]


def owners(inodes: set[str]) -> dict[str, Owner]:
    """inode -> process that holds it: process, pid, cgroup, unit."""
    found: dict[str, Owner] = {}
    for directory in glob.iglob("/proc/[0-9]*/fd"):
        try:
            entries = os.listdir(directory)
        except OSError:
            continue
        process = directory.rsplit("/", 1)[0]
        for entry in entries:
            try:
                target = os.readlink(os.path.join(directory, entry))
            except OSError:
                continue
            inode = target[8:-1] if target.startswith("socket:[") else ""
            if inode not in inodes or inode in found:
                continue
            try:
                program = os.path.basename(os.readlink(process + "/exe")).replace(" (deleted)", "")
            except OSError:
                program = ""
            name = read(process + "/comm").strip()
            # A script is known by its own name, not by its interpreter's.
            if not program or re.match(r"(python|perl|ruby|java|node|bash|sh|dash|busybox)", program):
                program = name or program
            cgroup = ""
            for line in read(process + "/cgroup").splitlines():
                path = line.split(":", 2)[2]
                if len(path) > len(cgroup):
                    cgroup = path
            unit = re.findall(r"[^/]+\.service", cgroup)
            found[inode] = {
                "process": program,
                "pid": int(process.rsplit("/", 1)[1]),
                "cgroup": cgroup,
                "unit": unit[-1] if unit else "",
            }
    return found


def listeners(ports: Iterable[Mapping[str, str | int]]) -> list[Owner]:
    wanted = {(port["port"], port["protocol"]) for port in ports}
    taken = [
        (port, protocol, inode)
        for protocol in ("tcp", "udp")
        for port, inode in sockets(protocol)
        if (port, protocol) in wanted
    ]
    if not taken:
        return []
    by_inode = owners({inode for _port, _protocol, inode in taken} - {"0"})
    result = []
    for port, protocol, inode in taken:
        # Without a process: the kernel's own, such as that of a vxlan interface.
        owner = by_inode.get(inode) or {"process": kernel_owner(port), "pid": None, "cgroup": "", "unit": ""}
        entry = dict(owner, port=port, protocol=protocol)
        if entry not in result:
            result.append(entry)
    return result


def kernel_owner(port: int) -> str:
    for link in ip_json("-d", "link"):
        info = link.get("linkinfo") or {}
        if info.get("info_kind") == "vxlan" and (info.get("info_data") or {}).get("port") == port:
            return link["ifname"]
    return ""


def ip_json(*arguments: str) -> list[dict[str, Any]]:
    for program in ("/usr/sbin/ip", "/sbin/ip", "/usr/bin/ip", "/bin/ip"):
        if os.path.exists(program):
            try:
                output = subprocess.run(
                    [program, "-j"] + list(arguments),
                    stdout=subprocess.PIPE,
                    stderr=subprocess.DEVNULL,
                    check=True,
                    timeout=5,
                ).stdout
                return json.loads(output or b"[]")
            except (OSError, subprocess.SubprocessError, ValueError):
                return []
    return []


def addresses() -> list[dict[str, str | int | None]] | None:
    found = [
        {
            "interface": link.get("ifname"),
            "address": address["local"],
            "prefix": address["prefixlen"],
            "mtu": link.get("mtu"),
        }
        for link in ip_json("address")
        for address in link.get("addr_info") or []
        if "local" in address
    ]
    return found or None


def routes() -> list[dict[str, str | None]]:
    result = []
    for line in read("/proc/net/route").splitlines()[1:]:
        fields = line.split()
        if len(fields) < 8:
            continue
        target, gateway, mask = (
            ipaddress.ip_address(
                bytes.fromhex(fields[column])[::-1] if sys.byteorder == "little" else bytes.fromhex(fields[column])
            )
            for column in (1, 2, 7)
        )
        result.append(
            {
                "destination": str(ipaddress.ip_network(f"{target}/{mask}", strict=False)),
                "gateway": str(gateway) if int(gateway) else None,
                "interface": fields[0],
            }
        )
    return result
