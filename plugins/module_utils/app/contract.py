# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run needs to know of a rendered role, to see its members in and to take some of them away.

The renderer makes a contract, Ansible carries it as plain data (``as_dict``), and the modules that wait for members or
let them leave read it (``RoleContract.from_dict``). Pure functions.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, NoReturn, TypeVar

from ..kube.question import Question

T = TypeVar("T")


class ContractError(ValueError):
    """Data that is no contract. The message says where, what is expected and what was found."""


# How a field's type is called in a message.
_SCALARS: Mapping[str, tuple[type, str]] = {
    "str": (str, "a text"),
    "int": (int, "a whole number"),
    "bool": (bool, "true or false"),
}
_FORM = re.compile(
    r"(?:tuple\[(?P<list>\w+), \.\.\.\]|Mapping\[str, (?P<map>\w+)\]|(?P<one>\w+))(?P<optional> \| None)?"
)


def _refuse(where: str, expected: str, found: str) -> NoReturn:
    raise ContractError(
        f"{where}: expected {expected}, found {found}. Render the definition with this release of the collection."
    )


def _read(data: Any, kind: type[T], where: str, inside: str = "") -> T:
    """An object of the dataclass *kind*, out of a mapping with just its fields, each of its type.

    *inside*: what the places of its fields begin with.
    """
    wanted = {item.name for item in fields(kind)}  # type: ignore[arg-type]
    found = set(data) if isinstance(data, Mapping) else set()
    if not isinstance(data, Mapping) or found != wanted:
        missing, more = sorted(wanted - found), sorted(map(str, found - wanted))
        text = f"without {', '.join(missing)}" if missing else f"with {', '.join(more)}"
        _refuse(where, "what app_render returns", f"it {text}" if found else type(data).__name__)
    prefix = inside or f"{where}: "
    return kind(**{item.name: _value(data[item.name], str(item.type), f"{prefix}{item.name}") for item in fields(kind)})  # type: ignore[arg-type]


def _value(data: Any, written: str, where: str) -> Any:
    """The value of a field, of the type that is written beside it."""
    form = _FORM.fullmatch(written)
    if not form:
        raise TypeError(f"{where}: {written}")
    if data is None and form["optional"]:
        return None
    if form["list"]:
        if not isinstance(data, (list, tuple)):
            _refuse(where, "a list", _shown(data))
        return tuple(_one(item, form["list"], f"{where}[{number}]") for number, item in enumerate(data))
    if form["map"]:
        if not isinstance(data, Mapping):
            _refuse(where, "a mapping", _shown(data))
        return {str(key): _one(item, form["map"], f"{where}.{key}") for key, item in data.items()}
    return _one(data, form["one"], where)


def _one(data: Any, kind: str, where: str) -> Any:
    if kind not in _SCALARS:
        if data is None:
            _refuse(where, "a mapping", "nothing")
        return _read(data, globals()[kind], where, f"{where}.")
    form, called = _SCALARS[kind]
    if not isinstance(data, form) or (form is int and isinstance(data, bool)):
        _refuse(where, called, _shown(data))
    return data


def _shown(data: Any) -> str:
    return "nothing" if data is None else f"{data!r} ({type(data).__name__})"


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
class RoleContract:
    """A role of a rendered app cluster."""

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

    def as_dict(self) -> dict[str, Any]:
        """Plain data, as Ansible carries it."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Any) -> RoleContract:
        """What `as_dict` made. Raises ContractError for anything else."""
        role = data.get("role") if isinstance(data, Mapping) else None
        where = f"role {role}" if isinstance(role, str) else "the role's contract"
        return _read(data, cls, where)
