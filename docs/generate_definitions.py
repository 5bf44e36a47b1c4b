# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Write the JSON Schemas and the tables of docs/apps/definitions.md from the declarations of the app model.

python docs/generate_definitions.py            write them
python docs/generate_definitions.py --check    fail if one is out of date

A table stands between ``<!-- table: CLASS -->`` and ``<!-- end of table -->``.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / ".collections"))

from ansible_collections.baremetal.bigdata.plugins.module_utils.app.model import cluster, questions, scheduling, types
from ansible_collections.baremetal.bigdata.plugins.module_utils.app.model.declare import Field, declared
from ansible_collections.baremetal.bigdata.plugins.module_utils.app.model.kubernetes import INT32, INT64

SCHEMAS = {types.App: "docs/schemas/app.schema.json", cluster.AppCluster: "docs/schemas/app-cluster.schema.json"}
PAGE = "docs/apps/definitions.md"
TABLE = re.compile(r"(<!-- table: (\w+)(?: (\w+))? -->\n).*?(<!-- end of table -->)", re.DOTALL)

NUMBERS = ("0", "1", "1.5", "10")
SCALARS = ["string", "number", "boolean"]
JSON_TYPES = {"int": "integer", "bool": "boolean", "dict": "object", "list": "array"}
NO_TCP = {"not": {"required": ["tcp"]}}
SOME_NAMES = {"minItems": 1, "items": {"not": {"const": "*"}}}
NEITHER_CPU_NOR_MEMORY = {"propertyNames": {"not": {"enum": ["cpu", "memory"]}}}

# Of a file without escapes.
LINES = {
    "propertyNames": {"minLength": 1, "not": {"pattern": r"[=\r\n]"}},
    "additionalProperties": {"not": {"type": "string", "pattern": r"[\r\n]"}},
}


def when(condition: dict[str, Any], then: dict[str, Any]) -> dict[str, Any]:
    """A rule for objects whose fields are there and as the condition says."""
    return {"if": {"properties": condition, "required": list(condition)}, "then": then}


# How many values an operator of Kubernetes' selectors compares with.
VALUES = {
    "allOf": [
        when(
            {"operator": {"enum": ["In", "NotIn"]}}, {"required": ["values"], "properties": {"values": {"minItems": 1}}}
        ),
        when({"operator": {"enum": ["Exists", "DoesNotExist"]}}, {"properties": {"values": {"maxItems": 0}}}),
    ]
}

# What no declaration of one field says: of the checks of app/model/checks.py, those that a schema can express.
RULES: dict[type, dict[str, Any]] = {
    types.ApiRule: {
        "required": ["groups", "resources", "verbs"],
        "properties": {"groups": {"minItems": 1}, "resources": SOME_NAMES, "verbs": SOME_NAMES},
    },
    types.App: {"required": ["roles"], "properties": {"roles": {"minItems": 1}}},
    questions.Check: {"oneOf": [{"required": [name]} for name in ("http", "command", "tcp")]},
    types.ConfigFile: {
        # As dialects/sources.py has it: below the definition's directory, and no hidden file.
        "properties": {"source": {"type": "string", "pattern": r"^(\./)?[^./][^/]*(/[^./][^/]*)*$"}},
        **when({"format": {"enum": list(types.WRITTEN_FORMATS)}}, {"properties": {"text": {"maxLength": 0}}}),
        "else": {"properties": {"data": {"maxProperties": 0}}},
        "allOf": [
            when(
                {"format": {"enum": list(types.FLAT_FORMATS)}},
                {"properties": {"data": {"additionalProperties": {"type": [*SCALARS, "null"]}}}},
            ),
            when({"format": {"const": "lines"}}, {"properties": {"data": LINES}}),
        ],
        "dependentSchemas": {
            "source": {"properties": {"format": {"const": "text"}, "text": False, "data": False}},
        },
    },
    questions.Health: {"properties": {"members": NO_TCP, "safe": NO_TCP}},
    questions.Leave: {"properties": {name: {"required": ["command"]} for name in ("allowed", "announce")}},
    questions.LeaveStep: NO_TCP,
    questions.LiveRole: NO_TCP,
    types.Parameter: {
        "allOf": [
            when({"type": {"const": name}}, {"properties": {"default": {"type": kind}}})
            for name, kind in JSON_TYPES.items()
        ],
        **when({"type": {"const": "int"}}, {}),
        "else": {"properties": {"minimum": False, "maximum": False}},
    },
    scheduling.NodeField: {"required": ["values"], "properties": {"values": {"minItems": 1, "maxItems": 1}}},
    scheduling.NodeRequirement: VALUES,
    scheduling.LabelRequirement: VALUES,
    scheduling.NodeTerms: {"required": ["nodeSelectorTerms"], "properties": {"nodeSelectorTerms": {"minItems": 1}}},
    scheduling.Toleration: {
        "allOf": [
            when({"operator": {"const": "Exists"}}, {"properties": {"value": {"maxLength": 0}}}),
            when({"tolerationSeconds": {}}, {"required": ["effect"], "properties": {"effect": {"const": "NoExecute"}}}),
        ],
        **when({"key": {"minLength": 1}}, {}),
        "else": {"required": ["operator"], "properties": {"operator": {"const": "Exists"}}},
    },
    types.Resources: {"properties": {"requests": NEITHER_CPU_NOR_MEMORY, "limits": NEITHER_CPU_NOR_MEMORY}},
    types.Role: {
        "properties": {"cardinality": {"type": ["string", "integer"], "minimum": 0}},
        "allOf": [
            when(
                {"controller": {"enum": [name for name in types.CONTROLLERS if name != "StatefulSet"]}},
                {"properties": {"storage": {"maxItems": 0}}},
            ),
            when({"restart_last": {"minItems": 1}}, {"required": ["live_role"]}),
        ],
    },
    cluster.RoleSettings: {
        "properties": {
            "config": {"additionalProperties": {"type": ["string", "object"]}},
        }
    },
    types.Storage: {
        "oneOf": [{"required": ["path"]}, {"required": ["paths"]}],
        **when({"block": {"const": True}}, {"required": ["path"], "properties": {"populate": {"const": False}}}),
    },
}


def merged(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    """Two schemas as one: what either requires, and otherwise the other's word."""
    result = dict(one)
    for key, value in other.items():
        if isinstance(value, dict) and isinstance(one.get(key), dict):
            result[key] = merged(one[key], value)
        else:
            result[key] = [*one.get(key, []), *value] if key == "required" else value
    return result


def plain(text: str) -> str:
    """Markdown as text."""
    return re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", text).replace("`", "")


def words(kind: type) -> str:
    """A class' name as a title: ``SecretMount`` is a Secret mount."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", kind.__name__).capitalize()


def about(kind: type) -> str:
    return " ".join((kind.__doc__ or "").split("\n\n")[0].split())


def key(kind: type) -> str:
    return words(kind).lower().replace(" ", "_")


def written(item: Field) -> Any:
    """The default as it is written in a document; None where there is none to write, or the document decides."""
    if isinstance(item.default, types.Cardinality):
        return item.spec.without
    if item.part or item.spec.without or not isinstance(item.default, (str, int, bool)):
        return None
    return item.default if item.default != "" else None


def text(item: Field) -> dict[str, Any]:
    """The schema of a text, which may be written as a number where that does no harm."""
    says = item.spec
    if says.choices:
        return {"type": "string", "enum": [*([""] if item.default == "" else []), *says.choices]}
    number = not says.quoted and (not says.pattern or any(re.fullmatch(says.pattern, one) for one in NUMBERS))
    found: dict[str, Any] = {"type": ["string", "number"] if number else "string"}
    if says.pattern:
        found["pattern"] = f"^({says.pattern})$"
    if says.longest:
        found["maxLength"] = says.longest
    return found


def value(item: Field) -> dict[str, Any]:
    """The schema of a field's value, or of each of its items."""
    if item.part:
        return {"$ref": f"#/$defs/{key(item.kind)}"}
    if item.kind is str and item.shape == "list":
        return {**text(item), "type": "string"}
    if item.kind is str and item.shape == "map" and not item.spec.pattern:
        return {"type": SCALARS}
    if item.kind is str or item.kind is types.Cardinality:
        return text(item)
    if item.kind is int:
        bounds = {"minimum": item.spec.minimum, "maximum": item.spec.maximum}
        return {"type": "integer", **{name: bound for name, bound in bounds.items() if bound is not None}}
    return {"type": "boolean"} if item.kind is bool else {}


def schema_of(item: Field) -> dict[str, Any]:
    """The schema of a field."""
    found = value(item)
    if item.shape == "list":
        found = {"type": "array", **({"items": found} if found else {})}
        if item.spec.unique:
            found["uniqueItems"] = True
    if item.shape == "map":
        found = {"type": "object", **({"additionalProperties": found} if found else {})}
        if item.spec.keys:
            found["propertyNames"] = {"pattern": f"^({item.spec.keys.pattern})$"}
    found["description"] = plain(item.spec.meaning)
    if written(item) is not None:
        found["default"] = written(item)
    elif item.spec.without:
        found["description"] += f" Without it: {plain(item.spec.without)}."
    return found


def object_of(kind: type, place: str = "spec") -> dict[str, Any]:
    """The schema of an object with the declared fields of a class at a place of a document."""
    found: dict[str, Any] = {"properties": {}, "required": []}
    for item in declared(kind):
        if item.spec.place != place:
            continue
        if item.spec.inline:
            inner = object_of(item.kind)
            found = merged(found, {name: part for name, part in inner.items() if name not in ("title", "description")})
            continue
        found["properties"][item.name] = schema_of(item)
        if item.required and not item.spec.without:
            found["required"].append(item.name)
    found = {"type": "object", "title": words(kind), "description": about(kind), **found}
    found["additionalProperties"] = False
    if place == "spec":
        found = merged(found, RULES.get(kind, {}))
    if not found["required"]:
        del found["required"]
    return found


def parts(kind: type) -> list[type]:
    """The classes of the objects in an object, in the order in which they are met."""
    found: dict[type, None] = {}
    for item in declared(kind):
        if item.part:
            found.update(dict.fromkeys([*([] if item.spec.inline else [item.kind]), *parts(item.kind)]))
    return list(found)


def schema(kind: type) -> dict[str, Any]:
    """The schema of a document: ``kind`` is App or AppCluster."""
    name = kind.__name__
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:baremetal-bigdata:schema:{Path(SCHEMAS[kind]).name.split('.')[0]}",
        "$comment": "SPDX-License-Identifier: GPL-3.0-or-later. Written by docs/generate_definitions.py. Do not edit.",
        "title": name,
        "description": about(kind),
        "type": "object",
        "properties": {
            "apiVersion": {"const": types.API_VERSION, "description": "Version of the form."},
            "kind": {"const": name, "description": "Kind of the document."},
            "metadata": {**object_of(kind, "metadata"), "title": "Metadata", "description": "What it is called."},
            "spec": {**object_of(kind), "title": "Specification", "description": "What it is."},
        },
        "required": ["kind", "metadata", "spec"],
        "additionalProperties": False,
        "$defs": {key(part): object_of(part) for part in parts(kind)},
    }


def without(item: Field) -> str:
    """What holds where a field is left out, as Markdown."""
    if item.spec.without:
        return f"`{item.spec.without}`" if item.spec.without == written(item) else item.spec.without
    if item.required:
        return "required"
    default = written(item)
    if default is not None:
        return f"`{json.dumps(default) if item.spec.quoted else json.dumps(default).strip(chr(34))}`"
    return "none" if item.part or item.shape != "one" else ""


def rows(kind: type, place: str) -> list[str]:
    lines = []
    for item in declared(kind):
        if item.spec.inline:
            lines.append(f"| {', '.join(f'`{inner.name}`' for inner in declared(item.kind))} | a check, as above | |")
        elif item.spec.place == place:
            meaning = item.spec.meaning
            if item.spec.choices and not item.spec.what:
                meaning += " " + ", ".join(f"`{choice}`" for choice in item.spec.choices) + "."
            if item.spec.longest:
                meaning += f" At most {item.spec.longest} characters."
            if item.spec.maximum not in (None, INT32, INT64):
                meaning += f" {item.spec.minimum} to {item.spec.maximum}."
            cells = (f"`{item.name}`", meaning.replace("|", "\\|"), without(item))
            lines.append("| " + " | ".join(cells).rstrip() + " |")
    return lines


def page(text: str) -> str:
    """The reference with its tables as they are declared."""

    def table(match: re.Match[str]) -> str:
        lines = ["| field | meaning | without it |", "| --- | --- | --- |"]
        (kind,) = {vars(part)[match[2]] for part in (types, cluster, questions, scheduling) if match[2] in vars(part)}
        lines += rows(kind, match[3] or "spec")
        return match[1] + "\n" + "\n".join(lines) + "\n\n" + match[4]

    return TABLE.sub(table, text)


def files() -> Mapping[Path, str]:
    """What is written: path -> text."""
    found = {ROOT / name: json.dumps(schema(kind), indent=2) + "\n" for kind, name in SCHEMAS.items()}
    return {**found, ROOT / PAGE: page((ROOT / PAGE).read_text(encoding="utf-8"))}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--check", action="store_true", help="write nothing, fail if a file is out of date")
    arguments = parser.parse_args()
    stale = {path: text for path, text in files().items() if path.read_text(encoding="utf-8") != text}
    for path, text in stale.items():
        if arguments.check:
            print(f"{path.relative_to(ROOT)} is out of date: run python docs/generate_definitions.py", file=sys.stderr)
        else:
            path.write_text(text, encoding="utf-8")
    return 1 if stale and arguments.check else 0


if __name__ == "__main__":
    sys.exit(main())
