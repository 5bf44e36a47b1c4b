# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a dataclass' annotations say of its fields, read from their texts: a Python 3.9 cannot evaluate them."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

# A text, a number and so on (``one``), a list or a mapping of them; and whether it may be None.
_FORM = re.compile(r"(?:tuple\[(?P<list>.+), \.\.\.\]|Mapping\[str, (?P<map>.+)\]|(?P<one>\w+))(?P<optional> \| None)?")


@dataclass(frozen=True)
class Shape:
    """``form``: ``one``, ``list`` or ``map``. ``kind``: the type of the value or of each item."""

    form: str
    kind: Any
    optional: bool


@cache
def shape(owner: type, annotation: str) -> Shape:
    """What an annotation in the module of the class *owner* says."""
    found = _FORM.fullmatch(annotation)
    if not found:
        raise TypeError(f"{owner.__name__}: {annotation}")
    form = "list" if found["list"] else "map" if found["map"] else "one"
    of = found[form]
    names = {**vars(sys.modules["builtins"]), **vars(sys.modules[owner.__module__])}
    return Shape(form, Mapping if of.startswith("Mapping") else names[of], bool(found["optional"]))
