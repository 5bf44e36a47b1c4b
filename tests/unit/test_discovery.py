# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Projections, grouping, readiness and expectations, on plain dictionaries."""

from __future__ import annotations

import pytest
from ansible_collections.baremetal.bigdata.plugins.module_utils import discovery
from ansible_collections.baremetal.bigdata.plugins.module_utils.discovery import Expectation, Roster
from hypothesis import given
from hypothesis import strategies as st

ROLE = "baremetal.bigdata/role"


def make_pod(name, role="worker", *, ready=True, phase="Running", labels=None, meta=None, spec=None, status=None):
    return {
        "metadata": {
            "name": name,
            "namespace": "ns",
            "labels": {**({ROLE: role} if role else {}), "app.kubernetes.io/instance": "grid", **(labels or {})},
            **(meta or {}),
        },
        "spec": {"nodeName": "node-1", "containers": [{"name": "app"}], **(spec or {})},
        "status": {
            "phase": phase,
            "podIP": "10.0.0.1",
            "hostIP": "192.0.2.1",
            "conditions": [{"type": "Ready", "status": "True" if ready else "False"}],
            **(status or {}),
        },
    }


def roster_of(*pods, **kwargs):
    roster = Roster(**kwargs)
    for pod in pods:
        roster.put(pod)
    return roster


def make_service(name, selector, *, ports=None, annotations=None, **spec):
    return {
        "metadata": {"name": name, "namespace": "ns", "annotations": annotations or {}},
        "spec": {"selector": selector, "clusterIP": "10.96.0.9", "ports": ports or [{"port": 80}], **spec},
    }


# --- members ---------------------------------------------------------------------------------------


def test_a_member_is_a_projection_of_its_pod():
    pod = make_pod(
        "grid-worker-0",
        spec={"hostname": "grid-worker-0", "subdomain": "grid-worker"},
        status={
            "podIPs": [{"ip": "10.0.0.1"}, {"ip": "fd00::1"}],
            "startTime": "2026-08-01T09:30:00Z",
            "containerStatuses": [{"name": "a", "restartCount": 2}, {"name": "b", "restartCount": 1}],
        },
    )
    assert discovery.project_pod(pod, "example.local") == {
        "pod": "grid-worker-0",
        "namespace": "ns",
        "app": None,
        "instance": "grid",
        "ip": "10.0.0.1",
        "ips": ["10.0.0.1", "fd00::1"],
        "host_ip": "192.0.2.1",
        "node": "node-1",
        "hostname": "grid-worker-0",
        "fqdn": "grid-worker-0.grid-worker.ns.svc.example.local",
        "host_network": False,
        "rack": None,
        "phase": "Running",
        "ready": True,
        "terminating": False,
        "restarts": 3,
        "started": "2026-08-01T09:30:00Z",
        "reason": None,
    }


def test_a_pod_without_subdomain_has_no_fqdn():
    assert discovery.project_pod(make_pod("p", spec={"hostname": "p"}))["fqdn"] is None
    assert discovery.project_pod(make_pod("p", spec={"subdomain": "s"}))["fqdn"] is None


def test_a_pod_that_was_just_created_has_what_is_known():
    member = discovery.project_pod({"metadata": {"name": "p", "namespace": "ns"}, "status": {"phase": "Pending"}})
    assert (member["ip"], member["ips"], member["node"], member["host_ip"], member["ready"]) == (
        None,
        [],
        None,
        None,
        False,
    )
    assert member["reason"] == "Not scheduled to a node yet"


def test_restarts_count_sidecars_but_not_finished_init_containers():
    pod = make_pod(
        "p",
        spec={"initContainers": [{"name": "init"}, {"name": "sidecar", "restartPolicy": "Always"}]},
        status={
            "containerStatuses": [{"name": "app", "restartCount": 1}],
            "initContainerStatuses": [{"name": "init", "restartCount": 10}, {"name": "sidecar", "restartCount": 100}],
        },
    )
    assert discovery.project_pod(pod)["restarts"] == 101


def test_a_terminating_pod_is_not_ready_even_if_its_condition_says_so():
    member = discovery.project_pod(make_pod("p", meta={"deletionTimestamp": "2026-08-01T09:30:00Z"}))
    assert (member["ready"], member["terminating"]) == (False, True)
    assert member["reason"] == "Terminating, to be gone by 2026-08-01T09:30:00Z"


def test_racks_and_host_names_come_from_the_node():
    roster = roster_of(make_pod("p-0"), make_pod("p-1", spec={"hostNetwork": True}))
    node = {
        "metadata": {"name": "node-1", "labels": {"topology.kubernetes.io/zone": "a", "kubernetes.io/hostname": "h"}}
    }
    roster.set_nodes({"node-1": discovery.project_node(node)})
    first, second = roster.members()["worker"]
    assert (first["rack"], first["hostname"], second["rack"], second["hostname"]) == ("a", "p-0", "a", "h")


def test_a_node_without_labels_has_no_rack():
    assert discovery.project_node({"metadata": {"name": "n"}}) == {"rack": None, "hostname": "n"}


def test_members_are_grouped_by_role_in_natural_order():
    roster = roster_of(make_pod("w-10"), make_pod("w-2"), make_pod("m-0", role="master"))
    members = roster.members(["absent"])
    assert {role: [m["pod"] for m in found] for role, found in members.items()} == {
        "absent": [],
        "master": ["m-0"],
        "worker": ["w-2", "w-10"],
    }


def test_any_label_can_be_the_role():
    roster = roster_of(make_pod("p", role=None, labels={"k8s-app": "dns"}), role_label="k8s-app")
    assert list(roster.members()) == ["dns"]


def test_pods_without_the_role_label_are_left_out_or_get_the_default_role():
    pods = make_pod("p", role=None), make_pod("q", role="")
    assert roster_of(*pods).members() == {}
    assert [m["pod"] for m in roster_of(*pods, default_role="other").members()["other"]] == ["p", "q"]


@pytest.mark.parametrize("phase", ["Succeeded", "Failed"])
def test_finished_pods_are_ignored_unless_asked_for_and_never_count(phase):
    pod = make_pod("p", phase=phase, status={"reason": "Evicted", "message": "low on memory"})
    assert len(roster_of(pod)) == 0
    roster = roster_of(pod, include_finished=True)
    assert roster.members()["worker"][0]["reason"] == "Evicted: low on memory"
    assert roster.counts("worker") == {"total": 0, "ready": 0, "running": 0, "terminating": 0}
    assert roster.met({"worker": Expectation(0)})


def test_a_pod_seen_twice_is_one_member():
    roster = roster_of(make_pod("p", ready=False), make_pod("p"))
    assert roster.counts("worker") == {"total": 1, "ready": 1, "running": 1, "terminating": 0}


def test_a_running_pod_that_finishes_leaves():
    roster = roster_of(make_pod("p"))
    roster.apply("MODIFIED", make_pod("p", phase="Failed"))
    assert len(roster) == 0
    assert roster.roles() == []


def test_a_pod_that_changes_its_role_moves():
    roster = roster_of(make_pod("p"))
    roster.apply("MODIFIED", make_pod("p", role="master"))
    assert roster.roles() == ["master"]
    assert roster.counts("worker")["total"] == 0


STEP = st.tuples(
    st.sampled_from(["ADDED", "MODIFIED", "DELETED", "BOOKMARK"]),
    st.sampled_from(["a", "b", "c"]),
    st.sampled_from(["worker", "master", None]),
    st.booleans(),
    st.sampled_from(["Pending", "Running", "Failed"]),
    st.booleans(),
)


@given(st.lists(STEP, max_size=30))
def test_counts_kept_by_events_equal_counts_of_a_fresh_list(steps):
    followed, now = Roster(), {}
    for kind, name, role, ready, phase, going in steps:
        pod = make_pod(name, role, ready=ready, phase=phase, meta={"deletionTimestamp": "t"} if going else {})
        followed.apply(kind, pod)
        if kind == "DELETED":
            now.pop(name, None)
        elif kind != "BOOKMARK":
            now[name] = pod
    fresh = roster_of(*now.values())
    assert followed.members() == fresh.members()
    assert [followed.counts(role) for role in ("worker", "master")] == [fresh.counts(r) for r in ("worker", "master")]


# --- why not ready ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (
            {
                "phase": "Pending",
                "conditions": [
                    {
                        "type": "PodScheduled",
                        "status": "False",
                        "reason": "Unschedulable",
                        "message": "0/3 nodes are available",
                    }
                ],
            },
            "Unschedulable: 0/3 nodes are available",
        ),
        (
            {
                "containerStatuses": [
                    {"name": "app", "state": {"waiting": {"reason": "ImagePullBackOff", "message": "no such\nimage"}}}
                ]
            },
            "container app: ImagePullBackOff: no such image",
        ),
        (
            {
                "containerStatuses": [
                    {
                        "name": "app",
                        "state": {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 40s"}},
                        "lastState": {"terminated": {"exitCode": 137, "reason": "OOMKilled"}},
                    }
                ]
            },
            "container app: CrashLoopBackOff: back-off 40s; it last exited with 137 (OOMKilled)",
        ),
        (
            {
                "initContainerStatuses": [
                    {"name": "init", "state": {"terminated": {"exitCode": 2, "reason": "Error"}}}
                ],
                "containerStatuses": [{"name": "app", "state": {"waiting": {"reason": "PodInitializing"}}}],
            },
            "container init: exited with 2: Error",
        ),
        (
            {
                "initContainerStatuses": [{"name": "init", "state": {"terminated": {"exitCode": 0}}, "ready": True}],
                "containerStatuses": [{"name": "app", "state": {"running": {}}, "ready": False}],
                "conditions": [
                    {
                        "type": "Ready",
                        "status": "False",
                        "reason": "ContainersNotReady",
                        "message": "containers with unready status: [app]",
                    }
                ],
            },
            "ContainersNotReady: containers with unready status: [app]",
        ),
        ({"conditions": []}, "phase Running, condition Ready not set"),
        ({"conditions": [{"type": "Ready", "status": "False", "message": "x" * 1000}]}, "x" * 297 + "..."),
    ],
)
def test_the_reason_is_what_stands_closest_to_the_cause(change, reason):
    assert discovery.not_ready_reason(make_pod("p", status={**change})) == reason


# --- expectations ----------------------------------------------------------------------------------


def test_expectations_are_exact_or_at_least():
    assert discovery.parse_expect({"a": 3, "b": "2+", "c": "0"}) == {
        "a": Expectation(3),
        "b": Expectation(2, exact=False),
        "c": Expectation(0),
    }


@pytest.mark.parametrize("value", [-1, "two", "", None, True, 1.5, "2-3", [1]])
def test_other_expectations_are_refused_with_what_was_found(value):
    with pytest.raises(discovery.DiscoveryError, match="role 'a': expected a count") as error:
        discovery.parse_expect({"a": value})
    assert repr(value) in str(error.value)


TERMINATING = make_pod("w-2", meta={"deletionTimestamp": "t"})


@pytest.mark.parametrize(
    ("pods", "expectation", "met"),
    [
        ([make_pod("w-0"), make_pod("w-1")], Expectation(2), True),
        ([make_pod("w-0"), make_pod("w-1")], Expectation(3), False),
        ([make_pod("w-0"), make_pod("w-1")], Expectation(1), False),
        ([make_pod("w-0"), make_pod("w-1", ready=False)], Expectation(2), False),
        ([make_pod("w-0"), make_pod("w-1", ready=False)], Expectation(1), False),
        ([make_pod("w-0"), make_pod("w-1"), TERMINATING], Expectation(2), False),
        ([make_pod("w-0"), make_pod("w-1"), TERMINATING], Expectation(2, exact=False), True),
        ([], Expectation(0), True),
        ([TERMINATING], Expectation(0), False),
        ([], Expectation(0, exact=False), True),
    ],
)
def test_an_exact_count_leaves_no_room_for_others(pods, expectation, met):
    assert roster_of(*pods).met({"worker": expectation}) is met


def test_levels_of_waiting():
    starting = make_pod("w-0", ready=False)
    pending = make_pod("w-0", ready=False, phase="Pending", status={"podIP": None})
    one = {"worker": Expectation(1)}
    assert [roster_of(starting).met(one, until) for until in ("present", "running", "ready")] == [True, True, False]
    assert [roster_of(pending).met(one, until) for until in ("present", "running", "ready")] == [True, False, False]


def test_without_expectations_there_must_be_a_member_and_all_must_be_ready():
    assert not roster_of().met({})
    assert roster_of(make_pod("w-0")).met({})
    assert not roster_of(make_pod("w-0"), make_pod("m-0", role="master", ready=False)).met({})
    assert roster_of().unmet({}) == ["no pod found"]


def test_what_is_unmet_names_role_numbers_pods_and_reasons():
    waiting = {"containerStatuses": [{"name": "app", "state": {"waiting": {"reason": "ImagePullBackOff"}}}]}
    roster = roster_of(make_pod("w-0"), make_pod("w-1", ready=False, status=waiting), make_pod("m-0", role="master"))
    expect = discovery.parse_expect({"worker": 3, "master": 1, "edge": "1+"})
    assert roster.unmet(expect) == [
        "role worker: 1 ready of 3 expected (2 found); not ready: w-1 (container app: ImagePullBackOff)",
        "role edge: 0 ready of 1+ expected (0 found)",
    ]


def test_what_is_unmet_names_ten_pods_at_most():
    roster = roster_of(*(make_pod(f"w-{n}", ready=False) for n in range(13)))
    (sentence,) = roster.unmet({"worker": Expectation(13)})
    assert sentence.endswith("and 3 more")
    assert "w-9 " in sentence
    assert "w-10 " not in sentence


# --- services --------------------------------------------------------------------------------------


def test_services_belong_to_the_roles_whose_pods_they_select():
    roster = roster_of(make_pod("w-0", labels={"x": "1"}), make_pod("m-0", role="master"))
    services = [
        make_service("all", {"app.kubernetes.io/instance": "grid"}),
        make_service("one-worker", {"x": "1", ROLE: "worker"}),
        make_service("nobody", {"x": "1", ROLE: "master"}),
        make_service("foreign", {"y": "1"}),
        make_service("without-selector", None),
    ]
    found = roster.services(services)
    assert {role: [s["name"] for s in services] for role, services in found.items()} == {
        "master": ["all"],
        "worker": ["all", "one-worker"],
    }


def test_services_of_other_namespaces_do_not_belong():
    service = make_service("s", {ROLE: "worker"})
    service["metadata"]["namespace"] = "elsewhere"
    assert roster_of(make_pod("w-0")).services([service]) == {"worker": []}


def test_a_service_that_names_the_role_is_found_without_members():
    service = make_service("s", {ROLE: "worker", "app.kubernetes.io/instance": "grid"})
    grid = {"app.kubernetes.io/instance": "grid"}
    assert [s["name"] for s in Roster().services([service], roles=["worker"], labels=grid)["worker"]] == ["s"]
    assert Roster().services([service], roles=["worker"], labels={"app.kubernetes.io/instance": "b"}) == {"worker": []}
    assert Roster().services([service], roles=["worker"]) == {"worker": []}


def test_urls_are_built_for_ports_with_a_scheme():
    members = [
        discovery.project_pod(make_pod(f"w-{n}", ready=n != 0, status={"hostIP": f"192.0.2.{n}"})) for n in range(12)
    ]
    service = make_service(
        "s",
        {ROLE: "worker"},
        type="NodePort",
        annotations={"baremetal.bigdata/scheme.ui": "https", "baremetal.bigdata/path.ui": "/gui"},
        ports=[
            {"name": "ui", "port": 8443, "nodePort": 30443, "targetPort": "ui"},
            {"name": "api", "port": 80, "nodePort": 30080, "appProtocol": "http"},
            {"name": "data", "port": 7000, "nodePort": 30700, "appProtocol": "kubernetes.io/h2c"},
        ],
    )
    found = discovery.project_service(service, members)
    assert found["urls"] == [
        *(f"https://192.0.2.{n}:30443/gui" for n in (1, 2, 3)),
        *(f"http://192.0.2.{n}:30080" for n in (1, 2, 3)),
    ]
    assert found["cluster_urls"] == ["https://s.ns.svc.cluster.local:8443/gui", "http://s.ns.svc.cluster.local:80"]
    assert found["ports"][0] == {
        "name": "ui", "port": 8443, "target_port": "ui", "node_port": 30443, "protocol": "TCP", "scheme": "https",
    }  # fmt: skip
    assert found["ports"][2]["scheme"] is None


def test_a_load_balancer_and_ipv6_in_urls():
    service = make_service(
        "s", {}, type="LoadBalancer", externalIPs=["2001:db8::1"], annotations={"baremetal.bigdata/scheme": "http"}
    )
    service["status"] = {"loadBalancer": {"ingress": [{"hostname": "lb.example"}]}}
    found = discovery.project_service(service, [])
    assert found["urls"] == ["http://lb.example:80", "http://[2001:db8::1]:80"]
    assert found["external"] == ["lb.example", "2001:db8::1"]


def test_a_headless_service_has_no_cluster_ip():
    found = discovery.project_service(make_service("s", {}, clusterIP="None"), [])
    assert (found["headless"], found["cluster_ip"], found["type"]) == (True, None, "ClusterIP")


# --- selectors -------------------------------------------------------------------------------------


def test_selectors():
    assert discovery.label_selector(ROLE) == ROLE
    assert (
        discovery.label_selector("r", app="a", instance="i", roles=["x", "w", "x"], extra=["t in (a,b)", ""])
        == "app.kubernetes.io/name=a,app.kubernetes.io/instance=i,r in (w,x),t in (a,b)"
    )
    assert discovery.label_selector("r", require_role=False) == ""
