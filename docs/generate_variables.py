# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Write docs/variables.md from the argument specs of the roles.

python docs/generate_variables.py            write it
python docs/generate_variables.py --check    fail if it is out of date
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[1]
TARGET = ROOT / "docs/variables.md"
# The roles in the order in which a site meets them; others follow by name.
ORDER = (
    "cluster",
    "mirror",
    "preflight",
    "host",
    "binaries",
    "containerd",
    "kubelet",
    "firewall",
    "flannel",
    "etcd",
    "control_plane",
    "worker",
    "app_cluster",
    "hazelcast",
)
# A default that is longer than this is to be read in the role.
LONGEST_DEFAULT = 90

HEAD = """<!-- SPDX-License-Identifier: GPL-3.0-or-later -->
<!-- Written by docs/generate_variables.py from roles/*/meta/argument_specs.yml. Do not edit. -->
# Variables

Every public variable of every role. `roles/<role>/defaults/main.yml` has the same variables with their comments; a
test holds the two together. Variables whose names begin with two underscores are internal.

Where to set them: what the whole site must agree on (`cluster_*`, `control_plane_*`, `etcd_*`, `flannel_*`,
`mirror_*` and those of the apps) belongs in `group_vars/all`, because some plays run on the controller for the site;
the names of groups (`cluster_*_group`) go on the command line alone.
What concerns a host (`host_*`, `containerd_*`, `kubelet_*`, `cluster_rack`, `cluster_node_address`) may be set for a
group or a host. [inventories/example](../inventories/example) shows both. A name that no role has is refused by the
[preflight](preflight.md).
"""

PLAYBOOKS = """
## Playbooks

Not of a role. `apps_enabled` and `app_clusters` belong in the inventory's `group_vars/all`; the others on the command
line, as `-e name=value`.

| variable | playbook | default | meaning |
| --- | --- | --- | --- |
| `apps_enabled` | `site.yml`, `playbooks/apps.yml` | `[]` | The apps to run: `hazelcast`. |
| `app_clusters` | `site.yml`, `playbooks/apps.yml` | `[]` | Clusters by their definitions: \
[any number of clusters](apps/definitions.md#any-number-of-clusters). |
| `discover_namespace`, `discover_app`, `discover_instance`, `discover_label_selector`, `discover_role_label` \
| `playbooks/discover.yml` | none | What to look for: see the head of the playbook. |
| `discover_racks`, `discover_kubeconfig`, `discover_context` \
| `playbooks/discover.yml` | none | Whether to read the nodes' racks, and which cluster to ask. |
| `discover_definition`, `discover_live_roles`, `discover_publish` \
| `playbooks/discover.yml` | none | What members are asked, and whether a ConfigMap keeps the answer. |
| `app_definition`, `app_cluster`, `app_namespace`, `app_service_type`, `app_images` \
| `playbooks/app.yml`, `playbooks/render.yml` | none | The app and its cluster: see the head of the playbook. |
| `app_state`, `app_cluster_timeout`, `app_allow_changes` \
| `playbooks/app.yml` | `present`, `300`, `false` | Whether it shall exist, and how it comes there. |
| `render_directory` | `playbooks/render.yml` | none | Where the objects are written. |
| `reset_confirm` | `playbooks/reset.yml` | none | Name of the cluster that is to be removed: [reset](reset.md). |
| `reset_delete_etcd_data`, `reset_delete_volume_files` \
| `playbooks/reset.yml` | `false` | What goes beside the cluster: etcd's data, the files in local volumes. |
| `mirror_reset_confirm` \
| `playbooks/mirror_reset.yml` | none | The cluster whose mirror is to be removed: [reset](reset.md#the-mirror). |

A name that begins as these do, and that the playbook does not know, is refused with the nearest that it knows.
"""


def plain(text: str | list[str]) -> str:
    """A description of an argument spec as Markdown for one table cell."""
    if isinstance(text, list):
        text = " ".join(text)
    text = re.sub(r"\b[CVOEP]\(([^)]*)\)", r"`\1`", text)
    text = re.sub(r"\bM\(([^)]*)\)", r"`\1`", text)
    return " ".join(text.split()).replace("|", "\\|")


def code(value: Any) -> str:
    """A value as code in one table cell."""
    text = value if isinstance(value, str) else json.dumps(value)
    text = " ".join(text.split()).replace("|", "\\|")
    return f"`{text}`" if text else "empty"


def default(role: str, option: dict[str, Any]) -> str:
    if option.get("required"):
        return "required"
    if "default" not in option:
        return "none"
    text = code(option["default"])
    if len(text) > LONGEST_DEFAULT:
        return f"[in the role](../roles/{role}/defaults/main.yml)"
    return text


def kind(option: dict[str, Any]) -> str:
    text = option.get("type", "str")
    if text == "list" and option.get("elements"):
        text = f"list of {option['elements']}"
    return text


def rows(role: str, options: dict[str, dict[str, Any]]) -> list[str]:
    lines = ["| variable | type | default | meaning |", "| --- | --- | --- | --- |"]
    for name, option in options.items():
        meaning = plain(option.get("description", ""))
        if option.get("choices"):
            meaning += " One of " + ", ".join(code(choice) for choice in option["choices"]) + "."
        lines.append(f"| `{name}` | {kind(option)} | {default(role, option)} | {meaning} |")
    return lines


def public(specs: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """The options of a role: those of its main entry point, then what a site may set for the others.

    What another entry point requires, the role that calls it passes.
    """
    options = dict(specs["main"].get("options") or {})
    for name, entry in specs.items():
        for option, spec in (entry.get("options") or {}).items():
            if name != "main" and not spec.get("required"):
                options.setdefault(option, spec)
    return options


def page(roles: Path = ROOT / "roles") -> str:
    """The whole page."""
    names = sorted(
        (path.parent.parent.name for path in roles.glob("*/meta/argument_specs.yml")),
        key=lambda name: (ORDER.index(name) if name in ORDER else len(ORDER), name),
    )
    lines = [HEAD]
    lines += [f"- [{name}](#{name})" for name in names]
    lines.append("- [Playbooks](#playbooks)")
    for name in names:
        specs = yaml.safe_load((roles / name / "meta/argument_specs.yml").read_text(encoding="utf-8"))["argument_specs"]
        summary = plain(specs["main"]["short_description"]).rstrip(".")
        lines += ["", f"## {name}", "", f"{summary}. [The role](../roles/{name}/README.md).", ""]
        options = public(specs)
        lines += rows(name, options) if options else ["No variables of its own."]
    return "\n".join(lines) + "\n" + PLAYBOOKS


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--check", action="store_true", help="write nothing, fail if the page is out of date")
    arguments = parser.parse_args()
    text = page()
    if TARGET.exists() and TARGET.read_text(encoding="utf-8") == text:
        return 0
    if arguments.check:
        print("docs/variables.md is out of date: run python docs/generate_variables.py", file=sys.stderr)
        return 1
    TARGET.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
