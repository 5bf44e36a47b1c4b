# SPDX-License-Identifier: GPL-3.0-or-later
"""Every role's defaults and argument spec say the same, and its layout is the house's."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template
from ansible_collections.baremetal.bigdata.plugins.filter.node_subnets import node_subnets

ROOT = Path(__file__).parents[2]
ROLES = sorted(path.parent.parent for path in ROOT.glob("roles/*/meta/main.yml"))
OURS = "baremetal.bigdata."
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


def entry_points(role: Path) -> dict[str, dict]:
    """The options of each entry point that a role specifies."""
    specs = load(role / "meta/argument_specs.yml")["argument_specs"]
    return {name: entry.get("options", {}) for name, entry in specs.items()}


def options(role: Path) -> dict:
    """Those of all entry points."""
    return {name: option for entry in entry_points(role).values() for name, option in entry.items()}


def uses(value: object) -> Iterator[tuple[str, str]]:
    """(role, entry point) of every role that a file with tasks uses, at any depth."""
    if isinstance(value, dict):
        if isinstance(value.get("name"), str) and "{{" not in value.get("tasks_from", "{{"):
            yield value["name"], value["tasks_from"].removesuffix(".yml")
        if isinstance(value.get("__app_role"), str):  # What playbooks/tasks/app_run.yml is given.
            yield value["__app_role"], value.get("__app_from", "main").removesuffix(".yml")
        for inner in value.values():
            yield from uses(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from uses(inner)


USED = sorted(
    {
        (path.relative_to(ROOT).as_posix(), name, entry)
        for pattern in ("site.yml", "playbooks/**/*.yml", "roles/*/tasks/*.yml", "molecule/**/*.yml", "lab/*.yml")
        for path in ROOT.glob(pattern)
        for name, entry in uses(list(yaml.safe_load_all(path.read_text())))
    }
)


@pytest.fixture(params=ROLES, ids=lambda path: path.name)
def role(request) -> Path:
    return request.param


def test_there_are_roles():
    assert len(ROLES) > 10


def test_every_default_is_specified_with_the_same_value(role):
    defaults, specified = load(role / "defaults/main.yml") or {}, options(role)
    with_default = {name: option["default"] for name, option in specified.items() if "default" in option}
    assert defaults == with_default


def test_entry_points_agree_on_what_they_share(role):
    entries = entry_points(role)
    shared = {name: [entry[name] for entry in entries.values() if name in entry] for name in options(role)}
    assert [name for name, found in shared.items() if any(option != found[0] for option in found)] == []


def test_every_entry_point_that_is_specified_has_its_tasks(role):
    # Of a role without tasks, which brings variables into scope, nothing but these is specified.
    files = {path.stem for path in role.glob("tasks/*.yml")} or {"main"}
    assert set(entry_points(role)) - files == set()


def test_the_uses_of_entry_points_are_found():
    assert ("playbooks/cluster.yml", OURS + "flannel", "network") in USED
    assert ("playbooks/reset.yml", OURS + "etcd", "reset") in USED
    assert ("playbooks/apps.yml", OURS + "app_cluster", "listed") in USED


@pytest.mark.parametrize(("file", "name", "entry"), USED, ids=lambda value: value)
def test_every_entry_point_that_is_used_is_specified(file, name, entry):
    """Where a variable names the role, it is an app's: each of them has that entry point."""
    if "{{" in name:
        roles = [role for role in ROLES if (role / "files/app.yml").exists()]
    else:
        roles = [role for role in ROLES if role.name == name.removeprefix(OURS)]
    assert roles, f"{file}: {name} is no role of ours"
    assert [role.name for role in roles if entry not in entry_points(role)] == []


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


@pytest.mark.parametrize("facts", [{}, {"default_ipv4": {}}], ids=["not gathered", "no default route"])
def test_defaults_need_no_default_route(role, facts):
    defaults = load(role / "defaults/main.yml") or {}
    names = [name for name, value in defaults.items() if "ansible_facts" in str(value) and "fqdn" not in str(value)]
    variables = {"ansible_facts": {**facts, "fqdn": "host1.example"}, "inventory_hostname": "host1"}
    variables |= {name: trust_as_template(value) for name, value in defaults.items() if isinstance(value, str)}
    templar = Templar(loader=DataLoader(), variables=variables)
    templar.environment.filters["baremetal.bigdata.node_subnets"] = node_subnets
    found = {name: templar.template(trust_as_template(defaults[name])) for name in names}
    assert {name: value for name, value in found.items() if value} == {}
