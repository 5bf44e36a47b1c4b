# SPDX-License-Identifier: GPL-3.0-or-later
"""Programs beside a definition: what is read with it, and what is not."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.baremetal.bigdata.plugins.module_utils.app.dialects.document import read
from ansible_collections.baremetal.bigdata.plugins.module_utils.app.dialects.sources import LARGEST
from ansible_collections.baremetal.bigdata.plugins.module_utils.app.model.load import load_app
from ansible_collections.baremetal.bigdata.plugins.module_utils.app.model.reader import AppError

PROGRAM = "#!/bin/sh\n# \u00e4, $(cluster.name)\r\n\techo {{ it }}  \n"


def define(folder: Path, *files: Any) -> Path:
    path = folder / "app.yml"
    config_files = [{"name": f"f{n}", "path": f"/etc/f{n}", **item} for n, item in enumerate(files)]
    roles = [{"id": "first"}, {"id": "second", "config_files": config_files}]
    path.write_text(yaml.safe_dump({"kind": "App", "metadata": {"name": "demo"}, "spec": {"roles": roles}}))
    return path


@pytest.fixture
def folder(tmp_path) -> Path:
    """The directory of a definition, with files in it and around it."""
    inside = tmp_path / "apps"
    (inside / "bin").mkdir(parents=True)
    (inside / "run.sh").write_bytes(PROGRAM.encode())
    (inside / "bin/run.sh").write_text("echo below\n")
    (inside / "bin/linked.sh").symlink_to("../run.sh")
    (inside / ".hidden").write_text("hidden")
    (inside / "latin.txt").write_bytes(b"one\ntwo \xe4\n")
    (inside / "full.txt").write_text("x" * LARGEST)
    (inside / "larger.txt").write_text("x" * (LARGEST + 1))
    (inside / "circle").symlink_to("circle")
    (inside / "up").symlink_to("..")
    (inside / "secret.txt").symlink_to("../secret.txt")
    os.mkfifo(inside / "pipe")
    (tmp_path / "secret.txt").write_text("secret")
    (tmp_path / "apps-too").mkdir()
    (tmp_path / "apps-too/file").write_text("secret")
    (inside / "beside").symlink_to("../apps-too/file")
    return inside


def texts(path: Path | str) -> list[str]:
    (document,) = read(str(path))
    return [item.text for item in load_app(document.data).role("second").config_files]


def refusal(path: Path) -> list[str]:
    with pytest.raises(AppError) as error:
        read(str(path))
    return [str(problem) for problem in error.value.problems]


def test_a_programs_text_is_taken_as_it_is(folder):
    sources = ({"source": "run.sh"}, {"source": "bin/run.sh", "format": "text"}, {"source": "./bin/linked.sh"})
    assert texts(define(folder, *sources, {"text": "as ever"})) == [PROGRAM, "echo below\n", PROGRAM, "as ever"]


def test_it_is_relative_to_the_definition_not_to_where_one_stands(folder, monkeypatch):
    define(folder, {"source": "bin/run.sh"})
    monkeypatch.chdir(folder.parent)
    assert texts("apps/app.yml") == ["echo below\n"]
    monkeypatch.chdir(folder)
    assert texts("app.yml") == ["echo below\n"]
    (folder.parent / "here").symlink_to("apps")
    assert texts(folder.parent / "here/app.yml") == ["echo below\n"]


def test_as_much_as_kubernetes_takes(folder):
    assert [len(text) for text in texts(define(folder, {"source": "full.txt"}))] == [LARGEST]


DIRECTORY = "expected a path in the definition's directory, found"
BESIDE = "Put the file beside the definition, or into a directory below it."
DOTS = f"{BESIDE} Names that begin with a dot are not read."


@pytest.mark.parametrize(
    ("item", "message"),
    [
        ({"source": "/etc/passwd"}, f"{DIRECTORY} '/etc/passwd'. {DOTS}"),
        ({"source": "../secret.txt"}, f"{DIRECTORY} '../secret.txt'. {DOTS}"),
        ({"source": "bin/../run.sh"}, f"{DIRECTORY} 'bin/../run.sh'. {DOTS}"),
        ({"source": ".hidden"}, f"{DIRECTORY} '.hidden'. {DOTS}"),
        ({"source": "secret.txt"}, f"{DIRECTORY} 'secret.txt', a link to (outside)/secret.txt. {BESIDE}"),
        ({"source": "up/secret.txt"}, f"{DIRECTORY} 'up/secret.txt', a link to (outside)/secret.txt. {BESIDE}"),
        ({"source": "beside"}, f"{DIRECTORY} 'beside', a link to (outside)/apps-too/file. {BESIDE}"),
        ({"source": ""}, f"{DIRECTORY} ''. {BESIDE}"),
        ({"source": ["run.sh"]}, f"{DIRECTORY} a list. {BESIDE}"),
        ({"source": "run.sh", "text": ""}, "expected source alone, found text beside it. Remove one of them."),
        ({"source": "run.sh", "data": {}}, "expected source alone, found data beside it. Remove one of them."),
        (
            {"source": "run.sh", "format": "yaml"},
            "expected a file of format text, found format yaml. Leave out format, or write the content as data.",
        ),
        (
            {"source": "none.sh"},
            "expected a file that can be read, found (here)/none.sh: No such file or directory. "
            "Check the path and the file's mode.",
        ),
        (
            {"source": "circle"},
            "expected a file that can be read, found (here)/circle: Too many levels of symbolic links. "
            "Check the path and the file's mode.",
        ),
        ({"source": "bin"}, "expected a file, found (here)/bin: a directory. Name a file."),
        ({"source": "pipe"}, "expected a file, found (here)/pipe: neither file nor directory. Name a file."),
        (
            {"source": "latin.txt"},
            "expected text in UTF-8, found the byte 0xe4 in line 2 of (here)/latin.txt. Save the file as UTF-8.",
        ),
        (
            {"source": "larger.txt"},
            "expected at most 1048576 bytes, found (here)/larger.txt: 1048577. Kubernetes takes no more in a "
            "ConfigMap or Secret: put it into the image, or on a volume.",
        ),
    ],
)
def test_what_is_not_read(folder, item, message):
    path = define(folder, {"source": "run.sh"}, item)
    where = f"{path}, spec.roles[1].config_files[1].source: "
    expected = where + message.replace("(here)", str(folder)).replace("(outside)", str(folder.parent))
    assert refusal(path) == [expected]


def test_every_source_that_cannot_be_taken_is_named(folder):
    found = refusal(define(folder, {"source": "none.sh"}, {"source": "run.sh"}, {"source": "/etc/passwd"}))
    assert [text.partition(": ")[0].rpartition(".config_files")[2] for text in found] == ["[0].source", "[2].source"]


def test_what_has_another_form_is_for_the_loader_to_refuse(folder):
    for spec in ({"roles": {"a": 1}}, {"roles": [None, {"config_files": "x"}, {"config_files": ["x"]}]}, []):
        path = folder / "app.yml"
        path.write_text(yaml.safe_dump({"kind": "App", "metadata": {"name": "demo"}, "spec": spec}))
        (document,) = read(str(path))
        assert document.data["spec"] == spec
        with pytest.raises(AppError):
            load_app(document.data)


def test_a_definition_that_is_no_file_has_no_programs_beside_it(folder):
    data = yaml.safe_load(define(folder, {"source": "run.sh"}).read_text())
    with pytest.raises(AppError) as error:
        load_app(data)
    assert str(error.value) == (
        "spec.roles[1].config_files[0].source: expected text or data, found 'run.sh' in a definition that was not read "
        "from its file. Name the file instead, or read it by the lookup baremetal.bigdata.app_document."
    )
