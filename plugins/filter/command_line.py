# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter: a command of Ansible as people can type it."""

from __future__ import annotations

DOCUMENTATION = r"""
name: command_line
short_description: A command of Ansible as people can type it
version_added: 0.2.0
author: The baremetal.bigdata maintainers (@baremetal)
description:
  - For messages that print what to do next. Words that a shell would read otherwise are quoted. A variable whose value
    C(-e name=value) would change is written as JSON.
options:
  _input:
    description: The playbook.
    type: str
    required: true
  inventory:
    description: The inventories, C(ansible_inventory_sources).
    type: list
    elements: str
    default: []
  extra:
    description: Variables for the command line.
    type: dict
    default: {}
"""

EXAMPLES = r"""
- name: Say what comes next
  ansible.builtin.debug:
    msg: "{{ 'baremetal.bigdata.reset' | baremetal.bigdata.command_line(['site'], {'reset_confirm': 'Site A'}) }}"
"""

RETURN = r"""
_value:
  description: The command.
  type: str
  sample: >-
    ansible-playbook -i site baremetal.bigdata.reset -e '{"reset_confirm": "Site A"}'
"""

import json
import re
import shlex
from collections.abc import Mapping, Sequence
from typing import Any

# What neither a shell nor Ansible's key=value reads in a way of its own.
_PLAIN = re.compile(r"[A-Za-z0-9_./:+,-]+")


def command_line(playbook: str, inventory: Sequence[str] = (), extra: Mapping[str, Any] | None = None) -> str:
    """The command that runs a playbook with these inventories and variables."""
    words = ["ansible-playbook"]
    for source in inventory:
        words += ["-i", source]
    words.append(playbook)
    for name, value in (extra or {}).items():
        text = str(value)
        words += ["-e", f"{name}={text}" if _PLAIN.fullmatch(text) else json.dumps({name: text})]
    return shlex.join(words)


class FilterModule:
    """Filters of this file."""

    def filters(self) -> dict[str, Any]:
        return {"command_line": command_line}
