# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From an app cluster to Kubernetes objects: pure functions.

``stages`` returns the objects role by role, in the order in which roles start, each with its contract: what a
run needs to know of the role.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ...labels import ANNOTATION_FIXED, ANNOTATION_TEMPLATE
from ..compare import identity
from ..contract import RoleContract
from ..model.cluster import AppCluster, secret_mounts
from ..model.kubernetes import MAX_ANNOTATIONS, MAX_DATA, MAX_LABEL, MAX_OBJECT
from ..model.reader import AppError, Problem
from ..model.types import Role
from .contract import role_contract
from .guest import agent_object, guest_name
from .names import (
    api_object,
    discovery_name,
    member_hosts,
    member_labels,
    namespace_object,
    peers,
    role_domain,
    service_name,
    tokens_name,
    workload_name,
)
from .pod import pod_template, pod_volumes
from .services import client_services, headless_service
from .text import file_text


@dataclass(frozen=True)
class Stage:
    """A role of a cluster: its objects, and what a run needs to know of it."""

    role: str
    objects: list[dict[str, Any]]
    contract: RoleContract


def placeholders(cluster: AppCluster) -> dict[str, Any]:
    """What ``$(...)`` may name in a definition's texts."""
    values: dict[str, Any] = {
        "cluster.name": cluster.name,
        "cluster.namespace": cluster.namespace,
        "cluster.dns_domain": cluster.dns_domain,
        "app.name": cluster.app.name,
        "app.version": cluster.app.version,
    }
    for name, value in cluster.parameters.items():
        values[f"parameters.{name}"] = value
    for service in cluster.app.services:
        values[f"services.{service.id}.name"] = service_name(cluster, service)
        values[f"services.{service.id}.port"] = service.port
    for role in cluster.app.roles:
        values[f"roles.{role.id}.members"] = cluster.roles[role.id].members
        values[f"roles.{role.id}.service"] = workload_name(cluster, role)
        values[f"roles.{role.id}.domain"] = role_domain(cluster, role)
        values[f"roles.{role.id}.hosts"] = ",".join(member_hosts(cluster, role))
    return values


def render(cluster: AppCluster, agent: Mapping[str, str] | None = None) -> list[dict[str, Any]]:
    """All objects of a cluster, in the order in which they can be applied."""
    return [item for stage in stages(cluster, agent) for item in stage.objects]


def stages(cluster: AppCluster, agent: Mapping[str, str] | None = None) -> list[Stage]:
    """One stage per role, in start order: its ``objects``, and its ``contract``. The first also has what all share.

    ``agent``: the programs of members with a config package, name -> text. Raises ValueError where they are needed and
    not given, and AppError for what cannot be rendered.
    """
    values = placeholders(cluster)
    result = []
    for number, role in enumerate(start_order(cluster)):
        objects = _role_objects(cluster, role, values)
        # The controller comes last.
        template = objects[-1]["spec"]["template"]
        contract = role_contract(cluster, role, values, template["metadata"]["annotations"][ANNOTATION_TEMPLATE])
        result.append(Stage(role.id, objects if number else _shared_objects(cluster, agent) + objects, contract))
    _refuse_same_names(cluster, values, [item for stage in result for item in stage.objects])
    for stage in result:
        _refuse_large(stage)
    return result


def reserved(cluster: AppCluster) -> list[str]:
    """Objects of a cluster that others make, each as ``Kind/name``."""
    return [
        f"ConfigMap/{discovery_name(cluster)}",
        f"Secret/{tokens_name(cluster)}",
        f"Secret/{guest_name(cluster.name)}",
    ]


def _refuse_same_names(cluster: AppCluster, values: Mapping[str, Any], objects: Sequence[Mapping[str, Any]]) -> None:
    """Names are put together from those of roles, services and volumes, so two of them may become one."""
    seen = set(reserved(cluster))
    # Kubernetes makes the claims, one for each member's number.
    claims = [f"PersistentVolumeClaim/{volume.id}-{workload_name(cluster, role)}"
              for role in cluster.app.roles for volume in role.storage]  # fmt: skip
    for name in (*map(identity, objects), *claims):
        if name in seen:
            remedy = "Rename one of the roles, services or volumes that make this name."
            raise AppError([Problem("spec", "names that make each object's name once", f"{name} twice", remedy)])
        seen.add(name)
    for item in objects:
        length = len(item["metadata"]["name"])
        if item["kind"] == "Service" and length > MAX_LABEL:
            found = f"{length} in {item['metadata']['name']}"
            remedy = "Shorten the name of the cluster, the role or the service."
            raise AppError(
                [Problem("metadata.name", f"names of Services of at most {MAX_LABEL} characters", found, remedy)]
            )
    for role in cluster.app.roles:
        # Of a claim and another volume, Kubernetes would leave out the other without a word.
        names = [item.id for item in role.storage]
        names += [volume["name"] for volume in pod_volumes(cluster, role, values)]
        chosen = [("storage", item.id, item.id) for item in role.storage]
        chosen += [("secrets", item.id, f"secret-{item.id}") for item in secret_mounts(role, cluster.roles[role.id])]
        for field, given, name in chosen:
            if names.count(name) > 1:
                found = given if given == name else f"{given}, which makes {name} again"
                raise AppError([Problem(f"spec.roles.{role.id}.{field}", "an id that no volume of the engine has",
                                        found, "Give it another id.")])  # fmt: skip


def _refuse_large(stage: Stage) -> None:
    """What an API server stores has an end."""
    where = f"spec.roles.{stage.role}"
    problems = []
    for item in stage.objects:
        for part in (item, (item.get("spec") or {}).get("template") or {}):
            notes = (part.get("metadata") or {}).get("annotations") or {}
            size = sum(len(key.encode()) + len(value.encode()) for key, value in notes.items())
            if size > MAX_ANNOTATIONS:
                problems.append(Problem(where, f"annotations of at most {MAX_ANNOTATIONS} bytes together",
                                        f"{size} in {identity(item)}", "Shorten them."))  # fmt: skip
        # Files are counted where they are written; what else is long stands in the controller, which comes last.
        size = len(json.dumps(item)) if item is stage.objects[-1] else 0
        if size > MAX_OBJECT:
            problems.append(Problem(where, f"texts that make objects of at most {MAX_OBJECT} bytes",
                                    f"{size} in {identity(item)}", "Put long texts into config_files."))  # fmt: skip
    if problems:
        raise AppError(problems)


def start_order(cluster: AppCluster) -> list[Role]:
    """Roles so that each comes after those it starts after, otherwise as defined."""
    ordered: list[Role] = []

    def add(role: Role) -> None:
        for name in role.starts_after:
            if all(done.id != name for done in ordered):
                add(cluster.app.role(name))
        if role not in ordered:
            ordered.append(role)

    for role in cluster.app.roles:
        add(role)
    return ordered


def _shared_objects(cluster: AppCluster, agent: Mapping[str, str] | None) -> list[dict[str, Any]]:
    objects: list[dict[str, Any]] = []
    if cluster.create_namespace:
        objects.append(namespace_object(cluster.namespace))
    objects.append(api_object(cluster, "v1", "ServiceAccount", cluster.name, automountServiceAccountToken=False))
    if cluster.app.api_access:
        objects.extend(_api_access(cluster))
    if any(role.guest for role in cluster.app.roles):
        if not agent:
            raise ValueError("members with a config package cannot be rendered without the agent's programs")
        objects.append(agent_object(cluster, agent))
    budgeted = [role for role in cluster.app.roles if role.controller != "DaemonSet"]
    if cluster.app.disruption_budget == "cluster" and budgeted:
        # None for each role then: Kubernetes evicts no pod that is in two.
        objects.append(_budget(cluster, cluster.name, peers(cluster, budgeted[0])))
    return objects


def _api_access(cluster: AppCluster) -> list[dict[str, Any]]:
    group = "rbac.authorization.k8s.io"
    rules = [
        {"apiGroups": list(rule.groups), "resources": list(rule.resources), "verbs": list(rule.verbs)}
        for rule in cluster.app.api_access
    ]
    subject = {"kind": "ServiceAccount", "name": cluster.name, "namespace": cluster.namespace}
    return [
        api_object(cluster, f"{group}/v1", "Role", cluster.name, rules=rules),
        api_object(
            cluster,
            f"{group}/v1",
            "RoleBinding",
            cluster.name,
            roleRef={"apiGroup": group, "kind": "Role", "name": cluster.name},
            subjects=[subject],
        ),
    ]


def _role_objects(cluster: AppCluster, role: Role, values: Mapping[str, Any]) -> list[dict[str, Any]]:
    settings = cluster.roles[role.id]
    contents = {item.name: file_text(item, settings.config.get(item.name), values) for item in role.config_files}
    objects = _configuration(cluster, role, contents)
    objects.append(headless_service(cluster, role))
    objects.extend(client_services(cluster, role))
    if cluster.app.disruption_budget == "role" and role.controller != "DaemonSet":
        objects.append(_budget(cluster, workload_name(cluster, role), peers(cluster, role), role))
    objects.append(_workload(cluster, role, pod_template(cluster, role, contents, values)))
    return objects


def _configuration(cluster: AppCluster, role: Role, contents: Mapping[str, str]) -> list[dict[str, Any]]:
    plain = {item.name: contents[item.name] for item in role.config_files if not item.secret}
    secret = {item.name: contents[item.name] for item in role.config_files if item.secret}
    name = workload_name(cluster, role)
    for files in (plain, secret):
        sizes = {file: len(text.encode()) for file, text in files.items()}
        if sum(sizes.values()) > MAX_DATA:
            found = f"{sum(sizes.values())}: " + ", ".join(f"{file} {size}" for file, size in sizes.items())
            remedy = "Put what is large into the image or a volume."
            raise AppError(
                [Problem(f"spec.roles.{role.id}.config", f"files of at most {MAX_DATA} bytes together", found, remedy)]
            )
    objects = []
    if plain:
        objects.append(api_object(cluster, "v1", "ConfigMap", name, role, data=plain))
    if secret:
        # Not stringData: the API server never returns it, so it would look changed in every run.
        encoded = {key: base64.b64encode(value.encode()).decode() for key, value in secret.items()}
        objects.append(api_object(cluster, "v1", "Secret", name, role, type="Opaque", data=encoded))
    return objects


def _budget(cluster: AppCluster, name: str, selector: Mapping[str, Any], role: Role | None = None) -> dict[str, Any]:
    spec = {
        "maxUnavailable": 1,
        "selector": selector,
        # A member that does not work anyway must not stop a node from being drained.
        "unhealthyPodEvictionPolicy": "AlwaysAllow",
    }
    return api_object(cluster, "policy/v1", "PodDisruptionBudget", name, role, spec=spec)


def _workload(cluster: AppCluster, role: Role, template: Mapping[str, Any]) -> dict[str, Any]:
    name, members = workload_name(cluster, role), cluster.roles[role.id].members
    selector = member_labels(cluster, role)
    version = "apps/v1"
    spec: dict[str, Any] = {"selector": {"matchLabels": selector}, "template": template, "revisionHistoryLimit": 3}
    if role.controller == "ReplicationController":
        version, spec = "v1", {"selector": selector, "template": template}
    if role.controller != "DaemonSet":
        spec["replicas"] = members
    if role.controller == "StatefulSet":
        spec["serviceName"] = name
        spec["podManagementPolicy"] = "OrderedReady" if role.ordered else "Parallel"
        # A run restarts members itself, each when the app says that it may.
        spec["updateStrategy"] = {"type": "OnDelete"}
        spec["persistentVolumeClaimRetentionPolicy"] = {"whenDeleted": "Retain", "whenScaled": "Retain"}
        if role.storage:
            spec["volumeClaimTemplates"] = _claims(cluster, role)
    result = api_object(cluster, version, role.controller, name, role, spec=spec)
    fixed = {one.name: cluster.parameters[one.name] for one in cluster.app.parameters if one.fixed}
    if fixed:
        result["metadata"]["annotations"] = {ANNOTATION_FIXED: json.dumps(fixed, sort_keys=True)}
    return result


def _claims(cluster: AppCluster, role: Role) -> list[dict[str, Any]]:
    claims = []
    for volume in role.storage:
        chosen = cluster.roles[role.id].storage.get(volume.id, volume)
        spec: dict[str, Any] = {
            "accessModes": ["ReadWriteOnce"],
            "resources": {"requests": {"storage": chosen.size}},
        }
        if chosen.storage_class:
            spec["storageClassName"] = chosen.storage_class
        if volume.block:
            spec["volumeMode"] = "Block"
        claims.append({"metadata": {"name": volume.id, "labels": member_labels(cluster, role)}, "spec": spec})
    return claims
