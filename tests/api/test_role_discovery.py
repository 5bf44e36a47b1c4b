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
        "role": "worker",
        "live_role": None,
        "ip": "10.1.0.2",
        "ips": ["10.1.0.2"],
        "host_ip": "192.0.2.2",
        "node": first,
        "hostname": "grid-worker-2",
        "fqdn": f"grid-worker-2.grid-worker.{site.namespace}.svc.cluster.local",
        "host_network": False,
        "container": "app",
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
    assert time.monotonic() - started < TIMEOUT / 2
    assert found["failed"] is True
    assert found["msg"] == (
        f"After 2 s, in namespace {site.namespace}, pods {ROLE}: role worker: 1 ready of 3 expected (2 found); "
        "not ready: w-1 (container app: CrashLoopBackOff: back-off 10s). role master: 0 ready of 1 expected (0 found); "
        "members have the roles worker."
    )
    assert found["counts"]["worker"] == {"total": 2, "ready": 1, "running": 2, "terminating": 0}
    assert 1.9 <= found["waited_seconds"] < 4


def live(found):
    return {role: [member["pod"] for member in members] for role, members in found["live"].items()}


@pytest.fixture
def ensemble(site, app):
    """Three servers, of which w-2 is not ready; the first two answer as `app` does."""
    address, port = app.server_address[:2]
    for index in range(3):
        status = running(index + 1, ready=index < 2, podIP=address, podIPs=[{"ip": address}])
        site.pod(f"w-{index}", status=status)
    return {
        "worker": {"http": {"port": port, "path": "/state", "json": "mode.name"}, "names": {"standalone": "leader"}}
    }


def test_live_roles_by_http(api_server, site, app, ensemble):
    app.health = {"mode": {"name": "standalone"}}
    site.pod("other", "master", running(9))
    expected = {"expect": {"worker": "2+"}, "expect_live": {"leader": 2}}
    found = discover(api_server, namespace=site.namespace, racks=False, live_roles=ensemble, **expected)
    assert live(found) == {"leader": ["w-0", "w-1"]}
    assert [member["live_role"] for member in found["members"]["worker"]] == ["leader", "leader", ""]
    assert found["members"]["master"][0]["live_role"] is None
    assert (found["findings"], found["satisfied"]) == ([], True)


def test_a_member_that_does_not_answer_is_a_finding_and_no_failure(api_server, site, app, ensemble):
    app.health = {"mode": {}}
    found = discover(api_server, namespace=site.namespace, racks=False, live_roles=ensemble)
    assert found.get("failed") is not True
    assert live(found) == {}
    assert found["findings"][0] == ("w-0 (role worker): expected JSON with mode.name, found no name in an empty object")
    app.silent = True
    slow = discover(api_server, namespace=site.namespace, racks=False, live_roles=ensemble, live_timeout=0.5)
    assert "no whole answer within 0.5 s" in slow["findings"][1]
    nobody = {"worker": {"http": {"port": 1, "path": "/"}}}
    found = discover(api_server, namespace=site.namespace, racks=False, live_roles=nobody)
    assert found["members"]["worker"][0]["live_role"] == ""
    assert "w-0 (role worker): get https://" in found["findings"][0]
    assert "connection refused" in found["findings"][0]


def test_live_roles_by_a_command_and_a_definitions_probe(api_server, site, node):
    for index in range(3):
        site.pod(f"w-{index}", status=running(index + 1), nodeName="runs-commands", labels={"p": "q"})
    node.command = lambda pod, words: (0, f"Mode: {'leader' if pod == 'w-1' else 'follower'} of {words[-1]}\n", "")
    definition = {
        "kind": "App",
        "metadata": {"name": "keeper"},
        "spec": {
            "services": [{"id": "client", "port": 2181}],
            "roles": [
                {
                    "id": "worker",
                    "cardinality": "1+",
                    "services": ["client"],
                    "live_role": {
                        "command": ["ask", "$(cluster.name):$(services.client.port)"],
                        "match": r"Mode: (\w+) of grid:2181",
                    },
                }
            ],
        },
    }
    found = discover(api_server, namespace=site.namespace, instance="grid", racks=False, definition=definition)
    assert live(found) == {"follower": ["w-0", "w-2"], "leader": ["w-1"]}

    def command(pod, _words):
        return None if pod == "w-0" else (1, "", "not serving")

    node.command = command
    started = time.monotonic()
    found = discover(
        api_server, namespace=site.namespace, instance="grid", racks=False, definition=definition, live_timeout=1
    )
    assert time.monotonic() - started < 30
    assert found["findings"] == [
        "w-0 (role worker): ask grid:2181 did not end within 1 s: started",
        "w-1 (role worker): ask grid:2181 ended with 1: not serving",
        "w-2 (role worker): ask grid:2181 ended with 1: not serving",
    ]


def test_it_waits_until_members_say_who_leads(api_server, site, app, ensemble):
    app.health = {"mode": {"name": "election"}}
    process = start(
        api_server,
        namespace=site.namespace,
        racks=False,
        live_roles=ensemble,
        expect={"worker": "1+"},
        expect_live={"leader": "1+", "election": 0},
        wait=True,
        wait_timeout=40,
    )
    # It watches pods between two rounds of asking: the first round has found no leader.
    wait_for_watch(api_server, site.namespace)
    app.health = {"mode": {"name": "leader"}}
    found = finish(process)
    assert found.get("failed") is not True, found
    assert live(found) == {"leader": ["w-0", "w-1"]}


def test_a_wait_for_a_live_role_that_times_out_says_what_members_say(api_server, site, app, ensemble):
    app.health = {"mode": {"name": "follower"}}
    found = discover(
        api_server,
        namespace=site.namespace,
        racks=False,
        live_roles=ensemble,
        expect={"worker": "2+"},
        expect_live={"leader": 1},
        wait=True,
        wait_timeout=1,
    )
    assert found["failed"] is True
    assert found["msg"].endswith("live role leader: 0 of 1 expected; members say: 2 follower.")


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"expect_live": {"leader": 1}}, "expect_live: expected live_roles, or a definition with live_role"),
        ({"expect_live": {"leader": "x"}}, "expect_live: role 'leader': expected a count"),
        ({"live_roles": {"w": {"http": {"path": "/"}}}}, "live_roles.w.http.port: expected a number"),
        ({"live_roles": {"w": {}}}, "live_roles.w: expected either command or http; found neither"),
        ({"definition": {"kind": "Pod"}}, "definition: expected an app definition"),
        ({"publish": True}, "publish: expected namespace and instance"),
        ({"publish": True, "instance": "g", "namespace": "n", "roles": ["w"]}, "found roles set"),
    ],
)
def test_what_makes_no_sense_is_refused_by_name(run_module, params, message):
    found = run_module("role_discovery", params)
    assert found["failed"] is True
    assert message in found["msg"]


def config_map(site):
    return site.server.request("GET", f"{site.base}/configmaps/grid-members", allow=(404,))


def test_the_members_are_published_once_and_again_only_if_they_change(run_module, site):
    params = {"namespace": site.namespace, "instance": "grid", "racks": False, "publish": True}
    site.pod("w-0", status=running(1))
    planned = run_module("role_discovery", params, "--check", "--diff")
    assert planned["changed"] is True
    assert config_map(site)["code"] == 404
    done = run_module("role_discovery", params, "--diff")
    assert (done["changed"], done["diff"]) == (True, planned["diff"])
    assert done["published"] == {"name": "grid-members", "namespace": site.namespace, "members": 1}
    assert config_map(site)["data"]["hosts"] == "10.1.0.1 w-0\n"
    assert config_map(site)["metadata"]["labels"] == {
        "app.kubernetes.io/instance": "grid",
        "app.kubernetes.io/managed-by": "baremetal.bigdata",
    }
    again = run_module("role_discovery", params, "--diff")
    assert (again["changed"], again.get("diff")) == (False, None)

    site.status("w-0", running(1, ready=False))
    assert run_module("role_discovery", params)["changed"] is False
    site.pod("w-1", status=running(2))
    grown = run_module("role_discovery", params, "--diff")
    assert grown["changed"] is True
    assert "w-1" not in grown["diff"]["before"]
    assert "10.1.0.2 w-1" in grown["diff"]["after"]
    assert [member["name"] for member in json.loads(config_map(site)["data"]["members.json"])["worker"]] == [
        "w-0",
        "w-1",
    ]


def test_publishing_needs_its_rights_and_says_so(api_server, run_module, site):
    site.pod("w-0", status=running(1))
    api_server.grant(
        "limited", site.namespace, [{"apiGroups": [""], "resources": ["pods", "services"], "verbs": ["list"]}]
    )
    params = {"namespace": site.namespace, "instance": "grid", "racks": False, "publish": True}
    found = run_module("role_discovery", {**params, "kubeconfig": str(api_server.kubeconfig_limited)})
    assert "Grant the kubeconfig's user the verb 'get' on 'configmaps'" in found["msg"]


def test_in_check_mode_the_namespace_need_not_exist(run_module):
    params = {"namespace": "not-yet", "instance": "grid", "racks": False, "publish": True}
    assert run_module("role_discovery", params, "--check")["changed"] is True


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


def test_the_discover_playbook_asks_by_a_definition_and_publishes(api_server, site, node, tmp_path):
    for index in range(2):
        site.pod(f"w-{index}", status=running(index + 1), nodeName="runs-commands")
    node.command = lambda pod, _words: (0, "leader" if pod == "w-1" else "follower", "")
    roles = [{"id": "worker", "cardinality": "1+", "live_role": {"command": ["who"]}}]
    definition = tmp_path / "app.yml"
    definition.write_text(json.dumps({"kind": "App", "metadata": {"name": "grid"}, "spec": {"roles": roles}}))
    settings = {
        "discover_namespace": site.namespace,
        "discover_instance": "grid",
        "discover_racks": False,
        "discover_definition": str(definition),
        "discover_publish": True,
    }
    argv = ["ansible-playbook", str(ROOT / "playbooks/discover.yml"), "-i", "localhost,", "-e", json.dumps(settings)]
    env = api_server.ansible_env(ANSIBLE_CALLBACK_RESULT_FORMAT="yaml", HOME=os.environ.get("HOME", "/"))
    for changed in (1, 0):
        done = subprocess.run(argv, env=env, capture_output=True, text=True, timeout=TIMEOUT, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        assert f"changed={changed}" in done.stdout
    rows = [line.split() for line in done.stdout.splitlines()]
    assert ["grid", "worker", "leader", "w-1", "10.1.0.2", "runs-commands", "192.0.2.2", "yes", "0"] in rows
    members = json.loads(config_map(site)["data"]["members.json"])
    assert [member["live_role"] for member in members["worker"]] == ["follower", "leader"]


def test_the_server_is_left_alone(api_server, site):
    """No request of the module was anything but a read."""
    site.pod("w-0", status=running(1))
    discover(api_server, namespace=site.namespace, expect={"worker": 1}, wait=True)
    verbs = set()
    for line in api_server.audit_file.read_text().splitlines():
        event = json.loads(line)
        # Other modules write, to namespaces of their own.
        mine = (event.get("objectRef") or {}).get("namespace") == site.namespace
        if mine and event.get("userAgent") == "baremetal.bigdata":
            verbs.add(event["verb"])
    assert verbs <= {"list", "get", "watch"}
    assert "list" in verbs
