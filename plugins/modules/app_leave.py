#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: app_leave
short_description: Let one member of an app leave
version_added: 0.2.0
author: The baremetal.bigdata maintainers (@baremetal)
description:
  - Takes one member of a role away by the app's own protocol. The app confirms that it is settled, the member hands
    over what it holds, the app confirms that nothing is left there, and settles again. Of a StatefulSet it is the one
    with the highest number.
  - An interrupted run can be repeated. A refusal leaves everything as it was.
extends_documentation_fragment:
  - baremetal.bigdata.kube_auth
  - baremetal.bigdata.app_cluster
  - baremetal.bigdata.app_cluster.member
options:
  members:
    description: How many members stay. With no more than that there is nothing to do.
    type: int
    required: true
  timeout:
    description: Seconds for each of the steps, the hand-over of data among them.
"""

EXAMPLES = r"""
- name: Let one member leave, so that three stay
  baremetal.bigdata.app_leave:
    kubeconfig: "{{ cluster_kubeconfig }}"
    namespace: analytics
    contract: "{{ (definition | baremetal.bigdata.app_render(settings)).stages[0].contract }}"
    members: 3
"""

RETURN = r"""
member:
  description: The name of the member that left.
  type: str
  returned: success
members:
  description: How many members there are.
  type: int
  returned: success
waited:
  description: Seconds that it took.
  type: float
  returned: when something was done
"""

from ..module_utils.app.run.leave import leave_one
from ..module_utils.app.run.protocol import MEMBER, follow
from ..module_utils.kube.module import create_module


def main() -> None:
    module = create_module({**MEMBER, "members": {"type": "int", "required": True}})
    params = module.params
    if module.check_mode:
        module.exit_json(changed=False, member="", msg="not done in check mode")
    follow(module, lambda watch: leave_one(watch, params["members"], params["timeout"]))


if __name__ == "__main__":
    main()
