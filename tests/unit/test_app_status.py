# SPDX-License-Identifier: GPL-3.0-or-later
"""When a role is settled: by its controller, by its pods, and by the app's own word."""

from __future__ import annotations

import pytest
from ansible_collections.baremetal.bigdata.plugins.module_utils.app_status import Member, judge, member, rollout


def pod(name="a-0", ready="True", **metadata):
    return {
        "metadata": {"name": name, **metadata},
        "spec": {"nodeName": "n1"},
        "status": {"podIP": "10.0.0.1", "conditions": [{"type": "Ready", "status": ready}]},
    }


def settled(count, **answers):
    answers = {"members": str(count), "safe": "true", **answers}
    return [Member(f"a-{number}", ready=True, answers=dict(answers)) for number in range(count)]


def test_a_pod_that_leaves_is_not_ready():
    assert member(pod()).ready
    assert not member(pod(deletionTimestamp="now")).ready
    assert not member(pod(ready="False")).ready


def test_a_pod_says_why_it_does_not_start():
    waiting = pod(ready="False")
    waiting["status"]["containerStatuses"] = [
        {"state": {"waiting": {"reason": "ImagePullBackOff", "message": "no such image"}}}
    ]
    assert member(waiting).trouble == "ImagePullBackOff: no such image"
    pending = pod(ready="False")
    pending["status"]["conditions"].append({"type": "PodScheduled", "status": "False", "message": "0/3 nodes"})
    assert member(pending).trouble == "0/3 nodes"


def test_settled_is_when_every_member_agrees():
    assert judge(settled(3), 3, ["members", "safe"]) == ""


@pytest.mark.parametrize(
    ("members", "wanted", "message"),
    [
        (settled(2), 3, "2 pods, 3 wanted"),
        (settled(3, members="2"), 3, "a-0 counts 2 members, 3 wanted"),
        (settled(3, safe="false"), 3, "data is not safe yet (false)"),
        (settled(2, members="no answer (503)"), 2, "a-0 counts no answer (503) members"),
        ([Member("a-0", trouble="CrashLoopBackOff")], 1, "a-0 is not ready: CrashLoopBackOff"),
        (settled(2) + [Member("a-2", leaving=True)], 2, "a-2 still leaving"),
    ],
)
def test_what_is_missing_is_said(members, wanted, message):
    assert message in judge(members, wanted, ["members", "safe"])


def test_what_the_app_cannot_be_asked_is_not_expected():
    assert judge([Member("a-0", ready=True)], 1, []) == ""


def stateful(wanted=2, ready=2, updated=2, revisions=("a", "a"), observed=1):
    return {
        "kind": "StatefulSet",
        "metadata": {"generation": 1},
        "spec": {"replicas": wanted},
        "status": {
            "observedGeneration": observed,
            "readyReplicas": ready,
            "updatedReplicas": updated,
            "currentRevision": revisions[0],
            "updateRevision": revisions[1],
        },
    }


def test_a_rollout_is_over_when_all_are_updated_and_ready():
    assert rollout(stateful(), 2) == ""
    assert "has not seen" in rollout(stateful(observed=0), 2)
    assert "set to 2 members, not 3" in rollout(stateful(), 3)
    assert "1 of 2 members are ready" in rollout(stateful(ready=1), 2)
    assert "1 of 2 members run the new configuration" in rollout(stateful(updated=1, revisions=("a", "b")), 2)
    assert rollout(stateful(updated=0), 2) == ""


def test_other_controllers_are_judged_by_their_own_fields():
    controller = {
        "kind": "ReplicationController",
        "metadata": {},
        "spec": {"replicas": 2},
        "status": {"readyReplicas": 2},
    }
    assert rollout(controller, 2) == ""
    daemons = {"kind": "DaemonSet", "metadata": {}, "status": {"updatedNumberScheduled": 3, "numberReady": 2}}
    assert "2 of 3 members are ready" in rollout(daemons, 3)
