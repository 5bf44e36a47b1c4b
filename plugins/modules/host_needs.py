#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: host_needs
short_description: Tell what has to be done to a host before it can be part of a cluster
version_added: 0.1.0
author: The baremetal.bigdata maintainers (@baremetal)
description:
  - Looks, in one round trip, whether the host has its packages, br_netfilter, no swap, a running time service and the
    SELinux mode that is asked for, and names what is not so. What is named is then done by the modules made for it,
    and a host that lacks nothing costs one connection instead of one for each of them.
  - When in doubt, something is named. It changes nothing.
extends_documentation_fragment:
  - baremetal.bigdata.attributes.reads_only
  - baremetal.bigdata.attributes.posix
options:
  packages:
    description: Names of OS packages that are to be installed.
    type: list
    elements: str
    default: []
  swap_off:
    description: Whether swap is to be off, now and at boot.
    type: bool
    default: false
  time_service:
    description: Unit that is to keep time. Empty asks for none.
    type: str
    default: ""
  time_config:
    description: The time service's configuration.
    type: path
  time_servers:
    description: NTP servers that O(time_config) is to name.
    type: list
    elements: str
    default: []
  selinux_mode:
    description: SELinux mode, now and at boot. Empty asks for none.
    type: str
    choices: ["", enforcing, permissive]
    default: ""
"""

EXAMPLES = r"""
- name: Find out what the host needs
  baremetal.bigdata.host_needs:
    packages: [conntrack, socat]
    swap_off: true
    time_service: chrony.service
  register: host

- name: Install packages
  ansible.builtin.package:
    name: [conntrack, socat]
  when: "'packages' in host.needs"
"""

RETURN = r"""
needs:
  description: What is to be done, in order, out of V(packages), V(br_netfilter), V(swap), V(time) and V(selinux).
  type: list
  elements: str
  returned: success
  sample: [packages, time]
"""

import os
import re

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.host.files import read
from ..module_utils.host.unit import Unit

# A kernel may have the feature built in, and then it has no module to load.
BR_NETFILTER = "/proc/sys/net/bridge"


def packages_missing(module: AnsibleModule, names: list[str]) -> bool:
    """Whether the package manager's database lacks one of them."""
    if not names:
        return False
    for query in (["dpkg-query", "--show", "--showformat", "${db:Status-Abbrev}\n"], ["rpm", "--query", "--quiet"]):
        if module.get_bin_path(query[0]):
            code, out, _ignored = module.run_command(query + names)
            return code != 0 or any(not line.startswith("ii") for line in out.splitlines())
    return True


def swap_on(swaps: str, fstab: str) -> bool:
    """Whether swap is in use, by /proc/swaps, or is to be at boot, by /etc/fstab."""
    return len(swaps.splitlines()) > 1 or bool(re.search(r"^[^#\n]\S*\s+\S+\s+swap\s", fstab, re.MULTILINE))


def time_kept(module: AnsibleModule, service: str, config: str | None, servers: list[str]) -> bool:
    """Whether the time service runs, now and at boot, with these servers."""
    unit = Unit(module.run_command, service)
    lines = read(config).splitlines() if config else []
    return not unit.steps(unit.look(), False) and all(f"server {server} iburst" in lines for server in servers)


def selinux_set(mode: str, enforcing: str, config: str) -> bool:
    """Whether the mode is so now, by /sys/fs/selinux/enforce, and at boot, by /etc/selinux/config."""
    now = {"1": "enforcing", "0": "permissive"}.get(enforcing.strip(), "disabled")
    return now == mode and f"SELINUX={mode}" in config.splitlines()


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "packages": {"type": "list", "elements": "str", "default": []},
            "swap_off": {"type": "bool", "default": False},
            "time_service": {"type": "str", "default": ""},
            "time_config": {"type": "path"},
            "time_servers": {"type": "list", "elements": "str", "default": []},
            "selinux_mode": {"type": "str", "choices": ["", "enforcing", "permissive"], "default": ""},
        },
        supports_check_mode=True,
    )
    wanted = module.params
    looks = {
        "packages": packages_missing(module, wanted["packages"]),
        "br_netfilter": not os.path.exists(BR_NETFILTER),
        "swap": wanted["swap_off"] and swap_on(read("/proc/swaps"), read("/etc/fstab")),
        "time": bool(wanted["time_service"])
        and not time_kept(module, wanted["time_service"], wanted["time_config"], wanted["time_servers"]),
        "selinux": bool(wanted["selinux_mode"])
        and not selinux_set(wanted["selinux_mode"], read("/sys/fs/selinux/enforce"), read("/etc/selinux/config")),
    }
    module.exit_json(changed=False, needs=[name for name, needed in looks.items() if needed])


if __name__ == "__main__":
    main()
