# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The contract of a role, out of its definition and the cluster's settings. Pure functions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...kube.question import Question
from ..contract import Counted, LiveQuestion, RoleContract, Step
from ..model.cluster import AppCluster
from ..model.questions import Check, LeaveStep
from ..model.types import App, Role
from ..placeholders import substitute, words
from .names import CONTAINER, member_selector, role_domain, workload_name

# What only a run knows, and puts into the commands of a leaving member.
RUN_TIME_PLACEHOLDERS = ("member.name", "member.ip", "member.host", "remaining")


def check_question(app: App, check: Check, values: Mapping[str, Any], where: str) -> Question:
    """What a member is asked by a check of a definition. *values*: what placeholders stand for."""
    if not check.http:
        return Question(tuple(words(check.command, values, where)))
    service = app.service(check.http.service)
    path = substitute(check.http.path, values, where)
    scheme = "https" if service.scheme == "https" else ""
    return Question(port=service.port, path=path, json=check.http.json, scheme=scheme)


def role_contract(cluster: AppCluster, role: Role, values: Mapping[str, Any], template_hash: str) -> RoleContract:
    """What a run needs to know of a role. *values*: what placeholders stand for."""

    def question(check: Check, where: str) -> Question:
        run_time = {name: f"$({name})" for name in RUN_TIME_PLACEHOLDERS} if where.startswith("leave.") else {}
        return check_question(cluster.app, check, {**values, **run_time}, f"roles.{role.id}.{where}")

    def selector(other: str) -> str:
        return member_selector(cluster, cluster.app.role(other)) if other else ""

    def step(found: LeaveStep | None, name: str) -> Step | None:
        return Step(question(found.check, f"leave.{name}"), selector(found.at)) if found else None

    health, live, leave = role.health, role.live_role, role.leave
    others = [other for other in map(cluster.app.role, health.counts) if other.id != role.id]
    return RoleContract(
        role=role.id,
        kind=role.controller,
        name=workload_name(cluster, role),
        selector=member_selector(cluster, role),
        container=CONTAINER,
        domain=role_domain(cluster, role),
        template_hash=template_hash,
        members=cluster.roles[role.id].members if role.controller != "DaemonSet" else None,
        asks_members=question(health.members, "health") if health.members else None,
        asks_safe=question(health.safe, "health") if health.safe else None,
        asked=selector(health.at),
        counted_with=tuple(Counted(other.controller, workload_name(cluster, other)) for other in others),
        live=LiveQuestion(question(live.check, "live_role"), live.match, dict(live.names)) if live else None,
        restart_last=role.restart_last,
        leave_allowed=step(leave.allowed, "allowed"),
        leave_announce=step(leave.announce, "announce"),
        leave_done=step(leave.done, "done"),
        guest=role.guest is not None,
    )
