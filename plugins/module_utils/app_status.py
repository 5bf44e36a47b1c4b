# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Judging a role's state from what the API and the app say: pure functions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass
class Member:
    """A pod of a role, and the app's answers there."""

    name: str
    node: str = ""
    ip: str = ""
    ready: bool = False
    leaving: bool = False
    trouble: str = ""
    answers: dict[str, str] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def member(pod: Mapping[str, Any]) -> Member:
    """A member from its pod."""
    status, metadata = pod.get("status") or {}, pod["metadata"]
    conditions = {item["type"]: item for item in status.get("conditions") or []}
    leaving = bool(metadata.get("deletionTimestamp"))
    trouble = ""
    unscheduled = conditions.get("PodScheduled", {})
    if unscheduled.get("status") == "False":
        trouble = unscheduled.get("message", "")
    for container in status.get("containerStatuses") or []:
        waiting = (container.get("state") or {}).get("waiting")
        if waiting:
            trouble = ": ".join(filter(None, (waiting.get("reason"), waiting.get("message"))))
    return Member(
        name=metadata["name"],
        node=(pod.get("spec") or {}).get("nodeName") or "",
        ip=status.get("podIP") or "",
        ready=conditions.get("Ready", {}).get("status") == "True" and not leaving,
        leaving=leaving,
        trouble=trouble,
    )


def rollout(workload: Mapping[str, Any], wanted: int) -> str:
    """What a controller has still to do, or an empty text.

    Field names: Kubernetes' StatefulSetStatus, DeploymentStatus, ReplicationControllerStatus and
    DaemonSetStatus.
    """
    status, spec = workload.get("status") or {}, workload.get("spec") or {}
    if status.get("observedGeneration", 0) < workload["metadata"].get("generation", 0):
        return "its controller has not seen the change yet"
    if workload["kind"] == "DaemonSet":
        updated, ready = status.get("updatedNumberScheduled", 0), status.get("numberReady", 0)
    else:
        if spec.get("replicas") != wanted:
            return f"it is set to {spec.get('replicas')} members, not {wanted}"
        ready = status.get("readyReplicas", 0)
        # A ReplicationController does not roll; a StatefulSet that is not rolling may not count updates.
        updated = status.get("updatedReplicas", wanted if workload["kind"] == "ReplicationController" else 0)
        if workload["kind"] == "StatefulSet" and status.get("currentRevision") == status.get("updateRevision"):
            updated = wanted
    if updated < wanted:
        return f"{updated} of {wanted} members run the new configuration"
    if ready < wanted:
        return f"{ready} of {wanted} members are ready"
    return ""


def judge(members: Sequence[Member], wanted: int, asked: Sequence[str]) -> str:
    """What is missing until the app itself agrees, or an empty text."""
    leaving = [item.name for item in members if item.leaving]
    if leaving:
        return f"{', '.join(leaving)} still leaving"
    if len(members) != wanted:
        return f"{len(members)} pods, {wanted} wanted"
    for item in members:
        if not item.ready:
            return f"{item.name} is not ready{': ' + item.trouble if item.trouble else ''}"
        if "members" in asked and item.answers.get("members") != str(wanted):
            return f"{item.name} counts {item.answers.get('members')} members, {wanted} wanted"
        if "safe" in asked and item.answers.get("safe") != "true":
            return f"{item.name} says that data is not safe yet ({item.answers.get('safe')})"
    return ""
