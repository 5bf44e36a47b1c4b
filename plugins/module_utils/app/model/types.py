# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The app model: what an app is (``App``) and what one cluster of it shall be (``AppCluster``).

``load`` reads both from plain data. Nothing here needs a Kubernetes cluster or a third-party module.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

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
_CARDINALITY = re.compile(r"(\d+)(\+|-(\d+))?")


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


def secret_mounts(role: Role, settings: RoleSettings) -> list[SecretMount]:
    """The definition's, each replaced by the cluster's of the same id, and the cluster's own."""
    return list({item.id: item for item in (*role.secrets, *settings.secrets)}.values())
