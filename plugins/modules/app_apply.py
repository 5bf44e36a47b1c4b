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
  - Applies a list of Kubernetes objects by server-side apply, and deletes those of the same app cluster that
    are no longer wanted. Volumes and the namespace are never deleted.
  - Differs from M(kubernetes.core.k8s), on whose client it stands, in that one call handles all objects, shows
    the difference of each with C(--diff), works with C(--check) before the namespace exists, and never takes
    members away unless asked to.
extends_documentation_fragment:
  - kubernetes.core.k8s_auth_options
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
    description: The namespace in which O(selector) looks.
    type: str
    required: true
  selector:
    description: Label selector of everything that belongs to the app cluster. Without it nothing is deleted.
    type: str
    default: ""
  keep:
    description: Objects besides O(objects) that are not to be deleted, each as C(Kind/name).
    type: list
    elements: str
    default: []
  hold_members:
    description:
      - Leave a controller's number of members alone where it is higher than wanted, and report it in
        RV(held). Members then leave one by one, as the app allows.
    type: bool
    default: true
  members:
    description:
      - Apply the controllers with this number of members instead of the one in O(objects). Used to take one
        member away after the other.
    type: int
  field_manager:
    description: Owner of the applied fields in the objects' C(managedFields).
    type: str
    default: baremetal.bigdata
requirements:
  - kubernetes (Python package)
attributes:
  check_mode:
    description: The API server's dry run. Where no API server answers, says so and changes nothing.
    support: full
  diff_mode:
    description: One difference per changed object. Values of Secrets are never shown.
    support: full
"""

EXAMPLES = r"""
- name: Apply a Hazelcast cluster
  baremetal.bigdata.app_apply:
    kubeconfig: "{{ cluster_kubeconfig }}"
    namespace: hazelcast
    objects: "{{ (definition | baremetal.bigdata.app_render(settings)).objects }}"
    selector: app.kubernetes.io/instance=hazelcast,app.kubernetes.io/managed-by=baremetal.bigdata
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
  returned: always
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

try:
    import yaml
except ImportError:  # kubernetes.core reports it
    yaml = None

from ansible_collections.baremetal.bigdata.plugins.module_utils.app_kube import Kube, Unreachable, create_module, reason
from ansible_collections.baremetal.bigdata.plugins.module_utils.app_render import (
    PRUNED_KINDS,
    hold_members,
    masked,
    normalise,
    with_members,
)


def identity(item: dict[str, Any]) -> str:
    return f"{item['kind']}/{item['metadata']['name']}"


def shown(item: dict[str, Any] | None) -> str:
    """An object as YAML, files in it line by line."""
    if not item:
        return ""

    class Dumper(yaml.SafeDumper):
        pass

    def text(dumper: Any, value: str) -> Any:
        return dumper.represent_scalar("tag:yaml.org,2002:str", value, style="|" if "\n" in value else None)

    Dumper.add_representer(str, text)
    return yaml.dump(masked(normalise(item)), Dumper=Dumper, sort_keys=True, width=200)


def difference(before: dict[str, Any] | None, after: dict[str, Any] | None) -> dict[str, str]:
    name = identity(after or before or {})
    return {"before_header": name, "after_header": name, "before": shown(before), "after": shown(after)}


def apply_all(kube: Kube, params: dict[str, Any]) -> dict[str, Any]:
    result: dict[str, Any] = {"applied": [], "deleted": [], "held": {}, "diff": []}
    new_namespaces = set()
    for item in params["objects"]:
        item = with_members(item, params["members"])
        namespace = item["metadata"].get("namespace")
        live = None
        if namespace not in new_namespaces:
            live = kube.get(item["apiVersion"], item["kind"], item["metadata"]["name"], namespace)
        if params["hold_members"]:
            item, held = hold_members(item, live)
            if held is not None:
                result["held"][item["metadata"]["name"]] = held
        # A dry run does not make the namespace, so the server would refuse what belongs into it.
        after = item if namespace in new_namespaces else kube.apply(item, params["field_manager"])
        if live is None and item["kind"] == "Namespace" and kube.module.check_mode:
            new_namespaces.add(item["metadata"]["name"])
        if live is None or normalise(live) != normalise(after):
            result["applied"].append(identity(item))
            result["diff"].append(difference(live, after))
    if params["selector"] and params["namespace"] not in new_namespaces:
        wanted = {identity(item) for item in params["objects"]} | set(params["keep"])
        delete(kube, params, wanted, result)
    return result


def delete(kube: Kube, params: dict[str, Any], wanted: set[str], result: dict[str, Any]) -> None:
    for version, kind in PRUNED_KINDS:
        for item in kube.list(version, kind, params["namespace"], params["selector"]):
            if identity(item) in wanted or item["metadata"].get("deletionTimestamp"):
                continue
            kube.delete(item)
            result["deleted"].append(identity(item))
            result["diff"].append(difference(item, None))


def remove_all(kube: Kube, params: dict[str, Any]) -> dict[str, Any]:
    result: dict[str, Any] = {"applied": [], "deleted": [], "held": {}, "diff": []}
    delete(kube, params, set(), result)
    claims = kube.list("v1", "PersistentVolumeClaim", params["namespace"], claim_selector(params["selector"]))
    result["volumes"] = sorted(claim["metadata"]["name"] for claim in claims)
    return result


def claim_selector(selector: str) -> str:
    """Claims are made by the StatefulSet controller and carry only the labels that select members."""
    return ",".join(part for part in selector.split(",") if "managed-by" not in part)


def main() -> None:
    module = create_module(
        {
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "objects": {"type": "list", "elements": "dict", "default": []},
            "namespace": {"type": "str", "required": True},
            "selector": {"type": "str", "default": ""},
            "keep": {"type": "list", "elements": "str", "default": []},
            "hold_members": {"type": "bool", "default": True},
            "members": {"type": "int"},
            "field_manager": {"type": "str", "default": "baremetal.bigdata"},
        },
        required_if=[("state", "absent", ("selector",))],
    )
    try:
        kube = Kube(module)
        work = remove_all if module.params["state"] == "absent" else apply_all
        result = work(kube, module.params)
    except Unreachable as error:
        if module.check_mode:
            module.exit_json(changed=False, reachable=False, reason=str(error), applied=[], deleted=[], held={})
        module.fail_json(
            msg=f"expected a running Kubernetes cluster, found that {error}. Run the cluster playbook first, "
            "or set cluster_kubeconfig to the kubeconfig of a cluster."
        )
    except Exception as error:
        if not getattr(error, "status", None):
            raise
        module.fail_json(msg=f"the API server refused: {reason(error)}")
    changed = bool(result["applied"] or result["deleted"])
    if not module._diff:
        del result["diff"]
    module.exit_json(changed=changed, reachable=True, **result)


if __name__ == "__main__":
    main()
