# SPDX-License-Identifier: GPL-3.0-or-later
"""The tests as a whole: what is run, in which order, within which time, and what was not run.

    suite.py                     what every change is held by, then scenarios whose inputs changed, within the budget
    suite.py --all               everything, with the tests that are marked as long
    suite.py SCENARIO...         these scenarios, with their long tests
    suite.py --action ACTION SCENARIO [ARGUMENT...]    one step of molecule, on the site as it is

Options: --minutes N, --force (ignore what is remembered), --keep (leave the site), --list (say what would be run).

`default` makes the site; the other scenarios are apps on it, and bring up what they need. All share one lab beside a
running demo. What has passed is remembered in the cache by a hash of everything that it uses, and is run again once one
of these files is another. What is not run is said to be so in the table at the end.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import datetime
import fnmatch
import hashlib
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
CACHE = Path(
    os.environ.get("BB_CACHE") or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "baremetal-bigdata"
)
# Where it is remembered what has passed.
MEMORY = CACHE / "tests.json"
LAB = "lab-test"
# Minutes that `make test` may take with a warm cache, and of these what is left for removing the site. After so many
# times the budget a part that hangs is stopped: before CI ends the whole, and nobody sees a table.
MINUTES = 30.0
RESERVE = 1.0
PATIENCE = 2.0

# What every scenario uses: files of git, by patterns in which * goes over directories.
SITE = (
    "*.cfg", "site.yml", "requirements.txt", "pyproject.toml", "plugins/*", "playbooks/*", "inventories/lab/*",
    "lab/*", "artifacts/*", "images/host/*", "images/pause/*", "molecule/conftest.py", "molecule/shared/*",
    ".config/*", "meta/*", "roles/*", "tests/collection.sh", "tests/suite.py", "galaxy.yml",
)  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Part:
    """Something that is run as a whole.

    *estimate*: minutes, before it was measured here. *apps*: those of a scenario, whose images it puts into the mirror.
    *inputs*: patterns of files that it uses besides those of SITE; other apps' roles and images are none.
    *ends_site*: whether no other scenario can follow on the same site.
    """

    name: str
    estimate: float
    target: str = ""
    apps: tuple[str, ...] = ()
    inputs: tuple[str, ...] = ()
    ends_site: bool = False


# Each is run in every `make test`.
ALWAYS = (
    Part("lint", 1.5, target="lint"),
    Part("unit", 4, target="unit"),
    Part("sanity", 1.5, target="sanity"),
    Part("collection", 0.5, target="collection"),
)
# Only in `make test-all`.
FURTHER = (Part("controllers", 5, target="controllers"),)
SCENARIOS = (
    # A test compares the sockets with the table in that document.
    Part("default", 14, apps=("hazelcast",), inputs=("docs/architecture.md",)),
    Part("symphony", 6, apps=("symphony",), inputs=("tests/symphony_standin/*",)),
    Part("spark", 9, apps=("spark",)),
    Part("cassandra", 6, apps=("cassandra",)),
    Part("hazelcast", 6, apps=("hazelcast",)),
    Part("kubedirector", 8, apps=("kubedirector",), inputs=("tests/fixtures/kubedirector/*", "images/kubedirector-*")),
    Part(
        "listed",
        12,
        apps=("hazelcast", "spark", "cassandra"),
        inputs=("roles/symphony/*", "tests/symphony_standin/*", "molecule/symphony/*"),
    ),
    Part("reset", 6, apps=("hazelcast",), ends_site=True),
)
APPS = ("cassandra", "hazelcast", "kubedirector", "spark", "symphony")


@dataclasses.dataclass
class Outcome:
    """What became of a part: ``passed``, ``failed`` or ``not run``, and what is to be said to that."""

    part: str
    result: str
    tests: int = 0
    failed: int = 0
    minutes: float = 0.0

    @property
    def ran(self) -> bool:
        return not self.result.startswith("not run")


# --- what has passed -------------------------------------------------------------------------------


def inputs_of(part: Part, files: Iterable[str]) -> list[str]:
    """Those of *files* that a scenario uses."""
    others = [app for app in APPS if app not in part.apps]
    foreign = [f"{kind}/{app}*" for app in others for kind in ("roles", "images")]
    patterns = (*SITE, f"molecule/{part.name}/*", *(f"images/{app}*" for app in part.apps), *part.inputs)
    own = [f"images/{app}*" for app in part.apps] + list(part.inputs)

    def wanted(name: str) -> bool:
        if any(fnmatch.fnmatch(name, pattern) for pattern in own):
            return True
        if name.endswith(".md") or any(fnmatch.fnmatch(name, pattern) for pattern in foreign):
            return False
        return any(fnmatch.fnmatch(name, pattern) for pattern in patterns)

    return sorted(name for name in files if wanted(name))


def digest(root: Path, names: Iterable[str]) -> str:
    """A hash of files: of their names, whether they can be executed, and their contents."""
    result = hashlib.sha256()
    for name in names:
        path = root / name
        content = os.readlink(path).encode() if path.is_symlink() else path.read_bytes()
        mode = "x" if os.access(path, os.X_OK) else "-"
        result.update(f"{name}\0{mode}\0{len(content)}\0".encode() + content)
    return result.hexdigest()


def other_release(root: Path, asked: str) -> str:
    """The Kubernetes release that is *asked* for, where it is not the one that the roles have by default."""
    defaults = (root / "roles/cluster/defaults/main.yml").read_text()
    return "" if f"\ncluster_kubernetes_version: {asked}\n" in defaults else asked


def tracked(root: Path) -> list[str]:
    """The files of a checkout that git knows or would take."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    found = subprocess.run(command, cwd=root, check=True, capture_output=True, text=True).stdout
    return sorted(name for name in set(found.split("\0")) if name and (root / name).exists())


def load_memory(path: Path) -> dict[str, dict[str, Any]]:
    """What is remembered: part -> {hash, date, minutes, tests, whole}. A file that cannot be read is none."""
    try:
        found = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return {name: item for name, item in found.items() if isinstance(item, dict)} if isinstance(found, dict) else {}


def remember(path: Path, part: str, **values: Any) -> None:
    """Add to what is remembered of a part, as a whole or not at all."""
    memory = load_memory(path)
    memory[part] = {**memory.get(part, {}), **values}
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_suffix(f".{os.getpid()}")
    fresh.write_text(json.dumps(memory, indent=2, sort_keys=True) + "\n")
    fresh.replace(path)


# --- what is run -----------------------------------------------------------------------------------


def order(parts: Sequence[Part], memory: Mapping[str, Mapping[str, Any]], hashes: Mapping[str, str]) -> list[Part]:
    """Scenarios whose inputs changed since they passed: what never passed first, then what passed longest ago."""
    changed = [part for part in parts if memory.get(part.name, {}).get("hash") != hashes[part.name]]
    return sorted(changed, key=lambda part: str(memory.get(part.name, {}).get("date") or ""))


def minutes_of(part: Part, memory: Mapping[str, Mapping[str, Any]]) -> float:
    """How long a part takes: as measured the last time, or as estimated."""
    return float(memory.get(part.name, {}).get("minutes") or part.estimate)


SHORT = ", without its long tests"


def unchanged(part: Part, memory: Mapping[str, Mapping[str, Any]]) -> str:
    """Why a scenario is not run whose inputs are the same."""
    known = memory[part.name]
    return f"not run: unchanged since it passed on {known['date']}{'' if known.get('whole') else SHORT}"


def table(outcomes: Sequence[Outcome]) -> str:
    """The end of a run: every part, its tests and minutes, and what was not run."""
    lines = [f"{'part':<14}{'tests':>6}{'minutes':>9}  result"]
    for item in outcomes:
        tests, minutes = (str(item.tests) if item.tests else "", f"{item.minutes:.1f}") if item.ran else ("", "")
        lines.append(f"{item.part:<14}{tests:>6}{minutes:>9}  {item.result}")
    lines.append(f"{'':<14}{sum(o.tests for o in outcomes):>6}{sum(o.minutes for o in outcomes):>9.1f}")
    return "\n".join(lines)


_PASSED = re.compile(r"(\d+) passed\b.* in [\d.]+s")
_FAILED = re.compile(r"(\d+) (?:failed|errors?)\b.* in [\d.]+s")


def counted(line: str) -> tuple[int, int]:
    """Tests that passed and failed by pytest's closing line; of any other line none."""
    passed, failed = _PASSED.search(line), _FAILED.search(line)
    return (int(passed.group(1)) if passed else 0), (int(failed.group(1)) if failed else 0)


# --- running ---------------------------------------------------------------------------------------


class Suite:
    """Runs parts one after the other, and notes what became of them."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        self.arguments = arguments
        self.outcomes: list[Outcome] = []
        self.started = time.monotonic()
        self.memory = {} if arguments.force else load_memory(MEMORY)
        self.estimates = load_memory(MEMORY)
        self.hashes = {part.name: self.hash_of(part) for part in SCENARIOS}
        self.site = False
        self.remarks: list[str] = []

    @staticmethod
    def hash_of(part: Part) -> str:
        """What a scenario uses, as it is now."""
        release = other_release(ROOT, os.environ.get("BB_KUBERNETES") or "")
        return digest(ROOT, inputs_of(part, tracked(ROOT))) + (f" {release}" if release else "")

    @property
    def short(self) -> bool:
        """Whether there is a budget, and long tests are left out: where nothing else is asked for."""
        return not self.arguments.all and not self.arguments.scenarios

    @property
    def patience(self) -> float:
        """Minutes until what still runs is stopped."""
        return PATIENCE * self.arguments.minutes - (time.monotonic() - self.started) / 60

    @property
    def left(self) -> float:
        """Minutes of the budget that are left."""
        return self.arguments.minutes - RESERVE - (time.monotonic() - self.started) / 60

    def command(self, *argv: str, **environment: str) -> tuple[bool, int, int]:
        """Run a command and show what it prints: whether it ended well, and the tests that passed and failed."""
        passed = failed = 0
        process = subprocess.Popen(
            argv,
            cwd=ROOT,
            env={**os.environ, **environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        )
        end = threading.Timer(60 * max(self.patience, 0), self.overdue, [process])
        if self.short:
            end.start()
        try:
            assert process.stdout
            for line in process.stdout:
                sys.stdout.write(line)
                sys.stdout.flush()
                more = counted(line)
                passed, failed = passed + more[0], failed + more[1]
                if line.startswith("not run: "):
                    self.remarks.append(line.strip())
            process.wait()
        except BaseException:
            self.stop(process)
            raise
        finally:
            end.cancel()
        return process.returncode == 0, passed, failed

    @staticmethod
    def stop(process: subprocess.Popen[str]) -> None:
        """End a command and what it has started: politely, and after some seconds for good."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(timeout=5)
            os.killpg(process.pid, signal.SIGKILL)

    def overdue(self, process: subprocess.Popen[str]) -> None:
        """End a command that takes too long."""
        print(f"\nstopped after {PATIENCE:g} times the budget of {self.arguments.minutes:g} minutes", flush=True)
        self.stop(process)

    def run(self, part: Part) -> bool:
        """Run a part whole, and note it."""
        print(f"\n=== {part.name}", flush=True)
        began, outcome = time.monotonic(), Outcome(part.name, "failed: interrupted")
        self.remarks = []
        self.outcomes.append(outcome)
        good, complete = True, not (self.short and has_long_tests(part))
        try:
            for argv, environment in self.steps(part):
                good, passed, failed = self.command(*argv, **environment)
                outcome.tests, outcome.failed = outcome.tests + passed, outcome.failed + failed
                if not good:
                    break
            outcome.result = ("passed" + ("" if complete else SHORT)) if good else "failed"
        finally:
            outcome.minutes = round((time.monotonic() - began) / 60, 2)
            # A part can fail before it comes to its tests.
            if outcome.result.startswith("failed"):
                outcome.failed = max(outcome.failed, 1)
        if good and self.remarks and not outcome.tests:
            self.outcomes.remove(outcome)
        self.outcomes += [Outcome(part.name, remark) for remark in self.remarks]
        self.note(part, outcome, good, complete)
        return good

    def note(self, part: Part, outcome: Outcome, good: bool, complete: bool) -> None:
        """Remember how long a part takes, and with which inputs a scenario passed; one that fails, with none."""
        # Runs with the long tests tell nothing about those within a budget.
        if good and (self.short or not has_long_tests(part)):
            remember(MEMORY, part.name, minutes=outcome.minutes)
        if part not in SCENARIOS:
            return
        if not good:
            remember(MEMORY, part.name, hash=None)
        elif self.hash_of(part) == self.hashes[part.name]:
            now = datetime.datetime.now().isoformat(" ", "minutes")
            remember(MEMORY, part.name, hash=self.hashes[part.name], date=now, tests=outcome.tests, whole=complete)

    def steps(self, part: Part) -> Iterator[tuple[list[str], dict[str, str]]]:
        """The commands of a part."""
        if part.target:
            yield ["make", part.target], {}
            return
        if part.name == "default":
            self.destroy()
        self.site = True
        environment = scenario_environment(part)
        # Nothing of the caller's: what passes here is remembered as the whole of the scenario.
        environment["PYTEST_ADDOPTS"] = "-m 'not long'" if self.short else ""
        # Molecule remembers for a checkout's path that a scenario was prepared, also beyond its site.
        yield ["molecule", "reset", "--scenario-name", part.name], environment
        yield ["molecule", "test", "--destroy=never", "--scenario-name", part.name], environment

    def destroy(self) -> None:
        """Remove the site. It speaks only where that fails: what failed before stays the last that is to be read."""
        done = subprocess.run(
            ["molecule", "destroy", "--scenario-name", "default"],
            cwd=ROOT,
            env={**os.environ, **scenario_environment(SCENARIOS[0])},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            print(done.stdout + done.stderr, flush=True)
        self.site = False

    def skip(self, parts: Iterable[Part], reason: str) -> None:
        """Note parts that are not run."""
        self.outcomes += [Outcome(part.name, f"not run: {reason}") for part in parts]

    def everything(self, parts: Sequence[Part], further: bool = False) -> bool:
        """Run these parts, up to the first that fails: with *further*, up to one that leaves no site to the others."""
        good = True
        for number, part in enumerate(parts):
            if self.run(part):
                continue
            good = False
            if not further or part is SCENARIOS[0]:
                self.skip(parts[number + 1 :], f"{part.name} failed")
                break
        return good

    def within_budget(self) -> bool:
        """What every change is held by, then the scenarios whose inputs changed, as far as there is time."""
        if not self.everything([*ALWAYS, SCENARIOS[0]]):
            self.skip(SCENARIOS[1:], "something failed before")
            return False
        changed = order(SCENARIOS[1:], self.memory, self.hashes)
        good = self.as_far_as_there_is_time(changed)
        for part in SCENARIOS[1:]:
            if part not in changed:
                self.outcomes.append(Outcome(part.name, unchanged(part, self.memory)))
        return good

    def as_far_as_there_is_time(self, parts: Sequence[Part]) -> bool:
        """Run these in this order, each if it fits; what removes the site has its time set aside, and comes last."""
        last: list[Part] = []
        aside = 0.0
        for part in parts:
            minutes = minutes_of(part, self.estimates)
            if minutes > self.left - aside:
                self.skip([part], f"changed, and no time left (about {minutes:.0f} min)")
            elif part.ends_site:
                last.append(part)
                aside += minutes
            elif not self.run(part):
                done = {item.part for item in self.outcomes}
                self.skip([one for one in parts if one.name not in done], f"{part.name} failed")
                return False
        return self.everything(last)

    def main(self) -> int:
        """Run what is asked for; the exit code."""
        named = [part for part in SCENARIOS if part.name in self.arguments.scenarios]
        good, reason = False, "interrupted"
        try:
            if named:
                kubeconfig = ROOT / f".{LAB}" / "kubeconfig"
                first = [] if named[0].name == "default" or kubeconfig.exists() else [SCENARIOS[0]]
                good = self.everything([*first, *named], further=True)
                reason = "others were asked for by name"
            elif self.arguments.all:
                good = self.everything([*ALWAYS, *FURTHER, *SCENARIOS], further=True)
                reason = ""
            else:
                good = self.within_budget()
                reason = "by name, and in make test-all"
        finally:
            done = {item.part for item in self.outcomes}
            self.skip([part for part in (*ALWAYS, *FURTHER, *SCENARIOS) if part.name not in done], reason)
            # Who interrupts may not wait.
            last = [self.clean_up, self.report]
            for step in reversed(last) if reason == "interrupted" else last:
                step()
        return 0 if good else 1

    def clean_up(self) -> None:
        """Remove the site, if it was used here and nobody wants to look at it."""
        if self.site and not self.arguments.keep:
            self.destroy()

    def report(self) -> None:
        """Print the table and, in a line of their own, the sums."""
        print(f"\n{table(self.outcomes)}\n", flush=True)
        passed, failed = (sum(getattr(item, name) for item in self.outcomes) for name in ("tests", "failed"))
        print(f"{passed} passed, {failed} failed", flush=True)


def scenario_environment(part: Part) -> dict[str, str]:
    """The lab of the scenarios, and the apps of this one."""
    apps = " ".join(part.apps)
    return {
        "BB_LAB": LAB,
        "BB_LAB_PREFIX": os.environ.get("BB_TEST_PREFIX") or "10.231.8",
        # Molecule folds what it shows to the terminal's width, and takes 80 where there is none.
        "COLUMNS": os.environ.get("COLUMNS") or "160",
        "BB_APPS": apps,
        "BB_MIRROR_APPS": apps,
    }


def has_long_tests(part: Part) -> bool:
    """Whether a scenario has tests that only a run by name, or of everything, includes."""
    return any("mark.long" in path.read_text() for path in (ROOT / "molecule" / part.name / "tests").glob("*.py"))


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """The command line."""
    names = [part.name for part in SCENARIOS]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scenarios", nargs="*", choices=[*names, []], metavar="SCENARIO", help=", ".join(names))
    parser.add_argument("--all", action="store_true", help="everything, with the long tests")
    parser.add_argument("--minutes", type=float, default=MINUTES, help="budget of a run (default: %(default)g)")
    parser.add_argument("--force", action="store_true", help="ignore what is remembered")
    parser.add_argument("--keep", action="store_true", help="leave the site")
    parser.add_argument("--list", action="store_true", help="say what is remembered, and run nothing")
    return parser.parse_args(argv)


def action(argv: Sequence[str]) -> int:
    """One step of molecule, on the site as it is."""
    if len(argv) < 2 or argv[1] not in [part.name for part in SCENARIOS]:
        print("usage: suite.py --action ACTION SCENARIO [ARGUMENT...]", file=sys.stderr)
        return 2
    part = next(part for part in SCENARIOS if part.name == argv[1])
    command = ["molecule", argv[0], "--scenario-name", part.name, *argv[2:]]
    return subprocess.run(command, cwd=ROOT, env={**os.environ, **scenario_environment(part)}, check=False).returncode


def main() -> int:
    if sys.argv[1:2] == ["--action"]:
        return action(sys.argv[2:])
    suite = Suite(parse(sys.argv[1:]))
    if suite.arguments.list:
        for part in SCENARIOS:
            known = suite.memory.get(part.name, {})
            same = known.get("hash") == suite.hashes[part.name]
            print(f"{part.name:<14}{unchanged(part, suite.memory)[9:] if same else 'changed'}")
        return 0
    return suite.main()


if __name__ == "__main__":
    # By what ends a job: the table is printed all the same.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    with contextlib.suppress(KeyboardInterrupt):
        sys.exit(main())
    sys.exit(130)
