# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Commands in containers and forwarded ports, over WebSockets of the Kubernetes API.

By websocket-client, over a connection of the thin client: the SDK takes longer to import than most commands take to
run, and its streams may not be used in several threads. Source: the API's channel protocol ``v4.channel.k8s.io``, in
which the first byte of a message is its channel.
"""

from __future__ import annotations

import contextlib
import json
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


class CommandFailed(RuntimeError):
    """A command that ended with another code than 0; or, ``returncode`` None, not in time or said too much."""

    def __init__(self, message: str, returncode: int | None, output: str) -> None:
        super().__init__(message)
        self.returncode = returncode
        self.output = output


class WebSocket:
    """One WebSocket to the API server. Use it in one thread, and close it."""

    def __init__(self, api: KubeApi, path: str, verb: str, timeout: float) -> None:
        # Only here: what asks for no stream does not wait for the import.
        try:
            import websocket
        except ImportError:
            raise KubeApiError(
                "commands in containers and forwarded ports need the Python package websocket-client, which the "
                "package kubernetes brings: install it for the Python that runs this module."
            ) from None
        self._errors = websocket
        self._socket = websocket.WebSocket(skip_utf8_validation=True)
        try:
            self._connect(api, path, verb, timeout)
        except KubeApiError as error:
            # A token may have expired since the last request.
            if error.status != 401 or not api.renew():
                raise
            self._connect(api, path, verb, timeout)

    def _connect(self, api: KubeApi, path: str, verb: str, timeout: float) -> None:
        bare, errors = path.partition("?")[0], self._errors
        sock, prefix, headers = api.connect(timeout)
        sock.settimeout(timeout)
        host = next(value for name, value in headers if name == "Host")
        # A kubelet answers 406 to whoever accepts nothing but JSON.
        sent = [(name, value) for name, value in headers if name not in ("Host", "Accept")] + [("Accept", "*/*")]
        try:
            self._socket.connect(
                f"wss://{host}{prefix}{path}",
                socket=sock,
                host=host,
                header=[f"{name}: {value}" for name, value in sent],
                subprotocols=[PROTOCOL],
                suppress_origin=True,
                # What is sent along is for this server alone.
                redirect_limit=0,
            )
        except errors.WebSocketBadStatusException as error:
            raise api.failure(bare, verb, error.status_code, error.resp_body or b"") from error
        except (errors.WebSocketTimeoutException, errors.WebSocketConnectionClosedException, OSError) as error:
            raise ConnectionLost(f"{api.access.server}{bare}: the connection broke: {error}.") from error
        except errors.WebSocketException as error:
            raise KubeApiError(
                f"{api.access.server}{prefix}{bare}: expected a WebSocket of protocol {PROTOCOL}, found: {error}. A "
                "proxy before the API server has to let WebSockets through."
            ) from error

    def __enter__(self) -> WebSocket:
        return self

    def __exit__(self, *dummy: t.Any) -> None:
        self.close()

    @property
    def sock(self) -> socket.socket:
        """The connection, to be waited for. It may be readable for a part of a message."""
        return self._socket.sock

    @property
    def held_back(self) -> bool:
        """Whether TLS has read something already that is not waited for by the connection."""
        return isinstance(self.sock, ssl.SSLSocket) and self.sock.pending() > 0

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._socket.shutdown()

    def receive(self, timeout: float) -> tuple[int, bytes] | None:
        """The next (channel, content), (-1, b"") for a message without one, None once the server has closed.

        Raises TimeoutError.
        """
        self._socket.settimeout(max(timeout, 0.001))
        try:
            code, content = self._socket.recv_data(control_frame=True)
        except self._errors.WebSocketTimeoutException:
            raise TimeoutError("timed out") from None
        except self._errors.WebSocketConnectionClosedException:
            return None
        except self._errors.WebSocketException as error:
            raise OSError(str(error)) from error
        if code == self._errors.ABNF.OPCODE_CLOSE:
            return None
        if code not in (self._errors.ABNF.OPCODE_BINARY, self._errors.ABNF.OPCODE_TEXT) or not content:
            return -1, b""
        return content[0], content[1:]

    def read(self, deadline: float) -> t.Iterator[tuple[int, bytes]]:
        """Every (channel, content) until the server closes. Raises TimeoutError at *deadline* (time.monotonic())."""
        while True:
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError("timed out")
            message = self.receive(left)
            if message is None:
                return
            yield message

    def send(self, channel: int, content: bytes, timeout: float = 20) -> None:
        """Send bytes on a channel."""
        self._socket.settimeout(timeout)
        try:
            self._socket.send_binary(bytes([channel]) + content)
        except self._errors.WebSocketException as error:
            raise OSError(str(error)) from error


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
    know how much it reads. Raises CommandFailed where it does not end in time or says too much, and KubeApiError
    where it did not run.
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
                    raise CommandFailed(f"{shown} gave more than {MAX_OUTPUT_BYTES} bytes of output", None, "")
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
        """Hand over what has arrived. False once the server has closed."""
        while True:
            message = far.receive(20)
            if message is None:
                return False
            channel, content = message
            if channel >= 0 and channel not in announced:
                announced.add(channel)
                content = content[2:]
            if channel == 1 and content:
                raise KubeApiError(content.decode("utf-8", "replace"))
            if content:
                near.settimeout(20)
                near.sendall(content)
            if not far.held_back:
                return True

    while not stop.is_set():
        readable = select.select([near, far.sock], [], [], 0.5)[0]
        if far.sock in readable and not deliver():
            return
        if near in readable:
            data = near.recv(65536)
            if not data:
                return
            far.send(0, data)
