#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: app_restart
short_description: Restart one member of an app
version_added: 0.2.0
author: The baremetal.bigdata maintainers (@baremetal)
description:
  - Restarts a member that runs an older configuration, by the app's own protocol. The app confirms that it is settled
    before, and settles again after it.
  - An interrupted run can be repeated. A refusal leaves everything as it was.
extends_documentation_fragment:
  - baremetal.bigdata.kube_auth
  - baremetal.bigdata.app_cluster
  - baremetal.bigdata.app_cluster.member
options:
  name:
    description: The member, by the name of its pod.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Restart a member that reads what has changed
  baremetal.bigdata.app_restart:
    kubeconfig: "{{ cluster_kubeconfig }}"
    namespace: analytics
    contract: "{{ (definition | baremetal.bigdata.app_render(settings)).stages[0].contract }}"
    name: cassandra-seed-0
"""

RETURN = r"""
member:
  description: The name of the member that was restarted.
  type: str
  returned: success
waited:
  description: Seconds that it took.
  type: float
  returned: when something was done
"""

from ..module_utils.app.run.leave import restart_one
from ..module_utils.app.run.protocol import MEMBER, follow
from ..module_utils.kube.module import create_module


def main() -> None:
    module = create_module({**MEMBER, "name": {"type": "str", "required": True}})
    params = module.params
    if module.check_mode:
        module.exit_json(changed=False, member=params["name"], msg="not done in check mode")
    follow(module, lambda watch: restart_one(watch, params["name"], params["timeout"]))


if __name__ == "__main__":
    main()
