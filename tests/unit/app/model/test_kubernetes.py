# SPDX-License-Identifier: GPL-3.0-or-later
"""What Kubernetes would refuse is refused before a run, by the loader and by the published schemas."""

from __future__ import annotations

import contextlib
import copy
import datetime
import json
import re
import string
import time
from typing import Any

import pytest
from ansible_collections.baremetal.bigdata.plugins.module_utils.app.contract import GuestContract, RoleContract
from ansible_collections.baremetal.bigdata.plugins.module_utils.app.model import kubernetes
from ansible_collections.baremetal.bigdata.plugins.module_utils.app.model.load import load_app, load_cluster
from ansible_collections.baremetal.bigdata.plugins.module_utils.app.model.reader import AppError
from ansible_collections.baremetal.bigdata.plugins.module_utils.app.render.guest import guest_contract
from ansible_collections.baremetal.bigdata.plugins.module_utils.app.render.objects import stages
from hypothesis import given, settings
from hypothesis import strategies as st
from test_load import APP, CLUSTER, changed
from test_schemas import FULL_APP, FULL_CLUSTER, problems

ROLE = "spec.roles.0."
SET = "spec.roles.worker."
TERM = {"topologyKey": "rack", "labelSelector": {}}
NODE = {"key": "metadata.name", "operator": "In", "values": ["node1"]}
REQUIRED, PREFERRED = (f"{word}DuringSchedulingIgnoredDuringExecution" for word in ("required", "preferred"))


def nodes(**expression: Any) -> dict[str, Any]:
    return {"nodeAffinity": {REQUIRED: {"nodeSelectorTerms": [{"matchExpressions": [expression]}]}}}


# In a definition.
APPS: list[tuple[str, Any, str]] = [
    (
        f"{ROLE}env",
        {"A=B": "1"},
        "env: expected a variable's name of printable ASCII characters without =, found 'A=B'",
    ),
    (f"{ROLE}env", {"": "1"}, "env: expected a variable's name"),
    (f"{ROLE}env_fields", {"IP": "status.podip"}, "env_fields.IP: expected a field of the pod"),
    (f"{ROLE}env_fields", {"IP": "metadata.labels['a b']"}, "env_fields.IP: expected a field of the pod"),
    (f"{ROLE}env_fields", {"A=B": "status.podIP"}, "env_fields: expected a variable's name"),
    (f"{ROLE}secret_env", {"P": {"secret": "s", "key": "x y"}}, "secret_env.P.key: expected a key of letters"),
    (f"{ROLE}secret_env", {"P": {"secret": "S s", "key": "x"}}, "secret_env.P.secret: expected a name of lower-case"),
    (f"{ROLE}secret_env", {"P=": {"secret": "s", "key": "x"}}, "secret_env: expected a variable's name"),
    (f"{ROLE}security", {"capabilities": ["CAP_X"]}, "expected Linux capabilities without CAP_"),
    (f"{ROLE}security", {"capabilities": ["CAP_SYS_ADMIN"]}, "'CAP_SYS_ADMIN'. Did you mean SYS_ADMIN?"),
    (f"{ROLE}security", {"run_as_user": 2**31}, "expected a whole number from 1 to 2147483647, found 2147483648"),
    (f"{ROLE}security", {"writable_paths": ["/a/../b"]}, "expected an absolute path without .. and colons"),
    (f"{ROLE}config_files.0.name", "..", "expected a file name of letters, digits"),
    (f"{ROLE}config_files.0.name", ".", "expected a file name of letters, digits"),
    (f"{ROLE}config_files.0.name", "..data", "expected a file name of letters, digits"),
    (f"{ROLE}config_files.0.path", "/etc/../a", "expected an absolute path without .. and colons, found '/etc/../a'"),
    (f"{ROLE}config_files.0.path", "/etc/a:ro", "expected an absolute path without .. and colons"),
    (f"{ROLE}image", "Registry/UPPER", "image: expected an image such as registry.example:5000/apps/spark:4.3.0"),
    (f"{ROLE}image", "a:b:c", "image: expected an image"),
    (
        f"{ROLE}image",
        "a@sha256:12",
        "image: expected an image such as registry.example:5000/apps/spark:4.3.0, in lower case but for the tag, "
        "with a whole digest or none, found 'a@sha256:12'",
    ),
    (f"{ROLE}resources", {"limits": {"gpu": 1}}, "resources.limits: expected a resource with its domain such as"),
    (f"{ROLE}resources", {"requests": {"a b/c": 1}}, "resources.requests: expected a resource with its domain"),
    (f"{ROLE}termination_grace_seconds", 2**31, "termination_grace_seconds: expected a whole number from 1 to"),
    (f"{ROLE}probes.readiness.period", 2**31, "period: expected a whole number from 1 to 2147483647"),
    (f"{ROLE}resources", {"memory_limit": "9" * 5000}, "memory_limit: expected a Kubernetes quantity such as"),
    (f"{ROLE}resources", {"cpu_limit": "0." + "9" * 5000}, "cpu_limit: expected a Kubernetes quantity such as"),
    (f"{ROLE}cardinality", "5000000000+", "cardinality: expected a number of members"),
    ("spec.services.0.id", "a--b", "expected a name of lower-case letters, digits and single dashes"),
    ("spec.services.0.port", None, "port: expected a whole number from 1 to 65535, found nothing"),
    ("spec.roles.1.storage.0.storage_class", "Fast SSD", "storage_class: expected a name of at most 253 lower-case"),
    ("spec.roles.1.storage.0.paths", ["/a/.."], "paths: expected an absolute path without .. and colons"),
    ("spec.api_access", [{"resources": ["pods"], "verbs": ["get"]}], "api_access[0].groups: expected at least one"),
    ("spec.parameters", [{"name": "a", "minimum": 1, "default": "b"}], "minimum: expected none but with type int"),
]
# The same, which only the loader sees.
APPS_BETWEEN: list[tuple[str, Any, str]] = [
    (f"{ROLE}resources", {"limits": {"nvidia.com/gpu": 0.5}}, "expected a whole number of nvidia.com/gpu, found '0.5'"),
    (
        f"{ROLE}resources",
        {"memory_limit": "512m"},
        "expected a whole number of bytes, found '512m'. Did you mean 512Mi?",
    ),
    (f"{ROLE}resources", {"memory_limit": "16E"}, "expected at most 9223372036854775807"),
    (f"{ROLE}resources", {"limits": {"hugepages-2Mi": "3Mi"}}, "expected a multiple of the page's size, 2Mi"),
    (
        f"{ROLE}resources",
        {"cpu_request": 2, "cpu_limit": 1},
        "roles[0].resources.cpu_request: expected at most spec.roles[0].resources.cpu_limit, 1, found '2'",
    ),
    ("spec.roles.1.storage.0.size", "0", "storage[0].size: expected more than nothing, found '0'"),
    (f"{ROLE}memory_use", [{"parameter": "copie"}], "memory_use[0].parameter: expected a parameter of type int"),
    # YAML's own types as keys: not what was written.
    (f"{ROLE}config_files.0.data", {True: 1}, "data: expected texts as keys, found true, which is no text"),
    (f"{ROLE}config_files.0.data", {"a": {8080: 1}}, "data.a: expected texts as keys, found 8080"),
    (
        f"{ROLE}config_files.0.data",
        {"a": datetime.date(2024, 1, 1)},
        "data.a: expected a text, a number, true or false, found 2024-01-01 (date). Put it in quotes",
    ),
    (f"{ROLE}config_files.0.data", {"a": float("nan")}, "data.a: expected a text, a number, true or false"),
]
PROPERTIES = {"name": "a", "path": "/a", "format": "properties"}
APPS += [
    (f"{ROLE}config_files.0", {**PROPERTIES, "format": kind, "data": {"spark": {"a": 1}}}, "Write spark.NAME for a")
    for kind in ("properties", "lines")
]
LINES = {**PROPERTIES, "format": "lines"}
ONE_LINE = "a text of one line, found a line break. Remove it: what follows would be an entry of its own."
APPS += [
    *(
        (
            f"{ROLE}config_files.0",
            {**LINES, "data": {name: "b"}},
            f"config_files[0].data: expected a name without = and line breaks, found {name!r}. Rename it.",
        )
        for name in ("", "A=B", "A\nB", "A\rB")
    ),
    *(
        (f"{ROLE}config_files.0", {**LINES, "data": {"A": value}}, f"config_files[0].data.A: expected {ONE_LINE}")
        for value in ("b\nC=d", "b\n", "b\rc")
    ),
]
APPS_BETWEEN += [
    (f"{ROLE}config_files.0", {**PROPERTIES, "data": {8080: "a"}}, "expected texts as keys, found 8080"),
    (f"{ROLE}config_files.0", {**PROPERTIES, "data": {True: "a"}}, "expected texts as keys, found true"),
]

# In a cluster's settings.
CLUSTERS: list[tuple[str, Any, str]] = [
    *(
        (path, {key: "x"}, "expected a label's name such as tier or example.com/tier")
        for path in ("metadata.labels", f"{SET}pod_labels", f"{SET}service_labels", f"{SET}node_selector")
        for key in ("a b", "a/b/c", "x" * 64, "/a", "a/", "Example.com/a")
    ),
    *(
        (path, {"tier": value}, "expected a label's value: at most 63 letters")
        for path in ("metadata.labels", f"{SET}pod_labels", f"{SET}service_labels", f"{SET}node_selector")
        for value in ("a b", "a/b", "x" * 64, "-a")
    ),
    *(
        (path, {name: "x"}, "expected an annotation's name")
        for path in (f"{SET}pod_annotations", f"{SET}service_annotations")
        for name in ("a b", "x" * 64, "a/b/c")
    ),
    (f"{SET}pod_labels", {"app.kubernetes.io/instance": "x"}, "that is none of the engine's own"),
    (f"{SET}pod_annotations", {"baremetal.bigdata/template-hash": "x"}, "that is none of the engine's own"),
    (f"{SET}tolerations", ["dedicated"], "tolerations[0]: expected a mapping, found 'dedicated'"),
    (f"{SET}tolerations", {"key": "a"}, "tolerations: expected a list, found a mapping"),
    (
        f"{SET}tolerations",
        [{"key": "a", "operator": "Equals"}],
        "operator: expected one of Exists, Equal, found 'Equals'",
    ),
    (
        f"{SET}tolerations",
        [{"key": "a", "effect": "noschedule"}],
        "NoSchedule, PreferNoSchedule, NoExecute, found 'noschedule'. Did you mean NoSchedule?",
    ),
    (f"{SET}tolerations", [{"value": "a"}], "operator: expected Exists without a key, found nothing"),
    (
        f"{SET}tolerations",
        [{"key": "a", "operator": "Exists", "value": "b"}],
        "value: expected none with operator Exists",
    ),
    (f"{SET}tolerations", [{"key": "a b", "operator": "Exists"}], "tolerations[0].key: expected a label's name"),
    (f"{SET}tolerations", [{"key": "a", "value": "b c"}], "tolerations[0].value: expected a label's value"),
    (
        f"{SET}tolerations",
        [{"key": "a", "value": 1}],
        "value: expected a label's value: at most 63 letters, digits, dashes, ",
    ),
    (f"{SET}tolerations", [{"key": "a", "tolerationSeconds": 5}], "effect: expected NoExecute with tolerationSeconds"),
    (f"{SET}tolerations", [{"key": "a", "tolerationSeconds": 2**63}], "tolerationSeconds: expected a whole number"),
    (f"{SET}tolerations", [{"keys": "a", "operator": "Exists"}], "an unknown field. Did you mean key?"),
    (f"{SET}affinity", {"nodeAfinity": {}}, "an unknown field. Did you mean nodeAffinity?"),
    (f"{SET}affinity", [], "affinity: expected a mapping, found an empty list"),
    (f"{SET}affinity", nodes(key="a", operator="Is"), "operator: expected one of In, NotIn, Exists"),
    (
        f"{SET}affinity",
        nodes(key="a", operator=""),
        "operator: expected one of In, NotIn, Exists, DoesNotExist, Gt, Lt",
    ),
    (f"{SET}affinity", nodes(key="a"), "matchExpressions[0].operator: expected a text, found nothing"),
    (
        f"{SET}affinity",
        {"nodeAffinity": {REQUIRED: {"nodeSelectorTerms": [{"matchFields": [{**NODE, "key": ""}]}]}}},
        "matchFields[0].key: expected one of metadata.name, found ''",
    ),
    (
        f"{SET}affinity",
        {"podAffinity": {REQUIRED: [{**TERM, "labelSelector": {"matchExpressions": [{"key": "a", "operator": ""}]}}]}},
        "operator: expected one of In, NotIn, Exists, DoesNotExist, found ''",
    ),
    (f"{SET}affinity", nodes(key="a", operator="In"), "values: expected at least one with operator In, found none"),
    (f"{SET}affinity", nodes(key="a", operator="Exists", values=["b"]), "values: expected none with operator Exists"),
    (f"{SET}affinity", nodes(key="a", operator="In", values=[1]), "values[0]: expected a text, found 1"),
    (f"{SET}affinity", nodes(operator="Exists"), "matchExpressions[0].key: expected a label's name"),
    (f"{SET}affinity", {"nodeAffinity": {REQUIRED: {}}}, "nodeSelectorTerms: expected at least one, found none"),
    (
        f"{SET}affinity",
        {"nodeAffinity": {PREFERRED: [{"weight": 101, "preference": {}}]}},
        "weight: expected a whole number from 1 to 100, found 101",
    ),
    (f"{SET}affinity", {"podAffinity": {PREFERRED: [{"podAffinityTerm": TERM}]}}, "weight: expected a whole number"),
    (f"{SET}affinity", {"podAntiAffinity": {REQUIRED: [{}]}}, "topologyKey: expected a label's name"),
    (f"{SET}affinity", {"podAntiAffinity": {REQUIRED: TERM}}, "expected a list, found a mapping"),
    *(
        (
            f"{SET}affinity",
            {"podAntiAffinity": {REQUIRED: [{**TERM, "namespaces": [name]}]}},
            f"namespaces: expected a name of at most 63 lower-case letters, digits and dashes, found {name!r}",
        )
        for name in ("a.b", "", "-a", "A", "a" * 64)
    ),
    (f"{SET}service_account", "Not Valid", "service_account: expected a name of at most 253 lower-case letters"),
    (f"{SET}storage", {"data": {"storage_class": "Fast SSD"}}, "storage.data.storage_class: expected a name"),
    (f"{SET}volumes", [{"claim": "My claim", "path": "/c"}], "volumes[0].claim: expected a name"),
    (f"{SET}members", 5000000000, "members: expected a whole number from 0 to 150000, found 5000000000"),
    (f"{SET}env", {"A=B": "1"}, "env: expected a variable's name"),
    (f"{SET}image", "x y", "image: expected an image"),
    ("spec.image_pull_secrets", ["A b"], "image_pull_secrets: expected a name"),
    ("spec.dns_domain", "cluster..local", "dns_domain: expected a name"),
]
CLUSTERS_BETWEEN: list[tuple[str, Any, str]] = [
    (
        f"{SET}affinity",
        nodes(key="a", operator="Gt", values=["b"]),
        "expected one whole number in quotes with operator Gt",
    ),
    (
        f"{SET}affinity",
        {"podAffinity": {REQUIRED: [{"topologyKey": "a", "matchLabelKeys": ["b"]}]}},
        "labelSelector: expected a selector beside matchLabelKeys, found nothing",
    ),
    (f"{SET}storage", {"data": {"size": "0"}}, "storage.data.size: expected more than nothing"),
    (f"{SET}shared_memory", "0", "shared_memory: expected more than nothing"),
    (
        f"{SET}resources",
        {"cpu_request": 2, "cpu_limit": 1},
        "spec.roles.worker.resources.cpu_request: expected at most spec.roles.worker.resources.cpu_limit, 1, found '2'",
    ),
    (
        f"{SET}resources",
        {"requests": {"nvidia.com/gpu": 1}},
        "limits.nvidia.com/gpu: expected a limit as well, 1 as requested, since nvidia.com/gpu is not shared",
    ),
    (
        f"{SET}resources",
        {"requests": {"nvidia.com/gpu": 1}, "limits": {"nvidia.com/gpu": 2}},
        "requests.nvidia.com/gpu: expected the same as spec.roles.worker.resources.limits.nvidia.com/gpu, 2, found '1'",
    ),
    (
        f"{SET}resources",
        {"limits": {"hugepages-2Mi": "2Mi"}},
        "expected cpu or memory beside huge pages, found neither",
    ),
    (
        "spec.roles.master.config",
        {"a.yaml": {"a.yaml": {"a": 2}}},
        "config.a.yaml.a.yaml: expected what is in a.yaml, found a.yaml once more. Take out this level.",
    ),
    ("spec.roles.master.config", {"a.yaml": {"b": {True: 1}}}, "expected texts as keys, found true"),
]


@pytest.mark.parametrize(("path", "value", "message"), APPS + APPS_BETWEEN)
def test_a_definition_that_kubernetes_would_refuse_is_refused(path, value, message):
    with pytest.raises(AppError) as refused:
        load_app(changed(APP, path, value))
    assert message in str(refused.value)


@pytest.mark.parametrize(("path", "value", "message"), CLUSTERS + CLUSTERS_BETWEEN)
def test_settings_that_kubernetes_would_refuse_are_refused(path, value, message):
    with pytest.raises(AppError) as refused:
        load_cluster(changed(CLUSTER, path, value), load_app(APP))
    assert message in str(refused.value)
    found = [str(problem) for problem in refused.value.problems]
    assert len(set(found)) == len(found)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"A": "b\nC=d"}, f"spec.roles.master.config.p.A: expected {ONE_LINE}"),
        (
            {"A=B": "c"},
            "spec.roles.master.config.p: expected a name without = and line breaks, found 'A=B'. Rename it.",
        ),
    ],
)
def test_settings_for_a_file_of_lines_are_lines(data, message):
    app = load_app(changed(APP, f"{ROLE}config_files.0", {**LINES, "name": "p"}))
    with pytest.raises(AppError) as refused:
        load_cluster(changed(CLUSTER, "spec.roles.master.config", {"p": data}), app)
    assert str(refused.value) == message


def test_what_a_placeholder_makes_of_a_line_is_one_line():
    app = changed(APP, "spec.parameters", [{"name": "note", "default": "a"}])
    app = load_app(changed(app, f"{ROLE}config_files.0", {**LINES, "data": {"A": "see $(parameters.note)"}}))
    stages(load_cluster(CLUSTER, app))
    with pytest.raises(AppError) as refused:
        stages(load_cluster(changed(CLUSTER, "spec.parameters", {"note": "a\nB=c"}), app))
    assert str(refused.value) == f"a.A: expected {ONE_LINE}"


@pytest.mark.parametrize(("path", "value", "message"), [case for case in APPS if "5000000000" not in str(case)])
def test_the_definitions_schema_refuses_it_too(path, value, message):
    assert problems("App", changed(APP, path, value)), message


@pytest.mark.parametrize(("path", "value", "message"), CLUSTERS)
def test_the_clusters_schema_refuses_it_too(path, value, message):
    assert problems("AppCluster", changed(CLUSTER, path, value)), message


GOOD = [
    (f"{SET}tolerations", [{"operator": "Exists"}]),
    (f"{SET}tolerations", [{"key": "a", "value": "b", "operator": "", "effect": ""}]),
    (f"{SET}tolerations", [{"key": "a", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 0}]),
    (f"{SET}affinity", nodes(key="a", operator="Gt", values=["3"])),
    (f"{SET}affinity", {"podAntiAffinity": {REQUIRED: [TERM]}}),
    (f"{SET}affinity", {"podAffinity": {REQUIRED: [{**TERM, "namespaces": ["a", "2024", "a" * 63]}]}}),
    (f"{SET}affinity", {}),
    (f"{SET}pod_labels", {"example.com/tier": "", "a": "1.2_3", "app.kubernetes.io/version": "3"}),
    (f"{SET}pod_annotations", {"Example.com/note": "any text\nat all"}),
    (f"{SET}env", {"my.name-1": "x", "1 a": "y"}),
    (f"{SET}resources", {"limits": {"nvidia.com/gpu": 1}}),
    (f"{SET}resources", {"requests": {"nvidia.com/gpu": 1}, "limits": {"nvidia.com/gpu": "1"}}),
    (f"{SET}resources", {"requests": {"ephemeral-storage": "1Gi"}}),
    (f"{SET}resources", {"limits": {"hugepages-2Mi": "4Mi"}, "memory_limit": "1Gi"}),
]


@pytest.mark.parametrize(("path", "value"), GOOD)
def test_what_kubernetes_takes_is_taken(path, value):
    cluster = changed(CLUSTER, path, value)
    assert problems("AppCluster", cluster) == []
    stages(load_cluster(cluster, load_app(APP)))


def test_files_are_counted_together():
    """A ConfigMap, or a Secret, holds 1 MiB: a kubelet reads no more."""

    def rendered(first: int, second: int, secret: bool = False) -> None:
        files = [
            {"name": name, "path": f"/etc/{name}", "text": "é" * (size // 2), "secret": secret and name == "b"}
            for name, size in (("a", first), ("b", second))
        ]
        app = load_app(changed(APP, f"{ROLE}config_files", files))
        stages(load_cluster(CLUSTER, app))

    rendered(2**19, 2**19)
    rendered(2**20, 2**20, secret=True)
    for sizes in ((2**20, 2), (2, 2**20)):
        with pytest.raises(AppError, match="expected files of at most 1048576 bytes together, found 1048578: a "):
            rendered(*sizes)


def test_what_a_placeholder_makes_is_looked_at_too():
    app = changed(APP, "spec.parameters", [{"name": "tier", "default": "Gold One"}])
    app = changed(app, f"{ROLE}secrets", [{"id": "s", "secret": "$(parameters.tier)-key", "path": "/s"}])
    with pytest.raises(
        AppError, match=r"secrets: expected a name of at most .* found 'Gold One-key', of \$\(parameters"
    ):
        stages(load_cluster(CLUSTER, load_app(app)))


def test_a_name_that_is_put_together_has_an_end():
    app = changed(APP, "spec.services.1.id", "a-long-service")
    app = changed(app, "spec.roles.1.services", ["a-long-service"])
    app = changed(app, "spec.roles.0.services", ["api", "a-long-service"])
    cluster = changed(CLUSTER, "metadata.name", "c" * 40)
    with pytest.raises(AppError) as refused:
        stages(load_cluster(changed(cluster, "metadata.name", "c" * 42), load_app(app)))
    assert "at most 40 characters" in str(refused.value)
    stages(load_cluster(cluster, load_app(app)))
    long = changed(changed(app, "spec.roles.0.id", "mastermind"), "spec.roles.1.starts_after", ["mastermind"])
    chosen = {"mastermind": {"image": "x"}, "worker": {"image": "x"}}
    with pytest.raises(AppError, match=r"names of Services of at most 63 characters, found 66 in c+-mastermind-a-long"):
        stages(load_cluster(changed(cluster, "spec.roles", chosen), load_app(long)))


def of_roles(count: int, name: str = "r", package: bool = True) -> Any:
    roles = [{"id": f"{name}{number:02}", "image": "x"} for number in range(count)]
    if package:
        roles[0]["guest"] = {"package": "https://x/y.tgz"}
    return load_app(changed(APP, "spec", {"roles": roles}))


def searched(cluster: Any, app: Any) -> list[str]:
    """The domains in which the first role's members look for others."""
    made = [item for stage in stages(load_cluster(cluster, app), {"configure": ""}) for item in stage.objects]
    first = next(item for item in made if item["kind"] == "StatefulSet")
    return first["spec"]["template"]["spec"].get("dnsConfig", {}).get("searches", [])


def test_domains_that_are_searched_have_a_number():
    cluster = changed(CLUSTER, "spec", {})
    assert searched(cluster, of_roles(33, package=False)) == []
    assert len(searched(cluster, of_roles(32))) == 32
    with pytest.raises(AppError) as refused:
        load_cluster(cluster, of_roles(33))
    assert str(refused.value) == (
        "spec.roles: expected at most 32 roles beside a config package, found 33. Its members search the domain "
        "of each role. Make two apps of it."
    )


def test_domains_that_are_searched_have_a_length():
    cluster = changed(changed(CLUSTER, "spec", {}), "metadata", {"name": "c" * 19, "namespace": "n" * 42})
    app = of_roles(20, "a-role-of-some-kin")
    found = len(" ".join(searched(cluster, app)))
    assert 2048 - 20 < found <= 2048
    with pytest.raises(AppError) as refused:
        load_cluster(changed(cluster, "metadata.name", "c" * 20), app)
    assert str(refused.value) == (
        "metadata.name: expected names that make at most 2048 characters of search domains beside a config package, "
        f"found {found + 20} characters. Shorten the names of the cluster, its namespace or its roles."
    )


def test_a_node_port_belongs_to_one_service():
    ports = {name: {"type": "NodePort", "node_port": 30080} for name in ("api", "data")}
    with pytest.raises(AppError) as refused:
        load_cluster(changed(CLUSTER, "spec.services", ports), load_app(APP))
    assert str(refused.value) == (
        "spec.services.data.node_port: expected a node port for each service, found 30080 again, after "
        "spec.services.api.node_port. Set another, or leave it to Kubernetes."
    )


def test_half_a_character_is_no_text():
    for document in (
        changed(APP, f"{ROLE}env", {"A": "\ud800"}),
        changed(APP, "metadata.description", "a\udfff"),
        changed(APP, f"{ROLE}\ud800", 1),
    ):
        with pytest.raises(AppError, match="expected texts of whole characters") as refused:
            load_app(document)
        # Other messages would have it too, and could not be written.
        assert str(refused.value).encode()


def test_a_large_cluster_is_rendered_in_seconds():
    app = load_app(changed(APP, "spec.services.1.per_member", True))
    before = time.monotonic()
    stages(load_cluster(changed(CLUSTER, f"{SET}members", 5000), app))
    assert time.monotonic() - before < 5


def test_annotations_have_an_end():
    cluster = changed(CLUSTER, f"{SET}pod_annotations", {"a": "x" * 2**18})
    with pytest.raises(AppError, match="expected annotations of at most 262144 bytes together"):
        stages(load_cluster(cluster, load_app(APP)))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        # What the API server takes, though no whole number of bytes: it rounds up.
        ("memory_limit", "1.1Gi"),
        ("memory_limit", "0.1Mi"),
        ("memory_limit", "1.00001k"),
        ("requests", {"ephemeral-storage": "0.1Gi"}),
        ("memory_limit", "1000m"),
        ("cpu_limit", "0.0001"),
    ],
)
def test_amounts_that_kubernetes_rounds_are_taken(field, value):
    load_cluster(changed(CLUSTER, f"{SET}resources", {field: value}), load_app(APP))


@pytest.mark.parametrize("value", ["100m", "1.5", "0.5", "15e-1", "1u"])
def test_parts_of_a_byte_are_refused(value):
    with pytest.raises(AppError, match="expected a whole number of bytes"):
        load_cluster(changed(CLUSTER, f"{SET}resources", {"memory_limit": value}), load_app(APP))


@pytest.mark.parametrize("size", ["1.1Gi", "0.3Ti"])
def test_volumes_that_kubernetes_rounds_are_taken(size):
    load_cluster(changed(CLUSTER, f"{SET}storage", {"data": {"size": size}}), load_app(APP))


def test_a_field_of_the_pod_may_be_an_annotation_of_any_domain():
    load_app(changed(APP, f"{ROLE}env_fields", {"NOTE": "metadata.annotations['Example.com/Note']"}))


def test_a_setting_of_its_sections_name_is_no_level_too_many():
    app = load_app(changed(APP, "spec.roles.0.config_files.0.data", {"store": {"size": 1}}))
    load_cluster(changed(CLUSTER, "spec.roles.master.config", {"a.yaml": {"store": {"store": "disk"}}}), app)
    with pytest.raises(AppError, match="store once more"):
        load_cluster(changed(CLUSTER, "spec.roles.master.config", {"a.yaml": {"store": {"store": {"size": 2}}}}), app)


# --- what memory is for -----------------------------------------------------------------------------------------------

HEAP = changed(
    changed(APP, "spec.parameters", [{"name": "heap", "type": "int", "default": 256}]),
    "spec.roles.1.memory_use",
    [{"parameter": "heap", "beside": 200}],
)


@pytest.mark.parametrize(("heap", "limit", "good"), [(256, "456Mi", True), (256, "455Mi", False), (1, "", True)])
def test_a_heap_fits_into_the_memory_limit(heap, limit, good):
    cluster = changed(changed(CLUSTER, "spec.parameters", {"heap": heap}), f"{SET}resources", {"memory_limit": limit})
    if good:
        load_cluster(cluster, load_app(HEAP))
        return
    with pytest.raises(AppError) as refused:
        load_cluster(cluster, load_app(HEAP))
    assert str(refused.value) == (
        "spec.roles.worker.resources.memory_limit: expected at least 456Mi, for spec.parameters.heap, 256 MiB, and 200 "
        "MiB beside it, found '455Mi'. Raise spec.roles.worker.resources.memory_limit, or lower spec.parameters.heap."
    )


# --- grammars ---------------------------------------------------------------------------------------------------------


def independently_a_label(text: str) -> bool:
    """IsQualifiedName of apimachinery, in words."""
    prefix, slash, name = text.rpartition("/")
    inner = string.ascii_letters + string.digits + "-_."
    alnum = string.ascii_letters + string.digits
    if not (1 <= len(name) <= 63 and set(name) <= set(inner) and name[0] in alnum and name[-1] in alnum):
        return False
    return not slash or independently_a_subdomain(prefix)


def independently_a_subdomain(text: str) -> bool:
    alnum = string.ascii_lowercase + string.digits
    return 1 <= len(text) <= 253 and all(
        part and set(part) <= set(alnum + "-") and part[0] in alnum and part[-1] in alnum for part in text.split(".")
    )


NEAR = st.text(alphabet="aZ0-_./ \n", max_size=70) | st.text(max_size=5)


@given(NEAR)
def test_a_labels_name_is_kubernetes(text):
    assert bool(re.fullmatch(kubernetes.LABEL_NAME.pattern, text)) == independently_a_label(text)


@given(st.text(alphabet="az0-.A", max_size=260) | NEAR)
def test_a_subdomain_is_kubernetes(text):
    assert bool(re.fullmatch(kubernetes.SUBDOMAIN.pattern, text)) == independently_a_subdomain(text)


@given(NEAR)
def test_a_labels_value_is_kubernetes(text):
    good = text == "" or ("/" not in text and independently_a_label(text))
    assert bool(re.fullmatch(kubernetes.LABEL_VALUE.pattern, text)) == good


@pytest.mark.parametrize(
    ("image", "good"),
    [
        ("x", True),
        ("docker.io/hazelcast/hazelcast:5.7.0", True),
        ("localhost:5000/a/b-c__d.e:T_a.g-1", True),
        ("[2001:db8::1]:5000/a", True),
        ("a@sha256:" + "0" * 64, True),
        ("a:1@sha256:" + "0" * 64, True),
        ("a@sha384:" + "0f" * 48, True),
        ("a@sha512:" + "0f" * 64, True),
        ("[2001:db8::1]:5000/" + "a" * 300 + ":1@sha512:" + "0f" * 64, True),
        ("a@sha256:" + "0" * 63, False),
        ("a@sha256:" + "0" * 65, False),
        ("a@sha256:" + "A" * 64, False),
        ("a@sha384:" + "0" * 64, False),
        ("a@sha512:" + "0" * 64, False),
        ("a@sha1:" + "0" * 40, False),
        ("a@md5:" + "0" * 32, False),
        ("a@", False),
        ("https://a/b", False),
        ("a/B", False),
        ("a//b", False),
        ("a/b-", False),
        ("a___b", False),
        ("a:", False),
        ("a:" + "t" * 129, False),
        (" a", False),
        ("a\n", False),
        ("/a", False),
    ],
)
def test_an_image_is_a_reference(image, good):
    assert bool(re.fullmatch(kubernetes.IMAGE.pattern, image)) == good


# --- nothing crashes the loaders -------------------------------------------------------------------------------------

SCALARS = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=8) | st.sampled_from(
        ["", "$(cluster.name)", "$(parameters.n)", "$(x)", "1", "on", datetime.date(2024, 1, 1), 10**30, b"a"]
    )
)  # fmt: skip
KEYS = st.text(max_size=6) | st.booleans() | st.integers() | st.none()
ANYTHING = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=6,
)


def spots(node: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place of a document."""
    inner = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    return [path, *(spot for key, value in inner for spot in spots(value, (*path, key)))]


def replaced(document: Any, path: tuple[Any, ...], value: Any) -> Any:
    if not path:
        return value
    result = copy.deepcopy(document)
    target = result
    for part in path[:-1]:
        target = target[part]
    target[path[-1]] = value
    return result


WIDE_APP = copy.deepcopy(FULL_APP)
WIDE_APP["spec"]["roles"][0]["config_files"] += [
    {"name": "p", "path": "/p", "format": "properties", "data": {"a.b": 1, "c": "$(parameters.n)"}},
    {"name": "t", "path": "/text", "text": "$(parameters.n)"},
]
WIDE_CLUSTER = copy.deepcopy(FULL_CLUSTER)
WIDE_CLUSTER["spec"]["roles"]["worker"] |= {"config": {"a": {"b": 1}, "p": {"d": True}, "t": "x"}, "env": {"A": 1}}


def rendered(app: Any, cluster: Any) -> str:
    """All that is made of a definition and a cluster, as it is sent."""
    loaded = load_cluster(cluster, load_app(app))
    made = [(stage.objects, stage.contract.to_dict()) for stage in stages(loaded, {"configure": "", "configcli": ""})]
    guest = guest_contract(loaded)
    sent = json.dumps([made, guest and guest.to_dict()], allow_nan=False)
    # The modules read it as it is.
    roles, cluster_read = json.loads(sent)
    assert [RoleContract.from_dict(contract) for _objects, contract in roles]
    assert cluster_read is None or GuestContract.from_dict(cluster_read) == guest
    return sent


def test_the_documents_of_the_next_test_are_good():
    assert '"kind": "StatefulSet"' in rendered(WIDE_APP, WIDE_CLUSTER)


@settings(max_examples=300)
@given(path=st.sampled_from(spots(WIDE_APP)), value=ANYTHING)
def test_no_definition_crashes_anything(path, value):
    with contextlib.suppress(AppError):
        rendered(replaced(WIDE_APP, path, value), WIDE_CLUSTER)


@settings(max_examples=300)
@given(path=st.sampled_from(spots(WIDE_CLUSTER)), value=ANYTHING)
def test_no_settings_crash_anything(path, value):
    with contextlib.suppress(AppError):
        rendered(WIDE_APP, replaced(WIDE_CLUSTER, path, value))
