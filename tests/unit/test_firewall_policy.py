# SPDX-License-Identifier: GPL-3.0-or-later
"""The policies of firewalld that roles write."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from pathlib import Path

import jinja2

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
