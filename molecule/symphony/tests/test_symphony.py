# SPDX-License-Identifier: GPL-3.0-or-later
"""Symphony as an operator sees it, with the stand-in for the licensed product: 2 -> 10 -> 3 compute hosts, a master and
a compute host that die, a changed setting. Hosts are counted by egosh at the master and by role_discovery.
"""

from __future__ import annotations

import re

import pytest
from conftest import STATE, ansible, module, wait_for

APP = {"kubeconfig": str(STATE / "kubeconfig"), "namespace": "symphony", "instance": "symphony"}
APPS = ("playbooks/apps.yml", "--tags", "symphony", "-e", '{"apps_enabled": ["symphony"]}')
LABELS = "app.kubernetes.io/instance=symphony"


def discovered(role: str) -> list[dict]:
    return [member for member in module("role_discovery", **APP)["members"].get(role, []) if member["ready"]]


def master() -> dict:
    found = discovered("master")
    assert len(found) == 1, f"expected one master that is ready, found {found}"
    return found[0]


@pytest.fixture(scope="module")
def at_master(kubectl):
    """Run a command line of Symphony's at the master."""

    def run(command: str) -> str:
        line = f'. "$EGO_TOP/profile.platform"; {command}'
        return kubectl(f"-n symphony exec {master()['pod']} -c app -- sh -c '{line}'")

    return run


@pytest.fixture(scope="module")
def listed(at_master):
    """Every host that egosh lists, with its state."""

    def run() -> dict[str, str]:
        rows = at_master("egosh resource list -l").splitlines()[1:]
        return dict(row.split()[:2] for row in rows)

    return run


def computes_ok(listed) -> set[str]:
    return {name for name, state in listed().items() if state == "ok"} - {"symphony-master"}


def pods(kubectl, role: str) -> dict[str, dict]:
    found = kubectl(f"-n symphony get pods -l {LABELS},baremetal.bigdata/role={role} -o json")["items"]
    return {pod["metadata"]["name"]: pod for pod in found if "deletionTimestamp" not in pod["metadata"]}


def test_egosh_and_discovery_count_the_same_hosts(listed):
    # A heartbeat may be late on a busy machine.
    wait_for(lambda: len(computes_ok(listed)) == 2, "two compute hosts that are ok")
    assert computes_ok(listed) == {member["pod"] for member in discovered("compute")}
    assert listed()["symphony-master"] == "ok"


def test_the_master_is_told_to_the_compute_hosts_by_name_and_address(kubectl):
    found = master()
    assert found["hostname"] == "symphony-master"
    for compute in discovered("compute"):
        hosts = kubectl(f"-n symphony exec {compute['pod']} -c app -- cat /etc/symphony-members/hosts")
        assert re.search(rf"^{re.escape(found['ip'])}\s.*\bsymphony-master\b", hosts, re.MULTILINE), hosts


def test_the_role_verifies_its_cluster():
    found = ansible(
        "ansible", "localhost", "-m", "include_role", "-a", "name=baremetal.bigdata.symphony tasks_from=verify.yml"
    )
    assert found.returncode == 0, found.stdout
    said = " ".join(found.stdout.split())
    assert "2 compute hosts are ok" in said
    assert "Completed: 20 of 20 tasks on 2 hosts" in said


def test_the_console_answers_over_tls_at_every_host(node, kubectl):
    port = kubectl("-n symphony get service symphony -o json")["spec"]["ports"][0]["nodePort"]
    addresses = kubectl(f"get node {node.check_output('hostname')} -o json")["status"]["addresses"]
    (address,) = [item["address"] for item in addresses if item["type"] == "InternalIP"]
    page = node.check_output(f"curl -sSfk --max-time 20 https://{address}:{port}/platform")
    assert "Stand-in for Symphony" in page
    refused = node.run(f"curl -sS --max-time 20 http://{address}:{port}/platform")
    assert refused.rc != 0  # TLS and nothing else


def test_the_entitlement_is_a_secret_that_no_run_shows(kubectl, playbook, at_master):
    key = "0" * 40
    assert at_master("egosh entitlement info").strip() == "Entitled"
    maps = kubectl(f"-n symphony get configmaps -l {LABELS} -o json")
    assert key not in str(maps)
    shown = playbook(*APPS, "--check", "--diff", "-v", "-e", "symphony_computes=3")
    assert (shown.rc, key in shown.output) == (0, False), shown.output


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("symphony_entitlement_file=", "expected an entitlement"),
        ("symphony_entitlement_file=/nowhere/entitlement.dat", "found no file /nowhere/entitlement.dat"),
        ("symphony_computes=0", "symphony_computes: expected 1 or more members of role compute, found 0"),
    ],
)
def test_bad_settings_are_refused_before_the_first_change(playbook, setting, message):
    refused = playbook(*APPS, "-e", setting)
    assert refused.rc != 0
    assert refused.changed == {}
    assert message in " ".join(refused.output.split())


@pytest.mark.parametrize("computes", [10, 3])
def test_compute_hosts_join_and_leave(playbook, listed, at_master, computes):
    before = computes_ok(listed)
    setting = ("-e", f"symphony_computes={computes}")
    scaled = playbook(*APPS, *setting)
    assert scaled.rc == 0, scaled.output
    assert list(scaled.changed) == ["localhost"]
    wait_for(lambda: len(computes_ok(listed)) == computes, f"{computes} compute hosts that are ok")
    found = computes_ok(listed)
    assert found == {member["pod"] for member in discovered("compute")}
    assert found > before or found < before
    again = playbook(*APPS, *setting)
    assert (again.rc, again.changed) == (0, {}), again.output
    # Hosts that left are not kept as unavailable ones.
    wait_for(lambda: set(listed()) == found | {"symphony-master"}, "hosts that left to go from the list")


def test_a_master_that_dies_comes_back_elsewhere_and_is_found(kubectl, listed):
    """Nobody runs anything: the compute hosts find it, and so does role_discovery."""
    before, computes = master(), computes_ok(listed)
    restarts = {name: pod["metadata"]["uid"] for name, pod in pods(kubectl, "compute").items()}
    kubectl(f"cordon {before['node']}")
    try:
        kubectl(f"-n symphony delete pod {before['pod']} --grace-period=0 --force")
        wait_for(lambda: master()["pod"] != before["pod"], "another master")
    finally:
        kubectl(f"uncordon {before['node']}")
    after = master()
    assert after["ip"] != before["ip"]
    assert after["node"] != before["node"]
    assert after["hostname"] == "symphony-master"
    wait_for(lambda: computes_ok(listed) == computes, "every compute host to join again")
    assert {name: pod["metadata"]["uid"] for name, pod in pods(kubectl, "compute").items()} == restarts


def test_a_compute_host_that_dies_is_replaced_and_forgotten(kubectl, listed):
    computes = computes_ok(listed)
    gone = sorted(computes)[0]
    kubectl(f"-n symphony delete pod {gone} --grace-period=0 --force")

    def replaced() -> bool:
        found = listed()
        return gone not in found and len(computes_ok(listed)) == len(computes)

    wait_for(replaced, "another compute host in place of the dead one")


def test_a_changed_setting_restarts_only_those_that_read_it(playbook, kubectl, listed, at_master):
    master_before, computes_before = set(pods(kubectl, "master")), set(pods(kubectl, "compute"))
    settings = ("-e", "symphony_computes=3", "-e", '{"symphony_master_config": {"EGO_DYNAMIC_HOST_TIMEOUT": "10m"}}')
    changed = playbook(*APPS, *settings)
    assert changed.rc == 0, changed.output
    assert set(pods(kubectl, "compute")) == computes_before
    assert not set(pods(kubectl, "master")) & master_before
    assert "EGO_DYNAMIC_HOST_TIMEOUT=10m" in at_master("cat $EGO_CONFDIR/ego.conf").replace('"', "")
    wait_for(lambda: computes_ok(listed) == computes_before, "every compute host to join again")
    again = playbook(*APPS, *settings)
    assert (again.rc, again.changed) == (0, {}), again.output


def test_back_to_the_settings_of_the_inventory(playbook, listed):
    run = playbook(*APPS)
    assert run.rc == 0, run.output
    wait_for(lambda: len(computes_ok(listed)) == 2, "two compute hosts that are ok")


def test_the_cluster_is_removed(playbook, kubectl):
    """The scenario's last test."""
    run = playbook(*APPS, "-e", "symphony_state=absent", "-e", "symphony_entitlement_file=")
    assert run.rc == 0, run.output

    def left() -> list[str]:
        found = kubectl(f"-n symphony get all,configmaps,secrets,poddisruptionbudgets -l {LABELS} -o json")["items"]
        return [f"{item['kind']}/{item['metadata']['name']}" for item in found]

    # Pods take their time to end.
    wait_for(lambda: left() == [], "everything to be gone")
    again = playbook(*APPS, "-e", "symphony_state=absent")
    assert (again.rc, again.changed) == (0, {}), again.output
