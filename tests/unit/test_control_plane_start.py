# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a control plane is started: never where anything says that there is a cluster."""

from __future__ import annotations

import pytest
from ansible_collections.baremetal.bigdata.plugins.filter.control_plane_start import (
    APPLIED,
    Traces,
    control_plane_start,
    decide,
)
from hypothesis import given
from hypothesis import strategies as st

HOSTS = ["cp1", "cp2", "cp3"]


def test_a_new_site_starts_on_its_first_host():
    assert decide(Traces(HOSTS)).start == "cp1"
    assert decide(Traces(HOSTS)).refusal == ""


def test_a_start_that_was_cut_off_goes_on_where_the_authority_is():
    for in_use in (False, True):
        decision = decide(Traces(HOSTS, authority=["cp2"], etcd_in_use=in_use))
        assert (decision.start, decision.refusal) == ("cp2", "")


def test_hosts_join_one_outside_of_the_run():
    decision = decide(Traces(["cp1"], answering=["cp2"], etcd_in_use=True, kubeconfig="/k"))
    assert (decision.members, decision.start, decision.refusal) == (["cp2"], "", "")


@pytest.mark.parametrize(
    ("traces", "message"),
    [
        ({"applied": ["cp2"], "authority": ["cp2"], "etcd_in_use": True}, "cp2: expected the API of the control plane"),
        ({"silent": ["cp3"]}, "found that cp3, of the inventory's control plane, cannot be asked"),
        ({"etcd_in_use": True}, "found the keys of one in etcd"),
        ({"etcd_in_use": None, "etcd_error": "deadline exceeded"}, "found: deadline exceeded"),
        ({"kubeconfig": "/home/ops/.kube/prod"}, "kubeconfig of one on the controller, /home/ops/.kube/prod"),
    ],
)
def test_anything_that_tells_of_a_cluster_is_a_refusal(traces, message):
    assert message in decide(Traces(["cp1"], **traces)).refusal


hosts = st.lists(st.sampled_from(HOSTS), unique=True)


@given(applied=hosts, authority=hosts, answering=hosts, silent=hosts, in_use=st.sampled_from([True, False, None]))
def test_etcd_in_use_never_gets_a_second_authority(applied, authority, answering, silent, in_use):
    decision = decide(Traces(HOSTS, applied, authority, answering, silent, in_use))
    if in_use is not False and not decision.refusal and decision.start:
        assert decision.start in authority
    assert not (decision.members and decision.start)
    assert decision.members or decision.start


def test_what_tasks_registered_is_read():
    described = {"looked": {"/etc/kubernetes/kubeadm.yaml": "1", APPLIED: None}}
    hostvars = {
        host: {"__control_plane_described": described, "__control_plane_authority": {"stat": {"exists": host == "cp2"}}}
        for host in HOSTS
    }
    keys = {"rc": 0, "stdout": "/registry/apiregistration.k8s.io/apiservices/v1.\n"}
    assert control_plane_start(HOSTS, hostvars, [], keys, "")["start"] == "cp2"
    outside = [{"item": "cp4", "unreachable": True}, {"item": "cp5", "rc": 0, "stdout": '{"kind": "DaemonSet"}'}]
    assert control_plane_start(HOSTS, hostvars, outside, keys, "")["members"] == ["cp5"]
    assert "cannot be asked" in control_plane_start(HOSTS, hostvars, outside[:1], keys, "")["refusal"]
    refused = control_plane_start(
        ["cp1"], hostvars, [], {"rc": 1, "stdout": "", "stderr": "context deadline\nexceeded"}, ""
    )
    assert "found: context deadline exceeded" in refused["refusal"]
