# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Kubeconfigs: from files to what is needed to call one cluster as one user.

Source: https://kubernetes.io/docs/reference/config-api/kubeconfig.v1/.
"""

from __future__ import annotations

import base64
import binascii
import json
import os
import ssl
import tempfile
import typing as t
from urllib.parse import urlsplit

from ansible.module_utils.basic import env_fallback

try:
    import yaml
except ImportError:  # reported by load_kubeconfig, where it is needed
    yaml = None  # type: ignore[assignment]
from .errors import KubeApiError, NoKubeconfig

ARGUMENT_SPEC = {
    "kubeconfig": {"type": "path", "fallback": (env_fallback, ["K8S_AUTH_KUBECONFIG", "KUBECONFIG"])},
    "context": {"type": "str", "fallback": (env_fallback, ["K8S_AUTH_CONTEXT"])},
}


class ClusterAccess(t.NamedTuple):
    """What is needed to call one cluster as one user, taken from a kubeconfig. Certificates and keys are PEM."""

    server: str
    namespace: str = "default"
    ca: str | None = None
    insecure: bool = False
    server_name: str | None = None
    token: str | None = None
    client_certificate: str | None = None
    client_key: str | None = None
    source: str = ""


def kubeconfig_files(path: str | None = None) -> list[str]:
    """The files that make up the kubeconfig: *path* (one file, or several joined as in $KUBECONFIG), or the default."""
    if not path:
        return [os.path.expanduser("~/.kube/config")]
    if os.path.exists(path):
        return [path]
    return [os.path.expanduser(part) for part in path.split(os.pathsep) if part] or [path]


def _parse(text: str, name: str) -> dict[str, t.Any]:
    if yaml is None:
        try:
            content = json.loads(text)
        except ValueError:
            raise KubeApiError(f"{name} is YAML, and this Python has no PyYAML: install it.") from None
    else:
        try:
            content = yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
        except yaml.YAMLError as error:
            mark = getattr(error, "problem_mark", None)
            # The message of a YAML error quotes the file, which holds secrets.
            where = f", line {mark.line + 1}" if mark else ""
            raise KubeApiError(f"{name}{where}: this kubeconfig is not valid YAML.") from None
    if not isinstance(content, dict):
        raise KubeApiError(f"{name}: expected a kubeconfig (a mapping), found {type(content).__name__}.")
    return content


def load_kubeconfig(path: str | None = None, context: str | None = None) -> ClusterAccess:
    """Read the kubeconfig and resolve one context.

    Of several files, the first one that defines a name wins, as in kubectl. Raises KubeApiError, with what was
    expected and found, for whatever is missing or not supported.
    """
    clusters: dict[str, tuple[dict, str]] = {}
    users: dict[str, tuple[dict, str]] = {}
    contexts: dict[str, tuple[dict, str]] = {}
    current = ""
    files = kubeconfig_files(path)
    found = [name for name in files if os.path.exists(name)]
    if not found:
        raise NoKubeconfig(
            f"No kubeconfig: {' and '.join(files)} not found. Set the option kubeconfig or K8S_AUTH_KUBECONFIG to the "
            "administrator's kubeconfig that the installation left on the controller."
        )
    for name in found:
        try:
            with open(name, encoding="utf-8") as stream:
                content = _parse(stream.read(), name)
        except OSError as error:
            raise KubeApiError(f"{name} cannot be read: {error.strerror}.") from error
        current = current or content.get("current-context") or ""
        for target, kind, key in (
            (clusters, "clusters", "cluster"),
            (users, "users", "user"),
            (contexts, "contexts", "context"),
        ):
            for entry in content.get(kind) or []:
                target.setdefault(entry.get("name", ""), (entry.get(key) or {}, name))

    def pick(entries: dict[str, tuple[dict, str]], name: str, kind: str) -> tuple[dict, str]:
        if name not in entries:
            known = ", ".join(sorted(entries)) or "none"
            raise KubeApiError(f"{', '.join(found)}: no {kind} named {name!r}; there are: {known}.")
        return entries[name]

    wanted = context or current
    if not wanted:
        raise KubeApiError(
            f"{', '.join(found)}: no current-context. Set the option context to one of: "
            f"{', '.join(sorted(contexts)) or 'none'}."
        )
    chosen, _dummy = pick(contexts, wanted, "context")
    cluster, cluster_file = pick(clusters, chosen.get("cluster") or "", "cluster")
    user, user_file = pick(users, chosen["user"], "user") if chosen.get("user") else ({}, cluster_file)

    for key in ("exec", "auth-provider", "username", "as"):
        if user.get(key):
            raise KubeApiError(
                f"{user_file}: user {chosen['user']!r} authenticates by {key!r}, which is not supported. Use a "
                "client certificate, a token or a tokenFile, for example of a ServiceAccount (kubectl create token)."
            )
    if cluster.get("proxy-url"):
        raise KubeApiError(f"{cluster_file}: cluster {chosen['cluster']!r} has a proxy-url, which is not supported.")

    def material(entry: dict, file: str, key: str) -> str | None:
        """The text of inline data, or of the file named beside it (relative to the kubeconfig)."""
        if entry.get(f"{key}-data"):
            try:
                return base64.b64decode(entry[f"{key}-data"], validate=True).decode()
            except (binascii.Error, ValueError):
                raise KubeApiError(f"{file}: {key}-data is not base64 of a PEM text.") from None
        return _read(entry[key], file, key) if entry.get(key) else None

    def _read(name: str, file: str, key: str) -> str:
        name = os.path.join(os.path.dirname(os.path.abspath(file)), name)
        try:
            with open(name, encoding="utf-8") as stream:
                return stream.read()
        except OSError as error:
            raise KubeApiError(f"{file}: {key} {name} cannot be read: {error.strerror}.") from error

    token = user.get("token")
    if not token and user.get("tokenFile"):
        token = _read(user["tokenFile"], user_file, "tokenFile").strip()
    server = cluster.get("server") or ""
    if urlsplit(server).scheme not in ("https", "http") or not urlsplit(server).hostname:
        raise KubeApiError(
            f"{cluster_file}: server of cluster {chosen['cluster']!r}: expected https://HOST:PORT, found {server!r}."
        )
    return ClusterAccess(
        server=server.rstrip("/"),
        namespace=chosen.get("namespace") or "default",
        ca=material(cluster, cluster_file, "certificate-authority"),
        insecure=cluster.get("insecure-skip-tls-verify") is True,
        server_name=cluster.get("tls-server-name"),
        token=token,
        client_certificate=material(user, user_file, "client-certificate"),
        client_key=material(user, user_file, "client-key"),
        source=cluster_file,
    )


def tls_context(access: ClusterAccess) -> ssl.SSLContext:
    """The TLS settings of a cluster. The certificate is verified unless the kubeconfig says otherwise."""
    try:
        context = ssl.create_default_context(cadata=access.ca)
    except ssl.SSLError as error:
        raise KubeApiError(f"{access.source}: certificate-authority is not a PEM certificate: {error}.") from error
    if access.insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if access.client_certificate:
        # The ssl module takes files only: one that nobody else can read, for as long as the call takes.
        descriptor, name = tempfile.mkstemp(prefix="kube-client-")
        try:
            with os.fdopen(descriptor, "w") as stream:
                stream.write(access.client_certificate.rstrip() + "\n" + (access.client_key or ""))
            context.load_cert_chain(name)
        except ssl.SSLError as error:
            raise KubeApiError(
                f"{access.source}: client-certificate and client-key do not fit each other: {error}."
            ) from error
        finally:
            os.unlink(name)
    return context
