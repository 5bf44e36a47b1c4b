# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pods and nodes as a playbook needs them: *projections*, small dictionaries of the fields that it asks for.

Pure functions over the dictionaries of the API's JSON (core/v1 Pod, Node).
"""

from __future__ import annotations

import re
import typing as t

from ..labels import ANNOTATION_CONTAINER, LABEL_APP, LABEL_CLUSTER, LABEL_HOSTNAME, LABEL_RACK

# From the least to the most that a member can be; a member that counts as one counts as those before it.
LEVELS = ("present", "running", "ready")
TERMINATING = "terminating"
FINISHED_PHASES = ("Succeeded", "Failed")
_REASON_LENGTH = 300
# What the kubelet adds to a back-off, and the scheduler to what it found, tells an operator nothing.
_BACK_OFF = re.compile(r"^(back-off \S+) restarting failed container=.*")
_PREEMPTION = " preemption:"

Object = t.Dict[str, t.Any]  # noqa: UP006 (ansible-test imports this with Python 3.8 too)


_DIGITS = re.compile(r"(\d+)")


def natural(name: str) -> list[t.Any]:
    """Sort key by which ``w-2`` comes before ``w-10``."""
    return [int(part) if index % 2 else part for index, part in enumerate(_DIGITS.split(name))]


def condition(status: Object, kind: str) -> Object:
    """The condition of a type in an object's status; empty where it has none."""
    for found in status.get("conditions") or ():
        if found.get("type") == kind:
            return found
    return {}


def plain(reason: str | None, message: str | None) -> str:
    """A reason and its message in one line. Of a long one both ends are kept: what a registry said stands last."""
    text = ": ".join(part for part in (reason, " ".join((message or "").split())) if part)
    if len(text) <= _REASON_LENGTH:
        return text
    half = (_REASON_LENGTH - 5) // 2
    return f"{text[:half]} ... {text[-half:]}"


def is_ready(pod: Object) -> bool:
    """Whether a pod works as a member: it runs, its condition Ready says so, and nobody has asked it to go."""
    status = pod.get("status") or {}
    if pod["metadata"].get("deletionTimestamp") or status.get("phase") != "Running":
        return False
    return condition(status, "Ready").get("status") == "True"


def is_finished(pod: Object) -> bool:
    """Whether a pod has ended for good, such as one that was evicted."""
    return (pod.get("status") or {}).get("phase") in FINISHED_PHASES


def _ended(state: Object) -> str:
    """How a container ended, where it did."""
    ended = state.get("terminated") or {}
    if "exitCode" not in ended:
        return ""
    why = ended.get("reason")
    if why == "OOMKilled":
        why = "OOMKilled: it took more memory than its limit"
    return f"exited with {ended['exitCode']}" + (f" ({why})" if why else "")


def _waits(container: Object, init: bool) -> str:
    """Why a container does not work, in one sentence; empty where it does, or waits for its turn."""
    state, name = container.get("state") or {}, container.get("name")
    last = _ended(container.get("lastState") or {})
    if "running" in state:
        if init or container.get("ready"):
            return ""
        probe = "startup probe" if container.get("started") is False else "readiness probe"
        text = f"container {name} runs, but its {probe} does not succeed"
    elif _ended(state):
        if init and not state["terminated"]["exitCode"]:
            return ""
        return plain(f"container {name} {_ended(state)}", state["terminated"].get("message"))
    else:
        waiting = state.get("waiting") or {}
        # A container that waits for its turn says less than the one it waits for.
        if waiting.get("reason") in (None, "PodInitializing"):
            return ""
        message = _BACK_OFF.sub(r"\1", waiting.get("message") or "")
        text = plain(f"container {name}: {waiting['reason']}", message)
    return f"{text}; it last {last}" if last else text


def not_ready_reason(pod: Object) -> str:
    """Why a pod is not ready, by what stands closest to the cause: deletion, scheduling, a container, a condition."""
    metadata, status = pod.get("metadata") or {}, pod.get("status") or {}
    if metadata.get("deletionTimestamp"):
        held = metadata.get("finalizers")
        node = (pod.get("spec") or {}).get("nodeName")
        where = f" on {node}" if node else ""
        return f"Terminating{where}, to be gone by {metadata['deletionTimestamp']}" + (
            f", held by finalizers {', '.join(held)}" if held else ""
        )
    if is_finished(pod):
        why = condition(status, "DisruptionTarget")
        said = status.get("message") or why.get("message")
        ends = (_waits(item, False) for item in status.get("containerStatuses") or ())
        return plain(status.get("reason") or why.get("reason") or status["phase"], said or next(filter(None, ends), ""))
    scheduled = condition(status, "PodScheduled")
    if scheduled.get("status") == "False":
        message = (scheduled.get("message") or "").partition(_PREEMPTION)[0]
        return plain(scheduled.get("reason") or "Unschedulable", message)
    if not (pod.get("spec") or {}).get("nodeName"):
        return "Not scheduled to a node yet"
    for statuses in ("initContainerStatuses", "containerStatuses"):
        for container in status.get(statuses) or ():
            sentence = _waits(container, statuses == "initContainerStatuses")
            if sentence:
                return sentence
    ready = condition(status, "Ready")
    if ready.get("message") or ready.get("reason"):
        return plain(ready.get("reason"), ready.get("message"))
    if ready.get("status") == "False" and all(item.get("ready") for item in status.get("containerStatuses") or [{}]):
        # Only who looks after nodes takes a pod's readiness away without a word.
        return f"its containers ran when its host {pod['spec']['nodeName']} was last heard of, which does not answer"
    return f"phase {status.get('phase') or 'unknown'}, condition Ready {ready.get('status') or 'not set'}"


def _restarts(spec: Object, status: Object) -> int:
    total = sum(container.get("restartCount") or 0 for container in status.get("containerStatuses") or ())
    if status.get("initContainerStatuses"):
        # Sidecars are init containers that are restarted always.
        sidecars = {c["name"] for c in spec.get("initContainers") or () if c.get("restartPolicy") == "Always"}
        total += sum(c.get("restartCount") or 0 for c in status["initContainerStatuses"] if c.get("name") in sidecars)
    return total


def main_container(pod: Object) -> str | None:
    """The container that runs the app: the one that the pod's annotation names, `app`, or the first."""
    named = (pod["metadata"].get("annotations") or {}).get(ANNOTATION_CONTAINER)
    names = [container["name"] for container in (pod.get("spec") or {}).get("containers") or ()]
    if named in names:
        return named
    return "app" if "app" in names else (names[0] if names else None)


def project_pod(pod: Object, cluster_domain: str = "cluster.local", role: str | None = None) -> Object:
    """A pod as a member. ``rack`` is filled in later, from its node, and ``live_role`` from its own answer."""
    metadata, spec, status = pod["metadata"], pod.get("spec") or {}, pod.get("status") or {}
    labels = metadata.get("labels") or {}
    name, namespace, node = metadata["name"], metadata.get("namespace") or "", spec.get("nodeName")
    phase = status.get("phase") or "Unknown"
    terminating = bool(metadata.get("deletionTimestamp"))
    ready = is_ready(pod)
    hostname, subdomain = spec.get("hostname") or name, spec.get("subdomain")
    host_network = bool(spec.get("hostNetwork"))
    ip = status.get("podIP")
    return {
        "pod": name,
        "namespace": namespace,
        "app": labels.get(LABEL_APP),
        "instance": labels.get(LABEL_CLUSTER),
        "role": role,
        "live_role": None,
        "ip": ip,
        "ips": [entry["ip"] for entry in status.get("podIPs") or () if entry.get("ip")] or ([ip] if ip else []),
        "host_ip": status.get("hostIP"),
        "node": node,
        "hostname": (node or hostname) if host_network else hostname,
        # DNS has a record of a pod only where both are set (and a headless Service has the subdomain's name).
        "fqdn": f"{spec['hostname']}.{subdomain}.{namespace}.svc.{cluster_domain}"
        if subdomain and spec.get("hostname")
        else None,
        "host_network": host_network,
        "container": main_container(pod),
        "rack": None,
        "phase": phase,
        "ready": ready,
        "terminating": terminating,
        "restarts": _restarts(spec, status),
        "started": status.get("startTime"),
        "reason": None if ready else not_ready_reason(pod),
    }


def level(member: Object) -> str:
    """What a live member counts as: one of LEVELS, or ``terminating``."""
    if member["terminating"]:
        return TERMINATING
    if member["ready"]:
        return "ready"
    return "running" if member["phase"] == "Running" and member["ip"] else "present"


def project_node(node: Object, rack_label: str = LABEL_RACK) -> Object:
    """The rack and host name of a node, of which only the metadata is needed."""
    labels = node["metadata"].get("labels") or {}
    return {"rack": labels.get(rack_label), "hostname": labels.get(LABEL_HOSTNAME) or node["metadata"]["name"]}
