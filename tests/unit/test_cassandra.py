# SPDX-License-Identifier: GPL-3.0-or-later
"""Cassandra: its definition, what a member decides by itself, and the modules around it."""

from __future__ import annotations

import base64
import os
import types
from pathlib import Path

import pytest
import yaml
from ansible_collections.baremetal.bigdata.plugins.module_utils.app.dialects.document import read
from ansible_collections.baremetal.bigdata.plugins.module_utils.app.model.load import load_app, load_cluster
from ansible_collections.baremetal.bigdata.plugins.module_utils.app.model.reader import AppError
from ansible_collections.baremetal.bigdata.plugins.module_utils.app.render.objects import render, stages
from ansible_collections.baremetal.bigdata.plugins.modules.app_secret import wanted_data
from ansible_collections.baremetal.bigdata.plugins.modules.cassandra_replace import Refused, whom
from ansible_collections.baremetal.bigdata.plugins.modules.cassandra_rows import words

ROOT = Path(__file__).parents[2]
GOLDEN = ROOT / "tests/fixtures/app/cassandra.yml"
ROLE = ROOT / "roles/cassandra"
DEFINITION = read(str(ROLE / "files/app.yml"))[0].data
PROGRAM = ROLE / "files/member.py"

STATUS = """Datacenter: dc1
===============
Status=Up/Down
|/ State=Normal/Leaving/Joining/Moving
--  Address     Load        Tokens  Owns (effective)  Host ID                               Rack
UN  10.0.0.11   436.38 KiB  16      52.6%             063506b1-d821-4dc5-8784-23fad5a8d262  a
UL  10.0.0.14   ?           16      ?                 dd94360c-dd04-474f-98de-77efdab175dc  c
DN  10.0.0.12   1.2 GiB     16      60.2%             f724da5b-3ff4-4f8b-9868-acff1e04c359  rack-b

"""
NTS = "org.apache.cassandra.locator.NetworkTopologyStrategy"
SIMPLE = "org.apache.cassandra.locator.SimpleStrategy"


@pytest.fixture(scope="module")
def member() -> types.ModuleType:
    """member.py, without a file of compiled code beside it."""
    module = types.ModuleType("member")
    exec(compile(PROGRAM.read_text(), PROGRAM, "exec"), module.__dict__)
    return module


def cluster(**roles):
    members = {"seed": 2, "worker": 1, **roles}
    settings = {
        "kind": "AppCluster",
        "metadata": {"name": "ring", "namespace": "data"},
        "spec": {"roles": {name: {"members": count, "image": "c:5"} for name, count in members.items()}},
    }
    return load_cluster(settings, load_app(DEFINITION))


# The definition


def test_the_rendered_objects_are_as_written_down():
    """After a wanted change: BB_UPDATE_GOLDEN=1 pytest tests/unit/test_cassandra.py, and review the difference."""
    found = yaml.safe_dump_all(
        [item for item in render(cluster()) if item["kind"] != "ConfigMap"], sort_keys=False, width=120
    )
    if os.environ.get("BB_UPDATE_GOLDEN"):
        GOLDEN.write_text("---\n# SPDX-License-Identifier: GPL-3.0-or-later\n" + found)
    assert list(yaml.safe_load_all(found)) == list(yaml.safe_load_all(GOLDEN.read_text()))


def test_scaling_changes_nothing_that_members_read():
    def templates(objects):
        return [item["spec"]["template"] for item in objects if item["kind"] == "StatefulSet"]

    assert templates(render(cluster())) == templates(render(cluster(seed=3, worker=5)))


def test_both_roles_are_counted_together_and_asked_before_one_leaves():
    for stage in stages(cluster()):
        contract = stage.contract
        assert {contract.name, *(other.name for other in contract.counted_with)} == {"ring-seed", "ring-worker"}
        assert None not in (contract.leave_allowed, contract.leave_announce, contract.leave_done)


def test_one_budget_counts_seeds_and_workers_together():
    [budget] = [item for item in render(cluster()) if item["kind"] == "PodDisruptionBudget"]
    assert budget["metadata"]["name"] == "ring"
    assert budget["spec"]["maxUnavailable"] == 1
    assert budget["spec"]["selector"]["matchExpressions"][0]["values"] == ["seed", "worker"]


def test_no_seed_is_refused():
    with pytest.raises(AppError, match=r"spec\.roles\.seed\.members: expected 1 or more members of role seed, found 0"):
        cluster(seed=0)


def test_the_password_comes_from_a_secret_that_is_not_the_engines():
    objects = render(cluster())
    assert "ring-credentials" not in [item["metadata"]["name"] for item in objects]
    for item in objects:
        if item["kind"] == "StatefulSet":
            volumes = item["spec"]["template"]["spec"]["volumes"]
            assert "ring-credentials" in [volume.get("secret", {}).get("secretName") for volume in volumes]


def test_members_of_both_roles_get_the_program_as_it_is():
    found = [item["data"]["member.py"] for item in render(cluster()) if item["kind"] == "ConfigMap"]
    assert found == [PROGRAM.read_text()] * 2


# What a member understands


def test_the_ring_is_read_from_nodetools_words(member):
    assert [(item["state"], item["address"], item["rack"], item["dc"]) for item in member.ring_of(STATUS)] == [
        ("UN", "10.0.0.11", "a", "dc1"),
        ("UL", "10.0.0.14", "c", "dc1"),
        ("DN", "10.0.0.12", "rack-b", "dc1"),
    ]
    assert member.ring_of("Error: No nodes present in the cluster") == []


def test_the_mode_is_read_from_nodetools_words(member):
    assert member.mode_of("Mode: DECOMMISSIONED\nNot sending any streams.") == "DECOMMISSIONED"
    assert member.mode_of("nodetool: Failed to connect") == ""


@pytest.mark.parametrize(
    ("replication", "copies"),
    [
        ({"class": NTS, "dc1": "3"}, 3),
        ({"class": NTS, "dc2": "3"}, 0),
        ({"class": NTS, "dc1": "3/1"}, 3),
        ({"class": SIMPLE, "replication_factor": "2"}, 2),
        ({"class": "org.apache.cassandra.locator.LocalStrategy"}, 0),
    ],
)
def test_copies_of_a_keyspace(member, replication, copies):
    assert member.copies_of(replication, "dc1") == copies


def test_other_data_centres_keep_their_copies(member):
    assert member.with_copies({"class": NTS, "dc1": "1", "dc2": "2"}, "dc1", 3)["dc2"] == "2"
    assert member.with_copies({"class": SIMPLE, "replication_factor": "1"}, "dc1", 3) == {
        "class": "NetworkTopologyStrategy",
        "dc1": "3",
    }


class Session:
    """Answers with keyspaces, and remembers what was changed."""

    def __init__(self, **keyspaces):
        self.keyspaces, self.changes = keyspaces, []

    def execute(self, text):
        if text.startswith("ALTER"):
            self.changes.append(text)
        return [types.SimpleNamespace(keyspace_name=k, replication=v) for k, v in self.keyspaces.items()]


@pytest.mark.parametrize(
    ("have", "copies", "limit", "changed"),
    [
        ({"class": SIMPLE, "replication_factor": "1"}, 1, max, "'dc1': '1'"),
        ({"class": NTS, "dc1": "1"}, 3, max, "'dc1': '3'"),
        ({"class": NTS, "dc1": "3"}, 3, max, ""),
        ({"class": NTS, "dc1": "5"}, 3, max, ""),
        ({"class": NTS, "dc1": "3"}, 2, min, "'dc1': '2'"),
        ({"class": NTS, "dc1": "3"}, 4, min, ""),
    ],
)
def test_cassandras_own_keyspaces_are_raised_and_lowered(member, have, copies, limit, changed):
    session = Session(system_auth=have, app={"class": NTS, "dc1": "1"})
    assert member.set_copies(session, "dc1", copies, limit) == (["system_auth"] if changed else [])
    assert [changed in text for text in session.changes] == ([True] if changed else [])


# Leaving


def ring(*states, dc="dc1"):
    return [{"state": state, "address": f"10.0.0.{n}", "dc": dc} for n, state in enumerate(states, 1)]


def leave(member, members, keyspaces, role="worker", remaining=1, leaving=1):
    return member.leave_problems(members, keyspaces, "dc1", role, remaining, leaving)


def test_a_member_may_leave_while_enough_stay(member):
    keyspaces = {"app": {"class": NTS, "dc1": "3"}, "system_auth": {"class": NTS, "dc1": "3"}}
    assert leave(member, ring("UN", "UN", "UN", "UN"), keyspaces) == []


def test_a_leave_is_refused_where_a_keyspace_wants_more_copies_than_stay(member):
    (problem,) = leave(member, ring("UN", "UN", "UN"), {"app": {"class": NTS, "dc1": "3"}})
    assert problem.startswith(
        "keyspace app: expected a replication factor of at most 2, the members that would stay in dc1, found 3."
    )
    assert "ALTER KEYSPACE app" in problem


def test_all_that_leave_are_counted_not_only_the_first(member):
    keyspaces = {"app": {"class": SIMPLE, "replication_factor": "3"}}
    assert leave(member, ring(*["UN"] * 5), keyspaces, leaving=2) == []
    assert len(leave(member, ring(*["UN"] * 5), keyspaces, leaving=3)) == 1


def test_cassandras_own_keyspaces_follow_and_refuse_nothing(member):
    keyspaces = {name: {"class": NTS, "dc1": "3"} for name in ("system_auth", "system_distributed", "system_traces")}
    assert leave(member, ring("UN", "UN", "UN"), keyspaces) == []


def test_the_last_seed_does_not_leave(member):
    (problem,) = leave(member, ring("UN", "UN"), {}, role="seed", remaining=0)
    assert problem.startswith("seeds: expected at least one that stays, found none.")
    assert leave(member, ring("UN", "UN"), {}, role="worker", remaining=0) == []


@pytest.mark.parametrize("state", ["DN", "UJ", "UL", "UM"])
def test_nobody_leaves_while_a_member_is_down_or_on_its_way(member, state):
    (problem,) = leave(member, ring("UN", "UN", state), {})
    assert problem.startswith(f"member 10.0.0.3: expected up and normal (UN), found {state}.")


# Starting with an empty volume


def first(member, role="worker", name="ring-worker-0", known=("10.0.0.9",), seen=(), dead=(), asked_for=""):
    answer = [{"address": address, "rack": "a"} for address in seen] if seen is not None else None
    return member.first_start(
        "10.0.0.9", role, name, set(known), lambda _others: answer, lambda address: address not in dead, asked_for
    )


def test_only_the_first_seed_makes_a_new_ring_and_only_where_nobody_else_is(member):
    assert first(member, "seed", "ring-seed-0")[0] == "form"
    assert first(member, "seed", "ring-seed-1")[0] == "wait"
    assert first(member, "worker", "ring-worker-0")[0] == "wait"
    assert first(member, "seed", "ring-seed-0", known=("10.0.0.9", "10.0.0.2"), seen=None)[0] == "wait"


def test_nothing_is_decided_before_the_clusters_dns_knows_this_pod(member):
    how, details = first(member, "seed", "ring-seed-0", known=())
    assert (how, "DNS" in details["reason"]) == ("wait", True)


def test_a_first_seed_that_lost_its_volume_joins_the_others(member):
    assert first(member, "seed", "ring-seed-0", known=("10.0.0.9", "10.0.0.2"), seen=("10.0.0.2",)) == (
        "join",
        {"racks": {"a"}},
    )


def test_beside_a_dead_member_it_waits_until_it_is_told_whose_place_it_takes(member):
    case = {"known": ("10.0.0.9", "10.0.0.2"), "seen": ("10.0.0.2", "10.0.0.3"), "dead": ("10.0.0.3",)}
    how, details = first(member, **case)
    assert (how, details["dead"]) == ("wait", ["10.0.0.3"])
    assert first(member, **case, asked_for="10.0.0.3")[0] == "replace"
    assert first(member, **case, asked_for="10.0.0.2")[0] == "wait"


def test_a_member_whose_pod_is_gone_is_dead_although_it_answers_for_a_moment(member):
    how, details = first(member, known=("10.0.0.9", "10.0.0.2"), seen=("10.0.0.2", "10.0.0.3"))
    assert (how, details["dead"]) == ("wait", ["10.0.0.3"])


def test_a_dead_member_of_the_same_address_is_dead(member):
    how, details = first(member, known=("10.0.0.9", "10.0.0.2"), seen=("10.0.0.2", "10.0.0.9"))
    assert (how, details["dead"]) == ("wait", ["10.0.0.9"])


@pytest.mark.parametrize(
    ("racks", "own", "copies"), [((), "a", 3), (("a",), "a", 3), (("a",), "b", 2), ("abc", "d", 3)]
)
def test_tokens_are_balanced_for_no_more_copies_than_racks(member, racks, own, copies):
    assert member.token_copies(set(racks), own) == copies


def test_a_member_that_has_left_keeps_its_old_data_aside(member, tmp_path):
    member.DATA = tmp_path
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "row").write_text("old")
    for name in (".joined", ".left"):
        (tmp_path / name).write_text("{}")
    member.set_aside()
    (kept,) = (tmp_path / "left").iterdir()
    assert (kept / "data" / "row").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["left"]


def test_a_member_stays_in_the_rack_where_it_joined(member, tmp_path, monkeypatch):
    member.DATA = tmp_path
    monkeypatch.setenv("CASSANDRA_RACK", "a")
    assert member.rack() == "a"
    monkeypatch.setenv("CASSANDRA_RACK", "b")
    assert member.rack() == "a"


# The modules


def test_one_dead_member_is_replaced_without_naming_it():
    assert whom("ring-worker-1", {"dead": ["10.0.0.3"]}, "") == "10.0.0.3"


@pytest.mark.parametrize(
    ("waiting", "address", "text"),
    [
        ({}, "", "found that it does not wait"),
        ({"reason": "there is no member to join yet"}, "", "waits because there is no member"),
        ({"dead": ["10.0.0.3", "10.0.0.4"]}, "", "expected one dead member, found 2"),
        ({"dead": ["10.0.0.3"]}, "10.0.0.5", "expected one of the dead members (10.0.0.3), found 10.0.0.5"),
    ],
)
def test_a_replacement_that_is_not_clear_is_refused(waiting, address, text):
    with pytest.raises(Refused) as refusal:
        whom("ring-worker-1", waiting, address)
    assert text in str(refusal.value)


def test_check_mode_only_reads_rows():
    params = {"state": "tested", "keyspace": "k", "rows": 5, "replication": 3, "seconds": 0}
    assert words(params, True)[3] == "looked"
    assert words(params, False)[3] == "tested"


def test_passwords_are_made_once_and_changed_only_when_said():
    def encoded(text):
        return base64.b64encode(text.encode()).decode()

    made = wanted_data({}, ["password"], {"password": ""}, lambda: "new")
    assert made == {"password": encoded("new")}
    assert wanted_data(made, ["password"], {}, lambda: "other") == {}
    assert wanted_data(made, ["password"], {"password": "said"}) == {"password": encoded("said")}
    assert wanted_data({"password": encoded("said")}, ["password"], {"password": "said"}) == {}
