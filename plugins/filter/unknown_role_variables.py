# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter: what to say of variables that look like those of a role and are none."""

from __future__ import annotations

DOCUMENTATION = r"""
name: unknown_role_variables
short_description: What to say of variables that look like those of a role and are none
version_added: 0.2.0
author: The baremetal.bigdata maintainers (@baremetal)
description:
  - One sentence for each name that begins like the variables of a role of this collection, or of the playbook apps, or
    looks much like one of them, and is not known there.
  - As the preflight does, for plays that run on the controller alone.
options:
  _input:
    description: The names of variables that are set.
    type: list
    elements: str
    required: true
  own:
    description: Patterns of names that the site uses for itself.
    type: list
    elements: str
    default: []
"""

EXAMPLES = r"""
- name: Show what is wrong with names
  ansible.builtin.debug:
    msg: "{{ ['apps_enable', 'hazelcast_replcas'] | baremetal.bigdata.unknown_role_variables }}"
"""

RETURN = r"""
_value:
  description: The sentences, empty where every name is known, or looks like none.
  type: list
  elements: str
"""

from collections.abc import Iterable
from typing import Any


def unknown_role_variables(names: Iterable[str], own: Iterable[str] = ()) -> list[str]:
    """A sentence for each of *names* that looks like a known one and is none."""
    # Here, since whatever uses one filter loads the files of all, in each task and for each host.
    from ..module_utils.preflight import kubespray
    from ..module_utils.preflight.variables import check_variable_names
    from ..plugin_utils import role_specs

    specs = role_specs.load()
    variables = [(str(name), "variable of localhost") for name in sorted({*names})]
    findings = check_variable_names(
        variables, role_specs.known_names(specs), role_specs.prefixes(specs), [*own, *kubespray.KNOWN]
    )
    return [f"Expected {one.expected}, found {one.found}; {one.remedy}." for one in findings]


class FilterModule:
    """Filters of this file."""

    def filters(self) -> dict[str, Any]:
        return {"unknown_role_variables": unknown_role_variables}
