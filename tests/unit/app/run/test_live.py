# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Probes and what answers mean. Asking itself is tested against a real API server, in tests/api."""

from __future__ import annotations

import pytest
from ansible_collections.baremetal.bigdata.plugins.module_utils.app.run import live
from ansible_collections.baremetal.bigdata.plugins.module_utils.kube.ask import field_of
from ansible_collections.baremetal.bigdata.plugins.module_utils.kube.question import Question


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
    ports = {"ui": {"port": 8443, "scheme": "https"}, "raw": {"port": 5701, "scheme": "hazelcast"}}
    parsed = live.parse_probe("p", {"http": {"service": "ui", "path": "/"}}, ports)
    assert (parsed.question.port, parsed.question.scheme) == (8443, "https")
    parsed = live.parse_probe("p", {"http": {"service": "raw", "path": "/"}}, ports)
    assert (parsed.question.port, parsed.question.scheme) == (5701, "")


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
        ({"http": {"url": "x"}}, "p.http: expected one of json, path, port, scheme, service; found 'url'"),
        ({"http": {"service": "ui"}}, "p.http.service: expected port, with its number; found 'ui'"),
    ],
)
def test_what_is_no_probe_is_refused_by_field(given, message):
    with pytest.raises(live.ProbeError) as error:
        live.parse_probe("p", given)
    assert message in str(error.value)


def test_an_unknown_service_is_named_with_those_that_there_are():
    with pytest.raises(live.ProbeError, match=r"expected a service of the definition \(api, ui\); found 'gui'"):
        live.parse_probe("p", {"http": {"service": "gui"}}, {"ui": {"port": 1}, "api": {"port": 2}})


def definition(live_role, **spec):
    return {"kind": "App", "metadata": {"name": "a"}, "spec": {"roles": [{"id": "r", "live_role": live_role}], **spec}}


def test_a_definitions_probes_with_what_needs_no_settings():
    found = live.probes_of(
        definition(
            {"command": ["ask", "$(cluster.name).$(cluster.namespace):$(services.x.port)/$(parameters.p)", "$(HOME)"]},
            services=[{"id": "x", "port": 7}],
            parameters=[{"name": "p", "default": 3}, {"name": "q"}],
        ),
        instance="c",
        namespace="n",
    )
    assert found["r"].question.command == ("ask", "c.n:7/3", "$(HOME)")


def test_a_definition_without_probes_has_none():
    assert live.probes_of({"kind": "App", "spec": {"roles": [{"id": "r"}]}}) == {}


@pytest.mark.parametrize("text", ["$(parameters.q)", "$(roles.r.hosts)", "$(cluster.name)"])
def test_a_placeholder_that_needs_settings_is_refused_with_the_remedy(text):
    with pytest.raises(live.ProbeError, match=r"role r: live_role: .* only known with a cluster's settings. Give"):
        live.probes_of(definition({"command": [text]}, parameters=[{"name": "q"}]))


@pytest.mark.parametrize(
    ("body", "path", "value"),
    [
        ('{"a": {"b": "x"}}', "a.b", "x"),
        ('{"a": [1, {"b": true}]}', "a.1.b", "true"),
        ('{"a": 7}', "a", "7"),
        ('{"a": null}', "a", "null"),
        ('{"a": [1, 2]}', "a", "[1, 2]"),
    ],
)
def test_fields_of_an_answer(body, path, value):
    assert field_of(body, path) == value


@pytest.mark.parametrize(
    ("body", "path", "message"),
    [
        ("<html>", "a", "expected JSON with a, found '<html>'"),
        ('{"b": 1, "c": 2}', "a", "expected JSON with a, found no a in b, c"),
        ('{"a": 3}', "a.b", "found no b in 3"),
        ('{"a": [1]}', "a.1", r"found no 1 in \[1\]"),
        ("{}", "a", "found no a in an empty object"),
    ],
)
def test_another_answer_is_told_with_what_was_found(body, path, message):
    with pytest.raises(ValueError, match=message):
        field_of(body, path)
