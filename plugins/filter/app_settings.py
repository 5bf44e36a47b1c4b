# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
name: app_settings
short_description: Settings of an app cluster out of the variables of its role
version_added: 0.2.0
author: The baremetal.bigdata maintainers (@baremetal)
description:
  - Puts the values of a role's variables where the role says that they go in the settings of a cluster
    (C(kind) AppCluster), as the types that are wanted there. A digest is added to images that the lock file knows.
options:
  _input:
    description:
      - Where each variable goes. Variable to place, to several, or to C({place, named}), where a message names another
        variable. A place is a path such as V(spec.roles.member.members); a key with dots stands in brackets.
    type: dict
    required: true
  values:
    description: The value of each variable.
    type: dict
    required: true
  definition:
    description: The app definition.
    type: dict
    required: true
  dns_domain:
    description: The cluster's DNS domain.
    type: str
    required: true
  further:
    description: What is merged into the settings last, with C(metadata) and C(spec).
    type: dict
    default: {}
  further_name:
    description: What messages call it.
    type: str
    default: ""
  lock_file:
    description: The lock file that the mirror playbook wrote. Empty takes the collection's own list of images.
    type: str
    default: ""
"""

EXAMPLES = r"""
- name: Show the settings of a cluster with four members
  ansible.builtin.debug:
    msg: "{{ places | baremetal.bigdata.app_settings(values, definition, dns_domain='cluster.local') }}"
  vars:
    places: {hazelcast_replicas: spec.roles.member.members}
    values: {hazelcast_replicas: "4"}
"""

RETURN = r"""
_value:
  description: The settings, what messages call their fields, and what is wrong with them.
  type: dict
  contains:
    cluster:
      description: The settings.
      type: dict
    problems:
      description: One sentence for each problem, with the variable, what was expected, what was found and the remedy.
      type: list
      elements: str
"""

from collections.abc import Mapping
from typing import Any

from ansible.errors import AnsibleFilterError

from .app_problems import app_problems


def app_settings(
    places: Mapping[str, Any],
    values: Mapping[str, Any],
    definition: Mapping[str, Any],
    dns_domain: str,
    further: Any = None,
    further_name: str = "",
    lock_file: str = "",
) -> dict[str, Any]:
    """The settings of a cluster, and what is wrong with them by the names of the role's variables."""
    # Here, since whatever uses one filter loads the files of all, in each task and for each host.
    from ..module_utils.app.model.reader import AppError
    from ..module_utils.app.settings import make_settings
    from ..module_utils.artifacts import ArtifactError, image
    from ..plugin_utils.catalogue import load
    from ..plugin_utils.written import misread_numbers

    try:
        settings = make_settings(places, values, definition, dns_domain, further, further_name)
    except AppError as error:
        return {"cluster": {}, "problems": [str(problem) for problem in error.problems]}
    except ValueError as error:
        raise AnsibleFilterError(f"the places of variables: {error}") from error
    try:
        catalogue, where = load(lock_file)
        roles = settings.cluster["spec"].get("roles")
        for role in roles.values() if isinstance(roles, dict) else ():
            if isinstance(role, dict) and isinstance(role.get("image"), str) and role["image"]:
                role["image"] = image(catalogue, role["image"], where=where)
    except ArtifactError as error:
        raise AnsibleFilterError(str(error)) from error
    misread = [str(problem) for problem in misread_numbers([values, further])]
    problems = app_problems(definition, settings.cluster, settings.names)
    return {"cluster": settings.cluster, "problems": misread + problems}


class FilterModule:
    """Filters of this file."""

    def filters(self) -> dict[str, Any]:
        return {"app_settings": app_settings}
