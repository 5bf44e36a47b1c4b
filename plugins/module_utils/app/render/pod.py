# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The pod template of a role: pure functions."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping
from typing import Any

from ...labels import ANNOTATION_CONFIG, ANNOTATION_TEMPLATE, LABEL_HOSTNAME, LABEL_RACK
from ..model.amounts import chosen
from ..model.cluster import AppCluster, secret_mounts
from ..model.questions import Probe
from ..model.types import SYSTEMD_TMPFS, Role, Storage
from ..placeholders import scalar, substitute, words
from .guest import pod_parts
from .names import CONTAINER, discovery_name, peers, role_labels, tokens_name, workload_name
from .text import digest, secret_name

# Where the init container that fills a volume mounts it.
_POPULATED = "/run/baremetal-bigdata/volumes"


def pod_template(
    cluster: AppCluster, role: Role, contents: Mapping[str, str], values: Mapping[str, Any]
) -> dict[str, Any]:
    """The template, with hashes of the files that its members read (*contents*: name -> text) and of itself."""
    settings = cluster.roles[role.id]
    spec: dict[str, Any] = {
        "serviceAccountName": settings.service_account or cluster.name,
        "automountServiceAccountToken": bool(cluster.app.api_access or settings.service_account),
        # Variables for every Service of the namespace: apps here find things by name.
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": role.termination_grace_seconds,
        "securityContext": _pod_security(role),
        "containers": [_container(cluster, role, values)],
    }
    populated = [volume for volume in role.storage if volume.populate]
    if populated:
        spec["initContainers"] = [_populate(settings.image, volume, role) for volume in populated]
    volumes = pod_volumes(cluster, role, values)
    if volumes:
        spec["volumes"] = volumes
    if role.hostname:
        spec["hostname"] = role.hostname
        spec["subdomain"] = workload_name(cluster, role)
    if settings.spread != "none" and role.controller != "DaemonSet":
        spec["topologySpreadConstraints"] = _spread(cluster, role)
    if settings.affinity:
        spec["affinity"] = dict(settings.affinity)
    if settings.node_selector:
        spec["nodeSelector"] = dict(settings.node_selector)
    if settings.tolerations:
        spec["tolerations"] = [dict(item) for item in settings.tolerations]
    if cluster.image_pull_secrets:
        spec["imagePullSecrets"] = [{"name": name} for name in cluster.image_pull_secrets]
    metadata: dict[str, Any] = {"labels": {**settings.pod_labels, **role_labels(cluster, role)}}
    annotations = dict(settings.pod_annotations)
    if role.guest:
        annotations.update(pod_parts(cluster, role)["annotations"])
        spec["dnsConfig"] = {"searches": pod_parts(cluster, role)["dns_searches"]}
    if contents:
        annotations[ANNOTATION_CONFIG] = digest(contents)
    metadata["annotations"] = {**annotations, ANNOTATION_TEMPLATE: digest([metadata, annotations, spec])}
    return {"metadata": metadata, "spec": spec}


def _pod_security(role: Role) -> dict[str, Any]:
    security = role.security
    result: dict[str, Any] = {"seccompProfile": {"type": "RuntimeDefault"}}
    if not (security.run_as_root or role.systemd):
        result["runAsNonRoot"] = True
    for key, value in (
        ("runAsUser", security.run_as_user),
        ("runAsGroup", security.run_as_group),
        ("fsGroup", security.fs_group),
    ):
        if value is not None:
            result[key] = value
    return result


def _container_security(role: Role) -> dict[str, Any]:
    security = role.security
    if security.privileged:
        return {"privileged": True}
    root = security.run_as_root or role.systemd
    capabilities: dict[str, Any] = {} if root else {"drop": ["ALL"]}
    if security.capabilities:
        capabilities["add"] = list(security.capabilities)
    result: dict[str, Any] = {"allowPrivilegeEscalation": root}
    if capabilities:
        result["capabilities"] = capabilities
    result["readOnlyRootFilesystem"] = security.read_only_root and not root
    return result


def _container(cluster: AppCluster, role: Role, values: Mapping[str, Any]) -> dict[str, Any]:
    container: dict[str, Any] = {
        "name": CONTAINER,
        "image": cluster.roles[role.id].image,
        "imagePullPolicy": "IfNotPresent",
    }
    for key in ("command", "args"):
        if getattr(role, key):
            container[key] = words(getattr(role, key), values, f"roles.{role.id}.{key}")
    environment = _environment(cluster, role, values)
    if environment:
        container["env"] = environment
    if role.services:
        container["ports"] = [
            {"name": service.id, "containerPort": service.port, "protocol": service.protocol}
            for service in map(cluster.app.service, role.services)
        ]
    resources = chosen(role.resources, cluster.roles[role.id].resources)
    if resources:
        container["resources"] = resources
    container["securityContext"] = _container_security(role)
    for key, probe in (
        ("startupProbe", role.probes.startup),
        ("readinessProbe", role.probes.readiness),
        ("livenessProbe", role.probes.liveness),
    ):
        if probe:
            command = words(probe.check.command, values, f"roles.{role.id}.probes")
            https = probe.check.http is not None and cluster.app.service(probe.check.http.service).scheme == "https"
            container[key] = _probe(probe, command, https)
    lifecycle: dict[str, Any] = {}
    if role.pre_stop:
        command = words(role.pre_stop, values, f"roles.{role.id}.pre_stop")
        lifecycle["preStop"] = {"exec": {"command": command}}
    if role.guest:
        lifecycle["postStart"] = pod_parts(cluster, role)["post_start"]
        if role.probes.readiness is None:
            container["readinessProbe"] = pod_parts(cluster, role)["readiness"]
    if lifecycle:
        container["lifecycle"] = lifecycle
    for key in ("stdin", "tty"):
        if getattr(role, key):
            container[key] = True
    mounts = _mounts(cluster, role)
    if mounts:
        container["volumeMounts"] = mounts
    devices = [{"name": volume.id, "devicePath": volume.path} for volume in role.storage if volume.block]
    if devices:
        container["volumeDevices"] = devices
    return container


def _environment(cluster: AppCluster, role: Role, values: Mapping[str, Any]) -> list[dict[str, Any]]:
    settings = cluster.roles[role.id]
    path = f"roles.{role.id}.env"
    entries: dict[str, dict[str, Any]] = {}
    if role.systemd:
        # By this systemd knows that it runs in a container.
        entries["container"] = {"value": "oci"}
    for name in role.services:
        if cluster.app.service(name).token:
            key = {"name": tokens_name(cluster), "key": name}
            entries["TOKEN_" + name.upper().replace("-", "_")] = {"valueFrom": {"secretKeyRef": key}}
    for name, field in role.env_fields.items():
        entries[name] = {"valueFrom": {"fieldRef": {"fieldPath": field}}}
    # The cluster's word comes last, whichever kind of value either gives.
    for secrets, texts in ((role.secret_env, role.env), (settings.secret_env, settings.env)):
        for name, source in secrets.items():
            key = {"name": secret_name(source.secret, values, path), "key": source.key}
            entries[name] = {"valueFrom": {"secretKeyRef": key}}
        for name, value in substitute(texts, values, path).items():
            entries[name] = {"value": scalar(value)}
    # Kubernetes resolves $(NAME) only from variables before it: those with a source come first, the others as written.
    ordered = sorted(entries, key=lambda name: "value" in entries[name])
    return [{"name": name, **entries[name]} for name in ordered]


def _probe(probe: Probe, command: list[str], https: bool) -> dict[str, Any]:
    check = probe.check
    result: dict[str, Any] = {}
    if check.http:
        result["httpGet"] = {"path": check.http.path, "port": check.http.service}
        if https:
            result["httpGet"]["scheme"] = "HTTPS"
    elif check.tcp:
        result["tcpSocket"] = {"port": check.tcp}
    else:
        result["exec"] = {"command": command}
    if probe.initial_delay:
        result["initialDelaySeconds"] = probe.initial_delay
    result.update(periodSeconds=probe.period, timeoutSeconds=probe.timeout, failureThreshold=probe.failures)
    return result


def pod_volumes(cluster: AppCluster, role: Role, values: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The volumes of a role's pods besides their own claims."""
    name, settings = workload_name(cluster, role), cluster.roles[role.id]
    volumes: list[dict[str, Any]] = []
    if any(not item.secret for item in role.config_files):
        volumes.append({"name": "config", "configMap": {"name": name}})
    if any(item.secret for item in role.config_files):
        volumes.append({"name": "secret-config", "secret": {"secretName": name, "defaultMode": 0o440}})
    for number, _path in enumerate(role.security.writable_paths):
        volumes.append({"name": f"writable-{number}", "emptyDir": {}})
    for item in secret_mounts(role, settings):
        secret = secret_name(item.secret, values, f"roles.{role.id}.secrets")
        source = {"secretName": secret, "defaultMode": int(item.mode, 8)}
        volumes.append({"name": f"secret-{item.id}", "secret": source})
    for number, claim in enumerate(settings.volumes):
        source = {"claimName": claim.claim, "readOnly": claim.read_only}
        volumes.append({"name": f"claim-{number}", "persistentVolumeClaim": source})
    if settings.shared_memory:
        volumes.append({"name": "shm", "emptyDir": {"medium": "Memory", "sizeLimit": settings.shared_memory}})
    if role.discovery_path:
        volumes.append({"name": "discovery", "configMap": {"name": discovery_name(cluster), "optional": True}})
    if role.systemd:
        volumes += [
            {"name": f"tmpfs-{number}", "emptyDir": {"medium": "Memory"}} for number in range(len(SYSTEMD_TMPFS))
        ]
        volumes.append({"name": "cgroup", "hostPath": {"path": "/sys/fs/cgroup", "type": "Directory"}})
    if role.guest:
        volumes += pod_parts(cluster, role)["volumes"]
    return volumes


def _mounts(cluster: AppCluster, role: Role) -> list[dict[str, Any]]:
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
    if role.systemd:
        mounts += [{"name": f"tmpfs-{number}", "mountPath": path} for number, path in enumerate(SYSTEMD_TMPFS)]
        mounts.append({"name": "cgroup", "mountPath": "/sys/fs/cgroup", "readOnly": True})
    for volume in role.storage:
        if not volume.block:
            mounts += _storage_mounts(volume)
    for number, path in enumerate(role.security.writable_paths):
        mounts.append({"name": f"writable-{number}", "mountPath": path})
    for secret in secret_mounts(role, cluster.roles[role.id]):
        mounts.append({"name": f"secret-{secret.id}", "mountPath": secret.path, "readOnly": True})
    for number, claim in enumerate(cluster.roles[role.id].volumes):
        mounts.append({"name": f"claim-{number}", "mountPath": claim.path, "readOnly": claim.read_only})
    if cluster.roles[role.id].shared_memory:
        mounts.append({"name": "shm", "mountPath": "/dev/shm"})
    if role.discovery_path:
        mounts.append({"name": "discovery", "mountPath": role.discovery_path, "readOnly": True})
    if role.guest:
        mounts += pod_parts(cluster, role)["mounts"]
    return mounts


def _storage_mounts(volume: Storage) -> list[dict[str, Any]]:
    if volume.path:
        return [{"name": volume.id, "mountPath": volume.path}]
    return [{"name": volume.id, "mountPath": path, "subPath": path.strip("/")} for path in volume.paths]


def _populate(image: str, volume: Storage, role: Role) -> dict[str, Any]:
    """An init container of the same image, which copies to the volume what the image has, once for each directory."""
    root = f"{_POPULATED}/{volume.id}"
    lines = ["set -eu"]
    for path, mark in _marks(volume.paths or (volume.path,)).items():
        target = f"{root}/{path.strip('/')}" if volume.paths else root
        done = f"{root}/{mark}"
        lines.append(_fill(path, target, done, careful=mark != _mark(path)))
    return {
        "name": f"populate-{volume.id}",
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "command": ["/bin/sh", "-c", "\n".join(lines)],
        "securityContext": _container_security(role),
        "volumeMounts": [{"name": volume.id, "mountPath": root}],
    }


def _fill(path: str, target: str, done: str, careful: bool) -> str:
    """Shell that fills a directory of the volume once.

    careful: not one that holds something already, unless it is what an earlier start has begun to copy.
    """
    begun = shlex.quote(f"{done}-begun")
    path, target, done = (shlex.quote(text) for text in (path, target, done))
    fill = f"if [ -d {path} ]; then cp -a {path}/. {target}/; fi; : > {done}"
    if careful:
        empty = f'[ -e {begun} ] || [ -z "$(ls -A {target})" ]'
        fill = f"if {empty}; then : > {begun}; {fill}; rm -f {begun}; else : > {done}; fi"
    return f"if [ ! -e {done} ]; then mkdir -p {target}; {fill}; fi"


def _mark(path: str) -> str:
    return f".populated-{path.strip('/').replace('/', '-')}"


def _marks(paths: Iterable[str]) -> dict[str, str]:
    """The file on the volume that says that a directory is filled, by path.

    Of several paths that make the same name, the first has it: on volumes that are there that one is filled, and what
    members have changed since is not to be overwritten.
    """
    marks: dict[str, str] = {}
    for path in paths:
        mark = _mark(path)
        marks[path] = f"{mark}-{digest(path)}" if mark in marks.values() else mark
    return marks


def _spread(cluster: AppCluster, role: Role) -> list[dict[str, Any]]:
    must = {"hard": LABEL_HOSTNAME, "racks": LABEL_RACK}.get(cluster.roles[role.id].spread)
    return [
        {
            "maxSkew": 1,
            "topologyKey": key,
            "whenUnsatisfiable": "DoNotSchedule" if key == must else "ScheduleAnyway",
            "labelSelector": peers(cluster, role),
        }
        for key in (LABEL_HOSTNAME, LABEL_RACK)
    ]
