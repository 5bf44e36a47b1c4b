# SPDX-License-Identifier: GPL-3.0-or-later
"""The stand-in for Symphony, as it runs: its commands and daemons on addresses of the loopback network."""

from __future__ import annotations

import datetime
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "symphony_standin"
sys.path.insert(0, str(SOURCE))
import ego

KEY = "0123456789" * 4
ENTITLEMENT = f"ego_base   4.0   ()   ()   ()   ()   {KEY}\nsym_advanced_edition   7.3.2   31/12/2099   ()   {KEY}\n"
PASSWORD = "Secret-12345"


class Machine:
    """A host with an installation of its own, at an address of its own."""

    def __init__(self, folder: Path, name: str, address: str, ports: list[int]):
        self.name, self.address, self.ports, self.top = name, address, ports, folder / name
        shutil.copytree(SOURCE, self.top, ignore=shutil.ignore_patterns("__pycache__"))
        (self.top / "lib").mkdir()
        (self.top / "ego.py").rename(self.top / "lib/ego.py")
        self.conf = self.top / "kernel/conf/ego.conf"
        names = ("EGO_LIM_PORT", "EGO_KD_PORT", "EGO_PEM_PORT", "WEBGUI_PORT")
        self.conf.write_text("".join(f'{name}="{port}"\n' for name, port in zip(names, ports)))
        self.env = {
            "PATH": f"{self.top}/bin:{os.environ['PATH']}",
            "EGO_TOP": str(self.top),
            "EGO_STANDIN_HOSTNAME": name,
            "EGO_STANDIN_BIND": address,
            "EGO_STANDIN_HEARTBEAT": "0.2",
            "CLUSTERNAME": "grid",
        }
        self.knows()

    def run(self, command: str, **environment: str) -> subprocess.CompletedProcess:
        return subprocess.run(
            ["sh", "-c", command], env=self.env | environment, capture_output=True, text=True, timeout=60, check=False
        )

    def ok(self, command: str, **environment: str) -> str:
        done = self.run(command, **environment)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def daemon(self) -> int:
        return int((self.top / "kernel/work/lim.pid").read_text())

    def kill(self) -> None:
        os.kill(self.daemon(), signal.SIGKILL)

    def knows(self, *others: Machine) -> None:
        lines = "".join(f"{other.address} {other.name}\n" for other in (self, *others))
        (self.top / "kernel/conf/hosts").write_text(lines)

    def states(self) -> dict[str, str]:
        rows = [line.split('","') for line in self.ok("egosh resource list -ll").splitlines()[1:]]
        return {row[0].strip('"'): row[1] for row in rows}


def free_ports(count: int) -> list[int]:
    """Ports that no address of this machine listens on."""
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def wait_for(condition, what: str, timeout: float = 60) -> None:
    end = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < end, f"waited {timeout} s for {what}"
        time.sleep(0.05)


@pytest.fixture(scope="module")
def machines(tmp_path_factory):
    """Makes hosts by number; their daemons end with the last test."""
    folder, ports, made = tmp_path_factory.mktemp("hosts"), free_ports(4), []

    def make(name: str, number: int) -> Machine:
        made.append(Machine(folder, name, f"127.66.0.{number}", ports))
        return made[-1]

    yield make
    for machine in made:
        machine.run("egosh ego shutdown -f")


@pytest.fixture(scope="module")
def joined(machines, tmp_path_factory):
    """A master that is entitled, and two compute hosts that have joined it."""
    master = machines("boss", 1)
    computes = [machines(f"work{number}", number + 1) for number in (1, 2)]
    entitlement = tmp_path_factory.mktemp("site") / "entitlement"
    entitlement.write_text(ENTITLEMENT)
    setup = f"egoconfig join boss -f && egoconfig setpassword -x {PASSWORD} -f"
    master.ok(f"{setup} && egoconfig setentitlement {entitlement} && egosh ego start")
    wait_for(lambda: master.run("egosh ego info").returncode == 0, "the master")
    for compute in computes:
        compute.knows(master)
        compute.ok("egoconfig join boss -f && egosh ego start")
    return master, computes


@pytest.fixture
def cluster(joined):
    """The cluster with both hosts in it. Each test leaves them so."""
    wait_for(lambda: joined[0].states() == {"boss": "ok", "work1": "ok", "work2": "ok"}, "two hosts")
    return joined


def logon(master: Machine) -> None:
    assert "Logged on successfully" in master.ok(f"egosh user logon -u Admin -x {PASSWORD}")


def test_every_host_lists_every_host(cluster):
    _master, computes = cluster
    listing = computes[0].ok("egosh resource list -l").splitlines()
    assert [line.split()[:2] for line in listing] == [
        ["NAME", "status"],
        ["boss", "ok"],
        ["work1", "ok"],
        ["work2", "ok"],
    ]
    assert "EGO primary host name    : boss" in computes[1].ok("egosh ego info")
    assert computes[1].ok("egosh resource list -m").split()[-12] == "boss"


def test_without_a_master_nobody_answers(machines):
    alone = machines("alone", 9)
    assert "has not joined a cluster" in alone.run("egosh ego info").stderr
    alone.ok("egoconfig join alone")
    assert "Cannot contact the master host" in alone.run("egosh ego info").stderr


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (ENTITLEMENT, ""),
        ("# a comment\n\n" + ENTITLEMENT, ""),
        ("", "expected a line ego_base"),
        (f"ego_base 4.0 () {KEY}", "expected a line sym_..._edition"),
        ("ego_base 4.0 () nothing", "line 1: expected product, version, expiry date and a key"),
        (f"ego_base 4.0 01/02/2020 {KEY}", "expired on 01/02/2020"),
        (f"ego_base 4.0 2020-02-01 {KEY}", "expected () or a date"),
    ],
)
def test_entitlements(text, problem):
    found = ego.entitlement_problem(text, datetime.date(2026, 1, 1))
    assert problem in found
    assert bool(found) == bool(problem)


def test_a_master_without_entitlement_runs_no_work(machines, tmp_path):
    master, compute = machines("poor", 11), machines("poorer", 12)
    compute.knows(master)
    (tmp_path / "old").write_text(f"ego_base 4.0 01/02/2020 {KEY}\n")
    refused = master.run(f"egoconfig join poor && egoconfig setentitlement {tmp_path}/old")
    assert refused.returncode == 1
    assert "expired on 01/02/2020" in refused.stderr
    master.ok("egosh ego start")
    wait_for(lambda: master.run("egosh ego info").returncode == 0, "the master")
    compute.ok("egoconfig join poor && egosh ego start")
    wait_for(lambda: "poorer" in master.states(), "the host")
    assert master.states() == {"poor": "closed", "poorer": "closed"}
    assert master.ok("egosh entitlement info").strip() == "Not entitled"
    assert "not entitled to run work" in master.run("symping -m 1 -u Admin -x Admin").stderr


def test_tasks_run_on_every_compute_host_and_on_no_other(cluster):
    master, computes = cluster
    said = computes[0].ok(f"symping -m 12 -r 20 -u Admin -x {PASSWORD}")
    assert said.startswith("Completed: 12 of 12 tasks on 2 hosts\n  work1: ")
    assert "boss" not in said
    assert "user name or password is wrong" in master.run("symping -m 1 -u Admin -x Admin").stderr


def test_a_task_whose_host_dies_runs_elsewhere(cluster):
    master, computes = cluster
    job = subprocess.Popen(
        ["sh", "-c", f"exec symping -m 6 -r 400 -u Admin -x {PASSWORD}"],
        env=master.env,
        stdout=subprocess.PIPE,
        text=True,
    )
    wait_for(lambda: '"work1"' in master.ok("egosh activity list -ll"), "work on the host")
    computes[0].kill()
    said, _ = job.communicate(timeout=30)
    assert "Completed: 6 of 6 tasks" in said
    assert master.states()["work1"] == "unavail"
    computes[0].ok("egosh ego start")


def test_a_host_that_falls_silent_is_unavailable_and_expires(cluster):
    master, computes = cluster
    computes[0].kill()
    wait_for(lambda: master.states().get("work1") == "unavail", "missed heartbeats")
    assert master.states()["work2"] == "ok"
    computes[0].ok("egosh ego start")
    wait_for(lambda: master.states()["work1"] == "ok", "the host, started anew")


def test_an_expired_host_is_not_listed():
    now = [0.0]
    master = ego.Master("boss", "grid", 1, 60, True, clock=lambda: now[0])
    master.register({"host": "work1", "instance": "a", "cluster": "grid"}, "127.0.0.1")
    for seconds, states in ((3, ["ok", "ok"]), (4, ["ok", "unavail"]), (60, ["ok", "unavail"]), (61, ["ok"])):
        now[0] = seconds
        assert [row["status"] for row in master.listing()] == states, seconds


def test_a_host_that_is_shut_down_says_so(cluster):
    master, computes = cluster
    assert "Shut down LIM on <work2>" in computes[1].ok("egosh ego shutdown -f")
    assert master.states()["work2"] == "unavail"
    computes[1].ok("egosh ego start")


def test_a_closed_host_gets_no_work_and_can_be_removed(cluster):
    master, computes = cluster
    master.ok("egosh user logoff")
    assert "not logged on as cluster administrator" in master.run("egosh resource close work1").stderr
    logon(master)
    assert "Close it first" in master.run("egosh resource remove work1").stderr
    master.ok("egosh resource close -reclaim work1")
    assert master.states()["work1"] == "closed"
    said = master.ok(f"symping -m 4 -u Admin -x {PASSWORD}")
    assert "4 of 4 tasks on 1 hosts" in said
    assert "work1" not in said
    master.ok("egosh resource open work1")
    assert master.states()["work1"] == "ok"
    master.ok("egosh resource close work1 && egosh resource remove work1")
    time.sleep(1)  # several heartbeats of a host that was removed
    assert "work1" not in master.states()
    assert "no such resource" in master.run("egosh resource open work1").stderr
    computes[0].ok("egosh ego restart")


def test_reclaimed_work_runs_elsewhere_and_closed_hosts_finish_theirs():
    master = ego.Master("boss", "grid", 1, None, True)
    for name in ("work1", "work2"):
        master.register({"host": name, "instance": name, "cluster": "grid"}, "127.0.0.1")
    first, second = master.acquire("a task", 0), master.acquire("another", 0)
    assert {row[1] for row in master.activities()} == {"work1", "work2"}
    with pytest.raises(ego.Failed, match="no compute host is free"):
        master.acquire("a third", 0)
    master.close("work1", reclaim=True)
    master.close("work2", reclaim=False)
    assert master.activities() == [(second[1], "work2", "another")]
    assert not master.release(*first)
    assert master.release(*second)
    master.open("work2")
    assert master.acquire("the first again", 0)[0].name == "work2"


def test_the_page_is_served_over_tls(cluster):
    master, _computes = cluster
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context))
    with socket.create_connection((master.address, master.ports[3])):  # one who says nothing blocks nobody
        page = opener.open(f"https://{master.address}:{master.ports[3]}/platform", timeout=10).read().decode()
    assert "Stand-in for Symphony" in page
    assert "<td>work2</td><td>ok</td>" in page


def test_a_host_of_another_cluster_is_refused(cluster, machines):
    master, _computes = cluster
    stranger = machines("stranger", 7)
    stranger.knows(master)
    stranger.ok("egoconfig join boss && egosh ego start", CLUSTERNAME="other")
    log = stranger.top / "kernel/log/lim.log.stranger"
    wait_for(lambda: "this is cluster grid, not other" in log.read_text(), "the refusal")
    assert "stranger" not in master.states()


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give a file away")
def test_egoconfig_serves_the_cluster_administrator_only(machines):
    host = machines("host", 6)
    os.chown(host.conf, 12345, -1)
    assert "only the cluster administrator" in host.run("egoconfig join host").stderr


def test_a_shared_directory_keeps_the_configuration(machines, tmp_path):
    first, second = machines("first", 21), machines("second", 22)
    profile = '. "$EGO_TOP/profile.platform" && '
    first.ok(f"{profile} egoconfig setpassword -x {PASSWORD} && egoconfig mghost {tmp_path}/shared -f")
    second.ok(f"{profile} egoconfig mghost {tmp_path}/shared -f")
    assert second.ok(f'{profile} cat "$EGO_CONFDIR/ego.password"') == PASSWORD


@pytest.mark.parametrize("password", ["short", "sixteen-letters!"])
def test_passwords_have_eight_to_fifteen_characters(machines, password):
    assert "8 to 15" in machines(password, 5).run(f"egoconfig setpassword -x {password}").stderr


def test_hosts_do_not_follow_a_master_that_moves_until_they_join_again(cluster):
    """As the real one: the address is looked up at the start. What deploys it has to do the rest."""
    master, (compute, other) = cluster
    other.ok("egosh ego shutdown")
    master.kill()
    master.env["EGO_STANDIN_BIND"] = master.address = "127.66.0.8"
    master.knows()
    master.ok("egosh ego start")
    wait_for(lambda: master.run("egosh ego info").returncode == 0, "the master elsewhere")
    time.sleep(1)
    assert master.states() == {"boss": "ok"}
    compute.knows(master)
    assert "Run egosh ego shutdown first" in compute.run("egoconfig join boss -f").stderr
    compute.ok("egosh ego shutdown && egoconfig join boss -f && egosh ego start")
    wait_for(lambda: master.states() == {"boss": "ok", "work1": "ok"}, "the host that joined again")
