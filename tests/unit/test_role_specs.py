# SPDX-License-Identifier: GPL-3.0-or-later
"""Every role's defaults and argument spec say the same, and its layout is the house's."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

ROLES = sorted(path.parent.parent for path in Path(__file__).parents[2].glob("roles/*/meta/main.yml"))
TYPES = {
    "str": str,
    "path": str,
    "int": int,
    "float": (int, float),
    "bool": bool,
    "list": list,
    "dict": dict,
    "raw": object,
}


def load(path: Path):
    return yaml.safe_load(path.read_text()) if path.exists() else {}


def options(role: Path) -> dict:
    return load(role / "meta/argument_specs.yml")["argument_specs"]["main"].get("options", {})


@pytest.fixture(params=ROLES, ids=lambda path: path.name)
def role(request) -> Path:
    return request.param


def test_there_are_roles():
    assert len(ROLES) > 10


def test_every_default_is_specified_with_the_same_value(role):
    defaults, specified = load(role / "defaults/main.yml") or {}, options(role)
    with_default = {name: option["default"] for name, option in specified.items() if "default" in option}
    assert defaults == with_default


def test_what_has_no_default_is_required(role):
    missing = [name for name, option in options(role).items() if "default" not in option and not option.get("required")]
    assert missing == []


def test_every_option_is_described_and_typed(role):
    for name, option in options(role).items():
        assert option.get("description"), name
        assert option.get("type") in TYPES, name
        if option["type"] == "list":
            assert "elements" in option, name


def test_defaults_have_the_type_of_their_option(role):
    for name, option in options(role).items():
        default = option.get("default")
        if default is None or (isinstance(default, str) and "{{" in default):
            continue
        assert isinstance(default, TYPES[option["type"]]), f"{name}: {default!r} is no {option['type']}"


def test_variables_are_prefixed_with_the_role(role):
    assert [name for name in options(role) if not name.startswith(f"{role.name}_")] == []


def test_every_default_is_explained(role):
    path = role / "defaults/main.yml"
    if not path.exists():
        return
    previous = ""
    for line in path.read_text().splitlines():
        if line and not line.startswith((" ", "#", "-", "}", "]")):
            explained = previous.startswith("#") or previous.split(":")[0].startswith(f"{role.name}_")
            assert explained, f"{line!r} has no comment"
        if line.strip():
            previous = line if not line.startswith(" ") else previous


def test_the_main_task_file_is_a_table_of_contents(role):
    path = role / "tasks/main.yml"
    if path.exists():
        assert len(path.read_text().splitlines()) <= 90


def test_names_of_tasks_are_unique_in_their_role(role):
    names = [
        task["name"] for path in sorted((role / "tasks").glob("*.yml")) for task in load(path) or [] if "name" in task
    ]
    assert sorted(names) == sorted(set(names))
