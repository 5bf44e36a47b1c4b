# Copyright (c) 2026 The baremetal.bigdata maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A systemd unit that is to run with its newest files, or to be gone."""

from __future__ import annotations

import contextlib
import os
from typing import Callable

# What `systemctl show` says of a unit that systemd does not know.
UNKNOWN = {"ActiveState": "inactive", "MainPID": "0", "NeedDaemonReload": "no", "UnitFileState": ""}
RUNNING = ("active", "activating", "reloading")
ENABLED = ("enabled", "enabled-runtime", "static", "alias", "indirect", "generated")

# Units whose files have changed and which have not been restarted yet. Gone with a reboot, as they are restarted then.
PENDING_DIRECTORY = "/run/baremetal-bigdata/restart-pending"


class UnitError(Exception):
    """A failure that names the unit, what was expected, what was found and the remedy."""


# AnsibleModule.run_command or alike: takes a list, returns (exit code, stdout, stderr).
Run = Callable[[list[str]], tuple[int, str, str]]


class Unit:
    """A unit, enabled, and running unless *needs* names a path that is missing.

    *wait*: whether a start is over only when the unit says that it is up. A unit that was up and is restarted is always
    waited for: others may stand on it.
    """

    def __init__(
        self,
        run: Run,
        name: str,
        needs: str | None = None,
        wait: bool = True,
        pending_directory: str = PENDING_DIRECTORY,
        proc: str = "/proc",
    ) -> None:
        self._run = run
        self._pending = os.path.join(pending_directory, name)
        self._proc = proc
        self.name = name
        self.needs = needs
        self.wait = wait

    def look(self) -> dict[str, str]:
        """The properties of UNKNOWN, as systemd tells them."""
        code, out, _ignored = self._run(["systemctl", "show", "--property", ",".join(UNKNOWN), self.name])
        if code:
            return dict(UNKNOWN)
        return {**UNKNOWN, **dict(line.split("=", 1) for line in out.splitlines() if "=" in line)}

    def mark(self) -> None:
        """Note, before its files change, that it must be restarted: a run that stops half-way is taken up again."""
        os.makedirs(os.path.dirname(self._pending), mode=0o755, exist_ok=True)
        with open(self._pending, "wb"):
            pass

    def _runs_a_replaced_program(self, found: dict[str, str]) -> bool:
        """Whether the file that its main process was started from has been replaced or removed since."""
        try:
            return os.readlink(f"{self._proc}/{found['MainPID']}/exe").endswith(" (deleted)")
        except OSError:
            return False

    def steps(self, found: dict[str, str], changed: bool) -> list[str]:
        """What is to be done, in order, out of daemon-reload, enable, start and restart.

        *found* is what `look` gave, *changed* whether something changed that the unit reads only when it starts.
        """
        steps = []
        if found["NeedDaemonReload"] == "yes":
            steps.append("daemon-reload")
        if found["UnitFileState"] not in ENABLED:
            steps.append("enable")
        if self.needs and not os.path.exists(self.needs):
            return steps
        if found["ActiveState"] not in RUNNING:
            steps.append("start")
        elif (
            changed or "daemon-reload" in steps or os.path.exists(self._pending) or self._runs_a_replaced_program(found)
        ):
            steps.append("restart")
        return steps

    def farewell(self, found: dict[str, str]) -> list[str]:
        """What is to be done before its files go, in order, out of stop and disable. *found* is what `look` gave."""
        steps = []
        if found["ActiveState"] in RUNNING:
            steps.append("stop")
        if found["UnitFileState"] in ("enabled", "enabled-runtime"):
            steps.append("disable")
        return steps

    def carry_out(self, steps: list[str], found: dict[str, str]) -> None:
        """Do the steps that `steps` or `farewell` gave for what `look` had *found*."""
        for step in steps:
            command = ["systemctl", step]
            if step in ("start", "restart") and not self.wait and found["ActiveState"] != "active":
                command.append("--no-block")
            if step != "daemon-reload":
                command.append(self.name)
            code, out, error = self._run(command)
            if code:
                raise UnitError(
                    f"{self.name}: expected systemctl {step} to succeed, found: {(error or out).strip()} "
                    f"Look at: journalctl --unit={self.name}"
                )
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self._pending)


def shown(found: dict[str, str], steps: list[str]) -> dict[str, str]:
    """A unit before and after its steps, as a difference shows it."""
    enabled, running = found["UnitFileState"] in ENABLED, found["ActiveState"] in RUNNING
    stays = "true (restarted)" if "restart" in steps else str((running and "stop" not in steps) or "start" in steps)
    return {
        "before": f"enabled: {str(enabled).lower()}\nrunning: {str(running).lower()}\n",
        "after": f"enabled: {str((enabled and 'disable' not in steps) or 'enable' in steps).lower()}\n"
        f"running: {stays.lower()}\n",
    }
