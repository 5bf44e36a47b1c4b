# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plain data: mappings, lists, texts and numbers. Pure functions."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any


def copied(value: Any) -> Any:
    """Mappings and lists anew, at any depth, as plain ones. Texts and numbers are what they are.

    Not `copy.deepcopy`, which of a mapping that Ansible still has to template copies what it templates with.
    """
    if isinstance(value, Mapping):
        return {key: copied(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [copied(item) for item in value]
    return value


def quoted(value: Any) -> str:
    """JSON, except that YAML knows no surrogate pairs: a character is one escape."""
    text = json.dumps(value, ensure_ascii=False)
    return re.sub(r"[^\x20-\x7e]", lambda found: _escape(ord(found.group())), text)


def _escape(code: int) -> str:
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
