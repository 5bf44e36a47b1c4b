# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's hosts over SSH, and the cluster through kubectl on a control-plane host."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
import testinfra

ROOT = Path(__file__).resolve().parents[3]
STATE = ROOT / f".{os.environ.get('BB_LAB', 'lab')}"
CONTROL_PLANE, WORKERS = ["cp1"], ["worker1", "worker2"]
NODES = CONTROL_PLANE + WORKERS
KUBECTL = "kubectl --kubeconfig=/etc/kubernetes/admin.conf --request-timeout=20s"


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
