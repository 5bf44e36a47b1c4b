# Copyright (c) 2026 The baremetal.bigdata maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the story callback prints: pure functions from plain data to text."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import yaml

from ..module_utils.yaml_limits import check

MASK = "********"
STATUSES = ("ok", "changed", "failed", "unreachable", "skipped", "rescued", "ignored")
_SECRET_NAME = re.compile(r"pass(wd|word|phrase)?|secret|token|private|credential|key$|_key_|pwd", re.IGNORECASE)
_SECRET_IN_URL = re.compile(r"(\w+://[^/\s:@]*:)[^@\s/]+@")
_SHORT_EXTRA = re.compile(r"^-([vCDKkbJ]*)e(.*)$", re.DOTALL)
# How much of a failed command's output is shown: its end, where the reason mostly is.
_TAIL = 20
_SECTIONS = (("up", "Up"), ("open", "Open"), ("next", "Next"))


def duration(seconds: float) -> str:
    """A span of time for people: C(0.4 s), C(12 s), C(3 min 05 s), C(1 h 02 min)."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def names(items: Iterable[str], most: int = 6) -> str:
    """A list for a line: all of it if short, otherwise its beginning and how many more."""
    items = list(items)
    if len(items) <= most:
        return ", ".join(items)
    return f"{', '.join(items[: most - 1])} and {len(items) - most + 1} more"


def counts(results: Mapping[str, int], check: bool = False) -> str:
    """One line of counts, such as C(18 ok (3 changed), 2 skipped)."""
    # PLAY RECAP's "changed=3" is what tools look for: never written that way here.
    changed = f"{results.get('changed', 0)} {'would change' if check else 'changed'}"
    shown = ("failed", "unreachable", "rescued", "ignored", "skipped")
    others = [f"{results[status]} {status}" for status in shown if results.get(status)]
    return ", ".join([f"{results.get('ok', 0)} ok ({changed})", *others])


def indent(text: str, by: int) -> str:
    """Every line of *text* indented, blank lines left blank."""
    return "\n".join(" " * by + line if line.strip() else "" for line in text.rstrip("\n").split("\n"))


def table(rows: Sequence[Sequence[str]], right: Iterable[int] = ()) -> list[str]:
    """Rows as aligned lines, two spaces between columns; the columns in *right* are aligned there."""
    right = set(right)
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))] if rows else []
    lines = []
    for row in rows:
        cells = [
            cell.rjust(width) if column in right else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths))
        ]
        lines.append("  ".join(cells).rstrip())
    return lines


def failure_text(result: Mapping[str, Any]) -> str:
    """What a failed or unreachable result says, as text: never escaped, never a dictionary.

    A result hidden by C(no_log) gives only the sentence that says so.
    """
    if "censored" in result:
        return str(result["censored"])
    parts = []
    message = result.get("msg")
    if isinstance(message, str):
        parts.append(message.strip())
    elif message:
        parts.append(structure(message))
    if result.get("assertion") is not None:
        parts.append(f"assertion: {result['assertion']}")
    command = result.get("cmd")
    if command:
        command = shlex.join(str(part) for part in command) if isinstance(command, (list, tuple)) else str(command)
        parts.append(f"command: {command}" + (f" (rc {result['rc']})" if "rc" in result else ""))
    elif result.get("rc"):
        parts.append(f"rc: {result['rc']}")
    if result.get("url") and "status" in result:
        parts.append(f"url: {result['url']} (status {result['status']})")
    for stream in ("stderr", "stdout", "module_stderr", "module_stdout"):
        output = str(result.get(stream) or "").strip()
        if output and output not in parts:
            parts.append(f"{stream.replace('module_', '')}:\n{indent(_tail(output), 2)}")
    if result.get("attempts", 0) > 1:
        parts.append(f"tried {result['attempts']} times")
    return "\n".join(part for part in parts if part) or "no message was given; run again with -v for the whole result"


def first_line(message: str) -> str:
    """The first line of a message; of one that only introduces (ends in a colon), the second with it."""
    lines = [line.strip() for line in message.split("\n") if line.strip()] or [""]
    return " ".join(lines[:2]) if lines[0].endswith(":") else lines[0]


def structure(value: Any) -> str:
    """Structured data as YAML."""
    return yaml.safe_dump(_plain(value), default_flow_style=False, allow_unicode=True, sort_keys=False).strip()


def _tail(text: str) -> str:
    lines = text.split("\n")
    if len(lines) <= _TAIL:
        return text
    return "\n".join([f"... {len(lines) - _TAIL} lines before, shown with -v", *lines[-_TAIL:]])


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value if isinstance(value, (int, float, bool, type(None))) else str(value)


def changed_names(hosts: Iterable[str], items: Sequence[str]) -> str:
    """Hosts that changed and, for a loop, its changed items."""
    listed = ", ".join(items)
    shown = f" ({listed})" if len(listed) <= 60 else f" ({len(items)} items)"
    return f"[{names(hosts)}]{shown if items else ''}"


def summary(story: Any, failed: bool = False) -> list[tuple[str, list[str]]]:
    """The closing summary from what roles reported: (heading, lines) in the order up, open, next.

    :param story: the C(story) of C(set_stats): a dictionary of the sections C(up), C(open), C(next), each a
        dictionary of title and value, a list of lines, or text. Anything else in it counts as C(up).
    """
    if not isinstance(story, Mapping):
        story = {"up": story} if story else {}
    known = {key for key, _ in _SECTIONS}
    sections = {key: story[key] for key in known if story.get(key)}
    rest = {key: value for key, value in story.items() if key not in known and value}
    if rest:
        up = sections.get("up") or {}
        sections["up"] = {**(up if isinstance(up, Mapping) else {"": up}), **rest}
    found = []
    for key, heading in _SECTIONS:
        # After a failure, what comes next is to resume.
        if key in sections and not (failed and key == "next"):
            found.append((heading, _section(sections[key])))
    return found


def _section(content: Any) -> list[str]:
    if not isinstance(content, Mapping):
        return [str(line) for line in content] if isinstance(content, (list, tuple)) else str(content).split("\n")
    rows: list[list[str]] = []
    for title, value in content.items():
        lines = value if isinstance(value, (list, tuple)) else str(value).split("\n")
        for number, line in enumerate(lines):
            rows.append([str(title) if number == 0 else "", str(line)])
    return table(rows)


def mask_arguments(arguments: Sequence[str]) -> list[str]:
    """Command-line arguments with the secrets in C(-e)/C(--extra-vars) and in URLs masked."""
    masked = []
    extra_follows = False
    for argument in arguments:
        short = _SHORT_EXTRA.match(argument)
        name, equals, value = argument.partition("=")
        if extra_follows:
            masked.append(_mask_extra(argument))
            extra_follows = False
        elif len(name) > 2 and "--extra-vars".startswith(name):
            masked.append(f"{name}={_mask_extra(value)}" if equals else argument)
            extra_follows = not equals
        elif short:
            masked.append(f"-{short.group(1)}e{_mask_extra(short.group(2))}" if short.group(2) else argument)
            extra_follows = not short.group(2)
        else:
            masked.append(_SECRET_IN_URL.sub(rf"\1{MASK}@", argument))
    return masked


def _mask_extra(text: str) -> str:
    if text.startswith("@"):
        return text
    if text.lstrip().startswith(("{", "[")):
        try:
            check(yaml.parse(text))
            return json.dumps(_mask_values(yaml.safe_load(text)), ensure_ascii=False)
        except (yaml.YAMLError, TypeError, ValueError):
            return MASK
    try:
        words = shlex.split(text)
    except ValueError:
        return MASK
    return " ".join(_mask_word(word) for word in words)


def _mask_word(word: str) -> str:
    name, equals, value = word.partition("=")
    if not equals:
        return _SECRET_IN_URL.sub(rf"\1{MASK}@", word)
    if _SECRET_NAME.search(name):
        return f"{name}={MASK}"
    value = _SECRET_IN_URL.sub(rf"\1{MASK}@", value)
    return f"{name}={shlex.quote(value)}" if " " in value else f"{name}={value}"


def _mask_values(value: Any, secret: bool = False) -> Any:
    if isinstance(value, Mapping):
        return {key: _mask_values(item, secret or bool(_SECRET_NAME.search(str(key)))) for key, item in value.items()}
    if isinstance(value, list):
        return [_mask_values(item, secret) for item in value]
    if secret:
        return MASK
    return _SECRET_IN_URL.sub(rf"\1{MASK}@", value) if isinstance(value, str) else value


def resume_command(arguments: Sequence[str]) -> str:
    """The command line of this run, to be typed again, secrets masked."""
    program, *rest = arguments or ["ansible-playbook"]
    # An unquoted mask would be expanded as a file pattern; it has to be replaced by hand anyway.
    return shlex.join([program.rsplit("/", 1)[-1], *mask_arguments(rest)])
