# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Leaving and restarting: the protocols by which members are taken away, one at a time.

A member leaves by these steps, each of which a run that was interrupted can take up again:

1. the app counts all its members and calls its data safe, unless the member has handed over everything already;
2. ``allowed``: the app may refuse, with a reason;
3. the pod is marked, so that a run that takes this up again knows the member, and ``announce`` starts the hand-over;
4. ``done``: the app confirms that nothing is left there;
5. the controller gets one member fewer, and the app counts the rest.

A member that does not work and that the app does not count, such as one for which there is no room, goes at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from ...kube.module import Unreachable, reason
from ...kube.question import Question
from ...kube.stream import CommandFailed
from ...labels import ANNOTATION_LEAVING
from ..placeholders import substitute
from .status import Member, judge, leave_order, unseen
from .watch import Deadline, RoleWatch, View, api_version, until

# Controllers take the pod with the lowest cost away first (kubernetes.io, "Pod deletion cost").
ANNOTATION_DELETION_COST = "controller.kubernetes.io/pod-deletion-cost"


class Refused(Exception):
    """Something that is not done, with the reason."""


class Leaving:
    """Members of a role that shall leave, in their order."""

    def __init__(self, watch: RoleWatch, members: Sequence[Member]) -> None:
        self.watch, self.members = watch, list(members)

    def step(self, name: str, member: Member, remaining: int, timeout: float | None = None) -> tuple[bool, str] | None:
        """Run a step of the protocol for a member: whether it ended well, and what was said. None: there is none."""
        step = getattr(self.watch.contract, f"leave_{name}")
        if step is None:
            return None
        where = member
        if step.at:
            gone = {member.name, *(item.name for item in self.members)}
            others = [item for item in self.watch.members(step.at) if item.ready and item.name not in gone]
            if not others:
                return False, f"no ready member that could be asked ({step.at})"
            where = others[0]
        if not where.ready and name != "done":
            return False, f"{where.name} is not ready, so it cannot hand over what it holds. Bring it back first"
        question = filled(step.question, member, remaining, self.watch.contract.domain)
        if timeout is None:
            return self.watch.true(where.name, question)
        try:
            container = self.watch.contract.container
            said = self.watch.kube.ask(self.watch.namespace, where.name, container, question, timeout=timeout)
            return True, said
        except (CommandFailed, Unreachable, OSError) as error:
            return False, reason(error)

    def done(self, member: Member, remaining: int) -> bool:
        """Whether a member has handed over everything already: a run before this one was interrupted.

        Without the mark of that run nothing was announced, and a member that happens to hold nothing is not done.
        """
        confirmed = self.step("done", member, remaining) if member.handing_over else None
        return bool(confirmed and confirmed[0])

    def uncounted(self, name: str) -> bool:
        """Whether a member does not work and is not missed: the app counts just those that do, and its data are safe.

        Where it cannot be asked for its count, only a member without anything to hand over is not missed.
        """
        watch, contract = self.watch, self.watch.contract
        ready = [item for item in watch.members() if item.ready]
        if any(item.name == name for item in ready) or (not contract.asks_members and contract.hands_over):
            return False
        answers = watch.answers(ready)
        if (contract.asks_members or contract.asks_safe) and not answers:
            return False
        return not judge(ready, len(ready), watch.counted(len(ready)), answers)

    def refuse(self, remaining: int) -> None:
        """Ask the app, before anything is changed, whether all of them may leave. Raises Refused with its reason.

        Each is asked as if the others had left: what holds for the last one holds for all.
        """
        for member in self.members:
            if self.watch.contract.leave_allowed is None or self.done(member, remaining):
                continue
            if not member.ready and self.uncounted(member.name):
                continue
            answer = self.step("allowed", member, remaining)
            if answer and not answer[0]:
                raise Refused(
                    f"{member.name} may not leave role {self.watch.contract.role} ({remaining} would stay): {answer[1]}"
                )


def filled(question: Question, member: Member, remaining: int, domain: str) -> Question:
    """A question with what only a run knows about the member in its texts."""
    values = {
        "member.name": member.name,
        "member.ip": member.ip,
        "member.host": f"{member.hostname}.{domain}",
        "remaining": str(remaining),
    }
    command = tuple(substitute(word, values, strict=False) for word in question.command)
    return replace(question, command=command, path=substitute(question.path, values, strict=False))


def leave_one(watch: RoleWatch, remaining: int, timeout: float) -> dict[str, Any]:
    """Let one member leave, so that *remaining* stay. Raises Refused with what is missing, nothing being taken away.

    Does nothing where no more than *remaining* members are left.
    """
    live = watch.workload()
    have = ((live or {}).get("spec") or {}).get("replicas") or 0
    result: dict[str, Any] = {"changed": False, "member": "", "members": have}
    if live is None or have <= remaining:
        return result
    if have != remaining + 1:
        raise Refused(f"expected {remaining + 1} members of {watch.contract.name}, of which one leaves; found {have}")
    deadline = Deadline(timeout)
    leaver = find_leaver(watch, remaining, deadline)
    counted = leaver is not None and hand_over(Leaving(watch, [leaver]), leaver, remaining, deadline)
    if leaver is not None:
        result["member"] = leaver.name
        mark(watch, leaver)
    body = {"spec": {"replicas": remaining}}
    watch.kube.patch(api_version(watch.contract.kind), watch.contract.kind, watch.contract.name, watch.namespace, body)

    def settled() -> View:
        if counted:
            return watch.look(remaining)
        present = watch.members()
        there = leaver is not None and any(item.uid == leaver.uid for item in present)
        return View(present, missing=f"{leaver.name} is still stopping" if leaver and there else "")

    view = until(settled, Deadline(timeout))
    if view.missing:
        raise Refused(f"{result['member']} has left, but {watch.contract.name} has not settled since: {view.missing}")
    result.update(changed=True, members=remaining, waited=deadline.waited)
    return result


def find_leaver(watch: RoleWatch, remaining: int, deadline: Deadline) -> Member | None:
    """Who leaves. None: there is no such pod, and the app does not miss it. Raises Refused where it does."""
    stateful = watch.contract.kind == "StatefulSet"
    found: list[Member] = []

    def look() -> View:
        members = watch.members()
        if watch.contract.restart_last:
            watch.live_roles(members)
        candidates = leave_order(members, watch.contract.kind, watch.contract.restart_last)
        if stateful:
            candidates = [item for item in candidates if item.ordinal >= remaining]
        found[:] = candidates[:1] if len(members) > remaining or stateful else []
        if found or Leaving(watch, []).uncounted(""):
            return View()
        # It may be on its way back, with data that nobody else has.
        return View(missing="the member that shall leave has no pod, and the app does not say that it is not missed")

    view = until(look, deadline)
    if view.missing:
        raise Refused(f"nobody leaves {watch.contract.name}: {view.missing}")
    return found[0] if found else None


def mark(watch: RoleWatch, leaver: Member) -> None:
    """Note in its pod that a member leaves, so that the controller and a run after this one take the same."""
    annotations = {ANNOTATION_LEAVING: "true"}
    if watch.contract.kind != "StatefulSet":
        annotations[ANNOTATION_DELETION_COST] = "-1000"
    watch.kube.patch("v1", "Pod", leaver.name, watch.namespace, {"metadata": {"annotations": annotations}})


def hand_over(leaving: Leaving, leaver: Member, remaining: int, deadline: Deadline) -> bool:
    """Steps 1 to 4; False where the member was not counted. Raises Refused where one of them does not end well."""
    watch = leaving.watch
    # Whoever has handed over is no longer counted, so the others need not be settled with it.
    state = {"done": False, "uncounted": False}

    def settled() -> View:
        state["done"] = leaving.done(leaver, remaining)
        view = View() if state["done"] else watch.look(remaining + 1)
        if view.missing:
            state["uncounted"] = leaving.uncounted(leaver.name)
        return View() if state["uncounted"] else view

    view = until(settled, deadline)
    if view.missing:
        raise Refused(f"{leaver.name} does not leave while {watch.contract.name} is not settled: {view.missing}")
    if state["uncounted"]:
        return False
    if state["done"] and not leaver.ready:
        return True
    # The run before may have ended between the mark and the announcement, which can be repeated.
    if not state["done"]:
        leaving.refuse(remaining)
    mark(watch, leaver)
    announced = leaving.step("announce", leaver, remaining, timeout=max(deadline.left, 1.0))
    if announced and not announced[0]:
        raise Refused(f"{leaver.name} could not hand over what it holds: {announced[1]}")
    if watch.contract.leave_done is None:
        return True

    def confirmed() -> View:
        answer = leaving.step("done", leaver, remaining)
        return View(missing="" if answer and answer[0] else (answer[1] if answer else "") or "not done yet")

    view = until(confirmed, deadline)
    if view.missing:
        raise Refused(f"{leaver.name} has not handed over everything after {deadline.waited} s: {view.missing}")
    return True


def restart_one(watch: RoleWatch, name: str, timeout: float) -> dict[str, Any]:
    """Restart a member that runs an older configuration. Raises Refused with what is missing.

    Does nothing where the member is gone or runs the present configuration already.
    """
    template = watch.contract.template_hash
    live = watch.workload()
    members = {item.name: item for item in watch.members()}
    member = members.get(name)
    result: dict[str, Any] = {"changed": False, "member": name, "waited": 0.0}
    if live is None or member is None or member.leaving or member.template == template:
        return result
    wanted = watch.wanted(live)
    deadline = Deadline(timeout)
    works = member.ready

    def may() -> View:
        # One that does not work anyway is not waited for: the new configuration may be what mends it.
        return watch.look(wanted) if works else View(missing=unseen(watch.workload() or live))

    view = until(may, deadline)
    if view.missing:
        raise Refused(f"{name} does not restart while {watch.contract.name} is not settled: {view.missing}")
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": watch.namespace}}
    watch.kube.delete(pod, uid=member.uid)

    def replaced() -> View:
        present = watch.members()
        old = next((item for item in present if item.uid == member.uid), None)
        if old is not None:
            return View(present, missing=f"{name} is still stopping")
        if works:
            return watch.look(wanted)
        new = next((item for item in present if item.name not in members or item.name == name), None)
        if new is None or not new.ready:
            trouble = f": {new.trouble}" if new and new.trouble else ""
            return View(present, missing=f"{new.name if new else name} is not ready{trouble}")
        return View(present)

    view = until(replaced, Deadline(timeout))
    if view.missing:
        raise Refused(f"after the restart of {name}, {watch.contract.name} has not settled: {view.missing}")
    result.update(changed=True, waited=deadline.waited)
    return result
