# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a new version of a cluster may not change, in KubeDirector's dialect and in the project's own."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from ...plain import copied
from ..model.reader import Problem, show
from .kubedirector.fields import is_kubedirector


def record(cluster: Any) -> dict[str, Any]:
    """A cluster as it was written, to compare the next one with: no server's fields, and digests of secret values."""
    if not isinstance(cluster, Mapping):
        return {}
    result = {key: copied(cluster[key]) for key in ("apiVersion", "kind", "spec") if key in cluster}
    metadata = cluster.get("metadata")
    result["metadata"] = {"name": metadata.get("name")} if isinstance(metadata, Mapping) else {}
    spec = result.get("spec")
    roles = spec.get("roles") if isinstance(spec, Mapping) else None
    for role in roles if isinstance(roles, list) else []:
        keys = role.get("secretKeys") if isinstance(role, Mapping) else None
        for item in keys if isinstance(keys, list) else []:
            value = str(item.get("value") or "") if isinstance(item, Mapping) else ""
            if value and not value.startswith("sha256:"):
                item["value"] = "sha256:" + hashlib.sha256(value.encode("utf-8", "surrogatepass")).hexdigest()
    return result


def forbidden_changes(old: Any, new: Any, strict: bool = True) -> list[Problem]:
    """What a new version of a cluster may not change while its members live.

    Both are documents of one dialect; see `record`. KubeDirector allows a role with members nothing but another
    number of them: ``strict``. Otherwise only that is refused which Kubernetes cannot change in place (another app,
    other volumes). Roles without members are free, and so is a cluster of which nothing is known.
    """
    problems: list[Problem] = []
    if not isinstance(old, Mapping) or not isinstance(new, Mapping) or not old:
        return problems
    if is_kubedirector(old) != is_kubedirector(new):
        return [
            Problem(
                "kind", show(old.get("kind")), show(new.get("kind")), "Remove the cluster before it changes dialect."
            )
        ]
    before, after = (_plain(record(item)).get("spec", {}) for item in (old, new))
    for name in ("app", "appCatalog"):
        if name in before and name in after and before[name] != after[name]:
            problems.append(
                Problem(
                    f"spec.{name}",
                    f"{show(before[name])} as before",
                    show(after[name]),
                    "Remove the cluster first, or choose another name for the new one.",
                )
            )
    listed = is_kubedirector(old)
    held = _by_role(before.get("roles", []), listed)
    for where, name, role in _by_role(after.get("roles", []), listed).values():
        if name not in held or held[name][2].get("members", "1") == "0":
            continue
        was = held[name][2]
        volumes = ("storage", "blockStorage")
        for key in sorted({*was, *role} - {"id", "members"}):
            if was.get(key) == role.get(key) or not (key in volumes or (strict and listed)):
                continue
            if not listed and _same_volumes(was.get(key), role.get(key)):
                continue
            remedy = "Take the role to 0 members first"
            remedy += "." if key in volumes else ", or allow the change: its members then restart one by one."
            expected = f"{_shown(was.get(key))} as before, while role {name} has members"
            problems.append(Problem(f"{where}.{key}", expected, _shown(role.get(key)), remedy))
    return problems


def _plain(value: Any) -> Any:
    """A value without what makes no difference: null fields, and quotes about numbers."""
    if isinstance(value, Mapping):
        found = {str(key): _plain(item) for key, item in value.items() if item is not None}
        return {key: item for key, item in found.items() if item not in ({}, [])}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def _by_role(roles: Any, listed: bool) -> dict[str, tuple[str, str, dict[str, Any]]]:
    if listed:
        rows = enumerate(roles if isinstance(roles, list) else [])
        return {
            item.get("id", ""): (f"spec.roles[{index}]", item.get("id", ""), item)
            for index, item in rows
            if isinstance(item, dict)
        }
    pairs = roles.items() if isinstance(roles, dict) else ()
    return {name: (f"spec.roles.{name}", name, item) for name, item in pairs if isinstance(item, dict)}


def _same_volumes(old: Any, new: Any) -> bool:
    """Whether settings of volumes that both name agree: what is left out is as the definition says."""
    before, after = (item if isinstance(item, dict) else {} for item in (old, new))
    return all(before[name] == after[name] for name in before if name in after)


def _shown(value: Any) -> str:
    return (
        "nothing" if value is None else json.dumps(value, sort_keys=True) if not isinstance(value, str) else show(value)
    )
