# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What stands behind the API server in these tests: web servers as members, and the far end of exec and port-forward.

`Kubelet` is a server for the two streams of a kubelet that the API server forwards to. It runs Python functions in
place of commands; the API server between it and the client is the real one.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import socket
import ssl
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

ACCEPT_SALT = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
# (exit code, output, errors) of (pod, command); None never ends.
Command = Callable[[str, list[str]], "tuple[int, str, str] | None"]


def own_address() -> str:
    """An address of this machine that is no loopback: the API server refuses to forward to those."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("192.0.2.1", 9))  # sends nothing
        return probe.getsockname()[0]


class WebMember(ThreadingHTTPServer):
    """A member's health check: answers with `health` in JSON, with `page` where that is set, or never (`silent`)."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__((own_address(), 0), WebHandler)
        self.health: object = {"clusterSize": 2, "clusterSafe": True}
        self.page: str | None = None
        self.silent = False
        self.ended = threading.Event()
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def stop(self) -> None:
        self.ended.set()
        self.shutdown()
        self.server_close()


class WebHandler(BaseHTTPRequestHandler):
    def do_GET(self):
        if self.server.silent:
            self.server.ended.wait(60)
        text = json.dumps(self.server.health) if self.server.page is None else self.server.page
        self.send_response(200)
        self.send_header("Content-Length", str(len(text.encode())))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_arguments):
        pass


class Kubelet(ThreadingHTTPServer):
    """The streams of one node. `command` says what a command gives, `ports` leads forwarded ports to local ones."""

    daemon_threads = True

    def __init__(self, certificate: Path, key: Path) -> None:
        super().__init__((own_address(), 0), StreamHandler)
        self.command: Command = lambda _pod, _command: (0, "", "")
        self.ports: dict[int, int] = {}
        self.reads = 0  # a command of so many bytes of input gives them back
        self.ended = threading.Event()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        self.socket = context.wrap_socket(self.socket, server_side=True)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def stop(self) -> None:
        self.ended.set()
        self.shutdown()
        self.server_close()

    def register(self, api_server, name: str) -> None:
        """Make it the kubelet of a new node."""
        address, port = self.server_address[:2]
        api_server.create(
            "/api/v1/nodes",
            {"metadata": {"name": name}},
            {
                "addresses": [{"type": "InternalIP", "address": address}],
                "daemonEndpoints": {"kubeletEndpoint": {"Port": port}},
                "conditions": [{"type": "Ready", "status": "True"}],
            },
        )


class StreamHandler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        parts = urlsplit(self.path)
        kind, _namespace, pod = parts.path.strip("/").split("/")[:3]
        query = parse_qs(parts.query)
        accept = hashlib.sha1((self.headers["Sec-WebSocket-Key"] + ACCEPT_SALT).encode()).digest()
        self.send_response(101)
        self.send_header("Upgrade", "websocket")
        self.send_header("Connection", "Upgrade")
        self.send_header("Sec-WebSocket-Accept", base64.b64encode(accept).decode())
        self.send_header("Sec-WebSocket-Protocol", "v4.channel.k8s.io")
        self.end_headers()
        self.close_connection = True
        if kind == "exec":
            self.execute(pod, query["command"])
        else:
            self.forward(int(query["port"][0]))

    def execute(self, pod: str, command: list[str]) -> None:
        result = self.server.command(pod, command)
        if self.server.reads:
            read = b""
            while len(read) < self.server.reads:
                read += self.read_frame()[1:]
            result = 0, read.decode(), ""
        if result is None:
            self.frame(b"\x01started")
            self.server.ended.wait(60)
            return
        code, out, err = result
        self.frame(b"\x01" + out.encode())
        self.frame(b"\x02" + err.encode())
        self.frame(b"still there?", code=9)  # a ping
        status = {"status": "Success"}
        if code:
            status = {
                "status": "Failure",
                "reason": "NonZeroExitCode",
                "message": f"exit code {code}",
                "details": {"causes": [{"reason": "ExitCode", "message": str(code)}]},
            }
        self.frame(b"\x03" + json.dumps(status).encode())
        self.frame(b"\x03\xe8", code=8)

    def forward(self, port: int) -> None:
        number = port.to_bytes(2, "little")
        self.frame(b"\x00" + number)
        self.frame(b"\x01" + number)
        if port not in self.server.ports:
            self.frame(b"\x01connection refused")
            return
        with socket.create_connection(("127.0.0.1", self.server.ports[port])) as member:
            back = threading.Thread(target=self.copy_back, args=(member,), daemon=True)
            back.start()
            while True:
                content = self.read_frame()
                if content is None:
                    break
                member.sendall(content[1:])

    def copy_back(self, member: socket.socket) -> None:
        with contextlib.suppress(OSError):  # either end may go first
            while data := member.recv(65536):
                self.frame(b"\x00" + data)
            self.frame(b"\x03\xe8", code=8)

    def frame(self, content: bytes, code: int = 2) -> None:
        size = len(content)
        if size < 126:
            head = bytes([0x80 | code, size])
        elif size < 65536:
            head = bytes([0x80 | code, 126]) + size.to_bytes(2, "big")
        else:
            head = bytes([0x80 | code, 127]) + size.to_bytes(8, "big")
        self.wfile.write(head + content)

    def read_frame(self) -> bytes | None:
        head = self.rfile.read(2)
        if len(head) < 2 or head[0] & 0x0F == 8:
            return None
        size = head[1] & 0x7F
        if size > 125:
            size = int.from_bytes(self.rfile.read(2 if size == 126 else 8), "big")
        assert head[1] & 0x80, "a client has to mask"
        mask = self.rfile.read(4)
        content = self.rfile.read(size)
        return bytes(byte ^ mask[index % 4] for index, byte in enumerate(content))

    def log_message(self, *_arguments):
        pass
