# SPDX-License-Identifier: GPL-3.0-or-later
"""The modules that run on hosts, by the Python of a host (BB_HOST_PYTHON), as Ansible sends them there."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PYTHON = os.environ.get("BB_HOST_PYTHON", "")
pytestmark = pytest.mark.skipif(not PYTHON, reason="BB_HOST_PYTHON names the Python of a host")


def run(name: str, parameters: dict, *flags: str) -> dict:
    """The result of a module that ran by the host's Python."""
    done = subprocess.run(
        [
            str(Path(sys.executable).with_name("ansible")), "localhost", "-i", "localhost,", "-c", "local",
            "-m", f"baremetal.bigdata.{name}", "-a", json.dumps(parameters),
            "-e", f"ansible_python_interpreter={PYTHON}", *flags,
        ],
        cwd=ROOT,
        env={**os.environ, "ANSIBLE_CALLBACK_RESULT_FORMAT": "json", "ANSIBLE_NOCOLOR": "1"},
        capture_output=True,
        text=True,
        check=False,
    )  # fmt: skip
    assert "=> " in done.stdout, done.stdout + done.stderr
    result = json.loads(done.stdout[done.stdout.index("=> ") + 3 :])
    assert done.returncode == 0, result
    return result


def test_config_files(tmp_path):
    path = tmp_path / "etc" / "a.conf"
    files = [{"dest": str(path), "content": "a\n", "mode": "0640"}]
    assert run("config_files", {"files": files}, "--check")["changed"]
    assert not path.exists()
    assert run("config_files", {"files": files})["changed_files"] == [str(path)]
    assert (path.read_text(), path.stat().st_mode & 0o777) == ("a\n", 0o640)
    assert not run("config_files", {"files": files})["changed"]
    assert run("config_files", {"state": "absent", "files": files})["changed"]


def test_artifact_install(tmp_path):
    source, target = tmp_path / "source", tmp_path / "bin" / "program"
    source.write_text("#!/bin/sh\n")
    artifact = {
        "name": "program", "version": "1", "url": source.as_uri(), "members": [{"path": None, "dest": str(target)}],
        "sha256": hashlib.sha256(source.read_bytes()).hexdigest(),
    }  # fmt: skip
    places = {"cache_dir": str(tmp_path / "cache"), "state_dir": str(tmp_path / "state")}
    assert run("artifact_install", {"artifacts": [artifact], **places})["changed"]
    assert target.read_text() == "#!/bin/sh\n"
    assert not run("artifact_install", {"artifacts": [artifact], **places})["changed"]


def test_storage_directories_and_tree_absent(tmp_path):
    path = tmp_path / "volume"
    owner = {"owner": str(os.getuid()), "group": str(os.getgid())}
    assert run("storage_directories", {"paths": [str(path)], **owner})["made"] == [str(path)]
    (path / "data").write_text("x")
    assert run("storage_directories", {"paths": [str(path)], "emptied": [str(path)], **owner})["emptied"] == [str(path)]
    assert run("tree_absent", {"paths": [str(path)]})["changed"]
    assert not path.exists()


def test_host_needs_and_preflight_probe():
    assert run("host_needs", {"packages": []})["changed"] is False
    facts = run("preflight_probe", {"roles": ["worker"], "paths": ["/"]})["facts"]
    version = subprocess.run(
        [PYTHON, "-c", "import sys; print(*sys.version_info[:3])"], capture_output=True, text=True, check=True
    )
    assert facts["python"] == [int(part) for part in version.stdout.split()]
