# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From the variables of an app's role to the settings of a cluster (``kind: AppCluster``). Pure functions.

A role declares once where each of its variables goes::

    hazelcast_replicas: spec.roles.member.members
    hazelcast_memory: [spec.roles.member.resources.memory_request, spec.roles.member.resources.memory_limit]
    hazelcast_config: spec.roles.member.config[hazelcast.yaml].hazelcast
    __hazelcast_spread: {place: spec.roles.member.spread, named: hazelcast_spread}

From that follow the settings, the types of values that come as texts (``-e name=value``), and what messages call a
field.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .model.cluster import AppCluster
from .model.declare import declared
from .model.reader import AppError, Problem, show
from .model.types import API_VERSION
from .render.text import merge

_PART = re.compile(r"\.?([^.\[\]]+)|\[([^\]]+)\]")
# A field in a message.
_FIELD = re.compile(r"\b(spec|metadata)\.[\w./\[\]-]*[\w\]]")
_WHOLE = re.compile(r"-?[0-9]+(\.0*)?")
_FORMS = {"dict": dict, "list": list}
_TRUE, _FALSE = ("true", "yes", "on", "y", "t", "1"), ("false", "no", "off", "n", "f", "0")


@dataclass(frozen=True)
class Place:
    """Where a variable's value goes. ``named``: what a message calls it."""

    variable: str
    named: str
    path: tuple[str, ...]


@dataclass(frozen=True)
class Settings:
    """A cluster's settings, and what messages call their fields: path -> variable."""

    cluster: dict[str, Any]
    names: dict[str, str] = field(default_factory=dict)


def parse_path(text: str) -> tuple[str, ...]:
    """The keys of a path, such as ``spec.roles.member.config[site.conf]``. Raises ValueError for what is none."""
    parts, end = [], 0
    while end < len(text):
        match = _PART.match(text, end)
        if not match:
            raise ValueError(f"expected a path such as spec.roles.member.members, found {text!r}")
        parts.append(match.group(1) or match.group(2))
        end = match.end()
    return tuple(parts)


def read_places(written: Mapping[str, Any]) -> list[Place]:
    """Every place of every variable. Raises ValueError for a declaration that makes no sense."""
    places = []
    for variable, where in written.items():
        entry = where if isinstance(where, Mapping) else {"place": where}
        if not {"place"} <= set(entry) <= {"place", "named"}:
            raise ValueError(f"{variable}: expected a path, several, or place and named; found {where!r}")
        paths = [entry["place"]] if isinstance(entry["place"], str) else list(entry["place"])
        places += [Place(variable, str(entry.get("named", variable)), parse_path(path)) for path in paths]
    return places


def type_of(path: Sequence[str], definition: Mapping[str, Any]) -> str:
    """The type that a place wants of a text, as parameters call it: ``int``, ``bool``, ``dict``, ``list``, or empty."""
    spec = definition.get("spec") or {}
    if tuple(path[:2]) == ("spec", "parameters") and len(path) == 3:
        return next(
            (str(one.get("type", "str")) for one in spec.get("parameters") or () if one.get("name") == path[2]), ""
        )
    if tuple(path[:2]) == ("spec", "roles") and tuple(path[3:4]) == ("config",) and len(path) > 4:
        role: Any = next((one for one in spec.get("roles") or () if one.get("id") == path[2]), {})
        file: Any = next((one for one in role.get("config_files") or () if one.get("name") == path[4]), {})
        below: Any = file.get("data") or ({} if file.get("format", "text") != "text" else None)
        for part in path[5:]:
            below = below.get(part) if isinstance(below, Mapping) else None
        return "dict" if isinstance(below, Mapping) else ""
    return _declared_type(path)


def _declared_type(path: Sequence[str]) -> str:
    """The same of a place that the model declares."""
    kind: Any = AppCluster
    parts = list(path[1:])
    while parts:
        name = parts.pop(0)
        items = [one for one in declared(kind) if one.name == name]
        if not items or (kind is AppCluster and items[0].spec.place != path[0]):
            return ""
        item = items[0]
        if item.shape == "list":
            return "" if parts else "list"
        if item.shape == "map":
            if not parts:
                return "dict"
            parts.pop(0)
        if not parts:
            return "dict" if item.part or item.kind is Mapping else {int: "int", bool: "bool"}.get(item.kind, "")
        if not item.part:
            return ""
        kind = item.kind
    return ""


def converted(value: Any, kind: str) -> Any:
    """A text, a whole number such as 2.0, or 0 and 1, as the type that is wanted; JSON as a mapping or a list.

    Any other value stays as it is, for the message that refuses it.
    """
    text = value.strip().lower() if isinstance(value, str) else str(value)
    if kind == "int" and isinstance(value, (str, float)) and _WHOLE.fullmatch(text):
        return int(text.partition(".")[0])
    if kind == "bool" and isinstance(value, (str, int)) and text in _TRUE + _FALSE:
        return text in _TRUE
    if kind in _FORMS and isinstance(value, str):
        try:
            found = json.loads(value)
        except ValueError:
            return value
        return found if isinstance(found, _FORMS[kind]) else value
    return value


def _put(tree: dict[str, Any], path: Sequence[str], value: Any) -> None:
    *parents, last = path
    for part in parents:
        tree = tree.setdefault(part, {})
    tree[last] = value


def _paths(tree: Mapping[str, Any], below: Any, path: tuple[str, ...] = ()) -> list[tuple[str, bool]]:
    """Every path of a tree, and whether it says something else, or more, than *below* does there."""
    found: list[tuple[str, bool]] = []
    for key, value in tree.items():
        inner, lower = (*path, str(key)), below.get(key) if isinstance(below, Mapping) else None
        both = isinstance(value, Mapping) and isinstance(lower, Mapping)
        found.append((".".join(inner), not both))
        if isinstance(value, Mapping):
            found += _paths(value, lower, inner)
    return found


def _refused(further: Any, named: str, names: Mapping[str, str]) -> list[Problem]:
    """Why settings cannot be merged over those of the variables."""
    if not isinstance(further, Mapping):
        return [Problem(named, "a mapping with metadata and spec", show(further))]
    problems = [
        Problem(f"{named}.{key}", "a mapping", show(further[key]))
        for key in ("metadata", "spec")
        if key in further and not isinstance(further[key], Mapping)
    ]
    metadata = further.get("metadata")
    for key in ("name", "namespace"):
        # What else a role does, such as keeping a Secret, goes by its variable.
        variable = names.get(f"metadata.{key}")
        if variable and isinstance(metadata, Mapping) and key in metadata:
            problems.append(Problem(f"{named}.metadata.{key}", "none", show(metadata[key]), f"Set {variable}."))
    return problems


def make_settings(
    places: Mapping[str, Any],
    values: Mapping[str, Any],
    definition: Mapping[str, Any],
    dns_domain: str,
    further: Any = None,
    further_name: str = "",
) -> Settings:
    """Put *values* (variable -> value) into their places; *further*, an AppCluster in parts, is merged last.

    Nothing and an empty mapping are left out, so is a node port of 0. Raises AppError where *further* cannot be merged.
    """
    app = (definition.get("metadata") or {}).get("name")
    cluster: dict[str, Any] = {
        "apiVersion": API_VERSION,
        "kind": "AppCluster",
        "metadata": {},
        "spec": {"app": app, "dns_domain": dns_domain},
    }
    names = {}
    problems = []
    for place in read_places(places):
        names[".".join(place.path)] = place.named
        kind = type_of(place.path, definition)
        value = converted(values[place.variable], kind)
        if kind in _FORMS and isinstance(value, str):
            example = "[...]" if kind == "list" else "{...}"
            remedy = f"""On the command line: -e '{{"{place.named}": {example}}}'."""
            problems.append(Problem(place.named, "a list" if kind == "list" else "a mapping", show(value), remedy))
            continue
        if value is None or value == {} or (place.path[-1] == "node_port" and value == 0):
            continue
        _put(cluster, place.path, value)
    further = converted(further, "dict")
    if further:
        problems += _refused(further, further_name, names)
    if problems:
        raise AppError(list(dict.fromkeys(problems)))
    if further:
        for path, said in _paths(further, cluster):
            if said or path not in names:
                names[path] = f"{further_name}.{path}"
        cluster = merge(cluster, further)
    return Settings(cluster, names)


def name_of(path: str, names: Mapping[str, str]) -> str:
    """What the user calls a field: the variable whose place it is or lies in, and the way from there."""
    for end in range(len(path), 0, -1):
        if path[:end] in names and (end == len(path) or path[end] in ".["):
            return names[path[:end]] + path[end:]
    return path


def renamed(problem: Problem, names: Mapping[str, str]) -> Problem:
    """A problem in which every field is called as the user calls it."""

    def said(text: str) -> str:
        return _FIELD.sub(lambda found: name_of(found.group(), names), text)

    return Problem(name_of(problem.path, names), said(problem.expected), problem.found, said(problem.remedy))
