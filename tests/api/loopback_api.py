# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A real etcd and kube-apiserver on loopback, for tests that need the API and nothing behind it.

conftest.py has the fixture; a test or a benchmark that needs a server of its own calls `run_api_server`.

The programs are taken from the directory named by BB_ARTIFACTS_BIN (files `etcd` and
`kube-apiserver`), else from the artifact cache. Where they are missing, the tests fail and say so:
a skipped test would look like a passed one.
"""

from __future__ import annotations

import base64
import contextlib
import datetime
import http.client
import ipaddress
import itertools
import json
import os
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

ROOT = Path(__file__).resolve().parents[2]
START_TIMEOUT = 60
ADMIN_TOKEN = "admin-token"  # a throw-away server on loopback
LIMITED_TOKEN = "limited-token"
# What a test wants to know of how the API was asked.
AUDIT_POLICY = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived"],
    "rules": [
        # The server's own informers and the scene that a test sets are not of interest.
        {"level": "None", "users": ["system:apiserver"]},
        {"level": "None", "verbs": ["create", "patch"]},
        {"level": "Metadata", "resources": [{"group": "", "resources": ["pods", "services", "nodes"]}]},
    ],
}


def find_program(name: str) -> str:
    """The path of a program: in BB_ARTIFACTS_BIN, else the newest of that name in the artifact cache."""
    given = os.environ.get("BB_ARTIFACTS_BIN", "")
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "baremetal-bigdata"
    cache = Path(os.environ.get("BB_CACHE") or cache) / "artifacts"
    if given:
        candidates = [Path(given) / name]
    else:
        candidates = [*cache.glob(f"*/{name}"), *cache.glob(f"*/*/{name}")]
        if name == "etcd":  # a build names it by its Go package
            candidates += cache.glob("go-etcd-*/server")
    found = [path for path in candidates if path.is_file() and os.access(path, os.X_OK)]
    if not found:
        pytest.fail(
            f"{name} not found in {given or cache}: these tests run a real API server. Build the artifacts, or set "
            "BB_ARTIFACTS_BIN to a directory that has etcd and kube-apiserver.",
            pytrace=False,
        )
    return str(max(found, key=lambda path: path.stat().st_mtime))


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


def _write_private(path: Path, data: bytes) -> Path:
    path.touch(mode=0o600)
    path.write_bytes(data)
    return path


def make_pki(directory: Path) -> dict[str, Path]:
    """An authority, a serving certificate for loopback, an administrator's client certificate, a token key."""
    now = datetime.datetime.now(datetime.timezone.utc)

    def pem(key) -> bytes:
        return key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )

    def certificate(
        subject: x509.Name, key, *, ca: bool, names: list[x509.GeneralName] | None = None
    ) -> x509.Certificate:
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(ca_name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(hours=1))
            .not_valid_after(now + datetime.timedelta(days=2))
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        )
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        return builder.sign(ca_key, hashes.SHA256())

    ca_key = ec.generate_private_key(ec.SECP256R1())
    ca_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "tests")])
    server_key = ec.generate_private_key(ec.SECP256R1())
    admin_key = ec.generate_private_key(ec.SECP256R1())
    token_key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    localhost = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    admin_name = x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "system:masters"),
            x509.NameAttribute(NameOID.COMMON_NAME, "admin-by-certificate"),
        ]
    )
    certs = {
        "ca": certificate(ca_name, ca_key, ca=True),
        "server": certificate(
            x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "kube-apiserver")]),
            server_key,
            ca=False,
            names=localhost,
        ),
        "admin": certificate(admin_name, admin_key, ca=False),
    }
    files = {
        f"{name}.crt": _write_private(directory / f"{name}.crt", cert.public_bytes(serialization.Encoding.PEM))
        for name, cert in certs.items()
    }
    for name, key in {"server": server_key, "admin": admin_key, "token": token_key}.items():
        files[f"{name}.key"] = _write_private(directory / f"{name}.key", pem(key))
    return files


@dataclass
class ApiServer:
    """A running API server: its address, kubeconfigs, and enough of a client to set a scene.

    `kubeconfig` is the administrator's (by token), `kubeconfig_cert` the same by client certificate with inline
    data, `kubeconfig_limited` is user `limited`, who may do nothing until a test grants it.
    """

    url: str
    etcd_url: str
    ca_file: Path
    directory: Path
    kubeconfig: Path
    kubeconfig_cert: Path
    kubeconfig_limited: Path
    log_file: Path
    audit_file: Path
    _connection: http.client.HTTPSConnection | None = field(default=None, repr=False)
    _names: Iterator[int] = field(default_factory=itertools.count, repr=False)

    @property
    def port(self) -> int:
        return int(self.url.rsplit(":", 1)[1])

    def connect(self) -> http.client.HTTPSConnection:
        """A connection of its own, for a thread."""
        context = ssl.create_default_context(cafile=str(self.ca_file))
        return http.client.HTTPSConnection("127.0.0.1", self.port, context=context, timeout=30)

    def request(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        content_type: str = "application/json",
        connection: http.client.HTTPSConnection | None = None,
        allow: tuple[int, ...] = (),
    ) -> Any:
        """One request as the administrator; the parsed answer. Raises for a status of 400 or more not in `allow`."""
        kept = connection is None and self._connection is not None
        if connection is None:
            connection = self._connection = self._connection or self.connect()
        headers = {"Authorization": f"Bearer {ADMIN_TOKEN}", "Content-Type": content_type}
        payload = None if body is None else json.dumps(body)
        try:
            connection.request(method, path, payload, headers)
            answer = connection.getresponse()
            data = answer.read()
        except (http.client.HTTPException, OSError):
            connection.close()
            if not kept:
                raise
            # The server closes connections that were idle for long.
            self._connection = None
            return self.request(method, path, body, content_type=content_type, allow=allow)
        if answer.status >= 400 and answer.status not in allow:
            raise AssertionError(f"{method} {path}: {answer.status} {data.decode()[:500]}")
        return json.loads(data) if data else None

    def namespace(self, prefix: str = "test") -> str:
        """Create a namespace with a new name, and return the name."""
        name = f"{prefix}-{next(self._names)}"
        self.request("POST", "/api/v1/namespaces", {"metadata": {"name": name}})
        return name

    def create(
        self, path: str, obj: dict[str, Any], status: dict[str, Any] | None = None, **kwargs: Any
    ) -> dict[str, Any]:
        """Create an object below a collection's path, and set its status as a kubelet or controller would."""
        created = self.request("POST", path, obj, **kwargs)
        if status is not None:
            created = self.patch_status(f"{path}/{created['metadata']['name']}", status, **kwargs)
        return created

    def patch_status(self, path: str, status: dict[str, Any], **kwargs: Any) -> dict[str, Any]:
        """Replace fields of an object's status subresource by a merge patch."""
        return self.request(
            "PATCH", f"{path}/status", {"status": status}, content_type="application/merge-patch+json", **kwargs
        )

    def delete(self, path: str, grace_seconds: int = 0) -> None:
        self.request("DELETE", f"{path}?gracePeriodSeconds={grace_seconds}", allow=(404,))

    def compact(self) -> int:
        """Forget etcd's history up to now, so that every resource version given out so far has expired.

        An API server that keeps a watch cache may still serve them: start one with --watch-cache=false to see it.
        Returns the revision.
        """
        port = int(self.etcd_url.rsplit(":", 1)[1])
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        with contextlib.closing(connection):
            # The revision that is compacted to stays readable, so it is made a new one.
            put = {"key": base64.b64encode(b"compact").decode(), "value": ""}
            connection.request("POST", "/v3/kv/put", json.dumps(put))
            revision = int(json.loads(connection.getresponse().read())["header"]["revision"])
            body = json.dumps({"revision": revision, "physical": True})
            connection.request("POST", "/v3/kv/compaction", body)
            answer = connection.getresponse()
            data = answer.read()
            assert answer.status == 200, data
        return revision

    def grant(self, user: str, namespace: str, rules: list[dict[str, Any]]) -> None:
        """Give a user these RBAC rules in one namespace."""
        base = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}"
        name = f"grant-{next(self._names)}"
        self.request("POST", f"{base}/roles", {"metadata": {"name": name}, "rules": rules})
        self.request(
            "POST",
            f"{base}/rolebindings",
            {
                "metadata": {"name": name},
                "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name},
                "subjects": [{"kind": "User", "name": user, "apiGroup": "rbac.authorization.k8s.io"}],
            },
        )

    def ansible_env(self, **extra: str) -> dict[str, str]:
        """The environment for running `ansible` or `ansible-playbook` of this checkout against this server."""
        env = {key: value for key, value in os.environ.items() if not key.startswith(("ANSIBLE_", "K8S_AUTH_"))}
        env.pop("KUBECONFIG", None)
        return {
            **env,
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{env.get('PATH', '')}",
            "ANSIBLE_CONFIG": str(self.directory / "ansible.cfg"),
            "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".collections"),
            "ANSIBLE_LOCALHOST_WARNING": "false",
            "ANSIBLE_INVENTORY_UNPARSED_WARNING": "false",
            "ANSIBLE_PYTHON_INTERPRETER": sys.executable,
            "ANSIBLE_LOCAL_TEMP": str(self.directory / "ansible"),
            "ANSIBLE_NOCOLOR": "true",
            "K8S_AUTH_KUBECONFIG": str(self.kubeconfig),
            **extra,
        }


def write_kubeconfig(path: Path, server: str, cluster: dict[str, Any], user: dict[str, Any]) -> Path:
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "tests", "cluster": {"server": server, **cluster}}],
        "users": [{"name": "user", "user": user}],
        "contexts": [{"name": "tests", "context": {"cluster": "tests", "user": "user"}}],
        "current-context": "tests",
    }
    return _write_private(path, yaml.safe_dump(content).encode())


@contextlib.contextmanager
def _running(argv: list[str], log_file: Path) -> Iterator[subprocess.Popen]:
    with log_file.open("wb") as log:
        process = subprocess.Popen(argv, stdout=log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(timeout=10)


def _wait_ready(process: subprocess.Popen, name: str, probe, log_file: Path) -> None:
    deadline = time.monotonic() + START_TIMEOUT
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError, http.client.HTTPException, AssertionError):
            probe()
            return
        time.sleep(0.1)
    tail = "\n".join(log_file.read_text(errors="replace").splitlines()[-15:])
    raise RuntimeError(
        f"{name} is not ready after {START_TIMEOUT} s (exit code {process.poll()}); its log ends:\n{tail}"
    )


@contextlib.contextmanager
def run_api_server(directory: Path, *arguments: str) -> Iterator[ApiServer]:
    """Start etcd and kube-apiserver below `directory` on free loopback ports; stop both at the end.

    `arguments` are further ones for kube-apiserver.
    """
    etcd, apiserver = find_program("etcd"), find_program("kube-apiserver")
    pki = make_pki(directory)
    # An empty configuration: neither that of the checkout nor the user's.
    (directory / "ansible.cfg").touch()
    audit_policy = directory / "audit-policy.yaml"
    audit_policy.write_text(yaml.safe_dump(AUDIT_POLICY))
    etcd_url, peer_url = (f"http://127.0.0.1:{free_port()}" for _ in range(2))
    url = f"https://127.0.0.1:{free_port()}"
    tokens = _write_private(
        directory / "tokens.csv",
        f'{ADMIN_TOKEN},admin,admin,"system:masters"\n{LIMITED_TOKEN},limited,limited\n'.encode(),
    )
    ca = {"certificate-authority": str(pki["ca.crt"])}
    inline = {"certificate-authority-data": base64.b64encode(pki["ca.crt"].read_bytes()).decode()}
    by_cert = {
        "client-certificate-data": base64.b64encode(pki["admin.crt"].read_bytes()).decode(),
        "client-key-data": base64.b64encode(pki["admin.key"].read_bytes()).decode(),
    }
    server = ApiServer(
        url=url,
        etcd_url=etcd_url,
        ca_file=pki["ca.crt"],
        directory=directory,
        kubeconfig=write_kubeconfig(directory / "kubeconfig", url, ca, {"token": ADMIN_TOKEN}),
        kubeconfig_cert=write_kubeconfig(directory / "kubeconfig-cert", url, inline, by_cert),
        kubeconfig_limited=write_kubeconfig(directory / "kubeconfig-limited", url, ca, {"token": LIMITED_TOKEN}),
        log_file=directory / "kube-apiserver.log",
        audit_file=directory / "audit.log",
    )
    etcd_argv = [
        etcd,
        f"--data-dir={directory / 'etcd'}",
        f"--listen-client-urls={etcd_url}",
        f"--advertise-client-urls={etcd_url}",
        f"--listen-peer-urls={peer_url}",
        f"--initial-advertise-peer-urls={peer_url}",
        f"--initial-cluster=default={peer_url}",
        "--unsafe-no-fsync",
        "--log-level=error",
    ]
    api_argv = [
        apiserver,
        f"--etcd-servers={etcd_url}",
        "--bind-address=127.0.0.1",
        "--advertise-address=127.0.0.1",
        "--endpoint-reconciler-type=none",
        f"--secure-port={server.port}",
        f"--tls-cert-file={pki['server.crt']}",
        f"--tls-private-key-file={pki['server.key']}",
        f"--client-ca-file={pki['ca.crt']}",
        f"--token-auth-file={tokens}",
        "--service-account-issuer=https://tests.invalid",
        f"--service-account-key-file={pki['token.key']}",
        f"--service-account-signing-key-file={pki['token.key']}",
        "--service-cluster-ip-range=10.96.0.0/16",
        "--authorization-mode=RBAC",
        # No controllers run here, so no namespace ever gets its default service account.
        "--disable-admission-plugins=ServiceAccount",
        f"--audit-policy-file={audit_policy}",
        f"--audit-log-path={server.audit_file}",
        "--audit-log-mode=blocking",
        "--shutdown-delay-duration=0s",
        *arguments,
    ]

    def etcd_probe() -> None:
        with contextlib.closing(
            http.client.HTTPConnection("127.0.0.1", int(etcd_url.rsplit(":", 1)[1]), timeout=2)
        ) as conn:
            conn.request("GET", "/health")
            assert conn.getresponse().status == 200

    with _running(etcd_argv, directory / "etcd.log") as etcd_process:
        _wait_ready(etcd_process, "etcd", etcd_probe, directory / "etcd.log")
        with _running(api_argv, server.log_file) as api_process:
            _wait_ready(
                api_process,
                "kube-apiserver",
                # This namespace is made by the server itself, at the end of its start.
                lambda: server.request("GET", "/api/v1/namespaces/default"),
                server.log_file,
            )
            yield server
