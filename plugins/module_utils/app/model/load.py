# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The app model: what an app is (``App``) and what one cluster of it shall be (``AppCluster``).

Both are read from plain data (the project's own dialect, ``kind: App`` and ``kind: AppCluster``) by
``load_app`` and ``load_cluster``, which refuse bad input with every problem they find: where, what was
expected, what was found and what to do. Nothing here needs a Kubernetes cluster or a third-party module.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Callable

API_VERSION = "bigdata.baremetal/v1alpha1"
CONTROLLERS = ("StatefulSet", "Deployment", "ReplicationController", "DaemonSet")
# How members are kept apart: over hosts and racks where possible; evenly over hosts, or racks, or not at all; anyhow.
SPREADS = ("soft", "hard", "racks", "none")
# Whose members stand in for one another, when hosts are drained and when they are spread: each role's, or all roles'.
DISRUPTION_BUDGETS = ("role", "cluster")
SERVICE_TYPES = ("ClusterIP", "NodePort", "LoadBalancer")
GUEST_EVENTS = ("configure", "addnodes", "delnodes", "reconnect")
NODE_PORTS = (30000, 32767)
# What an image's systemd wants in memory, for its run-time state (systemd's container interface).
SYSTEMD_TMPFS = ("/run", "/run/lock", "/tmp")
PARAMETER_TYPES = {"str": str, "int": int, "bool": bool, "dict": dict, "list": list}

# RFC 1123 labels. A cluster's and a role's name are joined into names of Services and pods, which
# end in an ordinal and carry a hash in a label of 63 characters: 40 and 20 leave room for both.
_LABEL = r"[a-z]([a-z0-9-]*[a-z0-9])?"
_QUANTITY = r"[0-9]+(\.[0-9]+)?(m|k|M|G|T|Ki|Mi|Gi|Ti)?"
_CARDINALITY = re.compile(r"(\d+)(\+|-(\d+))?")


@dataclass(frozen=True)
class Problem:
    """One reason to refuse an input."""

    path: str
    expected: str
    found: str
    remedy: str = ""

    def __str__(self) -> str:
        text = f"{self.path}: expected {self.expected}, found {self.found}"
        return f"{text}. {self.remedy}" if self.remedy else text


class AppError(ValueError):
    """A definition or a cluster's settings cannot be honoured. ``problems`` has every reason."""

    def __init__(self, problems: Sequence[Problem]):
        self.problems = list(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


@dataclass(frozen=True)
class Cardinality:
    """How many members a role may have: ``1``, ``3``, ``2+``, ``0+`` or ``1-5``."""

    minimum: int
    maximum: int | None

    @classmethod
    def parse(cls, text: str) -> Cardinality:
        match = _CARDINALITY.fullmatch(text)
        if not match:
            raise ValueError(text)
        low = int(match.group(1))
        if not match.group(2):
            return cls(low, low)
        if match.group(2) == "+":
            return cls(low, None)
        high = int(match.group(3))
        if high < low:
            raise ValueError(text)
        return cls(low, high)

    def allows(self, members: int) -> bool:
        return members >= self.minimum and (self.maximum is None or members <= self.maximum)

    def __str__(self) -> str:
        if self.maximum is None:
            return f"{self.minimum} or more"
        return f"exactly {self.minimum}" if self.minimum == self.maximum else f"{self.minimum} to {self.maximum}"


@dataclass(frozen=True)
class Service:
    """A port that members of one or several roles listen on, and how it is offered."""

    id: str
    port: int
    protocol: str = "TCP"
    scheme: str = ""
    path: str = ""
    # A page for people.
    dashboard: bool = False
    # Takes the cluster's own name as the name of its Kubernetes Service.
    primary: bool = False
    # False: only on the headless Service, for members among themselves.
    published: bool = True
    # A Service for each member as well, by which that very member is reached.
    per_member: bool = False
    # Clients show a random token, which is kept in a Secret.
    token: bool = False
    description: str = ""


@dataclass(frozen=True)
class HttpCheck:
    """A GET on a member's port. With ``json``, the answer is that field of the body."""

    service: str
    path: str
    json: str = ""


@dataclass(frozen=True)
class Check:
    """A question to one member of the app: by HTTP, by a command in its container, or by connecting."""

    http: HttpCheck | None = None
    command: tuple[str, ...] = ()
    tcp: str = ""


@dataclass(frozen=True)
class Probe:
    """A kubelet probe. Times are in seconds."""

    check: Check
    initial_delay: int = 0
    period: int = 10
    timeout: int = 5
    failures: int = 3


@dataclass(frozen=True)
class Probes:
    startup: Probe | None = None
    readiness: Probe | None = None
    liveness: Probe | None = None


@dataclass(frozen=True)
class Health:
    """The app's own word. ``members``: how many it counts. ``safe``: whether one of them may leave.

    It is asked of every member of the role itself or, with ``at``, of the members of that role. ``counts``
    are the roles whose members are counted together; empty: this role alone.
    """

    members: Check | None = None
    safe: Check | None = None
    at: str = ""
    counts: tuple[str, ...] = ()


@dataclass(frozen=True)
class LiveRole:
    """Who a member is now, such as a leader: a question, what to take from its answer, and what to call that."""

    check: Check
    match: str = ""
    names: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class LeaveStep:
    """A step of leaving: asked or run in the member that leaves or, with ``at``, in one of that role that stays."""

    check: Check
    at: str = ""


@dataclass(frozen=True)
class Leave:
    """How a member leaves. ``allowed`` may refuse, with its output as the reason, and changes nothing;
    ``announce`` starts what has to happen and can be repeated; ``done``: nothing is left there."""

    allowed: LeaveStep | None = None
    announce: LeaveStep | None = None
    done: LeaveStep | None = None


@dataclass(frozen=True)
class Storage:
    """A volume of every member, kept until its removal is confirmed.

    It is mounted at ``path``; or ``paths``, several directories, lie on it beside each other. With ``populate``
    they start with what the image has there. ``block``: a raw device, which appears at ``path``.
    """

    id: str
    path: str = ""
    size: str = "1Gi"
    storage_class: str = ""
    paths: tuple[str, ...] = ()
    populate: bool = False
    block: bool = False


@dataclass(frozen=True)
class ConfigFile:
    """A file that members read. ``data`` is written as YAML or as properties, ``text`` as it is."""

    name: str
    path: str
    format: str = "text"
    text: str = ""
    data: Mapping[str, Any] = field(default_factory=dict)
    secret: bool = False


@dataclass(frozen=True)
class Resources:
    """Kubernetes quantities; an empty one is not set. ``requests``, ``limits``: what is neither CPU nor memory."""

    cpu_request: str = ""
    cpu_limit: str = ""
    memory_request: str = ""
    memory_limit: str = ""
    requests: Mapping[str, str] = field(default_factory=dict)
    limits: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Security:
    """What a member's container may do. The defaults are what most apps need: nothing.

    With ``run_as_root`` it runs as the user that the image names, who may be root.
    """

    run_as_user: int | None = None
    run_as_group: int | None = None
    fs_group: int | None = None
    run_as_root: bool = False
    privileged: bool = False
    read_only_root: bool = True
    writable_paths: tuple[str, ...] = ()
    capabilities: tuple[str, ...] = ()


@dataclass(frozen=True)
class SecretKey:
    """One value of an existing Secret."""

    secret: str
    key: str


@dataclass(frozen=True)
class SecretMount:
    """An existing Secret as a directory, one file for each of its keys."""

    id: str
    secret: str
    path: str
    mode: str = "0440"


@dataclass(frozen=True)
class ClaimMount:
    """An existing volume claim that every member of the role mounts."""

    claim: str
    path: str
    read_only: bool = False


@dataclass(frozen=True)
class FetchedFile:
    """A file that a member fetches when it starts."""

    url: str
    path: str
    mode: str = "0644"
    owner: str = ""


@dataclass(frozen=True)
class GuestService:
    """A service as start scripts know it, also one without a port. ``service``: the app's, where its id differs."""

    id: str
    name: str = ""
    exported_service: str = ""
    service: str = ""


@dataclass(frozen=True)
class Guest:
    """A config package in KubeDirector's form, and the events of which its start script is told.

    ``role`` is the name that start scripts use; empty: the role's id.
    """

    package: str
    events: tuple[str, ...] = GUEST_EVENTS
    role: str = ""
    services: tuple[GuestService, ...] = ()


@dataclass(frozen=True)
class GuestApp:
    """What the members' configmeta says of the whole app."""

    distro: str = ""
    schema_version: int = 7


@dataclass(frozen=True)
class ApiRule:
    """Objects of the Kubernetes API, in the cluster's own namespace, that members may use."""

    groups: tuple[str, ...]
    resources: tuple[str, ...]
    verbs: tuple[str, ...]


@dataclass(frozen=True)
class Parameter:
    """A setting of the app that a cluster may change. Used in texts as ``$(parameters.NAME)``."""

    name: str
    type: str = "str"
    default: Any = None
    minimum: int | None = None
    maximum: int | None = None
    choices: tuple[Any, ...] = ()
    # Whether it has to stay as it is while the cluster lives: members of two values do not work together.
    fixed: bool = False
    description: str = ""


@dataclass(frozen=True)
class Role:
    """Members of one kind."""

    id: str
    cardinality: Cardinality
    controller: str = "StatefulSet"
    image: str = ""
    command: tuple[str, ...] = ()
    args: tuple[str, ...] = ()
    services: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    config_files: tuple[ConfigFile, ...] = ()
    storage: tuple[Storage, ...] = ()
    resources: Resources = field(default_factory=Resources)
    probes: Probes = field(default_factory=Probes)
    health: Health = field(default_factory=Health)
    live_role: LiveRole | None = None
    # Live roles whose members restart after the others.
    restart_last: tuple[str, ...] = ()
    leave: Leave = field(default_factory=Leave)
    security: Security = field(default_factory=Security)
    starts_after: tuple[str, ...] = ()
    # Members start and stop one by one, in the order of their numbers.
    ordered: bool = True
    termination_grace_seconds: int = 30
    # Run in the container before it is told to stop.
    pre_stop: tuple[str, ...] = ()
    # Host name of the only member.
    hostname: str = ""
    # Where the cluster's discovery ConfigMap is mounted; empty: nowhere.
    discovery_path: str = ""
    # Environment from the pod's own fields (downward API) and from existing Secrets.
    env_fields: Mapping[str, str] = field(default_factory=dict)
    secret_env: Mapping[str, SecretKey] = field(default_factory=dict)
    secrets: tuple[SecretMount, ...] = ()
    tty: bool = False
    stdin: bool = False
    # The image's first process is systemd.
    systemd: bool = False
    guest: Guest | None = None
    config_meta: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class App:
    name: str
    version: str
    roles: tuple[Role, ...]
    services: tuple[Service, ...] = ()
    parameters: tuple[Parameter, ...] = ()
    api_access: tuple[ApiRule, ...] = ()
    config_meta: Mapping[str, str] = field(default_factory=dict)
    guest: GuestApp = field(default_factory=GuestApp)
    disruption_budget: str = "role"
    description: str = ""

    def role(self, name: str) -> Role:
        return next(role for role in self.roles if role.id == name)

    def service(self, name: str) -> Service:
        return next(service for service in self.services if service.id == name)

    def roles_of(self, service: str) -> list[Role]:
        """The roles whose members offer a service, in the order of the definition."""
        return [role for role in self.roles if service in role.services]


@dataclass(frozen=True)
class RoleSettings:
    """What a cluster says about one role. None and empty mean: as the definition says."""

    members: int
    image: str = ""
    resources: Resources = field(default_factory=Resources)
    env: Mapping[str, str] = field(default_factory=dict)
    config: Mapping[str, Any] = field(default_factory=dict)
    storage: Mapping[str, Storage] = field(default_factory=dict)
    node_selector: Mapping[str, str] = field(default_factory=dict)
    tolerations: tuple[Mapping[str, Any], ...] = ()
    affinity: Mapping[str, Any] = field(default_factory=dict)
    spread: str = "soft"
    secret_env: Mapping[str, SecretKey] = field(default_factory=dict)
    secrets: tuple[SecretMount, ...] = ()
    # Only for guest-configured members: values that no object but the guest's Secret holds.
    secret_keys: Mapping[str, str] = field(default_factory=dict)
    # Size of /dev/shm, a Kubernetes quantity.
    shared_memory: str = ""
    # An existing ServiceAccount, whose token members have, in place of the cluster's own.
    service_account: str = ""
    volumes: tuple[ClaimMount, ...] = ()
    files: tuple[FetchedFile, ...] = ()
    pod_labels: Mapping[str, str] = field(default_factory=dict)
    pod_annotations: Mapping[str, str] = field(default_factory=dict)
    service_labels: Mapping[str, str] = field(default_factory=dict)
    service_annotations: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class ServiceSettings:
    type: str = "ClusterIP"
    node_port: int | None = None


@dataclass(frozen=True)
class Connections:
    """Other objects of the namespace of which guest-configured members are told."""

    clusters: tuple[str, ...] = ()
    configmaps: tuple[str, ...] = ()
    secrets: tuple[str, ...] = ()


@dataclass(frozen=True)
class AppCluster:
    """One cluster of an app."""

    name: str
    namespace: str
    app: App
    roles: Mapping[str, RoleSettings]
    services: Mapping[str, ServiceSettings] = field(default_factory=dict)
    parameters: Mapping[str, Any] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    connections: Connections = field(default_factory=Connections)
    image_pull_secrets: tuple[str, ...] = ()
    create_namespace: bool = True
    dns_domain: str = "cluster.local"


def show(value: Any) -> str:
    """A value as it is named in a message."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Mapping):
        return "a mapping" if value else "an empty mapping"
    if isinstance(value, (list, tuple)):
        return "a list" if value else "an empty list"
    return repr(str(value)) if isinstance(value, str) else str(value)


class Reader:
    """Reads one mapping, field by field, and collects what is wrong with it.

    Every getter returns a usable value even after a problem, so one run reports all of them;
    ``done`` reports the fields that nobody asked for.
    """

    def __init__(self, data: Any, path: str, problems: list[Problem]):
        self.path = path
        self.problems = problems
        self.asked: list[str] = []
        if data is None:
            data = {}
        if not isinstance(data, Mapping):
            self.problem("", "a mapping", show(data))
            data = {}
        self.data: Mapping[str, Any] = data

    def at(self, name: str) -> str:
        if not name:
            return self.path or "(document)"
        return f"{self.path}.{name}" if self.path else name

    def problem(self, name: str, expected: str, found: str, remedy: str = "") -> None:
        self.problems.append(Problem(self.at(name), expected, found, remedy))

    def raw(self, name: str, default: Any = None) -> Any:
        self.asked.append(name)
        value = self.data.get(name)
        return default if value is None else value

    def text(self, name: str, default: str | None = "", pattern: str = "", what: str = "", longest: int = 0) -> str:
        value = self.raw(name)
        if value is None:
            if default is None:
                self.problem(name, what or "a text", "nothing", f"Set {self.at(name)}.")
            return default or ""
        if isinstance(value, (bool, Mapping, list, tuple)):
            self.problem(name, what or "a text", show(value))
            return default or ""
        value = str(value)
        if pattern and not re.fullmatch(pattern, value):
            self.problem(name, what or f"a text like {pattern}", show(value))
        elif longest and len(value) > longest:
            self.problem(name, f"at most {longest} characters", f"{len(value)}: {show(value)}")
        return value

    def name(self, name: str, longest: int = 40) -> str:
        what = "a name of lower-case letters, digits and dashes that starts with a letter"
        return self.text(name, None, _LABEL, what, longest)

    def quantity(self, name: str) -> str:
        return self.text(name, "", _QUANTITY, "a Kubernetes quantity such as 500m or 512Mi")

    def choice(self, name: str, choices: Sequence[str], default: str) -> str:
        value = self.text(name, default)
        if value not in choices:
            self.problem(name, "one of " + ", ".join(choices), show(value))
            return default
        return value

    def boolean(self, name: str, default: bool) -> bool:
        value = self.raw(name, default)
        if not isinstance(value, bool):
            self.problem(name, "true or false", show(value))
            return default
        return value

    def integer(self, name: str, default: int | None, low: int, high: int | None = None) -> int | None:
        value = self.raw(name, default)
        if value is None:
            return None
        span = f"a whole number from {low} to {high}" if high is not None else f"a whole number, {low} or more"
        if isinstance(value, bool) or not isinstance(value, int):
            self.problem(name, span, show(value))
            return default
        if value < low or (high is not None and value > high):
            self.problem(name, span, show(value))
            return default
        return value

    def whole(self, name: str, default: int, low: int, high: int | None = None) -> int:
        value = self.integer(name, default, low, high)
        return default if value is None else value

    def mapping(self, name: str) -> Mapping[str, Any]:
        value = self.raw(name, {})
        if not isinstance(value, Mapping):
            self.problem(name, "a mapping", show(value))
            return {}
        return value

    def texts(self, name: str) -> dict[str, str]:
        """A mapping of names to scalars, as texts."""
        result = {}
        for key, value in self.mapping(name).items():
            if isinstance(value, (Mapping, list, tuple)):
                self.problem(f"{name}.{key}", "a text or a number", show(value))
            else:
                result[str(key)] = ("true" if value else "false") if isinstance(value, bool) else str(value)
        return result

    def items(self, name: str) -> list[Any]:
        value = self.raw(name, [])
        if not isinstance(value, (list, tuple)):
            self.problem(name, "a list", show(value))
            return []
        return list(value)

    def strings(self, name: str) -> tuple[str, ...]:
        values = self.items(name)
        for index, value in enumerate(values):
            if not isinstance(value, str):
                self.problem(f"{name}[{index}]", "a text", show(value))
        return tuple(str(value) for value in values)

    def each(self, name: str, read: Callable[[Reader], Any], key: str = "") -> tuple[Any, ...]:
        """Read a list of mappings. With ``key``, refuse two that agree in that attribute."""
        result: list[Any] = []
        seen: set[str] = set()
        for index, item in enumerate(self.items(name)):
            reader = Reader(item, f"{self.at(name)}[{index}]", self.problems)
            value = read(reader)
            reader.done()
            if key:
                identity = getattr(value, key)
                if identity in seen:
                    reader.problem(key, "a name that is used once", f"{show(identity)} again", "Rename one of them.")
                seen.add(identity)
            result.append(value)
        return tuple(result)

    def section(self, name: str) -> Reader:
        return Reader(self.raw(name), self.at(name), self.problems)

    def known(self, name: str, value: str, names: Sequence[str], what: str) -> None:
        if value and value not in names:
            close = difflib.get_close_matches(value, names, 1)
            remedy = f"Did you mean {close[0]}?" if close else ""
            self.problem(name, f"a {what} of this app ({', '.join(names) or 'it has none'})", show(value), remedy)

    def done(self) -> None:
        for name in self.data:
            if name not in self.asked:
                close = difflib.get_close_matches(str(name), self.asked, 1)
                remedy = f"Did you mean {close[0]}?" if close else "Remove it."
                fields = ", ".join(sorted(set(self.asked)))
                self.problem(str(name), f"one of {fields}" if fields else "no field", "an unknown field", remedy)


def _head(reader: Reader, kind: str) -> Reader:
    version = reader.text("apiVersion", API_VERSION)
    if version != API_VERSION:
        reader.problem("apiVersion", API_VERSION, show(version))
    found = reader.text("kind", None, what=kind)
    if found and found != kind:
        reader.problem("kind", kind, show(found))
    return reader.section("metadata")


def _check(reader: Reader) -> Check:
    http = None
    if "http" in reader.data:
        section = reader.section("http")
        http = HttpCheck(section.text("service", None), section.text("path", "/", "/.*", "a path that starts with /"),
                         section.text("json"))  # fmt: skip
        section.done()
    check = Check(http, reader.strings("command"), reader.text("tcp"))
    if sum((check.http is not None, bool(check.command), bool(check.tcp))) != 1:
        given = [name for name in ("http", "command", "tcp") if name in reader.data]
        reader.problem("", "exactly one of http, command and tcp", " and ".join(given) or "nothing")
    return check


def _probe(parent: Reader, name: str) -> Probe | None:
    if parent.raw(name) is None:
        return None
    reader = parent.section(name)
    probe = Probe(
        _check(reader),
        initial_delay=reader.whole("initial_delay", 0, 0),
        period=reader.whole("period", 10, 1),
        timeout=reader.whole("timeout", 5, 1),
        failures=reader.whole("failures", 3, 1),
    )
    reader.done()
    return probe


def _named_check(parent: Reader, name: str) -> Check | None:
    if parent.raw(name) is None:
        return None
    reader = parent.section(name)
    check = _check(reader)
    reader.done()
    return check


def _health(parent: Reader) -> Health:
    reader = parent.section("health")
    health = Health(
        _named_check(reader, "members"), _named_check(reader, "safe"), reader.text("at"), reader.strings("counts")
    )
    reader.done()
    return health


def _live_role(parent: Reader) -> LiveRole | None:
    if parent.raw("live_role") is None:
        return None
    reader = parent.section("live_role")
    live = LiveRole(_check(reader), reader.text("match"), reader.texts("names"))
    try:
        re.compile(live.match)
    except re.error as error:
        reader.problem("match", "a regular expression", f"{show(live.match)}: {error}")
    reader.done()
    return live


def _leave(parent: Reader) -> Leave:
    def step(name: str) -> LeaveStep | None:
        if reader.raw(name) is None:
            return None
        section = reader.section(name)
        found = LeaveStep(_check(section), section.text("at"))
        if found.check.tcp or (found.check.http and name != "done"):
            section.problem("", "a command", "http" if found.check.http else "tcp")
        section.done()
        return found

    reader = parent.section("leave")
    leave = Leave(step("allowed"), step("announce"), step("done"))
    reader.done()
    return leave


def _secret_env(parent: Reader) -> dict[str, SecretKey]:
    result = {}
    for name, value in parent.mapping("secret_env").items():
        reader = Reader(value, parent.at(f"secret_env.{name}"), parent.problems)
        result[str(name)] = SecretKey(reader.text("secret", None), reader.text("key", None))
        reader.done()
    return result


def _mode(reader: Reader, default: str) -> str:
    return reader.text("mode", default, "0?[0-7]{3}", 'an octal mode in quotes, such as "0440"')


def _path(reader: Reader, name: str = "path") -> str:
    return reader.text(name, None, "/.*", "an absolute path")


def _secret_mount(reader: Reader) -> SecretMount:
    return SecretMount(reader.name("id", 20), reader.text("secret", None), _path(reader), _mode(reader, "0440"))


def _claim_mount(reader: Reader) -> ClaimMount:
    return ClaimMount(reader.text("claim", None), _path(reader), reader.boolean("read_only", False))


def _fetched_file(reader: Reader) -> FetchedFile:
    url = reader.text("url", None, "(https?|file)://.+", "a URL that starts with https://, http:// or file://")
    owner = reader.text("owner", "", "[0-9]+(:[0-9]+)?", "numbers of a user and a group, such as 1000:1000")
    return FetchedFile(url, _path(reader), _mode(reader, "0644"), owner)


def _guest(parent: Reader) -> Guest | None:
    if parent.raw("guest") is None:
        return None
    reader = parent.section("guest")
    events = reader.strings("events") if reader.raw("events") is not None else GUEST_EVENTS
    for event in events:
        if event not in GUEST_EVENTS:
            reader.problem("events", "some of " + ", ".join(GUEST_EVENTS), show(event))
    package = reader.text("package", None, "(https?|file)://.+", "a URL that starts with https://, http:// or file://")
    services = reader.each(
        "services",
        lambda item: GuestService(
            item.text("id", None), item.text("name"), item.text("exported_service"), item.text("service")
        ),
        "id",
    )
    guest = Guest(package, tuple(events), reader.text("role"), services)
    reader.done()
    return guest


def _guest_app(parent: Reader) -> GuestApp:
    reader = parent.section("guest")
    guest = GuestApp(reader.text("distro"), reader.whole("schema_version", 7, 1))
    reader.done()
    return guest


def _resources(parent: Reader) -> Resources:
    reader = parent.section("resources")
    usual = [reader.quantity(name) for name in ("cpu_request", "cpu_limit", "memory_request", "memory_limit")]
    others = []
    for name in ("requests", "limits"):
        section = reader.section(name)
        others.append({str(key): section.quantity(str(key)) for key in section.data})
        for key in ("cpu", "memory"):
            if key in section.data:
                section.problem(
                    key, f"{key}_{name[:-1]} beside {name}", key, f"Set {reader.at(key + '_' + name[:-1])}."
                )
    reader.done()
    return Resources(*usual, *others)


def _storage(reader: Reader) -> Storage:
    storage = Storage(
        reader.name("id", 20),
        reader.text("path", "", "/.*", "an absolute path"),
        reader.quantity("size") or "1Gi",
        reader.text("storage_class"),
        reader.strings("paths"),
        reader.boolean("populate", False),
        reader.boolean("block", False),
    )
    if bool(storage.path) == bool(storage.paths):
        reader.problem("path", "either path or paths", "both" if storage.path else "neither")
    for path in storage.paths:
        if not path.startswith("/"):
            reader.problem("paths", "absolute paths", show(path))
    if storage.block and (storage.paths or storage.populate):
        reader.problem("block", "a device at path alone", "paths or populate beside it")
    return storage


def _config_file(reader: Reader) -> ConfigFile:
    name = reader.text("name", None, r"[-._a-zA-Z0-9]+", "a file name")
    form = reader.choice("format", ("text", "yaml", "properties"), "text")
    text, data = reader.text("text"), reader.mapping("data")
    if form == "text" and data:
        reader.problem("data", "text in a file of format text", "a mapping", "Set format to yaml or properties.")
    if form != "text" and text:
        reader.problem("text", f"data in a file of format {form}", "a text", "Set format to text.")
    return ConfigFile(
        name,
        _path(reader),
        form,
        text,
        data,
        reader.boolean("secret", False),
    )


def _service(reader: Reader) -> Service:
    return Service(
        reader.name("id", 15),
        reader.whole("port", 0, 1, 65535),
        reader.choice("protocol", ("TCP", "UDP"), "TCP"),
        reader.text("scheme", "", "[a-z][a-z0-9+.-]*", "a URL scheme such as https"),
        reader.text("path"),
        reader.boolean("dashboard", False),
        reader.boolean("primary", False),
        reader.boolean("published", True),
        reader.boolean("per_member", False),
        reader.boolean("token", False),
        reader.text("description"),
    )


def _parameter(reader: Reader) -> Parameter:
    name = reader.text("name", None, r"[a-z][a-z0-9_]*", "a name of lower-case letters, digits and underscores")
    parameter = Parameter(
        name,
        reader.choice("type", tuple(PARAMETER_TYPES), "str"),
        reader.raw("default"),
        reader.integer("minimum", None, -(2**62)),
        reader.integer("maximum", None, -(2**62)),
        tuple(reader.items("choices")),
        reader.boolean("fixed", False),
        reader.text("description"),
    )
    if parameter.default is not None:
        _parameter_value(reader, "default", parameter, parameter.default)
    return parameter


def _parameter_value(reader: Reader, where: str, parameter: Parameter, value: Any) -> None:
    kind = PARAMETER_TYPES[parameter.type]
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        reader.problem(where, f"a value of type {parameter.type}", show(value))
    elif parameter.choices and value not in parameter.choices:
        reader.problem(where, "one of " + ", ".join(map(str, parameter.choices)), show(value))
    elif parameter.minimum is not None and value < parameter.minimum:
        reader.problem(where, f"{parameter.minimum} or more", show(value))
    elif parameter.maximum is not None and value > parameter.maximum:
        reader.problem(where, f"{parameter.maximum} or less", show(value))


def _api_rule(reader: Reader) -> ApiRule:
    rule = ApiRule(reader.strings("groups"), reader.strings("resources"), reader.strings("verbs"))
    for name in ("resources", "verbs"):
        if not getattr(rule, name):
            reader.problem(name, "at least one", "none")
        if "*" in getattr(rule, name):
            reader.problem(name, "names", "'*'", "Name what the app really uses.")
    return rule


def _security(parent: Reader) -> Security:
    reader = parent.section("security")
    security = Security(
        reader.integer("run_as_user", None, 1),
        reader.integer("run_as_group", None, 1),
        reader.integer("fs_group", None, 1),
        reader.boolean("run_as_root", False),
        reader.boolean("privileged", False),
        reader.boolean("read_only_root", True),
        reader.strings("writable_paths"),
        reader.strings("capabilities"),
    )
    reader.done()
    return security


def _role(reader: Reader) -> Role:
    name = reader.name("id", 20)
    text = reader.text("cardinality", "1+")
    try:
        cardinality = Cardinality.parse(text)
    except ValueError:
        reader.problem("cardinality", "a number of members such as 1, 3, 2+ or 1-5", show(text))
        cardinality = Cardinality(0, None)
    probes = reader.section("probes")
    role = Role(
        id=name,
        cardinality=cardinality,
        controller=reader.choice("controller", CONTROLLERS, "StatefulSet"),
        image=reader.text("image"),
        command=reader.strings("command"),
        args=reader.strings("args"),
        services=reader.strings("services"),
        env=reader.texts("env"),
        config_files=reader.each("config_files", _config_file, "name"),
        storage=reader.each("storage", _storage, "id"),
        resources=_resources(reader),
        probes=Probes(_probe(probes, "startup"), _probe(probes, "readiness"), _probe(probes, "liveness")),
        health=_health(reader),
        live_role=_live_role(reader),
        restart_last=reader.strings("restart_last"),
        leave=_leave(reader),
        security=_security(reader),
        starts_after=reader.strings("starts_after"),
        ordered=reader.boolean("ordered", True),
        termination_grace_seconds=reader.whole("termination_grace_seconds", 30, 1),
        pre_stop=reader.strings("pre_stop"),
        hostname=reader.text("hostname", "", _LABEL, "a host name", 63),
        discovery_path=reader.text("discovery_path", "", "/.*", "an absolute path"),
        env_fields=reader.texts("env_fields"),
        secret_env=_secret_env(reader),
        secrets=reader.each("secrets", _secret_mount, "id"),
        tty=reader.boolean("tty", False),
        stdin=reader.boolean("stdin", False),
        systemd=reader.boolean("systemd", False),
        guest=_guest(reader),
        config_meta=reader.texts("config_meta"),
    )
    probes.done()
    if role.storage and role.controller != "StatefulSet":
        reader.problem("storage", "no storage of their own for members of a " + role.controller, "a volume",
                       "Use controller: StatefulSet.")  # fmt: skip
    if role.hostname and role.cardinality.maximum != 1:
        reader.problem("hostname", "cardinality 1 or 0-1 with a host name", str(role.cardinality),
                       "Members of a StatefulSet have names of their own.")  # fmt: skip
    if role.restart_last and not role.live_role:
        reader.problem("restart_last", "live_role beside it", "none", "Say how to find out who a member is now.")
    return role


def _cross_check(app: App, problems: list[Problem]) -> None:
    """What holds between the parts of a definition."""
    services = [service.id for service in app.services]
    roles = [role.id for role in app.roles]
    primary = [service.id for service in app.services if service.primary]
    top = Reader({}, "spec", problems)
    if not roles:
        top.problem("roles", "at least one role", "none")
    if len(primary) > 1:
        top.problem("services", "at most one primary service", " and ".join(primary))
    for service in app.services:
        offering = [role.id for role in app.roles_of(service.id)]
        if service.primary and len(offering) > 1:
            top.problem("services", "a primary service in one role", f"{service.id} in {' and '.join(offering)}")
    for index, role in enumerate(app.roles):
        reader = Reader({}, f"spec.roles[{index}]", problems)
        for name in role.services:
            reader.known("services", name, services, "service")
        ports: dict[tuple[int, str], str] = {}
        for service in (app.service(name) for name in role.services if name in services):
            other = ports.setdefault((service.port, service.protocol), service.id)
            if other != service.id:
                reader.problem(
                    "services", "a port for each service", f"{other} and {service.id} both on {service.port}"
                )
        for name in role.starts_after:
            reader.known("starts_after", name, roles, "role")
        for name in role.health.counts:
            reader.known("health.counts", name, roles, "role")
        steps = {name: getattr(role.leave, name) for name in ("allowed", "announce", "done")}
        for where, name in [("health.at", role.health.at), *((f"leave.{k}.at", v.at) for k, v in steps.items() if v)]:
            reader.known(where, name, roles, "role")
        checks = {
            "probes.startup": role.probes.startup and role.probes.startup.check,
            "probes.readiness": role.probes.readiness and role.probes.readiness.check,
            "probes.liveness": role.probes.liveness and role.probes.liveness.check,
            "health.members": role.health.members,
            "health.safe": role.health.safe,
            "live_role": role.live_role and role.live_role.check,
            **{f"leave.{name}": step.check for name, step in steps.items() if step},
        }
        asked = dict.fromkeys(("health.members", "health.safe"), role.health.at)
        asked.update({f"leave.{name}": step.at for name, step in steps.items() if step})
        for where, check in checks.items():
            if check is None:
                continue
            if check.tcp and not where.startswith("probes."):
                reader.problem(where, "http or command", "tcp", "An open port does not say how the app is.")
            at = asked.get(where) or role.id
            offers = app.role(at).services if at in roles else ()
            reader.known(where, check.http.service if check.http else check.tcp, offers, "service")
    cycle = _cycle({role.id: role.starts_after for role in app.roles})
    if cycle:
        top.problem("roles", "an order in which roles can start", " after ".join(cycle), "Remove one starts_after.")


def _cycle(graph: Mapping[str, Sequence[str]]) -> list[str]:
    """A way round in a directed graph, or nothing."""
    done: set[str] = set()

    def walk(node: str, trail: list[str]) -> list[str]:
        if node in trail:
            return trail[trail.index(node) :] + [node]
        if node in done or node not in graph:
            return []
        for following in graph[node]:
            found = walk(following, trail + [node])
            if found:
                return found
        done.add(node)
        return []

    for start in graph:
        found = walk(start, [])
        if found:
            return found
    return []


def load_app(document: Any) -> App:
    """Read an app definition (``kind: App``). Raises AppError with every problem."""
    problems: list[Problem] = []
    reader = Reader(document, "", problems)
    meta = _head(reader, "App")
    spec = reader.section("spec")
    app = App(
        name=meta.name("name"),
        version=meta.text("version"),
        description=meta.text("description"),
        services=spec.each("services", _service, "id"),
        roles=spec.each("roles", _role, "id"),
        parameters=spec.each("parameters", _parameter, "name"),
        api_access=spec.each("api_access", _api_rule),
        config_meta=spec.texts("config_meta"),
        guest=_guest_app(spec),
        disruption_budget=spec.choice("disruption_budget", DISRUPTION_BUDGETS, "role"),
    )
    for part in (meta, spec, reader):
        part.done()
    _cross_check(app, problems)
    if problems:
        raise AppError(problems)
    return app


def _role_settings(parent: Reader, role: Role) -> RoleSettings:
    reader = parent.section(role.id)
    members = reader.integer("members", role.cardinality.minimum, 0)
    if members is not None and not role.cardinality.allows(members):
        reader.problem(
            "members", f"{role.cardinality} members of role {role.id}", str(members), "Change the number of members."
        )
    storage = {}
    volumes = {volume.id: volume for volume in role.storage}
    for name in reader.mapping("storage"):
        reader.known("storage", str(name), tuple(volumes), "volume")
        if name in volumes:
            section = Reader(reader.mapping("storage")[name], reader.at(f"storage.{name}"), reader.problems)
            storage[name] = replace(
                volumes[name],
                size=section.quantity("size") or volumes[name].size,
                storage_class=section.text("storage_class", volumes[name].storage_class),
            )
            section.done()
    files = {item.name: item for item in role.config_files}
    config = reader.mapping("config")
    for name, value in config.items():
        reader.known("config", str(name), tuple(files), "configuration file")
        if name in files and isinstance(value, Mapping) != (files[name].format != "text"):
            reader.problem(
                f"config.{name}", "a text" if files[name].format == "text" else "a mapping to merge", show(value)
            )
    settings = RoleSettings(
        members=role.cardinality.minimum if members is None else members,
        image=reader.text("image", role.image),
        resources=_resources(reader),
        env=reader.texts("env"),
        config=config,
        storage=storage,
        node_selector=reader.texts("node_selector"),
        tolerations=tuple(reader.items("tolerations")),
        affinity=reader.mapping("affinity"),
        spread=reader.choice("spread", SPREADS, "soft"),
        secret_env=_secret_env(reader),
        secrets=reader.each("secrets", _secret_mount, "id"),
        secret_keys=reader.texts("secret_keys"),
        shared_memory=reader.quantity("shared_memory"),
        service_account=reader.text("service_account"),
        volumes=reader.each("volumes", _claim_mount, "path"),
        files=reader.each("files", _fetched_file, "path"),
        pod_labels=reader.texts("pod_labels"),
        pod_annotations=reader.texts("pod_annotations"),
        service_labels=reader.texts("service_labels"),
        service_annotations=reader.texts("service_annotations"),
    )
    if not settings.image:
        reader.problem("image", "an image", "nothing", "The definition names none, so the cluster has to.")
    reader.done()
    return settings


def _service_settings(parent: Reader, service: Service, usual: str) -> ServiceSettings:
    reader = parent.section(service.id)
    settings = ServiceSettings(
        reader.choice("type", SERVICE_TYPES, usual), reader.integer("node_port", None, *NODE_PORTS)
    )
    if settings.node_port and settings.type == "ClusterIP":
        reader.problem(
            "node_port", "no node port with type ClusterIP", str(settings.node_port), "Set type to NodePort."
        )
    reader.done()
    return settings


def _connections(spec: Reader) -> Connections:
    reader = spec.section("connections")
    connections = Connections(*(reader.strings(name) for name in Connections.__dataclass_fields__))
    reader.done()
    return connections


def secret_mounts(role: Role, settings: RoleSettings) -> list[SecretMount]:
    """The definition's, each replaced by the cluster's of the same id, and the cluster's own."""
    return list({item.id: item for item in (*role.secrets, *settings.secrets)}.values())


def _cluster_check(cluster: AppCluster, problems: list[Problem]) -> None:
    """What holds between the parts of a cluster, once it is put together."""
    for role in cluster.app.roles:
        reader = Reader({}, f"spec.roles.{role.id}", problems)
        settings = cluster.roles[role.id]
        paths: dict[str, str] = {}
        places = [("config_files", item.path) for item in role.config_files]
        places += [("storage", path) for item in role.storage for path in item.paths or (item.path,)]
        places += [("secrets", item.path) for item in secret_mounts(role, settings)]
        places += [("volumes", item.path) for item in settings.volumes]
        places += [("security.writable_paths", path) for path in role.security.writable_paths]
        if role.discovery_path:
            places.append(("discovery_path", role.discovery_path))
        if role.systemd:
            places += [("systemd", path) for path in (*SYSTEMD_TMPFS, "/sys/fs/cgroup")]
        if settings.shared_memory:
            places.append(("shared_memory", "/dev/shm"))
        for what, path in places:
            path = path.rstrip("/") or "/"
            if path in paths:
                reader.problem(what, "a path for each mount", f"{path} again, after {paths[path]}")
            paths[path] = what
        longest = len(cluster.name) + len(role.id) + 1
        # A pod's name is a label of 63 characters, and a StatefulSet's pods carry a hash of ten more.
        if longest > 52:
            reader.problem("", "names of cluster and role of at most 51 characters together", str(longest - 1),
                           "Shorten one of them.")  # fmt: skip
        for name in ("files", "secret_keys"):
            if getattr(settings, name) and role.guest is None:
                reader.problem(name, f"{name} only for a role with a config package", "none",
                               "Put it into the image, a Secret or config_files.")  # fmt: skip
    for service in cluster.app.services:
        roles = cluster.app.roles_of(service.id)
        if cluster.services[service.id].node_port and len(roles) > 1:
            Reader({}, f"spec.services.{service.id}", problems).problem(
                "node_port", "a node port for a service of one role", " and ".join(role.id for role in roles),
                "Leave it to Kubernetes.")  # fmt: skip


def load_cluster(document: Any, app: App) -> AppCluster:
    """Read a cluster's settings (``kind: AppCluster``) for an app. Raises AppError with every problem."""
    problems: list[Problem] = []
    reader = Reader(document, "", problems)
    meta = _head(reader, "AppCluster")
    spec = reader.section("spec")
    named = spec.text("app", app.name)
    if named != app.name:
        spec.problem("app", show(app.name), show(named))
    roles, services, values = spec.section("roles"), spec.section("services"), spec.section("parameters")
    usual = spec.choice("service_type", SERVICE_TYPES, "ClusterIP")
    parameters = {}
    for parameter in app.parameters:
        value = values.raw(parameter.name, parameter.default)
        if value is None:
            values.problem(parameter.name, f"a value of type {parameter.type}", "nothing", "It has no default.")
        else:
            _parameter_value(values, parameter.name, parameter, value)
        parameters[parameter.name] = value
    cluster = AppCluster(
        name=meta.name("name"),
        namespace=meta.name("namespace", 63),
        labels=meta.texts("labels"),
        app=app,
        roles={role.id: _role_settings(roles, role) for role in app.roles},
        services={service.id: _service_settings(services, service, usual) for service in app.services},
        parameters=parameters,
        connections=_connections(spec),
        image_pull_secrets=spec.strings("image_pull_secrets"),
        create_namespace=spec.boolean("create_namespace", True),
        dns_domain=spec.text("dns_domain", "cluster.local"),
    )
    for part in (meta, roles, services, values, spec, reader):
        part.done()
    _cluster_check(cluster, problems)
    if problems:
        raise AppError(problems)
    return cluster
