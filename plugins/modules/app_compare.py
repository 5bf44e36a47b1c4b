#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: app_compare
short_description: Compare an app cluster with what it shall be
version_added: 0.1.0
author: The baremetal.bigdata maintainers (@baremetal)
description:
  - Says, without changing anything, what has to happen for an app cluster to be as it shall be. Which objects change,
    which members join, leave or restart, and which objects are no longer wanted.
  - Refuses what cannot be done, before anything is done. These are a change that Kubernetes does not allow while
    members live, a member that the app does not let go, a role that disappears while it has members, and objects and
    volume claims of the same name that are another cluster's.
  - The objects are compared by the API server's own dry run, so that nothing that it refuses is found half-way.
  - A dry run makes no namespace. What belongs into one that is not there yet is tried in C(default), as an object to be
    made. Quotas and admission policies of that namespace apply then, not those of the new one, so what is forbidden
    there is only a warning.
extends_documentation_fragment:
  - baremetal.bigdata.kube_auth
  - baremetal.bigdata.app_cluster
  - baremetal.bigdata.field_manager
options:
  selector:
    description: Label selector of everything that belongs to the app cluster.
    type: str
    required: true
  stages:
    description: The roles in start order, as P(baremetal.bigdata.app_render#filter) returns them.
    type: list
    elements: dict
    required: true
    suboptions:
      role:
        description: Id of the role.
        type: str
        required: true
      objects:
        description: Its objects, in order.
        type: list
        elements: dict
        required: true
      contract:
        description: What a run needs to know of it.
        type: dict
        required: true
  keep:
    description: Objects besides those of O(stages) that are not to be deleted, each as C(Kind/name).
    type: list
    elements: str
    default: []
attributes:
  check_mode:
    description: Changes nothing in either mode. In check mode it reports C(changed) where a run would change something.
    support: full
  diff_mode:
    description: In check mode, one difference per object that would change. Values of Secrets are never shown.
    support: full
"""

EXAMPLES = r"""
- name: Compare a Hazelcast cluster with its settings
  baremetal.bigdata.app_compare:
    kubeconfig: "{{ cluster_kubeconfig }}"
    namespace: "{{ rendered.namespace }}"
    selector: "{{ rendered.selector }}"
    stages: "{{ rendered.stages }}"
  vars:
    rendered: "{{ definition | baremetal.bigdata.app_render(settings) }}"
  register: compared
"""

RETURN = r"""
reachable:
  description: Whether an API server answered. Only false in check mode, when nothing was looked at.
  type: bool
  returned: always
reason:
  description: Why no API server could be asked.
  type: str
  returned: when RV(reachable) is false
roles:
  description:
    - What has to happen, by role. C(todo) says whether anything has. C(changes) are objects that are created or
      changed, C(have) and C(want) the numbers of members, C(leaving) and C(restarts) the names of members in order,
      C(stay) how many members stay after each that leaves, and C(volumes) whether members have volumes.
  type: dict
  returned: always
superfluous:
  description: Objects of the cluster that are no longer wanted, each as C(Kind/name).
  type: list
  elements: str
  returned: always
summary:
  description: The same for people, a sentence each. Empty when there is nothing to do.
  type: list
  elements: str
  returned: always
"""

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from ..module_utils.app.compare import (
    PRUNED_KINDS,
    SCALED_KINDS,
    difference,
    fixed_fields,
    foreign,
    foreign_claims,
    identity,
)
from ..module_utils.app.contract import ContractError, RoleContract
from ..module_utils.app.run.apply import STAND_IN, Applied, apply_objects
from ..module_utils.app.run.leave import Leaving, Refused
from ..module_utils.app.run.status import leave_order, restart_order
from ..module_utils.app.run.watch import RoleWatch
from ..module_utils.kube.module import APP_CLUSTER, FIELD_MANAGER, create_module, reporting
from ..module_utils.kube.objects import Kube

Planned = Callable[[Mapping[str, Any], Mapping[str, Any] | None], None]


def refusing(kube: Kube, namespace: str, new_namespaces: set[str]) -> Planned:
    """What raises Refused for an object that is another's or would use another's volumes, and for what a controller
    cannot become. Claims are asked for once, and only for a new StatefulSet with volumes.
    """

    @cache
    def claims() -> list[dict[str, Any]]:
        return [] if namespace in new_namespaces else kube.list("v1", "PersistentVolumeClaim", namespace, "")

    def refuse(wanted: Mapping[str, Any], live: Mapping[str, Any] | None) -> None:
        refused = foreign(wanted, live) or fixed_fields(wanted, live)
        if live is None and (wanted.get("spec") or {}).get("volumeClaimTemplates"):
            refused = refused or foreign_claims(wanted, claims())
        if refused:
            raise Refused(refused)

    return refuse


def compare_role(
    kube: Kube, params: dict[str, Any], stage: Mapping[str, Any], new_namespaces: set[str], planned: Planned
) -> dict[str, Any]:
    contract = RoleContract.from_dict(stage["contract"])
    found = Applied()
    apply_objects(kube, stage["objects"], params["field_manager"], new_namespaces, found, planned=planned)
    role: dict[str, Any] = {"changes": found.changes, "diff": found.diff, "unseen": found.unseen, "have": 0}
    role.update(stay=[], leaving=[], restarts=[])
    live = found.live.get(f"{contract.kind}/{contract.name}")
    role["want"] = contract.members
    role["volumes"] = bool(((live or {}).get("spec") or {}).get("volumeClaimTemplates"))
    if live is not None:
        watch = RoleWatch(kube, params["namespace"], contract)
        members = watch.members()
        role["have"] = (live.get("spec") or {}).get("replicas", len(members))
        role["want"] = watch.wanted(live)
        less = max(role["have"] - role["want"], 0) if contract.kind in SCALED_KINDS else 0
        old = contract.kind in ("StatefulSet", "ReplicationController") and any(
            item.template != contract.template_hash for item in members
        )
        if contract.restart_last and (less or old):
            role["note"] = watch.live_roles(members)
        leaving = leave_order(members, contract.kind, contract.restart_last)[:less]
        role["leaving"] = [item.name for item in leaving]
        staying = [item for item in members if item not in leaving]
        if old:
            role["restarts"] = [
                item.name for item in restart_order(staying, contract.template_hash, contract.restart_last)
            ]
        if leaving:
            Leaving(watch, leaving).refuse(role["want"])
        if less:
            role["stay"] = list(range(role["have"] - 1, role["want"] - 1, -1))
    role["todo"] = bool(role["changes"] or role["restarts"] or role["stay"])
    return role


def superfluous(kube: Kube, params: dict[str, Any]) -> list[dict[str, Any]]:
    """Objects of the cluster that nobody wants any more. Raises Refused for a role that still has members."""
    wanted = {identity(item) for stage in params["stages"] for item in stage["objects"]} | set(params["keep"])
    found = []
    for version, kind in PRUNED_KINDS:
        for item in kube.list(version, kind, params["namespace"], params["selector"]):
            if identity(item) in wanted or item["metadata"].get("deletionTimestamp"):
                continue
            members = (item.get("spec") or {}).get("replicas", 0)
            if kind in SCALED_KINDS and members:
                raise Refused(
                    f"expected {identity(item)} in the definition, since it has {members} members; found no role for "
                    "it. Members leave one by one: first set the role's members to 0, then take it out."
                )
            found.append(item)
    return found


def sentences(role: str, todo: Mapping[str, Any]) -> list[str]:
    """What has to happen in a role, for people."""
    result = [f"{role}: {todo['note']}"] if todo.get("note") else []
    if todo["changes"]:
        result.append(f"{role}: change {', '.join(todo['changes'])}")
    if todo["want"] is not None and todo["want"] > todo["have"]:
        result.append(f"{role}: {todo['want'] - todo['have']} members join, {todo['want']} in all")
    if todo["leaving"]:
        kept = "; their volumes are kept" if todo["volumes"] else ""
        result.append(f"{role}: {', '.join(todo['leaving'])} leave, {todo['want']} stay{kept}")
    if todo["restarts"]:
        result.append(f"{role}: {', '.join(todo['restarts'])} restart, one by one")
    return result


def look(kube: Kube, params: dict[str, Any]) -> dict[str, Any]:
    kube.dry_run = True
    result: dict[str, Any] = {"roles": {}, "diff": [], "summary": [], "unseen": {}}
    new_namespaces: set[str] = set()
    planned = refusing(kube, params["namespace"], new_namespaces)
    for stage in params["stages"]:
        role = compare_role(kube, params, stage, new_namespaces, planned)
        result["diff"] += role.pop("diff")
        result["unseen"].update(role.pop("unseen"))
        result["roles"][stage["role"]] = role
        result["summary"] += sentences(stage["role"], role)
    unwanted = [] if params["namespace"] in new_namespaces else superfluous(kube, params)
    result["superfluous"] = [identity(item) for item in unwanted]
    result["diff"] += [difference(item, None) for item in unwanted]
    if unwanted:
        result["summary"].append(f"delete {', '.join(result['superfluous'])}")
    return result


def main() -> None:
    module = create_module(
        {
            **APP_CLUSTER,
            "selector": {"type": "str", "required": True},
            "stages": {
                "type": "list",
                "elements": "dict",
                "required": True,
                "options": {
                    "role": {"type": "str", "required": True},
                    "objects": {"type": "list", "elements": "dict", "required": True},
                    "contract": {"type": "dict", "required": True},
                },
            },
            "keep": {"type": "list", "elements": "str", "default": []},
            **FIELD_MANAGER,
        }
    )
    count = sum(len(stage["objects"]) for stage in module.params["stages"])

    def nothing(why: str) -> dict[str, Any]:
        summary = f"no cluster yet ({why}); a real run would create {count} objects"
        return {"reason": why, "roles": {}, "superfluous": [], "summary": [summary]}

    try:
        with reporting(module, nothing, "Nothing was changed, the API server refused"):
            result = look(Kube(module), module.params)
    except (Refused, ContractError) as error:
        module.fail_json(msg=f"Nothing was changed: {error}")
    unseen = result.pop("unseen")
    if unseen:
        module.warn(
            f"{', '.join(unseen)}: not looked at by the API server before the run. The namespace is not there yet, and "
            f"in {STAND_IN}, which stands in for it, they are forbidden: {next(iter(unseen.values()))}"
        )
    if not (module._diff and module.check_mode):
        del result["diff"]
    module.exit_json(changed=module.check_mode and bool(result["summary"]), reachable=True, **result)


if __name__ == "__main__":
    main()
