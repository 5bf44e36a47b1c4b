# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Projections, grouping, readiness and expectations, on plain dictionaries."""

from __future__ import annotations

import json

import pytest
from ansible_collections.baremetal.bigdata.plugins.module_utils.discovery.publish import members_map, same_map
from ansible_collections.baremetal.bigdata.plugins.module_utils.discovery.roster import (
    DiscoveryError,
    Expectation,
    Roster,
    label_selector,
    parse_expect,
)
from ansible_collections.baremetal.bigdata.plugins.module_utils.discovery.services import project_service
from ansible_collections.baremetal.bigdata.plugins.module_utils.kube.pods import (
    not_ready_reason,
    project_node,
    project_pod,
)
from ansible_collections.baremetal.bigdata.plugins.module_utils.labels import LABEL_POD_NAME
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
    assert project_pod(pod, "example.local") == {
        "pod": "grid-worker-0",
        "namespace": "ns",
        "app": None,
        "instance": "grid",
        "role": None,
        "live_role": None,
        "ip": "10.0.0.1",
        "ips": ["10.0.0.1", "fd00::1"],
        "host_ip": "192.0.2.1",
        "node": "node-1",
        "hostname": "grid-worker-0",
        "fqdn": "grid-worker-0.grid-worker.ns.svc.example.local",
        "host_network": False,
        "container": "app",
        "rack": None,
        "phase": "Running",
        "ready": True,
        "terminating": False,
        "restarts": 3,
        "started": "2026-08-01T09:30:00Z",
        "reason": None,
    }


def test_a_pod_without_subdomain_has_no_fqdn():
    assert project_pod(make_pod("p", spec={"hostname": "p"}))["fqdn"] is None
    assert project_pod(make_pod("p", spec={"subdomain": "s"}))["fqdn"] is None


def test_a_pod_that_was_just_created_has_what_is_known():
    member = project_pod({"metadata": {"name": "p", "namespace": "ns"}, "status": {"phase": "Pending"}})
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
    assert project_pod(pod)["restarts"] == 101


def test_a_terminating_pod_is_not_ready_even_if_its_condition_says_so():
    member = project_pod(make_pod("p", meta={"deletionTimestamp": "2026-08-01T09:30:00Z"}))
    assert (member["ready"], member["terminating"]) == (False, True)
    assert member["reason"] == "Terminating on node-1, to be gone by 2026-08-01T09:30:00Z"


def test_racks_and_host_names_come_from_the_node():
    roster = roster_of(make_pod("p-0"), make_pod("p-1", spec={"hostNetwork": True}))
    node = {
        "metadata": {"name": "node-1", "labels": {"topology.kubernetes.io/zone": "a", "kubernetes.io/hostname": "h"}}
    }
    roster.set_nodes({"node-1": project_node(node)})
    first, second = roster.members()["worker"]
    assert (first["rack"], first["hostname"], second["rack"], second["hostname"]) == ("a", "p-0", "a", "h")


def test_a_node_without_labels_has_no_rack():
    assert project_node({"metadata": {"name": "n"}}) == {"rack": None, "hostname": "n"}


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


def containers(state, **fields):
    return {"containerStatuses": [{"name": "app", "state": state, **fields}]}


def waiting(reason, message=""):
    return {"waiting": {"reason": reason, "message": message}}


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
                        "message": "0/3 nodes are available: 1 Insufficient memory, 2 node(s) didn't match "
                        "PersistentVolume's node affinity. preemption: 0/3 nodes are available: 3 Preemption is not "
                        "helpful for scheduling.",
                    }
                ],
            },
            "Unschedulable: 0/3 nodes are available: 1 Insufficient memory, 2 node(s) didn't match PersistentVolume's "
            "node affinity.",
        ),
        (
            containers(waiting("ImagePullBackOff", 'Back-off pulling image "r/x:1": ErrImagePull: no such\nimage')),
            'container app: ImagePullBackOff: Back-off pulling image "r/x:1": ErrImagePull: no such image',
        ),
        (
            containers(waiting("CreateContainerConfigError", 'secret "passwords" not found')),
            'container app: CreateContainerConfigError: secret "passwords" not found',
        ),
        (
            containers(
                waiting("CrashLoopBackOff", "back-off 40s restarting failed container=app pod=p_ns(0)"),
                lastState={"terminated": {"exitCode": 137, "reason": "OOMKilled"}},
            ),
            "container app: CrashLoopBackOff: back-off 40s; it last exited with 137 (OOMKilled: it took more memory "
            "than its limit)",
        ),
        (
            {
                **containers(waiting("PodInitializing")),
                "initContainerStatuses": [
                    {"name": "init", "state": {"terminated": {"exitCode": 2, "reason": "Error", "message": "no disk"}}}
                ],
            },
            "container init exited with 2 (Error): no disk",
        ),
        (
            {
                **containers(waiting("PodInitializing")),
                "initContainerStatuses": [{"name": "init", "state": waiting("CrashLoopBackOff")}],
            },
            "container init: CrashLoopBackOff",
        ),
        (
            {
                **containers({"running": {}}, ready=False, started=True),
                "initContainerStatuses": [{"name": "init", "state": {"terminated": {"exitCode": 0}}, "ready": True}],
                "conditions": [
                    {
                        "type": "Ready",
                        "status": "False",
                        "reason": "ContainersNotReady",
                        "message": "containers with unready status: [app]",
                    }
                ],
            },
            "container app runs, but its readiness probe does not succeed",
        ),
        (
            containers(
                {"running": {}},
                ready=False,
                started=False,
                lastState={"terminated": {"exitCode": 1, "reason": "Error"}},
            ),
            "container app runs, but its startup probe does not succeed; it last exited with 1 (Error)",
        ),
        (containers({"terminated": {"exitCode": 0, "reason": "Completed"}}), "container app exited with 0 (Completed)"),
        (
            {"phase": "Failed", "reason": "Evicted", "message": "The node was low on resource: memory."},
            "Evicted: The node was low on resource: memory.",
        ),
        (
            {
                "phase": "Failed",
                "conditions": [
                    {
                        "type": "DisruptionTarget",
                        "reason": "DeletionByTaintManager",
                        "message": "Taint manager: deleting",
                    }
                ],
            },
            "DeletionByTaintManager: Taint manager: deleting",
        ),
        (
            {"phase": "Failed", **containers({"terminated": {"exitCode": 3, "reason": "Error"}})},
            "Failed: container app exited with 3 (Error)",
        ),
        (
            containers({"running": {}}, ready=True)
            | {"conditions": [{"type": "Ready", "status": "False", "lastTransitionTime": "2026-08-01T09:30:00Z"}]},
            "its containers ran when its host node-1 was last heard of, which does not answer",
        ),
        ({"phase": "Unknown", "conditions": []}, "phase Unknown, condition Ready not set"),
        ({"conditions": []}, "phase Running, condition Ready not set"),
        (
            {"conditions": [{"type": "Ready", "status": "False", "message": "a" * 500 + "z" * 500}]},
            "a" * 147 + " ... " + "z" * 147,
        ),
    ],
)
def test_the_reason_is_what_stands_closest_to_the_cause(change, reason):
    assert not_ready_reason(make_pod("p", status={**change})) == reason


# --- expectations ----------------------------------------------------------------------------------


def test_expectations_are_exact_or_at_least():
    assert parse_expect({"a": 3, "b": "2+", "c": "0"}) == {
        "a": Expectation(3),
        "b": Expectation(2, exact=False),
        "c": Expectation(0),
    }


@pytest.mark.parametrize("value", [-1, "two", "", None, True, 1.5, "2-3", [1]])
def test_other_expectations_are_refused_with_what_was_found(value):
    with pytest.raises(DiscoveryError, match="role 'a': expected a count") as error:
        parse_expect({"a": value})
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


def test_a_role_that_no_member_has_is_told_with_those_that_there_are():
    roster = roster_of(make_pod("a", "seed"), make_pod("b", "worker"))
    assert roster.without_members(["seed", "sede"]) == ["role sede: no member; members have the roles seed, worker"]
    assert roster.unmet(parse_expect({"sede": 1})) == [
        "role sede: 0 ready of 1 expected (0 found); members have the roles seed, worker"
    ]
    # Before there is any, nothing is known of what they will be.
    assert roster_of().without_members(["sede"]) == []


def test_what_is_unmet_names_role_numbers_pods_and_reasons():
    waiting = {"containerStatuses": [{"name": "app", "state": {"waiting": {"reason": "ImagePullBackOff"}}}]}
    roster = roster_of(make_pod("w-0"), make_pod("w-1", ready=False, status=waiting), make_pod("m-0", role="master"))
    expect = parse_expect({"worker": 3, "master": 1, "edge": "1+"})
    assert roster.unmet(expect) == [
        "role worker: 1 ready of 3 expected (2 found); not ready: w-1 (container app: ImagePullBackOff)",
        "role edge: 0 ready of 1+ expected (0 found); members have the roles master, worker",
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
    members = [project_pod(make_pod(f"w-{n}", ready=n != 0, status={"hostIP": f"192.0.2.{n}"})) for n in range(12)]
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
    found = project_service(service, members)
    assert found["urls"] == [
        *(f"https://192.0.2.{n}:30443/gui" for n in (1, 2, 3)),
        *(f"http://192.0.2.{n}:30080" for n in (1, 2, 3)),
    ]
    assert found["cluster_urls"] == ["https://s.ns.svc.cluster.local:8443/gui", "http://s.ns.svc.cluster.local:80"]
    assert found["ports"][0] == {
        "name": "ui", "port": 8443, "target_port": "ui", "node_port": 30443, "protocol": "TCP", "scheme": "https",
        "dashboard": False,
    }  # fmt: skip
    assert found["ports"][2]["scheme"] is None


def test_a_load_balancer_and_ipv6_in_urls():
    service = make_service(
        "s", {}, type="LoadBalancer", externalIPs=["2001:db8::1"], annotations={"baremetal.bigdata/scheme": "http"}
    )
    service["status"] = {"loadBalancer": {"ingress": [{"hostname": "lb.example"}]}}
    found = project_service(service, [])
    assert found["urls"] == ["http://lb.example:80", "http://[2001:db8::1]:80"]
    assert found["external"] == ["lb.example", "2001:db8::1"]


def test_a_headless_service_has_no_cluster_ip():
    found = project_service(make_service("s", {}, clusterIP="None"), [])
    assert (found["headless"], found["cluster_ip"], found["type"]) == (True, None, "ClusterIP")


def test_annotations_name_a_port_by_its_name_or_its_number_and_dashboards_are_urls_for_people():
    service = make_service(
        "s",
        {ROLE: "worker"},
        externalIPs=["192.0.2.9"],
        annotations={
            "baremetal.bigdata/scheme": "http",
            "baremetal.bigdata/scheme.8443": "https",
            "baremetal.bigdata/path.8443": "/platform",
            "baremetal.bigdata/dashboard.8443": "true",
            "baremetal.bigdata/dashboard.api": "false",
        },
        ports=[{"name": "gui", "port": 8443}, {"name": "api", "port": 7870}],
    )
    found = project_service(service, [])
    assert found["urls"] == ["https://192.0.2.9:8443/platform", "http://192.0.2.9:7870"]
    assert found["dashboards"] == ["https://192.0.2.9:8443/platform"]
    assert [port["dashboard"] for port in found["ports"]] == [True, False]


def test_the_name_of_a_headless_service_leads_to_the_members_own_port():
    ports = [{"name": "http", "port": 80, "targetPort": 8080, "appProtocol": "http"}]
    found = project_service(make_service("s", {}, clusterIP="None", ports=ports), [])
    assert found["cluster_urls"] == ["http://s.ns.svc.cluster.local:8080"]
    found = project_service(make_service("s", {}, ports=ports), [])
    assert found["cluster_urls"] == ["http://s.ns.svc.cluster.local:80"]


def test_a_service_of_one_member_names_it():
    roster = roster_of(*(make_pod(f"w-{n}", labels={LABEL_POD_NAME: f"w-{n}"}) for n in range(3)))
    services = [make_service(f"w-{n}", {ROLE: "worker", LABEL_POD_NAME: f"w-{n}"}) for n in range(3)]
    found = roster.services([*services, make_service("all", {ROLE: "worker"})])["worker"]
    assert [(one["name"], one["member"]) for one in found] == [
        ("all", None), ("w-0", "w-0"), ("w-1", "w-1"), ("w-2", "w-2")
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("names", "annotation", "container"),
    [
        (["proxy", "app"], None, "app"),
        (["main", "proxy"], None, "main"),
        (["main", "app", "proxy"], "proxy", "proxy"),
        (["main"], "gone", "main"),
        ([], None, None),
    ],
)
def test_the_container_of_the_application(names, annotation, container):
    annotations = {"kubectl.kubernetes.io/default-container": annotation} if annotation else None
    pod = make_pod("p", meta={"annotations": annotations}, spec={"containers": [{"name": name} for name in names]})
    assert project_pod(pod)["container"] == container


# --- live roles ------------------------------------------------------------------------------------


def roster_that_says(**answers):
    roster = roster_of(*(make_pod(name) for name in answers))
    for member in roster.all():
        member["live_role"] = answers[member["pod"]]
    return roster


def test_members_by_their_live_role():
    roster = roster_that_says(w0="follower", w1="leader", w2="follower", w3="", w4=None)
    found = {role: [member["pod"] for member in members] for role, members in roster.live().items()}
    assert found == {"follower": ["w0", "w2"], "leader": ["w1"]}


def test_expected_live_roles_and_what_is_missing():
    roster = roster_that_says(w0="follower", w1="leader", w2="leader", w3="")
    assert roster.live_unmet(parse_expect({"leader": 2, "follower": "1+", "observer": 0})) == []
    assert roster.live_unmet(parse_expect({"leader": 1, "follower": 1}), ["w3 (role worker): no answer"]) == [
        "live role leader: 2 of 1 expected; members say: 1 follower, 2 leader",
        "no live role from: w3 (role worker): no answer",
    ]
    assert roster_that_says(w0="").live_unmet({"leader": Expectation(1)}) == [
        "live role leader: 0 of 1 expected; members say: no live role at all"
    ]


# --- the members' map ------------------------------------------------------------------------------


def map_of(roster, **options):
    return members_map(roster.members(), **{"cluster": "grid", "namespace": "ns", **options})


def test_the_map_has_who_is_where_and_nothing_that_changes_by_the_minute():
    pods = [
        make_pod(
            f"grid-worker-{n}",
            labels={"app.kubernetes.io/name": "grid-app"},
            spec={"hostname": f"grid-worker-{n}", "subdomain": "grid-worker"},
            status={"podIP": f"10.0.0.{n}"},
        )
        for n in (10, 2)
    ]
    pods.append(make_pod("grid-master-x7k2p", "master", spec={"hostname": "boss"}, status={"podIP": "10.0.0.1"}))
    roster = roster_of(*pods, make_pod("new", status={"podIP": None}), make_pod("old", meta={"deletionTimestamp": "t"}))
    found = map_of(roster)
    assert found["metadata"] == {
        "name": "grid-members",
        "namespace": "ns",
        "labels": {
            "app.kubernetes.io/name": "grid-app",
            "app.kubernetes.io/instance": "grid",
            "app.kubernetes.io/managed-by": "baremetal.bigdata",
        },
    }
    assert found["data"]["hosts"] == (
        "10.0.0.1 boss grid-master-x7k2p\n"
        "10.0.0.2 grid-worker-2.grid-worker.ns.svc.cluster.local grid-worker-2\n"
        "10.0.0.10 grid-worker-10.grid-worker.ns.svc.cluster.local grid-worker-10\n"
    )
    members = json.loads(found["data"]["members.json"])
    assert members["master"] == [
        {"name": "grid-master-x7k2p", "ip": "10.0.0.1", "host": "boss", "fqdn": None, "node": "node-1", "rack": None}
    ]
    assert [member["name"] for member in members["worker"]] == ["grid-worker-2", "grid-worker-10"]

    busy = [make_pod(**{"name": "p", "ready": ready}, status={"podIP": "10.0.0.9", **status}) for ready, status in (
        (True, {}),
        (False, {"containerStatuses": [{"name": "app", "restartCount": 7}]}),
    )]  # fmt: skip
    assert map_of(roster_of(busy[0])) == map_of(roster_of(busy[1]))


def test_the_order_of_pods_does_not_change_the_map():
    pods = [make_pod(f"{role}-{n}", role, status={"podIP": f"10.0.0.{n}"}) for n in range(4) for role in ("b", "a")]
    assert map_of(roster_of(*pods)) == map_of(roster_of(*reversed(pods)))


def test_a_live_role_is_in_the_map_where_it_is_known():
    roster = roster_of(make_pod("p-0"), make_pod("p-1"))
    roster.all()[0]["live_role"] = "leader"
    first, second = json.loads(map_of(roster)["data"]["members.json"])["worker"]
    assert first["live_role"] == "leader"
    assert "live_role" not in second


def test_an_empty_map_is_json_too():
    assert json.loads(map_of(Roster())["data"]["members.json"]) == {}
    assert json.loads(members_map({"w": []}, cluster="c", namespace="n")["data"]["members.json"]) == {"w": []}


def test_a_map_that_no_configmap_holds_is_refused():
    roster = roster_of(*(make_pod(f"p-{n}", status={"podIP": "10.0.0.1"}) for n in range(9000)))
    with pytest.raises(DiscoveryError, match=r"found \d+ bytes for 9000 members of grid"):
        map_of(roster)


def test_a_map_is_the_same_if_content_and_labels_are():
    wanted = map_of(roster_of(make_pod("p")))
    live = {"metadata": {"labels": {**wanted["metadata"]["labels"], "more": "x"}}, "data": dict(wanted["data"])}
    assert same_map(live, wanted)
    assert not same_map(None, wanted)
    assert not same_map({**live, "data": {**wanted["data"], "hosts": ""}}, wanted)
    assert not same_map({"metadata": {}, "data": wanted["data"]}, wanted)


# --- selectors -------------------------------------------------------------------------------------


def test_selectors():
    assert label_selector(ROLE) == ROLE
    assert (
        label_selector("r", app="a", instance="i", roles=["x", "w", "x"], extra=["t in (a,b)", ""])
        == "app.kubernetes.io/name=a,app.kubernetes.io/instance=i,r in (w,x),t in (a,b)"
    )
    assert label_selector("r", require_role=False) == ""
