# SPDX-License-Identifier: GPL-3.0-or-later
"""The module against real files, and the action plugin in real tasks on this machine."""

from __future__ import annotations

import base64
import grp
import hashlib
import json
import os
import pathlib
import pwd
import stat
import subprocess
import sys

import pytest
import yaml
from ansible_collections.baremetal.bigdata.plugins.modules import config_files
from running import run_module

ROOT = pathlib.Path(__file__).resolve().parents[2]
ME, MINE = pwd.getpwuid(os.getuid()).pw_name, grp.getgrgid(os.getgid()).gr_name


def run(*files, check=False, diff=True, **options):
    """The module as Ansible runs it: its result, and what it wrote besides."""
    parameters = {"files": [], **options, "_ansible_check_mode": check, "_ansible_diff": diff}
    for file in files:
        one = {key: str(value) if key == "dest" else value for key, value in file.items()}
        if isinstance(one.get("content"), (str, bytes)):
            raw = one["content"].encode() if isinstance(one["content"], str) else one["content"]
            one["content"] = config_files.ENCODED + base64.b64encode(raw).decode()
        parameters["files"].append(one)
    return run_module(config_files, parameters)


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def test_a_set_of_files_is_placed_and_then_left_alone(tmp_path):
    files = [
        {"dest": tmp_path / "a", "content": "one\n"},
        {"dest": tmp_path / "other" / "directory", "state": "directory"},
        {"dest": tmp_path / "new" / "deep" / "b", "content": "two\n", "mode": "0640", "owner": ME, "group": MINE},
        {"dest": tmp_path / "empty", "content": ""},
        {"dest": tmp_path / "directory", "state": "directory", "mode": "0700"},
    ]
    first = run(*files)
    assert first["changed_files"] == [str(file["dest"]) for file in files]
    assert (tmp_path / "a").read_text() == "one\n"
    assert mode(tmp_path / "a") == 0o644
    assert mode(tmp_path / "new" / "deep" / "b") == 0o640
    assert [mode(tmp_path / path) for path in ("new", "new/deep", "other", "other/directory")] == [0o755] * 4
    assert (tmp_path / "empty").read_text() == ""
    assert mode(tmp_path / "directory") == 0o700
    before = (tmp_path / "a").stat()
    second = run(*files)
    assert (second["changed"], second["changed_files"]) == (False, [])
    assert "diff" not in second
    assert (tmp_path / "a").stat() == before


def test_only_what_differs_is_replaced_and_shown(tmp_path):
    (tmp_path / "a").write_text("one\n")
    (tmp_path / "b").write_text("old\n")
    kept = (tmp_path / "a").stat().st_ino
    done = run({"dest": tmp_path / "a", "content": "one\n"}, {"dest": tmp_path / "b", "content": "new\n"})
    assert done["changed_files"] == [str(tmp_path / "b")]
    name = str(tmp_path / "b")
    assert done["diff"] == [{"before_header": name, "after_header": name, "before": "old\n", "after": "new\n"}]
    assert (tmp_path / "a").stat().st_ino == kept
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b"], "a temporary file was left"


def test_a_check_tells_the_same_and_changes_nothing(tmp_path):
    (tmp_path / "b").write_text("old\n")
    files = [
        {"dest": tmp_path / "new" / "a", "content": "one\n", "owner": ME},
        {"dest": tmp_path / "b", "content": "new\n"},
        {"dest": tmp_path / "directory", "state": "directory"},
    ]
    checked = run(*files, check=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["b"]
    assert (tmp_path / "b").read_text() == "old\n"
    done = run(*files)
    assert checked["changed_files"] == done["changed_files"]
    assert checked["diff"] == done["diff"]


def test_a_changed_mode_alone_is_a_change_without_a_rewrite(tmp_path):
    path = tmp_path / "a"
    path.write_text("one\n")
    path.chmod(0o600)
    inode = path.stat().st_ino
    assert run({"dest": path, "content": "one\n"}, check=True)["changed"]
    assert mode(path) == 0o600
    done = run({"dest": path, "content": "one\n"})
    assert done["changed_files"] == [str(path)]
    assert done["diff"][0]["before"]["mode"] == "0600"
    assert done["diff"][0]["after"]["mode"] == "0644"
    assert (mode(path), path.stat().st_ino) == (0o644, inode)


def test_a_secret_is_closed_and_never_shown(tmp_path):
    path = tmp_path / "token"
    first = run({"dest": path, "content": "hunter2-first\n", "secret": True})
    assert mode(path) == 0o600
    second = run({"dest": path, "content": "hunter2-second\n", "secret": True})
    assert path.read_text() == "hunter2-second\n"
    for done in (first, second):
        text = json.dumps(done)
        assert "hunter2" not in text
        assert base64.b64encode(b"hunter2-second\n").decode() not in text
        assert done["diff"][0]["before"] != done["diff"][0]["after"]


def test_a_backup_keeps_what_was_replaced(tmp_path):
    (tmp_path / "a").write_text("old\n")
    done = run({"dest": tmp_path / "a", "content": "new\n"}, {"dest": tmp_path / "b", "content": "b\n"}, backup=True)
    assert list(done["backup_files"]) == [str(tmp_path / "a")]
    assert pathlib.Path(done["backup_files"][str(tmp_path / "a")]).read_text() == "old\n"
    again = run({"dest": tmp_path / "a", "content": "new\n"}, backup=True)
    assert again["backup_files"] == {}


def test_a_link_is_replaced_and_what_it_names_is_left(tmp_path):
    (tmp_path / "real").write_text("theirs\n")
    (tmp_path / "a").symlink_to(tmp_path / "real")
    assert run({"dest": tmp_path / "a", "content": "ours\n"})["changed"]
    assert not (tmp_path / "a").is_symlink()
    assert (tmp_path / "a").read_text() == "ours\n"
    assert (tmp_path / "real").read_text() == "theirs\n"


def test_a_path_that_is_not_enabled_is_not_looked_at(tmp_path):
    (tmp_path / "a").mkdir()
    done = run({"dest": tmp_path / "a", "content": "x", "enabled": False}, {"dest": tmp_path / "b", "content": "x"})
    assert done["changed_files"] == [str(tmp_path / "b")]


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ({"dest": "relative", "content": "x"}, "expected an absolute path, found 'relative'"),
        ({"dest": "{}/b", "content": "x", "mode": "rw"}, "expected an octal mode such as '0644', found 'rw'"),
        ({"dest": "{}/b", "content": "x", "owner": "nobody-has-this"}, "expected a user nobody-has-this, found none"),
        ({"dest": "{}/b", "content": "x", "group": "nobody-has-this"}, "expected a group nobody-has-this, found none"),
        ({"dest": "{}/taken", "content": "x"}, "expected a file, found a directory"),
        ({"dest": "{}/plain/b", "content": "x"}, "expected a directory, found something else"),
        ({"dest": "{}/plain", "state": "directory"}, "expected a directory, found something else"),
        ({"dest": "{}/a", "content": "x"}, "expected each path once"),
        ({"dest": "{}/b"}, "expected contents that the action plugin prepared"),
    ],
)
def test_nothing_is_written_when_one_of_the_set_is_refused(tmp_path, entry, said):
    (tmp_path / "taken").mkdir()
    (tmp_path / "plain").write_text("")
    entry = dict(entry, dest=entry["dest"].format(tmp_path))
    done = run({"dest": tmp_path / "a", "content": "one\n"}, entry)
    assert done["failed"]
    assert said in done["msg"]
    assert not (tmp_path / "a").exists()


def test_an_owner_that_is_still_to_be_made_is_a_change_in_a_check(tmp_path):
    (tmp_path / "a").write_text("x")
    (tmp_path / "a").chmod(0o644)
    done = run({"dest": tmp_path / "a", "content": "x", "owner": "nobody-has-this"}, check=True)
    assert done["changed_files"] == [str(tmp_path / "a")]


def test_binary_and_large_contents_are_not_shown(tmp_path):
    done = run({"dest": tmp_path / "a", "content": b"\xff\xfe"}, {"dest": tmp_path / "b", "content": "x" * 200_000})
    assert [diff["after"] for diff in done["diff"]] == ["(2 bytes, not text)\n", "(200000 bytes, too large to show)\n"]
    assert (tmp_path / "a").read_bytes() == b"\xff\xfe"


def test_files_are_told_about_as_they_are_at_the_end(tmp_path):
    look = [str(tmp_path / name) for name in ("a", "none")]
    digest = hashlib.sha256(b"one\n").hexdigest()
    assert run({"dest": tmp_path / "a", "content": "one\n"}, check=True, look=look)["looked"] == dict.fromkeys(look)
    assert run({"dest": tmp_path / "a", "content": "one\n"}, look=look)["looked"] == {look[0]: digest, look[1]: None}
    assert "looked" not in run({"dest": tmp_path / "a", "content": "one\n"})


# --- what is to go ---


def test_what_is_to_go_goes_and_then_nothing_does(tmp_path):
    (tmp_path / "outer" / "inner").mkdir(parents=True)
    (tmp_path / "outer" / "inner" / "a").write_text("one\n")
    (tmp_path / "outer" / "b").symlink_to("nowhere")
    inner, outer = tmp_path / "outer" / "inner", tmp_path / "outer"
    files = [
        {"dest": outer, "state": "directory"},
        {"dest": inner, "state": "directory"},
        {"dest": inner / "a"},
        {"dest": outer / "b", "enabled": False},
        {"dest": tmp_path / "never" / "there"},
    ]
    checked = run(*files, check=True, state="absent")
    assert (inner / "a").exists()
    done = run(*files, state="absent")
    assert not outer.exists()
    assert done["changed_files"] == [str(path) for path in (inner / "a", inner, outer / "b", outer)]
    assert (checked["changed_files"], checked["diff"]) == (done["changed_files"], done["diff"])
    name = str(inner / "a")
    assert done["diff"][0] == {"before_header": name, "after_header": name, "before": "one\n", "after": ""}
    assert not run(*files, state="absent")["changed"]


def test_a_directory_with_the_files_of_others_stays(tmp_path):
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "ours").write_text("")
    (tmp_path / "etc" / "theirs").write_text("")
    done = run({"dest": tmp_path / "etc" / "ours"}, {"dest": tmp_path / "etc", "state": "directory"}, state="absent")
    assert done["changed_files"] == [str(tmp_path / "etc" / "ours")]
    assert [path.name for path in (tmp_path / "etc").iterdir()] == ["theirs"]


def test_nothing_goes_when_one_of_the_set_is_refused(tmp_path):
    (tmp_path / "a").write_text("")
    (tmp_path / "taken").mkdir()
    done = run({"dest": tmp_path / "a"}, {"dest": tmp_path / "taken"}, state="absent")
    assert "expected a file to remove, found a directory" in done["msg"]
    assert (tmp_path / "a").exists()


def test_a_secret_that_goes_is_not_shown(tmp_path):
    (tmp_path / "token").write_text("hunter2\n")
    done = run({"dest": tmp_path / "token", "secret": True}, state="absent")
    assert "hunter2" not in json.dumps(done)
    assert done["diff"][0]["before"] == "(a secret)\n"


# --- the action plugin ---


def play(tmp_path, *tasks, arguments=(), rc=0):
    """Run tasks on this machine; returns what Ansible printed."""
    (tmp_path / "play.yml").write_text(
        yaml.safe_dump([{"hosts": "localhost", "gather_facts": False, "tasks": list(tasks)}])
    )
    environment = {
        **os.environ,
        "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
        "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".collections"),
        "ANSIBLE_LOCAL_TEMP": str(tmp_path / "local"),
        "ANSIBLE_REMOTE_TEMP": str(tmp_path / "remote"),
        "ANSIBLE_STDOUT_CALLBACK": "ansible.builtin.default",
        "ANSIBLE_NOCOLOR": "1",
    }
    done = subprocess.run(
        [str(pathlib.Path(sys.executable).with_name("ansible-playbook")), "-i", "localhost,", "-c", "local",
         "-e", f"ansible_python_interpreter={sys.executable}", "play.yml", *arguments],
        cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == rc, done.stdout + done.stderr
    return done.stdout + done.stderr


def place(*files, **more):
    return {"name": "Place", "baremetal.bigdata.config_files": {"files": list(files)}, **more}


def test_templates_come_out_as_the_template_module_renders_them(tmp_path):
    (tmp_path / "templates").mkdir()
    (tmp_path / "templates" / "a.j2").write_text(
        "# {{ ansible_managed }}\n{% for x in items %}\n  {{ x }}: {{ value }}\n{% endfor %}\n\n\\d {{ {'a': 1} }}\n"
    )
    (tmp_path / "templates" / "only.j2").write_text("{{ items }}")
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "raw").write_bytes(b"{{ left alone }}\n\xff")
    names = ("a", "only")
    play(
        tmp_path,
        place(
            *({"template": f"{name}.j2", "dest": str(tmp_path / f"ours-{name}")} for name in names),
            {"file": "raw", "dest": str(tmp_path / "raw")},
            {"content": "{{ value }}\n", "dest": str(tmp_path / "content")},
            vars={"items": ["x", "y"], "value": "v"},
        ),
        {
            "name": "Compare",
            "ansible.builtin.template": {"src": "{{ item }}.j2", "dest": str(tmp_path / "theirs-{{ item }}")},
            "loop": list(names),
            "vars": {"items": ["x", "y"], "value": "v"},
        },
    )
    for name in names:
        assert (tmp_path / f"ours-{name}").read_bytes() == (tmp_path / f"theirs-{name}").read_bytes()
    assert (tmp_path / "raw").read_bytes() == b"{{ left alone }}\n\xff"
    assert (tmp_path / "content").read_text() == "v\n"


def test_a_secret_is_not_shown_at_any_verbosity(tmp_path):
    (tmp_path / "token").write_text("hunter2-before\n")
    entry = {"content": "{{ 'hunter' ~ 2 }}-after\n", "dest": str(tmp_path / "token"), "secret": True}
    output = play(tmp_path, place(entry), arguments=["--diff", "-vvv"])
    assert (tmp_path / "token").read_text() == "hunter2-after\n"
    assert "(a secret, as it is to be)" in output
    assert "hunter2" not in output
    assert base64.b64encode(b"hunter2-after\n").decode() not in output


def test_a_wrong_template_changes_nothing(tmp_path):
    (tmp_path / "bad.j2").write_text("{{ nobody_sets_this }}")
    output = play(
        tmp_path,
        place(
            {"content": "x", "dest": str(tmp_path / "first")},
            {"template": "bad.j2", "dest": str(tmp_path / "second")},
        ),
        rc=2,
    )
    assert "nobody_sets_this" in output
    assert not (tmp_path / "first").exists()


def test_a_wrong_entry_is_refused_by_name(tmp_path):
    wrong = {
        "expected none.j2 on the controller, found no such file": {"template": "none.j2"},
        "expected one of template, file, content, found none of them": {},
        "expected one of template, file, content, found file and content": {"content": "x", "file": "y"},
        "expected mode as a quoted string such as '0644', found a number": {"content": "x", "mode": 420},
        "expected no content for a directory": {"state": "directory", "content": "x"},
    }
    entries = {str(tmp_path / f"wrong{number}"): entry for number, entry in enumerate(wrong.values())}
    tasks = [place({"dest": dest, **entry}, ignore_errors=True) for dest, entry in entries.items()]
    output = " ".join(play(tmp_path, *tasks).split())
    for dest, said in zip(entries, wrong):
        assert f"{dest}: {said}" in output
        assert not os.path.exists(dest)


def test_what_is_to_go_is_not_rendered(tmp_path):
    for name in ("a", "b", "c"):
        (tmp_path / name).write_text("x")
    task = place(
        {"template": "none.j2", "dest": str(tmp_path / "a")},
        {"file": "", "dest": str(tmp_path / "b"), "enabled": False},
        {"content": "x", "dest": str(tmp_path / "c")},
    )
    task["baremetal.bigdata.config_files"]["state"] = "absent"
    play(tmp_path, task)
    assert not [name for name in ("a", "b", "c") if (tmp_path / name).exists()]
