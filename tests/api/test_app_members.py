# SPDX-License-Identifier: GPL-3.0-or-later
"""Asking members through a real API server. The members are web servers of this test, on the machine's own address:
the API server reaches them as it reaches pods."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
LABELS = {"app": "demo"}


def own_address() -> str:
    """An address of this machine that is no loopback: the API server refuses to forward to those."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("192.0.2.1", 9))  # sends nothing
        return probe.getsockname()[0]


@pytest.fixture
def app():
    """A member's health check: answers with `app.health`."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            body = json.dumps(self.server.health).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_arguments):
            pass

    server = ThreadingHTTPServer((own_address(), 0), Handler)
    server.health = {"clusterSize": 2, "clusterSafe": True}
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


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
def ask(api_server, app, namespace):
    def run(**arguments: Any) -> dict[str, Any]:
        check = {"port": app.server_address[1], "path": "/health"}
        workload = {
            "kind": "StatefulSet",
            "name": "demo",
            "members": 2,
            "selector": "app=demo",
            "container": "app",
            "checks": {"members": {**check, "json": "clusterSize"}, "safe": {**check, "json": "clusterSafe"}},
        }
        parameters = {"namespace": namespace, "workload": workload, "timeout": 0, **arguments}
        done = subprocess.run(
            [sys.executable, "-m", "ansible_collections.baremetal.bigdata.plugins.modules.app_members"],
            input=json.dumps({"ANSIBLE_MODULE_ARGS": parameters}),
            env=api_server.ansible_env(PYTHONPATH=str(ROOT / ".collections")),
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.stdout, done.stderr
        return json.loads(done.stdout)

    return run


def test_members_that_count_each_other_are_settled(ask):
    result = ask()
    assert (result.get("failed", False), result["changed"], result["members"], result["safe"]) == (
        False,
        False,
        2,
        True,
    )
    assert [pod["name"] for pod in result["pods"]] == ["demo-0", "demo-1"]


def test_ready_pods_are_no_members_before_the_app_counts_them(ask, app):
    app.health = {"clusterSize": 1, "clusterSafe": True}
    result = ask()
    assert result["failed"]
    assert "demo-0 counts 1 members, 2 wanted" in result["msg"]
    assert "Nothing was taken away" in result["msg"]
    assert result["members"] == 1


def test_nobody_leaves_while_data_is_not_safe(ask, app):
    app.health = {"clusterSize": 2, "clusterSafe": False}
    result = ask()
    assert "demo-0 says that data is not safe yet" in result["msg"]
    assert result["safe"] is False


def test_a_member_that_does_not_answer_is_named(ask, app):
    app.health = {"other": 1}
    assert "demo-0 counts no answer" in ask()["msg"]


def test_a_controller_that_is_set_to_another_number_is_not_settled(ask):
    assert "set to 2 members, not 3" in ask(members=3)["msg"]


def test_it_goes_on_when_the_app_comes_round(ask, app):
    app.health = {"clusterSize": 1, "clusterSafe": True}
    timer = threading.Timer(2, lambda: setattr(app, "health", {"clusterSize": 2, "clusterSafe": True}))
    timer.start()
    result = ask(timeout=60)
    assert result["members"] == 2
    assert result["waited"] >= 1
