# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Asking members who they are: probes for live roles, and the answers of HTTP endpoints and commands.

Written, a probe is a dictionary with ``command`` or ``http``, and optionally ``match`` and ``names``; read, a `Probe`.
Reading probes and answers is pure; `ask_all` talks to members, always through the API server.
"""

from __future__ import annotations

import re
import threading
import typing as t
from concurrent.futures import ThreadPoolExecutor

from ...kube import stream
from ...kube.ask import ask, shortened
from ...kube.client import KubeApi
from ...kube.errors import KubeApiError
from ...kube.pods import Object
from ...kube.question import Question
from ..model.reader import AppError
from ..placeholders import substitute

# Seconds for one member's answer, and how many are asked at the same time.
TIMEOUT = 5.0
PARALLEL = 16
_PROBE_FIELDS = ("command", "http", "match", "names")
_HTTP_FIELDS = ("json", "path", "port", "scheme", "service")


class ProbeError(Exception):
    """A probe that makes no sense. The message says where, what is expected and what was found."""


class Probe(t.NamedTuple):
    """How to ask a member for its live role."""

    question: Question
    match: t.Pattern[str] | None = None
    names: t.Mapping[str, str] = {}

    def live_role(self, answer: str) -> str:
        """The live role in an answer: the match's first group or the whole match, translated; empty without a match."""
        found = answer.strip()
        if self.match is not None:
            match = self.match.search(answer)
            if not match:
                return ""
            found = ((match.group(1) if self.match.groups else match.group(0)) or "").strip()
        return self.names.get(found, found)


# --- reading probes --------------------------------------------------------------------------------


def _known(where: str, found: t.Mapping[str, t.Any], fields: t.Sequence[str]) -> None:
    for field in found:
        if field not in fields:
            raise ProbeError(f"{where}: expected one of {', '.join(fields)}; found {field!r}.")


def parse_probe(where: str, probe: t.Any, ports: t.Mapping[str, t.Mapping[str, t.Any]] | None = None) -> Probe:
    """Read a probe. *ports* has the services that ``http.service`` may name: id -> ``{port, scheme}``."""
    if not isinstance(probe, dict):
        raise ProbeError(f"{where}: expected a mapping with command or http; found {probe!r}.")
    _known(where, probe, _PROBE_FIELDS)
    command, http = probe.get("command"), probe.get("http")
    if bool(command) == bool(http):
        raise ProbeError(f"{where}: expected either command or http; found {'both' if command else 'neither'}.")
    if command:
        if not isinstance(command, list) or not all(isinstance(word, (str, int, float)) for word in command):
            raise ProbeError(f"{where}.command: expected a list of words; found {command!r}.")
        question = Question(tuple(str(word) for word in command))
    else:
        question = _http(f"{where}.http", http, ports or {})
    match = None
    if probe.get("match"):
        try:
            match = re.compile(str(probe["match"]), re.MULTILINE)
        except re.error as error:
            raise ProbeError(
                f"{where}.match: expected a regular expression; found {probe['match']!r}: {error}."
            ) from None
    names = probe.get("names") or {}
    if not isinstance(names, dict):
        raise ProbeError(f"{where}.names: expected a mapping from answers to live roles; found {names!r}.")
    return Probe(question, match, {str(key): str(value) for key, value in names.items()})


def _http(where: str, http: t.Any, ports: t.Mapping[str, t.Mapping[str, t.Any]]) -> Question:
    if not isinstance(http, dict):
        raise ProbeError(f"{where}: expected a mapping with port (or service) and path; found {http!r}.")
    _known(where, http, _HTTP_FIELDS)
    service, port, scheme = http.get("service"), http.get("port"), http.get("scheme")
    if service and not port:
        if service not in ports:
            known = f"a service of the definition ({', '.join(sorted(ports))})" if ports else "port, with its number"
            raise ProbeError(f"{where}.service: expected {known}; found {service!r}.")
        port = ports[service].get("port")
        scheme = scheme or ports[service].get("scheme")
    number = int(str(port)) if str(port).isdigit() else 0
    if not 0 < number < 65536:
        raise ProbeError(f"{where}.port: expected a number from 1 to 65535; found {port!r}.")
    if scheme not in (None, "", "http", "https"):
        # A service of another protocol, such as tcp, may have its health check on the same port.
        scheme = None
    path = str(http.get("path") or "/")
    return Question(
        port=number,
        path=path if path.startswith("/") else f"/{path}",
        json=str(http.get("json") or ""),
        scheme=scheme or "",
    )


def parse_probes(live_roles: t.Mapping[str, t.Any] | None) -> dict[str, Probe]:
    """Read the option ``live_roles``: role -> probe."""
    return {str(role): parse_probe(f"live_roles.{role}", probe) for role, probe in (live_roles or {}).items()}


def probes_of(definition: t.Any, *, instance: str = "", namespace: str = "") -> dict[str, Probe]:
    """The probes of an app definition: role -> probe.

    Of the placeholders that a definition may hold, those are filled in that need no settings of a cluster: its name
    and namespace, and the ports of services.
    """
    if (
        not isinstance(definition, dict)
        or definition.get("kind") != "App"
        or not isinstance(definition.get("spec"), dict)
    ):
        raise ProbeError("definition: expected an app definition (kind: App, with spec).")
    spec = definition["spec"]
    ports = {str(service.get("id")): service for service in spec.get("services") or () if isinstance(service, dict)}
    values = {"cluster.name": instance, "cluster.namespace": namespace}
    values.update({f"services.{name}.port": str(service.get("port")) for name, service in ports.items()})
    for parameter in spec.get("parameters") or ():
        if isinstance(parameter, dict) and parameter.get("default") is not None:
            values[f"parameters.{parameter.get('name')}"] = str(parameter["default"])
    probes = {}
    for role in spec.get("roles") or ():
        if isinstance(role, dict) and role.get("live_role"):
            where = f"definition: role {role.get('id')}: live_role"
            known = {name: value for name, value in values.items() if value}
            probes[str(role.get("id"))] = parse_probe(where, _filled(where, role["live_role"], known), ports)
    return probes


def _filled(where: str, value: t.Any, values: t.Mapping[str, str]) -> t.Any:
    try:
        return substitute(value, values, where)
    except AppError as error:
        raise ProbeError(
            f"{where}: {error.problems[0].found} is only known with a cluster's settings. Give the probe in "
            "live_roles, with the value in its place."
        ) from None


def ask_all(
    api: KubeApi,
    members: t.Iterable[Object],
    probes: t.Mapping[str, Probe],
    timeout: float = TIMEOUT,
    parallel: int = PARALLEL,
) -> list[str]:
    """Ask the ready members of the roles that have a probe, several at a time, and set their ``live_role``.

    Returns a sentence for each member that has no answer, or none that the probe knows: its live role is empty.
    A member of another role has None.
    """
    local = threading.local()
    clients: list[KubeApi] = []
    lock = threading.Lock()

    def one(member: Object) -> str:
        if not hasattr(local, "api"):
            local.api = api.clone(timeout)
            with lock:
                clients.append(local.api)
        probe = probes[member["role"]]
        who = f"{member['pod']} (role {member['role']})"
        try:
            answer = ask(
                local.api, member["namespace"], member["pod"], member["container"] or "", probe.question, timeout
            )
        except (KubeApiError, stream.CommandFailed, ValueError) as error:
            return f"{who}: {shortened(str(error))}"
        member["live_role"] = probe.live_role(answer)
        return "" if member["live_role"] else f"{who}: its answer names no live role: {shortened(answer)!r}"

    asked = []
    for member in members:
        if member["role"] in probes:
            member["live_role"] = ""
            if member["ready"]:
                asked.append(member)
        else:
            member["live_role"] = None
    if not asked:
        return []
    try:
        with ThreadPoolExecutor(min(parallel, len(asked))) as pool:
            return [finding for finding in pool.map(one, asked) if finding]
    finally:
        for client in clients:
            client.close()
