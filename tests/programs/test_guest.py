# SPDX-License-Identifier: GPL-3.0-or-later
"""Guest-configured members: what they are told, who is told what, and the agent, run for real."""

from __future__ import annotations

import functools
import json
import os
import shutil
import subprocess
import sys
import tarfile
import threading
import time
from dataclasses import replace
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.baremetal.bigdata.plugins.module_utils.app.contract import GuestContract, GuestFile
from ansible_collections.baremetal.bigdata.plugins.module_utils.app.model.load import load_app, load_cluster
from ansible_collections.baremetal.bigdata.plugins.module_utils.app.model.reader import AppError
from ansible_collections.baremetal.bigdata.plugins.module_utils.app.render.guest import guest_contract
from ansible_collections.baremetal.bigdata.plugins.module_utils.app.run import guest
from guest_member import rooted
from hypothesis import given
from hypothesis import strategies as st

ROOT = Path(__file__).resolve().parents[2]
FIXTURES = ROOT / "tests/fixtures/guest"


def definition(**role: Any) -> dict[str, Any]:
    package = {"package": "file:///opt/configscripts/appconfig.tgz"}
    return {
        "kind": "App",
        "metadata": {"name": "store", "version": "2.1"},
        "spec": {
            "config_meta": {"flavour": "plain"},
            "guest": {"distro": "example/store", "schema_version": 7},
            "services": [
                {"id": "ui", "port": 8080, "scheme": "http", "path": "/", "dashboard": True, "token": True},
                {"id": "data", "port": 7000},
            ],
            "roles": [
                {
                    "id": "head",
                    "cardinality": "1",
                    "image": "example/store:2.1",
                    "services": ["ui"],
                    "guest": {
                        **package,
                        "role": "HeadNode",
                        "services": [
                            {"id": "UI", "service": "ui", "name": "Web page", "exported_service": "web"},
                            {"id": "warden", "name": "Warden"},
                        ],
                    },
                    "config_meta": {"heap": "512"},
                    **role,
                },
                {
                    "id": "worker",
                    "cardinality": "0+",
                    "image": "example/store:2.1",
                    "services": ["data"],
                    "guest": {**package, "events": ["configure", "addnodes"]},
                    "resources": {"memory_limit": "1500Mi", "cpu_limit": "1500m"},
                    "storage": [{"id": "disk", "path": "/dev/disk0", "block": True}],
                },
                {"id": "gate", "cardinality": "0+", "controller": "Deployment", "image": "example/gate:1"},
            ],
        },
    }


def settings(workers: int = 2, **spec: Any) -> dict[str, Any]:
    roles = {"worker": {"members": workers, "secret_keys": {"join": "s3cret-join"}}, "gate": {"members": 1}}
    return {
        "kind": "AppCluster",
        "metadata": {"name": "shop", "namespace": "retail"},
        "spec": {"roles": roles, **spec},
    }


def contract(workers: int = 2, **spec: Any) -> GuestContract:
    found = guest_contract(load_cluster(settings(workers, **spec), load_app(definition())))
    assert found is not None
    return found


# --- what members are told ------------------------------------------------------------------------------


def test_the_configmeta_of_a_member_is_as_start_scripts_expect_it():
    found = guest.config_meta(contract(), "shop-worker-1", None, {"ui": "t0ken"})
    assert found == yaml.safe_load((FIXTURES / "configmeta.yml").read_text())


def test_what_is_no_contract_is_refused_by_its_place_and_never_shown():
    found = contract().to_dict()
    found["roles"][1]["members"] = "2"
    arguments = {"guest": found, "kubeconfig": "/nowhere"}
    done = subprocess.run(
        [sys.executable, "-m", "ansible_collections.baremetal.bigdata.plugins.modules.app_guest"],
        input=json.dumps({"ANSIBLE_MODULE_ARGS": arguments}),
        env={**os.environ, "PYTHONPATH": str(ROOT / ".collections")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1, done.stderr
    assert json.loads(done.stdout)["msg"] == (
        "cluster shop: roles[1]: members: expected a whole number, found a text. "
        "Render the definition with this release of the collection."
    )
    assert "s3cret-join" not in done.stdout + done.stderr


def test_no_contract_where_there_is_nothing_to_do_and_a_small_one_for_tokens():
    document = definition()
    for role in document["spec"]["roles"]:
        role.pop("guest", None)
    app = settings()
    app["spec"]["roles"] = {}
    tokens = guest_contract(load_cluster(app, load_app(document)))
    assert (tokens.tokens, tokens.roles) == (("ui",), ())
    document["spec"]["services"][0]["token"] = False
    assert guest_contract(load_cluster(app, load_app(document))) is None


def test_members_without_names_cannot_be_configured():
    document = definition(controller="Deployment")
    with pytest.raises(AppError, match=r"spec.roles\[0\].guest: expected controller: StatefulSet .* found Deployment"):
        guest_contract(load_cluster(settings(), load_app(document)))


def test_a_role_without_members_is_not_there():
    found = guest.config_meta(contract(0), "shop-head-0")
    assert sorted(found["nodegroups"]["1"]["roles"]) == ["HeadNode", "gate"]
    assert "data" not in found["services"]


def test_the_member_of_a_fixed_host_name_is_found_by_it():
    document = definition(hostname="boss")
    found = guest_contract(load_cluster(settings(), load_app(document)))
    meta = guest.config_meta(found, "shop-head-0")
    assert meta["node"]["fqdn"] == "boss.shop-head.retail.svc.cluster.local"
    assert guest.told_by_meta(found, meta)["HeadNode"] == ["shop-head-0"]


@given(st.lists(st.integers(0, 12), min_size=1, max_size=8))
def test_numbers_are_small_unique_and_never_given_twice(history):
    ids: dict[str, int] = {}
    for workers in history:
        before = dict(ids)
        ids = guest.assign_ids(ids, guest.membership(contract(workers)))
        assert before.items() <= ids.items()
        assert sorted(ids.values()) == list(range(1, len(ids) + 1))


def test_the_secrets_hold_what_the_agent_puts_together():
    members = guest.membership(contract())
    ids = guest.assign_ids({}, members)
    tokens, own = guest.guest_objects(contract(), None, {"ui": "t0ken"}, members, ids)
    assert guest.secret_content(tokens) == {"ui": "t0ken"}
    content = guest.secret_content(own)
    assert sorted(content) == [
        "cluster.json", "head.role", "ids.json", "shop-head-0.json", "shop-worker-0.json", "shop-worker-1.json",
        "worker.role",
    ]  # fmt: skip
    together = json.loads(content["cluster.json"].rstrip("}") + "}" * 0 + "}" * _closing(content["cluster.json"]))
    assert together == guest.shared_meta(contract(), None, {"ui": "t0ken"}, members, ids)
    assert own["metadata"]["labels"]["app.kubernetes.io/instance"] == "shop"


def test_the_secrets_are_the_same_byte_for_byte():
    """As the agent reads them, which is a shell: one line each, the parts in their order."""
    found = contract()
    members = guest.membership(found)
    objects = guest.guest_objects(found, None, {"ui": "t0ken"}, members, guest.assign_ids({}, members))
    known = yaml.safe_load((FIXTURES / "secrets.yml").read_text())
    assert {item["metadata"]["name"]: guest.secret_content(item) for item in objects} == known


def _closing(text: str) -> int:
    return len(text) - len(text.rstrip("}"))


def test_the_secret_grows_with_the_cluster_not_with_its_square():
    def size(workers: int) -> int:
        members = guest.membership(contract(workers))
        found = guest.guest_objects(contract(workers), None, {"ui": "x"}, members, guest.assign_ids({}, members))
        return sum(len(value) for value in found[-1]["data"].values())

    assert size(400) < 4.5 * size(100)
    # Kubernetes refuses more than 1 MiB.
    assert size(1000) < 2**20


def test_a_connected_cluster_is_read_as_itself():
    shared = guest.config_meta(contract(), "shop-head-0")
    found = guest.connected_cluster(shared, "shop")
    reference = found["services"]["data"]["1"]["worker"]["bdvlibrefkey"]
    assert reference == ["connections", "clusters", "shop", "nodegroups", "1", "roles", "worker", "services", "data"]
    assert found["node"] is None


def test_connected_objects_are_told_as_kubedirector_does():
    metadata = {"name": "ldap", "labels": {"a": "b"}, "annotations": {"c": "d"}}
    plain = guest.connected_object({"kind": "ConfigMap", "metadata": metadata, "data": {"k": "v"}})
    assert plain == {"metadata": {"name": "ldap"}, "data": {"k": "v"}, "labels": {"a": "b"}, "annotations": {"c": "d"}}
    secret = guest.connected_object({"kind": "Secret", "metadata": metadata, "data": {"k": "dg=="}})
    assert secret == {
        "metadata": {"name": "bGRhcA=="}, "data": {"k": "dg=="}, "labels": {"a": "Yg=="}, "annotations": {"c": "ZA=="},
    }  # fmt: skip


@pytest.mark.parametrize(("text", "value"), [("", 0), ("2", 2), ("500m", 0.5), ("1Gi", 2**30), ("1.5Gi", 1.5 * 2**30)])
def test_quantities_are_numbers(text, value):
    assert guest.amount(text) == value


def test_nothing_secret_is_left_in_a_text():
    assert guest.password_of("https://me:hunter2@host/a.tgz") == "hunter2"
    assert guest.password_of("https://host/a@b.tgz") == ""
    assert guest.hidden("a hunter22 b hunter2 c", ["hunter2", "hunter22", ""]) == "a (hidden) b (hidden) c"


# --- who is told what -----------------------------------------------------------------------------------

NAMES = st.sets(st.integers(0, 6)).map(lambda numbers: [f"shop-worker-{number}" for number in sorted(numbers)])
EVENTS = st.sets(st.sampled_from(["configure", "addnodes", "delnodes", "reconnect"])).map(sorted)


@given(
    known=st.lists(NAMES, min_size=7, max_size=7),
    wanted=NAMES,
    events=st.lists(EVENTS, min_size=7, max_size=7),
    connections=st.sampled_from(["one", "two"]),
    configured=st.one_of(st.none(), NAMES),
)
def test_everyone_is_told_what_it_asked_for_once(known, wanted, events, connections, configured):
    told = {name: guest.Told("c", "m", "one", {"worker": known[number]}) for number, name in enumerate(wanted)}
    goal = guest.Goal(
        members={"worker": wanted},
        connections=connections,
        listeners={name: events[number] for number, name in enumerate(wanted)},
        configured=configured,
    )
    may = set(wanted) if configured is None else set(configured)
    calls = guest.notifications(told, goal)
    for number, name in enumerate(wanted):
        mine = {call.action: set(call.members) for call in calls if call.pod == name}
        gone, new = set(known[number]) - set(wanted), (set(wanted) - set(known[number])) & may - {name}
        assert mine.get("delnodes", set()) == (gone if "delnodes" in events[number] else set())
        assert mine.get("addnodes", set()) == (new if "addnodes" in events[number] else set())
        assert ("reconnect" in mine) == (connections == "two" and "reconnect" in events[number])
    # After the calls, and after what nobody asked to hear is taken as known, there is nothing left to say.
    for call in calls:
        told[call.pod] = guest.after(told[call.pod], call, connections)
    partly = guest.notifications(told, goal)
    assert partly == []
    done = {name: guest.settled(item, goal) for name, item in told.items()}
    assert guest.notifications(done, goal) == []
    assert all(guest.settled(item, goal) == item for item in done.values())


def test_a_call_has_kubedirectors_arguments():
    call = guest.Notification("a", "addnodes", "worker", ("w-1", "w-2"))
    hosts = {"w-1": "w-1.w.ns.svc", "w-2": "w-2.w.ns.svc"}
    assert call.arguments(hosts) == [
        "--addnodes", "--nodegroup", "1", "--role", "worker", "--fqdns", "w-1.w.ns.svc,w-2.w.ns.svc",
    ]  # fmt: skip
    assert guest.Notification("a", "reconnect").arguments({}) == ["--reconnect"]


# --- the agent, run for real ----------------------------------------------------------------------------

START_SCRIPT = """#!/bin/sh
# Writes down how it was called, and does as the test says.
here=${0%/*}
echo "$*" >>"$here/../calls"
echo "to standard output"
echo "to standard error" >&2
[ ! -e "$here/../../../fail" ]
"""
TOOLS = ("sh", "cat", "chmod", "chown", "cp", "mkdir", "mv", "rm", "uname", "id", "tail", "ls", "tr", "gzip", "sleep")


class Member:
    """A member's file system, and its agent."""

    def __init__(self, root: Path, tools: Path | None = None):
        self.root, self.tools, self.boot = root, tools, os.getpid()
        self.given = root / "run/baremetal-bigdata/guest"
        self.agent = root / "run/baremetal-bigdata/agent"
        self.guest = root / "opt/guestconfig"
        for path in (self.given, self.agent, root / "opt/configscripts"):
            path.mkdir(parents=True)
        (self.agent / "configure").write_text(rooted("configure", root))
        (self.agent / "configcli").write_text(rooted("configcli", root))
        self.give()
        self.pack()

    def give(self, **changes: Any) -> None:
        """What the cluster's Secret has."""
        found = contract()
        found = replace(found, roles=(replace(found.roles[0], **changes), *found.roles[1:]))
        members = guest.membership(found)
        ids = guest.assign_ids({}, members)
        for name, text in guest.secret_content(
            guest.guest_objects(found, None, {"ui": "t0ken"}, members, ids)[-1]
        ).items():
            (self.given / name).write_text(text)
        self.meta = guest.config_meta(found, "shop-head-0", None, {"ui": "t0ken"})

    def pack(self, name: str = "appconfig.tgz", script: str = START_SCRIPT, inside: str = "appconfig") -> Path:
        package = self.root / "opt/configscripts" / name
        source = self.root / "source" / inside
        shutil.rmtree(self.root / "source", ignore_errors=True)
        source.mkdir(parents=True)
        (source / "startscript").write_text(script)
        (source / "startscript").chmod(0o644)
        with tarfile.open(package, "w:gz") as archive:
            archive.add(self.root / "source", ".") if not inside else archive.add(source, inside)
        return package

    def call(self, *words: str, line: str = "", shell: str = "sh") -> subprocess.CompletedProcess[str]:
        environment = {"PATH": str(self.tools or os.environ["PATH"]), "GUEST_FIRST_PROCESS": str(self.boot)}
        return subprocess.run(
            [shutil.which(shell), str(self.agent / "configure"), *words],
            input=line, env=environment, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip

    def start(self, shell: str = "sh") -> str:
        """As the kubelet does, and how it ended."""
        found = self.call("start", "head", "shop-head-0", shell=shell)
        assert found.returncode == 0, found.stderr
        end = time.monotonic() + 30
        while time.monotonic() < end:
            state = self.call("status").stdout.strip()
            if state != "running":
                return state
        raise AssertionError("still running")

    def calls(self) -> list[str]:
        path = self.guest / "calls"
        return path.read_text().splitlines() if path.exists() else []

    def configmeta(self) -> dict[str, Any]:
        return json.loads((self.root / "etc/guestconfig/configmeta.json").read_text())


@pytest.fixture
def member(tmp_path) -> Member:
    return Member(tmp_path / "root")


@pytest.fixture
def bare(tmp_path) -> Member:
    """A member of an image that has hardly anything."""
    tools = tmp_path / "tools"
    tools.mkdir()
    for name in TOOLS:
        (tools / name).symlink_to(shutil.which(name))
    return Member(tmp_path / "root", tools)


@pytest.mark.parametrize("shell", [name for name in ("sh", "dash", "bash") if shutil.which(name)])
def test_a_member_configures_itself(member, shell):
    assert member.call("ready").returncode == 1
    assert member.start(shell) == "configured fresh"
    assert member.calls() == ["--configure"]
    assert member.configmeta() == member.meta
    assert member.call("ready").returncode == 0
    assert (member.guest / "configure.stdout").read_text() == "to standard output\n"
    assert (member.guest / "configure.stderr").read_text() == "to standard error\n"
    assert (member.guest / "configure.status").read_text().endswith("=0")
    assert (member.guest / "appconfig/startscript").stat().st_mode & 0o100
    # What is in there may be secret.
    assert (member.root / "etc/guestconfig").stat().st_mode & 0o077 == 0


def test_a_finished_configuration_on_a_volume_is_not_run_again(member):
    member.start()
    member.give(config_meta={"heap": "1024"})
    member.boot = 1
    assert member.start() == "configured kept"
    assert member.calls() == ["--configure"]
    assert member.configmeta() == member.meta


def test_a_changed_package_configures_again(member):
    member.start()
    member.pack("other.tgz", inside="other")
    member.give(package="file:///opt/configscripts/other.tgz")
    assert member.start() == "configured fresh"
    assert not (member.guest / "appconfig").exists()
    assert member.calls() == ["--configure"]


def test_a_configuration_that_was_interrupted_runs_again(member):
    member.start()
    (member.guest / "configure.status").write_text("container-1=")
    assert member.call("status").stdout.strip() == "none interrupted by a restart"
    assert member.start() == "configured fresh"
    assert member.calls() == ["--configure", "--configure"]


def test_a_start_script_that_fails_is_said_and_can_be_retried(member):
    (member.root / "fail").touch()
    state = member.start()
    assert state.startswith("failed 1 ")
    assert "startscript --configure ended with 1: to standard error." in state
    ready = member.call("ready")
    assert (ready.returncode, "to standard error" in ready.stdout) == (1, True)
    assert "to standard output" in member.call("logs").stdout
    (member.root / "fail").unlink()
    assert member.call("retry").returncode == 0
    assert member.call("ready").returncode == 0
    assert member.call("status").stdout.strip() == "configured fresh"


def broken(member: Member, content: bytes) -> None:
    (member.root / "opt/configscripts/appconfig.tgz").write_bytes(content)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda member: broken(member, b"<html>404</html>"), "is not a package: expected a tar file packed with gzip"),
        (lambda member: member.pack(inside=""), "expected one directory with a file startscript in it"),
        (lambda member: (member.root / "opt/configscripts/appconfig.tgz").unlink(), "Use an image that has it"),
        (lambda member: member.give(package="ftp://host/a.tgz"), "expected a URL that starts with http://"),
        (lambda member: (member.given / "shop-head-0.json").unlink(), "expected the file"),
        (lambda member: (member.given / "head.role").unlink(), "head.role from the cluster's Secret"),
        (
            lambda member: member.give(files=(GuestFile("file:///nowhere", "/a", "", ""),)),
            "/nowhere in the image",
        ),
    ],
)
def test_what_cannot_work_is_said_with_its_remedy(member, damage, message):
    damage(member)
    state = member.start()
    assert state.startswith("failed 1 "), state
    assert message in state
    assert member.calls() == []
    # A mended package is taken without anything else.
    member.give()
    member.pack()
    assert member.start() == "configured fresh"


def test_files_are_fetched_before_the_start_script_runs(member):
    (member.root / "opt/configscripts/site.conf").write_text("from the image")
    script = START_SCRIPT + 'cat "$here/../../../etc/site/site.conf" >"$here/../seen"\n'
    member.pack(script=script)
    url = "file:///opt/configscripts/site.conf"
    member.give(files=(GuestFile(url, "/etc/site/site.conf", "0640", f"{os.getuid()}"),))
    assert member.start() == "configured fresh"
    assert (member.guest / "seen").read_text() == "from the image"
    assert (member.root / "etc/site/site.conf").stat().st_mode & 0o777 == 0o640


def test_only_files_where_there_is_no_package(member):
    (member.root / "opt/configscripts/a").write_text("x")
    member.give(package="", files=(GuestFile("file:///opt/configscripts/a", "/b", "", ""),))
    assert member.start() == "configured fresh"
    assert ((member.root / "b").read_text(), member.calls()) == ("x", [])


def test_a_role_that_does_not_ask_for_configure_only_gets_its_package(member):
    member.give(events=["addnodes"])
    assert member.start() == "configured fresh"
    assert (member.calls(), (member.guest / "appconfig/startscript").exists()) == ([], True)


@pytest.fixture
def web(tmp_path):
    """A web server on loopback, which serves a directory."""
    (tmp_path / "web").mkdir()

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_arguments):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(tmp_path / "web")))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    server.files = tmp_path / "web"
    server.url = f"http://127.0.0.1:{server.server_address[1]}"
    yield server
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("fetcher", ["curl", "wget", "python3"])
def test_a_package_is_fetched_with_what_the_image_has(bare, web, fetcher):
    program = shutil.which(fetcher)
    if not program:
        pytest.skip(f"no {fetcher} here")
    shutil.copy(bare.pack(), web.files / "a.tgz")
    for name in {fetcher, "tar"}:
        (bare.tools / name).symlink_to(shutil.which(name))
    bare.give(package=f"{web.url}/a.tgz")
    assert bare.start() == "configured fresh"
    bare.give(package=f"{web.url}/none.tgz?signature=s3cret")
    state = bare.start()
    assert state.startswith("failed 1 ")
    assert "could not be fetched" in state
    assert "s3cret" not in state


def test_what_the_image_lacks_is_named(bare, web):
    state = bare.start()
    assert "expected tar or python in the image" in state
    bare.give(package=f"{web.url}/a.tgz")
    assert "expected curl, wget or python in the image" in bare.start()


def test_python_unpacks_where_there_is_no_tar(bare):
    (bare.tools / "python3").symlink_to(shutil.which("python3"))
    assert bare.start() == "configured fresh"


@pytest.mark.parametrize("place", ["etc", "opt/guestconfig"])
def test_a_member_that_cannot_write_says_so(member, place):
    (member.root / place).touch()
    state = member.start()
    assert state.startswith("failed 1 user ")
    assert "run the role as root with a writable root file system" in state
    assert member.call("ready").returncode == 1


def test_telling_replaces_the_configmeta_and_calls_the_start_script(member):
    member.start()
    line = json.dumps({"told": True})
    assert member.call("tell", "--addnodes", "--role", "worker", line=line + "\n").returncode == 0
    assert (member.configmeta(), member.calls()[-1]) == ({"told": True}, "--addnodes --role worker")
    # A connection that broke half-way leaves everything as it was.
    half = member.call("tell", "--delnodes", line='{"half":')
    assert (half.returncode, member.configmeta(), len(member.calls())) == (1, {"told": True}, 2)
    (member.root / "fail").touch()
    failed = member.call("tell", "--delnodes", line=line + "\n")
    assert failed.returncode == 1
    assert "standard output: to standard output" in failed.stderr
    assert "standard error: to standard error" in failed.stderr
    assert member.call("ready").returncode == 0


# --- the reader -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "words", "answer"),
    [
        ("configcli", ["--get", "node.role_id"], "HeadNode"),
        ("bdvcli", ["--get", "node.fqdn"], "shop-head-0.shop-head.retail.svc.cluster.local"),
        ("bd_vcli", ["--get", "cluster.config_metadata.1.flavour"], "plain"),
        ("ccli", ["--get", "nodegroups.1.roles"], "HeadNode,worker,gate"),
        ("configcli", ["--get", "distros.example/store.1.roles.worker.node_ids"], "2,3"),
        ("configcli", ["--get", "services.data.1.worker.fqdns"],
         "shop-worker-0.shop-worker.retail.svc.cluster.local,shop-worker-1.shop-worker.retail.svc.cluster.local"),
        ("configcli", ["namespace", "services", "UI.1.HeadNode.authToken"], "t0ken"),
        ("configcli", ["--get", "cluster.isolated"], "false"),
        ("configcli", ["--get_nodegroup_fqdns", "1"], None),
        ("configmacro", ["node", "--get_self_index"], "0"),
        ("configcli", ["macro", "node", "--get_id", "shop-worker-1.shop-worker.retail.svc.cluster.local"], "3"),
    ],
)  # fmt: skip
def test_start_scripts_read_what_they_are_told(member, name, words, answer):
    member.start()
    program = member.root / "usr/local/bin" / name
    found = subprocess.run([program, *words], capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stderr
    if answer is None:
        assert len(found.stdout.split(",")) == 4
    elif "," in answer:
        assert sorted(found.stdout.strip().split(",")) == sorted(answer.split(","))
    else:
        assert found.stdout.strip() == answer


def test_a_key_that_is_not_there_is_an_error(member):
    member.start()
    program = member.root / "usr/local/bin/configcli"
    found = subprocess.run([program, "--get", "node.nothing"], capture_output=True, text=True, check=False)
    assert (found.returncode, "no such key" in found.stderr) == (1, True)


def test_a_reader_of_the_image_stays(bare):
    (bare.tools / "python3").symlink_to(shutil.which("python3"))
    own = bare.tools / "configcli"
    own.write_text("#!/bin/sh\necho mine\n")
    own.chmod(0o755)
    bare.start()
    assert not (bare.root / "usr/local/bin/configcli").exists()
    assert (bare.root / "usr/local/bin/bdvcli").exists()
