# Copyright (c) 2026 The baremetal.bigdata maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter: what role_discovery found, as a table for people."""

from __future__ import annotations

DOCUMENTATION = r"""
name: discovery_table
short_description: What role_discovery found, as a table for people
version_added: 0.1.0
description:
  - The members of all roles, then why members are not ready, who did not say its live role, and the addresses to open.
  - Columns that would be empty for all members, such as racks where there are none, are left out.
positional: limit
options:
  _input:
    description: What M(baremetal.bigdata.role_discovery) returned.
    type: dict
    required: true
  limit:
    description: How many lines the lists below the table may have each.
    type: int
    default: 30
"""

EXAMPLES = r"""
- name: Print who plays which role
  ansible.builtin.debug:
    msg: "{{ found | baremetal.bigdata.discovery_table }}"
"""

RETURN = r"""
_value:
  description: Lines of text.
  type: str
"""

from collections.abc import Mapping
from typing import Any

from ansible.errors import AnsibleFilterError

LIMIT = 30


def discovery_table(found: Mapping[str, Any], limit: int = LIMIT) -> str:
    """Members, what is wrong with them, and what to open.

    :raises AnsibleFilterError: for anything but a result of role_discovery.
    """
    if not isinstance(found, Mapping) or "members" not in found:
        raise AnsibleFilterError("discovery_table: expected what role_discovery returned, with members.")
    members = [{**member, "role": role} for role, listed in found["members"].items() for member in listed]
    services: dict[tuple[str, str], Mapping[str, Any]] = {
        (service["namespace"], service["name"]): service
        for listed in found.get("services", {}).values()
        for service in listed
    }
    sections = [_members(members, everywhere=not found.get("namespace"))]
    lists = {
        "Not ready:": [f"{member['pod']}: {member['reason']}" for member in members if member.get("reason")],
        "No live role from:": list(found.get("findings", ())),
        "Dashboards:": _dashboards(services),
        "Other addresses:": _others(services),
    }
    for title, lines in lists.items():
        if lines:
            more = [f"and {len(lines) - limit} more"] if len(lines) > limit else []
            sections.append("\n".join([title, *(f"  {line}" for line in lines[:limit] + more)]))
    return "\n\n".join(sections)


def _members(members: list[dict[str, Any]], everywhere: bool) -> str:
    if not members:
        return "No members. Are the namespace and the role label right?"
    columns = {
        "NAMESPACE": [member["namespace"] for member in members] if everywhere else [],
        "APP": [member.get("instance") or member.get("app") for member in members],
        "ROLE": [member["role"] for member in members],
        "LIVE": [member.get("live_role") for member in members],
        "POD": [member["pod"] for member in members],
        "IP": [member["ip"] for member in members],
        "NODE": [member["node"] for member in members],
        "HOST IP": [member["host_ip"] for member in members],
        "RACK": [member["rack"] for member in members],
        "READY": ["yes" if member["ready"] else "no" for member in members],
        "RESTARTS": [str(member["restarts"]) for member in members],
    }
    cells = [[title, *(value or "-" for value in values)] for title, values in columns.items() if any(values)]
    widths = [max(map(len, column)) for column in cells]
    rows = zip(*cells, strict=True)
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def _dashboards(services: Mapping[tuple[str, str], Mapping[str, Any]]) -> list[str]:
    """Where to open each page for people. One that is only open inside of the cluster is reached by a forward."""
    lines = []
    for (namespace, name), service in sorted(services.items()):
        if service["dashboards"]:
            lines.append(f"{name}: {' '.join(service['dashboards'])}")
            continue
        for port in service["ports"]:
            if port["dashboard"]:
                forward = f"kubectl -n {namespace} port-forward service/{name} {port['port']}"
                lines.append(f"{name}: only inside of the cluster; from here: {forward}")
    return lines


def _others(services: Mapping[tuple[str, str], Mapping[str, Any]]) -> list[str]:
    lines = []
    for (_namespace, name), service in sorted(services.items()):
        urls = [url for url in service["urls"] if url not in service["dashboards"]]
        if urls:
            lines.append(f"{name}: {' '.join(urls)}")
    return lines


class FilterModule:
    """Filters of this file."""

    def filters(self) -> dict[str, Any]:
        return {"discovery_table": discovery_table}
