# SPDX-License-Identifier: GPL-3.0-or-later
"""What the Hazelcast role and its client module decide without a cluster."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.baremetal.bigdata.plugins.modules import hazelcast_map

ROLE = Path(__file__).parents[2] / "roles/hazelcast"
PARAMS = {"members": 4, "entries": 3, "map": "m", "state": "present"}


def test_entries_follow_from_the_seed():
    keys = range(3)
    assert hazelcast_map.expected("a", keys) == hazelcast_map.expected("a", keys)
    assert hazelcast_map.expected("a", keys) != hazelcast_map.expected("b", keys)


def test_batches_cover_every_key_once():
    for entries in (0, 1, 999, 1000, 1001, 10000):
        assert [key for keys in hazelcast_map.batches(entries) for key in keys] == list(range(entries))


def test_missing_and_changed_entries_are_lost():
    wanted = hazelcast_map.expected("a", range(3))
    assert hazelcast_map.lost_keys(wanted, wanted) == []
    assert hazelcast_map.lost_keys({0: wanted[0], 1: "other"}, wanted) == [1, 2]


@pytest.mark.parametrize(
    ("result", "message"),
    [
        ({"members": 4, "found": 3}, ""),
        ({"members": 3, "found": 3}, "expected 4 members, found 3"),
        ({"members": 4, "found": 2}, "expected 3 entries in map m, found 2"),
    ],
)
def test_verdict(result, message):
    said = hazelcast_map.verdict({"addresses": ["a:1"], "lost": [7], **result}, PARAMS, check_mode=False)
    assert message in said
    assert bool(said) == bool(message)


def test_a_plan_does_not_expect_what_it_did_not_write():
    params = {**PARAMS, "state": "written"}
    assert (
        hazelcast_map.verdict({"members": 4, "found": 0, "lost": [0], "addresses": []}, params, check_mode=True) == ""
    )
