# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a member answered, and what it means: the one place that reads answers. Pure functions.

Programs end lines by CR LF, colour them, and say more than they were asked: a banner, a warning. What is meant is found
where that is certain, and otherwise told as it is.
"""

from __future__ import annotations

import json
import re
import typing as t

_SHOWN = 200
# Numbers of members have fewer digits.
_NUMBER = re.compile(r"""(["']?)\+?([0-9]{1,9})(\.0+)?\1""")
_LINE_END = re.compile(r"\r\n|\r|\n")
# Control sequences of terminals: colours, cursor.
_CONTROL = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]")
_MARK = "\N{ZERO WIDTH NO-BREAK SPACE}"
# A live role is a name, not a page.
_NAME_LENGTH = 100


def normal(text: str) -> str:
    """An answer with lines that end by LF, without byte-order marks and colours, and without blanks around it."""
    lines = _LINE_END.split(_CONTROL.sub("", text.replace(_MARK, "")))
    return "\n".join(line.rstrip() for line in lines).strip()


def shortened(text: str, length: int = _SHOWN) -> str:
    """One line of a text, not too long, that can be shown on a terminal."""
    line = " ".join(text[: 20 * length].split())
    line = "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in line)
    return line if len(line) <= length else line[: length - 3] + "..."


def number(answer: str) -> int | None:
    """The number of an answer: of its only line that is one. None where there is none, or several."""
    found = [match for match in map(_NUMBER.fullmatch, map(str.strip, normal(answer).split("\n"))) if match]
    return int(found[0].group(2)) if len(found) == 1 else None


def truth(answer: str) -> bool:
    """Whether an answer is true, in whatever letters. A number, null and anything else is not."""
    return normal(answer).strip("\"'").lower() == "true"


def name(answer: str) -> str:
    """An answer that is a name, in one line. Empty where it is a longer text."""
    text = normal(answer)
    return "" if "\n" in text or len(text) > _NAME_LENGTH else text


def mapping(answer: str) -> dict[str, t.Any] | None:
    """The last line of an answer that is a JSON object; None if there is none."""
    for line in reversed(normal(answer).split("\n")):
        if line.startswith("{"):
            try:
                return json.loads(line)
            except (ValueError, RecursionError):
                continue
    return None


def field_of(body: str, path: str) -> str:
    """A field of a JSON answer, by dots; a number is an index of a list. Raises ValueError, with what was found."""
    try:
        value: t.Any = json.loads(normal(body))
    except (ValueError, RecursionError):
        raise ValueError(f"expected JSON with {path}, found {shortened(body)!r}") from None
    for key in path.split("."):
        try:
            value = value[int(key)] if isinstance(value, list) else value[key]
        except (LookupError, TypeError, ValueError):
            found = ", ".join(sorted(map(str, value))[:10]) if isinstance(value, dict) else shortened(json.dumps(value))
            raise ValueError(
                f"expected JSON with {path}, found no {key} in {shortened(found) or 'an empty object'}"
            ) from None
    return json.dumps(value) if value is None or isinstance(value, (bool, dict, list)) else str(value)
