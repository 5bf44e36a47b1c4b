# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading the app model: plain data (the project's own dialect, ``kind: App`` and ``kind: AppCluster``) becomes the
types of ``types``. Bad input is refused with every problem: where, what was expected, what was found, what to do.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from .checks import CHECKS, check_app, check_cluster, check_config, check_texts, check_value
from .cluster import AppCluster, RoleSettings, ServiceSettings, VolumeSettings
from .declare import Builder
from .reader import AppError, Problem, Reader, show
from .types import API_VERSION, App, Role, Service, Storage

BUILDER = Builder(CHECKS)


def _document(document: Any, problems: list[Problem]) -> Reader:
    """A reader of a document of whole characters. Raises AppError: further messages could not be written."""
    halves: list[Problem] = []
    check_texts(Reader({}, "", halves), document)
    if halves:
        raise AppError(halves)
    return Reader(document, "", problems)


def _head(reader: Reader, kind: str) -> Reader:
    version = reader.text("apiVersion", API_VERSION)
    if version != API_VERSION:
        reader.problem("apiVersion", API_VERSION, show(version))
    found = reader.text("kind", None, what=kind)
    if found and found != kind:
        reader.problem("kind", kind, show(found))
    return reader.section("metadata")


def load_app(document: Any) -> App:
    """Read an app definition (``kind: App``). Raises AppError with every problem."""
    problems: list[Problem] = []
    reader = _document(document, problems)
    meta = _head(reader, "App")
    spec = reader.section("spec")
    app = App(**BUILDER.values(App, meta, {}, "metadata"), **BUILDER.values(App, spec, {}))
    for part in (meta, spec, reader):
        part.done()
    check_app(app, problems)
    if problems:
        raise AppError(problems)
    return app


def _volumes(reader: Reader, role: Role) -> dict[str, Storage]:
    """The definition's volumes of which a cluster says something, as it says."""
    volumes = {volume.id: volume for volume in role.storage}
    storage = {}
    chosen = reader.mapping("storage")
    for name, value in chosen.items():
        reader.known("storage", str(name), tuple(volumes), "volume")
        if name in volumes:
            section = Reader(value, reader.at(f"storage.{name}"), reader.problems)
            usual = volumes[name]
            size = BUILDER.field(VolumeSettings, "size", section, "") or usual.size
            kind = BUILDER.field(VolumeSettings, "storage_class", section, usual.storage_class)
            storage[name] = replace(usual, size=size, storage_class=kind)
            BUILDER.checks[VolumeSettings](section, VolumeSettings(size, kind))
            section.done()
    return storage


def _config(reader: Reader, role: Role) -> Mapping[str, Any]:
    """What a cluster says of the files of a role, each in the file's own form."""
    files = {item.name: item for item in role.config_files}
    config: Mapping[str, Any] = BUILDER.field(RoleSettings, "config", reader, {})
    for name, value in config.items():
        reader.known("config", str(name), tuple(files), "configuration file")
        if name in files and isinstance(value, Mapping) != (files[name].format != "text"):
            expected = "a text" if files[name].format == "text" else "a mapping to merge"
            reader.problem(f"config.{name}", expected, show(value))
        elif name in files:
            check_config(reader, files[name], value)
    return config


def _role_settings(parent: Reader, role: Role) -> RoleSettings:
    reader = parent.section(role.id)
    least = role.cardinality.minimum
    members = BUILDER.field(RoleSettings, "members", reader, least)
    if not role.cardinality.allows(members):
        expected = f"{role.cardinality} members of role {role.id}"
        reader.problem("members", expected, str(members), "Change the number of members.")
    given = {
        "members": members,
        "storage": _volumes(reader, role),
        "config": _config(reader, role),
        "image": BUILDER.field(RoleSettings, "image", reader, role.image),
    }
    settings = BUILDER.build(RoleSettings, reader, given)
    if not settings.image:
        reader.problem("image", "an image", "nothing", "The definition names none, so the cluster has to.")
    reader.done()
    return settings


def _service_settings(parent: Reader, service: Service, usual: str) -> ServiceSettings:
    reader = parent.section(service.id)
    kind = BUILDER.field(ServiceSettings, "type", reader, usual)
    settings = BUILDER.build(ServiceSettings, reader, {"type": kind})
    reader.done()
    return settings


def load_cluster(document: Any, app: App) -> AppCluster:
    """Read a cluster's settings (``kind: AppCluster``) for an app. Raises AppError with every problem."""
    problems: list[Problem] = []
    reader = _document(document, problems)
    meta = _head(reader, "AppCluster")
    spec = reader.section("spec")
    named = spec.text("app", app.name)
    if named != app.name:
        spec.problem("app", show(app.name), show(named))
    roles, services, values = spec.section("roles"), spec.section("services"), spec.section("parameters")
    usual = BUILDER.field(AppCluster, "service_type", spec, "ClusterIP")
    parameters = {}
    for parameter in app.parameters:
        value = values.raw(parameter.name, parameter.default)
        if value is None:
            values.problem(parameter.name, f"a value of type {parameter.type}", "nothing", "It has no default.")
        else:
            check_value(values, parameter.name, parameter, value)
        parameters[parameter.name] = value
    given: dict[str, Any] = BUILDER.values(AppCluster, meta, {}, "metadata")
    given.update(
        app=app,
        roles={role.id: _role_settings(roles, role) for role in app.roles},
        services={service.id: _service_settings(services, service, usual) for service in app.services},
        service_type=usual,
        parameters=parameters,
    )
    cluster = AppCluster(**given, **BUILDER.values(AppCluster, spec, given))
    for part in (meta, roles, services, values, spec, reader):
        part.done()
    check_cluster(cluster, problems)
    if problems:
        raise AppError(problems)
    return cluster
