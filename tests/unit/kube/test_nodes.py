# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Hosts that do not work, and which pods wait for which of them."""

from __future__ import annotations

import calendar

import pytest
from ansible_collections.baremetal.bigdata.plugins.module_utils.kube.nodes import (
    cordon,
    obstacle,
    outage,
    selects,
)
from hypothesis import given
from hypothesis import strategies as st

SINCE = "2026-11-28T02:13:07Z"
SILENT = {"reason": "NodeStatusUnknown", "message": "Kubelet stopped posting node status."}
SAID = "which has not answered since 2026-11-28 02:13:07 UTC (NodeStatusUnknown: Kubelet stopped posting node status)"


def make_node(name, status="True", *, labels=None, taints=(), since=SINCE, **spec):
    ready = {"type": "Ready", "status": status, "lastTransitionTime": since, **(SILENT if status == "Unknown" else {})}
    return {
        "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name, **(labels or {})}},
        "spec": {"taints": list(taints), **spec},
        "status": {"conditions": [{"type": "DiskPressure", "status": "False"}, ready]},
    }


def nodes(*found):
    return {node["metadata"]["name"]: node for node in found}


def make_pod(name="store-1", *, node="", ready="False", scheduled="False", leaves=False, **spec):
    conditions = [{"type": "PodScheduled", "status": scheduled}, {"type": "Ready", "status": ready}]
    return {
        "metadata": {"name": name, **({"deletionTimestamp": SINCE} if leaves else {})},
        "spec": {**({"nodeName": node} if node else {}), **spec},
        "status": {"phase": "Running" if node else "Pending", "conditions": conditions},
    }


def terms(key, *values, operator="In", field="matchExpressions"):
    return {"nodeSelectorTerms": [{field: [{"key": key, "operator": operator, "values": list(values)}]}]}


def make_volume(host, name="local-worker2-srv"):
    required = terms("kubernetes.io/hostname", host)
    return {"metadata": {"name": name}, "spec": {"nodeAffinity": {"required": required}}}


# --- hosts -----------------------------------------------------------------------------------------


def test_a_host_that_works_has_no_outage():
    assert outage(make_node("a")) is None
    assert cordon(make_node("a")) is None


def test_a_silent_host_is_told_with_since_when_and_how_it_is_known():
    found = outage(make_node("a", "Unknown"))
    assert found.what == SAID
    began = calendar.timegm((2026, 11, 28, 2, 13, 7))
    assert found.seconds(began + 90) == 90


def test_a_host_that_answers_and_is_not_ready_is_told_apart():
    node = make_node("a", "False")
    node["status"]["conditions"][1].update(reason="KubeletNotReady", message="container runtime is down")
    assert outage(node).what == (
        "which has not been ready since 2026-11-28 02:13:07 UTC (KubeletNotReady: container runtime is down)"
    )


@pytest.mark.parametrize("since", ["", None, "yesterday", "2026-11-28T02:13:07.5+01:00"])
def test_what_is_not_known_is_not_told(since):
    found = outage(make_node("a", "Unknown", since=since))
    assert found.what == "which has not answered (NodeStatusUnknown: Kubelet stopped posting node status)"
    assert found.seconds(0) is None


def test_a_host_without_a_word_of_its_state_has_not_answered():
    assert outage({"metadata": {"name": "a"}}).what == "which has not answered"


# --- node selectors --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("operator", "values", "holds"),
    [
        ("In", ["x", "5"], True),
        ("In", [], False),
        ("NotIn", ["5"], False),
        ("Exists", [], True),
        ("DoesNotExist", [], False),
        ("Gt", ["4"], True),
        ("Gt", ["5"], False),
        ("Lt", ["6"], True),
        ("Lt", ["x"], False),
        ("Lt", [], False),
    ],
)
def test_operators_of_a_node_selector(operator, values, holds):
    node = make_node("a", labels={"disks": "5"})
    assert selects(terms("disks", *values, operator=operator), node) is holds


def test_a_selector_takes_by_one_of_its_terms_and_an_empty_term_takes_nothing():
    node = make_node("a")
    two = (
        terms("zone", "x")["nodeSelectorTerms"] + terms("metadata.name", "a", field="matchFields")["nodeSelectorTerms"]
    )
    assert selects({"nodeSelectorTerms": two}, node)
    assert not selects({"nodeSelectorTerms": [{}]}, node)
    assert selects(None, node)


LABELS = st.dictionaries(st.sampled_from("abc"), st.sampled_from(["1", "2", "x"]))


@given(LABELS, st.sampled_from("abc"), st.lists(st.sampled_from(["1", "2", "x"])))
def test_an_operator_and_its_opposite_never_agree(labels, key, values):
    node = make_node("n", labels=labels)
    assert selects(terms(key, *values), node) is not selects(terms(key, *values, operator="NotIn"), node)
    assert selects(terms(key, operator="Exists"), node) is not selects(terms(key, operator="DoesNotExist"), node)


# --- who waits for whom ----------------------------------------------------------------------------


def test_a_member_on_a_host_that_does_not_answer_waits_for_it():
    known = nodes(make_node("worker1"), make_node("worker2", "Unknown"))
    assert str(obstacle(make_pod(node="worker2"), known)) == f"member store-1 waits for host worker2, {SAID}"
    assert obstacle(make_pod(node="worker1"), known) is None
    assert obstacle(make_pod(node="worker2", ready="True"), known) is None


def test_a_member_that_leaves_does_so_once_its_host_answers():
    found = obstacle(make_pod(node="worker2", leaves=True), nodes(make_node("worker2", "Unknown")))
    assert str(found).startswith("member store-1 cannot stop on host worker2, which has not answered since ")


def test_a_host_that_was_removed_is_told():
    found = obstacle(make_pod(node="worker2"), nodes(make_node("worker1")))
    assert str(found) == "member store-1 waits for host worker2, which is no longer a node of the cluster"


def test_a_member_waits_for_the_host_of_its_volume():
    known = nodes(make_node("worker1"), make_node("worker2", "Unknown"))
    found = obstacle(make_pod(), known, [make_volume("worker2")])
    assert str(found) == f"member store-1 waits for its volume local-worker2-srv on host worker2, {SAID}"
    assert found.certain
    assert obstacle(make_pod(), known, [make_volume("worker1")]) is None
    gone = obstacle(make_pod(), nodes(make_node("worker1")), [make_volume("worker2")])
    assert str(gone).endswith("its volume local-worker2-srv on host worker2, which is no longer a node of the cluster")


def test_a_cordoned_host_is_told_with_its_own_remedy():
    found = obstacle(make_pod(), nodes(make_node("worker2", unschedulable=True)), [make_volume("worker2")])
    assert str(found).endswith("which is cordoned")
    assert found.outage.remedy == "Let it take pods again: kubectl uncordon worker2"


@pytest.mark.parametrize(
    "spec",
    [
        {"nodeSelector": {"kubernetes.io/hostname": "worker2"}},
        {"nodeSelector": {"disks": "fast"}},
        {"affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": terms("disks", "fast")}}},
        {
            "affinity": {
                "nodeAffinity": {
                    "requiredDuringSchedulingIgnoredDuringExecution": terms(
                        "metadata.name", "worker2", field="matchFields"
                    )
                }
            }
        },
    ],
)
def test_a_member_waits_for_the_hosts_that_it_is_bound_to(spec):
    known = nodes(make_node("worker1"), make_node("worker2", "Unknown", labels={"disks": "fast"}))
    found = obstacle(make_pod(**spec), known)
    assert (found.hosts, found.certain) == (("worker2",), True)


def test_hosts_that_a_member_may_not_run_on_do_not_count():
    control = {"key": "node-role.kubernetes.io/control-plane", "effect": "NoSchedule"}
    silent = {"key": "node.kubernetes.io/unreachable", "effect": "NoExecute"}
    known = nodes(make_node("cp1", taints=[control]), make_node("worker2", "Unknown", taints=[silent]))
    assert obstacle(make_pod(), known).certain
    tolerant = make_pod(tolerations=[{"key": control["key"], "operator": "Exists"}])
    assert not obstacle(tolerant, known).certain
    prefers = nodes(make_node("cp1", taints=[{**control, "effect": "PreferNoSchedule"}]), known["worker2"])
    assert not obstacle(make_pod(), prefers).certain


@pytest.mark.parametrize(
    ("toleration", "certain"),
    [
        ({"operator": "Exists"}, False),
        ({"key": "for", "value": "db"}, False),
        ({"key": "for", "value": "db", "effect": "NoSchedule"}, False),
        ({"key": "for", "value": "web"}, True),
        ({"key": "for", "operator": "Exists", "effect": "NoExecute"}, True),
    ],
)
def test_tolerations(toleration, certain):
    taint = {"key": "for", "value": "db", "effect": "NoSchedule"}
    known = nodes(make_node("worker1", taints=[taint]), make_node("worker2", "Unknown"))
    assert obstacle(make_pod(tolerations=[toleration]), known).certain is certain


def test_where_others_could_take_it_that_is_said_otherwise():
    known = nodes(make_node("worker1"), make_node("worker2", "Unknown"), make_node("worker3", "Unknown"))
    found = str(obstacle(make_pod(), known))
    assert found.startswith(
        "member store-1 finds no place without one of the hosts worker2, worker3, the last of which has"
    )
    assert obstacle(make_pod(), nodes(make_node("worker1"))) is None


def test_a_member_that_the_scheduler_has_not_looked_at_waits_for_nobody():
    assert obstacle(make_pod(scheduled="Unknown"), nodes(make_node("worker2", "Unknown"))) is None
    assert obstacle(make_pod(leaves=True), nodes(make_node("worker2", "Unknown"))) is None


def test_of_several_hosts_the_one_that_went_last_counts():
    known = nodes(make_node("a", "Unknown"), make_node("b", "Unknown", since="2026-11-28T03:00:00Z"))
    assert obstacle(make_pod(), known).outage.since == "2026-11-28T03:00:00Z"
