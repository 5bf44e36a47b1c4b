# SPDX-License-Identifier: GPL-3.0-or-later
"""The documents say what is there: links, targets of make, variables, and the example inventory."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import pytest
from ansible.inventory.manager import InventoryManager
from ansible.parsing.dataloader import DataLoader
from ansible_collections.baremetal.bigdata.plugins.action.preflight_report import check_value
from ansible_collections.baremetal.bigdata.plugins.module_utils import artifacts
from ansible_collections.baremetal.bigdata.plugins.module_utils.preflight.findings import Finding
from ansible_collections.baremetal.bigdata.plugins.module_utils.preflight.inventory import check_inventory
from ansible_collections.baremetal.bigdata.plugins.module_utils.preflight.variables import check_variable_names
from ansible_collections.baremetal.bigdata.plugins.plugin_utils import catalogue, role_specs

ROOT = Path(__file__).resolve().parents[2]
# What git does not hold (.venv, .lab and the like) is not ours.
PAGES = sorted(
    path
    for path in ROOT.rglob("*.md")
    if not any(part.startswith(".") for part in path.relative_to(ROOT).parts)
)  # fmt: skip
ROLES = sorted(path.parent.parent for path in ROOT.glob("roles/*/meta/main.yml"))
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
FENCE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
# `make X`, also with variables before it, in code.
MAKE = re.compile(r"(?:`|^)(?:[A-Z_]+=\S+ )*make ([a-z][a-z-]*)", re.MULTILINE)


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    titles = re.findall(r"^#+ (.+)$", FENCE.sub("", page.read_text(encoding="utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.fixture(scope="module")
def targets() -> set[str]:
    return set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))


def test_there_are_pages():
    assert {"README.md", "docs/quickstart.md", "docs/architecture.md"} <= {named(page) for page in PAGES}


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_every_relative_link_resolves(page):
    broken = []
    for link in LINK.findall(FENCE.sub("", page.read_text(encoding="utf-8"))):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (anchor and target.suffix == ".md" and anchor not in anchors(target)):
            broken.append(link)
    assert broken == []


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_every_target_of_make_that_a_page_names_exists(page, targets):
    assert set(MAKE.findall(page.read_text(encoding="utf-8"))) - targets == set()


@pytest.mark.parametrize("role", ROLES, ids=lambda path: path.name)
def test_every_role_has_a_page_that_leads_to_its_variables(role):
    text = (role / "README.md").read_text(encoding="utf-8")
    assert f"docs/variables.md#{role.name}" in text


def test_the_variables_page_is_up_to_date():
    spec = importlib.util.spec_from_file_location("generate_variables", ROOT / "docs/generate_variables.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    page = (ROOT / "docs/variables.md").read_text(encoding="utf-8")
    assert page == module.page(), "run python docs/generate_variables.py"


class Example:
    """The example inventory, as plain data."""

    def __init__(self) -> None:
        self.inventory = InventoryManager(loader=DataLoader(), sources=[str(ROOT / "inventories/example")])
        self.files = {
            path.stem: DataLoader().load_from_file(str(path), unsafe=True)
            for path in sorted((ROOT / "inventories/example/group_vars").glob("*.yml"))
        }
        self.site = self.files["all"]

    def hosts(self, group: str) -> list[str]:
        return [host.name for host in self.inventory.groups[group].get_hosts()]


@pytest.fixture(scope="module")
def example() -> Example:
    return Example()


def findings_of(example: Example, **changes: str) -> list[Finding]:
    listed, _path = catalogue.load()
    settings = {
        "api_endpoint": example.site["cluster_api_endpoint"],
        "dns_domain": "cluster.local",
        "kubernetes_version": example.site["cluster_kubernetes_version"],
        "network_plugin": "flannel",
        "pod_subnet": example.site["cluster_pod_subnet"],
        "service_subnet": example.site["cluster_service_subnet"],
        "supported_versions": artifacts.kubernetes_versions(listed),
        **changes,
    }
    groups = {
        "etcd": example.hosts("etcd"),
        "control_plane": example.hosts("kube_control_plane"),
        "worker": example.hosts("kube_node"),
        "cluster": example.hosts("k8s_cluster"),
    }
    return check_inventory(settings, groups)


def test_the_example_passes_the_rules_of_the_inventory(example):
    assert findings_of(example) == []


def test_the_example_needs_its_api_endpoint(example):
    assert [finding.check for finding in findings_of(example, api_endpoint="")] == ["api_endpoint"]


def test_the_example_sets_only_variables_that_roles_know_with_values_that_they_take(example):
    specs = role_specs.load()
    options, known = role_specs.options(specs), role_specs.known_names(specs)
    for group, variables in example.files.items():
        assert group in example.inventory.groups, f"group_vars/{group}.yml"
        names = [(name, group) for name in variables]
        assert check_variable_names(names, known, role_specs.prefixes(specs)) == []
        for name, value in variables.items():
            if name in options and "{{" not in str(value):
                assert check_value(name, value, options[name], group) == []


def test_the_example_has_the_site_that_the_documents_describe(example):
    assert len(example.hosts("kube_control_plane")) == 3
    assert example.hosts("etcd") == example.hosts("kube_control_plane")
    assert len(example.hosts("kube_node")) == 4
    assert len(example.hosts("mirror")) == 1
    assert set(example.hosts("rack_a") + example.hosts("rack_b")) == set(example.hosts("k8s_cluster"))
