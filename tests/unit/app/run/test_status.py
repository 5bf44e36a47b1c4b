# SPDX-License-Identifier: GPL-3.0-or-later
"""When a role is settled: by its controller, by its pods, and by the app's own word."""

from __future__ import annotations

import pytest
from ansible_collections.baremetal.bigdata.plugins.module_utils.app.run.status import (
    Member,
    judge,
    leave_order,
    member,
    restart_order,
    rollout,
    unseen,
)
from ansible_collections.baremetal.bigdata.plugins.module_utils.kube.pods import project_pod


def pod(name="a-0", ready="True", **metadata):
    return {
        "metadata": {"name": name, **metadata},
        "spec": {"nodeName": "n1"},
        "status": {"phase": "Running", "podIP": "10.0.0.1", "conditions": [{"type": "Ready", "status": ready}]},
    }


def ready(count, template="new", **changes):
    return [Member(f"a-{number}", ready=True, template=template, **changes) for number in range(count)]


def answers(count, **said):
    said = {"members": str(count), "safe": "true", **said}
    return {f"a-{number}": dict(said) for number in range(count)}


def test_a_pod_that_leaves_is_not_ready():
    assert member(pod()).ready
    assert not member(pod(deletionTimestamp="now")).ready
    assert not member(pod(ready="False")).ready


def test_a_member_says_why_it_is_not_ready_as_discovery_does():
    waiting = pod(ready="False")
    waiting["status"]["containerStatuses"] = [{"name": "app", "state": {"waiting": {"reason": "ErrImagePull"}}}]
    assert member(waiting).trouble == project_pod(waiting)["reason"] == "container app: ErrImagePull"
    assert member(pod()).trouble == ""


@pytest.mark.parametrize("phase", ["Failed", "Succeeded", "Pending", "Unknown", None])
def test_a_pod_that_does_not_run_is_not_ready_whatever_its_condition_says(phase):
    ended = pod()
    ended["status"]["phase"] = phase
    assert not member(ended).ready
    assert not project_pod(ended)["ready"]
    assert member(ended).trouble


def test_a_member_knows_what_it_runs_and_whether_it_began_to_leave():
    found = member(
        pod(
            uid="7",
            creationTimestamp="2026-01-01T00:00:00Z",
            annotations={"baremetal.bigdata/template-hash": "abc", "baremetal.bigdata/leaving": "true"},
        )
    )
    assert (found.template, found.uid, found.created, found.handing_over) == ("abc", "7", "2026-01-01T00:00:00Z", True)
    assert (found.node, found.ip, found.hostname, found.ordinal) == ("n1", "10.0.0.1", "a-0", 0)
    assert member(pod("a-x7f2k")).ordinal == -1
    assert not member(pod()).handing_over
    named = pod("a-x7f2k")
    named["spec"]["hostname"] = "front"
    assert member(named).hostname == "front"


def test_settled_is_when_every_member_agrees():
    assert judge(ready(3), 3, 3, answers(3)) == ""


def test_members_of_several_roles_are_counted_together():
    assert judge(ready(3), 3, 5, answers(3, members="5")) == ""
    assert "a-0 counts 3 members, 5 wanted" in judge(ready(3), 3, 5, answers(3))


def test_another_role_may_be_asked():
    assert judge(ready(3), 3, 3, {"master-0": {"members": "3"}}) == ""
    assert "master-0 counts 2 members" in judge(ready(3), 3, 3, {"master-0": {"members": "2"}})


@pytest.mark.parametrize(
    ("members", "wanted", "said", "message"),
    [
        (ready(2), 3, {}, "2 pods, 3 wanted"),
        (ready(3), 3, answers(3, members="2"), "a-0 counts 2 members, 3 wanted"),
        (ready(3), 3, answers(3, safe="false"), "data is not safe yet (false)"),
        (ready(2), 2, answers(2, members="no answer (503)"), "a-0 counts no answer (503), 2 members wanted"),
        ([Member("a-0", trouble="CrashLoopBackOff")], 1, {}, "a-0 is not ready: CrashLoopBackOff"),
        ([*ready(2), Member("a-2", leaving=True)], 2, {}, "a-2 still leaving"),
        (ready(2, template="old"), 2, answers(2), "a-0 runs an older configuration"),
    ],
)
def test_what_is_missing_is_said(members, wanted, said, message):
    assert message in judge(members, wanted, wanted, said, "new")


def test_what_the_app_cannot_be_asked_is_not_expected():
    assert judge(ready(1), 1, 1, {}) == ""


def stateful(wanted=2, ready=2, observed=1):
    return {
        "kind": "StatefulSet",
        "metadata": {"generation": 1},
        "spec": {"replicas": wanted},
        "status": {"observedGeneration": observed, "readyReplicas": ready},
    }


def test_a_rollout_is_over_when_all_are_there_and_ready():
    assert rollout(stateful(), 2) == ""
    assert "has not seen" in rollout(stateful(observed=0), 2)
    assert "set to 2 members, not 3" in rollout(stateful(), 3)
    assert "1 of 2 members are ready" in rollout(stateful(ready=1), 2)
    assert "has not seen" in unseen(stateful(observed=0))
    assert unseen(stateful(ready=0)) == ""


def test_other_controllers_are_judged_by_their_own_fields():
    controller = {
        "kind": "ReplicationController",
        "metadata": {},
        "spec": {"replicas": 2},
        "status": {"readyReplicas": 2},
    }
    assert rollout(controller, 2) == ""
    daemons = {"kind": "DaemonSet", "metadata": {}, "status": {"desiredNumberScheduled": 3, "numberReady": 2}}
    assert "2 of 3 members are ready" in rollout(daemons, 3)


def names(members):
    return [item.name for item in members]


def test_restarts_go_from_the_highest_number_down_and_leaders_last():
    members = ready(4, template="old")
    members[3].live_role = "leader"
    members[1].template = "new"
    members[0].leaving = True
    assert names(restart_order(members, "new", ["leader"])) == ["a-2", "a-3"]
    members[2].ready = True
    members[3].ready = False
    # One that does not work leads nobody.
    assert names(restart_order(members, "new", ["leader"])) == ["a-3", "a-2"]
    assert restart_order(ready(2, template="new"), "new", []) == []


def test_of_a_statefulset_the_highest_number_leaves_whatever_else():
    members = ready(11)
    members[10].live_role = "leader"
    members[3].ready = False
    assert names(leave_order(members, "StatefulSet", ["leader"]))[:2] == ["a-10", "a-9"]


def test_of_others_leaves_who_began_then_who_does_not_work_then_the_youngest_and_leaders_last():
    members = [
        Member("old", ready=True, created="2026-01-01T00:00:00Z"),
        Member("leader", ready=True, created="2026-01-04T00:00:00Z", live_role="leader"),
        Member("young", ready=True, created="2026-01-03T00:00:00Z"),
        Member("broken", created="2026-01-01T00:00:00Z"),
        Member("begun", ready=True, created="2026-01-02T00:00:00Z", handing_over=True),
        Member("gone", leaving=True),
    ]
    order = names(leave_order(members, "ReplicationController", ["leader"]))
    assert order == ["begun", "broken", "young", "old", "leader"]
