# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Commands and forwarded ports through a real API server. What is behind it is this test's: see kubelet.py."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from ansible_collections.baremetal.bigdata.plugins.module_utils.kube import ask, stream
from ansible_collections.baremetal.bigdata.plugins.module_utils.kube.client import KubeApi
from ansible_collections.baremetal.bigdata.plugins.module_utils.kube.config import load_kubeconfig
from ansible_collections.baremetal.bigdata.plugins.module_utils.kube.errors import KubeApiError


@pytest.fixture
def api(api_server):
    with KubeApi(load_kubeconfig(str(api_server.kubeconfig))) as client:
        yield client


@pytest.fixture
def pod(api_server, node):
    """(namespace, pod) on the node that runs commands."""
    namespace = api_server.namespace("streams")
    api_server.create(
        f"/api/v1/namespaces/{namespace}/pods",
        {
            "metadata": {"name": "p"},
            "spec": {"nodeName": "runs-commands", "containers": [{"name": "app", "image": "registry.example/app:1"}]},
        },
        {"phase": "Running", "podIP": "10.1.0.1"},
    )
    return namespace, "p"


def run(api, pod, *command, timeout=20):
    return stream.run(api, *pod, "app", command, timeout)


def test_a_commands_output_errors_and_exit_code(api, node, pod):
    seen = []

    def command(name, words):
        seen.append((name, words))
        return 3, "out\n", "err\n"

    node.command = command
    assert run(api, pod, "sh", "-c", "echo a b; exit 3", "ä&=%") == (3, "out\n", "err\n")
    assert seen == [("p", ["sh", "-c", "echo a b; exit 3", "ä&=%"])]


@pytest.mark.parametrize("size", [0, 1, 125, 126, 65535, 65536, 3_000_000])
def test_output_of_any_length_comes_whole(api, node, pod, size):
    text = ("0123456789" * (size // 10 + 1))[:size]
    node.command = lambda _pod, _command: (0, text, "")
    assert run(api, pod, "cat") == (0, text, "")


def test_more_output_than_an_answer_is_refused(api, node, pod, monkeypatch):
    monkeypatch.setattr(stream, "MAX_OUTPUT_BYTES", 1000)
    node.command = lambda _pod, _command: (0, "x" * 900, "y" * 900)
    with pytest.raises(stream.CommandFailed, match="cat gave more than 1000 bytes of output"):
        run(api, pod, "cat")


def test_a_command_that_does_not_end_is_left_in_time(api, node, pod):
    node.command = lambda _pod, _command: None
    started = time.monotonic()
    with pytest.raises(stream.CommandFailed, match=r"sleep 99 did not end within 1 s: started") as error:
        run(api, pod, "sleep", "99", timeout=1)
    assert error.value.returncode is None
    assert time.monotonic() - started < 5


def test_a_command_that_fails_says_why(api, node, pod):
    node.command = lambda _pod, _command: (2, "", "no such keyspace\n")
    with pytest.raises(stream.CommandFailed, match="nodetool x ended with 2: no such keyspace") as error:
        ask.run(api, *pod, "app", ["nodetool", "x"], 20)
    assert (error.value.returncode, error.value.output) == (2, "no such keyspace")


@pytest.mark.parametrize("size", [1, 125, 126, 40_000, 70_000])
def test_a_command_reads_what_it_is_given(api, node, pod, size):
    text = ("0123456789" * (size // 10 + 1))[:size]
    node.reads = size
    try:
        assert stream.run(api, *pod, "app", ["cat"], stdin=text) == (0, text, "")
    finally:
        node.reads = 0


def test_what_the_server_refuses_is_told(api, api_server, pod):
    with pytest.raises(KubeApiError, match='pods "gone" not found'):
        stream.run(api, pod[0], "gone", "app", ["true"])
    with pytest.raises(KubeApiError, match="container other is not valid for pod p"):
        stream.run(api, *pod, "other", ["true"])
    limited = KubeApi(load_kubeconfig(str(api_server.kubeconfig_limited)))
    with pytest.raises(KubeApiError, match="on 'pods/exec'") as error:
        run(limited, pod, "true")
    assert error.value.status == 403


def test_many_commands_at_once_do_not_mix(api, node, pod):
    node.command = lambda _pod, command: (0, command[1] * 5000, "")

    def one(number):
        return run(api.clone(), pod, "echo", str(number))[1] == str(number) * 5000

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(one, range(40)))


@pytest.fixture
def echo():
    """A port of this machine that sends back what it gets, and ends when its peer does."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve():
        while True:
            try:
                peer, _address = listener.accept()
            except OSError:
                return
            threading.Thread(target=answer, args=(peer,), daemon=True).start()

    def answer(peer):
        with peer:
            while data := peer.recv(65536):
                peer.sendall(data)

    threading.Thread(target=serve, daemon=True).start()
    yield listener.getsockname()[1]
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()


def exchange(port, content):
    with socket.create_connection(("127.0.0.1", port), timeout=20) as near:
        sender = threading.Thread(target=near.sendall, args=(content,), daemon=True)
        sender.start()
        got = bytearray()
        while len(got) < len(content):
            data = near.recv(65536)
            if not data:
                break
            got += data
        return bytes(got)


def test_a_forwarded_port_carries_bytes_both_ways(api, node, pod, echo):
    node.ports = {5701: echo}
    content = bytes(range(256)) * 2000
    with stream.forward(api, *pod, 5701) as port:
        assert exchange(port, b"x") == b"x"
        assert exchange(port, content) == content
        with ThreadPoolExecutor(4) as pool:
            assert list(pool.map(lambda number: exchange(port, bytes([number]) * 1000), range(8))) == [
                bytes([number]) * 1000 for number in range(8)
            ]
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.1", port), timeout=5)


def test_a_port_that_nobody_listens_at_ends_the_connection(api, node, pod):
    node.ports = {}
    # The byte is on its way when the connection ends, so it may end by a reset.
    with stream.forward(api, *pod, 5701) as port, contextlib.suppress(ConnectionError):
        assert exchange(port, b"x") == b""
