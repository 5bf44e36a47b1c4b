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
import stat
import tempfile
import types
import typing as t
from urllib.parse import quote, urlsplit

try:
    import yaml
except ImportError:  # reported by load_kubeconfig, where it is needed
    yaml = None  # type: ignore[assignment]
from ..yaml_limits import Unbounded, check
from .errors import KubeApiError, NoKubeconfig

# Of a kubeconfig, in bytes: hundreds of clusters with their certificates take less.
LARGEST = 8 * 1024 * 1024


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
    # The HTTP proxy before the server, as http://HOST:PORT.
    proxy: str = ""
    # Further headers of every request, such as whom to impersonate. A name may stand several times.
    headers: tuple[tuple[str, str], ...] = ()
    # Asks again for what may have expired, such as an exec plugin's token.
    renew: t.Callable[[], ClusterAccess] | None = None


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
        loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
        try:
            # Before anything is built of it.
            check(yaml.parse(text, Loader=loader))
            content = yaml.load(text, Loader=loader)
        except Unbounded as error:
            raise KubeApiError(f"{name}, line {error.line}: {error}") from None
        except yaml.YAMLError as error:
            mark = getattr(error, "problem_mark", None)
            # The message of a YAML error quotes the file, which holds secrets.
            where = f", line {mark.line + 1}" if mark else ""
            raise KubeApiError(f"{name}{where}: this kubeconfig is not valid YAML.") from None
        except (ValueError, TypeError):
            # A date that is none, a list as a name.
            raise KubeApiError(f"{name}: this kubeconfig holds what cannot be read. Put texts in quotes.") from None
    if not isinstance(content, dict):
        raise KubeApiError(f"{name}: expected a kubeconfig (a mapping), found {type(content).__name__}.")
    return content


# What is to be a text, and not what YAML makes of 0123 or on; and what holds more.
_TEXTS = (
    *("server", "tls-server-name", "proxy-url", "certificate-authority", "certificate-authority-data", "token"),
    *("tokenFile", "client-certificate", "client-certificate-data", "client-key", "client-key-data", "username"),
    *("password", "as", "as-uid", "namespace", "cluster", "user"),
)
_MAPPINGS = ("exec", "auth-provider", "as-user-extra")


def _entries(content: dict[str, t.Any], kind: str, key: str, file: str) -> t.Iterator[tuple[str, dict[str, t.Any]]]:
    """The names of a kubeconfig's clusters, users or contexts, with what each of them says."""
    entries = content.get(kind) or []
    if not isinstance(entries, list):
        raise KubeApiError(f"{file}: {kind}: expected a list, found {type(entries).__name__}.")
    for entry in entries:
        said = (entry.get(key) or {}) if isinstance(entry, dict) else None
        name = entry.get("name", "") if isinstance(entry, dict) else ""
        if not isinstance(said, dict) or not isinstance(name, (str, int)):
            raise KubeApiError(f"{file}: {kind}: expected each to be a mapping with name and {key}, found another.")
        for field, value in said.items():
            # Not what was found: it may be a secret.
            if field in _TEXTS and value is not None and not isinstance(value, str):
                raise KubeApiError(
                    f"{file}: {field} of {key} {name!r}: expected a text, found {type(value).__name__}. "
                    "Put it in quotes: how it is written is lost otherwise."
                )
            if field in _MAPPINGS and value is not None and not isinstance(value, dict):
                raise KubeApiError(
                    f"{file}: {field} of {key} {name!r}: expected a mapping, found {type(value).__name__}."
                )
        yield str(name), said


def _content(name: str) -> str:
    """The text of a kubeconfig."""
    try:
        # Opening a pipe would wait for whoever writes to it.
        if not stat.S_ISREG(os.stat(name).st_mode):
            raise KubeApiError(f"{name}: expected a kubeconfig (a file), found neither file nor link to one.")
        with open(name, encoding="utf-8-sig") as stream:
            text = stream.read(LARGEST + 1)
    except OSError as error:
        raise KubeApiError(f"{name} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError:
        raise KubeApiError(f"{name}: expected a kubeconfig in UTF-8, found other bytes.") from None
    if len(text) > LARGEST:
        raise KubeApiError(f"{name}: expected a kubeconfig of at most {LARGEST} bytes, found more.")
    return text


# Kinds of proxies that kubectl knows and this client does not.
_OTHER_PROXIES = ("https", "socks5", "socks5h")


def _names_a_host(url: str, *schemes: str) -> bool:
    """Whether a URL is of one of these schemes, and has a host and, if any, a port that is a number."""
    try:
        parts = urlsplit(url)
        return parts.scheme in schemes and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


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
        content = _parse(_content(name), name)
        if isinstance(content.get("current-context") or "", (str, int)):
            current = current or str(content.get("current-context") or "")
        for target, kind, key in (
            (clusters, "clusters", "cluster"),
            (users, "users", "user"),
            (contexts, "contexts", "context"),
        ):
            for entry, said in _entries(content, kind, key, name):
                target.setdefault(entry, (said, name))

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
    if not _names_a_host(server, "https", "http"):
        raise KubeApiError(
            f"{cluster_file}: server of cluster {chosen['cluster']!r}: expected https://HOST:PORT, found {server!r}."
        )
    proxy = cluster.get("proxy-url") or ""
    if proxy and not _names_a_host(proxy, "http"):
        # Where it is not well-formed, its password may be anywhere in it.
        scheme = proxy.partition("://")[0]
        known = scheme in _OTHER_PROXIES and _names_a_host(proxy, scheme)
        raise KubeApiError(
            f"{cluster_file}: proxy-url of cluster {chosen['cluster']!r}: expected http://HOST:PORT, found "
            f"{f'{scheme}://{urlsplit(proxy).hostname}' if known else 'something else'}. "
            "Proxies of other kinds are not supported."
        )
    access = ClusterAccess(
        server=server.rstrip("/"),
        namespace=chosen.get("namespace") or "default",
        ca=material(cluster, cluster_file, "certificate-authority"),
        insecure=cluster.get("insecure-skip-tls-verify") is True,
        server_name=cluster.get("tls-server-name"),
        token=token,
        client_certificate=material(user, user_file, "client-certificate"),
        client_key=material(user, user_file, "client-key"),
        source=cluster_file,
        proxy=proxy,
        headers=tuple(_user_headers(user, bool(token))),
    )
    # The order of kubectl: what is written counts before what has to be asked for.
    if token or user.get("username") or not (user.get("exec") or user.get("auth-provider")):
        return access
    login = _by_plugin if user.get("exec") else _by_provider

    def ask() -> ClusterAccess:
        return login(access, user, cluster, user_file, str(chosen["user"]))._replace(renew=ask)

    return ask()


def _user_headers(user: dict[str, t.Any], has_token: bool) -> t.Iterator[tuple[str, str]]:
    """Headers that say who asks: a name and a password, and whom to impersonate."""
    if user.get("username") and not has_token:
        pair = f"{user['username']}:{user.get('password') or ''}"
        yield "Authorization", f"Basic {base64.b64encode(pair.encode()).decode()}"
    for field, header in (("as", "Impersonate-User"), ("as-uid", "Impersonate-Uid")):
        if user.get(field):
            yield header, str(user[field])
    for group in user.get("as-groups") or ():
        yield "Impersonate-Group", str(group)
    for key, values in (user.get("as-user-extra") or {}).items():
        for value in values:
            yield f"Impersonate-Extra-{quote(str(key), safe='')}", str(value)


def _sdk(what: str, file: str) -> t.Any:
    """The Kubernetes SDK's loader, which is imported only where it is needed: that takes longer than most requests."""
    try:
        from kubernetes.config import exec_provider, kube_config
    except ImportError:
        raise KubeApiError(
            f"{file}: a user with {what} needs the Python package kubernetes: install it for the Python that runs this."
        ) from None
    return kube_config, exec_provider


def _by_plugin(
    access: ClusterAccess, user: dict[str, t.Any], cluster: dict[str, t.Any], file: str, name: str
) -> ClusterAccess:
    """Run the user's exec plugin (client.authentication.k8s.io), for a token or a client certificate."""
    kube_config, exec_provider = _sdk("exec", file)
    plugin, directory = user["exec"], os.path.dirname(os.path.abspath(file))
    where = f"{file}: user {name!r}: the exec plugin {plugin.get('command')!r}"
    try:
        provider = exec_provider.ExecProvider(
            kube_config.ConfigNode("exec", plugin, file), directory, kube_config.ConfigNode("cluster", cluster, file)
        )
        status = provider.run()
    except FileNotFoundError:
        hint = str(plugin.get("installHint") or "Install it, or correct the kubeconfig.").strip()
        raise KubeApiError(f"{where} is not there. {hint}") from None
    except AttributeError:
        # On a terminal the SDK leaves the plugin's errors there, and then trips over not having them.
        raise KubeApiError(f"{where} failed, and has said why on the terminal.") from None
    except TypeError:
        raise KubeApiError(
            f"{where} failed: expected text as its args and env, and an ExecCredential as its answer."
        ) from None
    except (kube_config.ConfigException, OSError) as error:
        raise KubeApiError(f"{where} failed: {str(error).removeprefix('exec: ')}.") from None
    if not isinstance(status, dict) or not (status.get("token") or status.get("clientCertificateData")):
        raise KubeApiError(f"{where}: expected a token or clientCertificateData in its status, found neither.")
    return access._replace(
        token=status.get("token"),
        client_certificate=status.get("clientCertificateData") or access.client_certificate,
        client_key=status.get("clientKeyData") or access.client_key,
    )


def _by_provider(
    access: ClusterAccess, user: dict[str, t.Any], cluster: dict[str, t.Any], file: str, name: str
) -> ClusterAccess:
    """Ask the SDK for the token of one of its auth-providers, such as oidc."""
    kube_config, _exec_provider = _sdk("auth-provider", file)
    config = {
        "current-context": "it",
        "contexts": [{"name": "it", "context": {"cluster": "it", "user": "it"}}],
        "clusters": [{"name": "it", "cluster": {"server": access.server}}],
        "users": [{"name": "it", "user": {"auth-provider": user["auth-provider"]}}],
    }
    found = types.SimpleNamespace(api_key={})
    try:
        kube_config.KubeConfigLoader(config, config_base_path=os.path.dirname(file)).load_and_set(found)
    except Exception as error:
        # Whatever the provider raises: its library is not known here.
        raise KubeApiError(f"{file}: user {name!r}: its auth-provider failed: {type(error).__name__}.") from None
    token = str(found.api_key.get("BearerToken") or "").removeprefix("Bearer ")
    if not token:
        provider = user["auth-provider"].get("name")
        raise KubeApiError(f"{file}: user {name!r}: expected a token of the auth-provider {provider!r}, found none.")
    return access._replace(token=token)


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
