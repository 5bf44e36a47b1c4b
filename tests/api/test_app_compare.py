# SPDX-License-Identifier: GPL-3.0-or-later
"""What has to happen, said by comparing with a real API server; its controllers and kubelets are played."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
from ansible_collections.baremetal.bigdata.plugins.module_utils.labels import LABEL_CLUSTER
from played_cluster import Controllers, controlled, demo, rendered, running_app


def eventually(holds: Callable[[], Any], what: str) -> None:
    """Wait for something that a played controller does."""
    deadline = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < deadline, what
        time.sleep(0.05)


@pytest.fixture
def app():
    with running_app() as server:
        server.answers["/health"] = {"size": 2, "safe": True}
        yield server


@pytest.fixture
def namespace(api_server):
    """A name that no test has used. The namespace does not exist."""
    return f"compare-{next(api_server._names)}"


@pytest.fixture
def compare(run_module):
    def run(cluster: dict[str, Any], *flags: str, env: dict[str, str] | None = None, **more: Any) -> dict[str, Any]:
        arguments = {name: cluster[name] for name in ("namespace", "selector", "stages", "keep")}
        return run_module("app_compare", {**arguments, **more}, *flags, env=env)

    return run


@pytest.fixture
def live(api_server, run_module, namespace):
    """Bring a cluster to life: apply it, and let the played controllers make its members."""
    played: list[Any] = []

    def start(cluster: dict[str, Any]) -> Controllers:
        assert "failed" not in run_module("app_apply", {"objects": cluster["objects"]})
        scene = controlled(api_server, namespace)
        controllers = scene.__enter__()
        played.append(scene)
        pods = {
            f"{stage['contract']['name']}-{n}"
            for stage in cluster["stages"]
            for n in range(stage["contract"]["members"])
        }

        def ready() -> bool:
            items = api_server.request("GET", controllers.pods_path)["items"]
            found = {item["metadata"]["name"] for item in items if item["status"].get("podIP")}
            return (
                found == pods if cluster["stages"][0]["contract"]["kind"] == "StatefulSet" else len(found) == len(pods)
            )

        eventually(ready, f"expected pods {pods}")
        return controllers

    yield start
    for scene in played:
        scene.__exit__(None, None, None)


def test_a_fresh_cluster(api_server, compare, app, namespace):
    cluster = rendered(demo(app.port), namespace)
    found = compare(cluster, "--check", "--diff")
    role = found["roles"]["worker"]
    assert (found["changed"], found["reachable"], found["superfluous"]) == (True, True, [])
    assert role["changes"] == [f"{item['kind']}/{item['metadata']['name']}" for item in cluster["objects"]]
    assert (role["have"], role["want"], role["stay"], role["leaving"], role["restarts"]) == (0, 2, [], [], [])
    assert found["summary"][0].startswith(f"worker: change Namespace/{namespace}, ")
    assert found["summary"][1] == "worker: 2 members join, 2 in all"
    assert {item["after_header"] for item in found["diff"]} == set(role["changes"])
    # Nothing was made, and without check mode the module itself changes nothing.
    assert api_server.request("GET", f"/api/v1/namespaces/{namespace}", allow=(404,))["code"] == 404
    real = compare(cluster, "--diff")
    assert (real["changed"], real["summary"], "diff" in real) == (False, found["summary"], False)


def spoilt(cluster: dict[str, Any], kind: str, change: Callable[[dict[str, Any]], Any]) -> dict[str, Any]:
    """A cluster in which one object is changed as no check of this collection would let it pass."""
    for item in cluster["stages"][-1]["objects"]:
        if item["kind"] == kind:
            change(item)
    return cluster


@pytest.mark.parametrize("flags", [(), ("--check",)])
@pytest.mark.parametrize(
    ("kind", "change", "message"),
    [
        (
            "StatefulSet",
            lambda item: item["spec"]["template"]["spec"].update(tolerations=[{"operator": "Equals"}]),
            'tolerations[0].operator: Unsupported value: "Equals"',
        ),
        ("StatefulSet", lambda item: item["spec"].update(replica=1), 'unknown field "spec.replica"'),
        ("ConfigMap", lambda item: item["data"].update({"a b": "c"}), "a valid config key must consist of"),
    ],
)
def test_what_the_server_refuses_is_found_before_there_is_a_namespace(
    api_server, compare, app, namespace, kind, change, message, flags
):
    found = compare(spoilt(rendered(demo(app.port), namespace), kind, change), *flags)
    assert found["failed"]
    assert found["msg"].startswith("Nothing was changed, the API server refused: ")
    assert message in found["msg"]
    assert api_server.request("GET", f"/api/v1/namespaces/{namespace}", allow=(404,))["code"] == 404


def test_objects_of_the_same_names_in_the_namespace_that_stands_in_do_no_harm(api_server, compare, app, namespace):
    cluster = rendered(demo(app.port), namespace)
    item = next(one for one in cluster["objects"] if one["kind"] == "ConfigMap")
    body = {**item, "metadata": {"name": item["metadata"]["name"]}, "data": {"a.conf": "another's"}}
    api_server.request("POST", "/api/v1/namespaces/default/configmaps", body)
    try:
        assert compare(cluster)["roles"]["worker"]["todo"]
        item["data"]["a b"] = "c"
        assert "a valid config key must consist of" in compare(cluster)["msg"]
    finally:
        api_server.request("DELETE", f"/api/v1/namespaces/default/configmaps/{item['metadata']['name']}")


def test_what_is_forbidden_in_the_namespace_that_stands_in_is_a_warning(api_server, compare, app, namespace):
    quotas = "/api/v1/namespaces/default/resourcequotas"
    api_server.request("POST", quotas, {"metadata": {"name": "none"}, "spec": {"hard": {"count/configmaps": "0"}}})
    status = {
        "metadata": {"name": "none"},
        "status": {"hard": {"count/configmaps": "0"}, "used": {"count/configmaps": "0"}},
    }
    api_server.request("PATCH", f"{quotas}/none/status", status, content_type="application/merge-patch+json")
    try:
        found = compare(rendered(demo(app.port), namespace))
        assert found["roles"]["worker"]["todo"]
        assert "ConfigMap/demo-worker: not looked at by the API server before the run" in str(found["warnings"])
    finally:
        api_server.request("DELETE", f"{quotas}/none")


def test_what_a_policy_denies_in_the_namespace_that_stands_in_is_a_warning(api_server, compare, app, namespace):
    policies = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies"
    rule = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["configmaps"]}
    where = {"matchLabels": {"kubernetes.io/metadata.name": "default"}}
    constraints = {"namespaceSelector": where, "resourceRules": [rule]}
    validations = [{"expression": "false", "message": "nothing in default"}]
    policy = {"matchConstraints": constraints, "validations": validations}
    binding = {"policyName": "no-default", "validationActions": ["Deny"]}
    api_server.request("POST", policies, {"metadata": {"name": "no-default"}, "spec": policy})
    api_server.request("POST", f"{policies[:-3]}ybindings", {"metadata": {"name": "no-default"}, "spec": binding})
    maps = "/api/v1/namespaces/default/configmaps?dryRun=All"

    def denied() -> bool:
        return api_server.request("POST", maps, {"metadata": {"name": "tried"}}, allow=(422,)).get("code") == 422

    try:
        eventually(denied, "the policy is not in force")
        found = compare(rendered(demo(app.port), namespace))
        assert found["roles"]["worker"]["todo"]
        assert "ConfigMap/demo-worker: not looked at by the API server before the run" in str(found["warnings"])
        assert "nothing in default" in str(found["warnings"])
    finally:
        api_server.request("DELETE", f"{policies[:-3]}ybindings/no-default")
        api_server.request("DELETE", f"{policies}/no-default")
        eventually(lambda: not denied(), "the policy is still in force")


def test_nothing_to_do(compare, live, app, namespace):
    cluster = rendered(demo(app.port, storage=[{"id": "data", "path": "/d", "size": "1024Mi"}]), namespace)
    live(cluster)
    found = compare(cluster, "--check", "--diff")
    assert (found["changed"], found["summary"], found["diff"]) == (False, [], [])
    assert found["roles"]["worker"]["todo"] is False


def test_a_changed_value_names_what_changes_and_who_restarts(compare, live, app, namespace, api_server):
    live(rendered(demo(app.port), namespace))
    found = compare(rendered(demo(app.port), namespace, parameters={"colour": "blue"}), "--check", "--diff")
    role = found["roles"]["worker"]
    assert role["changes"] == ["ConfigMap/demo-worker", "StatefulSet/demo-worker"]
    assert role["restarts"] == ["demo-worker-1", "demo-worker-0"]
    assert (role["leaving"], role["todo"]) == ([], True)
    assert "worker: demo-worker-1, demo-worker-0 restart, one by one" in found["summary"]
    assert "colour=blue" in found["diff"][0]["after"]
    # More members alone restart nobody.
    more = compare(rendered(demo(app.port), namespace, members=4), "--check")["roles"]["worker"]
    assert (more["changes"], more["restarts"]) == (["StatefulSet/demo-worker"], [])
    # A live role that restarts last, asked of the members.
    app.answers["/role"] = {"role": "leader"}
    who = {"live_role": {"http": {"service": "api", "path": "/role", "json": "role"}}, "restart_last": ["leader"]}
    asked = compare(rendered(demo(app.port, env={"NEW": "1"}, **who), namespace), "--check")
    assert asked["roles"]["worker"]["restarts"] == ["demo-worker-1", "demo-worker-0"]
    assert app.asked.count("/role") == 2


def test_fewer_members_are_named_and_what_was_there_stays(compare, live, app, namespace, api_server):
    app.answers["/health"] = {"size": 4, "safe": True}
    live(rendered(demo(app.port), namespace, members=4))
    found = compare(rendered(demo(app.port), namespace, members=2), "--check")
    role = found["roles"]["worker"]
    assert (role["have"], role["want"], role["stay"]) == (4, 2, [3, 2])
    assert role["leaving"] == ["demo-worker-3", "demo-worker-2"]
    assert found["summary"] == [
        "worker: demo-worker-3, demo-worker-2 leave, 2 stay",
    ]
    # Those that leave do not restart first.
    both = compare(rendered(demo(app.port), namespace, members=2, parameters={"colour": "blue"}), "--check")
    assert both["roles"]["worker"]["restarts"] == ["demo-worker-1", "demo-worker-0"]


@pytest.mark.parametrize("flags", [(), ("--check",)])
def test_a_member_that_the_app_keeps_is_refused_before_anything(compare, live, app, namespace, flags):
    live(rendered(demo(app.port), namespace))
    # There is no kubelet that could run it, so nobody says yes.
    definition = demo(app.port, leave={"allowed": {"command": ["may-leave"]}})
    found = compare(rendered(definition, namespace, members=1), *flags)
    assert found["failed"]
    assert found["msg"].startswith("Nothing was changed: demo-worker-1 may not leave role worker (1 would stay): ")
    assert "failed" not in compare(rendered(definition, namespace, members=2), *flags)


def test_what_kubernetes_does_not_change_is_refused_before_anything(compare, live, app, namespace):
    live(rendered(demo(app.port, storage=[{"id": "data", "path": "/d"}]), namespace))
    definition = demo(app.port, storage=[{"id": "data", "path": "/d", "size": "2Gi"}, {"id": "log", "path": "/l"}])
    found = compare(rendered(definition, namespace), "--check")
    assert found["msg"].startswith("Nothing was changed: StatefulSet/demo-worker lives")
    assert "volume data: expected size 1Gi as it lives, found 2Gi" in found["msg"]
    assert "volume log: expected no other volumes than data, found a new one" in found["msg"]


def test_objects_that_nobody_wants_any_more(api_server, compare, live, app, namespace):
    wanted = demo(app.port, services=["api", "old"])
    wanted["spec"]["services"].append({"id": "old", "port": 81})
    live(rendered(wanted, namespace))
    maps = f"/api/v1/namespaces/{namespace}/configmaps"
    labels = rendered(wanted, namespace)["objects"][-1]["metadata"]["labels"]
    for name in ("demo-members", "demo-left-over"):
        api_server.request("POST", maps, {"metadata": {"name": name, "labels": labels}})
    api_server.request("POST", maps, {"metadata": {"name": "foreign"}})
    found = compare(rendered(demo(app.port), namespace), "--check", "--diff")
    # Other modules make the ConfigMap of members.
    assert found["superfluous"] == ["ConfigMap/demo-left-over", "Service/demo-old"]
    assert found["summary"][-1] == "delete ConfigMap/demo-left-over, Service/demo-old"
    assert [item["before_header"] for item in found["diff"]][-2:] == found["superfluous"]


def test_a_role_that_disappears_has_to_be_empty(api_server, compare, live, app, namespace):
    two = demo(app.port)
    two["spec"]["roles"].append({"id": "helper", "cardinality": "0+"})
    settings = {"roles": {"worker": {"image": "x", "members": 2}, "helper": {"image": "x", "members": 1}}}
    live(rendered(two, namespace, **settings))
    found = compare(rendered(demo(app.port), namespace), "--check")
    assert "expected StatefulSet/demo-helper in the definition, since it has 1 members" in found["msg"]
    path = f"/apis/apps/v1/namespaces/{namespace}/statefulsets/demo-helper"
    empty = {"spec": {"replicas": 0}}
    api_server.request("PATCH", path, empty, content_type="application/merge-patch+json")
    found = compare(rendered(demo(app.port), namespace), "--check")
    assert found["superfluous"] == [
        "Service/demo-helper",
        "StatefulSet/demo-helper",
        "PodDisruptionBudget/demo-helper",
    ]


def test_another_kind_of_controller_is_refused_while_members_live(compare, live, app, namespace):
    live(rendered(demo(app.port), namespace))
    found = compare(rendered(demo(app.port, kind="ReplicationController"), namespace), "--check")
    assert "expected StatefulSet/demo-worker in the definition, since it has 2 members" in found["msg"]


def test_no_cluster_is_said_in_check_mode_and_refused_otherwise(compare, app, namespace, tmp_path):
    cluster = rendered(demo(app.port), namespace)
    nowhere = {"K8S_AUTH_KUBECONFIG": "", "KUBECONFIG": ""}
    kubeconfig = str(tmp_path / "none")
    found = compare(cluster, "--check", env=nowhere, kubeconfig=kubeconfig)
    assert (found["changed"], found["reachable"], found["superfluous"]) == (False, False, [])
    assert f"a real run would create {len(cluster['objects'])} objects" in found["summary"][0]
    refused = compare(cluster, env=nowhere, kubeconfig=kubeconfig)["msg"]
    assert "expected a running Kubernetes cluster, found that there is no kubeconfig" in refused


def test_what_the_server_refuses_is_said(compare, app, namespace):
    found = compare(rendered(demo(app.port), namespace, create_namespace=False), "--check")
    assert found["msg"].startswith("Nothing was changed, the API server refused: ")
    assert "not found" in found["msg"]


def test_objects_of_another_cluster_are_not_taken_over(compare, live, app, namespace):
    live(rendered(demo(app.port), namespace))
    other = demo(app.port)
    other["metadata"]["name"] = "other"
    for flags in ((), ("--check",)):
        refused = compare(rendered(other, namespace), *flags)
        assert "Nothing was changed: expected ServiceAccount/demo to be of this cluster" in refused["msg"]
        assert "the cluster demo of the app demo's" in refused["msg"]
    assert compare(rendered(demo(app.port), namespace), "--check")["summary"] == []


def test_volumes_of_another_cluster_are_not_taken_over(api_server, compare, live, app, namespace):
    mine = rendered(demo(app.port, storage=[{"id": "data-old", "path": "/d"}]), namespace)
    live(mine)
    (template,) = mine["objects"][-1]["spec"]["volumeClaimTemplates"]
    claims = f"/api/v1/namespaces/{namespace}/persistentvolumeclaims"

    def left(name: str, labels: dict[str, str]) -> None:
        api_server.request("POST", claims, {**template, "metadata": {"name": name, "labels": labels}})

    # As the StatefulSet's controller names them, and one that a site made by hand.
    left("data-old-demo-worker-0", template["metadata"]["labels"])
    left("data-new-demo-worker-0", {})
    path = f"/apis/apps/v1/namespaces/{namespace}/statefulsets/demo-worker"
    assert compare(mine, "--check")["summary"] == []
    api_server.request("DELETE", path)
    assert compare(mine)["roles"]["worker"]["todo"]
    assert compare(rendered(demo(app.port, storage=[{"id": "data-new", "path": "/d"}]), namespace))["roles"]

    labels = {**template["metadata"]["labels"], LABEL_CLUSTER: "new-demo"}
    api_server.request("DELETE", f"{claims}/data-new-demo-worker-0")
    left("data-new-demo-worker-1", labels)
    for flags in ((), ("--check",)):
        found = compare(rendered(demo(app.port, storage=[{"id": "data-new", "path": "/d"}]), namespace), *flags)
        assert found["msg"].startswith(
            "Nothing was changed: expected PersistentVolumeClaim/data-new-demo-worker-1 to be of "
            "StatefulSet/demo-worker, which would use it, or not to be there, found one of the role worker of the "
            "cluster new-demo of the app demo. Choose another name"
        )
    assert api_server.request("GET", path, allow=(404,))["code"] == 404
