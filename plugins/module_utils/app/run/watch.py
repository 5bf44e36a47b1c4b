# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The members of a role, looked at through the API server, and what the app says of them.

Everything here is driven by a role's contract.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from ...kube.answer import number, shortened, truth
from ...kube.errors import KubeApiError
from ...kube.module import Unreachable, reason
from ...kube.nodes import Obstacle, obstacle, outage
from ...kube.objects import TIMEOUT, Kube
from ...kube.pods import is_finished
from ...kube.question import Question
from ...kube.stream import CommandFailed
from ..contract import RoleContract
from .probe import Probe
from .status import Member, judge, member, rollout

# Seconds for the answer of a command: it may have to start a Java machine first.
COMMAND_TIMEOUT = 60
# Seconds between two looks, and how many members are asked at the same time.
PAUSE = 1.0
PARALLEL = 8
# As much of why a member refuses as is told, in characters.
REFUSAL_LENGTH = 1000
# Nodes are read again after this many seconds, where a member waits.
NODES_SECONDS = 5.0
# A host that is away may be restarting: it is waited for until it has been away for so long, and was seen to be for so
# long. Where the scheduler finds no place without it, longer: another member may be about to make room.
OUTAGE_SECONDS = 60.0
SEEN_SECONDS = 3.0
UNCERTAIN_SECONDS = 30.0
DOCUMENT = "docs/troubleshooting.md#a-host-that-is-away"


def api_version(kind: str) -> str:
    """The API version of a controller's kind."""
    return "v1" if kind == "ReplicationController" else "apps/v1"


def selector_of(workload: Mapping[str, Any]) -> str:
    """The selector of a controller's pods, as the API takes it in a list."""
    chosen = (workload.get("spec") or {}).get("selector") or {}
    return ",".join(f"{key}={value}" for key, value in sorted(chosen.get("matchLabels", chosen).items()))


class NoReadyMember(Exception):
    """No pod is ready, with where it was looked for and what to do."""


def ready_member(kube: Kube, namespace: str, selector: str) -> str:
    """The name of a pod that is ready. Raises NoReadyMember where none is."""
    members = [member(pod) for pod in kube.list("v1", "Pod", namespace, selector)]
    ready = next((item.name for item in members if item.ready), "")
    if not ready:
        troubles = "; ".join(f"{item.name}: {item.trouble}" for item in members[:3])
        raise NoReadyMember(
            f"expected a ready member in namespace {namespace}, found none of {len(members)} ({selector}"
            f"{'; ' if troubles else ''}{troubles}). Look at its pods, or deploy it first."
        )
    return ready


@dataclass
class View:
    """What was seen of a role. ``missing`` says what it still lacks; empty: it is settled.

    ``obstacles``: members that wait for a host that does not work; ``why`` says both.
    """

    members: list[Member] = field(default_factory=list)
    answers: dict[str, dict[str, str]] = field(default_factory=dict)
    missing: str = ""
    obstacles: tuple[Obstacle, ...] = ()

    @property
    def why(self) -> str:
        """What is missing, who waits for which host, and what to do."""
        if not self.obstacles:
            return self.missing
        remedies = "; ".join(dict.fromkeys(item.outage.remedy for item in self.obstacles))
        waiting = "; ".join(dict.fromkeys(map(str, self.obstacles)))
        return f"{self.missing}: {waiting}. {remedies}: {DOCUMENT}"

    @property
    def counted(self) -> int:
        """How many members the app counts: the lowest count of those asked, or the ready pods."""
        counts = [number(said.get("members", "")) for said in self.answers.values()]
        return min((count for count in counts if count is not None), default=sum(item.ready for item in self.members))

    @property
    def safe(self) -> bool:
        return all(said.get("safe", "true") == "true" for said in self.answers.values())


class RoleWatch:
    """One role of an app cluster."""

    def __init__(self, kube: Kube, namespace: str, contract: RoleContract) -> None:
        self.kube, self.namespace, self.contract = kube, namespace, contract
        # When the nodes were read last, and which there were.
        self._known_nodes: tuple[float, dict[str, dict[str, Any]] | None] = (-NODES_SECONDS, {})

    def workload(self) -> dict[str, Any] | None:
        """The role's controller."""
        return self._workload(self.contract.kind, self.contract.name)

    def _workload(self, kind: str, name: str) -> dict[str, Any] | None:
        return self.kube.get(api_version(kind), kind, name, self.namespace)

    def members(self, selector: str = "") -> list[Member]:
        """The members by name, of this role or of those that *selector* matches."""
        pods = self.kube.list("v1", "Pod", self.namespace, selector or self.contract.selector)
        found = [member(pod) for pod in pods if not is_finished(pod)]
        return sorted(found, key=lambda item: (item.ordinal, item.name))

    def live_roles(self, members: list[Member]) -> str:
        """Ask the ready members who they are now, and note it in them.

        Returns a sentence where none of them is what ``restart_last`` names: nobody is spared then.
        """
        if self.contract.live is None:
            return ""
        probe = Probe.of(self.contract.live)

        def one(item: Member) -> None:
            answer, failed = self._ask(item.name, probe.question)
            item.live_role = "" if failed else probe.live_role(answer)

        ready = [item for item in members if item.ready]
        self._each(one, ready)
        last = self.contract.restart_last
        if not ready or not last or any(item.live_role in last for item in ready):
            return ""
        said = ", ".join(f"{item.name} {item.live_role or 'nothing that live_role knows'}" for item in ready)
        return (
            f"expected a member that is {' or '.join(last)} (restart_last), found none, so that nobody is kept for the "
            f"end; members say: {said}"
        )

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
            return shortened(error.output or reason(error), REFUSAL_LENGTH), True
        except (Unreachable, ValueError, OSError) as error:
            return shortened(reason(error), REFUSAL_LENGTH), True
        except Exception as error:
            if not getattr(error, "status", None):
                raise
            return shortened(reason(error), REFUSAL_LENGTH), True

    def true(self, pod: str, question: Question) -> tuple[bool, str]:
        """Whether a member says yes (a command ends with 0, a field is true), and what was said."""
        answer, failed = self._ask(pod, question)
        if failed or question.command or not question.json:
            return not failed, shortened(answer, REFUSAL_LENGTH)
        return truth(answer), shortened(answer, REFUSAL_LENGTH)

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
                    said[name] = f"no answer ({answer})" if failed else count_in(answer)
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
            return self.seen(members, missing, trouble=trouble)
        answers = self.answers(members) if wanted else {}
        return self.seen(members, judge(members, wanted, self.counted(wanted), answers, template), answers)

    def seen(
        self, members: list[Member], missing: str, answers: dict[str, dict[str, str]] | None = None, trouble: str = ""
    ) -> View:
        """What is missing, and which members wait for which host. *trouble* adds to it, unless a host tells enough."""
        judged = [*members, *self._judged_with()] if missing else []
        waiting = [item for item in judged if not item.ready]
        nodes = self._nodes() if waiting else {}
        if nodes is None:
            hosts = ", ".join(dict.fromkeys(item.node for item in waiting if item.node))
            unknown = f". Whether {hosts} works is not known: the kubeconfig's user may not list nodes" if hosts else ""
            return View(members, answers or {}, missing + trouble + unknown)
        each = (obstacle(dict(item.pod), nodes, self._volumes(item)) for item in waiting) if nodes else ()
        # Where one stops, there may be a place in a moment.
        room = any(item.leaving and item.node in nodes and outage(nodes[item.node]) is None for item in waiting)
        obstacles = tuple(item for item in each if item and (item.certain or not room))
        if not (obstacles and all(item.certain for item in obstacles)):
            missing += trouble
        return View(members, answers or {}, missing, obstacles)

    def _judged_with(self) -> list[Member]:
        """Members of other roles without which this one does not settle: those that are asked, and counted with it."""
        workloads = [self._workload(other.kind, other.name) for other in self.contract.counted_with]
        chosen = [self.contract.asked, *(selector_of(workload) for workload in workloads if workload)]
        found = [item for selector in chosen if selector for item in self.members(selector)]
        return list({item.name: item for item in found}.values())

    def _nodes(self) -> dict[str, dict[str, Any]] | None:
        """The nodes by name, as they were a moment ago; None where the user of the kubeconfig may not read them."""
        read_at, nodes = self._known_nodes
        if nodes is not None and time.monotonic() - read_at >= NODES_SECONDS:
            found = self._allowed(partial(self.kube.list, "v1", "Node", "", ""))
            nodes = None if found is None else {node["metadata"]["name"]: node for node in found}
            self._known_nodes = (time.monotonic(), nodes)
        return nodes

    def _volumes(self, item: Member) -> list[dict[str, Any]]:
        """The PersistentVolumes of a member that has no host yet."""
        if item.node:
            return []
        volumes = (item.pod.get("spec") or {}).get("volumes") or ()
        names = [
            volume["persistentVolumeClaim"]["claimName"] for volume in volumes if "persistentVolumeClaim" in volume
        ]
        found = []
        for name in names:
            claim = self._allowed(partial(self.kube.get, "v1", "PersistentVolumeClaim", name, self.namespace))
            bound = ((claim or {}).get("spec") or {}).get("volumeName")
            volume = self._allowed(partial(self.kube.get, "v1", "PersistentVolume", bound, None)) if bound else None
            found += [volume] if volume else []
        return found

    @staticmethod
    def _allowed(read: Callable[[], Any]) -> Any:
        """What the API server lets be read, or nothing: a wait does without."""
        try:
            return read()
        except KubeApiError as error:
            if error.status not in (401, 403):
                raise
            return None


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


def count_in(answer: str) -> str:
    """The number of members in an answer, or that there is no such number in it."""
    found = number(answer)
    return f"no number ({shortened(answer)!r})" if found is None else str(found)


class Patience:
    """Whether waiting for hosts that do not work still makes sense. It does for a moment: they may restart."""

    def __init__(self) -> None:
        self._first: dict[tuple[str, tuple[str, ...]], float] = {}

    def ends(self, obstacles: Sequence[Obstacle]) -> bool:
        """Whether one of them stands for too long."""
        now = time.monotonic()
        self._first = {key: self._first.get(key, now) for key in ((item.pod, item.hosts) for item in obstacles)}
        return any(self._over(item, now - self._first[item.pod, item.hosts]) for item in obstacles)

    @staticmethod
    def _over(item: Obstacle, seen: float) -> bool:
        """By its own observation, and by the time that the API server tells, which may come of another clock."""
        if seen < (SEEN_SECONDS if item.certain else UNCERTAIN_SECONDS):
            return False
        lasts = item.outage.seconds(time.time())
        return lasts is None or lasts >= OUTAGE_SECONDS or seen >= OUTAGE_SECONDS


def until(look: Callable[[], View], deadline: Deadline) -> View:
    """Look until nothing is missing, the time is over, or a member waits in vain for a host that does not work.

    An API server that goes away is waited for.
    """
    patience = Patience()
    while True:
        try:
            view = look()
        except Unreachable as error:
            view = View(missing=str(error))
        if not view.missing or patience.ends(view.obstacles) or not deadline.pause():
            return view
