# SPDX-License-Identifier: GPL-3.0-or-later
"""The settings of a cluster out of a role's variables: places, types, and what messages call a field."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest
import yaml
from ansible_collections.baremetal.bigdata.plugins.filter.app_settings import app_settings
from ansible_collections.baremetal.bigdata.plugins.module_utils.app.dialects.document import read
from ansible_collections.baremetal.bigdata.plugins.module_utils.app.model.load import load_app
from ansible_collections.baremetal.bigdata.plugins.module_utils.app.settings import (
    converted,
    name_of,
    parse_path,
    read_places,
)
from hypothesis import given, settings
from hypothesis import strategies as st

ROOT = Path(__file__).resolve().parents[3]
ROLES = sorted(path.parents[1] for path in ROOT.glob("roles/*/files/app.yml"))
DEFINITION = {
    "apiVersion": "bigdata.baremetal/v1alpha1",
    "kind": "App",
    "metadata": {"name": "demo", "version": "1"},
    "spec": {
        "parameters": [
            {"name": "heap", "type": "int", "default": 1, "minimum": 1},
            {"name": "safe", "type": "bool", "default": True},
            {"name": "site", "type": "str", "default": ""},
        ],
        "services": [{"id": "web", "port": 80}],
        "roles": [
            {
                "id": "node",
                "cardinality": "1+",
                "services": ["web"],
                "config_files": [{"name": "a.yaml", "path": "/etc/a.yaml", "format": "yaml"}],
            }
        ],
    },
}
PLACES = {
    "demo_name": "metadata.name",
    "demo_namespace": "metadata.namespace",
    "demo_heap": "spec.parameters.heap",
    "demo_safe": "spec.parameters.safe",
    "demo_site": "spec.parameters.site",
    "demo_nodes": "spec.roles.node.members",
    "demo_image": "spec.roles.node.image",
    "demo_memory": ["spec.roles.node.resources.memory_request", "spec.roles.node.resources.memory_limit"],
    "demo_config": "spec.roles.node.config[a.yaml].top",
    "demo_labels": "spec.roles.node.node_selector",
    "__demo_spread": {"place": "spec.roles.node.spread", "named": "demo_spread"},
    "demo_port": "spec.services.web.node_port",
    "demo_type": "spec.services.web.type",
}
VALUES = {
    "demo_name": "one", "demo_namespace": "apps", "demo_heap": 256, "demo_safe": True, "demo_site": "", "demo_nodes": 2,
    "demo_image": "registry.example/demo:1", "demo_memory": "1Gi", "demo_config": {}, "demo_labels": {},
    "__demo_spread": "soft", "demo_port": 0, "demo_type": "ClusterIP",
}  # fmt: skip


def made(further=None, **values):
    return app_settings(PLACES, {**VALUES, **values}, DEFINITION, "cluster.local", further, "demo_settings")


def further(**settings):
    return {"further": {"spec": {"roles": {"node": settings}}}}


def test_values_go_to_their_places_and_what_says_nothing_is_left_out():
    assert made() == {
        "cluster": {
            "apiVersion": "bigdata.baremetal/v1alpha1",
            "kind": "AppCluster",
            "metadata": {"name": "one", "namespace": "apps"},
            "spec": {
                "app": "demo",
                "dns_domain": "cluster.local",
                "parameters": {"heap": 256, "safe": True, "site": ""},
                "roles": {
                    "node": {
                        "members": 2,
                        "image": "registry.example/demo:1",
                        "resources": {"memory_request": "1Gi", "memory_limit": "1Gi"},
                        "spread": "soft",
                    }
                },
                "services": {"web": {"type": "ClusterIP"}},
            },
        },
        "problems": [],
    }
    found = made(demo_config={"a": 1}, demo_port=31000, demo_type="NodePort")["cluster"]["spec"]
    assert found["roles"]["node"]["config"] == {"a.yaml": {"top": {"a": 1}}}
    assert found["services"]["web"] == {"type": "NodePort", "node_port": 31000}


def test_texts_of_the_command_line_become_what_a_place_wants():
    texts = {"demo_heap": "300", "demo_safe": "no", "demo_site": "2024", "demo_nodes": "3", "demo_port": "31000"}
    found = made(**texts, demo_type="NodePort")
    assert found["problems"] == []
    spec = found["cluster"]["spec"]
    assert spec["parameters"] == {"heap": 300, "safe": False, "site": "2024"}
    assert (spec["roles"]["node"]["members"], spec["services"]["web"]["node_port"]) == (3, 31000)
    assert "node_port" not in made(demo_port="0")["cluster"]["spec"]["services"]["web"]


def test_whole_numbers_and_truth_values_count_however_they_are_written():
    found = made(demo_heap=300.0, demo_safe=0, demo_nodes="3.0")
    assert found["problems"] == []
    assert found["cluster"]["spec"]["parameters"] == {"heap": 300, "safe": False, "site": ""}
    assert found["cluster"]["spec"]["roles"]["node"]["members"] == 3
    refused = made(demo_heap=1.5, demo_safe=2, demo_nodes=True)["problems"]
    assert [text.partition(":")[0] for text in refused] == ["demo_heap", "demo_safe", "demo_nodes"]


@given(st.integers(-(10**9), 10**9), st.booleans())
def test_numbers_and_truth_values_survive_as_texts(number, truth):
    assert converted(str(number), "int") == number
    assert converted(str(truth), "bool") is truth
    assert converted(str(number), "") == str(number)


def test_json_of_the_command_line_becomes_a_mapping_or_a_list():
    places = {**PLACES, "demo_tolerations": "spec.roles.node.tolerations"}
    texts = {"demo_labels": '{"disk": "ssd"}', "demo_tolerations": '[{"operator": "Exists"}]'}
    found = app_settings(places, {**VALUES, **texts}, DEFINITION, "cluster.local")
    assert found["problems"] == []
    node = found["cluster"]["spec"]["roles"]["node"]
    assert (node["node_selector"], node["tolerations"]) == ({"disk": "ssd"}, [{"operator": "Exists"}])


def test_fields_in_a_message_are_called_by_their_variables():
    definition = copy.deepcopy(DEFINITION)
    definition["spec"]["roles"][0]["memory_use"] = [{"parameter": "heap", "beside": 100}]
    found = app_settings(PLACES, {**VALUES, "demo_memory": "300Mi"}, definition, "cluster.local")["problems"]
    assert found == [
        "demo_memory: expected at least 356Mi, for demo_heap, 256 MiB, and 100 MiB beside it, found '300Mi'. Raise "
        "demo_memory, or lower demo_heap."
    ]


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ({"demo_nodes": "many"}, "demo_nodes: expected a whole number from 0 to 150000, found 'many'"),
        ({"demo_heap": 0}, "demo_heap: expected 1 or more, found 0"),
        ({"demo_memory": "1 GB"}, "demo_memory: expected a Kubernetes quantity such as 500m or 512Mi, found '1 GB'"),
        ({"__demo_spread": "wide"}, "demo_spread: expected one of soft, hard, racks, none, found 'wide'"),
        ({"demo_port": 31000}, "demo_port: expected no node port with type ClusterIP, found 31000"),
        (
            {"further": {"spec": {"roles": {"node": {"afinity": {}}}}}},
            "demo_settings.spec.roles.node.afinity: expected one",
        ),
        (
            {"further": {"spec": {"roles": {"node": {"members": "x"}}}}},
            "demo_settings.spec.roles.node.members: expected",
        ),
        ({"further": "text"}, "demo_settings: expected a mapping with metadata and spec, found 'text'"),
        ({"further": {"spec": {"role": {}}}}, "demo_settings.spec.role: expected one of"),
        ({"further": {"spec": {"role": {"node": {"members": 1}}}}}, "demo_settings.spec.role: expected one of"),
        ({"further": {"specc": {"roles": {}}}}, "demo_settings.specc: expected one of"),
        (further(afinity={"nodeAffinity": {}}), "demo_settings.spec.roles.node.afinity: expected one of"),
        ({"further": {"spec": {"roles": {"nod": {"members": 1}}}}}, "demo_settings.spec.roles.nod: expected one of"),
        (
            {"demo_config": {"x": 1}, **further(config={"b.yaml": {"x": 1}})},
            "demo_settings.spec.roles.node.config: expected a configuration file of this app (a.yaml), found 'b.yaml'",
        ),
        # What both say is called by who said it.
        (
            {"demo_labels": {"a": []}, **further(node_selector={"b": "c"})},
            "demo_labels.a: expected a label's value: at most 63 letters, digits, dashes",
        ),
        (
            {"demo_labels": {"a": "c"}, **further(node_selector={"b": []})},
            "demo_settings.spec.roles.node.node_selector.b: expected a label's value",
        ),
        ({"further": {"spec": "text"}}, "demo_settings.spec: expected a mapping, found 'text'"),
        ({"further": {"spec": None}}, "demo_settings.spec: expected a mapping, found nothing"),
        ({"further": {"spec": {"roles": ["node"]}}}, "demo_settings.spec.roles: expected a mapping, found a list"),
        # Texts where mappings are meant.
        (
            {"demo_labels": "disk=ssd"},
            "demo_labels: expected a mapping, found 'disk=ssd'. On the command line: -e '{\"demo_labels\": {...}}'.",
        ),
        ({"demo_labels": ""}, "demo_labels: expected a mapping, found ''."),
        ({"demo_labels": "[]"}, "demo_labels: expected a mapping, found '[]'."),
        # What a role does besides goes by these variables.
        (
            {"further": {"metadata": {"name": "two"}}},
            "demo_settings.metadata.name: expected none, found 'two'. Set demo_name.",
        ),
        (
            {"further": {"metadata": {"namespace": "two"}}},
            "demo_settings.metadata.namespace: expected none, found 'two'. Set demo_namespace.",
        ),
    ],
)
def test_a_problem_is_called_by_the_variable_that_was_set(values, problem):
    found = made(**values)["problems"]
    assert [text for text in found if text.startswith(problem)], found
    # A variable that goes to two places is named once.
    assert len(found) == len(set(found))


def test_further_settings_are_merged_last_and_reach_what_no_variable_does():
    further = {
        "metadata": {"labels": {"team": "a"}},
        "spec": {"roles": {"node": {"members": 5, "pod_labels": {"tier": "gold"}, "affinity": {"nodeAffinity": {}}}}},
    }
    found = made(further)
    assert found["problems"] == []
    node = found["cluster"]["spec"]["roles"]["node"]
    assert (node["members"], node["pod_labels"], node["spread"]) == (5, {"tier": "gold"}, "soft")
    assert found["cluster"]["metadata"]["labels"] == {"team": "a"}


def test_a_path_may_hold_keys_with_dots():
    assert parse_path("spec.config[a.yaml].b") == ("spec", "config", "a.yaml", "b")
    for text in ("spec..a", "[", "a[", "a]b"):
        with pytest.raises(ValueError, match="expected a path"):
            parse_path(text)
    for entry in ({"named": "x"}, {"place": "a", "more": 1}):
        with pytest.raises(ValueError, match="expected a path, several, or place and named"):
            read_places({"v": entry})


def test_the_longest_name_counts_and_the_way_from_there_is_told():
    names = {"spec.roles.node": "a", "spec.roles.node.tolerations": "b"}
    assert name_of("spec.roles.node.tolerations[0].key", names) == "b[0].key"
    assert name_of("spec.roles.node.spread", names) == "a.spread"
    assert name_of("spec.roles.nodes", names) == "spec.roles.nodes"


@pytest.mark.parametrize("role", ROLES, ids=lambda path: path.name)
def test_every_place_of_a_role_is_one_of_its_definition_and_every_variable_its_own(role):
    declared = yaml.safe_load((role / "vars/main.yml").read_text())
    defaults = yaml.safe_load((role / "defaults/main.yml").read_text())
    definition = read(str(role / "files/app.yml"))[0].data
    app = load_app(definition)
    for place in read_places(declared[f"__{role.name}_places"]):
        assert place.named in defaults, place
        assert place.variable in defaults or place.variable in declared, place
        head, *rest = place.path
        if head == "metadata":
            continue
        part, name, *rest = rest
        known = {
            "parameters": [item.name for item in app.parameters],
            "roles": [item.id for item in app.roles],
            "services": [item.id for item in app.services],
        }
        assert name in known[part], place
    assert f"{role.name}_settings" in defaults


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=4), inner, max_size=2),
    max_leaves=4,
)


@pytest.mark.parametrize("role", ROLES, ids=lambda path: path.name)
@settings(max_examples=60)
@given(data=st.data())
def test_no_value_of_a_roles_variable_crashes_anything(role, data):
    places = yaml.safe_load((role / "vars/main.yml").read_text(encoding="utf-8"))[f"__{role.name}_places"]
    values = dict.fromkeys(places)
    values.update({f"{role.name}_name": "a", f"{role.name}_namespace": "b"})
    values[data.draw(st.sampled_from(sorted(places)))] = data.draw(JSON)
    definition = read(str(role / "files/app.yml"))[0].data
    found = app_settings(places, values, definition, "cluster.local", data.draw(st.just({}) | JSON), "further")
    assert all(isinstance(text, str) for text in found["problems"])
