# SPDX-License-Identifier: GPL-3.0-or-later
"""The policies of firewalld that roles write."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from pathlib import Path

import jinja2
import pytest
import yaml
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template

TEMPLATES = Path(__file__).parents[2] / "roles/firewall/templates"


def policy(rules: list[dict], zone: str = "ANY") -> str:
    # As config_files renders it.
    environment = jinja2.Environment(loader=jinja2.FileSystemLoader(TEMPLATES), trim_blocks=True)
    environment.filters["split"] = str.split
    return environment.get_template("policy.xml.j2").render(
        ansible_managed="Ansible managed", firewall_policy="site-test", firewall_ingress_zone=zone, firewall_rules=rules
    )


def test_one_rule_for_each_source_and_port():
    text = policy([{"ports": ["2379/tcp", "8472/udp"], "sources": ["192.0.2.0/24", "2001:db8::/64"]}])
    # To the byte: what is written otherwise is loaded anew on every host of a site.
    assert text.startswith(
        '<?xml version="1.0" encoding="utf-8"?>\n<!-- Ansible managed -->\n<policy priority="-100" target="CONTINUE">\n'
        '  <short>site-test</short>\n  <ingress-zone name="ANY"/>\n  <egress-zone name="HOST"/>\n'
        '  <rule family="ipv4">\n    <source address="192.0.2.0/24"/>\n'
        '    <port port="2379" protocol="tcp"/>\n    <accept/>\n  </rule>\n'
    )
    rules = ElementTree.fromstring(text).findall("rule")
    assert [
        (rule.get("family"), rule.find("source").get("address"), rule.find("port").get("port")) for rule in rules
    ] == [
        ("ipv4", "192.0.2.0/24", "2379"),
        ("ipv4", "192.0.2.0/24", "8472"),
        ("ipv6", "2001:db8::/64", "2379"),
        ("ipv6", "2001:db8::/64", "8472"),
    ]


def test_without_sources_the_zone_decides():
    text = policy([{"ports": ["443/tcp"]}], zone="public")
    assert text.endswith(
        '  <ingress-zone name="public"/>\n  <egress-zone name="HOST"/>\n  <rule>\n'
        '    <port port="443" protocol="tcp"/>\n    <accept/>\n  </rule>\n</policy>'
    )


@pytest.mark.parametrize(
    ("zone", "active", "concerned"),
    [
        ("public", "public\n  interfaces: eth0\n", "public"),
        # As of firewalld 2.
        ("public", "docker\n  interfaces: docker0\npublic (default)\n  interfaces: eth0\n", "public"),
        ("internal", "internal\n  sources: 192.0.2.0/24\npublic\n  interfaces: eth0", "internal"),
        # Interfaces that nobody has bound are the default zone's, and no policy of that zone sees them.
        ("public", "", "ANY"),
        ("public", "kubernetes-pods\n  sources: 10.244.0.0/16\n", "ANY"),
        ("public", None, "ANY"),
        ("ANY", "public\n  interfaces: eth0\n", "ANY"),
    ],
)
def test_the_mirrors_policy_reaches_interfaces_that_no_zone_has(zone, active, concerned):
    variables = yaml.safe_load((TEMPLATES.parents[1] / "mirror/vars/main.yml").read_text())
    asked = [{"stdout": "block public"}, {} if active is None else {"stdout": active}]
    for name in ("__mirror_active_zones", "__mirror_ingress_zone"):
        variables[name] = trust_as_template(variables[name])
    variables |= {"mirror_firewall_zone": zone, "__mirror_zones": {"results": asked}}
    assert Templar(loader=DataLoader(), variables=variables).template(variables["__mirror_ingress_zone"]) == concerned
