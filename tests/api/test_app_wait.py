# SPDX-License-Identifier: GPL-3.0-or-later
"""Asking members through a real API server."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import Any

import pytest
from ansible_collections.baremetal.bigdata.plugins.module_utils.app.contract import Counted, RoleContract
from ansible_collections.baremetal.bigdata.plugins.module_utils.kube.question import Question
from played_cluster import running_app

LABELS = {"app": "demo"}
HEALTHY = {"clusterSize": 2, "clusterSafe": True}


@pytest.fixture
def app():
    with running_app() as server:
        server.answers["/health"] = HEALTHY
        yield server


@pytest.fixture
def namespace(api_server, app) -> str:
    """A StatefulSet with two members that are ready."""
    name = api_server.namespace("members")
    address, _port = app.server_address
    template = {"metadata": {"labels": LABELS}, "spec": {"containers": [{"name": "app", "image": "x"}]}}
    spec = {"replicas": 2, "serviceName": "demo", "selector": {"matchLabels": LABELS}, "template": template}
    api_server.create(
        f"/apis/apps/v1/namespaces/{name}/statefulsets",
        {"metadata": {"name": "demo"}, "spec": spec},
        status={"observedGeneration": 1, "replicas": 2, "readyReplicas": 2, "updatedReplicas": 2},
    )
    for number in range(2):
        api_server.create(
            f"/api/v1/namespaces/{name}/pods",
            {"metadata": {"name": f"demo-{number}", "labels": LABELS}, "spec": {**template["spec"], "nodeName": "n"}},
            status={
                "phase": "Running",
                "podIP": address,
                "podIPs": [{"ip": address}],
                "conditions": [{"type": "Ready", "status": "True"}],
            },
        )
    return name


@pytest.fixture
def ask(run_module, app, namespace):
    """Run the module on one role, its contract with these changes."""

    def run(changes: dict[str, Any] | None = None, **arguments: Any) -> dict[str, Any]:
        def question(field: str) -> Question:
            return Question(port=app.port, path="/health", json=field)

        contract = RoleContract(
            role="worker",
            kind="StatefulSet",
            name="demo",
            selector="app=demo",
            container="app",
            domain="demo.svc",
            template_hash="",
            members=2,
            asks_members=question("clusterSize"),
            asks_safe=question("clusterSafe"),
        )
        contract = replace(contract, **(changes or {}))
        arguments = {"namespace": namespace, "contracts": [contract.to_dict()], "timeout": 0, **arguments}
        return run_module("app_wait", arguments)

    return run


def test_members_that_count_each_other_are_settled(ask):
    result = ask()
    assert (result.get("failed", False), result["changed"]) == (False, False)
    role = result["roles"]["worker"]
    assert (role["members"], role["safe"]) == (2, True)
    assert [pod["name"] for pod in role["pods"]] == ["demo-0", "demo-1"]
    assert role["answers"]["demo-1"] == {"members": "2", "safe": "true"}


def test_ready_pods_are_no_members_before_the_app_counts_them(ask, app):
    app.answers["/health"] = {"clusterSize": 1, "clusterSafe": True}
    result = ask()
    assert result["failed"]
    assert "demo: demo-0 counts 1 members, 2 wanted" in result["msg"]
    assert "Nothing was taken away" in result["msg"]
    assert result["roles"]["worker"]["members"] == 1


def test_nobody_leaves_while_data_is_not_safe(ask, app):
    app.answers["/health"] = {"clusterSize": 2, "clusterSafe": False}
    result = ask()
    assert "demo-0 says that data is not safe yet (false)" in result["msg"]
    assert result["roles"]["worker"]["safe"] is False


def test_a_member_that_does_not_answer_is_named(ask, app):
    app.answers["/health"] = {"other": 1}
    assert "demo-0 counts no answer (expected JSON with clusterSize, found no clusterSize in other)" in ask()["msg"]
    del app.answers["/health"]
    assert "demo-0 counts no answer (" in ask()["msg"]


def test_a_controller_that_is_set_to_another_number_is_not_settled(ask):
    assert "set to 2 members, not 3" in ask({"members": 3})["msg"]


def test_a_controller_that_is_not_there_is_not_settled(ask):
    assert "StatefulSet other does not exist" in ask({"name": "other"})["msg"]


def test_members_that_run_an_older_configuration_are_not_settled(ask):
    assert "demo-0 runs an older configuration" in ask({"template_hash": "new"})["msg"]


def test_members_of_two_roles_are_counted_together(ask, app, api_server, namespace):
    labels = {"app": "seed"}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "app", "image": "x"}]}}
    spec = {"replicas": 3, "serviceName": "seed", "selector": {"matchLabels": labels}, "template": template}
    api_server.create(
        f"/apis/apps/v1/namespaces/{namespace}/statefulsets", {"metadata": {"name": "seed"}, "spec": spec}
    )
    counts = {"counted_with": (Counted("StatefulSet", "seed"),)}
    assert "demo-0 counts 2 members, 5 wanted" in ask(counts)["msg"]
    app.answers["/health"] = {"clusterSize": 5, "clusterSafe": True}
    assert "failed" not in ask(counts)


def test_another_role_is_asked_where_the_definition_says_so(ask, api_server, namespace, app):
    assert "nobody counts no ready member that could be asked" in ask({"asked": "app=master"})["msg"]
    spec = {"containers": [{"name": "app", "image": "x"}], "nodeName": "n"}
    status = {"phase": "Running", "podIP": app.server_address[0], "podIPs": [{"ip": app.server_address[0]}],
              "conditions": [{"type": "Ready", "status": "True"}]}  # fmt: skip
    metadata = {"name": "master-0", "labels": {"app": "master"}}
    api_server.create(f"/api/v1/namespaces/{namespace}/pods", {"metadata": metadata, "spec": spec}, status=status)
    assert list(ask({"asked": "app=master"})["roles"]["worker"]["answers"]) == ["master-0"]


def test_the_message_says_where_to_look(ask):
    result = ask({"members": 3})
    assert result["msg"].startswith("Not settled in namespace members-")
    assert "Look at the pods (kubectl -n members-" in result["msg"]


def test_it_goes_on_when_the_app_comes_round(ask, app):
    app.answers["/health"] = {"clusterSize": 1, "clusterSafe": True}
    timer = threading.Timer(2, app.answers.update, [{"/health": HEALTHY}])
    timer.start()
    result = ask(timeout=60)
    assert result["roles"]["worker"]["members"] == 2
    assert result["waited"] >= 1
