# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Applying objects by the API server, which says what that changes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ...kube.objects import Kube
from ..compare import difference, hold_members, identity, normalise


def apply_objects(
    kube: Kube,
    objects: Iterable[Mapping[str, Any]],
    manager: str,
    new_namespaces: set[str],
    *,
    hold: bool = True,
    planned: Callable[[Mapping[str, Any], Mapping[str, Any] | None], None] | None = None,
) -> dict[str, Any]:
    """Apply objects in turn, and tell what that changes.

    A dry run makes no namespace, so the server would refuse what belongs into a new one: that is not sent. Names of
    such namespaces are added to *new_namespaces*. *hold* is for `hold_members`. For a plan, *planned* is called with
    each object and its live one, and may raise for what cannot be; new namespaces are then not sent either.

    Returns ``changes`` as `identity` has them, ``diff``, ``held`` (members by controller) and ``live`` (by `identity`).
    """
    found: dict[str, Any] = {"changes": [], "diff": [], "held": {}, "live": {}}
    for item in objects:
        name, namespace = item["metadata"]["name"], item["metadata"].get("namespace")
        live = None
        if namespace not in new_namespaces:
            live = kube.get(item["apiVersion"], item["kind"], name, namespace)
        found["live"][identity(item)] = live
        if hold:
            item, have = hold_members(item, live)
            if have is not None:
                found["held"][name] = have
        if planned:
            planned(item, live)
        new_namespace = live is None and item["kind"] == "Namespace"
        sent = namespace not in new_namespaces and not (new_namespace and planned)
        after = kube.apply(item, manager) if sent else item
        if new_namespace and kube.dry_run:
            new_namespaces.add(name)
        if live is None or normalise(live) != normalise(after):
            found["changes"].append(identity(item))
            found["diff"].append(difference(live, after))
    return found
