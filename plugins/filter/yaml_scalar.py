# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter: a text that YAML reads back as that text."""

from __future__ import annotations

DOCUMENTATION = r"""
name: yaml_scalar
short_description: A text for a YAML template, which every reader takes for that text
version_added: 0.2.0
author: The baremetal.bigdata maintainers (@baremetal)
description:
  - In quotes where some reader of YAML would take it for a number, a truth value, nothing or a mapping, such as
    V(10), V(1e3), V(on) or V(null), or one with a colon. As it is otherwise, so that files do not change.
options:
  _input:
    description: The text, or a number that is meant as one.
    type: raw
    required: true
"""

EXAMPLES = r"""
- name: Show a host's name as a template writes it
  ansible.builtin.debug:
    msg: "name: {{ inventory_hostname | baremetal.bigdata.yaml_scalar }}"
"""

RETURN = r"""
_value:
  description: The text, with quotes where they are needed.
  type: str
"""

import re
from typing import Any

from ..module_utils.plain import quoted

# Names, paths, labels; addresses, networks, ports. Nothing else is known to be a text for every reader.
_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_./=-]*(:[0-9]+)?|[0-9]+(\.[0-9]+){3}(/[0-9]+)?(:[0-9]+)?")
_RESERVED = {"true", "false", "yes", "no", "on", "off", "null", "y", "n"}


def yaml_scalar(value: Any) -> str:
    """A text as it is written into YAML."""
    text = str(value)
    return text if _PLAIN.fullmatch(text) and text.lower() not in _RESERVED else quoted(text)


class FilterModule:
    """Filters of this file."""

    def filters(self) -> dict[str, Any]:
        return {"yaml_scalar": yaml_scalar}
