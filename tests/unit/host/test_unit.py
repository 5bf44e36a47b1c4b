# SPDX-License-Identifier: GPL-3.0-or-later
"""What is done to a unit, by what systemd says of it. The module runs real units in the scenario `default`."""

from __future__ import annotations

import pytest
from ansible_collections.baremetal.bigdata.plugins.module_utils.host.unit import UNKNOWN, Unit, UnitError, shown

UP = {"ActiveState": "active", "MainPID": "7", "NeedDaemonReload": "no", "UnitFileState": "enabled"}


class Systemd:
    """Answers `systemctl show` with what it was given, and notes everything else."""

    def __init__(self, found, refuses=""):
        self.found = found
        self.refuses = refuses
        self.done = []

    def __call__(self, command):
        if command[1] == "show":
            return 0, "".join(f"{name}={value}\n" for name, value in self.found.items()), ""
        self.done.append(command[1:])
        return (1, "", "no such thing") if command[1] == self.refuses else (0, "", "")


@pytest.fixture
def unit(tmp_path):
    def make(systemd, **parameters):
        return Unit(systemd, "a.service", pending_directory=str(tmp_path / "pending"), proc=str(tmp_path), **parameters)

    return make


@pytest.mark.parametrize(
    ("found", "changed", "steps"),
    [
        (UP, False, []),
        (UP, True, ["restart"]),
        (UP | {"ActiveState": "activating"}, False, []),
        (UP | {"ActiveState": "failed"}, False, ["start"]),
        (UP | {"ActiveState": "failed"}, True, ["start"]),
        (UP | {"UnitFileState": "disabled"}, False, ["enable"]),
        (UP | {"UnitFileState": "static"}, False, []),
        (UP | {"NeedDaemonReload": "yes"}, False, ["daemon-reload", "restart"]),
        (UNKNOWN, True, ["enable", "start"]),
    ],
)
def test_a_unit_gets_what_it_lacks(unit, found, changed, steps):
    one = unit(Systemd(found))
    assert one.steps(one.look(), changed) == steps


def test_a_unit_whose_program_was_replaced_is_restarted(unit, tmp_path):
    (tmp_path / "7").mkdir()
    (tmp_path / "7" / "exe").symlink_to("/usr/local/bin/a")
    one = unit(Systemd(UP))
    assert one.steps(one.look(), False) == []
    (tmp_path / "7" / "exe").unlink()
    (tmp_path / "7" / "exe").symlink_to("/usr/local/bin/a (deleted)")
    assert one.steps(one.look(), False) == ["restart"]


def test_a_restart_that_an_earlier_run_owed_is_made_up_for_once(unit):
    unit(Systemd(UP)).mark()
    systemd = Systemd(UP)
    one = unit(systemd)
    one.carry_out(one.steps(one.look(), False), one.look())
    assert systemd.done == [["restart", "a.service"]]
    assert one.steps(one.look(), False) == []


def test_a_unit_without_what_it_needs_is_enabled_only(unit, tmp_path):
    one = unit(Systemd(UNKNOWN), needs=str(tmp_path / "config"))
    assert one.steps(one.look(), True) == ["enable"]
    (tmp_path / "config").touch()
    assert one.steps(one.look(), True) == ["enable", "start"]


def test_the_steps_are_taken_in_order_and_without_waiting_where_asked(unit):
    systemd = Systemd(UNKNOWN)
    unit(systemd, wait=False).carry_out(["daemon-reload", "enable", "start"], UNKNOWN)
    assert systemd.done == [["daemon-reload"], ["enable", "a.service"], ["start", "--no-block", "a.service"]]


@pytest.mark.parametrize(("state", "options"), [("active", []), ("activating", ["--no-block"])])
def test_a_unit_that_was_up_is_waited_for(unit, state, options):
    systemd = Systemd(UP | {"ActiveState": state})
    unit(systemd, wait=False).carry_out(["restart"], systemd.found)
    assert systemd.done == [["restart", *options, "a.service"]]


def test_a_failure_names_unit_step_and_log_and_the_restart_is_still_owed(unit):
    one = unit(Systemd(UP, refuses="restart"))
    one.mark()
    with pytest.raises(UnitError, match=r"a\.service: expected systemctl restart .* no such thing .*journalctl"):
        one.carry_out(["restart"], UP)
    assert one.steps(one.look(), False) == ["restart"]


@pytest.mark.parametrize(
    ("found", "steps"),
    [
        (UP, ["stop", "disable"]),
        (UP | {"ActiveState": "activating"}, ["stop", "disable"]),
        (UP | {"ActiveState": "failed"}, ["disable"]),
        (UP | {"UnitFileState": "static"}, ["stop"]),
        (UNKNOWN, []),
    ],
)
def test_a_unit_that_is_to_go_is_stopped_and_disabled(unit, found, steps):
    systemd = Systemd(found)
    one = unit(systemd)
    one.mark()
    assert one.farewell(one.look()) == steps
    one.carry_out(steps, found)
    assert systemd.done == [[step, "a.service"] for step in steps]
    assert "restart" not in one.steps(UP, False)


def test_a_difference_tells_what_becomes_of_the_unit():
    assert shown(UP, ["stop", "disable"])["after"] == "enabled: false\nrunning: false\n"
    assert shown(UP, ["restart"]) == {
        "before": "enabled: true\nrunning: true\n",
        "after": "enabled: true\nrunning: true (restarted)\n",
    }
    assert shown(UNKNOWN, ["enable"])["after"] == "enabled: true\nrunning: false\n"
