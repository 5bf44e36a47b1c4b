# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Probes and what answers mean. Asking itself is tested against a real API server, in tests/api."""

from __future__ import annotations

import pytest
from ansible_collections.baremetal.bigdata.plugins.filter.app_render import app_render
from ansible_collections.baremetal.bigdata.plugins.module_utils.app.contract import RoleContract
from ansible_collections.baremetal.bigdata.plugins.module_utils.app.run import live
from ansible_collections.baremetal.bigdata.plugins.module_utils.kube.question import Question
from hypothesis import given
from hypothesis import strategies as st


def probe(**fields):
    return live.parse_probe("p", {"command": ["x"], **fields})


@pytest.mark.parametrize(
    ("fields", "answer", "role"),
    [
        ({}, " leader\n", "leader"),
        ({"match": r"Mode: (\w+)"}, "Zookeeper 3.9\nMode: follower\n", "follower"),
        ({"match": r"^[UD][NL]"}, "Rack: a\nUN  10.0.0.1", "UN"),
        ({"match": r"Mode: (\w+)"}, "This server is not serving", ""),
        ({"match": r"a(b)?"}, "a", ""),
        ({"names": {"standalone": "leader"}}, "standalone", "leader"),
        ({"match": r"isMaster.: (\w+)", "names": {True: "leader", "true": "primary"}}, "isMaster': true", "primary"),
        ({}, "", ""),
    ],
)
def test_what_an_answer_means(fields, answer, role):
    assert probe(**fields).live_role(answer) == role


def test_a_probe_by_http():
    parsed = live.parse_probe("p", {"http": {"port": "8080", "path": "json/", "json": "status"}})
    assert parsed.question == Question(port=8080, path="/json/", json="status")
    secure = live.parse_probe("p", {"http": {"port": 8443, "scheme": "https"}})
    assert secure.question == Question(port=8443, scheme="https")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("leader", "p: expected a mapping with command or http; found 'leader'"),
        ({}, "p: expected either command or http; found neither"),
        ({"command": ["x"], "http": {"port": 1}}, "p: expected either command or http; found both"),
        ({"comand": ["x"]}, "p: expected one of command, http, match, names; found 'comand'"),
        ({"command": "echo srvr"}, "p.command: expected a list of words; found 'echo srvr'"),
        ({"command": ["x"], "match": "("}, "p.match: expected a regular expression; found '('"),
        ({"command": ["x"], "names": ["a"]}, "p.names: expected a mapping"),
        ({"http": "/"}, "p.http: expected a mapping"),
        ({"http": {"port": 0}}, "p.http.port: expected a number from 1 to 65535; found 0"),
        ({"http": {"port": True}}, "p.http.port: expected a number from 1 to 65535; found True"),
        ({"http": {"url": "x"}}, "p.http: expected one of json, path, port, scheme; found 'url'"),
        ({"http": {"port": "²"}}, "p.http.port: expected a number from 1 to 65535; found '²'"),
        ({"http": {"port": 1, "scheme": "tcp"}}, "p.http.scheme: expected http or https; found 'tcp'"),
        ({"http": {"service": "ui"}}, "p.http.service: expected port, with its number; found 'ui'"),
    ],
)
def test_what_is_no_probe_is_refused_by_field(given, message):
    with pytest.raises(live.ProbeError) as error:
        live.parse_probe("p", given)
    assert message in str(error.value)


def definition(live_role, *, services=(), parameters=(), **role):
    offered = [service["id"] for service in services]
    roles = [{"id": "r", "cardinality": "1+", "services": offered, "live_role": live_role, **role}]
    spec = {"roles": roles, "services": list(services), "parameters": list(parameters)}
    return {"kind": "App", "metadata": {"name": "a"}, "spec": spec}


def test_a_definitions_probes_with_what_needs_no_settings():
    found = live.probes_of(
        definition(
            {"command": ["ask", "$(cluster.name).$(cluster.namespace):$(services.x.port)/$(parameters.p)", "$(HOME)"]},
            services=[{"id": "x", "port": 7}],
            parameters=[{"name": "p", "type": "int", "default": 3}, {"name": "q"}],
        ),
        instance="c",
        namespace="n",
    )
    assert found["r"].question.command == ("ask", "c.n:7/3", "$(HOME)")


def test_a_definition_gives_the_same_question_as_the_contract_that_is_rendered_from_it():
    app = definition(
        {
            "command": ["ask", "$(parameters.tls)", "--tls=$(parameters.tls)"],
            "match": r"(\w+)",
            "names": {"x": "leader"},
        },
        parameters=[{"name": "tls", "type": "bool", "default": False}],
        image="x",
    )
    cluster = {"kind": "AppCluster", "metadata": {"name": "c", "namespace": "n"}, "spec": {}}
    contract = RoleContract.from_dict(app_render(app, cluster)["stages"][0]["contract"])
    assert live.probes_of(app)["r"] == live.Probe.of(contract.live)
    assert contract.live.question.command == ("ask", "false", "--tls=false")
    assert live.parse_probe("p", contract.live.as_option()) == live.Probe.of(contract.live)


def test_a_definitions_probe_by_http_takes_port_and_scheme_of_the_service():
    services = [{"id": "ui", "port": 8443, "scheme": "https"}, {"id": "raw", "port": 5701, "scheme": "hazelcast"}]
    for service, question in (("ui", Question(port=8443, scheme="https")), ("raw", Question(port=5701))):
        found = live.probes_of(definition({"http": {"service": service}}, services=services))
        assert found["r"].question == question


def test_a_definition_without_probes_has_none():
    assert live.probes_of(definition(None)) == {}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"services": 3}, "definition: spec.services: expected a list, found 3"),
        ({"parameters": {"a": 1}}, "definition: spec.parameters: expected a list, found a mapping"),
        ({"roles": [3]}, "definition: spec.roles[0]: expected a mapping, found 3"),
        ({"roles": "r"}, "definition: spec.roles: expected a list, found 'r'"),
    ],
)
def test_a_definition_that_is_none_is_refused_by_field(changes, message):
    found = definition({"command": ["x"]})
    found["spec"].update(changes)
    with pytest.raises(live.ProbeError) as error:
        live.probes_of(found)
    assert message in str(error.value)


@pytest.mark.parametrize("given", [None, "app.yml", [], {"kind": "Pod"}, {"spec": {}}])
def test_what_is_no_definition_is_refused(given):
    with pytest.raises(live.ProbeError, match="definition: expected an app definition"):
        live.probes_of(given)


def test_a_service_that_a_probe_cannot_ask_is_refused():
    app = definition({"http": {"service": "gui"}}, services=[{"id": "ui", "port": 80}])
    with pytest.raises(
        live.ProbeError, match=r"definition: .*live_role: expected a service of this app .ui., found 'gui'"
    ):
        live.probes_of(app)


@pytest.mark.parametrize("text", ["$(parameters.q)", "$(roles.r.hosts)", "$(cluster.name)"])
def test_a_placeholder_that_needs_settings_is_refused_with_the_remedy(text):
    with pytest.raises(live.ProbeError, match=r"role r: live_role: .* only known with a cluster's settings. Give"):
        live.probes_of(definition({"command": [text]}, parameters=[{"name": "q"}]))


def test_a_longer_answer_is_no_live_role_without_a_match():
    assert probe().live_role("Welcome\nleader") == ""
    assert probe(match="^(leader)$").live_role("Welcome\nleader") == "leader"
    assert probe(match=r"[^x]*").live_role("Welcome\nleader") == ""


@given(st.text(), st.sampled_from([None, r"(\w+)$", r"[\s\S]*", r"a(b)?"]))
def test_whatever_is_answered_a_live_role_is_one_short_line(answer, match):
    found = probe(**({"match": match} if match else {})).live_role(answer)
    assert "\n" not in found
    assert len(found) <= 100
    assert found == found.strip()
