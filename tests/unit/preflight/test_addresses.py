# SPDX-License-Identifier: GPL-3.0-or-later
"""Endpoints, networks and addresses of mirrors by their grammar; what is wrong has a remedy that is right."""

from __future__ import annotations

import ipaddress

import pytest
from ansible_collections.baremetal.bigdata.plugins.module_utils.preflight.addresses import (
    endpoint_mistake,
    network_mistake,
    url_mistake,
)
from ansible_collections.baremetal.bigdata.plugins.module_utils.preflight.inventory import check_inventory
from hypothesis import given
from hypothesis import strategies as st

LABELS = st.from_regex(r"[a-z0-9]([-a-z0-9]{0,20}[a-z0-9])?", fullmatch=True)
NAMES = st.lists(LABELS, min_size=1, max_size=4).map(".".join).filter(lambda name: not name.split(".")[-1].isdigit())
ADDRESSES = (
    st.ip_addresses(v=4)
    .filter(lambda one: one.packed[0] not in (0, 127) and one.packed[0] < 224 and not one.is_link_local)
    .map(str)
)
PORTS = st.integers(1, 65535)


@given(st.one_of(NAMES, ADDRESSES), PORTS)
def test_hosts_with_ports_are_endpoints(host, port):
    assert endpoint_mistake(f"{host}:{port}") is None
    assert url_mistake(f"https://{host}:{port}") is None
    assert url_mistake(f"https://{host}") is None


@given(
    st.one_of(NAMES, NAMES.map(str.upper), ADDRESSES),
    st.sampled_from(["", ":", ":0", ":6443", ":06443", ":99999", ":https"]),
    st.sampled_from(["", "https://", "HTTP://", " "]),
    st.sampled_from(["", "/", "/healthz", " "]),
)
def test_what_is_proposed_for_an_endpoint_is_one(host, port, before, after):
    mistake = endpoint_mistake(f"{before}{host}{port}{after}")
    if mistake is None:
        assert not before
        assert not after
    else:
        assert mistake.reason
        assert mistake.right.startswith(f"{host.lower()}:")
        assert endpoint_mistake(mistake.right) is None


@given(st.text(max_size=30))
def test_no_text_breaks_the_rules(text):
    for mistake in (endpoint_mistake(text), url_mistake(text)):
        assert mistake is None or mistake.reason
    mistake = network_mistake(text)
    assert mistake is None or not mistake.right or network_mistake(mistake.right) is None


@pytest.mark.parametrize(
    ("text", "reason", "right"),
    [
        ("https://api.example.org:6443", "a scheme (https://)", "api.example.org:6443"),
        ("api.example.org", "no port", "api.example.org:6443"),
        ("api.example.org:", "no port", "api.example.org:6443"),
        ("api.example.org:6443/", "a slash at the end", "api.example.org:6443"),
        ("api.example.org:6443/readyz", "a path (/readyz)", "api.example.org:6443"),
        ("api.example.org.:6443", "a dot at the end", "api.example.org:6443"),
        ("Api.example.org:6443", "capital letters", "api.example.org:6443"),
        ("api.example.org:70000", "port 70000 is not between 1 and 65535", "api.example.org:6443"),
        ("api.example.org:https", "port https is no number", "api.example.org:6443"),
        ("api_1.example.org:6443", "an underscore, which no host name has, in api_1.example.org", ""),
        ("192.0.2.300:6443", "192.0.2.300 is neither an IPv4 address nor a name", ""),
        ("0.0.0.0:6443", "an address that stands for any", ""),
        ("0.1.2.3:6443", "an address that no host has", ""),
        ("127.0.0.1:6443", "an address by which every host reaches itself alone", ""),
        ("127.1.2.3:6443", "an address by which every host reaches itself alone", ""),
        ("169.254.1.1:6443", "an address that holds on one link alone", ""),
        ("224.0.0.5:6443", "an address of many hosts (multicast)", ""),
        ("255.255.255.255:6443", "an address of all hosts (broadcast)", ""),
        ("240.0.0.1:6443", "a reserved address", ""),
        ("localhost:6443", "localhost, a name by which every host reaches itself alone", ""),
        ("Localhost.localdomain:6443", "Localhost.localdomain, a name by which every host reaches itself alone", ""),
        (":6443", "no host", ""),
        ("-api:6443", "-api is neither a DNS name nor an IPv4 address", ""),
        ("[2001:db8::1]:6443", "IPv6", ""),
        ("2001:db8::1", "IPv6", ""),
        ("https://Api", "a scheme (https://), capital letters, no port", "api:6443"),
    ],
)
def test_mistakes_in_endpoints(text, reason, right):
    assert endpoint_mistake(text) == (reason, right)


@pytest.mark.parametrize(
    ("text", "reason", "right"),
    [
        ("mirror1", "no https://", "https://mirror1"),
        ("https://mirror1/", "a slash at the end", "https://mirror1"),
        ("ftp://mirror1", "no https://", "https://mirror1"),
        ("https://mirror1/a/", "a slash at the end", "https://mirror1/a"),
        ("https://mirror1:99999", "port 99999 is not between 1 and 65535", ""),
        ("https://mirror_1", "an underscore, which no host name has, in mirror_1", ""),
        ("https://[2001:db8::1]", "IPv6", ""),
        ("https://224.0.0.5", "an address of many hosts (multicast)", ""),
    ],
)
def test_mistakes_in_addresses_of_mirrors(text, reason, right):
    assert url_mistake(text) == (reason, right)


def test_a_host_may_have_a_way_of_its_own_to_the_mirror():
    assert url_mistake("https://localhost:8443") is None
    assert url_mistake("https://127.0.0.1:8443") is None


@given(st.ip_addresses(v=4), st.integers(0, 32))
def test_networks_are_networks_and_others_are_corrected(address, prefix):
    right = str(ipaddress.ip_network((address, prefix), strict=False))
    mistake = network_mistake(f"{address}/{prefix}")
    assert (mistake.right if mistake else f"{address}/{prefix}") == right


@pytest.mark.parametrize(
    ("text", "reason", "right"),
    [
        ("10.244.0.0", "no prefix", ""),
        ("10.244.0.0/255.255.0.0", "a mask where a prefix is meant", "10.244.0.0/16"),
        ("10.244.0.0/33", "not a network", ""),
        ("10.0.0.0/16,10.1.0.0/16", "not a network", ""),
        ("fd00:10::/48", "IPv6", ""),
        ("10.244.0.0/16,fd00:10::/48", "IPv6", ""),
    ],
)
def test_mistakes_in_networks(text, reason, right):
    assert network_mistake(text) == (reason, right)


SETTINGS = {
    "pod_subnet": "10.244.0.0/16",
    "service_subnet": "10.96.0.0/16",
    "dns_domain": "cluster.local",
    "network_plugin": "flannel",
    "api_endpoint": "api:6443",
    "mirror_url": "https://mirror1",
}
GROUPS = {"etcd": ["cp1"], "control_plane": ["cp1"], "worker": [], "cluster": ["cp1"]}


@pytest.mark.parametrize(
    ("changes", "check", "expected", "remedy"),
    [
        (
            {"api_endpoint": "[2001:db8::1]:6443"},
            "api_endpoint",
            "a name or an IPv4 address, since IPv6, alone or beside IPv4, is not supported yet",
            "set it to host:port of a name, or of an IPv4 address",
        ),
        ({"api_endpoint": "10.96.0.9:6443"}, "api_endpoint", "not to lie in cluster_service_subnet", "load balancer"),
        ({"api_endpoint": "Api"}, "api_endpoint", "as host:port", "set cluster_api_endpoint to api:6443"),
        (
            {"pod_subnet": "10.244.0.0/16,fd00::/48"},
            "subnets",
            "cluster_pod_subnet to be one IPv4 network, since IPv6, alone or beside IPv4, is not supported yet",
            "set cluster_pod_subnet to a network such as 10.244.0.0/16",
        ),
        ({"service_subnet": "10.96.1.0/16"}, "subnets", "in CIDR form", "set cluster_service_subnet to 10.96.0.0/16"),
        ({"mirror_url": "mirror1/"}, "mirror_url", "as https://host", "set cluster_mirror_url to https://mirror1"),
        ({"mirror_url": "https://[fd00::1]"}, "mirror_url", "IPv6", "set it to the mirror's address"),
    ],
)
def test_the_report_says_it_once(changes, check, expected, remedy):
    (finding,) = check_inventory({**SETTINGS, **changes}, GROUPS)
    assert finding.check == check
    assert expected in finding.expected
    assert remedy in finding.remedy
