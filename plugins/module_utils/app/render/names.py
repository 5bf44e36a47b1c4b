# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names and labels of an app cluster's objects: what the renderer writes and everything else finds them by."""

from __future__ import annotations

from typing import Any

from ...labels import LABEL_APP, LABEL_CLUSTER, LABEL_COMPONENT, LABEL_MANAGER, LABEL_ROLE, MANAGER
from ..model.cluster import AppCluster
from ..model.types import Role, Service

# The name of the one container that runs the app.
CONTAINER = "app"


def workload_name(cluster: AppCluster, role: Role) -> str:
    """Name of a role's controller, and of the headless Service that names its members."""
    return f"{cluster.name}-{role.id}"


def service_name(cluster: AppCluster, service: Service, role: Role | None = None) -> str:
    """Name of the Service by which clients reach a service of the app.

    With the role's name in it where several roles offer the service, or where it would be a headless Service's name.
    """
    if service.primary:
        return cluster.name
    offering = cluster.app.roles_of(service.id)
    if len(offering) > 1 or service.id in {other.id for other in cluster.app.roles}:
        return f"{cluster.name}-{(role or offering[0]).id}-{service.id}"
    return f"{cluster.name}-{service.id}"


def tokens_name(cluster: AppCluster) -> str:
    """Name of the Secret with the tokens of services."""
    return f"{cluster.name}-tokens"


def discovery_name(cluster: AppCluster) -> str:
    """Name of the ConfigMap that tells members who is where."""
    return f"{cluster.name}-members"


def role_domain(cluster: AppCluster, role: Role) -> str:
    """The DNS name under which members of a role are found."""
    return f"{workload_name(cluster, role)}.{cluster.namespace}.svc.{cluster.dns_domain}"


def member_hosts(cluster: AppCluster, role: Role) -> list[str]:
    """Host names of a role's members inside the cluster. Members without names of their own share the role's."""
    domain = role_domain(cluster, role)
    members = cluster.roles[role.id].members
    if role.hostname:
        return [f"{role.hostname}.{domain}"] if members else []
    if role.controller != "StatefulSet":
        return [domain] if members else []
    return [f"{workload_name(cluster, role)}-{number}.{domain}" for number in range(members)]


def cluster_labels(cluster: AppCluster) -> dict[str, str]:
    # This cluster's own labels win: pruning and discovery go by them.
    return {
        **cluster.labels,
        LABEL_APP: cluster.app.name,
        LABEL_CLUSTER: cluster.name,
        LABEL_MANAGER: MANAGER,
    }


def role_labels(cluster: AppCluster, role: Role) -> dict[str, str]:
    return {**cluster_labels(cluster), LABEL_COMPONENT: role.id, LABEL_ROLE: role.id}


def member_labels(cluster: AppCluster, role: Role) -> dict[str, str]:
    """What selects the members of a role."""
    return {LABEL_APP: cluster.app.name, LABEL_CLUSTER: cluster.name, LABEL_COMPONENT: role.id}


def peers(cluster: AppCluster, role: Role) -> dict[str, Any]:
    """The selector of members that stand in for one another: a role's, or all roles', by `App.disruption_budget`."""
    if cluster.app.disruption_budget == "role":
        return {"matchLabels": member_labels(cluster, role)}
    # Not simply all pods of the cluster: a budget asks each one's controller for its scale, and a DaemonSet has none.
    roles = [one.id for one in cluster.app.roles if one.controller != "DaemonSet"]
    return {
        "matchLabels": {LABEL_APP: cluster.app.name, LABEL_CLUSTER: cluster.name},
        "matchExpressions": [{"key": LABEL_COMPONENT, "operator": "In", "values": roles}],
    }


def member_selector(cluster: AppCluster, role: Role) -> str:
    return ",".join(f"{key}={value}" for key, value in member_labels(cluster, role).items())


def cluster_selector(cluster: AppCluster) -> str:
    """Label selector of every object that belongs to a cluster and was made here."""
    return f"{LABEL_APP}={cluster.app.name},{LABEL_CLUSTER}={cluster.name},{LABEL_MANAGER}={MANAGER}"


def namespace_object(name: str) -> dict[str, Any]:
    """A namespace. Shared by whatever else lives in it, so without the labels of a cluster."""
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": {LABEL_MANAGER: MANAGER}}}


def api_object(
    cluster: AppCluster, version: str, kind: str, name: str, role: Role | None = None, **content: Any
) -> dict[str, Any]:
    """An object of the cluster, or of one of its roles."""
    labels = role_labels(cluster, role) if role else cluster_labels(cluster)
    metadata = {"name": name, "namespace": cluster.namespace, "labels": labels}
    return {"apiVersion": version, "kind": kind, "metadata": metadata, **content}
