# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Members that configure themselves from a config package in KubeDirector's form, without an operator: pure functions.

What goes where. The Secret ``<cluster>-guest`` has ``cluster.json`` (what all members are told), ``<pod>.json``
(the one part that differs, ``node``), ``<role>.role`` (what the agent has to do) and ``ids.json`` (numbers once
given). The agent puts the first two together to ``/etc/guestconfig/configmeta.json``, so the Secret grows with the
cluster, not with its square. The module ``app_guest`` keeps it current, and tells members of each other.

Input of everything here is the *plan* that ``guest_plan`` makes of a cluster, plain data::

    name, namespace, app, version, distro, schema_version, create_namespace, labels, config_meta
    connections: {clusters: [NAME], configmaps: [NAME], secrets: [NAME]}
    tokens:      [service id, ...]          services with a random token
    keep:        [Kind/name, ...]           objects that are made here, so that nobody prunes them
    roles:
      - id, name (which start scripts know), workload, controller, container, selector, domain, hostname, members
        guest: bool, package, events, systemd, config_meta, secret_keys, memory, cpu, block_devices
        files:    [{url, path, mode, owner}]
        services: [{id, name, exported_service, port (or null), scheme, path, token (a service id, or empty)}]

The layout of configmeta.json and the calls of the start script are KubeDirector's (``configSchemaVersion`` 7).
"""

from __future__ import annotations

import base64
import hashlib
import json
import math
import re
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from ...kube.quantity import quantity
from ..model.reader import AppError, Problem
from ..model.types import AppCluster, Role
from .names import CONTAINER, api_object, cluster_labels, member_selector, role_domain, tokens_name, workload_name

GUEST_PATH = "/run/baremetal-bigdata/guest"
AGENT_PATH = "/run/baremetal-bigdata/agent"
CONFIGURE = ("/bin/sh", f"{AGENT_PATH}/configure")
ANNOTATION_MEMBERS = "baremetal.bigdata/guest-members"
ANNOTATION_PACKAGE = "baremetal.bigdata/guest-package"
# Labels by which KubeDirector's connected objects say what they are.
TYPE_LABELS = {"configmaps": "kubedirector.hpe.com/cmType", "secrets": "kubedirector.hpe.com/secretType"}
_GROUP = "1"
_REFERENCE = "bdvlibrefkey"
# For the cluster's own number, which KubeDirector takes from its custom resource.
_CLUSTERS = uuid.UUID("6d0e5c0e-5a0b-5f3a-9a57-0b7a1f6f8f11")


def guest_name(name: str) -> str:
    """Name of the Secret with what members of a cluster are told."""
    return f"{name}-guest"


def agent_name(name: str) -> str:
    """Name of the ConfigMap with the agent."""
    return f"{name}-agent"


def guest_plan(cluster: AppCluster) -> dict[str, Any] | None:
    """What the module ``app_guest`` has to know of a cluster, or None where it has nothing to do."""
    app = cluster.app
    tokens = [service.id for service in app.services if service.token]
    guests = any(role.guest for role in app.roles)
    if not guests and not tokens:
        return None
    problems = [
        Problem(
            f"spec.roles[{number}].guest",
            "controller: StatefulSet for members that are configured one by one",
            role.controller,
            "Their names have to be known before they start.",
        )
        for number, role in enumerate(app.roles)
        if role.guest and role.controller != "StatefulSet"
    ]
    if problems:
        raise AppError(problems)
    keep = [f"ConfigMap/{agent_name(cluster.name)}", f"Secret/{guest_name(cluster.name)}"] if guests else []
    if tokens:
        keep.append(f"Secret/{tokens_name(cluster)}")
    return {
        "name": cluster.name,
        "namespace": cluster.namespace,
        "app": app.name,
        "version": app.version,
        "distro": app.guest.distro or app.name,
        "schema_version": app.guest.schema_version,
        "create_namespace": cluster.create_namespace,
        "labels": cluster_labels(cluster),
        "config_meta": dict(app.config_meta),
        "connections": {
            name: list(getattr(cluster.connections, name)) if guests else []
            for name in ("clusters", "configmaps", "secrets")
        },
        "tokens": tokens,
        "keep": keep,
        "roles": [_plan_role(cluster, role) for role in app.roles] if guests else [],
    }


def _plan_role(cluster: AppCluster, role: Role) -> dict[str, Any]:
    settings, guest = cluster.roles[role.id], role.guest
    return {
        "id": role.id,
        "name": (guest.role if guest else "") or role.id,
        "workload": workload_name(cluster, role),
        "controller": role.controller,
        "container": CONTAINER,
        "selector": member_selector(cluster, role),
        "domain": role_domain(cluster, role),
        "hostname": role.hostname,
        "members": settings.members,
        "guest": guest is not None,
        "package": guest.package if guest else "",
        "events": list(guest.events) if guest else [],
        "systemd": role.systemd,
        "config_meta": dict(role.config_meta),
        "secret_keys": dict(settings.secret_keys),
        "memory": settings.resources.memory_limit or role.resources.memory_limit,
        "cpu": settings.resources.cpu_limit or role.resources.cpu_limit,
        "block_devices": [volume.path for volume in role.storage if volume.block],
        "files": [
            {"url": item.url, "path": item.path, "mode": item.mode, "owner": item.owner} for item in settings.files
        ],
        "services": _plan_services(cluster, role),
    }


def _plan_services(cluster: AppCluster, role: Role) -> list[dict[str, Any]]:
    """A role's services as start scripts know them, those without a port included."""
    offered = {name: cluster.app.service(name) for name in role.services}
    named = list(role.guest.services) if role.guest else []
    result = []
    for item in named:
        service = offered.get(item.service or item.id)
        result.append(_plan_service(item.id, item.name or item.id, item.exported_service, service))
    used = {item.service or item.id for item in named}
    result += [_plan_service(name, name, "", service) for name, service in offered.items() if name not in used]
    return result


def _plan_service(name: str, label: str, exported: str, service: Any) -> dict[str, Any]:
    return {
        "id": name,
        "name": label,
        "exported_service": exported,
        "port": service.port if service else None,
        "scheme": service.scheme if service else "",
        "path": service.path if service else "",
        "token": service.id if service and service.token else "",
    }


def agent_object(cluster: AppCluster, programs: Mapping[str, str]) -> dict[str, Any]:
    """The ConfigMap ``<cluster>-agent``. ``programs``: ``configure`` and ``configcli``, name -> text."""
    return api_object(cluster, "v1", "ConfigMap", agent_name(cluster.name), data=dict(programs))


def pod_parts(cluster: AppCluster, role: Role) -> dict[str, Any]:
    """What a guest-configured role adds to its pod template.

    ``readiness`` is a probe for where the role has none of its own: ready means configured. ``dns_searches``
    let start scripts call members by their short names. With ``annotations`` a changed package restarts members.
    """
    if role.guest is None:
        raise ValueError(f"role {role.id} has no config package")
    start = [*CONFIGURE, "start", role.id]
    if role.hostname:
        # The host's name is then not the pod's.
        start.append(f"{workload_name(cluster, role)}-0")
    return {
        "post_start": {"exec": {"command": start}},
        "volumes": [
            {"name": "guest", "secret": {"secretName": guest_name(cluster.name), "defaultMode": 0o444}},
            {"name": "agent", "configMap": {"name": agent_name(cluster.name)}},
        ],
        "mounts": [
            {"name": "guest", "mountPath": GUEST_PATH, "readOnly": True},
            {"name": "agent", "mountPath": AGENT_PATH, "readOnly": True},
        ],
        "readiness": {
            "exec": {"command": [*CONFIGURE, "ready"]},
            "periodSeconds": 3,
            "timeoutSeconds": 10,
            "failureThreshold": 3,
        },
        "dns_searches": [role_domain(cluster, other) for other in cluster.app.roles],
        "annotations": {ANNOTATION_PACKAGE: digest([role.guest.package, list(role.guest.events)])},
    }


def digest(content: Any) -> str:
    """A short name for content, to see whether it changed."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]


def member_names(role: Mapping[str, Any], count: int | None = None) -> list[str]:
    """Names of a role's members. Members without names of their own count as one, the controller's."""
    count = role["members"] if count is None else count
    if role["controller"] != "StatefulSet":
        return [role["workload"]] if count else []
    return [f"{role['workload']}-{number}" for number in range(count)]


def fqdn(role: Mapping[str, Any], member: str) -> str:
    """The name under which others find a member."""
    if role["hostname"]:
        return f"{role['hostname']}.{role['domain']}"
    return f"{member}.{role['domain']}" if role["controller"] == "StatefulSet" else role["domain"]


def membership(
    plan: Mapping[str, Any], counts: Mapping[str, int] | None = None, leaving: Iterable[str] = ()
) -> dict[str, list[str]]:
    """Members of each role, by role id: as many as ``counts`` says, else as planned, without those that leave."""
    gone = set(leaving)
    return {
        role["id"]: [name for name in member_names(role, (counts or {}).get(role["id"])) if name not in gone]
        for role in plan["roles"]
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
    plan: Mapping[str, Any],
    member: str,
    connections: Mapping[str, Any] | None = None,
    tokens: Mapping[str, str] | None = None,
    members: Mapping[str, Sequence[str]] | None = None,
    ids: Mapping[str, int] | None = None,
) -> dict[str, Any]:
    """The configmeta.json of one member, as the agent puts it together."""
    members = membership(plan) if members is None else members
    ids = assign_ids({}, members) if ids is None else ids
    result = shared_meta(plan, connections, tokens, members, ids)
    result["node"] = node_meta(plan, member, ids)
    return result


def shared_meta(
    plan: Mapping[str, Any],
    connections: Mapping[str, Any] | None,
    tokens: Mapping[str, str] | None,
    members: Mapping[str, Sequence[str]],
    ids: Mapping[str, int],
) -> dict[str, Any]:
    """What all members of a cluster are told."""
    services: dict[str, Any] = {}
    roles = {}
    for role in plan["roles"]:
        names = members[role["id"]]
        # A role without members is not there for start scripts.
        if not names:
            continue
        roles[role["name"]] = _role_meta(role, names, tokens or {}, ids)
        for service in role["services"]:
            where = ["nodegroups", _GROUP, "roles", role["name"], "services", service["id"]]
            services.setdefault(service["id"], {_GROUP: {}})[_GROUP][role["name"]] = {_REFERENCE: where}
    return {
        "version": str(plan["schema_version"]),
        "services": services,
        "nodegroups": {
            _GROUP: {
                "roles": roles,
                "distro_id": plan["distro"],
                "catalog_entry_version": plan["version"],
                "config_metadata": dict(plan["config_meta"]),
            }
        },
        "distros": {plan["distro"]: {_GROUP: {_REFERENCE: ["nodegroups", _GROUP]}}},
        "cluster": {
            "name": plan["name"],
            "isolated": False,
            "id": str(uuid.uuid5(_CLUSTERS, f"{plan['namespace']}/{plan['name']}")),
            "config_metadata": {_GROUP: {_REFERENCE: ["nodegroups", _GROUP, "config_metadata"]}},
        },
        "connections": dict(connections or {"clusters": {}, "configmaps": {}, "secrets": {}}),
    }


def _role_meta(
    role: Mapping[str, Any], names: Sequence[str], tokens: Mapping[str, str], ids: Mapping[str, int]
) -> dict[str, Any]:
    hosts = [fqdn(role, name) for name in names]
    path = ["nodegroups", _GROUP, "roles", role["name"]]
    services = {}
    for service in role["services"]:
        port = service["port"]
        services[service["id"]] = {
            "qualifiers": [],
            "name": service["name"],
            "id": service["id"],
            "hostnames": {_REFERENCE: [*path, "hostnames"]},
            "global_id": f"{_GROUP}_{role['name']}_{service['id']}",
            "fqdns": {_REFERENCE: [*path, "fqdns"]},
            "exported_service": service["exported_service"],
            "endpoints": [f"{service['scheme']}://{host}:{port}" for host in hosts] if port else [],
            "authToken": tokens.get(service["token"], "") if service["token"] else "",
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
            "memory": str(int(amount(role["memory"]) // 2**20)),
            "cores": str(math.ceil(amount(role["cpu"]))),
        },
    }
    if role["config_meta"]:
        result["config_metadata"] = dict(role["config_meta"])
    if role["secret_keys"]:
        result["secret_keys"] = dict(role["secret_keys"])
    return result


def node_meta(plan: Mapping[str, Any], member: str, ids: Mapping[str, int]) -> dict[str, Any]:
    """What only one member is told: who it is."""
    role = next(role for role in plan["roles"] if member in _possible(role, member))
    host = fqdn(role, member)
    result = {
        "role_id": role["name"],
        "nodegroup_id": _GROUP,
        "id": str(ids[member]),
        "hostname": host,
        "fqdn": host,
        "domain": role["domain"],
        "distro_id": plan["distro"],
        "depends_on": {},
    }
    if role["block_devices"]:
        result["block_device_paths"] = list(role["block_devices"])
    return result


def _possible(role: Mapping[str, Any], member: str) -> list[str]:
    """The member, where its name is one of this role's, however many there are."""
    if role["controller"] != "StatefulSet":
        return [role["workload"]]
    return [member] if re.fullmatch(re.escape(role["workload"]) + r"-\d+", member) else []


def amount(text: str) -> Fraction:
    """A quantity's value; of an empty text nothing."""
    value = quantity(text or "0")
    if value is None:
        raise ValueError(f"{text!r} is not a Kubernetes quantity")
    return value


def agent_settings(role: Mapping[str, Any]) -> str:
    """What the agent has to do for members of a role, line by line. No field but the last may have blanks."""
    lines = []
    if role["package"]:
        lines.append(f"package {role['package']}")
    lines.append(" ".join(["events", *role["events"]]))
    if role["systemd"]:
        lines.append("systemd yes")
    for item in role["files"]:
        lines.append(f"file {item['mode'] or '-'} {item['owner'] or '-'} {item['path']} {item['url']}")
    return "".join(f"{line}\n" for line in lines)


def guest_objects(
    plan: Mapping[str, Any],
    connections: Mapping[str, Any] | None,
    tokens: Mapping[str, str],
    members: Mapping[str, Sequence[str]],
    ids: Mapping[str, int],
) -> list[dict[str, Any]]:
    """The Secrets ``<cluster>-tokens`` and ``<cluster>-guest``, each only where it is needed."""
    result = []
    if plan["tokens"]:
        result.append(_secret(plan, f"{plan['name']}-tokens", {name: tokens[name] for name in plan["tokens"]}))
    guests = [role for role in plan["roles"] if role["guest"]]
    if not guests:
        return result
    content = {
        "cluster.json": _json(shared_meta(plan, connections, tokens, members, ids)),
        "ids.json": _json(dict(ids)),
    }
    for role in guests:
        content[f"{role['id']}.role"] = agent_settings(role)
        for name in members[role["id"]]:
            content[f"{name}.json"] = _json(node_meta(plan, name, ids))
    result.append(_secret(plan, guest_name(plan["name"]), content))
    return result


def _json(content: Any) -> str:
    # In one line: the agent takes off the last brace.
    return json.dumps(content, sort_keys=True, separators=(",", ":"))


def _secret(plan: Mapping[str, Any], name: str, content: Mapping[str, str]) -> dict[str, Any]:
    data = {key: base64.b64encode(value.encode()).decode() for key, value in content.items()}
    metadata = {"name": name, "namespace": plan["namespace"], "labels": dict(plan["labels"])}
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


def told_by_meta(plan: Mapping[str, Any], meta: Mapping[str, Any]) -> dict[str, list[str]]:
    """The members that a configmeta.json names, by the roles' names."""
    roles = {role["name"]: role for role in plan["roles"]}
    found = {}
    for name, role in meta["nodegroups"][_GROUP]["roles"].items():
        known = roles.get(name)
        if known and (known["hostname"] or known["controller"] != "StatefulSet"):
            found[name] = member_names(known, len(role["fqdns"]))
        else:
            found[name] = [host.partition(".")[0] for host in role["fqdns"]]
    return found


def notifications(told: Mapping[str, Mapping[str, Any]], wanted: Mapping[str, Any]) -> list[Notification]:
    """Which member has to be told what, so that it knows what it should. Nobody is told anything twice.

    ``told``: for each member that can be told, ``members`` (role name -> member names that it knows) and
    ``connections`` (their digest). ``wanted``: ``members`` (role name -> names), ``connections``,
    ``listeners`` (pod -> the events that its role asks for), and optionally ``configured``: only of these members
    may anybody hear that they are there.
    """
    result = []
    for pod in sorted(told):
        events = wanted["listeners"].get(pod, ())
        known = told[pod]["members"]
        if "reconnect" in events and told[pod]["connections"] != wanted["connections"]:
            result.append(Notification(pod, "reconnect"))
        for action in ("delnodes", "addnodes"):
            if action not in events:
                continue
            for role in sorted(set(known) | set(wanted["members"])):
                change = _change(action, known.get(role, ()), wanted["members"].get(role, ()), wanted.get("configured"))
                change = tuple(name for name in change if name != pod)
                if change:
                    result.append(Notification(pod, action, role, change))
    return result


def _change(
    action: str, known: Sequence[str], members: Sequence[str], configured: Iterable[str] | None
) -> tuple[str, ...]:
    if action == "delnodes":
        return tuple(name for name in known if name not in members)
    new = (name for name in members if name not in known)
    return tuple(new) if configured is None else tuple(name for name in new if name in set(configured))


def after(told: Mapping[str, Any], note: Notification, connections: str) -> dict[str, Any]:
    """What a member knows once it was told one thing."""
    result = {**told, "members": {role: list(names) for role, names in told["members"].items()}}
    if note.action == "reconnect":
        result["connections"] = connections
        return result
    names = result["members"].get(note.role, [])
    if note.action == "delnodes":
        names = [name for name in names if name not in note.members]
    else:
        names = names + [name for name in note.members if name not in names]
    result["members"][note.role] = names
    return tidy(result)


def settled(told: Mapping[str, Any], wanted: Mapping[str, Any]) -> dict[str, Any]:
    """What a member is taken to know in the end: also of that which its role did not ask to hear."""
    configured = wanted.get("configured")
    members = {}
    for role, names in wanted["members"].items():
        known = told["members"].get(role, ())
        members[role] = [name for name in names if name in known or configured is None or name in set(configured)]
    return tidy({**told, "members": members, "connections": wanted["connections"]})


def tidy(told: Mapping[str, Any]) -> dict[str, Any]:
    """In one order, without roles that nobody is in: what is the same looks the same."""

    def number(name: str) -> tuple[str, int]:
        head, _, tail = name.rpartition("-")
        return (head, int(tail)) if tail.isdigit() else (name, -1)

    members = {role: sorted(names, key=number) for role, names in sorted(told["members"].items()) if names}
    return {**told, "members": members}


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
