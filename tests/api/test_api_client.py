# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The client and the module's loops, against a real API server: chunks, watches, expired versions, lost connections."""

from __future__ import annotations

import contextlib
import socket
import threading
import time

import pytest
from ansible_collections.baremetal.bigdata.plugins.module_utils.discovery import read
from ansible_collections.baremetal.bigdata.plugins.module_utils.discovery.roster import Expectation, Roster
from ansible_collections.baremetal.bigdata.plugins.module_utils.kube import client
from ansible_collections.baremetal.bigdata.plugins.module_utils.kube.client import STRATEGIC_PATCH, KubeApi
from ansible_collections.baremetal.bigdata.plugins.module_utils.kube.config import ClusterAccess, load_kubeconfig
from ansible_collections.baremetal.bigdata.plugins.module_utils.kube.errors import Expired, KubeApiError
from ansible_collections.baremetal.bigdata.plugins.module_utils.labels import LABEL_ROLE
from loopback_api import run_api_server


@pytest.fixture
def api(api_server):
    with KubeApi(load_kubeconfig(str(api_server.kubeconfig))) as client:
        yield client


@pytest.fixture
def pods(api_server):
    return three_pods(api_server)


def three_pods(api_server):
    """The path of a new namespace's pods, with three pods in it."""
    path = f"/api/v1/namespaces/{api_server.namespace()}/pods"
    for index in range(3):
        add_pod(api_server, path, f"w-{index}")
    return path


@pytest.fixture(scope="module")
def forgetful(tmp_path_factory):
    """A server without watch cache, which knows no more than etcd: what etcd has compacted has expired."""
    with run_api_server(tmp_path_factory.mktemp("forgetful"), "--watch-cache=false") as server:
        yield server


def add_pod(api_server, path, name):
    return api_server.create(
        path,
        {
            "metadata": {"name": name, "labels": {LABEL_ROLE: "worker"}},
            "spec": {"nodeName": "anywhere", "containers": [{"name": "app", "image": "registry.example/app:1"}]},
        },
        {"phase": "Running", "podIP": "10.1.0.1", "conditions": [{"type": "Ready", "status": "True"}]},
    )


def pod_names(chunks):
    return [[pod["metadata"]["name"] for pod in chunk["items"]] for chunk in chunks]


def ready(roster, count):
    return lambda: roster.met({"worker": Expectation(count)})


def test_a_list_comes_in_chunks_of_one_version(api, pods):
    chunks = list(api.list_chunks(pods, limit=2))
    assert pod_names(chunks) == [["w-0", "w-1"], ["w-2"]]
    assert len({chunk["metadata"]["resourceVersion"] for chunk in chunks}) == 1


def test_an_empty_list_is_one_empty_chunk(api, api_server):
    chunks = list(api.list_chunks(f"/api/v1/namespaces/{api_server.namespace()}/pods"))
    assert pod_names(chunks) == [[]]


def test_metadata_of_nodes_comes_without_the_rest(api, api_server):
    api_server.request("POST", "/api/v1/nodes", {"metadata": {"name": "meta-only"}, "spec": {"podCIDR": "10.9.0.0/24"}})
    nodes = [node for chunk in api.list_chunks("/api/v1/nodes", metadata_only=True) for node in chunk["items"]]
    (node,) = [node for node in nodes if node["metadata"]["name"] == "meta-only"]
    assert "spec" not in node
    assert "status" not in node


def namespace_of(pods):
    """The namespace in the path of its pods."""
    return pods.split("/")[-2]


class ExpiringApi(KubeApi):
    """Lets the history expire between the first and the second chunk, a number of times."""

    def __init__(self, access, api_server, times):
        super().__init__(access)
        self.api_server, self.times, self.expired = api_server, times, 0

    def _ask_ahead(self, path, query, accept):
        if self.expired < self.times:
            self.expired += 1
            self.api_server.compact()
        return super()._ask_ahead(path, query, accept)


def test_a_list_whose_token_expired_starts_again(forgetful):
    access, roster, namespace = (
        load_kubeconfig(str(forgetful.kubeconfig)),
        Roster(),
        namespace_of(three_pods(forgetful)),
    )
    with ExpiringApi(access, forgetful, 2) as api:
        read.load_pods(api, roster, namespace, chunk_size=2)
    assert api.expired == 2
    assert roster.counts("worker")["ready"] == 3


def test_a_list_that_always_expires_ends_in_an_error(forgetful):
    access, namespace = load_kubeconfig(str(forgetful.kubeconfig)), namespace_of(three_pods(forgetful))
    with ExpiringApi(access, forgetful, 100) as api, pytest.raises(Expired, match="410 Expired"):
        read.load_pods(api, Roster(), namespace, chunk_size=2)
    assert api.expired == 3


def test_a_watch_tells_changes_after_a_version(api, api_server, pods):
    *_chunks, last = api.list_chunks(pods)
    add_pod(api_server, pods, "w-3")
    api_server.delete(f"{pods}/w-0")
    seen = []
    for kind, pod in api.watch(pods, last["metadata"]["resourceVersion"], time.monotonic() + 20):
        seen.append((kind, pod["metadata"]["name"]))
        if kind == "DELETED":
            break
    assert [seen[0], seen[1], seen[-1]] == [("ADDED", "w-3"), ("MODIFIED", "w-3"), ("DELETED", "w-0")]


def test_a_watch_ends_at_its_deadline(api, pods):
    *_chunks, last = api.list_chunks(pods)
    started = time.monotonic()
    assert list(api.watch(pods, last["metadata"]["resourceVersion"], started + 1)) == []
    assert 0.9 < time.monotonic() - started < 3


def test_a_watch_from_an_expired_version_says_so(forgetful):
    pods = three_pods(forgetful)
    with KubeApi(load_kubeconfig(str(forgetful.kubeconfig))) as api:
        *_chunks, last = api.list_chunks(pods)
        forgetful.delete(f"{pods}/w-0")
        forgetful.compact()
        with pytest.raises(Expired, match="410"):
            list(api.watch(pods, last["metadata"]["resourceVersion"], time.monotonic() + 10))


def test_waiting_lists_again_where_the_version_expired(forgetful):
    """A pod that vanished while nobody watched is forgotten."""
    pods, roster = three_pods(forgetful), Roster()
    with KubeApi(load_kubeconfig(str(forgetful.kubeconfig))) as api:
        version = read.load_pods(api, roster, namespace_of(pods))
        forgetful.delete(f"{pods}/w-2")
        forgetful.compact()
        read.wait_for(api, roster, namespace_of(pods), "", version, 500, ready(roster, 2), time.monotonic() + 10)
    assert [member["pod"] for member in roster.members()["worker"]] == ["w-0", "w-1"]


class Relay(threading.Thread):
    """Passes TCP connections on to the API server, and can cut them all, as a restarting server does."""

    def __init__(self, port):
        super().__init__(daemon=True)
        self.target, self.pairs, self.accepted = port, [], 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]

    def run(self):
        while True:
            try:
                client, _address = self.listener.accept()
            except OSError:
                return
            server = socket.create_connection(("127.0.0.1", self.target))
            self.pairs.append((client, server))
            self.accepted += 1
            for source, sink in ((client, server), (server, client)):
                threading.Thread(target=self.copy, args=(source, sink), daemon=True).start()

    @staticmethod
    def copy(source, sink):
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                sink.sendall(data)
            sink.shutdown(socket.SHUT_RDWR)

    def cut(self):
        for pair in self.pairs:
            for sock in pair:
                with contextlib.suppress(OSError):
                    sock.shutdown(socket.SHUT_RDWR)
                sock.close()
        self.pairs.clear()


@pytest.fixture
def relay(api_server):
    relay = Relay(api_server.port)
    relay.start()
    yield relay
    relay.listener.shutdown(socket.SHUT_RDWR)
    relay.listener.close()
    relay.cut()
    relay.join(5)


def test_waiting_survives_a_lost_connection(api_server, relay, pods):
    access = load_kubeconfig(str(api_server.kubeconfig))._replace(server=f"https://127.0.0.1:{relay.port}")
    roster, outcome = Roster(), []

    def wait():
        with KubeApi(access) as api:
            version = read.load_pods(api, roster, namespace_of(pods))
            listed.set()
            read.wait_for(api, roster, namespace_of(pods), "", version, 500, ready(roster, 4), time.monotonic() + 20)
            outcome.append(roster.counts("worker")["ready"])

    listed = threading.Event()
    waiter = threading.Thread(target=wait)
    waiter.start()
    assert listed.wait(10)
    relay.cut()
    add_pod(api_server, pods, "w-3")
    waiter.join(20)
    assert outcome == [4]
    assert relay.accepted >= 2


def test_a_kept_connection_that_was_closed_is_replaced(api_server, relay):
    access = load_kubeconfig(str(api_server.kubeconfig))._replace(server=f"https://127.0.0.1:{relay.port}")
    with KubeApi(access) as api:
        assert api.get("/api/v1/namespaces/default")["metadata"]["name"] == "default"
        relay.cut()
        assert api.get("/api/v1/namespaces/default")["metadata"]["name"] == "default"


def test_one_connection_serves_many_requests(api_server, relay):
    access = load_kubeconfig(str(api_server.kubeconfig))._replace(server=f"https://127.0.0.1:{relay.port}")
    with KubeApi(access) as api:
        for _round in range(3):
            assert "gitVersion" in api.text("/version")
            assert api.get("/api/v1/namespaces/default")["metadata"]["name"] == "default"
            with pytest.raises(KubeApiError, match="404"):
                api.text("/nowhere")
    assert relay.accepted == 1


def test_an_unknown_authority_is_refused(api_server, tmp_path):
    access = load_kubeconfig(str(api_server.kubeconfig))._replace(ca=None)
    with KubeApi(access) as api, pytest.raises(KubeApiError, match="certificate was not accepted"):
        api.get("/version")
    with KubeApi(access._replace(insecure=True)) as api:
        assert api.get("/version")["major"] is not None


def test_the_name_in_the_certificate_is_verified(api_server):
    access = load_kubeconfig(str(api_server.kubeconfig))
    with KubeApi(access._replace(server_name="localhost")) as api:
        api.get("/version")
    with (
        KubeApi(access._replace(server_name="elsewhere.example")) as api,
        pytest.raises(KubeApiError, match="certificate was not accepted"),
    ):
        api.get("/version")


def test_a_wrong_token_is_told_from_a_missing_right(api_server):
    access = load_kubeconfig(str(api_server.kubeconfig))._replace(token="wrong")
    with KubeApi(access) as api, pytest.raises(KubeApiError, match="certificate or token is wrong"):
        api.get("/api/v1/namespaces/default")


def test_plain_http_to_a_tls_port_is_explained(api_server):
    access = ClusterAccess(server=f"http://127.0.0.1:{api_server.port}")
    with KubeApi(access) as api, pytest.raises(KubeApiError, match="HTTP request to an HTTPS server"):
        api.get("/version")


# --- objects ---------------------------------------------------------------------------------------


def config_map(namespace, name="c", **data):
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": namespace},
        "data": data,
    }


def test_server_side_apply_owns_exactly_its_fields(api, api_server):
    namespace = api_server.namespace()
    path = api.path("v1", "ConfigMap", namespace, "c")
    assert api.apply(path, config_map(namespace, a="1", b="2"), "me", dry_run=True)["data"] == {"a": "1", "b": "2"}
    with pytest.raises(KubeApiError, match="404") as error:
        api.get(path)
    assert error.value.status == 404
    api.apply(path, config_map(namespace, a="1", b="2"), "me")
    api.apply(path, config_map(namespace, c="3"), "another")
    assert api.apply(path, config_map(namespace, a="1"), "me")["data"] == {"a": "1", "c": "3"}


def test_patches_change_some_fields_and_null_removes(api, api_server):
    namespace = api_server.namespace()
    path = api.path("v1", "ConfigMap", namespace, "c")
    api.apply(path, config_map(namespace, a="1", b="2"), "me")
    assert api.patch(path, {"data": {"a": None, "c": "3"}}, dry_run=True)["data"] == {"b": "2", "c": "3"}
    assert api.get(path)["data"] == {"a": "1", "b": "2"}
    assert api.patch(path, {"data": {"a": None, "c": "3"}})["data"] == {"b": "2", "c": "3"}


def test_a_strategic_patch_merges_lists_by_their_keys(api, api_server):
    namespace = api_server.namespace()
    path = f"/api/v1/namespaces/{namespace}/services"
    api_server.request("POST", path, {"metadata": {"name": "s"}, "spec": {"ports": [{"name": "a", "port": 80}]}})
    more = {"spec": {"ports": [{"name": "b", "port": 81}]}}
    patched = api.patch(f"{path}/s", more, content_type=STRATEGIC_PATCH)
    assert sorted(port["port"] for port in patched["spec"]["ports"]) == [80, 81]


def test_a_deletion_and_its_dry_run(api, api_server):
    namespace = api_server.namespace()
    path = api.path("v1", "ConfigMap", namespace, "c")
    api.apply(path, config_map(namespace), "me")
    assert api.delete(path, dry_run=True) is True
    assert api.get(path)["metadata"]["name"] == "c"
    assert api.delete(path) is True
    assert api.delete(path) is False


def test_kinds_that_are_not_built_in_are_asked_for(api):
    assert api.path("v1", "Pod", "n", "p") == "/api/v1/namespaces/n/pods/p"
    assert api.path("v1", "Namespace", None, "n") == "/api/v1/namespaces/n"
    assert api.path("networking.k8s.io/v1", "NetworkPolicy", "n") == (
        "/apis/networking.k8s.io/v1/namespaces/n/networkpolicies"
    )
    assert api.path("scheduling.k8s.io/v1", "PriorityClass", "n", "p") == "/apis/scheduling.k8s.io/v1/priorityclasses/p"
    for version in ("v1", "nowhere.example/v1"):
        with pytest.raises(KubeApiError, match=f"no kind Unheard of {version}"):
            api.path(version, "Unheard", "n")


def test_every_kind_that_is_built_in_has_its_place(api):
    known = dict(client._KNOWN)
    for version in {version for version, _kind in known}:
        there = api._kinds(version)
        assert {key: value for key, value in known.items() if key[0] == version}.items() <= there.items()


def test_a_refusal_is_the_servers_own_sentence(api, api_server):
    namespace = api_server.namespace()
    wrong = {**config_map(namespace), "data": {"a b": "1"}}
    with pytest.raises(KubeApiError, match="a valid config key must consist of") as error:
        api.apply(api.path("v1", "ConfigMap", namespace, "c"), wrong, "me")
    assert error.value.status == 422
