# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Kubeconfigs that ask somebody: exec plugins, other names, a password, a proxy; against a real API server."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import yaml
from ansible_collections.baremetal.bigdata.plugins.module_utils.kube import stream
from ansible_collections.baremetal.bigdata.plugins.module_utils.kube.client import KubeApi
from ansible_collections.baremetal.bigdata.plugins.module_utils.kube.config import load_kubeconfig
from ansible_collections.baremetal.bigdata.plugins.module_utils.kube.errors import KubeApiError
from loopback_api import ADMIN_TOKEN, write_kubeconfig

V1 = "client.authentication.k8s.io/v1"
ANSIBLE_INVENTORY = str(Path(sys.executable).with_name("ansible-inventory"))


def write_inventory(path, kubeconfig, namespace):
    settings = {"plugin": "baremetal.bigdata.app_members", "kubeconfig": kubeconfig, "namespaces": [namespace]}
    path.write_text(yaml.safe_dump({**settings, "racks": False}))


@pytest.fixture
def kubeconfig(api_server, tmp_path):
    """Write a kubeconfig with this user, and more about the cluster; its path."""

    def write(user, **cluster):
        ca = {"certificate-authority": str(api_server.ca_file), **cluster}
        return str(write_kubeconfig(tmp_path / "kubeconfig", api_server.url, ca, user))

    return write


@pytest.fixture
def plugin(tmp_path):
    """A user with an exec plugin: a script that gives a token, the first `wrong` times one that nobody knows."""

    def make(wrong=0, ends=0, says=None, status=None, **more):
        script, calls = tmp_path / "login.py", tmp_path / "calls"
        status = status or {"token": ADMIN_TOKEN}
        script.write_text(
            "import json, os, sys\n"
            f"calls = open({str(calls)!r}, 'a+'); calls.seek(0); number = len(calls.read()); calls.write('x')\n"
            "info = json.loads(os.environ['KUBERNETES_EXEC_INFO'])\n"
            f"status = {status!r} if number >= {wrong} else {{'token': 'expired'}}\n"
            f"answer = {{'apiVersion': info['apiVersion'], 'kind': 'ExecCredential', 'status': status}}\n"
            f"print({says!r} or json.dumps(answer))\n"
            f"if {ends}: sys.exit('the token server does not answer')\n"
        )
        command = {"command": sys.executable, "args": ["login.py"], "apiVersion": V1, "interactiveMode": "Never"}
        return {"exec": {**command, **more}}

    make.calls = lambda: len((tmp_path / "calls").read_text())
    return make


def test_an_exec_plugin_logs_in_for_discovery_and_is_asked_once(api_server, run_module, kubeconfig, plugin):
    namespace = api_server.namespace("exec")
    path = kubeconfig(plugin())
    found = run_module("role_discovery", {"kubeconfig": path, "namespace": namespace, "instance": "x"})
    assert found["members"] == {}
    assert plugin.calls() == 1


def test_an_exec_plugin_logs_in_for_applying(api_server, run_module, kubeconfig, plugin):
    namespace = api_server.namespace("exec")
    item = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "c", "namespace": namespace},
        "data": {"a": "b"},
    }
    result = run_module("app_apply", {"kubeconfig": kubeconfig(plugin()), "objects": [item]})
    assert result["changed"], result
    assert api_server.request("GET", f"/api/v1/namespaces/{namespace}/configmaps/c")["data"] == {"a": "b"}


def test_an_exec_plugin_logs_in_for_the_inventory(api_server, kubeconfig, plugin, tmp_path):
    namespace = api_server.namespace("exec")
    labels = {"app.kubernetes.io/name": "a", "app.kubernetes.io/instance": "i", "baremetal.bigdata/role": "worker"}
    api_server.create(
        f"/api/v1/namespaces/{namespace}/pods",
        {
            "metadata": {"name": "w-0", "labels": labels},
            "spec": {"containers": [{"name": "app", "image": "registry.example/app:1"}]},
        },
        {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]},
    )
    inventory = tmp_path / "app_members.yml"
    write_inventory(inventory, kubeconfig(plugin()), namespace)
    done = subprocess.run(
        [ANSIBLE_INVENTORY, "-i", str(inventory), "--list"],
        env=api_server.ansible_env(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["_meta"]["hostvars"]["w-0"]["member_role"] == {"__ansible_unsafe": "worker"}


def test_a_token_that_expired_is_asked_for_again(api_server, node, kubeconfig, plugin):
    with KubeApi(load_kubeconfig(kubeconfig(plugin(wrong=1)))) as api:
        assert api.get("/api/v1/namespaces/default")["kind"] == "Namespace"
        assert api.text("/version").startswith("{")
    assert plugin.calls() == 2


def test_a_token_that_expired_is_asked_for_again_by_a_stream(api_server, node, kubeconfig, plugin):
    namespace = api_server.namespace("exec")
    spec = {"nodeName": "runs-commands", "containers": [{"name": "app", "image": "registry.example/app:1"}]}
    api_server.create(
        f"/api/v1/namespaces/{namespace}/pods", {"metadata": {"name": "p"}, "spec": spec}, {"phase": "Running"}
    )
    node.command = lambda _pod, _command: (0, "done\n", "")
    with KubeApi(load_kubeconfig(kubeconfig(plugin(wrong=1)))) as api:
        assert stream.run(api, namespace, "p", "app", ["true"])[1] == "done\n"
    assert plugin.calls() == 2


def test_a_plugin_may_give_a_certificate(api_server, kubeconfig, plugin):
    certificate, key = ((api_server.directory / f"admin.{kind}").read_text() for kind in ("crt", "key"))
    user = plugin(status={"clientCertificateData": certificate, "clientKeyData": key})
    with KubeApi(load_kubeconfig(kubeconfig(user))) as api:
        assert whoami(api)["username"] == "admin-by-certificate"


def test_a_token_that_nobody_knows_is_asked_for_once_more_and_then_refused(kubeconfig, plugin):
    with KubeApi(load_kubeconfig(kubeconfig(plugin(wrong=9)))) as api, pytest.raises(KubeApiError) as error:
        api.get("/api/v1/namespaces/default")
    assert error.value.status == 401
    assert plugin.calls() == 2


OTHER = {"apiVersion": "client.authentication.k8s.io/v1beta1", "kind": "ExecCredential", "status": {}}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"ends": 1}, "failed: process returned 1. the token server does not answer."),
        ({"says": "no JSON, but a secret"}, "failed: failed to decode process output"),
        ({"says": json.dumps({**OTHER, "apiVersion": V1})}, "expected a token or clientCertificateData"),
        ({"says": json.dumps(OTHER)}, "v1beta1 does not match"),
        ({"says": "null"}, "failed: expected text as its args and env, and an ExecCredential as its answer."),
        ({"args": ["login.py", 8443]}, "failed: expected text as its args and env"),
        ({"command": "/nowhere/login", "installHint": "Install it.\n"}, "'/nowhere/login' is not there. Install it."),
    ],
)
def test_a_plugin_that_fails_is_named_with_its_reason_and_without_its_output(
    run_module, kubeconfig, plugin, options, message
):
    result = run_module(
        "role_discovery", {"kubeconfig": kubeconfig(plugin(**options)), "namespace": "x", "instance": "y"}
    )
    assert result["failed"]
    assert message in result["msg"]
    assert "user 'user'" in result["msg"]
    assert ADMIN_TOKEN not in json.dumps(result)
    assert "a secret" not in json.dumps(result)


def test_a_plugin_that_fails_on_a_terminal_is_named(api_server, kubeconfig, plugin, tmp_path):
    inventory = tmp_path / "app_members.yml"
    write_inventory(inventory, kubeconfig(plugin(ends=1)), "x")
    leader, follower = pty.openpty()
    with subprocess.Popen(
        [ANSIBLE_INVENTORY, "-i", str(inventory), "--list"],
        env=api_server.ansible_env(COLUMNS="1000"),
        stdout=follower,
        stderr=follower,
    ):
        os.close(follower)
        shown = b""
        # The terminal ends by EIO.
        with contextlib.suppress(OSError):
            while data := os.read(leader, 65536):
                shown += data
    os.close(leader)
    text = " ".join(shown.decode().split())
    assert "the token server does not answer" in text
    assert "failed, and has said why on the terminal" in text
    assert "NoneType" not in text
    assert ADMIN_TOKEN not in text


@pytest.mark.parametrize("status", [{"token": "hidden-text\n"}, {"token": "hidden\r\nX-More: text"}])
def test_a_token_that_no_header_can_hold_is_refused_and_not_shown(run_module, kubeconfig, plugin, status):
    user = plugin(status=status)
    result = run_module("role_discovery", {"kubeconfig": kubeconfig(user), "namespace": "x", "instance": "y"})
    assert "the header Authorization of its user has a line break or another character" in result["msg"]
    assert "hidden" not in json.dumps(result)


def whoami(api):
    """Whom the server takes this client for."""
    review = json.dumps({"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}).encode()
    path = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
    answer = api._open(path, {}, 20, method="POST", body=review, content_type="application/json")
    return json.loads(answer.read())["status"]["userInfo"]


def test_whom_to_impersonate_is_said_in_every_request(kubeconfig):
    user = {
        "token": ADMIN_TOKEN,
        "as": "Jörg €",
        "as-uid": "42",
        "as-groups": ["one", "two"],
        "as-user-extra": {"why/so": ["a", "b"]},
    }
    with KubeApi(load_kubeconfig(kubeconfig(user))) as api:
        who = whoami(api)
        with pytest.raises(KubeApiError) as error:
            api.get("/api/v1/namespaces/default")
    assert (who["username"], who["uid"]) == ("Jörg €", "42")
    assert {"one", "two"} <= set(who["groups"])
    assert who["extra"] == {"why/so": ["a", "b"]}
    assert error.value.status == 403


def test_a_name_and_a_password_are_sent_and_not_shown(kubeconfig):
    access = load_kubeconfig(kubeconfig({"username": "ops", "password": "open sesame"}))
    assert ("Authorization", "Basic b3BzOm9wZW4gc2VzYW1l") in access.headers
    # This server takes no passwords, so it knows nobody of that name.
    with KubeApi(access) as api, pytest.raises(KubeApiError) as error:
        api.get("/api/v1/namespaces/default")
    assert error.value.status == 403
    assert "sesame" not in str(error.value)


class Proxy:
    """An HTTP proxy that opens tunnels, for those who know its password."""

    def __init__(self):
        self.opened = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                near, _peer = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.tunnel, args=(near,), daemon=True).start()

    def tunnel(self, near):
        head = b""
        while b"\r\n\r\n" not in head:
            head += near.recv(4096)
        if b"Proxy-Authorization: Basic dXNlcjpwQHNz" not in head:
            near.sendall(b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n")
            near.close()
            return
        target = head.split()[1].decode()
        self.opened.append(target)
        host, _colon, port = target.rpartition(":")
        far = socket.create_connection((host, int(port)))
        near.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        for source, sink in ((near, far), (far, near)):
            threading.Thread(target=self.carry, args=(source, sink), daemon=True).start()

    @staticmethod
    def carry(source, sink):
        try:
            while data := source.recv(65536):
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            pass


@pytest.fixture
def proxy():
    server = Proxy()
    yield server
    server.listener.close()


def test_requests_and_streams_go_through_the_proxy(api_server, node, kubeconfig, proxy):
    namespace = api_server.namespace("proxy")
    spec = {"nodeName": "runs-commands", "containers": [{"name": "app", "image": "registry.example/app:1"}]}
    api_server.create(
        f"/api/v1/namespaces/{namespace}/pods", {"metadata": {"name": "p"}, "spec": spec}, {"phase": "Running"}
    )
    node.command = lambda _pod, _command: (0, "done\n", "")
    path = kubeconfig({"token": ADMIN_TOKEN}, **{"proxy-url": f"http://user:p%40ss@127.0.0.1:{proxy.port}"})
    with KubeApi(load_kubeconfig(path)) as api:
        assert api.get(f"/api/v1/namespaces/{namespace}")["kind"] == "Namespace"
        assert stream.run(api, namespace, "p", "app", ["true"])[1] == "done\n"
    assert proxy.opened == [api_server.url.removeprefix("https://")] * 2


def test_a_proxy_that_refuses_or_is_not_there_is_named(kubeconfig, proxy):
    path = kubeconfig({"token": ADMIN_TOKEN}, **{"proxy-url": f"http://127.0.0.1:{proxy.port}"})
    with KubeApi(load_kubeconfig(path)) as api, pytest.raises(KubeApiError, match="Tunnel connection failed: 407"):
        api.get("/version")
    proxy.listener.shutdown(socket.SHUT_RDWR)
    proxy.listener.close()
    with (
        KubeApi(load_kubeconfig(path)) as api,
        pytest.raises(KubeApiError, match="refused by the proxy 127"),
    ):
        api.get("/version")
