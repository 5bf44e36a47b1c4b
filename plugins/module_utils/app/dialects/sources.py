# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Programs beside a definition: ``source`` of a configuration file names a file, whose text takes its place.

They are read on the controller, together with the definition. A definition may come from anywhere, so it reads
nothing but what lies in its own directory and below, and nothing hidden.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any

from ..model.reader import AppError, Problem, show

# What Kubernetes takes in one ConfigMap or Secret (MaxSecretSize in its API), in bytes.
LARGEST = 1024 * 1024

_EXPECTED = "a path in the definition's directory"
_REMEDY = "Put the file beside the definition, or into a directory below it."


class Refused(Exception):
    """A file that cannot be taken."""

    def __init__(self, expected: str, found: str, remedy: str):
        super().__init__(found)
        self.expected, self.found, self.remedy = expected, found, remedy


def with_sources(data: Mapping[str, Any], definition: str) -> Mapping[str, Any]:
    """A definition (``kind: App``) with ``text`` in place of each ``source``. ``definition`` is the path of its file.

    Raises AppError with every source that cannot be taken. Whatever else is wrong with a definition is left as it is,
    for the loader to refuse.
    """
    spec = data.get("spec")
    roles = spec.get("roles") if data.get("kind") == "App" and isinstance(spec, Mapping) else None
    if not isinstance(spec, Mapping) or not isinstance(roles, list):
        return data
    problems: list[Problem] = []

    def read_file(item: Any, where: str) -> Any:
        if not isinstance(item, Mapping) or item.get("source") is None:
            return item
        try:
            return _with_text(item, os.path.dirname(definition))
        except Refused as error:
            problems.append(Problem(f"{definition}, {where}.source", error.expected, error.found, error.remedy))
            return item

    def read_role(role: Any, where: str) -> Any:
        files = role.get("config_files") if isinstance(role, Mapping) else None
        if not isinstance(files, list):
            return role
        return {**role, "config_files": [read_file(item, f"{where}[{n}]") for n, item in enumerate(files)]}

    read = [read_role(role, f"spec.roles[{n}].config_files") for n, role in enumerate(roles)]
    if problems:
        raise AppError(problems)
    return {**data, "spec": {**spec, "roles": read}}


def plain_file(path: str, largest: int, too_large: str) -> bytes:
    """The content of a file of at most so many bytes. Raises Refused, with *too_large* as what to do about more."""
    try:
        # Opening a pipe would wait for whoever writes to it.
        mode = os.stat(path).st_mode
        if not stat.S_ISREG(mode):
            found = "a directory" if stat.S_ISDIR(mode) else "neither file nor directory"
            raise Refused("a file", found, "Name a file.")
        with open(path, "rb") as handle:
            content = handle.read(largest + 1)
    except OSError as error:
        remedy = "Check the path and the file's mode."
        raise Refused("a file that can be read", error.strerror or str(error), remedy) from None
    if len(content) > largest:
        raise Refused(f"at most {largest} bytes", str(os.path.getsize(path)), too_large)
    return content


def _with_text(item: Mapping[str, Any], directory: str) -> dict[str, Any]:
    content = [name for name in ("text", "data") if item.get(name) is not None]
    if content:
        raise Refused("source alone", f"{content[0]} beside it", "Remove one of them.")
    form = item.get("format")
    if form not in (None, "text"):
        raise Refused("a file of format text", f"format {form}", "Leave out format, or write the content as data.")
    return {**{key: value for key, value in item.items() if key != "source"}, "text": _text(item["source"], directory)}


def _text(source: Any, directory: str) -> str:
    if not isinstance(source, str) or not source:
        raise Refused(_EXPECTED, show(source), _REMEDY)
    path = PurePosixPath(source)
    if path.is_absolute() or any(part.startswith(".") for part in path.parts):
        remedy = f"{_REMEDY} Names that begin with a dot are not read."
        raise Refused(_EXPECTED, show(source), remedy)
    base = os.path.realpath(directory)
    target = os.path.realpath(os.path.join(base, source))
    if os.path.commonpath([base, target]) != base:
        raise Refused(_EXPECTED, f"{show(source)}, a link to {target}", _REMEDY)
    remedy = "Kubernetes takes no more in a ConfigMap or Secret: put it into the image, or on a volume."
    try:
        content = plain_file(target, LARGEST, remedy)
    except Refused as error:
        raise Refused(error.expected, f"{target}: {error.found}", error.remedy) from None
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        found = f"the byte 0x{content[error.start]:02x} in line {line} of {target}"
        raise Refused("text in UTF-8", found, "Save the file as UTF-8.") from None
