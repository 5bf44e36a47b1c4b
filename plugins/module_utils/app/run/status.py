# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Judging a role's state from what the API and the app say: pure functions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from ...kube.pods import project_pod
from ...labels import ANNOTATION_LEAVING, ANNOTATION_TEMPLATE


@dataclass
class Member:
    """A pod of a role."""

    name: str
    node: str = ""
    ip: str = ""
    ready: bool = False
    leaving: bool = False
    trouble: str = ""
    template: str = ""
    uid: str = ""
    # RFC 3339, so texts compare as times do.
    created: str = ""
    hostname: str = ""
    live_role: str = ""
    # It has begun to hand over what it holds.
    handing_over: bool = False
    # What all that was read from, for questions that need more of it.
    pod: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)

    @property
    def ordinal(self) -> int:
        """A StatefulSet member's number, -1 for others."""
        number = self.name.rpartition("-")[2]
        return int(number) if number.isdigit() else -1

    def as_dict(self) -> dict[str, Any]:
        return {item.name: getattr(self, item.name) for item in fields(self) if item.name != "pod"}


def member(pod: Mapping[str, Any]) -> Member:
    """A member from its pod."""
    found = project_pod(dict(pod))
    metadata = pod["metadata"]
    annotations = metadata.get("annotations") or {}
    return Member(
        name=found["pod"],
        node=found["node"] or "",
        ip=found["ip"] or "",
        ready=found["ready"],
        leaving=found["terminating"],
        trouble=found["reason"] or "",
        template=annotations.get(ANNOTATION_TEMPLATE, ""),
        uid=metadata.get("uid") or "",
        created=metadata.get("creationTimestamp") or "",
        hostname=(pod.get("spec") or {}).get("hostname") or found["pod"],
        handing_over=ANNOTATION_LEAVING in annotations,
        pod=pod,
    )


def unseen(workload: Mapping[str, Any]) -> str:
    """Whether its controller has still to look at a change: a sentence, or an empty text."""
    seen = (workload.get("status") or {}).get("observedGeneration", 0)
    return "its controller has not seen the change yet" if seen < workload["metadata"].get("generation", 0) else ""


def rollout(workload: Mapping[str, Any], wanted: int) -> str:
    """What a controller has still to do, or an empty text.

    Field names: Kubernetes' StatefulSetStatus, DeploymentStatus, ReplicationControllerStatus and
    DaemonSetStatus.
    """
    status, spec = workload.get("status") or {}, workload.get("spec") or {}
    if unseen(workload):
        return unseen(workload)
    if workload["kind"] == "DaemonSet":
        ready = status.get("numberReady", 0)
    elif spec.get("replicas") != wanted:
        return f"it is set to {spec.get('replicas')} members, not {wanted}"
    else:
        ready = status.get("readyReplicas", 0)
    if ready < wanted:
        return f"{ready} of {wanted} members are ready"
    return ""


def judge(
    members: Sequence[Member],
    wanted: int,
    counted: int,
    answers: Mapping[str, Mapping[str, str]],
    template: str = "",
) -> str:
    """What is missing until the app itself agrees, or an empty text.

    *wanted* pods of the role shall be there and ready, all from *template* (empty: from any), and each of those that
    were asked (*answers*: pod -> check -> answer) shall count *counted* members and call the data safe.
    """
    leaving = [item.name for item in members if item.leaving]
    if leaving:
        return f"{', '.join(leaving)} still leaving"
    if len(members) != wanted:
        return f"{len(members)} pods, {wanted} wanted"
    for item in members:
        if not item.ready:
            return f"{item.name} is not ready{': ' + item.trouble if item.trouble else ''}"
        if template and item.template != template:
            return f"{item.name} runs an older configuration"
    for name, said in answers.items():
        count = said.get("members", str(counted))
        if not count.isdigit():
            return f"{name} counts {count}, {counted} members wanted"
        if count != str(counted):
            return f"{name} counts {count} members, {counted} wanted"
        if said.get("safe", "true") != "true":
            return f"{name} says that data is not safe yet ({said['safe']})"
    return ""


def restart_order(members: Sequence[Member], template: str, last: Sequence[str]) -> list[Member]:
    """The members that run an older configuration, in the order in which they restart.

    First those that do not work anyway, then the others, those with a live role in *last* at the end; among equals the
    highest number first, as a StatefulSet does.
    """
    old = [item for item in members if item.template != template and not item.leaving]
    return sorted(old, key=lambda item: (item.ready, item.live_role in last, -item.ordinal, item.name))


def leave_order(members: Sequence[Member], kind: str, last: Sequence[str]) -> list[Member]:
    """All members, in the order in which they leave: of a StatefulSet the highest number, which Kubernetes dictates;
    of others those that have begun to leave, those that do not work, then the youngest, those with a live role in
    *last* at the end."""
    present = [item for item in members if not item.leaving]
    if kind == "StatefulSet":
        return sorted(present, key=lambda item: -item.ordinal)
    youngest = sorted(present, key=lambda item: (item.created, item.name), reverse=True)
    return sorted(youngest, key=lambda item: (not item.handing_over, item.ready, item.live_role in last))
