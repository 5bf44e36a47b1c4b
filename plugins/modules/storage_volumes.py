#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: storage_volumes
short_description: How a StorageClass's local volumes are, and which are free again
version_added: 0.1.0
author: The baremetal.bigdata maintainers (@baremetal)
description:
  - Looks at the PersistentVolumes of a StorageClass. With O(state=freed), released ones that O(names) lists lose the
    memory of their former claim, so that another claim can have them. Files are not touched; wipe them before.
extends_documentation_fragment:
  - baremetal.bigdata.kube_auth
options:
  state:
    description: V(looked) changes nothing.
    type: str
    choices: [looked, freed]
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
  wanted:
    description: Volumes that the inventory describes. Free ones that are not among them are deleted with
      O(state=freed); their directories stay.
    type: list
    elements: str
    default: []
attributes:
  check_mode:
    description: The API server's dry run. Where no API server answers, says so and changes nothing.
    support: full
  diff_mode:
    description: Shows no difference.
    support: none
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
unlisted:
  description: Free volumes that are not among O(wanted).
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

from ansible_collections.baremetal.bigdata.plugins.module_utils.app_kube import Kube, create_module, reporting

SELECTOR = "app.kubernetes.io/managed-by=baremetal.bigdata"


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


def main() -> None:
    module = create_module(
        {
            "state": {"type": "str", "choices": ["looked", "freed"], "default": "looked"},
            "storage_class": {"type": "str", "required": True},
            "names": {"type": "list", "elements": "str", "default": []},
            "wanted": {"type": "list", "elements": "str", "default": []},
        }
    )
    params = module.params
    with reporting(module, lambda _why: {"volumes": [], "released": [], "to_free": [], "unlisted": []}):
        kube = Kube(module)
        objects = {
            item["metadata"]["name"]: item
            for item in kube.list("v1", "PersistentVolume", "", SELECTOR)
            if item["spec"].get("storageClassName") == params["storage_class"]
        }
        volumes = [summary(objects[name]) for name in sorted(objects)]
        wrong = problems(volumes, params["names"])
        if wrong:
            module.fail_json(msg="\n".join(wrong))
        released = [volume["name"] for volume in volumes if volume["phase"] in ("Released", "Failed")]
        to_free = [name for name in released if name in params["names"]]
        unlisted = [
            volume["name"]
            for volume in volumes
            if volume["phase"] in ("Available", "Pending") and volume["name"] not in params["wanted"]
        ]
        if params["state"] == "freed":
            for name in to_free:
                kube.patch("v1", "PersistentVolume", name, None, {"spec": {"claimRef": None}})
            for name in unlisted:
                kube.delete(objects[name])
    module.exit_json(
        changed=params["state"] == "freed" and bool(to_free or unlisted),
        reachable=True,
        volumes=volumes,
        released=released,
        to_free=to_free,
        unlisted=unlisted,
    )


if __name__ == "__main__":
    main()
