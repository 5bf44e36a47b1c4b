# SPDX-License-Identifier: GPL-3.0-or-later
"""A module of the collection in a process of its own, as Ansible runs it on a host."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

ROOT = Path(__file__).resolve().parents[1]


def run_module(module: ModuleType, parameters: dict[str, Any]) -> dict[str, Any]:
    """The result of *module*, under a umask that lets nobody else in. Fails where it prints none."""
    done = subprocess.run(
        [sys.executable, "-m", module.__name__],
        input=json.dumps({"ANSIBLE_MODULE_ARGS": parameters}),
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
        umask=0o077,
        env={**os.environ, "PYTHONPATH": str(ROOT / ".collections")},
    )
    assert done.stdout, done.stderr
    return json.loads(done.stdout)
