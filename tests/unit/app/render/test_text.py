# SPDX-License-Identifier: GPL-3.0-or-later
"""Files of properties, read back by another reader of Java's rules, are what was written. Lines are as they are."""

from __future__ import annotations

import pytest
from ansible_collections.baremetal.bigdata.plugins.module_utils.app.model.reader import AppError
from ansible_collections.baremetal.bigdata.plugins.module_utils.app.render.text import lines, properties
from hypothesis import given
from hypothesis import strategies as st


def logical_lines(text: str) -> list[str]:
    """The logical lines, as java.util.Properties' documentation of ``load`` has them."""
    found: list[str] = []
    joined = ""
    for line in text.replace("\r\n", "\n").replace("\r", "\n").split("\n"):
        line = line.lstrip(" \t\f")
        if not joined and (not line or line[0] in "#!"):
            continue
        joined += line
        if (len(joined) - len(joined.rstrip("\\"))) % 2:
            joined = joined[:-1]
            continue
        found.append(joined)
        joined = ""
    return found


def unescaped(text: str) -> str:
    """Escapes replaced; UTF-16's pairs of escapes become one character."""
    units: list[int] = []
    at = 0
    while at < len(text):
        char = text[at]
        at += 1
        if char == "\\":
            char = text[at]
            at += 1
            if char == "u":
                units.append(int(text[at : at + 4], 16))
                at += 4
                continue
            char = {"t": "\t", "n": "\n", "r": "\r", "f": "\f"}.get(char, char)
        units.append(ord(char))
    return b"".join(unit.to_bytes(2, "big") for unit in units).decode("utf-16-be", "surrogatepass")


def load(content: str) -> dict[str, str]:
    """java.util.Properties.load of ISO 8859-1."""
    result = {}
    for line in logical_lines(content.encode("latin-1").decode("latin-1")):
        end = 0
        while end < len(line) and line[end] not in "=: \t\f":
            end += 2 if line[end] == "\\" else 1
        rest = line[end:].lstrip(" \t\f")
        if rest[:1] in ("=", ":"):
            rest = rest[1:].lstrip(" \t\f")
        result[unescaped(line[:end])] = unescaped(rest)
    return result


AWKWARD = st.text(alphabet=" \t\f\n\r\\=:#!aé€😀\x00\x7fu0", max_size=12)


@given(st.dictionaries(AWKWARD | st.text(max_size=8), AWKWARD | st.text(max_size=8), max_size=6))
def test_what_is_written_is_read_back(data):
    assert load(properties(data)) == data


def test_the_other_reader_reads_by_the_rules():
    text = "# comment\n ! comment\n\n  key : value\nfruits  apple, \\\n   pear\nempty\na\\=b=c\\u00e9\\\\\n"
    assert load(text) == {"key": "value", "fruits": "apple, pear", "empty": "", "a=b": "cé\\"}


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("a b=c:d#e!f", "a b=c:d#e!f"),
        ("spark://a:7077 ", "spark://a:7077 "),
        (True, "true"),
        (0.5, "0.5"),
        (8080, "8080"),
        ("", ""),
        (" b", "\\ b"),
        ("a\nb", "a\\nb"),
        ("C:\\x", "C:\\\\x"),
        ("é", "\\u00e9"),
    ],
)
def test_an_ordinary_value_is_as_it_is(value, written):
    assert properties({"spark.a": value}) == f"spark.a={written}\n"


@pytest.mark.parametrize("write", [properties, lambda data: lines(data, "a.conf")])
def test_names_are_in_order(write):
    assert write({"b": 1, "B": "x"}) == "B=x\nb=1\n"


@pytest.mark.parametrize("value", ["C:\\x", "é", " b", "a=b#c", 0.5, 8080, ""])
def test_lines_have_no_escapes(value):
    assert lines({"EGO_A": value}, "site.conf") == f"EGO_A={value}\n"


def test_each_line_is_what_was_meant():
    with pytest.raises(AppError) as refused:
        lines({"": "a", "b=c": "d", "e\nf": "g", "h": "i\nj=k", "l": "m\r", "n": "o=p"}, "site.conf")
    name, text = "expected a name without = and line breaks, found", "expected a text of one line, found a line break"
    assert str(refused.value).split("\n") == [
        f"site.conf: {name} ''. Rename it.",
        f"site.conf: {name} 'b=c'. Rename it.",
        f"site.conf: {name} 'e\\nf'. Rename it.",
        f"site.conf.h: {text}. Remove it: what follows would be an entry of its own.",
        f"site.conf.l: {text}. Remove it: what follows would be an entry of its own.",
    ]
