#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: app_apply
short_description: Apply an app cluster's objects in one go
version_added: 0.1.0
author: The baremetal.bigdata maintainers (@baremetal)
description:
  - Applies a list of Kubernetes objects by server-side apply, or deletes those of an app cluster. Volumes and the
    namespace are never deleted.
  - Differs from M(kubernetes.core.k8s) in that one call handles all objects, shows the difference of each with
    C(--diff), works with C(--check) before the namespace exists, and never takes members away unless asked to.
extends_documentation_fragment:
  - baremetal.bigdata.kube_auth
  - baremetal.bigdata.field_manager
  - baremetal.bigdata.attributes.dry_run
options:
  state:
    description:
      - V(present) applies O(objects). V(absent) deletes all objects that O(selector) matches in O(namespace).
    type: str
    choices: [present, absent]
    default: present
  objects:
    description: The objects, in order. Each has C(apiVersion), C(kind) and C(metadata).
    type: list
    elements: dict
    default: []
  namespace:
    description: With O(state=absent), the namespace in which O(selector) looks.
    type: str
  selector:
    description: With O(state=absent), the label selector of everything that belongs to the app cluster.
    type: str
  only:
    description: With O(state=absent), delete only these of the matching objects, each as C(Kind/name).
    type: list
    elements: str
  hold_members:
    description:
      - Leave a controller's number of members alone where it is higher than wanted, and report it in
        RV(held). Members then leave one by one, by M(baremetal.bigdata.app_leave).
    type: bool
    default: true
attributes:
  diff_mode:
    description: One difference per changed object. Values of Secrets are never shown.
    support: full
"""

EXAMPLES = r"""
- name: Apply a Hazelcast cluster
  baremetal.bigdata.app_apply:
    kubeconfig: "{{ cluster_kubeconfig }}"
    objects: "{{ (definition | baremetal.bigdata.app_render(settings)).objects }}"
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
applied:
  description: Objects that were created or changed, each as C(Kind/name).
  type: list
  elements: str
  returned: always, also of a failure half-way
deleted:
  description: Objects that were deleted, each as C(Kind/name).
  type: list
  elements: str
  returned: always
held:
  description: For each controller that has more members than wanted, how many it has.
  type: dict
  returned: always
volumes:
  description: Names of the volume claims that stay.
  type: list
  elements: str
  returned: when O(state=absent)
"""

from typing import Any

from ..module_utils.app.compare import PRUNED_KINDS, difference, identity
from ..module_utils.app.run.apply import Applied, apply_objects
from ..module_utils.kube.errors import KubeApiError
from ..module_utils.kube.module import FIELD_MANAGER, Unreachable, create_module, reason, reporting
from ..module_utils.kube.objects import Kube


def apply_all(kube: Kube, params: dict[str, Any], result: dict[str, Any]) -> None:
    found = Applied()
    # Also where the server refuses half-way: what was made so far stays in the result.
    result.update(applied=found.changes, held=found.held, diff=found.diff)
    apply_objects(kube, params["objects"], params["field_manager"], set(), found, hold=params["hold_members"])


def remove(kube: Kube, params: dict[str, Any], result: dict[str, Any]) -> None:
    for version, kind in PRUNED_KINDS:
        for item in kube.list(version, kind, params["namespace"], params["selector"]):
            if item["metadata"].get("deletionTimestamp"):
                continue
            if params["only"] is not None and identity(item) not in params["only"]:
                continue
            kube.delete(item)
            result["deleted"].append(identity(item))
            result["diff"].append(difference(item, None))
    claims = kube.list("v1", "PersistentVolumeClaim", params["namespace"], claim_selector(params["selector"]))
    result["volumes"] = sorted(claim["metadata"]["name"] for claim in claims)


def claim_selector(selector: str) -> str:
    """Claims are made by the StatefulSet controller and carry only the labels that select members."""
    return ",".join(part for part in selector.split(",") if "managed-by" not in part)


def main() -> None:
    module = create_module(
        {
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "objects": {"type": "list", "elements": "dict", "default": []},
            "namespace": {"type": "str"},
            "selector": {"type": "str"},
            "only": {"type": "list", "elements": "str"},
            "hold_members": {"type": "bool", "default": True},
            **FIELD_MANAGER,
        },
        required_if=[("state", "absent", ("namespace", "selector"))],
    )
    result: dict[str, Any] = {"applied": [], "deleted": [], "held": {}, "diff": []}
    work = remove if module.params["state"] == "absent" else apply_all
    with reporting(module, lambda why: {"reason": why, "applied": [], "deleted": [], "held": {}}):
        kube = Kube(module)
        try:
            work(kube, module.params, result)
        except (KubeApiError, Unreachable) as error:
            done = result["applied"] + result["deleted"]
            if not done:
                raise
            module.fail_json(
                msg=f"the API server refused half-way: {reason(error)}. Before that, these were "
                f"{'deleted' if result['deleted'] else 'made or changed'}, and stay so: {', '.join(done)}. "
                "Run it again once that is mended.",
                changed=True,
                reachable=isinstance(error, KubeApiError),
                **{key: value for key, value in result.items() if key != "diff" or module._diff},
            )
    changed = bool(result["applied"] or result["deleted"])
    if not module._diff:
        del result["diff"]
    module.exit_json(changed=changed, reachable=True, **result)


if __name__ == "__main__":
    main()
