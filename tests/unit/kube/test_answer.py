# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What answers of programs mean, however they are written."""

from __future__ import annotations

import json

import pytest
from ansible_collections.baremetal.bigdata.plugins.module_utils.kube import ask, stream
from ansible_collections.baremetal.bigdata.plugins.module_utils.kube.answer import (
    field_of,
    mapping,
    name,
    normal,
    number,
    shortened,
    truth,
)
from ansible_collections.baremetal.bigdata.plugins.module_utils.kube.question import Question
from hypothesis import given
from hypothesis import strategies as st

BLANKS = st.text(" \t\r\n\ufeff", max_size=5)
# Lines of programs that nobody takes for a number: a banner, a warning.
BANNERS = st.lists(st.from_regex(r"[A-Za-z][A-Za-z0-9 :.,]{0,30}", fullmatch=True), max_size=3)
ENDS = st.sampled_from(["\n", "\r\n", "\r"])


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("3", 3),
        ("3\r\n", 3),
        (" 3 ", 3),
        ("3.0", 3),
        ('"3"', 3),
        ("'3'", 3),
        ("+3", 3),
        ("\ufeff3\n", 3),
        ("003", 3),
        ("\x1b[32m3\x1b[0m", 3),
        ("Welcome to store 4.1\nOpenJDK warning: option is old\n3\n\n", 3),
        ("0", 0),
        ("", None),
        ("\n", None),
        ("null", None),
        ("true", None),
        ("-1", None),
        ("3.5", None),
        ("3e0", None),
        ("3 members", None),
        ("3\n4", None),
        ("3\n3", None),
        ("\N{SUPERSCRIPT TWO}", None),
        ("\N{ARABIC-INDIC DIGIT THREE}", None),
        ("'3\"", None),
        ("9" * 10, None),
        ("9" * 100000, None),
        ("\ufffd\ufffd", None),
        ("no answer (3)", None),
    ],
)
def test_numbers(text, found):
    assert number(text) == found


@given(
    st.integers(0, 10**9 - 1), BANNERS, BANNERS, ENDS, BLANKS, BLANKS, st.sampled_from(["{}", "{}.0", '"{}"', " {} "])
)
def test_a_number_is_found_whatever_stands_around_it(value, before, after, end, first, last, form):
    text = first + end.join([*before, form.format(value), *after]) + last
    assert number(text) == value


@given(st.lists(st.integers(0, 99), min_size=2, max_size=4), ENDS)
def test_of_several_numbers_none_is_meant(values, end):
    assert number(end.join(map(str, values))) is None


@given(st.binary())
def test_any_bytes_are_read_as_they_come(content):
    text = content.decode("utf-8", "replace")
    assert shortened(text).isprintable()
    assert len(shortened(text)) <= 200
    assert number(text) is None or 0 <= number(text) < 10**9
    assert truth(text) in (True, False)
    assert "\r" not in normal(text)
    assert "\n" not in name(text)


@pytest.mark.parametrize("text", ["true", "true\r", " True\n", "TRUE", '"true"', "\ufefftrue\r\n"])
def test_what_is_true(text):
    assert truth(text)


@pytest.mark.parametrize("text", ["", "false", "null", "1", "yes", "ok", "true\nfalse", "not true", "0"])
def test_what_is_not_true(text):
    assert not truth(text)


@pytest.mark.parametrize(
    ("body", "path", "value"),
    [
        ('{"a": {"b": "x"}}', "a.b", "x"),
        ('{"a": [1, {"b": true}]}', "a.1.b", "true"),
        ('{"a": 7}', "a", "7"),
        ('{"a": 7.0}', "a", "7.0"),
        ('{"a": null}', "a", "null"),
        ('{"a": [1, 2]}', "a", "[1, 2]"),
        ('\ufeff{"a": 7}\r\n', "a", "7"),
    ],
)
def test_fields_of_an_answer(body, path, value):
    assert field_of(body, path) == value


@pytest.mark.parametrize(
    ("body", "path", "message"),
    [
        ("<html>", "a", "expected JSON with a, found '<html>'"),
        ("", "a", "expected JSON with a, found ''"),
        ('{"b": 1, "c": 2}', "a", "expected JSON with a, found no a in b, c"),
        ('{"a": 3}', "a.b", "found no b in 3"),
        ('{"a": [1]}', "a.1", r"found no 1 in \[1\]"),
        ("{}", "a", "found no a in an empty object"),
        ("[" * 100000, "a", r"expected JSON with a, found '\[\[\["),
        ("1" * 5000, "a", "expected JSON with a, found "),
    ],
)
def test_another_answer_is_told_with_what_was_found(body, path, message):
    with pytest.raises(ValueError, match=message) as error:
        field_of(body, path)
    assert len(str(error.value)) < 300


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('a warning\r\n{"found": 3}\r\nrows: expected 4 at QUORUM, found 3\r\n', {"found": 3}),
        ('{"rows": 1}\n{"rows": 2}\n{broken', {"rows": 2}),
        ('\ufeff{"rows": 1}', {"rows": 1}),
        ("[1]", None),
        ("", None),
        ('{"a":' * 100000, None),
    ],
)
def test_the_last_object_of_an_answer(text, found):
    assert mapping(text) == found


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


@given(JSON, st.lists(st.text("ab01", min_size=1, max_size=3), min_size=1, max_size=3))
def test_any_json_has_the_field_or_is_told_not_to(content, keys):
    body = {}
    for key in reversed(keys[1:]):
        content = {key: content}
    body[keys[0]] = content
    assert isinstance(field_of(json.dumps(body), ".".join(keys)), str)
    with pytest.raises(ValueError, match=r"^expected JSON with x"):
        field_of(json.dumps(body), "x")


def test_what_is_shown_is_one_line_that_a_terminal_can_show():
    assert shortened("a\n b\x1b[2J\x00") == "a b\ufffd[2J\ufffd"
    assert len(shortened("x" * 10**6)) == 200


def test_a_name_is_one_line():
    assert name(" leader\r\n") == "leader"
    assert name("leader\nfollower") == ""
    assert name("x" * 101) == ""


class Api:
    """The part of KubeApi that asking by HTTP uses."""

    def __init__(self, body):
        self.body = body

    def text(self, _path, _timeout):
        return self.body


@pytest.mark.parametrize(
    ("field", "body", "found"), [("", "3\r\n", "3"), ("n", '{"n": "3\\r"}', "3"), ("n", '\ufeff{"n": true}', "true")]
)
def test_answers_by_http_are_read_the_same_way(field, body, found):
    assert ask.ask(Api(body), "ns", "pod", "app", Question(port=80, json=field), 1) == found


def test_answers_of_commands_are_read_the_same_way(monkeypatch):
    monkeypatch.setattr(stream, "run", lambda *_arguments: (0, "\ufeffMode: leader\r\n\r\n", "warning"))
    assert ask.ask(Api(""), "ns", "pod", "app", Question(("x",)), 1) == "Mode: leader"


def test_of_what_a_failed_command_says_the_end_is_told(monkeypatch):
    monkeypatch.setattr(stream, "run", lambda *_arguments: (1, "", "x" * 10**6 + "disk full"))
    with pytest.raises(stream.CommandFailed, match=r"disk full$") as error:
        ask.run(Api(""), "ns", "pod", "app", ["x"], 1)
    assert len(str(error.value)) < 600
    assert shortened(error.value.output).endswith("...")
