# SPDX-License-Identifier: GPL-3.0-or-later
"""The layers of module_utils: which may import which, and that what renders loads no network."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PLUGINS = ROOT / "plugins"
UTILS = PLUGINS / "module_utils"
PREFIX = "ansible_collections.baremetal.bigdata.plugins"

# What each layer may import besides itself, the longest name first. Everything may import PURE.
PURE = ("labels", "plain", "yaml_limits", "kube.quantity", "kube.question", "app.shapes")
LAYERS = {
    "plain": (),
    "kube.quantity": (),
    "kube.question": (),
    "kube": (),
    "app.shapes": (),
    "app.model": (),
    "app.placeholders": ("app.model",),
    "app.dialects": ("app.model",),
    "app.contract": (),
    "app.compare": ("app.model",),
    "app.render": ("app.model", "app.contract", "app.compare", "app.placeholders"),
    "app.settings": ("app.model", "app.render"),
    "app.run": ("app", "kube", "discovery"),
    "discovery": ("kube",),
    "host": ("kube.quantity",),
    "preflight": ("host",),
    "artifacts": (),
    "labels": (),
    "yaml_limits": (),
}


def name_of(path: Path) -> str:
    """The dotted name of a file below module_utils."""
    return ".".join(path.relative_to(UTILS).with_suffix("").parts).removesuffix(".__init__")


def imports(text: str, package: Sequence[str]) -> Iterator[tuple[str, bool]]:
    """(dotted name below plugins, whether the import is relative) of what a file in *package* imports of this
    collection. What imports by a name that is known only at run time is not found.
    """
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                if f"{alias.name}.".startswith(f"{PREFIX}.") or f"{PREFIX}.".startswith(f"{alias.name}."):
                    # A package above the collection gives access to all of it.
                    yield alias.name[len(PREFIX) + 1 :], False
        if not isinstance(node, ast.ImportFrom):
            continue
        module = node.module or ""
        if node.level:
            base = [*package[: len(package) - node.level + 1], *(module.split(".") if module else [])]
        elif f"{module}.".startswith(f"{PREFIX}."):
            base = module[len(PREFIX) + 1 :].split(".") if module != PREFIX else []
        elif f"{PREFIX}.".startswith(f"{module}."):
            yield "", False
            continue
        else:
            continue
        for alias in node.names:
            whole = PLUGINS.joinpath(*base, alias.name)
            is_module = whole.with_suffix(".py").exists() or whole.is_dir()
            yield ".".join([*base, alias.name] if is_module else base), bool(node.level)


def imports_of(path: Path) -> Iterator[tuple[str, bool]]:
    yield from imports(path.read_text(), path.relative_to(PLUGINS).parent.parts)


@pytest.mark.parametrize(
    ("statement", "found"),
    [
        ("import ansible_collections.baremetal.bigdata.plugins.module_utils.kube.client", "module_utils.kube.client"),
        ("import os, ansible_collections.baremetal.bigdata.plugins.module_utils.labels as l", "module_utils.labels"),
        ("import ansible_collections", ""),
        ("import ansible_collections.baremetal.bigdata.plugins", ""),
        ("from ansible_collections.baremetal.bigdata.plugins.module_utils import labels", "module_utils.labels"),
        ("from ansible_collections.baremetal.bigdata.plugins import module_utils", "module_utils"),
        ("from ansible_collections.baremetal.bigdata import plugins", ""),
        (
            "def f():\n    import ansible_collections.baremetal.bigdata.plugins.module_utils.labels",
            "module_utils.labels",
        ),
    ],
)
def test_an_import_by_the_collections_name_is_seen(statement, found):
    assert list(imports(statement, ["module_utils", "app"])) == [(found, False)]


@pytest.mark.parametrize("statement", ["import os.path", "import ansible", "from ansible.module_utils import basic"])
def test_imports_of_others_are_none_of_the_collection(statement):
    assert list(imports(statement, ["module_utils", "app"])) == []


def test_a_relative_import_is_seen_from_its_package():
    found = list(imports("from ..kube import client\nfrom .contract import Carried", ["module_utils", "app"]))
    assert found == [("module_utils.kube.client", True), ("module_utils.app.contract", True)]


def layer(name: str) -> str:
    found = [item for item in LAYERS if name == item or name.startswith(f"{item}.")]
    assert found, f"{name}: expected one of the layers {', '.join(LAYERS)}"
    return max(found, key=len)


FILES = sorted(path for path in UTILS.rglob("*.py") if path.name != "__init__.py")


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_a_layer_imports_only_those_below_it(path):
    own = layer(name_of(path))
    allowed = (own, *LAYERS[own], *PURE)
    for name, _relative in imports_of(path):
        below = name.removeprefix("module_utils.")
        assert any(below == item or below.startswith(f"{item}.") for item in allowed), f"{own} imports {below}"


def test_no_two_layers_import_each_other():
    edges = {
        (layer(name_of(path)), layer(name.removeprefix("module_utils.")))
        for path in FILES
        for name, _relative in imports_of(path)
    }
    assert [edge for edge in edges if edge[0] != edge[1] and edge[::-1] in edges] == []


def test_imports_of_the_collection_are_relative():
    absolute = [
        f"{path.relative_to(ROOT)}: {name}"
        for path in sorted(PLUGINS.rglob("*.py"))
        for name, relative in imports_of(path)
        if not relative
    ]
    assert absolute == []


def loaded_by(module: str, names: Sequence[str]) -> list[str]:
    """Which of the modules *names* a fresh Python has loaded once it has imported one of plugins/."""
    program = f"import sys, {PREFIX}.{module}\nprint(*sorted({set(names)!r} & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": str(ROOT / ".collections")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


@pytest.mark.parametrize("module", ["app.render.objects", "app.model.load", "app.dialects.kubedirector.translate"])
def test_what_is_pure_loads_no_network(module):
    assert loaded_by(f"module_utils.{module}", ["ssl", "socket", "http.client", "ansible"]) == []


@pytest.mark.parametrize("module", ["role_discovery", "app_wait", "app_compare", "app_leave", "app_restart"])
def test_what_runs_on_hosts_takes_no_model_along(module):
    """A host compiles whatever a module imports, in every task: the model would be a third of it."""
    assert (
        loaded_by(f"modules.{module}", [f"{PREFIX}.module_utils.app.model.{name}" for name in ("types", "declare")])
        == []
    )


@pytest.mark.parametrize("path", sorted((PLUGINS / "filter").glob("*.py")), ids=lambda path: path.stem)
def test_a_filter_loads_what_it_needs_when_it_is_called(path):
    """Ansible loads the files of all filters of a collection, in each task that uses one and for each host."""
    others = [f"{PREFIX}.module_utils.{name_of(other)}" for other in FILES if name_of(other) not in PURE]
    assert loaded_by(f"filter.{path.stem}", others) == []
