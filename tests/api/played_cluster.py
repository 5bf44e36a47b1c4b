# SPDX-License-Identifier: GPL-3.0-or-later
"""What runs behind an API server, played by threads: controllers, kubelets, and the app that members run.

The app's members are one web server on the machine's own address: the API server reaches it as it reaches pods. It
cannot tell by which member it is asked, so a check that has to know puts the member's name into its path.
"""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from ansible_collections.baremetal.bigdata.plugins.filter.app_render import app_render
from loopback_api import ApiServer

COST = "controller.kubernetes.io/pod-deletion-cost"
HEALTH = "/health"
# Where the pods are: a host that works, as far as the API server knows.
NODE = "nowhere"
PATHS = {"StatefulSet": "/apis/apps/v1/{}/statefulsets", "ReplicationController": "/api/v1/{}/replicationcontrollers"}


def own_address() -> str:
    """An address of this machine that is no loopback: the API server refuses to forward to those."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("192.0.2.1", 9))  # sends nothing
        return probe.getsockname()[0]


class App(ThreadingHTTPServer):
    """The app. `answers`: path -> what it answers there, as JSON; anything else is an error. `asked`: the paths."""

    def __init__(self) -> None:
        self.answers: dict[str, Any] = {}
        self.asked: list[str] = []
        super().__init__((own_address(), 0), Handler)

    @property
    def port(self) -> int:
        return self.server_address[1]


class Handler(BaseHTTPRequestHandler):
    server: App

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        answer = self.server.answers.get(self.path)
        body = json.dumps(answer() if callable(answer) else answer).encode()
        self.send_response(503 if answer is None else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_arguments: Any) -> None:
        pass


@contextlib.contextmanager
def running_app() -> Iterator[App]:
    server = App()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()


class Controllers(threading.Thread):
    """The controllers of StatefulSets and ReplicationControllers of a namespace, and the kubelets of their pods.

    Pods become ready at once, except those named in `broken`.
    """

    def __init__(self, api: ApiServer, namespace: str) -> None:
        super().__init__(daemon=True)
        self.api, self.namespace = api, namespace
        self.connection = api.connect()
        self.address = own_address()
        self.broken: set[str] = set()
        self.history: list[str] = []
        self.made = 0
        self.finished = threading.Event()
        self.failed: Exception | None = None

    @property
    def pods_path(self) -> str:
        return f"/api/v1/namespaces/{self.namespace}/pods"

    def path(self, kind: str) -> str:
        return PATHS[kind].format(f"namespaces/{self.namespace}")

    def request(self, method: str, path: str, body: Any = None, **options: Any) -> Any:
        return self.api.request(method, path, body, connection=self.connection, **options)

    def run(self) -> None:
        try:
            while not self.finished.wait(0.05):
                self.step()
        except Exception as error:
            self.failed = error

    def step(self) -> None:
        for pod in self.request("GET", self.pods_path)["items"]:
            if pod["metadata"].get("deletionTimestamp"):
                name = pod["metadata"]["name"]
                self.history.append(f"gone {name}")
                self.request("DELETE", f"{self.pods_path}/{name}?gracePeriodSeconds=0", allow=(404,))
        for kind in PATHS:
            for workload in self.request("GET", self.path(kind))["items"]:
                self.control(kind, workload)

    def control(self, kind: str, workload: dict[str, Any]) -> None:
        spec, base = workload["spec"], workload["metadata"]["name"]
        chosen = spec["selector"].get("matchLabels", spec["selector"])
        selector = ",".join(f"{key}={value}" for key, value in chosen.items())
        pods = {
            pod["metadata"]["name"]: pod
            for pod in self.request("GET", f"{self.pods_path}?labelSelector={selector}")["items"]
        }
        stateful = kind == "StatefulSet"
        wanted = [f"{base}-{number}" for number in range(spec["replicas"])] if stateful else []
        missing = [name for name in wanted if name not in pods]
        if not stateful:
            for _number in range(spec["replicas"] - len(pods)):
                self.made += 1
                missing.append(f"{base}-x{self.made:03}")
        surplus = [name for name in pods if name not in wanted] if stateful else []
        if not stateful and len(pods) > spec["replicas"]:
            annotations = {name: pod["metadata"].get("annotations") or {} for name, pod in pods.items()}
            order = sorted(pods, key=lambda name: (int(annotations[name].get(COST, 0)), name))
            surplus = order[: len(pods) - spec["replicas"]]
        for name in missing:
            self.make(name, spec)
        for name in surplus:
            self.request("DELETE", f"{self.pods_path}/{name}", allow=(404,))
        for name, pod in pods.items():
            self.report(name, pod)
        ready = [name for name in pods if name not in self.broken]
        status = {
            "observedGeneration": workload["metadata"]["generation"],
            "replicas": len(pods),
            "readyReplicas": len(ready),
        }
        if status != {key: (workload.get("status") or {}).get(key, 0) for key in status}:
            self.api.patch_status(f"{self.path(kind)}/{base}", status, connection=self.connection)

    def make(self, name: str, workload: dict[str, Any]) -> None:
        template = workload["template"]
        metadata = {key: template["metadata"].get(key) for key in ("labels", "annotations")}
        body = {"metadata": {"name": name, **metadata}, "spec": {**template["spec"], "nodeName": NODE}}
        # There is no controller of service accounts either.
        body["spec"].pop("serviceAccountName", None)
        body["spec"].pop("serviceAccount", None)
        claims = [claim["metadata"]["name"] for claim in workload.get("volumeClaimTemplates") or ()]
        volumes = [{"name": c, "persistentVolumeClaim": {"claimName": f"{c}-{name}"}} for c in claims]
        body["spec"]["volumes"] = [*body["spec"].get("volumes", ()), *volumes]
        self.history.append(f"made {name}")
        self.request("POST", self.pods_path, body, allow=(409,))

    def report(self, name: str, pod: dict[str, Any]) -> None:
        works = "False" if name in self.broken else "True"
        now = next((item["status"] for item in pod["status"].get("conditions") or () if item["type"] == "Ready"), "")
        if now != works:
            status = {"phase": "Running", "podIP": self.address, "podIPs": [{"ip": self.address}],
                      "conditions": [{"type": "Ready", "status": works}]}  # fmt: skip
            self.request("PATCH", f"{self.pods_path}/{name}/status", {"status": status}, allow=(404,),
                         content_type="application/merge-patch+json")  # fmt: skip


@contextlib.contextmanager
def controlled(api: ApiServer, namespace: str) -> Iterator[Controllers]:
    """Play a namespace's controllers and kubelets; at the end, say if they failed."""
    api.request("POST", "/api/v1/nodes", {"metadata": {"name": NODE}}, allow=(409,))
    api.patch_status(f"/api/v1/nodes/{NODE}", {"conditions": [{"type": "Ready", "status": "True"}]})
    controllers = Controllers(api, namespace)
    controllers.start()
    try:
        yield controllers
    finally:
        controllers.finished.set()
        controllers.join(timeout=30)
        controllers.connection.close()
    if controllers.failed:
        raise controllers.failed


def demo(port: int, kind: str = "StatefulSet", **role: Any) -> dict[str, Any]:
    """A definition of an app whose members are `App`, at this port. `role` changes its one role."""
    return {
        "kind": "App",
        "metadata": {"name": "demo", "version": "1"},
        "spec": {
            "parameters": [{"name": "colour", "default": "red"}],
            "services": [{"id": "api", "port": port, "primary": True}],
            "roles": [
                {
                    "id": "worker",
                    "cardinality": "0+",
                    "controller": kind,
                    "ordered": False,
                    "services": ["api"],
                    "config_files": [{"name": "a.conf", "path": "/etc/a.conf", "text": "colour=$(parameters.colour)"}],
                    "health": {
                        "members": {"http": {"service": "api", "path": HEALTH, "json": "size"}},
                        "safe": {"http": {"service": "api", "path": HEALTH, "json": "safe"}},
                    },
                    "leave": {"done": {"http": {"service": "api", "path": "/done/$(member.name)", "json": "done"}}},
                    **role,
                }
            ],
        },
    }


def rendered(definition: dict[str, Any], namespace: str, members: int = 2, **spec: Any) -> dict[str, Any]:
    """What the filter app_render makes of a definition and a cluster of so many members in its first role."""
    roles = {role["id"]: {"image": "x"} for role in definition["spec"]["roles"]}
    if roles:
        roles[definition["spec"]["roles"][0]["id"]]["members"] = members
    metadata = {"name": "demo", "namespace": namespace}
    return app_render(definition, {"kind": "AppCluster", "metadata": metadata, "spec": {"roles": roles, **spec}})
