# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Placeholders in texts of an app: for what renders, and for what asks members. Pure functions.

What asks members is sent to hosts, so nothing of the model is imported here but its errors.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from ..plain import copied
from .model.reader import AppError, Problem

_PLACEHOLDER = re.compile(r"\$\(([a-z][a-z0-9_.-]*)\)")


def substitute(value: Any, values: Mapping[str, Any], path: str = "", strict: bool = True) -> Any:
    """Replace ``$(name)`` in every text of a structure. A text that is one placeholder keeps the type.

    Kubernetes' own ``$(VARIABLE)``, in capitals, is left for the kubelet. Another name raises AppError or, where not
    *strict*, stays as it is.
    """
    if isinstance(value, Mapping):
        return {
            key: substitute(item, values, f"{path}.{key}" if path else str(key), strict) for key, item in value.items()
        }
    if isinstance(value, (list, tuple)):
        return [substitute(item, values, f"{path}[{index}]", strict) for index, item in enumerate(value)]
    if not isinstance(value, str):
        return value

    def known(name: str) -> Any:
        if name not in values and not strict:
            return f"$({name})"
        if name not in values:
            raise AppError([Problem(path, "one of " + ", ".join(sorted(values)), f"$({name})")])
        return values[name]

    whole = _PLACEHOLDER.fullmatch(value)
    if whole:
        return copied(known(whole.group(1)))
    return _PLACEHOLDER.sub(lambda match: scalar(known(match.group(1))), value)


def words(command: Any, values: Mapping[str, Any], path: str) -> list[str]:
    """A command with its placeholders replaced: every word is a text, also where a number stands for it."""
    return [scalar(word) for word in substitute(command, values, path)]


def scalar(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (Mapping, list, tuple)):
        return json.dumps(value, sort_keys=True)
    return str(value)
