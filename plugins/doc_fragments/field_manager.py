# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The option of modules that apply objects server-side: FIELD_MANAGER in module_utils/kube/module.py."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  field_manager:
    description: Owner of the applied fields in the objects' C(managedFields).
    type: str
    default: baremetal.bigdata
"""
