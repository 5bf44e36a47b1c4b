# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host needs, against this machine's own package database and against texts."""

from __future__ import annotations

import shutil
import subprocess

import pytest
from ansible_collections.baremetal.bigdata.plugins.modules import host_needs


class Module:
    get_bin_path = staticmethod(shutil.which)

    def run_command(self, command):
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
        return done.returncode, done.stdout, done.stderr


def test_packages_are_looked_for_in_the_database():
    # Debian's and the RHEL family's: what the test itself stands on.
    assert not host_needs.packages_missing(Module(), ["bash", "make"])
    assert host_needs.packages_missing(Module(), ["bash", "no-such-package"])
    assert not host_needs.packages_missing(Module(), [])


def test_a_host_whose_packages_cannot_be_asked_for_needs_them():
    module = Module()
    module.get_bin_path = lambda name: None
    assert host_needs.packages_missing(module, ["bash"])


@pytest.mark.parametrize(
    ("swaps", "fstab", "on"),
    [
        ("Filename Type\n", "", False),
        ("Filename Type\n/swap file\n", "", True),
        ("Filename Type\n", "/dev/sda2 none swap sw 0 0\n", True),
        ("Filename Type\n", "# /dev/sda2 none swap sw 0 0\n", False),
        ("Filename Type\n", "/dev/sda1 /swap ext4 defaults 0 0\n", False),
        ("", "", False),
    ],
)
def test_swap_counts_now_and_at_boot(swaps, fstab, on):
    assert host_needs.swap_on(swaps, fstab) is on


@pytest.mark.parametrize(
    ("enforcing", "config", "is_set"),
    [
        ("1", "SELINUX=enforcing\n", True),
        ("1", "# SELINUX=enforcing\nSELINUX=permissive\n", False),
        ("0", "SELINUX=enforcing\n", False),
        ("", "", False),
    ],
)
def test_selinux_counts_now_and_at_boot(enforcing, config, is_set):
    assert host_needs.selinux_set("enforcing", enforcing, config) is is_set


def test_time_needs_a_unit_that_runs_and_its_servers(tmp_path):
    config = tmp_path / "chrony.conf"
    config.write_text("pool a\nserver one iburst\n")
    answers = {"running": "ActiveState=active\nUnitFileState=enabled\n", "stopped": "ActiveState=inactive\n"}

    class Systemd:
        def __init__(self, state):
            self.state = state

        def run_command(self, _command):
            return 0, answers[self.state], ""

    def kept(state, *servers):
        return host_needs.time_kept(Systemd(state), "chrony.service", str(config), servers)

    assert kept("running")
    assert kept("running", "one")
    assert not kept("running", "one", "two")
    assert not kept("stopped")
