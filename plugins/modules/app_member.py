#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: app_member
short_description: Let one member of an app leave or restart
version_added: 0.1.0
author: The baremetal.bigdata maintainers (@baremetal)
description:
  - Takes one member of a role away, or restarts one, by the app's own protocol. The app confirms that it is settled,
    the member hands over what it holds, the app confirms that nothing is left there, and settles again.
  - An interrupted run can be repeated. A refusal leaves everything as it was.
extends_documentation_fragment:
  - baremetal.bigdata.kube_auth
options:
  state:
    description:
      - V(left) lets one member leave, so that O(members) stay. Of a StatefulSet it is the one with the highest number.
      - V(restarted) restarts the member O(name) if it runs an older configuration.
    type: str
    choices: [left, restarted]
    required: true
  namespace:
    description: The namespace of the app cluster.
    type: str
    required: true
  workload:
    description: The role, as P(baremetal.bigdata.app_render#filter) returns it in C(plan).
    type: dict
    required: true
  members:
    description: How many members stay. With no more than that there is nothing to do.
    type: int
  name:
    description: The member, by the name of its pod.
    type: str
  timeout:
    description: Seconds for each of the steps, the hand-over of data among them.
    type: int
    default: 300
attributes:
  check_mode:
    description: Does nothing, and says so. What would leave or restart is said by M(baremetal.bigdata.app_plan).
    support: full
  diff_mode:
    description: Shows nothing.
    support: none
"""

EXAMPLES = r"""
- name: Let one member leave, so that three stay
  baremetal.bigdata.app_member:
    kubeconfig: "{{ cluster_kubeconfig }}"
    namespace: analytics
    workload: "{{ (definition | baremetal.bigdata.app_render(settings)).stages[0].plan }}"
    state: left
    members: 3
"""

RETURN = r"""
member:
  description: The name of the member that left or was restarted.
  type: str
  returned: success
members:
  description: How many members there are.
  type: int
  returned: when O(state=left)
waited:
  description: Seconds that it took.
  type: float
  returned: when something was done
"""

from ..module_utils.app.run.leave import Refused, leave_one, restart_one
from ..module_utils.app.run.watch import RoleWatch
from ..module_utils.kube.module import Unreachable, create_module, reason
from ..module_utils.kube.objects import Kube


def main() -> None:
    module = create_module(
        {
            "state": {"type": "str", "choices": ["left", "restarted"], "required": True},
            "namespace": {"type": "str", "required": True},
            "workload": {"type": "dict", "required": True},
            "members": {"type": "int"},
            "name": {"type": "str"},
            "timeout": {"type": "int", "default": 300},
        },
        required_if=[("state", "left", ("members",)), ("state", "restarted", ("name",))],
    )
    params = module.params
    if module.check_mode:
        module.exit_json(changed=False, member=params["name"] or "", msg="not done in check mode")
    try:
        watch = RoleWatch(Kube(module), params["namespace"], params["workload"])
        if params["state"] == "left":
            result = leave_one(watch, params["members"], params["timeout"])
        else:
            result = restart_one(watch, params["name"], params["timeout"])
    except Unreachable as error:
        module.fail_json(msg=f"{error}. Run again when it does: the run goes on where it stopped.")
    except Refused as error:
        module.fail_json(
            msg=f"{error}. Look at its pods (kubectl -n {params['namespace']} describe pod, logs) and run again: the "
            "run goes on where it stopped."
        )
    except Exception as error:
        if not getattr(error, "status", None):
            raise
        module.fail_json(msg=f"the API server refused: {reason(error)}")
    module.exit_json(**result)


if __name__ == "__main__":
    main()
