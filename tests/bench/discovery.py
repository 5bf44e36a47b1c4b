# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Time and memory of role_discovery beside kubernetes.core.k8s_info, on one real API server.

Each is a playbook with one task that registers its result, run as a user would, start of Ansible included.
The same run measures both, so that the ratios hold on any machine. Prints a table, how time and memory grow from the
smallest number of pods to the largest, and, as the last line, JSON.

    python tests/bench/discovery.py [--pods 500 5000] [--repeat 3]

Needs etcd and kube-apiserver: see tests/api/conftest.py.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "api"))
from loopback_api import ApiServer, run_api_server

NODES = 100
RACKS = 4
BUDGET = {"seconds": 3.0, "megabytes": 150.0, "ratio": 15.0}
TASKS = {
    "role_discovery": ("baremetal.bigdata.role_discovery", {}),
    "k8s_info": ("kubernetes.core.k8s_info", {"kind": "Pod"}),
}


def pod(namespace: str, index: int) -> dict[str, Any]:
    """A pod as a StatefulSet makes it, with the sort of specification that fills 6 kB with its status."""
    role = ("master", "worker", "worker", "worker")[index % 4]
    name = f"grid-{role}-{index}"
    env = [{"name": f"SETTING_{n:02}", "value": f"value-{n:02}-" + "x" * 24} for n in range(8)]
    probe = {"httpGet": {"path": "/healthz", "port": 8080}, "periodSeconds": 10, "failureThreshold": 6}
    return {
        "metadata": {
            "name": name,
            "namespace": namespace,
            "labels": {
                "app.kubernetes.io/name": "grid",
                "app.kubernetes.io/instance": "grid",
                "app.kubernetes.io/managed-by": "baremetal.bigdata",
                "baremetal.bigdata/role": role,
                "apps.kubernetes.io/pod-index": str(index),
                "statefulset.kubernetes.io/pod-name": name,
            },
            "annotations": {"baremetal.bigdata/config-hash": "0" * 64},
        },
        "spec": {
            "hostname": name,
            "subdomain": f"grid-{role}",
            "nodeName": f"bench-{index % NODES}",
            "containers": [
                {
                    "name": "app",
                    "image": "registry.example/grid:1",
                    "command": ["/opt/grid/bin/start", "--foreground"],
                    "env": env,
                    "ports": [{"name": "http", "containerPort": 8080}, {"name": "data", "containerPort": 7000}],
                    "readinessProbe": probe,
                    "livenessProbe": probe,
                    "resources": {"requests": {"cpu": "1", "memory": "1Gi"}, "limits": {"memory": "1Gi"}},
                    "volumeMounts": [{"name": "config", "mountPath": "/etc/grid"}],
                }
            ],
            "volumes": [{"name": "config", "configMap": {"name": "grid"}}],
        },
    }


def pod_status(index: int) -> dict[str, Any]:
    now = "2026-08-01T09:30:00Z"
    ip = f"10.{index // 65025 + 1}.{index // 255 % 255}.{index % 255}"
    return {
        "phase": "Running",
        "podIP": ip,
        "podIPs": [{"ip": ip}],
        "hostIP": f"192.0.2.{index % NODES}",
        "hostIPs": [{"ip": f"192.0.2.{index % NODES}"}],
        "startTime": now,
        "conditions": [
            {"type": kind, "status": "True", "lastTransitionTime": now}
            for kind in ("PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled")
        ],
        "containerStatuses": [
            {
                "name": "app",
                "image": "registry.example/grid:1",
                "imageID": "registry.example/grid@sha256:" + "0" * 64,
                "containerID": "containerd://" + "0" * 64,
                "ready": True,
                "started": True,
                "restartCount": index % 3,
                "state": {"running": {"startedAt": now}},
            }
        ],
    }


def populate(server: ApiServer, namespace: str, first: int, count: int) -> None:
    """Create pods first .. count-1, over a few connections at once."""
    local = threading.local()
    path = f"/api/v1/namespaces/{namespace}/pods"

    def one(index: int) -> None:
        if not hasattr(local, "connection"):
            local.connection = server.connect()
        server.create(path, pod(namespace, index), pod_status(index), connection=local.connection)

    with ThreadPoolExecutor(4) as pool:
        for _done in pool.map(one, range(first, count)):
            pass


class Memory(threading.Thread):
    """The largest resident size of a process and its descendants: the module's process, and any other."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self.pid, self.module, self.controller = pid, 0, 0
        self.finished = threading.Event()

    def run(self) -> None:
        while not self.finished.wait(0.02):
            pids = [self.pid]
            for pid in pids:
                try:
                    for task in Path(f"/proc/{pid}/task").iterdir():
                        pids += [int(child) for child in (task / "children").read_text().split()]
                    status = Path(f"/proc/{pid}/status").read_text()
                    command = Path(f"/proc/{pid}/cmdline").read_bytes()
                except OSError:
                    continue
                if "VmHWM:" not in status:
                    continue
                kilobytes = int(status.split("VmHWM:")[1].split()[0])
                if b"AnsiballZ_" in command:
                    self.module = max(self.module, kilobytes)
                else:
                    self.controller = max(self.controller, kilobytes)


def cpu_seconds() -> float:
    """Processor time of all that ended below this process: unlike wall time, hardly changed by what else runs."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def measure(server: ApiServer, directory: Path, name: str, namespace: str) -> dict[str, float]:
    module, extra = TASKS[name]
    playbook = directory / f"{name}.yml"
    task = {module: {"namespace": namespace, **extra}, "register": "found"}
    playbook.write_text(json.dumps([{"hosts": "localhost", "gather_facts": False, "tasks": [task]}]))
    cpu_before = cpu_seconds()
    started = time.monotonic()
    process = subprocess.Popen(
        ["ansible-playbook", "-i", "localhost,", "-c", "local", str(playbook)],
        env=server.ansible_env(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    memory = Memory(process.pid)
    memory.start()
    output, _nothing = process.communicate(timeout=600)
    seconds = time.monotonic() - started
    memory.finished.set()
    memory.join()
    if process.returncode:
        raise SystemExit(f"{name} failed:\n{output[-2000:]}")
    return {
        "seconds": round(seconds, 2),
        "cpu_seconds": round(cpu_seconds() - cpu_before, 2),
        "module_megabytes": round(memory.module / 1024, 1),
        "controller_megabytes": round(memory.controller / 1024, 1),
    }


def growth(results: list[dict[str, Any]], task: str) -> dict[str, float]:
    """What the last number of pods takes, as a multiple of what the first takes."""
    first, last = results[0][task], results[-1][task]
    return {name: round(last[name] / first[name], 2) for name in first if first[name]}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pods", type=int, nargs="+", default=[500, 5000], help="numbers of pods, growing")
    parser.add_argument("--repeat", type=int, default=3, help="runs of role_discovery, of which the median counts")
    args = parser.parse_args()
    results: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory(prefix="bench-discovery-") as name, run_api_server(Path(name)) as server:
        namespace = server.namespace("bench")
        for index in range(NODES):
            labels = {
                "topology.kubernetes.io/zone": f"rack-{index % RACKS}",
                "kubernetes.io/hostname": f"bench-{index}",
            }
            server.request("POST", "/api/v1/nodes", {"metadata": {"name": f"bench-{index}", "labels": labels}})
        for role in ("master", "worker"):
            server.request(
                "POST",
                f"/api/v1/namespaces/{namespace}/services",
                {
                    "metadata": {"name": f"grid-{role}"},
                    "spec": {
                        "clusterIP": "None",
                        "selector": {"app.kubernetes.io/instance": "grid", "baremetal.bigdata/role": role},
                        "ports": [{"name": "http", "port": 8080}],
                    },
                },
            )
        there = 0
        for count in sorted(args.pods):
            print(f"creating {count - there} pods", file=sys.stderr, flush=True)
            populate(server, namespace, there, count)
            there = count
            # A connection of its own: the kept one was idle while pods were made and measured.
            path = f"/api/v1/namespaces/{namespace}/pods/grid-master-0"
            sample = server.request("GET", path, connection=server.connect())
            size = len(json.dumps(sample, separators=(",", ":")))
            row: dict[str, Any] = {"pods": count, "bytes_per_pod": size}
            for task in TASKS:
                repeat = args.repeat if task == "role_discovery" else 1
                runs = sorted(
                    (measure(server, Path(name), task, namespace) for _run in range(repeat)),
                    key=lambda run: run["seconds"],
                )
                row[task] = runs[len(runs) // 2]
            row["ratio"] = round(row["k8s_info"]["seconds"] / row["role_discovery"]["seconds"], 1)
            results.append(row)

    line = "{:>6}  {:16} {:>8} {:>12} {:>10} {:>14}"
    print(line.format("pods", "module", "seconds", "CPU seconds", "module MB", "controller MB"))
    for row in results:
        for task in TASKS:
            run = row[task]
            cells = (run["seconds"], run["cpu_seconds"], run["module_megabytes"], run["controller_megabytes"])
            print(line.format(row["pods"], task, *cells))
        print(f"{row['pods']:>6}  role_discovery takes 1/{row['ratio']} of the time of k8s_info")
    last = results[-1]
    grown = {task: growth(results, task) for task in TASKS} if len(results) > 1 else {}
    for task, factors in grown.items():
        times = f"{last['pods'] / results[0]['pods']:.0f} times the pods"
        module, controller = factors["module_megabytes"], factors["controller_megabytes"]
        print(
            f"{times}: {task} takes {factors['seconds']} times the time, memory of its module {module} times, ", end=""
        )
        print(f"of Ansible {controller} times")
    mine = last["role_discovery"]
    met = (
        mine["seconds"] < BUDGET["seconds"]
        and mine["module_megabytes"] < BUDGET["megabytes"]
        and last["ratio"] >= BUDGET["ratio"]
    )
    if last["pods"] == 5000:
        print(f"budget at 5,000 pods (3 s, 150 MB, 15x): {'met' if met else 'MISSED'}")
    print(json.dumps({"benchmark": "discovery", "budget": BUDGET, "met": met, "growth": grown, "results": results}))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
