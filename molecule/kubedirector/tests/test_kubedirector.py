# SPDX-License-Identifier: GPL-3.0-or-later
"""A Spark and a Cassandra from KubeDirector's definitions: members come, go and die, and the others are told."""

from __future__ import annotations

import functools
import json
import re
from pathlib import Path

import pytest
import yaml
from conftest import ROOT, pod_uids, wait_for

DOCUMENTS = ROOT / "tests/fixtures/kubedirector/lab"
IMAGES = {
    "spark": dict.fromkeys(("spark-master", "spark-worker"), "bigdata.baremetal/kubedirector-spark:4.3.0"),
    "cassandra": dict.fromkeys(("seed", "worker"), "bigdata.baremetal/kubedirector-cassandra:5.0.6"),
}
ROWS = 500
CQL = f"""
CREATE KEYSPACE IF NOT EXISTS kept WITH replication = {{'class': 'SimpleStrategy', 'replication_factor': 2}};
CREATE TABLE IF NOT EXISTS kept.rows (id int PRIMARY KEY, word text);
{"".join(f"INSERT INTO kept.rows (id, word) VALUES ({i}, 'w{i}');" for i in range(ROWS))}
"""


@pytest.fixture
def app(playbook, tmp_path):
    """Run playbooks/app.yml for one of the two, with another number of members of a role. A second run is none."""

    def run(name: str, role: str, members: int) -> None:
        cluster = yaml.safe_load((DOCUMENTS / f"{name}.cluster.yaml").read_text())
        for one in cluster["spec"]["roles"]:
            if one["id"] == role:
                one["members"] = members
        file = Path(tmp_path) / "cluster.yaml"
        file.write_text(yaml.safe_dump(cluster))
        settings = {"app_definition": str(DOCUMENTS / f"{name}.app.yaml"), "app_cluster": str(file)}
        arguments = ("playbooks/app.yml", "-e", json.dumps({**settings, "app_images": IMAGES[name]}))
        first = playbook(*arguments)
        assert first.rc == 0, first.output
        again = playbook(*arguments)
        assert (again.rc, again.changed) == (0, {}), again.output

    return run


@pytest.fixture(scope="module")
def pods(kubectl):
    return functools.partial(pod_uids, kubectl)


@pytest.fixture(scope="module")
def workers(kubectl, pods):
    """How many workers Spark's master itself counts."""

    def count() -> int:
        (master,) = pods("kdspark", "spark-master")
        page = kubectl(f"get --raw /api/v1/namespaces/kdspark/pods/{master}:8080/proxy/json/")
        return json.loads(page)["aliveworkers"]

    return count


@pytest.fixture(scope="module")
def inside(kubectl, pods):
    """Run a command in the first member of a role."""

    def run(namespace: str, role: str, command: str, stdin: str | None = None) -> str:
        name = sorted(pods(namespace, role))[0]
        return kubectl(f"-n {namespace} exec {'-i ' if stdin else ''}{name} -- {command}", stdin)

    return run


@pytest.fixture(scope="module")
def ring(inside):
    """The states of all members in `nodetool status`, such as UN."""
    return lambda: re.findall(r"^([UD][NLJM]) ", inside("kdring", "seed", "nodetool status"), re.MULTILINE)


@pytest.fixture(scope="module")
def told(inside):
    """The members of a role as configmeta.json has them, inside a member of a role."""

    def read(namespace: str, role: str, of: str) -> int:
        meta = json.loads(inside(namespace, role, "cat /etc/guestconfig/configmeta.json"))
        return len(meta["nodegroups"]["1"]["roles"][of]["fqdns"])

    return read


def test_spark_computes(inside, workers):
    assert workers() == 1
    # Where the master is, the package has written into Spark's own defaults.
    program = "/opt/spark/examples/src/main/python/pi.py 10"
    said = inside("kdspark", "spark-master", f"sh -c '/opt/spark/bin/spark-submit {program} 2>/dev/null'")
    assert re.search(r"Pi is roughly 3\.1", said), said


def test_a_worker_comes_and_goes_and_the_others_are_told(app, workers, told, inside, pods):
    before = pods("kdspark", "spark-master")
    app("spark", "spark-worker", 2)
    wait_for(lambda: workers() == 2, "the master to count two workers")
    assert told("kdspark", "spark-master", "spark-worker") == 2
    listed = inside("kdspark", "spark-master", "cat /opt/spark/conf/workers").split()
    assert len(listed) == 2, listed
    app("spark", "spark-worker", 1)
    wait_for(lambda: workers() == 1, "the master to count one worker")
    assert told("kdspark", "spark-master", "spark-worker") == 1
    assert pods("kdspark", "spark-master") == before


def test_killed_members_of_spark_configure_themselves_again(kubectl, pods, workers):
    before = {role: pods("kdspark", role) for role in ("spark-master", "spark-worker")}
    names = [name for found in before.values() for name in found]
    kubectl(f"-n kdspark delete pod {' '.join(names)} --grace-period=0 --force")
    wait_for(
        lambda: (
            all(not set(pods("kdspark", role).values()) & set(before[role].values()) for role in before)
            and workers() == 1
        ),
        "a new master to count a new worker",
    )


def test_rows_outlive_a_member_that_comes_and_one_that_goes(app, ring, inside):
    assert ring() == ["UN", "UN"]
    inside("kdring", "seed", "sh -c 'cqlsh $(hostname -i)'", stdin=CQL)
    app("cassandra", "worker", 2)
    assert ring() == ["UN"] * 3
    app("cassandra", "worker", 1)
    # KubeDirector's members do not hand over: those that stay take over by themselves.
    wait_for(lambda: ring() == ["UN", "UN"], "the ring of two")
    said = inside("kdring", "seed", "sh -c 'cqlsh $(hostname -i) -e \"SELECT count(*) FROM kept.rows\"'")
    assert re.search(rf"^\s*{ROWS}$", said, re.MULTILINE), said
