# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""YAML that multiplies, holds itself or is nested without end is found among the parser's events, before anything is
built of it. Needs no YAML library: an event is known by its type's name.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

# Levels of lists and mappings within each other. What is meant for people has ten.
DEPTH = 64
# Characters of a document that come from aliases (``*name``): as much as Kubernetes takes in a ConfigMap.
EXPANDED = 1024 * 1024
TOO_DEEP = "Is a bracket too many?"
# What a list, a mapping or a text takes besides its characters.
_NODE = 10


class Unbounded(ValueError):
    """A YAML text from which nothing is built. ``line`` is where that shows."""

    def __init__(self, line: int, expected: str, found: str, remedy: str):
        super().__init__(f"expected {expected}, found {found}. {remedy}")
        self.line, self.expected, self.found, self.remedy = line, expected, found, remedy


class Limits:
    """Sees the events of one text in their order. Raises Unbounded."""

    def __init__(self) -> None:
        # By anchor, what it holds; the anchors of what is open, each with what there was before it.
        self.sizes: dict[str, int] = {}
        self.within: list[tuple[str | None, int]] = []
        self.total = self.expanded = 0

    def see(self, event: Any) -> None:
        kind = type(event).__name__
        if kind == "ScalarEvent":
            size = _NODE + len(event.value)
            self.total += size
            if event.anchor:
                self.sizes[event.anchor] = size
        elif kind in ("SequenceStartEvent", "MappingStartEvent"):
            self.within.append((event.anchor, self.total))
            self.total += _NODE
            if len(self.within) > DEPTH:
                raise Unbounded(
                    event.start_mark.line + 1, f"at most {DEPTH} levels within each other", "more", TOO_DEEP
                )
        elif kind in ("SequenceEndEvent", "MappingEndEvent"):
            anchor, before = self.within.pop()
            if anchor:
                self.sizes[anchor] = self.total - before
        elif kind == "AliasEvent":
            self._see_alias(event.anchor, event.start_mark.line + 1)
        elif kind == "DocumentStartEvent":
            # Anchors are known within their document.
            self.sizes, self.total, self.expanded = {}, 0, 0

    def _see_alias(self, name: str, line: int) -> None:
        if any(anchor == name for anchor, _before in self.within):
            remedy = "Write it out, or put a text that begins with an asterisk in quotes."
            raise Unbounded(line, "data that ends", f"*{name} inside &{name} itself", remedy)
        size = self.sizes.get(name, 0)
        self.total += size
        self.expanded += size
        if self.expanded > EXPANDED:
            found = f"more with *{name}"
            remedy = "Write out what is meant: references to references multiply."
            raise Unbounded(line, f"at most {EXPANDED} characters by references", found, remedy)


def check(events: Iterable[Any]) -> None:
    """Whether a text's events stay within bounds. Raises Unbounded."""
    limits = Limits()
    for event in events:
        limits.see(event)
