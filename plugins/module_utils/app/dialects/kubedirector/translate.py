# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""KubeDirector's dialect: KubeDirectorApp and KubeDirectorCluster become ``kind: App`` and ``kind: AppCluster``.

Read are v1beta1 (kubedirector.hpe.com) and v1alpha1 (kubedirector.bluedata.io, with the names of all its releases).
Every rule of KubeDirector's own schema and admission that can be checked without a Kubernetes cluster is checked by
``app`` and ``cluster``, under KubeDirector's own field names, before anything is translated: what comes out is
accepted by ``model``.
What cannot be honoured is refused; what has no effect is named in ``notes``. docs/kubedirector.md has the tables.

Pure functions: no files, no network, no third-party module.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ....plain import copied
from ...model.checks import check_texts
from ...model.reader import Problem, Reader, show
from ...model.types import API_VERSION, GUEST_EVENTS
from ..changes import record
from .app import App, Role, Service, persist_dirs, read_app
from .cluster import ClusterRole, read_cluster
from .fields import V1BETA1, DialectError, is_kubedirector, slug

__all__ = ["DialectError", "Translation", "is_kubedirector", "minimal_cluster", "record", "translate"]


@dataclass(frozen=True)
class Translation:
    """``app`` and ``cluster`` in the project's own dialect. ``notes``: what has no effect here, and what was renamed.

    ``former`` is what a KubeDirectorCluster was called before names that are not as written ended in a digest; empty
    where it is called the same.
    ``record`` is the cluster as it was written, without secrets, for ``dialects.changes`` to compare the next one with.
    """

    app: dict[str, Any]
    cluster: dict[str, Any]
    notes: list[str] = field(default_factory=list)
    record: dict[str, Any] = field(default_factory=dict)
    former: str = ""


def translate(
    definition: Any,
    cluster: Any = None,
    namespace: str = "",
    service_type: str = "NodePort",
    images: Mapping[str, str] | None = None,
    called: str = "",
) -> Translation:
    """A definition and a cluster of either dialect, in the project's own. Without a cluster, the minimal one.

    ``namespace`` replaces the cluster's. ``service_type`` is that of a KubeDirectorCluster which names none.
    ``called`` is the name in names and labels of a KubeDirectorCluster that has one already.
    ``images`` replaces images by role, under either name of the role. Raises DialectError with every problem.
    """
    _whole(definition, "definition")
    _whole(cluster, "cluster")
    _whole(images, "images", "images")
    if cluster is None:
        cluster = minimal_cluster(definition)
    if not isinstance(cluster, Mapping):
        raise DialectError([Problem("(document)", "a mapping", show(cluster))], "cluster")
    if not is_kubedirector(definition):
        if is_kubedirector(cluster):
            problem = Problem(
                "kind",
                "AppCluster, as the definition is of kind App",
                show(cluster.get("kind")),
                "Write the cluster in the definition's dialect.",
            )
            raise DialectError([problem], "cluster")
        own = copied(dict(cluster))
        if namespace and isinstance(own.get("metadata"), Mapping):
            own["metadata"] = {**own["metadata"], "namespace": namespace}
        roles = _mapping(_mapping(definition).get("spec")).get("roles")
        # What is no list of roles is named by who loads it.
        listed = roles if isinstance(roles, (list, tuple)) else ()
        names = {str(item.get("id")): str(item.get("id")) for item in listed if isinstance(item, Mapping)}
        return Translation(copied(definition), _with_images(own, images, names), [], record(own))

    notes: list[str] = []
    former = ""
    app = read_app(definition, notes)
    if is_kubedirector(cluster):
        head, found = read_cluster(cluster, app, service_type, notes, called)
        volumes = {role.role.id: (role.storage, role.devices) for role in found}
        own = _emit_cluster(app, head, found, namespace)
        former = slug(str(head["id"]), 40, "c")
    else:
        # Settings of ours for a definition of KubeDirector's: a role has a volume if they name one.
        own = copied(dict(cluster))
        spec = _mapping(own.get("spec"))
        settings = _mapping(spec.get("roles"))
        volumes = {}
        for role in app.roles:
            given = settings.get(role.name)
            storage = given.get("storage") if isinstance(given, Mapping) else None
            volumes[role.id] = (isinstance(storage, Mapping) and "data" in storage, ())
        if namespace and isinstance(own.get("metadata"), Mapping):
            own["metadata"] = {**own["metadata"], "namespace": namespace}
    names = {**{role.id: role.name for role in app.roles}, **{role.name: role.name for role in app.roles}}
    own = _with_images(own, images, names)
    former = former if former != _mapping(own.get("metadata")).get("name") else ""
    return Translation(_emit_app(app, volumes), own, notes, record(cluster), former)


def _whole(value: Any, document: str, path: str = "") -> None:
    """Refuse halves of characters, which Ansible's variables can hold: neither a name nor a digest is made of them."""
    problems: list[Problem] = []
    check_texts(Reader({}, path, problems), value)
    if problems:
        raise DialectError(problems, document)


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _with_images(cluster: dict[str, Any], images: Mapping[str, str] | None, names: Mapping[str, str]) -> dict[str, Any]:
    problems: list[Problem] = []
    reader = Reader(images or {}, "images", problems)
    for role, image in reader.data.items():
        reader.known(str(role), str(role), tuple(names), "role")
        if not isinstance(image, str) or not image or re.search(r"\s", image):
            reader.problem(str(role), "an image such as registry.example/app:1.0", show(image))
        elif role in names:
            _set_image(cluster, names[role], image)
    if problems:
        raise DialectError(problems, "images")
    return cluster


def _set_image(cluster: dict[str, Any], role: str, image: str) -> None:
    """Set a role's image in a cluster. What is no mapping there stays: who loads the cluster names it."""
    settings = cluster
    for name in ("spec", "roles", role):
        given = settings.get(name)
        if given is not None and not isinstance(given, Mapping):
            return
        settings[name] = dict(given or {})
        settings = settings[name]
    settings["image"] = image


def minimal_cluster(definition: Mapping[str, Any]) -> dict[str, Any]:
    """The smallest cluster that a definition allows, in the definition's own dialect, named after the app.

    Mandatory roles have as many members as they must; if none is mandatory, the first has one. What a role must
    have (minResources, minStorage) it gets; KubeDirector wants limits, so a role without a minimum has 1 CPU and 1Gi.
    """
    if not is_kubedirector(definition):
        metadata = definition.get("metadata") if isinstance(definition, Mapping) else None
        name = str((metadata or {}).get("name") or "app") if isinstance(metadata, Mapping) else "app"
        return {
            "apiVersion": API_VERSION,
            "kind": "AppCluster",
            "metadata": {"name": name, "namespace": name},
            "spec": {"app": name},
        }
    app = read_app(definition, [])
    wanted = [role for role in app.roles if role.selected and role.minimum]
    chosen = wanted or [role for role in app.roles if role.selected][:1] or list(app.roles[:1])
    roles = []
    for role in chosen:
        amounts = {"cpu": "1", "memory": "1Gi", **role.min_resources}
        entry: dict[str, Any] = {
            "id": role.id,
            "members": role.minimum or (1 if role.allows(1) else 0),
            "resources": {"requests": dict(amounts), "limits": dict(amounts)},
        }
        if role.min_storage and not role.ephemeral_allowed:
            entry["storage"] = {"size": role.min_storage}
        roles.append(entry)
    return {
        "apiVersion": V1BETA1,
        "kind": "KubeDirectorCluster",
        "metadata": {"name": app.id},
        "spec": {"app": app.id, "roles": roles},
    }


def _cardinality(role: Role) -> str:
    """A role that is not selected has no members unless a cluster names it."""
    if role.selected or role.minimum == 0:
        return role.cardinality
    return "0+" if role.cardinality.endswith("+") else f"0-{role.minimum}"


def _emit_app(app: App, volumes: Mapping[str, tuple[bool, Sequence[str]]]) -> dict[str, Any]:
    """The definition. ``volumes``: for each role, whether its directories persist, and its raw devices."""
    offered = {item for role in app.roles for item in role.services}
    services = []
    for service in app.services:
        if service.port is None or service.id not in offered:
            continue
        found: dict[str, Any] = {"id": service.name, "port": service.port, "per_member": True}
        for key, value in (
            ("scheme", service.scheme),
            ("path", service.path),
            ("dashboard", service.dashboard),
            ("token", service.token),
            ("description", service.label),
        ):
            if value:
                found[key] = value
        services.append(found)
    roles = []
    for role in app.roles:
        known = [app.service(item) for item in role.services]
        persist, devices = volumes.get(role.id, (False, ()))
        security: dict[str, Any] = {"run_as_root": True, "read_only_root": False}
        if app.capabilities:
            security["capabilities"] = list(app.capabilities)
        entry: dict[str, Any] = {
            "id": role.name,
            "cardinality": _cardinality(role),
            "image": role.image,
            # KubeDirector starts and stops all members of a role at once.
            "ordered": False,
            "services": [service.name for service in known if service and service.port is not None],
            "security": security,
        }
        storage = []
        if persist:
            storage.append({"id": "data", "paths": persist_dirs(role), "populate": True})
        storage += [{"id": f"block{number}", "path": path, "block": True} for number, path in enumerate(devices)]
        if storage:
            entry["storage"] = storage
        for key, value in (("systemd", app.systemd), ("stdin", role.stdin), ("tty", role.tty)):
            if value:
                entry[key] = True
        if role.package:
            if role.package.new_layout:
                entry["env"] = {"PYTHONUSERBASE": "/usr/local"}
            told = [event for event in GUEST_EVENTS if role.events is None or event in role.events]
            # Whatever eventList says, KubeDirector tells members of changed connections.
            entry["guest"] = {
                "package": role.package.url,
                "events": told if "reconnect" in told else [*told, "reconnect"],
                # As start scripts know them, also what has no port.
                "role": role.id,
                "services": [_guest_service(service) for service in known if service],
            }
        roles.append(entry)
    document: dict[str, Any] = {
        "apiVersion": API_VERSION,
        "kind": "App",
        "metadata": {"name": app.name, "version": app.version, "description": app.description},
        "spec": {"services": services, "roles": roles},
    }
    if any(role.package for role in app.roles):
        document["spec"]["guest"] = {"distro": app.distro, "schema_version": app.schema}
    if app.config_meta:
        document["spec"]["config_meta"] = dict(app.config_meta)
    return document


def _guest_service(service: Service) -> dict[str, str]:
    found = {"id": service.id, "name": service.label, "exported_service": service.exported}
    if service.port is not None and service.name != service.id:
        found["service"] = service.name
    return {key: value for key, value in found.items() if value}


def _emit_cluster(app: App, head: Mapping[str, Any], roles: Sequence[ClusterRole], namespace: str) -> dict[str, Any]:
    place = namespace or head["namespace"] or "default"
    settings = {role.role.name: role.settings for role in roles}
    document: dict[str, Any] = {
        "apiVersion": API_VERSION,
        "kind": "AppCluster",
        "metadata": {"name": head["name"], "namespace": place},
        "spec": {
            "app": app.name,
            "service_type": head["service_type"],
            "roles": {role.name: settings.get(role.name, {"members": 0}) for role in app.roles},
        },
    }
    if head["labels"]:
        document["metadata"]["labels"] = head["labels"]
    if place == "default":
        document["spec"]["create_namespace"] = False
    connections = {key: value for key, value in head["connections"].items() if value}
    if connections:
        document["spec"]["connections"] = connections
    return document
