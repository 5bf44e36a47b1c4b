# SPDX-License-Identifier: GPL-3.0-or-later
"""The config packages of images/kubedirector-*: their start scripts, run for real, stand-ins for the tools around."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.baremetal.bigdata.plugins.filter.app_render import app_render
from ansible_collections.baremetal.bigdata.plugins.filter.app_translate import app_translate
from ansible_collections.baremetal.bigdata.plugins.module_utils.app.contract import GuestContract
from ansible_collections.baremetal.bigdata.plugins.module_utils.app.run import guest
from guest_member import rooted

ROOT = Path(__file__).resolve().parents[2]
LAB = ROOT / "tests/fixtures/kubedirector/lab"
STATUS = """--  Address    Load       Tokens  Owns  Host ID                               Rack
{state}  10.1.2.3   70.1 KiB   16      50%   0c1a6fd1-7c2b-4a4e-8ad4-2f6c2f9f8d11  rack1
UN  10.1.2.4   ?          16      50%   1d2b7fe2-7c2b-4a4e-8ad4-2f6c2f9f8d22  rack1
"""


def rendered(name: str) -> dict[str, Any]:
    app, cluster = (yaml.safe_load((LAB / f"{name}.{kind}.yaml").read_text()) for kind in ("app", "cluster"))
    images = {role["id"]: f"bigdata.baremetal/kubedirector-{name}:1" for role in app["spec"]["roles"]}
    translated = app_translate(app, cluster, images=images)
    return app_render(translated["app"], translated["cluster"])


class Member:
    """A member of one of the packages, with a root of its own."""

    def __init__(self, root: Path, name: str, pod: str):
        self.root, self.tools = root, root / "tools"
        for path in ("etc/guestconfig", "opt/guestconfig/appconfig", "conf", "tools"):
            (root / path).mkdir(parents=True)
        self.contract = GuestContract.from_dict(rendered(name)["guest"])
        self.script = root / "opt/guestconfig/appconfig/startscript"
        text = (ROOT / f"images/kubedirector-{name}/appconfig/startscript").read_text()
        self.script.write_text(text.replace("/opt/guestconfig", str(root / "opt/guestconfig")))
        self.script.chmod(0o755)
        self.write("configcli", rooted("configcli", root).replace("/usr/bin/env python3", sys.executable))
        # Every port answers at once.
        self.write("python3", f'#!/bin/sh\n[ "$1" = -c ] && exit 0\nexec {sys.executable} "$@"\n')
        self.write("getent", "#!/bin/sh\necho '10.1.2.3 host'\n")
        self.write(
            "nodetool", f'#!/bin/sh\necho "$*" >>{root}/nodetool.calls\n[ "$1" != status ] || cat {root}/status\n'
        )
        self.state("UN")
        self.tell(pod)

    def write(self, name: str, text: str) -> None:
        (self.tools / name).write_text(text)
        (self.tools / name).chmod(0o755)

    def state(self, state: str) -> None:
        (self.root / "status").write_text(STATUS.format(state=state))

    def tell(self, pod: str, **counts: int) -> None:
        members = guest.membership(self.contract, {**{role.id: role.members for role in self.contract.roles}, **counts})
        meta = guest.config_meta(self.contract, pod, None, {}, members)
        (self.root / "etc/guestconfig/configmeta.json").write_text(json.dumps(meta))

    def call(self, *words: str) -> subprocess.CompletedProcess[str]:
        environment = {
            "PATH": f"{self.tools}:{os.environ['PATH']}",
            "SPARK_HOME": str(self.root),
            "CASSANDRA_CONF": str(self.root / "conf"),
        }
        return subprocess.run(
            [self.script, *words], env=environment, capture_output=True, text=True, timeout=60, check=False
        )

    def daemon(self) -> str:
        return (self.root / "opt/guestconfig/daemon").read_text()


@pytest.mark.parametrize("name", ["spark", "cassandra"])
def test_the_definitions_of_the_lab_use_the_packages_of_the_images(name):
    found = rendered(name)
    packages = {role["package"] for role in found["guest"]["roles"]}
    assert packages == {"file:///opt/configscripts/appconfig.tgz"}
    text = (ROOT / f"images/kubedirector-{name}/Containerfile").read_text()
    assert "/opt/configscripts/appconfig.tgz" in text
    images = {
        item["spec"]["template"]["spec"]["containers"][0]["image"]
        for item in found["objects"]
        if item["kind"] == "StatefulSet"
    }
    assert images == {f"bigdata.baremetal/kubedirector-{name}:1"}


@pytest.mark.parametrize("name", ["spark", "cassandra"])
def test_an_unknown_call_is_refused(tmp_path, name):
    pod = "kdspark-spark-master-0" if name == "spark" else "kdring-seed-0"
    found = Member(tmp_path, name, pod).call("--explode")
    assert (found.returncode, "expected --configure" in found.stderr) == (2, True)


def test_sparks_members_run_what_their_role_says(tmp_path):
    master = Member(tmp_path / "master", "spark", "kdspark-spark-master-0")
    assert master.call("--configure").returncode == 0
    host = "kdspark-spark-master-0.kdspark-spark-master.kdspark.svc.cluster.local"
    assert f"deploy.master.Master --host {host} --port 7077 --webui-port 8080" in master.daemon()
    worker = Member(tmp_path / "worker", "spark", "kdspark-spark-worker-0")
    # Nobody listens on that name here: waiting for the master is the reader's, which has tests of its own.
    text = worker.script.read_text().replace("configcli --wait services", ": services")
    worker.script.write_text(text)
    assert worker.call("--configure").returncode == 0
    assert f"--cores 1 --memory 512m spark://{host}:7077" in worker.daemon()


def test_sparks_list_of_workers_is_kept_current(tmp_path):
    member = Member(tmp_path, "spark", "kdspark-spark-master-0")
    member.call("--configure")
    assert len((tmp_path / "conf/workers").read_text().split()) == 1
    member.tell("kdspark-spark-master-0", **{"spark-worker": 3})
    assert member.call("--addnodes", "--nodegroup", "1", "--role", "spark-worker", "--fqdns", "a,b").returncode == 0
    assert len((tmp_path / "conf/workers").read_text().split()) == 3


@pytest.fixture
def seed(tmp_path) -> Member:
    found = Member(tmp_path, "cassandra", "kdring-seed-0")
    shutil.copy(ROOT / "images/cassandra/conf/cassandra.yaml", tmp_path / "conf/cassandra.yaml")
    assert found.call("--configure").returncode == 0
    return found


def test_cassandras_members_know_the_seeds(seed):
    assert "CASSANDRA_SEEDS='kdring-seed-0.kdring-seed.kdring.svc.cluster.local'" in seed.daemon()
    assert "CASSANDRA_CLUSTER_NAME='kdring'" in seed.daemon()
    assert "MAX_HEAP_SIZE=256M" in seed.daemon()


def test_a_new_seed_is_known_to_running_members(seed):
    seed.tell("kdring-seed-0", seed=2)
    assert seed.call("--addnodes", "--nodegroup", "1", "--role", "seed", "--fqdns", "x").returncode == 0
    seeds = yaml.safe_load((seed.root / "conf/cassandra.yaml").read_text())["seed_provider"][0]["parameters"][0][
        "seeds"
    ]
    assert [host.partition(".")[0] for host in seeds.split(",")] == ["kdring-seed-0", "kdring-seed-1"]
    assert "reloadseeds" in (seed.root / "nodetool.calls").read_text()


def test_what_a_member_held_is_taken_over_once_it_is_gone(seed):
    seed.state("DN")
    assert seed.call("--delnodes", "--nodegroup", "1", "--role", "worker", "--fqdns", "gone.example").returncode == 0
    end = time.monotonic() + 30
    calls = seed.root / "nodetool.calls"
    while "removenode" not in calls.read_text() and time.monotonic() < end:
        time.sleep(0.1)
    assert "removenode 0c1a6fd1-7c2b-4a4e-8ad4-2f6c2f9f8d11" in calls.read_text()


def test_only_one_member_takes_over(tmp_path):
    worker = Member(tmp_path, "cassandra", "kdring-worker-0")
    worker.state("DN")
    assert worker.call("--delnodes", "--nodegroup", "1", "--role", "worker", "--fqdns", "gone.example").returncode == 0
    assert not (tmp_path / "nodetool.calls").exists()
