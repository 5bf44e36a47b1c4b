# SPDX-License-Identifier: GPL-3.0-or-later
"""Applying an app cluster to a real API server: nothing runs behind it, so this is about objects only."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.baremetal.bigdata.plugins.module_utils.app.model.load import load_app, load_cluster
from ansible_collections.baremetal.bigdata.plugins.module_utils.app.render import names
from ansible_collections.baremetal.bigdata.plugins.module_utils.app.render import objects as engine
from ansible_collections.baremetal.bigdata.plugins.module_utils.labels import LABEL_APP, LABEL_CLUSTER

ROOT = Path(__file__).resolve().parents[2]
HAZELCAST = yaml.safe_load((ROOT / "roles/hazelcast/files/app.yml").read_text())
STATEFUL = "/apis/apps/v1/namespaces/{}/statefulsets"


def app_cluster(namespace: str, members: int = 2, definition: dict[str, Any] = HAZELCAST, **spec: Any):
    settings = {
        "kind": "AppCluster",
        "metadata": {"name": "hazelcast", "namespace": namespace},
        "spec": {"roles": {"member": {"members": members, "image": "docker.io/hazelcast/hazelcast:5.7.0"}}, **spec},
    }
    return load_cluster(settings, load_app(definition))


@pytest.fixture
def run(run_module):
    """Run the module app_apply on a cluster's objects."""

    def apply(cluster, *flags: str, env: dict[str, str] | None = None, **arguments: Any) -> dict[str, Any]:
        parameters = {
            "namespace": cluster.namespace,
            "objects": engine.render(cluster),
            "selector": names.cluster_selector(cluster),
            **arguments,
        }
        return run_module("app_apply", parameters, *flags, env=env)

    return apply


@pytest.fixture
def namespace(api_server):
    """A name that no test has used. The namespace does not exist."""
    return f"app-{next(api_server._names)}"


def test_check_then_apply_then_nothing_to_do(api_server, run, namespace):
    cluster = app_cluster(namespace)
    planned = run(cluster, "--check", "--diff")
    assert planned["changed"]
    assert "Namespace/" + namespace in planned["applied"]
    assert "StatefulSet/hazelcast-member" in planned["applied"]
    assert {item["after_header"] for item in planned["diff"]} == set(planned["applied"])
    assert api_server.request("GET", f"/api/v1/namespaces/{namespace}", allow=(404,))["code"] == 404

    assert run(cluster)["applied"] == planned["applied"]
    again = run(cluster)
    assert (again["changed"], again["applied"], again["deleted"]) == (False, [], [])
    assert run(cluster, "--check", "--diff")["diff"] == []


def test_a_refusal_half_way_says_what_was_made(api_server, run, namespace):
    cluster = app_cluster(namespace)
    objects = engine.render(cluster)
    objects[-1]["spec"]["template"]["spec"]["tolerations"] = [{"operator": "Equals"}]
    found = run(cluster, objects=objects)
    made = [f"{item['kind']}/{item['metadata']['name']}" for item in objects[:-1]]
    assert (found["failed"], found["changed"], found["applied"]) == (True, True, made)
    assert found["msg"].startswith("the API server refused half-way: ")
    assert f"Before that, these were made or changed, and stay so: {', '.join(made)}. Run it again" in found["msg"]
    # Nothing new: that is what it says.
    again = run(cluster, objects=objects)
    assert (again["failed"], again.get("changed", False)) == (True, False)
    assert again["msg"].startswith("the API server refused: ")


@pytest.mark.parametrize("kind", ["StatefulSet", "Deployment", "ReplicationController", "DaemonSet"])
def test_every_controller_is_accepted_and_stable(run, namespace, kind):
    definition = copy.deepcopy(HAZELCAST)
    definition["spec"]["roles"][0]["controller"] = kind
    if kind == "StatefulSet":
        definition["spec"]["roles"][0]["storage"] = [{"id": "data", "path": "/data"}]
    definition["spec"]["roles"][0]["config_files"].append(
        {"name": "key", "path": "/etc/key", "text": "secret", "secret": True}
    )
    cluster = app_cluster(namespace, definition=definition)
    result = run(cluster)
    assert f"{kind}/hazelcast-member" in result.get("applied", []), result
    assert run(cluster)["changed"] is False


def test_members_are_held_until_they_are_taken_away_one_by_one(api_server, run, namespace):
    run(app_cluster(namespace, members=4))

    def members():
        return api_server.request("GET", STATEFUL.format(namespace) + "/hazelcast-member")["spec"]["replicas"]

    result = run(app_cluster(namespace, members=2))
    assert (result["changed"], result["held"], members()) == (False, {"hazelcast-member": 4}, 4)
    planned = run(app_cluster(namespace, members=3), "--check", hold_members=False)
    assert (planned["changed"], members()) == (True, 4)
    run(app_cluster(namespace, members=3), hold_members=False)
    assert members() == 3
    assert run(app_cluster(namespace, members=5))["held"] == {}
    assert members() == 5


def test_a_changed_value_changes_only_what_reads_it(run, namespace):
    run(app_cluster(namespace))
    result = run(app_cluster(namespace, parameters={"backup_count": 2}), "--diff")
    assert result["applied"] == ["ConfigMap/hazelcast-member", "StatefulSet/hazelcast-member"]
    assert "backup-count: 2" in result["diff"][0]["after"]


def test_what_is_no_longer_wanted_goes_and_what_is_foreign_stays(api_server, run, namespace):
    run(app_cluster(namespace))
    base = f"/api/v1/namespaces/{namespace}"
    api_server.request("POST", f"{base}/configmaps", {"metadata": {"name": "foreign"}})
    claim = {
        "metadata": {
            "name": "data",
            "labels": {LABEL_CLUSTER: "hazelcast", LABEL_APP: "hazelcast"},
        },
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
    }
    api_server.request("POST", f"{base}/persistentvolumeclaims", claim)

    # Applying deletes nothing, and what is named is all that goes.
    quiet = copy.deepcopy(HAZELCAST)
    del quiet["spec"]["api_access"]
    assert run(app_cluster(namespace, definition=quiet))["deleted"] == []
    named = ["Role/hazelcast", "ConfigMap/foreign"]
    assert run(app_cluster(namespace), state="absent", only=named)["deleted"] == ["Role/hazelcast"]
    assert run(app_cluster(namespace), state="absent", only=[])["deleted"] == []
    run(app_cluster(namespace))

    planned = run(app_cluster(namespace), "--check", state="absent")
    gone = run(app_cluster(namespace), state="absent")
    assert planned["deleted"] == gone["deleted"]
    assert "StatefulSet/hazelcast-member" in gone["deleted"]
    assert gone["volumes"] == ["data"]
    assert run(app_cluster(namespace), state="absent")["changed"] is False
    assert {item["metadata"]["name"] for item in api_server.request("GET", f"{base}/configmaps")["items"]} == {
        "foreign"
    }
    assert len(api_server.request("GET", f"{base}/persistentvolumeclaims")["items"]) == 1


def test_no_cluster_is_said_in_check_mode_and_refused_otherwise(run, namespace, tmp_path):
    nowhere = {"K8S_AUTH_KUBECONFIG": "", "KUBECONFIG": ""}
    kubeconfig = str(tmp_path / "none")
    planned = run(app_cluster(namespace), "--check", env=nowhere, kubeconfig=kubeconfig)
    assert (planned["changed"], planned["reachable"]) == (False, False)
    assert "no kubeconfig" in planned["reason"]
    assert (
        "expected a running Kubernetes cluster"
        in run(app_cluster(namespace), env=nowhere, kubeconfig=kubeconfig)["msg"]
    )


def test_a_refusal_says_what_the_server_says(run, namespace):
    cluster = app_cluster(namespace)
    objects = engine.render(cluster)
    objects[-1]["spec"]["serviceName"] = 7
    assert "refused" in run(cluster, objects=objects)["msg"]


def test_members_may_read_what_they_need_and_no_more(api_server, run, namespace):
    run(app_cluster(namespace))
    user = f"system:serviceaccount:{namespace}:hazelcast"

    def may(verb: str, resource: str, group: str = "", where: str = namespace) -> bool:
        review = {
            "spec": {
                "user": user,
                "resourceAttributes": {"verb": verb, "resource": resource, "group": group, "namespace": where},
            }
        }
        path = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
        return api_server.request("POST", path, review)["status"]["allowed"]

    assert may("list", "endpointslices", "discovery.k8s.io")
    assert may("get", "pods")
    for verb, resource in (
        ("list", "pods"),
        ("get", "secrets"),
        ("get", "nodes"),
        ("create", "pods"),
        ("get", "configmaps"),
    ):
        assert not may(verb, resource), (verb, resource)
    assert not may("get", "pods", where="default")
