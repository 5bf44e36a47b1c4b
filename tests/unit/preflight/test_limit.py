# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs of a part of the site go on, or are refused by what they lack."""

from __future__ import annotations

import itertools

import pytest
from ansible_collections.baremetal.bigdata.plugins.filter.host_to_ask import host_to_ask
from ansible_collections.baremetal.bigdata.plugins.module_utils.preflight.existing import check_existing
from ansible_collections.baremetal.bigdata.plugins.module_utils.preflight.limit import check_limit, is_meant

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


def run(limit, up=True, bare=(), silent=(), tags=("all",), skip=(), kubeconfig="", clients=()):
    """(hosts, what was found) of a run with *limit* of a site that is up, or bare, but for some of its hosts.

    *clients*: whom the firewalls of the other members of etcd let in.
    """
    state = {name: state_of(name) if up and name not in bare else BARE for name in EVERYONE}
    hosts = {
        name: {
            "roles": [role for role in ("etcd", "control_plane", "worker") if name in GROUPS[role]],
            "facts": {"kubernetes": state[name], "kubelet_version": "v1.36.3" if state[name]["node"] else ""},
            "settings": {"node_address": name},
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


@pytest.mark.parametrize("tags", [["all"], ["host"], ["kubelet"], ["worker"], ["ready"], ["storage"], ["preflight"]])
@pytest.mark.parametrize(
    "limit",
    [list(some) for size in (1, 2) for some in itertools.combinations(EVERYONE, size)] + [EVERYONE],
    ids=",".join,
)
def test_every_part_of_a_site_that_is_up_runs(limit, tags):
    assert run(limit, tags=tags) == []


def test_a_whole_bare_site_runs():
    assert run(EVERYONE, up=False) == []


@pytest.mark.parametrize("tags", [["host"], ["containerd"], ["kubelet"], ["network"], ["artifacts"]])
def test_hosts_can_be_prepared_before_there_is_a_cluster(tags):
    assert run(["worker1"], up=False, tags=tags) == []


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


def test_members_of_etcd_start_together():
    (only,) = run(["etcd1"], up=False)
    assert only == ("etcd1", "--limit leaves out etcd2, etcd3", "add them to --limit, or run without it")
    assert run(["etcd1"], up=False, tags=["kubelet"]) == []
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
    # Members in the run open in it.
    assert run([*GROUPS["etcd"], "cp2"], bare=["cp2"], clients=["cp1"]) == []


def test_a_join_without_kubelet_is_refused():
    (only,) = run(["worker1"], bare=["worker1"], tags=["worker"])
    assert only[2] == "run without --tags; or first with --tags host,containerd,kubelet,network"
    (only,) = run(["worker1"], bare=["worker1"], skip=["kubelet"])
    assert only[1] == "no kubelet, and a run whose tags leave it out"
    assert run(["worker1"], tags=["worker"]) == []


def test_volumes_and_the_network_need_the_kubeconfig_on_the_controller():
    (only,) = run(["worker1"], kubeconfig="/k")
    assert only[2] == "add cp1 to --limit, or copy the file from where the cluster was made"
    (only,) = run(EVERYONE, kubeconfig="/k", tags=["storage"])
    assert only[2] == "add control_plane to --tags, or copy the file from where the cluster was made"
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
