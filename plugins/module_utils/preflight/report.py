# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What preflight_report is asked for, and its report from the findings. Pure functions."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import replace
from types import MappingProxyType

from .existing import check_existing, check_running_version
from .findings import CHECKS, ERROR, IGNORED, INVENTORY, WARNING, Finding, listed, make_finding
from .host import check_host
from .inventory import check_inventory
from .limit import check_limit
from .site import check_site

# The options of preflight_report.
ARGUMENT_SPEC = {
    "probe": {"type": "str", "required": True},
    "groups": {"type": "dict", "required": True},
    "settings": {"type": "dict", "required": True},
    "controller_files": {"type": "dict", "default": {}},
    "kubeconfig": {"type": "path", "default": ""},
    "lock_file": {"type": "str", "default": ""},
    "ignore": {"type": "list", "elements": "str", "default": []},
    "own_variables": {"type": "list", "elements": "str", "default": []},
}


def apply_ignore(findings: list[Finding], ignore: Iterable[str] | None) -> list[Finding]:
    """Findings with those of ignored checks marked so. An unknown check id is a finding itself."""
    ignore = list(ignore or [])
    result = [replace(f, severity=IGNORED) if f.check in ignore else f for f in findings]
    for check in ignore:
        if check not in CHECKS:
            close = difflib.get_close_matches(str(check), CHECKS, 1)
            result.append(
                make_finding(
                    INVENTORY,
                    "variable_value",
                    "preflight_ignore to hold ids of checks",
                    check,
                    f"did you mean {close[0]}?" if close else "docs/preflight.md lists them",
                )
            )
    return result


def _merged(findings: list[Finding]) -> list[tuple[tuple[str, ...], list[Finding]]]:
    """(hosts, findings) with what several hosts have in common said once; the inventory first."""
    same: dict[Finding, list[str]] = {}
    for finding in findings:
        same.setdefault(replace(finding, host=""), []).append(finding.host)
    blocks: dict[tuple[str, ...], list[Finding]] = {}
    for finding, hosts in same.items():
        blocks.setdefault(tuple(hosts), []).append(finding)
    order = [finding.host for finding in findings]
    return sorted(blocks.items(), key=lambda block: (INVENTORY not in block[0], order.index(block[0][0])))


def format_report(findings: list[Finding], total: int) -> str:
    """The report as text: errors and warnings by host, and what was ignored in one line."""
    counts = {severity: sum(f.severity == severity for f in findings) for severity in (ERROR, WARNING, IGNORED)}
    verdict = "Nothing was changed." if counts[ERROR] else "Going on."
    lines = [
        "preflight of {} host{}: {} error{}, {} warning{}. {}".format(
            total,
            "" if total == 1 else "s",
            counts[ERROR],
            "" if counts[ERROR] == 1 else "s",
            counts[WARNING],
            "" if counts[WARNING] == 1 else "s",
            verdict,
        )
    ]
    shown = [finding for finding in findings if finding.severity != IGNORED]
    for hosts, group in _merged(shown):
        lines += ["", listed(hosts)]
        for finding in sorted(group, key=lambda f: f.severity):
            lines += [
                f"  {finding.severity.upper()} {finding.check}",
                f"    expected: {finding.expected}",
                f"    found:    {finding.found}",
                f"    remedy:   {finding.remedy}",
            ]
    ignored: dict[str, list[str]] = {}
    for finding in findings:
        if finding.severity == IGNORED:
            ignored.setdefault(finding.check, []).append(finding.host)
    if ignored:
        lines += ["", "ignored (preflight_ignore)"]
        lines += [f"  {check}: {listed(hosts)}" for check, hosts in sorted(ignored.items())]
    return "\n".join(lines)


def warning_lines(findings: list[Finding]) -> list[str]:
    """One line per warning, hosts with the same one named together."""
    lines = []
    for hosts, group in _merged([finding for finding in findings if finding.severity == WARNING]):
        lines += [
            f"preflight: {listed(hosts)}: {finding.check}: expected {finding.expected}; found {finding.found}; "
            f"remedy: {finding.remedy}"
            for finding in group
        ]
    return lines


def summary(facts: dict) -> str:
    """One line about a host, for whoever asks for more detail."""
    return "{}, kernel {}, {} CPUs, {} MB, cgroup v{}, SELinux {}, firewalld {}".format(
        (facts.get("distribution") or {}).get("name") or "unknown system",
        facts.get("kernel"),
        facts.get("cpus"),
        facts.get("memory_mb"),
        facts.get("cgroup_version"),
        facts.get("selinux"),
        "running" if facts.get("firewalld") else "not running",
    )


def evaluate(
    settings: dict,
    groups: dict[str, list[str]],
    hosts: dict[str, dict],
    ignore: Iterable[str] = (),
    outside: Mapping[str, Mapping[str, bool] | None] = MappingProxyType({}),
    meant: Callable[[str], bool] = lambda _tag: True,
    elsewhere: Mapping[str, str] = MappingProxyType({}),
    etcd_clients: Mapping[str, Collection[str] | None] = MappingProxyType({}),
) -> list[Finding]:
    """All findings except those about variables: the inventory's, each host's, and the hosts' together.

    *outside*, *meant* and *etcd_clients*: as for check_limit. *elsewhere*: as for check_site.
    """
    findings = check_inventory(settings, groups)
    unsupported = any(finding.check == "kubernetes_version" for finding in findings)
    addresses = [str(host["settings"].get("node_address")) for host in hosts.values() if host.get("settings")]
    for name, host in hosts.items():
        if host.get("facts"):
            facts, own = host["facts"], dict(host["settings"], node_addresses=addresses)
            if unsupported and (facts.get("fetch") or {}).get("status") == 404:
                # No mirror holds a release that does not exist: said once, for the inventory.
                facts = dict(facts, fetch=None)
            findings += check_host(name, host["roles"], facts, own)
    findings += check_site(hosts, elsewhere, groups.get("cluster") or [])
    cluster = settings.get("cluster") or {}
    findings += check_existing(cluster, groups.get("control_plane") or [], hosts, outside)
    kubeconfig = settings.get("missing_kubeconfig") or ""
    findings += check_limit(cluster, groups, hosts, outside, meant, kubeconfig, etcd_clients)
    findings += check_running_version(str(cluster.get("version") or ""), str(settings.get("kubernetes_version") or ""))
    return apply_ignore(findings, ignore)
