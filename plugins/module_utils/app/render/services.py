# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Services of a role. Pure functions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...labels import ANNOTATION_DASHBOARD, ANNOTATION_PATH, ANNOTATION_SCHEME, LABEL_POD_NAME
from ..model.cluster import AppCluster
from ..model.types import Role, Service
from .names import api_object, member_labels, service_name, workload_name


def _port(service: Service) -> dict[str, Any]:
    return {"name": service.id, "port": service.port, "protocol": service.protocol, "targetPort": service.id}


def headless_service(cluster: AppCluster, role: Role) -> dict[str, Any]:
    """The Service that names a role's members."""
    spec: dict[str, Any] = {
        "clusterIP": "None",
        "selector": member_labels(cluster, role),
        # Members find each other before they are ready: that is how they become ready.
        "publishNotReadyAddresses": True,
    }
    ports = [_port(cluster.app.service(name)) for name in role.services]
    if ports:
        spec["ports"] = ports
    return api_object(cluster, "v1", "Service", workload_name(cluster, role), role, spec=spec)


def client_services(cluster: AppCluster, role: Role) -> list[dict[str, Any]]:
    """The Services by which clients reach a role: one for each service of the app, and one for each member."""
    objects = []
    published = [service for service in map(cluster.app.service, role.services) if service.published]
    for service in published:
        name = service_name(cluster, service, role)
        objects.append(_client_service(cluster, role, name, member_labels(cluster, role), [service]))
    own = [service for service in published if service.per_member]
    if own and role.controller == "StatefulSet":
        for number in range(cluster.roles[role.id].members):
            member = f"{workload_name(cluster, role)}-{number}"
            objects.append(_client_service(cluster, role, member, {LABEL_POD_NAME: member}, own, shared=False))
    return objects


def _client_service(
    cluster: AppCluster,
    role: Role,
    name: str,
    selector: Mapping[str, str],
    services: list[Service],
    shared: bool = True,
) -> dict[str, Any]:
    """A Service for these services of the app. A fixed node port belongs to the one that all members share."""
    settings, ports, urls = cluster.roles[role.id], [], {}
    for service in services:
        port = _port(service)
        if shared and cluster.services[service.id].node_port:
            port["nodePort"] = cluster.services[service.id].node_port
        ports.append(port)
        for annotation, value in ((ANNOTATION_SCHEME, service.scheme), (ANNOTATION_PATH, service.path)):
            if value:
                urls[f"{annotation}.{service.port}"] = value
        if service.dashboard:
            urls[f"{ANNOTATION_DASHBOARD}.{service.port}"] = "true"
    spec = {"type": cluster.services[services[0].id].type, "selector": dict(selector), "ports": ports}
    result = api_object(cluster, "v1", "Service", name, role, spec=spec)
    metadata = result["metadata"]
    metadata["labels"] = {**settings.service_labels, **metadata["labels"]}
    annotations = {**settings.service_annotations, **urls}
    if annotations:
        metadata["annotations"] = annotations
    return result
