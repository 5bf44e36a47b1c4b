# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whole numbers that are not written as Ansible has read them: 0027 is 23 by now, but it knows where it stood."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
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

_NUMBER = re.compile(r"[-+0-9a-fA-FxXoO_]+")


def misread_numbers(data: Any) -> list[Problem]:
    """One problem for each whole number of settings or a document that is not written as it is read."""
    numbers = _numbers(data, "", False, is_kubedirector(data)) if Origin else ()
    found = [_problem(number) for number in numbers]
    return list(dict.fromkeys(problem for problem in found if problem))


def refuse_misread_numbers(data: Any) -> None:
    """Raises AppError with every such number."""
    problems = misread_numbers(data)
    if problems:
        raise AppError(problems)


def _numbers(data: Any, name: str, free: bool, kubedirector: bool) -> Iterator[int]:
    """Whole numbers, in KubeDirector's documents where texts are meant."""
    if isinstance(data, Mapping):
        for key, value in data.items():
            yield from _numbers(value, str(key), free or name in FREE_TEXTS, kubedirector)
    elif isinstance(data, (list, tuple)):
        for value in data:
            yield from _numbers(value, name, free, kubedirector)
    elif isinstance(data, int) and not (kubedirector and name in NO_TEXTS and not free):
        yield data


def _problem(number: int) -> Problem | None:
    origin = Origin.get_tag(number)
    if not origin or not origin.path or not origin.line_num or not origin.col_num:
        return None
    lines = _lines(origin.path)
    line = lines[origin.line_num - 1] if origin.line_num <= len(lines) else ""
    written = _NUMBER.match(line, origin.col_num - 1)
    # What is read in another way is not where it is said to be.
    if not written or written.group() == str(number) or not _means(written.group(), number):
        return None
    return misread(f"{origin.path}, line {origin.line_num}", written.group(), int(number))


def _means(written: str, number: int) -> bool:
    """Whether a text is this number for YAML 1.1."""
    digits = written.replace("_", "")
    for base in (0, 8, 10):
        try:
            if int(digits, base) == number:
                return True
        except ValueError:
            continue
    return False


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
