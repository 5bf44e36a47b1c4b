# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
name: app_render
short_description: Kubernetes objects of an app cluster
version_added: 0.1.0
author: The baremetal.bigdata maintainers (@baremetal)
description:
  - Turns an app definition (C(kind=App)) and a cluster's settings (C(kind=AppCluster)) into Kubernetes objects.
    Needs no cluster. Bad input is refused with every field that is wrong, what was expected and what was found.
options:
  _input:
    description: The app definition.
    type: dict
    required: true
  cluster:
    description: The cluster's settings.
    type: dict
    required: true
positional: cluster
"""

EXAMPLES = r"""
- name: Write the manifests of a Hazelcast cluster
  ansible.builtin.copy:
    content: "{{ (definition | baremetal.bigdata.app_render(settings)).objects | to_nice_yaml }}"
    dest: hazelcast.yml
    mode: "0644"
"""

RETURN = r"""
_value:
  description:
    - C(name), C(namespace) and C(selector) of the cluster.
    - C(objects), all of them in the order in which they can be applied.
    - C(stages), the objects by role in start order, each with C(role), C(objects) and C(contract), that is how many
      members the role shall have and how to ask the app about them.
    - C(keep), objects of the cluster that others make, as C(Kind/name), and C(discovery), one of them, which tells
      members who is where.
    - C(live_roles), the probes of its roles as M(baremetal.bigdata.role_discovery) takes them.
    - C(guest), what M(baremetal.bigdata.app_guest) needs to know, or nothing.
  type: dict
"""

from typing import Any

from ansible.errors import AnsibleFilterError


def app_render(definition: Any, cluster: Any) -> dict[str, Any]:
    # Here, since whatever uses one filter loads the files of all, in each task and for each host.
    from ..module_utils.app.model.load import load_app, load_cluster
    from ..module_utils.app.model.reader import AppError
    from ..module_utils.app.render import objects as engine
    from ..module_utils.app.render.guest import guest_contract
    from ..module_utils.app.render.names import cluster_selector, discovery_name
    from ..plugin_utils.guest_agent import agent_programs
    from ..plugin_utils.written import refuse_misread_numbers

    try:
        refuse_misread_numbers(definition)
        app = load_app(definition)
    except AppError as error:
        raise AnsibleFilterError(f"the app definition cannot be used:\n{error}") from error
    try:
        refuse_misread_numbers(cluster)
        loaded = load_cluster(cluster, app)
        stages = engine.stages(loaded, agent_programs())
        guest = guest_contract(loaded)
    except AppError as error:
        raise AnsibleFilterError(f"the settings of this {app.name} cluster cannot be used:\n{error}") from error
    return {
        "name": loaded.name,
        "namespace": loaded.namespace,
        "app": app.name,
        "selector": cluster_selector(loaded),
        "discovery": discovery_name(loaded),
        "keep": engine.reserved(loaded),
        "objects": [item for stage in stages for item in stage.objects],
        "stages": [
            {"role": stage.role, "objects": stage.objects, "contract": stage.contract.to_dict()} for stage in stages
        ],
        "live_roles": {stage.role: stage.contract.live.as_option() for stage in stages if stage.contract.live},
        "guest": guest.to_dict() if guest else None,
    }


class FilterModule:
    def filters(self) -> dict[str, Any]:
        return {"app_render": app_render}
