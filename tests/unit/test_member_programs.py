# SPDX-License-Identifier: GPL-3.0-or-later
"""The shell programs that members get, in the shells that images have."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PROGRAMS = sorted([*ROOT.glob("roles/*/files/*.sh"), *ROOT.glob("plugins/plugin_utils/agent/*.sh")])


# /bin/sh of the Debian family is dash, of the RHEL family bash.
@pytest.mark.parametrize("shell", [("sh",), ("bash", "--posix")], ids=" ".join)
@pytest.mark.parametrize("program", PROGRAMS, ids=lambda path: path.name)
def test_a_program_is_shell_to_each(program, shell):
    done = subprocess.run([*shell, "-n", program], capture_output=True, text=True, timeout=10, check=False)
    assert (done.returncode, done.stderr) == (0, "")
