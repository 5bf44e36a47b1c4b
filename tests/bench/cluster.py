# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Time of cluster.yml beside a plain shell script that runs kubeadm, on the same hosts and mirror.

A lab of its own is created (mirror filled), then measured on hosts that are bare each time:

1. kubeadm.sh, the plain script
2. playbooks/cluster.yml, after the cluster's hosts were made anew
3. playbooks/cluster.yml again

The first two end when all nodes and pods are Ready and DNS answers on every host, by the same check. The same run
measures all, so that the ratios hold on any machine. Prints a table and, as the last line, JSON.

    python tests/bench/cluster.py [--lab lab-bench] [--keep] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / ".collections"))
SCRIPT = Path(__file__).with_name("kubeadm.sh")
VOLUMES = ("containerd", "kubelet", "etcd")
# What the script installs where, and where cluster.yml puts it.
ON_ALL = ("containerd", "runc", "crictl", "kubeadm", "kubelet", "kubectl", "cni-plugins", "cni-flannel")
ON_CONTROL = ("etcd",)
DIRECTORIES = {"bin": "/usr/local/bin", "cni": "/opt/cni/bin"}
# docs/architecture.md, "Budgets".
BUDGET_RATIO = 1.2
BUDGET_SECOND_BASE = 12.0
BUDGET_SECOND_HOST = 0.5
BUDGET_SKIPPED = 0.20


class Bench:
    """Runs the steps; every command's output goes to standard error, so that standard output is the result."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        self.arguments = arguments
        self.state = ROOT / f".{arguments.lab}"
        self.hosts = [arguments.control, *arguments.workers]
        self.work = Path(tempfile.mkdtemp(prefix="bench-"))
        self.environment = {**os.environ, "BB_LAB": arguments.lab, "BB_LAB_PREFIX": arguments.prefix}
        self.environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
        self.versions: dict[str, str] = {}

    def run(self, *command: str | Path, **environment: str) -> float:
        """Seconds that a command took. A failure ends the bench: a figure of a failed run is none."""
        print(f"+ {' '.join(str(part) for part in command)}", file=sys.stderr, flush=True)
        started = time.monotonic()
        subprocess.run(
            [str(part) for part in command],
            cwd=ROOT,
            env={**self.environment, **environment},
            stdin=subprocess.DEVNULL,
            stdout=sys.stderr,
            check=True,
        )
        return time.monotonic() - started

    def make(self, target: str) -> float:
        # A connection kept open to a host that was made anew would hang.
        sockets = tempfile.mkdtemp(prefix="s", dir=self.work)
        self.environment["ANSIBLE_SSH_CONTROL_PATH_DIR"] = sockets
        return self.run("make", target)

    def remove_hosts(self) -> None:
        """Remove the cluster's hosts; the mirror and what it holds stay."""
        lab = self.arguments.lab
        self.run("podman", "rm", "--force", "--volumes", *(f"{lab}-{host}" for host in self.hosts))
        volumes = [f"{lab}-{host}-{volume}" for host in self.hosts for volume in VOLUMES]
        self.run("podman", "volume", "rm", "--force", *volumes)
        (self.state / "kubeconfig").unlink(missing_ok=True)

    def script(self, action: str, *more: Path) -> float:
        return self.run(
            SCRIPT,
            action,
            self.state,
            *more,
            CONTROL=self.arguments.control,
            WORKERS=" ".join(self.arguments.workers),
            MIRROR=self.arguments.mirror,
            **self.versions,
        )

    def playbook(self, name: str) -> tuple[float, dict[str, Any]]:
        figures = self.work / f"{name}.json"
        command = ["ansible-playbook", "-i", self.arguments.inventory, "playbooks/cluster.yml"]
        # In case the configuration in use names another callback.
        seconds = self.run(*command, BB_STORY_JSON=str(figures), ANSIBLE_STDOUT_CALLBACK="baremetal.bigdata.story")
        return seconds, json.loads(figures.read_text(encoding="utf-8"))

    def downloads(self) -> Path:
        """The script's table of files, from the lock file that the mirror's playbook wrote."""
        # Here, since the link to the collection exists only after `make`.
        from ansible_collections.baremetal.bigdata.plugins.module_utils.artifacts import artifact
        from ansible_collections.baremetal.bigdata.plugins.plugin_utils.catalogue import load

        catalogue, where = load(str(self.state / "artifacts.lock.yml"))
        kubernetes, release = next(iter(catalogue["kubernetes"].items()))
        self.versions = {"KUBERNETES": kubernetes, "PAUSE": str(release["images"]["registry.k8s.io/pause"])}
        lines = []
        for place, names in (("all", ON_ALL), ("control", ON_CONTROL)):
            for name in names:
                found = artifact(
                    catalogue,
                    name,
                    version=kubernetes if name.startswith("kube") else "",
                    mirror_url=self.arguments.mirror,
                    arch="amd64",
                    directories=DIRECTORIES,
                    where=where,
                )
                lines += [
                    f"{place} {found['sha256']} {found['url']} {member['path'] or '-'} {member['dest']}"
                    for member in found["members"]
                ]
        table = self.work / "downloads"
        table.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return table

    def measure(self) -> dict[str, Any]:
        self.make("mirror")
        downloads = self.downloads()
        script = self.script("install", downloads) + self.script("wait")

        self.remove_hosts()
        self.make("mirror")
        first, first_figures = self.playbook("first")
        first += self.script("wait")

        second, second_figures = self.playbook("second")
        return result(script, first, second, first_figures, second_figures, len(self.hosts))


def result(
    script: float,
    first: float,
    second: float,
    first_figures: Mapping[str, Any],
    second_figures: Mapping[str, Any],
    hosts: int,
) -> dict[str, Any]:
    """The figures of a bench, each with its budget where DESIGN has one; seconds throughout."""

    def run(seconds: float, figures: Mapping[str, Any]) -> dict[str, Any]:
        return {
            "seconds": round(seconds, 1),
            "tasks": figures["tasks"],
            "task_results": figures["task_results"],
            "skip_share": figures["skip_share"],
            "changed": figures["changed"],
            "phases": {phase["name"]: phase["seconds"] for phase in figures["phases"]},
            "slowest": figures["slowest"][:5],
        }

    changed = sum(second_figures["changed"].values())
    skipped = max(first_figures["skip_share"], second_figures["skip_share"])
    second_budget = BUDGET_SECOND_BASE + BUDGET_SECOND_HOST * hosts
    return {
        "hosts": hosts,
        "script": {"seconds": round(script, 1)},
        "first": run(first, first_figures),
        "second": run(second, second_figures),
        "budgets": {
            "ratio": {"value": round(first / script, 2), "budget": BUDGET_RATIO, "met": first / script <= BUDGET_RATIO},
            "second_seconds": {"value": round(second, 1), "budget": second_budget, "met": second <= second_budget},
            "second_changed": {"value": changed, "budget": 0, "met": changed == 0},
            "skip_share": {"value": skipped, "budget": BUDGET_SKIPPED, "met": skipped < BUDGET_SKIPPED},
        },
    }


def table(figures: Mapping[str, Any]) -> str:
    """The same for people."""
    script, budgets = figures["script"]["seconds"], figures["budgets"]
    rows = [["run", "seconds", "to script", "tasks", "results", "skipped", "changed"]]
    rows.append(["plain script with kubeadm", f"{script:.1f}", "1.00", "", "", "", ""])
    for name, title in (("first", "cluster.yml, bare hosts"), ("second", "cluster.yml again")):
        one = figures[name]
        rows.append(
            [
                title,
                f"{one['seconds']:.1f}",
                f"{one['seconds'] / script:.2f}",
                str(one["tasks"]),
                str(one["task_results"]),
                f"{one['skip_share']:.0%}",
                str(sum(one["changed"].values())),
            ]
        )
    checks = [["budget", "value", "at most", ""]]
    titles = {
        "ratio": "cluster.yml to script",
        "second_seconds": "second run, seconds",
        "second_changed": "second run, changed",
        "skip_share": "skipped results, share",
    }
    for key, title in titles.items():
        one = budgets[key]
        checks.append([title, f"{one['value']:g}", f"{one['budget']:g}", "met" if one["met"] else "NOT MET"])
    return "\n".join([*_aligned(rows), "", *_aligned(checks)])


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return [
        "  ".join(cell.rjust(width) if column else cell.ljust(width)
                  for column, (cell, width) in enumerate(zip(row, widths))).rstrip()
        for row in rows
    ]  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--lab", default="lab-bench", help="the lab to make and remove (default: %(default)s)")
    parser.add_argument("--prefix", default="10.231.9", help="its addresses (default: %(default)s)")
    parser.add_argument("--inventory", default="inventories/lab")
    parser.add_argument("--mirror", default="https://mirror1", help="address of the lab's mirror")
    parser.add_argument("--control", default="cp1", help="the control-plane host")
    parser.add_argument("--workers", nargs="+", default=["worker1", "worker2"])
    parser.add_argument("--keep", action="store_true", help="leave the lab as it is at the end")
    parser.add_argument("--json", type=Path, help="write the figures there too")
    arguments = parser.parse_args()

    bench = Bench(arguments)
    if (bench.state / "ssh_config").exists():
        print(f"the lab {arguments.lab} exists ({bench.state}); the bench needs one of its own: remove it by "
              f"BB_LAB={arguments.lab} BB_LAB_PREFIX={arguments.prefix} make lab-down, or take another --lab",
              file=sys.stderr)  # fmt: skip
        return 2
    try:
        figures = bench.measure()
    except subprocess.CalledProcessError as error:
        print(f"failed ({error.returncode}): {' '.join(error.cmd)}", file=sys.stderr)
        return 1
    finally:
        if not arguments.keep:
            bench.make("lab-down")
        shutil.rmtree(bench.work, ignore_errors=True)
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    print(table(figures))
    print(json.dumps(figures))
    return 0


if __name__ == "__main__":
    sys.exit(main())
