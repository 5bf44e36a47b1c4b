# SPDX-License-Identifier: GPL-3.0-or-later
"""A module or a playbook of the collection in a process of its own, as Ansible and its users run them."""

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


def run_playbook(inventory: Path, playbook: Path, *options: str) -> tuple[int, str]:
    """Exit code and output of ansible-playbook from the checkout, with its configuration and nothing else's."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")}
    program = Path(sys.executable).with_name("ansible-playbook")
    done = subprocess.run(
        [str(program), "-i", str(inventory), str(playbook), *options],
        env=own | {"ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "ANSIBLE_NOCOLOR": "1"},
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
        check=False,
    )
    return done.returncode, done.stdout
