# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Kubernetes API for the app modules, on kubernetes.core's client. All input and output is here."""

from __future__ import annotations

import copy
import json
import os
import select
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from typing import Any

try:
    from ansible_collections.kubernetes.core.plugins.module_utils.args_common import AUTH_ARG_SPEC
    from ansible_collections.kubernetes.core.plugins.module_utils.k8s.client import get_api_client
    from ansible_collections.kubernetes.core.plugins.module_utils.k8s.core import AnsibleK8SModule
except ImportError:  # reported by module()
    AUTH_ARG_SPEC = {"kubeconfig": {"type": "raw", "no_log": True}}
    get_api_client = AnsibleK8SModule = None

from ansible.module_utils.basic import AnsibleModule, missing_required_lib

# Seconds for one answer of the API server, so that a host that is down does not hang a run.
TIMEOUT = 20


class Unreachable(Exception):
    """There is no kubeconfig, or nobody answers behind it."""


def create_module(argument_spec: dict[str, Any], **arguments: Any) -> Any:
    """An AnsibleModule with kubernetes.core's connection options."""
    spec = copy.deepcopy(AUTH_ARG_SPEC)
    spec.update(argument_spec)
    if AnsibleK8SModule is None:
        AnsibleModule(argument_spec=spec, **arguments).fail_json(
            msg=missing_required_lib("kubernetes.core (collection)")
        )
    return AnsibleK8SModule(module_class=AnsibleModule, argument_spec=spec, supports_check_mode=True, **arguments)


class Kube:
    """Reads and writes objects. In check mode every write is the API server's dry run."""

    def __init__(self, module: Any):
        path = module.params.get("kubeconfig")
        if isinstance(path, str) and not os.path.exists(os.path.expanduser(path)):
            raise Unreachable("there is no kubeconfig")
        self.module = module
        try:
            self.client = get_api_client(module=module)
            self.api = self.client.client.client
            self.request("/version")
        except Exception as error:
            if getattr(error, "status", None):
                raise
            raise Unreachable(f"its API server does not answer: {reason(error)}") from error

    def request(self, path: str) -> bytes:
        return self.client.client.request("get", path, serialize=False, _request_timeout=TIMEOUT).data

    def get(self, version: str, kind: str, name: str, namespace: str | None) -> dict[str, Any] | None:
        resource = self.client.resource(kind, version)
        try:
            found = self.client.get(resource, name=name, namespace=namespace, _request_timeout=TIMEOUT)
        except Exception as error:
            if getattr(error, "status", None) == 404:
                return None
            raise
        return found.to_dict()

    def list(self, version: str, kind: str, namespace: str, selector: str) -> list[dict[str, Any]]:
        resource = self.client.resource(kind, version)
        try:
            found = self.client.get(resource, namespace=namespace, label_selector=selector, _request_timeout=TIMEOUT)
        except Exception as error:
            if getattr(error, "status", None) == 404:
                return []
            raise
        # Items of a list carry neither version nor kind.
        return [{**item, "apiVersion": version, "kind": kind} for item in found.to_dict().get("items", [])]

    def apply(self, wanted: Mapping[str, Any], manager: str) -> dict[str, Any]:
        resource = self.client.resource(wanted["kind"], wanted["apiVersion"])
        applied = resource.server_side_apply(
            body=dict(wanted),
            name=wanted["metadata"]["name"],
            namespace=wanted["metadata"].get("namespace"),
            field_manager=manager,
            force_conflicts=True,
            dry_run="All" if self.module.check_mode else None,
            _request_timeout=TIMEOUT,
        )
        return applied.to_dict()

    def delete(self, item: Mapping[str, Any]) -> None:
        resource = self.client.resource(item["kind"], item["apiVersion"])
        options: dict[str, Any] = {"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": "Background"}
        if self.module.check_mode:
            # In the body: the server ignores a dry run in the query where a delete has a body.
            options["dryRun"] = ["All"]
        try:
            resource.delete(
                name=item["metadata"]["name"],
                namespace=item["metadata"].get("namespace"),
                body=options,
                _request_timeout=TIMEOUT,
            )
        except Exception as error:
            if getattr(error, "status", None) != 404:
                raise

    def ask(self, namespace: str, pod: str, container: str, check: Mapping[str, Any]) -> str:
        """A member's answer to a check: by HTTP through the API server, or by a command in its container."""
        if check.get("command"):
            return self.run(namespace, pod, container, list(check["command"]))
        path = f"/api/v1/namespaces/{namespace}/pods/{pod}:{check['port']}/proxy{check['path']}"
        body = self.request(path).decode("utf-8", "replace")
        if not check.get("json"):
            return body
        value: Any = json.loads(body)
        for key in check["json"].split("."):
            value = value[key]
        return json.dumps(value) if isinstance(value, (bool, dict, list)) else str(value)

    def run(self, namespace: str, pod: str, container: str, command: list[str]) -> str:
        from kubernetes.client import CoreV1Api
        from kubernetes.stream import stream

        answer = stream(
            CoreV1Api(self.api).connect_get_namespaced_pod_exec,
            pod,
            namespace,
            container=container,
            command=command,
            stdout=True,
            stderr=True,
            stdin=False,
            tty=False,
            _preload_content=False,
            _request_timeout=TIMEOUT,
        )
        answer.run_forever(timeout=TIMEOUT)
        out, err = answer.read_stdout(), answer.read_stderr()
        if answer.returncode:
            raise RuntimeError(f"{' '.join(command)} ended with {answer.returncode}: {(err or out).strip()}")
        return out.strip()

    @contextmanager
    def forward(self, namespace: str, pod: str, port: int) -> Iterator[int]:
        """A port on the controller's loopback that leads to a pod's, over the API server's connection."""
        from kubernetes.client import CoreV1Api
        from kubernetes.stream import portforward

        core = CoreV1Api(self.api)
        stop = threading.Event()

        def serve(connection: socket.socket) -> None:
            with closing(connection):
                tunnel = portforward(core.connect_get_namespaced_pod_portforward, pod, namespace, ports=str(port))
                with closing(tunnel):
                    _relay(connection, tunnel.socket(port), stop)

        with closing(socket.create_server(("127.0.0.1", 0))) as listener:
            listener.settimeout(0.5)

            def accept() -> None:
                while not stop.is_set():
                    try:
                        connection, _peer = listener.accept()
                    except (socket.timeout, OSError):
                        continue
                    threading.Thread(target=serve, args=(connection,), daemon=True).start()

            threading.Thread(target=accept, daemon=True).start()
            try:
                yield listener.getsockname()[1]
            finally:
                stop.set()


def reason(error: Exception) -> str:
    """The API server's own sentence where there is one, otherwise the cause without the client's wrapping."""
    body = getattr(error, "body", None)
    if body:
        try:
            return json.loads(body)["message"]
        except (ValueError, KeyError, TypeError):
            return str(body)
    pool = getattr(error, "pool", None)
    cause = getattr(error, "reason", None)
    text = str(cause if isinstance(cause, Exception) else error) or type(error).__name__
    text = text.rpartition("Failed to establish a new connection: ")[2]
    return f"{pool.host}:{pool.port}: {text}" if pool is not None and hasattr(pool, "host") else text


def _relay(near: socket.socket, far: Any, stop: threading.Event) -> None:
    pairs = {near.fileno(): (near, far), far.fileno(): (far, near)}
    while not stop.is_set():
        readable = select.select(list(pairs), [], [], 0.5)[0]
        for number in readable:
            source, target = pairs[number]
            data = source.recv(65536)
            if not data:
                return
            target.sendall(data)
