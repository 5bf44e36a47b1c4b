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
from ...kube.answer import shortened
from ...kube.ask import ask
from ...kube.client import KubeApi
from ...kube.errors import KubeApiError
from ...kube.pods import Object
from ...kube.question import Question
from ..contract import LiveQuestion
from ..model.reader import AppError
from ..placeholders import scalar
from .probe import Probe

# Seconds for one member's answer, and how many are asked at the same time.
TIMEOUT = 5.0
PARALLEL = 16
_PROBE_FIELDS = ("command", "http", "match", "names")
_HTTP_FIELDS = ("json", "path", "port", "scheme")


class ProbeError(Exception):
    """A probe that makes no sense. The message says where, what is expected and what was found."""


# --- reading probes --------------------------------------------------------------------------------


def _known(where: str, found: t.Mapping[str, t.Any], fields: t.Sequence[str]) -> None:
    for field in found:
        if field not in fields:
            raise ProbeError(f"{where}: expected one of {', '.join(fields)}; found {field!r}.")


def parse_probe(where: str, probe: t.Any) -> Probe:
    """Read a probe of the option ``live_roles``."""
    if not isinstance(probe, dict):
        raise ProbeError(f"{where}: expected a mapping with command or http; found {probe!r}.")
    _known(where, probe, _PROBE_FIELDS)
    command, http = probe.get("command"), probe.get("http")
    if bool(command) == bool(http):
        raise ProbeError(f"{where}: expected either command or http; found {'both' if command else 'neither'}.")
    if command:
        if not isinstance(command, list) or not all(isinstance(word, (str, int, float)) for word in command):
            raise ProbeError(f"{where}.command: expected a list of words; found {command!r}.")
        question = Question(tuple(scalar(word) for word in command))
    else:
        question = _http(f"{where}.http", http)
    match = probe.get("match") or ""
    names = probe.get("names") or {}
    if not isinstance(names, dict):
        raise ProbeError(f"{where}.names: expected a mapping from answers to live roles; found {names!r}.")
    live = LiveQuestion(question, str(match), {scalar(key): scalar(value) for key, value in names.items()})
    try:
        return Probe.of(live)
    except re.error as error:
        raise ProbeError(f"{where}.match: expected a regular expression; found {match!r}: {error}.") from None


def _http(where: str, http: t.Any) -> Question:
    if not isinstance(http, dict):
        raise ProbeError(f"{where}: expected a mapping with port and path; found {http!r}.")
    if "service" in http:
        raise ProbeError(f"{where}.service: expected port, with its number; found {http['service']!r}.")
    _known(where, http, _HTTP_FIELDS)
    port, scheme = http.get("port"), http.get("scheme")
    number = int(str(port)) if re.fullmatch(r"[0-9]{1,5}", str(port)) else 0
    if not 0 < number < 65536:
        raise ProbeError(f"{where}.port: expected a number from 1 to 65535; found {port!r}.")
    if scheme not in (None, "", "http", "https"):
        raise ProbeError(f"{where}.scheme: expected http or https; found {scheme!r}.")
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
    and namespace, the ports of services, and parameters with a default.
    """
    # Only here: what is asked without a definition does not wait for the model.
    from ..model.load import load_app
    from ..render.contract import check_question

    if not isinstance(definition, dict) or definition.get("kind") != "App":
        raise ProbeError("definition: expected an app definition (kind: App, with spec).")
    try:
        app = load_app(definition)
    except AppError as error:
        raise ProbeError("".join(f"definition: {problem}\n" for problem in error.problems).rstrip()) from None
    values: dict[str, t.Any] = {"cluster.name": instance, "cluster.namespace": namespace}
    values.update({f"services.{service.id}.port": service.port for service in app.services})
    values.update({f"parameters.{parameter.name}": parameter.default for parameter in app.parameters})
    known = {key: value for key, value in values.items() if value not in (None, "")}
    probes = {}
    for role in app.roles:
        if role.live_role is None:
            continue
        try:
            question = check_question(app, role.live_role.check, known, f"roles.{role.id}.live_role")
        except AppError as error:
            raise ProbeError(
                f"definition: role {role.id}: live_role: {error.problems[0].found} is only known with a cluster's "
                "settings. Give the probe in live_roles, with the value in its place."
            ) from None
        probes[role.id] = Probe.of(LiveQuestion(question, role.live_role.match, role.live_role.names))
    return probes


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
