# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tests as a whole run, and what they remember: nothing untested is called tested."""

from __future__ import annotations

import subprocess
import sys

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
        ("pyproject.toml", set(hashes())),
        ("docs/architecture.md", {"default"}),
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


@pytest.mark.parametrize("argv", [["--all"], ["spark", "cassandra"]])
def test_what_is_asked_for_is_run_also_after_a_failure(monkeypatch, argv):
    run = Recorded(monkeypatch, argv, fails=["lint", "spark"])
    run.clean_up = lambda: None
    assert run.main() == 1
    assert run.said["spark"] == "failed"
    assert run.said["cassandra"] == "passed"


def test_without_a_site_no_scenario_is_run(monkeypatch):
    run = Recorded(monkeypatch, ["--all"], fails=["default"])
    run.clean_up = lambda: None
    assert run.main() == 1
    assert run.ran[-1] == "default"
    assert run.said["spark"] == "not run: default failed"


def test_the_scenario_that_removes_the_site_is_the_last(monkeypatch):
    memory = {part.name: {"hash": "old", "date": "2026-01-01"} for part in APPS if part.name != "reset"}
    assert suite.order(APPS, memory, hashes())[0].name == "reset"
    run = Recorded(monkeypatch, ["--minutes", "1000"], memory=memory)
    assert run.within_budget()
    assert run.ran[-1] == "reset"
    # Its time is set aside: it never passed, and goes before the others.
    run = Recorded(monkeypatch, ["--minutes", "29"], memory=memory)
    assert run.within_budget()
    assert run.ran[-1] == "reset"
    assert run.clock / 60 <= 29


SPARK = next(part for part in APPS if part.name == "spark")


class Real(suite.Suite):
    """Runs a command of the test as each part, with a memory and a checkout of its own."""

    def __init__(self, monkeypatch, tmp_path, program, argv=()):
        monkeypatch.setattr(suite, "MEMORY", tmp_path / "tests.json")
        root = tmp_path / "checkout"
        for name in ("roles/cluster/defaults/main.yml", "roles/spark/tasks/main.yml"):
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text("---\ncluster_kubernetes_version: 1.2.3\n")
        (root / "molecule/spark/tests").mkdir(parents=True, exist_ok=True)
        subprocess.run(["git", "init", "--quiet", str(root)], check=True)
        monkeypatch.setattr(suite, "ROOT", root)
        super().__init__(arguments(*argv))
        self.program = program

    def steps(self, part):
        yield [sys.executable, "-c", self.program], {}


PASSES = "print('== 3 passed in 1.00s ==')"


def remembered():
    return suite.load_memory(suite.MEMORY).get("spark", {}).get("hash")


def test_what_fails_has_no_longer_passed(monkeypatch, tmp_path):
    assert Real(monkeypatch, tmp_path, PASSES).run(SPARK)
    assert remembered() == Real(monkeypatch, tmp_path, PASSES).hashes["spark"]
    run = Real(monkeypatch, tmp_path, "print('== 1 failed, 2 passed in 1.00s =='); raise SystemExit(1)", ["--force"])
    assert not run.run(SPARK)
    assert remembered() is None
    assert (run.outcomes[0].tests, run.outcomes[0].failed, run.outcomes[0].result) == (2, 1, "failed")


def test_what_changed_while_it_ran_is_not_remembered(monkeypatch, tmp_path):
    changes = f"open('roles/spark/tasks/main.yml', 'a').write('more'); {PASSES}"
    assert Real(monkeypatch, tmp_path, changes).run(SPARK)
    assert remembered() is None


def test_another_kubernetes_release_is_another_test(monkeypatch, tmp_path):
    monkeypatch.delenv("BB_KUBERNETES", raising=False)
    usual = Real(monkeypatch, tmp_path, PASSES).hashes
    monkeypatch.setenv("BB_KUBERNETES", "1.2.3")
    assert Real(monkeypatch, tmp_path, PASSES).hashes == usual
    monkeypatch.setenv("BB_KUBERNETES", "1.1.1")
    assert Real(monkeypatch, tmp_path, PASSES).hashes["spark"] != usual["spark"]


def test_long_tests_that_were_left_out_are_named_and_their_minutes_are_no_estimate(monkeypatch, tmp_path):
    run = Real(monkeypatch, tmp_path, PASSES)
    (suite.ROOT / "molecule/spark/tests/test_spark.py").write_text("@pytest.mark.long\n")
    assert run.run(SPARK)
    assert run.outcomes[0].result == "passed, without its long tests"
    by_name = Real(monkeypatch, tmp_path / "by_name", PASSES, ["spark"])
    (suite.ROOT / "molecule/spark/tests/test_spark.py").write_text("@pytest.mark.long\n")
    by_name.hashes["spark"] = by_name.hash_of(SPARK)
    assert by_name.run(SPARK)
    assert by_name.outcomes[0].result == "passed"
    known = suite.load_memory(suite.MEMORY)["spark"]
    assert (known["whole"], "minutes" in known) == (True, False)


@pytest.mark.parametrize(
    ("program", "said"),
    [
        (PASSES, ["passed"]),
        ("print('not run: no python3.9')", ["not run: no python3.9"]),
        (f"print('not run: no python3.9'); {PASSES}", ["passed", "not run: no python3.9"]),
    ],
)
def test_a_part_says_what_it_did_not_run(monkeypatch, tmp_path, program, said):
    run = Real(monkeypatch, tmp_path, program, ["--all"])
    assert run.run(suite.FURTHER[0])
    assert [item.result for item in run.outcomes] == said


def test_a_part_that_hangs_is_stopped(monkeypatch, tmp_path):
    run = Real(
        monkeypatch, tmp_path, "import time; print('started', flush=True); time.sleep(600)", ["--minutes", "0.01"]
    )
    assert not run.run(SPARK)
    assert run.outcomes[0].result == "failed"


def test_options_of_the_callers_pytest_do_not_reach_a_scenario(monkeypatch):
    monkeypatch.setenv("PYTEST_ADDOPTS", "-k nothing")
    for argv, options in (["spark"], ""), ([], "-m 'not long'"):
        steps = list(suite.Suite(arguments(*argv)).steps(SPARK))
        assert {environment["PYTEST_ADDOPTS"] for _, environment in steps} == {options}


def test_what_is_not_asked_for_by_name_is_said_not_to_be_run(monkeypatch, capsys):
    run = Recorded(monkeypatch, ["spark", "--keep"])
    assert run.main() == 0
    assert run.said["cassandra"] == "not run: others were asked for by name"
    assert capsys.readouterr().out.splitlines()[-1] == "0 passed, 0 failed"
