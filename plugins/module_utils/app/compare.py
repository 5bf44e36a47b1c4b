# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Comparing what is wanted with what the API server has. Pure functions."""

from __future__ import annotations

import copy
import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from ..kube.quantity import same
from ..labels import ANNOTATION_FIXED, LABEL_APP, LABEL_CLUSTER, LABEL_COMPONENT

# Kinds that the engine makes and may therefore prune. Never volumes or the namespace.
PRUNED_KINDS = (
    ("v1", "ConfigMap"),
    ("v1", "Secret"),
    ("v1", "Service"),
    ("v1", "ServiceAccount"),
    ("v1", "ReplicationController"),
    ("apps/v1", "StatefulSet"),
    ("apps/v1", "Deployment"),
    ("apps/v1", "DaemonSet"),
    ("policy/v1", "PodDisruptionBudget"),
    ("rbac.authorization.k8s.io/v1", "Role"),
    ("rbac.authorization.k8s.io/v1", "RoleBinding"),
)
SCALED_KINDS = ("StatefulSet", "Deployment", "ReplicationController")
# What selects the members of a role, and stands on their claims.
_MEMBER_LABELS = (LABEL_APP, LABEL_CLUSTER, LABEL_COMPONENT)


def identity(item: Mapping[str, Any]) -> str:
    """How an object is called in results and messages."""
    return f"{item['kind']}/{item['metadata']['name']}"


def hold_members(wanted: Mapping[str, Any], live: Mapping[str, Any] | None) -> tuple[dict[str, Any], int | None]:
    """The object to apply now, and the live count where the wanted one is lower.

    Members are never taken away by applying: leaving is a protocol, one member after the other. A role that shall have
    no members at all keeps its live volumes' templates, which Kubernetes does not let go and nothing is made from.
    """
    result = copy.deepcopy(dict(wanted))
    if live is None or wanted.get("kind") not in SCALED_KINDS:
        return result, None
    templates = (live.get("spec") or {}).get("volumeClaimTemplates")
    if templates and wanted["spec"]["replicas"] == 0:
        kept = ("metadata", "spec")
        result["spec"]["volumeClaimTemplates"] = [{key: claim[key] for key in kept} for claim in templates]
    have = (live.get("spec") or {}).get("replicas")
    want = wanted["spec"]["replicas"]
    if have is None or have <= want:
        return result, None
    result["spec"]["replicas"] = have
    return result, have


def normalise(item: Mapping[str, Any]) -> dict[str, Any]:
    """An object without what the API server and controllers write on their own, for comparing two."""
    result = copy.deepcopy(dict(item))
    result.pop("status", None)
    metadata = result.get("metadata", {})
    for name in ("managedFields", "resourceVersion", "generation", "uid", "creationTimestamp", "selfLink"):
        metadata.pop(name, None)
    annotations = metadata.get("annotations")
    if annotations:
        for name in [key for key in annotations if key.startswith("deployment.kubernetes.io/")]:
            del annotations[name]
        if not annotations:
            del metadata["annotations"]
    return result


def masked(item: Mapping[str, Any]) -> dict[str, Any]:
    """An object as it may be shown: a Secret's values only by a short hash, so that a change is seen."""
    result = copy.deepcopy(dict(item))
    if result.get("kind") == "Secret":
        for name in ("data", "stringData"):
            for key, value in (result.get(name) or {}).items():
                result[name][key] = "(hidden, " + hashlib.sha256(str(value).encode()).hexdigest()[:8] + ")"
    return result


def shown(item: Mapping[str, Any] | None) -> str:
    """An object as YAML for people, files in it line by line. Needs PyYAML."""
    if not item:
        return ""
    import yaml

    class Dumper(yaml.SafeDumper):
        pass

    def text(dumper: Any, value: str) -> Any:
        return dumper.represent_scalar("tag:yaml.org,2002:str", value, style="|" if "\n" in value else None)

    Dumper.add_representer(str, text)
    return yaml.dump(masked(normalise(item)), Dumper=Dumper, sort_keys=True, width=200)


def difference(before: Mapping[str, Any] | None, after: Mapping[str, Any] | None) -> dict[str, str]:
    """A change as Ansible shows it with ``--diff``."""
    name = identity(after or before or {})
    return {"before_header": name, "after_header": name, "before": shown(before), "after": shown(after)}


def foreign(wanted: Mapping[str, Any], live: Mapping[str, Any] | None) -> str:
    """Why an object is another's, who would lose it; empty for one of the same cluster, and for a namespace."""
    if live is None or wanted["kind"] == "Namespace":
        return ""
    own, found = (((item.get("metadata") or {}).get("labels") or {}) for item in (wanted, live))
    identity_labels = (LABEL_APP, LABEL_CLUSTER)
    if all(found.get(name) == own.get(name) for name in identity_labels):
        return ""
    return (
        f"expected {identity(wanted)} to be of this cluster, or not to be there, found that it is {_owner(found)}'s. "
        "Choose another name or another namespace for one of the two"
    )


def _owner(labels: Mapping[str, str]) -> str:
    cluster = labels.get(LABEL_CLUSTER)
    return f"the cluster {cluster} of the app {labels.get(LABEL_APP)}" if cluster else "somebody else"


def foreign_claims(wanted: Mapping[str, Any], claims: Iterable[Mapping[str, Any]]) -> str:
    """Why a new StatefulSet's members would write on another's volumes; empty where they would not.

    *claims*: the PersistentVolumeClaims of the namespace. A StatefulSet takes any whose name is
    ``<template>-<StatefulSet>-<number>``, and all parts may have dashes. One without our labels is allowed: so a site
    has members take volumes that it made by hand. One with those of the same role has been left by its members.
    """
    for template in (wanted.get("spec") or {}).get("volumeClaimTemplates") or ():
        name = f"{template['metadata']['name']}-{wanted['metadata']['name']}"
        own = template["metadata"].get("labels") or {}
        for claim in claims:
            found = claim["metadata"].get("labels") or {}
            others = any(found.get(key, own.get(key)) != own.get(key) for key in _MEMBER_LABELS)
            if others and re.fullmatch(re.escape(name) + "-[0-9]+", claim["metadata"]["name"]):
                role = f"the role {found.get(LABEL_COMPONENT)} of " if found.get(LABEL_CLUSTER) else ""
                return (
                    f"expected {identity(claim)} to be of {identity(wanted)}, which would use it, or not to be there, "
                    f"found one of {role}{_owner(found)}. Choose another name or another namespace for one of the two, "
                    "or delete the claim if nobody wants its data"
                )
    return ""


def fixed_fields(wanted: Mapping[str, Any], live: Mapping[str, Any] | None) -> str:
    """What a controller's present form cannot become, for people, or an empty text.

    Kubernetes fixes a StatefulSet's volumes, Service name and pod management when it is made, and a controller's
    selector (API reference, StatefulSetSpec). A definition fixes parameters.
    """
    if live is None or wanted["kind"] not in (*SCALED_KINDS, "DaemonSet"):
        return ""
    have, want = live.get("spec") or {}, wanted["spec"]
    old_values, values = _fixed_parameters(live), _fixed_parameters(wanted)
    found = [
        f"parameter {name}: expected {old_values[name]!r} as its members have it, found {value!r}"
        for name, value in values.items()
        if name in old_values and old_values[name] != value
    ]
    for name in ("selector", "serviceName", "podManagementPolicy"):
        if name in want and name in have and want[name] != have[name]:
            found.append(f"{name}: expected {have[name]!r} as it lives, found {want[name]!r}")
    old = {claim["metadata"]["name"]: _claim(claim) for claim in have.get("volumeClaimTemplates") or ()}
    new = {claim["metadata"]["name"]: _claim(claim) for claim in want.get("volumeClaimTemplates") or ()}
    for name in sorted({*old, *new}):
        if name not in new:
            found.append(f"volume {name}: expected it to stay, found none in the definition")
        elif name not in old:
            found.append(f"volume {name}: expected no other volumes than {', '.join(old) or 'none'}, found a new one")
        else:
            found += [
                f"volume {name}: expected {what} {old[name][what]} as it lives, found {value}"
                for what, value in new[name].items()
                # Without a class of its own a claim has got the cluster's default one.
                if value and value != old[name][what] and not same(str(value), str(old[name][what]))
            ]
    if not found:
        return ""
    return (
        f"{identity(wanted)} lives, and cannot change so: {'; '.join(found)}. Set it back, or make "
        "a cluster of another name and move the data there"
    )


def _fixed_parameters(controller: Mapping[str, Any]) -> dict[str, Any]:
    """The values that a definition's fixed parameters had when a controller was rendered."""
    annotations = (controller.get("metadata") or {}).get("annotations") or {}
    return json.loads(annotations.get(ANNOTATION_FIXED, "{}"))


def _claim(claim: Mapping[str, Any]) -> dict[str, Any]:
    spec = claim.get("spec") or {}
    return {
        "size": ((spec.get("resources") or {}).get("requests") or {}).get("storage"),
        "storage class": spec.get("storageClassName"),
        "mode": spec.get("volumeMode") or "Filesystem",
    }
