# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
name: app_translate
short_description: A definition and a cluster of any dialect, in the collection's own
version_added: 0.1.0
author: The baremetal.bigdata maintainers (@baremetal)
description:
  - Turns KubeDirectorApp and KubeDirectorCluster (v1alpha1 and v1beta1) into C(kind=App) and C(kind=AppCluster).
    Documents of the collection's own dialect pass through.
  - Bad input is refused with every field that is wrong, what was expected and what was found, under the
    names of its own dialect. Needs no cluster.
options:
  _input:
    description: The definition, of C(kind=App) or C(kind=KubeDirectorApp).
    type: dict
    required: true
  cluster:
    description:
      - The cluster, of C(kind=AppCluster) or C(kind=KubeDirectorCluster). Without one, the smallest that the
        definition allows.
    type: dict
  namespace:
    description: Replaces the cluster's namespace. A KubeDirectorCluster without one goes into V(default).
    type: str
    default: ""
  service_type:
    description: Type of the Services of a KubeDirectorCluster that names none.
    type: str
    choices: [ClusterIP, NodePort, LoadBalancer]
    default: NodePort
  images:
    description: Images by role, instead of the definition's and the cluster's. Roles go by either dialect's name.
    type: dict
    default: {}
  called:
    description: The name in names and labels of a KubeDirectorCluster that has one already.
    type: str
    default: ""
positional: cluster
seealso:
  - plugin: baremetal.bigdata.app_document
    plugin_type: lookup
  - plugin: baremetal.bigdata.app_render
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Run a KubeDirector cluster with the site's own image for its workers
  ansible.builtin.include_role:
    name: baremetal.bigdata.app_cluster
  vars:
    site_images: {worker: registry.example/spark:4}
    translated: "{{ definition | baremetal.bigdata.app_translate(cluster, images=site_images) }}"
    app_cluster_definition: "{{ translated.app }}"
    app_cluster_settings: "{{ translated.cluster }}"
"""

RETURN = r"""
_value:
  description:
    - C(app) and C(cluster), documents of C(kind=App) and C(kind=AppCluster).
    - C(former), the name of a KubeDirectorCluster before names that are not as written ended in a digest.
    - C(notes), sentences about fields that have no effect here, and about names that had to change.
    - C(record), the cluster as it was written, with digests in place of secret values, for
      P(baremetal.bigdata.app_forbidden_changes#filter).
  type: dict
"""

from collections.abc import Mapping
from typing import Any

from ansible.errors import AnsibleFilterError


def app_translate(
    definition: Any,
    cluster: Any = None,
    namespace: str = "",
    service_type: str = "NodePort",
    images: Mapping[str, str] | None = None,
    called: str = "",
) -> dict[str, Any]:
    # Here, since whatever uses one filter loads the files of all, in each task and for each host.
    from ..module_utils.app.dialects.kubedirector import translate
    from ..module_utils.app.model.types import SERVICE_TYPES
    from ..plugin_utils.written import misread_numbers

    if service_type not in SERVICE_TYPES:
        kinds = ", ".join(SERVICE_TYPES)
        raise AnsibleFilterError(f"service_type: expected one of {kinds}, found {service_type!r}")
    try:
        for document, data in (("definition", definition), ("cluster", cluster)):
            misread = misread_numbers(data)
            if misread:
                raise translate.DialectError(misread, document)
        found = translate.translate(definition, cluster or None, namespace, service_type, images, called)
    except translate.DialectError as error:
        what = {"definition": "the app definition", "cluster": "the cluster", "images": "the images"}[error.document]
        raise AnsibleFilterError(f"{what} cannot be used:\n{error}") from None
    return {
        "app": found.app,
        "cluster": found.cluster,
        "notes": found.notes,
        "record": found.record,
        "former": found.former,
    }


class FilterModule:
    def filters(self) -> dict[str, Any]:
        return {"app_translate": app_translate}
