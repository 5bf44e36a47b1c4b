# SPDX-License-Identifier: GPL-3.0-or-later
"""Names of variables that nothing knows are said with the nearest that something does."""

from pathlib import Path

import pytest
import yaml
from ansible_collections.baremetal.bigdata.plugins.filter.unknown_role_variables import unknown_role_variables
from ansible_collections.baremetal.bigdata.plugins.filter.unknown_variables import unknown_variables

KNOWN = ["app_cluster", "app_state"]


def test_known_names_and_the_sites_own_are_taken():
    assert unknown_variables(["app_state", "app_cluster", "app_team"], KNOWN, own=["app_te*"]) == []


def test_an_unknown_name_is_said_with_the_nearest():
    assert unknown_variables(["app_sate", "app_xyzzy"], KNOWN) == [
        "app_sate: expected a variable that the playbook knows, one of app_cluster, app_state. Did you mean app_state?"
        " If the name is the site's own, add it to preflight_own_variables.",
        "app_xyzzy: expected a variable that the playbook knows, one of app_cluster, app_state. Remove or rename it."
        " If the name is the site's own, add it to preflight_own_variables.",
    ]


@pytest.mark.parametrize(
    ("name", "owner", "remedy"),
    [
        ("apps_enable", "the playbook apps", "misspelt: did you mean apps_enabled?"),
        ("apps_enabeld", "the playbook apps", "misspelt: did you mean apps_enabled?"),
        ("app_enabled", "a role or a playbook", "misspelt: did you mean apps_enabled?"),
        ("app_cluster", "a role or a playbook", "misspelt: did you mean app_clusters?"),
        ("app_clusers", "a role or a playbook", "misspelt: did you mean app_clusters?"),
        ("apps_wanted", "the playbook apps", "remove or rename it"),
        ("hazelcast_replcas", "the role hazelcast", "misspelt: did you mean hazelcast_replicas?"),
        ("spark_wokers", "the role spark", "misspelt: did you mean spark_workers?"),
    ],
)
def test_misspelt_variables_of_apps_are_said_with_the_nearest(name, owner, remedy):
    assert unknown_role_variables([name]) == [
        f"Expected the name of a variable that {owner} knows, found {name} (variable of localhost); {remedy}; if the "
        "name is the site's own, add it to preflight_own_variables."
    ]
    assert unknown_role_variables([name], own=[name]) == []


def test_variables_of_apps_playbooks_and_kubespray_are_known():
    listed = yaml.safe_load((Path(__file__).parents[2] / "playbooks/vars/variables.yml").read_text())
    others = {name for kind in ("app", "discover", "mirror", "render") for name in listed["__playbook_variables"][kind]}
    names = [
        "apps_enabled",
        "app_clusters",
        "app_cluster_timeout",
        "hazelcast_name",
        "etcd_member_name",
        "kube_version",
    ]
    assert unknown_role_variables([*names, *others - {"app_cluster"}, "site_apps", "groups", "playbook_dir"]) == []
