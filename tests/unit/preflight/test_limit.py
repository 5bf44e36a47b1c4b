# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs of a part of the site go on, or are refused by what they lack."""

from __future__ import annotations

import itertools

import pytest
from ansible_collections.baremetal.bigdata.plugins.filter.host_to_ask import host_to_ask
from ansible_collections.baremetal.bigdata.plugins.module_utils.preflight.existing import check_existing
from ansible_collections.baremetal.bigdata.plugins.module_utils.preflight.limit import (
    PREPARING,
    check_limit,
    is_meant,
)

GROUPS = {
    "etcd": ["etcd1", "etcd2", "etcd3"],
    "control_plane": ["cp1", "cp2"],
    "worker": ["worker1", "worker2"],
    "cluster": ["cp1", "cp2", "worker1", "worker2"],
}
EVERYONE = [*GROUPS["etcd"], *GROUPS["cluster"]]
NONE = {"kubeconfig": "", "version": "", "error": ""}
BARE = {"node": False, "applied": False, "authority": False, "etcd": False}


def state_of(name):
    """What is found on a host of a site that is up."""
    if name in GROUPS["etcd"]:
        return {**BARE, "etcd": True}
    return {**BARE, "node": True, "applied": name in GROUPS["control_plane"], "authority": name.startswith("cp")}


def run(
    limit, up=True, bare=(), silent=(), tags=("all",), skip=(), kubeconfig="", clients=(), prepared=(), etcd=(), **facts
):
    """(hosts, what was found) of a run with *limit* of a site that is up, or bare, but for some of its hosts.

    *clients*: whom the firewalls of etcd's members let in. *prepared*: by what tags all hosts are. *etcd*: the members
    that have been started on a site that is bare otherwise. *facts*: others of every host.
    """
    state = {name: state_of(name) if (up or name in etcd) and name not in bare else BARE for name in EVERYONE}
    hosts = {
        name: {
            "roles": [role for role in ("etcd", "control_plane", "worker") if name in GROUPS[role]],
            "facts": {
                "kubernetes": state[name],
                "prepared": [*PREPARING] if state[name]["node"] else [*prepared],
                "pod_network": state[name]["node"],
                "etcd_clients": [*clients] if clients and state[name]["etcd"] else None,
                **facts,
            },
            "settings": {"node_address": name, "node_subnets": ["192.0.2.0/24"]},
        }
        for name in limit
    }
    for name in {*limit} & {*silent}:
        hosts[name] = {"roles": [], "facts": None}
    core = {*GROUPS["etcd"], *GROUPS["control_plane"]} - {*limit}
    outside = {name: None if name in silent else state[name] for name in sorted(core)}
    let_in = {name: clients or None for name in outside if name in GROUPS["etcd"]}
    found = check_limit(NONE, GROUPS, hosts, outside, lambda tag: is_meant(tag, tags, skip), kubeconfig, let_in)
    return [(finding.host, finding.found, finding.remedy) for finding in found]


TAGS = ["artifacts", *PREPARING, "etcd", "control_plane", "worker", "ready", "storage"]
INCLUDE = "let the run's tags include {}, or run without --tags and --skip-tags"


@pytest.mark.parametrize("tags", [["all"], ["preflight"], *([tag] for tag in TAGS)], ids=",".join)
@pytest.mark.parametrize(
    "limit",
    [list(some) for size in (1, 2) for some in itertools.combinations(EVERYONE, size)] + [EVERYONE],
    ids=",".join,
)
def test_every_part_of_a_site_that_is_up_runs(limit, tags):
    assert run(limit, tags=tags) == []


@pytest.mark.parametrize("skip", TAGS)
@pytest.mark.parametrize("limit", [["worker1"], ["cp2"], ["etcd1"], EVERYONE], ids=len)
def test_what_is_up_runs_without_any_step(limit, skip):
    assert run(limit, skip=[skip]) == []


# What a whole bare site can be told to do, without a kubeconfig on the controller. Nothing else ends well.
JOINED = {"control_plane", "worker"}


def ends_well(steps, prepared, etcd):
    """Whether a run of these steps does on a whole site without a cluster."""
    needs = set()
    if steps & JOINED:
        # Hosts in these tests have firewalld, so that the network's step prepares them, too.
        needs |= set(PREPARING) - set(prepared)
    if "control_plane" in steps and not etcd:
        needs |= {"etcd"}
    if steps & {"worker", "storage"}:
        needs |= {"control_plane"}
    if "ready" in steps:
        needs |= {"control_plane", "worker", "network"}
    return needs <= steps


EXAMPLES = [
    # (steps, prepared, etcd, whether they end well)
    (TAGS, False, False, True),
    (["artifacts"], False, False, True),
    (["host"], False, False, True),
    (["containerd"], False, False, True),
    (["kubelet"], False, False, True),
    (["network"], False, False, True),
    ([*PREPARING], False, False, True),
    ([*PREPARING, "artifacts"], False, False, True),
    (["etcd"], False, False, True),
    (["control_plane"], False, True, False),
    (["control_plane"], True, False, False),
    (["control_plane"], True, True, True),
    (["worker"], False, False, False),
    (["worker"], True, True, False),
    (["ready"], True, True, False),
    (["storage"], True, True, False),
    (["control_plane", "storage"], True, True, True),
    (["control_plane", "ready"], True, True, False),
    (["etcd", "control_plane", "worker"], True, False, True),
    (["etcd", "control_plane", "worker", "ready"], True, False, False),
    (["etcd", "control_plane", "worker", "network", "ready", "storage"], True, False, True),
]


@pytest.mark.parametrize(("steps", "prepared", "etcd", "well"), EXAMPLES)
def test_the_table_says_what_is_known(steps, prepared, etcd, well):
    assert ends_well({*steps}, PREPARING if prepared else (), etcd) is well


@pytest.mark.parametrize("etcd", [(), GROUPS["etcd"]], ids=["bare", "etcd"])
@pytest.mark.parametrize("prepared", [(), PREPARING], ids=["bare", "prepared"])
@pytest.mark.parametrize("tag", ["all", *TAGS])
def test_a_site_without_a_cluster_runs_or_is_refused_by_its_steps(tag, prepared, etcd):
    def found(tags, skip=()):
        return run(EVERYONE, False, tags=tags, skip=skip, kubeconfig="/k", prepared=prepared, etcd=etcd, firewalld=True)

    chosen = TAGS if tag == "all" else [tag]
    for skip in [(), *itertools.combinations(TAGS, 1), *itertools.combinations(TAGS, 2)]:
        steps = {*chosen} - {*skip}
        assert (found([tag], skip) == []) is ends_well(steps, prepared, etcd), (tag, skip)
    for others in itertools.combinations(TAGS, 3):
        steps = {*chosen, *others}
        assert (found([tag, *others]) == []) is ends_well(steps, prepared, etcd), (tag, others)


@pytest.mark.parametrize(
    ("tags", "skip", "prepared", "said"),
    [
        (
            ["all"],
            ["etcd"],
            (),
            [("cp1, cp2", "no member's data on etcd1, etcd2, etcd3", INCLUDE.format("etcd"))],
        ),
        (
            ["all"],
            ["control_plane"],
            (),
            [("cp1, cp2, worker1, worker2", "none on cp1, cp2", INCLUDE.format("control_plane"))],
        ),
        (
            ["all"],
            ["containerd"],
            (),
            [
                (
                    "cp1, cp2, worker1, worker2",
                    "containerd neither in the run nor before it",
                    "run without --tags and --skip-tags; or first with --tags host,containerd,kubelet,network",
                )
            ],
        ),
        (
            ["all"],
            ["network"],
            (),
            [
                (
                    "cp1, cp2, worker1, worker2",
                    "none yet, and tags that leave it out",
                    INCLUDE.format("network") + "; or leave out ready as well (--skip-tags ready)",
                )
            ],
        ),
        (
            ["all"],
            ["worker"],
            (),
            [
                (
                    "worker1, worker2",
                    "none yet, and tags that leave out worker",
                    INCLUDE.format("worker") + "; or leave out ready as well (--skip-tags ready)",
                )
            ],
        ),
        (
            ["storage"],
            [],
            (),
            [
                (
                    "etcd1, etcd2, etcd3, cp1, cp2, worker1, worker2",
                    "no such file, and no such step in the run",
                    INCLUDE.format("control_plane"),
                )
            ],
        ),
        (
            ["ready"],
            [],
            PREPARING,
            [("cp1, cp2, worker1, worker2", "none on cp1, cp2", INCLUDE.format("etcd, control_plane"))],
        ),
        (
            ["worker"],
            [],
            PREPARING,
            [("worker1, worker2", "none on cp1, cp2", INCLUDE.format("etcd, control_plane"))],
        ),
    ],
    ids=lambda value: ",".join(value) if isinstance(value, list) and value and isinstance(value[0], str) else None,
)
def test_what_tags_leave_out_is_said_with_the_tags(tags, skip, prepared, said):
    assert run(EVERYONE, up=False, tags=tags, skip=skip, prepared=prepared, kubeconfig="/k") == said


@pytest.mark.parametrize("tags", [["host"], ["containerd"], ["kubelet"], ["network"], ["artifacts"], [*PREPARING]])
def test_hosts_can_be_prepared_before_there_is_a_cluster(tags):
    assert run(["worker1"], up=False, tags=tags) == []
    assert run(["worker1"], up=False, tags=tags, kubeconfig="/k") == []


def test_a_new_worker_beside_a_cluster_takes_all_steps():
    assert run(["worker1"], bare=["worker1"], skip=["network"]) == []
    (only,) = run(["worker1"], bare=["worker1"], skip=["network"], firewalld=True)
    assert only[1] == "network neither in the run nor before it"
    assert run(EVERYONE, bare=["worker1"], tags=["worker"], prepared=PREPARING, firewalld=True) == []
    (only,) = run(EVERYONE, bare=["worker1"], tags=["ready"])
    assert only[:2] == ("worker1", "none yet, and tags that leave out worker")


def test_the_first_control_plane_needs_every_member():
    some = GROUPS["etcd"][:2]
    (only,) = run(EVERYONE, up=False, etcd=some, skip=["etcd"])
    assert only[1:] == ("no member's data on etcd3", INCLUDE.format("etcd"))
    (only,) = run(["cp1", "cp2"], up=False, etcd=some)
    assert only[1:] == ("no member's data on etcd3", "add them to --limit, or run without it")
    assert run(EVERYONE, up=False, etcd=some) == []


def test_a_worker_joins_a_cluster_that_is_not_in_the_run():
    assert run(["worker1"], bare=["worker1"]) == []
    # One control-plane host of two is enough.
    assert run(["worker1"], bare=["worker1"], silent=["cp1"]) == []


def test_a_worker_alone_is_refused_while_there_is_no_cluster():
    assert run(["worker1", "worker2"], up=False) == [
        (
            "worker1, worker2",
            "none on cp1, cp2",
            "add cp1, cp2, etcd1, etcd2, etcd3 to --limit, or run without it",
        )
    ]


@pytest.mark.parametrize("limit", [["worker1"], EVERYONE], ids=["limited", "whole"])
def test_workers_are_refused_while_no_control_plane_answers(limit):
    (only,) = run(limit, silent=["cp1", "cp2"])
    assert only[1:] == ("cp1, cp2 cannot be reached", "start one of them, or check SSH")
    # One that is silent may be the cluster's, whatever the tags.
    (only,) = run(EVERYONE, bare=["cp2"], silent=["cp1"], tags=["ready"])
    assert only[1:] == ("cp1 cannot be reached", "start one of them, or check SSH")


def test_members_of_etcd_start_together():
    (only,) = run(["etcd1"], up=False)
    assert only == ("etcd1", "--limit leaves out etcd2, etcd3", "add them to --limit, or run without it")
    assert run(["etcd1"], up=False, tags=["kubelet"]) == []
    # A silent one could never join what the others begin without it.
    *_first, third = run(EVERYONE, up=False, silent=["etcd1"])
    assert third == ("etcd3", "etcd1 cannot be reached", "start it, or check SSH")
    (only,) = run(["etcd1"], up=False, silent=["etcd3"])
    assert only[1:] == (
        "--limit leaves out etcd2, etcd3; etcd3 cannot be reached",
        "add them to --limit, or run without it; start it, or check SSH",
    )
    # One that is silent later is no hindrance.
    assert run(EVERYONE, silent=["etcd1"]) == []
    assert run(EVERYONE, up=False, etcd=GROUPS["etcd"], silent=["etcd1"]) == []
    # etcd has been started before, and the control plane has not.
    assert run(GROUPS["etcd"], up=False) == []


def test_a_member_beside_a_living_cluster_is_another_findings():
    assert run(["etcd1"], bare=["etcd1"]) == []
    hosts = {"etcd1": {"roles": ["etcd"], "facts": {"kubernetes": BARE}}}
    # Told by a host outside of the run alone: no kubeconfig, no node in it.
    (only,) = check_existing(NONE, GROUPS["control_plane"], hosts, {"cp1": state_of("cp1")})
    assert (only.host, only.found) == ("etcd1", "none in etcd's data directory")
    assert check_existing(NONE, GROUPS["control_plane"], hosts, {"cp1": BARE, "cp2": None}) == []


def test_a_control_plane_needs_etcd():
    (only,) = run(["cp1", "cp2"], up=False)
    assert only[1:] == ("no member's data on etcd1, etcd2, etcd3", "add them to --limit, or run without it")
    (only,) = run(["cp1"], silent=GROUPS["etcd"])
    assert only[1:] == ("etcd1, etcd2, etcd3 cannot be reached", "start them, or check SSH")
    assert run(["cp1"], silent=["etcd1", "etcd2"]) == []


def test_no_control_plane_is_started_beside_one_that_cannot_be_asked():
    silent = [("cp1", "cp2 cannot be reached", "start it, or take it out of the inventory if it is gone for good")]
    assert run(["cp1"], bare=["cp1"], silent=["cp2"]) == silent
    assert run([*GROUPS["etcd"], *GROUPS["cluster"]], bare=["cp1"], silent=["cp2"]) == silent
    # A rebuilt one joins what answers, and one that has its own does not ask.
    assert run(["cp1"], bare=["cp1"]) == []
    assert run(["cp1"], silent=["cp2"]) == []


def test_a_new_host_of_the_control_plane_needs_etcds_firewall():
    shut = [("cp2", "etcd1, etcd2, etcd3 outside of the run, not open to cp2")]
    assert [item[:2] for item in run(["cp2"], bare=["cp2"], clients=["cp1"])] == shut
    # A rebuilt one is known there, and one that has its control plane does not join.
    assert run(["cp2"], bare=["cp2"], clients=["cp1", "cp2"]) == []
    assert run(["cp2"], clients=["cp1"]) == []
    assert run(["cp2"], bare=["cp2"], clients=["cp1"], tags=["kubelet"]) == []
    # Members in the run open in it, if it has their step.
    assert run([*GROUPS["etcd"], "cp2"], bare=["cp2"], clients=["cp1"]) == []
    (only,) = run([*GROUPS["etcd"], "cp2"], bare=["cp2"], clients=["cp1"], skip=["etcd"])
    assert only == ("cp2", "etcd1, etcd2, etcd3 not open to cp2", INCLUDE.format("etcd"))


def test_a_join_without_kubelet_is_refused():
    (only,) = run(["worker1"], bare=["worker1"], tags=["worker"])
    assert only[1] == "host, containerd, kubelet neither in the run nor before it"
    assert only[2] == "run without --tags and --skip-tags; or first with --tags host,containerd,kubelet,network"
    (only,) = run(["worker1"], bare=["worker1"], skip=["kubelet"])
    assert only[1] == "kubelet neither in the run nor before it"
    assert run(["worker1"], tags=["worker"]) == []


def test_volumes_and_the_network_need_the_kubeconfig_on_the_controller():
    (only,) = run(["worker1"], kubeconfig="/k")
    assert only[2] == "add cp1 to --limit; or copy the file from where the cluster was made"
    (only,) = run(EVERYONE, kubeconfig="/k", tags=["storage"])
    assert only[2] == INCLUDE.format("control_plane") + "; or copy the file from where the cluster was made"
    # A host of etcd alone has no volumes.
    assert run(["etcd1"], kubeconfig="/k") == []
    assert len(run(["cp1"], kubeconfig="/k", tags=["network"])) == 1
    assert run(["worker1"], kubeconfig="/k", tags=["network"]) == []
    assert run(["worker1", "cp2"], kubeconfig="/k") == []
    assert run(["worker1"], kubeconfig="/k", skip=["storage"]) == []
    assert run(EVERYONE, up=False, kubeconfig="/k") == []


@pytest.mark.parametrize(
    ("run_tags", "skip_tags", "meant"),
    [
        (["all"], [], True),
        (["worker"], [], True),
        (["tagged"], [], True),
        # A look alone, which tells what a whole run would meet.
        (["preflight"], [], True),
        (["always"], [], True),
        (["host"], [], False),
        (["all"], ["worker"], False),
        (["all"], ["all"], False),
        (["all"], ["host"], True),
    ],
)
def test_tags_are_meant_as_ansible_means_them(run_tags, skip_tags, meant):
    assert is_meant("worker", run_tags, skip_tags) is meant


ASKED = {"facts": {"kubernetes": {"applied": False, "etcd": False}}}
APPLIED = {"facts": {"kubernetes": {"applied": True, "etcd": False}}}
SILENT = {"unreachable": True, "msg": "no route"}


@pytest.mark.parametrize(
    ("cp1", "cp2", "play", "host"),
    [
        # One of the run, whatever is known of others.
        ({}, {"__preflight_probe": APPLIED}, ["cp1", "worker1"], "cp1"),
        # Outside of the run: one that has a control plane, one that answers, any.
        ({"__preflight_probe": SILENT}, {"__preflight_probe": APPLIED}, ["worker1"], "cp2"),
        ({"__preflight_probe": ASKED}, {"__preflight_probe": APPLIED}, ["worker1"], "cp2"),
        ({"__preflight_probe": SILENT}, {"__preflight_probe": ASKED}, ["worker1"], "cp2"),
        ({"__preflight_probe": SILENT}, {"__preflight_probe": SILENT}, ["worker1"], "cp1"),
        # Made by this run.
        ({}, {"__preflight_probe": ASKED, "__control_plane_admin_conf": {}}, ["worker1"], "cp2"),
        # Without a preflight.
        ({}, {}, ["worker1"], "cp1"),
    ],
)
def test_who_is_asked(cp1, cp2, play, host):
    assert host_to_ask(["cp1", "cp2"], {"cp1": cp1, "cp2": cp2}, play, "applied") == host
