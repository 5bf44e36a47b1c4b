# SPDX-License-Identifier: GPL-3.0-or-later
"""Collect what artifacts.yml lists on this machine: from upstream where it answers, else by building it.

Chooses between download.py and build.py, says which and why, and runs it. Both make the same bundle
(see bundle.py), which the mirror playbook publishes.
"""

from __future__ import annotations

import argparse
import os
import pathlib
import sys
import urllib.error
import urllib.request

import bundle

PROBE_URL = "https://dl.k8s.io/release/v{version}/bin/linux/amd64/kubeadm.sha256"
PROBE_TIMEOUT_SECONDS = 5


def why_not_upstream(version):
    """Ask upstream for a small file: None where it answers, else the reason."""
    url = PROBE_URL.format(version=version)
    try:
        with urllib.request.urlopen(url, timeout=PROBE_TIMEOUT_SECONDS):
            return None
    except (urllib.error.URLError, OSError) as error:
        return f"{url}: {getattr(error, 'reason', error)}"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--source", choices=["auto", "upstream", "build"], default="auto")
    bundle.add_arguments(parser)
    arguments = parser.parse_args()
    try:
        bundle.check(bundle.load(), arguments)
    except bundle.BundleError as error:
        sys.exit(f"collect.py: {error}")
    reason = {"upstream": None, "build": "a build was asked for"}.get(arguments.source, "")
    if arguments.source == "auto":
        reason = why_not_upstream(arguments.kubernetes[0])
    program = "download.py" if reason is None else "build.py"
    print(f"source: {'upstream' if reason is None else f'build ({reason})'}", file=sys.stderr, flush=True)
    argv = [f"--kubernetes={version}" for version in arguments.kubernetes]
    argv += [f"--app={name}" for name in arguments.app]
    argv += [f"--only={name}" for name in arguments.only]
    argv += [f"--arch={arguments.arch}", f"--cache={arguments.cache}", f"--bundle={arguments.bundle}"]
    script = str(pathlib.Path(__file__).with_name(program))
    os.execv(sys.executable, [sys.executable, script, *argv])


if __name__ == "__main__":
    main()
