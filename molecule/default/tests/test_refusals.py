# SPDX-License-Identifier: GPL-3.0-or-later
"""What cannot be honoured is refused before the first change, with host, expectation, finding and remedy."""

from __future__ import annotations

import re

import pytest
import yaml
from conftest import STATE, Run, connect

# id: (extra arguments, host, check, expected, found, remedy): parts of what the report says.
REFUSED = {
    "overlapping networks": (
        ["-e", "cluster_pod_subnet=10.96.0.0/12"],
        "inventory",
        "subnets",
        "cluster_pod_subnet and cluster_service_subnet not to overlap",
        "pods 10.96.0.0/12, Services 10.96.0.0/16",
        "change one of them",
    ),
    "unknown network plugin": (
        ["-e", "cluster_network_plugin=wave"],
        "inventory",
        "network_plugin",
        "one of: flannel",
        "wave",
        "set cluster_network_plugin",
    ),
    "too little memory": (
        ["-e", '{"preflight_min_memory_mb": {"control_plane": 1700, "etcd": 1000, "worker": 900000}}'],
        "worker1",
        "memory",
        "at least 900000 MB of memory (worker)",
        "MB",
        "memory",
    ),
    "unreachable mirror": (
        ["-e", "cluster_mirror_url=https://mirror1:444"],
        "cp1",
        "artifacts",
        "to reach https://mirror1:444/",
        "",
        "start the mirror",
    ),
    "misspelt variable": (
        ["-e", "cluster_pod_subnets=10.0.0.0/16"],
        "inventory",
        "variable_unknown",
        "the name of a variable that the role cluster knows",
        "cluster_pod_subnets (extra variable)",
        "did you mean cluster_pod_subnet?",
    ),
    "unsupported Kubernetes": (
        ["-e", "cluster_kubernetes_version=1.20.0"],
        "inventory",
        "kubernetes_version",
        "one of: ",
        "1.20.0",
        "set it to 1.3",
    ),
    "a number beyond its limit": (
        ["-e", "etcd_election_timeout_ms=0"],
        "inventory",
        "variable_value",
        "etcd_election_timeout_ms to be between 1 and 50000",
        "0 (extra variable)",
        "set etcd_election_timeout_ms to a value between 1 and 50000",
    ),
}


def findings(output: str) -> list[tuple[str, str, dict[str, str]]]:
    """(hosts, check, {expected, found, remedy}) of a preflight report."""
    report, hosts = [], ""
    body = output[output.index("preflight of ") :]
    indent = re.search(r"^( *)(\S.*)\n\1  ERROR", body, re.MULTILINE).group(1)
    for line in body.splitlines()[1:]:
        if match := re.fullmatch(rf"{indent}  ERROR (\w+)", line):
            report.append((hosts, match.group(1), {}))
        elif match := re.fullmatch(rf"{indent}    (expected|found|remedy): +(.*)", line):
            if report:
                report[-1][2][match.group(1)] = match.group(2)
        elif match := re.fullmatch(rf"{indent}(\S.*)", line):
            hosts = match.group(1)
        elif line and not line.startswith(indent):
            break
    return report


def assert_refused(run: Run, host: str, check: str, expected: str, found: str, remedy: str) -> None:
    assert run.rc != 0
    assert run.changed == {}
    assert run.figures["phases"][-1]["name"] == "Preflight"
    assert any(
        host in hosts
        and check == name
        and expected in said["expected"]
        and found in said["found"]
        and remedy in said["remedy"]
        for hosts, name, said in findings(run.output)
    ), run.output


@pytest.mark.parametrize("refusal", REFUSED.values(), ids=REFUSED)
def test_refused_by_preflight(playbook, refusal):
    arguments, *report = refusal
    assert_refused(playbook("site.yml", *arguments), *report)


def test_an_apps_setting_is_refused_before_the_first_change(playbook):
    run = playbook("site.yml", "-e", "hazelcast_replicas=0")
    assert run.rc != 0
    assert run.changed == {}
    assert run.figures["phases"][-1]["name"] == "Applications"
    said = "hazelcast_replicas: expected 1 or more members of role member, found 0."
    assert said in " ".join(run.output.split()), run.output


@pytest.fixture
def etcd_also_on(tmp_path):
    """An inventory beside the lab's that puts further hosts into the group etcd."""

    def write(*hosts: str) -> list[str]:
        source = tmp_path / "etcd.yml"
        source.write_text(yaml.safe_dump({"etcd": {"hosts": dict.fromkeys(hosts)}}))
        return ["-i", "inventories/lab", "-i", str(source)]

    return write


def test_two_etcd_members_are_refused(playbook, etcd_also_on):
    run = playbook("site.yml", *etcd_also_on("worker1"))
    assert_refused(run, "inventory", "etcd_members", "1, 3, 5 or 7 hosts", "2 (cp1, worker1)", "add or remove a host")


@pytest.fixture
def squatter():
    """A foreign program on etcd's port on worker1."""
    host = connect("worker1")
    program = "import socket; s = socket.create_server(('', 2379)); print(flush=True); s.accept()"
    host.check_output(
        f'systemd-run --unit=squatter --service-type=exec --collect --property=RuntimeMaxSec=120 python3 -c "{program}"'
    )
    host.check_output("timeout 20 sh -c 'until ss -Hltn sport = :2379 | grep -q .; do :; done'")
    yield
    host.check_output("systemctl stop squatter")


def test_a_port_in_use_is_refused(playbook, etcd_also_on, squatter):
    run = playbook("site.yml", *etcd_also_on("worker1", "worker2"))
    assert_refused(run, "worker1", "port", "port 2379/tcp to be free for etcd", "taken by python3", "squatter.service")


def test_a_wrong_checksum_is_refused(playbook, tmp_path):
    """Found by the host that downloads the file, so later than preflight, and still before anything is installed."""
    host = connect("worker1")
    before = host.file("/usr/local/bin/containerd").sha256sum
    lock = (STATE / "artifacts.lock.yml").read_text()
    right = next(iter(yaml.safe_load(lock)["files"]["containerd"]["versions"].values()))["amd64"]
    wrong = tmp_path / "artifacts.lock.yml"
    wrong.write_text(lock.replace(right, "f" * 64))
    run = playbook("site.yml", "-e", f"cluster_artifacts_lock_file={wrong}")
    assert run.rc != 0
    assert run.changed == {}
    output = " ".join(run.output.split())
    assert re.search(rf"expected sha256 f{{64}} of https://mirror1/\S+, found {right}", output), run.output
    assert "worker1" in output
    assert host.file("/usr/local/bin/containerd").sha256sum == before


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "expected the name of the cluster that is to be removed, lab-test, found nothing."),
        (["-e", "reset_confirm=lab"], "lab-test, found lab."),
        (["-e", "reset_confirm=lab-test reset_delete_etcd=true"], "Did you mean reset_delete_etcd_data?"),
        (
            ["-e", "reset_confirm=lab-test", "--limit", "cp1"],
            "Host cp1: expected a worker, since this run is limited, found a member of etcd or of the control plane.",
        ),
        (
            ["-e", "reset_confirm=lab-test", "--limit", "worker1"],
            "Host worker1: expected a host that has left the cluster, found its node worker1. First: kubectl drain",
        ),
    ],
    ids=["not confirmed", "another cluster", "misspelt", "a part of the control plane", "a node that is in use"],
)
def test_a_reset_that_cannot_be_meant_is_refused(playbook, arguments, said):
    run = playbook("playbooks/reset.yml", *arguments)
    assert (run.rc != 0, run.changed) == (True, {}), run.output
    assert said in " ".join(run.output.split()), run.output
    assert connect("worker1").service("kubelet").is_running
