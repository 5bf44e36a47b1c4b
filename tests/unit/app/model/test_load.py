# SPDX-License-Identifier: GPL-3.0-or-later
"""The app model: what it accepts, and what it says about the rest."""

from __future__ import annotations

import contextlib
import copy

import pytest
from ansible_collections.baremetal.bigdata.plugins.filter.app_problems import app_problems
from ansible_collections.baremetal.bigdata.plugins.module_utils.app.model.load import load_app, load_cluster
from ansible_collections.baremetal.bigdata.plugins.module_utils.app.model.reader import AppError
from ansible_collections.baremetal.bigdata.plugins.module_utils.app.model.types import Cardinality
from hypothesis import given
from hypothesis import strategies as st

APP = {
    "kind": "App",
    "metadata": {"name": "demo", "version": "1"},
    "spec": {
        "parameters": [{"name": "copies", "type": "int", "default": 1, "minimum": 0, "maximum": 3}],
        "services": [{"id": "api", "port": 80, "primary": True}, {"id": "data", "port": 90}],
        "roles": [
            {
                "id": "master",
                "cardinality": "1",
                "services": ["api"],
                "config_files": [{"name": "a.yaml", "path": "/etc/a.yaml", "format": "yaml", "data": {"a": 1}}],
                "probes": {"readiness": {"http": {"service": "api", "path": "/ok"}}},
                "health": {"members": {"command": ["count"]}},
            },
            {
                "id": "worker",
                "cardinality": "2+",
                "services": ["data"],
                "starts_after": ["master"],
                "storage": [{"id": "data", "path": "/data"}],
            },
        ],
    },
}
CLUSTER = {
    "kind": "AppCluster",
    "metadata": {"name": "one", "namespace": "apps"},
    "spec": {"roles": {"master": {"image": "x"}, "worker": {"image": "x", "members": 3}}},
}


def changed(document, path, value):
    """A copy with the value at a dotted path; numbers are list positions, and ... removes."""
    result = copy.deepcopy(document)
    target = result
    *parents, last = [int(part) if part.isdigit() else part for part in path.split(".")]
    for part in parents:
        target = target[part] if isinstance(part, int) else target.setdefault(part, {})
    if value is ...:
        del target[last]
    else:
        target[last] = value
    return result


def test_a_definition_is_read():
    app = load_app(APP)
    assert [role.id for role in app.roles] == ["master", "worker"]
    assert app.role("worker").cardinality == Cardinality(2, None)
    assert app.role("master").probes.readiness.check.http.path == "/ok"
    assert app.service("api").primary


def test_a_cluster_takes_what_it_does_not_say_from_the_definition():
    cluster = load_cluster(CLUSTER, load_app(APP))
    assert cluster.roles["master"].members == 1
    assert cluster.roles["worker"].members == 3
    assert cluster.parameters == {"copies": 1}


BAD_APPS = [
    ("kind", "Application", "kind: expected App, found 'Application'"),
    ("apiVersion", "v2", "apiVersion: expected bigdata.baremetal/v1alpha1"),
    ("metadata.name", "Demo", "metadata.name: expected a name of lower-case letters"),
    ("metadata.name", ..., "metadata.name: expected a name"),
    ("metadata.name", "a" * 41, "at most 40 characters"),
    ("spec.roles", [], "spec.roles: expected at least one role, found none"),
    ("spec.disruption_budget", "ring", "spec.disruption_budget: expected one of role, cluster, found 'ring'"),
    ("spec.roles", "master", "spec.roles: expected a list, found 'master'"),
    ("spec.roles.0.cardinality", "many", "spec.roles[0].cardinality: expected a number of members such as"),
    ("spec.roles.0.cardinality", "5-1", "spec.roles[0].cardinality"),
    ("spec.roles.0.controller", "Pod", "expected one of StatefulSet, Deployment"),
    ("spec.roles.0.contoller", "Deployment", "found an unknown field. Did you mean controller?"),
    ("spec.roles.0.services", ["apy"], "found 'apy'. Did you mean api?"),
    (
        "spec.roles.0.services",
        ["api", ""],
        "spec.roles[0].services: expected a service of this app (api, data), found ''",
    ),
    ("spec.roles.1.starts_after", [""], "starts_after: expected a role of this app (master, worker), found ''"),
    ("spec.roles.0.health", {"counts": [""]}, "health.counts: expected a role of this app (master, worker), found ''"),
    ("spec.roles.0.memory_use", [{"parameter": ""}], "expected a parameter of type int of this app (copies), found ''"),
    ("spec.services.0.primary", "yes", "expected true or false, found 'yes'"),
    ("spec.roles.1.hostname", "front", "cardinality 1 or 0-1 with a host name"),
    ("spec.roles.0.restart_last", ["leader"], "live_role beside it"),
    ("spec.roles.0.health", {"at": "mastr"}, "Did you mean master?"),
    ("spec.roles.0.health", {"counts": ["nobody"]}, "expected a role of this app"),
    ("spec.roles.0.leave", {"allowed": {"http": {"service": "api", "path": "/"}}}, "expected a command, found http"),
    ("spec.roles.0.leave", {"done": {"command": ["true"], "at": "nobody"}}, "expected a role of this app"),
    ("spec.roles.0.live_role", {"command": ["who"], "match": "("}, "expected a regular expression"),
    ("spec.roles.0.storage", [{"id": "data"}], "either path or paths"),
    ("spec.roles.0.storage", [{"id": "data", "path": "/d", "block": True, "populate": True}], "a device at path alone"),
    ("spec.roles.0.guest", {"package": "appconfig.tgz"}, "a URL that starts with"),
    ("spec.roles.0.guest", {"package": "file:///a.tgz", "events": ["install"]}, "some of configure, addnodes"),
    ("spec.roles.0.secrets", [{"id": "x", "secret": "s", "path": "etc"}], "an absolute path"),
    ("spec.roles.0.secret_env", {"PASSWORD": {"secret": "s"}}, "secret_env.PASSWORD.key: expected"),
    ("spec.roles.1.id", "master", "a name that is used once"),
    ("spec.roles.1.starts_after", ["masters"], "Did you mean master?"),
    ("spec.roles.0.starts_after", ["worker"], "an order in which roles can start"),
    ("spec.roles.0.probes.readiness.http.path", "ok", "a path that starts with /"),
    ("spec.roles.0.probes.readiness.tcp", "api", "exactly one of http, command and tcp, found http and tcp"),
    ("spec.roles.0.probes.readiness.http.service", "data", "spec.roles[0].probes.readiness: expected a service"),
    (
        "spec.roles.0.health.safe",
        {"command": ["x"], "htp": {}},
        "one of command, http, tcp, found an unknown field. Did",
    ),
    ("spec.roles.0.health.safe", {"tcp": "api"}, "expected http or command, found tcp"),
    ("spec.roles.0.config_files.0.text", "hello", "expected data in a file of format yaml"),
    ("spec.roles.0.config_files.0.path", "etc/a", "an absolute path"),
    ("spec.roles.1.controller", "Deployment", "no storage of their own"),
    ("spec.roles.1.storage.0.size", "big", "a Kubernetes quantity"),
    ("spec.roles.0.security", {"run_as_user": 0}, "expected a whole number from 1 to 2147483647, found 0"),
    ("spec.services.0.port", 70000, "a whole number from 1 to 65535, found 70000"),
    ("spec.services.1.primary", True, "at most one primary service"),
    ("spec.services.1.id", "api", "a name that is used once"),
    ("spec.parameters.0.default", "one", "expected a value of type int, found 'one'"),
    ("spec.parameters.0.default", 9, "expected 3 or less, found 9"),
    ("spec.api_access", [{"resources": ["*"], "verbs": ["get"]}], "Name what the app really uses."),
    ("spec.api_access", [{"resources": ["pods"]}], "spec.api_access[0].verbs: expected at least one"),
    ("spec.roles.0.services", ["api", "api"], "services: expected each text once, found 'api' 2 times. Write it once."),
    ("spec.roles.1.starts_after", ["master"] * 3, "starts_after: expected each text once, found 'master' 3 times"),
    ("spec.roles.0.health.counts", ["worker", "worker"], "health.counts: expected each text once, found 'worker'"),
    ("spec.roles.0.security", {"capabilities": ["KILL", "KILL"]}, "security.capabilities: expected each text once"),
    ("spec.roles.0.security", {"writable_paths": ["/a", "/a"]}, "security.writable_paths: expected each text once"),
    ("spec.roles.1.storage", [{"id": "data", "paths": ["/a", "/b", "/a"]}], "storage[0].paths: expected each text"),
    (
        "spec.api_access",
        [{"groups": ["", ""], "resources": ["pods"], "verbs": ["get"]}],
        "spec.api_access[0].groups: expected each text once, found '' 2 times",
    ),
]


@pytest.mark.parametrize(("path", "value", "message"), BAD_APPS)
def test_a_bad_definition_is_refused_by_name(path, value, message):
    with pytest.raises(AppError) as refused:
        load_app(changed(APP, path, value))
    assert message in str(refused.value)


BAD_CLUSTERS = [
    ("spec.roles.worker.members", 1, "spec.roles.worker.members: expected 2 or more members of role worker, found 1"),
    ("spec.roles.worker.members", "3", "expected a whole number from 0 to 150000, found '3'"),
    ("spec.roles.master.members", 2, "expected exactly 1 members of role master, found 2"),
    ("spec.roles.master.image", ..., "spec.roles.master.image: expected an image, found nothing"),
    ("spec.roles.workers", {}, "Did you mean worker?"),
    ("spec.roles.worker.storage", {"date": {}}, "Did you mean data?"),
    ("spec.roles.worker.resources", {"memory_limit": "lots"}, "a Kubernetes quantity"),
    ("spec.roles.master.config", {"a.yaml": "text"}, "expected a mapping to merge, found 'text'"),
    ("spec.roles.master.config", {"b.yaml": {}}, "a configuration file of this app (a.yaml)"),
    ("spec.parameters", {"copies": 4}, "spec.parameters.copies: expected 3 or less, found 4"),
    ("spec.parameters", {"copies": True}, "expected a value of type int, found true"),
    ("spec.parameters", {"copy": 1}, "Did you mean copies?"),
    ("spec.services", {"api": {"type": "ExternalName"}}, "expected one of ClusterIP, NodePort, LoadBalancer"),
    ("spec.service_type", "External", "expected one of ClusterIP"),
    ("spec.roles.master.files", [{"url": "ftp://x", "path": "/x"}], "a URL that starts with"),
    ("spec.roles.master.files", [{"url": "file:///x", "path": "/x"}], "only for a role with a config package"),
    ("spec.roles.master.resources.requests", {"cpu": "1"}, "spec.roles.master.resources.cpu_request"),
    ("spec.roles.master.volumes", [{"claim": "a", "path": "/x"}, {"claim": "b", "path": "/x/"}], "/x again"),
    ("spec.connections", {"cluster": []}, "Did you mean clusters?"),
    ("spec.services", {"api": {"node_port": 30000}}, "Set type to NodePort."),
    ("spec.services", {"api": {"type": "NodePort", "node_port": 80}}, "from 30000 to 32767, found 80"),
    ("spec.app", "other", "spec.app: expected 'demo', found 'other'"),
    ("metadata.namespace", "Apps_1", "metadata.namespace: expected a name"),
    ("spec.colour", "red", "spec.colour: expected one of"),
    ("spec.image_pull_secrets", ["a", "b", "a"], "image_pull_secrets: expected each text once, found 'a' 2 times"),
    ("spec.connections", {"secrets": ["a", "a"]}, "spec.connections.secrets: expected each text once"),
]


@pytest.mark.parametrize(("path", "value", "message"), BAD_CLUSTERS)
def test_bad_settings_are_refused_by_name(path, value, message):
    with pytest.raises(AppError) as refused:
        load_cluster(changed(CLUSTER, path, value), load_app(APP))
    assert message in str(refused.value)


@pytest.mark.parametrize("path", ["/run/baremetal-bigdata/guest", "/run/baremetal-bigdata/agent/"])
def test_what_configures_guests_has_its_paths_alone(path):
    app = changed(APP, "spec.roles.0.security", {"writable_paths": [path]})
    assert load_cluster(CLUSTER, load_app(app))
    with pytest.raises(AppError) as refused:
        load_cluster(CLUSTER, load_app(changed(app, "spec.roles.0.guest", {"package": "file:///a.tgz"})))
    assert str(refused.value) == (
        f"spec.roles.master.security.writable_paths: expected a path for each mount, found {path.rstrip('/')} again, "
        "after guest"
    )


def test_words_of_a_command_may_be_the_same():
    twice = ["run", "-v", "-v"]
    app = changed(changed(APP, "spec.roles.0.args", twice), "spec.roles.0.health.members.command", twice)
    assert load_app(app).role("master").args == tuple(twice)


def test_all_problems_are_reported_at_once():
    bad = changed(changed(CLUSTER, "spec.roles.worker.members", 0), "metadata.name", "9")
    with pytest.raises(AppError) as refused:
        load_cluster(bad, load_app(APP))
    assert [problem.path for problem in refused.value.problems] == ["metadata.name", "spec.roles.worker.members"]


def test_a_problem_is_named_as_the_user_names_it():
    bad = changed(CLUSTER, "spec.roles.worker.members", 0)
    assert app_problems(APP, bad, {"spec.roles.worker.members": "demo_workers"}) == [
        "demo_workers: expected 2 or more members of role worker, found 0. Change the number of members."
    ]
    assert app_problems(APP, CLUSTER) == []


@pytest.mark.parametrize("document", [None, [], "text", 7, {}, {"kind": "App"}, {"kind": "App", "spec": [1]}])
def test_anything_that_is_no_definition_is_refused_not_crashed_on(document):
    with pytest.raises(AppError):
        load_app(document)


@given(low=st.integers(0, 50), more=st.integers(0, 50), members=st.integers(0, 120))
def test_cardinality(low, more, members):
    assert Cardinality.parse(f"{low}").allows(members) == (members == low)
    assert Cardinality.parse(f"{low}+").allows(members) == (members >= low)
    assert Cardinality.parse(f"{low}-{low + more}").allows(members) == (low <= members <= low + more)


json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(
    field=st.sampled_from(
        ["metadata", "spec", "spec.roles", "spec.services", "spec.roles.0.probes", "spec.roles.0.env"]
    ),
    value=json,
)
def test_no_input_crashes_the_reader(field, value):
    with contextlib.suppress(AppError):
        load_app(changed(APP, field, value))
