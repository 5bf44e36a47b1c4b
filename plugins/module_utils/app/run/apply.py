# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Applying objects by the API server, which says what that changes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ...kube.errors import KubeApiError
from ...kube.objects import Kube
from ..compare import difference, hold_members, identity, normalise

# Every Kubernetes cluster has it. Stands in for a namespace that is not there yet.
STAND_IN = "default"
# How the server tells a site's own policies, which often want nothing in that namespace. Their statuses are anything.
_POLICIES = ("admission webhook", "calling webhook", "ValidatingAdmissionPolicy")


@dataclass
class Applied:
    """What applying changes, also where it ends half-way: objects as `identity` has them."""

    changes: list[str] = field(default_factory=list)
    diff: list[dict[str, str]] = field(default_factory=list)
    # Members by controller that has more than are wanted.
    held: dict[str, int] = field(default_factory=dict)
    live: dict[str, Any] = field(default_factory=dict)
    # What nobody could look at before it is made, and why.
    unseen: dict[str, str] = field(default_factory=dict)


def apply_objects(
    kube: Kube,
    objects: Iterable[Mapping[str, Any]],
    manager: str,
    new_namespaces: set[str],
    found: Applied,
    *,
    hold: bool = True,
    planned: Callable[[Mapping[str, Any], Mapping[str, Any] | None], None] | None = None,
) -> None:
    """Apply objects in turn, and tell in *found* what that changes.

    A dry run makes no namespace: names of those that it would make are added to *new_namespaces*, and what belongs into
    one is tried in `STAND_IN`. *hold* is for `hold_members`. For a plan, *planned* is called with each object and its
    live one, and may raise for what cannot be.
    """
    for item in objects:
        name, namespace = item["metadata"]["name"], item["metadata"].get("namespace")
        live = None
        if namespace not in new_namespaces:
            live = kube.get(item["apiVersion"], item["kind"], name, namespace)
        found.live[identity(item)] = live
        if hold:
            item, have = hold_members(item, live)
            if have is not None:
                found.held[name] = have
        if planned:
            planned(item, live)
        if namespace in new_namespaces:
            after = item
            _try(kube, item, manager, found)
        else:
            after = kube.apply(item, manager)
        if live is None and item["kind"] == "Namespace" and kube.dry_run:
            new_namespaces.add(name)
        if live is None or normalise(live) != normalise(after):
            found.changes.append(identity(item))
            found.diff.append(difference(live, after))


def _try(kube: Kube, item: Mapping[str, Any], manager: str, found: Applied) -> None:
    """Have the server look at an object whose namespace is not there yet.

    What is forbidden in the namespace that stands in for it, by its quota, a policy or to this user, may well be
    allowed there, and a role of which a binding speaks is there only by then.
    """
    try:
        kube.try_create(item, manager, STAND_IN)
    except KubeApiError as error:
        if error.status not in (403, 404) and not any(word in str(error) for word in _POLICIES):
            raise
        found.unseen[identity(item)] = str(error)
