# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which pods play which role, and are there enough of them: pure functions.

Nothing here talks to a server.
"""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass

from ..kube.pods import FINISHED_PHASES, LEVELS, TERMINATING, Object, level, natural, project_pod
from ..labels import LABEL_APP, LABEL_CLUSTER, LABEL_ROLE
from .services import project_service

_NAMED_PODS = 10


class DiscoveryError(Exception):
    """A request that makes no sense. The message says what is expected and what was found."""


@dataclass(frozen=True)
class Expectation:
    """How many members a role should have: exactly *count*, or at least that many."""

    count: int
    exact: bool = True

    def __str__(self) -> str:
        return f"{self.count}" if self.exact else f"{self.count}+"


def parse_expect(expect: t.Mapping[str, t.Any], option: str = "expect") -> dict[str, Expectation]:
    """Read ``{role: 3}`` (exactly) and ``{role: "2+"}`` (at least)."""
    parsed = {}
    for role, value in expect.items():
        match = re.fullmatch(r"(\d+)(\+?)", str(value).strip())
        if isinstance(value, bool) or not match:
            raise DiscoveryError(
                f"{option}: role {role!r}: expected a count such as 3, or 2+ for at least 2; found {value!r}."
            )
        parsed[str(role)] = Expectation(int(match.group(1)), not match.group(2))
    return parsed


class _Entry(t.NamedTuple):
    role: str
    level: str
    member: Object
    labels: dict[str, str]


class Roster:
    """The members known so far, by role, kept current from lists and watch events.

    Counts are kept with every change, so that asking whether a wait is over costs nothing per pod.
    """

    def __init__(
        self,
        role_label: str = LABEL_ROLE,
        *,
        default_role: str | None = None,
        include_finished: bool = False,
        cluster_domain: str = "cluster.local",
    ) -> None:
        self._role_label = role_label
        self._default_role = default_role
        self._include_finished = include_finished
        self._cluster_domain = cluster_domain
        self._entries: dict[tuple[str, str], _Entry] = {}
        self._counts: dict[str, dict[str, int]] = {}

    def __len__(self) -> int:
        return len(self._entries)

    def clear(self, namespace: str = "") -> None:
        """Forget the pods of a namespace, or with an empty one all, before a new list."""
        if not namespace:
            self._entries.clear()
            self._counts.clear()
        for key in [key for key in self._entries if key[0] == namespace]:
            self._forget(key)

    def put(self, pod: Object) -> None:
        """Add a pod, or replace what was known of the one of its name."""
        metadata = pod["metadata"]
        labels = metadata.get("labels") or {}
        role = labels.get(self._role_label) or self._default_role
        finished = (pod.get("status") or {}).get("phase") in FINISHED_PHASES
        if not role or (finished and not self._include_finished):
            self.drop(pod)
            return
        key = (metadata.get("namespace") or "", metadata["name"])
        self._forget(key)
        member = project_pod(pod, self._cluster_domain, role)
        entry = _Entry(role, "finished" if finished else level(member), member, labels)
        self._entries[key] = entry
        counts = self._counts.setdefault(role, {})
        counts[entry.level] = counts.get(entry.level, 0) + 1

    def drop(self, pod: Object) -> None:
        """Remove a pod, if it was known."""
        self._forget((pod["metadata"].get("namespace") or "", pod["metadata"]["name"]))

    def _forget(self, key: tuple[str, str]) -> None:
        entry = self._entries.pop(key, None)
        if entry:
            self._counts[entry.role][entry.level] -= 1

    def apply(self, kind: str, pod: Object) -> None:
        """Take in a watch event: ADDED, MODIFIED or DELETED."""
        if kind == "DELETED":
            self.drop(pod)
        elif kind in ("ADDED", "MODIFIED"):
            self.put(pod)

    def counts(self, role: str) -> dict[str, int]:
        """``{total, ready, running, terminating}`` of a role; finished pods count nowhere."""
        found = self._counts.get(role, {})
        running = found.get("ready", 0) + found.get("running", 0)
        return {
            "total": running + found.get("present", 0) + found.get(TERMINATING, 0),
            "ready": found.get("ready", 0),
            "running": running,
            "terminating": found.get(TERMINATING, 0),
        }

    def roles(self) -> list[str]:
        """The roles that have members, sorted."""
        return sorted(role for role, counts in self._counts.items() if any(counts.values()))

    def _good(self, role: str, until: str) -> tuple[int, int]:
        """Members of the role that are at least *until*, and those that are not."""
        counts = self.counts(role)
        good = counts["total"] - counts["terminating"] if until == "present" else counts[until]
        return good, counts["total"] - good

    def _role_met(self, role: str, expectation: Expectation, until: str) -> bool:
        good, others = self._good(role, until)
        if expectation.exact:
            return good == expectation.count and not others
        return good >= expectation.count

    def met(self, expect: t.Mapping[str, Expectation], until: str = "ready") -> bool:
        """Is every expected role as it should be? Without any: is there a member, and are all of them *until*?

        An exact count is met when as many members are *until* and there is no other one, neither starting nor
        terminating: only then has a scale-in or a restart ended.
        """
        if expect:
            return all(self._role_met(role, expectation, until) for role, expectation in expect.items())
        found = [self._good(role, until) for role in self.roles()]
        return sum(good for good, dummy in found) > 0 and not any(others for dummy, others in found)

    def unmet(self, expect: t.Mapping[str, Expectation], until: str = "ready") -> list[str]:
        """One sentence for every role that is not as expected: how many of how many, and which pods are why."""
        if not expect and not self.roles():
            return ["no pod found"]
        sentences = []
        for role in expect or self.roles():
            good, others = self._good(role, until)
            if (expect and self._role_met(role, expect[role], until)) or (not expect and not others):
                continue
            wanted = str(expect[role]) if expect else str(good + others)
            sentence = f"role {role}: {good} {until} of {wanted} expected ({good + others} found)"
            if not good + others:
                sentence += self._others(role)
            wrong = self.lagging(role, until)
            pods = [f"{member['pod']} ({member['reason'] or member['phase']})" for member in wrong[:_NAMED_PODS]]
            if len(wrong) > _NAMED_PODS:
                pods.append(f"and {len(wrong) - _NAMED_PODS} more")
            sentences.append(sentence + (f"; not {until}: " + ", ".join(pods) if pods else ""))
        return sentences

    def _others(self, role: str) -> str:
        """The roles that there are, for one that no member has."""
        there = [name for name in self.roles() if name != role]
        return f"; members have the roles {', '.join(there)}" if there else ""

    def without_members(self, roles: t.Iterable[str]) -> list[str]:
        """One sentence for each of these roles that no member has, where there are others."""
        found = self.roles()
        return [f"role {role}: no member{self._others(role)}" for role in roles if found and role not in found]

    def lagging(self, role: str, until: str = "ready") -> list[Object]:
        """The live members of a role that are not (or no longer) *until*."""
        enough = LEVELS[LEVELS.index(until) :]
        return [
            entry.member
            for entry in self._sorted()
            if entry.role == role and entry.level != "finished" and entry.level not in enough
        ]

    def _sorted(self) -> list[_Entry]:
        return sorted(
            self._entries.values(), key=lambda entry: (entry.member["namespace"], natural(entry.member["pod"]))
        )

    def nodes(self) -> set[str]:
        """Names of the nodes that members run on."""
        return {entry.member["node"] for entry in self._entries.values() if entry.member["node"]}

    def set_nodes(self, nodes: t.Mapping[str, Object]) -> None:
        """Fill in what is known by the node: the rack, and the host name of members in the host's network."""
        for entry in self._entries.values():
            node = nodes.get(entry.member["node"])
            if node:
                entry.member["rack"] = node["rack"]
                if entry.member["host_network"]:
                    entry.member["hostname"] = node["hostname"]

    def members(self, roles: t.Iterable[str] = ()) -> dict[str, list[Object]]:
        """Role -> members, in natural order of their names. *roles* are there even without members."""
        grouped: dict[str, list[Object]] = {role: [] for role in sorted({*roles, *self.roles()})}
        for entry in self._sorted():
            grouped[entry.role].append(entry.member)
        return grouped

    def all(self) -> list[Object]:
        """All members, in natural order of their names."""
        return [entry.member for entry in self._sorted()]

    def live(self) -> dict[str, list[Object]]:
        """Live role -> members, of those that have said one."""
        grouped: dict[str, list[Object]] = {}
        if any(entry.member["live_role"] for entry in self._entries.values()):
            for member in self.all():
                if member["live_role"]:
                    grouped.setdefault(member["live_role"], []).append(member)
        return dict(sorted(grouped.items()))

    def live_unmet(self, expect: t.Mapping[str, Expectation], findings: t.Sequence[str] = ()) -> list[str]:
        """One sentence for every live role that not as many members say as expected."""
        found = {role: len(members) for role, members in self.live().items()}
        sentences = []
        for role, expectation in expect.items():
            count = found.get(role, 0)
            if count == expectation.count or (count > expectation.count and not expectation.exact):
                continue
            said = ", ".join(f"{number} {name}" for name, number in found.items()) or "no live role at all"
            sentences.append(f"live role {role}: {count} of {expectation} expected; members say: {said}")
        if sentences and findings:
            more = f" (and {len(findings) - _NAMED_PODS} more)" if len(findings) > _NAMED_PODS else ""
            sentences.append(f"no live role from: {', '.join(findings[:_NAMED_PODS])}{more}")
        return sentences

    def services(
        self, services: t.Iterable[Object], *, roles: t.Iterable[str] = (), labels: t.Mapping[str, str] | None = None
    ) -> dict[str, list[Object]]:
        """Role -> the Services that select at least one of its members, as projections, sorted by name.

        A Service of a role without members is found too if its selector names the role label and all of *labels*.
        """
        services = [service for service in services if (service.get("spec") or {}).get("selector")]
        wanted = {pair for service in services for pair in service["spec"]["selector"].items()}
        carriers: dict[tuple[str, str], set[tuple[str, str]]] = {}
        for key, entry in self._entries.items():
            if entry.level != "finished":
                for pair in wanted.intersection(entry.labels.items()):
                    carriers.setdefault(pair, set()).add(key)
        grouped: dict[str, list[Object]] = {role: [] for role in sorted({*roles, *self.roles()})}
        for service in sorted(
            services, key=lambda s: (s["metadata"].get("namespace") or "", natural(s["metadata"]["name"]))
        ):
            selector = service["spec"]["selector"]
            # From the rarest label on: a Service per member must not cost a look at every pod.
            sets = sorted((carriers.get(pair, set()) for pair in selector.items()), key=len)
            namespace = service["metadata"].get("namespace") or ""
            selected = [self._entries[key] for key in set.intersection(*sets) if key[0] == namespace]
            by_role: dict[str, list[Object]] = {}
            for entry in selected:
                by_role.setdefault(entry.role, []).append(entry.member)
            named = selector.get(self._role_label)
            if not by_role and named in grouped and labels is not None and labels.items() <= selector.items():
                by_role[named] = []
            for role, members in by_role.items():
                grouped[role].append(project_service(service, members, self._cluster_domain))
        return grouped


def label_selector(
    role_label: str,
    *,
    app: str | None = None,
    instance: str | None = None,
    roles: t.Sequence[str] = (),
    extra: t.Sequence[str] = (),
    require_role: bool = True,
) -> str:
    """The API's label selector for a request. Pods without the role label are left to the server to skip."""
    terms = [f"{key}={value}" for key, value in ((LABEL_APP, app), (LABEL_CLUSTER, instance)) if value]
    if roles and require_role:
        terms.append(f"{role_label} in ({','.join(sorted(set(roles)))})")
    elif require_role:
        terms.append(role_label)
    return ",".join([*terms, *(term for term in extra if term)])
