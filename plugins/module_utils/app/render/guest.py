# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Members that configure themselves from a config package in KubeDirector's form, without an operator: pure functions.

What goes where. The Secret ``<cluster>-guest`` has ``cluster.json`` (what all members are told), ``<pod>.json``
(the one part that differs, ``node``), ``<role>.role`` (what the agent has to do) and ``ids.json`` (numbers once
given). The agent puts the first two together to ``/etc/guestconfig/configmeta.json``, so the Secret grows with the
cluster, not with its square. The module ``app_guest`` keeps it current, and tells members of each other.

The layout of configmeta.json and the calls of the start script are KubeDirector's (``configSchemaVersion`` 7).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...labels import ANNOTATION_PACKAGE
from ..contract import GuestConnections, GuestContract, GuestFile, GuestRole, GuestService
from ..model.cluster import AppCluster
from ..model.reader import AppError, Problem
from ..model.types import AGENT_PATH, GUEST_PATH, Role, Service
from .names import CONTAINER, api_object, cluster_labels, member_selector, role_domain, workload_name
from .text import digest

CONFIGURE = ("/bin/sh", f"{AGENT_PATH}/configure")


def guest_name(name: str) -> str:
    """Name of the Secret with what members of a cluster are told."""
    return f"{name}-guest"


def agent_name(name: str) -> str:
    """Name of the ConfigMap with the agent."""
    return f"{name}-agent"


def guest_contract(cluster: AppCluster) -> GuestContract | None:
    """What the module ``app_guest`` has to know of a cluster, or None where it has nothing to do."""
    app = cluster.app
    tokens = tuple(service.id for service in app.services if service.token)
    guests = any(role.guest for role in app.roles)
    if not guests and not tokens:
        return None
    problems = [
        Problem(
            f"spec.roles[{number}].guest",
            "controller: StatefulSet for members that are configured one by one",
            role.controller,
            "Their names have to be known before they start.",
        )
        for number, role in enumerate(app.roles)
        if role.guest and role.controller != "StatefulSet"
    ]
    if problems:
        raise AppError(problems)
    connections = cluster.connections
    return GuestContract(
        name=cluster.name,
        namespace=cluster.namespace,
        version=app.version,
        distro=app.guest.distro or app.name,
        schema_version=app.guest.schema_version,
        create_namespace=cluster.create_namespace,
        labels=cluster_labels(cluster),
        config_meta=app.config_meta,
        connections=(
            GuestConnections(connections.clusters, connections.configmaps, connections.secrets)
            if guests
            else GuestConnections()
        ),
        tokens=tokens,
        roles=tuple(_guest_role(cluster, role) for role in app.roles) if guests else (),
    )


def _guest_role(cluster: AppCluster, role: Role) -> GuestRole:
    settings, guest = cluster.roles[role.id], role.guest
    return GuestRole(
        id=role.id,
        name=(guest.role if guest else "") or role.id,
        workload=workload_name(cluster, role),
        controller=role.controller,
        container=CONTAINER,
        selector=member_selector(cluster, role),
        domain=role_domain(cluster, role),
        hostname=role.hostname,
        members=settings.members,
        guest=guest is not None,
        package=guest.package if guest else "",
        events=guest.events if guest else (),
        systemd=role.systemd,
        config_meta=role.config_meta,
        secret_keys=settings.secret_keys,
        memory=settings.resources.memory_limit or role.resources.memory_limit,
        cpu=settings.resources.cpu_limit or role.resources.cpu_limit,
        block_devices=tuple(volume.path for volume in role.storage if volume.block),
        files=tuple(GuestFile(item.url, item.path, item.mode, item.owner) for item in settings.files),
        services=tuple(_guest_services(cluster, role)),
    )


def _guest_services(cluster: AppCluster, role: Role) -> list[GuestService]:
    """A role's services as start scripts know them, those without a port included."""
    offered = {name: cluster.app.service(name) for name in role.services}
    named = role.guest.services if role.guest else ()
    result = []
    for item in named:
        service = offered.get(item.service or item.id)
        result.append(_guest_service(item.id, item.name or item.id, item.exported_service, service))
    used = {item.service or item.id for item in named}
    result += [_guest_service(name, name, "", service) for name, service in offered.items() if name not in used]
    return result


def _guest_service(name: str, label: str, exported: str, service: Service | None) -> GuestService:
    return GuestService(
        id=name,
        name=label,
        exported_service=exported,
        port=service.port if service else None,
        scheme=service.scheme if service else "",
        path=service.path if service else "",
        token=service.id if service and service.token else "",
    )


def agent_object(cluster: AppCluster, programs: Mapping[str, str]) -> dict[str, Any]:
    """The ConfigMap ``<cluster>-agent``. ``programs``: ``configure`` and ``configcli``, name -> text."""
    return api_object(cluster, "v1", "ConfigMap", agent_name(cluster.name), data=dict(programs))


def pod_parts(cluster: AppCluster, role: Role) -> dict[str, Any]:
    """What a guest-configured role adds to its pod template.

    ``readiness`` is a probe for where the role has none of its own: ready means configured. ``dns_searches``
    let start scripts call members by their short names. With ``annotations`` a changed package restarts members.
    """
    if role.guest is None:
        raise ValueError(f"role {role.id} has no config package")
    start = [*CONFIGURE, "start", role.id]
    if role.hostname:
        # The host's name is then not the pod's.
        start.append(f"{workload_name(cluster, role)}-0")
    return {
        "post_start": {"exec": {"command": start}},
        "volumes": [
            {"name": "guest", "secret": {"secretName": guest_name(cluster.name), "defaultMode": 0o444}},
            {"name": "agent", "configMap": {"name": agent_name(cluster.name)}},
        ],
        "mounts": [
            {"name": "guest", "mountPath": GUEST_PATH, "readOnly": True},
            {"name": "agent", "mountPath": AGENT_PATH, "readOnly": True},
        ],
        "readiness": {
            "exec": {"command": [*CONFIGURE, "ready"]},
            "periodSeconds": 3,
            "timeoutSeconds": 10,
            "failureThreshold": 3,
        },
        "dns_searches": [role_domain(cluster, other) for other in cluster.app.roles],
        "annotations": {ANNOTATION_PACKAGE: digest([role.guest.package, list(role.guest.events)])},
    }
