# SPDX-License-Identifier: GPL-3.0-or-later
"""After reset the hosts are as they were before the cluster, and the site can be brought up again."""

from __future__ import annotations

import re

import pytest
from conftest import NODES, STATE, WORKERS, connect

# The files of others that prepare.yml has put there, with the directories that hold them.
THEIRS = {
    "/etc/kubernetes/theirs/encryption.yaml",
    "/etc/cni/net.d/99-theirs.conf",
    "/etc/containerd/certs.d/theirs.example/hosts.toml",
    "/usr/local/bin/theirs",
    "/srv/volumes/vol1/data/theirs",
}
# What comes and goes by the hosts' own doing, or belongs to the packages that the role host installs.
NOT_OURS = re.compile(
    r"/var/lib/(apt|dpkg|systemd|private|chrony|dbus)(/.*)?|/var/cache/(apt|debconf|ldconfig)(/.*)?|/var/log/.*"
    r"|/etc/(alternatives/.*|network(/.*)?|nftables\.conf|ld\.so\.cache|(passwd|shadow|group|gshadow)-)"
    r"|/etc/firewalld/zones/public\.xml(\.old)?|/srv/volumes(/.*)?"
)
SITE = ["-e", "reset_confirm=lab-test"]


def parents(path: str) -> set[str]:
    """The path and all directories above it."""
    parts = path.split("/")
    return {"/".join(parts[:length]) for length in range(2, len(parts) + 1)}


def test_no_file_of_the_roles_is_left(node):
    name = node.check_output("hostname")
    lines = (STATE / f"bare-{name}.txt").read_text().splitlines()
    # The refused runs on bare hosts left downloads there.
    before = {path for path in lines if "/baremetal-bigdata" not in path}
    after = set(node.check_output((STATE / "bare-command.txt").read_text()).splitlines())
    expected = set().union(*(parents(path) for path in THEIRS))
    left = {path for path in after - before - expected if not NOT_OURS.fullmatch(path)}
    gone = {path for path in before - after if not NOT_OURS.fullmatch(path)}
    assert (left, gone) == (set(), set())


def test_what_others_have_put_there_stays(node):
    for path in THEIRS:
        assert node.file(path).content_string == "theirs\n", path
    assert "4444/tcp" in node.check_output("firewall-cmd --list-ports").split()
    assert "4444/tcp" in node.check_output("firewall-cmd --permanent --list-ports").split()


def test_nothing_of_the_cluster_runs_or_is_mounted(node):
    programs = set(node.check_output("ps -e -o comm=").split())
    assert not {one for one in programs if re.match(r"(kube|etcd|containerd|pause|flannel|coredns|java)", one)}
    assert not re.findall(
        r" (/(?:var/lib/(?:kubelet|containerd)|run/(?:containerd|netns))/\S*) ",
        node.file("/proc/mounts").content_string,
    )
    for unit in ("kubelet", "containerd", "etcd"):
        assert node.check_output(f"systemctl show --property=LoadState --value {unit}") == "not-found"


def test_the_network_is_as_it_was(node):
    links = {line.split()[0].split("@")[0] for line in node.check_output("ip -brief link").splitlines()}
    assert links == {"lo", "eth0"}
    # iptables leaves its empty tables.
    rules = node.check_output("nft list ruleset")
    assert "table ip theirs" in rules
    assert not re.search("kube|flannel|cni", rules, re.IGNORECASE)
    policies = (
        node.check_output("firewall-cmd --get-policies").split() + node.check_output("firewall-cmd --get-zones").split()
    )
    assert not [name for name in policies if name.startswith("kubernetes")]


def test_data_are_kept(control_plane):
    (kept,) = control_plane.check_output("ls /var/lib/etcd").split()
    assert re.fullmatch(r"member\.kept-\d{8}T\d{6}Z", kept)
    assert control_plane.file(f"/var/lib/etcd/{kept}/snap/db").size > 1_000_000


def test_the_controller_has_no_kubeconfig():
    assert not (STATE / "kubeconfig").exists()


def test_the_site_comes_up_again(playbook, kubectl):
    run = playbook("site.yml")
    assert run.rc == 0, run.output
    assert sorted(kubectl("get nodes -o name").split()) == [f"node/{name}" for name in sorted(NODES)]
    again = playbook("site.yml")
    assert (again.rc, again.changed) == (0, {}), again.output


@pytest.mark.long
def test_a_worker_leaves_and_returns(playbook, kubectl):
    (worker,) = WORKERS[1:]
    kubectl(f"drain {worker} --ignore-daemonsets --delete-emptydir-data --disable-eviction --timeout=120s")
    kubectl(f"delete node {worker}")
    run = playbook("playbooks/reset.yml", *SITE, "--limit", worker)
    assert (run.rc, set(run.changed)) == (0, {worker}), run.output
    assert not connect(worker).file("/usr/local/bin/kubelet").exists
    run = playbook("site.yml")
    assert run.rc == 0, run.output
    assert f"node/{worker}" in kubectl("get nodes -o name").split()


@pytest.mark.parametrize("attempt", ["first", "second"])
def test_data_go_where_that_is_asked_for(playbook, attempt):
    run = playbook("playbooks/reset.yml", *SITE, "-e", "reset_delete_etcd_data=true reset_delete_volume_files=true")
    assert (run.rc, bool(run.changed)) == (0, attempt == "first"), run.output
    assert connect("cp1").check_output("ls -A /var/lib/etcd") == ""
    for worker in WORKERS:
        assert connect(worker).check_output("find /srv/volumes -mindepth 2") == ""
