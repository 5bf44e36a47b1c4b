# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The app model: what an app is (``App``). What one cluster of it shall be is in ``cluster``.

Each field says beside its type and default what it is in a document: ``load`` reads both from plain data as is declared
here, and docs/generate_definitions.py writes the JSON Schemas and the tables of docs/apps/definitions.md. A docstring's
first paragraph is a schema's description. Nothing here needs a Kubernetes cluster or a third-party module.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .declare import LABEL, absolute, amount, image, location, named, octal, spec, text
from .kubernetes import (
    CAPABILITIES,
    DATA_KEY,
    ENV_NAME,
    FIELD,
    FILE_NAME,
    INT32,
    MAX_PODS,
    PORT_NAME,
    RESOURCE_NAME,
    SUBDOMAIN,
    SUBDOMAIN_TEMPLATE,
)
from .questions import Health, Leave, LiveRole, Probes

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
# Where members with a config package have what they are told, and the programs that configure them.
GUEST_PATH = "/run/baremetal-bigdata/guest"
AGENT_PATH = "/run/baremetal-bigdata/agent"
# Of a configuration file: those that are written from `data`, and of them those that are lines of names and values.
WRITTEN_FORMATS = ("yaml", "properties", "lines")
FLAT_FORMATS = ("properties", "lines")
PARAMETER_TYPES = {"str": str, "int": int, "bool": bool, "dict": dict, "list": list}
_CARDINALITY = re.compile(r"([0-9]{1,6})(\+|-([0-9]{1,6}))?")


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
        if max(low, int(match.group(3) or 0)) > MAX_PODS:
            raise ValueError(text)
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

    id: str = field(metadata=text(PORT_NAME, "Id, and name of the port.", longest=15))
    port: int = field(metadata=spec("Port number.", minimum=1, maximum=65535))
    protocol: str = field(default="TCP", metadata=spec("Transport protocol.", choices=("TCP", "UDP")))
    scheme: str = field(
        default="",
        metadata=spec(
            "URL scheme, such as http, as [discovery](../discovery.md) tells it. With https, checks and probes use "
            "TLS.",
            "no URL",
            pattern="[a-z][a-z0-9+.-]*",
            what="a URL scheme such as https",
        ),
    )
    path: str = field(default="", metadata=spec("Path of the URL."))
    dashboard: bool = field(default=False, metadata=spec("A page for people."))
    primary: bool = field(
        default=False,
        metadata=spec(
            "Its Kubernetes Service has the cluster's own name, in place of `<cluster>-<id>`. At most one, in one role."
        ),
    )
    published: bool = field(
        default=True, metadata=spec("Has a Service of its own. False: only for members among themselves.")
    )
    per_member: bool = field(
        default=False,
        metadata=spec("A Service for each member too, `<cluster>-<role>-<number>`. Only for a StatefulSet."),
    )
    token: bool = field(
        default=False,
        metadata=spec(
            "Clients show a random token, which is kept in the Secret `<cluster>-tokens`; "
            "members have it as `TOKEN_<ID>`."
        ),
    )
    description: str = field(default="", metadata=spec("For people."))


@dataclass(frozen=True)
class Storage:
    """A volume of every member, kept until its removal is confirmed. Only for a StatefulSet."""

    id: str = field(metadata=named("Id, and name of the claim.", 20))
    path: str = field(
        default="", metadata=absolute("Where it is mounted; of a block volume, the device.", "`paths` is required")
    )
    size: str = field(default="1Gi", metadata=amount("Size in bytes, a Kubernetes quantity.", needed=True))
    storage_class: str = field(default="", metadata=text(SUBDOMAIN, "Storage class.", "the default one", empty=True))
    paths: tuple[str, ...] = field(
        default=(),
        metadata=absolute(
            "Several directories that lie beside each other on the volume, in place of `path`.", unique=True
        ),
    )
    populate: bool = field(
        default=False,
        metadata=spec("First copy to the volume, once, what the image has at these directories."),
    )
    block: bool = field(default=False, metadata=spec("A raw device at `path`, not a file system."))


@dataclass(frozen=True)
class ConfigFile:
    """A file that members read. When it changes, they restart one by one."""

    name: str = field(metadata=text(FILE_NAME, "Name of the file, by which a cluster changes it."))
    path: str = field(metadata=absolute("Absolute path of the file."))
    format: str = field(
        default="text",
        metadata=spec("text: as it is. The others are written from `data`.", choices=("text", *WRITTEN_FORMATS)),
    )
    text: str = field(default="", metadata=spec("Content of a file of format text."))
    # Replaced by its text where a definition is read from a file: nothing that is read here has it.
    source: Any = field(
        default=None,
        metadata=spec(
            "A file in the definition's directory or below, whose text is the content: [programs](#programs). "
            "Only in a definition that is read from a file."
        ),
    )
    data: Mapping[str, Any] = field(
        default_factory=dict, metadata=spec("Content of a file of format yaml, properties or lines.")
    )
    secret: bool = field(default=False, metadata=spec("Keep it in a Secret."))


@dataclass(frozen=True)
class Resources:
    """What a member asks of its host, and may use at most. What is not set is not limited."""

    cpu_request: str = field(default="", metadata=amount("CPUs that the host keeps for a member, such as 500m."))
    cpu_limit: str = field(default="", metadata=amount("CPUs that a member may use."))
    memory_request: str = field(
        default="", metadata=amount("Memory that the host keeps for a member, in bytes, such as 512Mi.")
    )
    memory_limit: str = field(
        default="", metadata=amount("Memory that a member may use, in bytes; with more it is stopped.")
    )
    requests: Mapping[str, str] = field(
        default_factory=dict,
        metadata=amount("Requests for anything but CPU and memory, by name of the resource.", keys=RESOURCE_NAME),
    )
    limits: Mapping[str, str] = field(
        default_factory=dict,
        metadata=amount("Limits for anything but CPU and memory, such as `nvidia.com/gpu`.", keys=RESOURCE_NAME),
    )


@dataclass(frozen=True)
class Security:
    """What a member's container may do. Without it: nothing, as a user who is not root, with a read-only root."""

    run_as_user: int | None = field(
        default=None, metadata=spec("Number of the user.", "the image's", minimum=1, maximum=INT32)
    )
    run_as_group: int | None = field(
        default=None, metadata=spec("Number of the group.", "the image's", minimum=1, maximum=INT32)
    )
    fs_group: int | None = field(
        default=None, metadata=spec("Number of the group that owns volumes.", minimum=1, maximum=INT32)
    )
    run_as_root: bool = field(default=False, metadata=spec("Run as the user that the image names, who may be root."))
    privileged: bool = field(default=False, metadata=spec("May do on its host whatever root may."))
    read_only_root: bool = field(default=True, metadata=spec("The image's files cannot be changed."))
    writable_paths: tuple[str, ...] = field(
        default=(), metadata=absolute("Directories that are writable, empty at each start.", unique=True)
    )
    capabilities: tuple[str, ...] = field(
        default=(),
        metadata=spec(
            "Linux capabilities besides none, such as NET_BIND_SERVICE.",
            choices=CAPABILITIES,
            what="Linux capabilities without CAP_, such as NET_BIND_SERVICE",
            unique=True,
        ),
    )


@dataclass(frozen=True)
class SecretKey:
    """One value of an existing Secret of the namespace."""

    secret: str = field(
        metadata=text(SUBDOMAIN_TEMPLATE, "Name of the Secret. May contain placeholders such as `$(cluster.name)`.")
    )
    key: str = field(metadata=text(DATA_KEY, "Key in the Secret."))


@dataclass(frozen=True)
class SecretMount:
    """An existing Secret, mounted as a directory with one file for each of its keys."""

    id: str = field(metadata=named("Id, by which a cluster may replace a Secret of the definition.", 20))
    secret: str = field(
        metadata=text(SUBDOMAIN_TEMPLATE, "Name of the Secret. May contain placeholders such as `$(cluster.name)`.")
    )
    path: str = field(metadata=absolute("Absolute path of the directory."))
    mode: str = field(default="0440", metadata=octal("Octal mode of the files, in quotes."))


@dataclass(frozen=True)
class ClaimMount:
    """An existing volume claim that every member of the role mounts."""

    claim: str = field(metadata=text(SUBDOMAIN, "Name of the PersistentVolumeClaim."))
    path: str = field(metadata=absolute("Where it is mounted."))
    read_only: bool = field(default=False, metadata=spec("Members cannot write."))


@dataclass(frozen=True)
class FetchedFile:
    """A file that a guest-configured member fetches when it starts."""

    url: str = field(metadata=location("URL of the file."))
    path: str = field(metadata=absolute("Absolute path of the file."))
    mode: str = field(default="0644", metadata=octal("Octal mode of the file, in quotes."))
    owner: str = field(
        default="",
        metadata=spec(
            "Numbers of user and group, such as 1000:1000.",
            pattern="[0-9]+(:[0-9]+)?",
            what="numbers of a user and a group, such as 1000:1000",
        ),
    )


@dataclass(frozen=True)
class GuestService:
    """A service as start scripts know it, also one without a port."""

    id: str = field(metadata=spec("Id of the service for the start script."))
    name: str = field(default="", metadata=spec("Name for people."))
    exported_service: str = field(default="", metadata=spec("What the service is for others, such as a Livy server."))
    service: str = field(default="", metadata=spec("Id of the service in this definition.", "the same id"))


@dataclass(frozen=True)
class Guest:
    """A config package in KubeDirector's form, by which members configure themselves. Only for a StatefulSet."""

    package: str = field(metadata=location("URL of the package."))
    events: tuple[str, ...] = field(
        default=GUEST_EVENTS,
        metadata=spec("Events of which the start script is told.", "all", choices=GUEST_EVENTS, unique=True),
    )
    role: str = field(default="", metadata=spec("Name of the role for the start script.", "the role's id"))
    services: tuple[GuestService, ...] = field(
        default=(), metadata=spec("Services as the start script knows them.", key="id")
    )


@dataclass(frozen=True)
class GuestApp:
    """What guest-configured members are told of the whole app."""

    distro: str = field(default="", metadata=spec("Id of the distribution.", "the app's name"))
    schema_version: int = field(default=7, metadata=spec("Version of KubeDirector's configSchemaVersion.", minimum=1))


@dataclass(frozen=True)
class ApiRule:
    """Objects of the Kubernetes API, of the cluster's own namespace, that members may use."""

    groups: tuple[str, ...] = field(
        default=(), metadata=spec("API groups; an empty text is the core group.", "one is required", unique=True)
    )
    resources: tuple[str, ...] = field(
        default=(), metadata=spec("Kinds of objects, in the plural, by name.", "one is required", unique=True)
    )
    verbs: tuple[str, ...] = field(
        default=(),
        metadata=spec("What members may do with them, such as get and list.", "one is required", unique=True),
    )


@dataclass(frozen=True)
class Parameter:
    """A setting of the app that a cluster may change. Used in texts as $(parameters.NAME)."""

    name: str = field(
        metadata=spec(
            "Name.",
            pattern="[a-z][a-z0-9_]*",
            what="a name of lower-case letters, digits and underscores",
        )
    )
    type: str = field(default="str", metadata=spec("Type of the value.", choices=tuple(PARAMETER_TYPES)))
    default: Any = field(default=None, metadata=spec("Value where a cluster says nothing.", "a cluster has to say one"))
    minimum: int | None = field(default=None, metadata=spec("Smallest value."))
    maximum: int | None = field(default=None, metadata=spec("Largest value."))
    choices: tuple[Any, ...] = field(default=(), metadata=spec("All values that are allowed.", "any"))
    fixed: bool = field(
        default=False,
        metadata=spec(
            "Whether it has to stay as it is while the cluster lives, since members of two values do not work "
            "together. A run refuses a change before its own first one."
        ),
    )
    description: str = field(default="", metadata=spec("For people, with the unit."))


@dataclass(frozen=True)
class MemoryUse:
    """What a member takes of its memory by a parameter. All of them together have to fit into `memory_limit`."""

    parameter: str = field(metadata=spec("Name of a parameter of type int, in MiB, such as a Java heap.", quoted=True))
    beside: int = field(
        default=0,
        metadata=spec("MiB that are needed beside it at least, whatever its value.", minimum=0, maximum=INT32),
    )


@dataclass(frozen=True)
class Role:
    """Members of one kind."""

    id: str = field(metadata=named("Id. Controllers and headless Services are named `<cluster>-<id>`.", 20))
    cardinality: Cardinality = field(
        default=Cardinality(1, None),
        metadata=spec(
            "How many members a cluster may have: 1, 3, 2+, 0+, 1-5. A cluster that says nothing has the smallest "
            "number.",
            "1+",
            pattern="[0-9]+(\\+|-[0-9]+)?",
            what="a number of members such as 1, 3, 2+ or 1-5",
        ),
    )
    controller: str = field(
        default="StatefulSet", metadata=spec("Kind of the Kubernetes controller.", choices=CONTROLLERS)
    )
    image: str = field(default="", metadata=image("Image. A cluster may name another.", "a cluster has to name one"))
    command: tuple[str, ...] = field(
        default=(), metadata=spec("Entry point. Placeholders are replaced.", "the image's")
    )
    args: tuple[str, ...] = field(default=(), metadata=spec("Arguments. Placeholders are replaced.", "the image's"))
    services: tuple[str, ...] = field(default=(), metadata=spec("Ids of the services that members offer.", unique=True))
    env: Mapping[str, str] = field(
        default_factory=dict, metadata=spec("Environment variables. Placeholders are replaced.", keys=ENV_NAME)
    )
    config_files: tuple[ConfigFile, ...] = field(
        default=(), metadata=spec("[Files](#configuration-files) that members read.", key="name")
    )
    storage: tuple[Storage, ...] = field(default=(), metadata=spec("[Volumes](#volumes) of every member.", key="id"))
    resources: Resources = field(
        default_factory=Resources,
        metadata=spec("What a member asks of its host, and may use at most: [resources](#resources).", "not limited"),
    )
    memory_use: tuple[MemoryUse, ...] = field(
        default=(),
        metadata=spec("What [fits](#resources) into the memory limit, or is refused.", key="parameter"),
    )
    probes: Probes = field(
        default_factory=Probes, metadata=spec("What the kubelet asks of the container: [probes](#checks-and-probes).")
    )
    health: Health = field(
        default_factory=Health,
        metadata=spec("How the [app says](#checks-and-probes) that its members are there.", "ready pods count"),
    )
    live_role: LiveRole | None = field(
        default=None, metadata=spec("Who a ready member [is now](#checks-and-probes), such as a leader.", "not asked")
    )
    restart_last: tuple[str, ...] = field(
        default=(),
        metadata=spec(
            "Live roles whose members [restart](#restarting), and leave where there is a choice, after the others. "
            "Needs `live_role`.",
            unique=True,
        ),
    )
    leave: Leave = field(
        default_factory=Leave,
        metadata=spec("How one member [leaves](#leaving).", "members leave when `health` allows it"),
    )
    security: Security = field(
        default_factory=Security, metadata=spec("What the container [may do](#security).", "nothing")
    )
    starts_after: tuple[str, ...] = field(
        default=(),
        metadata=spec("Ids of roles that have to be settled first.", "with the others, as listed", unique=True),
    )
    ordered: bool = field(
        default=True,
        metadata=spec("Members start and stop one by one, in the order of their numbers. Only for a StatefulSet."),
    )
    termination_grace_seconds: int = field(
        default=30, metadata=spec("Seconds that a member may take to stop.", minimum=1, maximum=INT32)
    )
    pre_stop: tuple[str, ...] = field(
        default=(),
        metadata=spec("A command in the container before it is told to stop. Placeholders are replaced."),
    )
    hostname: str = field(
        default="",
        metadata=spec(
            "Fixed host name of the only member, `<hostname>.<cluster>-<role>.<namespace>.svc.<domain>`; "
            "cardinality 1.",
            "the pod's",
            pattern=LABEL,
            what="a host name",
            longest=63,
        ),
    )
    discovery_path: str = field(
        default="",
        metadata=absolute(
            "Directory where the cluster's `members.json` and `hosts` are mounted, and kept current: "
            "[discovery](../discovery.md).",
            "not mounted",
        ),
    )
    env_fields: Mapping[str, str] = field(
        default_factory=dict,
        metadata=text(
            FIELD,
            "Environment variables from the pod's own fields (downward API): `NAME: status.podIP`.",
            keys=ENV_NAME,
        ),
    )
    secret_env: Mapping[str, SecretKey] = field(
        default_factory=dict,
        metadata=spec(
            "Environment variables from existing [Secrets](#secrets): `NAME: {secret: SECRET, key: KEY}`.",
            keys=ENV_NAME,
        ),
    )
    secrets: tuple[SecretMount, ...] = field(
        default=(), metadata=spec("Existing [Secrets](#secrets) that members mount as directories.", key="id")
    )
    tty: bool = field(default=False, metadata=spec("The container has a terminal."))
    stdin: bool = field(default=False, metadata=spec("The container's standard input stays open."))
    systemd: bool = field(
        default=False,
        metadata=spec(
            "The image's first process is systemd: it runs as root, with `/run`, `/run/lock` and `/tmp` in memory."
        ),
    )
    guest: Guest | None = field(
        default=None,
        metadata=spec("A [config package](#config-packages), by which members configure themselves."),
    )
    config_meta: Mapping[str, str] = field(
        default_factory=dict, metadata=spec("Told to guest-configured members of this role.")
    )


@dataclass(frozen=True)
class App:
    """An app definition: what an app is. Read by the filter baremetal.bigdata.app_render."""

    name: str = field(metadata=named("Name of the app.", place="metadata"))
    version: str = field(default="", metadata=spec("Version of the app, as `$(app.version)`.", place="metadata"))
    description: str = field(default="", metadata=spec("For people.", place="metadata"))
    services: tuple[Service, ...] = field(
        default=(), metadata=spec("[Ports](#service) that members listen on.", key="id")
    )
    roles: tuple[Role, ...] = field(
        default=(), metadata=spec("[Kinds](#role) of members.", "one is required", key="id")
    )
    parameters: tuple[Parameter, ...] = field(
        default=(),
        metadata=spec("[Settings](#parameter) that a cluster may change, used as `$(parameters.NAME)`.", key="name"),
    )
    api_access: tuple[ApiRule, ...] = field(
        default=(),
        metadata=spec("[Access](#access-to-the-api) of members to the Kubernetes API.", "they have no token"),
    )
    config_meta: Mapping[str, str] = field(default_factory=dict, metadata=spec("Told to all guest-configured members."))
    guest: GuestApp = field(
        default_factory=GuestApp,
        metadata=spec("What [guest-configured](#config-packages) members are told of the whole app."),
    )
    disruption_budget: str = field(
        default="role",
        metadata=spec(
            "Whose members stand in for one another, so that at most one of them is drained away at a time, and "
            "`spread` keeps them apart. role: those of each role. cluster: those of all roles, where a seed and "
            "a worker, say, hold copies of the same data. A DaemonSet's never count.",
            choices=DISRUPTION_BUDGETS,
        ),
    )

    def role(self, name: str) -> Role:
        return next(role for role in self.roles if role.id == name)

    def service(self, name: str) -> Service:
        return next(service for service in self.services if service.id == name)

    def roles_of(self, service: str) -> list[Role]:
        """The roles whose members offer a service, in the order of the definition."""
        return [role for role in self.roles if service in role.services]
