# SPDX-License-Identifier: GPL-3.0-or-later
"""The published JSON Schemas of definitions and clusters say what the loaders take, neither more nor less; they and the
tables of the reference are those of the declarations.
"""

from __future__ import annotations

import contextlib
import copy
import importlib.util
import json
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from ansible_collections.baremetal.bigdata.plugins.module_utils.app.model import load
from ansible_collections.baremetal.bigdata.plugins.module_utils.app.model.load import load_app, load_cluster
from ansible_collections.baremetal.bigdata.plugins.module_utils.app.model.reader import AppError
from ansible_collections.baremetal.bigdata.plugins.module_utils.app.model.types import SPREADS
from ansible_collections.baremetal.bigdata.plugins.module_utils.app.render import objects as app_render
from ansible_collections.baremetal.bigdata.plugins.module_utils.app.render.contract import RUN_TIME_PLACEHOLDERS
from test_load import APP, BAD_APPS, BAD_CLUSTERS, CLUSTER, changed

ROOT = Path(__file__).resolve().parents[4]
DEFINITIONS = sorted(ROOT.glob("roles/*/files/app.yml"))
SCHEMAS = {
    kind: json.loads((ROOT / f"docs/schemas/{name}.schema.json").read_text(encoding="utf-8"))
    for kind, name in (("App", "app"), ("AppCluster", "app-cluster"))
}
CHECKS = {kind: jsonschema.Draft202012Validator(schema) for kind, schema in SCHEMAS.items()}

HTTP = {"service": "api", "path": "/", "json": "a"}
FULL_APP = {
    "apiVersion": "bigdata.baremetal/v1alpha1",
    "kind": "App",
    "metadata": {"name": "full", "version": "1.5", "description": "All fields."},
    "spec": {
        "parameters": [
            {"name": "n", "type": "int", "default": 1, "minimum": 0, "maximum": 9, "choices": [1, 2], "fixed": True}
        ],
        "services": [{"id": "api", "port": 80, "scheme": "https", "path": "/", "dashboard": True, "per_member": True}],
        "api_access": [{"groups": [""], "resources": ["pods"], "verbs": ["get"]}],
        "config_meta": {"A": 1},
        "guest": {"distro": "a/b", "schema_version": 7},
        "roles": [
            {
                "id": "worker",
                "cardinality": 3,
                "services": ["api"],
                "env": {"A": "true"},
                "secret_env": {"P": {"secret": "$(cluster.name)-s", "key": "k"}},
                "secrets": [{"id": "s", "secret": "s", "path": "/s", "mode": "0400"}],
                "config_files": [{"name": "a", "path": "/a", "format": "yaml", "data": {"a": 1}}],
                "storage": [{"id": "d", "paths": ["/d"], "populate": True}, {"id": "b", "path": "/b", "block": True}],
                "resources": {"cpu_limit": 2, "limits": {"nvidia.com/gpu": 1}, "requests": {"nvidia.com/gpu": 1}},
                "memory_use": [{"parameter": "n", "beside": 100}],
                "probes": {name: {"http": HTTP} for name in ("startup", "readiness", "liveness")},
                "health": {"members": {"http": HTTP}, "safe": {"command": ["x"]}, "at": "worker", "counts": ["worker"]},
                "live_role": {"http": HTTP, "match": "(.)", "names": {"a": "b"}},
                "restart_last": ["b"],
                "leave": {
                    "allowed": {"command": ["x"], "at": "worker"},
                    "announce": {"command": ["x"]},
                    "done": {"http": HTTP},
                },
                "security": {"run_as_user": 5},
                "guest": {"package": "https://x", "events": ["configure"], "services": [{"id": "api"}]},
            }
        ],
    },
}
NODES = {
    "matchExpressions": [{"key": "disk", "operator": "In", "values": ["ssd"]}],
    "matchFields": [{"key": "metadata.name", "operator": "NotIn", "values": ["node1"]}],
}
PODS = {
    "topologyKey": "kubernetes.io/hostname",
    "labelSelector": {"matchLabels": {"a": "b"}, "matchExpressions": [{"key": "c", "operator": "Exists"}]},
    "namespaceSelector": {"matchExpressions": [{"key": "c", "operator": "Exists"}]},
    "namespaces": ["n"],
    "matchLabelKeys": ["d"],
    "mismatchLabelKeys": ["e"],
}
AROUND = {
    "requiredDuringSchedulingIgnoredDuringExecution": [PODS],
    "preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 100, "podAffinityTerm": PODS}],
}
FULL_CLUSTER = {
    "kind": "AppCluster",
    "metadata": {"name": "one", "namespace": "apps", "labels": {"a": "b"}},
    "spec": {
        "app": "full",
        "service_type": "LoadBalancer",
        "parameters": {"n": 2},
        "services": {"api": {"type": "NodePort", "node_port": 30080}},
        "connections": {"clusters": ["other"]},
        "image_pull_secrets": ["p"],
        "roles": {
            "worker": {
                "image": "x",
                "resources": {"cpu_request": "500m", "requests": {"nvidia.com/gpu": 1}},
                "config": {"a": {"a": None}},
                "secret_env": {"P": {"secret": "s", "key": "k"}},
                "secrets": [{"id": "t", "secret": "s", "path": "/t"}],
                "storage": {"d": {"size": "5Gi"}},
                "volumes": [{"claim": "c", "path": "/c"}],
                "files": [{"url": "https://x", "path": "/f", "owner": "0:0"}],
                "tolerations": [{"key": "a", "value": "b", "effect": "NoExecute", "tolerationSeconds": 5}],
                "affinity": {
                    "nodeAffinity": {
                        "requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [NODES]},
                        "preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 1, "preference": NODES}],
                    },
                    "podAffinity": AROUND,
                    "podAntiAffinity": AROUND,
                },
                "node_selector": {"disk": "ssd"},
                "pod_labels": {"example.com/tier": "gold"},
            }
        },
    },
}


def problems(kind: str, document: Any) -> list[str]:
    return [f"{error.json_path}: {error.message}" for error in CHECKS[kind].iter_errors(document)]


@pytest.mark.parametrize("kind", SCHEMAS)
def test_the_schemas_are_schemas(kind):
    jsonschema.Draft202012Validator.check_schema(SCHEMAS[kind])
    assert SCHEMAS[kind]["$schema"] == "https://json-schema.org/draft/2020-12/schema"


@pytest.mark.parametrize("path", DEFINITIONS, ids=lambda path: path.parents[1].name)
def test_every_definition_of_the_collection_is_valid(path):
    assert problems("App", yaml.safe_load(path.read_text(encoding="utf-8"))) == []


@pytest.mark.parametrize("app", [APP, FULL_APP])
def test_what_the_loader_takes_is_valid(app):
    load_app(app)
    assert problems("App", app) == []


@pytest.mark.parametrize(("cluster", "app"), [(CLUSTER, APP), (FULL_CLUSTER, FULL_APP)])
def test_settings_that_the_loader_takes_are_valid(cluster, app):
    load_cluster(cluster, load_app(app))
    assert problems("AppCluster", cluster) == []


# Only the loader sees how the parts of a document, or a definition and its cluster, go together.
BETWEEN_PARTS = (
    "Did you mean api?",
    "Did you mean master?",
    "Did you mean worker?",
    "Did you mean data?",
    "Did you mean min",
    "expected a role of this app",
    "expected a service",
    "expected a parameter",
    "a name that is used once",
    "an order in which roles can start",
    "at most one primary service",
    "cardinality 1 or 0-1 with a host name",
    "spec.roles[0].cardinality",
    "expected a regular expression",
    "expected 3 or less",
    "members of role",
    "expected an image",
    "a mapping to merge",
    "a configuration file of this app",
    "a value of type int, found true",
    "spec.parameters",
    "only for a role with a config package",
    "again",
    "Set type to NodePort.",
    "Did you mean copies?",
    "spec.app: expected 'demo'",
)
STRUCTURAL = [(kind, *case) for kind, cases in (("App", BAD_APPS), ("AppCluster", BAD_CLUSTERS)) for case in cases
              if not any(part in case[2] for part in BETWEEN_PARTS)]  # fmt: skip


def test_most_bad_documents_are_bad_in_themselves():
    assert len(STRUCTURAL) > (len(BAD_APPS) + len(BAD_CLUSTERS)) / 2


@pytest.mark.parametrize(("kind", "path", "value", "message"), STRUCTURAL)
def test_a_document_that_is_bad_in_itself_is_not_valid(kind, path, value, message):
    assert problems(kind, changed(APP if kind == "App" else CLUSTER, path, value)), message


def test_what_has_to_be_a_whole_number_of_members():
    assert problems("App", changed(APP, "spec.roles.0.cardinality", "many"))
    assert problems("App", changed(APP, "spec.roles.0.cardinality", True))
    for good in (1, "3", "2+", "0+", "1-5"):
        assert problems("App", changed(APP, "spec.roles.0.cardinality", good)) == []


@pytest.mark.parametrize("spread", SPREADS)
def test_every_spread_is_valid(spread):
    assert problems("AppCluster", changed(CLUSTER, "spec.roles.worker.spread", spread)) == []


@pytest.mark.parametrize(
    ("amount", "taken"), [("500Mi", True), ("1P", True), ("1e3", True), ("1.5Gi", True), ("1Q", False)]
)
def test_a_quantity_is_one_for_the_schema_and_the_loader(amount, taken):
    cluster = changed(CLUSTER, "spec.roles.worker.resources", {"memory_limit": amount})
    assert (problems("AppCluster", cluster) == []) == taken
    with contextlib.nullcontext() if taken else pytest.raises(AppError):
        load_cluster(cluster, load_app(APP))


def test_a_source_is_a_path_in_the_definitions_directory_and_stands_alone():
    def found(**item):
        return problems("App", changed(APP, "spec.roles.0.config_files.0", {"name": "a", "path": "/a", **item}))

    for good in ("member.py", "./member.py", "bin/start.sh", "a b..c"):
        assert found(source=good) == found(source=good, format="text") == []
    for bad in ("", "/etc/passwd", "../member.py", "bin/../../member.py", ".member.py", "bin/.member.py", 1, None):
        assert found(source=bad)
    assert found(source="member.py", text="")
    assert found(source="member.py", format="yaml")
    assert found(source="member.py", data={"a": 1}, format="yaml")


# --- no drift ------------------------------------------------------------------------------------------------------


@pytest.fixture
def asked(monkeypatch) -> dict[str, set[str]]:
    """The fields that the loaders ask for: place -> names. A list's places are one, and so are a mapping's."""
    found: dict[str, set[str]] = defaultdict(set)
    raw = load.Reader.raw

    def spy(self: Any, name: str, default: Any = None) -> Any:
        found[re.sub(r"\[\d+\]", "[]", self.path)].add(name)
        return raw(self, name, default)

    monkeypatch.setattr(load.Reader, "raw", spy)
    return found


# Mappings of texts.
NAMED_TEXTS = (*("requests", "limits", "labels", "node_selector", "matchLabels", "env_fields"),
               *("pod_labels", "service_labels"))  # fmt: skip


def without_names(place: str, names: tuple[str, ...]) -> str:
    return ".".join("*" if part in names else part for part in place.split("."))


def places(kind: str) -> dict[str, dict[str, Any]]:
    """The objects with fixed fields in a schema: place -> schema."""
    schema = SCHEMAS[kind]

    def walk(node: dict[str, Any], place: str) -> Iterator[tuple[str, dict[str, Any]]]:
        if "$ref" in node:
            node = schema["$defs"][node["$ref"].removeprefix("#/$defs/")]
        if "properties" in node:
            yield place, node
            for name, inner in node["properties"].items():
                yield from walk(inner, f"{place}.{name}" if place else name)
        elif isinstance(node.get("items"), dict):
            yield from walk(node["items"], f"{place}[]")
        elif isinstance(node.get("additionalProperties"), dict):
            yield from walk(node["additionalProperties"], f"{place}.*")

    return dict(walk(schema, ""))


def compared(kind: str, asked: dict[str, set[str]], names: tuple[str, ...]) -> tuple[dict[str, Any], dict[str, Any]]:
    found: dict[str, set[str]] = defaultdict(set)
    for place, fields in asked.items():
        found[without_names(place, names)] |= fields
    schema = {place: set(node["properties"]) for place, node in places(kind).items()}
    # Mappings with names of the user's choosing, and what the user alone knows.
    free = {place for place in found if place not in schema and place.rpartition(".")[2] in NAMED_TEXTS}
    if kind == "AppCluster":
        free |= {"spec.roles", "spec.services", "spec.parameters"}
    return {place: sorted(fields) for place, fields in found.items() if place not in free}, {
        place: sorted(fields) for place, fields in schema.items()
    }


def test_the_definitions_schema_has_the_fields_that_the_loader_asks_for(asked):
    load_app(FULL_APP)
    http = asked["spec.roles[].probes.startup.http"]
    for place, fields in list(asked.items()):
        if {"command", "tcp"} <= fields:
            # Read where it is given: no check of the definition has all three.
            asked[f"{place}.http"] = http
    found, schema = compared("App", asked, ("P",))
    assert found == schema


def test_the_clusters_schema_has_the_fields_that_the_loader_asks_for(asked):
    app = load_app(FULL_APP)
    asked.clear()
    load_cluster(FULL_CLUSTER, app)
    found, schema = compared("AppCluster", asked, ("worker", "api", "d", "P"))
    assert found == schema


@pytest.mark.parametrize("kind", SCHEMAS)
def test_every_field_has_a_description_and_every_object_a_title(kind):
    for place, node in places(kind).items():
        assert node.get("title"), place
        assert node["additionalProperties"] is False, place
        for name, field in node["properties"].items():
            target = SCHEMAS[kind]["$defs"][field["$ref"].removeprefix("#/$defs/")] if "$ref" in field else field
            assert field.get("description") or target.get("description"), f"{place}.{name}"


def defaults(kind: str) -> list[tuple[str, str, Any]]:
    return [
        (place, name, field["default"])
        for place, node in places(kind).items()
        for name, field in node["properties"].items()
        if "default" in field
    ]


@pytest.mark.parametrize("kind", SCHEMAS)
def test_saying_the_default_is_saying_nothing(kind):
    """Each default of the schema, written out, changes nothing of what is read."""
    app = copy.deepcopy(FULL_APP)
    cluster = copy.deepcopy(FULL_CLUSTER)
    del app["spec"]["roles"][0]["cardinality"]
    document = app if kind == "App" else cluster

    def read() -> Any:
        loaded = load_app(app)
        return loaded if kind == "App" else load_cluster(cluster, loaded)

    before, tried = read(), 0
    for place, name, default in defaults(kind):
        for target in reached(document, place.split(".")):
            if isinstance(target, dict) and name not in target:
                target[name] = default
                assert read() == before, f"{place}.{name}: {default}"
                del target[name]
                tried += 1
    assert tried >= (20 if kind == "App" else 4)


def reached(node: Any, parts: list[str]) -> list[Any]:
    """The objects at a place of a document."""
    nodes = [node]
    for part in parts:
        name = part.removesuffix("[]")
        if name:
            nodes = [value for item in nodes if isinstance(item, dict) for value in
                     (item.values() if name == "*" else [item[name]] if name in item else [])]  # fmt: skip
        if part.endswith("[]"):
            nodes = [value for item in nodes for value in item]
    return nodes


def test_a_default_that_is_wrong_would_be_seen():
    wrong = copy.deepcopy(FULL_APP)
    wrong["spec"]["roles"][0]["probes"]["startup"]["period"] = 11
    assert load_app(wrong) != load_app(FULL_APP)
    with pytest.raises(AppError):
        load_app({**wrong, "kind": "AppCluster"})


def test_the_schemas_and_the_tables_are_up_to_date():
    spec = importlib.util.spec_from_file_location("generate_definitions", ROOT / "docs/generate_definitions.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    stale = [str(path) for path, text in module.files().items() if path.read_text(encoding="utf-8") != text]
    assert stale == [], "run python docs/generate_definitions.py"


# --- the reference -------------------------------------------------------------------------------------------------

REFERENCE = (ROOT / "docs/apps/definitions.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("kind", SCHEMAS)
def test_the_reference_names_every_field(kind):
    named = {word for code in re.findall(r"`([^`\n]+)`", REFERENCE) for word in re.findall(r"[A-Za-z_]+", code)}
    fields = {name for place, node in places(kind).items() if place for name in node["properties"]}
    assert sorted(fields - named) == []


def test_the_references_example_is_taken():
    first, second, *_lists = (yaml.safe_load(text) for text in re.findall(r"```yaml\n(.*?)```", REFERENCE, re.DOTALL))
    assert problems("App", first) == []
    assert problems("AppCluster", second) == []
    objects = app_render.render(load_cluster(second, load_app(first)))
    assert {"StatefulSet", "Deployment"} <= {item["kind"] for item in objects}


def test_the_reference_names_every_placeholder():
    cluster = load_cluster(CLUSTER, load_app(APP))
    known = [*app_render.placeholders(cluster), *RUN_TIME_PLACEHOLDERS]
    general = {re.sub(r"^(parameters|services|roles)\.[a-z]+", r"\1.X", name) for name in known}
    table = REFERENCE.split("## Placeholders")[1].split("They are replaced")[0]
    assert set(re.findall(r"\$\(([\w.]+)\)", table)) == general
