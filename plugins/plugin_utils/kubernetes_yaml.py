# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""YAML whose texts are texts for Kubernetes' programs too, which take more for numbers than PyYAML does."""

from __future__ import annotations

import json
import re
from typing import Any

import yaml


class _Dumper(yaml.SafeDumper):
    """Puts a text in quotes also where it is a number or a truth value for Go: 1e3, 0o17, 1_0e2, y."""


# gopkg.in/yaml.v2, resolve.go: what strconv takes once underscores are gone, wherever they stood (0_x1f, -_1).
_NUMBER = re.compile(
    r"[-+]?(?:0[xX][0-9a-fA-F]+|0[oO][0-7]+|0[bB][01]+|(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?)"
)
_Dumper.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile("[yYnN]$"), list("yYnN"))
# PyYAML writes these into texts of any style but one, and reads them back as line breaks.
_BREAKS = re.compile("[\x85\u2028\u2029\ufeff]")


def _text(dumper: yaml.SafeDumper, value: str) -> yaml.Node:
    style = '"' if _BREAKS.search(value) else "'" if _NUMBER.fullmatch(value.replace("_", "")) else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style)


_Dumper.add_representer(str, _text)


def dump(value: Any, **how: Any) -> str:
    """Plain data as YAML; *how* as yaml.dump has it."""
    # Through JSON: plain types only, whatever Ansible made of them.
    plain = json.loads(json.dumps(value))
    return yaml.dump(plain, Dumper=_Dumper, allow_unicode=True, default_flow_style=False, **how)
