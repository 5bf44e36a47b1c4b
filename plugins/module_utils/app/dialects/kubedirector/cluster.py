# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads and checks a KubeDirectorCluster against its app: KubeDirector's own schema and admission."""

from __future__ import annotations

import math
import posixpath
import re
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from ....kube.quantity import quantity
from ....plain import copied
from ...model.reader import Problem, show
from ...model.types import AGENT_PATH, GUEST_PATH, SERVICE_TYPES
from .app import App, Role, persist_dirs
from .fields import OBJECT_NAME, DialectError, KubeDirectorReader, object_name, read_head

_LABEL_NAME = re.compile(r"([A-Za-z0-9][-A-Za-z0-9_.]{0,61})?[A-Za-z0-9]")
_LABEL_PREFIX = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")
# Labels by which the engine finds what it made.
_OWN_LABELS = ("app.kubernetes.io/", "baremetal.bigdata/", "controller-revision-hash", "statefulset.kubernetes.io/")
_PLACEHOLDER = re.compile(r"\$\([a-z][a-z0-9_.-]*\)")
# Raw devices of a member, each a volume of its own; as many as a host may have local volumes below one directory.
_MAX_DEVICES = 100
_SYSTEMD_PATHS = ("/run", "/run/lock", "/tmp")
_GUEST_PATHS = (GUEST_PATH, AGENT_PATH)


@dataclass
class ClusterRole:
    """A role as a KubeDirectorCluster sets it. ``settings`` are those of the project's own dialect.

    ``storage`` says whether its directories persist; ``devices`` has a path for each raw device.
    """

    role: Role
    members: int
    settings: dict[str, Any]
    storage: bool = False
    devices: tuple[str, ...] = ()


def read_cluster(
    document: Any, app: App, usual_type: str, notes: list[str], called: str = ""
) -> tuple[dict[str, Any], list[ClusterRole]]:
    """A KubeDirectorCluster of an app. Returns what is said for the whole cluster, and its roles.

    *called*: its name in names and labels, where it has one already.
    """
    problems: list[Problem] = []
    reader, spec, name = read_head(document, "KubeDirectorCluster", problems)
    named = spec.text("app", None, what=show(app.id))
    if named and named != app.id:
        remedy = "Give the definition that the cluster names, or change spec.app."
        spec.problem("app", f"{show(app.id)}, the definition's metadata.name", show(named), remedy)
        # Whatever else the two disagree in follows from that.
        raise DialectError(problems, "cluster")
    # The definition is given, so there is no catalogue to look it up in.
    spec.choice("appCatalog", ("local", "system"), "local")
    if spec.choice("namingScheme", ("CrNameRole", "UID"), "CrNameRole") == "UID":
        spec.problem(
            "namingScheme",
            "CrNameRole",
            "'UID'",
            "Objects are named after cluster and role: the next run finds them. Remove it.",
        )
    meta = reader.sub("metadata")
    head: dict[str, Any] = {
        "id": name,
        "name": called or object_name(name, 40, "c"),
        "namespace": meta.text("namespace"),
        "labels": _labels(meta, "labels"),
        "service_type": spec.choice("serviceType", SERVICE_TYPES, usual_type),
    }
    if head["name"] != name and name:
        notes.append(f"cluster {name} is called {head['name']} in names and labels.")
    secret = _secret(spec, "defaultSecret")
    connections = spec.sub("connections")
    kinds = ("clusters", "configmaps", "secrets")
    head["connections"] = {key: connections.once(key, connections.strings(key), notes) for key in kinds}
    head["connections"]["clusters"] = [object_name(item, 40, "c") for item in head["connections"]["clusters"]]
    connections.done()
    rows = spec.rows("roles")
    if spec.raw("roles") is None:
        spec.problem("roles", "a list of roles", "nothing")
    roles = [role for role in (_read_cluster_role(row, app, secret) for row in rows) if role]
    spec.unique("roles", [str(row.raw("id")) for row in rows], "id")
    given = [role.role.id for role in roles]
    for role in app.roles:
        if role.selected and role.minimum and role.id not in given:
            remedy = f"Add {role.id} with {role.wanted}."
            spec.problem("roles", f"the mandatory role {role.id}", ", ".join(given) or "no role", remedy)
    for part in (spec, reader):
        part.done()
    room = _room_for_name(app)
    if len(head["name"]) > room:
        meta.problem(
            "name", f"at most {room} characters, beside the longest role and service", show(name), "Shorten it."
        )
    if problems:
        raise DialectError(problems, "cluster")
    return head, roles


def _room_for_name(app: App) -> int:
    """How long a cluster's name may be: pods and Services are named after cluster, role and service."""
    rooms = [40]
    for role in app.roles:
        rooms.append(51 - len(role.name))
        rooms += [61 - len(role.name) - len(service.name) for service in app.services if service.id in role.services]
    return min(rooms)


def _read_cluster_role(reader: KubeDirectorReader, app: App, default_secret: Any) -> ClusterRole | None:
    name = reader.text("id", None, what="a role of the app")
    names = [role.id for role in app.roles]
    reader.known("id", name, names, "role")
    role = app.role(name)
    if role is None:
        return None
    members = reader.whole("members", role.minimum, 0)
    if not role.allows(members):
        reader.problem("members", f"{role.wanted} of role {name}", str(members), "Change the number of members.")
    result = ClusterRole(role, members, {"members": members})
    settings = result.settings
    if reader.raw("resources") is None:
        reader.problem("resources", "limits of memory and cpu", "nothing", "Add resources with limits.")
    else:
        settings["resources"] = _resources(reader, role)
    _storage(reader, role, result)
    _env(reader, settings)
    secret = _secret(reader, "secret") or default_secret
    affinity = reader.mapping("affinity")
    for key in affinity:
        if key not in ("nodeAffinity", "podAffinity", "podAntiAffinity"):
            reader.problem(f"affinity.{key}", "nodeAffinity, podAffinity or podAntiAffinity", "an unknown field")
    found: dict[str, Any] = {
        "secrets": [dict(secret)] if secret else [],
        "volumes": _volumes(reader),
        "files": _files(reader, role),
        "secret_keys": _secret_keys(reader, role),
        "shared_memory": _shared_memory(reader),
        "service_account": reader.text("serviceAccountName", "", OBJECT_NAME, "the name of a ServiceAccount"),
        "affinity": copied(dict(affinity)),
        "pod_labels": _labels(reader, "podLabels"),
        "pod_annotations": _annotations(reader, "podAnnotations"),
        "service_labels": _labels(reader, "serviceLabels"),
        "service_annotations": _annotations(reader, "serviceAnnotations"),
    }
    settings.update({key: value for key, value in found.items() if value})
    reader.unique("fileInjections", [item["path"] for item in found["files"]])
    _mounts(reader, app, result)
    reader.done()
    return result


def _resources(parent: KubeDirectorReader, role: Role) -> dict[str, Any]:
    reader = parent.sub("resources")
    values: dict[str, dict[str, Fraction]] = {}
    result: dict[str, Any] = {}
    for kind in ("limits", "requests"):
        section = reader.sub(kind)
        values[kind] = {}
        for item in section.data:
            value = section.amount(str(item))
            if value is None:
                continue
            values[kind][str(item)] = value
            if str(item) in ("cpu", "memory"):
                result[f"{item}_{kind[:-1]}"] = section.text(str(item))
            elif value:
                result.setdefault(kind, {})[str(item)] = section.text(str(item))
        for item in ("memory", "cpu") if kind == "limits" else ():
            if section.raw(item) is None:
                section.problem(item, "a Kubernetes quantity", "nothing", "KubeDirector wants both limits of a role.")
    reader.done()
    for item, value in values["requests"].items():
        limit = values["limits"].get(item)
        if limit is not None and value > limit:
            limits, requests = reader.sub("limits").text(item), reader.sub("requests").text(item)
            remedy = "Kubernetes refuses such pods."
            reader.problem(f"requests.{item}", f"no more than limits.{item}, {limits}", show(requests), remedy)
    for item, least in role.min_resources.items():
        # What is not requested is requested as far as it is limited. Compared in whole units, as KubeDirector does.
        given = next((kind for kind in ("requests", "limits") if item in values[kind]), "")
        value = values[given][item] if given else Fraction(0)
        if math.ceil(value) < math.ceil(quantity(least) or 0):
            found = show(reader.sub(given).text(item)) if given else "nothing"
            wanted = f"at least {least} by the definition's minResources"
            reader.problem(f"requests.{item}", wanted, found, "Raise requests and limits.")
    return result


def _storage(parent: KubeDirectorReader, role: Role, result: ClusterRole) -> None:
    volumes: dict[str, Any] = {}
    if parent.raw("storage") is not None:
        reader = parent.sub("storage")
        size = reader.text("size", None, what="a Kubernetes quantity such as 40Gi")
        value = reader.amount("size", zero=False)
        if value is not None:
            volumes["data"] = {"size": size}
            least = quantity(role.min_storage) if role.min_storage else None
            if least is not None and value < least:
                reader.problem(
                    "size", f"at least {role.min_storage} by the definition's minStorage", show(size), "Raise it."
                )
        storage_class = reader.text("storageClassName")
        if storage_class and "data" in volumes:
            volumes["data"]["storage_class"] = storage_class
        reader.done()
        result.storage = True
    elif role.min_storage and not role.ephemeral_allowed and result.members:
        parent.problem(
            "storage",
            f"storage of at least {role.min_storage} by the definition's minStorage",
            "nothing",
            "Add storage with a size.",
        )
    if parent.raw("blockStorage") is not None:
        reader = parent.sub("blockStorage")
        prefix = reader.text("pathPrefix", None, "/.*", "an absolute path such as /dev/xdb")
        count = reader.integer("numDevices", None, 1, _MAX_DEVICES)
        if reader.raw("numDevices") is None:
            reader.problem("numDevices", f"a whole number from 1 to {_MAX_DEVICES}", "nothing")
        device: dict[str, Any] = {"storage_class": reader.text("storageClassName", None, what="a storage class")}
        value = reader.amount("size", zero=False)
        device["size"] = reader.text("size") if value else "1Gi"
        reader.done()
        result.devices = tuple(f"{prefix}{number}" for number in range(count or 0))
        volumes.update({f"block{number}": dict(device) for number in range(count or 0)})
    if volumes:
        result.settings["storage"] = volumes


def _env(parent: KubeDirectorReader, settings: dict[str, Any]) -> None:
    env: dict[str, str] = {}
    secret_env: dict[str, Any] = {}
    names = []
    for reader in parent.rows("env"):
        name = reader.text("name", None, "[-._a-zA-Z][-._a-zA-Z0-9]*", "a name of an environment variable")
        names.append(name)
        if reader.raw("valueFrom") is not None:
            source = reader.sub("valueFrom")
            key = source.sub("secretKeyRef")
            if source.raw("secretKeyRef") is not None:
                secret_env[name] = {"secret": key.text("name", None), "key": key.text("key", None)}
                key.boolean("optional", False)
                key.done()
            source.done()
        else:
            value = reader.raw("value")
            if value is None:
                reader.problem("value", "a text", "nothing", 'Write "" for an empty one.')
            env[name] = reader.text("value")
            _literal(reader, "value", env[name])
        reader.done()
    parent.unique("env", names, "name")
    if env:
        settings["env"] = env
    if secret_env:
        settings["secret_env"] = secret_env


def _literal(reader: KubeDirectorReader, name: str, text: str) -> None:
    """Texts of the model may hold placeholders; KubeDirector's are taken as they are."""
    match = _PLACEHOLDER.search(text)
    if match:
        reader.problem(
            name,
            "a text without $(lower-case name)",
            show(match.group()),
            "It is a placeholder of this collection. Write it with blanks or in capitals.",
        )


def _secret(parent: KubeDirectorReader, name: str) -> dict[str, Any] | None:
    if parent.raw(name) is None:
        return None
    reader = parent.sub(name)
    # Secrets are mounted read-only by the kubelet, whatever readOnly says.
    reader.boolean("readOnly", True)
    mode = _mode(reader, "defaultMode")
    mount = {
        "id": "secret",
        "secret": reader.text("name", None, OBJECT_NAME, "the name of a Secret"),
        "path": reader.text("mountPath", None, "/.*", "an absolute path"),
        "mode": mode or "0644",
    }
    reader.done()
    return mount


def _mode(reader: KubeDirectorReader, name: str) -> str:
    """A file mode: a number, as JSON has it (416), or octal digits with a zero before them."""
    value = reader.raw(name)
    if isinstance(value, str) and re.fullmatch("0[0-7]{3}", value):
        return value
    number = reader.integer(name, None, 0) if value is not None else None
    if number is None:
        return ""
    if number > 0o777:
        octal = re.fullmatch("[0-7]{3}", str(number))
        remedy = f"Write 0{number} in YAML, {int(str(number), 8)} in JSON." if octal else ""
        reader.problem(name, "a file mode, at most 0777 (511)", str(number), remedy)
        return ""
    return f"{number:04o}"


def _files(parent: KubeDirectorReader, role: Role) -> list[dict[str, Any]]:
    result = []
    for reader in parent.rows("fileInjections"):
        url = reader.text("srcURL", None, "https?://.+", "a URL of http:// or https://")
        directory = reader.text("destDir", None, "/.*", "an absolute path")
        name = posixpath.basename(url.split("?")[0].split("#")[0])
        if url and not name:
            reader.problem("srcURL", "a URL that ends in a file's name", show(url))
        found = {"url": url, "path": posixpath.join(directory, name)}
        rights = reader.sub("permissions")
        mode = _mode(rights, "fileMode")
        if mode:
            found["mode"] = mode
        owner, group = rights.text("fileOwner"), rights.text("fileGroup")
        for item, value in (("fileOwner", owner), ("fileGroup", group)):
            if value and not value.isdigit():
                rights.problem(item, "a number", show(value), "Names differ from image to image. Write its number.")
        if group and not owner:
            rights.problem("fileOwner", "a number, because fileGroup is set", "nothing", "Set it; 0 is root.")
        if owner:
            found["owner"] = f"{owner}:{group}" if group else owner
        rights.done()
        reader.done()
        result.append(found)
    if result and role.package is None:
        parent.problem(
            "fileInjections",
            "files only for a role with a config package",
            "none",
            "The package's agent fetches them. Put them into the image, or into a Secret.",
        )
    return result


def _secret_keys(parent: KubeDirectorReader, role: Role) -> dict[str, str]:
    result = {}
    names = []
    for reader in parent.rows("secretKeys"):
        name = reader.text("name", None, what="a name")
        names.append(name)
        if reader.raw("encryptedValue") is not None:
            reader.problem(
                "encryptedValue",
                "the plain value, in the field value",
                "an encrypted one",
                "Only KubeDirector's own key opens it. Write the value, from Ansible Vault for instance.",
            )
        result[name] = reader.text("value")
        reader.done()
    parent.unique("secretKeys", names, "name")
    if result and role.package is None:
        parent.problem(
            "secretKeys",
            "secret keys only for a role with a config package",
            "none",
            "Only a start script reads them. Use secret, or env with valueFrom.secretKeyRef.",
        )
    return result


def _shared_memory(reader: KubeDirectorReader) -> str:
    value = reader.amount("sharedMemory", zero=False)
    return reader.text("sharedMemory") if value else ""


def _volumes(parent: KubeDirectorReader) -> list[dict[str, Any]]:
    result = []
    for reader in parent.rows("volumeProjections"):
        result.append(
            {
                "claim": reader.text("pvcName", None, OBJECT_NAME, "the name of a volume claim"),
                "path": reader.text("mountPath", None, "/.*", "an absolute path"),
                "read_only": reader.boolean("readOnly", False),
            }
        )
        reader.done()
    return result


def _labels(reader: KubeDirectorReader, name: str) -> dict[str, str]:
    """Labels, as Kubernetes takes them."""
    found = _annotations(reader, name)
    for key, value in found.items():
        if value and not _LABEL_NAME.fullmatch(value):
            what = "a label's value: up to 63 letters, digits, dashes, dots and underscores"
            reader.problem(f"{name}.{key}", what, show(value))
        if key.startswith(_OWN_LABELS):
            reader.problem(f"{name}.{key}", "a label of your own", show(key), "The engine finds its objects by it.")
    return found


def _annotations(reader: KubeDirectorReader, name: str) -> dict[str, str]:
    found = reader.texts(name)
    for key in found:
        prefix, slash, last = key.rpartition("/")
        if not _LABEL_NAME.fullmatch(last) or (slash and not _LABEL_PREFIX.fullmatch(prefix)):
            reader.problem(name, "names such as example.com/name", show(key))
    return found


def _mounts(reader: KubeDirectorReader, app: App, result: ClusterRole) -> None:
    """Every path is mounted once."""
    role, settings = result.role, result.settings
    places = [(path, "the persisted directories") for path in persist_dirs(role)] if result.storage else []
    places += [(path, "systemd") for path in _SYSTEMD_PATHS] if app.systemd else []
    places += [(path, "the config package") for path in _GUEST_PATHS] if role.package else []
    places += [("/dev/shm", "sharedMemory")] if "shared_memory" in settings else []
    taken = dict(places)
    if app.systemd and result.storage:
        for path in persist_dirs(role):
            if path in _SYSTEMD_PATHS:
                found = f"persistDirs has {path}, which systemd needs in memory"
                reader.problem("storage", "a path for each mount", found, "Remove it from persistDirs.")
    wanted = [("secret.mountPath", item["path"]) for item in settings.get("secrets", [])]
    wanted += [
        (f"volumeProjections[{i}].mountPath", item["path"]) for i, item in enumerate(settings.get("volumes", []))
    ]
    for where, path in wanted:
        path = path.rstrip("/") or "/"
        if path in taken:
            reader.problem(where, "a path for each mount", f"{path} again, after {taken[path]}", "Choose another one.")
        taken[path] = where
