# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading definitions and clusters as they are found in files."""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path

import pytest
import yaml
from ansible_collections.baremetal.bigdata.plugins.module_utils.app.dialects.document import (
    APP_KINDS,
    CLUSTER_KINDS,
    LARGEST,
    parse,
    pick,
    read,
    unused,
)
from ansible_collections.baremetal.bigdata.plugins.module_utils.app.model.reader import AppError
from hypothesis import given
from hypothesis import strategies as st

FIXTURES = Path(__file__).resolve().parents[3] / "fixtures/kubedirector"
KD = "apiVersion: kubedirector.hpe.com/v1beta1\n"


def data(text):
    documents = parse(text, "f")
    assert len(documents) == 1
    return documents[0].data


def refusal(text):
    with pytest.raises(AppError) as error:
        parse(text, "file.yaml")
    # Ansible follows causes to their end.
    causes, cause = [], error.value
    while cause is not None:
        assert cause not in causes
        causes.append(cause)
        cause = cause.__cause__ or (None if cause.__suppress_context__ else cause.__context__)
    return str(error.value)


def test_json_with_tabs():
    assert read(str(FIXTURES / "spark-app.json"))[0].name == "spark35"
    assert data('{\n\t"a": [\n\t\t1,\n\t\t"b\tc"\n\t]\n}') == {"a": [1, "b\tc"]}


@pytest.mark.parametrize(
    ("text", "expected", "note"),
    [
        ("a:\n\t- b: 1\n\t  c:\t2\n", {"a": [{"b": 1, "c": 2}]}, "tabs were read as blanks"),
        ("a:\n\tb: 1\n  c: 2\n", {"a": {"b": 1, "c": 2}}, "tabs were read as blanks"),
        ("a: 1\t\nb: 2\n\t\n", {"a": 1, "b": 2}, None),
        ('{"a": [1, 2,],}', {"a": [1, 2]}, "it is not strict JSON and was read as YAML, which takes it"),
        ("{a: 'b'}", {"a": "b"}, "it is not strict JSON and was read as YAML, which takes it"),
        ("a: \u201cx y\u201d\nb: \u2018z\u2019", {"a": "x y", "b": "z"}, "typographic quotes were read as plain ones"),
        ("{\u201ca\u201d: \u201cb, c\u201d}", {"a": "b, c"}, "typographic quotes were read as plain ones"),
        ("a: it\u2019s \u201cx\u201d", {"a": "it\u2019s \u201cx\u201d"}, None),
        ("a: \u201cx\u201d and \u201cy\u201d", {"a": "\u201cx\u201d and \u201cy\u201d"}, None),
        ("\ufeffa: 1\r\nb: 2\r\n", {"a": 1, "b": 2}, None),
        ("a:\n\u00a0\u00a0b: 1", {"a": {"b": 1}}, "hard blanks in the indentation were read as blanks"),
    ],
)
def test_what_is_read_all_the_same(text, expected, note):
    document = parse(text, "f")[0]
    assert document.data == expected
    if note is None:
        assert not [item for item in document.notes if "tabs" not in item]
    else:
        assert document.notes == (note,)


def test_scalars_are_read_as_kubernetes_reads_them():
    text = "date: 2024-01-01\nmode: 0644\ntime: 22:30\nyes: yes\nempty:\nratio: 0.5\nnine: 09\nhex: 0x10\nsha: 12e4"
    assert data(text) == {
        "date": "2024-01-01",
        "mode": 0o644,
        "time": "22:30",
        "yes": True,
        "empty": None,
        "ratio": 0.5,
        "nine": "09",
        "hex": 16,
        "sha": "12e4",
    }


def test_versions_of_kubedirector_keep_their_zeros():
    assert data(KD + "version: 1.10\nspec: {v: 2.0}")["version"] == "1.10"
    assert data('{"apiVersion": "kubedirector.hpe.com/v1beta1", "version": 1.10}')["version"] == "1.10"
    assert data("kind: App\nratio: 1.10")["ratio"] == 1.1


def test_several_documents_with_their_lines():
    documents = parse("# first\n---\na: 1\n---\n# nothing\n---\nb: 2\n", "f")
    assert [(item.data, item.line) for item in documents] == [({"a": 1}, 3), ({"b": 2}, 7)]
    documents = parse('{"a": 1}\n{"b": 2}\n---\n{"c": 3}\n', "f")
    assert [(item.data, item.line) for item in documents] == [({"a": 1}, 1), ({"b": 2}, 2), ({"c": 3}, 4)]


def test_lists_of_objects_are_taken_apart():
    documents = parse("kind: KubeDirectorAppList\nitems:\n- {kind: KubeDirectorApp, metadata: {name: a}}\n", "f")
    assert [str(item) for item in documents] == ["KubeDirectorApp a (f, line 1)"]


def test_pick_finds_the_one_document():
    text = "kind: Secret\n---\nkind: KubeDirectorApp\nmetadata: {name: a}\n---\nkind: AppCluster\n"
    documents = parse(text, "f")
    assert pick(documents, APP_KINDS).name == "a"
    assert pick(documents, CLUSTER_KINDS).kind == "AppCluster"
    assert unused(documents) == [
        "Secret (f, line 1) is neither a definition nor a cluster and is not applied. Apply it by itself."
    ]
    with pytest.raises(AppError) as error:
        pick(documents[:1], CLUSTER_KINDS)
    assert str(error.value) == (
        "f: expected one document of kind AppCluster or KubeDirectorCluster, found Secret (f, line 1). "
        "Check the path and the field kind."
    )
    with pytest.raises(AppError) as error:
        pick([documents[1], documents[1]], APP_KINDS)
    assert str(error.value) == (
        "f: expected one document of kind App or KubeDirectorApp, found KubeDirectorApp a (f, line 3) and "
        "KubeDirectorApp a (f, line 3). Put them into files of their own."
    )


@pytest.mark.parametrize(
    ("name", "says"),
    [
        (
            "indent.yaml",
            "line 14: expected YAML, found mapping values are not allowed here: members: 2. "
            "Indent it like the line before it, or quote a text that has a colon.",
        ),
        (
            "truncated.json",
            "line 8: expected JSON, found Expecting ',' delimiter in column 1. "
            "Compare the lines before it: a comma, a quote or a bracket is missing or too many.",
        ),
        ("twice.json", "line 8: expected version once, found it again in one object. Keep one of them."),
        ("tabs.yaml", "line 6: expected blanks as indentation, found a tab. Replace tabs by blanks."),
    ],
)
def test_bad_files(name, says):
    path = str(FIXTURES / "bad" / name)
    with pytest.raises(AppError) as error:
        read(path)
    assert str(error.value) == f"{path}, {says}"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "file.yaml: expected a definition or a cluster, found an empty file. Check the path."),
        ("# nothing\n---\n", "file.yaml: expected a definition or a cluster, found an empty file. Check the path."),
        (
            "- kind: App",
            "file.yaml, line 1: expected a mapping, found a list. A definition begins with apiVersion and kind.",
        ),
        (
            "a:\n  b: 1\n  c: 2\n  b: 3",
            "file.yaml, line 4: expected b once, found it again, after line 2. Keep one of them.",
        ),
        (
            "image: {{ registry }}/spark",
            "file.yaml, line 1: expected YAML, found a template: image: {{ registry }}/spark. "
            "Fill in the template first.",
        ),
        (
            "a: 1\nimage: {{ registry }}",
            "file.yaml, line 2: expected YAML, found a template: image: {{ registry }}. Fill in the template first.",
        ),
        (
            "a: !vault |\n  x",
            "file.yaml, line 1: expected plain data, found the tag !vault. "
            "Remove the tag, or fill in the template first.",
        ),
        (
            "a: *b",
            "file.yaml, line 1: expected YAML, found found undefined alias 'b': a: *b. "
            "Quote a text that begins with an asterisk.",
        ),
        (
            'a: "x\n',
            "file.yaml, line 2: expected YAML, found found unexpected end of stream. "
            "Compare its indentation, quotes and brackets with the lines before it.",
        ),
        (
            '{"a": 1}]',
            "file.yaml, line 1: expected JSON, found Expecting value in column 9. "
            "Compare the lines before it: a comma, a quote or a bracket is missing or too many.",
        ),
    ],
)
def test_bad_texts(text, says):
    assert refusal(text) == says


def test_tabs_that_mean_different_things_are_refused():
    text = "a:\n\tb:\n    c: 1\n"
    assert refusal(text) == (
        "file.yaml, line 2: expected blanks as indentation, found tabs, which mean different things by their width. "
        "Replace them by blanks."
    )


def test_files_that_cannot_be_read(tmp_path):
    with pytest.raises(AppError) as error:
        read(str(tmp_path / "none.yaml"))
    assert str(error.value).endswith(
        "none.yaml: expected a file that can be read, found No such file or directory. "
        "Check the path and the file's mode."
    )
    latin = tmp_path / "latin.yaml"
    latin.write_bytes("a: 1\nb: gr\u00fcn\n".encode("latin-1"))
    with pytest.raises(AppError) as error:
        read(str(latin))
    assert str(error.value).endswith("line 2: expected text in UTF-8, found the byte 0xfc. Save the file as UTF-8.")
    wide = tmp_path / "wide.yaml"
    wide.write_bytes("a: gr\u00fcn\n".encode("utf-16"))
    assert read(str(wide))[0].data == {"a": "gr\u00fcn"}


def test_what_is_no_file_is_not_opened(tmp_path):
    """Opening a pipe would wait for whoever writes to it."""
    os.mkfifo(tmp_path / "pipe")
    large = tmp_path / "large.yaml"
    with large.open("wb") as handle:
        handle.truncate(100 * 1024 * 1024)
    for path, says in (
        (tmp_path, "expected a file, found a directory. Name a file."),
        (tmp_path / "pipe", "expected a file, found neither file nor directory. Name a file."),
        (Path("/dev/zero"), "expected a file, found neither file nor directory. Name a file."),
        (
            large,
            f"expected at most {LARGEST} bytes, found 104857600. "
            "Name a file with the definition, or the cluster, alone.",
        ),
    ):
        with pytest.raises(AppError) as error:
            read(str(path))
        assert str(error.value) == f"{path}: {says}"


LETTERS = "abcdefghij"
TEN = ", ".join(["x"] * 10)


def multiplied(item: str, first: str) -> str:
    """Ten of ten of ten ...: a few hundred characters that stand for ten thousand million."""
    lines = [f"a: &a {first}"]
    for before, name in zip(LETTERS, LETTERS[1:], strict=False):
        lines.append(f"{name}: &{name} " + item % ", ".join([f"*{before}"] * 10))
    return "\n".join(lines)


REFERENCES = "expected at most 1048576 characters by references, found more with *{}. " + (
    "Write out what is meant: references to references multiply."
)
ITSELF = "expected data that ends, found *a inside &a itself. " + (
    "Write it out, or put a text that begins with an asterisk in quotes."
)
DEEP = "expected at most 64 levels within each other, found more. Is a bracket too many?"
CHARACTER = "expected text, found the character U+{}. Remove it"
NUL = CHARACTER.format("0000") + ": no environment, file name or label holds it."
HALF = "expected text, found half a character, \\u{}. Write the character itself."
HELM = "expected plain data, found a Helm template: {}. Fill it in first: helm template NAME CHART."
TEMPLATE = "expected YAML, found a template: {}. Fill in the template first."
TAG = "expected plain data, found the tag {}. Remove the tag, or fill in the template first."


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        (multiplied("[%s]", f"[{TEN}]"), 5, REFERENCES.format("d")),
        (multiplied("{<<: [%s]}", "{x: 1}"), 6, REFERENCES.format("e")),
        ("a: &a " + "x" * 600_000 + "\nb: *a\nc: *a", 3, REFERENCES.format("a")),
        ("b: 1\nc: &a [*a]", 2, ITSELF),
        ("&a\nb: *a", 2, ITSELF),
        ("a: &a\n  <<: *a", 2, ITSELF),
        ("a:\n  " + "[" * 5000, 2, DEEP),
        ("a: " + "[" * 500 + "]" * 500, 1, DEEP),
        ("".join(" " * level + "a:\n" for level in range(500)), 65, DEEP),
        ('{"a":\n' + "[" * 100_000 + "]" * 100_000 + "}", 2, DEEP),
        ('{"a":\n' * 100_000, 65, DEEP),
        ("a: b\nc: d\0", 2, CHARACTER.format("0000") + "."),
        ("a: b\nc: \x07", 2, CHARACTER.format("0007") + "."),
        ('a: b\nc: "\\0"', 2, NUL),
        ('{"a":\n"\\u0000"}', 2, NUL),
        ('{"a":\n"b\0"}', 2, NUL),
        ('{"a":\n"\\ud800"}', 2, HALF.format("d800")),
        ('{"\\udfff": 1}', 1, HALF.format("dfff")),
        ('a: "\\ud800"', 1, HALF.format("d800")),
        ("kind: App\nimage: {{ .Values.image }}", 2, HELM.format("image: {{ .Values.image }}")),
        ('kind: App\nimage: "{{ .Values.image }}"', 2, HELM.format('image: "{{ .Values.image }}"')),
        ('{"kind": "App",\n"image": "{{.Release.Name}}"}', 2, HELM.format('"image": "{{.Release.Name}}"}')),
        ("{{- if .Values.x }}\nkind: App\n{{- end }}", 1, HELM.format("{{- if .Values.x }}")),
        ("kind: App\n{{- range $key := .a }}\nb: 1\n{{ end }}", 2, HELM.format("{{- range $key := .a }}")),
        (
            'a:\n  {{- include "x.labels" . | nindent 4 }}',
            2,
            HELM.format('{{- include "x.labels" . | nindent 4 }}'),
        ),
        ("{% if x %}\na: 1\n{% endif %}", 1, TEMPLATE.format("{% if x %}")),
        ('{"a":\n{{ x }}}', 2, TEMPLATE.format("{{ x }}}")),
        ("a: 1\nb: !!python/object:os.system x", 2, TAG.format("!!python/object:os.system")),
        ("a: !!set {b, c}", 1, TAG.format("!!set")),
        ("a: !!binary aGk=", 1, TAG.format("!!binary")),
        ("a: {<<: 1}", 1, "expected a mapping, or a list of mappings, to merge, found something else. Remove <<."),
        (
            "- op: add\n  path: /a",
            1,
            "expected a mapping, found a list. "
            "A patch is no definition: apply it first, by kubectl kustomize DIRECTORY.",
        ),
    ],
)
def test_hostile_and_odd_texts(text, line, says):
    assert refusal(text) == f"file.yaml, line {line}: {says}"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("kind: A\n---\n\ufeffkind: B\n", [{"kind": "A"}, {"kind": "B"}]),
        ("kind: A\n\ufeff---\nkind: B\n", [{"kind": "A"}, {"kind": "B"}]),
        ('{"a": 1}\ufeff{"b": 2}\n\ufeff{"c": 3}', [{"a": 1}, {"b": 2}, {"c": 3}]),
        # A file's text may be a template of its own.
        ("a: |\n  {{ .Values.a }}\n  b\n", [{"a": "{{ .Values.a }}\nb\n"}]),
        ('{"a": "\\ud83d\\ude00",}', [{"a": "\U0001f600"}]),
        (
            "a: &a {x: 1, y: 1}\nb: {<<: *a, x: 2}\nc: *a",
            [{"a": {"x": 1, "y": 1}, "b": {"x": 2, "y": 1}, "c": {"x": 1, "y": 1}}],
        ),
        (
            "a: &a {x: 1}\nb: &b {x: 2, y: 2}\nc: {<<: [*a, *b]}",
            [{"a": {"x": 1}, "b": {"x": 2, "y": 2}, "c": {"x": 1, "y": 2}}],
        ),
        (
            "a: &a {x: 1, z: 1}\nb: &b {x: 2, y: 2}\nc:\n  <<: *a\n  <<: *b\n  y: 3",
            [{"a": {"x": 1, "z": 1}, "b": {"x": 2, "y": 2}, "c": {"x": 2, "y": 3, "z": 1}}],
        ),
        ("---\n---\na: 1\n...\n", [{"a": 1}]),
    ],
)
def test_odd_texts_that_have_one_meaning(text, expected):
    assert [item.data for item in parse(text, "f")] == expected


def test_templates_that_may_be_meant_are_mentioned():
    (document,) = parse('image: "{{ registry }}/app:{{ tag }}"', "f")
    assert document.data == {"image": "{{ registry }}/app:{{ tag }}"}
    assert document.notes == ("{{ registry }} is taken as it is written: templates are not filled in here",)


LONG = 400 * 1024
UNTERMINATED = "expected JSON, found Unterminated string starting at in column 20. Compare the lines before it: "


# Each takes minutes where what is looked for is looked for once more from each of its characters on.
@pytest.mark.parametrize(
    "text",
    [
        "{{" * (LONG // 2),
        "{%" * (LONG // 2),
        "{{" + " " * LONG + "x",
        "{{-" + " " * LONG + "x",
        "{{ include" + " " * LONG + "x",
        "{{ (" * (LONG // 4),
    ],
)
def test_a_long_text_that_is_nearly_a_template_is_read(text):
    (document,) = parse(f"kind: App\na: '{text}'\n", "f")
    assert document.data["a"] == text
    assert document.notes == ()


def test_a_long_text_with_an_open_template_in_it_is_mentioned_from_there():
    (document,) = parse("kind: App\na: '{{ a {{ b }} {% c %}'\nd: '{% {{ {% e %}'\nf: '}} {{'\n", "f")
    assert document.notes == (
        "{{ a {{ b }} is taken as it is written: templates are not filled in here",
        "{% {{ {% e %} is taken as it is written: templates are not filled in here",
    )


@pytest.mark.parametrize("end", ["", "\\", "[" * 100])
def test_a_long_json_text_without_an_end_is_refused(end):
    text = '{"kind":"App", "a":"' + '\\"' * (LONG // 2) + end
    assert refusal(text).startswith(f"file.yaml, line 1: {UNTERMINATED}")


def test_many_small_json_documents_have_their_lines():
    count = LONG // 16
    documents = parse('{"kind": "\\u0041"}\n' * count, "f")
    assert [item.line for item in documents] == [*range(1, count + 1)]
    assert documents[-1].data == {"kind": "A"}


def test_a_long_line_beside_tabs_as_indentation_is_read():
    (document,) = parse("kind: App\na:\n\tb: c \t\nd: x" + " " * LONG + "x \n", "f")
    assert document.data == {"kind": "App", "a": {"b": "c"}, "d": "x" + " " * LONG + "x"}
    assert document.notes == ("tabs were read as blanks",)


def test_a_kustomization_is_no_definition():
    with pytest.raises(AppError) as error:
        pick(parse("kind: Kustomization\nresources: [app.yaml]", "f"), APP_KINDS)
    assert str(error.value) == (
        "f: expected one document of kind App or KubeDirectorApp, found Kustomization (f, line 1). "
        "Build it first: kubectl kustomize DIRECTORY."
    )


@given(
    st.one_of(
        st.text(),
        st.text(st.sampled_from("&*a[]{}:,-<\"'\n\t #!%|>\0\ud800\ufeff01.")),
        st.lists(
            st.sampled_from(["&a ", "*a", "a: ", "- ", "<<: ", "\n", "  ", "{", "}", "[", "]", ", ", '"', "!!x ", "? "])
        ).map("".join),
    )
)
def test_any_text_is_read_or_refused(text):
    with contextlib.suppress(AppError):
        documents = parse(text, "f")
        # It can be written again.
        assert json.dumps([item.data for item in documents], ensure_ascii=False).encode()


PLAIN = st.text(st.characters(codec="ascii", categories=("L", "N")), min_size=1, max_size=6)
# Without control characters, which YAML cannot say, and without typographic quotes.
TEXT = st.text(
    st.characters(codec="utf-8", exclude_categories=("C", "Z", "Pi", "Pf"), include_characters=" "), max_size=12
)
VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-(2**40), 2**40), TEXT),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(PLAIN, inner, max_size=3)),
    max_leaves=8,
)


@given(st.dictionaries(PLAIN, VALUES, min_size=1, max_size=4))
def test_what_programs_write_is_read_as_it_is(document):
    for text in (
        json.dumps(document),
        json.dumps(document, indent="\t"),
        json.dumps(document, ensure_ascii=False, indent=4),
        yaml.safe_dump(document),
        yaml.safe_dump(document, allow_unicode=True, default_flow_style=True, width=20),
    ):
        found = parse(text, "f")
        assert [item.data for item in found] == [document]
