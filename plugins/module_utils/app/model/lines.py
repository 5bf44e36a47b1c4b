# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a file of the format ``lines`` can hold: looked at where it is declared, and where it is written. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from .reader import Reader, show


def check_lines(reader: Reader, where: str, data: Mapping[str, Any]) -> None:
    """What is written without escapes is read as it was meant. Values are not shown: a file may be a secret one."""
    for key, value in data.items():
        if not key or re.search(r"[=\r\n]", key):
            reader.problem(where, "a name without = and line breaks", show(key), "Rename it.")
        elif isinstance(value, str) and re.search(r"[\r\n]", value):
            remedy = "Remove it: what follows would be an entry of its own."
            reader.problem(f"{where}.{key}", "a text of one line", "a line break", remedy)
