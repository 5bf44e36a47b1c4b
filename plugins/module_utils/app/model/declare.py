# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a dataclass' fields are in a document: declared beside each field with ``spec``, read by a ``Builder``.

A field's type and default say how it is read and whether it may be left out; ``spec`` says the rest. The JSON Schemas
and the tables of docs/apps/definitions.md are written from the same declarations by docs/generate_definitions.py.
"""

from __future__ import annotations

import difflib
import math
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from functools import cache
from typing import Any, Callable, TypeVar

from ...kube.quantity import PATTERN as QUANTITY_PATTERN
from ..shapes import shape
from .kubernetes import IMAGE, PATH, Grammar
from .reader import QUOTE, Problem, Reader, show

# RFC 1123 labels. A cluster's and a role's name are joined into names of Services and pods, which
# end in an ordinal and carry a hash in a label of 63 characters: 40 and 20 leave room for both.
LABEL = r"[a-z]([a-z0-9-]*[a-z0-9])?"
T = TypeVar("T")
# Builds the value of one field. Takes the reader of the object, and what to take where the document says nothing.
Read = Callable[[Reader, Any], Any]


@dataclass(frozen=True)
class Spec:
    """What a field is in a document, besides its type and its default. Without a bound there is none."""

    # For people: Markdown, in sentences. ``without``: what holds where the field is left out, if not the default does;
    # a field without a default may then be left out of a document too.
    meaning: str
    without: str = ""
    # Of a text, or of each text of a list: a regular expression for all of it, and how a message names that.
    pattern: str = ""
    what: str = ""
    longest: int = 0
    # Of a mapping: what its keys have to be.
    keys: Grammar | None = None
    # The text is to be in quotes: a number is something else in YAML, or a mistake.
    quoted: bool = False
    minimum: int | None = None
    maximum: int | None = None
    choices: tuple[str, ...] = ()
    # Of a list: the attribute in which no two items may agree; of a list of texts, that no two may.
    key: str = ""
    unique: bool = False
    # The fields of the part are among those of the object that holds it.
    inline: bool = False
    # A part, or an amount of a mapping, that is there without a value is read as an empty one.
    null: bool = False
    # ``metadata`` or ``spec``, of what is a document.
    place: str = "spec"
    # The type in the document, where it is another.
    form: str = ""
    # A class by whose fields the value, or each item, is read, though it stays as it is written.
    like: type | None = None


def spec(
    meaning: str,
    without: str = "",
    *,
    pattern: str = "",
    what: str = "",
    longest: int = 0,
    keys: Grammar | None = None,
    quoted: bool = False,
    minimum: int | None = None,
    maximum: int | None = None,
    choices: tuple[str, ...] = (),
    key: str = "",
    unique: bool = False,
    inline: bool = False,
    null: bool = False,
    place: str = "spec",
    form: str = "",
    like: type | None = None,
) -> dict[str, Spec]:
    """The metadata of a dataclass' field: see ``Spec``."""
    return {
        "spec": Spec(
            meaning,
            without,
            pattern,
            what,
            longest,
            keys,
            quoted,
            minimum,
            maximum,
            choices,
            key,
            unique,
            inline,
            null,
            place,
            form,
            like,
        )
    }


def text(grammar: Grammar, meaning: str, without: str = "", *, empty: bool = False, **more: Any) -> dict[str, Spec]:
    """A text, or texts, of a grammar; with *empty* also an empty text, which says nothing. *more*: see ``Spec``."""
    pattern = f"({grammar.pattern})?" if empty else grammar.pattern
    return spec(meaning, without, pattern=pattern, what=grammar.what, **more)


def named(meaning: str, longest: int = 40, place: str = "spec") -> dict[str, Spec]:
    """A name of which names of objects are made."""
    what = "a name of lower-case letters, digits and dashes that starts with a letter"
    return spec(meaning, pattern=LABEL, what=what, longest=longest, place=place)


def absolute(meaning: str, without: str = "", *, unique: bool = False) -> dict[str, Spec]:
    return text(PATH, meaning, without, unique=unique)


def image(meaning: str, without: str) -> dict[str, Spec]:
    return text(IMAGE, meaning, without, empty=True)


def amount(meaning: str, without: str = "", needed: bool = False, keys: Grammar | None = None) -> dict[str, Spec]:
    """A Kubernetes quantity, or a mapping to quantities. An empty text is none, and refused where one is *needed*."""
    pattern = QUANTITY_PATTERN if needed else f"({QUANTITY_PATTERN})?"
    what = "a Kubernetes quantity such as 500m or 512Mi"
    return spec(meaning, without, pattern=pattern, what=what, keys=keys, null=keys is not None)


def location(meaning: str) -> dict[str, Spec]:
    return spec(meaning, pattern="(https?|file)://.+", what="a URL that starts with https://, http:// or file://")


def octal(meaning: str) -> dict[str, Spec]:
    return spec(meaning, pattern="0?[0-7]{3}", what='an octal mode in quotes, such as "0440"', quoted=True)


@dataclass(frozen=True)
class Field:
    """A declared field. ``shape``: ``one``, ``list`` or ``map``. ``kind``: the type of the value or of each item."""

    name: str
    spec: Spec
    shape: str
    kind: Any
    optional: bool
    default: Any

    @property
    def required(self) -> bool:
        return self.default is MISSING

    @property
    def part(self) -> bool:
        """Whether the value, or each item, is an object with declared fields."""
        return hasattr(self.kind, "__dataclass_fields__") and not hasattr(self.kind, "parse")


@cache
def declared(kind: type) -> tuple[Field, ...]:
    """The declared fields of a dataclass, in their order."""
    result = []
    for item in fields(kind):
        says: Spec = item.metadata["spec"]
        of = shape(kind, says.form or str(item.type))
        form = "one" if says.like and of.form == "map" else of.form
        default = item.default if item.default_factory is MISSING else item.default_factory()
        result.append(Field(item.name, says, form, says.like or of.kind, of.optional, default))
    return tuple(result)


class Builder:
    """Builds dataclasses from plain data as their fields are declared.

    ``checks``: by class, what a declaration cannot say of one object. It is told the reader and the object.
    """

    def __init__(self, checks: Mapping[type, Callable[[Reader, Any], None]]):
        self.checks = checks
        self.reads: dict[type, list[tuple[Field, Read]]] = {}

    def fields(self, kind: type) -> list[tuple[Field, Read]]:
        if kind not in self.reads:
            self.reads[kind] = [(item, self._read(item)) for item in declared(kind)]
        return self.reads[kind]

    def values(self, kind: type, reader: Reader, given: Mapping[str, Any], place: str = "spec") -> dict[str, Any]:
        """The values of the fields at a place of a document, besides those given."""
        return {
            item.name: read(reader, item.default)
            for item, read in self.fields(kind)
            if item.spec.place == place and item.name not in given
        }

    def field(self, kind: type, field: str, reader: Reader, default: Any) -> Any:
        """The value of one field, or the default where the document says nothing."""
        return next(read(reader, default) for item, read in self.fields(kind) if item.name == field)

    def build(self, kind: type[T], reader: Reader, given: Mapping[str, Any] | None = None) -> T:
        """An object. ``given``: values that are known already."""
        values = {item.name: read(reader, item.default) for item, read in self.fields(kind)
                  if not given or item.name not in given}  # fmt: skip
        result = kind(**values, **(given or {}))
        if kind in self.checks:
            self.checks[kind](reader, result)
        return result

    def complete(self, kind: type[T], reader: Reader) -> T:
        """An object that is all that its reader reads: other fields are unknown ones."""
        result = self.build(kind, reader)
        reader.done()
        return result

    def _read(self, item: Field) -> Read:
        if item.part:
            return self._part(item)
        field, says = item.name, item.spec
        if item.shape == "map":
            return lambda reader, default: _mapping(reader, item)
        if item.shape == "list":
            if item.kind is not str:
                return lambda reader, default: tuple(_plain(reader, field, reader.items(field), []))
            return lambda reader, default: _strings(reader, item, default)
        if item.kind is str:
            return lambda reader, default: _text(reader, item, default)
        if item.kind is bool:
            return lambda reader, default: reader.boolean(field, default)
        if item.kind is int:
            low = -(2**62) if says.minimum is None else says.minimum
            return lambda reader, default: _integer(reader, item, default, low)
        if hasattr(item.kind, "parse"):
            return lambda reader, default: _parsed(reader, item, default)
        return lambda reader, default: _plain(reader, field, reader.raw(field, default), None)

    def _part(self, item: Field) -> Read:
        field, kind = item.name, item.kind
        if item.spec.like:
            return lambda reader, default: self._alike(reader, item)

        def every(reader: Reader, default: Any) -> dict[str, Any]:
            _check_keys(reader, item, reader.mapping(field))
            return {
                str(key): self.complete(kind, Reader(value, reader.at(f"{field}.{key}"), reader.problems))
                for key, value in reader.mapping(field).items()
            }

        def one(reader: Reader, default: Any) -> Any:
            if item.optional and reader.raw(field) is None and not (item.spec.null and field in reader.data):
                return None
            return self.complete(kind, reader.section(field))

        if item.shape == "list":
            return lambda reader, default: reader.each(field, lambda part: self.build(kind, part), item.spec.key)
        if item.shape == "map":
            return every
        if item.spec.inline:
            return lambda reader, default: self.build(kind, reader)
        return one

    def _alike(self, reader: Reader, item: Field) -> Any:
        """What is written, once it is read like another class. What has problems is not used."""
        before = len(reader.problems)
        if item.shape == "list":
            reader.each(item.name, lambda part: self.build(item.kind, part), item.spec.key)
            return tuple(reader.items(item.name)) if len(reader.problems) == before else ()
        self.complete(item.kind, reader.section(item.name))
        return reader.mapping(item.name) if len(reader.problems) == before else {}


def _check_keys(reader: Reader, item: Field, values: Mapping[str, Any]) -> None:
    grammar = item.spec.keys
    for key in values:
        if grammar and not (isinstance(key, str) and re.fullmatch(grammar.pattern, key)):
            found = show(key) if isinstance(key, str) else f"{show(key)}, which is no text"
            reader.problem(item.name, grammar.what, found, "" if isinstance(key, str) else QUOTE)


def _mapping(reader: Reader, item: Field) -> Mapping[str, Any]:
    field, says = item.name, item.spec
    if item.kind is not str:
        found = _plain(reader, field, reader.mapping(field), {})
        _check_keys(reader, item, found)
        return found
    values = reader.mapping(field)
    _check_keys(reader, item, values)
    if not says.pattern:
        return reader.texts(field)
    result = {}
    for key, value in values.items():
        if value is None and not says.null:
            reader.problem(f"{field}.{key}", "a text", "nothing", 'Write "" for an empty one.')
            continue
        part = Reader({str(key): value}, reader.at(field), reader.problems)
        result[str(key)] = _one_text(part, str(key), "", says)
    return result


def _one_text(reader: Reader, name: str, default: str | None, says: Spec) -> str:
    return reader.text(name, default, says.pattern, says.what, says.longest, says.quoted)


def _text(reader: Reader, item: Field, default: Any) -> str:
    """A text. One that has to be one of several may be empty where nothing is what it is without it."""
    says = item.spec
    if says.choices and default is not MISSING:
        return "" if default == "" == reader.raw(item.name, "") else reader.choice(item.name, says.choices, default)
    before = len(reader.problems)
    value = _one_text(reader, item.name, None if default is MISSING else default, says)
    if says.choices and value not in says.choices and len(reader.problems) == before:
        reader.not_one_of(item.name, says.choices, value)
    return value


def _integer(reader: Reader, item: Field, default: Any, low: int) -> int | None:
    if default is MISSING and reader.raw(item.name) is None:
        span = f"from {low} to {item.spec.maximum}" if item.spec.maximum is not None else f"{low} or more"
        reader.problem(item.name, f"a whole number {span}", "nothing", f"Set {reader.at(item.name)}.")
        return 0
    return reader.integer(item.name, 0 if default is MISSING else default, low, item.spec.maximum)


def _strings(reader: Reader, item: Field, default: Any) -> tuple[str, ...]:
    if default and reader.raw(item.name) is None:
        return tuple(default)
    says = item.spec
    values = reader.strings(item.name)
    for value in values:
        if says.choices and value not in says.choices:
            written = (value, value.upper().removeprefix("CAP_"))
            close = [one for each in written for one in difflib.get_close_matches(each, says.choices, 1)]
            expected = says.what or "some of " + ", ".join(says.choices)
            reader.problem(item.name, expected, show(value), f"Did you mean {close[0]}?" if close else "")
        if says.pattern and not re.fullmatch(says.pattern, value):
            reader.problem(item.name, says.what, show(value))
    for value, times in Counter(values if says.unique else ()).items():
        if times > 1:
            reader.problem(item.name, "each text once", f"{show(value)} {times} times", "Write it once.")
    return values


def _plain(reader: Reader, name: str, value: Any, default: Any) -> Any:
    """Data of any form, as JSON can hold it. What YAML makes besides that arrives as something else."""
    for where, expected, found in _odd(value, name):
        reader.problems.append(Problem(reader.at(where), expected, found, QUOTE))
        value = default
    return value


def _odd(value: Any, where: str) -> list[tuple[str, str, str]]:
    """What JSON cannot hold of a value: where, what is expected, what was found."""
    if isinstance(value, Mapping):
        keys = [(where, "texts as keys", f"{show(key)}, which is no text") for key in value if not isinstance(key, str)]
        return keys + [one for key, item in value.items() for one in _odd(item, f"{where}.{key}")]
    if isinstance(value, (list, tuple)):
        return [one for index, item in enumerate(value) for one in _odd(item, f"{where}[{index}]")]
    if value is None or isinstance(value, (str, bool, int)) or (isinstance(value, float) and math.isfinite(value)):
        return []
    return [(where, "a text, a number, true or false", f"{value} ({type(value).__name__})")]


def _parsed(reader: Reader, item: Field, default: Any) -> Any:
    """A text with a meaning of its own, such as a cardinality, which the type's ``parse`` reads."""
    value = reader.raw(item.name)
    text = reader.text(item.name)
    if value is None or isinstance(value, (bool, Mapping, list, tuple)):
        return default
    try:
        return item.kind.parse(text)
    except ValueError:
        reader.problem(item.name, item.spec.what, show(text))
        return item.kind(0, None)
