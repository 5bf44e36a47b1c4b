# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Error messages, paths and chunked lists of the client. What needs a real server is tested in tests/api."""

from __future__ import annotations

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import pytest
from ansible_collections.baremetal.bigdata.plugins.module_utils.kube import client
from ansible_collections.baremetal.bigdata.plugins.module_utils.kube.config import ClusterAccess
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


# --- chunks of a list, of which the next is asked for while one is read ----------------------------------


class Lists(BaseHTTPRequestHandler):
    """Serves lists of numbers in chunks of two, as the API server does."""

    protocol_version = "HTTP/1.1"
    order = ("metadata", "items")
    # Tokens of chunks that are answered in another way, once: with a status, by a closed connection (0), half (-1).
    failures: dict[str, int] = {}
    asked: list[str] = []

    def log_message(self, *args):
        pass

    def do_GET(self):
        url = urlsplit(self.path)
        token = parse_qs(url.query).get("continue", [""])[0]
        self.asked.append(token or url.path)
        failure = self.failures.pop(token, None)
        if failure == 0:
            self.close_connection = True
            return
        start = int(token or 0)
        metadata = {"resourceVersion": "7", **({"continue": str(start + 2)} if start + 2 < 6 else {})}
        content = {"metadata": metadata, "items": [{"continue": "no token"}, start, start + 1]}
        body = json.dumps({"kind": "List", **{name: content[name] for name in self.order}}).encode()
        self.close_connection = failure == -1
        self.send_response(200 if failure in (None, -1) else failure)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: len(body) // 2] if failure == -1 else body)


@pytest.fixture
def lists():
    """An API server of lists: its class, which says how it answers and what it was asked, and a client of it."""
    handler = type("Own", (Lists,), {"failures": {}, "asked": []})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    # Of a client that went away.
    server.handle_error = lambda *_arguments: None
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    with client.KubeApi(ClusterAccess(f"http://127.0.0.1:{server.server_port}")) as api:
        yield handler, api
    server.shutdown()
    server.server_close()


def numbers(api, **query):
    return [item for chunk in api.list_chunks("/numbers", limit=2, **query) for item in chunk["items"][1:]]


@pytest.mark.parametrize("order", [("metadata", "items"), ("items", "metadata")])
def test_each_chunk_is_asked_for_once_wherever_its_token_stands(lists, order):
    handler, api = lists
    handler.order = order
    assert numbers(api) == [0, 1, 2, 3, 4, 5]
    assert handler.asked == ["/numbers", "2", "4"]


def test_the_next_chunk_is_asked_for_before_this_one_is_handed_out(lists):
    handler, api = lists
    chunks = api.list_chunks("/numbers", limit=2)
    next(chunks)
    deadline = time.monotonic() + 10
    while handler.asked != ["/numbers", "2"]:
        assert time.monotonic() < deadline, handler.asked


def test_a_list_that_is_left_or_interrupted_leaves_a_client_that_can_be_used(lists):
    _handler, api = lists
    found = []
    for chunk in api.list_chunks("/numbers", limit=2):
        found += chunk["items"][1:]
        assert api.get("/other", **{"continue": "0"})["items"][1:] == [0, 1]
    assert found == [0, 1, 2, 3, 4, 5]
    for chunk in api.list_chunks("/numbers", limit=2):
        assert chunk["items"][1:] == [0, 1]
        break
    assert api.get("/other", **{"continue": "4"})["items"][1:] == [4, 5]


@pytest.mark.parametrize("failure", [0, -1, 503, 429])
def test_a_chunk_that_fails_at_first_is_asked_for_again(lists, failure, monkeypatch):
    handler, api = lists
    monkeypatch.setattr(client, "_pause", lambda attempt, retry_after: 0)
    handler.failures["2"] = failure
    assert numbers(api) == [0, 1, 2, 3, 4, 5]
    assert handler.asked == ["/numbers", "2", "2", "4"]


def test_a_chunk_that_expired_is_an_expired_list(lists):
    handler, api = lists
    handler.failures["4"] = 410
    with pytest.raises(Expired):
        numbers(api)
    assert numbers(api) == [0, 1, 2, 3, 4, 5]


@pytest.mark.parametrize(
    ("content", "token"),
    [
        (b'{"kind":"PodList","metadata":{"resourceVersion":"1","continue":"abc"},"items":[', "abc"),
        (b'{\n  "metadata": {\n    "continue": "abc"\n  },\n  "items": [', "abc"),
        (b'{"metadata":{"resourceVersion":"1"},"items":[{"metadata":{"continue":"x"}}]}', ""),
        (b'{"metadata":{"continue":null},"items":[]}', ""),
        (b'{"items":[{"metadata":{"continue":"x"}}],"metadata":{"continue":"abc"}}', ""),
        (b"no JSON", ""),
        (b"[]", ""),
        (b"", ""),
    ],
)
def test_the_token_is_found_before_the_items_or_not_at_all(content, token):
    assert client.continue_token(content) == token
