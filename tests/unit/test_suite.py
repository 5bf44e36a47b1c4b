# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tests as a whole run, and what they remember: nothing untested is called tested."""

from __future__ import annotations

import pytest
import suite

DEFAULT, *APPS = suite.SCENARIOS


def hashes(value: str = "now") -> dict[str, str]:
    return {part.name: value for part in suite.SCENARIOS}


def test_every_scenario_is_known():
    there = {path.parent.name for path in (suite.ROOT / "molecule").glob("*/molecule.yml")}
    assert {part.name for part in suite.SCENARIOS} == there


def test_what_never_passed_comes_first_then_what_passed_longest_ago():
    memory = {
        "symphony": {"hash": "old", "date": "2026-02-02"},
        "spark": {"hash": "old", "date": "2026-01-01"},
        "cassandra": {"hash": "now", "date": "2026-01-01"},
        # Measured, but it has not passed as a whole.
        "listed": {"minutes": 3.0},
    }
    assert [part.name for part in suite.order(APPS, memory, hashes())] == [
        "hazelcast", "kubedirector", "listed", "reset", "spark", "symphony"
    ]  # fmt: skip
    assert suite.minutes_of(next(part for part in APPS if part.name == "listed"), memory) == 3.0


@pytest.mark.parametrize(
    ("changed", "scenarios"),
    [
        ("roles/spark/tasks/main.yml", {"spark", "listed"}),
        ("images/cassandra/Containerfile", {"cassandra", "listed"}),
        ("images/kubedirector-spark/appconfig/startscript", {"kubedirector"}),
        ("roles/symphony/files/app.yml", {"symphony", "listed"}),
        ("tests/symphony_standin/ego.py", {"symphony", "listed"}),
        ("molecule/reset/tests/test_reset.py", {"reset"}),
        ("roles/hazelcast/files/app.yml", {"default", "hazelcast", "listed", "reset"}),
        ("roles/etcd/tasks/main.yml", set(hashes())),
        ("plugins/modules/app_apply.py", set(hashes())),
        ("molecule/conftest.py", set(hashes())),
        ("requirements.txt", set(hashes())),
        ("docs/storage.md", set()),
        ("roles/etcd/README.md", set()),
        ("tests/unit/test_storage.py", set()),
    ],
)
def test_a_file_belongs_to_the_scenarios_that_use_it(changed, scenarios):
    assert changed in suite.tracked(suite.ROOT)
    assert {part.name for part in suite.SCENARIOS if changed in suite.inputs_of(part, [changed])} == scenarios


def test_a_hash_follows_names_contents_and_modes(tmp_path):
    (tmp_path / "a").write_text("1")
    (tmp_path / "b").write_text("2")
    first = suite.digest(tmp_path, ["a", "b"])
    assert suite.digest(tmp_path, ["a"]) != first
    (tmp_path / "b").write_text("3")
    second = suite.digest(tmp_path, ["a", "b"])
    assert second != first
    (tmp_path / "b").chmod(0o755)
    assert suite.digest(tmp_path, ["a", "b"]) != second


def test_what_is_remembered_survives_other_parts_and_broken_files(tmp_path):
    path = tmp_path / "cache" / "tests.json"
    assert suite.load_memory(path) == {}
    suite.remember(path, "spark", hash="x", date="2026-01-01")
    suite.remember(path, "spark", minutes=3.5)
    suite.remember(path, "reset", minutes=1.0)
    assert suite.load_memory(path) == {
        "spark": {"hash": "x", "date": "2026-01-01", "minutes": 3.5}, "reset": {"minutes": 1.0}
    }  # fmt: skip
    path.write_text("{")
    assert suite.load_memory(path) == {}
    path.write_text("[1]")
    assert suite.load_memory(path) == {}


@pytest.mark.parametrize(
    ("line", "tests"),
    [
        ("=========== 78 passed, 1 deselected in 683.01s (0:11:23) ===========", (78, 0)),
        ("1648 passed, 2 warnings in 224.48s (0:03:44)", (1648, 0)),
        ("== 2 failed, 5 passed, 1 error in 3.10s ==", (5, 2)),
        ("cp1 : ok=73 changed=27 failed=0", (0, 0)),
        ("ansible-lint: Passed: 0 failure(s), 0 warning(s) in 451 files", (0, 0)),
    ],
)
def test_tests_are_counted_by_pytests_closing_line(line, tests):
    assert suite.counted(line) == tests


def test_the_table_says_what_was_not_run():
    text = suite.table(
        [
            suite.Outcome("default", "passed", 78, 0, 12.34),
            suite.Outcome("spark", "not run: unchanged since it passed on 2026-01-01"),
        ]
    )
    assert "default           78     12.3  passed" in text
    assert "spark                          not run: unchanged since it passed on 2026-01-01" in text
    assert text.splitlines()[-1].split() == ["78", "12.3"]


def arguments(*argv):
    return suite.parse([*argv])


class Recorded(suite.Suite):
    """Runs nothing: notes what would be, and how long it would take."""

    def __init__(self, monkeypatch, argv=(), memory=None, fails=()):
        self.clock = 0.0
        monkeypatch.setattr(suite, "load_memory", lambda path: memory or {})
        monkeypatch.setattr(suite.time, "monotonic", lambda: self.clock)
        super().__init__(arguments(*argv))
        self.fails = fails

    def run(self, part):
        self.clock += 60 * part.estimate
        good = part.name not in self.fails
        self.outcomes.append(suite.Outcome(part.name, "passed" if good else "failed"))
        return good

    @property
    def ran(self):
        return [item.part for item in self.outcomes if item.result in ("passed", "failed")]

    @property
    def said(self):
        return {item.part: item.result for item in self.outcomes}


def test_the_budget_holds_and_what_it_leaves_out_is_named(monkeypatch):
    run = Recorded(monkeypatch, ["--minutes", "30"])
    assert run.within_budget()
    assert run.ran[:5] == ["lint", "unit", "sanity", "collection", "default"]
    assert run.clock / 60 <= 30
    assert set(run.said) == {*(part.name for part in suite.ALWAYS), *hashes()}
    assert run.said["listed"] == "not run: changed, and no time left (about 12 min)"


def test_what_is_unchanged_is_not_run_and_not_called_passed(monkeypatch):
    probe = Recorded(monkeypatch)
    memory = {
        name: {"hash": value, "date": "2026-01-01", "whole": name != "reset"} for name, value in probe.hashes.items()
    }
    run = Recorded(monkeypatch, memory=memory)
    assert run.within_budget()
    assert "default" in run.ran
    assert run.said["spark"] == "not run: unchanged since it passed on 2026-01-01"
    assert run.said["reset"] == "not run: unchanged since it passed on 2026-01-01, without its long tests"
    forced = Recorded(monkeypatch, ["--force", "--minutes", "1000"], memory=memory)
    assert forced.within_budget()
    assert set(hashes()) <= set(forced.ran)


def test_a_failure_ends_the_run_and_the_rest_is_named(monkeypatch):
    run = Recorded(monkeypatch, fails=["unit"])
    assert not run.within_budget()
    assert run.ran == ["lint", "unit"]
    assert run.said["sanity"] == "not run: unit failed"
    assert run.said["spark"] == "not run: something failed before"
    assert set(run.said) == {*(part.name for part in suite.ALWAYS), *hashes()}


def test_a_scenario_that_fails_ends_the_run(monkeypatch):
    run = Recorded(monkeypatch, ["--minutes", "1000"], fails=["spark"])
    assert not run.within_budget()
    assert run.ran[-1] == "spark"
    assert run.said["cassandra"] == "not run: spark failed"
