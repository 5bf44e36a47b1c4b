# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter: why a host cannot be the site's mirror."""

from __future__ import annotations

DOCUMENTATION = r"""
name: mirror_problems
short_description: Why a host cannot be the site's mirror
version_added: 0.2.0
author: The baremetal.bigdata maintainers (@baremetal)
description:
  - One sentence for each of a taken port, too small a disk, an address that the certificate will not have, a zone that
    the firewall does not have, and a file that is gone from the controller.
options:
  _input:
    description: What M(baremetal.bigdata.preflight_probe) has found on the host, with the ports and paths below.
    type: dict
    required: true
  host:
    description: The host's name in the inventory.
    type: str
    required: true
  url:
    description: Where the site's hosts reach the mirror.
    type: str
    required: true
  names:
    description: Names and addresses of the server's certificate.
    type: list
    elements: str
    required: true
  data_dir:
    description: Where the mirror keeps its data. The registry's are in C(registry) below it.
    type: str
    required: true
  web_is_ours:
    description: Whether the web server's configuration is the mirror's.
    type: bool
    required: true
  registry_port:
    description: Where the registry listens on loopback.
    type: int
    required: true
  files:
    description: Paths on the controller of files that the mirror lacks.
    type: list
    elements: str
    default: []
  images:
    description: Paths on the controller of images that the registry lacks, or that it did not tell of.
    type: list
    elements: str
    default: []
  zone:
    description: The firewall's zone to which the port is to be opened.
    type: str
    default: ""
  zones:
    description: The zones that the firewall has. Empty where it is none of the mirror's business.
    type: list
    elements: str
    default: []
"""

EXAMPLES = r"""
- name: Refuse a host that cannot be the mirror
  ansible.builtin.assert:
    that: problems == []
    fail_msg: "{{ problems | join(' ') }}"
  vars:
    problems: >-
      {{ probe.facts | baremetal.bigdata.mirror_problems(host=inventory_hostname, url='https://mirror1',
         names=['mirror1'], data_dir='/srv/mirror', web_is_ours=false, registry_port=5000) }}
"""

RETURN = r"""
_value:
  description: The sentences, empty where nothing is in the way.
  type: list
  elements: str
"""

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit


def _covers(name: str, host: str) -> bool:
    """Whether a name of a certificate stands for a host: itself, or by a star for the first label."""
    name, host = name.lower(), host.lower()
    return name == host or (name.startswith("*.") and host.partition(".")[2] == name[2:])


def address_problems(url: str, names: Sequence[str]) -> list[str]:
    """What is wrong with the address by which hosts reach the mirror."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        return [f"expected cluster_mirror_url to be https://HOST, found {url!r}. Correct it for all hosts of the site."]
    if parts.scheme != "https" or not host:
        return [f"expected cluster_mirror_url to be https://HOST, found {url!r}. Correct it for all hosts of the site."]
    if any(_covers(name, host) for name in names):
        return []
    return [
        f"expected the certificate to have {host}, by which cluster_mirror_url calls the mirror, found "
        f"{', '.join(name for name in names if name) or 'no name'}. Add it to mirror_server_names."
    ]


def port_problems(listeners: Iterable[Mapping[str, Any]], web_is_ours: bool, registry_port: int) -> list[str]:
    """Which of the mirror's ports something else has."""
    problems = []
    for port, process, unit in (
        (443, "nginx", "nginx.service"),
        (registry_port, "registry", "mirror-registry.service"),
    ):
        for listener in listeners:
            if listener["port"] != port:
                continue
            program, its_unit = listener.get("process") or "the kernel", listener.get("unit") or ""
            own = program == process and its_unit in ("", unit)
            if own and (process != "nginx" or web_is_ours):
                continue
            remedy = f"Stop {f'the service {its_unit}' if its_unit else program}" if listener.get("pid") else "Free it"
            foreign = " with a configuration that is not the mirror's"
            told = [f"process {listener['pid']}"] if listener.get("pid") else []
            told += [f"unit {its_unit}"] if its_unit else []
            problems.append(
                f"expected port {port}/tcp to be free for the mirror's {process}, found it taken by {program}"
                f"{foreign if own else ''}"
                f"{' (' + ', '.join(told) + ')' if told else ''}. "
                f"{remedy}, or take another host."
            )
            break
    return problems


def space_problems(
    disks: Mapping[str, Mapping[str, Any]], data_dir: str, file_bytes: int, image_bytes: int, registry_answers: bool
) -> list[str]:
    """Whether what is to be copied fits. Images lie there twice for a while: as archives, and in the registry."""
    registry = f"{data_dir}/registry"
    if not registry_answers and disks[registry]["parent"] == os.path.normpath(registry):
        # It holds images already, and did not say which.
        image_bytes = 0
    disk, need = disks[data_dir], (file_bytes + 2 * image_bytes) / 1e9
    if need <= disk["free_gb"]:
        return []
    return [
        f"expected {need:.1f} GB free for mirror_data_dir, {data_dir} (files {file_bytes / 1e9:.1f} GB; images "
        f"{image_bytes / 1e9:.1f} GB, twice while they are pushed), found {disk['free_gb']:.1f} GB of "
        f"{disk['total_gb']:.1f} GB on the file system of {disk['parent']}. "
        "Free or add space, hold fewer releases or apps, or set mirror_data_dir."
    ]


def _bytes(paths: Iterable[str], gone: list[str]) -> int:
    """The size of files on the controller; those that are not there go into *gone*."""
    size = 0
    for path in paths:
        try:
            size += os.path.getsize(path)
        except OSError:
            gone.append(path)
    return size


def mirror_problems(
    facts: Mapping[str, Any],
    host: str,
    url: str,
    names: Sequence[str],
    data_dir: str,
    web_is_ours: bool,
    registry_port: int,
    files: Iterable[str] = (),
    images: Iterable[str] = (),
    zone: str = "",
    zones: Sequence[str] = (),
) -> list[str]:
    """A sentence for each reason that the host cannot be the mirror."""
    gone: list[str] = []
    file_bytes, image_bytes = _bytes(files, gone), _bytes(images, gone)
    listeners = facts["listeners"]
    answers = any(listener["port"] == registry_port for listener in listeners)
    # The authority's key and certificate lie beside the host's.
    problems = (
        ["expected another name for it in the inventory: ca is the authority's. Rename it."] if host == "ca" else []
    )
    problems += address_problems(url, names) + port_problems(listeners, web_is_ours, registry_port)
    problems += space_problems(facts["disks"], data_dir, file_bytes, image_bytes, answers)
    if zones and zone not in zones:
        problems.append(
            f"expected mirror_firewall_zone to be a zone of firewalld, one of {', '.join(sorted(zones))}, found "
            f"{zone!r}. Correct it, or make the zone first."
        )
    if gone:
        problems.append(
            f"expected what the bundle names to be on the controller, found {len(gone)} missing, the first {gone[0]}. "
            "Collect it again: run the mirror playbook without --tags publish."
        )
    return [f"Host {host}: {problem}" for problem in problems]


class FilterModule:
    """Filters of this file."""

    def filters(self) -> dict[str, Any]:
        return {"mirror_problems": mirror_problems}
