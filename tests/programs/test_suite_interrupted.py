# SPDX-License-Identifier: GPL-3.0-or-later
"""A run of all tests that somebody ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_a_run_that_is_ended_stops_what_it_started_and_prints_its_table(tmp_path):
    tools = tmp_path / "bin"
    tools.mkdir()
    # What a part starts: it says who it is, and stays.
    (tools / "make").write_text(f"#!/bin/sh\necho $$ >{tmp_path}/pid\necho ready\nexec sleep 600\n")
    (tools / "make").chmod(0o755)
    with subprocess.Popen(
        [sys.executable, str(ROOT / "tests/suite.py")],
        env={**os.environ, "PATH": f"{tools}{os.pathsep}{os.environ['PATH']}", "BB_CACHE": str(tmp_path)},
        stdout=subprocess.PIPE,
        text=True,
    ) as run:
        assert run.stdout
        for line in run.stdout:
            if line == "ready\n":
                break
        run.send_signal(signal.SIGTERM)
        said = run.stdout.read().splitlines()
    assert run.returncode == 128 + signal.SIGTERM
    assert said[-1] == "0 passed, 1 failed"
    rows = {line.split()[0]: line for line in said if line.strip()}
    assert rows["lint"].endswith("failed: interrupted")
    assert rows["unit"].endswith("not run: interrupted")
    assert rows["spark"].endswith("not run: interrupted")
    assert not Path("/proc", (tmp_path / "pid").read_text().strip()).exists()
