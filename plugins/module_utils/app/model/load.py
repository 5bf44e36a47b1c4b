# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading the app model: plain data (the project's own dialect, ``kind: App`` and ``kind: AppCluster``) becomes the
types of ``types``. Bad input is refused with every problem: where, what was expected, what was found, what to do.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from .checks import check_app, check_cluster
from .reader import LABEL, AppError, Problem, Reader, show
from .types import (
    API_VERSION,
    CONTROLLERS,
    DISRUPTION_BUDGETS,
    GUEST_EVENTS,
    NODE_PORTS,
    PARAMETER_TYPES,
    SERVICE_TYPES,
    SPREADS,
    ApiRule,
    App,
    AppCluster,
    Cardinality,
    Check,
    ClaimMount,
    ConfigFile,
    Connections,
    FetchedFile,
    Guest,
    GuestApp,
    GuestService,
    Health,
    HttpCheck,
    Leave,
    LeaveStep,
    LiveRole,
    Parameter,
    Probe,
    Probes,
    Resources,
    Role,
    RoleSettings,
    SecretKey,
    SecretMount,
    Security,
    Service,
    ServiceSettings,
    Storage,
)


def _head(reader: Reader, kind: str) -> Reader:
    version = reader.text("apiVersion", API_VERSION)
    if version != API_VERSION:
        reader.problem("apiVersion", API_VERSION, show(version))
    found = reader.text("kind", None, what=kind)
    if found and found != kind:
        reader.problem("kind", kind, show(found))
    return reader.section("metadata")


def _check(reader: Reader) -> Check:
    http = None
    if "http" in reader.data:
        section = reader.section("http")
        http = HttpCheck(section.text("service", None), section.text("path", "/", "/.*", "a path that starts with /"),
                         section.text("json"))  # fmt: skip
        section.done()
    check = Check(http, reader.strings("command"), reader.text("tcp"))
    if sum((check.http is not None, bool(check.command), bool(check.tcp))) != 1:
        given = [name for name in ("http", "command", "tcp") if name in reader.data]
        reader.problem("", "exactly one of http, command and tcp", " and ".join(given) or "nothing")
    return check


def _probe(parent: Reader, name: str) -> Probe | None:
    if parent.raw(name) is None:
        return None
    reader = parent.section(name)
    probe = Probe(
        _check(reader),
        initial_delay=reader.whole("initial_delay", 0, 0),
        period=reader.whole("period", 10, 1),
        timeout=reader.whole("timeout", 5, 1),
        failures=reader.whole("failures", 3, 1),
    )
    reader.done()
    return probe


def _named_check(parent: Reader, name: str) -> Check | None:
    if parent.raw(name) is None:
        return None
    reader = parent.section(name)
    check = _check(reader)
    reader.done()
    return check


def _health(parent: Reader) -> Health:
    reader = parent.section("health")
    health = Health(
        _named_check(reader, "members"), _named_check(reader, "safe"), reader.text("at"), reader.strings("counts")
    )
    reader.done()
    return health


def _live_role(parent: Reader) -> LiveRole | None:
    if parent.raw("live_role") is None:
        return None
    reader = parent.section("live_role")
    live = LiveRole(_check(reader), reader.text("match"), reader.texts("names"))
    try:
        re.compile(live.match)
    except re.error as error:
        reader.problem("match", "a regular expression", f"{show(live.match)}: {error}")
    reader.done()
    return live


def _leave(parent: Reader) -> Leave:
    def step(name: str) -> LeaveStep | None:
        if reader.raw(name) is None:
            return None
        section = reader.section(name)
        found = LeaveStep(_check(section), section.text("at"))
        if found.check.tcp or (found.check.http and name != "done"):
            section.problem("", "a command", "http" if found.check.http else "tcp")
        section.done()
        return found

    reader = parent.section("leave")
    leave = Leave(step("allowed"), step("announce"), step("done"))
    reader.done()
    return leave


def _secret_env(parent: Reader) -> dict[str, SecretKey]:
    result = {}
    for name, value in parent.mapping("secret_env").items():
        reader = Reader(value, parent.at(f"secret_env.{name}"), parent.problems)
        result[str(name)] = SecretKey(reader.text("secret", None), reader.text("key", None))
        reader.done()
    return result


def _mode(reader: Reader, default: str) -> str:
    return reader.text("mode", default, "0?[0-7]{3}", 'an octal mode in quotes, such as "0440"')


def _path(reader: Reader, name: str = "path") -> str:
    return reader.text(name, None, "/.*", "an absolute path")


def _secret_mount(reader: Reader) -> SecretMount:
    return SecretMount(reader.name("id", 20), reader.text("secret", None), _path(reader), _mode(reader, "0440"))


def _claim_mount(reader: Reader) -> ClaimMount:
    return ClaimMount(reader.text("claim", None), _path(reader), reader.boolean("read_only", False))


def _fetched_file(reader: Reader) -> FetchedFile:
    url = reader.text("url", None, "(https?|file)://.+", "a URL that starts with https://, http:// or file://")
    owner = reader.text("owner", "", "[0-9]+(:[0-9]+)?", "numbers of a user and a group, such as 1000:1000")
    return FetchedFile(url, _path(reader), _mode(reader, "0644"), owner)


def _guest(parent: Reader) -> Guest | None:
    if parent.raw("guest") is None:
        return None
    reader = parent.section("guest")
    events = reader.strings("events") if reader.raw("events") is not None else GUEST_EVENTS
    for event in events:
        if event not in GUEST_EVENTS:
            reader.problem("events", "some of " + ", ".join(GUEST_EVENTS), show(event))
    package = reader.text("package", None, "(https?|file)://.+", "a URL that starts with https://, http:// or file://")
    services = reader.each(
        "services",
        lambda item: GuestService(
            item.text("id", None), item.text("name"), item.text("exported_service"), item.text("service")
        ),
        "id",
    )
    guest = Guest(package, tuple(events), reader.text("role"), services)
    reader.done()
    return guest


def _guest_app(parent: Reader) -> GuestApp:
    reader = parent.section("guest")
    guest = GuestApp(reader.text("distro"), reader.whole("schema_version", 7, 1))
    reader.done()
    return guest


def _resources(parent: Reader) -> Resources:
    reader = parent.section("resources")
    usual = [reader.quantity(name) for name in ("cpu_request", "cpu_limit", "memory_request", "memory_limit")]
    others: dict[str, dict[str, str]] = {}
    for name in ("requests", "limits"):
        section = reader.section(name)
        others[name] = {str(key): section.quantity(str(key)) for key in section.data}
        for key in ("cpu", "memory"):
            if key in section.data:
                section.problem(
                    key, f"{key}_{name[:-1]} beside {name}", key, f"Set {reader.at(key + '_' + name[:-1])}."
                )
    reader.done()
    cpu_request, cpu_limit, memory_request, memory_limit = usual
    return Resources(cpu_request, cpu_limit, memory_request, memory_limit, others["requests"], others["limits"])


def _storage(reader: Reader) -> Storage:
    storage = Storage(
        reader.name("id", 20),
        reader.text("path", "", "/.*", "an absolute path"),
        reader.quantity("size") or "1Gi",
        reader.text("storage_class"),
        reader.strings("paths"),
        reader.boolean("populate", False),
        reader.boolean("block", False),
    )
    if bool(storage.path) == bool(storage.paths):
        reader.problem("path", "either path or paths", "both" if storage.path else "neither")
    for path in storage.paths:
        if not path.startswith("/"):
            reader.problem("paths", "absolute paths", show(path))
    if storage.block and (storage.paths or storage.populate):
        reader.problem("block", "a device at path alone", "paths or populate beside it")
    return storage


def _config_file(reader: Reader) -> ConfigFile:
    name = reader.text("name", None, r"[-._a-zA-Z0-9]+", "a file name")
    form = reader.choice("format", ("text", "yaml", "properties"), "text")
    text, data = reader.text("text"), reader.mapping("data")
    if form == "text" and data:
        reader.problem("data", "text in a file of format text", "a mapping", "Set format to yaml or properties.")
    if form != "text" and text:
        reader.problem("text", f"data in a file of format {form}", "a text", "Set format to text.")
    source = reader.raw("source")
    if source is not None:
        # dialects.sources puts the text in its place where a definition is read from its file.
        found = f"{show(source)} in a definition that was not read from its file"
        remedy = "Name the file instead, or read it by the lookup baremetal.bigdata.app_document."
        reader.problem("source", "text or data", found, remedy)
    return ConfigFile(
        name,
        _path(reader),
        form,
        text,
        data,
        reader.boolean("secret", False),
    )


def _service(reader: Reader) -> Service:
    return Service(
        reader.name("id", 15),
        reader.whole("port", 0, 1, 65535),
        reader.choice("protocol", ("TCP", "UDP"), "TCP"),
        reader.text("scheme", "", "[a-z][a-z0-9+.-]*", "a URL scheme such as https"),
        reader.text("path"),
        reader.boolean("dashboard", False),
        reader.boolean("primary", False),
        reader.boolean("published", True),
        reader.boolean("per_member", False),
        reader.boolean("token", False),
        reader.text("description"),
    )


def _parameter(reader: Reader) -> Parameter:
    name = reader.text("name", None, r"[a-z][a-z0-9_]*", "a name of lower-case letters, digits and underscores")
    parameter = Parameter(
        name,
        reader.choice("type", tuple(PARAMETER_TYPES), "str"),
        reader.raw("default"),
        reader.integer("minimum", None, -(2**62)),
        reader.integer("maximum", None, -(2**62)),
        tuple(reader.items("choices")),
        reader.boolean("fixed", False),
        reader.text("description"),
    )
    if parameter.default is not None:
        _parameter_value(reader, "default", parameter, parameter.default)
    return parameter


def _parameter_value(reader: Reader, where: str, parameter: Parameter, value: Any) -> None:
    kind: type = PARAMETER_TYPES[parameter.type]
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        reader.problem(where, f"a value of type {parameter.type}", show(value))
    elif parameter.choices and value not in parameter.choices:
        reader.problem(where, "one of " + ", ".join(map(str, parameter.choices)), show(value))
    elif isinstance(value, int) and parameter.minimum is not None and value < parameter.minimum:
        reader.problem(where, f"{parameter.minimum} or more", show(value))
    elif isinstance(value, int) and parameter.maximum is not None and value > parameter.maximum:
        reader.problem(where, f"{parameter.maximum} or less", show(value))


def _api_rule(reader: Reader) -> ApiRule:
    rule = ApiRule(reader.strings("groups"), reader.strings("resources"), reader.strings("verbs"))
    for name in ("resources", "verbs"):
        if not getattr(rule, name):
            reader.problem(name, "at least one", "none")
        if "*" in getattr(rule, name):
            reader.problem(name, "names", "'*'", "Name what the app really uses.")
    return rule


def _security(parent: Reader) -> Security:
    reader = parent.section("security")
    security = Security(
        reader.integer("run_as_user", None, 1),
        reader.integer("run_as_group", None, 1),
        reader.integer("fs_group", None, 1),
        reader.boolean("run_as_root", False),
        reader.boolean("privileged", False),
        reader.boolean("read_only_root", True),
        reader.strings("writable_paths"),
        reader.strings("capabilities"),
    )
    reader.done()
    return security


def _role(reader: Reader) -> Role:
    name = reader.name("id", 20)
    text = reader.text("cardinality", "1+")
    try:
        cardinality = Cardinality.parse(text)
    except ValueError:
        reader.problem("cardinality", "a number of members such as 1, 3, 2+ or 1-5", show(text))
        cardinality = Cardinality(0, None)
    probes = reader.section("probes")
    role = Role(
        id=name,
        cardinality=cardinality,
        controller=reader.choice("controller", CONTROLLERS, "StatefulSet"),
        image=reader.text("image"),
        command=reader.strings("command"),
        args=reader.strings("args"),
        services=reader.strings("services"),
        env=reader.texts("env"),
        config_files=reader.each("config_files", _config_file, "name"),
        storage=reader.each("storage", _storage, "id"),
        resources=_resources(reader),
        probes=Probes(_probe(probes, "startup"), _probe(probes, "readiness"), _probe(probes, "liveness")),
        health=_health(reader),
        live_role=_live_role(reader),
        restart_last=reader.strings("restart_last"),
        leave=_leave(reader),
        security=_security(reader),
        starts_after=reader.strings("starts_after"),
        ordered=reader.boolean("ordered", True),
        termination_grace_seconds=reader.whole("termination_grace_seconds", 30, 1),
        pre_stop=reader.strings("pre_stop"),
        hostname=reader.text("hostname", "", LABEL, "a host name", 63),
        discovery_path=reader.text("discovery_path", "", "/.*", "an absolute path"),
        env_fields=reader.texts("env_fields"),
        secret_env=_secret_env(reader),
        secrets=reader.each("secrets", _secret_mount, "id"),
        tty=reader.boolean("tty", False),
        stdin=reader.boolean("stdin", False),
        systemd=reader.boolean("systemd", False),
        guest=_guest(reader),
        config_meta=reader.texts("config_meta"),
    )
    probes.done()
    if role.storage and role.controller != "StatefulSet":
        reader.problem("storage", "no storage of their own for members of a " + role.controller, "a volume",
                       "Use controller: StatefulSet.")  # fmt: skip
    if role.hostname and role.cardinality.maximum != 1:
        reader.problem("hostname", "cardinality 1 or 0-1 with a host name", str(role.cardinality),
                       "Members of a StatefulSet have names of their own.")  # fmt: skip
    if role.restart_last and not role.live_role:
        reader.problem("restart_last", "live_role beside it", "none", "Say how to find out who a member is now.")
    return role


def load_app(document: Any) -> App:
    """Read an app definition (``kind: App``). Raises AppError with every problem."""
    problems: list[Problem] = []
    reader = Reader(document, "", problems)
    meta = _head(reader, "App")
    spec = reader.section("spec")
    app = App(
        name=meta.name("name"),
        version=meta.text("version"),
        description=meta.text("description"),
        services=spec.each("services", _service, "id"),
        roles=spec.each("roles", _role, "id"),
        parameters=spec.each("parameters", _parameter, "name"),
        api_access=spec.each("api_access", _api_rule),
        config_meta=spec.texts("config_meta"),
        guest=_guest_app(spec),
        disruption_budget=spec.choice("disruption_budget", DISRUPTION_BUDGETS, "role"),
    )
    for part in (meta, spec, reader):
        part.done()
    check_app(app, problems)
    if problems:
        raise AppError(problems)
    return app


def _role_settings(parent: Reader, role: Role) -> RoleSettings:
    reader = parent.section(role.id)
    members = reader.integer("members", role.cardinality.minimum, 0)
    if members is not None and not role.cardinality.allows(members):
        reader.problem(
            "members", f"{role.cardinality} members of role {role.id}", str(members), "Change the number of members."
        )
    storage = {}
    volumes = {volume.id: volume for volume in role.storage}
    for name in reader.mapping("storage"):
        reader.known("storage", str(name), tuple(volumes), "volume")
        if name in volumes:
            section = Reader(reader.mapping("storage")[name], reader.at(f"storage.{name}"), reader.problems)
            storage[name] = replace(
                volumes[name],
                size=section.quantity("size") or volumes[name].size,
                storage_class=section.text("storage_class", volumes[name].storage_class),
            )
            section.done()
    files = {item.name: item for item in role.config_files}
    config = reader.mapping("config")
    for name, value in config.items():
        reader.known("config", str(name), tuple(files), "configuration file")
        if name in files and isinstance(value, Mapping) != (files[name].format != "text"):
            reader.problem(
                f"config.{name}", "a text" if files[name].format == "text" else "a mapping to merge", show(value)
            )
    settings = RoleSettings(
        members=role.cardinality.minimum if members is None else members,
        image=reader.text("image", role.image),
        resources=_resources(reader),
        env=reader.texts("env"),
        config=config,
        storage=storage,
        node_selector=reader.texts("node_selector"),
        tolerations=tuple(reader.items("tolerations")),
        affinity=reader.mapping("affinity"),
        spread=reader.choice("spread", SPREADS, "soft"),
        secret_env=_secret_env(reader),
        secrets=reader.each("secrets", _secret_mount, "id"),
        secret_keys=reader.texts("secret_keys"),
        shared_memory=reader.quantity("shared_memory"),
        service_account=reader.text("service_account"),
        volumes=reader.each("volumes", _claim_mount, "path"),
        files=reader.each("files", _fetched_file, "path"),
        pod_labels=reader.texts("pod_labels"),
        pod_annotations=reader.texts("pod_annotations"),
        service_labels=reader.texts("service_labels"),
        service_annotations=reader.texts("service_annotations"),
    )
    if not settings.image:
        reader.problem("image", "an image", "nothing", "The definition names none, so the cluster has to.")
    reader.done()
    return settings


def _service_settings(parent: Reader, service: Service, usual: str) -> ServiceSettings:
    reader = parent.section(service.id)
    settings = ServiceSettings(
        reader.choice("type", SERVICE_TYPES, usual), reader.integer("node_port", None, *NODE_PORTS)
    )
    if settings.node_port and settings.type == "ClusterIP":
        reader.problem(
            "node_port", "no node port with type ClusterIP", str(settings.node_port), "Set type to NodePort."
        )
    reader.done()
    return settings


def _connections(spec: Reader) -> Connections:
    reader = spec.section("connections")
    connections = Connections(*(reader.strings(name) for name in Connections.__dataclass_fields__))
    reader.done()
    return connections


def load_cluster(document: Any, app: App) -> AppCluster:
    """Read a cluster's settings (``kind: AppCluster``) for an app. Raises AppError with every problem."""
    problems: list[Problem] = []
    reader = Reader(document, "", problems)
    meta = _head(reader, "AppCluster")
    spec = reader.section("spec")
    named = spec.text("app", app.name)
    if named != app.name:
        spec.problem("app", show(app.name), show(named))
    roles, services, values = spec.section("roles"), spec.section("services"), spec.section("parameters")
    usual = spec.choice("service_type", SERVICE_TYPES, "ClusterIP")
    parameters = {}
    for parameter in app.parameters:
        value = values.raw(parameter.name, parameter.default)
        if value is None:
            values.problem(parameter.name, f"a value of type {parameter.type}", "nothing", "It has no default.")
        else:
            _parameter_value(values, parameter.name, parameter, value)
        parameters[parameter.name] = value
    cluster = AppCluster(
        name=meta.name("name"),
        namespace=meta.name("namespace", 63),
        labels=meta.texts("labels"),
        app=app,
        roles={role.id: _role_settings(roles, role) for role in app.roles},
        services={service.id: _service_settings(services, service, usual) for service in app.services},
        parameters=parameters,
        connections=_connections(spec),
        image_pull_secrets=spec.strings("image_pull_secrets"),
        create_namespace=spec.boolean("create_namespace", True),
        dns_domain=spec.text("dns_domain", "cluster.local"),
    )
    for part in (meta, roles, services, values, spec, reader):
        part.done()
    check_cluster(cluster, problems)
    if problems:
        raise AppError(problems)
    return cluster
