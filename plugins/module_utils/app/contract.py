# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run needs to know of a rendered cluster: of a role, to see its members in and to take some of them away; and
of members with config packages, to tell them of each other.

The renderer makes contracts, Ansible carries them as plain data (``to_dict``), and the modules read them
(``from_dict``). Pure functions.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, ClassVar, TypeVar

from ..kube.question import Question
from .shapes import Shape, shape

T = TypeVar("T", bound="Carried")
_REMEDY = "Render the definition with this release of the collection."
_WORDS = {
    str: "a text",
    bool: "true or false",
    int: "a whole number",
    dict: "a mapping",
    list: "a list",
    tuple: "a list",
    type(None): "nothing",
}


class ContractError(ValueError):
    """Data that is no contract. The message says where, what is expected and what was found."""

    def __init__(self, where: str, expected: str, found: str):
        super().__init__(f"{where}: expected {expected}, found {found}. {_REMEDY}")


def _found(value: Any) -> str:
    # Never the value: some are secret.
    return next((word for kind, word in _WORDS.items() if isinstance(value, kind)), type(value).__name__)


def _object(kind: Any, data: Any, where: str) -> Any:
    """The dataclass *kind* of a mapping that has just its fields, each of the field's type."""
    if not isinstance(data, Mapping):
        raise ContractError(where, "what app_render returns", _found(data))
    wanted = {item.name: item for item in fields(kind)}
    missing, more = sorted(set(wanted) - set(data)), sorted(set(map(str, data)) - set(wanted))
    if missing or more:
        text = f"without {', '.join(missing)}" if missing else f"with {', '.join(more)}"
        raise ContractError(where, "what app_render returns", f"it {text}")
    return kind(
        **{name: _value(shape(kind, str(item.type)), data[name], f"{where}: {name}") for name, item in wanted.items()}
    )


def _value(of: Shape, value: Any, where: str) -> Any:
    if of.form == "list":
        if not isinstance(value, (list, tuple)):
            raise ContractError(where, "a list", _found(value))
        return tuple(_one(of.kind, item, f"{where}[{number}]") for number, item in enumerate(value))
    if of.form == "map":
        if not isinstance(value, Mapping):
            raise ContractError(where, "a mapping", _found(value))
        return {
            _one(str, key, f"a key of {where}"): _one(of.kind, item, f"{where}.{key}") for key, item in value.items()
        }
    return None if value is None and of.optional else _one(of.kind, value, where)


def _one(kind: type, value: Any, where: str) -> Any:
    if kind not in _WORDS:
        return _object(kind, value, where)
    # For Python a boolean is a number too.
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise ContractError(where, _WORDS[kind], _found(value))
    return value


@dataclass(frozen=True)
class Carried:
    """A dataclass that Ansible carries as plain data. ``WHAT``: its name in messages, and the field for which one."""

    WHAT: ClassVar[tuple[str, str]]

    def to_dict(self) -> dict[str, Any]:
        """Plain data, as Ansible carries it."""
        return asdict(self)

    @classmethod
    def from_dict(cls: type[T], data: Any) -> T:
        """What `to_dict` made. Raises ContractError for anything else."""
        what, key = cls.WHAT
        name = data.get(key) if isinstance(data, Mapping) else None
        found: T = _object(cls, data, f"{what} {name}" if isinstance(name, str) else f"the {what}'s contract")
        return found


@dataclass(frozen=True)
class Counted:
    """Another role's controller, whose members the app counts together with this one's."""

    kind: str
    name: str


@dataclass(frozen=True)
class Step:
    """A step of leaving. ``at``: the selector of those of whom one is asked; empty: the member that leaves."""

    question: Question
    at: str = ""


@dataclass(frozen=True)
class LiveQuestion:
    """Who a member is now: what it is asked, what of its answer counts, and what that is called."""

    question: Question
    match: str = ""
    names: Mapping[str, str] = field(default_factory=dict)

    def as_option(self) -> dict[str, Any]:
        """As role_discovery takes it in its option ``live_roles``."""
        asked, http = self.question, {}
        if not asked.command:
            http = {"port": asked.port, "path": asked.path, "json": asked.json}
            http |= {"scheme": asked.scheme} if asked.scheme else {}
        what = {"command": list(asked.command)} if asked.command else {"http": http}
        return {**what, "match": self.match, "names": dict(self.names)}


@dataclass(frozen=True)
class RoleContract(Carried):
    """A role of a rendered app cluster."""

    WHAT = ("role", "role")

    role: str
    # Kind and name of its controller.
    kind: str
    name: str
    selector: str
    container: str
    domain: str
    # That every member has to run.
    template_hash: str
    # None: as many as there are hosts for them.
    members: int | None
    # How many members the app counts, and whether one of them may leave.
    asks_members: Question | None = None
    asks_safe: Question | None = None
    # Whom the two are asked: a selector, empty for this role's own members.
    asked: str = ""
    counted_with: tuple[Counted, ...] = ()
    live: LiveQuestion | None = None
    # Live roles whose members restart and leave after the others.
    restart_last: tuple[str, ...] = ()
    leave_allowed: Step | None = None
    leave_announce: Step | None = None
    leave_done: Step | None = None
    # Whether its members are told of others by the module app_guest.
    guest: bool = False

    @property
    def hands_over(self) -> bool:
        """Whether members have a protocol for leaving."""
        return any((self.leave_allowed, self.leave_announce, self.leave_done))


@dataclass(frozen=True)
class GuestConnections:
    """Names of the objects that a cluster is connected to."""

    clusters: tuple[str, ...] = ()
    configmaps: tuple[str, ...] = ()
    secrets: tuple[str, ...] = ()


@dataclass(frozen=True)
class GuestFile:
    """A file that the agent places in a member."""

    url: str
    path: str
    mode: str
    owner: str


@dataclass(frozen=True)
class GuestService:
    """A role's service as start scripts know it."""

    id: str
    name: str
    exported_service: str
    # None: start scripts are told of the service alone.
    port: int | None
    scheme: str
    path: str
    # The id of the service whose token it has, or empty.
    token: str


@dataclass(frozen=True)
class GuestRole:
    """A role of a cluster in which members are told of each other."""

    id: str
    # Which start scripts know.
    name: str
    workload: str
    controller: str
    container: str
    selector: str
    domain: str
    hostname: str
    members: int
    # Whether its own members have a config package.
    guest: bool
    package: str
    events: tuple[str, ...]
    systemd: bool
    config_meta: Mapping[str, str]
    secret_keys: Mapping[str, str]
    memory: str
    cpu: str
    block_devices: tuple[str, ...]
    files: tuple[GuestFile, ...]
    services: tuple[GuestService, ...]

    @property
    def named(self) -> bool:
        """Whether its members have names of their own."""
        return self.controller == "StatefulSet"


@dataclass(frozen=True)
class GuestContract(Carried):
    """A cluster whose members are told of each other, or whose services have tokens, by the module app_guest."""

    WHAT = ("cluster", "name")

    name: str
    namespace: str
    version: str
    distro: str
    schema_version: int
    create_namespace: bool
    labels: Mapping[str, str]
    config_meta: Mapping[str, str]
    connections: GuestConnections
    # Ids of the services with a random token.
    tokens: tuple[str, ...]
    # None where no role has a config package.
    roles: tuple[GuestRole, ...]

    def role(self, name: str) -> GuestRole:
        """A role by its id."""
        return next(role for role in self.roles if role.id == name)
