# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Resources of a member: the definition's and the cluster's put together, and what Kubernetes wants of them.

Source: ``ValidateResourceRequirements`` in Kubernetes' pkg/apis/core/validation.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction

from ...kube.quantity import quantity
from .cluster import AppCluster
from .kubernetes import INT64
from .reader import Reader, show
from .types import Resources, Role

MIB = 1024 * 1024
# Of these, what is written in bytes or in parts of one, and is no whole number of them, is a mistake, such as 512m for
# 512Mi. What comes of 1.1Gi is none: Kubernetes takes it, and rounds it up.
_BYTES = ("memory", "ephemeral-storage", "storage", "hugepages-")
# The last letter of what is more than one.
_UNITS = "kMGTPEi"


def chosen(defined: Resources, settings: Resources) -> dict[str, dict[str, str]]:
    """``requests`` and ``limits`` by name of the resource: the settings' word, or the definition's."""
    result: dict[str, dict[str, str]] = {}
    for part, key in (("request", "requests"), ("limit", "limits")):
        for what in ("cpu", "memory"):
            value = getattr(settings, f"{what}_{part}") or getattr(defined, f"{what}_{part}")
            if value:
                result.setdefault(key, {})[what] = value
        for name, value in {**getattr(defined, key), **getattr(settings, key)}.items():
            if value:
                result.setdefault(key, {})[name] = value
    return result


def field_of(key: str, name: str) -> str:
    """Where a definition or a cluster says it: ``memory_limit``, ``limits.nvidia.com/gpu``."""
    return f"{name}_{key[:-1]}" if name in ("cpu", "memory") else f"{key}.{name}"


def check_amount(reader: Reader, where: str, name: str, text: str) -> None:
    """What holds of the amount of one resource, whose name is *name*, alone."""
    value = quantity(text)
    if value is None:
        return
    if value > INT64:
        reader.problem(where, f"at most {INT64}, which is the most that Kubernetes counts", show(text))
    elif name.startswith(_BYTES) and value.denominator != 1 and text[-1] not in _UNITS:
        better = f"Did you mean {text[:-1]}Mi?" if text.endswith("m") else ""
        reader.problem(where, "a whole number of bytes", show(text), better)
    elif "/" in name and value.denominator != 1:
        reader.problem(where, f"a whole number of {name}", show(text))
    elif name.startswith("hugepages-"):
        page = quantity(name.partition("-")[2])
        if not page or value % page:
            reader.problem(where, f"a multiple of the page's size, {name.partition('-')[2]}", show(text))


def check_together(reader: Reader, found: Mapping[str, Mapping[str, str]], whole: bool) -> None:
    """What holds between requests and limits. *whole*: nobody adds any more to them."""
    requests, limits = found.get("requests", {}), found.get("limits", {})
    for name, text in requests.items():
        own = name in ("cpu", "memory", "ephemeral-storage")
        where, other = field_of("requests", name), field_of("limits", name)
        request, limit = quantity(text), quantity(limits.get(name, ""))
        if request is None:
            continue
        if name not in limits:
            if whole and not own:
                reader.problem(other, f"a limit as well, {text} as requested, since {name} is not shared", "nothing",
                               f"Set {reader.at(other)}.")  # fmt: skip
        elif limit is not None and (request > limit if own else request != limit):
            expected = "at most" if own else "the same as"
            reader.problem(where, f"{expected} {reader.at(other)}, {limits[name]}", show(text),
                           f"Change {reader.at(where)} or {reader.at(other)}.")  # fmt: skip
    pages = [name for name in {**requests, **limits} if name.startswith("hugepages-")]
    if whole and pages and not {"cpu", "memory"} & {*requests, *limits}:
        reader.problem(field_of("limits", pages[0]), "cpu or memory beside huge pages", "neither")


def check_memory(reader: Reader, cluster: AppCluster, role: Role) -> None:
    """Whether what an app takes by its parameters fits into its memory limit."""
    limit = chosen(role.resources, cluster.roles[role.id].resources).get("limits", {}).get("memory", "")
    have = quantity(limit)
    values = [(use, cluster.parameters.get(use.parameter, 0)) for use in role.memory_use]
    if have is None or not all(isinstance(value, int) for _use, value in values) or not values:
        return
    needed = sum(Fraction(value + use.beside) for use, value in values)
    if needed * MIB > have:
        named = [f"spec.parameters.{use.parameter}" for use, _value in values]
        parts = [
            f"{name}, {value} MiB" + (f", and {use.beside} MiB beside it" if use.beside else "")
            for name, (use, value) in zip(named, values)
        ]
        reader.problem("resources.memory_limit", f"at least {needed}Mi, for {'; '.join(parts)}", show(limit),
                       f"Raise {reader.at('resources.memory_limit')}, or lower {' or '.join(named)}.")  # fmt: skip
