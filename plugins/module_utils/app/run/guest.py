# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What members of a guest-configured cluster are told while it runs: their configmeta.json, and who came or went.

Pure functions over a ``GuestContract``, for the module app_guest. The layout of configmeta.json and the calls of
the start script are KubeDirector's (``configSchemaVersion`` 7).
"""

from __future__ import annotations

import base64
import json
import math
import re
import uuid
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from fractions import Fraction
from typing import Any

from ...kube.quantity import quantity
from ..contract import GuestContract, GuestRole
from ..render.guest import guest_name

# Labels by which KubeDirector's connected objects say what they are.
TYPE_LABELS = {"configmaps": "kubedirector.hpe.com/cmType", "secrets": "kubedirector.hpe.com/secretType"}
_GROUP = "1"
_REFERENCE = "bdvlibrefkey"
# For the cluster's own number, which KubeDirector takes from its custom resource.
_CLUSTERS = uuid.UUID("6d0e5c0e-5a0b-5f3a-9a57-0b7a1f6f8f11")


def member_names(role: GuestRole, count: int | None = None) -> list[str]:
    """Names of a role's members. Members without names of their own count as one, the controller's."""
    count = role.members if count is None else count
    if not role.named:
        return [role.workload] if count else []
    return [f"{role.workload}-{number}" for number in range(count)]


def fqdn(role: GuestRole, member: str) -> str:
    """The name under which others find a member."""
    if role.hostname:
        return f"{role.hostname}.{role.domain}"
    return f"{member}.{role.domain}" if role.named else role.domain


def membership(
    contract: GuestContract, counts: Mapping[str, int] | None = None, leaving: Iterable[str] = ()
) -> dict[str, list[str]]:
    """Members of each role, by role id: as many as ``counts`` says, else as planned, without those that leave."""
    gone = set(leaving)
    return {
        role.id: [name for name in member_names(role, (counts or {}).get(role.id)) if name not in gone]
        for role in contract.roles
    }


def assign_ids(known: Mapping[str, int], members: Mapping[str, Sequence[str]]) -> dict[str, int]:
    """A small number for each member, from 1 and never given twice: apps use it as a broker's or server's id."""
    ids = dict(known)
    following = max(ids.values(), default=0) + 1
    for names in members.values():
        for name in names:
            if name not in ids:
                ids[name] = following
                following += 1
    return ids


def config_meta(
    contract: GuestContract,
    member: str,
    connections: Mapping[str, Any] | None = None,
    tokens: Mapping[str, str] | None = None,
    members: Mapping[str, Sequence[str]] | None = None,
    ids: Mapping[str, int] | None = None,
) -> dict[str, Any]:
    """The configmeta.json of one member, as the agent puts it together."""
    members = membership(contract) if members is None else members
    ids = assign_ids({}, members) if ids is None else ids
    result = shared_meta(contract, connections, tokens, members, ids)
    result["node"] = node_meta(contract, member, ids)
    return result


def shared_meta(
    contract: GuestContract,
    connections: Mapping[str, Any] | None,
    tokens: Mapping[str, str] | None,
    members: Mapping[str, Sequence[str]],
    ids: Mapping[str, int],
) -> dict[str, Any]:
    """What all members of a cluster are told."""
    services: dict[str, Any] = {}
    roles = {}
    for role in contract.roles:
        names = members[role.id]
        # A role without members is not there for start scripts.
        if not names:
            continue
        roles[role.name] = _role_meta(role, names, tokens or {}, ids)
        for service in role.services:
            where = ["nodegroups", _GROUP, "roles", role.name, "services", service.id]
            services.setdefault(service.id, {_GROUP: {}})[_GROUP][role.name] = {_REFERENCE: where}
    return {
        "version": str(contract.schema_version),
        "services": services,
        "nodegroups": {
            _GROUP: {
                "roles": roles,
                "distro_id": contract.distro,
                "catalog_entry_version": contract.version,
                "config_metadata": dict(contract.config_meta),
            }
        },
        "distros": {contract.distro: {_GROUP: {_REFERENCE: ["nodegroups", _GROUP]}}},
        "cluster": {
            "name": contract.name,
            "isolated": False,
            "id": str(uuid.uuid5(_CLUSTERS, f"{contract.namespace}/{contract.name}")),
            "config_metadata": {_GROUP: {_REFERENCE: ["nodegroups", _GROUP, "config_metadata"]}},
        },
        "connections": dict(connections or {"clusters": {}, "configmaps": {}, "secrets": {}}),
    }


def _role_meta(
    role: GuestRole, names: Sequence[str], tokens: Mapping[str, str], ids: Mapping[str, int]
) -> dict[str, Any]:
    hosts = [fqdn(role, name) for name in names]
    path = ["nodegroups", _GROUP, "roles", role.name]
    services = {}
    for service in role.services:
        port = service.port
        services[service.id] = {
            "qualifiers": [],
            "name": service.name,
            "id": service.id,
            "hostnames": {_REFERENCE: [*path, "hostnames"]},
            "global_id": f"{_GROUP}_{role.name}_{service.id}",
            "fqdns": {_REFERENCE: [*path, "fqdns"]},
            "exported_service": service.exported_service,
            "endpoints": [f"{service.scheme}://{host}:{port}" for host in hosts] if port else [],
            "authToken": tokens.get(service.token, "") if service.token else "",
        }
    result = {
        "services": services,
        "node_ids": [str(ids[name]) for name in names],
        "hostnames": hosts,
        "fqdns": hosts,
        "fqdn_mappings": {host: str(ids[name]) for host, name in zip(hosts, names)},
        "flavor": {
            "storage": "n/a",
            "name": "n/a",
            "description": "n/a",
            "memory": str(int(amount(role.memory) // 2**20)),
            "cores": str(math.ceil(amount(role.cpu))),
        },
    }
    if role.config_meta:
        result["config_metadata"] = dict(role.config_meta)
    if role.secret_keys:
        result["secret_keys"] = dict(role.secret_keys)
    return result


def node_meta(contract: GuestContract, member: str, ids: Mapping[str, int]) -> dict[str, Any]:
    """What only one member is told: who it is."""
    role = next(role for role in contract.roles if member in _possible(role, member))
    host = fqdn(role, member)
    result = {
        "role_id": role.name,
        "nodegroup_id": _GROUP,
        "id": str(ids[member]),
        "hostname": host,
        "fqdn": host,
        "domain": role.domain,
        "distro_id": contract.distro,
        "depends_on": {},
    }
    if role.block_devices:
        result["block_device_paths"] = list(role.block_devices)
    return result


def _possible(role: GuestRole, member: str) -> list[str]:
    """The member, where its name is one of this role's, however many there are."""
    if not role.named:
        return [role.workload]
    return [member] if re.fullmatch(re.escape(role.workload) + r"-\d+", member) else []


def amount(text: str) -> Fraction:
    """A quantity's value; of an empty text nothing."""
    value = quantity(text or "0")
    if value is None:
        raise ValueError(f"{text!r} is not a Kubernetes quantity")
    return value


def agent_settings(role: GuestRole) -> str:
    """What the agent has to do for members of a role, line by line. No field but the last may have blanks."""
    lines = []
    if role.package:
        lines.append(f"package {role.package}")
    lines.append(" ".join(["events", *role.events]))
    if role.systemd:
        lines.append("systemd yes")
    for item in role.files:
        lines.append(f"file {item.mode or '-'} {item.owner or '-'} {item.path} {item.url}")
    return "".join(f"{line}\n" for line in lines)


def guest_objects(
    contract: GuestContract,
    connections: Mapping[str, Any] | None,
    tokens: Mapping[str, str],
    members: Mapping[str, Sequence[str]],
    ids: Mapping[str, int],
) -> list[dict[str, Any]]:
    """The Secrets ``<cluster>-tokens`` and ``<cluster>-guest``, each only where it is needed."""
    result = []
    if contract.tokens:
        result.append(_secret(contract, f"{contract.name}-tokens", {name: tokens[name] for name in contract.tokens}))
    guests = [role for role in contract.roles if role.guest]
    if not guests:
        return result
    content = {
        "cluster.json": _json(shared_meta(contract, connections, tokens, members, ids)),
        "ids.json": _json(dict(ids)),
    }
    for role in guests:
        content[f"{role.id}.role"] = agent_settings(role)
        for name in members[role.id]:
            content[f"{name}.json"] = _json(node_meta(contract, name, ids))
    result.append(_secret(contract, guest_name(contract.name), content))
    return result


def _json(content: Any) -> str:
    # In one line: the agent takes off the last brace.
    return json.dumps(content, sort_keys=True, separators=(",", ":"))


def _secret(contract: GuestContract, name: str, content: Mapping[str, str]) -> dict[str, Any]:
    data = {key: base64.b64encode(value.encode()).decode() for key, value in content.items()}
    metadata = {"name": name, "namespace": contract.namespace, "labels": dict(contract.labels)}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "type": "Opaque", "data": data}


def secret_content(item: Mapping[str, Any] | None) -> dict[str, str]:
    """What a Secret holds, as texts."""
    data = (item or {}).get("data") or {}
    return {key: base64.b64decode(value).decode("utf-8", "replace") for key, value in data.items()}


def connected_cluster(shared: Mapping[str, Any], name: str) -> dict[str, Any]:
    """What members are told of another cluster. References lead into it, not into the cluster that reads them."""

    def moved(value: Any) -> Any:
        if isinstance(value, Mapping):
            if _REFERENCE in value:
                return {_REFERENCE: ["connections", "clusters", name, *value[_REFERENCE]]}
            return {key: moved(item) for key, item in value.items()}
        return value

    result = {key: moved(value) for key, value in shared.items() if key != "connections"}
    return {**result, "node": None, "connections": {"clusters": {}, "configmaps": {}, "secrets": {}}}


def connected_object(item: Mapping[str, Any]) -> dict[str, Any]:
    """What members are told of a ConfigMap or Secret. All of a Secret's texts are in base64, as KubeDirector has it."""
    metadata = item["metadata"]
    labels = dict(metadata.get("labels") or {})
    annotations = dict(metadata.get("annotations") or {})
    annotations.pop("kubectl.kubernetes.io/last-applied-configuration", None)
    name = {"name": metadata["name"]}
    if item["kind"] == "Secret":
        labels, annotations, name = (
            {key: base64.b64encode(str(value).encode()).decode() for key, value in texts.items()}
            for texts in (labels, annotations, name)
        )
    return {"metadata": name, "data": dict(item.get("data") or {}), "labels": labels, "annotations": annotations}


@dataclass(frozen=True)
class Notification:
    """One call of one member's start script. ``role`` is the name that start scripts know."""

    pod: str
    action: str
    role: str = ""
    members: tuple[str, ...] = ()

    def arguments(self, hosts: Mapping[str, str]) -> list[str]:
        """The arguments, in KubeDirector's order. ``hosts``: the name under which others find a member."""
        if self.action == "reconnect":
            return ["--reconnect"]
        fqdns = ",".join(hosts.get(name, name) for name in self.members)
        return [f"--{self.action}", "--nodegroup", _GROUP, "--role", self.role, "--fqdns", fqdns]

    def __str__(self) -> str:
        if self.action == "reconnect":
            return f"{self.pod}: --reconnect"
        return f"{self.pod}: --{self.action} of role {self.role}: {', '.join(self.members)}"


def told_by_meta(contract: GuestContract, meta: Mapping[str, Any]) -> dict[str, list[str]]:
    """The members that a configmeta.json names, by the roles' names."""
    roles = {role.name: role for role in contract.roles}
    found = {}
    for name, role in meta["nodegroups"][_GROUP]["roles"].items():
        known = roles.get(name)
        if known and (known.hostname or not known.named):
            found[name] = member_names(known, len(role["fqdns"]))
        else:
            found[name] = [host.partition(".")[0] for host in role["fqdns"]]
    return found


@dataclass(frozen=True)
class Told:
    """What a member knows of its cluster. ``members``: by the roles' names, in one order, without empty roles."""

    # The container that was told; its configmeta.json and the connections in it, as digests.
    container: str
    meta: str
    connections: str
    members: Mapping[str, Sequence[str]]

    def __post_init__(self) -> None:
        # What is the same looks the same.
        members = {role: sorted(names, key=_number) for role, names in sorted(self.members.items()) if names}
        object.__setattr__(self, "members", members)

    def to_json(self) -> str:
        """As the pod's annotation keeps it."""
        return json.dumps(asdict(self), sort_keys=True, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> Told | None:
        """What `to_json` made; of anything else nothing."""
        try:
            found = json.loads(text) if text else None
        except ValueError:
            return None
        names = [item.name for item in fields(cls)]
        if not isinstance(found, dict) or not set(names) <= set(found) or not isinstance(found["members"], dict):
            return None
        return cls(**{name: found[name] for name in names})


@dataclass(frozen=True)
class Goal:
    """What all members should know."""

    # By the roles' names.
    members: Mapping[str, Sequence[str]]
    connections: str
    # Pod -> the events that its role asks for.
    listeners: Mapping[str, Sequence[str]]
    # Only of these members may anybody hear that they are there. None: of all.
    configured: Collection[str] | None = None

    def may_be_named(self, member: str) -> bool:
        return self.configured is None or member in self.configured


def _number(name: str) -> tuple[str, int]:
    head, _, tail = name.rpartition("-")
    return (head, int(tail)) if tail.isdigit() else (name, -1)


def notifications(told: Mapping[str, Told], goal: Goal) -> list[Notification]:
    """Which member has to be told what, so that it knows what it should. Nobody is told anything twice.

    ``told``: what each member knows that can be told.
    """
    result = []
    for pod in sorted(told):
        events, known = goal.listeners.get(pod, ()), told[pod].members
        if "reconnect" in events and told[pod].connections != goal.connections:
            result.append(Notification(pod, "reconnect"))
        for action in ("delnodes", "addnodes"):
            if action not in events:
                continue
            for role in sorted({*known, *goal.members}):
                change = _change(action, known.get(role, ()), goal.members.get(role, ()), goal)
                change = tuple(name for name in change if name != pod)
                if change:
                    result.append(Notification(pod, action, role, change))
    return result


def _change(action: str, known: Sequence[str], members: Sequence[str], goal: Goal) -> tuple[str, ...]:
    if action == "delnodes":
        return tuple(name for name in known if name not in members)
    return tuple(name for name in members if name not in known and goal.may_be_named(name))


def after(told: Told, note: Notification, connections: str) -> Told:
    """What a member knows once it was told one thing."""
    if note.action == "reconnect":
        return replace(told, connections=connections)
    names = list(told.members.get(note.role, ()))
    if note.action == "delnodes":
        names = [name for name in names if name not in note.members]
    else:
        names += [name for name in note.members if name not in names]
    return replace(told, members={**told.members, note.role: names})


def settled(told: Told, goal: Goal) -> Told:
    """What a member is taken to know in the end: also of that which its role did not ask to hear."""
    members = {
        role: [name for name in names if name in told.members.get(role, ()) or goal.may_be_named(name)]
        for role, names in goal.members.items()
    }
    return replace(told, members=members, connections=goal.connections)


def secrets_of(values: Iterable[str]) -> set[str]:
    """Those that can be told from ordinary words and numbers in a text."""
    return {value for value in values if len(value) >= 4}


def password_of(url: str) -> str:
    """The user's part of a URL, or nothing."""
    head, at, _ = url.partition("://")[2].partition("/")[0].rpartition("@")
    return head.partition(":")[2] if at else ""


def hidden(text: str, secrets: Iterable[str]) -> str:
    """A text in which nobody finds a secret."""
    for value in sorted(secrets_of(secrets), key=len, reverse=True):
        text = text.replace(value, "(hidden)")
    return text
