# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""KubeDirector's dialect: KubeDirectorApp and KubeDirectorCluster become ``kind: App`` and ``kind: AppCluster``.

Read are v1beta1 (kubedirector.hpe.com) and v1alpha1 (kubedirector.bluedata.io, with the names of all its releases).
Every rule of KubeDirector's own schema and admission that can be checked without a Kubernetes cluster is checked
here, under KubeDirector's own field names, before anything is translated: what comes out is accepted by app_model.
What cannot be honoured is refused; what has no effect is named in ``notes``. docs/kubedirector.md has the tables.

Pure functions: no files, no network, no third-party module.
"""

from __future__ import annotations

import copy
import hashlib
import json
import math
import posixpath
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from ansible_collections.baremetal.bigdata.plugins.module_utils.app_model import (
    API_VERSION,
    GUEST_EVENTS,
    SERVICE_TYPES,
    AppError,
    Problem,
    Reader,
    show,
)

V1BETA1 = "kubedirector.hpe.com/v1beta1"
V1ALPHA1 = "kubedirector.bluedata.io/v1alpha1"
# v1alpha1 changed its names twice without changing its version.
ALIASES = {
    "distroID": ("distro_id",),
    "configSchemaVersion": ("config_schema_version",),
    "defaultImageRepoTag": ("default_image_repo_tag",),
    "defaultConfigPackage": ("default_config_package",),
    "defaultPersistDirs": ("default_persist_dirs", "persist_dirs"),
    "systemdRequired": ("systemd_required", "systemctlMounts"),
    "imageRepoTag": ("image_repo_tag",),
    "configPackage": ("config_package",),
    "packageURL": ("package_url",),
    "persistDirs": ("persist_dirs",),
    "urlScheme": ("url_scheme",),
    "isDashboard": ("is_dashboard",),
    "roleServices": ("role_services", "node_services"),
    "selectedRoles": ("selected_roles",),
    "configMeta": ("config_meta",),
    "roleID": ("role_id",),
    "serviceIDs": ("service_ids",),
}
# What persists besides the app's own directories: always; with a config package; with one of the new layout.
ALWAYS_PERSISTED = ("/etc",)
PERSISTED_FOR_PACKAGE = ("/etc", "/opt", "/usr")
PERSISTED_FOR_NEW_LAYOUT = ("/etc", "/opt/guestconfig", "/var/log/guestconfig", "/usr/local/bin", "/usr/local/lib")

_EVENTS = ("configure", "addnodes", "delnodes")
# What metadata may hold: an object that was read from a server has all of it.
_METADATA = (
    *("name", "namespace", "labels", "annotations", "uid", "resourceVersion", "generation", "creationTimestamp"),
    *("managedFields", "finalizers", "ownerReferences", "selfLink", "deletionTimestamp", "deletionGracePeriodSeconds"),
)
_ROLE_ID = r"([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
_SERVICE_ID = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_OBJECT_NAME = r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?"
_PACKAGE = r"(file|https?)://.+\.tgz"
_MODEL_QUANTITY = re.compile(r"[0-9]+(\.[0-9]+)?(m|k|M|G|T|Ki|Mi|Gi|Ti)?")
_QUANTITY = re.compile(r"\+?([0-9]+\.?[0-9]*|\.[0-9]+)(n|u|m|k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei|[eE][-+]?[0-9]+)?")
_SUFFIXES = {"n": Fraction(1, 10**9), "u": Fraction(1, 10**6), "m": Fraction(1, 1000), "": Fraction(1)}
_SUFFIXES.update({letter: Fraction(1000 ** (power + 1)) for power, letter in enumerate("kMGTPE")})
_SUFFIXES.update({letter + "i": Fraction(1024 ** (power + 1)) for power, letter in enumerate("KMGTPE")})
_LABEL_NAME = re.compile(r"([A-Za-z0-9][-A-Za-z0-9_.]{0,61})?[A-Za-z0-9]")
_LABEL_PREFIX = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")
# Labels by which the engine finds what it made.
_OWN_LABELS = ("app.kubernetes.io/", "baremetal.bigdata/", "controller-revision-hash", "statefulset.kubernetes.io/")
_PLACEHOLDER = re.compile(r"\$\([a-z][a-z0-9_.-]*\)")
_SYSTEMD_PATHS = ("/run", "/run/lock", "/tmp")
_GUEST_PATHS = ("/run/baremetal-bigdata/guest", "/run/baremetal-bigdata/agent")


class DialectError(AppError):
    """A definition or a cluster of KubeDirector's cannot be honoured; ``document`` says which of the two."""

    def __init__(self, problems: Sequence[Problem], document: str):
        super().__init__(problems)
        self.document = document


@dataclass(frozen=True)
class Translation:
    """``app`` and ``cluster`` in the project's own dialect. ``notes``: what has no effect here, and what was renamed.

    ``record`` is the cluster as it was written, without secrets: `forbidden_changes` compares the next one with it.
    """

    app: dict[str, Any]
    cluster: dict[str, Any]
    notes: list[str] = field(default_factory=list)
    record: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class _Package:
    url: str
    new_layout: bool


@dataclass(frozen=True)
class _Service:
    id: str
    name: str
    label: str
    port: int | None
    scheme: str
    path: str
    dashboard: bool
    token: bool
    exported: str


@dataclass(frozen=True)
class _Role:
    id: str
    name: str
    path: str
    cardinality: str
    image: str
    package: _Package | None
    persist_dirs: tuple[str, ...]
    events: tuple[str, ...] | None
    min_resources: Mapping[str, str]
    min_storage: str
    ephemeral_allowed: bool
    stdin: bool
    tty: bool
    services: tuple[str, ...]
    selected: bool

    @property
    def minimum(self) -> int:
        return int(self.cardinality.rstrip("+"))

    @property
    def wanted(self) -> str:
        if self.cardinality.endswith("+"):
            return f"{self.minimum} or more members"
        return f"exactly {self.minimum} member" + ("" if self.minimum == 1 else "s")

    def allows(self, members: int) -> bool:
        return members >= self.minimum if self.cardinality.endswith("+") else members == self.minimum


@dataclass(frozen=True)
class _App:
    id: str
    name: str
    version: str
    description: str
    distro: str
    schema: int
    roles: tuple[_Role, ...]
    services: tuple[_Service, ...]
    config_meta: Mapping[str, str]
    capabilities: tuple[str, ...]
    systemd: bool

    def role(self, name: str) -> _Role | None:
        return next((role for role in self.roles if role.id == name), None)

    def service(self, name: str) -> _Service | None:
        return next((service for service in self.services if service.id == name), None)


@dataclass
class _ClusterRole:
    role: _Role
    members: int
    settings: dict[str, Any]
    # None: nothing persists. Otherwise a raw device's path for each further volume.
    storage: bool = False
    devices: tuple[str, ...] = ()


class _Reader(Reader):
    """Fields under the names that their API version has for them, quoted or not."""

    def __init__(self, data: Any, path: str, problems: list[Problem], aliases: Mapping[str, Sequence[str]]):
        super().__init__(data, path, problems)
        self.aliases = aliases

    def written(self, name: str) -> str:
        """The name that the document really has for a field."""
        names = [item for item in (name, *self.aliases.get(name, ())) if item in self.data]
        return names[0] if names else name

    def at(self, name: str) -> str:
        head = re.match(r"[^.\[]*", name).group()
        return super().at(self.written(head) + name[len(head) :]) if head else super().at(name)

    def raw(self, name: str, default: Any = None) -> Any:
        return super().raw(self.written(name), default)

    def given(self, name: str) -> bool:
        """Whether the field is there at all, be it null."""
        self.asked.append(self.written(name))
        return self.written(name) in self.data

    def boolean(self, name: str, default: bool) -> bool:
        value = self.raw(name)
        if isinstance(value, str) and value.lower() in ("true", "false"):
            return value.lower() == "true"
        return super().boolean(name, default)

    def integer(self, name: str, default: int | None, low: int, high: int | None = None) -> int | None:
        value = self.raw(name)
        if isinstance(value, str) and re.fullmatch(r"-?[0-9]+", value):
            own = Reader({name: int(value)}, "", found := [])
            number = own.integer(name, default, low, high)
            self.problems += [Problem(self.at(name), item.expected, item.found, item.remedy) for item in found]
            return number
        return super().integer(name, default, low, high)

    def sub(self, name: str) -> _Reader:
        return _Reader(self.raw(name), self.at(name), self.problems, self.aliases)

    def rows(self, name: str) -> list[_Reader]:
        return [
            _Reader(item, f"{self.at(name)}[{index}]", self.problems, self.aliases)
            for index, item in enumerate(self.items(name))
        ]

    def strings(self, name: str) -> tuple[str, ...]:
        values = [
            str(item) if isinstance(item, (int, float)) and not isinstance(item, bool) else item
            for item in self.items(name)
        ]
        for index, value in enumerate(values):
            if not isinstance(value, str):
                self.problem(f"{name}[{index}]", "a text", show(value))
        return tuple(str(value) for value in values)

    def remark(self, name: str, notes: list[str], why: str) -> None:
        """A field that is accepted and has no effect: said, not dropped in silence."""
        value = self.raw(name)
        if value is not None and value not in ([], {}, ""):
            notes.append(f"{self.at(name)} has no effect: {why}.")


def quantity(text: str) -> Fraction | None:
    """The value of a Kubernetes quantity, or None if it is none."""
    match = _QUANTITY.fullmatch(text)
    if not match:
        return None
    number, suffix = Fraction(match.group(1)), match.group(2) or ""
    if suffix[:1] in ("e", "E") and len(suffix) > 1 and suffix != "Ei":
        return number * Fraction(10) ** int(suffix[1:])
    return number * _SUFFIXES[suffix]


def slug(text: str, longest: int, prefix: str, taken: Sequence[str] = ()) -> str:
    """A name of lower-case letters, digits and dashes for any name of KubeDirector's, different from those taken."""
    name = re.sub(r"-+", "-", re.sub(r"[^a-z0-9]", "-", text.lower())).strip("-")
    if not name[:1].isalpha():
        name = f"{prefix}-{name}".rstrip("-")
    name = name[:longest].rstrip("-")
    if name in taken:
        digest = hashlib.sha256(text.encode()).hexdigest()[:6]
        name = f"{name[: longest - 7].rstrip('-')}-{digest}"
    return name


def persisted(always: Sequence[str], own: Sequence[str]) -> list[str]:
    """The directories on a role's volume: what always persists and what the app asks for, none inside another."""

    def inside(path: str, other: str) -> bool:
        return path != other and path.startswith(other.rstrip("/") + "/")

    paths: list[str] = []
    for path in map(posixpath.normpath, (*always, *own)):
        if path not in paths:
            paths.append(path)
    return [path for path in paths if not any(inside(path, other) for other in paths)]


def is_kubedirector(document: Any) -> bool:
    """Whether a document is written in this dialect, in whatever version."""
    if not isinstance(document, Mapping):
        return False
    named = str(document.get("apiVersion") or "").startswith("kubedirector.")
    return named or str(document.get("kind") or "").startswith("KubeDirector")


def _head(document: Any, kind: str, problems: list[Problem]) -> tuple[_Reader, _Reader, str]:
    """A document's own fields. Returns readers of the document and of its spec, and its name."""
    version = document.get("apiVersion") if isinstance(document, Mapping) else None
    reader = _Reader(document, "", problems, ALIASES if version == V1ALPHA1 else {})
    if reader.text("apiVersion", None, what=V1BETA1) not in (V1BETA1, V1ALPHA1, ""):
        reader.problem("apiVersion", f"{V1BETA1} or {V1ALPHA1}", show(version))
    found = reader.text("kind", None, what=kind)
    if found and found != kind:
        reader.problem("kind", kind, show(found))
    meta = reader.sub("metadata")
    name = meta.text("name", None, _OBJECT_NAME, "a name of lower-case letters, digits, dashes and dots", 63)
    for other in _METADATA:
        meta.raw(other)
    meta.done()
    reader.raw("status")
    return reader, reader.sub("spec"), name


def _quantity(reader: _Reader, name: str, zero: bool = True) -> Fraction | None:
    text = reader.text(name)
    if not text:
        return None
    value = quantity(text)
    if value is None:
        better = re.fullmatch(r"([0-9.]+) *([KkMGTP])(i?)[Bb]?", text)
        unit = (
            ""
            if not better
            else (
                "Ki"
                if better.group(2) in "Kk" and better.group(3)
                else better.group(2).replace("K", "k") + better.group(3)
            )
        )
        remedy = f"Did you mean {better.group(1)}{unit}?" if better else ""
        reader.problem(name, "a Kubernetes quantity such as 500m or 4Gi", show(text), remedy)
    elif not zero and value == 0:
        reader.problem(name, "more than nothing", show(text))
    return value


def _package(parent: _Reader, name: str, default: _Package | None) -> _Package | None:
    """Absent: the default. Null: none. An object: that one."""
    if not parent.given(name):
        return default
    if parent.raw(name) is None:
        return None
    reader = parent.sub(name)
    package = _Package(
        reader.text("packageURL", None, _PACKAGE, "a URL of file://, http:// or https:// that ends in .tgz"),
        reader.boolean("useNewSetupLayout", False),
    )
    reader.done()
    return package


def _old_package(spec: _Reader, default: _Package | None) -> _Package | None:
    """v0.1's setup_package."""
    if spec.raw("setup_package") is None:
        return default
    reader = spec.sub("setup_package")
    reader.whole("config_api_version", 7, 7)
    url = reader.text("import_url", None, _PACKAGE, "a URL of file://, http:// or https:// that ends in .tgz")
    reader.done()
    return _Package(url, False)


def _image(parent: _Reader, name: str, old: bool) -> str:
    image = parent.text(name)
    if old and parent.raw("image") is not None:
        reader = parent.sub("image")
        image = reader.text("repoTag", None, what="an image")
        reader.done()
    if image and re.search(r"\s", image):
        parent.problem(name, "an image such as registry.example/app:1.0", show(image))
    return image


def _directories(reader: _Reader, name: str) -> tuple[str, ...] | None:
    if reader.raw(name) is None:
        return None
    found = reader.strings(name)
    for index, path in enumerate(found):
        if not re.fullmatch(r"/.*[^/]", path):
            reader.problem(f"{name}[{index}]", "an absolute path without a slash at its end", show(path))
        elif ".." in path.split("/"):
            reader.problem(f"{name}[{index}]", "a path without ..", show(path))
        elif posixpath.normpath(path) in ("/", "/proc", "/sys", "/dev"):
            reader.problem(f"{name}[{index}]", "a directory of the image", show(path), "No volume can lie there.")
    return found


def _event_list(reader: _Reader, name: str) -> tuple[str, ...] | None:
    if reader.raw(name) is None:
        return None
    found = reader.strings(name)
    for index, event in enumerate(found):
        if event not in (*_EVENTS, "reconnect"):
            reader.problem(f"{name}[{index}]", "one of " + ", ".join(_EVENTS), show(event))
    return found


def _unique(reader: _Reader, name: str, values: Sequence[str], key: str = "") -> None:
    seen: set[str] = set()
    for index, value in enumerate(values):
        if value in seen:
            where = f"{name}[{index}]" + (f".{key}" if key else "")
            reader.problem(where, "a name that is used once", f"{show(value)} again", "Rename or remove one of them.")
        seen.add(value)


def _literal(reader: _Reader, name: str, text: str) -> None:
    """Texts of the model may hold placeholders; KubeDirector's are taken as they are."""
    match = _PLACEHOLDER.search(text)
    if match:
        reader.problem(
            name,
            "a text without $(lower-case name)",
            show(match.group()),
            "It is a placeholder of this collection. Write it with blanks or in capitals.",
        )


def _read_service(reader: _Reader, taken: list[str], notes: list[str]) -> _Service:
    if reader.aliases:
        # v1alpha1 took any name; in objects it becomes one that Kubernetes takes.
        name = reader.text("id", None, _ROLE_ID, "a name of letters, digits, dashes, dots and underscores")
    else:
        name = reader.text("id", None, _SERVICE_ID, "a name of lower-case letters, digits and dashes", 15)
    label, endpoint = reader.sub("label"), reader.sub("endpoint")
    reader.remark("qualifiers", notes, "KubeDirector itself never passes qualifiers on")
    shown = label.text("name", None if reader.raw("label") else "")
    label.text("description")
    label.done()
    port = None
    if reader.raw("endpoint") is not None:
        port = endpoint.integer("port", None, 1, 65535)
        if endpoint.raw("port") is None:
            endpoint.problem("port", "a whole number from 1 to 65535", "nothing", "Set it, or remove the endpoint.")
    scheme = endpoint.text("urlScheme", "", "[a-z][-a-z0-9]*", "a URL scheme such as https", 15)
    path = endpoint.text("path")
    service = _Service(
        id=name,
        name=slug(name, 15, "s", taken),
        label=shown,
        port=port,
        scheme=scheme,
        path=path if not path or path.startswith("/") else f"/{path}",
        dashboard=endpoint.boolean("isDashboard", False),
        token=endpoint.boolean("hasAuthToken", False),
        exported=reader.text("exported_service"),
    )
    if service.dashboard and not scheme:
        endpoint.problem("urlScheme", "a URL scheme, because isDashboard is true", "nothing", "Set http or https.")
    endpoint.done()
    reader.done()
    taken.append(service.name)
    if service.name != name and name:
        notes.append(f"service {name} is called {service.name} in names of objects.")
    return service


def _read_role(
    reader: _Reader,
    defaults: Mapping[str, Any],
    services: Mapping[str, tuple[str, ...]],
    selected: Sequence[str],
    taken: list[str],
    notes: list[str],
) -> _Role:
    name = reader.text("id", None, _ROLE_ID, "a name of letters, digits, dashes, dots and underscores", 63)
    cardinality = reader.text("cardinality", None, r"\d+\+?", "a number of members such as 1, 3 or 2+")
    image = _image(reader, "imageRepoTag", defaults["old"]) or defaults["image"]
    if not image:
        reader.problem("imageRepoTag", "an image", "nothing", "Set it here, or defaultImageRepoTag for all roles.")
    directories = _directories(reader, "persistDirs")
    events = _event_list(reader, "eventList")
    resources, storage, container = reader.sub("minResources"), reader.sub("minStorage"), reader.sub("containerSpec")
    minimum = {}
    for item in resources.data:
        if _quantity(resources, str(item)):
            minimum[str(item)] = resources.text(str(item))
    size = ""
    if reader.raw("minStorage") is not None:
        size = storage.text("size", None, what="a Kubernetes quantity such as 500m or 4Gi")
        _quantity(storage, "size")
    stdin, tty = container.boolean("stdin", False), container.boolean("tty", False)
    if tty and not stdin:
        container.problem("stdin", "true, because tty is true", "false", "Set stdin, or remove tty.")
    reader.remark("maxLogSizeDump", notes, "there is no status object that holds start scripts' output")
    package = _package(reader, "configPackage", defaults["package"])
    if defaults["old"]:
        package = _old_package(reader, package)
    role = _Role(
        id=name,
        name=slug(name, 20, "r", taken),
        path=reader.path,
        cardinality=cardinality if re.fullmatch(r"\d+\+?", cardinality) else "0+",
        image=image,
        package=package,
        persist_dirs=directories if directories is not None else defaults["directories"],
        events=events if events is not None else defaults["events"],
        min_resources=minimum,
        min_storage=size if quantity(size) else "",
        ephemeral_allowed=storage.boolean("ephemeralModeSupported", False),
        stdin=stdin,
        tty=tty,
        services=services.get(name, ()),
        selected=name in selected,
    )
    storage.done()
    container.done()
    reader.done()
    taken.append(role.name)
    if role.name != name and name:
        notes.append(f"role {name} is called {role.name} in names and labels.")
    return role


def _read_app(document: Any, notes: list[str]) -> _App:
    """A KubeDirectorApp, with every default resolved. Raises DialectError with every problem."""
    problems: list[Problem] = []
    reader, spec, name = _head(document, "KubeDirectorApp", problems)
    old = bool(spec.aliases)
    label = spec.sub("label")
    title, text = label.text("name", None), label.text("description")
    label.remark("AIML_category", notes, "it is for pages that list applications")
    label.done()
    version = spec.text("version", None, what="a version")
    distro = spec.text("distroID", None, what="a name of the distribution such as example/spark")
    # v0.1 had it in the package.
    schema = spec.whole("configSchemaVersion", 7, 7)
    if spec.raw("configSchemaVersion") is None and not old:
        spec.problem("configSchemaVersion", "a whole number, 7 or more", "nothing", "Set it; 7 is the usual one.")
    spec.remark("logoURL", notes, "it is a picture for KubeDirector's own pages")
    spec.remark("categories", notes, "no release of KubeDirector reads it")
    spec.remark("defaultMaxLogSizeDump", notes, "there is no status object that holds start scripts' output")
    capabilities = []
    for index, item in enumerate(spec.strings("capabilities")):
        capability = item.upper()[4:] if item.upper().startswith("CAP_") else item.upper()
        if not re.fullmatch("[A-Z][A-Z_]*", capability):
            spec.problem(f"capabilities[{index}]", "a capability such as SYS_RESOURCE", show(item))
        capabilities.append(capability)
    package = _package(spec, "defaultConfigPackage", None)
    defaults = {
        "old": old,
        "image": _image(spec, "defaultImageRepoTag", old),
        "package": _old_package(spec, package) if old else package,
        "directories": _directories(spec, "defaultPersistDirs") or (),
        "events": _event_list(spec, "defaultEventList"),
    }
    taken: list[str] = []
    rows = spec.rows("services")
    services = tuple(_read_service(row, taken, notes) for row in rows)
    _unique(spec, "services", [service.id for service in services], "id")

    config = spec.sub("config")
    meta = config.texts("configMeta")
    config.remark("config_choices", notes, "no release of KubeDirector reads it")
    offered: dict[str, tuple[str, ...]] = {}
    pairs = []
    for row in config.rows("roleServices"):
        pairs.append((row, row.text("roleID", None), row.strings("serviceIDs")))
        offered.setdefault(pairs[-1][1], tuple(dict.fromkeys(pairs[-1][2])))
        if row.raw("serviceIDs") is None:
            row.problem("serviceIDs", "a list of services", "nothing", "Write [] for a role without services.")
        row.done()
    selected = config.strings("selectedRoles")
    for field_name in ("roleServices", "selectedRoles"):
        if config.raw(field_name) is None:
            config.problem(field_name, "a list", "nothing", "Write [] for none.")
    config.done()

    taken = []
    roles = tuple(_read_role(row, defaults, offered, selected, taken, notes) for row in spec.rows("roles"))
    if not roles:
        spec.problem("roles", "at least one role", "none")
    names = [role.id for role in roles]
    _unique(spec, "roles", names, "id")
    _unique(config, "selectedRoles", selected)
    _unique(config, "roleServices", [pair[1] for pair in pairs], "roleID")
    known = {service.id: service for service in services}
    for row, role, ids in pairs:
        row.known("roleID", role, names, "role")
        ports: dict[int, str] = {}
        for index, item in enumerate(ids):
            row.known(f"serviceIDs[{index}]", item, tuple(known), "service")
            port = known[item].port if item in known else None
            if port and ports.setdefault(port, item) != item:
                both = f"{ports[port]} and {item} both on {port}"
                remedy = "Kubernetes takes a port once in a Service. Remove one of the services."
                row.problem("serviceIDs", "a port for each service of a role", both, remedy)
    for index, item in enumerate(selected):
        config.known(f"selectedRoles[{index}]", item, names, "role")
    for service in services:
        if service.id and not any(service.id in ids for _row, _role, ids in pairs):
            notes.append(f"service {service.id} has no effect: no role offers it.")
    systemd = spec.boolean("systemdRequired", False)
    for part in (spec, reader):
        part.done()
    if problems:
        raise DialectError(problems, "definition")
    return _App(
        id=name,
        name=slug(name, 40, "app"),
        version=version,
        description=f"{title}: {text}" if text else title,
        distro=distro,
        schema=schema,
        roles=roles,
        services=services,
        config_meta=meta,
        capabilities=tuple(capabilities),
        systemd=systemd,
    )


def _labels(reader: _Reader, name: str) -> dict[str, str]:
    """Labels, as Kubernetes takes them."""
    found = _annotations(reader, name)
    for key, value in found.items():
        if value and not _LABEL_NAME.fullmatch(value):
            what = "a label's value: up to 63 letters, digits, dashes, dots and underscores"
            reader.problem(f"{name}.{key}", what, show(value))
        if key.startswith(_OWN_LABELS):
            reader.problem(f"{name}.{key}", "a label of your own", show(key), "The engine finds its objects by it.")
    return found


def _annotations(reader: _Reader, name: str) -> dict[str, str]:
    found = reader.texts(name)
    for key in found:
        prefix, slash, last = key.rpartition("/")
        if not _LABEL_NAME.fullmatch(last) or (slash and not _LABEL_PREFIX.fullmatch(prefix)):
            reader.problem(name, "names such as example.com/name", show(key))
    return found


def _resources(parent: _Reader, role: _Role) -> dict[str, Any]:
    reader = parent.sub("resources")
    values: dict[str, dict[str, Fraction]] = {}
    result: dict[str, Any] = {}
    for kind in ("limits", "requests"):
        section = reader.sub(kind)
        values[kind] = {}
        for item in section.data:
            value = _quantity(section, str(item))
            if value is None:
                continue
            values[kind][str(item)] = value
            if str(item) in ("cpu", "memory"):
                result[f"{item}_{kind[:-1]}"] = _written(section.text(str(item)), value, str(item))
            elif value:
                result.setdefault(kind, {})[str(item)] = _written(section.text(str(item)), value, str(item))
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


def _written(text: str, value: Fraction, name: str) -> str:
    """A quantity in the form that the model takes."""
    if _MODEL_QUANTITY.fullmatch(text):
        return text
    if value.denominator != 1 and name == "cpu":
        return f"{math.ceil(value * 1000)}m"
    return str(math.ceil(value))


def _storage(parent: _Reader, role: _Role, result: _ClusterRole) -> None:
    volumes: dict[str, Any] = {}
    if parent.raw("storage") is not None:
        reader = parent.sub("storage")
        size = reader.text("size", None, what="a Kubernetes quantity such as 40Gi")
        value = _quantity(reader, "size", zero=False)
        if value is not None:
            volumes["data"] = {"size": _written(size, value, "storage")}
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
        count = reader.integer("numDevices", None, 1)
        if reader.raw("numDevices") is None:
            reader.problem("numDevices", "a whole number, 1 or more", "nothing")
        device: dict[str, Any] = {"storage_class": reader.text("storageClassName", None, what="a storage class")}
        value = _quantity(reader, "size", zero=False)
        device["size"] = _written(reader.text("size"), value, "storage") if value else "1Gi"
        reader.done()
        result.devices = tuple(f"{prefix}{number}" for number in range(count or 0))
        volumes.update({f"block{number}": dict(device) for number in range(count or 0)})
    if volumes:
        result.settings["storage"] = volumes


def _env(parent: _Reader, settings: dict[str, Any]) -> None:
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
            env[name] = _scalar(reader, "value")
            _literal(reader, "value", env[name])
        reader.done()
    _unique(parent, "env", names, "name")
    if env:
        settings["env"] = env
    if secret_env:
        settings["secret_env"] = secret_env


def _scalar(reader: _Reader, name: str) -> str:
    """A text, or a number or true and false that somebody forgot to quote."""
    value = reader.raw(name)
    if isinstance(value, bool):
        return "true" if value else "false"
    return reader.text(name)


def _secret(parent: _Reader, name: str) -> dict[str, Any] | None:
    if parent.raw(name) is None:
        return None
    reader = parent.sub(name)
    # Secrets are mounted read-only by the kubelet, whatever readOnly says.
    reader.boolean("readOnly", True)
    mode = _mode(reader, "defaultMode")
    mount = {
        "id": "secret",
        "secret": reader.text("name", None, _OBJECT_NAME, "the name of a Secret"),
        "path": reader.text("mountPath", None, "/.*", "an absolute path"),
        "mode": mode or "0644",
    }
    reader.done()
    return mount


def _mode(reader: _Reader, name: str) -> str:
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


def _files(parent: _Reader, role: _Role) -> list[dict[str, Any]]:
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


def _secret_keys(parent: _Reader, role: _Role) -> dict[str, str]:
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
        result[name] = _scalar(reader, "value")
        reader.done()
    _unique(parent, "secretKeys", names, "name")
    if result and role.package is None:
        parent.problem(
            "secretKeys",
            "secret keys only for a role with a config package",
            "none",
            "Only a start script reads them. Use secret, or env with valueFrom.secretKeyRef.",
        )
    return result


def _shared_memory(reader: _Reader) -> str:
    value = _quantity(reader, "sharedMemory", zero=False)
    return _written(reader.text("sharedMemory"), value, "memory") if value else ""


def _volumes(parent: _Reader) -> list[dict[str, Any]]:
    result = []
    for reader in parent.rows("volumeProjections"):
        result.append(
            {
                "claim": reader.text("pvcName", None, _OBJECT_NAME, "the name of a volume claim"),
                "path": reader.text("mountPath", None, "/.*", "an absolute path"),
                "read_only": reader.boolean("readOnly", False),
            }
        )
        reader.done()
    return result


def _mounts(reader: _Reader, app: _App, result: _ClusterRole) -> None:
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


def persist_dirs(role: _Role) -> list[str]:
    """What lies on the volume of a role's members."""
    always = ALWAYS_PERSISTED
    if role.package:
        always = PERSISTED_FOR_NEW_LAYOUT if role.package.new_layout else PERSISTED_FOR_PACKAGE
    return persisted(always, role.persist_dirs)


def _read_cluster_role(reader: _Reader, app: _App, default_secret: Any) -> _ClusterRole | None:
    name = reader.text("id", None, what="a role of the app")
    names = [role.id for role in app.roles]
    reader.known("id", name, names, "role")
    role = app.role(name)
    if role is None:
        return None
    members = reader.whole("members", role.minimum, 0)
    if not role.allows(members):
        reader.problem("members", f"{role.wanted} of role {name}", str(members), "Change the number of members.")
    result = _ClusterRole(role, members, {"members": members})
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
    found = {
        "secrets": [dict(secret)] if secret else [],
        "volumes": _volumes(reader),
        "files": _files(reader, role),
        "secret_keys": _secret_keys(reader, role),
        "shared_memory": _shared_memory(reader),
        "service_account": reader.text("serviceAccountName", "", _OBJECT_NAME, "the name of a ServiceAccount"),
        "affinity": copy.deepcopy(dict(affinity)),
        "pod_labels": _labels(reader, "podLabels"),
        "pod_annotations": _annotations(reader, "podAnnotations"),
        "service_labels": _labels(reader, "serviceLabels"),
        "service_annotations": _annotations(reader, "serviceAnnotations"),
    }
    settings.update({key: value for key, value in found.items() if value})
    _unique(reader, "fileInjections", [item["path"] for item in found["files"]])
    _mounts(reader, app, result)
    reader.done()
    return result


def _room_for_name(app: _App) -> int:
    """How long a cluster's name may be: pods and Services are named after cluster, role and service."""
    rooms = [40]
    for role in app.roles:
        rooms.append(51 - len(role.name))
        rooms += [61 - len(role.name) - len(service.name) for service in app.services if service.id in role.services]
    return min(rooms)


def _read_cluster(
    document: Any, app: _App, usual_type: str, notes: list[str]
) -> tuple[dict[str, Any], list[_ClusterRole]]:
    """A KubeDirectorCluster of an app. Returns what is said for the whole cluster, and its roles."""
    problems: list[Problem] = []
    reader, spec, name = _head(document, "KubeDirectorCluster", problems)
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
    head = {
        "id": name,
        "name": slug(name, 40, "c"),
        "namespace": meta.text("namespace"),
        "labels": _labels(meta, "labels"),
        "service_type": spec.choice("serviceType", SERVICE_TYPES, usual_type),
    }
    if head["name"] != name and name:
        notes.append(f"cluster {name} is called {head['name']} in names and labels.")
    secret = _secret(spec, "defaultSecret")
    connections = spec.sub("connections")
    head["connections"] = {key: list(connections.strings(key)) for key in ("clusters", "configmaps", "secrets")}
    head["connections"]["clusters"] = [slug(item, 40, "c") for item in head["connections"]["clusters"]]
    connections.done()
    rows = spec.rows("roles")
    if spec.raw("roles") is None:
        spec.problem("roles", "a list of roles", "nothing")
    roles = [role for role in (_read_cluster_role(row, app, secret) for row in rows) if role]
    _unique(spec, "roles", [str(row.raw("id")) for row in rows], "id")
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


def _cardinality(role: _Role) -> str:
    """A role that is not selected has no members unless a cluster names it."""
    if role.selected or role.minimum == 0:
        return role.cardinality
    return "0+" if role.cardinality.endswith("+") else f"0-{role.minimum}"


def _emit_app(app: _App, volumes: Mapping[str, tuple[bool, Sequence[str]]]) -> dict[str, Any]:
    """The definition. ``volumes``: for each role, whether its directories persist, and its raw devices."""
    offered = {item for role in app.roles for item in role.services}
    services = []
    for service in app.services:
        if service.port is None or service.id not in offered:
            continue
        found: dict[str, Any] = {"id": service.name, "port": service.port, "per_member": True}
        for key, value in (
            ("scheme", service.scheme),
            ("path", service.path),
            ("dashboard", service.dashboard),
            ("token", service.token),
            ("description", service.label),
        ):
            if value:
                found[key] = value
        services.append(found)
    roles = []
    for role in app.roles:
        known = [app.service(item) for item in role.services]
        persist, devices = volumes.get(role.id, (False, ()))
        security: dict[str, Any] = {"run_as_root": True, "read_only_root": False}
        if app.capabilities:
            security["capabilities"] = list(app.capabilities)
        entry: dict[str, Any] = {
            "id": role.name,
            "cardinality": _cardinality(role),
            "image": role.image,
            # KubeDirector starts and stops all members of a role at once.
            "ordered": False,
            "services": [service.name for service in known if service and service.port is not None],
            "security": security,
        }
        storage = []
        if persist:
            storage.append({"id": "data", "paths": persist_dirs(role), "populate": True})
        storage += [{"id": f"block{number}", "path": path, "block": True} for number, path in enumerate(devices)]
        if storage:
            entry["storage"] = storage
        for key, value in (("systemd", app.systemd), ("stdin", role.stdin), ("tty", role.tty)):
            if value:
                entry[key] = True
        if role.package:
            if role.package.new_layout:
                entry["env"] = {"PYTHONUSERBASE": "/usr/local"}
            told = [event for event in GUEST_EVENTS if role.events is None or event in role.events]
            # Whatever eventList says, KubeDirector tells members of changed connections.
            entry["guest"] = {
                "package": role.package.url,
                "events": told if "reconnect" in told else [*told, "reconnect"],
                # As start scripts know them, also what has no port.
                "role": role.id,
                "services": [_guest_service(service) for service in known if service],
            }
        roles.append(entry)
    document: dict[str, Any] = {
        "apiVersion": API_VERSION,
        "kind": "App",
        "metadata": {"name": app.name, "version": app.version, "description": app.description},
        "spec": {"services": services, "roles": roles},
    }
    if any(role.package for role in app.roles):
        document["spec"]["guest"] = {"distro": app.distro, "schema_version": app.schema}
    if app.config_meta:
        document["spec"]["config_meta"] = dict(app.config_meta)
    return document


def _guest_service(service: _Service) -> dict[str, str]:
    found = {"id": service.id, "name": service.label, "exported_service": service.exported}
    if service.port is not None and service.name != service.id:
        found["service"] = service.name
    return {key: value for key, value in found.items() if value}


def _emit_cluster(app: _App, head: Mapping[str, Any], roles: Sequence[_ClusterRole], namespace: str) -> dict[str, Any]:
    place = namespace or head["namespace"] or "default"
    settings = {role.role.name: role.settings for role in roles}
    document: dict[str, Any] = {
        "apiVersion": API_VERSION,
        "kind": "AppCluster",
        "metadata": {"name": head["name"], "namespace": place},
        "spec": {
            "app": app.name,
            "service_type": head["service_type"],
            "roles": {role.name: settings.get(role.name, {"members": 0}) for role in app.roles},
        },
    }
    if head["labels"]:
        document["metadata"]["labels"] = head["labels"]
    if place == "default":
        document["spec"]["create_namespace"] = False
    connections = {key: value for key, value in head["connections"].items() if value}
    if connections:
        document["spec"]["connections"] = connections
    return document


def minimal_cluster(definition: Mapping[str, Any]) -> dict[str, Any]:
    """The smallest cluster that a definition allows, in the definition's own dialect, named after the app.

    Mandatory roles have as many members as they must; if none is mandatory, the first has one. What a role must
    have (minResources, minStorage) it gets; KubeDirector wants limits, so a role without a minimum has 1 CPU and 1Gi.
    """
    if not is_kubedirector(definition):
        metadata = definition.get("metadata") if isinstance(definition, Mapping) else None
        name = str((metadata or {}).get("name") or "app") if isinstance(metadata, Mapping) else "app"
        return {
            "apiVersion": API_VERSION,
            "kind": "AppCluster",
            "metadata": {"name": name, "namespace": name},
            "spec": {"app": name},
        }
    app = _read_app(definition, [])
    wanted = [role for role in app.roles if role.selected and role.minimum]
    chosen = wanted or [role for role in app.roles if role.selected][:1] or list(app.roles[:1])
    roles = []
    for role in chosen:
        amounts = {"cpu": "1", "memory": "1Gi", **role.min_resources}
        entry: dict[str, Any] = {
            "id": role.id,
            "members": role.minimum or (1 if role.allows(1) else 0),
            "resources": {"requests": dict(amounts), "limits": dict(amounts)},
        }
        if role.min_storage and not role.ephemeral_allowed:
            entry["storage"] = {"size": role.min_storage}
        roles.append(entry)
    return {
        "apiVersion": V1BETA1,
        "kind": "KubeDirectorCluster",
        "metadata": {"name": app.id},
        "spec": {"app": app.id, "roles": roles},
    }


def translate(
    definition: Any,
    cluster: Any = None,
    namespace: str = "",
    service_type: str = "NodePort",
    images: Mapping[str, str] | None = None,
) -> Translation:
    """A definition and a cluster of either dialect, in the project's own. Without a cluster, the minimal one.

    ``namespace`` replaces the cluster's. ``service_type`` is that of a KubeDirectorCluster which names none.
    ``images`` replaces images by role, under either name of the role. Raises DialectError with every problem.
    """
    if cluster is None:
        cluster = minimal_cluster(definition)
    if not is_kubedirector(definition):
        if is_kubedirector(cluster):
            problem = Problem(
                "kind",
                "AppCluster, as the definition is of kind App",
                show(cluster.get("kind")),
                "Write the cluster in the definition's dialect.",
            )
            raise DialectError([problem], "cluster")
        own = copy.deepcopy(dict(cluster))
        if namespace and isinstance(own.get("metadata"), Mapping):
            own["metadata"] = {**own["metadata"], "namespace": namespace}
        specified = definition.get("spec") if isinstance(definition, Mapping) else None
        roles = specified.get("roles") if isinstance(specified, Mapping) else None
        names = {str(item.get("id")): str(item.get("id")) for item in roles or [] if isinstance(item, Mapping)}
        return Translation(copy.deepcopy(definition), _with_images(own, images, names), [], record(own))

    notes: list[str] = []
    app = _read_app(definition, notes)
    if is_kubedirector(cluster):
        head, found = _read_cluster(cluster, app, service_type, notes)
        volumes = {role.role.id: (role.storage, role.devices) for role in found}
        own = _emit_cluster(app, head, found, namespace)
    else:
        # Settings of ours for a definition of KubeDirector's: a role has a volume if they name one.
        own = copy.deepcopy(dict(cluster)) if isinstance(cluster, Mapping) else {}
        spec = own.get("spec") if isinstance(own.get("spec"), Mapping) else {}
        settings = spec.get("roles") if isinstance(spec.get("roles"), Mapping) else {}
        volumes = {}
        for role in app.roles:
            given = settings.get(role.name)
            storage = given.get("storage") if isinstance(given, Mapping) else None
            volumes[role.id] = (isinstance(storage, Mapping) and "data" in storage, ())
        if namespace and isinstance(own.get("metadata"), Mapping):
            own["metadata"] = {**own["metadata"], "namespace": namespace}
    names = {**{role.id: role.name for role in app.roles}, **{role.name: role.name for role in app.roles}}
    return Translation(_emit_app(app, volumes), _with_images(own, images, names), notes, record(cluster))


def _with_images(cluster: dict[str, Any], images: Mapping[str, str] | None, names: Mapping[str, str]) -> dict[str, Any]:
    problems: list[Problem] = []
    reader = Reader(images or {}, "images", problems)
    for role, image in reader.data.items():
        reader.known(str(role), str(role), tuple(names), "role")
        if not isinstance(image, str) or not image or re.search(r"\s", image):
            reader.problem(str(role), "an image such as registry.example/app:1.0", show(image))
        elif role in names:
            spec = cluster["spec"] = dict(cluster.get("spec") or {})
            roles = spec["roles"] = dict(spec.get("roles") or {})
            roles[names[role]] = {**(roles.get(names[role]) or {}), "image": image}
    if problems:
        raise DialectError(problems, "images")
    return cluster


def record(cluster: Any) -> dict[str, Any]:
    """A cluster as it was written, to compare the next one with: no server's fields, and digests of secret values."""
    if not isinstance(cluster, Mapping):
        return {}
    result = {key: copy.deepcopy(cluster[key]) for key in ("apiVersion", "kind", "spec") if key in cluster}
    metadata = cluster.get("metadata")
    result["metadata"] = {"name": metadata.get("name")} if isinstance(metadata, Mapping) else {}
    spec = result.get("spec")
    roles = spec.get("roles") if isinstance(spec, Mapping) else None
    for role in roles if isinstance(roles, list) else []:
        for item in role.get("secretKeys") or [] if isinstance(role, Mapping) else []:
            value = str(item.get("value") or "") if isinstance(item, Mapping) else ""
            if value and not value.startswith("sha256:"):
                item["value"] = "sha256:" + hashlib.sha256(value.encode()).hexdigest()
    return result


def _plain(value: Any) -> Any:
    """A value without what makes no difference: null fields, and quotes about numbers."""
    if isinstance(value, Mapping):
        found = {str(key): _plain(item) for key, item in value.items() if item is not None}
        return {key: item for key, item in found.items() if item not in ({}, [])}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def forbidden_changes(old: Any, new: Any, strict: bool = True) -> list[Problem]:
    """What a new version of a cluster may not change while its members live.

    Both are documents of one dialect; see `record`. KubeDirector allows a role with members nothing but another
    number of them: ``strict``. Otherwise only that is refused which Kubernetes cannot change in place (another app,
    other volumes). Roles without members are free, and so is a cluster of which nothing is known.
    """
    problems: list[Problem] = []
    if not isinstance(old, Mapping) or not isinstance(new, Mapping) or not old:
        return problems
    if is_kubedirector(old) != is_kubedirector(new):
        return [
            Problem(
                "kind", show(old.get("kind")), show(new.get("kind")), "Remove the cluster before it changes dialect."
            )
        ]
    before, after = (_plain(record(item)).get("spec", {}) for item in (old, new))
    for name in ("app", "appCatalog"):
        if name in before and name in after and before[name] != after[name]:
            problems.append(
                Problem(
                    f"spec.{name}",
                    f"{show(before[name])} as before",
                    show(after[name]),
                    "Remove the cluster first, or choose another name for the new one.",
                )
            )
    listed = is_kubedirector(old)
    held = _by_role(before.get("roles", []), listed)
    for where, name, role in _by_role(after.get("roles", []), listed).values():
        if name not in held or held[name][2].get("members", "1") == "0":
            continue
        was = held[name][2]
        volumes = ("storage", "blockStorage")
        for key in sorted({*was, *role} - {"id", "members"}):
            if was.get(key) == role.get(key) or not (key in volumes or (strict and listed)):
                continue
            if not listed and _same_volumes(was.get(key), role.get(key)):
                continue
            remedy = "Take the role to 0 members first"
            remedy += "." if key in volumes else ", or allow the change: its members then restart one by one."
            before = f"{_shown(was.get(key))} as before, while role {name} has members"
            problems.append(Problem(f"{where}.{key}", before, _shown(role.get(key)), remedy))
    return problems


def _by_role(roles: Any, listed: bool) -> dict[str, tuple[str, str, dict[str, Any]]]:
    if listed:
        rows = enumerate(roles if isinstance(roles, list) else [])
        return {
            item.get("id", ""): (f"spec.roles[{index}]", item.get("id", ""), item)
            for index, item in rows
            if isinstance(item, dict)
        }
    pairs = roles.items() if isinstance(roles, dict) else ()
    return {name: (f"spec.roles.{name}", name, item) for name, item in pairs if isinstance(item, dict)}


def _same_volumes(old: Any, new: Any) -> bool:
    """Whether settings of volumes that both name agree: what is left out is as the definition says."""
    before, after = (item if isinstance(item, dict) else {} for item in (old, new))
    return all(before[name] == after[name] for name in before if name in after)


def _shown(value: Any) -> str:
    return (
        "nothing" if value is None else json.dumps(value, sort_keys=True) if not isinstance(value, str) else show(value)
    )
