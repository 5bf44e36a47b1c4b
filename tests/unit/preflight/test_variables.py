# SPDX-License-Identifier: GPL-3.0-or-later
"""Values of variables: their ranges, and those that change on their way."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from ansible_collections.baremetal.bigdata.plugins.action.preflight_report import check_value
from ansible_collections.baremetal.bigdata.plugins.filter.yaml_scalar import yaml_scalar
from ansible_collections.baremetal.bigdata.plugins.module_utils.preflight.variables import LIMITS, check_variable_range
from ansible_collections.baremetal.bigdata.plugins.plugin_utils import role_specs
from hypothesis import given
from hypothesis import strategies as st

ROOT = Path(__file__).resolve().parents[3]
APPS = {path.parents[1].name for path in ROOT.glob("roles/*/files/app.yml")} | {"app_cluster"}
SITE = {
    name: spec for role, spec in role_specs.load().items() if role not in APPS for name, spec in spec["options"].items()
}


def test_every_number_of_the_sites_roles_has_a_range_that_holds_its_default():
    numbers = {name: spec for name, spec in SITE.items() if spec.get("type") in ("int", "float")}
    assert set(LIMITS) == set(numbers)
    for name, spec in numbers.items():
        assert spec.get("default") is None or check_variable_range(name, spec["default"], "here") == []


@pytest.mark.parametrize(
    ("name", "value", "good"),
    [
        ("flannel_vxlan_port", 70000, False),
        ("flannel_vxlan_port", 4789, True),
        ("worker_join_timeout_seconds", -1, False),
        ("etcd_auto_compaction_hours", 0, True),
        # A documented default: an app's definition says what its ports may be.
        ("hazelcast_node_port", 0, True),
    ],
)
def test_numbers_out_of_their_range_are_refused(name, value, good):
    found = check_variable_range(name, value, "here")
    assert (not found) is good
    assert all(str(value) in finding.found for finding in found)


USE = re.compile(
    r"(?<![\w.])(?P<name>[a-z_]+)\b(?P<after>\s*\|\s*(bool|int|float|string|to_json|default))?(?P<key>\s*:)?"
)


def uses() -> list[tuple[str, str]]:
    """(file and line, variable) of every number and truth value of a role that is used as it comes."""
    typed = {name for name, spec in SITE.items() if spec.get("type") in ("int", "float", "bool")}
    found = []
    for role in ROOT.glob("roles/*"):
        for path in sorted([*role.glob("tasks/*.yml"), *role.glob("vars/*.yml"), *role.glob("templates/**/*.j2")]):
            for number, line in enumerate(path.read_text().splitlines(), 1):
                for match in USE.finditer("" if line.lstrip().startswith("#") else line):
                    key = match["key"] and not line[: match.start()].strip(" -")
                    if match["name"] in typed and not match["after"] and not key:
                        found.append((f"{path.relative_to(ROOT)}:{number}", match["name"]))
    return found


def test_texts_of_the_command_line_become_numbers_and_truth_values_wherever_they_are_used():
    """``-e control_plane_schedulable=false`` gives a text, and a text is true."""
    assert uses() == []


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("cluster_node_subnets", "10.0.0.0/8", "on the command line as -e '{\"cluster_node_subnets\": [...]}'"),
        ("cluster_kubelet_config", "failSwapOn=false", "-e '{\"cluster_kubelet_config\": {...}}'"),
        # What YAML makes of 0770.
        ("storage_directory_mode", 504, 'put it in quotes: storage_directory_mode: "0770"'),
    ],
)
def test_values_that_change_on_their_way_are_refused(name, value, expected):
    (finding,) = check_value(name, value, SITE[name], "extra variable")
    assert expected in finding.remedy
    assert str(value) in finding.found


@pytest.mark.parametrize(
    ("name", "value", "found", "expected"),
    [
        ("cluster_node_subnets", ["192.0.2.0/24", "fd00::/64"], "fd00::/64", "since IPv6, alone or beside IPv4"),
        ("cluster_node_subnets", ["192.0.2.0/24", "rack-a"], "rack-a", "to hold networks in CIDR form"),
        ("control_plane_api_sources", ["192.0.2.0/33"], "192.0.2.0/33", "to hold networks in CIDR form"),
        ("control_plane_api_sources", ["fd00::/200"], "fd00::/200", "to hold networks in CIDR form"),
    ],
)
def test_sources_of_the_firewall_are_networks(name, value, found, expected):
    (finding,) = check_value(name, value, SITE[name], "group_vars/all.yml:3")
    assert finding.found.startswith(f"{found} (group_vars/all.yml:3)")
    assert expected in finding.expected


@pytest.mark.parametrize(
    ("name", "value", "right"),
    [
        ("cluster_node_subnets", "192.0.2.11/24", "192.0.2.0/24"),
        ("cluster_node_subnets", "10.0.0.0/255.0.0.0", "10.0.0.0/8"),
        ("control_plane_api_sources", "192.0.2.11/24", "192.0.2.0/24"),
        ("control_plane_api_sources", "2001:db8::1/64", "2001:db8::/64"),
    ],
)
def test_networks_of_the_firewall_are_written_right_in_the_remedy(name, value, right):
    (finding,) = check_value(name, [value], SITE[name], "play")
    assert finding.remedy == f"in {name}, write {right}"
    assert check_value(name, [right], SITE[name], "play") == []


def test_one_address_is_a_source_too():
    assert check_value("cluster_node_subnets", ["192.0.2.11"], SITE["cluster_node_subnets"], "play") == []
    sources = ["192.0.2.11", "2001:db8::1"]
    assert check_value("control_plane_api_sources", sources, SITE["control_plane_api_sources"], "play") == []


@pytest.mark.parametrize("name", ["https://api", "api:6443", "api_1", "API", "", "-a", "a..b"])
def test_names_that_no_certificate_takes_are_refused(name):
    spec = SITE["control_plane_certificate_sans"]
    (finding,) = check_value("control_plane_certificate_sans", ["api.example.org", name], spec, "play")
    assert finding.found == f"{name!r} (play)"


def test_names_that_a_certificate_takes():
    names = ["api.example.org", "*.example.org", "192.0.2.5", "2001:db8::1", "10", 10]
    assert check_value("control_plane_certificate_sans", names, SITE["control_plane_certificate_sans"], "play") == []


def test_administrators_may_come_by_ipv6():
    value = ["192.0.2.5", "192.0.2.0/24", "2001:db8::/64"]
    assert check_value("control_plane_api_sources", value, SITE["control_plane_api_sources"], "play") == []


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("cluster_name", True),
        ("cluster_name", 1.1),
        ("cluster_name", None),
        ("cluster_rack", False),
        ("cluster_rack", 1.1),
        ("cluster_rack", None),
        ("cluster_kubernetes_version", 1.36),
        ("mirror_address", True),
        ("cluster_name", ""),
        ("cluster_name", "a/b"),
        ("cluster_name", "../a"),
        ("cluster_name", "prod: eu"),
        ("cluster_name", "a "),
        ("cluster_name", 'a"b'),
        ("cluster_name", "a\nb"),
        ("cluster_name", " a"),
        ("cluster_name", "a" * 58),
    ],
)
def test_texts_that_are_none_and_names_that_files_cannot_have_are_refused(name, value):
    (finding,) = check_value(name, value, SITE[name], "here")
    assert finding.expected.startswith(f"{name} to ")
    assert ("nothing" if value is None else repr(value)) in finding.found


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("cluster_name", 2024),
        ("cluster_name", "2024"),
        ("cluster_name", "prod, (eu) #1"),
        ("cluster_name", "x"),
        ("cluster_name", "M\u00fcnchen"),
        ("cluster_name", "a" * 57),
        ("cluster_rack", 7),
        ("flannel_cpu_request", 0.5),
    ],
)
def test_other_texts_are_taken(name, value):
    assert check_value(name, value, SITE[name], "here") == []


@pytest.mark.parametrize(
    "name", ["10", "007", "1e3", "on", "null", "No", "~", "", "prod: eu", "a b", "0x1F", "1_000", "#a", "- a"]
)
def test_names_that_yaml_takes_for_something_else_are_quoted(name):
    assert yaml_scalar(name).startswith('"')
    assert yaml.safe_load(f"name: {yaml_scalar(name)}") == {"name": name}


@pytest.mark.parametrize(
    "name", ["cp1", "node-1.example.org", "10.231.7.11", "10.244.0.0/16", "10.231.7.11:6443", "a=b/c"]
)
def test_names_that_everybody_reads_alike_stay_as_they_are(name):
    assert yaml_scalar(name) == name
    assert yaml.safe_load(f"{{name: {yaml_scalar(name)}}}") == {"name": name}


@given(st.one_of(st.text(), st.integers(), st.from_regex(r"[-+.:0-9a-fxoTZ]{1,12}", fullmatch=True)))
def test_a_text_is_read_back_as_that_text(value):
    assert yaml.safe_load(f"[{yaml_scalar(value)}]") == [str(value)]
