# SPDX-License-Identifier: GPL-3.0-or-later
"""Preparing and telling guest-configured members, against a real API server.

What a node does is done here: a kubelet of this test hands commands on to the real agent, which runs in a
directory for each member. The API server reaches it as it reaches kubelets.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import socket
import subprocess
import tarfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any
from urllib.parse import parse_qs, urlsplit

import pytest
from ansible_collections.baremetal.bigdata.plugins.module_utils.app.model.load import load_app, load_cluster
from ansible_collections.baremetal.bigdata.plugins.module_utils.app.render.guest import guest_contract
from ansible_collections.baremetal.bigdata.plugins.module_utils.app.run import guest
from guest_member import rooted
from kubelet import Kubelet, StreamHandler

PACKAGE = {"package": "file:///opt/configscripts/appconfig.tgz"}
EVENTS = ["configure", "reconnect"]
APP = {
    "kind": "App",
    "metadata": {"name": "store", "version": "1"},
    "spec": {
        "services": [{"id": "ui", "port": 8080, "scheme": "http", "token": True}],
        "roles": [
            {"id": "head", "cardinality": "1", "image": "x", "services": ["ui"], "guest": PACKAGE},
            {"id": "worker", "cardinality": "0+", "image": "x", "guest": {**PACKAGE, "events": EVENTS}},
        ],
    },
}  # fmt: skip
START_SCRIPT = """#!/bin/sh
echo "$*" >>"${0%/*}/../../calls"
[ ! -e "${0%/*}/../../fail" ] || { echo "the disk of $(cat "${0%/*}/../../fail") is full" >&2; exit 7; }
"""
STATEFUL = "/apis/apps/v1/namespaces/{}/statefulsets"


class Agent(StreamHandler):
    """Runs the agent of a member: the same command, below the member's directory."""

    def execute(self, pod: str, command: list[str]) -> None:
        parts = urlsplit(self.path)
        root = self.server.directory / parts.path.split("/")[2] / pod
        with subprocess.Popen(
            [f"{root}{word}" if word.startswith("/run/") else word for word in command],
            env={**os.environ, "GUEST_FIRST_PROCESS": str(os.getpid())},
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        ) as process:  # fmt: skip
            if "input" in parse_qs(parts.query):
                threading.Thread(target=self.feed, args=(process.stdin,), daemon=True).start()
            else:
                process.stdin.close()
            out, err = process.stdout.read(), process.stderr.read()
            code = process.wait(30)
        status: dict[str, Any] = {"status": "Success"}
        if code:
            causes = [{"reason": "ExitCode", "message": str(code)}]
            status = {"status": "Failure", "reason": "NonZeroExitCode", "details": {"causes": causes}}
        for channel, content in ((1, out), (2, err), (3, json.dumps(status).encode())):
            self.frame(bytes([channel]) + content)
        self.frame(b"\x03\xe8", code=8)

    def feed(self, sink: IO[bytes]) -> None:
        """The standard input, piece by piece. Nobody says where it ends."""
        with contextlib.suppress(OSError, ValueError):
            while content := self.read_frame():
                sink.write(content[1:])
                sink.flush()


@pytest.fixture(scope="module")
def agents(api_server, tmp_path_factory) -> Iterator[Kubelet]:
    kubelet = Kubelet(api_server.directory / "server.crt", api_server.directory / "server.key")
    kubelet.RequestHandlerClass = Agent
    kubelet.directory = tmp_path_factory.mktemp("agents")
    kubelet.register(api_server, "runs-agents")
    yield kubelet
    kubelet.stop()


class Site:
    """One namespace with a cluster, and what controllers and kubelets would do there."""

    def __init__(self, api, agents: Kubelet, run_module, namespace: str):
        self.api, self.agents, self.namespace, self.run_module = api, agents, namespace, run_module

    def contract(self, workers: int = 1, **spec: Any) -> dict[str, Any]:
        settings = {
            "kind": "AppCluster",
            "metadata": {"name": "shop", "namespace": self.namespace},
            "spec": {"roles": {"worker": {"members": workers, "secret_keys": {"join": "hunter22"}}}, **spec},
        }
        found = guest_contract(load_cluster(settings, load_app(APP)))
        assert found is not None
        return found.to_dict()

    def run(self, state: str, contract: dict[str, Any], *flags: str, **arguments: Any) -> dict[str, Any]:
        return self.run_module("app_guest", {"state": state, "guest": contract, "timeout": 20, **arguments}, *flags)

    def secret(self, name: str) -> dict[str, str]:
        return guest.secret_content(self.api.request("GET", f"/api/v1/namespaces/{self.namespace}/secrets/{name}"))

    def root(self, pod: str) -> Path:
        return self.agents.directory / self.namespace / pod

    def scale(self, role: str, members: int) -> None:
        path = STATEFUL.format(self.namespace)
        name = f"shop-{role}"
        found = self.api.request("GET", f"{path}/{name}", allow=(404,))
        if found.get("kind") == "StatefulSet":
            self.api.request("PUT", f"{path}/{name}", {**found, "spec": {**found["spec"], "replicas": members}})
            return
        template = {"metadata": {"labels": {"r": role}}, "spec": {"containers": [{"name": "app", "image": "x"}]}}
        spec = {
            "replicas": members,
            "serviceName": name,
            "selector": {"matchLabels": {"r": role}},
            "template": template,
        }
        self.api.create(path, {"metadata": {"name": name}, "spec": spec})

    def start(self, role: str, number: int, container: str = "one") -> None:
        """A pod, and its postStart hook."""
        name = f"shop-{role}-{number}"
        root = self.root(name)
        agent, given = root / "run/baremetal-bigdata/agent", root / "run/baremetal-bigdata/guest"
        for path in (agent, given, root / "opt/configscripts"):
            path.mkdir(parents=True, exist_ok=True)
        (agent / "configure").write_text(rooted("configure", root))
        for key, text in self.secret("shop-guest").items():
            (given / key).write_text(text)
        script = root / "startscript"
        script.write_text(START_SCRIPT)
        with tarfile.open(root / "opt/configscripts/appconfig.tgz", "w:gz") as archive:
            archive.add(script, "appconfig/startscript")
        labels = {
            "app.kubernetes.io/name": "store",
            "app.kubernetes.io/instance": "shop",
            "app.kubernetes.io/component": role,
        }
        state = {"name": "app", "containerID": f"test://{container}", "state": {"running": {}}, "ready": True}
        path = f"/api/v1/namespaces/{self.namespace}/pods"
        pod = {
            "metadata": {"name": name, "labels": labels},
            "spec": {"nodeName": "runs-agents", "containers": [{"name": "app", "image": "x"}]},
        }
        status = {
            "phase": "Running",
            "containerStatuses": [{**state, "image": "x", "imageID": "", "restartCount": 0}],
        }
        if self.api.request("GET", f"{path}/{name}", allow=(404,)).get("kind") == "Pod":
            self.api.patch_status(f"{path}/{name}", status)
        else:
            self.api.create(path, pod, status=status)
        command = ["sh", agent / "configure", "start", role, name]
        subprocess.run(command, env={**os.environ, "GUEST_FIRST_PROCESS": str(os.getpid())}, check=True)

    def restart(self, role: str, number: int) -> None:
        """A new container in the same pod: its file system is new, its Secret is not."""
        root = self.root(f"shop-{role}-{number}")
        for path in (root / "opt/guestconfig", root / "etc/guestconfig"):
            subprocess.run(["rm", "-rf", path], check=True)
        self.start(role, number, container="two")

    def calls(self, pod: str) -> list[str]:
        path = self.root(pod) / "opt/calls"
        return path.read_text().splitlines() if path.exists() else []

    def names(self, pod: str, role: str) -> list[str]:
        meta = json.loads((self.root(pod) / "etc/guestconfig/configmeta.json").read_text())
        return [host.partition(".")[0] for host in meta["nodegroups"]["1"]["roles"][role]["fqdns"]]


@pytest.fixture
def site(api_server, agents, run_module) -> Site:
    return Site(api_server, agents, run_module, f"guest-{next(api_server._names)}")


@pytest.fixture
def shop(site) -> Site:
    """A running cluster: one head, one worker, told."""
    site.run("prepared", site.contract())
    for role in ("head", "worker"):
        site.scale(role, 1)
        site.start(role, 0)
    assert not site.run("told", site.contract()).get("failed")
    return site


def test_check_then_prepare_then_nothing_to_do(site):
    planned = site.run("prepared", site.contract(), "--check", "--diff")
    assert planned["applied"] == [f"Namespace/{site.namespace}", "Secret/shop-tokens", "Secret/shop-guest"]
    assert site.api.request("GET", f"/api/v1/namespaces/{site.namespace}", allow=(404,))["code"] == 404
    made = site.run("prepared", site.contract(), "--diff")
    assert (made["changed"], made["applied"]) == (True, planned["applied"])
    again = site.run("prepared", site.contract())
    assert (again["changed"], again["applied"]) == (False, [])
    assert site.run("prepared", site.contract(), "--check", "--diff")["diff"] == []
    assert "hunter22" in site.secret("shop-guest")["cluster.json"]
    for result in (planned, made):
        assert "hunter22" not in json.dumps(result)
        assert site.secret("shop-tokens")["ui"] not in json.dumps(result)


def test_tokens_are_made_once(site):
    site.run("prepared", site.contract())
    token = site.secret("shop-tokens")["ui"]
    assert len(token) == 32
    site.run("prepared", site.contract(workers=3))
    assert site.secret("shop-tokens")["ui"] == token
    assert (
        json.loads(site.secret("shop-guest")["cluster.json"])["nodegroups"]["1"]["roles"]["head"]["services"]["ui"][
            "authToken"
        ]
        == token
    )


def test_numbers_stay_when_members_come_and_go(site):
    site.run("prepared", site.contract(workers=3))
    ids = json.loads(site.secret("shop-guest")["ids.json"])
    site.run("prepared", site.contract(workers=1))
    site.run("prepared", site.contract(workers=4))
    assert json.loads(site.secret("shop-guest")["ids.json"]) == {**ids, "shop-worker-3": 5}


def test_those_that_have_to_leave_are_members_until_they_are_told(shop):
    shop.run("prepared", shop.contract(workers=3))
    shop.scale("worker", 3)
    shop.run("prepared", shop.contract(workers=1))
    assert "shop-worker-2.json" in shop.secret("shop-guest")


def test_what_is_connected_is_read_and_what_is_missing_is_said(site):
    def missing(**connections: list[str]) -> str:
        result = site.run("prepared", site.contract(connections=connections))
        assert result["failed"]
        return result["msg"]

    site.run("prepared", site.contract())
    base = f"/api/v1/namespaces/{site.namespace}"
    assert "expected a running cluster other" in missing(clusters=["other"])
    assert "expected a ConfigMap ldap in namespace" in missing(configmaps=["ldap"])
    site.api.create(f"{base}/configmaps", {"metadata": {"name": "ldap"}, "data": {"host": "a"}})
    assert "label kubedirector.hpe.com/cmType" in missing(configmaps=["ldap"])
    labels = {"kubedirector.hpe.com/secretType": "auth"}
    data = {"password": base64.b64encode(b"correct horse").decode()}
    site.api.create(f"{base}/secrets", {"metadata": {"name": "auth", "labels": labels}, "data": data})
    other = site.contract(connections={"secrets": ["auth"], "clusters": ["shop"]})
    other = {**other, "name": "other"}
    result = site.run("prepared", other, "--diff")
    assert not result.get("failed"), result
    connections = json.loads(site.secret("other-guest")["cluster.json"])["connections"]
    assert connections["secrets"]["auth"][0]["data"] == data
    assert connections["clusters"]["shop"]["nodegroups"]["1"]["roles"]["head"]["node_ids"] == ["1"]
    assert "correct horse" not in json.dumps(result)
    assert data["password"] not in json.dumps(result)


def test_members_that_started_together_are_told_nothing(shop):
    assert (shop.calls("shop-head-0"), shop.calls("shop-worker-0")) == (["--configure"], ["--configure"])
    again = shop.run("told", shop.contract(), "--diff")
    assert (again["changed"], again["told"], again["updated"], again["diff"]) == (False, [], [], [])


def test_a_new_member_is_told_to_those_who_asked(shop):
    shop.run("prepared", shop.contract(workers=2))
    planned = shop.run("told", shop.contract(workers=2), "--check", "--diff")
    assert planned["told"] == ["shop-head-0: --addnodes of role worker: shop-worker-1"]
    assert shop.calls("shop-head-0") == ["--configure"]
    shop.scale("worker", 2)
    shop.start("worker", 1)
    result = shop.run("told", shop.contract(workers=2), "--diff")
    assert (result["told"], result["changed"]) == (planned["told"], True)
    assert sorted(result["updated"]) == ["shop-head-0", "shop-worker-0"]
    assert "worker: shop-worker-0, shop-worker-1" in next(
        item["after"] for item in result["diff"] if item["after_header"] == "Pod/shop-head-0"
    )
    host = f"shop-worker-1.shop-worker.{shop.namespace}.svc.cluster.local"
    assert shop.calls("shop-head-0")[1:] == [f"--addnodes --nodegroup 1 --role worker --fqdns {host}"]
    assert (shop.calls("shop-worker-0"), shop.calls("shop-worker-1")) == (["--configure"], ["--configure"])
    for pod in ("shop-head-0", "shop-worker-0", "shop-worker-1"):
        assert shop.names(pod, "worker") == ["shop-worker-0", "shop-worker-1"]
    assert shop.run("told", shop.contract(workers=2))["changed"] is False


def test_the_others_are_told_before_a_member_leaves(shop):
    shop.run("prepared", shop.contract(workers=2))
    shop.scale("worker", 2)
    shop.start("worker", 1)
    shop.run("told", shop.contract(workers=2))
    planned = shop.run("told", shop.contract(), "--check", leaving=["shop-worker-1"])
    result = shop.run("told", shop.contract(), leaving=["shop-worker-1"])
    assert planned["told"] == result["told"] == ["shop-head-0: --delnodes of role worker: shop-worker-1"]
    assert shop.calls("shop-head-0")[-1].startswith("--delnodes --nodegroup 1 --role worker --fqdns shop-worker-1.")
    assert (shop.names("shop-worker-0", "worker"), len(shop.calls("shop-worker-1"))) == (["shop-worker-0"], 1)
    assert "shop-worker-1.json" not in shop.secret("shop-guest")
    assert shop.run("told", shop.contract(), leaving=["shop-worker-1"])["changed"] is False
    shop.scale("worker", 1)
    shop.api.delete(f"/api/v1/namespaces/{shop.namespace}/pods/shop-worker-1")
    assert shop.run("told", shop.contract())["changed"] is False


def test_a_call_that_fails_is_said_and_made_up_for(shop):
    shop.run("prepared", shop.contract(workers=2))
    shop.scale("worker", 2)
    shop.start("worker", 1)
    (shop.root("shop-head-0") / "opt/fail").write_text("hunter22")
    result = shop.run("told", shop.contract(workers=2))
    assert result["failed"]
    assert "shop-head-0 (role head of shop" in result["msg"]
    assert "startscript --addnodes" in result["msg"]
    assert "the disk of (hidden) is full" in result["msg"]
    (shop.root("shop-head-0") / "opt/fail").unlink()
    result = shop.run("told", shop.contract(workers=2))
    assert result["told"] == ["shop-head-0: --addnodes of role worker: shop-worker-1"]
    assert shop.run("told", shop.contract(workers=2))["changed"] is False


def test_a_member_that_could_not_be_configured_ends_the_wait(site):
    site.run("prepared", site.contract())
    site.scale("head", 1)
    (site.root("shop-head-0") / "opt").mkdir(parents=True)
    (site.root("shop-head-0") / "opt/fail").write_text("hunter22")
    site.start("head", 0)
    before = time.monotonic()
    result = site.run("told", site.contract())
    assert result["failed"]
    assert time.monotonic() - before < 15
    for text in ("shop-head-0 (role head of shop", "ended with 7", "the disk of (hidden) is full", "configure retry"):
        assert text in result["msg"]
    assert "hunter22" not in json.dumps(result)


def test_a_member_that_never_comes_is_named(site):
    site.run("prepared", site.contract())
    site.scale("head", 1)
    result = site.run("told", site.contract(), timeout=1)
    assert "shop-head-0: there is no such pod" in result["msg"]


def test_a_changed_connection_calls_reconnect(shop):
    labels = {"kubedirector.hpe.com/cmType": "settings"}
    body = {"metadata": {"name": "site", "labels": labels}, "data": {"a": "1"}}
    shop.api.create(f"/api/v1/namespaces/{shop.namespace}/configmaps", body)
    contract = shop.contract(connections={"configmaps": ["site"]})
    shop.run("prepared", contract)
    result = shop.run("told", contract)
    assert result["told"] == ["shop-head-0: --reconnect", "shop-worker-0: --reconnect"]
    assert shop.calls("shop-worker-0")[-1] == "--reconnect"
    assert shop.run("told", contract)["changed"] is False


def test_a_member_with_a_new_container_is_told_only_what_it_missed(shop):
    shop.run("prepared", shop.contract(workers=2))
    shop.scale("worker", 2)
    shop.start("worker", 1)
    shop.run("told", shop.contract(workers=2))
    shop.restart("head", 0)
    result = shop.run("told", shop.contract(workers=2))
    assert result["told"] == []
    assert [call.partition(" ")[0] for call in shop.calls("shop-head-0")] == [
        "--configure",
        "--addnodes",
        "--configure",
    ]
    assert shop.run("told", shop.contract(workers=2))["changed"] is False


def test_no_cluster_is_said_in_check_mode_and_refused_otherwise(site, tmp_path):
    nowhere = {"env": {"K8S_AUTH_KUBECONFIG": "", "KUBECONFIG": ""}}
    arguments = {"guest": site.contract(), "kubeconfig": str(tmp_path / "none")}
    planned = site.run_module("app_guest", arguments, "--check", **nowhere)
    assert (planned["changed"], planned["reachable"]) == (False, False)
    assert "expected a running Kubernetes cluster" in site.run_module("app_guest", arguments, **nowhere)["msg"]


def test_the_api_server_cannot_reach_the_node(shop):
    shop.restart("head", 0)
    with socket.create_server((shop.agents.server_address[0], 0)) as listener:
        port = listener.getsockname()[1]
    endpoints = {"daemonEndpoints": {"kubeletEndpoint": {"Port": port}}}
    shop.api.patch_status("/api/v1/nodes/runs-agents", endpoints)
    try:
        result = shop.run("told", shop.contract(), timeout=1)
    finally:
        shop.api.patch_status(
            "/api/v1/nodes/runs-agents",
            {"daemonEndpoints": {"kubeletEndpoint": {"Port": shop.agents.server_address[1]}}},
        )
    assert "shop-head-0: none, it cannot be asked" in result["msg"]
