# SPDX-License-Identifier: GPL-3.0-or-later
"""The variables of playbooks: prefixed, listed once, documented, and the only ones that the playbooks use."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
LISTED = yaml.safe_load((ROOT / "playbooks/vars/variables.yml").read_text())["__playbook_variables"]
# The plays that refuse what they do not know, and by which prefixes.
PLAYBOOKS = {
    path.name: prefixes
    for path in sorted(ROOT.glob("playbooks/*.yml"))
    for prefixes in [[play.get("vars", {}).get("__variables_prefixes") for play in yaml.safe_load(path.read_text())]]
    if any(prefixes)
}


def test_which_playbooks_refuse_unknown_variables():
    assert set(PLAYBOOKS) == {"app.yml", "discover.yml", "mirror.yml", "mirror_reset.yml", "render.yml", "reset.yml"}


def test_the_apps_refuse_what_looks_like_a_variable_of_theirs():
    tasks = yaml.safe_load((ROOT / "playbooks/tasks/apps_validate.yml").read_text())
    assert "baremetal.bigdata.unknown_role_variables" in tasks[0]["vars"]["__apps_misspelt"]
    for playbook in ("apps.yml", "cluster.yml"):
        assert "file: tasks/apps_validate.yml" in (ROOT / "playbooks" / playbook).read_text()


def test_every_prefix_has_its_list():
    used = {prefix for plays in PLAYBOOKS.values() for prefixes in plays if prefixes for prefix in prefixes}
    assert used == set(LISTED)


@pytest.mark.parametrize("prefix", LISTED)
def test_names_carry_the_prefix_and_are_documented(prefix):
    page = (ROOT / "docs/variables.md").read_text()
    assert [name for name in LISTED[prefix] if not name.startswith(f"{prefix}_")] == []
    assert [name for name in LISTED[prefix] if f"`{name}`" not in page] == []


def test_the_mirrors_are_those_of_its_role():
    role = yaml.safe_load((ROOT / "roles/mirror/defaults/main.yml").read_text())
    assert set(LISTED["mirror"]) | {"mirror_reset_delete_data"} == set(role)
    assert set(LISTED["mirror_reset"]) == {"mirror_reset_confirm", "mirror_reset_delete_data"}


@pytest.mark.parametrize("playbook", PLAYBOOKS)
def test_a_playbook_uses_no_other_name_with_its_prefix(playbook):
    prefixes = {prefix for play in PLAYBOOKS[playbook] if play for prefix in play}
    text = (ROOT / "playbooks" / playbook).read_text()
    if playbook == "reset.yml":
        text += (ROOT / "playbooks/vars/reset.yml").read_text()
    # In expressions and conditions: what stands in comments, names of roles and results of tasks are none.
    code = "\n".join(
        line for line in text.splitlines() if not re.match(r"\s*(#|name:|- name:|file:|tasks_from:)", line)
    )
    found = set(re.findall(rf"(?<![\w./-])(?:{'|'.join(prefixes)})_[a-z_]+\b(?!\.yml)", code))
    known = {name for prefix in prefixes for name in LISTED[prefix]}
    assert found - known - prefixes == set()


def test_former_names_of_reset_are_taken_and_have_new_ones():
    reset = yaml.safe_load((ROOT / "playbooks/vars/reset.yml").read_text())
    former = reset.pop("__reset_former_names")
    assert set(former.values()) | {"reset_confirm"} == set(LISTED["reset"])
    assert set(former) == set(reset)
    for old, new in former.items():
        assert reset[old].startswith(f"{{{{ {new} | default(hostvars[inventory_hostname]['{old}']"), old
