# SPDX-License-Identifier: GPL-3.0-or-later
"""The layers of module_utils: which may import which, and that what renders loads no network."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PLUGINS = ROOT / "plugins"
UTILS = PLUGINS / "module_utils"
PREFIX = "ansible_collections.baremetal.bigdata.plugins"

# What each layer may import besides itself, the longest name first. Everything may import PURE.
PURE = ("labels", "yaml_limits", "kube.quantity", "kube.question")
LAYERS = {
    "kube.quantity": (),
    "kube.question": (),
    "kube": (),
    "app.model": (),
    "app.dialects": ("app.model",),
    "app.contract": (),
    "app.compare": ("app.model",),
    "app.render": ("app.model", "app.contract", "app.compare"),
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


def imports(path: Path) -> Iterator[tuple[str, bool]]:
    """(dotted name below plugins, whether the import is relative) of what a file imports of this collection."""
    package = list(path.relative_to(PLUGINS).parent.parts)
    for node in ast.walk(ast.parse(path.read_text())):
        if not isinstance(node, ast.ImportFrom):
            continue
        module = node.module or ""
        if node.level:
            base = package[: len(package) - node.level + 1] + (module.split(".") if module else [])
        elif module.startswith(PREFIX):
            base = module[len(PREFIX) + 1 :].split(".")
        else:
            continue
        for alias in node.names:
            whole = PLUGINS.joinpath(*base, alias.name)
            is_module = whole.with_suffix(".py").exists() or whole.is_dir()
            yield ".".join([*base, alias.name] if is_module else base), bool(node.level)


def layer(name: str) -> str:
    found = [item for item in LAYERS if name == item or name.startswith(f"{item}.")]
    assert found, f"{name}: expected one of the layers {', '.join(LAYERS)}"
    return max(found, key=len)


FILES = sorted(path for path in UTILS.rglob("*.py") if path.name != "__init__.py")


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_a_layer_imports_only_those_below_it(path):
    own = layer(name_of(path))
    allowed = (own, *LAYERS[own], *PURE)
    for name, _relative in imports(path):
        below = name.removeprefix("module_utils.")
        assert any(below == item or below.startswith(f"{item}.") for item in allowed), f"{own} imports {below}"


def test_no_two_layers_import_each_other():
    edges = {
        (layer(name_of(path)), layer(name.removeprefix("module_utils.")))
        for path in FILES
        for name, _relative in imports(path)
    }
    assert [edge for edge in edges if edge[0] != edge[1] and edge[::-1] in edges] == []


def test_imports_of_the_collection_are_relative():
    absolute = [
        f"{path.relative_to(ROOT)}: {name}"
        for path in sorted(PLUGINS.rglob("*.py"))
        for name, relative in imports(path)
        if not relative
    ]
    assert absolute == []


@pytest.mark.parametrize("module", ["app.render.objects", "app.model.load", "app.dialects.kubedirector.translate"])
def test_what_is_pure_loads_no_network(module):
    program = (
        f"import sys, {PREFIX}.module_utils.{module}\n"
        "print(*sorted({'ssl', 'socket', 'http.client', 'ansible'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": str(ROOT / ".collections")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout.strip()) == (0, ""), done.stderr
