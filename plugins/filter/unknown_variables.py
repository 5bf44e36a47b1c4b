# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter: what to say of variables that a playbook does not know."""

from __future__ import annotations

DOCUMENTATION = r"""
name: unknown_variables
short_description: What to say of variables that a playbook does not know
version_added: 0.2.0
author: The baremetal.bigdata maintainers (@baremetal)
description:
  - One sentence for each name that is not among the known ones, with the nearest of them.
options:
  _input:
    description: The names of variables that are set.
    type: list
    elements: str
    required: true
  known:
    description: The names that the playbook takes.
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
- name: Show what is wrong with a name
  ansible.builtin.debug:
    msg: "{{ ['app_sate'] | baremetal.bigdata.unknown_variables(['app_cluster', 'app_state']) }}"
"""

RETURN = r"""
_value:
  description: The sentences, empty where every name is known.
  type: list
  elements: str
"""

import difflib
from collections.abc import Iterable, Sequence
from typing import Any


def unknown_variables(names: Iterable[str], known: Sequence[str], own: Sequence[str] = ()) -> list[str]:
    """A sentence for each of *names* that is neither *known* nor matches a pattern of *own*."""
    # Here, since whatever uses one filter loads the files of all, in each task and for each host.
    from ..module_utils.preflight.variables import is_known

    sentences = []
    for name in sorted(set(names)):
        if is_known(name, known, own):
            continue
        close = difflib.get_close_matches(name, known, 1)
        sentences.append(
            f"{name}: expected a variable that the playbook knows, one of {', '.join(sorted(known))}. "
            + (f"Did you mean {close[0]}?" if close else "Remove or rename it.")
            + " If the name is the site's own, add it to preflight_own_variables."
        )
    return sentences


class FilterModule:
    """Filters of this file."""

    def filters(self) -> dict[str, Any]:
        return {"unknown_variables": unknown_variables}
