#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: app_job
short_description: Run a program in a pod of the cluster and return what it printed
version_added: 0.1.0
author: The baremetal.bigdata maintainers (@baremetal)
description:
  - Makes a Kubernetes Job (C(batch/v1)) of one pod, waits for its end, returns its output, and removes it.
  - So an app's own client runs where the app's users run theirs, and nothing has to be opened for it.
  - A line of the output that begins with the word C(figures) and goes on with a JSON object adds to RV(figures).
extends_documentation_fragment:
  - baremetal.bigdata.kube_auth
options:
  name:
    description: How the Job's name begins. What makes it unique is added.
    type: str
    required: true
  namespace:
    description: The namespace. It has to be there.
    type: str
    required: true
  labels:
    description: Labels of the Job and of its pod.
    type: dict
    default: {}
  pod:
    description: The pod's specification (Kubernetes' C(PodSpec)), with one container.
    type: dict
    required: true
  timeout:
    description: Seconds that the program may take, with the time until it starts.
    type: int
    default: 300
attributes:
  check_mode:
    description: Runs nothing, and returns no output.
    support: full
  diff_mode:
    description: Leaves nothing behind, so there is nothing to show.
    support: none
"""

EXAMPLES = r"""
- name: Ask for the date where members run
  baremetal.bigdata.app_job:
    kubeconfig: "{{ cluster_kubeconfig }}"
    name: date
    namespace: default
    pod:
      containers:
        - name: date
          image: docker.io/apache/spark:4.3.0
          args: [sh, -c, 'echo "figures {\"seconds\": `date +%s`}"']
"""

RETURN = r"""
output:
  description: The last 200 lines that the program printed, on both of its outputs.
  type: list
  elements: str
  returned: always
figures:
  description: The figures that it printed.
  type: dict
  returned: always
seconds:
  description: Time from the Job's creation to its end.
  type: float
  returned: always
node:
  description: Name of the Kubernetes node that the pod ran on.
  type: str
  returned: always
"""

import json
import secrets
import time
from collections.abc import Mapping, Sequence
from typing import Any

from ..module_utils.app.run.status import member
from ..module_utils.kube.module import Unreachable, create_module, reason
from ..module_utils.kube.objects import Kube
from ..module_utils.labels import LABEL_MANAGER, MANAGER

LINES = 200
# Seconds after its end until Kubernetes removes a Job whose run was interrupted.
FORGOTTEN_AFTER = 3600


def job(params: Mapping[str, Any], suffix: str) -> dict[str, Any]:
    """The Job of these parameters: one pod, one attempt."""
    labels = {**params["labels"], LABEL_MANAGER: MANAGER}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": f"{params['name']}-{suffix}", "namespace": params["namespace"], "labels": labels},
        "spec": {
            "backoffLimit": 0,
            "activeDeadlineSeconds": params["timeout"],
            "ttlSecondsAfterFinished": FORGOTTEN_AFTER,
            "template": {"metadata": {"labels": labels}, "spec": {**params["pod"], "restartPolicy": "Never"}},
        },
    }


def ended(found: Mapping[str, Any]) -> str:
    """``Complete`` or ``Failed`` (with the reason), or an empty text while a Job runs. JobStatus of batch/v1."""
    for condition in (found.get("status") or {}).get("conditions") or []:
        if condition["type"] in ("Complete", "Failed") and condition["status"] == "True":
            words = [condition["type"]] + ([condition["message"]] if condition.get("message") else [])
            return ": ".join(words) if condition["type"] == "Failed" else "Complete"
    return ""


def figures(lines: Sequence[str]) -> dict[str, Any]:
    """What the lines ``figures {...}`` say, together."""
    found: dict[str, Any] = {}
    for line in lines:
        word, _space, rest = line.partition(" ")
        if word == "figures" and rest.startswith("{"):
            try:
                found.update(json.loads(rest))
            except ValueError as error:
                raise ValueError(f"expected a JSON object after the word figures, found {rest!r}: {error}") from error
    return found


def pods(kube: Kube, made: Mapping[str, Any]) -> list[dict[str, Any]]:
    name, namespace = made["metadata"]["name"], made["metadata"]["namespace"]
    return kube.list("v1", "Pod", namespace, f"batch.kubernetes.io/job-name={name}")


def output(kube: Kube, namespace: str, pod: str) -> list[str]:
    try:
        text = kube.api.text(f"/api/v1/namespaces/{namespace}/pods/{pod}/log", tailLines=LINES)
    except Unreachable:
        raise
    except Exception as error:  # a pod that never started has no log
        return [f"(no output: {reason(error)})"]
    return text.splitlines()


def run(kube: Kube, params: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """How the Job ended, and what there is to return."""
    wanted = job(params, secrets.token_hex(4))
    name, namespace = wanted["metadata"]["name"], params["namespace"]
    start = time.monotonic()
    made = kube.apply(wanted, MANAGER)
    try:
        end = ""
        seen: list[dict[str, Any]] = []
        while not end:
            # Past the Job's own deadline it would have failed: then its controller does not work.
            if time.monotonic() - start > params["timeout"] + 30:
                end = f"Failed: no end after {params['timeout']} s"
                break
            time.sleep(1)
            end = ended(kube.get("batch/v1", "Job", name, namespace) or {})
            # Kubernetes deletes the pod of a Job that is past its deadline: keep what is known of it.
            seen = pods(kube, made) or seen
        result: dict[str, Any] = {"output": [], "node": "", "seconds": round(time.monotonic() - start, 1)}
        for pod in seen[-1:]:
            result["output"] = output(kube, namespace, pod["metadata"]["name"])
            result["node"] = (pod.get("spec") or {}).get("nodeName") or ""
            if end != "Complete" and member(pod).trouble:
                end = f"{end} ({member(pod).trouble})"
    finally:
        kube.delete(made)
    return end, result


def main() -> None:
    module = create_module(
        {
            "name": {"type": "str", "required": True},
            "namespace": {"type": "str", "required": True},
            "labels": {"type": "dict", "default": {}},
            "pod": {"type": "dict", "required": True},
            "timeout": {"type": "int", "default": 300},
        }
    )
    if module.check_mode:
        module.exit_json(changed=False, output=[], figures={}, seconds=0.0, node="")
    params = module.params
    try:
        end, result = run(Kube(module), params)
    except Unreachable as error:
        module.fail_json(msg=f"expected a running Kubernetes cluster, found that {error}")
    except Exception as error:
        module.fail_json(msg=f"Job {params['name']} in namespace {params['namespace']}: {reason(error)}")
    try:
        result["figures"] = figures(result["output"])
    except ValueError as error:
        module.fail_json(msg=f"Job {params['name']}: {error}", **result)
    if end != "Complete":
        last = "\n".join(result["output"][-25:])
        module.fail_json(
            msg=f"Job {params['name']} in namespace {params['namespace']}: expected success within "
            f"{params['timeout']} s, found {end}. The end of its output:\n{last}",
            **result,
        )
    module.exit_json(changed=False, **result)


if __name__ == "__main__":
    main()
