# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads and checks a KubeDirectorApp: what KubeDirector's own schema and admission demand of a definition."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ....kube.quantity import quantity
from ...model.reader import Problem, show
from .fields import DialectError, KubeDirectorReader, read_head, slug

# What persists besides the app's own directories: always; with a config package; with one of the new layout.
ALWAYS_PERSISTED = ("/etc",)
PERSISTED_FOR_PACKAGE = ("/etc", "/opt", "/usr")
PERSISTED_FOR_NEW_LAYOUT = ("/etc", "/opt/guestconfig", "/var/log/guestconfig", "/usr/local/bin", "/usr/local/lib")
_EVENTS = ("configure", "addnodes", "delnodes")
_ROLE_ID = r"([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
_CARDINALITY = r"[0-9]{1,60}\+?"
_SERVICE_ID = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_PACKAGE = r"(file|https?)://.+\.tgz"


@dataclass(frozen=True)
class Package:
    """A role's config package."""

    url: str
    new_layout: bool


@dataclass(frozen=True)
class Service:
    """A service of a KubeDirectorApp. ``name`` is what objects call it, ``id`` what the definition does."""

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
class Role:
    """A role of a KubeDirectorApp, with the app's defaults. ``name`` is what objects call it."""

    id: str
    name: str
    path: str
    cardinality: str
    image: str
    package: Package | None
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
class App:
    """A KubeDirectorApp. ``name`` is what objects call it."""

    id: str
    name: str
    version: str
    description: str
    distro: str
    schema: int
    roles: tuple[Role, ...]
    services: tuple[Service, ...]
    config_meta: Mapping[str, str]
    capabilities: tuple[str, ...]
    systemd: bool

    def role(self, name: str) -> Role | None:
        return next((role for role in self.roles if role.id == name), None)

    def service(self, name: str) -> Service | None:
        return next((service for service in self.services if service.id == name), None)


def persisted(always: Sequence[str], own: Sequence[str]) -> list[str]:
    """The directories on a role's volume: what always persists and what the app asks for, none inside another."""

    def inside(path: str, other: str) -> bool:
        return path != other and path.startswith(other.rstrip("/") + "/")

    paths: list[str] = []
    for path in map(posixpath.normpath, (*always, *own)):
        if path not in paths:
            paths.append(path)
    return [path for path in paths if not any(inside(path, other) for other in paths)]


def persist_dirs(role: Role) -> list[str]:
    """What lies on the volume of a role's members."""
    always: tuple[str, ...] = ALWAYS_PERSISTED
    if role.package:
        always = PERSISTED_FOR_NEW_LAYOUT if role.package.new_layout else PERSISTED_FOR_PACKAGE
    return persisted(always, role.persist_dirs)


def read_app(document: Any, notes: list[str]) -> App:
    """A KubeDirectorApp, with every default resolved. Raises DialectError with every problem."""
    problems: list[Problem] = []
    reader, spec, name = read_head(document, "KubeDirectorApp", problems)
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
    spec.unique("services", [service.id for service in services], "id")

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
    spec.unique("roles", names, "id")
    config.unique("selectedRoles", selected)
    config.unique("roleServices", [pair[1] for pair in pairs], "roleID")
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
    return App(
        id=name,
        name=slug(name, 40, "app"),
        version=version,
        description=f"{title}: {text}" if text else title,
        distro=distro,
        schema=schema,
        roles=roles,
        services=services,
        config_meta=meta,
        capabilities=tuple(spec.once("capabilities", capabilities, notes)),
        systemd=systemd,
    )


def _read_service(reader: KubeDirectorReader, taken: list[str], notes: list[str]) -> Service:
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
    service = Service(
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
    reader: KubeDirectorReader,
    defaults: Mapping[str, Any],
    services: Mapping[str, tuple[str, ...]],
    selected: Sequence[str],
    taken: list[str],
    notes: list[str],
) -> Role:
    name = reader.text("id", None, _ROLE_ID, "a name of letters, digits, dashes, dots and underscores", 63)
    cardinality = reader.text("cardinality", None, _CARDINALITY, "a number of members such as 1, 3 or 2+")
    image = _image(reader, "imageRepoTag", defaults["old"]) or defaults["image"]
    if not image:
        reader.problem("imageRepoTag", "an image", "nothing", "Set it here, or defaultImageRepoTag for all roles.")
    directories = _directories(reader, "persistDirs")
    events = _event_list(reader, "eventList")
    resources, storage, container = reader.sub("minResources"), reader.sub("minStorage"), reader.sub("containerSpec")
    minimum = {}
    for item in resources.data:
        if resources.amount(str(item)):
            minimum[str(item)] = resources.text(str(item))
    size = ""
    if reader.raw("minStorage") is not None:
        size = storage.text("size", None, what="a Kubernetes quantity such as 500m or 4Gi")
        storage.amount("size")
    stdin, tty = container.boolean("stdin", False), container.boolean("tty", False)
    if tty and not stdin:
        container.problem("stdin", "true, because tty is true", "false", "Set stdin, or remove tty.")
    reader.remark("maxLogSizeDump", notes, "there is no status object that holds start scripts' output")
    package = _package(reader, "configPackage", defaults["package"])
    if defaults["old"]:
        package = _old_package(reader, package)
    role = Role(
        id=name,
        name=slug(name, 20, "r", taken),
        path=reader.path,
        cardinality=cardinality if re.fullmatch(_CARDINALITY, cardinality) else "0+",
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


def _package(parent: KubeDirectorReader, name: str, default: Package | None) -> Package | None:
    """Absent: the default. Null: none. An object: that one."""
    if not parent.given(name):
        return default
    if parent.raw(name) is None:
        return None
    reader = parent.sub(name)
    package = Package(
        reader.text("packageURL", None, _PACKAGE, "a URL of file://, http:// or https:// that ends in .tgz"),
        reader.boolean("useNewSetupLayout", False),
    )
    reader.done()
    return package


def _old_package(spec: KubeDirectorReader, default: Package | None) -> Package | None:
    """v0.1's setup_package."""
    if spec.raw("setup_package") is None:
        return default
    reader = spec.sub("setup_package")
    reader.whole("config_api_version", 7, 7)
    url = reader.text("import_url", None, _PACKAGE, "a URL of file://, http:// or https:// that ends in .tgz")
    reader.done()
    return Package(url, False)


def _image(parent: KubeDirectorReader, name: str, old: bool) -> str:
    image = parent.text(name)
    if old and parent.raw("image") is not None:
        reader = parent.sub("image")
        image = reader.text("repoTag", None, what="an image")
        reader.done()
    if image and re.search(r"\s", image):
        parent.problem(name, "an image such as registry.example/app:1.0", show(image))
    return image


def _directories(reader: KubeDirectorReader, name: str) -> tuple[str, ...] | None:
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


def _event_list(reader: KubeDirectorReader, name: str) -> tuple[str, ...] | None:
    if reader.raw(name) is None:
        return None
    found = reader.strings(name)
    for index, event in enumerate(found):
        if event not in (*_EVENTS, "reconnect"):
            reader.problem(f"{name}[{index}]", "one of " + ", ".join(_EVENTS), show(event))
    return found
