# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From an app cluster to Kubernetes objects: pure functions.

``render`` returns the objects in the order in which they can be applied. ``plan`` returns what a run
needs to know about the roles: how many members, and how to ask the app itself.
"""

from __future__ import annotations

import base64
import copy
import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any

from ansible_collections.baremetal.bigdata.plugins.module_utils.app_model import (
    AppCluster,
    AppError,
    Check,
    ConfigFile,
    Probe,
    Problem,
    Resources,
    Role,
    Service,
)

MANAGER = "baremetal.bigdata"
LABEL_APP = "app.kubernetes.io/name"
LABEL_CLUSTER = "app.kubernetes.io/instance"
LABEL_COMPONENT = "app.kubernetes.io/component"
LABEL_MANAGER = "app.kubernetes.io/managed-by"
LABEL_VERSION = "app.kubernetes.io/version"
LABEL_ROLE = "baremetal.bigdata/role"
ANNOTATION_CONFIG = "baremetal.bigdata/config-hash"

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

_PLACEHOLDER = re.compile(r"\$\(([a-z][a-z0-9_.-]*)\)")
_CONTAINER = "app"


def workload_name(cluster: AppCluster, role: Role) -> str:
    """Name of a role's controller, and of the headless Service that names its members."""
    return f"{cluster.name}-{role.id}"


def service_name(cluster: AppCluster, service: Service) -> str:
    """Name of the Service by which clients reach a service of the app."""
    return cluster.name if service.primary else f"{cluster.name}-{service.id}"


def member_names(cluster: AppCluster, role: Role) -> list[str]:
    """Host names of a role's members inside the cluster (StatefulSets only: others have none)."""
    name = workload_name(cluster, role)
    domain = f"{name}.{cluster.namespace}.svc.{cluster.dns_domain}"
    if role.controller != "StatefulSet":
        return [domain]
    return [f"{name}-{number}.{domain}" for number in range(cluster.roles[role.id].members)]


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
        values[f"roles.{role.id}.hosts"] = ",".join(member_names(cluster, role))
    return values


def substitute(value: Any, values: Mapping[str, Any], path: str = "") -> Any:
    """Replace ``$(name)`` in every text of a structure. A text that is one placeholder keeps the type.

    Kubernetes' own ``$(VARIABLE)``, in capitals, is left for the kubelet.
    """
    if isinstance(value, Mapping):
        return {key: substitute(item, values, f"{path}.{key}" if path else str(key)) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [substitute(item, values, f"{path}[{index}]") for index, item in enumerate(value)]
    if not isinstance(value, str):
        return value

    def known(name: str) -> Any:
        if name not in values:
            raise AppError([Problem(path, "one of " + ", ".join(sorted(values)), f"$({name})")])
        return values[name]

    whole = _PLACEHOLDER.fullmatch(value)
    if whole:
        return copy.deepcopy(known(whole.group(1)))
    return _PLACEHOLDER.sub(lambda match: _scalar(known(match.group(1))), value)


def merge(base: Any, changes: Any) -> Any:
    """Merge mappings deeply. Lists and scalars are replaced; null removes a key. Inputs stay as they are."""
    if not isinstance(base, Mapping) or not isinstance(changes, Mapping):
        return copy.deepcopy(changes)
    result = {key: copy.deepcopy(value) for key, value in base.items()}
    for key, value in changes.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merge(result.get(key, {}) if isinstance(value, Mapping) else None, value)
    return result


def file_text(item: ConfigFile, override: Any, values: Mapping[str, Any]) -> str:
    """A configuration file's content. Data is written as JSON, which is YAML, or as sorted properties."""
    if item.format == "text":
        return substitute(item.text if override is None else override, values, item.name)
    data = substitute(merge(item.data, override or {}), values, item.name)
    if item.format == "properties":
        return "".join(f"{key}={_scalar(data[key])}\n" for key in sorted(data))
    return _yaml(data)


def render(cluster: AppCluster) -> list[dict[str, Any]]:
    """All objects of a cluster, in the order in which they can be applied."""
    return [item for stage in stages(cluster) for item in stage["objects"]]


def stages(cluster: AppCluster) -> list[dict[str, Any]]:
    """One stage per role, in start order: its ``objects``, and its ``plan``. The first also has what all share."""
    shared = _shared_objects(cluster)
    result = []
    for number, (role, todo) in enumerate(zip(start_order(cluster), plan(cluster))):
        objects = _role_objects(cluster, role)
        result.append({"role": role.id, "objects": objects if number else shared + objects, "plan": todo})
    return result


def selector(cluster: AppCluster) -> str:
    """Label selector of every object that belongs to a cluster and was made here."""
    return f"{LABEL_APP}={cluster.app.name},{LABEL_CLUSTER}={cluster.name},{LABEL_MANAGER}={MANAGER}"


def _shared_objects(cluster: AppCluster) -> list[dict[str, Any]]:
    objects: list[dict[str, Any]] = []
    if cluster.create_namespace:
        # Shared by whatever else lives in it, so without the labels of this cluster.
        objects.append(
            {
                "apiVersion": "v1",
                "kind": "Namespace",
                "metadata": {"name": cluster.namespace, "labels": {LABEL_MANAGER: MANAGER}},
            }
        )
    objects.append(_object(cluster, "v1", "ServiceAccount", cluster.name, automountServiceAccountToken=False))
    if cluster.app.api_access:
        objects.extend(_api_access(cluster))
    return objects


def _role_objects(cluster: AppCluster, role: Role) -> list[dict[str, Any]]:
    values, settings = placeholders(cluster), cluster.roles[role.id]
    contents = {item.name: file_text(item, settings.config.get(item.name), values) for item in role.config_files}
    objects = _configuration(cluster, role, contents)
    objects.append(_headless_service(cluster, role))
    objects.extend(_client_services(cluster, role))
    if role.controller != "DaemonSet":
        objects.append(_budget(cluster, role))
    objects.append(_workload(cluster, role, contents, values))
    return objects


def plan(cluster: AppCluster) -> list[dict[str, Any]]:
    """What a run has to do after the objects are applied, role by role in start order."""
    result = []
    for role in start_order(cluster):
        ports = {service.id: service.port for service in cluster.app.services}
        result.append(
            {
                "role": role.id,
                "kind": role.controller,
                "name": workload_name(cluster, role),
                "members": cluster.roles[role.id].members if role.controller != "DaemonSet" else None,
                "selector": ",".join(f"{key}={value}" for key, value in _selector(cluster, role).items()),
                "container": _CONTAINER,
                "checks": {
                    "members": _check_data(role.health.members, ports),
                    "safe": _check_data(role.health.safe, ports),
                },
            }
        )
    return result


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


def hold_members(wanted: Mapping[str, Any], live: Mapping[str, Any] | None) -> tuple[dict[str, Any], int | None]:
    """The object to apply now, and the live count where the wanted one is lower.

    Members are never taken away by applying: leaving is a protocol, one member after the other.
    """
    result = copy.deepcopy(dict(wanted))
    if live is None or wanted.get("kind") not in SCALED_KINDS:
        return result, None
    have = (live.get("spec") or {}).get("replicas")
    want = wanted["spec"]["replicas"]
    if have is None or have <= want:
        return result, None
    result["spec"]["replicas"] = have
    return result, have


def with_members(item: Mapping[str, Any], members: int | None) -> dict[str, Any]:
    """The object, with another number of members where it is a controller that has such a number."""
    result = copy.deepcopy(dict(item))
    if members is not None and item.get("kind") in SCALED_KINDS:
        result["spec"]["replicas"] = members
    return result


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


def _scalar(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (Mapping, list, tuple)):
        return json.dumps(value, sort_keys=True)
    return str(value)


_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_./-]*")
_RESERVED = {"true", "false", "yes", "no", "on", "off", "null", "y", "n"}


def _yaml(value: Any, indent: int = 0) -> str:
    """YAML by the standard library alone: what is rendered must not change with a library's version."""
    pad = "  " * indent
    if isinstance(value, Mapping) and value:
        lines = []
        for key, item in value.items():
            nested = isinstance(item, (Mapping, list, tuple)) and item
            body = f"\n{_yaml(item, indent + 1)}" if nested else f" {_inline(item)}\n"
            lines.append(f"{pad}{_yaml_key(key)}:{body}")
        return "".join(lines)
    if isinstance(value, (list, tuple)) and value:
        lines = []
        for item in value:
            nested = isinstance(item, (Mapping, list, tuple)) and item
            body = _yaml(item, indent + 1)[len(pad) + 2 :] if nested else f"{_inline(item)}\n"
            lines.append(f"{pad}- {body}")
        return "".join(lines)
    return f"{pad}{_inline(value)}\n"


def _yaml_key(key: Any) -> str:
    text = str(key)
    return text if _PLAIN.fullmatch(text) and text.lower() not in _RESERVED else _quoted(text)


def _inline(value: Any) -> str:
    if isinstance(value, str) and _PLAIN.fullmatch(value) and value.lower() not in _RESERVED:
        return value
    return _quoted(list(value) if isinstance(value, tuple) else value)


def _quoted(value: Any) -> str:
    """JSON, except that YAML knows no surrogate pairs: a character is one escape."""
    text = json.dumps(value, ensure_ascii=False)
    return re.sub(r"[^\x20-\x7e]", lambda found: _escape(ord(found.group())), text)


def _escape(code: int) -> str:
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _labels(cluster: AppCluster) -> dict[str, str]:
    # This cluster's own labels win: pruning and discovery go by them.
    return {
        **cluster.labels,
        LABEL_APP: cluster.app.name,
        LABEL_CLUSTER: cluster.name,
        LABEL_MANAGER: MANAGER,
    }


def _selector(cluster: AppCluster, role: Role) -> dict[str, str]:
    return {LABEL_APP: cluster.app.name, LABEL_CLUSTER: cluster.name, LABEL_COMPONENT: role.id}


def _role_labels(cluster: AppCluster, role: Role) -> dict[str, str]:
    return {**_labels(cluster), LABEL_COMPONENT: role.id, LABEL_ROLE: role.id}


def _object(
    cluster: AppCluster, version: str, kind: str, name: str, role: Role | None = None, **content: Any
) -> dict[str, Any]:
    labels = _role_labels(cluster, role) if role else _labels(cluster)
    metadata = {"name": name, "namespace": cluster.namespace, "labels": labels}
    return {"apiVersion": version, "kind": kind, "metadata": metadata, **content}


def _api_access(cluster: AppCluster) -> list[dict[str, Any]]:
    group = "rbac.authorization.k8s.io"
    rules = [
        {"apiGroups": list(rule.groups), "resources": list(rule.resources), "verbs": list(rule.verbs)}
        for rule in cluster.app.api_access
    ]
    subject = {"kind": "ServiceAccount", "name": cluster.name, "namespace": cluster.namespace}
    return [
        _object(cluster, f"{group}/v1", "Role", cluster.name, rules=rules),
        _object(
            cluster,
            f"{group}/v1",
            "RoleBinding",
            cluster.name,
            roleRef={"apiGroup": group, "kind": "Role", "name": cluster.name},
            subjects=[subject],
        ),
    ]


def _configuration(cluster: AppCluster, role: Role, contents: Mapping[str, str]) -> list[dict[str, Any]]:
    plain = {item.name: contents[item.name] for item in role.config_files if not item.secret}
    secret = {item.name: contents[item.name] for item in role.config_files if item.secret}
    name = workload_name(cluster, role)
    objects = []
    if plain:
        objects.append(_object(cluster, "v1", "ConfigMap", name, role, data=plain))
    if secret:
        # Not stringData: the API server never returns it, so it would look changed in every run.
        encoded = {key: base64.b64encode(value.encode()).decode() for key, value in secret.items()}
        objects.append(_object(cluster, "v1", "Secret", name, role, type="Opaque", data=encoded))
    return objects


def _port(service: Service) -> dict[str, Any]:
    return {"name": service.id, "port": service.port, "protocol": service.protocol, "targetPort": service.id}


def _headless_service(cluster: AppCluster, role: Role) -> dict[str, Any]:
    spec: dict[str, Any] = {
        "clusterIP": "None",
        "selector": _selector(cluster, role),
        # Members find each other before they are ready: that is how they become ready.
        "publishNotReadyAddresses": True,
    }
    ports = [_port(cluster.app.service(name)) for name in role.services]
    if ports:
        spec["ports"] = ports
    return _object(cluster, "v1", "Service", workload_name(cluster, role), role, spec=spec)


def _client_services(cluster: AppCluster, role: Role) -> list[dict[str, Any]]:
    objects = []
    for name in role.services:
        service = cluster.app.service(name)
        if not service.published:
            continue
        settings = cluster.services[name]
        port = _port(service)
        if settings.node_port:
            port["nodePort"] = settings.node_port
        spec = {"type": settings.type, "selector": _selector(cluster, role), "ports": [port]}
        objects.append(_object(cluster, "v1", "Service", service_name(cluster, service), role, spec=spec))
    return objects


def _budget(cluster: AppCluster, role: Role) -> dict[str, Any]:
    spec = {
        "maxUnavailable": 1,
        "selector": {"matchLabels": _selector(cluster, role)},
        # A member that does not work anyway must not stop a node from being drained.
        "unhealthyPodEvictionPolicy": "AlwaysAllow",
    }
    return _object(cluster, "policy/v1", "PodDisruptionBudget", workload_name(cluster, role), role, spec=spec)


def _workload(
    cluster: AppCluster, role: Role, contents: Mapping[str, str], values: Mapping[str, Any]
) -> dict[str, Any]:
    name, settings = workload_name(cluster, role), cluster.roles[role.id]
    template = _pod_template(cluster, role, contents, values)
    selector = _selector(cluster, role)
    if role.controller == "ReplicationController":
        spec = {"replicas": settings.members, "selector": selector, "template": template}
        return _object(cluster, "v1", role.controller, name, role, spec=spec)
    spec = {"selector": {"matchLabels": selector}, "template": template, "revisionHistoryLimit": 3}
    if role.controller != "DaemonSet":
        spec["replicas"] = settings.members
    if role.controller == "StatefulSet":
        spec["serviceName"] = name
        spec["podManagementPolicy"] = "OrderedReady" if role.ordered else "Parallel"
        spec["updateStrategy"] = {"type": "RollingUpdate"}
        spec["persistentVolumeClaimRetentionPolicy"] = {"whenDeleted": "Retain", "whenScaled": "Retain"}
        if role.storage:
            spec["volumeClaimTemplates"] = _claims(cluster, role)
    return _object(cluster, "apps/v1", role.controller, name, role, spec=spec)


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
        claims.append({"metadata": {"name": volume.id, "labels": _selector(cluster, role)}, "spec": spec})
    return claims


def _pod_template(
    cluster: AppCluster, role: Role, contents: Mapping[str, str], values: Mapping[str, Any]
) -> dict[str, Any]:
    settings, security = cluster.roles[role.id], role.security
    pod_security: dict[str, Any] = {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
    for key, value in (
        ("runAsUser", security.run_as_user),
        ("runAsGroup", security.run_as_group),
        ("fsGroup", security.fs_group),
    ):
        if value is not None:
            pod_security[key] = value
    spec: dict[str, Any] = {
        "serviceAccountName": cluster.name,
        "automountServiceAccountToken": bool(cluster.app.api_access),
        # Variables for every Service of the namespace: apps here find things by name.
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": role.termination_grace_seconds,
        "securityContext": pod_security,
        "containers": [_container(cluster, role, values)],
    }
    volumes = _volumes(cluster, role)
    if volumes:
        spec["volumes"] = volumes
    if settings.spread != "none" and role.controller != "DaemonSet":
        spec["topologySpreadConstraints"] = _spread(cluster, role)
    if settings.node_selector:
        spec["nodeSelector"] = dict(settings.node_selector)
    if settings.tolerations:
        spec["tolerations"] = [dict(item) for item in settings.tolerations]
    if cluster.image_pull_secrets:
        spec["imagePullSecrets"] = [{"name": name} for name in cluster.image_pull_secrets]
    metadata: dict[str, Any] = {"labels": _role_labels(cluster, role)}
    if contents:
        digest = hashlib.sha256(json.dumps(contents, sort_keys=True).encode()).hexdigest()
        metadata["annotations"] = {ANNOTATION_CONFIG: digest[:16]}
    return {"metadata": metadata, "spec": spec}


def _container(cluster: AppCluster, role: Role, values: Mapping[str, Any]) -> dict[str, Any]:
    settings = cluster.roles[role.id]
    environment = substitute({**role.env, **settings.env}, values, f"roles.{role.id}.env")
    container: dict[str, Any] = {
        "name": _CONTAINER,
        "image": settings.image,
        "imagePullPolicy": "IfNotPresent",
    }
    if role.command:
        container["command"] = substitute(role.command, values, f"roles.{role.id}.command")
    if role.args:
        container["args"] = substitute(role.args, values, f"roles.{role.id}.args")
    if environment:
        container["env"] = [{"name": key, "value": _scalar(environment[key])} for key in sorted(environment)]
    if role.services:
        container["ports"] = [
            {"name": service.id, "containerPort": service.port, "protocol": service.protocol}
            for service in map(cluster.app.service, role.services)
        ]
    resources = _quantities(role.resources, settings.resources)
    if resources:
        container["resources"] = resources
    capabilities: dict[str, Any] = {"drop": ["ALL"]}
    if role.security.capabilities:
        capabilities["add"] = list(role.security.capabilities)
    container["securityContext"] = {
        "allowPrivilegeEscalation": False,
        "capabilities": capabilities,
        "readOnlyRootFilesystem": role.security.read_only_root,
    }
    for key, probe in (
        ("startupProbe", role.probes.startup),
        ("readinessProbe", role.probes.readiness),
        ("livenessProbe", role.probes.liveness),
    ):
        if probe:
            container[key] = _probe(probe)
    mounts = _mounts(role)
    if mounts:
        container["volumeMounts"] = mounts
    return container


def _quantities(defined: Resources, chosen: Resources) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for part, key in (("request", "requests"), ("limit", "limits")):
        for what in ("cpu", "memory"):
            name = f"{what}_{part}"
            value = getattr(chosen, name) or getattr(defined, name)
            if value:
                result.setdefault(key, {})[what] = value
    return result


def _probe(probe: Probe) -> dict[str, Any]:
    check = probe.check
    result: dict[str, Any] = {}
    if check.http:
        result["httpGet"] = {"path": check.http.path, "port": check.http.service}
    elif check.tcp:
        result["tcpSocket"] = {"port": check.tcp}
    else:
        result["exec"] = {"command": list(check.command)}
    if probe.initial_delay:
        result["initialDelaySeconds"] = probe.initial_delay
    result.update(periodSeconds=probe.period, timeoutSeconds=probe.timeout, failureThreshold=probe.failures)
    return result


def _volumes(cluster: AppCluster, role: Role) -> list[dict[str, Any]]:
    name = workload_name(cluster, role)
    volumes: list[dict[str, Any]] = []
    if any(not item.secret for item in role.config_files):
        volumes.append({"name": "config", "configMap": {"name": name}})
    if any(item.secret for item in role.config_files):
        volumes.append({"name": "secret-config", "secret": {"secretName": name, "defaultMode": 0o440}})
    for number, _path in enumerate(role.security.writable_paths):
        volumes.append({"name": f"writable-{number}", "emptyDir": {}})
    return volumes


def _mounts(role: Role) -> list[dict[str, Any]]:
    mounts: list[dict[str, Any]] = []
    for item in role.config_files:
        # One file each, so that what the image has beside it stays visible.
        mounts.append(
            {
                "name": "secret-config" if item.secret else "config",
                "mountPath": item.path,
                "subPath": item.name,
                "readOnly": True,
            }
        )
    for volume in role.storage:
        mounts.append({"name": volume.id, "mountPath": volume.path})
    for number, path in enumerate(role.security.writable_paths):
        mounts.append({"name": f"writable-{number}", "mountPath": path})
    return mounts


def _spread(cluster: AppCluster, role: Role) -> list[dict[str, Any]]:
    how = "DoNotSchedule" if cluster.roles[role.id].spread == "hard" else "ScheduleAnyway"
    return [
        {
            "maxSkew": 1,
            "topologyKey": key,
            # Hosts without a rack must not keep members from being placed.
            "whenUnsatisfiable": how if key == "kubernetes.io/hostname" else "ScheduleAnyway",
            "labelSelector": {"matchLabels": _selector(cluster, role)},
        }
        for key in ("kubernetes.io/hostname", "topology.kubernetes.io/zone")
    ]


def _check_data(check: Check | None, ports: Mapping[str, int]) -> dict[str, Any] | None:
    if check is None:
        return None
    if check.http:
        return {"port": ports[check.http.service], "path": check.http.path, "json": check.http.json}
    if check.tcp:
        return {"tcp": ports[check.tcp]}
    return {"command": list(check.command)}
