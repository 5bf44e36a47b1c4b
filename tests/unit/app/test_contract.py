# SPDX-License-Identifier: GPL-3.0-or-later
"""Contracts on their way through Ansible: what the renderer made is read as it was, and nothing else is read."""

from __future__ import annotations

import contextlib
import json
from dataclasses import fields
from typing import Any

import pytest
from ansible_collections.baremetal.bigdata.plugins.module_utils.app.contract import (
    ContractError,
    Counted,
    GuestConnections,
    GuestContract,
    GuestFile,
    GuestRole,
    GuestService,
    LiveQuestion,
    RoleContract,
    Step,
)
from ansible_collections.baremetal.bigdata.plugins.module_utils.kube.question import Question
from hypothesis import given
from hypothesis import strategies as st

REMEDY = "Render the definition with this release of the collection."
ASKED = Question(("bye", "$(member.name)"))
ROLE = RoleContract(
    role="worker",
    kind="StatefulSet",
    name="shop-worker",
    selector="a=b",
    container="app",
    domain="shop-worker.retail",
    template_hash="0123",
    members=2,
    asks_members=Question(port=80, path="/n", json="size"),
    counted_with=(Counted("StatefulSet", "shop-other"),),
    live=LiveQuestion(Question(("who",)), "(.*)", {"x": "leader"}),
    restart_last=("leader",),
    leave_allowed=Step(ASKED),
    leave_done=Step(ASKED, "a=c"),
)
GUEST = GuestContract(
    name="shop",
    namespace="retail",
    version="2.1",
    distro="example/store",
    schema_version=7,
    create_namespace=True,
    labels={"a": "b"},
    config_meta={},
    connections=GuestConnections(clusters=("db",)),
    tokens=("ui",),
    roles=(
        GuestRole(
            id="head",
            name="HeadNode",
            workload="shop-head",
            controller="StatefulSet",
            container="app",
            selector="a=b",
            domain="shop-head.retail",
            hostname="",
            members=1,
            guest=True,
            package="file:///a.tgz",
            events=("configure",),
            systemd=False,
            config_meta={"heap": "512"},
            secret_keys={"join": "s3cret"},
            memory="1Gi",
            cpu="",
            block_devices=(),
            files=(GuestFile("https://host/f", "/f", "", ""),),
            services=(GuestService("ui", "UI", "", None, "", "", "ui"),),
        ),
    ),
)


def carried(contract: RoleContract | GuestContract) -> dict[str, Any]:
    return json.loads(json.dumps(contract.to_dict()))


@pytest.mark.parametrize("contract", [ROLE, GUEST], ids=["role", "guest"])
def test_a_contract_survives_its_way_through_ansible(contract):
    assert type(contract).from_dict(carried(contract)) == contract


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"more": 1}, "role worker: expected what app_render returns, found it with more."),
        ({"kind": ...}, "role worker: expected what app_render returns, found it without kind."),
        ({"role": ...}, "the role's contract: expected what app_render returns, found it without role."),
        ({"members": "2"}, "role worker: members: expected a whole number, found a text."),
        ({"members": True}, "role worker: members: expected a whole number, found true or false."),
        ({"guest": 1}, "role worker: guest: expected true or false, found a whole number."),
        ({"restart_last": "leader"}, "role worker: restart_last: expected a list, found a text."),
        ({"restart_last": ["a", 1]}, "role worker: restart_last[1]: expected a text, found a whole number."),
        (
            {"leave_done": {"question": None, "at": ""}},
            "role worker: leave_done: question: expected what app_render returns, found nothing.",
        ),
        (
            {"asks_members": {"command": []}},
            "role worker: asks_members: expected what app_render returns, found it without json, path, port, scheme.",
        ),
        (
            {"live": {**carried(ROLE)["live"], "names": {"x": 1}}},
            "role worker: live: names.x: expected a text, found a whole number.",
        ),
    ],
)
def test_what_is_no_contract_of_a_role_is_refused_by_its_place(change, message):
    data = {name: value for name, value in {**carried(ROLE), **change}.items() if value is not ...}
    with pytest.raises(ContractError) as refused:
        RoleContract.from_dict(data)
    assert str(refused.value) == f"{message} {REMEDY}"


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        (["roles", 0, "members"], "1", "cluster shop: roles[0]: members: expected a whole number, found a text."),
        (["roles", 0, "secret_keys", "join"], 5, "roles[0]: secret_keys.join: expected a text, found a whole number."),
        (["roles", 0, "files"], {}, "roles[0]: files: expected a list, found a mapping."),
        (["roles", 0, "services", 0, "port"], 1.5, "services[0]: port: expected a whole number, found float."),
        (["connections"], None, "connections: expected what app_render returns, found nothing."),
        (["labels"], [], "labels: expected a mapping, found a list."),
        (["name"], 5, "the cluster's contract: name: expected a text, found a whole number."),
    ],
)
def test_what_is_no_contract_of_a_cluster_is_refused_by_its_place(place, value, message):
    data = carried(GUEST)
    part: Any = data
    for step in place[:-1]:
        part = part[step]
    part[place[-1]] = value
    with pytest.raises(ContractError) as refused:
        GuestContract.from_dict(data)
    assert f"{message} {REMEDY}" in str(refused.value)


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(st.sampled_from([item.name for item in fields(GuestContract)]), PLAIN)
def test_any_plain_data_is_read_as_it_is_or_refused(name, value):
    data = {**carried(GUEST), name: value}
    with contextlib.suppress(ContractError):
        assert carried(GuestContract.from_dict(data)) == data


def test_a_refusal_never_shows_a_value():
    with pytest.raises(ContractError) as refused:
        GuestContract.from_dict({**carried(GUEST), "roles": "s3cret", "tokens": {"s3cret": "s3cret"}})
    assert "s3cret" not in str(refused.value)
