#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: preflight_report
short_description: Judge all hosts and the inventory, and report everything at once
description:
  - Runs on the controller, once for all hosts of the play, after M(baremetal.bigdata.preflight_probe) ran on each.
  - Compares what the probes found, and what the inventory says, with what a cluster needs.
  - Holds every variable that the inventory, the play or the command line sets against the argument specs of the
    collection's roles - the type, the choices, and whether any role knows the name.
  - Of hosts of etcd and of the control plane that the run leaves out, looks at the variable that O(probe) names too.
  - Fails when there is an error, with all findings of all hosts in the message. Warnings are shown as warnings.
  - Changes nothing.
version_added: 0.1.0
author: The baremetal.bigdata maintainers (@baremetal)
extends_documentation_fragment:
  - baremetal.bigdata.attributes.reads_only
options:
  probe:
    description: Name of the variable in which the probe's result was registered.
    type: str
    required: true
  groups:
    description: Names of the inventory's groups, by V(cluster), V(control_plane), V(etcd) and V(worker).
    type: dict
    required: true
  settings:
    description:
      - The cluster's settings V(api_endpoint), V(dns_domain), V(kubernetes_version), V(mirror_url),
        V(network_plugin), V(pod_subnet) and V(service_subnet).
    type: dict
    required: true
  controller_files:
    description: Files that must be on the controller, by the variable that names them. Empty names are skipped.
    type: dict
    default: {}
  kubeconfig:
    description: The administrator's kubeconfig, where the cluster has one already. Its API is asked for its version.
    type: path
    default: ""
  lock_file:
    description: Lock file with the supported Kubernetes releases. Empty, or not there, the collection's own list.
    type: str
    default: ""
  ignore:
    description: Ids of checks whose findings do not stop the run.
    type: list
    elements: str
    default: []
  own_variables:
    description: Patterns of variable names that are the site's own.
    type: list
    elements: str
    default: []
"""

EXAMPLES = r"""
- name: Report what was found on all hosts
  baremetal.bigdata.preflight_report:
    probe: __preflight_probe
    groups:
      cluster: k8s_cluster
      control_plane: kube_control_plane
      etcd: etcd
      worker: kube_node
    settings:
      api_endpoint: ""
      dns_domain: cluster.local
      kubernetes_version: 1.36.3
      mirror_url: ""
      network_plugin: flannel
      pod_subnet: 10.244.0.0/16
      service_subnet: 10.96.0.0/16
  run_once: true
"""

RETURN = r"""
findings:
  description: Everything that is not as it should be.
  returned: always
  type: list
  elements: dict
  contains:
    host: {description: "Host of the inventory, or inventory.", type: str}
    check: {description: Id of the check., type: str}
    severity: {description: "error, warning or ignored.", type: str}
    expected: {description: What should be., type: str}
    found: {description: What is., type: str}
    remedy: {description: What to do., type: str}
msg:
  description: The report as text.
  returned: always
  type: str
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.preflight.report import ARGUMENT_SPEC


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENT_SPEC, supports_check_mode=True)
    module.fail_json(msg="preflight_report runs as an action plugin on the controller.")


if __name__ == "__main__":
    main()
