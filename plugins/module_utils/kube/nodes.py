# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts that do not work, and the pods that wait for them.

Pure functions over the dictionaries of the API's JSON (core/v1 Node, Pod, PersistentVolume). Sources:
https://kubernetes.io/docs/reference/node/node-status/#condition,
https://kubernetes.io/docs/concepts/scheduling-eviction/taint-and-toleration/ and
https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/node-selector-requirement/.
"""

from __future__ import annotations

import typing as t
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone

from ..labels import LABEL_HOSTNAME
from .pods import Object, condition, is_ready, plain

# Kubernetes sets these by itself on a node that does not work, or that is cordoned: `outage` tells of that.
_OWN_TAINTS = "node.kubernetes.io/"
_KEEPS_OUT = ("NoSchedule", "NoExecute")


@dataclass(frozen=True)
class Outage:
    """Why a host takes no pods. *since*: RFC 3339, empty where it is not known."""

    what: str
    since: str = ""
    remedy: str = "Bring the host back, or replace it"

    def seconds(self, now: float) -> float | None:
        """How long it lasts, by the clock of whoever asks (seconds since 1970); None where that is not known."""
        began = _time(self.since)
        return None if began is None else now - began.timestamp()


def _time(text: str) -> datetime | None:
    try:
        return datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=timezone.utc)
    except ValueError:
        return None


def _since(text: str) -> str:
    began = _time(text)
    return f" since {began:%Y-%m-%d %H:%M:%S} UTC" if began else ""


GONE = Outage("which is no longer a node of the cluster")


def outage(node: Object) -> Outage | None:
    """Why a node does no work, as a clause such as ``which has not answered since …``; None where it works."""
    ready = condition(node.get("status") or {}, "Ready")
    said, since = ready.get("status"), ready.get("lastTransitionTime") or ""
    if said == "True":
        return None
    why = plain(ready.get("reason"), ready.get("message")).rstrip(".")
    why = f" ({why})" if why else ""
    if said == "False":
        return Outage(f"which has not been ready{_since(since)}{why}", since)
    return Outage(f"which has not answered{_since(since)}{why}", since)


def cordon(node: Object) -> Outage | None:
    """That a node takes no new pods, though it works."""
    if not (node.get("spec") or {}).get("unschedulable"):
        return None
    remedy = f"Let it take pods again: kubectl uncordon {node['metadata']['name']}"
    return Outage("which is cordoned", remedy=remedy)


# --- which nodes a pod may run on ------------------------------------------------------------------


def _holds(requirement: Mapping[str, t.Any], labels: Mapping[str, str]) -> bool:
    """A NodeSelectorRequirement."""
    key, operator, values = requirement.get("key"), requirement.get("operator"), list(requirement.get("values") or ())
    found = labels.get(str(key))
    if operator == "In":
        return found in values
    if operator == "NotIn":
        return found not in values
    if operator == "Exists":
        return found is not None
    if operator == "DoesNotExist":
        return found is None
    try:
        number, bound = int(str(found)), int(str(values[0]))
    except (ValueError, IndexError):
        return False
    return number > bound if operator == "Gt" else number < bound


def selects(selector: Mapping[str, t.Any] | None, node: Object) -> bool:
    """Whether a NodeSelector takes a node: by one of its terms, all of whose requirements hold. None takes any."""
    if selector is None:
        return True
    labels, fields = node["metadata"].get("labels") or {}, {"metadata.name": node["metadata"]["name"]}
    return any(
        all(_holds(item, labels) for item in term.get("matchExpressions") or ())
        and all(_holds(item, fields) for item in term.get("matchFields") or ())
        for term in selector.get("nodeSelectorTerms") or ()
        if term
    )


def _tolerates(pod: Object, taint: Mapping[str, t.Any]) -> bool:
    for item in (pod.get("spec") or {}).get("tolerations") or ():
        key = item.get("key")
        if key not in (None, "", taint.get("key")) or item.get("effect") not in (None, "", taint.get("effect")):
            continue
        if item.get("operator") == "Exists" or (key and (item.get("value") or "") == (taint.get("value") or "")):
            return True
    return False


def _selectors(pod: Object, volumes: Iterable[Object]) -> list[Mapping[str, t.Any]]:
    """The NodeSelectors that have to take a pod's node: its own, and those of its volumes."""
    spec = pod.get("spec") or {}
    own = ((spec.get("affinity") or {}).get("nodeAffinity") or {}).get("requiredDuringSchedulingIgnoredDuringExecution")
    theirs = [((volume.get("spec") or {}).get("nodeAffinity") or {}).get("required") for volume in volumes]
    chosen = [
        {"key": key, "operator": "In", "values": [value]} for key, value in (spec.get("nodeSelector") or {}).items()
    ]
    return [
        *([{"nodeSelectorTerms": [{"matchExpressions": chosen}]}] if chosen else []),
        *(selector for selector in (own, *theirs) if selector),
    ]


def _named(selectors: Iterable[Mapping[str, t.Any]]) -> list[str]:
    """The hosts that selectors name."""
    return [
        value
        for selector in selectors
        for term in selector.get("nodeSelectorTerms") or ()
        for item in (*(term.get("matchExpressions") or ()), *(term.get("matchFields") or ()))
        if item.get("key") in (LABEL_HOSTNAME, "metadata.name") and item.get("operator") == "In"
        for value in item.get("values") or ()
    ]


# --- pods that wait --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Obstacle:
    """A pod that waits for hosts that do not work. *certain*: none of the others can take it."""

    pod: str
    hosts: tuple[str, ...]
    outage: Outage
    volume: str = ""
    leaves: bool = False
    certain: bool = True

    def __str__(self) -> str:
        several = len(self.hosts) > 1
        hosts = f"{'one of the hosts' if several else 'host'} {', '.join(self.hosts)}"
        what = self.outage.what.replace("which", "the last of which", 1) if several else self.outage.what
        if self.leaves:
            return f"member {self.pod} cannot stop on {hosts}, {what}"
        if not self.certain:
            return f"member {self.pod} finds no place without {hosts}, {what}"
        thing = f"its volume {self.volume} on " if self.volume else ""
        return f"member {self.pod} waits for {thing}{hosts}, {what}"


def obstacle(pod: Object, nodes: Mapping[str, Object], volumes: Sequence[Object] = ()) -> Obstacle | None:
    """What host a pod that is not ready waits for. *volumes*: the PersistentVolumes that it has.

    None where it waits for something else, such as its image.
    """
    name, spec = pod["metadata"]["name"], pod.get("spec") or {}
    leaves = bool(pod["metadata"].get("deletionTimestamp"))
    placed = spec.get("nodeName")
    if placed:
        found = outage(nodes[placed]) if placed in nodes else GONE
        return Obstacle(name, (placed,), found, leaves=leaves) if found and not is_ready(pod) else None
    if leaves or condition(pod.get("status") or {}, "PodScheduled").get("status") != "False":
        return None
    selectors = _selectors(pod, volumes)
    fitting = [
        node
        for node in nodes.values()
        if all(selects(selector, node) for selector in selectors)
        and all(
            _tolerates(pod, taint)
            for taint in (node.get("spec") or {}).get("taints") or ()
            if taint.get("effect") in _KEEPS_OUT and not str(taint.get("key")).startswith(_OWN_TAINTS)
        )
    ]
    local = next((item["metadata"]["name"] for item in volumes if _named(_selectors({}, [item]))), "")
    if not fitting:
        known = {(node["metadata"].get("labels") or {}).get(LABEL_HOSTNAME) for node in nodes.values()} | set(nodes)
        lost = tuple(dict.fromkeys(host for host in _named(selectors) if host not in known))
        return Obstacle(name, lost, GONE, local) if lost else None
    closed = [(node["metadata"]["name"], outage(node) or cordon(node)) for node in fitting]
    # The one that went last is named last: that it is away for long holds for the others too.
    silent = sorted(((host, found) for host, found in closed if found), key=lambda pair: (pair[1].since, pair[0]))
    if not silent:
        return None
    hosts = tuple(host for host, _found in silent)
    return Obstacle(name, hosts, silent[-1][1], local, certain=len(silent) == len(closed))
