# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""role_discovery as a user runs it, through `ansible`, against a real API server."""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ROLE = "baremetal.bigdata/role"
MODULE = "baremetal.bigdata.role_discovery"
TIMEOUT = 60


def start(api_server, *extra, env=None, **params):
    """Start `ansible -m role_discovery`; the process, its output still to be read."""
    argv = ["ansible", "localhost", "-i", "localhost,", "-c", "local", "-m", MODULE, "-a", json.dumps(params), *extra]
    environment = api_server.ansible_env(
        ANSIBLE_LOAD_CALLBACK_PLUGINS="1", ANSIBLE_STDOUT_CALLBACK="json", **(env or {})
    )
    return subprocess.Popen(argv, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def finish(process):
    output, errors = process.communicate(timeout=TIMEOUT)
    try:
        return json.loads(output)["plays"][0]["tasks"][0]["hosts"]["localhost"]
    except (ValueError, LookupError):
        pytest.fail(f"no result from ansible:\n{output}\n{errors}")


def discover(api_server, *extra, env=None, **params):
    return finish(start(api_server, *extra, env=env, **params))


def names(members):
    return {role: [member["pod"] for member in found] for role, found in members.items()}


def running(index=1, *, ready=True, **extra):
    return {
        "phase": "Running",
        "podIP": f"10.1.0.{index}",
        "podIPs": [{"ip": f"10.1.0.{index}"}],
        "hostIP": f"192.0.2.{index}",
        "hostIPs": [{"ip": f"192.0.2.{index}"}],
        "startTime": "2026-08-01T09:30:00Z",
        "conditions": [{"type": "Ready", "status": "True" if ready else "False"}],
        **extra,
    }


class Site:
    """A namespace of one test, filled through the API."""

    def __init__(self, server):
        self.server = server
        self.namespace = server.namespace()
        self.base = f"/api/v1/namespaces/{self.namespace}"

    def pod(self, name, role="worker", status=None, labels=None, **spec):
        labels = {"app.kubernetes.io/instance": "grid", **({ROLE: role} if role else {}), **(labels or {})}
        obj = {
            "metadata": {"name": name, "labels": labels},
            "spec": {
                "containers": [{"name": "app", "image": "registry.example/app:1"}],
                # Nothing schedules here; a pod that has got somewhere was put on a node.
                **({"nodeName": "anywhere"} if status else {}),
                **spec,
            },
        }
        return self.server.create(f"{self.base}/pods", obj, status)

    def status(self, name, status):
        return self.server.patch_status(f"{self.base}/pods/{name}", status)

    def node(self, name, labels):
        self.server.request("POST", "/api/v1/nodes", {"metadata": {"name": name, "labels": labels}})

    def service(self, name, selector, ports, annotations=None, **spec):
        metadata = {"name": name, "annotations": annotations or {}}
        body = {"metadata": metadata, "spec": {"selector": selector, "ports": ports, **spec}}
        return self.server.request("POST", f"{self.base}/services", body)


@pytest.fixture
def site(api_server):
    return Site(api_server)


def test_roles_with_members_services_and_racks(api_server, site):
    first, second = f"{site.namespace}-a", f"{site.namespace}-b"
    site.node(first, {"topology.kubernetes.io/zone": "rack-a"})
    site.node(second, {})
    identity = {"app.kubernetes.io/instance": "grid"}
    for index in (10, 2):
        site.pod(
            f"grid-worker-{index}",
            status=running(index, containerStatuses=[container("app", restarts=index)]),
            nodeName=first,
            hostname=f"grid-worker-{index}",
            subdomain="grid-worker",
        )
    site.pod("grid-master-0", "master", running(1), nodeName=second, hostNetwork=True)
    site.pod("stray", None, running(3))
    site.pod("done", "worker", running(4, phase="Succeeded"))
    site.service("grid-worker", {**identity, ROLE: "worker"}, [{"port": 7000}], clusterIP="None")
    site.service(
        "ui",
        {**identity, ROLE: "master"},
        [{"name": "gui", "port": 8443}, {"name": "rpc", "port": 7870}],
        {"baremetal.bigdata/scheme.gui": "https", "baremetal.bigdata/path.gui": "/platform"},
        type="NodePort",
    )
    site.service("other", {"app": "other"}, [{"port": 80}])

    found = discover(api_server, namespace=site.namespace, instance="grid")

    assert found["changed"] is False
    assert names(found["members"]) == {"master": ["grid-master-0"], "worker": ["grid-worker-2", "grid-worker-10"]}
    member = found["members"]["worker"][0]
    assert member == {
        "pod": "grid-worker-2",
        "namespace": site.namespace,
        "app": None,
        "instance": "grid",
        "ip": "10.1.0.2",
        "ips": ["10.1.0.2"],
        "host_ip": "192.0.2.2",
        "node": first,
        "hostname": "grid-worker-2",
        "fqdn": f"grid-worker-2.grid-worker.{site.namespace}.svc.cluster.local",
        "host_network": False,
        "rack": "rack-a",
        "phase": "Running",
        "ready": True,
        "terminating": False,
        "restarts": 2,
        "started": "2026-08-01T09:30:00Z",
        "reason": None,
    }
    master = found["members"]["master"][0]
    assert (master["rack"], master["hostname"], master["fqdn"]) == (None, second, None)
    assert found["counts"]["worker"] == {"total": 2, "ready": 2, "running": 2, "terminating": 0}
    (headless,) = found["services"]["worker"]
    assert (headless["name"], headless["headless"], headless["cluster_ip"]) == ("grid-worker", True, None)
    (ui,) = found["services"]["master"]
    node_port = ui["ports"][0]["node_port"]
    assert ui["cluster_ip"].startswith("10.96.")
    assert ui["urls"] == [f"https://192.0.2.1:{node_port}/platform"]


def container(name, *, restarts=0, ready=True, state=None):
    return {
        "name": name,
        "image": "registry.example/app:1",
        "imageID": "",
        "ready": ready,
        "restartCount": restarts,
        "state": state or {"running": {"startedAt": "2026-08-01T09:30:00Z"}},
    }


def test_a_foreign_workload_by_its_own_label(api_server, site):
    site.pod("dns-1", None, running(1), {"k8s-app": "kube-dns"})
    site.pod("proxy-1", None, running(2), {"k8s-app": "kube-proxy", "tier": "node"})
    site.pod("unlabelled", None, running(3))
    assert names(discover(api_server, namespace=site.namespace, role_label="k8s-app")["members"]) == {
        "kube-dns": ["dns-1"],
        "kube-proxy": ["proxy-1"],
    }
    narrowed = discover(
        api_server, namespace=site.namespace, role_label="k8s-app", label_selector="tier in (node,x),k8s-app"
    )
    assert names(narrowed["members"]) == {"kube-proxy": ["proxy-1"]}
    with_rest = discover(api_server, namespace=site.namespace, role_label="k8s-app", default_role="rest")
    assert names(with_rest["members"])["rest"] == ["unlabelled"]
    one = discover(api_server, namespace=site.namespace, role_label="k8s-app", roles=["kube-dns", "absent"])
    assert names(one["members"]) == {"absent": [], "kube-dns": ["dns-1"]}


def test_readiness_and_its_reasons(api_server, site):
    waiting = {"waiting": {"reason": "ImagePullBackOff", "message": "no such image"}}
    site.pod("w-0", status=running(1))
    site.pod("w-1", status=running(2, ready=False, containerStatuses=[container("app", ready=False, state=waiting)]))
    site.pod("w-2")
    site.pod("w-3", status=running(4), nodeName="gone")
    site.server.delete(f"{site.base}/pods/w-3", grace_seconds=600)
    site.pod("w-4", status={"phase": "Failed", "reason": "Evicted", "message": "low on memory"})

    found = discover(api_server, namespace=site.namespace, racks=False, expect={"worker": "1+"})

    ready = {member["pod"]: (member["ready"], member["reason"]) for member in found["members"]["worker"]}
    assert ready["w-0"] == (True, None)
    assert ready["w-1"] == (False, "container app: ImagePullBackOff: no such image")
    assert ready["w-2"] == (False, "Not scheduled to a node yet")
    assert ready["w-3"][0] is False
    assert ready["w-3"][1].startswith("Terminating")
    assert "w-4" not in ready
    assert found["satisfied"] is True
    everything = discover(api_server, namespace=site.namespace, racks=False, include_finished=True)
    assert everything["members"]["worker"][-1]["reason"] == "Evicted: low on memory"


def test_it_waits_by_watch_until_a_pod_is_ready(api_server, site):
    site.pod("w-0", status=running(1))
    site.pod("w-1", status=running(2, ready=False))
    process = start(api_server, namespace=site.namespace, expect={"worker": 3}, wait=True, wait_timeout=40)
    wait_for_watch(api_server, site.namespace)
    site.pod("w-2", status=running(3))
    site.status("w-1", running(2))
    found = finish(process)
    assert found.get("failed") is not True, found
    assert names(found["members"]) == {"worker": ["w-0", "w-1", "w-2"]}
    assert (found["satisfied"], found["unmet"]) == (True, [])
    assert 0 <= found["waited_seconds"] < 30
    assert pod_requests(api_server, site.namespace) == {"LIST": 1, "WATCH": 1}


def test_it_waits_for_the_end_of_a_scale_in(api_server, site):
    for index in range(3):
        site.pod(f"w-{index}", status=running(index + 1))
    site.server.delete(f"{site.base}/pods/w-2", grace_seconds=600)
    process = start(api_server, namespace=site.namespace, racks=False, expect={"worker": 2}, wait=True, wait_timeout=40)
    wait_for_watch(api_server, site.namespace)
    site.server.delete(f"{site.base}/pods/w-2")
    assert names(finish(process)["members"]) == {"worker": ["w-0", "w-1"]}


def wait_for_watch(api_server, namespace):
    """Return when somebody watches the pods of this namespace. The audit log says so as soon as a watch has begun."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        if pod_requests(api_server, namespace).get("WATCH"):
            return
        time.sleep(0.05)
    pytest.fail("no watch of the pods began within 30 s")


def pod_requests(api_server, namespace):
    """Verb -> number of requests for the pods of a namespace, from the server's audit log."""
    counts = {}
    for line in api_server.audit_file.read_text().splitlines():
        with contextlib.suppress(ValueError):  # the line being written
            event = json.loads(line)
            started = event["stage"] == ("ResponseStarted" if event["verb"] == "watch" else "ResponseComplete")
            if started and re.match(rf"/api/v1/namespaces/{namespace}/pods(\?|$)", event["requestURI"]):
                counts[event["verb"].upper()] = counts.get(event["verb"].upper(), 0) + 1
    return {verb: counts[verb] for verb in ("LIST", "WATCH") if verb in counts}


def test_a_wait_that_times_out_says_what_was_missing_and_why(api_server, site):
    waiting = {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 10s"}}
    site.pod("w-0", status=running(1))
    site.pod("w-1", status=running(2, ready=False, containerStatuses=[container("app", ready=False, state=waiting)]))
    started = time.monotonic()
    found = discover(api_server, namespace=site.namespace, expect={"worker": 3, "master": 1}, wait=True, wait_timeout=2)
    assert time.monotonic() - started < 15
    assert found["failed"] is True
    assert found["msg"] == (
        f"After 2 s, in namespace {site.namespace}, pods {ROLE}: role worker: 1 ready of 3 expected (2 found); "
        "not ready: w-1 (container app: CrashLoopBackOff: back-off 10s). role master: 0 ready of 1 expected (0 found)."
    )
    assert found["counts"]["worker"] == {"total": 2, "ready": 1, "running": 2, "terminating": 0}
    assert 1.9 <= found["waited_seconds"] < 4


def test_check_mode_returns_the_same_and_does_not_wait(api_server, site):
    site.pod("w-0", status=running(1))
    params = {"namespace": site.namespace, "expect": {"worker": 2}}
    real = discover(api_server, **params)
    check = discover(api_server, "--check", **params, wait=True, wait_timeout=600)
    assert check.get("failed") is not True, check
    assert (check["changed"], check["satisfied"], check["waited_seconds"]) == (False, False, 0)
    assert check["members"] == real["members"]


def test_a_list_larger_than_a_chunk_is_complete(api_server, site):
    for index in range(7):
        site.pod(f"w-{index}", status=running(index + 1))
    found = discover(api_server, namespace=site.namespace, chunk_size=2)
    assert names(found["members"]) == {"worker": [f"w-{index}" for index in range(7)]}
    assert pod_requests(api_server, site.namespace)["LIST"] == 4


def test_all_namespaces(api_server, site):
    other = Site(api_server)
    mark = {"run": site.namespace}
    site.pod("a", status=running(1), labels=mark)
    other.pod("b", status=running(2), labels=mark)
    found = discover(api_server, all_namespaces=True, label_selector=f"run={site.namespace}")
    assert {(m["namespace"], m["pod"]) for m in found["members"]["worker"]} == {
        (site.namespace, "a"),
        (other.namespace, "b"),
    }


def test_by_client_certificate_with_inline_data(api_server, site):
    site.pod("w-0", status=running(1))
    found = discover(api_server, namespace=site.namespace, kubeconfig=str(api_server.kubeconfig_cert), context="tests")
    assert names(found["members"]) == {"worker": ["w-0"]}


def test_a_user_without_rights_gets_to_know_which(api_server, site):
    site.pod("w-0", status=running(1))
    limited = {"namespace": site.namespace, "kubeconfig": str(api_server.kubeconfig_limited)}

    found = discover(api_server, **limited)
    assert found["failed"] is True
    assert 'User "limited" cannot list resource "pods"' in found["msg"]
    assert "Grant the kubeconfig's user the verb 'list' on 'pods'" in found["msg"]
    assert "Traceback" not in found["msg"]

    api_server.grant(
        "limited", site.namespace, [{"apiGroups": [""], "resources": ["pods", "services"], "verbs": ["list"]}]
    )
    found = discover(api_server, **limited)
    assert "the verb 'list' on 'nodes'" in found["msg"]
    assert "racks: false" in found["msg"]

    found = discover(api_server, **limited, racks=False)
    assert names(found["members"]) == {"worker": ["w-0"]}

    found = discover(api_server, **limited, racks=False, wait=True, expect={"worker": 2}, wait_timeout=20)
    assert "the verb 'watch' on 'pods'" in found["msg"]


def test_bad_requests_are_refused_with_what_was_expected(api_server, site, tmp_path):
    assert "expected a count such as 3" in discover(api_server, expect={"worker": "many"})["msg"]
    assert "400 BadRequest: found '==', expected" in discover(api_server, label_selector="a==b==c")["msg"]
    missing = discover(api_server, kubeconfig=str(tmp_path / "none"))["msg"]
    assert f"{tmp_path / 'none'} not found" in missing
    assert "there are: tests" in discover(api_server, context="elsewhere")["msg"]


def test_an_unreachable_server_is_named(api_server, tmp_path):
    from loopback_api import free_port, write_kubeconfig

    port = free_port()
    config = write_kubeconfig(tmp_path / "config", f"https://127.0.0.1:{port}", {}, {"token": "secret-token"})
    output, errors = start(api_server, "-vvv", kubeconfig=str(config)).communicate(timeout=TIMEOUT)
    assert f"connection refused by 127.0.0.1 port {port}. Is the API server running?" in output
    assert "secret-token" not in output + errors


def test_the_discover_playbook_prints_a_table(api_server, site):
    site.node(f"{site.namespace}-n", {"topology.kubernetes.io/zone": "rack-a"})
    site.pod("grid-worker-0", status=running(7), nodeName=f"{site.namespace}-n")
    site.pod("grid-master-0", "master", running(8, ready=False))
    argv = [
        "ansible-playbook",
        str(ROOT / "playbooks/discover.yml"),
        "-i",
        "localhost,",
        "-e",
        f"discover_namespace={site.namespace}",
    ]
    env = api_server.ansible_env(ANSIBLE_CALLBACK_RESULT_FORMAT="yaml", HOME=os.environ.get("HOME", "/"))
    for extra in ([], ["--check"]):
        done = subprocess.run([*argv, *extra], env=env, capture_output=True, text=True, timeout=TIMEOUT, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        rows = [line.split() for line in done.stdout.splitlines()]
        assert ["APP", "ROLE", "POD", "IP", "NODE", "HOST", "IP", "RACK", "READY", "RESTARTS"] in rows
        worker = [
            "grid",
            "worker",
            "grid-worker-0",
            "10.1.0.7",
            f"{site.namespace}-n",
            "192.0.2.7",
            "rack-a",
            "yes",
            "0",
        ]
        assert worker in rows
        assert any(row[:3] == ["grid", "master", "grid-master-0"] and row[-2] == "no" for row in rows)
        assert "changed=0" in done.stdout


def test_the_server_is_left_alone(api_server, site):
    """No request of the module was anything but a read."""
    site.pod("w-0", status=running(1))
    discover(api_server, namespace=site.namespace, expect={"worker": 1}, wait=True)
    verbs = set()
    for line in api_server.audit_file.read_text().splitlines():
        event = json.loads(line)
        if event.get("userAgent") == "baremetal.bigdata":
            verbs.add(event["verb"])
    assert verbs <= {"list", "get", "watch"}
    assert "list" in verbs
