# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
name: app_document
short_description: A definition or a cluster out of a file
version_added: 0.1.0
author: The baremetal.bigdata maintainers (@baremetal)
description:
  - Reads app definitions and clusters as they are found, in JSON or YAML, the collection's own dialect
    or KubeDirector's. Tabs, typographic quotes, a byte order mark and several documents in one file are taken;
    what was put right is said in a warning.
  - A file that a definition names as C(source) of a configuration file, relative to its own, is read with it.
  - What can be read in more than one way, or in none, is refused with file, line and remedy.
options:
  _terms:
    description:
      - Paths of files. A relative one is looked for in the current directory, and then where Ansible looks for files.
    type: list
    elements: str
    required: true
  kind:
    description:
      - Which document of the file. V(app) is C(kind=App) or C(kind=KubeDirectorApp), V(cluster) is
        C(kind=AppCluster) or C(kind=KubeDirectorCluster); the file must have exactly one of them.
        V(any) returns all documents.
    type: str
    choices: [app, cluster, any]
    default: any
seealso:
  - plugin: baremetal.bigdata.app_translate
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Show which roles a definition has
  ansible.builtin.debug:
    msg: "{{ definition.spec.roles | map(attribute='id') }}"
  vars:
    definition: "{{ lookup('baremetal.bigdata.app_document', 'cr-app-spark.json', kind='app') }}"
"""

RETURN = r"""
_raw:
  description: The document of each file, as plain data; with O(kind=any) all documents of all files.
  type: list
  elements: dict
"""

from pathlib import Path
from typing import Any

from ansible.errors import AnsibleLookupError
from ansible.plugins.lookup import LookupBase
from ansible.utils.display import Display

from ..module_utils.app.dialects import document as app_documents
from ..module_utils.app.model.reader import AppError

KINDS = {"app": app_documents.APP_KINDS, "cluster": app_documents.CLUSTER_KINDS}


class LookupModule(LookupBase):
    def run(self, terms: list[Any], variables: dict[str, Any] | None = None, **kwargs: Any) -> list[Any]:
        self.set_options(var_options=variables, direct=kwargs)
        kind = self.get_option("kind")
        result = []
        for term in terms:
            try:
                documents = app_documents.read(self._path(str(term), variables))
                if kind == "any":
                    result += [document.data for document in documents]
                else:
                    result.append(app_documents.pick(documents, KINDS[kind]).data)
            except AppError as error:
                # Its causes say the same again.
                raise AnsibleLookupError(str(error)) from None
            for note in (*documents[0].notes, *app_documents.unused(documents)):
                Display().warning(f"{documents[0].source}: {note}")
        return result

    def _path(self, term: str, variables: dict[str, Any] | None) -> str:
        path = Path(term).expanduser()
        if path.is_absolute() or path.exists():
            return str(path)
        return self.find_file_in_search_path(variables, "files", term, ignore_missing=True) or str(path)
