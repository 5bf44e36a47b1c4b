#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: app_wait
short_description: Wait until an app itself counts its members
version_added: 0.1.0
author: The baremetal.bigdata maintainers (@baremetal)
description:
  - Asks the app what it says of the members of each role (by HTTP through the API server, or by a command in a
    member's container), and waits until the controllers have rolled out, every member is ready, and all that are asked
    count all members and call the data safe. A pod that is only C(Running) is not a member.
  - A member that waits for a host that does not answer, is not ready, is cordoned or no longer a node ends the wait
    early, with the host, since when, and what to do. A host that has been away for less than a minute is waited for.
    The user of the kubeconfig has to C(list) nodes for that, and to C(get) persistentvolumes for members that have
    local volumes; without these rights the wait goes on to its end.
  - Changes nothing.
extends_documentation_fragment:
  - baremetal.bigdata.kube_auth
  - baremetal.bigdata.app_cluster
  - baremetal.bigdata.attributes.reads_only
options:
  contracts:
    description: The roles, C(contract) in each of C(stages) of P(baremetal.bigdata.app_render#filter).
    type: list
    elements: dict
    required: true
  timeout:
    description: Seconds to wait.
    type: int
    default: 300
"""

EXAMPLES = r"""
- name: Wait until the members of a Hazelcast cluster count each other
  baremetal.bigdata.app_wait:
    kubeconfig: "{{ cluster_kubeconfig }}"
    namespace: hazelcast
    contracts: "{{ (definition | baremetal.bigdata.app_render(settings)).stages | map(attribute='contract') }}"
    timeout: 300
"""

RETURN = r"""
roles:
  description:
    - What was found, by role. C(members) is how many members the app counts, C(safe) whether it says that a member may
      leave without loss of data (true where it cannot be asked), C(pods) the members and C(answers) what they said.
  type: dict
  returned: always
waited:
  description: Seconds until it was so.
  type: float
  returned: always
"""

from ..module_utils.app.contract import ContractError, RoleContract
from ..module_utils.app.run.watch import Deadline, RoleWatch, View, until
from ..module_utils.kube.module import APP_CLUSTER, Unreachable, create_module, reason
from ..module_utils.kube.objects import Kube


def main() -> None:
    module = create_module(
        {
            **APP_CLUSTER,
            "contracts": {"type": "list", "elements": "dict", "required": True},
            "timeout": {"type": "int", "default": 300},
        }
    )
    namespace, deadline = module.params["namespace"], Deadline(module.params["timeout"])
    views: dict[str, View] = {}
    watches: dict[str, RoleWatch] = {}
    connected: list[Kube] = []
    try:
        contracts = [RoleContract.from_dict(item) for item in module.params["contracts"]]
    except ContractError as error:
        module.fail_json(msg=str(error))

    def look_at(contract: RoleContract) -> View:
        try:
            # Not before: an API server that is still away is waited for.
            if not connected:
                connected.append(Kube(module))
            watch = watches.setdefault(contract.role, RoleWatch(connected[0], namespace, contract))
            return watch.look(template=contract.template_hash)
        except Unreachable as error:
            return View(missing=str(error))
        except Exception as error:
            if not getattr(error, "status", None):
                raise
            return View(missing=f"the API server refused: {reason(error)}")

    def look() -> View:
        """All roles at once, as one may not settle since another has a member whose host is away."""
        for contract in contracts:
            if contract.role not in views or views[contract.role].missing:
                views[contract.role] = look_at(contract)
        lacking = {contract.name: views[contract.role] for contract in contracts if views[contract.role].missing}
        return View(
            missing=". ".join(f"{name}: {view.missing}" for name, view in lacking.items()),
            obstacles=tuple(item for view in lacking.values() for item in view.obstacles),
        )

    found = until(look, deadline)
    result = {
        "roles": {
            role: {
                "members": view.counted,
                "safe": view.safe,
                "pods": [item.as_dict() for item in view.members],
                "answers": view.answers,
            }
            for role, view in views.items()
        },
        "waited": deadline.waited,
    }
    if found.missing:
        look_there = f"Look at the pods (kubectl -n {namespace} describe pod, logs) and run again."
        module.fail_json(
            msg=f"Not settled in namespace {namespace} after {deadline.waited} s: {found.why}. "
            f"Nothing was taken away. {'Then run again.' if found.obstacles else look_there}",
            **result,
        )
    module.exit_json(changed=False, **result)


if __name__ == "__main__":
    main()
