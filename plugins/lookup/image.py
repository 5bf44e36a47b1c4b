# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
name: image
short_description: A container image by its digest
version_added: 0.1.0
author: The baremetal.bigdata maintainers (@baremetal)
description:
  - Adds C(@sha256:...) to the reference of an image, from a site's lock file or from the collection's
    pinned list, where the digest is known there.
  - The reference keeps upstream's registry. With a mirror, containerd is configured to look there first.
  - An image that neither lists is returned unchanged.
options:
  _terms:
    description: References such as V(docker.io/hazelcast/hazelcast:5.7.0). Without a tag, the list's first.
    type: list
    elements: str
    required: true
  lock_file:
    description:
      - The lock file that the mirror playbook wrote. Empty takes the collection's own list.
    type: str
    default: ""
seealso:
  - plugin: baremetal.bigdata.artifact
    plugin_type: lookup
"""

EXAMPLES = r"""
- name: Show the image of Hazelcast
  ansible.builtin.debug:
    msg: "{{ lookup('baremetal.bigdata.image', 'docker.io/hazelcast/hazelcast:5.7.0') }}"
"""

RETURN = r"""
_raw:
  description: One reference for each term.
  type: list
  elements: str
"""

from typing import Any

from ansible.errors import AnsibleLookupError
from ansible.plugins.lookup import LookupBase

from ..module_utils.artifacts import ArtifactError, image
from ..plugin_utils.catalogue import load


class LookupModule(LookupBase):
    def run(self, terms: list[Any], variables: dict[str, Any] | None = None, **kwargs: Any) -> list[Any]:
        self.set_options(var_options=variables, direct=kwargs)
        try:
            catalogue, where = load(self.get_option("lock_file"))
            return [image(catalogue, str(term), where=where) for term in terms]
        except ArtifactError as error:
            raise AnsibleLookupError(str(error)) from error
