# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Names of hosts and groups, and what is refused. The plugin on a real API server is tested in tests/api."""

from __future__ import annotations

import re
import string

import pytest
from ansible.errors import AnsibleParserError
from ansible.utils.vars import isidentifier
from ansible_collections.baremetal.bigdata.plugins.inventory import app_members as plugin
from hypothesis import given
from hypothesis import strategies as st

# Label values and names, as Kubernetes takes them.
NAME = st.text(string.ascii_lowercase + string.digits + "-.", min_size=1, max_size=20).map(lambda text: f"a{text}z")


def member(pod, role="seed", **fields):
    return {
        "pod": pod, "namespace": "ns", "app": "cassandra", "instance": "orders-db", "role": role, "live_role": None,
        **fields,
    }  # fmt: skip


def test_groups_of_a_member():
    groups = plugin.checked_groups([member("orders-db-seed-0", live_role="UN")], several=False)
    assert groups == {
        name: ["orders-db-seed-0"]
        for name in (
            "app_cassandra", "orders_db", "orders_db_seed", "role_seed", "live_UN", "orders_db_live_UN",
        )
    }  # fmt: skip


def test_of_several_namespaces_hosts_and_clusters_are_told_apart():
    members = [member("db-seed-0", instance="db", namespace=namespace) for namespace in ("staging", "prod-1")]
    groups = plugin.checked_groups(members, several=True)
    assert groups["prod_1_db_seed"] == ["db-seed-0.prod-1"]
    assert groups["staging_db"] == ["db-seed-0.staging"]
    assert groups["role_seed"] == ["db-seed-0.staging", "db-seed-0.prod-1"]
    assert "db" not in groups


def test_a_pod_that_belongs_to_no_cluster_is_in_its_role_only():
    groups = plugin.checked_groups([member("dns-1", "kube-dns", app=None, instance=None)], several=False)
    assert groups == {"role_kube_dns": ["dns-1"]}


@pytest.mark.parametrize(
    ("members", "message"),
    [
        (
            [member("p", instance="a", role="b-c"), member("q", instance="a-b", role="c")],
            "the group a_b_c would stand for role of a cluster ns/a/b-c and for role of a cluster ns/a-b/c",
        ),
        (
            [member("p", instance="a-b"), member("q", instance="a.b")],
            "the group a_b would stand for cluster ns/a-b and for cluster ns/a.b",
        ),
        (
            [member("p", role="kube-dns"), member("q", instance=None, role="kube.dns")],
            "the group role_kube_dns would stand for role kube-dns and for role kube.dns",
        ),
        ([member("p", instance="all")], "the group all, for cluster ns/all, would also be a name of Ansible's own"),
        ([member("web", instance="web")], "the group web, for cluster ns/web, would also be a host"),
    ],
)
def test_one_group_never_has_two_meanings(members, message):
    with pytest.raises(AnsibleParserError) as error:
        plugin.checked_groups(members, several=False)
    assert message in str(error.value)
    assert "Narrow the inventory by" in str(error.value)


@given(st.lists(NAME, min_size=1, max_size=3))
def test_every_group_has_a_name_that_ansible_takes(parts):
    assert isidentifier(plugin.group_name(*parts))


def test_a_name_may_not_begin_with_a_digit():
    assert plugin.group_name("3-node") == "_3_node"


@pytest.mark.parametrize("path", ["app_members.yml", "site/prod.app_members.yaml"])
def test_files_that_are_its_own(tmp_path, path):
    file = tmp_path / path
    file.parent.mkdir(exist_ok=True)
    file.write_text("plugin: baremetal.bigdata.app_members\n")
    assert plugin.InventoryModule().verify_file(str(file))


def test_files_that_are_not(tmp_path):
    file = tmp_path / "hosts.yml"
    file.write_text("plugin: baremetal.bigdata.app_members\n")
    assert not plugin.InventoryModule().verify_file(str(file))
    assert not plugin.InventoryModule().verify_file(str(tmp_path / "app_members.yml"))


def test_the_documented_groups_are_those_that_there_are():
    documented = re.findall(r"C\(((?:[A-Za-z_]+_)?(?:APP|CLUSTER|ROLE)(?:_[A-Za-z_]+)?)\)", plugin.DOCUMENTATION)
    found = plugin.checked_groups([member("p", "ROLE", app="APP", instance="CLUSTER", live_role="ROLE")], False)
    assert set(found) <= set(documented)
