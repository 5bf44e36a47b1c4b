# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run's story looks like: text from plain data."""

import json
import shlex

import pytest
from ansible_collections.baremetal.bigdata.plugins.plugin_utils import story_text as text
from hypothesis import given
from hypothesis import strategies as st


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(0, "0.0 s"), (9.94, "9.9 s"), (9.96, "10 s"), (59.4, "59 s"), (59.6, "1 min 00 s"), (185, "3 min 05 s"),
     (3720, "1 h 02 min")],
)  # fmt: skip
def test_duration(seconds, shown):
    assert text.duration(seconds) == shown


def test_long_lists_of_hosts_are_shortened():
    assert text.names(["a", "b"]) == "a, b"
    assert text.names([f"w{n}" for n in range(30)]) == "w0, w1, w2, w3, w4 and 25 more"


def test_counts_never_look_like_the_recap():
    line = text.counts({"ok": 5, "changed": 2, "failed": 1, "skipped": 3})
    assert line == "5 ok (2 changed), 1 failed, 3 skipped"
    assert "changed=" not in line
    assert text.counts({"ok": 5, "changed": 2}, check=True) == "5 ok (2 would change)"


def test_table_aligns():
    assert text.table([["1", "a", "10 s"], ["22", "bbb", "1 s"]], right=(0, 2)) == [" 1  a    10 s", "22  bbb   1 s"]
    assert text.table([]) == []


def test_failure_keeps_lines_as_they_are():
    message = 'worker1: expected 2048 MB, found "512".\n  Remedy: more memory.'
    assert text.failure_text({"msg": message + "\n"}) == message


def test_failure_of_a_command_shows_the_end_of_its_output():
    found = text.failure_text(
        {
            "msg": "non-zero return code",
            "cmd": ["sh", "-c", "exit 3"],
            "rc": 3,
            "stderr": "\n".join(f"line {n}" for n in range(50)),
            "stdout": "",
            "attempts": 4,
        }
    )
    assert "command: sh -c 'exit 3' (rc 3)" in found
    assert "line 49" in found
    assert "line 29\n" not in found
    assert "30 lines before" in found
    assert "stdout" not in found
    assert "tried 4 times" in found


def test_failure_hidden_by_no_log_says_only_that():
    assert text.failure_text({"censored": "hidden", "msg": "s3cret", "stdout": "s3cret"}) == "hidden"


def test_failure_without_a_message_says_how_to_see_more():
    assert "-v" in text.failure_text({})


def test_failure_message_may_be_structured():
    assert text.failure_text({"msg": ["one", {"two": 2}]}) == "- one\n- two: 2"


def test_first_line_takes_what_an_introduction_introduces():
    assert text.first_line("Refused:\n\n  a thing\n  more") == "Refused: a thing"
    assert text.first_line("\nPlain\nmore") == "Plain"
    assert text.first_line("") == ""


def test_changed_names():
    assert text.changed_names(["a", "b"], []) == "[a, b]"
    assert text.changed_names(["a"], ["x", "y"]) == "[a] (x, y)"
    assert text.changed_names(["a"], [f"item{n:02}" for n in range(20)]) == "[a] (20 items)"


def test_summary_in_order_and_aligned():
    story = {"next": {"Look": "kubectl get nodes"}, "up": {"Kubernetes": "1.36.3", "App": ["one", "two"]}, "open": "x"}
    assert text.summary(story) == [
        ("Up", ["Kubernetes  1.36.3", "App         one", "            two"]),
        ("Open", ["x"]),
        ("Next", ["Look  kubectl get nodes"]),
    ]


def test_summary_after_a_failure_leaves_next_to_resuming():
    assert [heading for heading, _lines in text.summary({"next": "go", "up": "x"}, failed=True)] == ["Up"]


@pytest.mark.parametrize(
    ("story", "lines"),
    [({"Kubernetes": "x"}, ["Kubernetes  x"]), (["a", "b"], ["a", "b"]), ("a\nb", ["a", "b"])],
)
def test_summary_takes_plain_forms(story, lines):
    assert text.summary(story) == [("Up", lines)]


@pytest.mark.parametrize("nothing", [None, {}, "", [], {"up": {}}])
def test_no_summary_where_nothing_was_reported(nothing):
    assert text.summary(nothing) == []


@pytest.mark.parametrize(
    ("given_arguments", "shown"),
    [
        (["-e", "db_password=hunter2 size=3"], ["-e", "db_password=******** size=3"]),
        (["-edb_password=hunter2"], ["-edb_password=********"]),
        (["-vve", "token=hunter2"], ["-vve", "token=********"]),
        (["--extra-vars=api_key=hunter2"], ["--extra-vars=api_key=********"]),
        (["--extra-v", "secret=hunter2"], ["--extra-v", "secret=********"]),
        (["-e", "broken='hunter2"], ["-e", "********"]),
        (["-e", "@secrets.yml"], ["-e", "@secrets.yml"]),
        (["-e", "mirror=https://user:hunter2@mirror/x"], ["-e", "mirror=https://user:********@mirror/x"]),
        (["-i", "inventories/lab", "--limit", "a", "--check"], ["-i", "inventories/lab", "--limit", "a", "--check"]),
        (["--extra", "{broken"], ["--extra", "********"]),
        (["-e", "{a: &a [*a]}"], ["-e", "********"]),
        (["-e", "[" * 5000], ["-e", "********"]),
    ],
)
def test_secrets_in_arguments_are_masked(given_arguments, shown):
    assert text.mask_arguments(given_arguments) == shown


def test_secrets_in_structured_arguments_are_masked_however_deep():
    found = text.mask_arguments(["-e", '{"a": {"passwords": {"x": "hunter2"}, "n": 1}, "list": [{"token": 5}]}'])
    assert json.loads(found[1]) == {"a": {"passwords": {"x": "********"}, "n": 1}, "list": [{"token": "********"}]}


@given(st.text(alphabet=st.characters(codec="utf-8"), max_size=40), st.sampled_from(["-e", "--extra-vars", "-vDe"]))
def test_a_secret_never_shows(noise, option):
    secret = "hunter2hunter2"
    for written in (shlex.quote(f"my_password={secret}{noise}"), json.dumps({"my_password": secret + noise})):
        assert secret not in " ".join(text.mask_arguments([option, written]))


def test_resume_is_the_same_command():
    found = text.resume_command(["/usr/bin/ansible-playbook", "site.yml", "-i", "my inventory", "-e", "x_token=1"])
    assert found == "ansible-playbook site.yml -i 'my inventory' -e 'x_token=********'"
