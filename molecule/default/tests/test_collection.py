# SPDX-License-Identifier: GPL-3.0-or-later
"""The built collection, installed elsewhere, on the site that the checkout converged."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from conftest import ROOT


def test_the_installed_collection_changes_nothing_on_a_converged_site():
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    run = subprocess.run(
        [str(ROOT / "tests/collection.sh"), "run"],
        env=os.environ | {"PATH": path},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert "run it on the lab" in run.stdout
