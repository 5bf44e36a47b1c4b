# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Error messages and paths of the client. What needs a server is tested against a real one, in tests/api."""

from __future__ import annotations

import pytest
from ansible_collections.baremetal.bigdata.plugins.module_utils.kube import client
from ansible_collections.baremetal.bigdata.plugins.module_utils.kube.errors import ConnectionLost, Expired, KubeApiError


@pytest.mark.parametrize(
    ("status", "kind", "text"),
    [
        (410, Expired, "410 Gone"),
        (503, ConnectionLost, "503 Service Unavailable"),
        (401, KubeApiError, "wrong or has expired"),
        (403, KubeApiError, "Grant the kubeconfig's user the verb 'list' on 'pods'"),
        (404, KubeApiError, "list https://h/api/v1/namespaces/a/pods: 404 Not Found: told"),
    ],
)
def test_errors_have_a_kind_and_a_remedy(status, kind, text):
    error = client.api_error("https://h/api/v1/namespaces/a/pods", "list", status, "told")
    assert type(error) is kind
    assert text in str(error)
    assert error.status == status


def test_a_busy_server_says_how_long_to_wait():
    assert client._pause(0, "3") == 3
    assert client._pause(0, "3600") == 10
    assert 0.1 < client._pause(0, None) < 0.4
    assert 1 < client._pause(3, "soon") < 3


@pytest.mark.parametrize(
    ("path", "resource"),
    [
        ("/api/v1/namespaces/a/pods", "pods"),
        ("/api/v1/namespaces/a/pods/p", "pods"),
        ("/api/v1/namespaces/a/pods/p/exec", "pods/exec"),
        ("/api/v1/namespaces/a/pods/p:80/proxy/health/x", "pods/proxy"),
        ("/api/v1/namespaces", "namespaces"),
        ("/api/v1/namespaces/a", "namespaces"),
        ("/api/v1/nodes/n", "nodes"),
        ("/apis/apps/v1/namespaces/a/statefulsets/s", "statefulsets"),
        ("https://h:6443/prefix/apis/apps/v1/statefulsets", "statefulsets"),
        ("/version", "version"),
    ],
)
def test_the_resource_of_a_path_is_as_rbac_names_it(path, resource):
    assert client.resource_of(path) == resource
