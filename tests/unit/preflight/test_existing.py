# SPDX-License-Identifier: GPL-3.0-or-later
"""No second cluster over one that exists, and no release that it does not run."""

from __future__ import annotations

import pytest
from ansible_collections.baremetal.bigdata.plugins.module_utils.preflight.existing import (
    check_existing,
    check_running_version,
)
from ansible_collections.baremetal.bigdata.plugins.module_utils.preflight.host import check_host

NOTHING = {"node": False, "applied": False, "authority": False, "etcd": False}
WHOLE = {"node": True, "applied": True, "authority": True, "etcd": True}
NONE = {"kubeconfig": "", "version": "", "error": ""}
ANSWERS = {"kubeconfig": "/k", "version": "v1.36.3", "error": ""}
SILENT = {"kubeconfig": "/k", "version": "", "error": "connection refused by 192.0.2.11 port 6443"}


def host(roles, **kubernetes):
    return {"roles": roles, "facts": {"kubernetes": {**NOTHING, **kubernetes}}}


def site(cp1=NOTHING, cp2=NOTHING, worker1=NOTHING):
    return {
        "cp1": host(["etcd", "control_plane"], **cp1),
        "cp2": host(["etcd", "control_plane"], **cp2),
        "worker1": host(["worker"], **worker1),
    }


def found(cluster, hosts, control_plane=("cp1", "cp2")):
    return [(finding.host, finding.found) for finding in check_existing(cluster, control_plane, hosts)]


@pytest.mark.parametrize(
    ("cluster", "hosts"),
    [
        (NONE, site()),
        # An etcd that was cut off while its members started, and an init that was.
        (NONE, site(cp1={"etcd": True})),
        (NONE, site(cp1={"etcd": True, "authority": True}, cp2={"etcd": True})),
        (ANSWERS, site(WHOLE, WHOLE, {"node": True})),
        # The API is down: the control plane waits for it.
        (SILENT, site(WHOLE, WHOLE, {"node": True})),
        # A new worker, a control-plane host that came to etcd's living members, --limit to a worker.
        (ANSWERS, site(WHOLE, WHOLE)),
        (ANSWERS, {"worker1": host(["worker"])}),
        (NONE, {"worker1": host(["worker"], node=True)}),
    ],
)
def test_first_runs_further_runs_and_runs_that_were_cut_off_go_on(cluster, hosts):
    assert found(cluster, hosts) == []


def test_a_rebuilt_member_of_etcd_is_refused():
    assert found(NONE, site(WHOLE, NOTHING)) == [("cp2", "none in etcd's data directory")]
    # Alone in the run, by --limit.
    assert found(ANSWERS, {"cp2": host(["etcd", "control_plane"])}) == [("cp2", "none in etcd's data directory")]


def test_bare_hosts_and_the_kubeconfig_of_a_silent_cluster_are_refused():
    ((where, text),) = found(SILENT, site())
    assert where == "inventory"
    assert text == "/k, whose API does not answer: connection refused by 192.0.2.11 port 6443"


def test_a_node_of_another_cluster_is_refused():
    assert [name for name, _text in found(NONE, site(worker1={"node": True}))][-1] == "worker1"


def test_another_minor_release_than_the_running_one_is_refused():
    assert check_running_version("v1.36.3", "1.36.5") == check_running_version("", "1.36.3") == []
    for wanted in ("1.37.0", "1.35.4"):
        (finding,) = check_running_version("v1.36.3", wanted)
        assert (finding.check, finding.found) == ("version_jump", f"{wanted} is wanted, 1.36.3 runs")


def test_a_kubelet_of_another_minor_release_is_refused_on_a_node_alone():
    facts = {"kubelet_version": "v1.35.4", "kubernetes": {**NOTHING, "node": True}}
    settings = {"kubernetes_version": "1.36.3"}
    assert [f.found for f in check_host("w", [], facts, settings) if f.check == "version_jump"] == [
        "1.35.4 is installed"
    ]
    facts["kubernetes"]["node"] = False
    assert [f for f in check_host("w", [], facts, settings) if f.check == "version_jump"] == []
