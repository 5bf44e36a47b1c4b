# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Fixtures of the tests that run against a real API server. Needs BB_ARTIFACTS_BIN or the artifact cache."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from kubelet import Kubelet, WebMember
from loopback_api import ROOT, ApiServer, run_api_server


@pytest.fixture(scope="session")
def api_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    """A real, empty Kubernetes API for the whole session: see `ApiServer` for what it offers.

    Nothing runs behind it: no controllers, scheduler or kubelets. What they would do, such as a pod's status,
    a test sets through the status subresource. Tests share the server, so each makes a namespace of its own
    (`api_server.namespace()`) and gives cluster-wide objects (nodes) names of its own.
    """
    with run_api_server(tmp_path_factory.mktemp("api")) as server:
        yield server


@pytest.fixture
def run_module(api_server: ApiServer) -> Callable[..., dict[str, Any]]:
    """Run a module of this collection as Ansible would, with `--check` and `--diff` as flags; returns its result."""

    def run(name: str, parameters: dict[str, Any], *flags: str, env: dict[str, str] | None = None) -> dict[str, Any]:
        arguments = {**parameters, "_ansible_check_mode": "--check" in flags, "_ansible_diff": "--diff" in flags}
        done = subprocess.run(
            [sys.executable, "-m", f"ansible_collections.baremetal.bigdata.plugins.modules.{name}"],
            input=json.dumps({"ANSIBLE_MODULE_ARGS": arguments}),
            env=api_server.ansible_env(PYTHONPATH=str(ROOT / ".collections"), **(env or {})),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.stdout, done.stderr
        return json.loads(done.stdout)

    return run


@pytest.fixture
def app() -> Iterator[WebMember]:
    """A member's health check, which the API server reaches as it reaches pods: answers with `app.health`."""
    server = WebMember()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def node(api_server: ApiServer) -> Iterator[Kubelet]:
    """The node `runs-commands`: `node.command` is what commands in its pods do."""
    kubelet = Kubelet(api_server.directory / "server.crt", api_server.directory / "server.key")
    kubelet.register(api_server, "runs-commands")
    yield kubelet
    kubelet.stop()
