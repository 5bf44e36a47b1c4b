# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
name: artifact
short_description: Where a pinned artifact is, and its checksum
version_added: 0.1.0
author: The baremetal.bigdata maintainers (@baremetal)
description:
  - Resolves the name of a file in the collection's pinned list, or in a site's lock file, to its
    address, its checksum and the members to install from it.
  - Runs on the controller and contacts nothing.
options:
  _terms:
    description: Names of files, such as V(kubeadm), V(etcd), V(containerd).
    type: list
    elements: str
    required: true
  version:
    description: The version. Empty takes the first that the list holds.
    type: str
    default: ""
  versions:
    description: Versions by name. A name that is not in it takes O(version).
    type: dict
    default: {}
  mirror_url:
    description: Address of the site's mirror, such as V(https://mirror1). Empty takes upstream's address.
    type: str
    default: ""
  lock_file:
    description:
      - The lock file that the mirror playbook wrote. Empty takes the collection's own list.
    type: str
    default: ""
  arch:
    description: Architecture as C(uname -m) or Go calls it.
    type: str
    default: amd64
  directories:
    description: Where members go, by kind. The kinds are C(bin) and C(cni).
    type: dict
    default: {}
seealso:
  - plugin: baremetal.bigdata.image
    plugin_type: lookup
  - module: baremetal.bigdata.artifact_install
"""

EXAMPLES = r"""
- name: Show where kubeadm comes from
  ansible.builtin.debug:
    msg: "{{ lookup('baremetal.bigdata.artifact', 'kubeadm', version='1.36.3', mirror_url='https://mirror1') }}"
"""

RETURN = r"""
_raw:
  description: One dictionary for each name.
  type: list
  elements: dict
  contains:
    name: {description: The name., type: str}
    version: {description: The version., type: str}
    url: {description: Address of the file., type: str}
    upstream: {description: "Upstream's address of the file, also when a mirror is used.", type: str}
    sha256: {description: Checksum of the file., type: str}
    filename: {description: Name of the file., type: str}
    members:
      description: What to install, each C(path) in the archive (null is the file itself), C(dest) and C(mode).
      type: list
      elements: dict
"""

from typing import Any

from ansible.errors import AnsibleLookupError
from ansible.plugins.lookup import LookupBase

from ..module_utils.artifacts import ArtifactError, architecture, artifact
from ..plugin_utils.catalogue import load


class LookupModule(LookupBase):
    def run(self, terms: list[Any], variables: dict[str, Any] | None = None, **kwargs: Any) -> list[Any]:
        self.set_options(var_options=variables, direct=kwargs)
        versions = self.get_option("versions")
        try:
            catalogue, where = load(self.get_option("lock_file"))
            return [
                artifact(
                    catalogue,
                    str(term),
                    version=versions.get(str(term)) or self.get_option("version"),
                    mirror_url=self.get_option("mirror_url"),
                    arch=architecture(self.get_option("arch")),
                    directories=self.get_option("directories"),
                    where=where,
                )
                for term in terms
            ]
        except ArtifactError as error:
            raise AnsibleLookupError(str(error)) from error
