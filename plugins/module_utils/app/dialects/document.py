# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Definitions and clusters as they are found in files: JSON, YAML, several documents, and what people make of them.

``parse`` takes text, ``read`` a path and, beside a definition, the programs that it names. What has one meaning only
is read and mentioned in ``Document.notes``: tabs as indentation, typographic quotes, a byte order mark, hard blanks,
commas too many. What has none or two is refused with file, line, what was expected, what was found and the remedy.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ..model.reader import AppError, Problem, show
from .sources import with_sources

APP_KINDS = ("App", "KubeDirectorApp")
CLUSTER_KINDS = ("AppCluster", "KubeDirectorCluster")
KUBEDIRECTOR = "kubedirector."

_TAB_WIDTHS = (2, 4, 8)
# Typographic quotes where a quoted text begins or ends: beside a blank, a bracket, a colon, a comma or the line's end.
_OPENING = re.compile("(?<![^\\s\\[{:,-])[\u201c\u201d\u201e\u201f]")
_CLOSING = re.compile("[\u201c\u201d\u201f](?=\\s*(?:[\\]},:#]|$))", re.MULTILINE)
_CURLY = re.compile("[\u201c\u201d\u201e\u201f].*[\u201c\u201d\u201f]|\u2018.*\u2019", re.DOTALL)
_HARD_BLANKS = re.compile("^[ \t\u00a0]+", re.MULTILINE)
_INNER_TAB = re.compile(r"""^([^"'#\n]*?[:\-])\t+""", re.MULTILINE)
_TRAILING = re.compile(r"[ \t]+$", re.MULTILINE)


@dataclass(frozen=True)
class Document:
    """One document of a file. ``line`` is where it begins, ``notes`` what had to be put right to read it."""

    data: Mapping[str, Any]
    source: str
    line: int = 1
    notes: tuple[str, ...] = field(default=())

    @property
    def kind(self) -> str:
        return str(self.data.get("kind") or "")

    @property
    def name(self) -> str:
        metadata = self.data.get("metadata")
        return str(metadata.get("name") or "") if isinstance(metadata, Mapping) else ""

    def __str__(self) -> str:
        title = " ".join(part for part in (self.kind or "a document without kind", self.name) if part)
        return f"{title} ({self.source}, line {self.line})"


class _Refused(Exception):
    """A text that cannot be read in one way: which line, and why."""

    def __init__(self, line: int, expected: str, found: str, remedy: str = ""):
        super().__init__(found)
        self.line, self.expected, self.found, self.remedy = line, expected, found, remedy


def read(path: str) -> list[Document]:
    """All documents of a file, with the texts of the files that they name as ``source``. Raises AppError."""
    return [replace(document, data=with_sources(document.data, path)) for document in _documents(path)]


def _documents(path: str) -> list[Document]:
    try:
        with open(path, "rb") as handle:
            content = handle.read()
    except OSError as error:
        problem = Problem(path, "a file that can be read", error.strerror or str(error), "Check the path.")
        raise AppError([problem]) from error
    for mark, encoding in ((b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"), (b"", "utf-8")):
        if content.startswith(mark):
            try:
                return parse(content.decode(encoding), path)
            except UnicodeDecodeError as error:
                line = content.count(b"\n", 0, error.start) + 1
                found = f"the byte 0x{content[error.start]:02x}"
                problem = Problem(f"{path}, line {line}", "text in UTF-8", found, "Save the file as UTF-8.")
                raise AppError([problem]) from error
    return []  # never: the last mark is empty


def parse(text: str, source: str) -> list[Document]:
    """All documents of a text; lists of objects are taken apart. Raises AppError with file and line."""
    try:
        found, notes = _parse(text)
    except _Refused as error:
        where = f"{source}, line {error.line}"
        raise AppError([Problem(where, error.expected, error.found, error.remedy)]) from None
    documents = []
    for line, data in found:
        if data is None:
            continue
        if not isinstance(data, Mapping):
            where = f"{source}, line {line}"
            remedy = "A definition begins with apiVersion and kind."
            raise AppError([Problem(where, "a mapping", show(data), remedy)])
        items = data.get("items")
        if str(data.get("kind") or "").endswith("List") and isinstance(items, list):
            documents += [Document(item, source, line, notes) for item in items if isinstance(item, Mapping)]
        else:
            documents.append(Document(data, source, line, notes))
    if not documents:
        raise AppError([Problem(source, "a definition or a cluster", "an empty file", "Check the path.")])
    return documents


def pick(documents: Sequence[Document], kinds: Sequence[str]) -> Document:
    """The only document of one of these kinds. Raises AppError when there is none, or more than one."""
    matching = [document for document in documents if document.kind in kinds]
    if len(matching) == 1:
        return matching[0]
    source = documents[0].source if documents else "(nothing)"
    expected = "one document of kind " + " or ".join(kinds)
    if matching:
        found, remedy = " and ".join(map(str, matching)), "Put them into files of their own."
    else:
        found, remedy = ", ".join(map(str, documents)) or "none", "Check the path and the field kind."
    raise AppError([Problem(source, expected, found, remedy)])


def unused(documents: Sequence[Document]) -> list[str]:
    """Sentences about documents that are neither definition nor cluster, and so are not applied."""
    known = (*APP_KINDS, *CLUSTER_KINDS)
    return [
        f"{document} is neither a definition nor a cluster and is not applied. Apply it by itself."
        for document in documents
        if document.kind not in known
    ]


def _parse(text: str) -> tuple[list[tuple[int, Any]], tuple[str, ...]]:
    text = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    failed, result = None, None
    try:
        result = _quoted(text, [])
        if not _hard(result[0]):
            return result
    except _Refused as error:
        failed = error
    blank = _HARD_BLANKS.sub(lambda match: match.group().replace("\u00a0", " "), text)
    try:
        if blank != text:
            return _quoted(blank, ["hard blanks in the indentation were read as blanks"])
    except _Refused:
        pass
    if failed is not None:
        raise failed
    return result or ([], ())


def _hard(value: Any) -> bool:
    """Whether a name begins with a hard blank, which was meant as indentation."""
    if isinstance(value, Mapping):
        return any(str(key).startswith("\u00a0") or _hard(item) for key, item in value.items())
    return isinstance(value, (list, tuple)) and any(map(_hard, value))


def _quoted(text: str, notes: list[str]) -> tuple[list[tuple[int, Any]], tuple[str, ...]]:
    """The documents of a text whose quotes may be typographic."""
    first, found, plain = None, [], list(notes)
    try:
        found = _as_written(text, plain)
        if not _curly(found):
            return found, tuple(plain)
    except _Refused as error:
        first = error
    straight, more = _straight_quotes(text), [*notes, "typographic quotes were read as plain ones"]
    if straight != text:
        try:
            return _as_written(straight, more), tuple(more)
        except _Refused:
            pass
    if first is not None:
        raise first
    return found, tuple(plain)


def _straight_quotes(text: str) -> str:
    text = _CLOSING.sub('"', _OPENING.sub('"', text))
    return re.sub("(?<![^\\s\\[{:,-])[\u2018\u2019]([^\u2018\u2019'\n]*)[\u2018\u2019]", r"'\1'", text)


def _as_written(text: str, notes: list[str]) -> list[tuple[int, Any]]:
    """The documents of a text as JSON, as YAML, or as YAML with tabs: the first that can be read."""
    first = None
    as_json = text.lstrip()[:1] in ("{", "[")
    if as_json:
        try:
            return _json(text)
        except _Refused as error:
            first = error
    try:
        found = _yaml(text)
    except _Refused as error:
        untabbed = _untabbed(text)
        if untabbed is None:
            # Not "from error": an exception that is its own cause has no end for those who follow causes.
            raise first or error from None
        found = untabbed
        if not as_json:
            notes.append("tabs were read as blanks")
    if as_json:
        notes.append("it is not strict JSON and was read as YAML, which takes it")
    return found


def _curly(value: Any) -> bool:
    """Whether a name or a text stands between typographic quotes: they were meant as quotes."""
    if isinstance(value, Mapping):
        return any(_curly(key) or _curly(item) for key, item in value.items())
    if isinstance(value, (list, tuple)):
        return any(map(_curly, value))
    return isinstance(value, str) and _CURLY.fullmatch(value) is not None


def _untabbed(text: str) -> list[tuple[int, Any]] | None:
    """The documents of a YAML text with tabs, if every usual width of a tab that can be read says the same."""
    if "\t" not in text:
        return None
    results = []
    for width in _TAB_WIDTHS:
        lines = []
        for line in _INNER_TAB.sub(r"\1 ", _TRAILING.sub("", text)).split("\n"):
            body = line.lstrip(" \t")
            lines.append(line[: len(line) - len(body)].expandtabs(width) + body)
        try:
            results.append(_yaml("\n".join(lines)))
        except _Refused:
            continue
    if not results:
        return None
    if any([data for _line, data in result] != [data for _line, data in results[0]] for result in results):
        first = next(number for number, content in enumerate(text.split("\n"), 1) if "\t" in content)
        raise _Refused(
            first,
            "blanks as indentation",
            "tabs, which mean different things by their width",
            "Replace them by blanks.",
        )
    return results[0]


def _json(text: str) -> list[tuple[int, Any]]:
    """One JSON document after another, as kubectl takes them."""

    def pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
        result = dict(items)
        if len(result) != len(items):
            names = [name for name, _value in items]
            name = next(name for name in names if names.count(name) > 1)
            raise _Refused(_second(text, name), f"{name} once", "it again in one object", "Keep one of them.")
        return result

    decoder = json.JSONDecoder(object_pairs_hook=pairs, strict=False)
    # Numbers with a point are texts in KubeDirector's documents: "version": 1.10 means 1.10.
    exact = json.JSONDecoder(object_pairs_hook=pairs, strict=False, parse_float=str)
    found: list[tuple[int, Any]] = []
    at = 0
    while True:
        match = re.compile(r"[\s,]*(?:---\s*)?").match(text, at)
        at = match.end() if match else at
        if at >= len(text):
            return found
        try:
            data, end = decoder.raw_decode(text, at)
            if _is_kubedirector(data):
                data, end = exact.raw_decode(text, at)
        except json.JSONDecodeError as error:
            remedy = "Compare the lines before it: a comma, a quote or a bracket is missing or too many."
            raise _Refused(error.lineno, "JSON", f"{error.msg} in column {error.colno}", remedy) from error
        except RecursionError as error:
            raise _Refused(1, "a definition", "brackets nested without end") from error
        found.append((text.count("\n", 0, at) + 1, data))
        at = end


def _second(text: str, name: str) -> int:
    """The line in which a name of a JSON text appears for the second time in one object, as YAML sees it."""
    try:
        list(_compose(text.expandtabs(2)))
    except _Refused as error:
        return error.line
    lines = [number for number, line in enumerate(text.split("\n"), 1) if f'"{name}"' in line]
    return lines[1] if len(lines) > 1 else lines[0]


def _is_kubedirector(data: Any) -> bool:
    return isinstance(data, Mapping) and str(data.get("apiVersion") or "").startswith(KUBEDIRECTOR)


def _yaml(text: str) -> list[tuple[int, Any]]:
    return list(_compose(text))


def _compose(text: str) -> Iterator[tuple[int, Any]]:
    """The documents of a YAML text, with the line in which each begins."""
    import yaml

    class Loader(yaml.SafeLoader):
        """YAML as Kubernetes reads it: no dates, no numbers to the base of sixty, and no name twice."""

        exact = False

        def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
            seen: dict[Any, int] = {}
            for key, _value in node.value:
                line = key.start_mark.line + 1
                if key.tag == "tag:yaml.org,2002:merge":
                    continue
                if not isinstance(key, yaml.ScalarNode):
                    raise _Refused(line, "a name", "a mapping or a list as a name", "Is a template left unfilled?")
                if key.value in seen:
                    found = f"it again, after line {seen[key.value]}"
                    raise _Refused(line, f"{key.value} once", found, "Keep one of them.")
                seen[key.value] = line
            return super().construct_mapping(node, deep)

        def construct_float(self, node: Any) -> Any:
            return node.value if self.exact else self.construct_yaml_float(node)

    loader = Loader
    loader.yaml_implicit_resolvers = {
        first: [
            (tag, expression)
            for tag, expression in resolvers
            if tag not in ("tag:yaml.org,2002:timestamp", "tag:yaml.org,2002:int", "tag:yaml.org,2002:float")
        ]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }
    integer = re.compile(r"[-+]?(?:0b[01_]+|0[0-7_]+|0x[0-9a-fA-F_]+|0|[1-9][0-9_]*)$")
    # With a point: 1e3 is a version or a digest more often than a number.
    decimal = re.compile(r"[-+]?(?:[0-9][0-9_]*\.[0-9_]*|\.[0-9][0-9_]*)(?:[eE][-+][0-9]+)?$")
    loader.add_implicit_resolver("tag:yaml.org,2002:int", integer, list("-+0123456789"))
    loader.add_implicit_resolver("tag:yaml.org,2002:float", decimal, list("-+0123456789."))
    loader.add_constructor("tag:yaml.org,2002:float", Loader.construct_float)
    reader = None
    try:
        reader = loader(text)
        while reader.check_node():
            node = reader.get_node()
            if node is None:
                continue
            reader.exact = _written_for_kubedirector(node)
            yield node.start_mark.line + 1, reader.construct_document(node)
    except yaml.YAMLError as error:
        raise _refusal(error, text) from error
    except (ValueError, RecursionError) as error:
        raise _Refused(1, "YAML", str(error)) from error
    finally:
        if reader is not None:
            reader.dispose()


def _written_for_kubedirector(node: Any) -> bool:
    if not isinstance(node.value, list):
        return False
    pairs = [pair for pair in node.value if isinstance(pair, tuple)]
    return any(key.value == "apiVersion" and str(value.value).startswith(KUBEDIRECTOR) for key, value in pairs)


def _refusal(error: Any, text: str) -> _Refused:
    """PyYAML's error as line, expected, found and remedy."""
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    line = mark.line + 1 if mark else 1
    problem = str(getattr(error, "problem", None) or getattr(error, "reason", None) or error)
    lines = text.split("\n")
    content = lines[line - 1].strip() if line <= len(lines) else ""
    found = f"{problem}: {content[:60]}" if content else problem
    if "'\\t'" in problem or "\t" in (lines[line - 1] if line <= len(lines) else ""):
        return _Refused(line, "blanks as indentation", "a tab", "Replace tabs by blanks.")
    if "mapping values are not allowed" in problem:
        return _Refused(line, "YAML", found, "Indent it like the line before it, or quote a text that has a colon.")
    if "could not determine a constructor" in problem:
        return _Refused(line, "plain data", found, "Remove the tag, or fill in the template first.")
    if "found undefined alias" in problem:
        return _Refused(line, "YAML", found, "Quote a text that begins with an asterisk.")
    if content.startswith(("{{", "{%")) or "{{" in content:
        return _Refused(line, "YAML", f"a template: {content[:60]}", "Fill in the template first.")
    return _Refused(line, "YAML", found, "Compare its indentation, quotes and brackets with the lines before it.")
