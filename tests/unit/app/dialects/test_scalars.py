# SPDX-License-Identifier: GPL-3.0-or-later
"""Scalars without quotes: what is written is what arrives, or it is refused."""

from __future__ import annotations

import datetime
import json

import pytest
import yaml
from ansible_collections.baremetal.bigdata.plugins.module_utils.app.dialects.document import parse
from ansible_collections.baremetal.bigdata.plugins.module_utils.app.dialects.kubedirector.translate import translate
from ansible_collections.baremetal.bigdata.plugins.module_utils.app.model.load import load_app, load_cluster
from ansible_collections.baremetal.bigdata.plugins.module_utils.app.model.reader import AppError
from ansible_collections.baremetal.bigdata.plugins.module_utils.app.render.objects import stages
from ansible_collections.baremetal.bigdata.plugins.plugin_utils.guest_agent import agent_programs
from hypothesis import given
from hypothesis import strategies as st

# What YAML 1.1 takes for a number or a truth value, and names that are texts for it.
ODD = ["0027", "01067", "0123456", "1_000_000", "0x1F", "0b11", "1.10", "2.0", "1e3", "1.0e+3", "-0", "+5", "12", ".5"]
ODD += ["on", "yes", "No", "True", "y", "22:30", "2024-01-01", "0o17", ".inf", "NaN", "09", "=", "<<"]

KD_APP = """
apiVersion: kubedirector.hpe.com/v1beta1
kind: KubeDirectorApp
metadata: {name: demo}
spec:
  label: {name: Demo}
  distroID: example/demo
  version: 1.10
  configSchemaVersion: 7
  defaultImageRepoTag: registry.example/demo:1
  defaultConfigPackage: {packageURL: "https://registry.example/demo.tgz"}
  services: [{id: web, label: {name: Web}, endpoint: {port: 8080, isDashboard: no}}]
  roles: [{id: node, cardinality: 1+}]
  config:
    configMeta: {port: 0027}
    roleServices: [{roleID: node, serviceIDs: [web]}]
    selectedRoles: [node]
"""

KD_CLUSTER = """
apiVersion: kubedirector.hpe.com/v1beta1
kind: KubeDirectorCluster
metadata: {name: demo}
spec:
  app: demo
  roles:
    - id: node
      members: 1
      resources: {limits: {memory: 1Gi, cpu: 1}}
      secret: {name: some, mountPath: /some, defaultMode: 0440}
      podLabels: {members: 010, tier: on}
      secretKeys: [{name: pin, value: 0027}]
      env: [%s]
"""


def document(text):
    (found,) = parse(text, "file.yaml")
    return found.data


def refusal(text):
    with pytest.raises(AppError) as error:
        parse(text, "file.yaml")
    return str(error.value)


def environment(app, cluster):
    """The environment of the first role's container, as it goes to the API server."""
    stage = stages(load_cluster(cluster, load_app(app)), agent_programs())[0]
    pods = next(item["spec"]["template"] for item in stage.objects if item["kind"] == "StatefulSet")
    found = {item["name"]: item.get("value") for item in pods["spec"]["containers"][0]["env"]}
    return found, pods["metadata"]["labels"], pods["spec"]


def test_kubedirectors_documents_keep_what_is_written():
    entries = ", ".join(f"{{name: E{index}, value: {text}}}" for index, text in enumerate(ODD))
    result = translate(document(KD_APP), document(KD_CLUSTER % entries))
    env, labels, _spec = environment(result.app, result.cluster)
    assert [env[f"E{index}"] for index in range(len(ODD))] == ODD
    assert {key: labels[key] for key in ("members", "tier")} == {"members": "010", "tier": "on"}
    assert result.app["metadata"]["version"] == "1.10"
    assert result.app["spec"]["config_meta"] == {"port": "0027"}
    role = result.cluster["spec"]["roles"]["node"]
    assert role["secret_keys"] == {"pin": "0027"}
    # Numbers are what YAML makes of them, as kubectl has it.
    assert role["secrets"][0]["mode"] == "0440"
    assert "dashboard" not in result.app["spec"]["services"][0]


@pytest.mark.parametrize("value", ["", "~", "null"])
def test_nothing_is_no_value_in_kubedirectors_documents(value):
    with pytest.raises(AppError) as error:
        translate(document(KD_APP), document(KD_CLUSTER % f"{{name: JAVA_OPTS, value: {value}}}"))
    assert str(error.value) == (
        'spec.roles[0].env[0].value: expected a text, found nothing. Write "" for an empty one.'
    )


APP = """
apiVersion: bigdata.baremetal/v1alpha1
kind: App
metadata: {name: store, version: 2.10}
spec:
  services: [{id: api, port: 80}]
  roles:
    - id: server
      image: registry.example/store:1
      services: [api]
      env: {ON: 1.10, UMASK: 0027, 10: yes}
      command: [sleep, 010]
      config_files:
        - {name: a.properties, path: /a, format: properties, data: {mode: 0027, on: on, version: 1.10}}
        - {name: c.conf, path: /c, format: lines, data: {mode: 0027, on: on, version: 1.10}}
        - {name: b.yaml, path: /b, format: yaml, data: {ratio: 0.5, active: true, 8080: [1, null]}}
      secrets: [{id: some, secret: some, path: /some, mode: 0644}]
"""

CLUSTER = """
apiVersion: bigdata.baremetal/v1alpha1
kind: AppCluster
metadata: {name: orders, namespace: shop, labels: {year: 2024, version: 1.0}}
spec:
  app: store
  roles:
    server:
      members: 1
      env: {VERSION: 1.10, FLAG: No, BIG: 1_000}
      node_selector: {disk: on}
      pod_labels: {tier: 007}
      resources: {cpu_request: 0.50}
      tolerations: [{key: a, operator: Exists, effect: NoExecute, tolerationSeconds: 300}]
"""


def test_the_own_dialects_documents_keep_what_is_written():
    app, cluster = document(APP), document(CLUSTER)
    env, labels, spec = environment(app, cluster)
    assert {name: env[name] for name in ("ON", "UMASK", "10")} == {"ON": "1.10", "UMASK": "0027", "10": "yes"}
    assert {name: env[name] for name in ("VERSION", "FLAG", "BIG")} == {"VERSION": "1.10", "FLAG": "No", "BIG": "1_000"}
    assert (labels["year"], labels["version"], labels["tier"]) == ("2024", "1.0", "007")
    assert spec["nodeSelector"] == {"disk": "on"}
    assert spec["containers"][0]["command"] == ["sleep", "010"]
    assert spec["containers"][0]["resources"]["requests"]["cpu"] == "0.50"
    assert spec["tolerations"][0]["tolerationSeconds"] == 300
    assert app["metadata"]["version"] == "2.10"
    files = {item["name"]: item["data"] for item in app["spec"]["roles"][0]["config_files"]}
    assert files["a.properties"] == files["c.conf"] == {"mode": "0027", "on": "on", "version": "1.10"}
    assert files["b.yaml"] == {"ratio": 0.5, "active": True, "8080": [1, None]}
    assert load_app(app).roles[0].secrets[0].mode == "0644"


@pytest.mark.parametrize(
    ("written", "means"),
    [("0027", "23"), ("1_000", "1000"), ("0x1F", "31"), ("on", "true"), ("No", "false"), ("1.10", "1.1")],
)
@pytest.mark.parametrize(
    "place",
    ["config: {b.yaml: {a: %s}}", "tolerations: [{tolerationSeconds: %s}]", "members: %s"],
)
def test_where_no_text_is_meant_what_could_be_one_is_refused(place, written, means):
    cluster = f"kind: AppCluster\nspec:\n  roles:\n    server:\n      {place % written}\n"
    assert refusal(cluster) == (
        f"file.yaml, line 5: expected what means the same to every reader, found {written}, which YAML reads as "
        f"{means}. Put it in quotes if it is a text, or write {means}."
    )


def test_all_that_are_refused_are_named_at_once():
    text = "kind: AppCluster\nspec:\n  parameters:\n    a: 010\n    b: 5\n    c: off\n"
    assert [line.partition(":")[0] for line in refusal(text).splitlines()] == ["file.yaml, line 4", "file.yaml, line 6"]


def test_nothing_where_a_text_is_meant_is_refused():
    cluster = document(
        CLUSTER.replace("env: {", "env: {JAVA_OPTS: , HEAP: ~, ").replace("tier: 007", "tier: ").replace("on}", "null}")
    )
    with pytest.raises(AppError) as error:
        load_cluster(cluster, load_app(document(APP)))
    role = "spec.roles.server"
    assert str(error.value).splitlines() == [
        f'{role}.{place}: expected a text, found nothing. Write "" for an empty one.'
        for place in ("env.JAVA_OPTS", "env.HEAP", "node_selector.disk", "pod_labels.tier")
    ]


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (True, "true"),
        (False, "false"),
        (1.1, "1.1"),
        (None, "nothing"),
        (float("inf"), "inf"),
        (datetime.date(2024, 1, 2), "2024-01-02"),
    ],
)
def test_settings_that_have_lost_how_they_were_written_are_refused(value, found):
    """Ansible's own YAML has read them."""
    cluster = document(CLUSTER)
    cluster["spec"]["roles"]["server"]["env"] = {"A": value, "B": 5}
    with pytest.raises(AppError) as error:
        load_cluster(cluster, load_app(document(APP)))
    remedy = 'Write "" for an empty one.' if value is None else "Put it in quotes: how it is written is lost otherwise."
    assert str(error.value) == f"spec.roles.server.env.A: expected a text, found {found}. {remedy}"


@pytest.mark.parametrize("field", ["node_selector", "pod_labels", "service_labels"])
def test_labels_that_have_lost_how_they_were_written_are_refused(field):
    cluster = document(CLUSTER)
    # 1.10, by Ansible's YAML.
    cluster["spec"]["roles"]["server"][field] = {"version": 1.1, "year": 2024}
    with pytest.raises(AppError, match=f"{field}.version: expected a label's value: .*found 1.1. Put it in quotes"):
        load_cluster(cluster, load_app(document(APP)))


def test_parameters_that_have_lost_how_they_were_written_are_refused():
    app, cluster = document(APP), document(CLUSTER)
    app["spec"]["parameters"] = [{"name": "version", "type": "str", "default": "1"}]
    cluster["spec"]["parameters"] = {"version": 1.1}
    with pytest.raises(AppError) as error:
        load_cluster(cluster, load_app(app))
    assert str(error.value) == (
        "spec.parameters.version: expected a value of type str, found 1.1. "
        "Put it in quotes: how it is written is lost otherwise."
    )


def test_nothing_is_no_property():
    with pytest.raises(AppError) as error:
        load_app(document(APP.replace("on: on", "on: ", 1)))
    where = "spec.roles[0].config_files[0].data.on"
    assert str(error.value) == f'{where}: expected a text, found nothing. Write "" for an empty one.'


def test_modes_that_have_lost_how_they_were_written_are_refused():
    app = document(APP)
    # 0644, by Ansible's YAML.
    app["spec"]["roles"][0]["secrets"][0]["mode"] = 420
    with pytest.raises(AppError) as error:
        load_app(app)
    assert str(error.value) == (
        'spec.roles[0].secrets[0].mode: expected an octal mode in quotes, such as "0440", found 420. '
        "Put it in quotes: how it is written is lost otherwise."
    )


def test_json_keeps_how_numbers_are_written():
    text = '{"kind": "AppCluster", "spec": {"roles": {"a": {"env": {"A": 1.10, "B": 1e3, "C": true, "D": -0}}}}}'
    assert document(text)["spec"]["roles"]["a"]["env"] == {"A": "1.10", "B": "1e3", "C": "true", "D": "-0"}
    assert "1.10, which YAML reads as 1.1" in refusal('{"kind": "AppCluster", "spec": {"parameters": {"a": 1.10}}}')
    # No JSON, and a text for YAML.
    assert document('{"a": NaN, "b": .inf}') == {"a": "NaN", "b": ".inf"}


PLAIN = st.from_regex(r"[-+.0-9a-fA-FoOxXyYnNsSeE_]{1,10}", fullmatch=True)


@given(PLAIN)
def test_whatever_is_written_in_a_texts_place_arrives_or_is_nothing(written):
    own = f"kind: AppCluster\nspec: {{roles: {{a: {{env: {{A: {written}}}}}}}}}"
    other = f"apiVersion: kubedirector.hpe.com/v1beta1\nspec: {{env: [{{value: {written}}}]}}"
    try:
        yaml.compose(own)
    except yaml.YAMLError:
        return
    found = [document(own)["spec"]["roles"]["a"]["env"]["A"], document(other)["spec"]["env"][0]["value"]]
    # In a list: alone, three dots end a document.
    (node,) = yaml.compose(f"[{written}]").value
    assert found == ([None, None] if node.tag.endswith(":null") else [written, written])


@given(st.one_of(st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.booleans()))
def test_what_programs_write_in_json_arrives_as_it_is_written(value):
    text = json.dumps({"kind": "AppCluster", "spec": {"roles": {"a": {"env": {"A": value}}}}})
    assert document(text)["spec"]["roles"]["a"]["env"]["A"] == json.dumps(value)
