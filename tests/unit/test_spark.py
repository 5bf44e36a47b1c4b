# SPDX-License-Identifier: GPL-3.0-or-later
"""What the Spark role, its definition and the module that runs its programs decide without a cluster."""

from __future__ import annotations

import copy
import http.server
import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import yaml
from ansible_collections.baremetal.bigdata.plugins.module_utils.app.dialects.document import read
from ansible_collections.baremetal.bigdata.plugins.module_utils.app.model.load import load_app, load_cluster
from ansible_collections.baremetal.bigdata.plugins.module_utils.app.model.reader import AppError
from ansible_collections.baremetal.bigdata.plugins.module_utils.app.render import objects as engine
from ansible_collections.baremetal.bigdata.plugins.modules import app_job

ROOT = Path(__file__).parents[2]
ROLE = ROOT / "roles/spark"
GOLDEN = ROOT / "tests/fixtures/app/spark.yml"
SPARK = read(str(ROLE / "files/app.yml"))[0].data
IMAGE = "docker.io/apache/spark:4.3.0"


def cluster(workers=2, jupyter=0, **spec):
    roles = {
        "controller": {"image": IMAGE},
        "worker": {"image": IMAGE, "members": workers},
        "jupyter": {"image": "example.org/jupyter:1", "members": jupyter},
    }
    roles["worker"].update(spec.pop("worker", {}))
    roles["controller"].update(spec.pop("controller", {}))
    settings = {"kind": "AppCluster", "metadata": {"name": "spark", "namespace": "spark"}}
    return load_cluster({**settings, "spec": {"roles": roles, **spec}}, load_app(SPARK))


def workload(rendered, role):
    (found,) = [
        item
        for item in rendered
        if item["kind"] in ("StatefulSet", "Deployment") and item["metadata"]["name"] == f"spark-{role}"
    ]
    return found


def templates(**settings):
    rendered = engine.render(cluster(**settings))
    return {role: workload(rendered, role)["spec"]["template"] for role in ("controller", "worker", "jupyter")}


def changed(before, after):
    return {role for role in before if before[role] != after[role]}


CONTROLLER = ROLE / "files/controller.py"
PROGRAM = {"__name__": "controller"}
exec(compile(CONTROLLER.read_text(), CONTROLLER, "exec"), PROGRAM)


def worker(host, state="ALIVE", used=0, memory=512):
    return {"id": f"worker-{host}", "host": host, "state": state, "coresused": used, "memory": memory}


def state(*workers, apps=(), status="ALIVE"):
    return {"status": status, "workers": list(workers), "activeapps": list(apps)}


def test_the_whole_spark_cluster_is_as_recorded():
    """After a wanted change: BB_UPDATE_GOLDEN=1 pytest tests/unit/test_spark.py, and review the difference."""
    text = "---\n# SPDX-License-Identifier: GPL-3.0-or-later\n" + yaml.safe_dump_all(
        engine.render(cluster(jupyter=1)), sort_keys=False, explicit_start=True, width=120
    ).removeprefix("---\n")
    if os.environ.get("BB_UPDATE_GOLDEN"):
        GOLDEN.write_text(text)
    assert text == GOLDEN.read_text()


def test_the_number_of_workers_is_nobodys_configuration():
    assert changed(templates(workers=2), templates(workers=5)) == set()


@pytest.mark.parametrize(
    ("settings", "readers"),
    [
        ({"worker": {"config": {"spark-defaults.conf": {"spark.worker.cleanup.interval": 60}}}}, {"worker"}),
        ({"controller": {"config": {"spark-defaults.conf": {"spark.worker.timeout": 90}}}}, {"controller"}),
        ({"parameters": {"controller_heap": 256}}, {"controller"}),
        ({"parameters": {"worker_heap": 100}}, {"worker"}),
        ({"parameters": {"worker_offer": 450}}, {"worker", "jupyter"}),
        ({"parameters": {"authenticate": False}}, {"controller", "worker", "jupyter"}),
    ],
)
def test_a_setting_restarts_its_readers_only(settings, readers):
    assert changed(templates(), templates(**settings)) == readers


def test_everyone_authenticates_by_default_and_no_secret_is_in_an_object():
    for role in ("controller", "worker", "jupyter"):
        (container,) = templates()[role]["spec"]["containers"]
        environment = {item["name"]: item for item in container["env"]}
        key = environment["_SPARK_AUTH_SECRET"]["valueFrom"]["secretKeyRef"]
        assert (key["name"], key["key"]) == ("spark-tokens", "spark")
    maps = [item["data"] for item in engine.render(cluster()) if item["kind"] == "ConfigMap"]
    assert [
        "spark.authenticate=true\n" in data["spark-defaults.conf"]
        and "spark.network.crypto.enabled=true\n" in data["spark-defaults.conf"]
        for data in maps
    ] == [True, True, True]


def test_nobody_is_reached_from_outside_unless_it_is_wanted():
    def types(**settings):
        services = [item for item in engine.render(cluster(**settings)) if item["kind"] == "Service"]
        return {item["metadata"]["name"]: item["spec"].get("type", "headless") for item in services}

    inside = {"spark": "ClusterIP", "spark-webui": "ClusterIP", "spark-jupyter": "ClusterIP"}
    found = types()
    assert {name: found[name] for name in inside if name != "spark-jupyter"} == {
        name: kind for name, kind in inside.items() if name != "spark-jupyter"
    }
    assert "NodePort" not in found.values()
    opened = types(services={"webui": {"type": "NodePort", "node_port": 30080}})
    assert [name for name, kind in opened.items() if kind == "NodePort"] == ["spark-webui"]


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"workers": 0}, "1 or more members of role worker, found 0"),
        ({"jupyter": 2}, "0 to 1 members of role jupyter, found 2"),
        ({"controller": {"members": 2}}, "exactly 1 members of role controller, found 2"),
        ({"parameters": {"worker_offer": 300}}, "450 or more, found 300"),
        ({"parameters": {"worker_cores": "two"}}, "a value of type int, found 'two'"),
    ],
)
def test_bad_settings_are_refused(settings, words):
    with pytest.raises(AppError, match=words):
        cluster(**settings)


def test_the_controllers_word_on_its_state():
    assert PROGRAM["alive"](state()) == ""
    assert "RECOVERING, not ALIVE" in PROGRAM["alive"](state(status="RECOVERING"))


@pytest.mark.parametrize(
    ("seen", "problem"),
    [
        (state(worker("10.0.0.1"), worker("10.0.0.2")), ""),
        (state(worker("10.0.0.1", used=1), worker("10.0.0.2"), apps=[512]), ""),
        # Somebody else's memory does not help: one executor has to fit into one worker.
        (
            state(worker("10.0.0.1"), worker("10.0.0.2", memory=300), worker("10.0.0.3", memory=300), apps=[512]),
            "512 MiB",
        ),
        (state(worker("10.0.0.1"), worker("10.0.0.2", "DEAD"), apps=[512]), "none of the 0 that stay"),
        (state(worker("10.0.0.1"), worker("10.0.0.2", "DECOMMISSIONED"), apps=[512]), "none of the 0 that stay"),
        (state(worker("10.0.0.1"), worker("10.0.0.2"), status="RECOVERING"), "RECOVERING"),
    ],
)
def test_may_a_worker_leave(seen, problem):
    seen = copy.deepcopy(seen)
    seen["activeapps"] = [{"id": "app-1", "name": "job", "memoryperexecutor": needs} for needs in seen["activeapps"]]
    found = PROGRAM["may_leave"](seen, "10.0.0.1")
    assert problem in found
    assert bool(found) == bool(problem)


@pytest.mark.parametrize(
    ("workers", "executors", "problem"),
    [
        ([worker("10.0.0.1")], 0, "still counts worker-10.0.0.1"),
        ([worker("10.0.0.1", "DECOMMISSIONED", used=1)], 1, "worker-10.0.0.1 still runs 1 executors"),
        # The controller's count of used cores stays as it was when the worker was told to leave.
        ([worker("10.0.0.1", "DECOMMISSIONED", used=1)], 0, ""),
        # The same address again, after a restart: what was there before does not count.
        ([worker("10.0.0.1", "DEAD", used=1), worker("10.0.0.1", "DECOMMISSIONED")], 0, ""),
        ([worker("10.0.0.2", used=1)], 0, ""),
        ([], 0, ""),
    ],
)
def test_has_a_worker_left(monkeypatch, workers, executors, problem):
    monkeypatch.setitem(PROGRAM, "executors", lambda address: executors if address == "10.0.0.1" else 0)
    found = PROGRAM["left"](state(*workers), "10.0.0.1")
    assert problem in found
    assert bool(found) == bool(problem)


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["alive"], 0, ""),
        (["may-leave", "10.0.0.1"], 0, ""),
        (["left", "10.0.0.9"], 0, ""),
        (["left", "10.0.0.1"], 1, "still counts worker-10.0.0.1"),
    ],
)
def test_the_controllers_program_as_members_run_it(tmp_path, arguments, code, words):
    page = json.dumps(state(worker("10.0.0.1"), worker("10.0.0.2"))).encode()

    class Page(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()
            self.wfile.write(page)

        def log_message(self, *_arguments):
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Page) as server:
        threading.Thread(target=server.handle_request, daemon=True).start()
        program = tmp_path / "controller.py"
        program.write_text(CONTROLLER.read_text().replace("$(services.webui.port)", str(server.server_port)))
        argv = [sys.executable, str(program), *arguments]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == code, done.stderr
    assert words in done.stderr


def test_native_drivers_have_no_right_over_what_they_do_not_make():
    objects = yaml.safe_load((ROLE / "vars/main.yml").read_text())["__spark_native_objects"]
    (role,) = [item for item in objects if item["kind"] == "Role"]
    resources = {name for rule in role["rules"] for name in rule["resources"]}
    assert resources == {"pods", "configmaps", "services", "persistentvolumeclaims"}
    assert not [rule for rule in role["rules"] if "*" in rule["verbs"] + rule["resources"] + rule["apiGroups"]]
    assert not [item for item in objects if item["kind"].startswith("Cluster")]


PARAMS = {"name": "spark-verify", "namespace": "spark", "labels": {"a": "b"}, "pod": {"containers": []}, "timeout": 60}


def test_a_job_is_tried_once_and_ends_by_itself():
    made = app_job.job(PARAMS, "1234")
    assert made["metadata"]["name"] == "spark-verify-1234"
    assert made["spec"]["backoffLimit"] == 0
    assert made["spec"]["activeDeadlineSeconds"] == 60
    template = made["spec"]["template"]
    assert template["spec"]["restartPolicy"] == "Never"
    assert template["metadata"]["labels"] == {"a": "b", "app.kubernetes.io/managed-by": "baremetal.bigdata"}
    assert PARAMS["pod"] == {"containers": []}


@pytest.mark.parametrize(
    ("conditions", "end"),
    [
        (None, ""),
        ([{"type": "FailureTarget", "status": "True"}], ""),
        ([{"type": "Complete", "status": "False"}], ""),
        ([{"type": "SuccessCriteriaMet", "status": "True"}, {"type": "Complete", "status": "True"}], "Complete"),
        ([{"type": "Failed", "status": "True", "message": "deadline"}], "Failed: deadline"),
    ],
)
def test_the_end_of_a_job(conditions, end):
    assert app_job.ended({"status": {"conditions": conditions}}) == end
    assert app_job.ended({}) == ""


def test_figures_of_an_output():
    lines = ["Pi is roughly 3.1", 'figures {"pi": 3.1}', "figures of speech", 'figures {"keys": 5}']
    assert app_job.figures(lines) == {"pi": 3.1, "keys": 5}
    with pytest.raises(ValueError, match="expected a JSON object"):
        app_job.figures(["figures {pi}"])
