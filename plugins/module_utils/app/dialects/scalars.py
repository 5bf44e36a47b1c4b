# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a scalar without quotes means, by its place in a document: the text as it is written, where a text is meant.

A place for a text takes ``0027``, ``1.10`` or ``on`` as they stand. A place for a number, or for anything, takes what
YAML reads, if that is what is written, and refuses ``0027``, which is 23. In KubeDirector's documents a number is what
YAML makes of it, as kubectl has it: ``0644`` is a file mode there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Callable

from ..model.cluster import AppCluster
from ..model.declare import Field, declared
from ..model.reader import Problem, show
from ..model.types import FLAT_FORMATS, App, ConfigFile
from .kubedirector.fields import FREE_TEXTS, NO_TEXTS, is_kubedirector


@dataclass(frozen=True)
class Written:
    """A number or a truth value, and how it is written. Without a line, that of its document."""

    text: str
    value: Any
    line: int = 0

    @property
    def faithful(self) -> bool:
        """Whether the value says all that is written."""
        if isinstance(self.value, bool):
            # Not yes and on, which are texts for YAML 1.2.
            return self.text.lower() == str(self.value).lower()
        return str(self.value) == self.text


def misread(where: str, written: str, value: Any) -> Problem:
    """Why what is written cannot be taken where no text is meant for sure."""
    found = f"{written}, which YAML reads as {show(value)}"
    remedy = f"Put it in quotes if it is a text, or write {show(value)}."
    return Problem(where, "what means the same to every reader", found, remedy)


@dataclass
class _Places:
    """Takes values for places of one document, and collects what cannot be taken."""

    source: str
    line: int
    problems: list[Problem] = field(default_factory=list)

    def text(self, value: Any) -> Any:
        if isinstance(value, Written):
            return value.text
        if isinstance(value, bool):
            return "true" if value else "false"
        # Whatever else it is, it is refused where the field is read.
        return self.read(value)

    def exact(self, value: Any) -> Any:
        """What YAML reads, if that is what is written."""
        if isinstance(value, Mapping):
            return {key: self.exact(item) for key, item in value.items()}
        if isinstance(value, list):
            return [self.exact(item) for item in value]
        if not isinstance(value, Written):
            return value
        if not value.faithful:
            where = f"{self.source}, line {value.line or self.line}"
            self.problems.append(misread(where, value.text, value.value))
        return value.value

    def read(self, value: Any) -> Any:
        """What YAML reads."""
        if isinstance(value, Mapping):
            return {key: self.read(item) for key, item in value.items()}
        if isinstance(value, list):
            return [self.read(item) for item in value]
        return value.value if isinstance(value, Written) else value

    def kubedirector(self, value: Any, name: str = "", free: bool = False) -> Any:
        """A field of KubeDirector's: a text, unless it is one of the numbers and truth values."""
        if isinstance(value, Mapping):
            inside = free or name in FREE_TEXTS
            return {key: self.kubedirector(item, key, inside) for key, item in value.items()}
        if isinstance(value, list):
            return [self.kubedirector(item, name, free) for item in value]
        return self.text(value) if free or name not in NO_TEXTS else self.read(value)


_Take = Callable[[_Places, Any], Any]


def as_meant(document: Mapping[str, Any], source: str, line: int) -> tuple[dict[str, Any], list[Problem]]:
    """A document in plain data, each scalar as its place wants it, and why some cannot be taken."""
    places = _Places(source, line)
    kind = {"App": App, "AppCluster": AppCluster}.get(str(document.get("kind")))
    if is_kubedirector(document):
        data = places.kubedirector(document)
    elif kind:
        data = _document(kind)(places, document)
    else:
        data = places.read(document)
    return data, places.problems


@cache
def _document(kind: type) -> _Take:
    """A document of the project's own dialect, by what is declared of its fields."""
    parts = {place: {item.name: _take(item) for item in declared(kind) if item.spec.place == place}
             for place in ("metadata", "spec")}  # fmt: skip
    return _fields({name: _fields(fields) for name, fields in parts.items()} | dict.fromkeys(_HEAD, _Places.text))


_HEAD = ("apiVersion", "kind")


@cache
def _part(kind: type) -> _Take:
    fields: dict[str, _Take] = {}
    for item in declared(kind):
        if item.spec.inline:
            fields.update({inner.name: _take(inner) for inner in declared(item.kind)})
        else:
            fields[item.name] = _take(item)
    take = _fields(fields)
    return _config_file(take) if kind is ConfigFile else take


def _fields(fields: Mapping[str, _Take]) -> _Take:
    def take(places: _Places, value: Any) -> Any:
        if not isinstance(value, Mapping):
            return places.read(value)
        return {key: fields.get(key, _Places.read)(places, item) for key, item in value.items()}

    return take


def _every(of: _Take) -> _Take:
    def take(places: _Places, value: Any) -> Any:
        if not isinstance(value, Mapping):
            return places.read(value)
        return {key: of(places, item) for key, item in value.items()}

    return take


def _config_file(take: _Take) -> _Take:
    """Values of lines are texts; other data has the types that YAML gives it."""
    lines = _every(_Places.text)

    def take_file(places: _Places, value: Any) -> Any:
        if not isinstance(value, Mapping) or value.get("format") not in FLAT_FORMATS or "data" not in value:
            return take(places, value)
        others = {key: item for key, item in value.items() if key != "data"}
        return {**take(places, others), "data": lines(places, value["data"])}

    return take_file


def _take(item: Field) -> _Take:
    of: _Take
    if item.part:
        of = _part(item.kind)
    elif item.kind is str or hasattr(item.kind, "parse"):
        of = _Places.text
    elif item.kind is bool:
        of = _Places.read
    else:
        of = _Places.exact
    if item.shape == "map":
        return _every(of)
    if item.shape == "list":
        return lambda places, value: (
            [of(places, one) for one in value] if isinstance(value, list) else places.read(value)
        )
    return of
