# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run needs to know of a rendered role, to see its members in and to take some of them away.

The renderer makes a contract, Ansible carries it as plain data (``as_dict``), and the modules that wait for members or
let them leave read it (``RoleContract.from_dict``). Pure functions.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from ..kube.question import Question


class ContractError(ValueError):
    """Data that is no contract. The message says where, what is expected and what was found."""


def _known(data: Any, kind: type, where: str) -> dict[str, Any]:
    """The fields of a mapping, which has to have just those of the dataclass *kind*."""
    wanted = {item.name for item in fields(kind)}
    found = set(data) if isinstance(data, Mapping) else set()
    if not isinstance(data, Mapping) or found != wanted:
        missing, more = sorted(wanted - found), sorted(found - wanted)
        text = f"without {', '.join(missing)}" if missing else f"with {', '.join(map(str, more))}"
        raise ContractError(
            f"{where}: expected what app_render returns, found {'it ' + text if found else type(data).__name__}. "
            "Render the definition with this release of the collection."
        )
    return dict(data)


def _question(data: Any, where: str) -> Question | None:
    if data is None:
        return None
    known = _known(data, Question, where)
    return Question(**{**known, "command": tuple(known["command"])})


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
        known = _known(data, cls, "the role's contract")
        where = f"role {known['role']}"

        def step(name: str) -> Step | None:
            if known[name] is None:
                return None
            part = _known(known[name], Step, f"{where}: {name}")
            question = _question(part["question"], f"{where}: {name}")
            if question is None:
                raise ContractError(f"{where}: {name}: expected a question, found nothing.")
            return Step(question, part["at"])

        live = None
        if known["live"] is not None:
            part = _known(known["live"], LiveQuestion, f"{where}: live")
            asked = _question(part["question"], f"{where}: live")
            if asked is None:
                raise ContractError(f"{where}: live: expected a question, found nothing.")
            live = LiveQuestion(asked, part["match"], dict(part["names"]))
        return cls(
            **{
                **known,
                "asks_members": _question(known["asks_members"], f"{where}: asks_members"),
                "asks_safe": _question(known["asks_safe"], f"{where}: asks_safe"),
                "counted_with": tuple(Counted(**_known(item, Counted, where)) for item in known["counted_with"]),
                "live": live,
                "restart_last": tuple(known["restart_last"]),
                **{name: step(name) for name in ("leave_allowed", "leave_announce", "leave_done")},
            }
        )
