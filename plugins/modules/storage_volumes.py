#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: storage_volumes
short_description: Local volumes of a StorageClass, as the inventory describes them, and which are free again
version_added: 0.1.0
author: The baremetal.bigdata maintainers (@baremetal)
description:
  - Looks at the PersistentVolumes of a StorageClass. With O(state=freed), released ones that O(names) lists lose the
    memory of their former claim, so that another claim can have them. Files are not touched; wipe them before.
  - With O(state=described), the StorageClass and the volumes become what O(objects) says.
extends_documentation_fragment:
  - baremetal.bigdata.kube_auth
  - baremetal.bigdata.attributes.dry_run
options:
  state:
    description: V(looked) changes nothing.
    type: str
    choices: [looked, freed, described]
    default: looked
  storage_class:
    description: Name of the StorageClass.
    type: str
    required: true
  names:
    description: Volumes to be freed. Each has to be released, or free already.
    type: list
    elements: str
    default: []
  objects:
    description:
      - The StorageClass and the PersistentVolumes that there are to be, applied in this order with O(state=described).
        Free volumes that are not among them are deleted; their directories stay, and so do volumes that a claim has.
    type: list
    elements: dict
    default: []
attributes:
  diff_mode:
    description: Shows each object that is applied or deleted.
    support: full
"""

EXAMPLES = r"""
- name: Find released volumes
  baremetal.bigdata.storage_volumes:
    kubeconfig: "{{ cluster_kubeconfig }}"
    storage_class: local
"""

RETURN = r"""
volumes:
  description: Each volume with C(name), C(phase), C(claim) (namespace/name, also a former one) and C(path).
  type: list
  elements: dict
  returned: always
released:
  description: Names of the volumes whose claim is gone.
  type: list
  elements: str
  returned: always
to_free:
  description: Those of O(names) that are released.
  type: list
  elements: str
  returned: always
applied:
  description: Objects that were created or changed, each as C(Kind/name).
  type: list
  elements: str
  returned: always
deleted:
  description: Names of the free volumes that were not among O(objects).
  type: list
  elements: str
  returned: always
reachable:
  description: Whether an API server answered. Without one the module fails, except in check mode.
  type: bool
  returned: always
"""

from collections.abc import Mapping, Sequence
from typing import Any

from ..module_utils.app.compare import difference
from ..module_utils.app.run.apply import Applied, apply_objects
from ..module_utils.kube.module import create_module, reporting
from ..module_utils.kube.objects import Kube
from ..module_utils.labels import LABEL_MANAGER, MANAGER

FIELD_MANAGER = "baremetal.bigdata.storage"
SELECTOR = f"{LABEL_MANAGER}={MANAGER}"


def summary(volume: Mapping[str, Any]) -> dict[str, str]:
    """What is told of a PersistentVolume."""
    spec = volume["spec"]
    claim = spec.get("claimRef") or {}
    return {
        "name": volume["metadata"]["name"],
        "phase": (volume.get("status") or {}).get("phase", "Pending"),
        "claim": f"{claim['namespace']}/{claim['name']}" if claim.get("name") else "",
        "path": (spec.get("local") or {}).get("path", ""),
    }


def problems(volumes: Sequence[Mapping[str, str]], names: Sequence[str]) -> list[str]:
    """Why volumes cannot be freed."""
    phases = {volume["name"]: volume for volume in volumes}
    found = []
    for name in names:
        volume = phases.get(name)
        if volume is None:
            known = ", ".join(sorted(phases)) or "it has none"
            found.append(f"{name}: expected a volume of this StorageClass ({known}), found none of that name.")
        elif volume["phase"] == "Bound":
            found.append(
                f"{name}: expected a released volume, found that {volume['claim']} holds it. Its data is in use: "
                "take the name out of storage_recycle, or delete the claim first."
            )
    return found


def described(kube: Kube, storage_class: str) -> dict[str, dict[str, Any]]:
    """Name -> PersistentVolume of a StorageClass, of those that the inventory described once."""
    return {
        item["metadata"]["name"]: item
        for item in kube.list("v1", "PersistentVolume", "", SELECTOR)
        if item["spec"].get("storageClassName") == storage_class
    }


def main() -> None:
    module = create_module(
        {
            "state": {"type": "str", "choices": ["looked", "freed", "described"], "default": "looked"},
            "storage_class": {"type": "str", "required": True},
            "names": {"type": "list", "elements": "str", "default": []},
            "objects": {"type": "list", "elements": "dict", "default": []},
        }
    )
    params, differences, applied, deleted = module.params, [], [], []
    empty: dict[str, list] = {"volumes": [], "released": [], "to_free": [], "applied": [], "deleted": []}
    with reporting(module, lambda _why: empty):
        kube = Kube(module)
        if params["state"] == "described":
            found = Applied()
            apply_objects(kube, params["objects"], FIELD_MANAGER, set(), found)
            applied, differences = found.changes, found.diff
        objects = described(kube, params["storage_class"])
        volumes = [summary(objects[name]) for name in sorted(objects)]
        wrong = problems(volumes, params["names"])
        if wrong:
            module.fail_json(msg="\n".join(wrong))
        released = [volume["name"] for volume in volumes if volume["phase"] in ("Released", "Failed")]
        to_free = [name for name in released if name in params["names"]]
        if params["state"] == "freed":
            for name in to_free:
                kube.patch("v1", "PersistentVolume", name, None, {"spec": {"claimRef": None}})
        if params["state"] == "described":
            wanted = {item["metadata"]["name"] for item in params["objects"]}
            deleted = [
                volume["name"]
                for volume in volumes
                if volume["phase"] in ("Available", "Pending") and volume["name"] not in wanted
            ]
            for name in deleted:
                kube.delete(objects[name])
                differences.append(difference(objects[name], None))
    result = {"volumes": volumes, "released": released, "to_free": to_free, "applied": applied, "deleted": deleted}
    if module._diff and differences:
        result["diff"] = differences
    changed = bool(applied or deleted or (params["state"] == "freed" and to_free))
    module.exit_json(changed=changed, reachable=True, **result)


if __name__ == "__main__":
    main()
