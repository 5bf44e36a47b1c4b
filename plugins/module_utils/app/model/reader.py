# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading plain data field by field: every problem is collected, with where, what was expected, what was found and
what to do.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Callable

from ...kube.quantity import PATTERN as QUANTITY


@dataclass(frozen=True)
class Problem:
    """One reason to refuse an input."""

    path: str
    expected: str
    found: str
    remedy: str = ""

    def __str__(self) -> str:
        text = f"{self.path}: expected {self.expected}, found {self.found}"
        return f"{text}. {self.remedy}" if self.remedy else text


class AppError(ValueError):
    """A definition or a cluster's settings cannot be honoured. ``problems`` has every reason."""

    def __init__(self, problems: Sequence[Problem]):
        self.problems = list(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


def show(value: Any) -> str:
    """A value as it is named in a message."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Mapping):
        return "a mapping" if value else "an empty mapping"
    if isinstance(value, (list, tuple)):
        return "a list" if value else "an empty list"
    text = str(value)
    if len(text) > _SHOWN:
        return f"{show(text[:_SHOWN])} and {len(text) - _SHOWN} characters more"
    return repr(text) if isinstance(value, str) else text


# As much of a value as is told, in characters.
_SHOWN = 200
# What YAML and Ansible do not keep: how a number or a truth value was written, such as 1.10, on or 0027.
QUOTE = "Put it in quotes: how it is written is lost otherwise."


def _takes(pattern: str, number: float) -> bool:
    """Whether a grammar is that of quantities: 0.50 and 0.5 say the same there, and not in a label."""
    return QUANTITY in pattern and re.fullmatch(pattern, str(number)) is not None


class Reader:
    """Reads one mapping, field by field, and collects what is wrong with it.

    Every getter returns a usable value even after a problem, so one run reports all of them;
    ``done`` reports the fields that nobody asked for.
    """

    def __init__(self, data: Any, path: str, problems: list[Problem]):
        self.path = path
        self.problems = problems
        self.asked: list[str] = []
        if data is None:
            data = {}
        if not isinstance(data, Mapping):
            self.problem("", "a mapping", show(data))
            data = {}
        self.data: Mapping[str, Any] = data

    def at(self, name: str) -> str:
        if not name:
            return self.path or "(document)"
        return f"{self.path}.{name}" if self.path else name

    def problem(self, name: str, expected: str, found: str, remedy: str = "") -> None:
        self.problems.append(Problem(self.at(name), expected, found, remedy))

    def raw(self, name: str, default: Any = None) -> Any:
        self.asked.append(name)
        value = self.data.get(name)
        return default if value is None else value

    def text(
        self,
        name: str,
        default: str | None = "",
        pattern: str = "",
        what: str = "",
        longest: int = 0,
        quoted: bool = False,
    ) -> str:
        """A text, or a whole number that is taken as one unless the text has to be *quoted*."""
        value = self.raw(name)
        if value is None:
            if default is None:
                self.problem(name, what or "a text", "nothing", f"Set {self.at(name)}.")
            return default or ""
        if isinstance(value, (Mapping, list, tuple)):
            self.problem(name, what or "a text", show(value))
            return default or ""
        # A date, which Ansible's YAML makes of some texts, is neither.
        lost = isinstance(value, bool) or not isinstance(value, str if quoted else (str, int, float))
        if lost or (isinstance(value, float) and not _takes(pattern, value)):
            self.problem(name, what or "a text", show(value), QUOTE)
            return default or ""
        value = str(value)
        if pattern and not re.fullmatch(pattern, value):
            self.problem(name, what or f"a text like {pattern}", show(value))
        elif longest and len(value) > longest:
            self.problem(name, f"at most {longest} characters", f"{len(value)}: {show(value)}")
        return value

    def choice(self, name: str, choices: Sequence[str], default: str) -> str:
        value = self.text(name, default)
        if value not in choices:
            self.not_one_of(name, choices, value)
            return default
        return value

    def not_one_of(self, name: str, choices: Sequence[str], value: str) -> None:
        """A text that is none of the choices; the next one is named, however it is written."""
        written = {choice.lower(): choice for choice in choices}
        close = difflib.get_close_matches(value.lower()[:_SHOWN], list(written), 1)
        remedy = f"Did you mean {written[close[0]]}?" if close else ""
        self.problem(name, "one of " + ", ".join(choices), show(value), remedy)

    def boolean(self, name: str, default: bool) -> bool:
        value = self.raw(name, default)
        if not isinstance(value, bool):
            self.problem(name, "true or false", show(value))
            return default
        return value

    def integer(self, name: str, default: int | None, low: int, high: int | None = None) -> int | None:
        value = self.raw(name, default)
        if value is None:
            return None
        span = f"a whole number from {low} to {high}" if high is not None else f"a whole number, {low} or more"
        if isinstance(value, bool) or not isinstance(value, int):
            self.problem(name, span, show(value))
            return default
        if value < low or (high is not None and value > high):
            self.problem(name, span, show(value))
            return default
        return value

    def whole(self, name: str, default: int, low: int, high: int | None = None) -> int:
        value = self.integer(name, default, low, high)
        return default if value is None else value

    def mapping(self, name: str) -> Mapping[str, Any]:
        value = self.raw(name, {})
        if not isinstance(value, Mapping):
            self.problem(name, "a mapping", show(value))
            return {}
        return value

    def texts(self, name: str) -> dict[str, str]:
        """A mapping of names to texts, or to whole numbers, which are taken as such."""
        result = {}
        for key, value in self.mapping(name).items():
            if value is None:
                self.problem(f"{name}.{key}", "a text", "nothing", 'Write "" for an empty one.')
            elif isinstance(value, (Mapping, list, tuple)):
                self.problem(f"{name}.{key}", "a text or a number", show(value))
            elif isinstance(value, bool) or not isinstance(value, (str, int)):
                self.problem(f"{name}.{key}", "a text", show(value), QUOTE)
            else:
                result[str(key)] = str(value)
        return result

    def items(self, name: str) -> list[Any]:
        value = self.raw(name, [])
        if not isinstance(value, (list, tuple)):
            self.problem(name, "a list", show(value))
            return []
        return list(value)

    def strings(self, name: str) -> tuple[str, ...]:
        values = self.items(name)
        for index, value in enumerate(values):
            if not isinstance(value, str):
                self.problem(f"{name}[{index}]", "a text", show(value), QUOTE)
        return tuple(str(value) for value in values)

    def each(self, name: str, read: Callable[[Reader], Any], key: str = "") -> tuple[Any, ...]:
        """Read a list of mappings. With ``key``, refuse two that agree in that attribute."""
        result: list[Any] = []
        seen: set[str] = set()
        for index, item in enumerate(self.items(name)):
            reader = Reader(item, f"{self.at(name)}[{index}]", self.problems)
            value = read(reader)
            reader.done()
            if key:
                identity = getattr(value, key)
                if identity in seen:
                    reader.problem(key, "a name that is used once", f"{show(identity)} again", "Rename one of them.")
                seen.add(identity)
            result.append(value)
        return tuple(result)

    def section(self, name: str) -> Reader:
        return Reader(self.raw(name), self.at(name), self.problems)

    def known(self, name: str, value: str, names: Sequence[str], what: str, needed: bool = False) -> None:
        """Refuse what is none of the names. An empty text says nothing, unless one is *needed*."""
        if (value or needed) and value not in names:
            close = difflib.get_close_matches(value, names, 1)
            remedy = f"Did you mean {close[0]}?" if close else ""
            self.problem(name, f"a {what} of this app ({', '.join(names) or 'it has none'})", show(value), remedy)

    def done(self) -> None:
        for name in self.data:
            if name not in self.asked:
                close = difflib.get_close_matches(str(name), self.asked, 1)
                remedy = f"Did you mean {close[0]}?" if close else "Remove it."
                fields = ", ".join(sorted(set(self.asked)))
                self.problem(str(name), f"one of {fields}" if fields else "no field", "an unknown field", remedy)
