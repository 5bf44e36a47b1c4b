# SPDX-License-Identifier: GPL-3.0-or-later
"""The role symphony: its settings, and its start script with the stand-in's commands on the loopback network."""

from __future__ import annotations

import os
import pwd
import signal
import subprocess
from pathlib import Path

import pytest
import yaml
from ansible_collections.baremetal.bigdata.plugins.module_utils.app.dialects.document import read
from ansible_collections.baremetal.bigdata.plugins.module_utils.app.model.load import load_app, load_cluster
from ansible_collections.baremetal.bigdata.plugins.module_utils.app.render.objects import render
from test_symphony_standin import ENTITLEMENT, Machine, free_ports, wait_for

ROOT = Path(__file__).parents[2]
ROLE = ROOT / "roles/symphony"
FIXTURES = ROOT / "tests/fixtures/app"
DEFINITION = read(str(ROLE / "files/app.yml"))[0].data
SCRIPT = (ROLE / "files/symphony.sh").read_text()


def test_the_cluster_renders_as_recorded():
    settings = yaml.safe_load((FIXTURES / "symphony-settings.yml").read_text())
    found = render(load_cluster(settings, load_app(DEFINITION)))
    for item in found:
        if "symphony.sh" in item.get("data", {}):
            assert item["data"]["symphony.sh"] == SCRIPT  # as it is: no placeholder in it
            item["data"]["symphony.sh"] = "(the script)"
    if os.environ.get("BB_RECORD"):
        head = "---\n# SPDX-License-Identifier: GPL-3.0-or-later\n"
        text = yaml.safe_dump_all(found, sort_keys=False, width=120)
        (FIXTURES / "symphony.yml").write_text(head + text)
    assert found == list(yaml.safe_load_all((FIXTURES / "symphony.yml").read_text()))


def test_entries_of_ego_conf_arrive_as_they_are(tmp_path):
    settings = yaml.safe_load((FIXTURES / "symphony-settings.yml").read_text())
    settings["spec"]["roles"]["master"]["config"]["site.conf"] = {"EGO_A": "C:\\Grid\\é", "EGO_B": 5}
    found = render(load_cluster(settings, load_app(DEFINITION)))
    (tmp_path / "site.conf").write_text(next(i["data"]["site.conf"] for i in found if "site.conf" in i.get("data", {})))
    (tmp_path / "ego.conf").write_text("EGO_A=old\nEGO_KEPT=1\n")
    (tmp_path / "state").mkdir()
    function = SCRIPT[SCRIPT.index("site() {") : SCRIPT.index("\npause() {")]
    env = dict.fromkeys(("SYMPHONY_CONFIG", "EGO_CONFDIR"), str(tmp_path)) | {"SYMPHONY_STATE": str(tmp_path / "state")}
    subprocess.run(["sh", "-c", f"{function}\nsite"], env=os.environ | env, check=True)
    written = (tmp_path / "ego.conf").read_text().splitlines()
    assert {"EGO_A=C:\\Grid\\é", "EGO_B=5", "EGO_KEPT=1", "EGO_DISABLE_ROOT_REX=Y"} <= set(written)
    assert "EGO_A=old" not in written


class Member(Machine):
    """A host of the stand-in that is started by the role's script."""

    def __init__(self, folder: Path, name: str, address: str, ports: list[int], members: Path):
        super().__init__(folder, name, address, ports)
        self.config = self.top / "etc"
        self.config.mkdir()
        (self.config / "symphony.sh").write_text(SCRIPT)
        (self.config / "site.conf").write_text("EGO_GET_CONF=LIM\nEGO_DYNAMIC_HOST_TIMEOUT=10m\n")
        program = self.top / "bin/hostname"
        program.write_text(f"#!/bin/sh\necho {name}\n")
        program.chmod(0o755)
        (self.top / "kernel/conf/hosts").unlink()
        self.script = f"sh {self.config}/symphony.sh"
        self.env |= {
            "CLUSTERADMIN": pwd.getpwuid(os.getuid()).pw_name,
            "SYMPHONY_CONFIG": str(self.config),
            "SYMPHONY_MEMBERS": str(members),
            "SYMPHONY_STATE": str(self.top / "state"),
            "SYMPHONY_CHECK_SECONDS": "0.5",
            "SYMPHONY_FORGET_SECONDS": "2",
            "POD_IP": address,
            "EGO_KD_PORT": str(ports[1]),
            "MASTER_HOST": "symphony-master",
            "MASTER_FQDN": "symphony-master.invalid",
            "TOKEN_WEBGUI": "0123456789abcdef0123456789abcdef",
        }
        self.process: subprocess.Popen | None = None

    def begin(self, role: str, **environment: str) -> None:
        """Start it, as a container does."""
        log = (self.top / "log").open("a")
        argv = ["sh", f"{self.config}/symphony.sh", role]
        self.process = subprocess.Popen(argv, env=self.env | environment, stdout=log, stderr=log)

    def said(self) -> str:
        return (self.top / "log").read_text()

    def die(self) -> None:
        """All of it at once, as when its machine loses power."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None
        self.run('[ ! -f "$EGO_TOP/kernel/work/lim.pid" ] || kill -9 $(cat "$EGO_TOP/kernel/work/lim.pid")')

    def move(self, address: str) -> None:
        self.address = address
        self.env |= {"EGO_STANDIN_BIND": address, "POD_IP": address}


class Site:
    """Hosts, and the directory where role_discovery publishes addresses."""

    def __init__(self, folder: Path):
        self.folder, self.ports, self.made = folder, free_ports(4), []
        self.members = folder / "members"
        self.members.mkdir()

    def make(self, name: str, address: str) -> Member:
        self.made.append(Member(self.folder, name, address, self.ports, self.members))
        return self.made[-1]

    def end(self) -> None:
        for one in self.made:
            one.die()


@pytest.fixture
def make(tmp_path):
    site = Site(tmp_path)
    yield site.make
    site.end()


@pytest.fixture(scope="module")
def joined(tmp_path_factory):
    """A master and two compute hosts; the master's address is published."""
    site = Site(tmp_path_factory.mktemp("site"))
    master = site.make("symphony-master", "127.66.1.1")
    (master.config / "entitlement.dat").write_text(ENTITLEMENT)
    (site.members / "hosts").write_text("127.66.1.1 symphony-master symphony-master.invalid\n")
    computes = [site.make("compute-a", "127.66.1.2"), site.make("compute-b", "127.66.1.3")]
    master.begin("master")
    wait_for(lambda: master.run(f"{master.script} alive").returncode == 0, "the master", 60)
    for compute in computes:
        compute.begin("compute", MASTER_FQDN="localhost")
    yield master, computes, site.members
    site.end()


@pytest.fixture
def cluster(joined):
    """The cluster with both hosts in it. Each test but the last leaves them so."""
    master = joined[0]
    wait_for(lambda: master.run(f"{master.script} count").stdout == "2\n", "two compute hosts", 60)
    return joined


def test_the_master_answers_what_the_deployment_asks(cluster):
    master, computes, _members = cluster
    assert master.ok(f"{master.script} alive") == "1\n"
    assert master.ok(f"{master.script} live") == "master\n"
    assert computes[0].run(f"{computes[0].script} live").stdout == ""
    assert "Completed: 8 of 8 tasks on 2 hosts" in master.ok(f"{master.script} ping 8 10")
    conf = master.conf.read_text()
    assert conf.count("EGO_DYNAMIC_HOST_TIMEOUT=10m\n") == conf.count("EGO_MASTER_LIST=") == 1
    assert (computes[0].top / "kernel/conf/hosts").read_text().startswith("127.66.1.1 symphony-master ")


def test_a_host_whose_daemon_died_joins_again(cluster):
    master, computes, _members = cluster
    computes[0].kill()
    wait_for(lambda: master.ok(f"{master.script} count") == "1\n", "one host less")
    wait_for(lambda: master.ok(f"{master.script} count") == "2\n", "the host, started anew", 30)
    assert "the master does not count this host" in computes[0].said()


def test_compute_hosts_follow_a_master_that_comes_back_elsewhere(cluster):
    master, computes, members = cluster
    master.die()
    wait_for(lambda: master.run(f"{master.script} count").returncode == 1, "nobody to answer")
    # Nobody publishes the new address: it is found by DNS (localhost), the old one does not answer.
    master.move("127.0.0.1")
    master.begin("master")
    wait_for(lambda: master.run(f"{master.script} count").stdout == "2\n", "both hosts at the new address", 60)
    assert "joining: master symphony-master is at 127.0.0.1" in computes[0].said()
    # And again, to where only the published file leads.
    master.die()
    master.move("127.66.1.9")
    (members / "hosts").write_text("127.66.1.9 symphony-master symphony-master.invalid\n")
    master.begin("master")
    wait_for(lambda: master.run(f"{master.script} count").stdout == "2\n", "both hosts where it was published", 60)
    assert "joining: master symphony-master is at 127.66.1.9" in computes[1].said()


def test_a_host_leaves_without_work_and_is_forgotten(cluster):
    master, (leaving, staying), _members = cluster
    assert master.run(f"{master.script} idle compute-a").stdout == "compute-a is not closed\n"
    for _repeated in range(2):
        master.ok(f"{master.script} close compute-a")
        assert master.ok(f"{master.script} idle compute-a") == "0 activities on compute-a\n"
    assert master.ok(f"{master.script} count") == "1\n"
    assert "4 of 4 tasks on 1 hosts" in master.ok(f"{master.script} ping 4 1")
    leaving.process.send_signal(signal.SIGTERM)
    assert leaving.process.wait(20) == 0
    wait_for(lambda: "compute-a" not in master.states(), "the host to go from the list")
    master.ok(f"{master.script} close compute-a && {master.script} idle compute-a")
    staying.die()
    wait_for(lambda: master.states() == {"symphony-master": "ok"}, "a host that died to be forgotten")
    wait_for(lambda: "removed compute-b, which is gone" in master.said(), "the master to say so")


@pytest.mark.parametrize(
    ("environment", "text", "message"),
    [
        ({}, None, "expected an entitlement, found none in"),
        ({}, "ego_base 4.0 01/02/2020 " + "0" * 40, "expired on 01/02/2020"),
        ({"ADMIN_PASSWORD": "short"}, ENTITLEMENT, "expected the administrator's password with 8 to 15 characters"),
        ({"EGO_TOP": "/nowhere"}, ENTITLEMENT, "expected Symphony in /nowhere, found no profile.platform there"),
    ],
)
def test_a_master_that_cannot_start_says_why(make, environment, text, message):
    master = make("symphony-master", "127.66.1.1")
    if text:
        (master.config / "entitlement.dat").write_text(text)
    refused = master.run(f"{master.script} master", **environment)
    assert refused.returncode == 1
    assert message in refused.stderr


def test_a_compute_host_without_a_master_says_so_once_and_waits(make):
    compute = make("compute-a", "127.66.1.2")
    compute.begin("compute")
    wait_for(lambda: "no answer from master symphony-master" in compute.said(), "its complaint")
    with pytest.raises(subprocess.TimeoutExpired):
        compute.process.wait(2)
    assert compute.said().count("no answer") == 1


@pytest.mark.parametrize("words", ["", "bogus", "close", "idle"])
def test_the_script_refuses_what_it_does_not_know(make, words):
    host = make("compute-a", "127.66.1.2")
    refused = host.run(f"{host.script} {words}")
    assert refused.returncode == 1
    assert "expected" in refused.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["", ""], "expected the name of the installer, found none"),
        (["absent.bin", ""], "expected the installer absent.bin beside the Containerfile, found no such file"),
        (["setup.exe", ""], "expected an installer that ends in .bin or .rpm, found setup.exe"),
        (["sym.bin", "absent.dat"], "expected the entitlement file absent.dat beside the Containerfile"),
        (["sym.bin", "other.dat"], "expected a line ego_base in other.dat, found none"),
        (["sym.bin", "good.dat"], ""),
        (["sym.rpm", ""], ""),
    ],
)
def test_the_image_says_what_is_missing(tmp_path, arguments, message):
    for name in ("sym.bin", "sym.rpm", "setup.exe", "other.dat"):
        (tmp_path / name).write_text("something")
    (tmp_path / "good.dat").write_text(ENTITLEMENT)
    argv = ["sh", str(ROOT / "images/symphony/check.sh"), str(tmp_path), *arguments]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert message in " ".join(done.stderr.split())
    assert done.returncode == bool(message)
