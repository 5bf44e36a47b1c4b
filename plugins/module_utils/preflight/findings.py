# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The checks of the preflight, and what one of them found."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass

ERROR = "error"
WARNING = "warning"
IGNORED = "ignored"
INVENTORY = "inventory"

# id -> default severity. docs/preflight.md has one line for each.
CHECKS = {
    # the inventory
    "groups": ERROR,
    "etcd_members": ERROR,
    "api_endpoint": ERROR,
    "subnets": ERROR,
    "mirror_url": ERROR,
    "network_plugin": ERROR,
    "kubernetes_version": ERROR,
    "dns_domain": ERROR,
    "controller_files": ERROR,
    "variable_unknown": ERROR,
    "variable_value": ERROR,
    "storage_volumes": ERROR,
    "kubespray": WARNING,
    # a part of the site
    "limit": ERROR,
    # every host
    "unreachable": WARNING,
    "privileges": ERROR,
    "python": ERROR,
    "systemd": ERROR,
    "os": ERROR,
    "cpus": ERROR,
    "memory": ERROR,
    "disk": ERROR,
    "etcd_fsync": WARNING,
    "swap": WARNING,
    "clock": ERROR,
    "time_sync": WARNING,
    "port": ERROR,
    "hostname": ERROR,
    "hostname_differs": WARNING,
    "node_address": ERROR,
    "rack": ERROR,
    "host_networks": ERROR,
    "kernel": ERROR,
    "cgroup": ERROR,
    "mtu": ERROR,
    "dns": WARNING,
    "artifacts": ERROR,
    "leftovers": WARNING,
    "version_jump": ERROR,
    # the cluster that exists
    "existing_cluster": ERROR,
    # hosts compared with each other
    "hostname_duplicate": ERROR,
    "machine_id": ERROR,
    "product_uuid": WARNING,
    "address_duplicate": ERROR,
    "node_subnets": ERROR,
    "mtu_differs": WARNING,
    "architecture": ERROR,
}


@dataclass(frozen=True)
class Finding:
    """One thing that is not as it should be. *host* is a host of the inventory, or ``inventory``."""

    host: str
    check: str
    expected: str
    found: str
    remedy: str
    severity: str = ""

    def as_dict(self) -> dict[str, str]:
        return asdict(self)


def make_finding(
    host: str, check: str, expected: str, found: object, remedy: str, severity: str | None = None
) -> Finding:
    return Finding(host, check, expected, str(found), remedy, severity or CHECKS[check])


def listed(names: Iterable[object], limit: int = 8) -> str:
    texts = [str(name) for name in names]
    if len(texts) <= limit:
        return ", ".join(texts) or "none"
    return "{} and {} more".format(", ".join(texts[:limit]), len(texts) - limit)
