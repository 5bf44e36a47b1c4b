# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The members of a role, looked at through the API server, and what the app says of them.

Everything here is driven by a role's contract.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from ...kube.module import Unreachable, reason
from ...kube.objects import TIMEOUT, Kube
from ...kube.question import Question
from ...kube.stream import CommandFailed
from ..contract import RoleContract
from .live import parse_probe
from .status import Member, judge, member, rollout

# Seconds for the answer of a command: it may have to start a Java machine first.
COMMAND_TIMEOUT = 60
# Seconds between two looks, and how many members are asked at the same time.
PAUSE = 1.0
PARALLEL = 8


def api_version(kind: str) -> str:
    """The API version of a controller's kind."""
    return "v1" if kind == "ReplicationController" else "apps/v1"


class NoReadyMember(Exception):
    """No pod is ready, with where it was looked for and what to do."""


def ready_member(kube: Kube, namespace: str, selector: str) -> str:
    """The name of a pod that is ready. Raises NoReadyMember where none is."""
    members = [member(pod) for pod in kube.list("v1", "Pod", namespace, selector)]
    ready = next((item.name for item in members if item.ready), "")
    if not ready:
        raise NoReadyMember(
            f"expected a ready member in namespace {namespace}, found none of {len(members)} ({selector}). Look at its "
            "pods, or deploy it first."
        )
    return ready


@dataclass
class View:
    """What was seen of a role. ``missing`` says what it still lacks; empty: it is settled."""

    members: list[Member] = field(default_factory=list)
    answers: dict[str, dict[str, str]] = field(default_factory=dict)
    missing: str = ""

    @property
    def counted(self) -> int:
        """How many members the app counts: the lowest count of those asked, or the ready pods."""
        counts = [int(said["members"]) for said in self.answers.values() if said.get("members", "").isdigit()]
        return min(counts) if counts else sum(item.ready for item in self.members)

    @property
    def safe(self) -> bool:
        return all(said.get("safe", "true") == "true" for said in self.answers.values())


class RoleWatch:
    """One role of an app cluster."""

    def __init__(self, kube: Kube, namespace: str, contract: RoleContract) -> None:
        self.kube, self.namespace, self.contract = kube, namespace, contract

    def workload(self) -> dict[str, Any] | None:
        """The role's controller."""
        return self._workload(self.contract.kind, self.contract.name)

    def _workload(self, kind: str, name: str) -> dict[str, Any] | None:
        return self.kube.get(api_version(kind), kind, name, self.namespace)

    def members(self, selector: str = "") -> list[Member]:
        """The members by name, of this role or of those that *selector* matches."""
        pods = self.kube.list("v1", "Pod", self.namespace, selector or self.contract.selector)
        finished = ("Succeeded", "Failed")
        found = [member(pod) for pod in pods if (pod.get("status") or {}).get("phase") not in finished]
        return sorted(found, key=lambda item: (item.ordinal, item.name))

    def live_roles(self, members: list[Member]) -> None:
        """Ask the ready members who they are now, and note it in them."""
        if self.contract.live is None:
            return
        probe = parse_probe(f"role {self.contract.role}: live_role", self.contract.live.as_option())

        def one(item: Member) -> None:
            answer, failed = self._ask(item.name, probe.question)
            item.live_role = "" if failed else probe.live_role(answer)

        self._each(one, [item for item in members if item.ready])

    @staticmethod
    def _each(work: Callable[[Member], None], members: list[Member]) -> None:
        if not members:
            return
        with ThreadPoolExecutor(max_workers=min(PARALLEL, len(members))) as pool:
            list(pool.map(work, members))

    def _ask(self, pod: str, question: Question, timeout: float | None = None) -> tuple[str, bool]:
        """A member's answer, or why there is none; and whether that is so."""
        try:
            timeout = timeout or (COMMAND_TIMEOUT if question.command else TIMEOUT)
            return self.kube.ask(self.namespace, pod, self.contract.container, question, timeout=timeout), False
        except CommandFailed as error:
            return error.output or reason(error), True
        except (Unreachable, ValueError, OSError) as error:
            return reason(error), True
        except Exception as error:
            if not getattr(error, "status", None):
                raise
            return reason(error), True

    def true(self, pod: str, question: Question) -> tuple[bool, str]:
        """Whether a member says yes (a command ends with 0, a field is true), and what was said."""
        answer, failed = self._ask(pod, question)
        if failed or question.command or not question.json:
            return not failed, answer
        return answer.strip() == "true", answer

    def answers(self, members: list[Member]) -> dict[str, dict[str, str]]:
        """What the app says, by member asked: the role's own, or those of another role."""
        checks = {"members": self.contract.asks_members, "safe": self.contract.asks_safe}
        questions = {name: question for name, question in checks.items() if question}
        if not questions:
            return {}
        asked = self.members(self.contract.asked) if self.contract.asked else members
        result: dict[str, dict[str, str]] = {}

        def one(item: Member) -> None:
            said = {}
            for name, question in questions.items():
                if name == "safe":
                    holds, answer = self.true(item.name, question)
                    said[name] = "true" if holds else answer or "false"
                else:
                    answer, failed = self._ask(item.name, question)
                    said[name] = f"no answer ({answer})" if failed else answer.strip().strip('"')
            result[item.name] = said

        self._each(one, [item for item in asked if item.ready])
        if self.contract.asked and not result:
            return {"nobody": dict.fromkeys(questions, "no ready member that could be asked")}
        return {name: result[name] for name in sorted(result)}

    def wanted(self, workload: Mapping[str, Any] | None = None) -> int:
        """How many members the role shall have; of a DaemonSet, as many as there are nodes for it."""
        if self.contract.members is not None:
            return self.contract.members
        return ((workload or {}).get("status") or {}).get("desiredNumberScheduled", 0)

    def counted(self, wanted: int) -> int:
        """How many members the app has to count when this role has *wanted*: those of roles counted with it too."""
        others = (self._workload(other.kind, other.name) for other in self.contract.counted_with)
        return wanted + sum((other.get("spec") or {}).get("replicas") or 0 for other in others if other)

    def look(self, wanted: int | None = None, template: str = "") -> View:
        """The role now. *wanted*: not the contract's number of members. *template*: that every member has to run."""
        live = self.workload()
        if live is None:
            return View(missing=f"{self.contract.kind} {self.contract.name} does not exist")
        wanted = self.wanted(live) if wanted is None else wanted
        members = self.members()
        missing = rollout(live, wanted)
        if missing:
            trouble = next((f" ({item.name}: {item.trouble})" for item in members if item.trouble), "")
            return View(members, {}, missing + trouble)
        answers = self.answers(members) if wanted else {}
        return View(members, answers, judge(members, wanted, self.counted(wanted), answers, template))


class Deadline:
    """Seconds that a wait may take."""

    def __init__(self, seconds: float) -> None:
        self.started = time.monotonic()
        self.seconds = seconds

    @property
    def waited(self) -> float:
        return round(time.monotonic() - self.started, 1)

    @property
    def left(self) -> float:
        return self.seconds - (time.monotonic() - self.started)

    def pause(self) -> bool:
        """Wait a little. False when the time is over."""
        if self.left <= 0:
            return False
        time.sleep(min(PAUSE, max(self.left, 0.0)))
        return True


def until(look: Callable[[], View], deadline: Deadline) -> View:
    """Look until nothing is missing or the time is over. An API server that goes away is waited for."""
    while True:
        try:
            view = look()
        except Unreachable as error:
            view = View(missing=str(error))
        if not view.missing or not deadline.pause():
            return view
