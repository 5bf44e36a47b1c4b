#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: app_secret
short_description: Keep passwords in a Secret, and make those that are not there
version_added: 0.1.0
author: The baremetal.bigdata maintainers (@baremetal)
description:
  - Makes a Secret with generated passwords where it or one of its keys is missing. A password that is there stays,
    unless O(values) says another. No password is returned, shown or logged.
extends_documentation_fragment:
  - baremetal.bigdata.kube_auth
  - baremetal.bigdata.attributes.dry_run
  - baremetal.bigdata.attributes.no_difference
options:
  name:
    description: Name of the Secret.
    type: str
    required: true
  namespace:
    description: Its namespace. It is created if it is missing.
    type: str
    required: true
  keys:
    description: Keys that shall have a value.
    type: list
    elements: str
    required: true
  values:
    description: Values to set, by key. An empty one is as none.
    type: dict
    default: {}
  labels:
    description: Labels of a Secret that is created.
    type: dict
    default: {}
"""

EXAMPLES = r"""
- name: Make the administrator's password
  baremetal.bigdata.app_secret:
    kubeconfig: "{{ cluster_kubeconfig }}"
    name: cassandra-credentials
    namespace: cassandra
    keys: [password]
"""

RETURN = r"""
set:
  description: The keys whose value this call has set.
  type: list
  elements: str
  returned: always
reachable:
  description: Whether an API server answered. Without one the module fails, except in check mode.
  type: bool
  returned: always
"""

import base64
import secrets
import string
from collections.abc import Callable, Mapping, Sequence

from ..module_utils.app.render.names import namespace_object
from ..module_utils.kube.module import create_module, reporting
from ..module_utils.kube.objects import Kube

MANAGER = "baremetal.bigdata.secret"
# Letters and digits only, so that it means the same in every language and on every command line.
ALPHABET = string.ascii_letters + string.digits
LENGTH = 32


def generated() -> str:
    return "".join(secrets.choice(ALPHABET) for _index in range(LENGTH))


def wanted_data(
    have: Mapping[str, str], keys: Sequence[str], values: Mapping[str, str], generate: Callable[[], str] = generated
) -> dict[str, str]:
    """The data (base64) that has to be written: what is missing, and what shall be another."""
    wanted = {}
    for key in keys:
        if values.get(key):
            encoded = base64.b64encode(str(values[key]).encode()).decode()
            if have.get(key) != encoded:
                wanted[key] = encoded
        elif not have.get(key):
            wanted[key] = base64.b64encode(generate().encode()).decode()
    return wanted


def main() -> None:
    module = create_module(
        {
            "name": {"type": "str", "required": True},
            "namespace": {"type": "str", "required": True},
            "keys": {"type": "list", "elements": "str", "required": True, "no_log": False},
            "values": {"type": "dict", "default": {}, "no_log": True},
            "labels": {"type": "dict", "default": {}},
        }
    )
    params = module.params
    name, namespace = params["name"], params["namespace"]
    unknown = sorted(set(params["values"]) - set(params["keys"]))
    if unknown:
        module.fail_json(msg=f"values: expected some of {', '.join(params['keys'])}, found {', '.join(unknown)}.")
    with reporting(module, lambda _why: {"set": []}, f"Secret {namespace}/{name}: the API server refused"):
        kube = Kube(module)
        found = kube.get("v1", "Secret", name, namespace)
        data = wanted_data((found or {}).get("data") or {}, params["keys"], params["values"])
        if data and found:
            kube.patch("v1", "Secret", name, namespace, {"data": data})
        elif data:
            there = kube.get("v1", "Namespace", namespace, None) is not None
            if not there:
                kube.apply(namespace_object(namespace), MANAGER)
            # A dry run has made no namespace.
            if there or not module.check_mode:
                metadata = {"name": name, "namespace": namespace, "labels": params["labels"]}
                secret = {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "type": "Opaque", "data": data}
                kube.apply(secret, MANAGER)
    module.exit_json(changed=bool(data), reachable=True, set=sorted(data))


if __name__ == "__main__":
    main()
