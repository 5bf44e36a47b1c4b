# SPDX-License-Identifier: GPL-3.0-or-later
"""Spark as an operator runs it: 2 -> 3 -> 2 workers under a running program, a new setting, killed members."""

from __future__ import annotations

import concurrent.futures
import json

import pytest
from conftest import PATIENCE, STATE, ansible, pod_uids, wait_for

CLUSTER = {"kubeconfig": str(STATE / "kubeconfig"), "namespace": "spark"}
JSON_PAGE = "/api/v1/namespaces/spark/pods/spark-controller-0:8080/proxy/json/"

# Computes the same sum over data that its executors hold, until there is a file that says stop.
PROGRAM = """
import json, pathlib, time
from pyspark.sql import SparkSession
context = SparkSession.builder.appName("survivor").getOrCreate().sparkContext
sums = context.parallelize(range(100000), 6).map(lambda i: (i % 97, i)).reduceByKey(lambda a, b: a + b, 6).persist()
rounds = wrong = 0
while not pathlib.Path("/tmp/stop").exists():
    rounds += 1
    wrong += sums.map(lambda pair: pair[1]).sum() != 4999950000
    pathlib.Path("/tmp/rounds").write_text(str(rounds))
    time.sleep(0.5)
print("figures " + json.dumps({"rounds": rounds, "wrong": wrong}))
"""

# So that executors of a worker that leaves hand over what they hold.
DECOMMISSION = {
    "spark.decommission.enabled": "true",
    "spark.storage.decommission.enabled": "true",
    "spark.storage.decommission.rddBlocks.enabled": "true",
    "spark.storage.decommission.shuffleBlocks.enabled": "true",
}


def driver(image: str, program: str, settings: dict[str, str], token: bool = True) -> dict:
    """A pod that submits a program, as a user of the cluster would write it."""
    options = {
        "spark.master": "spark://spark.spark.svc.cluster.local:7077",
        "spark.driver.memory": "512m",
        "spark.executor.memory": "512m",
        "spark.ui.enabled": "false",
        **settings,
    }
    address = {"name": "SPARK_LOCAL_HOSTNAME", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}}
    environment = [{"name": "PROGRAM", "value": program}, address]
    script = 'printf %s "$PROGRAM" >/tmp/program.py; exec /opt/spark/bin/spark-submit'
    script += "".join(f" --conf {name}={value}" for name, value in options.items())
    if token:
        environment.append({"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "spark-tokens", "key": "spark"}}})
        script += " --conf spark.authenticate=true --conf spark.network.crypto.enabled=true"
        script += ' --conf "spark.authenticate.secret=$TOKEN"'
    container = {"name": "driver", "image": image, "args": ["bash", "-c", f"{script} /tmp/program.py"]}
    return {"containers": [{**container, "env": environment}], "enableServiceLinks": False}


@pytest.fixture(scope="module")
def pool():
    with concurrent.futures.ThreadPoolExecutor() as threads:
        yield threads


@pytest.fixture(scope="module")
def image(kubectl):
    found = kubectl("-n spark get statefulset spark-worker -o json")
    return found["spec"]["template"]["spec"]["containers"][0]["image"]


@pytest.fixture(scope="module", autouse=True)
def stranger(pool, image):
    """A program without the token. Spark gives it a minute to get in: so it starts first, and is looked at last."""
    program = "from pyspark.sql import SparkSession\nprint(SparkSession.builder.getOrCreate().range(9).count())\n"
    pod = driver(image, program, {}, token=False)
    return pool.submit(job_output, name="stranger", pod=pod, timeout=PATIENCE)


def job_output(**parameters) -> dict:
    """What a program printed, or how the module failed."""
    arguments = ["localhost", "-m", "baremetal.bigdata.app_job", "-a", json.dumps({**CLUSTER, **parameters})]
    timeout = parameters["timeout"] + 60
    found = ansible("ansible", *arguments, timeout=timeout, ANSIBLE_CALLBACK_RESULT_FORMAT="json")
    return json.loads(found.stdout[found.stdout.index("=> ") + 3 :]) | {"failed": found.returncode != 0}


def workers(kubectl) -> int:
    """How many the controller itself counts."""
    return json.loads(kubectl(f"get --raw {JSON_PAGE}"))["aliveworkers"]


def uids(kubectl, role: str) -> dict[str, str]:
    return pod_uids(kubectl, "spark", role)


def converge(playbook, *settings: str) -> None:
    """Run the role with settings; a second run changes nothing."""
    first = playbook("playbooks/apps.yml", *settings)
    assert first.rc == 0, first.output
    assert list(first.changed) in ([], ["localhost"])
    again = playbook("playbooks/apps.yml", *settings)
    assert (again.rc, again.changed) == (0, {}), again.output


def verify(*settings: str) -> str:
    role = "name=baremetal.bigdata.spark tasks_from=verify.yml"
    found = ansible("ansible", "localhost", "-m", "include_role", "-a", role, *settings)
    assert found.returncode == 0, found.stdout
    return " ".join(found.stdout.split())


def test_the_controller_counts_the_workers(kubectl):
    assert workers(kubectl) == len(uids(kubectl, "worker")) == 2


def test_pi_and_a_shuffle_in_both_modes():
    said = verify()
    shuffle = "1000000 records through a shuffle into 1000 keys"
    assert said.count(shuffle) == 2, said
    assert said.count("sum 499999500000 as expected") == 2, said
    assert "on its workers: Pi is roughly 3.1" in said
    assert "on executors of its own: Pi is roughly 3.1" in said


def test_a_program_survives_workers_that_come_and_go(kubectl, playbook, pool, image):
    converge(playbook, "-e", "spark_workers=3")
    assert workers(kubectl) == 3
    pod = driver(image, PROGRAM, DECOMMISSION)
    running = pool.submit(job_output, name="survivor", pod=pod, labels={"app": "survivor"}, timeout=2 * PATIENCE)

    def inside(command: str) -> str:
        found = kubectl("-n spark get pods -l app=survivor -o json")["items"]
        assert len(found) == 1, f"the driver has no pod ({running.result() if running.done() else 'yet'})"
        return kubectl(f"-n spark exec {found[0]['metadata']['name']} -- {command}")

    def rounds() -> int:
        return int(inside("cat /tmp/rounds"))

    wait_for(lambda: rounds() > 3, "the program's first rounds")
    used = json.loads(kubectl(f"get --raw {JSON_PAGE}"))["coresused"]
    assert used == 3
    converge(playbook, "-e", "spark_workers=2")
    assert workers(kubectl) == 2
    assert set(uids(kubectl, "worker")) == {"spark-worker-0", "spark-worker-1"}
    before = rounds()
    wait_for(lambda: rounds() > before + 2, "rounds on the workers that stay")
    inside("touch /tmp/stop")
    ended = running.result(timeout=PATIENCE)
    assert not ended["failed"], ended
    figures = ended["figures"]
    assert figures["wrong"] == 0
    assert figures["rounds"] > before + 2


@pytest.mark.long
def test_a_workers_setting_restarts_workers_only(kubectl, playbook):
    before = {role: uids(kubectl, role) for role in ("controller", "worker")}
    setting = ("-e", '{"spark_worker_config": {"spark.worker.cleanup.interval": 900}}')
    looked = playbook("playbooks/apps.yml", "--check", "--diff", *setting)
    assert looked.rc == 0, looked.output
    assert "spark.worker.cleanup.interval=900" in looked.output
    assert {role: uids(kubectl, role) for role in before} == before
    converge(playbook, *setting)
    assert uids(kubectl, "controller") == before["controller"]
    after = uids(kubectl, "worker")
    assert set(after) == set(before["worker"])
    assert not set(after.values()) & set(before["worker"].values())
    assert workers(kubectl) == 2


def test_killed_members_come_back(kubectl):
    before = {role: uids(kubectl, role) for role in ("controller", "worker")}
    kubectl("-n spark delete pod spark-controller-0 spark-worker-1 --grace-period=0 --force")

    def back() -> bool:
        now = {role: uids(kubectl, role) for role in before}
        gone = before["controller"]["spark-controller-0"], before["worker"]["spark-worker-1"]
        alive = now["controller"].get("spark-controller-0"), now["worker"].get("spark-worker-1")
        return None not in alive and not set(gone) & set(alive) and workers(kubectl) == 2

    wait_for(back, "the controller to count two workers again")
    assert "sum 499999500000 as expected" in verify("-e", "spark_native=false")


def test_nobody_gets_in_without_the_token(stranger):
    found = stranger.result(timeout=PATIENCE)
    assert found["failed"], found
    assert "All masters are unresponsive" in "\n".join(found["output"]), found
