# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A module that follows one of the app's own protocols, and ends with its result or with what to do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ...kube.module import APP_CLUSTER, Unreachable, refusing
from ...kube.objects import Kube
from ..contract import ContractError, RoleContract
from .leave import Refused
from .watch import RoleWatch

# The options of the doc fragments app_cluster and app_cluster.member.
MEMBER = {
    **APP_CLUSTER,
    "contract": {"type": "dict", "required": True},
    "timeout": {"type": "int", "default": 300},
}


def follow(module: AnsibleModule, protocol: Callable[[RoleWatch], dict[str, Any]]) -> None:
    """Run *protocol* on the role that the module's options ``namespace`` and ``contract`` name; ends the module."""
    namespace = module.params["namespace"]
    try:
        with refusing(module):
            contract = RoleContract.from_dict(module.params["contract"])
            result = protocol(RoleWatch(Kube(module), namespace, contract))
    except ContractError as error:
        module.fail_json(msg=str(error))
    except Unreachable as error:
        module.fail_json(msg=f"{error}. Run again when it does: the run goes on where it stopped.")
    except Refused as error:
        module.fail_json(
            msg=f"{error}. Look at its pods (kubectl -n {namespace} describe pod, logs) and run again: the run goes on "
            "where it stopped."
        )
    module.exit_json(**result)
