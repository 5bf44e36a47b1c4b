# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The app model: what members are asked, by the kubelet and by a run. Declared as `types` says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from .declare import spec, text
from .kubernetes import INT32, PORT_NAME, URL_PATH


@dataclass(frozen=True)
class HttpCheck:
    """A GET on a member's port, with https where the service's scheme is https."""

    service: str = field(metadata=text(PORT_NAME, "Id of a service that the asked role offers.", quoted=True))
    path: str = field(default="/", metadata=text(URL_PATH, "Path of the request."))
    json: str = field(
        default="", metadata=spec("The field of the JSON answer that counts, by dots.", "the whole answer")
    )


@dataclass(frozen=True)
class Check:
    """A question to one member: exactly one of http, command and tcp."""

    http: HttpCheck | None = field(default=None, metadata=spec("A GET on a port of the member.", null=True))
    command: tuple[str, ...] = field(
        default=(),
        metadata=spec(
            "A command in the container; exit code 0 is yes, its output the answer. Placeholders are replaced."
        ),
    )
    tcp: str = field(
        default="",
        metadata=spec("Id of a service whose port has to accept connections. Only for probes.", quoted=True),
    )


@dataclass(frozen=True)
class Probe:
    """A check by the kubelet. Times are in seconds."""

    check: Check = field(metadata=spec("What is asked.", inline=True))
    initial_delay: int = field(default=0, metadata=spec("Seconds before the first probe.", minimum=0, maximum=INT32))
    period: int = field(default=10, metadata=spec("Seconds between two probes.", minimum=1, maximum=INT32))
    timeout: int = field(default=5, metadata=spec("Seconds for an answer.", minimum=1, maximum=INT32))
    failures: int = field(
        default=3, metadata=spec("Failures in a row after which the probe has failed.", minimum=1, maximum=INT32)
    )


@dataclass(frozen=True)
class Probes:
    """What the kubelet asks of the container."""

    startup: Probe | None = field(default=None, metadata=spec("Until it succeeds, no other probe runs."))
    readiness: Probe | None = field(default=None, metadata=spec("Whether clients may reach the member."))
    liveness: Probe | None = field(
        default=None,
        metadata=spec("When it fails, the container restarts, so let it ask only what a restart mends."),
    )


@dataclass(frozen=True)
class Health:
    """The app's own word: that its members are there, and that one may go. A run asks the role's ready members."""

    members: Check | None = field(
        default=None,
        metadata=spec(
            "How many members the app counts, a whole number. A run waits until all that are asked say what is wanted.",
            "ready pods count",
        ),
    )
    safe: Check | None = field(
        default=None,
        metadata=spec("Whether a member may go without loss: true, or exit code 0.", "not asked"),
    )
    at: str = field(
        default="",
        metadata=spec("Id of the role whose ready members are asked, such as a master.", "the role's own", quoted=True),
    )
    counts: tuple[str, ...] = field(
        default=(),
        metadata=spec("Ids of the roles whose members are counted together.", "this role alone", unique=True),
    )


@dataclass(frozen=True)
class LiveRole:
    """Who a ready member is now, such as a leader: a check, what to take from its answer, and what to call that."""

    check: Check = field(metadata=spec("What is asked.", inline=True))
    match: str = field(
        default="",
        metadata=spec(
            "Regular expression: its first group, or the whole match, is the answer. Where it does not match, "
            "there is none.",
            "the whole answer",
        ),
    )
    names: Mapping[str, str] = field(default_factory=dict, metadata=spec("What to call an answer."))


@dataclass(frozen=True)
class LeaveStep:
    """A step of leaving. Texts may contain $(member.name), $(member.ip), $(member.host) and $(remaining)."""

    check: Check = field(metadata=spec("What is asked.", inline=True))
    at: str = field(
        default="",
        metadata=spec(
            "Id of the role in whose first ready member that stays the command runs.",
            "in the member that leaves",
            quoted=True,
        ),
    )


@dataclass(frozen=True)
class Leave:
    """How one member leaves."""

    allowed: LeaveStep | None = field(
        default=None,
        metadata=spec(
            "A command; exit code 0: the member may leave. Otherwise nothing is changed, and the output is the reason. "
            "Only reads; runs also in check mode."
        ),
    )
    announce: LeaveStep | None = field(
        default=None,
        metadata=spec("A command that starts the hand-over of what the member holds, or does it. Can be repeated."),
    )
    done: LeaveStep | None = field(
        default=None,
        metadata=spec("Exit code 0, or true: nothing is left there. Asked again and again until the time is over."),
    )
