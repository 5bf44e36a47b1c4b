# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads on the controller which variables the collection's roles have, and knows those of the playbook apps."""

from __future__ import annotations

import pathlib
from collections.abc import Mapping
from typing import Any

import yaml

# By role: its argument specs by name, and the names in its defaults.
Specs = dict[str, dict[str, Any]]

# The variables of playbooks/apps.yml, which no role declares, and what a misspelt one may begin with.
# With app_ begin those of the role app_cluster and of playbooks/app.yml.
APPS = ("apps_enabled", "app_clusters")
APPS_PREFIX = "apps"

ROLES = pathlib.Path(__file__).resolve().parents[2] / "roles"


def _read(path: pathlib.Path) -> dict[str, Any]:
    try:
        with open(path, encoding="utf-8") as stream:
            return yaml.load(stream, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)) or {}
    except FileNotFoundError:
        return {}


def load(roles: str | pathlib.Path = ROLES) -> Specs:
    """role -> {options: name -> argument spec, defaults: names}. Roles that declare no variables are left out."""
    specs = {}
    for role in sorted(pathlib.Path(roles).iterdir()):
        entry_points = _read(role / "meta" / "argument_specs.yml").get("argument_specs") or {}
        options: dict[str, dict] = {}
        for entry in entry_points.values():
            options.update((entry or {}).get("options") or {})
        defaults = _read(role / "defaults" / "main.yml")
        if options or defaults:
            specs[role.name] = {"options": options, "defaults": list(defaults)}
    return specs


def options(specs: Specs) -> dict[str, Any]:
    """name -> argument spec, of all roles."""
    return {name: option for spec in specs.values() for name, option in spec["options"].items()}


def known_names(specs: Specs) -> set[str]:
    """Every variable that a role declares, and those of the playbook apps."""
    return {name for spec in specs.values() for name in [*spec["options"], *spec["defaults"]]} | {*APPS}


def prefixes(specs: Specs) -> list[str]:
    """What the names of these variables begin with."""
    return [*specs, APPS_PREFIX]


def expectation(name: str, option: Mapping[str, Any]) -> str:
    """What an argument spec expects, in words."""
    text = f"{name} to be of type {option.get('type', 'str')}"
    if option.get("choices"):
        text += ", one of: " + ", ".join(str(choice) for choice in option["choices"])
    return text
