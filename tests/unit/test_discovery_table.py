# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The table that the discover playbook prints."""

from __future__ import annotations

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.baremetal.bigdata.plugins.filter.discovery_table import discovery_table


def member(pod, **fields):
    return {
        "pod": pod, "namespace": "ns", "app": "keeper", "instance": "zk", "live_role": None, "ip": "10.0.0.1",
        "node": "worker1", "host_ip": "192.0.2.1", "rack": None, "ready": True, "restarts": 0, "reason": None, **fields,
    }  # fmt: skip


def service(name, urls=(), dashboards=(), **port):
    ports = [{"port": 8080, "dashboard": bool(dashboards), **port}]
    return {"name": name, "namespace": "ns", "urls": list(urls), "dashboards": list(dashboards), "ports": ports}


def test_the_whole_page():
    bad = member("zk-10", ip=None, ready=False, live_role="", reason="ImagePullBackOff", restarts=12)
    found = {
        "namespace": "ns",
        "members": {"server": [member("zk-0", live_role="leader", rack="a"), bad], "empty": []},
        "services": {
            "server": [
                service("zk"),
                service("ui", ["http://192.0.2.1:30080", "http://192.0.2.1:30081"], ["http://192.0.2.1:30080"]),
                service("inside", dashboard=True),
            ],
            "other": [service("zk")],
        },
        "findings": ["zk-1 (role server): connection refused"],
    }
    assert discovery_table(found) == (
        "APP  ROLE    LIVE    POD    IP        NODE     HOST IP    RACK  READY  RESTARTS\n"
        "zk   server  leader  zk-0   10.0.0.1  worker1  192.0.2.1  a     yes    0\n"
        "zk   server  -       zk-10  -         worker1  192.0.2.1  -     no     12\n"
        "\n"
        "Not ready:\n"
        "  zk-10: ImagePullBackOff\n"
        "\n"
        "No live role from:\n"
        "  zk-1 (role server): connection refused\n"
        "\n"
        "Dashboards:\n"
        "  inside: only inside of the cluster; from here: kubectl -n ns port-forward service/inside 8080\n"
        "  ui: http://192.0.2.1:30080\n"
        "\n"
        "Other addresses:\n"
        "  ui: http://192.0.2.1:30081"
    )


def test_columns_without_content_are_left_out_and_the_namespace_is_shown_where_there_are_several():
    head, row = discovery_table({"namespace": "", "members": {"w": [member("p")]}}).splitlines()
    assert head.split() == ["NAMESPACE", "APP", "ROLE", "POD", "IP", "NODE", "HOST", "IP", "READY", "RESTARTS"]
    assert row.split() == ["ns", "zk", "w", "p", "10.0.0.1", "worker1", "192.0.2.1", "yes", "0"]


def test_long_lists_end():
    listed = [member(f"p-{n}", ready=False, reason="Pending") for n in range(40)]
    lines = discovery_table({"namespace": "ns", "members": {"w": listed}}, limit=3).splitlines()
    assert lines[-2:] == ["  p-2: Pending", "  and 37 more"]


def test_nobody_is_said():
    assert discovery_table({"namespace": "ns", "members": {"w": []}}).startswith("No members.")


def test_something_else_is_refused():
    with pytest.raises(AnsibleFilterError, match="expected what role_discovery returned"):
        discovery_table({"msg": "failed"})
