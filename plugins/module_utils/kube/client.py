# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A thin client of the Kubernetes API: GET, chunked lists, watches, server-side apply, patches and deletes.

It uses the standard library because the Kubernetes SDK takes longer to import, and to turn a large
answer into its objects, than a whole discovery may take. Objects are the plain dictionaries that
JSON gives; a list is handed out chunk by chunk, so that its size does not decide the memory used.

Sources: https://kubernetes.io/docs/reference/using-api/api-concepts/ (chunks, watches, bookmarks,
410 Gone, dry run), https://kubernetes.io/docs/reference/using-api/server-side-apply/.
"""

from __future__ import annotations

import base64
import http.client
import json
import random
import socket
import ssl
import time
import typing as t
from urllib.parse import quote, unquote, urlencode, urlsplit

from .config import ClusterAccess, tls_context
from .errors import ConnectionLost, Expired, KubeApiError

# Seconds that one read or connect may stay silent.
REQUEST_TIMEOUT = 30
# A watch is opened anew after this many seconds: a server behind a broken load balancer may never say that it is gone.
WATCH_SECONDS = 240
# etcd refuses objects above 1.5 MiB, and JSON may be larger than what is stored. A longer event is not an object.
MAX_EVENT_BYTES = 16 * 1024 * 1024
# What stands before the items of a list is a few fields.
MAX_LIST_HEAD = 64 * 1024
# Answers after which the same request may well succeed, and how often to ask again.
_RETRY_STATUS = (429, 502, 503, 504)
_RETRIES = 4

# An answer of a member by the API server's proxy is a line or a page, not a download.
MAX_ANSWER_BYTES = 4 * 1024 * 1024

APPLY_PATCH = "application/apply-patch+yaml"
MERGE_PATCH = "application/merge-patch+json"
STRATEGIC_PATCH = "application/strategic-merge-patch+json"

METADATA_LIST = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json"


class _HTTPSConnection(http.client.HTTPSConnection):
    """Verifies the name that the kubeconfig asks for (tls-server-name), which may differ from the address."""

    def __init__(self, host: str, port: int, timeout: float, context: ssl.SSLContext, server_name: str) -> None:
        super().__init__(host, port, timeout=timeout, context=context)
        self.__context = context
        self.__server_name = server_name

    def connect(self) -> None:
        http.client.HTTPConnection.connect(self)
        self.sock = self.__context.wrap_socket(self.sock, server_hostname=self.__server_name)


# --- paths -----------------------------------------------------------------------------------------

# Kinds whose place in the API is known. Others are asked for, which costs a request for each API version.
_CORE = (
    "ConfigMap",
    "Event",
    "PersistentVolumeClaim",
    "Pod",
    "ReplicationController",
    "Secret",
    "Service",
)
_KNOWN = {
    **{("v1", kind): (kind.lower() + "s", True) for kind in _CORE},
    ("v1", "ServiceAccount"): ("serviceaccounts", True),
    ("v1", "Namespace"): ("namespaces", False),
    ("v1", "Node"): ("nodes", False),
    ("v1", "PersistentVolume"): ("persistentvolumes", False),
    **{
        ("apps/v1", kind): (kind.lower() + "s", True)
        for kind in ("DaemonSet", "Deployment", "ReplicaSet", "StatefulSet")
    },
    ("batch/v1", "Job"): ("jobs", True),
    ("policy/v1", "PodDisruptionBudget"): ("poddisruptionbudgets", True),
    ("rbac.authorization.k8s.io/v1", "Role"): ("roles", True),
    ("rbac.authorization.k8s.io/v1", "RoleBinding"): ("rolebindings", True),
    ("rbac.authorization.k8s.io/v1", "ClusterRole"): ("clusterroles", False),
    ("rbac.authorization.k8s.io/v1", "ClusterRoleBinding"): ("clusterrolebindings", False),
}


def api_base(version: str) -> str:
    """The path of an API version, such as ``v1`` or ``apps/v1``."""
    return f"/apis/{version}" if "/" in version else f"/api/{version}"


def resource_of(path: str) -> str:
    """What a path asks for, as RBAC names it: ``pods``, ``pods/exec``."""
    parts = [part for part in urlsplit(path).path.split("/") if part]
    start = next((index for index, part in enumerate(parts) if part in ("api", "apis")), None)
    if start is None:
        return "/".join(parts)
    parts = parts[start + (2 if parts[start] == "api" else 3) :]
    if parts[:1] == ["namespaces"] and len(parts) > 2:
        parts = parts[2:]
    return "/".join(parts[:1] + parts[2:3]) or path


# --- requests --------------------------------------------------------------------------------------


class KubeApi:
    """Talks to one API server over one kept connection. Use it in one thread, and close it; `clone` for another."""

    def __init__(
        self, access: ClusterAccess, timeout: float = REQUEST_TIMEOUT, tls: ssl.SSLContext | None = None
    ) -> None:
        self.access = access
        self.timeout = timeout
        parts = urlsplit(access.server)
        self._prefix = parts.path.rstrip("/")
        self._host = parts.hostname or ""
        self._port = parts.port or (443 if parts.scheme == "https" else 80)
        self._tls = tls or tls_context(access) if parts.scheme == "https" else None
        self._connection: http.client.HTTPConnection | None = None
        self._headers = self._own_headers()

    def __enter__(self) -> KubeApi:
        return self

    def __exit__(self, *dummy: t.Any) -> None:
        self.close()

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _own_headers(self) -> list[tuple[str, str]]:
        """The headers of every request. A name may stand several times."""
        headers = [("User-Agent", "baremetal.bigdata"), *self.access.headers]
        if self.access.token:
            headers.append(("Authorization", f"Bearer {self.access.token}"))
        for name, value in headers:
            # Here, as http.client would show the value.
            if not value.isprintable():
                raise KubeApiError(
                    f"{self.access.source}: the header {name} of its user has a line break or another character that "
                    "cannot be shown, which no header may have."
                )
        return headers

    def renew(self) -> bool:
        """Ask again for a token or certificate that may have expired. False where there is nobody to ask."""
        if self.access.renew is None:
            return False
        self.close()
        self.access = self.access.renew()
        self._headers = self._own_headers()
        if self._tls is not None:
            self._tls = tls_context(self.access)
        return True

    def clone(self, timeout: float | None = None) -> KubeApi:
        """Another client of the same server and user, for another thread. It reads no certificates again."""
        return KubeApi(self.access, timeout or self.timeout, self._tls)

    def connect(self, timeout: float) -> tuple[socket.socket, str, list[tuple[str, str]]]:
        """A connection of its own for a stream: the socket, the path's prefix and the headers of a request.

        Raises KubeApiError where the server cannot be reached.
        """
        try:
            sock = self._connect(timeout).sock
        except (OSError, http.client.HTTPException) as error:
            raise self._lost(error) from error
        host = f"[{self._host}]" if ":" in self._host else self._host
        return sock, self._prefix, [*self._headers, ("Host", f"{host}:{self._port}")]

    def _connect(self, timeout: float) -> http.client.HTTPConnection:
        connection: http.client.HTTPConnection
        proxy = urlsplit(self.access.proxy)
        host, port = (proxy.hostname or "", proxy.port or 80) if self.access.proxy else (self._host, self._port)
        if self._tls is not None:
            name = self.access.server_name or self._host
            connection = _HTTPSConnection(host, port, timeout, self._tls, name)
        else:
            connection = http.client.HTTPConnection(host, port, timeout=timeout)
        if self.access.proxy:
            headers = {}
            if proxy.username:
                pair = f"{unquote(proxy.username)}:{unquote(proxy.password or '')}"
                headers["Proxy-Authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
            connection.set_tunnel(self._host, self._port, headers)
        connection.connect()
        sock = connection.sock
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        # A watch may be silent for minutes; a peer that died is noticed within half a minute.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for option, value in (("TCP_KEEPIDLE", 10), ("TCP_KEEPINTVL", 5), ("TCP_KEEPCNT", 3)):
            if hasattr(socket, option):
                sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)
        return connection

    def _lost(self, error: Exception) -> KubeApiError:
        proxy = urlsplit(self.access.proxy)
        host, port = (proxy.hostname, proxy.port or 80) if self.access.proxy else (self._host, self._port)
        peer = f"{'the proxy ' if self.access.proxy else ''}{host} port {port}"
        where = f"the Kubernetes API at {self.access.server} (kubeconfig {self.access.source})"
        if isinstance(error, ssl.SSLCertVerificationError):
            return KubeApiError(
                f"{where}: its certificate was not accepted: {error.verify_message}. The kubeconfig's "
                "certificate-authority must be that of this cluster, and the address one that its certificate names."
            )
        if isinstance(error, ssl.SSLError):
            return ConnectionLost(
                f"{where}: no TLS connection: {error.reason or error}. Is this the port of an API server?"
            )
        if isinstance(error, socket.gaierror):
            return ConnectionLost(f"{where}: the name {host} cannot be resolved.")
        if isinstance(error, TimeoutError):
            return ConnectionLost(f"{where}: no answer from {peer}. Check the network and firewalls.")
        if isinstance(error, ConnectionRefusedError):
            return ConnectionLost(f"{where}: connection refused by {peer}. Is the API server running?")
        return ConnectionLost(f"{where}: the connection broke: {error or type(error).__name__}.")

    def _put(
        self,
        path: str,
        query: dict[str, t.Any],
        timeout: float,
        accept: str | None,
        method: str = "GET",
        body: bytes | None = None,
        content_type: str = "",
    ) -> http.client.HTTPConnection:
        """Send a request, over the kept connection where there is one. Its answer is still to be received."""
        target = self._prefix + path
        query = {key: value for key, value in query.items() if value not in (None, "")}
        if query:
            target += "?" + urlencode(query)
        headers = [*self._headers, ("Accept", accept or "application/json")]
        if body is not None:
            headers += [("Content-Type", content_type), ("Content-Length", str(len(body)))]
        if self._connection is None:
            self._connection = self._connect(timeout)
        elif self._connection.sock is not None:
            self._connection.sock.settimeout(timeout)
        # Not `request`, which takes each name once.
        self._connection.putrequest(method, target)
        for name, value in headers:
            self._connection.putheader(name, value.encode())
        self._connection.endheaders(body)
        return self._connection

    def _open(
        self,
        path: str,
        query: dict[str, t.Any],
        timeout: float,
        accept: str | None = None,
        method: str = "GET",
        body: bytes | None = None,
        content_type: str = "",
        sent: bool = False,
    ) -> http.client.HTTPResponse:
        """Send a request and return the answer, its body still to be read. A kept connection that broke is replaced.

        Every request that is sent here may be sent twice: it gives the same result. With *sent* the first time was
        before, by `_ask_ahead`.
        """
        renewed = False
        while True:
            connection = self._connection
            kept = connection is not None
            try:
                if connection is None or not sent:
                    connection = self._put(path, query, timeout, accept, method, body, content_type)
                answer = connection.getresponse()
                if answer.status == 401 and not renewed and self.renew():
                    renewed, sent = True, False
                    continue
                return answer
            except (OSError, http.client.HTTPException) as error:
                self.close()
                sent = False
                # The server may close an idle connection at any time; only a fresh one tells its state.
                if not kept or isinstance(error, TimeoutError):
                    raise self._lost(error) from error

    def _ask_ahead(self, path: str, query: dict[str, t.Any], accept: str | None) -> bool:
        """Send a GET whose answer is received later. False where that failed: the request is then still to be sent."""
        try:
            self._put(path, query, self.timeout, accept)
        except (OSError, http.client.HTTPException):
            self.close()
            return False
        return True

    def failure(self, path: str, verb: str, status: int, body: bytes) -> KubeApiError:
        """The exception for an answer that is no success."""
        message, reason = "", ""
        try:
            answer = json.loads(body)
            message, reason = answer.get("message") or "", answer.get("reason") or ""
        except (ValueError, AttributeError):
            message = body.decode(errors="replace").strip()[:300]
        return api_error(f"{self.access.server}{self._prefix}{path}", verb, status, message, reason)

    def get(self, path: str, **query: t.Any) -> dict[str, t.Any]:
        """One object, parsed. A busy server (429, 503) is asked again, as late as it says."""
        return self._parsed(path, self._content("GET", path, query, "get"))

    def _send(
        self, method: str, path: str, query: dict[str, t.Any], body: t.Any, content_type: str
    ) -> dict[str, t.Any]:
        """Send an object; the answer, parsed."""
        content = self._content(
            method, path, query, method.lower(), data=json.dumps(body).encode(), content_type=content_type
        )
        return self._parsed(path, content)

    def _parsed(self, path: str, content: bytes) -> dict[str, t.Any]:
        try:
            return json.loads(content)
        except ValueError:
            raise KubeApiError(
                f"{self.access.server}{path} did not answer in JSON. Is this the address of an API server?", 200
            ) from None

    def _content(
        self,
        method: str,
        path: str,
        query: dict[str, t.Any],
        verb: str,
        accept: str | None = None,
        data: bytes | None = None,
        content_type: str = "",
        sent: bool = False,
    ) -> bytes:
        """The body of an answer that is a success. *sent*: see `_open`."""
        for attempt in range(_RETRIES + 1):
            answer = self._open(path, query, self.timeout, accept, method, data, content_type, sent and not attempt)
            try:
                content = answer.read()
            except (OSError, http.client.HTTPException) as error:
                self.close()
                if sent and not attempt and not isinstance(error, TimeoutError):
                    # The server does not wait for ever for who asked ahead, and reads late.
                    continue
                raise self._lost(error) from error
            if answer.status in (200, 201, 202):
                return content
            if answer.status not in _RETRY_STATUS or attempt == _RETRIES:
                break
            time.sleep(_pause(attempt, answer.getheader("Retry-After")))
        raise self.failure(path, verb, answer.status, content)

    def text(self, path: str, timeout: float | None = None, **query: t.Any) -> str:
        """The body of an answer as it is, such as a member's by the server's proxy. Asked once: the caller repeats.

        The timeout is for the whole answer, however slowly it comes.
        """
        timeout = timeout or self.timeout
        deadline = time.monotonic() + timeout
        # A member that is slow is no server that is gone.
        slow = ConnectionLost(
            f"get {self.access.server}{path}: no whole answer within {timeout:g} s.", 504 if "/proxy/" in path else 0
        )
        try:
            answer = self._open(path, query, timeout, "*/*")
        except ConnectionLost as error:
            raise (slow if isinstance(error.__cause__, TimeoutError) else error) from error
        content = b""
        try:
            while len(content) < MAX_ANSWER_BYTES:
                self._set_timeout(answer, deadline - time.monotonic())
                part = answer.read1(65536)
                if not part:
                    answer.read()  # marks it as read, so that the connection can be kept
                    break
                content += part
                if time.monotonic() > deadline:
                    raise TimeoutError
        except (OSError, http.client.HTTPException) as error:
            self.close()
            if isinstance(error, TimeoutError):
                raise slow from error
            raise self._lost(error) from error
        if len(content) >= MAX_ANSWER_BYTES:
            self.close()
            raise KubeApiError(
                f"get {self.access.server}{path}: its answer is longer than {MAX_ANSWER_BYTES} bytes.", 200
            )
        if answer.status != 200:
            raise self.failure(path, "get", answer.status, content)
        return content.decode("utf-8", "replace")

    # --- objects ---

    def path(self, version: str, kind: str, namespace: str | None = None, name: str | None = None) -> str:
        """The path of an object, or of its collection without *name*. Asks the server about kinds not built in."""
        if (version, kind) not in _KNOWN:
            _KNOWN.update(self._kinds(version))
        if (version, kind) not in _KNOWN:
            raise KubeApiError(
                f"{self.access.server}: the API has no kind {kind} of {version}. Is its definition installed?", 405
            )
        plural, namespaced = _KNOWN[(version, kind)]
        path = api_base(version)
        if namespaced and namespace:
            path += f"/namespaces/{quote(namespace, safe='')}"
        path += f"/{plural}"
        return f"{path}/{quote(name, safe='')}" if name else path

    def _kinds(self, version: str) -> dict[tuple[str, str], tuple[str, bool]]:
        try:
            found = self.get(api_base(version))
        except KubeApiError as error:
            if error.status != 404:
                raise
            return {}
        return {
            (version, item["kind"]): (item["name"], item["namespaced"])
            for item in found.get("resources") or ()
            if "/" not in item["name"]
        }

    def apply(self, path: str, body: dict[str, t.Any], manager: str, dry_run: bool = False) -> dict[str, t.Any]:
        """Server-side apply of a whole object: *manager* owns exactly the fields in *body* afterwards."""
        query = {"fieldManager": manager, "force": "true", "dryRun": "All" if dry_run else ""}
        return self._send("PATCH", path, query, body, APPLY_PATCH)

    def try_create(self, path: str, body: dict[str, t.Any], manager: str) -> dict[str, t.Any]:
        """What the server would make of an object in the collection *path*. A dry run: nothing is made."""
        query = {"fieldManager": manager, "fieldValidation": "Strict", "dryRun": "All"}
        data = json.dumps(body).encode()
        content = self._content("POST", path, query, "create", data=data, content_type="application/json")
        return self._parsed(path, content)

    def patch(
        self,
        path: str,
        body: dict[str, t.Any],
        dry_run: bool = False,
        content_type: str = MERGE_PATCH,
        manager: str = "",
    ) -> dict[str, t.Any]:
        """Change some fields of an object; a null removes one."""
        query = {"fieldManager": manager, "dryRun": "All" if dry_run else ""}
        return self._send("PATCH", path, query, body, content_type)

    def delete(self, path: str, dry_run: bool = False, propagation: str = "Background", uid: str = "") -> bool:
        """Delete an object, with *uid* only that very one. False where there is none."""
        options: dict[str, t.Any] = {"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": propagation}
        if uid:
            options["preconditions"] = {"uid": uid}
        if dry_run:
            # In the body: the server ignores a dry run in the query where a delete has a body.
            options["dryRun"] = ["All"]
        try:
            self._send("DELETE", path, {}, options, "application/json")
        except KubeApiError as error:
            # 409: the precondition failed, so the one that was meant is gone.
            if error.status != 404 and not (uid and error.status == 409):
                raise
            return False
        return True

    # --- lists and watches ---

    def list_chunks(
        self, path: str, limit: int = 500, metadata_only: bool = False, **query: t.Any
    ) -> t.Iterator[dict[str, t.Any]]:
        """Yield a collection chunk by chunk: lists of at most *limit* items, all of one resource version.

        The last chunk has no ``continue`` token, and its ``resourceVersion`` is the one to watch from. Raises
        Expired where the server forgot that version before the last chunk was read: start again, and drop what
        the chunks so far gave.
        """
        accept = METADATA_LIST if metadata_only else None
        query = {**query, "limit": limit}
        sent = False
        try:
            while True:
                content = self._content("GET", path, query, "list", accept, sent=sent)
                query["continue"] = continue_token(content)
                # The server makes the next chunk while this one is read.
                sent = bool(query["continue"]) and self._ask_ahead(path, query, accept)
                chunk = self._parsed(path, content)
                del content
                query["continue"] = (chunk.get("metadata") or {}).get("continue") or ""
                yield chunk
                # A caller that drops its own reference too never has two chunks in memory.
                del chunk
                if not query["continue"]:
                    return
        finally:
            if sent:
                # Nobody wants the answer that was asked for.
                self.close()

    def watch(
        self, path: str, resource_version: str, deadline: float, **query: t.Any
    ) -> t.Iterator[tuple[str, dict[str, t.Any]]]:
        """Yield (type, object) of every change after *resource_version*, until the server ends the watch or *deadline*.

        *deadline* is a time.monotonic() value. Types are ADDED, MODIFIED, DELETED and BOOKMARK. After either end,
        watch again from the resource version of the object last seen. Raises Expired where that version is too
        old: list again.
        """
        left = deadline - time.monotonic()
        if left <= 0:
            return
        seconds = min(left, WATCH_SECONDS)
        query.update(
            watch="1",
            allowWatchBookmarks="true",
            resourceVersion=resource_version,
            timeoutSeconds=max(1, int(seconds + 0.999)),
        )
        try:
            answer = self._open(path, query, min(self.timeout, max(left, 0.1)))
            if answer.status != 200:
                raise self.failure(path, "watch", answer.status, answer.read(65536))
            while True:
                left = deadline - time.monotonic()
                if left <= 0:
                    return
                # The server ends a watch itself; a little later the client does.
                self._set_timeout(answer, min(left, seconds + 10))
                line = answer.readline(MAX_EVENT_BYTES)
                if not line:
                    return
                if not line.endswith(b"\n"):
                    raise ConnectionLost(f"{self.access.server}{path}: a watch event was cut off.")
                event = json.loads(line)
                kind, obj = event["type"], event["object"]
                if kind == "ERROR":
                    raise api_error(
                        f"{self.access.server}{self._prefix}{path}",
                        "watch",
                        obj.get("code") or 500,
                        obj.get("message") or "",
                        obj.get("reason") or "",
                    )
                yield kind, obj
        except TimeoutError:
            return
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise self._lost(error) from error
        finally:
            # What is left of the stream cannot be read past.
            self.close()

    def _set_timeout(self, answer: http.client.HTTPResponse, seconds: float) -> None:
        if self._connection is not None and self._connection.sock is not None:
            self._connection.sock.settimeout(max(seconds, 0.05))


def continue_token(content: bytes) -> str:
    """The token for a list's next chunk, out of what stands before the items of its JSON; empty where none does."""
    head = content[:MAX_LIST_HEAD].partition(b'"items"')[0]
    try:
        return str(json.loads(head + b'"items":0}')["metadata"].get("continue") or "")
    except (ValueError, LookupError, AttributeError, TypeError):
        return ""


def _pause(attempt: int, retry_after: str | None) -> float:
    """Seconds to wait before asking a busy server again: as it says, at most 10, else doubling with some noise."""
    try:
        return min(float(retry_after or ""), 10.0)
    except ValueError:
        return 0.25 * 2**attempt * (0.75 + random.random() / 2)


def api_error(url: str, verb: str, status: int, message: str, reason: str = "") -> KubeApiError:
    """The exception for an answer that is not 200, with the remedy where it is known."""
    text = f"{verb} {url}: {status} {reason or http.client.responses.get(status, '')}: {message}".rstrip(": ")
    if status == 410 or reason in ("Expired", "Gone"):
        return Expired(text, status, reason)
    if status == 401:
        text += ". The server does not know this user: the kubeconfig's certificate or token is wrong or has expired."
    elif status == 403:
        text += f". Grant the kubeconfig's user the verb {verb!r} on {resource_of(url)!r} by a Role or ClusterRole."
    elif status in (429, 500, 502, 503, 504):
        return ConnectionLost(text, status, reason)
    return KubeApiError(text, status, reason)
