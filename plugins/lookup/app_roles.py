# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
name: app_roles
short_description: The apps that have a role in this collection
version_added: 0.2.0
author: The baremetal.bigdata maintainers (@baremetal)
description:
  - Names of the roles that hold an app definition, C(files/app.yml).
"""

EXAMPLES = r"""
- name: Show what apps_enabled may name
  ansible.builtin.debug:
    msg: "{{ query('baremetal.bigdata.app_roles') }}"
"""

RETURN = r"""
_raw:
  description: The names, in alphabetical order.
  type: list
  elements: str
"""

from collections.abc import Sequence
from typing import Any

from ansible.plugins.lookup import LookupBase

from ..plugin_utils.role_specs import ROLES


class LookupModule(LookupBase):
    """The lookup."""

    def run(self, terms: Sequence[str], variables: Any = None, **kwargs: Any) -> list[str]:
        return sorted(path.parents[1].name for path in ROLES.glob("*/files/app.yml"))
