# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Commands in containers and forwarded ports, over WebSockets of the Kubernetes API.

The standard library again: the SDK takes longer to import than most commands take to run, and its streams
may not be used in several threads. Sources: RFC 6455; the API's channel protocol ``v4.channel.k8s.io``, in
which the first byte of a message is its channel.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import os
import select
import socket
import ssl
import threading
import time
import typing as t
from urllib.parse import quote, urlencode

from .client import KubeApi
from .errors import ConnectionLost, KubeApiError

PROTOCOL = "v4.channel.k8s.io"
STDIN, STDOUT, STDERR, STATUS = 0, 1, 2, 3
_PIECE = 32768
# More than this is not the answer to a question.
MAX_OUTPUT_BYTES = 16 * 1024 * 1024
_MAX_HEAD_BYTES = 65536
_CONTINUATION, _TEXT, _BINARY, _CLOSE, _PING, _PONG = 0, 1, 2, 8, 9, 10
_ACCEPT_SALT = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


class CommandFailed(RuntimeError):
    """A command that ran and ended with another code than 0, or did not end in time (``returncode`` None)."""

    def __init__(self, message: str, returncode: int | None, output: str) -> None:
        super().__init__(message)
        self.returncode = returncode
        self.output = output


class WebSocket:
    """One WebSocket to the API server. Use it in one thread, and close it."""

    def __init__(self, api: KubeApi, path: str, verb: str, timeout: float) -> None:
        self._deadline = time.monotonic() + timeout
        self._buffer = bytearray()
        self._parts = bytearray()
        self.closed = False
        self.sock, prefix, headers = api.connect(timeout)
        try:
            self._open(api, prefix, path, headers, verb)
        except (OSError, ssl.SSLError) as error:
            self.close()
            raise ConnectionLost(
                f"{api.access.server}{path.partition('?')[0]}: the connection broke: {error}."
            ) from error
        except BaseException:
            self.close()
            raise

    def _open(self, api: KubeApi, prefix: str, path: str, headers: dict[str, str], verb: str) -> None:
        key = base64.b64encode(os.urandom(16))
        wanted = base64.b64encode(hashlib.sha1(key + _ACCEPT_SALT).digest()).decode()
        # A kubelet answers 406 to whoever accepts nothing but JSON.
        headers = {**headers, "Accept": "*/*"}
        lines = [f"GET {prefix}{path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
        lines += ["Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13"]
        lines += [f"Sec-WebSocket-Key: {key.decode()}", f"Sec-WebSocket-Protocol: {PROTOCOL}", "", ""]
        self.sock.sendall("\r\n".join(lines).encode())
        while b"\r\n\r\n" not in self._buffer:
            if len(self._buffer) > _MAX_HEAD_BYTES or not self._receive():
                raise KubeApiError(f"{api.access.server}{prefix}{path.partition('?')[0]}: no answer in HTTP.")
        head, _separator, rest = bytes(self._buffer).partition(b"\r\n\r\n")
        self._buffer = bytearray(rest)
        first, *fields = head.decode("latin-1").split("\r\n")
        status = int(first.split()[1]) if len(first.split()) > 1 and first.split()[1].isdigit() else 0
        found = {
            name.strip().lower(): value.strip() for name, _colon, value in (field.partition(":") for field in fields)
        }
        if status != 101:
            length = int(found.get("content-length") or 0)
            while len(self._buffer) < min(length, _MAX_HEAD_BYTES) and self._receive():
                pass
            raise api.failure(path.partition("?")[0], verb, status, bytes(self._buffer))
        if found.get("sec-websocket-accept") != wanted or found.get("sec-websocket-protocol") != PROTOCOL:
            raise KubeApiError(
                f"{api.access.server}{prefix}{path.partition('?')[0]}: expected a WebSocket of protocol {PROTOCOL}, "
                f"found {found.get('sec-websocket-protocol')!r}. A proxy before the API server has to let WebSockets "
                "through."
            )

    def __enter__(self) -> WebSocket:
        return self

    def __exit__(self, *dummy: t.Any) -> None:
        self.close()

    def close(self) -> None:
        if not self.closed:
            self.closed = True
            with contextlib.suppress(OSError):
                self.sock.close()

    def _receive(self) -> bool:
        """Wait for bytes until the deadline. False at the end of the stream."""
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("timed out")
        self.sock.settimeout(left)
        data = self.sock.recv(65536)
        self._buffer += data
        return bool(data)

    def pump(self) -> bool:
        """Take in what has arrived, without waiting. False at the end of the stream."""
        self.sock.setblocking(False)
        while True:
            try:
                data = self.sock.recv(65536)
            except (ssl.SSLWantReadError, BlockingIOError):
                return True
            if not data:
                return False
            self._buffer += data

    def messages(self) -> t.Iterator[tuple[int, bytes]]:
        """The (channel, content) that are whole in what was received so far."""
        while True:
            frame = self._frame()
            if frame is None:
                return
            last, code, content = frame
            if code == _PING:
                self.send_frame(_PONG, content)
            elif code == _CLOSE:
                self.close()
                return
            elif code in (_CONTINUATION, _TEXT, _BINARY):
                self._parts += content
                if last:
                    message, self._parts = bytes(self._parts), bytearray()
                    if message:
                        yield message[0], message[1:]

    def _frame(self) -> tuple[bool, int, bytes] | None:
        """The next frame of the buffer, or None as long as it is not whole (RFC 6455, section 5.2)."""
        buffer = self._buffer
        if len(buffer) < 2:
            return None
        length, start = buffer[1] & 0x7F, 2
        if length > 125:
            start = 4 if length == 126 else 10
            if len(buffer) < start:
                return None
            length = int.from_bytes(buffer[2:start], "big")
        if length > MAX_OUTPUT_BYTES:
            raise KubeApiError(f"a WebSocket message of {length} bytes, expected at most {MAX_OUTPUT_BYTES}.")
        masked = buffer[1] & 0x80
        end = start + (4 if masked else 0) + length
        if len(buffer) < end:
            return None
        content = bytes(buffer[end - length : end])
        if masked:
            content = _masked(content, bytes(buffer[start : start + 4]))
        last, code = bool(buffer[0] & 0x80), buffer[0] & 0x0F
        del buffer[:end]
        return last, code, content

    def read(self, deadline: float) -> t.Iterator[tuple[int, bytes]]:
        """Every (channel, content) until the server closes. Raises TimeoutError at *deadline* (time.monotonic())."""
        self._deadline = deadline
        yield from self.messages()
        while not self.closed:
            if not self._receive():
                return
            yield from self.messages()

    def send(self, channel: int, content: bytes, timeout: float = 20) -> None:
        """Send bytes on a channel."""
        self.send_frame(_BINARY, bytes([channel]) + content, timeout)

    def send_frame(self, code: int, content: bytes, timeout: float = 20) -> None:
        size = len(content)
        head = bytes([0x80 | code])
        if size < 126:
            head += bytes([0x80 | size])
        elif size < 65536:
            head += bytes([0x80 | 126]) + size.to_bytes(2, "big")
        else:
            head += bytes([0x80 | 127]) + size.to_bytes(8, "big")
        mask = os.urandom(4)
        self.sock.settimeout(timeout)
        self.sock.sendall(head + mask + _masked(content, mask))


def _masked(content: bytes, mask: bytes) -> bytes:
    size = len(content)
    key = (mask * (size // 4 + 1))[:size]
    return (int.from_bytes(content, "big") ^ int.from_bytes(key, "big")).to_bytes(size, "big")


# --- commands --------------------------------------------------------------------------------------


def exit_code(status: bytes) -> int:
    """The exit code in the message of the status channel. Raises KubeApiError where the command did not run."""
    try:
        found = json.loads(status)
    except ValueError:
        raise KubeApiError(f"the command's end was not told in JSON: {status[:200]!r}") from None
    if found.get("status") == "Success":
        return 0
    for cause in (found.get("details") or {}).get("causes") or ():
        if cause.get("reason") == "ExitCode" and str(cause.get("message")).isdigit():
            return int(cause["message"])
    raise KubeApiError(
        found.get("message") or "the command did not run", found.get("code") or 500, found.get("reason") or ""
    )


def run(
    api: KubeApi,
    namespace: str,
    pod: str,
    container: str,
    command: t.Sequence[str],
    timeout: float = 20,
    stdin: str | None = None,
) -> tuple[int, str, str]:
    """Run a command in a container: its exit code, output and errors. No shell is involved.

    *stdin* is what the command can read. Its end is not told, as the protocol has no word for it: the command has to
    know how much it reads. Raises CommandFailed where it does not end in time, and KubeApiError where it did not run.
    """
    query = [("container", container), ("stdout", "true"), ("stderr", "true"), *(("command", word) for word in command)]
    if stdin is not None:
        query.append(("stdin", "true"))
    path = f"/api/v1/namespaces/{quote(namespace, safe='')}/pods/{quote(pod, safe='')}/exec"
    deadline = time.monotonic() + timeout
    output = {STDOUT: bytearray(), STDERR: bytearray(), STATUS: bytearray()}
    shown = " ".join(command)
    try:
        with WebSocket(api, f"{path}?{urlencode([pair for pair in query if pair[1]])}", "create", timeout) as channel:
            content = (stdin or "").encode()
            for start in range(0, len(content), _PIECE):
                channel.send(STDIN, content[start : start + _PIECE], timeout)
            for number, content in channel.read(deadline):
                if number in output:
                    output[number] += content
                if sum(map(len, output.values())) > MAX_OUTPUT_BYTES:
                    raise KubeApiError(f"{shown}: more than {MAX_OUTPUT_BYTES} bytes of output.")
                if number == STATUS:
                    break
    except TimeoutError:
        said = (output[STDERR] or output[STDOUT]).decode("utf-8", "replace").strip()[-500:]
        raise CommandFailed(
            f"{shown} did not end within {timeout:g} s{': ' + said if said else ''}", None, said
        ) from None
    except OSError as error:
        raise ConnectionLost(f"{shown}: the connection to {pod} broke: {error}.") from error
    if not output[STATUS]:
        raise ConnectionLost(f"{shown}: the connection to {pod} ended before the command did.")
    out, err = (bytes(output[number]).decode("utf-8", "replace") for number in (STDOUT, STDERR))
    return exit_code(bytes(output[STATUS])), out, err


# --- ports -----------------------------------------------------------------------------------------


@contextlib.contextmanager
def forward(api: KubeApi, namespace: str, pod: str, port: int) -> t.Iterator[int]:
    """A port on the controller's loopback that leads to a pod's, over the API server's connection."""
    path = f"/api/v1/namespaces/{quote(namespace, safe='')}/pods/{quote(pod, safe='')}/portforward?ports={port}"
    stop = threading.Event()

    def serve(near: socket.socket) -> None:
        # What fails here ends the connection, as a port that nobody listens at does; its user repeats or reports.
        with contextlib.ExitStack() as stack:
            stack.enter_context(contextlib.closing(near))
            stack.enter_context(contextlib.suppress(OSError, KubeApiError))
            _relay(near, stack.enter_context(WebSocket(api.clone(), path, "create", 20)), stop)

    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as listener:
        listener.settimeout(0.5)

        def accept() -> None:
            while not stop.is_set():
                try:
                    connection, _peer = listener.accept()
                except (TimeoutError, OSError):
                    continue
                threading.Thread(target=serve, args=(connection,), daemon=True).start()

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            stop.set()
            thread.join(2)


def _relay(near: socket.socket, far: WebSocket, stop: threading.Event) -> None:
    """Carry bytes both ways. The first two bytes of each of the server's channels are the port's number."""
    announced: set[int] = set()

    def deliver() -> bool:
        for channel, content in far.messages():
            if channel not in announced:
                announced.add(channel)
                content = content[2:]
            if channel == 1 and content:
                raise KubeApiError(content.decode("utf-8", "replace"))
            if content:
                near.settimeout(20)
                near.sendall(content)
        return not far.closed

    alive = deliver()
    while alive and not stop.is_set():
        readable = select.select([near, far.sock], [], [], 0.5)[0]
        # TLS may hold back what it has read: everything is taken out at once.
        if far.sock in readable:
            alive = far.pump()
            alive = deliver() and alive
        if alive and near in readable:
            data = near.recv(65536)
            if not data:
                return
            far.send(0, data)
            alive = far.pump()
            alive = deliver() and alive
