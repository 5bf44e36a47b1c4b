# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Texts of an app: merging, and configuration files. Pure functions."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any

from ...plain import copied, quoted
from ..model.kubernetes import SUBDOMAIN
from ..model.lines import check_lines
from ..model.reader import AppError, Problem, Reader, show
from ..model.types import ConfigFile
from ..placeholders import scalar, substitute


def secret_name(text: str, values: Mapping[str, Any], path: str) -> str:
    """The name of a Secret, its placeholders replaced: what comes of them has to be a name too."""
    name = scalar(substitute(text, values, path))
    if not re.fullmatch(SUBDOMAIN.pattern, name):
        raise AppError([Problem(path, SUBDOMAIN.what, f"{show(name)}, of {text}")])
    return name


def merge(base: Any, changes: Any) -> Any:
    """Merge mappings deeply. Lists and scalars are replaced; null removes a key. Inputs stay as they are."""
    if not isinstance(base, Mapping) or not isinstance(changes, Mapping):
        return copied(changes)
    result = {key: copied(value) for key, value in base.items()}
    for key, value in changes.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merge(result.get(key, {}) if isinstance(value, Mapping) else None, value)
    return result


def file_text(item: ConfigFile, override: Any, values: Mapping[str, Any]) -> str:
    """A configuration file's content. Data is written as JSON, which is YAML, or as sorted lines."""
    if item.format == "text":
        return scalar(substitute(item.text if override is None else override, values, item.name))
    data = substitute(merge(item.data, override or {}), values, item.name)
    if item.format == "yaml":
        return yaml_text(data)
    return properties(data) if item.format == "properties" else lines(data, item.name)


def lines(data: Mapping[str, Any], file: str) -> str:
    """Lines by name, as they are: for readers that know no escapes, such as shells' and awk's.

    Raises AppError for what would be other lines than those of the *file*'s names.
    """
    texts = {key: scalar(data[key]) for key in sorted(data)}
    problems: list[Problem] = []
    check_lines(Reader({}, "", problems), file, texts)
    if problems:
        raise AppError(problems)
    return "".join(f"{key}={text}\n" for key, text in texts.items())


_ESCAPES = {"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r", "\f": "\\f"}


def properties(data: Mapping[str, Any]) -> str:
    """Lines by name, as java.util.Properties reads them.

    In a value only what has to be is escaped, so that other readers of such lines see an ordinary one as it is.
    Source: the method ``load`` in https://docs.oracle.com/en/java/javase/21/docs/api/java.base/java/util/Properties.html.
    """
    lines = []
    for key in sorted(data):
        name = re.sub("[ :=#!]", lambda found: "\\" + found.group(), _escaped(key))
        value = _escaped(scalar(data[key]))
        # A blank at its beginning would belong to the separator.
        lines.append(f"{name}=" + ("\\" if value.startswith(" ") else "") + f"{value}\n")
    return "".join(lines)


def _escaped(text: str) -> str:
    """A text in which line breaks, backslashes and what is not printable ASCII are written by escapes."""
    units = text.encode("utf-16-be", "surrogatepass")
    codes = [int.from_bytes(units[at : at + 2], "big") for at in range(0, len(units), 2)]
    plain = (chr(code) if 0x20 <= code <= 0x7E else f"\\u{code:04x}" for code in codes)
    return "".join(_ESCAPES.get(chr(code)) or text for code, text in zip(codes, plain))


def digest(content: Any) -> str:
    """A short name for content, to see whether it changed."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]


_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_./-]*")
_RESERVED = {"true", "false", "yes", "no", "on", "off", "null", "y", "n"}


def yaml_text(value: Any, indent: int = 0) -> str:
    """YAML by the standard library alone: what is rendered must not change with a library's version."""
    pad = "  " * indent
    if isinstance(value, Mapping) and value:
        lines = []
        for key, item in value.items():
            nested = isinstance(item, (Mapping, list, tuple)) and item
            body = f"\n{yaml_text(item, indent + 1)}" if nested else f" {_inline(item)}\n"
            lines.append(f"{pad}{_yaml_key(key)}:{body}")
        return "".join(lines)
    if isinstance(value, (list, tuple)) and value:
        lines = []
        for item in value:
            nested = isinstance(item, (Mapping, list, tuple)) and item
            body = yaml_text(item, indent + 1)[len(pad) + 2 :] if nested else f"{_inline(item)}\n"
            lines.append(f"{pad}- {body}")
        return "".join(lines)
    return f"{pad}{_inline(value)}\n"


def _yaml_key(key: Any) -> str:
    text = str(key)
    return text if _PLAIN.fullmatch(text) and text.lower() not in _RESERVED else quoted(text)


def _inline(value: Any) -> str:
    if isinstance(value, str) and _PLAIN.fullmatch(value) and value.lower() not in _RESERVED:
        return value
    return quoted(list(value) if isinstance(value, tuple) else value)
