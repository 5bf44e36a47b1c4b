# SPDX-License-Identifier: GPL-3.0-or-later
"""The end of the site's mirror: taken off its host without its data, brought up again from them, and gone for good."""

from __future__ import annotations

import pytest
from conftest import MIRROR, STATE, connect, wait_for

THEIRS = (
    "/etc/mirror-registry/theirs.yml",
    "/etc/nginx/theirs.conf",
    "/etc/nginx/tls/theirs.pem",
    "/usr/local/bin/theirs",
    "/srv/mirror/theirs",
)
SITE = ["playbooks/mirror_reset.yml", "-e", "mirror_reset_confirm=lab-test"]
IMAGES = "/srv/mirror/registry/docker/registry/v2/repositories"


@pytest.fixture
def mirror():
    return connect(MIRROR)


def listening(host) -> set[int]:
    lines = host.check_output("ss --no-header --tcp --listening --numeric").splitlines()
    return {int(line.split()[3].rpartition(":")[2]) for line in lines}


def assert_gone(host) -> None:
    """Nothing of the mirror is on its host but its data, and what others have put there is."""
    assert listening(host) == {22}
    assert host.check_output("systemctl show --property=LoadState --value mirror-registry") == "not-found"
    assert not host.service("nginx").is_running
    assert not host.service("nginx").is_enabled
    for path in (
        "/etc/mirror-registry/config.yml",
        "/etc/nginx/tls/mirror.key",
        "/etc/nginx/tls/mirror.crt",
        "/etc/nginx/nginx.conf.before-mirror",
        "/usr/local/bin/registry",
        "/srv/mirror/upload",
        "/var/lib/baremetal-bigdata",
        "/var/cache/baremetal-bigdata",
        "/run/baremetal-bigdata",
    ):
        assert not host.file(path).exists, path
    # The distribution's, which the mirror's had replaced.
    assert "sites-enabled" in host.file("/etc/nginx/nginx.conf").content_string
    for path in THEIRS:
        assert host.file(path).content_string == "theirs\n", path
    for permanent in ("", "--permanent "):
        assert "4444/tcp" in host.check_output(f"firewall-cmd {permanent}--list-ports").split()
        assert "443" not in host.check_output(f"firewall-cmd {permanent}--list-rich-rules")


def test_the_mirror_runs_by_a_rule_of_its_own(mirror):
    assert listening(mirror) == {22, 443, 5000}
    for permanent in ("", "--permanent "):
        assert 'priority="-101" port port="443"' in mirror.check_output(f"firewall-cmd {permanent}--list-rich-rules")
    assert "https" not in mirror.check_output("firewall-cmd --list-services").split()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "expected the name of the cluster whose mirror is to be removed, lab-test, found nothing."),
        (["-e", "mirror_reset_confirm=lab"], "lab-test, found lab."),
        (["-e", "mirror_reset_confrim=lab-test"], "Did you mean mirror_reset_confirm?"),
    ],
    ids=["not confirmed", "another site", "misspelt"],
)
def test_a_reset_that_cannot_be_meant_is_refused(playbook, mirror, arguments, said):
    run = playbook("playbooks/mirror_reset.yml", *arguments)
    assert (run.rc != 0, run.changed) == (True, {}), run.output
    assert said in " ".join(run.output.split()), run.output
    assert {443, 5000} <= listening(mirror)


def test_a_port_that_something_else_has_is_refused(playbook, mirror):
    mirror.check_output("systemctl stop nginx && systemd-run --unit=theirs --collect python3 -m http.server 443")
    try:
        wait_for(lambda: 443 in listening(mirror), "the other server")
        run = playbook("playbooks/mirror.yml", "--tags", "publish")
    finally:
        mirror.check_output("systemctl stop theirs && systemctl start nginx")
    assert (run.rc != 0, run.changed) == (True, {}), run.output
    said = "Host mirror1: expected port 443/tcp to be free for the mirror's nginx, found it taken by python3"
    assert said in " ".join(run.output.split()), run.output


def test_a_check_says_what_would_go_and_leaves_it(playbook, mirror):
    run = playbook(*SITE, "--check", "--diff")
    assert run.rc == 0, run.output
    assert "/etc/mirror-registry/config.yml" in run.output
    assert "PRIVATE KEY" not in run.output
    assert {443, 5000} <= listening(mirror)
    assert mirror.file("/usr/local/bin/registry").exists


@pytest.mark.parametrize("attempt", ["first", "second"])
def test_it_goes_and_its_data_stay(playbook, mirror, attempt):
    if attempt == "first":
        # A run that stopped half-way, in the very middle of the web server's part.
        mirror.check_output("systemctl stop nginx && rm /etc/nginx/tls/mirror.crt")
    run = playbook(*SITE)
    assert (run.rc, bool(run.changed)) == (0, attempt == "first"), run.output
    assert_gone(mirror)
    assert mirror.file("/srv/mirror/files/registry").is_directory
    assert "registry.k8s.io" in mirror.check_output(f"ls {IMAGES}").split()
    assert mirror.user("mirror-registry").exists
    assert (STATE / "artifacts.lock.yml").exists()
    assert not (STATE / "mirror-ca.crt").exists()
    assert not (STATE / "mirror-pki").exists()


@pytest.mark.parametrize("attempt", ["first", "second"])
def test_it_comes_up_again_with_what_was_kept(playbook, mirror, attempt):
    run = playbook("playbooks/mirror.yml", "--tags", "publish")
    assert (run.rc, bool(run.changed)) == (0, attempt == "first"), run.output
    assert "Files | Copy those that are missing" not in run.output
    assert listening(mirror) == {22, 443, 5000}
    # From another host, through its firewall, by the new authority.
    authority = (STATE / "mirror-ca.crt").read_text()
    asked = f"curl --fail --silent --show-error --cacert /tmp/mirror-ca.crt https://{MIRROR}/v2/"
    assert connect("worker1").check_output(f"cat >/tmp/mirror-ca.crt <<'END'\n{authority}END\n{asked}") == "{}"


@pytest.mark.parametrize("attempt", ["first", "second"])
def test_it_goes_with_its_data(playbook, mirror, attempt):
    run = playbook(*SITE, "-e", "mirror_reset_delete_data=true")
    assert (run.rc, bool(run.changed)) == (0, attempt == "first"), run.output
    assert_gone(mirror)
    assert mirror.check_output("ls -A /srv/mirror") == "theirs"
    assert not mirror.user("mirror-registry").exists
