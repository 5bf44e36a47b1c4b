# SPDX-License-Identifier: GPL-3.0-or-later
"""KubeDirector's dialect: what it becomes, and what is said about definitions and clusters that cannot be honoured."""

from __future__ import annotations

import copy
import functools
import string
from fractions import Fraction
from pathlib import Path

import pytest
import yaml
from ansible_collections.baremetal.bigdata.plugins.filter.app_forbidden_changes import app_forbidden_changes
from ansible_collections.baremetal.bigdata.plugins.filter.app_manifests import app_manifests
from ansible_collections.baremetal.bigdata.plugins.filter.app_translate import app_translate
from ansible_collections.baremetal.bigdata.plugins.module_utils.app.dialects import document as app_documents
from ansible_collections.baremetal.bigdata.plugins.module_utils.app.dialects.changes import forbidden_changes
from ansible_collections.baremetal.bigdata.plugins.module_utils.app.dialects.kubedirector.app import persisted
from ansible_collections.baremetal.bigdata.plugins.module_utils.app.dialects.kubedirector.fields import (
    object_name,
    slug,
)
from ansible_collections.baremetal.bigdata.plugins.module_utils.app.dialects.kubedirector.translate import (
    DialectError,
    is_kubedirector,
    minimal_cluster,
    translate,
)
from ansible_collections.baremetal.bigdata.plugins.module_utils.app.model.load import load_app, load_cluster
from ansible_collections.baremetal.bigdata.plugins.module_utils.app.model.reader import AppError
from ansible_collections.baremetal.bigdata.plugins.module_utils.app.render import objects as app_render
from ansible_collections.baremetal.bigdata.plugins.module_utils.app.render.guest import guest_contract
from ansible_collections.baremetal.bigdata.plugins.module_utils.app.run.guest import config_meta
from ansible_collections.baremetal.bigdata.plugins.module_utils.kube.quantity import quantity
from ansible_collections.baremetal.bigdata.plugins.plugin_utils.guest_agent import agent_programs
from hypothesis import assume, given, settings
from hypothesis import strategies as st

FIXTURES = Path(__file__).resolve().parents[4] / "fixtures/kubedirector"
LIMITS = {"limits": {"memory": "1Gi", "cpu": "1"}}


@functools.cache
def read(path, kinds):
    return app_documents.pick(app_documents.read(str(path)), kinds).data


def definition(name):
    return copy.deepcopy(read(next(FIXTURES.glob(f"{name}-app.*")), app_documents.APP_KINDS))


def cluster(name):
    return copy.deepcopy(read(FIXTURES / f"{name}-cluster.yaml", app_documents.CLUSTER_KINDS))


def changed(document, path, value):
    """A copy with the value at a path with slashes; numbers are list positions, and ... removes."""
    result = copy.deepcopy(document)
    target = result
    *parents, last = [int(part) if part.isdigit() else part for part in path.split("/")]
    for part in parents:
        target = target[part] if isinstance(part, int) else target.setdefault(part, {})
    if value is ...:
        del target[last]
    elif isinstance(last, int) and last == len(target):
        target.append(value)
    else:
        target[last] = value
    return result


def accepted(app, chosen=None, **arguments):
    """A translation, after the model and the renderer have taken it."""
    result = translate(app, chosen, **arguments)
    loaded = load_cluster(result.cluster, load_app(result.app))
    assert app_render.render(loaded, agent_programs())
    return result


def role_of(result, name):
    return next(role for role in result.app["spec"]["roles"] if role["id"] == name)


@pytest.mark.parametrize("name", ["spark", "cassandra", "everything"])
def test_whole_translations(name):
    expected = yaml.safe_load((FIXTURES / f"{name}-translated.yaml").read_text())
    result = accepted(definition(name), cluster(name))
    assert {"notes": result.notes, "app": result.app, "cluster": result.cluster} == expected


@pytest.mark.parametrize("name", ["spark", "cassandra", "everything"])
def test_a_definition_alone_gives_its_smallest_cluster(name):
    app = definition(name)
    smallest = minimal_cluster(app)
    result = accepted(app)
    assert result.cluster == accepted(app, smallest).cluster
    members = {role: chosen["members"] for role, chosen in result.cluster["spec"]["roles"].items()}
    assert (
        members
        == {
            "spark": {"spark-master": 1, "spark-worker": 1, "notebook": 0},
            "cassandra": {"seed": 2, "worker": 0},
            "everything": {"loadbalancer": 1, "rest-server-v1": 1, "extra": 0},
        }[name]
    )


def test_the_smallest_cluster_has_what_its_roles_need():
    app = changed(definition("spark"), "spec/roles/1/minStorage", {"size": "8Gi"})
    worker = minimal_cluster(app)["spec"]["roles"][1]
    assert worker["resources"]["requests"] == {"cpu": "1", "memory": "1Gi"}
    assert worker["storage"] == {"size": "8Gi"}


def test_the_smallest_cluster_of_optional_roles_has_one_member():
    app = changed(definition("cassandra"), "spec/roles/0/cardinality", "0+")
    assert accepted(app).cluster["spec"]["roles"]["seed"]["members"] == 1


# One change each to spark-app.json or spark-cluster.yaml, and all that is said about it.
REFUSED = yaml.safe_load((FIXTURES / "refused.yaml").read_text())


@pytest.mark.parametrize("bad", REFUSED, ids=[bad["name"].replace(" ", "-") for bad in REFUSED])
def test_what_is_refused(bad):
    app, chosen = definition("spark"), cluster("spark")
    value = ... if bad.get("remove") else bad["value"]
    if bad["document"] == "definition":
        app = changed(app, bad["path"], value)
    else:
        chosen = changed(chosen, bad["path"], value)
    with pytest.raises(DialectError) as error:
        translate(app, chosen)
    assert error.value.document == bad["document"]
    assert [str(problem) for problem in error.value.problems] == bad["says"]


def test_each_of_thirty_and_more_has_a_message_of_its_own():
    assert len({tuple(bad["says"]) for bad in REFUSED}) == len(REFUSED) >= 30


def test_one_port_twice_in_a_role_is_refused():
    app = changed(definition("spark"), "spec/services/5", {"id": "http-alt", "endpoint": {"port": 8080}})
    app["spec"]["config"]["roleServices"][0]["serviceIDs"].append("http-alt")
    with pytest.raises(DialectError) as error:
        translate(app)
    assert str(error.value) == (
        "spec.config.roleServices[0].serviceIDs: expected a port for each service of a role, found master-ui and "
        "http-alt both on 8080. Kubernetes takes a port once in a Service. Remove one of the services."
    )


def test_what_is_there_twice_and_does_no_harm_is_told():
    app = changed(definition("spark"), "spec/capabilities", ["CAP_SYS_ADMIN", "NET_RAW", "sys_admin"])
    twice = {"clusters": ["other", "other"], "secrets": ["a", "b", "a"]}
    result = accepted(app, changed(cluster("spark"), "spec/connections", twice))
    assert role_of(result, "spark-worker")["security"]["capabilities"] == ["SYS_ADMIN", "NET_RAW"]
    assert result.cluster["spec"]["connections"] == {"clusters": ["other"], "secrets": ["a", "b"]}
    assert [note for note in result.notes if "already" in note] == [
        "spec.capabilities[2] has no effect: SYS_ADMIN is there already.",
        "spec.connections.clusters[1] has no effect: other is there already.",
        "spec.connections.secrets[2] has no effect: a is there already.",
    ]
    assert accepted(definition("spark"), cluster("spark")).notes == [n for n in result.notes if "already" not in n]


def test_all_problems_are_told_at_once():
    app = changed(changed(definition("spark"), "spec/version", ...), "spec/roles/0/cardinality", "many")
    with pytest.raises(DialectError) as error:
        translate(app)
    assert [problem.path for problem in error.value.problems] == ["spec.version", "spec.roles[0].cardinality"]


@pytest.mark.parametrize("document", [None, [], "text", 3, {}, {"spec": []}, {"spec": {"roles": [None, 1]}}])
def test_what_is_no_document_is_refused_without_a_traceback(document):
    head = {"apiVersion": "kubedirector.hpe.com/v1beta1"}
    if isinstance(document, dict):
        with pytest.raises(DialectError):
            translate({**head, "kind": "KubeDirectorApp", **document})
        document = {**head, "kind": "KubeDirectorCluster", **document}
        with pytest.raises(DialectError):
            translate(definition("spark"), document)
    elif document is not None:
        with pytest.raises(AppError):
            translate(document, cluster("spark"))


# A config package: absent is the default, null is none, an object is that one.


@pytest.mark.parametrize(
    ("default", "own", "expected"),
    [
        (..., ..., None),
        (None, ..., None),
        ("d", ..., "d"),
        (..., None, None),
        ("d", None, None),
        (..., "o", "o"),
        (None, "o", "o"),
        ("d", "o", "o"),
    ],
)
@pytest.mark.parametrize("version", ["kubedirector.hpe.com/v1beta1", "kubedirector.bluedata.io/v1alpha1"])
def test_absent_null_and_an_object_are_three_things(version, default, own, expected):
    def package(name):
        return {"packageURL": f"file:///opt/{name}.tgz"} if name else name

    app = changed(definition("spark"), "apiVersion", version)
    app = changed(app, "spec/defaultConfigPackage", default if default is ... else package(default))
    if own is not ...:
        app = changed(app, "spec/roles/0/configPackage", package(own))
    guest = role_of(accepted(app), "spark-master").get("guest")
    assert (guest and guest["package"]) == (f"file:///opt/{expected}.tgz" if expected else None)


@pytest.mark.parametrize("field", ["persistDirs", "eventList", "imageRepoTag"])
def test_for_other_fields_null_is_absent(field):
    app = changed(definition("everything"), f"spec/roles/0/{field}", None)
    given = definition("everything")
    given["spec"]["roles"][0].pop(field, None)
    assert translate(app, cluster("everything")).app == translate(given, cluster("everything")).app


def test_an_image_is_the_roles_own_or_the_default():
    result = accepted(definition("spark"))
    assert role_of(result, "spark-worker")["image"] == "registry.example/apps/spark:3.5.1"
    assert role_of(result, "notebook")["image"] == "registry.example/apps/spark-notebook:3.5.1"


@pytest.mark.parametrize(
    ("package", "own", "expected"),
    [
        (None, [], ["/etc"]),
        (None, ["/data", "/etc/app"], ["/etc", "/data"]),
        ({"packageURL": "file:///a.tgz"}, ["/opt/app", "/srv"], ["/etc", "/opt", "/usr", "/srv"]),
        (
            {"packageURL": "file:///a.tgz", "useNewSetupLayout": True},
            ["/usr/local", "/opt/guestconfig/app", "/home"],
            ["/etc", "/opt/guestconfig", "/var/log/guestconfig", "/usr/local", "/home"],
        ),
    ],
)
def test_what_persists(package, own, expected):
    app = changed(definition("spark"), "spec/roles/0/persistDirs", own)
    app = changed(app, "spec/roles/0/configPackage", package)
    assert role_of(accepted(app, cluster("spark")), "spark-master")["storage"] == [
        {"id": "data", "paths": expected, "populate": True}
    ]


def test_nothing_persists_without_storage_in_the_cluster():
    chosen = changed(cluster("spark"), "spec/roles/0/storage", None)
    assert "storage" not in role_of(accepted(definition("spark"), chosen), "spark-master")


def test_a_persisted_directory_that_systemd_needs_is_refused():
    app = changed(definition("spark"), "spec/systemdRequired", True)
    app = changed(app, "spec/roles/0/persistDirs", ["/tmp"])
    with pytest.raises(DialectError, match="persistDirs has /tmp, which systemd needs in memory"):
        translate(app, cluster("spark"))


def test_minimum_storage_may_be_left_out_only_where_the_definition_says_so():
    chosen = changed(cluster("spark"), "spec/roles/0/storage", ...)
    app = changed(definition("spark"), "spec/roles/0/minStorage", {"size": "20Gi", "ephemeralModeSupported": True})
    accepted(app, chosen)
    app["spec"]["roles"][0]["minStorage"]["ephemeralModeSupported"] = False
    with pytest.raises(DialectError, match="storage of at least 20Gi by the definition's minStorage, found nothing"):
        translate(app, chosen)
    accepted(app, cluster("spark"))
    app["spec"]["roles"][0]["minStorage"]["size"] = "21Gi"
    with pytest.raises(DialectError, match=r"storage\.size: expected at least 21Gi"):
        translate(app, cluster("spark"))


# Roles that are not selected exist only if the cluster names them.


@pytest.mark.parametrize(
    ("cardinality", "named", "ok"),
    [("2", None, True), ("2", 2, True), ("2", 1, False), ("2+", None, True), ("2+", 3, True), ("2+", 1, False)],
)
def test_a_role_that_is_not_selected(cardinality, named, ok):
    app = changed(definition("spark"), "spec/roles/2/cardinality", cardinality)
    app = changed(app, "spec/config/selectedRoles/2", ...)
    chosen = cluster("spark")
    if named is not None:
        chosen = changed(chosen, "spec/roles/2", {"id": "notebook", "members": named, "resources": LIMITS})
    if not ok:
        with pytest.raises(DialectError, match="members of role notebook, found 1"):
            translate(app, chosen)
        return
    assert accepted(app, chosen).cluster["spec"]["roles"]["notebook"]["members"] == (named or 0)


def test_a_selected_role_has_to_be_named():
    app = changed(definition("spark"), "spec/roles/2/cardinality", "1+")
    with pytest.raises(DialectError, match="expected the mandatory role notebook, found spark-master, spark-worker"):
        translate(app, cluster("spark"))


# Names and quotes as people write them.


def test_numbers_and_truth_values_may_be_quoted_or_not():
    app = changed(definition("spark"), "spec/roles/0/cardinality", 1)
    app = changed(app, "spec/services/0/endpoint/port", "8080")
    app = changed(app, "spec/services/0/endpoint/isDashboard", "True")
    app = changed(app, "spec/version", 3)
    result = accepted(app, changed(cluster("spark"), "spec/roles/1/members", "3"))
    assert result.app["metadata"]["version"] == "3"
    assert result.cluster == accepted(definition("spark"), cluster("spark")).cluster


def test_v1alpha1_in_all_its_spellings():
    snake = definition("cassandra")
    first = copy.deepcopy(snake)
    spec = first["spec"]
    spec["image"] = {"repoTag": spec.pop("default_image_repo_tag")}
    package = spec.pop("default_config_package")
    spec["setup_package"] = {"config_api_version": 7, "import_url": package["package_url"]}
    spec["persist_dirs"] = spec.pop("default_persist_dirs")
    del spec["config_schema_version"]
    assert translate(first).app == translate(snake).app

    camel = definition("spark")
    later = changed(camel, "apiVersion", "kubedirector.bluedata.io/v1alpha1")
    assert translate(later).app == translate(camel).app


def test_messages_use_the_names_that_the_document_uses():
    app = definition("cassandra")
    app["spec"]["config"]["role_services"][0]["role_id"] = "sead"
    with pytest.raises(DialectError, match=r"spec\.config\.role_services\[0\]\.role_id: .* Did you mean seed\?"):
        translate(app)
    both = changed(definition("cassandra"), "spec/distroID", "example/other")
    with pytest.raises(DialectError, match=r"spec\.distro_id: expected one of .* found an unknown field"):
        translate(both)


def test_a_service_that_had_to_be_renamed_keeps_its_endpoint_for_start_scripts():
    app = changed(definition("spark"), "spec/services/0/id", "9p")
    app = changed(app, "spec/config/roleServices/0/serviceIDs/0", "9p")
    result = accepted(app)
    assert result.app["spec"]["services"][0]["id"] == "s-9p"
    assert role_of(result, "spark-master")["services"] == ["s-9p", "spark-master"]
    told = role_of(result, "spark-master")["guest"]["services"][0]
    assert told == {"id": "9p", "name": "Spark master", "service": "s-9p"}
    loaded = load_cluster(result.cluster, load_app(result.app))
    meta = config_meta(guest_contract(loaded), "spark35-spark-master-0")
    service = meta["nodegroups"]["1"]["roles"]["spark-master"]["services"]["9p"]
    assert [endpoint.rsplit(":", 1)[1] for endpoint in service["endpoints"]] == ["8080"]


def test_start_scripts_know_roles_and_services_as_the_definition_does():
    result = accepted(definition("everything"), cluster("everything"))
    meta = config_meta(
        guest_contract(load_cluster(result.cluster, load_app(result.app))), "engine-prod-6eefbd-loadbalancer-0"
    )
    assert (meta["version"], meta["node"]["role_id"], list(meta["distros"])) == (
        "8",
        "LoadBalancer",
        ["example/engine"],
    )
    roles = meta["nodegroups"]["1"]["roles"]
    assert set(roles) == {"LoadBalancer", "rest_server.v1"}
    assert set(roles["rest_server.v1"]["services"]) == {"api", "httpd"}
    assert roles["rest_server.v1"]["services"]["httpd"]["endpoints"] == []
    assert meta["nodegroups"]["1"]["config_metadata"] == {"engine": "python", "workers": "4", "secure": "true"}
    assert roles["LoadBalancer"]["secret_keys"] == {"admin": "hush"}


def test_two_roles_whose_names_become_one_stay_two():
    app = changed(definition("spark"), "spec/roles/3", {"id": "Notebook", "cardinality": "0+"})
    names = [role["id"] for role in accepted(app).app["spec"]["roles"]]
    assert names[:3] == ["spark-master", "spark-worker", "notebook"]
    assert len(set(names)) == 4


def test_names_that_had_to_change_are_told():
    notes = translate(definition("everything"), cluster("everything")).notes
    assert "role LoadBalancer is called loadbalancer in names and labels." in notes
    assert "cluster engine.prod is called engine-prod-6eefbd in names and labels." in notes


# What surrounds a translation: namespace, type of Services, images, our own dialect.


def test_namespace_and_type_of_services():
    plain = accepted(definition("cassandra"), changed(cluster("cassandra"), "spec/serviceType", ...))
    assert plain.cluster["metadata"]["namespace"] == "default"
    assert plain.cluster["spec"]["create_namespace"] is False
    assert plain.cluster["spec"]["service_type"] == "NodePort"
    chosen = accepted(definition("spark"), cluster("spark"), namespace="lab", service_type="LoadBalancer")
    assert chosen.cluster["metadata"]["namespace"] == "lab"
    assert chosen.cluster["spec"]["service_type"] == "LoadBalancer"
    assert accepted(definition("cassandra"), cluster("cassandra")).cluster["spec"]["service_type"] == "LoadBalancer"


def test_images_are_swapped_by_either_name_of_a_role():
    images = {"rest_server.v1": "lab/rest:1", "loadbalancer": "lab/balancer:1"}
    roles = accepted(definition("everything"), cluster("everything"), images=images).cluster["spec"]["roles"]
    assert (roles["rest-server-v1"]["image"], roles["loadbalancer"]["image"]) == ("lab/rest:1", "lab/balancer:1")
    with pytest.raises(DialectError, match=r"images\.worker: expected a role of this app .* Did you mean spark-worker"):
        translate(definition("spark"), images={"worker": "x"})
    with pytest.raises(DialectError, match=r"images\.notebook: expected an image such as .*, found 'a b'"):
        translate(definition("spark"), images={"notebook": "a b"})


OWN_APP = {
    "kind": "App",
    "metadata": {"name": "demo", "version": "1"},
    "spec": {"roles": [{"id": "server", "cardinality": "1+"}]},
}
OWN_CLUSTER = {"kind": "AppCluster", "metadata": {"name": "one", "namespace": "a"}, "spec": {"app": "demo"}}


def test_our_own_dialect_passes_through():
    result = translate(OWN_APP, OWN_CLUSTER, namespace="b", images={"server": "x:1"})
    assert result.app == OWN_APP
    assert result.cluster["metadata"] == {"name": "one", "namespace": "b"}
    assert result.cluster["spec"]["roles"] == {"server": {"image": "x:1"}}
    assert OWN_CLUSTER["metadata"]["namespace"] == "a"
    assert "roles" not in OWN_CLUSTER["spec"]
    alone = translate(OWN_APP, images={"server": "x:1"})
    assert load_cluster(alone.cluster, load_app(alone.app)).roles["server"].members == 1


@pytest.mark.parametrize("roles", [5, -1, True, 1.5, "server", {"server": {}}])
def test_what_is_no_list_of_roles_is_named_by_the_loader(roles):
    bad = changed(OWN_APP, "spec/roles", roles)
    for chosen in (OWN_CLUSTER, None):
        with pytest.raises(AppError, match=r"spec\.roles: expected a list, found "):
            load_app(translate(bad, chosen).app)


@pytest.mark.parametrize("images", [None, {"server": "x:1"}])
@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("metadata", "metadata: expected a mapping, found "),
        ("spec", "spec: expected a mapping, found "),
        ("spec/roles", "spec.roles: expected a mapping, found "),
        ("spec/roles/server", "spec.roles.server: expected a mapping, found "),
    ],
)
@pytest.mark.parametrize("value", [5, True, "x", [], [1], [{"secretKeys": 5}]])
def test_settings_of_another_shape_are_named_by_the_loader(path, message, value, images):
    found = translate(OWN_APP, changed(OWN_CLUSTER, path, value), images=images)
    with pytest.raises(AppError) as error:
        load_cluster(found.cluster, load_app(found.app))
    assert message in str(error.value)


@pytest.mark.parametrize("chosen", [5, True, "x", [1], []])
@pytest.mark.parametrize("name", ["own", "spark"])
def test_a_cluster_is_a_mapping(name, chosen):
    with pytest.raises(DialectError, match=r"^\(document\): expected a mapping, found ") as error:
        translate(OWN_APP if name == "own" else definition(name), chosen)
    assert error.value.document == "cluster"


HALF = "expected texts of whole characters, found half a character, \\ud800. Write the character itself."


@pytest.mark.parametrize(
    ("document", "path", "value", "where"),
    [
        ("definition", "metadata/name", "a\ud800", "metadata.name"),
        ("definition", "spec/roles/0/id", "a\ud800", "spec.roles[0].id"),
        ("definition", "spec/config/configMeta", {"a\ud800": "x"}, "spec.config.configMeta"),
        ("definition", "a\ud800", ["\ud800"], "(document)"),
        ("cluster", "metadata/name", "a\ud800", "metadata.name"),
        ("cluster", "spec/connections/clusters", ["a\ud800"], "spec.connections.clusters[0]"),
        ("cluster", "spec/roles/0/secretKeys/0/value", "a\ud800", "spec.roles[0].secretKeys[0].value"),
        ("images", "extra", "a\ud800", "images.extra"),
    ],
)
def test_half_a_character_is_no_text(document, path, value, where):
    """Ansible's own variables can hold one. It cannot be written, nor can a message with it."""
    good = {"definition": definition("everything"), "cluster": cluster("everything"), "images": {"extra": "x"}}
    bad = {**good, document: changed(good[document], path, value)}
    with pytest.raises(DialectError) as error:
        translate(bad["definition"], bad["cluster"], images=bad["images"])
    assert (str(error.value.problems[0]), error.value.document) == (f"{where}: {HALF}", document)
    assert str(error.value).encode()
    if document == "definition":
        with pytest.raises(DialectError, match=HALF[:30]):
            translate(bad["definition"])
    if document == "cluster":
        assert forbidden_changes(translate(good["definition"], good["cluster"]).record, bad["cluster"], False) == []


def test_half_a_character_is_no_text_in_our_own_dialect():
    for app, chosen in ((OWN_APP, {**OWN_CLUSTER, "a": "\ud800"}), ({**OWN_APP, "a": "\ud800"}, None)):
        with pytest.raises(DialectError) as error:
            translate(app, chosen)
        assert str(error.value) == f"a: {HALF}"


@pytest.mark.parametrize(
    ("document", "path"),
    [
        ("definition", "spec/roles/0/cardinality"),
        ("definition", "spec/configSchemaVersion"),
        ("definition", "spec/roles/0/minResources/memory"),
        ("cluster", "spec/roles/0/members"),
        ("cluster", "spec/roles/0/resources/limits/memory"),
    ],
)
def test_a_number_without_an_end_is_none(document, path):
    """Python reads no number of so many digits, and says so by an error of its own."""
    given = {"definition": definition("everything"), "cluster": cluster("everything")}
    given[document] = changed(given[document], path, "9" * 5000)
    with pytest.raises(DialectError, match=r"found '9{200}' and 4800 characters more"):
        translate(given["definition"], given["cluster"])


TEXTS = st.characters() | st.just("\ud800")
KEYS = st.sampled_from(["id", "name", "roles", "spec", "members", "\ud800"]) | st.integers() | st.booleans()
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(TEXTS, max_size=6) | st.binary(max_size=1),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(KEYS, inner, max_size=2),
    max_leaves=4,
)


def spots(node, path=()):
    """Every place of a document."""
    inner = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    return [path, *(spot for key, value in inner for spot in spots(value, (*path, key)))]


def replaced(node, path, value):
    """A copy with the value at a place."""
    if not path:
        return value
    if isinstance(node, dict):
        return {key: replaced(item, path[1:], value) if key == path[0] else item for key, item in node.items()}
    return [replaced(item, path[1:], value) if number == path[0] else item for number, item in enumerate(node)]


DOCUMENTS = [
    (OWN_APP, {**OWN_CLUSTER, "spec": {"app": "demo", "roles": {"server": {"image": "x", "storage": {}}}}}),
    (definition("everything"), cluster("everything")),
    (definition("spark"), translate(definition("spark"), cluster("spark")).cluster),
]


@settings(max_examples=300)
@given(data=st.data())
def test_nothing_crashes_the_translation(data):
    app, chosen = data.draw(st.sampled_from(DOCUMENTS))
    value = data.draw(ANYTHING)
    if data.draw(st.booleans()):
        app = replaced(app, data.draw(st.sampled_from(spots(app))), value)
    else:
        chosen = replaced(chosen, data.draw(st.sampled_from(spots(chosen))), value)
    images = data.draw(st.sampled_from([None, {"server": "x"}, {"spark-master": "x"}]))
    says = ""
    try:
        found = translate(app, chosen, data.draw(st.sampled_from(["", "n"])), images=images)
        load_cluster(found.cluster, load_app(found.app))
        forbidden_changes(found.record, chosen or {})
    except AppError as error:
        says = str(error)
    # It can be written.
    says.encode()


def test_our_settings_fit_a_definition_of_kubedirectors():
    chosen = {
        "kind": "AppCluster",
        "metadata": {"name": "one", "namespace": "a"},
        "spec": {"app": "spark35", "roles": {"spark-worker": {"members": 4, "storage": {"data": {"size": "5Gi"}}}}},
    }
    result = accepted(definition("spark"), chosen)
    assert "storage" in role_of(result, "spark-worker")
    assert "storage" not in role_of(result, "spark-master")


def test_a_cluster_of_kubedirectors_does_not_fit_our_definition():
    with pytest.raises(DialectError, match="kind: expected AppCluster, as the definition is of kind App"):
        translate(OWN_APP, cluster("spark"))


def test_inputs_are_left_as_they_are():
    app, chosen = definition("everything"), cluster("everything")
    before = copy.deepcopy((app, chosen))
    translate(app, chosen, namespace="other", images={"extra": "x"})
    assert (app, chosen) == before


# What may not change while members live.


def forbidden(path, value, base=None, strict=True):
    old = base or cluster("spark")
    return [str(problem) for problem in forbidden_changes(old, changed(old, path, value), strict)]


def test_the_number_of_members_may_change_and_nothing_else():
    assert forbidden("spec/roles/1/members", 5) == []
    assert forbidden("spec/roles/2", {"id": "notebook", "resources": LIMITS}) == []
    assert forbidden("spec/roles/1", ...) == []
    assert forbidden("metadata/labels", {"a": "b"}) == []
    assert forbidden("spec/roles/0/storage/storageClassName", "fast") == [
        'spec.roles[0].storage: expected {"size": "20Gi"} as before, while role spark-master has members, '
        'found {"size": "20Gi", "storageClassName": "fast"}. Take the role to 0 members first.'
    ]
    assert forbidden("spec/roles/1/sharedMemory", "1Gi") == [
        "spec.roles[1].sharedMemory: expected nothing as before, while role spark-worker has members, found '1Gi'. "
        "Take the role to 0 members first, or allow the change: its members then restart one by one."
    ]
    assert len(forbidden("spec/roles/1/resources/limits/memory", "8Gi")) == 1
    assert forbidden("spec/app", "spark36") == [
        "spec.app: expected 'spark35' as before, found 'spark36'. "
        "Remove the cluster first, or choose another name for the new one."
    ]
    assert forbidden("spec/appCatalog", "system") == [
        "spec.appCatalog: expected 'local' as before, found 'system'. "
        "Remove the cluster first, or choose another name for the new one."
    ]


def test_allowed_changes_stop_at_volumes():
    assert forbidden("spec/roles/1/resources/limits/memory", "8Gi", strict=False) == []
    assert forbidden("spec/roles/0/storage/size", "30Gi", strict=False) == [
        'spec.roles[0].storage: expected {"size": "20Gi"} as before, while role spark-master has members, '
        'found {"size": "30Gi"}. Take the role to 0 members first.'
    ]
    assert len(forbidden("spec/roles/0/storage", ..., strict=False)) == 1


def test_what_makes_no_difference_is_no_change():
    assert forbidden("spec/roles/0/members", 1) == []
    assert forbidden("spec/roles/1/env", None) == []
    assert forbidden("spec/roles/1/env", []) == []
    assert forbidden("spec/roles/1/resources/limits/cpu", 2) == []


def test_a_role_without_members_may_change():
    old = changed(cluster("spark"), "spec/roles/1/members", 0)
    assert forbidden("spec/roles/1/resources/limits/memory", "8Gi", old) == []


def test_secret_values_are_compared_and_never_kept():
    chosen = cluster("everything")
    record = translate(definition("everything"), chosen).record
    assert "hush" not in str(record)
    assert "uid" not in str(record)
    assert forbidden_changes(record, chosen) == []
    assert len(forbidden_changes(record, changed(chosen, "spec/roles/0/secretKeys/0/value", "other"))) == 1


def test_our_own_clusters_keep_app_and_volumes():
    old = changed(OWN_CLUSTER, "spec/roles", {"server": {"members": 2, "storage": {"data": {"size": "1Gi"}}}})
    assert forbidden("spec/roles/server/resources", {"cpu_limit": "1"}, old) == []
    assert forbidden("spec/roles/server/storage", {}, old) == []
    assert len(forbidden("spec/roles/server/storage/data/size", "2Gi", old)) == 1
    assert len(forbidden("spec/app", "other", old)) == 1
    assert [problem.path for problem in forbidden_changes(OWN_CLUSTER, cluster("spark"))] == ["kind"]


def test_nothing_known_forbids_nothing():
    assert forbidden_changes({}, cluster("spark")) == forbidden_changes(None, cluster("spark")) == []


# The filters.


def test_filters():
    found = app_translate(definition("spark"), cluster("spark"), images={"notebook": "x:1"})
    assert set(found) == {"app", "cluster", "notes", "record", "former"}
    with pytest.raises(Exception, match=r"the cluster cannot be used:\nspec\.serviceType: expected one of"):
        app_translate(definition("spark"), changed(cluster("spark"), "spec/serviceType", "Port"))
    with pytest.raises(Exception, match="the app definition cannot be used:\nkind: expected KubeDirectorApp"):
        app_translate(changed(definition("spark"), "kind", "KubeDirectorConfig"))
    with pytest.raises(Exception, match="service_type: expected one of ClusterIP, NodePort, LoadBalancer, found 'x'"):
        app_translate(definition("spark"), service_type="x")
    assert app_forbidden_changes(found["record"], cluster("spark")) == []


def test_manifests_are_numbered_and_secrets_are_private():
    objects = [{"kind": kind, "metadata": {"name": "a"}} for kind in ("Namespace", "Secret")]
    files = app_manifests(objects, "/srv", "# mark")
    assert [item["dest"] for item in files] == ["/srv/01-namespace-a.yml", "/srv/02-secret-a.yml"]
    assert [(item["mode"], item["secret"]) for item in files] == [("0644", False), ("0600", True)]
    assert files[0]["content"].startswith("# mark\n")
    assert [yaml.safe_load(item["content"]) for item in files] == objects
    assert app_manifests(objects * 60, "/srv")[0]["dest"] == "/srv/001-namespace-a.yml"


# Properties.

NAMES = st.from_regex(r"\A(([A-Za-z0-9][-A-Za-z0-9_.]{0,61})?[A-Za-z0-9])\Z")
PARTS = st.lists(st.sampled_from(["a", "b", "etc", "opt", "ab"]), min_size=1, max_size=4)
PATHS = st.lists(PARTS.map(lambda parts: "/" + "/".join(parts)), max_size=6)
SUFFIXES = st.sampled_from(["", "m", "k", "M", "G", "Ki", "Mi", "Gi", "Pi", "E", "u", "e3"])
LABELS = st.dictionaries(st.sampled_from("abc"), st.one_of(st.integers(0, 2), st.none(), st.text("xy")), max_size=3)
# Two cores may be busy with something else.


@given(st.integers(0, 6), st.booleans(), st.integers(0, 9), st.booleans(), st.booleans())
def test_cardinality_is_kept(low, more, members, selected, named):
    """What KubeDirector would admit is accepted by the model, with so many members; anything else is refused."""
    app = changed(definition("spark"), "spec/roles/2/cardinality", f"{low}+" if more else str(low))
    if not selected:
        app = changed(app, "spec/config/selectedRoles/2", ...)
    chosen = cluster("spark")
    if named:
        chosen = changed(chosen, "spec/roles/2", {"id": "notebook", "members": members, "resources": LIMITS})
        admitted = members >= low if more else members == low
    else:
        admitted = not selected or low == 0
    if not admitted:
        with pytest.raises(DialectError):
            translate(app, chosen)
        return
    result = translate(app, chosen)
    loaded = load_cluster(result.cluster, load_app(result.app))
    assert loaded.roles["notebook"].members == (members if named else 0)


@given(text=NAMES, longest=st.integers(8, 40))
def test_every_name_becomes_one_that_the_model_takes(text, longest):
    name = slug(text, longest, "r")
    assert len(name) <= longest
    assert name[0] in string.ascii_lowercase
    assert name[-1] in string.ascii_lowercase + string.digits
    assert set(name) <= set(string.ascii_lowercase + string.digits + "-")
    assert "--" not in name
    assert slug(name, longest, "r") == name
    assert slug(text, longest, "r", [name]) != name


@given(one=NAMES, other=NAMES)
def test_no_two_clusters_become_one(one, other):
    if one != other:
        assert object_name(one, 40, "c") != object_name(other, 40, "c")
    assert len(object_name(one, 40, "c")) <= 40


def test_two_long_names_are_two_clusters_and_the_former_name_is_known():
    app = {
        "apiVersion": "kubedirector.hpe.com/v1beta1",
        "kind": "KubeDirectorApp",
        "metadata": {"name": "demo"},
        "spec": {
            "label": {"name": "Demo"},
            "distroID": "example/demo",
            "version": "1.0",
            "configSchemaVersion": 7,
            "defaultImageRepoTag": "registry.example/demo:1",
            "services": [{"id": "web", "label": {"name": "Web"}, "endpoint": {"port": 8080}}],
            "roles": [{"id": "node", "cardinality": "1+"}],
            "config": {"roleServices": [{"roleID": "node", "serviceIDs": ["web"]}], "selectedRoles": ["node"]},
        },
    }

    def of(name, called=""):
        limits = {"limits": {"memory": "1Gi", "cpu": "1"}}
        spec = {"app": "demo", "roles": [{"id": "node", "members": 1, "resources": limits}]}
        head = {"apiVersion": app["apiVersion"], "kind": "KubeDirectorCluster", "metadata": {"name": name}}
        return translate(app, {**head, "spec": spec}, called=called)

    blue, green = (of(f"analytics-platform-production-spark-blue-eu-{number}") for number in (1, 2))
    assert blue.cluster["metadata"]["name"] != green.cluster["metadata"]["name"]
    assert blue.former == green.former == "analytics-platform-production-spark-blue"
    assert of("spark").former == ""
    dotted, dashed = of("ubuntu18.04"), of("ubuntu18-04")
    assert dashed.cluster["metadata"]["name"] == "ubuntu18-04"
    assert dotted.cluster["metadata"]["name"].startswith("ubuntu18-04-")
    # One that runs under the name that an earlier release gave it keeps that.
    kept = translate(
        definition("spark"), changed(cluster("spark"), "metadata/name", "ubuntu18.04"), called=dotted.former
    )
    assert (kept.cluster["metadata"]["name"], kept.former) == ("ubuntu18-04", "")


@given(names=st.lists(NAMES, min_size=1, max_size=5, unique=True))
def test_any_roles_are_translated_and_told_under_their_own_names(names):
    app = definition("spark")
    app["spec"]["roles"] = [{"id": name, "cardinality": "1+"} for name in names]
    app["spec"]["config"] = {"roleServices": [{"roleID": name, "serviceIDs": ["driver"]} for name in names]}
    app["spec"]["config"]["selectedRoles"] = names
    result = translate(app)
    load_cluster(result.cluster, load_app(result.app))
    assert [role["guest"]["role"] for role in result.app["spec"]["roles"]] == names


@given(always=PATHS, own=PATHS)
def test_persisted_directories_cover_all_and_lie_beside_each_other(always, own):
    paths = persisted(always, own)

    def within(path, other):
        return path == other or path.startswith(other + "/")

    assert all(any(within(path, other) for other in paths) for path in (*always, *own))
    assert set(paths) <= {*always, *own}
    assert not any(within(one, other) for one in paths for other in paths if one is not other)
    assert persisted(paths, []) == paths


@given(number=st.integers(0, 10**6), suffix=SUFFIXES)
def test_quantities_keep_their_value(number, suffix):
    """A limit in any notation becomes one in the model's, of the same value, rounded up to what the model can say.

    A part of a byte is no memory.
    """
    text = f"{number}{suffix}"
    value = quantity(text)
    # Kubernetes counts no further.
    assume(value and value < 2**63)
    memory = text if value.denominator == 1 else "1Gi"
    chosen = changed(cluster("spark"), "spec/roles/0/resources", {"limits": {"memory": memory, "cpu": text}})
    result = translate(definition("spark"), chosen)
    resources = load_cluster(result.cluster, load_app(result.app)).roles["spark-master"].resources
    assert Fraction(0) <= quantity(resources.cpu_limit) - value < Fraction(1, 1000)
    assert Fraction(0) <= quantity(resources.memory_limit) - quantity(memory) < 1


@given(LABELS)
def test_a_cluster_never_forbids_itself(labels):
    document = changed(cluster("spark"), "spec/roles/0/podLabels", labels)
    assert forbidden_changes(document, copy.deepcopy(document)) == []


def test_dialects_are_told_apart():
    assert is_kubedirector(definition("spark"))
    assert is_kubedirector({"kind": "KubeDirectorApp"})
    assert not is_kubedirector(OWN_APP)
    assert not is_kubedirector("KubeDirectorApp")
