# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of every module that calls the Kubernetes API through module_utils/kube/client.py."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  kubeconfig:
    description:
      - Path of the kubeconfig file on the host where the module runs, usually C(localhost).
      - Unset means the environment variable E(K8S_AUTH_KUBECONFIG), then E(KUBECONFIG) (several files
        may be given there, separated by colons), then C(~/.kube/config).
      - Users may have a client certificate, a token, a token file, a name and a password, or a credential plugin.
      - A cluster's C(proxy-url) may be of kind C(http://), no other.
      - The server's certificate is verified, unless the kubeconfig itself says C(insecure-skip-tls-verify).
      - Users with C(exec) or C(auth-provider) need the Python package C(kubernetes), commands in containers and
        forwarded ports C(websocket-client).
    type: path
  context:
    description:
      - Name of the context in the kubeconfig.
      - Unset means the environment variable E(K8S_AUTH_CONTEXT), then the kubeconfig's current context.
    type: str
requirements:
  - PyYAML on the host where the module runs
  - kubernetes there, where the kubeconfig's user has C(exec) or C(auth-provider)
"""
