# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Definitions and clusters as they are found in files: JSON, YAML, several documents, and what people make of them.

``parse`` takes text, ``read`` a path and, beside a definition, the programs that it names. What has one meaning only
is read and mentioned in ``Document.notes``: tabs as indentation, typographic quotes, a byte order mark, hard blanks,
commas too many. What has none or two is refused with file, line, what was expected, what was found and the remedy.
What has no end, or much more of it than there is of the text, is refused before anything is built of it.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ...yaml_limits import DEPTH, TOO_DEEP, Limits, Unbounded
from ..model.reader import AppError, Problem, show
from .scalars import Written, as_meant
from .sources import Refused, plain_file, with_sources

APP_KINDS = ("App", "KubeDirectorApp")
CLUSTER_KINDS = ("AppCluster", "KubeDirectorCluster")
# Of a file, in bytes: ten times what a definition of many roles takes.
LARGEST = 512 * 1024

_TAB_WIDTHS = (2, 4, 8)
# Typographic quotes where a quoted text begins or ends: beside a blank, a bracket, a colon, a comma or the line's end.
_OPENING = re.compile("(?<![^\\s\\[{:,-])[\u201c\u201d\u201e\u201f]")
_CLOSING = re.compile("[\u201c\u201d\u201f](?=\\s*(?:[\\]},:#]|$))", re.MULTILINE)
_CURLY = re.compile("[\u201c\u201d\u201e\u201f].*[\u201c\u201d\u201f]|\u2018.*\u2019", re.DOTALL)
_HARD_BLANKS = re.compile("^[ \t\u00a0]+", re.MULTILINE)
_INNER_TAB = re.compile(r"""^([^"'#\n]*?[:\-])\t+""", re.MULTILINE)
# Files that are joined have one before each.
_MARKS = re.compile("^\ufeff", re.MULTILINE)
# What Helm alone fills in. Other templates may be meant as they are, for the app to fill in. Blanks after the
# brackets are taken all at once: parted in every way, a long line of them would take minutes.
_HELM_NAMES = r"\{\{-?\s*(?=\S)(?:[^{}\n]*[\s(])?(?:\.(?:Values|Release|Chart|Capabilities)\b|include\s+\")[^\n]*"
_HELM = re.compile(_HELM_NAMES)
# And its statements, in what is no YAML.
_HELM_FILE = re.compile(_HELM_NAMES + r"|\{\{-?\s*(?:if|range|with|define|end|else)\b[^\n]*")
# A text, whose last group is there if it has no end, or a bracket of a JSON text.
_JSON_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*(?:"|(\\?\Z))|[\[{]|[\]}]', re.DOTALL)


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
        remedy = "Name a file with the definition, or the cluster, alone."
        content = plain_file(path, LARGEST, remedy)
    except Refused as error:
        raise AppError([Problem(path, error.expected, error.found, error.remedy)]) from None
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
        notes += _templates(text, [data for _line, data in found])
    except _Refused as error:
        where = f"{source}, line {error.line}"
        raise AppError([Problem(where, error.expected, error.found, error.remedy)]) from None
    documents = []
    problems: list[Problem] = []
    for line, data in found:
        if data is None:
            continue
        if not isinstance(data, Mapping):
            where = f"{source}, line {line}"
            shown = show(data.value if isinstance(data, Written) else data)
            remedy = "A definition begins with apiVersion and kind."
            if isinstance(data, list) and any(isinstance(item, Mapping) and "op" in item for item in data):
                remedy = "A patch is no definition: apply it first, by kubectl kustomize DIRECTORY."
            raise AppError([Problem(where, "a mapping", shown, remedy)])
        items = data.get("items")
        listed = str(data.get("kind") or "").endswith("List")
        for item in items if isinstance(items, list) and listed else [data]:
            if isinstance(item, Mapping):
                meant, wrong = as_meant(item, source, line)
                problems += wrong
                documents.append(Document(meant, source, line, notes))
    if problems:
        raise AppError(problems)
    if not documents:
        raise AppError([Problem(source, "a definition or a cluster", "an empty file", "Check the path.")])
    return documents


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield key
            yield from _texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)
    elif isinstance(value, str):
        yield value


def _templates(text: str, documents: Sequence[Any]) -> tuple[str, ...]:
    """Sentences about templates in texts of one line. Those of Helm are refused: nothing else fills them in.

    A text of several lines is a file, which may be a template of its own.
    """
    notes = []
    for item in (item for document in documents for item in _texts(document) if "\n" not in item):
        helm, other = _HELM.search(item), _template(item)
        if helm:
            raise _of_helm(text, helm.group())
        if other:
            notes.append(f"{other} is taken as it is written: templates are not filled in here")
    return tuple(dict.fromkeys(notes))


def _template(text: str) -> str:
    """The first template of a text, from where it is opened to where it is first closed, or nothing."""
    spans = []
    for opening, closing in (("{{", "}}"), ("{%", "%}")):
        begin = text.find(opening)
        end = text.find(closing, begin + len(opening)) if begin >= 0 else -1
        if end >= 0:
            spans.append((begin, end + len(closing)))
    begin, end = min(spans, default=(0, 0))
    return text[begin:end]


def _of_helm(text: str, part: str) -> _Refused:
    line = text.count("\n", 0, max(text.find(part[:20]), 0)) + 1
    found = f"a Helm template: {text.splitlines()[line - 1].strip()[:60]}"
    return _Refused(line, "plain data", found, "Fill it in first: helm template NAME CHART.")


def _of_template(text: str, line: int) -> _Refused | None:
    """The refusal of a text that cannot be read in this line, if it is a template."""
    helm = _HELM_FILE.search(text)
    if helm:
        return _of_helm(text, helm.group())
    content = "".join(text.split("\n")[line - 1 : line]).strip()
    if "{{" in content or "{%" in content:
        return _Refused(line, "YAML", f"a template: {content[:60]}", "Fill in the template first.")
    return None


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
        if any(document.kind == "Kustomization" for document in documents):
            remedy = "Build it first: kubectl kustomize DIRECTORY."
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
    text = _MARKS.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))
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
        raise _of_template(text, failed.line) or failed
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
    as_json = text.lstrip().startswith(("{", "[")) and not text.lstrip().startswith(("{{", "{%"))
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
    trimmed = "\n".join(line.rstrip(" \t") for line in text.split("\n"))
    for width in _TAB_WIDTHS:
        lines = []
        for line in _INNER_TAB.sub(r"\1 ", trimmed).split("\n"):
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
            counts = Counter(name for name, _value in items)
            name = next(name for name, count in counts.items() if count > 1)
            raise _Refused(_second(text, name), f"{name} once", "it again in one object", "Keep one of them.")
        return result

    def constant(name: str) -> Any:
        line = text.count("\n", 0, text.find(name)) + 1
        raise _Refused(line, "JSON", name, "Put it in quotes if it is a text.")

    text = _bounded_json(text)
    decoder = json.JSONDecoder(
        object_pairs_hook=pairs, strict=False, parse_int=_integer, parse_float=_decimal, parse_constant=constant
    )
    found: list[tuple[int, Any]] = []
    at, line, counted = 0, 1, 0
    while True:
        match = re.compile(r"[\s,\ufeff]*(?:---\s*)?").match(text, at)
        at = match.end() if match else at
        if at >= len(text):
            return found
        try:
            data, end = decoder.raw_decode(text, at)
        except json.JSONDecodeError as error:
            remedy = "Compare the lines before it: a comma, a quote or a bracket is missing or too many."
            raise _Refused(error.lineno, "JSON", f"{error.msg} in column {error.colno}", remedy) from error
        line, counted = line + text.count("\n", counted, at), at
        found.append((line, data))
        at = end


def _second(text: str, name: str) -> int:
    """The line in which a name of a JSON text appears for the second time in one object, as YAML sees it."""
    try:
        list(_compose(text.expandtabs(2)))
    except _Refused as error:
        return error.line
    lines = [number for number, line in enumerate(text.split("\n"), 1) if f'"{name}"' in line]
    return lines[1] if len(lines) > 1 else lines[0]


def _bounded_json(text: str) -> str:
    """A JSON text whose brackets have an end and whose texts are texts."""
    depth, line, counted = 0, 1, 0
    for match in _JSON_TOKEN.finditer(text):
        if match.group(1) is not None:
            break  # without an end: named by who reads it
        token = match.group()
        line, counted = line + text.count("\n", counted, match.start()), match.start()
        if token in ("{", "["):
            depth += 1
            if depth > DEPTH:
                raise _Refused(line, f"at most {DEPTH} levels within each other", "more", TOO_DEEP)
        elif token in ("}", "]"):
            depth -= 1
        elif "\\u" in token or "\0" in token:
            try:
                value = json.loads(token, strict=False)
            except json.JSONDecodeError:
                continue  # named by who reads it
            _characters(value, line)
    return text


def _characters(value: str, line: int) -> str:
    """A text that can be written again: halves of a character that lie beside each other are put together."""
    if "\0" in value:
        raise _Refused(line, "text", "the character U+0000", "Remove it: no environment, file name or label holds it.")
    try:
        value.encode()
    except UnicodeEncodeError:
        try:
            return value.encode("utf-16", "surrogatepass").decode("utf-16")
        except UnicodeDecodeError:
            half = next(ord(one) for one in value if 0xD800 <= ord(one) <= 0xDFFF)
            found = f"half a character, \\u{half:04x}"
            raise _Refused(line, "text", found, "Write the character itself.") from None
    return value


def _integer(text: str, line: int = 0) -> Any:
    """A whole number as YAML 1.1 and JSON have it; what is longer than Python's longest is a text."""
    digits = text.replace("_", "").lower()
    body = digits.lstrip("+-")
    octal = len(body) > 1 and body.startswith("0") and body[1:].isdigit()
    base = 8 if octal else {"0x": 16, "0b": 2}.get(body[:2], 10)
    try:
        return Written(text, int(digits, base), line)
    except ValueError:
        return text


def _decimal(text: str, line: int = 0) -> Any:
    try:
        return Written(text, float(text.replace("_", "")), line)
    except ValueError:
        return text


def _yaml(text: str) -> list[tuple[int, Any]]:
    return list(_compose(text))


def _compose(text: str) -> Iterator[tuple[int, Any]]:
    """The documents of a YAML text, with the line in which each begins."""
    import yaml

    limits = Limits()

    class Loader(yaml.SafeLoader):
        """YAML as Kubernetes reads it: no dates, and no numbers to the base of sixty."""

        def get_event(self) -> Any:
            event = super().get_event()
            limits.see(event)
            return event

    others = ("timestamp", "int", "float", "value")
    Loader.yaml_implicit_resolvers = {
        first: [(tag, expression) for tag, expression in resolvers if tag.removeprefix(_TAG) not in others]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }
    integer = re.compile(r"[-+]?(?:0b[01_]+|0[0-7_]+|0x[0-9a-fA-F_]+|0|[1-9][0-9_]*)$")
    # With a point: 1e3 is a version or a digest more often than a number.
    decimal = re.compile(r"[-+]?(?:[0-9][0-9_]*\.[0-9_]*|\.[0-9][0-9_]*)(?:[eE][-+][0-9]+)?$")
    Loader.add_implicit_resolver(f"{_TAG}int", integer, list("-+0123456789"))
    Loader.add_implicit_resolver(f"{_TAG}float", decimal, list("-+0123456789."))
    reader = None
    try:
        reader = Loader(text)
        while reader.check_node():
            node = reader.get_node()
            if node is not None:
                yield node.start_mark.line + 1, _plain(node)
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        found = f"the character U+{ord(text[error.position]):04X}"
        raise _Refused(line, "text", found, "Remove it.") from None
    except yaml.YAMLError as error:
        raise _refusal(error, text) from error
    except Unbounded as error:
        raise _Refused(error.line, error.expected, error.found, error.remedy) from None
    finally:
        if reader is not None:
            reader.dispose()


_TAG = "tag:yaml.org,2002:"
_BOOLEANS = {"yes": True, "true": True, "on": True, "no": False, "false": False, "off": False}


def _plain(node: Any) -> Any:
    """A node of PyYAML as data: names are texts, numbers and truth values keep how they are written."""
    kind = node.tag.removeprefix(_TAG) if node.tag.startswith(_TAG) else ""
    line = node.start_mark.line + 1
    if node.id == "scalar" and kind in ("str", "null", "bool", "int", "float", "merge"):
        if kind == "null":
            return None
        if kind == "bool" and node.value.lower() in _BOOLEANS:
            return Written(node.value, _BOOLEANS[node.value.lower()], line)
        if kind in ("int", "float"):
            return _integer(node.value, line) if kind == "int" else _decimal(node.value, line)
        return _characters(node.value, line)
    if node.id == "sequence" and kind == "seq":
        return [_plain(item) for item in node.value]
    if node.id == "mapping" and kind == "map":
        return _mapping(node)
    tag = f"!!{kind}" if kind else node.tag
    raise _Refused(line, "plain data", f"the tag {tag}", "Remove the tag, or fill in the template first.")


def _mapping(node: Any) -> dict[str, Any]:
    """A mapping, with what it merges (``<<``) before what it says itself. No name is there twice."""
    own: dict[str, Any] = {}
    merged: dict[str, Any] = {}
    lines: dict[str, int] = {}
    for key, value in node.value:
        line = key.start_mark.line + 1
        if key.id != "scalar":
            raise _Refused(line, "a name", "a mapping or a list as a name", "Is a template left unfilled?")
        if key.tag != f"{_TAG}merge":
            name = _characters(key.value, line)
            if name in lines:
                raise _Refused(line, f"{name} once", f"it again, after line {lines[name]}", "Keep one of them.")
            lines[name] = line
            own[name] = _plain(value)
            continue
        # It may be there again, as for kubectl and PyYAML: the later one counts.
        parts = value.value if value.id == "sequence" else [value]
        if any(part.id != "mapping" for part in parts):
            raise _Refused(line, "a mapping, or a list of mappings, to merge", "something else", "Remove <<.")
        for part in reversed(parts):
            merged.update(_plain(part))
    return {**merged, **own}


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
    if "found undefined alias" in problem:
        return _Refused(line, "YAML", found, "Quote a text that begins with an asterisk.")
    return _Refused(line, "YAML", found, "Compare its indentation, quotes and brackets with the lines before it.")
