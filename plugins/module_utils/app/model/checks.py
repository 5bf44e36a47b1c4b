# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What no declaration of one field says: what holds between the fields of an object, between the parts of a
definition, and between those of a cluster.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Callable

from ...kube.quantity import quantity
from .amounts import check_amount, check_memory, check_together, chosen
from .cluster import AppCluster, RoleSettings, ServiceSettings, VolumeSettings, secret_mounts
from .kubernetes import MAX_SEARCHED, MAX_SEARCHES
from .lines import check_lines
from .questions import Check, Leave, LiveRole
from .reader import QUOTE, Problem, Reader, show
from .scheduling import LabelRequirement, NodeField, NodeRequirement, NodeTerms, PodTerm, Toleration
from .types import (
    AGENT_PATH,
    FLAT_FORMATS,
    GUEST_PATH,
    PARAMETER_TYPES,
    SYSTEMD_TMPFS,
    WRITTEN_FORMATS,
    ApiRule,
    App,
    ConfigFile,
    Parameter,
    Resources,
    Role,
    Storage,
)


def _check(reader: Reader, check: Check) -> None:
    if sum((check.http is not None, bool(check.command), bool(check.tcp))) != 1:
        given = [name for name in ("http", "command", "tcp") if name in reader.data]
        reader.problem("", "exactly one of http, command and tcp", " and ".join(given) or "nothing")


def _live_role(reader: Reader, live: LiveRole) -> None:
    try:
        re.compile(live.match)
    except re.error as error:
        reader.problem("match", "a regular expression", f"{show(live.match)}: {error}")


def _leave(reader: Reader, leave: Leave) -> None:
    for name, step in (("allowed", leave.allowed), ("announce", leave.announce), ("done", leave.done)):
        if step and (step.check.tcp or (step.check.http and name != "done")):
            reader.problem(name, "a command", "http" if step.check.http else "tcp")


def check_texts(reader: Reader, value: Any) -> None:
    """JSON's escapes can say half of a character, which is no text in any encoding."""
    for where, text in _texts(value, ""):
        half = "" if text.isascii() else next((one for one in text if "\ud800" <= one <= "\udfff"), "")
        if half:
            found, remedy = f"half a character, {_escaped(half)}", "Write the character itself."
            reader.problem(_escaped(where), "texts of whole characters", found, remedy)


def _texts(value: Any, where: str) -> Iterator[tuple[str, str]]:
    """All texts of a document, names included, with the field where each is."""
    if isinstance(value, str):
        yield where, value
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from _texts(key, where)
            yield from _texts(item, f"{where}.{key}" if where else str(key))
    elif isinstance(value, (list, tuple)):
        for index, item in enumerate(value):
            yield from _texts(item, f"{where}[{index}]")


def _escaped(text: str) -> str:
    """A text that can be written, with halves of characters by their escapes."""
    return text.encode("utf-8", "backslashreplace").decode()


def _resources(reader: Reader, resources: Resources) -> None:
    for name, others in (("requests", resources.requests), ("limits", resources.limits)):
        for key in ("cpu", "memory"):
            if key in others:
                own = f"{key}_{name[:-1]}"
                reader.problem(f"{name}.{key}", f"{own} beside {name}", key, f"Set {reader.at(own)}.")
        for key, text in others.items():
            check_amount(reader, f"{name}.{key}", key, text)
    for what in ("cpu", "memory"):
        for part in ("request", "limit"):
            check_amount(reader, f"{what}_{part}", what, getattr(resources, f"{what}_{part}"))


def _size(reader: Reader, name: str, text: str) -> None:
    """A size of something that is not there without any."""
    if quantity(text) == 0:
        reader.problem(name, "more than nothing", show(text))
    check_amount(reader, name, "storage", text)


def _role_settings(reader: Reader, settings: RoleSettings) -> None:
    _size(reader, "shared_memory", settings.shared_memory)


def _storage(reader: Reader, storage: Storage) -> None:
    if bool(storage.path) == bool(storage.paths):
        reader.problem("path", "either path or paths", "both" if storage.path else "neither")
    _size(reader, "size", storage.size)
    if storage.block and (storage.paths or storage.populate):
        reader.problem("block", "a device at path alone", "paths or populate beside it")


def _values(reader: Reader, operator: str, values: Sequence[str]) -> None:
    """How many values an operator of Kubernetes' selectors compares with."""
    if operator in ("In", "NotIn") and not values:
        reader.problem("values", f"at least one with operator {operator}", "none")
    if operator in ("Exists", "DoesNotExist") and values:
        reader.problem("values", f"none with operator {operator}", ", ".join(map(show, values)))
    if operator in ("Gt", "Lt") and not (len(values) == 1 and re.fullmatch("-?[0-9]{1,18}", values[0])):
        found = ", ".join(map(show, values)) or "none"
        reader.problem("values", f"one whole number in quotes with operator {operator}", found)


def _node_field(reader: Reader, item: NodeField) -> None:
    if len(item.values) != 1:
        reader.problem("values", "just one", ", ".join(map(show, item.values)) or "none")


def _node_terms(reader: Reader, terms: NodeTerms) -> None:
    if not terms.nodeSelectorTerms:
        reader.problem("nodeSelectorTerms", "at least one", "none")


def _pod_term(reader: Reader, term: PodTerm) -> None:
    for name in ("matchLabelKeys", "mismatchLabelKeys"):
        if getattr(term, name) and term.labelSelector is None:
            reader.problem("labelSelector", f"a selector beside {name}", "nothing")
    for key in sorted({*term.matchLabelKeys} & {*term.mismatchLabelKeys}):
        reader.problem("mismatchLabelKeys", "other labels than in matchLabelKeys", show(key))


def _toleration(reader: Reader, toleration: Toleration) -> None:
    if not toleration.key and toleration.operator != "Exists":
        reader.problem("operator", "Exists without a key", show(toleration.operator or None),
                       "Name the taint in key, or set operator to Exists for every taint.")  # fmt: skip
    if toleration.operator == "Exists" and toleration.value:
        reader.problem("value", "none with operator Exists", show(toleration.value), "Set operator to Equal.")
    if toleration.tolerationSeconds is not None and toleration.effect != "NoExecute":
        reader.problem("effect", "NoExecute with tolerationSeconds", show(toleration.effect or None))


def _config_file(reader: Reader, file: ConfigFile) -> None:
    if file.format in FLAT_FORMATS:
        _check_flat(reader, "data", file.data, file.format)
    if file.format == "text" and file.data:
        remedy = f"Set format to {' or '.join(WRITTEN_FORMATS)}."
        reader.problem("data", "text in a file of format text", "a mapping", remedy)
    if file.format != "text" and file.text:
        reader.problem("text", f"data in a file of format {file.format}", "a text", "Set format to text.")
    for key in file.data if file.format in FLAT_FORMATS else ():
        if file.data[key] is None:
            reader.problem(f"data.{key}", "a text", "nothing", 'Write "" for an empty one.')
    if file.source is not None:
        # dialects.sources puts the text in its place where a definition is read from its file.
        found = f"{show(file.source)} in a definition that was not read from its file"
        remedy = "Name the file instead, or read it by the lookup baremetal.bigdata.app_document."
        reader.problem("source", "text or data", found, remedy)


def _check_flat(reader: Reader, where: str, data: Mapping[str, Any], form: str) -> None:
    """A file of properties or lines has names and texts, and nothing below."""
    if form == "lines":
        check_lines(reader, where, data)
    for key, value in data.items():
        if isinstance(value, (Mapping, list, tuple)):
            remedy = f"Write {key}.NAME for a name of several parts." if isinstance(value, Mapping) and value else ""
            reader.problem(f"{where}.{key}", "a text, a number, true or false", show(value), remedy)


def check_config(reader: Reader, file: ConfigFile, value: Any) -> None:
    """What a cluster says of a file. Raises no problem for what is no text or mapping: see its reader."""
    where = f"config.{file.name}"
    if not isinstance(value, Mapping) or file.format == "text":
        return
    if file.format in FLAT_FORMATS:
        _check_flat(reader, where, value, file.format)
    # The name of the file, or the one key at its top, once more: then nothing of it would be where the app looks.
    if isinstance(value.get(file.name), Mapping) and file.name not in file.data:
        reader.problem(f"{where}.{file.name}", f"what is in {file.name}", f"{file.name} once more",
                       "Take out this level.")  # fmt: skip
    for key, below in file.data.items() if len(file.data) == 1 else ():
        inner = value.get(key)
        twice = isinstance(inner, Mapping) and isinstance(inner.get(key), Mapping)
        if twice and isinstance(below, Mapping) and key not in below:
            reader.problem(f"{where}.{key}.{key}", f"what is below {key} in {file.name}", f"{key} once more",
                           "Take out this level.")  # fmt: skip


def _parameter(reader: Reader, parameter: Parameter) -> None:
    for name in ("minimum", "maximum"):
        if getattr(parameter, name) is not None and parameter.type != "int":
            reader.problem(name, "none but with type int", f"type {parameter.type}", "Remove it, or set type to int.")
    if parameter.default is not None:
        check_value(reader, "default", parameter, parameter.default)


def check_value(reader: Reader, where: str, parameter: Parameter, value: Any) -> None:
    """Whether a value of a parameter, at a place of a document, is one that the parameter may have."""
    kind: type = PARAMETER_TYPES[parameter.type]
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        lost = parameter.type == "str" and isinstance(value, (bool, int, float))
        reader.problem(where, f"a value of type {parameter.type}", show(value), QUOTE if lost else "")
    elif parameter.choices and value not in parameter.choices:
        reader.problem(where, "one of " + ", ".join(map(str, parameter.choices)), show(value))
    elif isinstance(value, int) and parameter.minimum is not None and value < parameter.minimum:
        reader.problem(where, f"{parameter.minimum} or more", show(value))
    elif isinstance(value, int) and parameter.maximum is not None and value > parameter.maximum:
        reader.problem(where, f"{parameter.maximum} or less", show(value))


def _api_rule(reader: Reader, rule: ApiRule) -> None:
    if not rule.groups:
        reader.problem("groups", "at least one", "none", 'The core group is an empty text: [""].')
    for name, values in (("resources", rule.resources), ("verbs", rule.verbs)):
        if not values:
            reader.problem(name, "at least one", "none")
        if "*" in values:
            reader.problem(name, "names", "'*'", "Name what the app really uses.")


def _role(reader: Reader, role: Role) -> None:
    if role.storage and role.controller != "StatefulSet":
        reader.problem("storage", "no storage of their own for members of a " + role.controller, "a volume",
                       "Use controller: StatefulSet.")  # fmt: skip
    if role.hostname and role.cardinality.maximum != 1:
        reader.problem("hostname", "cardinality 1 or 0-1 with a host name", str(role.cardinality),
                       "Members of a StatefulSet have names of their own.")  # fmt: skip
    if role.restart_last and not role.live_role:
        reader.problem("restart_last", "live_role beside it", "none", "Say how to find out who a member is now.")


def _service_settings(reader: Reader, settings: ServiceSettings) -> None:
    if settings.node_port and settings.type == "ClusterIP":
        found = str(settings.node_port)
        reader.problem("node_port", "no node port with type ClusterIP", found, "Set type to NodePort.")


# Of one object, once its fields are read.
CHECKS: Mapping[type, Callable[[Reader, Any], None]] = {
    ApiRule: _api_rule,
    Check: _check,
    ConfigFile: _config_file,
    LabelRequirement: lambda reader, item: _values(reader, item.operator, item.values),
    Leave: _leave,
    LiveRole: _live_role,
    NodeField: _node_field,
    NodeRequirement: lambda reader, item: _values(reader, item.operator, item.values),
    NodeTerms: _node_terms,
    Parameter: _parameter,
    PodTerm: _pod_term,
    Resources: _resources,
    Role: _role,
    RoleSettings: _role_settings,
    ServiceSettings: _service_settings,
    Storage: _storage,
    Toleration: _toleration,
    VolumeSettings: lambda reader, volume: _size(reader, "size", volume.size),
}


def check_app(app: App, problems: list[Problem]) -> None:
    """What holds between the parts of a definition."""
    services = [service.id for service in app.services]
    roles = [role.id for role in app.roles]
    numbers = [parameter.name for parameter in app.parameters if parameter.type == "int"]
    primary = [service.id for service in app.services if service.primary]
    top = Reader({}, "spec", problems)
    if not roles:
        top.problem("roles", "at least one role", "none")
    if len(primary) > 1:
        top.problem("services", "at most one primary service", " and ".join(primary))
    for service in app.services:
        offering = [role.id for role in app.roles_of(service.id)]
        if service.primary and len(offering) > 1:
            top.problem("services", "a primary service in one role", f"{service.id} in {' and '.join(offering)}")
    for index, role in enumerate(app.roles):
        reader = Reader({}, f"spec.roles[{index}]", problems)
        check_together(reader.section("resources"), chosen(role.resources, Resources()), whole=False)
        for number, use in enumerate(role.memory_use):
            reader.known(f"memory_use[{number}].parameter", use.parameter, numbers, "parameter of type int", True)
        for name in role.services:
            reader.known("services", name, services, "service", True)
        ports: dict[tuple[int, str], str] = {}
        for service in (app.service(name) for name in role.services if name in services):
            other = ports.setdefault((service.port, service.protocol), service.id)
            if other != service.id:
                reader.problem(
                    "services", "a port for each service", f"{other} and {service.id} both on {service.port}"
                )
        for name in role.starts_after:
            reader.known("starts_after", name, roles, "role", True)
        for name in role.health.counts:
            reader.known("health.counts", name, roles, "role", True)
        steps = {name: getattr(role.leave, name) for name in ("allowed", "announce", "done")}
        for where, name in [("health.at", role.health.at), *((f"leave.{k}.at", v.at) for k, v in steps.items() if v)]:
            reader.known(where, name, roles, "role")
        checks = {
            "probes.startup": role.probes.startup and role.probes.startup.check,
            "probes.readiness": role.probes.readiness and role.probes.readiness.check,
            "probes.liveness": role.probes.liveness and role.probes.liveness.check,
            "health.members": role.health.members,
            "health.safe": role.health.safe,
            "live_role": role.live_role and role.live_role.check,
            **{f"leave.{name}": step.check for name, step in steps.items() if step},
        }
        asked = dict.fromkeys(("health.members", "health.safe"), role.health.at)
        asked.update({f"leave.{name}": step.at for name, step in steps.items() if step})
        for where, check in checks.items():
            if check is None:
                continue
            if check.tcp and not where.startswith("probes."):
                reader.problem(where, "http or command", "tcp", "An open port does not say how the app is.")
            at = asked.get(where) or role.id
            offers = app.role(at).services if at in roles else ()
            reader.known(where, check.http.service if check.http else check.tcp, offers, "service")
    cycle = _cycle({role.id: role.starts_after for role in app.roles})
    if cycle:
        top.problem("roles", "an order in which roles can start", " after ".join(cycle), "Remove one starts_after.")


def _cycle(graph: Mapping[str, Sequence[str]]) -> list[str]:
    """A way round in a directed graph, or nothing."""
    done: set[str] = set()

    def walk(node: str, trail: list[str]) -> list[str]:
        if node in trail:
            return trail[trail.index(node) :] + [node]
        if node in done or node not in graph:
            return []
        for following in graph[node]:
            found = walk(following, trail + [node])
            if found:
                return found
        done.add(node)
        return []

    for start in graph:
        found = walk(start, [])
        if found:
            return found
    return []


def check_cluster(cluster: AppCluster, problems: list[Problem]) -> None:
    """What holds between the parts of a cluster, once it is put together."""
    for role in cluster.app.roles:
        reader = Reader({}, f"spec.roles.{role.id}", problems)
        settings = cluster.roles[role.id]
        check_together(reader.section("resources"), chosen(role.resources, settings.resources), whole=True)
        check_memory(reader, cluster, role)
        paths: dict[str, str] = {}
        places = [("guest", path) for path in (GUEST_PATH, AGENT_PATH) if role.guest]
        places += [("config_files", item.path) for item in role.config_files]
        places += [("storage", path) for item in role.storage for path in item.paths or (item.path,)]
        places += [("secrets", item.path) for item in secret_mounts(role, settings)]
        places += [("volumes", item.path) for item in settings.volumes]
        places += [("security.writable_paths", path) for path in role.security.writable_paths]
        if role.discovery_path:
            places.append(("discovery_path", role.discovery_path))
        if role.systemd:
            places += [("systemd", path) for path in (*SYSTEMD_TMPFS, "/sys/fs/cgroup")]
        if settings.shared_memory:
            places.append(("shared_memory", "/dev/shm"))
        for what, path in places:
            path = path.rstrip("/") or "/"
            if path in paths:
                reader.problem(what, "a path for each mount", f"{path} again, after {paths[path]}")
            paths[path] = what
        longest = len(cluster.name) + len(role.id) + 1
        # A pod's name is a label of 63 characters, and a StatefulSet's pods carry a hash of ten more.
        if longest > 52:
            reader.problem("", "names of cluster and role of at most 51 characters together", str(longest - 1),
                           "Shorten one of them.")  # fmt: skip
        for name in ("files", "secret_keys"):
            if getattr(settings, name) and role.guest is None:
                reader.problem(name, f"{name} only for a role with a config package", "none",
                               "Put it into the image, a Secret or config_files.")  # fmt: skip
    if any(role.guest for role in cluster.app.roles):
        _check_searches(cluster, problems)
    taken: dict[tuple[int | None, str], str] = {}
    for service in cluster.app.services:
        roles = cluster.app.roles_of(service.id)
        port = cluster.services[service.id].node_port
        other = taken.setdefault((port, service.protocol), service.id)
        if port and other != service.id:
            Reader({}, f"spec.services.{service.id}", problems).problem(
                "node_port", "a node port for each service", f"{port} again, after spec.services.{other}.node_port",
                "Set another, or leave it to Kubernetes.")  # fmt: skip
        if cluster.services[service.id].node_port and len(roles) > 1:
            Reader({}, f"spec.services.{service.id}", problems).problem(
                "node_port", "a node port for a service of one role", " and ".join(role.id for role in roles),
                "Leave it to Kubernetes.")  # fmt: skip


def _check_searches(cluster: AppCluster, problems: list[Problem]) -> None:
    """Members with a config package call those of all roles by their short names: pods take so many search domains."""
    roles = cluster.app.roles
    top = Reader({}, "", problems)
    if len(roles) > MAX_SEARCHES:
        top.problem("spec.roles", f"at most {MAX_SEARCHES} roles beside a config package", str(len(roles)),
                    "Its members search the domain of each role. Make two apps of it.")  # fmt: skip
        return
    domains = [f"{cluster.name}-{role.id}.{cluster.namespace}.svc.{cluster.dns_domain}" for role in roles]
    characters = len(" ".join(domains))
    if characters > MAX_SEARCHED:
        expected = f"names that make at most {MAX_SEARCHED} characters of search domains beside a config package"
        top.problem("metadata.name", expected, f"{characters} characters",
                    "Shorten the names of the cluster, its namespace or its roles.")  # fmt: skip
