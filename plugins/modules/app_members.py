#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: app_members
short_description: Wait until an app itself counts its members
version_added: 0.1.0
author: The baremetal.bigdata maintainers (@baremetal)
description:
  - Asks every member of a role what the app says (by HTTP through the API server, or by a command in the
    member's container), and waits until the controller has rolled out, every member is ready, all of them count
    O(members) and all of them say that one may leave. A pod that is only C(Running) is not a member.
  - Changes nothing.
extends_documentation_fragment:
  - kubernetes.core.k8s_auth_options
options:
  namespace:
    description: The namespace of the app cluster.
    type: str
    required: true
  workload:
    description: The role, as P(baremetal.bigdata.app_render#filter) returns it in C(plan).
    type: dict
    required: true
  members:
    description: How many members there shall be. Without it, as O(workload) says.
    type: int
  timeout:
    description: Seconds to wait.
    type: int
    default: 300
requirements:
  - kubernetes (Python package)
attributes:
  check_mode:
    description: Only reads, also in check mode.
    support: full
  diff_mode:
    description: Changes nothing, so there is nothing to show.
    support: none
"""

EXAMPLES = r"""
- name: Wait until the members of a Hazelcast cluster count each other
  baremetal.bigdata.app_members:
    kubeconfig: "{{ cluster_kubeconfig }}"
    namespace: hazelcast
    workload: "{{ (definition | baremetal.bigdata.app_render(settings)).plan[0] }}"
    timeout: 300
"""

RETURN = r"""
members:
  description: How many members the app counts.
  type: int
  returned: always
safe:
  description: Whether the app says that a member may leave without loss of data. True where it cannot be asked.
  type: bool
  returned: always
pods:
  description: The members' pods, with C(name), C(node), C(ip), C(ready) and what the app said there.
  type: list
  elements: dict
  returned: always
waited:
  description: Seconds until it was so.
  type: float
  returned: always
"""

import time
from typing import Any

from ansible_collections.baremetal.bigdata.plugins.module_utils.app_kube import Kube, Unreachable, create_module, reason
from ansible_collections.baremetal.bigdata.plugins.module_utils.app_status import Member, judge, member, rollout

VERSIONS = {"ReplicationController": "v1"}
PAUSE = 1.0


def look(kube: Kube, params: dict[str, Any]) -> tuple[list[Member], str]:
    """The members now, and what is still missing (empty: nothing)."""
    namespace, workload = params["namespace"], params["workload"]
    live = kube.get(VERSIONS.get(workload["kind"], "apps/v1"), workload["kind"], workload["name"], namespace)
    if live is None:
        return [], f"{workload['kind']} {workload['name']} does not exist"
    wanted = params["members"] if params["members"] is not None else workload["members"]
    if wanted is None:
        wanted = (live.get("status") or {}).get("desiredNumberScheduled", 0)
    members = [member(pod) for pod in kube.list("v1", "Pod", namespace, workload["selector"])]
    missing = rollout(live, wanted)
    for item in members:
        if not item.ready:
            continue
        for name, check in workload["checks"].items():
            if not check:
                continue
            try:
                answer = kube.ask(namespace, item.name, workload["container"], check).strip().strip('"')
                # A command answers by its exit code, a plain page by its status.
                item.answers[name] = "true" if name == "safe" and not check.get("json") else answer
            except Exception as error:  # a member that does not answer is a finding, not a failure
                item.answers[name] = f"no answer ({reason(error)})"
    trouble = next((f" ({item.name}: {item.trouble})" for item in members if item.trouble), "")
    asked = [name for name, check in workload["checks"].items() if check]
    return members, missing + trouble if missing else judge(members, wanted, asked)


def main() -> None:
    module = create_module(
        {
            "namespace": {"type": "str", "required": True},
            "workload": {"type": "dict", "required": True},
            "members": {"type": "int"},
            "timeout": {"type": "int", "default": 300},
        }
    )
    start = time.monotonic()
    members, missing = [], "the API server was not asked yet"
    while True:
        try:
            members, missing = look(Kube(module), module.params)
        except Unreachable as error:
            missing = str(error)
        except Exception as error:
            if not getattr(error, "status", None):
                raise
            missing = f"the API server refused: {reason(error)}"
        waited = round(time.monotonic() - start, 1)
        if not missing or waited > module.params["timeout"]:
            break
        time.sleep(PAUSE)
    pods = [item.as_dict() for item in members]
    counts = [int(item.answers["members"]) for item in members if item.answers.get("members", "").isdigit()]
    result = {
        "members": min(counts) if counts else sum(item.ready for item in members),
        "safe": all(item.answers.get("safe", "true") == "true" for item in members),
        "pods": pods,
        "waited": waited,
    }
    if missing:
        name = module.params["workload"]["name"]
        module.fail_json(
            msg=f"{name} in namespace {module.params['namespace']} did not settle within {waited} s: {missing}. "
            f"Nothing was taken away. Look at its pods (kubectl -n {module.params['namespace']} describe pod, logs) "
            "and run again.",
            **result,
        )
    module.exit_json(changed=False, **result)


if __name__ == "__main__":
    main()
