# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of modules for an app cluster, and of those that take one of its members down by the app's protocol.

In code: APP_CLUSTER of module_utils/kube/module.py, and MEMBER of module_utils/app/run/protocol.py.
"""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  namespace:
    description: The namespace of the app cluster.
    type: str
    required: true
"""

    MEMBER = r"""
options:
  contract:
    description: The role, C(contract) in one of C(stages) of P(baremetal.bigdata.app_render#filter).
    type: dict
    required: true
  timeout:
    description: Seconds for each of the steps.
    type: int
    default: 300
attributes:
  check_mode:
    description: Does nothing, and says so. What would be done is said by M(baremetal.bigdata.app_compare).
    support: full
  diff_mode:
    description: Shows nothing.
    support: none
"""
