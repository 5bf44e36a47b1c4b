# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Fixtures of the tests that run against a real API server. Needs BB_ARTIFACTS_BIN or the artifact cache."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from loopback_api import ApiServer, run_api_server


@pytest.fixture(scope="session")
def api_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    """A real, empty Kubernetes API for the whole session: see `ApiServer` for what it offers.

    Nothing runs behind it: no controllers, scheduler or kubelets. What they would do, such as a pod's status,
    a test sets through the status subresource. Tests share the server, so each makes a namespace of its own
    (`api_server.namespace()`) and gives cluster-wide objects (nodes) names of its own.
    """
    with run_api_server(tmp_path_factory.mktemp("api")) as server:
        yield server
