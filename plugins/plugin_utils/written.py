# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Numbers that are not written as Ansible has read them: 0027 is 23 by now, but it knows where it stood.

Truth values do not: ``yes`` is true, and nobody can tell.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from functools import lru_cache
from typing import Any

from ..module_utils.app.dialects.kubedirector.fields import FREE_TEXTS, NO_TEXTS, is_kubedirector
from ..module_utils.app.dialects.scalars import misread
from ..module_utils.app.model.reader import AppError, Problem

try:
    from ansible._internal._datatag._tags import Origin
except ImportError:
    # Not part of Ansible's interface: without it these numbers are taken as they are.
    Origin = None

# Behind an anchor or a tag: 31, 0x1F, 1_000, 1.10, 22:30.
_NUMBER = re.compile(r"(?:[&!]\S*\s+)*([-+.:\w]+)")


def misread_numbers(data: Any) -> list[Problem]:
    """One problem for each number of settings or a document that is not written as it is read."""
    numbers = _numbers(data, "", False, is_kubedirector(data)) if Origin else ()
    found = [_problem(number) for number in numbers]
    return list(dict.fromkeys(problem for problem in found if problem))


def refuse_misread_numbers(data: Any) -> None:
    """Raises AppError with every such number."""
    problems = misread_numbers(data)
    if problems:
        raise AppError(problems)


def _numbers(data: Any, name: str, free: bool, kubedirector: bool) -> Iterator[int | float]:
    """Numbers, in KubeDirector's documents where texts are meant."""
    if isinstance(data, Mapping):
        for key, value in data.items():
            yield from _numbers(value, str(key), free or name in FREE_TEXTS, kubedirector)
    elif isinstance(data, (list, tuple)):
        for value in data:
            yield from _numbers(value, name, free, kubedirector)
    elif isinstance(data, (int, float)) and not (kubedirector and name in NO_TEXTS and not free):
        yield data


def _problem(number: int | float) -> Problem | None:
    if not math.isfinite(number):
        return None
    origin = Origin.get_tag(number)
    if not origin or not origin.path or not origin.line_num or not origin.col_num:
        return None
    lines = _lines(origin.path)
    line = lines[origin.line_num - 1] if origin.line_num <= len(lines) else ""
    found = _NUMBER.match(line, origin.col_num - 1)
    written = found[1] if found else ""
    # What is read in another way is not where it is said to be.
    if written == str(number) or number not in _meanings(written):
        return None
    plain = float(number) if isinstance(number, float) else int(number)
    return misread(f"{origin.path}, line {origin.line_num}", written, plain)


def _meanings(written: str) -> list[int | float]:
    """The numbers that a text can be. Source: https://yaml.org/type/int.html and float.html, of YAML 1.1."""
    digits = written.replace("_", "")
    found: list[int | float] = []
    for base in (0, 8, 10):
        with suppress(ValueError):
            found.append(int(digits, base))
    with suppress(ValueError):
        found.append(float(digits))
    # 22:30 counts by sixties.
    if re.fullmatch(r"[-+]?[0-9]+(:[0-9]+)+(\.[0-9]*)?", digits):
        value: int | float = 0
        for part in digits.lstrip("+-").split(":"):
            value = value * 60 + (float(part) if "." in part else int(part))
        found.append(-value if digits.startswith("-") else value)
    return found


@lru_cache(maxsize=32)
def _lines(path: str) -> tuple[str, ...]:
    # What a pipe had to say is gone, and reading it once more has no end.
    if not os.path.isfile(path):
        return ()
    try:
        with open(path, encoding="utf-8-sig") as stream:
            return tuple(stream.read().splitlines())
    except (OSError, UnicodeDecodeError):
        return ()
