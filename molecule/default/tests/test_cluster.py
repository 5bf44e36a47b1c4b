# SPDX-License-Identifier: GPL-3.0-or-later
"""The cluster, used: names resolve, pods reach each other and Services, on every node."""

from __future__ import annotations

import re

import pytest
from conftest import NODES, STATE, wait_for

NAMESPACE = "connectivity-test"
PROBES = f"""
apiVersion: v1
kind: Namespace
metadata: {{name: {NAMESPACE}}}
---
apiVersion: apps/v1
kind: DaemonSet
metadata: {{name: probe, namespace: {NAMESPACE}}}
spec:
  selector: {{matchLabels: {{app: probe}}}}
  template:
    metadata: {{labels: {{app: probe}}}}
    spec:
      terminationGracePeriodSeconds: 0
      tolerations: [{{operator: Exists}}]
      containers:
        - name: probe
          # Any image with getent and bash would do; this one is on every node.
          image: %s
          command: [sleep, infinity]
          volumeMounts: [{{name: config, mountPath: /etc/server}}]
        - name: server
          image: %s
          command: [/coredns, -conf, /etc/server/Corefile]
          ports: [{{containerPort: 8080}}]
          volumeMounts: [{{name: config, mountPath: /etc/server}}]
      volumes: [{{name: config, configMap: {{name: server}}}}]
---
apiVersion: v1
kind: ConfigMap
metadata: {{name: server, namespace: {NAMESPACE}}}
data:
  Corefile: |
    .:5353 {{
      health :8080
      whoami
    }}
  get: |
    exec 3<>"/dev/tcp/$1/$2" && printf 'GET /health HTTP/1.0\\r\\n\\r\\n' >&3 &&
        read -r _ status _ <&3 && echo "$status"
---
apiVersion: v1
kind: Service
metadata: {{name: probe, namespace: {NAMESPACE}}}
spec:
  selector: {{app: probe}}
  ports: [{{port: 80, targetPort: 8080}}]
"""


@pytest.fixture(scope="module")
def probes(kubectl):
    """A pod with a shell and an HTTP server on every node: {node: (pod, IP)}."""
    images = {}
    for daemon, kind in (("kube-proxy", "daemonset"), ("coredns", "deployment")):
        images[daemon] = kubectl(
            f"-n kube-system get {kind} {daemon} -o jsonpath='{{.spec.template.spec.containers[0].image}}'"
        )
    kubectl("apply -f -", PROBES % (images["kube-proxy"], images["coredns"]))
    kubectl(f"-n {NAMESPACE} rollout status daemonset/probe --timeout=600s")
    pods = kubectl(f"-n {NAMESPACE} get pods -l app=probe -o json")["items"]
    yield {pod["spec"]["nodeName"]: (pod["metadata"]["name"], pod["status"]["podIP"]) for pod in pods}
    kubectl(f"delete namespace {NAMESPACE} --timeout=600s")


def get(kubectl, pod: str, host: str, port: int) -> str:
    """The status of one HTTP request from inside a pod."""
    return kubectl(f"-n {NAMESPACE} exec {pod} -c probe -- timeout 10 bash /etc/server/get {host} {port}").strip()


def test_every_node_is_ready(kubectl):
    nodes = kubectl("get nodes -o json")["items"]
    ready = {
        node["metadata"]["name"]: condition["status"]
        for node in nodes
        for condition in node["status"]["conditions"]
        if condition["type"] == "Ready"
    }
    assert ready == dict.fromkeys(NODES, "True")


def test_the_control_plane_host_takes_no_user_pods(kubectl):
    taints = kubectl("get node cp1 -o json")["spec"]["taints"]
    assert [taint["key"] for taint in taints] == ["node-role.kubernetes.io/control-plane"]


def test_a_probe_runs_on_every_node(probes):
    assert set(probes) == set(NODES)


@pytest.mark.parametrize("name", NODES)
def test_dns_answers_from_a_pod_on_every_node(kubectl, probes, name):
    answer = kubectl(
        f"-n {NAMESPACE} exec {probes[name][0]} -c probe -- getent hosts kubernetes.default.svc.cluster.local"
    )
    assert answer.split()[0] == "10.96.0.1"


@pytest.mark.parametrize("source", NODES)
@pytest.mark.parametrize("target", NODES)
def test_pods_reach_each_other_across_nodes(kubectl, probes, source, target):
    assert get(kubectl, probes[source][0], probes[target][1], 8080) == "200"


@pytest.mark.parametrize("source", NODES)
def test_pods_reach_a_service_by_name(kubectl, probes, source):
    assert get(kubectl, probes[source][0], f"probe.{NAMESPACE}", 80) == "200"


def test_the_kubeconfig_on_the_controller_is_closed():
    assert (STATE / "kubeconfig").stat().st_mode & 0o077 == 0


@pytest.mark.long
def test_a_name_more_in_the_apis_certificate(control_plane, playbook):
    """While the API server runs on; and the name stays when the setting goes."""
    process = control_plane.check_output("pgrep --exact kube-apiserver")
    setting = ("--tags", "control_plane", "-e", '{"control_plane_certificate_sans": ["api.example.test"]}')
    run = playbook("site.yml", *setting)
    assert (run.rc, set(run.changed)) == (0, {"cp1"}), run.output
    served = "openssl s_client -connect 127.0.0.1:6443 </dev/null 2>/dev/null | openssl x509 -noout -ext subjectAltName"
    wait_for(
        lambda: "DNS:api.example.test" in control_plane.check_output(served), "the API to serve the new certificate"
    )
    assert control_plane.check_output("pgrep --exact kube-apiserver") == process
    again = playbook("site.yml", *setting)
    assert (again.rc, again.changed) == (0, {}), again.output
    back = playbook("site.yml", "--tags", "control_plane")
    assert back.rc == 0, back.output


@pytest.mark.parametrize("limit", ["worker1", "kube_node,localhost", "cp1"])
def test_a_part_of_the_site_runs(playbook, limit):
    """And tells what is up, whoever is left out."""
    run = playbook("site.yml", "--limit", limit)
    assert (run.rc, run.changed) == (0, {}), run.output
    assert re.search(r"API at https://[0-9.]+:6443", run.output), run.output
