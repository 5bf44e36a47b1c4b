# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter: kubeadm's join command as a JoinConfiguration."""

from __future__ import annotations

DOCUMENTATION = r"""
name: join_configuration
short_description: A JoinConfiguration out of the join command that kubeadm prints
version_added: 0.1.0
author: The baremetal.bigdata maintainers (@baremetal)
description:
  - Takes token and checksums out of what C(kubeadm token create --print-join-command) prints, and describes one
    host's join with them (JoinConfiguration, kubeadm.k8s.io/v1beta4). The result holds secrets.
options:
  _input:
    description: What kubeadm printed.
    type: str
    required: true
  endpoint:
    description: Where the API is, as host:port.
    type: str
    required: true
  node_name:
    description: Name of the node.
    type: str
    required: true
  node_address:
    description: Its address in the cluster's network.
    type: str
    required: true
  rack:
    description: Its rack, for the label C(topology.kubernetes.io/zone). Empty sets none.
    type: str
    default: ""
  certificate_key:
    description: Key of the certificates that C(kubeadm init phase upload-certs) shared. With it the host becomes a
      control-plane host.
    type: str
    default: ""
  tls_bootstrap_seconds:
    description: How long kubelet may take to get its certificate. V(0) leaves it to kubeadm.
    type: int
    default: 0
"""

EXAMPLES = r"""
- name: Show a worker's join configuration
  ansible.builtin.debug:
    msg: >-
      {{ token.stdout | baremetal.bigdata.join_configuration(endpoint='203.0.113.11:6443', node_name='worker1',
      node_address='203.0.113.21') | to_nice_yaml }}
"""

RETURN = r"""
_value:
  description: The document.
  type: dict
"""

import re
from typing import Any

from ansible.errors import AnsibleFilterError

from ..module_utils.labels import LABEL_RACK


def join_configuration(
    command: str,
    endpoint: str,
    node_name: str,
    node_address: str,
    rack: str = "",
    certificate_key: str = "",
    tls_bootstrap_seconds: int = 0,
) -> dict[str, Any]:
    """Describe one host's join.

    :raises AnsibleFilterError: where *command* holds no token or no checksum of the cluster's authority.
    """
    token = re.search(r"--token[ =](\S+)", command)
    checksums = re.findall(r"--discovery-token-ca-cert-hash[ =](\S+)", command)
    if not token or not checksums:
        # Not what was found: it may hold the token.
        raise AnsibleFilterError(
            f"{node_name}: expected kubeadm's join command with --token and --discovery-token-ca-cert-hash, found "
            "output without them. Run `kubeadm token create --print-join-command` on a control-plane host to see why."
        )
    arguments = [{"name": "node-ip", "value": node_address}]
    if str(rack):
        arguments.append({"name": "node-labels", "value": f"{LABEL_RACK}={rack}"})
    document: dict[str, Any] = {
        "apiVersion": "kubeadm.k8s.io/v1beta4",
        "kind": "JoinConfiguration",
        "discovery": {
            "bootstrapToken": {
                "apiServerEndpoint": endpoint,
                "token": token.group(1),
                "caCertHashes": checksums,
            }
        },
        "nodeRegistration": {
            "name": str(node_name),
            "criSocket": "unix:///run/containerd/containerd.sock",
            "imagePullPolicy": "IfNotPresent",
            "kubeletExtraArgs": arguments,
        },
    }
    if certificate_key:
        document["controlPlane"] = {
            "localAPIEndpoint": {"advertiseAddress": node_address},
            "certificateKey": certificate_key,
        }
    if tls_bootstrap_seconds:
        document["timeouts"] = {"tlsBootstrap": f"{tls_bootstrap_seconds}s"}
    return document


class FilterModule:
    """Filters of this file."""

    def filters(self) -> dict[str, Any]:
        return {"join_configuration": join_configuration}
