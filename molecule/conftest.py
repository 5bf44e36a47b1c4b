# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's hosts over SSH, the cluster through kubectl on a control-plane host, and runs of Ansible."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import testinfra
import yaml

ROOT = Path(__file__).resolve().parents[1]
CACHE = Path(os.environ.get("BB_CACHE") or Path.home() / ".cache/baremetal-bigdata")
STATE = ROOT / f".{os.environ.get('BB_LAB', 'lab')}"
CONTROL_PLANE, WORKERS = ["cp1"], ["worker1", "worker2"]
NODES = CONTROL_PLANE + WORKERS
MIRROR = "mirror1"
KUBECTL = "kubectl --kubeconfig=/etc/kubernetes/admin.conf --request-timeout=20s"
# Seconds until a test gives up waiting: it is to find out whether something happens, not how fast a machine is.
PATIENCE = 600
HAZELCAST = {"kubeconfig": str(STATE / "kubeconfig"), "namespace": "hazelcast"}


@dataclasses.dataclass
class Run:
    """A run of ansible-playbook: its exit code, what it printed, and the figures that the callback `story` wrote."""

    rc: int
    output: str
    figures: dict

    @property
    def changed(self) -> dict[str, int]:
        """How many tasks changed something, by host; hosts without a change are left out."""
        return {host: count for host, count in self.figures["changed"].items() if count}


def ansible(command: str, *arguments: str, timeout: int = 600, **environment: str) -> subprocess.CompletedProcess:
    """Run a command of Ansible from the checkout, by the Python that runs the tests, as from a shell of its own."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")}
    return subprocess.run(
        [str(Path(sys.executable).with_name(command)), *arguments],
        cwd=ROOT,
        env=own | {"ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "ANSIBLE_NOCOLOR": "1"} | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=timeout,
        check=False,
    )


def module(name: str, /, **parameters) -> dict:
    """What a module of this collection returns on the controller. Fails the test if the module fails."""
    arguments = ["localhost", "-m", f"baremetal.bigdata.{name}", "-a", json.dumps(parameters)]
    found = ansible("ansible", *arguments, ANSIBLE_CALLBACK_RESULT_FORMAT="json")
    assert found.returncode == 0, found.stdout
    return json.loads(found.stdout[found.stdout.index("=> ") + 3 :])


def hazelcast_map(**parameters) -> dict:
    """Look at Hazelcast with its own client."""
    return module(
        "hazelcast_map",
        **HAZELCAST,
        cluster_name="hazelcast",
        selector="app.kubernetes.io/instance=hazelcast",
        **parameters,
    )


def hazelcast_members() -> tuple[int, int]:
    """How many members Hazelcast counts, and how many ready ones role_discovery finds."""
    found = module("role_discovery", **HAZELCAST, instance="hazelcast")["members"].get("member", [])
    return hazelcast_map(state="present", entries=0)["members"], sum(member["ready"] for member in found)


@contextlib.contextmanager
def hazelcast_entries(members: int, **entries) -> Iterator[dict]:
    """Entries of a map, written while there are so many members, and removed at the end."""
    hazelcast_map(state="absent", **entries)
    yield hazelcast_map(state="written", members=members, **entries)
    hazelcast_map(state="absent", **entries)


def pod_uids(kubectl, namespace: str, role: str) -> dict[str, str]:
    """Name -> identity of the pods of a namespace with a role."""
    found = kubectl(f"-n {namespace} get pods -l baremetal.bigdata/role={role} -o json")["items"]
    return {pod["metadata"]["name"]: pod["metadata"]["uid"] for pod in found}


def wait_for(condition: Callable[[], bool], what: str, timeout: int = PATIENCE) -> None:
    """Ask every second until a condition holds; what cannot be asked yet does not hold. Fails after *timeout* s."""
    end, reason = time.monotonic() + timeout, ""
    while True:
        try:
            if condition():
                return
            reason = ""
        except (AssertionError, RuntimeError) as error:  # a module that failed, a host that does not answer
            reason = f": {str(error)[:500]}"
        assert time.monotonic() < end, f"waited {timeout} s for {what}{reason}"
        time.sleep(1)


def connect(name: str):
    return testinfra.get_host(f"ssh://{name}", ssh_config=str(STATE / "ssh_config"), sudo=True)


@pytest.fixture(params=NODES)
def node(request):
    """Each cluster host in turn."""
    return connect(request.param)


@pytest.fixture(params=CONTROL_PLANE)
def control_plane(request):
    """Each control-plane host in turn."""
    return connect(request.param)


@pytest.fixture(scope="session")
def kubectl():
    """Run kubectl with arguments and standard input; returns its output, parsed where it is JSON."""
    host = connect(CONTROL_PLANE[0])

    def run(arguments: str, stdin: str | None = None):
        if stdin is None:
            output = host.check_output(f"{KUBECTL} {arguments}")
        else:
            output = host.check_output(f"{KUBECTL} {arguments} <<'END'\n{stdin}\nEND")
        return json.loads(output) if arguments.endswith("-o json") else output

    return run


@pytest.fixture(scope="session")
def path() -> str:
    """A PATH with kubectl, which the connection to members needs on the controller."""
    found = [Path(shutil.which("kubectl") or "/nowhere"), *CACHE.glob("artifacts/*/kubectl")]
    found = [program for program in found if program.is_file()]
    assert found, f"expected kubectl in PATH or below {CACHE}/artifacts"
    return f"{found[0].parent}{os.pathsep}{os.environ['PATH']}"


@pytest.fixture
def members_inventory(tmp_path):
    """Write an inventory of app members; returns its file."""

    def write(*, kubeconfig: str, namespace: str, **settings) -> str:
        file = tmp_path / "app_members.yml"
        content = {"kubeconfig": kubeconfig, "namespaces": [namespace], **settings}
        file.write_text(yaml.safe_dump({"plugin": "baremetal.bigdata.app_members", **content}))
        return str(file)

    return write


@pytest.fixture
def playbook(tmp_path):
    """Run ansible-playbook with arguments on the lab; returns a Run."""

    def run(*arguments: str, timeout: int = 600) -> Run:
        figures = tmp_path / "story.json"
        done = ansible("ansible-playbook", *arguments, timeout=timeout, BB_STORY_JSON=str(figures))
        return Run(done.returncode, done.stdout, json.loads(figures.read_text()))

    return run
