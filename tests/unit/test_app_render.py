# SPDX-License-Identifier: GPL-3.0-or-later
"""Rendering: from a definition and settings to Kubernetes objects, without a cluster."""

from __future__ import annotations

import base64
import copy
import os
import time
from pathlib import Path

import pytest
import yaml
from ansible_collections.baremetal.bigdata.plugins.module_utils import app_render as engine
from ansible_collections.baremetal.bigdata.plugins.module_utils.app_model import AppError, load_app, load_cluster
from hypothesis import given
from hypothesis import strategies as st

ROOT = Path(__file__).parents[2]
GOLDEN = ROOT / "tests/fixtures/app/hazelcast.yml"
HAZELCAST = yaml.safe_load((ROOT / "roles/hazelcast/files/app.yml").read_text())


def cluster(members=2, definition=HAZELCAST, role="member", **spec):
    settings = {
        "kind": "AppCluster",
        "metadata": {"name": "hazelcast", "namespace": "grid"},
        "spec": {"roles": {role: {"members": members, "image": "docker.io/hazelcast/hazelcast:5.7.0"}}, **spec},
    }
    return load_cluster(settings, load_app(definition))


def find(objects, kind, name=None):
    found = [item for item in objects if item["kind"] == kind and name in (None, item["metadata"]["name"])]
    assert len(found) == 1, f"{kind} {name}: {len(found)}"
    return found[0]


def with_role(**changes):
    definition = copy.deepcopy(HAZELCAST)
    definition["spec"]["roles"][0].update(changes)
    return definition


def test_the_whole_hazelcast_cluster_is_as_recorded():
    """After a wanted change: BB_UPDATE_GOLDEN=1 pytest tests/unit/test_app_render.py, and review the difference."""
    text = "---\n# SPDX-License-Identifier: GPL-3.0-or-later\n" + yaml.safe_dump_all(
        engine.render(cluster()), sort_keys=False, explicit_start=True, width=120
    ).removeprefix("---\n")
    if os.environ.get("BB_UPDATE_GOLDEN"):
        GOLDEN.write_text(text)
    assert text == GOLDEN.read_text()


def test_every_object_carries_the_labels_it_is_found_by():
    for item in engine.render(cluster()):
        if item["kind"] == "Namespace":
            continue
        labels = item["metadata"]["labels"]
        assert labels["app.kubernetes.io/name"] == "hazelcast"
        assert labels["app.kubernetes.io/instance"] == "hazelcast"
        assert labels["app.kubernetes.io/managed-by"] == "baremetal.bigdata"
        assert item["metadata"]["namespace"] == "grid"


def test_the_namespace_does_not_belong_to_the_cluster():
    namespace = find(engine.render(cluster()), "Namespace")
    assert "app.kubernetes.io/instance" not in namespace["metadata"]["labels"]
    assert not [item for item in engine.render(cluster(create_namespace=False)) if item["kind"] == "Namespace"]


def test_members_may_do_nothing_on_their_host():
    pod = find(engine.render(cluster()), "StatefulSet")["spec"]["template"]["spec"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    container = pod["containers"][0]["securityContext"]
    assert container["capabilities"] == {"drop": ["ALL"]}
    assert container["allowPrivilegeEscalation"] is False
    assert container["readOnlyRootFilesystem"] is True


def test_a_token_is_mounted_only_where_the_api_is_used():
    silent = copy.deepcopy(HAZELCAST)
    del silent["spec"]["api_access"]
    objects = engine.render(cluster(definition=silent))
    assert find(objects, "StatefulSet")["spec"]["template"]["spec"]["automountServiceAccountToken"] is False
    assert {"Role", "RoleBinding"}.isdisjoint(item["kind"] for item in objects)
    assert find(engine.render(cluster()), "StatefulSet")["spec"]["template"]["spec"]["automountServiceAccountToken"]


def test_the_api_role_is_no_wider_than_the_definition_and_never_beyond_the_namespace():
    objects = engine.render(cluster())
    assert find(objects, "Role")["rules"] == [
        {"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": ["list"]},
        {"apiGroups": [""], "resources": ["endpoints", "pods"], "verbs": ["get"]},
    ]
    assert not [item for item in objects if item["kind"].startswith("ClusterRole")]


def test_a_changed_file_changes_the_pod_template_and_nothing_else_does():
    def template(**roles):
        return find(engine.render(cluster(**roles)), "StatefulSet")["spec"]["template"]

    assert template() == template(members=5)
    other = template(parameters={"backup_count": 2})
    assert other["metadata"]["annotations"] != template()["metadata"]["annotations"]
    assert other["spec"] == template()["spec"]


def test_config_overrides_are_merged_deeply_and_null_removes():
    settings = {
        "image": "x",
        "config": {"hazelcast.yaml": {"hazelcast": {"map": {"default": None, "sessions": {"a": 1}}}}},
    }
    objects = engine.render(cluster(roles={"member": settings}))
    written = yaml.safe_load(find(objects, "ConfigMap")["data"]["hazelcast.yaml"])["hazelcast"]
    assert written["map"] == {"sessions": {"a": 1}}
    assert written["cluster-name"] == "hazelcast"
    assert written["network"]["join"]["kubernetes"]["service-name"] == "hazelcast-member"


def test_hazelcast_offers_its_health_check_and_no_other_rest_group():
    written = yaml.safe_load(find(engine.render(cluster()), "ConfigMap")["data"]["hazelcast.yaml"])
    groups = written["hazelcast"]["network"]["rest-api"]["endpoint-groups"]
    assert {name for name, group in groups.items() if group["enabled"]} == {"HEALTH_CHECK"}


def test_the_grace_period_is_longer_than_the_hand_over():
    objects = engine.render(cluster())
    written = yaml.safe_load(find(objects, "ConfigMap")["data"]["hazelcast.yaml"])["hazelcast"]["properties"]
    pod = find(objects, "StatefulSet")["spec"]["template"]["spec"]
    assert written["hazelcast.shutdownhook.policy"] == "GRACEFUL"
    assert pod["terminationGracePeriodSeconds"] > int(written["hazelcast.graceful.shutdown.max.wait"])


@pytest.mark.parametrize("kind", ["StatefulSet", "Deployment", "ReplicationController", "DaemonSet"])
def test_every_controller(kind):
    objects = engine.render(cluster(definition=with_role(controller=kind)))
    workload = find(objects, kind)
    spec = workload["spec"]
    assert workload["apiVersion"] == ("v1" if kind == "ReplicationController" else "apps/v1")
    assert ("replicas" in spec) == (kind != "DaemonSet")
    assert ("serviceName" in spec) == (kind == "StatefulSet")
    chosen = spec["selector"] if kind == "ReplicationController" else spec["selector"]["matchLabels"]
    assert chosen.items() <= spec["template"]["metadata"]["labels"].items()
    assert (kind == "DaemonSet") == (not [item for item in objects if item["kind"] == "PodDisruptionBudget"])


def test_members_are_spread_softly_unless_asked():
    def constraints(spread):
        settings = {"image": "x", "spread": spread}
        pod = find(engine.render(cluster(roles={"member": settings})), "StatefulSet")["spec"]["template"]["spec"]
        return [(item["topologyKey"], item["whenUnsatisfiable"]) for item in pod.get("topologySpreadConstraints", [])]

    host, rack = "kubernetes.io/hostname", "topology.kubernetes.io/zone"
    assert constraints("soft") == [(host, "ScheduleAnyway"), (rack, "ScheduleAnyway")]
    assert constraints("hard") == [(host, "DoNotSchedule"), (rack, "ScheduleAnyway")]
    assert constraints("none") == []


def test_a_node_port_service():
    objects = engine.render(cluster(services={"hazelcast": {"type": "NodePort", "node_port": 30701}}))
    service = find(objects, "Service", "hazelcast")["spec"]
    assert service["type"] == "NodePort"
    assert service["ports"][0]["nodePort"] == 30701
    assert find(objects, "Service", "hazelcast-member")["spec"]["clusterIP"] == "None"


def test_a_secret_file_goes_into_a_secret_and_is_never_shown():
    files = [{"name": "key", "path": "/etc/key", "text": "for $(cluster.name)", "secret": True}]
    objects = engine.render(cluster(definition=with_role(config_files=files)))
    secret = find(objects, "Secret")
    assert base64.b64decode(secret["data"]["key"]).decode() == "for hazelcast"
    assert not [item for item in objects if item["kind"] == "ConfigMap"]
    assert secret["data"]["key"] not in str(engine.masked(secret))
    other = copy.deepcopy(secret)
    other["data"]["key"] = "b3RoZXI="
    assert engine.masked(other) != engine.masked(secret)


def test_storage_becomes_claims_that_stay():
    definition = with_role(storage=[{"id": "data", "path": "/data", "size": "5Gi"}])
    spec = find(engine.render(cluster(definition=definition)), "StatefulSet")["spec"]
    assert spec["volumeClaimTemplates"][0]["spec"]["resources"]["requests"]["storage"] == "5Gi"
    assert spec["persistentVolumeClaimRetentionPolicy"] == {"whenDeleted": "Retain", "whenScaled": "Retain"}
    assert {"name": "data", "mountPath": "/data"} in spec["template"]["spec"]["containers"][0]["volumeMounts"]


def test_roles_start_in_their_order():
    definition = copy.deepcopy(HAZELCAST)
    first, second = definition["spec"]["roles"][0], copy.deepcopy(definition["spec"]["roles"][0])
    first["starts_after"] = ["helper"]
    second.update(id="helper", services=[], probes={}, health={})
    definition["spec"]["roles"].append(second)
    roles = {"member": {"image": "x"}, "helper": {"image": "x"}}
    stages = engine.stages(cluster(definition=definition, roles=roles))
    assert [stage["role"] for stage in stages] == ["helper", "member"]
    assert stages[0]["objects"][0]["kind"] == "Namespace"


def test_an_unknown_placeholder_is_refused_with_its_place():
    with pytest.raises(
        AppError, match=r"hazelcast.yaml.*one of .*cluster.name.*found '?\$\(cluster.nam\)|\$\(cluster.nam\)"
    ):
        engine.render(
            cluster(
                roles={"member": {"image": "x", "config": {"hazelcast.yaml": {"hazelcast": {"a": "$(cluster.nam)"}}}}}
            )
        )


def test_a_placeholder_alone_keeps_its_type_and_kubernetes_own_are_left():
    values = {"n": 3, "on": True, "name": "x"}
    assert engine.substitute({"a": "$(n)", "b": "$(n)/$(on)", "c": ["$(name)"]}, values) == {
        "a": 3,
        "b": "3/true",
        "c": ["x"],
    }
    assert engine.substitute("$(POD_IP)", values) == "$(POD_IP)"


def test_applying_never_takes_members_away():
    wanted = find(engine.render(cluster(members=2)), "StatefulSet")
    live = find(engine.render(cluster(members=4)), "StatefulSet")
    held, have = engine.hold_members(wanted, live)
    assert (held["spec"]["replicas"], have) == (4, 4)
    assert engine.hold_members(live, wanted) == (live, None)
    assert engine.hold_members(wanted, None) == (wanted, None)
    assert wanted["spec"]["replicas"] == 2


def test_what_the_server_writes_is_no_difference():
    wanted = find(engine.render(cluster()), "StatefulSet")
    live = copy.deepcopy(wanted)
    live["status"] = {"replicas": 2}
    live["metadata"].update(resourceVersion="7", uid="x", managedFields=[{}], generation=3, creationTimestamp="now")
    assert engine.normalise(live) == engine.normalise(wanted)


names = st.from_regex(r"[a-z]([a-z0-9-]{0,38}[a-z0-9])?", fullmatch=True)


@given(name=names, namespace=names, members=st.integers(1, 200))
def test_names_stay_within_what_kubernetes_takes(name, namespace, members):
    settings = {
        "kind": "AppCluster",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"roles": {"member": {"members": members, "image": "x"}}},
    }
    loaded = load_cluster(settings, load_app(HAZELCAST))
    objects = engine.render(loaded)
    assert len({(item["kind"], item["metadata"]["name"]) for item in objects}) == len(objects)
    for item in objects:
        assert len(item["metadata"]["name"]) <= 63
        for value in item["metadata"]["labels"].values():
            assert len(value) <= 63
    # A StatefulSet's pods carry <name>-<hash> in a label of 63 characters.
    assert len(find(objects, "StatefulSet")["metadata"]["name"]) + 11 <= 72


plain = st.recursive(
    st.booleans() | st.integers(-1000, 1000) | st.text(st.characters(codec="utf-8", exclude_categories=("C",))),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abc-. :#1", min_size=1), inner, max_size=3),
    max_leaves=12,
)


@given(data=st.dictionaries(st.text("abc-.1", min_size=1), plain, max_size=4))
def test_written_yaml_is_read_back_the_same(data):
    assert (yaml.safe_load(engine._yaml(data)) or {}) == data


@given(base=st.dictionaries(st.text("ab"), plain), changes=st.dictionaries(st.text("ab"), plain))
def test_merging_twice_is_merging_once_and_keeps_its_inputs(base, changes):
    before = copy.deepcopy((base, changes))
    once = engine.merge(base, changes)
    assert engine.merge(once, changes) == once
    assert (base, changes) == before
    assert engine.merge(base, {}) == base


def test_an_app_of_ten_roles_and_25_services_renders_fast():
    services = [{"id": f"s{number}", "port": 1000 + number} for number in range(25)]
    roles = [
        {
            **copy.deepcopy(HAZELCAST["spec"]["roles"][0]),
            "id": f"r{number}",
            "services": [service["id"] for service in services[number::10]],
            "probes": {},
            "health": {},
            "config_files": [],
        }
        for number in range(10)
    ]
    definition = {**HAZELCAST, "spec": {**HAZELCAST["spec"], "services": services, "roles": roles}}
    settings = {f"r{number}": {"image": "x"} for number in range(10)}
    start = time.perf_counter()
    assert len(engine.render(cluster(definition=definition, roles=settings))) > 50
    assert time.perf_counter() - start < 0.2
