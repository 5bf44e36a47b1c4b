# SPDX-License-Identifier: GPL-3.0-or-later
"""What the playbooks render and app make of definitions, before a real API server. Nothing runs behind it."""

from __future__ import annotations

import base64
import json
import re
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.baremetal.bigdata.plugins.module_utils.app.dialects import document as app_documents
from ansible_collections.baremetal.bigdata.plugins.module_utils.app.dialects.kubedirector.translate import (
    record,
    translate,
)
from ansible_collections.baremetal.bigdata.plugins.module_utils.app.model.load import load_app, load_cluster
from ansible_collections.baremetal.bigdata.plugins.module_utils.app.render import objects as app_render
from ansible_collections.baremetal.bigdata.plugins.plugin_utils.guest_agent import agent_programs

ROOT = Path(__file__).resolve().parents[2]
FIXTURES = ROOT / "tests/fixtures/kubedirector"
NAMES = ["spark", "cassandra", "everything"]
COLLECTIONS = {
    "ServiceAccount": "/api/v1/namespaces/{}/serviceaccounts",
    "ConfigMap": "/api/v1/namespaces/{}/configmaps",
    "Secret": "/api/v1/namespaces/{}/secrets",
    "Service": "/api/v1/namespaces/{}/services",
    "StatefulSet": "/apis/apps/v1/namespaces/{}/statefulsets",
    "PodDisruptionBudget": "/apis/policy/v1/namespaces/{}/poddisruptionbudgets",
    "Role": "/apis/rbac.authorization.k8s.io/v1/namespaces/{}/roles",
    "RoleBinding": "/apis/rbac.authorization.k8s.io/v1/namespaces/{}/rolebindings",
}


def path_of(name: str, kind: str) -> Path:
    return next(FIXTURES.glob(f"{name}-{kind}.*"))


def document(name: str, kind: str) -> Any:
    kinds = app_documents.APP_KINDS if kind == "app" else app_documents.CLUSTER_KINDS
    return app_documents.pick(app_documents.read(str(path_of(name, kind))), kinds).data


@pytest.fixture
def namespace(api_server) -> str:
    """A name that no test has used. On a connection of its own: the server ends one that lies idle for a playbook."""
    name = f"kd-{next(api_server._names)}"
    body = {"metadata": {"name": name}}
    api_server.request("POST", "/api/v1/namespaces", body, connection=api_server.connect())
    return name


def dry_run(api_server, objects: list[dict[str, Any]], namespace: str) -> None:
    """Apply every object as the server would, field by field, without a trace. Raises for what it refuses."""
    query = "dryRun=All&fieldManager=test&force=true&fieldValidation=Strict"
    connection = api_server.connect()
    names = [(item["kind"], item["metadata"]["name"]) for item in objects]
    assert len(set(names)) == len(names), "two objects have one kind and name"
    for item in objects:
        if item["kind"] == "Namespace":
            assert item["metadata"]["name"] == namespace
            continue
        assert item["metadata"]["namespace"] == namespace
        path = f"{COLLECTIONS[item['kind']].format(namespace)}/{item['metadata']['name']}?{query}"
        api_server.request("PATCH", path, item, content_type="application/apply-patch+yaml", connection=connection)


@pytest.mark.parametrize("cluster", ["cluster", None])
@pytest.mark.parametrize("name", NAMES)
def test_translated_definitions_are_valid(api_server, namespace, name, cluster):
    chosen = document(name, "cluster") if cluster else None
    result = translate(document(name, "app"), chosen, namespace=namespace)
    objects = app_render.render(load_cluster(result.cluster, load_app(result.app)), agent_programs())
    assert "StatefulSet" in {item["kind"] for item in objects}
    dry_run(api_server, objects, namespace)


@pytest.fixture
def play(api_server):
    """Run a playbook of the collection; returns whether it succeeded, and its output with folded blanks."""

    def run(name: str, *arguments: str, **variables: Any) -> tuple[bool, str]:
        done = subprocess.run(
            ["ansible-playbook", str(ROOT / f"playbooks/{name}.yml"), "-e", json.dumps(variables), *arguments],
            env=api_server.ansible_env(),
            cwd=api_server.directory,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        return done.returncode == 0, re.sub(r"\s+", " ", done.stdout + done.stderr)

    return run


def test_render_writes_what_the_server_takes(api_server, namespace, play, tmp_path):
    wanted = {
        "app_definition": str(path_of("spark", "app")),
        "app_cluster": str(path_of("spark", "cluster")),
        "app_namespace": namespace,
        "render_directory": str(tmp_path / "out/manifests"),
    }
    good, output = play("render", "--check", "--diff", **wanted)
    assert good, output
    assert "kind: StatefulSet" in output
    assert not (tmp_path / "out").exists()

    good, output = play("render", **wanted)
    assert good, output
    assert "changed=1 " in output
    assert "spec.logoURL has no effect" in output
    files = sorted((tmp_path / "out/manifests").iterdir())
    for file in files:
        assert file.name in output
        assert file.read_text().startswith("# Rendered by baremetal.bigdata.render\n")
    objects = [yaml.safe_load(file.read_text()) for file in files]
    kinds = [item["kind"] for item in objects]
    assert kinds.count("StatefulSet") == 3
    assert kinds.index("ServiceAccount") < kinds.index("StatefulSet")
    dry_run(api_server, objects, namespace)

    good, output = play("render", **wanted)
    assert good, output
    assert "changed=0 " in output

    # Another cluster into the same directory: its files, and those of others stay.
    (tmp_path / "out/manifests/99-mine.yml").write_text("kind: Mine\n")
    del wanted["app_cluster"]
    images = '{"spark-worker": "registry.example/other:1"}'
    good, output = play("render", app_images=images, **{**wanted, "app_definition": str(path_of("spark", "app"))})
    assert good, output
    left = {file.name for file in (tmp_path / "out/manifests").iterdir()}
    assert "99-mine.yml" in left
    assert not {name for name in left if "analysis" in name}
    workload = next((tmp_path / "out/manifests").glob("*-statefulset-spark35-spark-worker.yml"))
    pod = yaml.safe_load(workload.read_text())["spec"]["template"]["spec"]
    assert pod["containers"][0]["image"] == "registry.example/other:1"


@pytest.mark.parametrize(
    ("playbook", "variables", "says"),
    [
        (
            "render",
            {},
            "expected app_definition and render_directory, found app_definition=nothing, render_directory=nothing.",
        ),
        (
            "render",
            {"app_definition": "a.json", "render_directry": "out"},
            "render_directry: expected a variable that the playbook knows, one of app_allow_changes,",
        ),
        ("app", {"app_definition": "a.json", "app_sate": "absent"}, "Did you mean app_state?"),
        ("discover", {"discover_namspace": "analytics"}, "Did you mean discover_namespace?"),
        ("app", {}, "expected app_definition, found nothing. Run with -e app_definition=FILE"),
        (
            "render",
            {"app_definition": "none.json", "render_directory": "out"},
            "none.json: expected a file that can be read, found No such file or directory. Check the path",
        ),
        (
            "render",
            {"app_definition": str(FIXTURES / "bad/indent.yaml"), "render_directory": "out"},
            "bad/indent.yaml, line 14: expected YAML, found mapping values are not allowed here",
        ),
        (
            "render",
            {
                "app_definition": str(FIXTURES / "spark-app.json"),
                "app_cluster": str(FIXTURES / "cassandra-cluster.yaml"),
                "render_directory": "out",
            },
            "cannot be used: spec.app: expected 'spark35', the definition's metadata.name, found 'cassandra4'.",
        ),
    ],
)
def test_what_is_missing_or_bad_is_said(api_server, play, playbook, variables, says):
    good, output = play(playbook, **variables)
    assert not good
    assert says in output
    assert not (api_server.directory / "out").exists()


def test_app_compares_with_what_was_applied(api_server, namespace, play):
    wanted = {
        "app_definition": str(path_of("spark", "app")),
        "app_cluster": str(path_of("spark", "cluster")),
        "app_namespace": namespace,
        "cluster_kubeconfig": str(api_server.kubeconfig),
    }
    good, output = play("app", "--check", **wanted)
    assert good, output
    assert "analysis-spark-worker" in output

    before = record(document("spark", "cluster"))
    before["spec"]["roles"][0]["storage"]["size"] = "10Gi"
    before["spec"]["roles"][1]["sharedMemory"] = "1Gi"
    content = base64.b64encode(json.dumps(before).encode()).decode()
    secret = {"metadata": {"name": "analysis-applied"}, "data": {"cluster": content}}
    api_server.request("POST", COLLECTIONS["Secret"].format(namespace), secret, connection=api_server.connect())
    good, output = play("app", "--check", **wanted)
    assert not good
    for says in (
        "Cluster analysis:",
        'spec.roles[0].storage: expected {"size": "10Gi"} as before, while role spark-master has members,',
        "spec.roles[1].sharedMemory: expected '1Gi' as before, while role spark-worker has members, found nothing.",
    ):
        assert says in output, output
    good, output = play("app", "--check", app_allow_changes="true", **wanted)
    assert not good
    assert "spec.roles[0].storage" in output
    assert "sharedMemory" not in output


@pytest.fixture
def refuse(api_server):
    """Have the server refuse a StatefulSet of this name, but not in a dry run: what no comparison can see."""
    group = "/apis/admissionregistration.k8s.io/v1"
    connection = api_server.connect()
    made = []

    def start(name: str) -> None:
        rule = {"apiGroups": ["apps"], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["statefulsets"]}
        policy = {
            "metadata": {"name": name},
            "spec": {
                "matchConstraints": {"resourceRules": [rule]},
                "validations": [
                    {"expression": f"request.dryRun || object.metadata.name != {name!r}", "message": "not today"}
                ],
            },
        }
        binding = {"metadata": {"name": name}, "spec": {"policyName": name, "validationActions": ["Deny"]}}
        for kind, body in (("validatingadmissionpolicies", policy), ("validatingadmissionpolicybindings", binding)):
            api_server.request("POST", f"{group}/{kind}", body, connection=connection)
            made.append(f"{group}/{kind}/{name}")
        labels = {"matchLabels": {"a": "b"}}
        template = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "a", "image": "x"}]}}
        probe = {"metadata": {"name": name}, "spec": {"selector": labels, "serviceName": name, "template": template}}
        path, deadline = COLLECTIONS["StatefulSet"].format("default"), time.monotonic() + 60
        while api_server.request("POST", path, probe, connection=connection, allow=(422,)).get("code") != 422:
            api_server.request("DELETE", f"{path}/{name}", connection=connection)
            assert time.monotonic() < deadline, "the policy does not take effect"
            time.sleep(0.2)

    yield start
    for path in made:
        api_server.request("DELETE", path, connection=api_server.connect())


def test_the_recap_counts_what_was_made_before_a_refusal(api_server, play, refuse, tmp_path):
    namespace = f"half-{next(api_server._names)}"
    role = {"id": "member", "image": "x"}
    definition = {"kind": "App", "metadata": {"name": "half"}, "spec": {"roles": [role]}}
    settings = {"kind": "AppCluster", "metadata": {"name": namespace, "namespace": namespace}, "spec": {}}
    for name, data in (("app.json", definition), ("cluster.json", settings)):
        (tmp_path / name).write_text(json.dumps(data))
    refuse(f"{namespace}-member")
    good, output = play(
        "app",
        app_definition=str(tmp_path / "app.json"),
        app_cluster=str(tmp_path / "cluster.json"),
        cluster_kubeconfig=str(api_server.kubeconfig),
    )
    assert not good
    assert "the API server refused half-way: " in output, output
    assert "not today" in output
    done = f"Namespace/{namespace}, ServiceAccount/{namespace}, Service/{namespace}-member, "
    assert f"Done before the failure: {done}" in output, output
    assert "changed=1 " in output


def test_a_first_run_that_the_server_refuses_leaves_nothing(api_server, play, tmp_path):
    """A node port that is taken: only the server knows."""
    namespace = f"first-{next(api_server._names)}"
    service = {
        "metadata": {"name": namespace},
        "spec": {"type": "NodePort", "ports": [{"port": 80, "nodePort": 32123}]},
    }
    connection = api_server.connect()
    api_server.request("POST", COLLECTIONS["Service"].format("default"), service, connection=connection)
    role = {"id": "member", "image": "x", "services": ["web"]}
    services = [{"id": "web", "port": 80}]
    definition = {"kind": "App", "metadata": {"name": "first"}, "spec": {"services": services, "roles": [role]}}
    chosen = {"services": {"web": {"type": "NodePort", "node_port": 32123}}}
    settings = {"kind": "AppCluster", "metadata": {"name": "first", "namespace": namespace}, "spec": chosen}
    for name, data in (("app.json", definition), ("cluster.json", settings)):
        (tmp_path / name).write_text(json.dumps(data))
    good, output = play(
        "app",
        app_definition=str(tmp_path / "app.json"),
        app_cluster=str(tmp_path / "cluster.json"),
        cluster_kubeconfig=str(api_server.kubeconfig),
    )
    assert not good
    assert "Nothing was changed, the API server refused: create " in output, output
    assert "provided port is already allocated" in output
    assert "changed=0 " in output
    # A role that keeps a Secret for its members besides.
    cassandra = {"cassandra_namespace": namespace, "cassandra_service_type": "NodePort", "cassandra_node_port": 32123}
    good, output = play("apps", apps_enabled=["cassandra"], cluster_kubeconfig=str(api_server.kubeconfig), **cassandra)
    assert not good
    assert "provided port is already allocated" in output, output
    assert "changed=0 " in output
    assert "Password | Keep the administrator's password" not in output
    good, output = play(
        "apps", "--check", apps_enabled=["cassandra"], cluster_kubeconfig=str(api_server.kubeconfig),
        cassandra_namespace=namespace,
    )  # fmt: skip
    assert good, output
    assert "Password | Keep the administrator's password" in output
    found = api_server.request("GET", f"/api/v1/namespaces/{namespace}", connection=api_server.connect(), allow=(404,))
    assert found["code"] == 404
