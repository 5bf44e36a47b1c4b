# SPDX-License-Identifier: GPL-3.0-or-later
"""On hosts that nothing was done to yet: a run that is refused leaves them so. Run by bare.yml, before converge."""

from __future__ import annotations

import re

import pytest
import yaml
from conftest import NODES, STATE, connect
from test_refusals import REFUSED, assert_refused

# What the site's hosts have before the first run: files with their times, packages, units, kernel settings, swap.
FINGERPRINT = r"""
find /etc /opt /usr/local -xdev \( -type f -o -type l -o -type d \) -printf '%p %y %m %u %s %T@ %l\n' | LC_ALL=C sort
dpkg-query --show
systemctl list-unit-files --no-pager --no-legend --state=enabled
sysctl net.ipv4.ip_forward vm.max_map_count fs.inotify
cat /proc/swaps
ls -A /var/lib/baremetal-bigdata /var/lib/containerd /var/lib/kubelet /var/lib/etcd 2>/dev/null || true
"""


def looks() -> dict[str, list[str]]:
    return {name: connect(name).check_output(FINGERPRINT).splitlines() for name in NODES}


@pytest.fixture(autouse=True)
def unchanged():
    """Every host looks after the test as it did before it, and that is bare."""
    before = looks()
    for name, lines in before.items():
        ours = [line for line in lines if re.match(r"/usr/local/bin/\w|/etc/(containerd|kubernetes)/", line)]
        assert ours == [], f"{name}: expected a bare host; create and prepare the scenario anew"
    yield
    after = looks()
    assert {name: sorted(set(before[name]) ^ set(after[name])) for name in NODES} == {name: [] for name in NODES}


@pytest.fixture
def wrong_checksum(tmp_path):
    """Arguments for a run whose list holds a wrong checksum for one artifact, and the right one."""

    def write(artifact: str) -> tuple[list[str], str]:
        lock = (STATE / "artifacts.lock.yml").read_text()
        right = next(iter(yaml.safe_load(lock)["files"][artifact]["versions"].values()))["amd64"]
        path = tmp_path / "artifacts.lock.yml"
        path.write_text(lock.replace(right, "f" * 64))
        return ["-e", f"cluster_artifacts_lock_file={path}"], right

    return write


@pytest.mark.parametrize(("artifact", "hosts"), [("containerd", NODES), ("etcd", ["cp1"])])
def test_a_wrong_checksum_is_refused(playbook, wrong_checksum, artifact, hosts):
    """By every host that needs the file; one host that refuses stops the run for all."""
    arguments, right = wrong_checksum(artifact)
    run = playbook("site.yml", *arguments)
    assert run.rc != 0, run.output
    assert run.changed == {}
    assert run.figures["phases"][-1]["name"] == "Artifacts", run.output
    assert sorted(failure["host"] for failure in run.figures["failures"]) == sorted(hosts), run.output
    output = " ".join(run.output.split())
    assert re.search(rf"{artifact} \S+: expected sha256 f{{64}} of https://mirror1/\S+, found {right}\.", output), (
        output
    )
    assert "Nothing was installed. Do not use that file." in output
    assert "if the list is wrong, correct it" in output
    for host in hosts:
        assert host in output[output.rindex("Failed ") :], output


@pytest.mark.parametrize("refusal", ["overlapping networks", "too little memory", "misspelt variable"])
def test_refused_by_preflight(playbook, refusal):
    arguments, *report = REFUSED[refusal]
    assert_refused(playbook("site.yml", *arguments), *report)


@pytest.mark.parametrize("limit", ["worker1", "kube_node,localhost"])
def test_a_worker_without_a_cluster_is_refused(playbook, limit):
    run = playbook("site.yml", "--limit", limit)
    expected, found = "a cluster, or the hosts in the run that make it", "none on cp1"
    assert_refused(run, "worker1", "limit", expected, found, "add cp1 to --limit, or run without it")
