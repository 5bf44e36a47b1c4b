# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Time to read and render app definitions beside the time that PyYAML takes to parse the same text.

The same run measures both, in one process, so that the ratio holds on any machine. Prints a table and, as the last
line, JSON.

    python tests/bench/rendering.py [--repeat 7]
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / ".collections"))

from ansible_collections.baremetal.bigdata.plugins.module_utils.app.dialects import document
from ansible_collections.baremetal.bigdata.plugins.module_utils.app.model.load import load_app, load_cluster
from ansible_collections.baremetal.bigdata.plugins.module_utils.app.render import objects

# Of an app of ten roles and 25 services: seconds to read and render it, as a part of the time to parse its YAML.
BUDGET = {"seconds": 0.2, "ratio": 0.5}


def large(roles: int, services: int) -> dict[str, Any]:
    """An app of so many roles and services, each role as Hazelcast's without its probes."""
    hazelcast = yaml.safe_load((ROOT / "roles/hazelcast/files/app.yml").read_text(encoding="utf-8"))
    ports = [{"id": f"s{number}", "port": 1000 + number} for number in range(services)]
    (member,) = hazelcast["spec"]["roles"]
    member.update(probes={}, health={}, leave={})
    for item in member["config_files"]:
        item["data"] = json.loads(json.dumps(item["data"]).replace("services.hazelcast", "services.s0"))
        item["data"] = json.loads(json.dumps(item["data"]).replace("roles.member", "roles.r0"))
    hazelcast["spec"]["services"] = ports
    hazelcast["spec"]["roles"] = [
        {**member, "id": f"r{number}", "services": [port["id"] for port in ports[number::roles]]}
        for number in range(roles)
    ]
    return hazelcast


def definitions() -> dict[str, dict[str, Any]]:
    found = {
        path.parents[1].name: document.read(str(path))[0].data for path in sorted(ROOT.glob("roles/*/files/app.yml"))
    }
    return {**found, "10 roles, 25 services": large(10, 25)}


def settings(definition: dict[str, Any]) -> dict[str, Any]:
    roles = {role["id"]: {"image": "registry.example/app:1"} for role in definition["spec"]["roles"]}
    return {"kind": "AppCluster", "metadata": {"name": "bench", "namespace": "bench"}, "spec": {"roles": roles}}


def seconds(work: Callable[[], Any], repeat: int) -> float:
    """The shortest of several runs: whatever else the machine does makes a run longer, never shorter."""
    times = []
    for _run in range(repeat):
        started = time.perf_counter()
        work()
        times.append(time.perf_counter() - started)
    return min(times)


def measure(name: str, definition: dict[str, Any], repeat: int) -> dict[str, Any]:
    # By way of JSON, so that what roles share is written out for each.
    text = yaml.safe_dump(json.loads(json.dumps(definition)), sort_keys=False)
    chosen = settings(definition)

    def render() -> list[dict[str, Any]]:
        return objects.render(load_cluster(chosen, load_app(definition)))

    parsing, rendering = seconds(lambda: yaml.safe_load(text), repeat), seconds(render, repeat)
    return {
        "definition": name,
        "objects": len(render()),
        "kilobytes": round(len(text) / 1024, 1),
        "parse_seconds": round(parsing, 4),
        "render_seconds": round(rendering, 4),
        "ratio": round(rendering / parsing, 2),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeat", type=int, default=7, help="runs of each, of which the shortest counts")
    args = parser.parse_args()
    results = [measure(name, definition, args.repeat) for name, definition in definitions().items()]
    line = "{:24} {:>8} {:>6} {:>12} {:>13} {:>6}"
    print(line.format("definition", "objects", "kB", "parse, s", "render, s", "ratio"))
    for row in results:
        print(line.format(*row.values()))
    last = results[-1]
    met = last["render_seconds"] < BUDGET["seconds"] and last["ratio"] < BUDGET["ratio"]
    print(f"budget of the last (0.2 s, half of the time to parse it): {'met' if met else 'MISSED'}")
    print(json.dumps({"benchmark": "rendering", "budget": BUDGET, "met": met, "results": results}))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
