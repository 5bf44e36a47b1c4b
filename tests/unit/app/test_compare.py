# SPDX-License-Identifier: GPL-3.0-or-later
"""Comparing what is wanted with what lives: what may not change, who is held, what is shown."""

from __future__ import annotations

import copy
import json

import pytest
from ansible_collections.baremetal.bigdata.plugins.module_utils.app.compare import (
    difference,
    fixed_fields,
    foreign,
    foreign_claims,
    hold_members,
    masked,
    normalise,
)
from ansible_collections.baremetal.bigdata.plugins.module_utils.app.run.leave import Refused
from ansible_collections.baremetal.bigdata.plugins.module_utils.labels import ANNOTATION_FIXED
from ansible_collections.baremetal.bigdata.plugins.modules.app_compare import refusing


def claim(name="data", size="1Gi", storage_class="", mode=""):
    spec = {"resources": {"requests": {"storage": size}}}
    if storage_class:
        spec["storageClassName"] = storage_class
    if mode:
        spec["volumeMode"] = mode
    return {"metadata": {"name": name}, "spec": spec}


def stateful(replicas=2, claims=(), **spec):
    return {
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": {"name": "demo-worker"},
        "spec": {
            "replicas": replicas,
            "serviceName": "demo-worker",
            "podManagementPolicy": "OrderedReady",
            "selector": {"matchLabels": {"a": "b"}},
            "volumeClaimTemplates": list(claims),
            **spec,
        },
    }


def test_what_may_change_is_not_refused():
    assert fixed_fields(stateful(), None) == ""
    assert fixed_fields(stateful(5, template={"x": 1}), stateful(2)) == ""
    assert fixed_fields({"kind": "Service", "spec": {"selector": 1}}, {"spec": {"selector": 2}}) == ""
    # What the server writes where nothing was said.
    live = stateful(claims=[claim(storage_class="local", mode="Filesystem")])
    assert fixed_fields(stateful(claims=[claim()]), live) == ""


def fixed(values):
    return {**stateful(), "metadata": {"name": "demo-worker", "annotations": {ANNOTATION_FIXED: json.dumps(values)}}}


def test_a_fixed_parameter_may_not_change_while_its_controller_lives():
    assert fixed_fields(fixed({"racks": True}), None) == ""
    assert fixed_fields(fixed({"racks": True}), fixed({"racks": True})) == ""
    # Made by a definition that did not fix it yet.
    assert fixed_fields(fixed({"racks": True}), stateful()) == ""
    refused = fixed_fields(fixed({"racks": True}), fixed({"racks": False}))
    assert "parameter racks: expected False as its members have it, found True" in refused


@pytest.mark.parametrize(("wanted", "live"), [("1024Mi", "1Gi"), ("1.5Gi", "1536Mi"), ("2000M", "2G"), ("1000m", "1")])
def test_a_size_is_compared_as_a_quantity(wanted, live):
    assert fixed_fields(stateful(claims=[claim(size=wanted)]), stateful(claims=[claim(size=live)])) == ""


@pytest.mark.parametrize(
    ("wanted", "live", "message"),
    [
        ([claim(size="2Gi")], [claim()], "volume data: expected size 1Gi as it lives, found 2Gi"),
        ([claim(size="1Gi")], [claim(size="1G")], "volume data: expected size 1G as it lives, found 1Gi"),
        ([claim(storage_class="fast")], [claim(storage_class="slow")], "expected storage class slow as it lives"),
        ([claim(mode="Block")], [claim()], "expected mode Filesystem as it lives, found Block"),
        ([], [claim()], "volume data: expected it to stay, found none in the definition"),
        ([claim(), claim("log")], [claim()], "volume log: expected no other volumes than data, found a new one"),
        ([claim()], [], "expected no other volumes than none"),
    ],
)
def test_a_volume_that_lives_may_not_change(wanted, live, message):
    refused = fixed_fields(stateful(claims=wanted), stateful(claims=live))
    assert message in refused
    assert refused.startswith("StatefulSet/demo-worker lives")
    assert refused.endswith("make a cluster of another name and move the data there")


@pytest.mark.parametrize(
    ("field", "value"),
    [("selector", {"matchLabels": {"a": "c"}}), ("serviceName", "x"), ("podManagementPolicy", "Parallel")],
)
def test_what_kubernetes_fixes_is_named(field, value):
    assert f"{field}: expected" in fixed_fields(stateful(**{field: value}), stateful())


def test_all_that_may_not_change_is_said_at_once():
    wanted = stateful(claims=[claim(size="2Gi")], serviceName="x")
    refused = fixed_fields(wanted, stateful(claims=[claim()]))
    assert "serviceName" in refused
    assert "volume data" in refused


@pytest.mark.parametrize("kind", ["StatefulSet", "Deployment", "ReplicationController"])
def test_applying_never_takes_members_away(kind):
    wanted, live = {**stateful(2), "kind": kind}, {**stateful(4), "kind": kind}
    before = copy.deepcopy(wanted)
    held, have = hold_members(wanted, live)
    assert (held["spec"]["replicas"], have) == (4, 4)
    assert hold_members(live, wanted) == (live, None)
    assert hold_members(wanted, wanted) == (wanted, None)
    assert hold_members(wanted, None) == (wanted, None)
    assert wanted == before


def test_what_has_no_members_is_left_alone():
    service = {"kind": "Service", "metadata": {"name": "x"}, "spec": {}}
    assert hold_members(service, service) == (service, None)
    daemons = {"kind": "DaemonSet", "metadata": {"name": "x"}, "spec": {}}
    assert hold_members(daemons, daemons) == (daemons, None)
    # A controller that lost its number, which only a hand edit can do.
    assert hold_members(stateful(2), {"kind": "StatefulSet", "spec": {}}) == (stateful(2), None)


def test_a_secret_is_shown_by_hashes_that_change_with_it():
    secret = {"kind": "Secret", "metadata": {"name": "x"}, "data": {"key": "aHVudGVyMg=="}, "stringData": {"b": "open"}}
    before = copy.deepcopy(secret)
    shown = masked(secret)
    assert "aHVudGVyMg==" not in str(shown)
    assert "open" not in str(shown)
    assert shown["data"]["key"].startswith("(hidden, ")
    other = masked({**secret, "data": {"key": "b3RoZXI="}})
    assert other["data"] != shown["data"]
    assert secret == before
    plain = {"kind": "ConfigMap", "data": {"key": "text"}}
    assert masked(plain) == plain
    assert masked({"kind": "Secret", "data": None}) == {"kind": "Secret", "data": None}


def test_a_difference_shows_files_line_by_line_and_no_secret():
    before = {"kind": "Secret", "metadata": {"name": "x", "uid": "7"}, "data": {"key": "aHVudGVyMg=="}}
    found = difference(before, None)
    assert (found["before_header"], found["after"]) == ("Secret/x", "")
    assert "aHVudGVyMg==" not in found["before"]
    assert "uid" not in found["before"]
    text = difference(None, {"kind": "ConfigMap", "metadata": {"name": "x"}, "data": {"a": "one\ntwo\n"}})["after"]
    assert "  a: |\n    one\n    two\n" in text


def test_what_controllers_write_is_no_difference():
    wanted = stateful()
    live = copy.deepcopy(wanted)
    live["metadata"]["annotations"] = {"deployment.kubernetes.io/revision": "2"}
    live["metadata"]["generation"] = 4
    live["status"] = {"replicas": 1}
    assert normalise(live) == normalise(wanted)


def test_an_object_of_another_cluster_or_of_somebody_else_is_not_taken_over():
    def item(kind="Service", **labels):
        names = {"app": "app.kubernetes.io/name", "instance": "app.kubernetes.io/instance"}
        found = {names[key]: value for key, value in labels.items()}
        return {"kind": kind, "metadata": {"name": "a-b-c", "labels": found}}

    own = item(app="demo", instance="a")
    assert foreign(own, None) == foreign(own, item(app="demo", instance="a")) == ""
    assert "it is the cluster a-b of the app demo's" in foreign(own, item(app="demo", instance="a-b"))
    assert "the cluster a of the app other's" in foreign(own, item(app="other", instance="a"))
    assert "it is somebody else's" in foreign(own, item())
    assert foreign(item("Namespace"), item("Namespace", app="other", instance="b")) == ""


# A role `server` of a cluster `store` in which each member has a volume `data-east`.
STORE = {"app.kubernetes.io/name": "b", "app.kubernetes.io/instance": "store", "app.kubernetes.io/component": "server"}
STORES = {
    "apiVersion": "apps/v1",
    "kind": "StatefulSet",
    "metadata": {"name": "store-server", "namespace": "n", "labels": STORE},
    "spec": {"replicas": 2, "volumeClaimTemplates": [{"metadata": {"name": "data-east", "labels": STORE}}]},
}
EAST = {**STORE, "app.kubernetes.io/name": "a", "app.kubernetes.io/instance": "east-store"}


def existing(name="data-east-store-server-0", labels=None):
    metadata = {"name": name, "namespace": "n", **({"labels": labels} if labels else {})}
    return {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": metadata}


def test_volumes_of_another_cluster_are_not_taken_over():
    assert foreign_claims(STORES, [existing("data-east-store-server-7", STORE), existing(labels=EAST)]) == (
        "expected PersistentVolumeClaim/data-east-store-server-0 to be of StatefulSet/store-server, which would use "
        "it, or not to be there, found one of the role server of the cluster east-store of the app a. Choose another "
        "name or another namespace for one of the two, or delete the claim if nobody wants its data"
    )
    # Another role of the same cluster, and another program that writes these labels.
    other = {**STORE, "app.kubernetes.io/component": "east"}
    assert "the role east of the cluster store of the app b" in foreign_claims(STORES, [existing(labels=other)])
    assert "one of somebody else" in foreign_claims(STORES, [existing(labels={"app.kubernetes.io/name": "c"})])


@pytest.mark.parametrize(
    "claim",
    [
        existing(labels=STORE),
        existing(labels={**STORE, "site": "x"}),
        # Made by hand.
        existing(),
        existing(labels={"site": "x"}),
        # Of other names.
        existing("data-east-store-server-backup-0", EAST),
        existing("data-east-store-server", EAST),
        existing("old-data-east-store-server-0", EAST),
        existing("data-east-store-server-0-0", EAST),
    ],
)
def test_volumes_of_its_own_and_those_made_by_hand_are_taken(claim):
    assert foreign_claims(STORES, [claim]) == ""
    assert foreign_claims({**STORES, "spec": {}}, [existing(labels=EAST)]) == ""


class Claims:
    """An API server that has claims. `asked`: how often it was asked for them."""

    def __init__(self, *claims):
        self.claims, self.asked = claims, 0

    def list(self, version, kind, namespace, selector):
        assert (version, kind, namespace, selector) == ("v1", "PersistentVolumeClaim", "n", "")
        self.asked += 1
        return list(self.claims)


def test_claims_are_asked_for_once_and_only_for_a_new_statefulset_with_volumes():
    server = Claims(existing(labels=STORE))
    refuse = refusing(server, "n", set())
    refuse(STORES, STORES)
    refuse({**STORES, "spec": {"replicas": 2}}, None)
    refuse({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "namespace": "n"}}, None)
    assert server.asked == 0
    refuse(STORES, None)
    refuse(STORES, None)
    assert server.asked == 1

    server = Claims(existing(labels=EAST))
    refusing(server, "n", {"n"})(STORES, None)
    assert server.asked == 0
    with pytest.raises(Refused, match="of the cluster east-store"):
        refusing(server, "n", set())(STORES, None)
