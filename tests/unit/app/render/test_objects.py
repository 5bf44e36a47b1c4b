# SPDX-License-Identifier: GPL-3.0-or-later
"""Rendering: from a definition and settings to Kubernetes objects, without a cluster."""

from __future__ import annotations

import base64
import copy
import os
import re
import subprocess
from pathlib import Path

import pytest
import yaml
from ansible_collections.baremetal.bigdata.plugins.module_utils.app import compare
from ansible_collections.baremetal.bigdata.plugins.module_utils.app.contract import Counted, Step
from ansible_collections.baremetal.bigdata.plugins.module_utils.app.model.load import load_app, load_cluster
from ansible_collections.baremetal.bigdata.plugins.module_utils.app.model.reader import AppError
from ansible_collections.baremetal.bigdata.plugins.module_utils.app.placeholders import substitute
from ansible_collections.baremetal.bigdata.plugins.module_utils.app.render import objects as engine
from ansible_collections.baremetal.bigdata.plugins.module_utils.app.render import text as app_text
from ansible_collections.baremetal.bigdata.plugins.module_utils.app.render.names import cluster_selector
from ansible_collections.baremetal.bigdata.plugins.module_utils.kube.question import Question
from ansible_collections.baremetal.bigdata.plugins.modules.app_compare import superfluous
from hypothesis import given
from hypothesis import strategies as st

ROOT = Path(__file__).parents[4]
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
    assert secret["data"]["key"] not in str(compare.masked(secret))
    other = copy.deepcopy(secret)
    other["data"]["key"] = "b3RoZXI="
    assert compare.masked(other) != compare.masked(secret)


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
    assert [stage.role for stage in stages] == ["helper", "member"]
    assert stages[0].objects[0]["kind"] == "Namespace"


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
    assert substitute({"a": "$(n)", "b": "$(n)/$(on)", "c": ["$(name)"]}, values) == {
        "a": 3,
        "b": "3/true",
        "c": ["x"],
    }
    assert substitute("$(POD_IP)", values) == "$(POD_IP)"


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
    assert (yaml.safe_load(app_text.yaml_text(data)) or {}) == data


@given(base=st.dictionaries(st.text("ab"), plain), changes=st.dictionaries(st.text("ab"), plain))
def test_merging_twice_is_merging_once_and_keeps_its_inputs(base, changes):
    before = copy.deepcopy((base, changes))
    once = app_text.merge(base, changes)
    assert app_text.merge(once, changes) == once
    assert (base, changes) == before
    assert app_text.merge(base, {}) == base


# --- every field ---------------------------------------------------------------------------------------------------


def demo(*roles, services=(), app=None, chosen=None, **spec):
    """A cluster of an app of these roles (`id` and image are filled in), with settings; `chosen`: of services."""
    definition = {
        "kind": "App",
        "metadata": {"name": "demo", "version": "1"},
        "spec": {"services": list(services), "roles": [{"id": "worker", **role} for role in roles], **(app or {})},
    }
    settings = {role.get("id", "worker"): {"image": "x"} for role in roles}
    for name, changes in spec.pop("roles", {}).items():
        settings[name] = {**settings[name], **changes}
    spec = spec if chosen is None else {**spec, "services": chosen}
    metadata = {"name": "demo", "namespace": "apps"}
    document = {"kind": "AppCluster", "metadata": metadata, "spec": {"roles": settings, **spec}}
    return load_cluster(document, load_app(definition))


GUEST = {"guest": {"package": "file:///opt/a.tgz"}}
AGENT = {"configure": "the agent", "configcli": "the reader"}


def worker(*roles, kind="StatefulSet", **options):
    """The pod template of the role `worker`."""
    return find(engine.render(demo(*(roles or [{}]), **options), AGENT), kind, "demo-worker")["spec"]["template"]


def pod(role=None, settings=None, **options):
    roles = {"worker": settings} if settings else {}
    return worker(role or {}, roles=roles, kind=(role or {}).get("controller", "StatefulSet"), **options)["spec"]


def container(role=None, settings=None, **options):
    return pod(role, settings, **options)["containers"][0]


def mounted(spec):
    """What is mounted where: path -> (source, mount)."""
    volumes = {volume["name"]: volume for volume in spec.get("volumes", ())}
    return {
        mount["mountPath"]: (volumes.get(mount["name"]), mount)
        for mount in spec["containers"][0].get("volumeMounts", ())
    }


API = {"id": "api", "port": 8080}
THREE = (
    {"id": "seed"},
    {"id": "worker", "controller": "ReplicationController"},
    {"id": "agent", "controller": "DaemonSet"},
)


def budgets(objects):
    return {item["metadata"]["name"]: item for item in objects if item["kind"] == "PodDisruptionBudget"}


def counted(budget, pod_labels):
    """Whether a budget's selector matches a pod."""
    selector = budget["spec"]["selector"]
    named = all(pod_labels.get(item["key"]) in item["values"] for item in selector.get("matchExpressions", ()))
    return named and selector["matchLabels"].items() <= pod_labels.items()


@pytest.mark.parametrize("app", [{}, {"disruption_budget": "role"}])
def test_each_role_has_a_budget_of_its_own(app):
    found = budgets(engine.render(demo(*THREE, app=app)))
    assert sorted(found) == ["demo-seed", "demo-worker"]
    for name, budget in found.items():
        labels = {"app.kubernetes.io/name": "demo", "app.kubernetes.io/instance": "demo"}
        labels["app.kubernetes.io/component"] = name.removeprefix("demo-")
        assert budget["spec"]["selector"] == {"matchLabels": labels}


def test_one_budget_counts_the_members_of_all_roles_but_a_daemon_set_and_nothing_else():
    stages = engine.stages(demo(*THREE, app={"disruption_budget": "cluster"}, create_namespace=False))
    objects = [item for stage in stages for item in stage.objects]
    [(name, budget)] = budgets(objects).items()
    assert (name, budget) in budgets(stages[0].objects).items()
    account = find(objects, "ServiceAccount", "demo")
    assert budget["metadata"] == account["metadata"]
    assert budget["spec"]["maxUnavailable"] == 1
    assert budget["spec"]["unhealthyPodEvictionPolicy"] == "AlwaysAllow"
    members = {
        item["metadata"]["name"]: item["spec"]["template"]["metadata"]["labels"]
        for item in objects
        if item["kind"] in ("StatefulSet", "ReplicationController", "DaemonSet")
    }
    assert [member for member, labels in members.items() if counted(budget, labels)] == ["demo-seed", "demo-worker"]
    seed = members["demo-seed"]
    for other in ("app.kubernetes.io/name", "app.kubernetes.io/instance", "app.kubernetes.io/component"):
        assert not counted(budget, {**seed, other: "other"})
    assert not counted(budget, account["metadata"]["labels"])


def test_there_is_no_budget_that_would_count_nobody():
    agents = {"controller": "DaemonSet"}
    assert budgets(engine.render(demo(agents, app={"disruption_budget": "cluster"}))) == {}


@pytest.mark.parametrize(
    ("before", "after", "go"),
    [("role", "cluster", ["demo-seed", "demo-worker"]), ("cluster", "role", ["demo"]), ("cluster", "cluster", [])],
)
def test_budgets_of_the_other_kind_are_deleted(before, after, go):
    class Kube:
        """A server that has what was rendered before."""

        def list(self, version, kind, namespace, selector):
            wanted = dict(part.split("=") for part in selector.split(","))
            return [
                item
                for item in engine.render(demo(*THREE, app={"disruption_budget": before}))
                if (item["apiVersion"], item["kind"]) == (version, kind)
                and wanted.items() <= item["metadata"]["labels"].items()
            ]

    wanted = demo(*THREE, app={"disruption_budget": after})
    stages = [{"objects": stage.objects} for stage in engine.stages(wanted)]
    asked = {"namespace": "apps", "selector": cluster_selector(wanted), "stages": stages, "keep": []}
    found = superfluous(Kube(), asked)
    assert [compare.identity(item) for item in found] == [f"PodDisruptionBudget/{name}" for name in go]


def test_a_service_of_one_role_and_of_several():
    one = engine.render(demo({"services": ["api"]}, services=[API]))
    assert find(one, "Service", "demo-api")["spec"]["selector"]["app.kubernetes.io/component"] == "worker"
    both = engine.render(demo({"services": ["api"]}, {"id": "front", "services": ["api"]}, services=[API]))
    names = {item["metadata"]["name"] for item in both if item["kind"] == "Service"}
    assert names == {"demo-worker", "demo-front", "demo-worker-api", "demo-front-api"}
    for role in ("worker", "front"):
        selector = find(both, "Service", f"demo-{role}-api")["spec"]["selector"]
        assert selector["app.kubernetes.io/component"] == role


def test_a_service_that_is_not_published_is_on_the_headless_service_only():
    objects = engine.render(demo({"services": ["api"]}, services=[{**API, "published": False}]))
    headless = find(objects, "Service")
    assert headless["metadata"]["name"] == "demo-worker"
    assert headless["spec"]["ports"][0]["port"] == 8080
    assert headless["spec"]["publishNotReadyAddresses"] is True


def test_the_address_of_a_page_is_in_annotations():
    service = {**API, "scheme": "https", "path": "/console", "dashboard": True}
    objects = engine.render(demo({"services": ["api"]}, services=[service]))
    assert find(objects, "Service", "demo-api")["metadata"]["annotations"] == {
        "baremetal.bigdata/scheme.8080": "https",
        "baremetal.bigdata/path.8080": "/console",
        "baremetal.bigdata/dashboard.8080": "true",
    }
    plain = engine.render(demo({"services": ["api"]}, services=[API]))
    assert "annotations" not in find(plain, "Service", "demo-api")["metadata"]


def test_every_member_of_a_statefulset_may_have_a_service():
    service = {**API, "per_member": True}
    options = {"services": [service], "service_type": "NodePort", "roles": {"worker": {"members": 2}}}
    objects = engine.render(demo({"services": ["api"]}, **options))
    for number in range(2):
        own = find(objects, "Service", f"demo-worker-{number}")["spec"]
        assert own["selector"] == {"statefulset.kubernetes.io/pod-name": f"demo-worker-{number}"}
        assert own["type"] == "NodePort"
    assert len([item for item in objects if item["kind"] == "Service"]) == 4


def test_a_fixed_node_port_belongs_to_the_service_that_members_share():
    settings = {"chosen": {"api": {"type": "NodePort", "node_port": 30080}}}
    objects = engine.render(demo({"services": ["api"]}, services=[{**API, "per_member": True}], **settings))
    assert find(objects, "Service", "demo-api")["spec"]["ports"][0]["nodePort"] == 30080
    assert "nodePort" not in find(objects, "Service", "demo-worker-0")["spec"]["ports"][0]


def test_members_of_other_controllers_have_no_service_of_their_own():
    role = {"controller": "Deployment", "services": ["api"]}
    objects = engine.render(demo(role, services=[{**API, "per_member": True}]))
    assert len([item for item in objects if item["kind"] == "Service"]) == 2


def test_the_usual_type_of_services_and_an_exception():
    services = [{"id": "a", "port": 1}, {"id": "b", "port": 2}]
    settings = {"service_type": "LoadBalancer", "chosen": {"b": {"type": "ClusterIP"}}}
    objects = engine.render(demo({"services": ["a", "b"]}, services=services, **settings))
    assert find(objects, "Service", "demo-a")["spec"]["type"] == "LoadBalancer"
    assert find(objects, "Service", "demo-b")["spec"]["type"] == "ClusterIP"
    assert find(objects, "Service", "demo-worker")["spec"]["clusterIP"] == "None"


def test_labels_and_annotations_of_pods_and_services_stand_beside_the_engines_own():
    settings = {
        "pod_labels": {"team": "a"},
        "pod_annotations": {"scrape": "true"},
        "service_labels": {"lb": "b"},
        "service_annotations": {"address": "c"},
    }
    service = {**API, "scheme": "http"}
    objects = engine.render(demo({"services": ["api"]}, services=[service], roles={"worker": settings}))
    template = find(objects, "StatefulSet")["spec"]["template"]["metadata"]
    assert (template["labels"]["team"], template["labels"]["app.kubernetes.io/instance"]) == ("a", "demo")
    assert template["annotations"]["scrape"] == "true"
    shared = find(objects, "Service", "demo-api")["metadata"]
    assert (shared["labels"]["lb"], shared["labels"]["app.kubernetes.io/instance"]) == ("b", "demo")
    assert shared["annotations"] == {"address": "c", "baremetal.bigdata/scheme.8080": "http"}
    assert "lb" not in find(objects, "Service", "demo-worker")["metadata"]["labels"]


def test_a_token_is_an_environment_variable_from_a_secret():
    service = {"id": "web-ui", "port": 80, "token": True}
    found = container({"services": ["web-ui"]}, services=[service])["env"]
    key = {"name": "demo-tokens", "key": "web-ui"}
    assert found == [{"name": "TOKEN_WEB_UI", "valueFrom": {"secretKeyRef": key}}]


def test_environment_from_the_pod_and_from_secrets_comes_before_what_uses_it():
    role = {
        "env": {"ADDRESS": "http://$(POD_IP):$(services.api.port)", "LATE": "$(parameters.late)"},
        "env_fields": {"POD_IP": "status.podIP"},
        "secret_env": {"PASSWORD": {"secret": "$(cluster.name)-credentials", "key": "password"}},
        "services": ["api"],
    }
    app = {"parameters": [{"name": "late", "type": "bool", "default": True}]}
    env = container(role, {"secret_env": {"OTHER": {"secret": "o", "key": "k"}}}, services=[API], app=app)["env"]
    assert env == [
        {"name": "POD_IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
        {"name": "PASSWORD", "valueFrom": {"secretKeyRef": {"name": "demo-credentials", "key": "password"}}},
        {"name": "OTHER", "valueFrom": {"secretKeyRef": {"name": "o", "key": "k"}}},
        {"name": "ADDRESS", "value": "http://$(POD_IP):8080"},
        {"name": "LATE", "value": "true"},
    ]


def test_the_clusters_environment_wins_whichever_kind_of_value_it_is():
    secret = {"PASSWORD": {"secret": "s", "key": "k"}}
    reference = {"name": "PASSWORD", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}
    plain = {"name": "PASSWORD", "value": "open"}
    assert container({"env": {"PASSWORD": "open"}}, {"secret_env": secret})["env"] == [reference]
    assert container({"secret_env": secret}, {"env": {"PASSWORD": "open"}})["env"] == [plain]


def test_secrets_are_mounted_and_a_cluster_replaces_them_by_id():
    role = {
        "secrets": [
            {"id": "entitlement", "secret": "$(cluster.name)-license", "path": "/etc/license"},
            {"id": "keys", "secret": "keys", "path": "/etc/keys", "mode": "0400"},
        ]
    }
    found = mounted(pod(role, {"secrets": [{"id": "keys", "secret": "site-keys", "path": "/etc/site"}]}))
    volume, mount = found["/etc/license"]
    assert volume["secret"] == {"secretName": "demo-license", "defaultMode": 0o440}
    assert mount["readOnly"] is True
    assert found["/etc/site"][0]["secret"]["secretName"] == "site-keys"
    assert "/etc/keys" not in found
    assert mounted(pod(role))["/etc/keys"][0]["secret"]["defaultMode"] == 0o400


def test_several_directories_lie_on_one_volume():
    spec = pod({"storage": [{"id": "data", "paths": ["/etc", "/opt/app"]}]})
    mounts = spec["containers"][0]["volumeMounts"]
    assert mounts == [
        {"name": "data", "mountPath": "/etc", "subPath": "etc"},
        {"name": "data", "mountPath": "/opt/app", "subPath": "opt/app"},
    ]
    assert "initContainers" not in spec


def test_what_the_image_has_is_copied_to_a_volume_once(tmp_path):
    role = {"storage": [{"id": "data", "paths": ["/opt/my app", "/etc"], "populate": True}]}
    spec = pod(role)
    (init,) = spec["initContainers"]
    assert (init["image"], init["name"]) == (spec["containers"][0]["image"], "populate-data")
    assert init["securityContext"] == spec["containers"][0]["securityContext"]
    (mount,) = init["volumeMounts"]
    # The command itself, on a file system of the test.
    image, volume = tmp_path / "image", tmp_path / "volume"
    (image / "opt/my app").mkdir(parents=True)
    (image / "opt/my app/file").write_text("from the image")
    (image / "etc").mkdir()
    volume.mkdir()
    script = init["command"][2].replace(mount["mountPath"], str(volume))
    script = script.replace("'/opt/my app'/.", f"'{image}/opt/my app'/.").replace("-d '/opt", f"-d '{image}/opt")
    script = script.replace("/etc/. ", f"{image}/etc/. ").replace("-d /etc", f"-d {image}/etc")
    for _run in range(2):
        subprocess.run([*init["command"][:2], script], check=True, timeout=30)
        assert (volume / "opt/my app/file").read_text() in ("from the image", "changed by a member")
        (volume / "opt/my app/file").write_text("changed by a member")
    assert (volume / "opt/my app/file").read_text() == "changed by a member"
    assert (volume / "etc").is_dir()


def filled(paths, image, volume):
    """Run the init container of a volume with these paths of an image, both directories of the test."""
    storage = {"id": "data", "paths": [f"{image}{path}" for path in paths], "populate": True}
    (init,) = pod({"storage": [storage]})["initContainers"]
    command = [text.replace(init["volumeMounts"][0]["mountPath"], str(volume)) for text in init["command"]]
    subprocess.run(command, check=True, timeout=30)
    return [volume / f"{image}{path}".strip("/") for path in paths]


def test_directories_of_similar_names_are_filled_each(tmp_path):
    image, volume = tmp_path / "image", tmp_path / "volume"
    paths = ["/hadoop/hdfs", "/hadoop-hdfs", "/other", "/hadoop/-hdfs", "/hadoop--hdfs"]
    for path in paths:
        (image / path.strip("/")).mkdir(parents=True)
        (image / path.strip("/") / "file").write_text(f"of {path}")
    volume.mkdir()
    for path, directory in zip(paths, filled(paths, image, volume)):
        assert (directory / "file").read_text() == f"of {path}"
        (directory / "file").write_text("changed by a member")
    assert {(directory / "file").read_text() for directory in filled(paths, image, volume)} == {"changed by a member"}


def test_what_was_filled_before_similar_names_had_marks_of_their_own_stays(tmp_path):
    image, volume = tmp_path / "image", tmp_path / "volume"
    paths = ["/hadoop/hdfs", "/hadoop-hdfs"]
    for path in paths:
        (image / path.strip("/")).mkdir(parents=True)
        (image / path.strip("/") / "file").write_text("from the image")
    volume.mkdir()
    first = volume / f"{image}/hadoop/hdfs".strip("/")
    first.mkdir(parents=True)
    (first / "file").write_text("changed by a member")
    (volume / (".populated-" + f"{image}/hadoop/hdfs".strip("/").replace("/", "-"))).touch()
    texts = [(directory / "file").read_text() for directory in filled(paths, image, volume)]
    assert texts == ["changed by a member", "from the image"]


def test_what_members_have_written_where_nothing_was_filled_stays(tmp_path):
    image, volume = tmp_path / "image", tmp_path / "volume"
    paths = ["/hadoop/hdfs", "/hadoop-hdfs"]
    second = volume / f"{image}/hadoop-hdfs".strip("/")
    for directory, text in ((image / "hadoop/hdfs", "image"), (image / "hadoop-hdfs", "image"), (second, "member")):
        directory.mkdir(parents=True)
        (directory / "file").write_text(text)
    assert [(directory / "file").read_text() for directory in filled(paths, image, volume)] == ["image", "member"]
    # What an earlier start has begun to copy is copied whole.
    (mark,) = volume.glob(".populated-*-hdfs-*")
    mark.rename(f"{mark}-begun")
    assert [(directory / "file").read_text() for directory in filled(paths, image, volume)] == ["image", "image"]
    assert mark.exists()
    assert not list(volume.glob("*-begun"))


def test_a_directory_whose_mark_is_its_own_has_the_mark_that_it_always_had():
    paths = ["/etc", "/var/lib/hadoop/hdfs", "/var/lib/hadoop-hdfs", "/usr/lib"]
    (init,) = pod({"storage": [{"id": "data", "paths": paths, "populate": True}]})["initContainers"]
    marks = re.findall(r"if \[ ! -e \S+/(\S+) \]", init["command"][2])
    assert marks[:2] + marks[3:] == [".populated-etc", ".populated-var-lib-hadoop-hdfs", ".populated-usr-lib"]
    assert re.fullmatch(r"\.populated-var-lib-hadoop-hdfs-[0-9a-f]{16}", marks[2])


def test_a_volume_with_one_path_is_filled_at_its_root():
    (init,) = pod({"storage": [{"id": "data", "path": "/var/lib/x", "populate": True}]})["initContainers"]
    root = init["volumeMounts"][0]["mountPath"]
    assert f"cp -a /var/lib/x/. {root}/;" in init["command"][2]


def test_a_raw_device():
    objects = engine.render(demo({"storage": [{"id": "disk", "path": "/dev/data", "block": True}]}))
    spec = find(objects, "StatefulSet")["spec"]
    assert spec["volumeClaimTemplates"][0]["spec"]["volumeMode"] == "Block"
    assert spec["template"]["spec"]["containers"][0]["volumeDevices"] == [{"name": "disk", "devicePath": "/dev/data"}]
    assert "volumeMounts" not in spec["template"]["spec"]["containers"][0]


def test_a_cluster_chooses_size_and_class_of_a_volume():
    role = {"storage": [{"id": "data", "path": "/data", "size": "1Gi"}]}
    settings = {"worker": {"storage": {"data": {"size": "7Gi", "storage_class": "fast"}}}}
    (claim,) = find(engine.render(demo(role, roles=settings)), "StatefulSet")["spec"]["volumeClaimTemplates"]
    assert claim["spec"]["resources"]["requests"]["storage"] == "7Gi"
    assert claim["spec"]["storageClassName"] == "fast"


def test_existing_claims_are_mounted():
    settings = {"volumes": [{"claim": "shared", "path": "/shared"}, {"claim": "ref", "path": "/r", "read_only": True}]}
    found = mounted(pod({}, settings))
    assert found["/shared"][0]["persistentVolumeClaim"] == {"claimName": "shared", "readOnly": False}
    assert found["/r"][0]["persistentVolumeClaim"] == {"claimName": "ref", "readOnly": True}
    assert found["/r"][1]["readOnly"] is True


def test_a_volume_may_not_take_the_name_of_another():
    file = {"name": "a", "path": "/etc/a", "text": "a"}
    role = {"storage": [{"id": "config", "path": "/data"}], "config_files": [file]}
    with pytest.raises(AppError, match=r"storage: expected an id that no volume of the engine has, found config"):
        engine.render(demo(role))
    assert engine.render(demo({"storage": role["storage"]}))
    secrets = [{"id": "keys", "secret": "a", "path": "/etc/keys"}]
    with pytest.raises(AppError, match=r"storage: expected an id that no volume of the engine has, found secret-keys"):
        engine.render(demo({"storage": [{"id": "secret-keys", "path": "/data"}], "secrets": secrets}))


@pytest.mark.parametrize("of_the_cluster", [False, True])
def test_a_secret_may_not_take_the_name_of_the_volume_with_secret_files(of_the_cluster):
    file = {"name": "a", "path": "/etc/a", "text": "a"}
    secrets = [{"id": "config", "secret": "a", "path": "/etc/site"}]

    def found(secret):
        role = {"config_files": [{**file, "secret": secret}], **({} if of_the_cluster else {"secrets": secrets})}
        return engine.render(demo(role, roles={"worker": {"secrets": secrets}} if of_the_cluster else {}))

    assert found(secret=False)
    with pytest.raises(AppError) as refused:
        found(secret=True)
    assert str(refused.value) == (
        "spec.roles.worker.secrets: expected an id that no volume of the engine has, found config, which makes "
        "secret-config again. Give it another id."
    )


@pytest.mark.parametrize(("role", "service"), [("members", ""), ("agent", ""), ("api-0", "api")])
def test_two_objects_of_one_name_are_refused(role, service):
    """The ConfigMap of files, and those that others make; a headless Service, and a member's own."""
    file = {"name": "a", "path": "/etc/a", "text": "a"}
    other = {"id": "guest", **GUEST}
    first = {"id": role, "config_files": [file]}
    second = {"id": service or "second", "services": ["front"]}
    with pytest.raises(AppError, match="names that make each object's name once"):
        engine.render(demo(first, other, second, services=[{"id": "front", "port": 80, "per_member": True}]), AGENT)


def test_two_claims_of_one_name_are_refused():
    first = {"id": "a", "storage": [{"id": "data-demo", "path": "/data"}]}
    second = {"id": "demo-a", "storage": [{"id": "data", "path": "/data"}]}
    with pytest.raises(AppError) as refused:
        engine.render(demo(first, second))
    assert str(refused.value) == (
        "spec: expected names that make each object's name once, found PersistentVolumeClaim/data-demo-demo-a twice. "
        "Rename one of the roles, services or volumes that make this name."
    )
    # The number of a member is a part of the name that no volume or role can stand for.
    assert engine.render(demo(first, {**second, "id": "demo-a-0"}))


def test_a_service_may_be_called_as_a_role():
    objects = engine.render(demo({"id": "api", "services": ["api"]}, services=[API]))
    assert find(objects, "Service", "demo-api")["spec"]["clusterIP"] == "None"
    assert find(objects, "Service", "demo-api-api")["spec"]["type"] == "ClusterIP"


def test_a_fixed_host_name():
    role = {"controller": "ReplicationController", "cardinality": "1", "hostname": "front"}
    spec = pod(role)
    assert (spec["hostname"], spec["subdomain"]) == ("front", "demo-worker")
    other = {"id": "other", "env": {"FRONT": "$(roles.worker.hosts)", "DOMAIN": "$(roles.worker.domain)"}}
    env = find(engine.render(demo(role, other)), "StatefulSet", "demo-other")["spec"]["template"]["spec"]
    assert env["containers"][0]["env"] == [
        {"name": "FRONT", "value": "front.demo-worker.apps.svc.cluster.local"},
        {"name": "DOMAIN", "value": "demo-worker.apps.svc.cluster.local"},
    ]


def test_who_is_where_is_mounted_and_may_be_missing():
    volume, mount = mounted(pod({"discovery_path": "/etc/members"}))["/etc/members"]
    assert volume["configMap"] == {"name": "demo-members", "optional": True}
    assert mount == {"name": "discovery", "mountPath": "/etc/members", "readOnly": True}


def test_an_image_whose_init_is_systemd():
    spec = pod({"systemd": True})
    found = mounted(spec)
    for path in ("/run", "/run/lock", "/tmp"):
        assert found[path][0]["emptyDir"] == {"medium": "Memory"}
    assert found["/sys/fs/cgroup"][0]["hostPath"] == {"path": "/sys/fs/cgroup", "type": "Directory"}
    assert "runAsNonRoot" not in spec["securityContext"]
    assert spec["containers"][0]["env"] == [{"name": "container", "value": "oci"}]
    assert spec["containers"][0]["securityContext"] == {
        "allowPrivilegeEscalation": True,
        "readOnlyRootFilesystem": False,
    }
    with pytest.raises(AppError, match="/tmp again, after"):
        pod({"systemd": True, "security": {"writable_paths": ["/tmp"]}})


def test_a_container_with_a_terminal():
    assert (container({"tty": True})["tty"], "stdin" in container({"tty": True})) == (True, False)
    assert container({"stdin": True})["stdin"] is True
    assert not {"tty", "stdin"} & set(container())


def test_every_word_of_a_command_is_a_text():
    role = {"services": ["api"], "command": ["serve", "$(services.api.port)"], "args": ["$(services.api.port)"]}
    found = container({**role, "pre_stop": ["stop", "$(services.api.port)"]}, services=[API])
    assert (found["command"], found["args"]) == (["serve", "8080"], ["8080"])
    assert found["lifecycle"]["preStop"]["exec"]["command"] == ["stop", "8080"]


def test_a_command_before_a_member_stops():
    role = {"pre_stop": ["drain", "$(cluster.name)"], "termination_grace_seconds": 90}
    assert container(role)["lifecycle"] == {"preStop": {"exec": {"command": ["drain", "demo"]}}}
    assert pod(role)["terminationGracePeriodSeconds"] == 90
    assert "lifecycle" not in container()


def test_affinity_is_taken_as_it_is():
    affinity = {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [{"topologyKey": "rack"}]}}
    assert pod({}, {"affinity": affinity})["affinity"] == affinity
    settings = {"node_selector": {"disk": "ssd"}, "tolerations": [{"key": "big", "operator": "Exists"}]}
    assert pod({}, settings)["nodeSelector"] == {"disk": "ssd"}
    assert pod({}, settings)["tolerations"] == [{"key": "big", "operator": "Exists"}]


def test_resources_of_definition_and_cluster():
    role = {"resources": {"cpu_request": "1", "memory_limit": "1Gi", "limits": {"nvidia.com/gpu": 1}}}
    settings = {"resources": {"cpu_request": "500m", "requests": {"ephemeral-storage": "1Gi"}}}
    assert container(role, settings)["resources"] == {
        "requests": {"cpu": "500m", "ephemeral-storage": "1Gi"},
        "limits": {"memory": "1Gi", "nvidia.com/gpu": "1"},
    }


def test_shared_memory_and_a_service_account():
    spec = pod({}, {"shared_memory": "1Gi", "service_account": "own"})
    assert mounted(spec)["/dev/shm"][0]["emptyDir"] == {"medium": "Memory", "sizeLimit": "1Gi"}
    assert (spec["serviceAccountName"], spec["automountServiceAccountToken"]) == ("own", True)
    assert (pod()["serviceAccountName"], pod()["automountServiceAccountToken"]) == ("demo", False)


def test_pull_secrets():
    assert pod(image_pull_secrets=["registry"])["imagePullSecrets"] == [{"name": "registry"}]


def test_capabilities_root_and_privilege():
    security = container({"security": {"capabilities": ["NET_ADMIN"], "read_only_root": False}})["securityContext"]
    assert security["capabilities"] == {"drop": ["ALL"], "add": ["NET_ADMIN"]}
    assert security["readOnlyRootFilesystem"] is False
    root = {"security": {"run_as_root": True}}
    assert "runAsNonRoot" not in pod(root)["securityContext"]
    assert "capabilities" not in container(root)["securityContext"]
    assert container({"security": {"privileged": True}})["securityContext"] == {"privileged": True}
    numbered = pod({"security": {"run_as_user": 5, "run_as_group": 6, "fs_group": 7}})["securityContext"]
    assert (numbered["runAsUser"], numbered["runAsGroup"], numbered["fsGroup"]) == (5, 6, 7)


def test_a_guest_gets_its_package_by_the_agent():
    objects = engine.render(demo(GUEST), AGENT)
    template = find(objects, "StatefulSet")["spec"]["template"]
    assert template["spec"]["containers"][0]["lifecycle"]["postStart"]["exec"]["command"]
    # Ready means configured, unless the role says itself when it is.
    assert "ready" in template["spec"]["containers"][0]["readinessProbe"]["exec"]["command"]
    assert template["spec"]["dnsConfig"]["searches"] == ["demo-worker.apps.svc.cluster.local"]
    own = {**GUEST, "probes": {"readiness": {"command": ["mine"]}}}
    assert container(own)["readinessProbe"]["exec"] == {"command": ["mine"]}
    assert find(objects, "ConfigMap", "demo-agent")["data"] == AGENT
    assert engine.stages(demo(GUEST), AGENT)[0].contract.guest is True
    with pytest.raises(ValueError, match="without the agent's programs"):
        engine.render(demo(GUEST))


def test_probes_are_the_kubelets_with_the_services_scheme():
    def probes(service, check):
        role = {"services": ["api"], "probes": {"readiness": {**check, "initial_delay": 3, "period": 7}}}
        return container(role, services=[service])["readinessProbe"]

    http = {"http": {"service": "api", "path": "/ok"}}
    assert probes(API, http) == {
        "httpGet": {"path": "/ok", "port": "api"},
        "initialDelaySeconds": 3,
        "periodSeconds": 7,
        "timeoutSeconds": 5,
        "failureThreshold": 3,
    }
    assert probes({**API, "scheme": "https"}, http)["httpGet"]["scheme"] == "HTTPS"
    assert probes(API, {"tcp": "api"})["tcpSocket"] == {"port": "api"}
    assert probes(API, {"command": ["look", "$(cluster.name)"]})["exec"] == {"command": ["look", "demo"]}


# --- what a run has to know ------------------------------------------------------------------------------------------


def contract(*roles, **options):
    return {stage.role: stage.contract for stage in engine.stages(demo(*roles, **options))}["worker"]


def test_a_contract_says_how_to_ask_the_app():
    role = {
        "services": ["api"],
        "health": {
            "members": {"http": {"service": "api", "path": "/n", "json": "size"}},
            "safe": {"command": ["safe", "$(services.api.port)"]},
            "at": "master",
            "counts": ["master", "worker"],
        },
        "live_role": {"http": {"service": "api", "path": "/role"}, "match": "(x)", "names": {"x": "leader"}},
        "restart_last": ["leader"],
    }
    master = {"id": "master", "controller": "Deployment", "services": ["api"]}
    found = contract(role, master, services=[API])
    assert found.asks_members == Question(port=8080, path="/n", json="size")
    assert found.asks_safe == Question(("safe", "8080"))
    assert found.asked.endswith("app.kubernetes.io/component=master")
    assert found.counted_with == (Counted("Deployment", "demo-master"),)
    assert found.live.as_option() == {
        "http": {"port": 8080, "path": "/role", "json": ""},
        "match": "(x)",
        "names": {"x": "leader"},
    }
    assert (found.restart_last, found.members, found.guest) == (("leader",), 1, False)
    secure = contract({**role}, master, services=[{**API, "scheme": "https"}])
    assert secure.asks_members.scheme == "https"
    assert secure.live.as_option()["http"]["scheme"] == "https"


def test_what_only_a_run_knows_stays_in_the_steps_of_leaving_and_nowhere_else():
    role = {
        "leave": {
            "announce": {"command": ["bye", "$(member.name)", "$(member.host)", "of $(cluster.name)"], "at": "worker"},
            "done": {"command": ["left", "$(remaining)"]},
        }
    }
    found = contract(role)
    assert found.leave_allowed is None
    assert found.leave_announce.question.command == ("bye", "$(member.name)", "$(member.host)", "of demo")
    assert found.leave_announce.at.endswith("app.kubernetes.io/component=worker")
    assert found.leave_done == Step(Question(("left", "$(remaining)")))
    for elsewhere in (
        {"health": {"safe": {"command": ["x", "$(member.name)"]}}},
        {"live_role": {"command": ["x", "$(remaining)"]}},
        {"env": {"X": "$(member.ip)"}},
    ):
        with pytest.raises(AppError, match=r"found \$\((member|remaining)"):
            contract(elsewhere)


READER = {
    "cardinality": "0+",
    "services": ["api"],
    "config_files": [
        {"name": "a", "path": "/etc/a", "text": "$(parameters.colour)"},
        {"name": "b", "path": "/etc/b", "text": "b", "secret": True},
    ],
    "env": {"X": "1"},
}
APP = {"parameters": [{"name": "colour", "default": "red"}, {"name": "unused", "default": "1"}]}


@pytest.mark.parametrize(
    ("settings", "restarts"),
    [
        ({"roles": {"worker": {"members": 5}}}, False),
        ({"roles": {"other": {"members": 5, "env": {"Y": "1"}}}}, False),
        ({"parameters": {"unused": "2"}}, False),
        ({"service_type": "NodePort"}, False),
        ({"roles": {"worker": {"service_annotations": {"a": "b"}}}}, False),
        ({"parameters": {"colour": "blue"}}, True),
        ({"roles": {"worker": {"config": {"b": "c"}}}}, True),
        ({"roles": {"worker": {"env": {"X": "2"}}}}, True),
        ({"roles": {"worker": {"image": "y"}}}, True),
        ({"roles": {"worker": {"resources": {"cpu_limit": "2"}}}}, True),
        ({"roles": {"worker": {"pod_labels": {"team": "a"}}}}, True),
        ({"roles": {"worker": {"pod_annotations": {"team": "a"}}}}, True),
        ({"roles": {"worker": {"secret_env": {"P": {"secret": "s", "key": "k"}}}}}, True),
        ({"roles": {"worker": {"node_selector": {"disk": "ssd"}}}}, True),
    ],
)
def test_members_restart_exactly_when_what_they_read_changes(settings, restarts):
    def one(**spec):
        roles = [READER, {"id": "other", "cardinality": "0+"}]
        found = engine.stages(demo(*roles, services=[API], app=APP, **spec))
        (stage,) = (stage for stage in found if stage.role == "worker")
        carried = stage.objects[-1]["spec"]["template"]["metadata"]["annotations"]
        assert carried["baremetal.bigdata/template-hash"] == stage.contract.template_hash
        return stage.contract.template_hash

    assert (one(**settings) != one()) is restarts


def test_a_connected_secret_or_a_new_member_does_not_change_the_hash_of_a_guest():
    guest = {"guest": {"package": "file:///opt/a.tgz"}, "cardinality": "0+"}

    def one(role=guest, **settings):
        return engine.stages(demo(role, **settings), AGENT)[0].contract.template_hash

    assert one(roles={"worker": {"members": 3}}) == one()
    assert one({**guest, "guest": {"package": "file:///opt/b.tgz"}}) != one()
