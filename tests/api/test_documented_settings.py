# SPDX-License-Identifier: GPL-3.0-or-later
"""Each app by the settings that its page calls enough, and nothing else: as the printed command takes them, and as a
real API server does. Nothing runs behind it.
"""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
PAGES = ROOT / "docs/apps"
APPS = ["hazelcast", "spark", "cassandra", "symphony"]

# What the site brings besides: files that the settings name.
FILES = {"/etc/symphony/sym_adv_entitlement.dat": "ego_base 7.3.2 () () () () 0123456789abcdef\n"}


def documented(app: str) -> str:
    """The settings under "Deploy" of an app's page, as they are printed there."""
    page = (PAGES / f"{app}.md").read_text()
    section = re.search(r"^## Deploy$(.*?)^## ", page, re.MULTILINE | re.DOTALL)
    assert section, app
    block = re.search(r"^ *```yaml$(.*?)^ *```$", section.group(1), re.MULTILINE | re.DOTALL)
    assert block, app
    return block.group(1)


@pytest.fixture
def site(tmp_path, api_server):
    """Makes a site of one app's settings; returns what runs `baremetal.bigdata.apps` on it."""

    def make(settings: str) -> Any:
        for path, content in FILES.items():
            if path in settings:
                (tmp_path / Path(path).name).write_text(content)
                settings = settings.replace(path, str(tmp_path / Path(path).name))
        (tmp_path / "group_vars").mkdir()
        (tmp_path / "group_vars/all.yml").write_text(settings)
        (tmp_path / "hosts").write_text("localhost ansible_connection=local\n")

        def run(*arguments: str) -> tuple[int, str]:
            done = subprocess.run(
                ["ansible-playbook", "-i", str(tmp_path / "hosts"), "baremetal.bigdata.apps", *arguments],
                env=api_server.ansible_env(),
                cwd=api_server.directory,
                capture_output=True,
                text=True,
                timeout=300,
                check=False,
            )
            return done.returncode, done.stdout + done.stderr

        return run

    return make


@pytest.mark.parametrize("app", APPS)
def test_the_documented_settings_are_enough(api_server, site, app):
    settings = documented(app)
    assert yaml.safe_load(settings)["apps_enabled"] == [app]
    # Where its namespace is, a server-side dry run looks at every object of the cluster.
    api_server.request("POST", "/api/v1/namespaces", {"metadata": {"name": app}}, connection=api_server.connect())
    kubeconfig = json.dumps({"cluster_kubeconfig": str(api_server.kubeconfig)})
    code, output = site(settings)("--check", "--diff", "-e", kubeconfig)
    assert code == 0, output
    assert "no cluster yet" not in output
    assert re.search(r"kind: (StatefulSet|ReplicationController|Deployment)", output), output
