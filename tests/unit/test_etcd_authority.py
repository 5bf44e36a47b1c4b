# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the authority of etcd is from: never a second one beside members that trust one."""

from __future__ import annotations

import pytest
from ansible_collections.baremetal.bigdata.plugins.filter.etcd_authority import (
    Held,
    decide,
    etcd_authority,
)
from hypothesis import given
from hypothesis import strategies as st

PKI = "/etc/kubernetes/pki/etcd"
BARE, KEEPS, TRUSTS = Held(), Held("aa" * 32, True), Held("aa" * 32)
OTHER = Held("bb" * 32, True)


@pytest.mark.parametrize(
    ("held", "play_hosts", "source"),
    [
        # A new site: its first host makes it.
        ({"e1": BARE, "e2": BARE, "e3": BARE}, ["e1", "e2", "e3"], "e1"),
        # A first run that was cut off goes on where the authority is.
        ({"e1": BARE, "e2": KEEPS, "e3": BARE}, ["e1", "e2", "e3"], "e2"),
        # The first is rebuilt, and the others live.
        ({"e1": BARE, "e2": KEEPS, "e3": KEEPS}, ["e1", "e2", "e3"], "e2"),
        # It alone is in the run.
        ({"e1": BARE, "e2": KEEPS, "e3": KEEPS}, ["e1"], "e2"),
        ({"e1": BARE, "e2": None, "e3": KEEPS}, ["e1"], "e3"),
        # One that is in the run comes first.
        ({"e1": KEEPS, "e2": BARE, "e3": KEEPS}, ["e2", "e3"], "e3"),
        # Its certificate alone is left.
        ({"e1": TRUSTS, "e2": KEEPS}, ["e1", "e2"], "e2"),
        ({"e1": BARE}, ["e1"], "e1"),
    ],
)
def test_the_authority_is_from_a_member_that_has_it(held, play_hosts, source):
    decision = decide(held, play_hosts, PKI)
    assert (decision.source, decision.refusal) == (source, "")


@pytest.mark.parametrize(
    ("held", "said"),
    [
        (
            {"e1": BARE, "e2": None, "e3": None},
            "found that e2, e3 cannot be asked. A new one would not be trusted there.",
        ),
        ({"e1": BARE, "e2": TRUSTS, "e3": TRUSTS}, "found that e2, e3 trust one. A new one would not be trusted"),
        ({"e1": TRUSTS}, "found that e1 trust one."),
        ({"e1": BARE, "e2": TRUSTS, "e3": None}, "found that e2 trust one and e3 cannot be asked."),
        ({"e1": KEEPS, "e2": OTHER, "e3": BARE}, "found 2: e1 trust aaaaaaaaaaaa; e2 trust bbbbbbbbbbbb."),
    ],
)
def test_a_second_authority_is_refused(held, said):
    refusal = decide(held, ["e1"], PKI).refusal
    assert said in refusal
    assert f"{PKI}/ca.crt" in refusal
    assert "run again" in refusal


@given(st.lists(st.sampled_from([BARE, KEEPS, TRUSTS, OTHER, None]), min_size=1, max_size=5))
def test_it_is_made_only_where_nobody_has_or_may_have_one(held):
    by_name = {f"e{number}": item for number, item in enumerate(held)}
    decision = decide(by_name, ["e0"], PKI)
    source = by_name[decision.source]
    if not decision.refusal and not (source and source.key):
        assert all(item == BARE for item in held)


def test_what_tasks_have_registered_is_read():
    def looked(certificate, key):
        return {"looked": {f"{PKI}/ca.crt": certificate, f"{PKI}/ca.key": key}}

    hostvars = {"e1": {"__etcd_kubeadm_files": looked(None, None)}, "e2": {}, "e3": {}}
    outside = [{"item": "e2", "unreachable": True, "msg": "no route"}, {"item": "e3", **looked("aa", "cc")}]
    found = etcd_authority(["e1", "e2", "e3"], hostvars, outside, ["e1"], PKI)
    assert found == {"source": "e3", "refusal": ""}
    found = etcd_authority(["e1", "e2", "e3"], hostvars, outside[:1], ["e1"], PKI)
    assert "e2, e3 cannot be asked" in found["refusal"]
