# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
name: app_problems
short_description: What is wrong with an app cluster's settings
version_added: 0.1.0
author: The baremetal.bigdata maintainers (@baremetal)
description:
  - Checks a cluster's settings against the app's definition, before anything is changed and without a cluster.
options:
  _input:
    description: The app definition.
    type: dict
    required: true
  cluster:
    description: The cluster's settings.
    type: dict
    required: true
  names:
    description: What the user calls a field, by its path; a message then names the variable that was really set.
    type: dict
    default: {}
positional: cluster
"""

EXAMPLES = r"""
- name: Refuse settings that cannot be honoured
  ansible.builtin.assert:
    that: problems == []
    fail_msg: "{{ problems | join('; ') }}"
  vars:
    names: {spec.roles.member.members: hazelcast_replicas}
    problems: "{{ definition | baremetal.bigdata.app_problems(settings, names) }}"
"""

RETURN = r"""
_value:
  description: One sentence for each problem, with the field, what was expected, what was found and the remedy.
  type: list
  elements: str
"""

from collections.abc import Mapping
from typing import Any


def app_problems(definition: Any, cluster: Any, names: Mapping[str, str] | None = None) -> list[str]:
    # Here, since whatever uses one filter loads the files of all, in each task and for each host.
    from ..module_utils.app.model.load import load_app, load_cluster
    from ..module_utils.app.model.reader import AppError
    from ..module_utils.app.render.objects import stages
    from ..module_utils.app.settings import renamed
    from ..plugin_utils.guest_agent import agent_programs

    try:
        stages(load_cluster(cluster, load_app(definition)), agent_programs())
    except AppError as error:
        said = [str(renamed(item, names or {})) for item in error.problems]
        # One variable may go to several places, and its problem is said once.
        return list(dict.fromkeys(said))
    return []


class FilterModule:
    def filters(self) -> dict[str, Any]:
        return {"app_problems": app_problems}
