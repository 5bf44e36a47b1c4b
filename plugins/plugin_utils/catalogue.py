# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads the pinned list or a lock file on the controller."""

from __future__ import annotations

import functools
import os
import pathlib
from typing import Any

import yaml

from ..module_utils.artifacts import ArtifactError

PINNED = pathlib.Path(__file__).resolve().parents[2] / "artifacts" / "artifacts.yml"


@functools.lru_cache(maxsize=8)
def _read(path: str, _mtime_ns: int) -> dict[str, Any]:
    with open(path, encoding="utf-8") as stream:
        content = yaml.load(stream, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    if not isinstance(content, dict) or not isinstance(content.get("files"), dict):
        raise ArtifactError(f"{path}: expected a list of artifacts (kubernetes, files, images), found something else.")
    return content


def load(lock_file: str = "") -> tuple[dict[str, Any], str]:
    """The catalogue of *lock_file*, or the pinned one if that is empty, and its path for messages."""
    path = str(lock_file or PINNED)
    if not os.path.isfile(path):
        raise ArtifactError(
            f"cluster_artifacts_lock_file: expected a file at {path}, found none. The mirror playbook writes it: "
            "run playbooks/mirror.yml, or leave the variable empty to use the collection's own list."
        )
    return _read(path, os.stat(path).st_mtime_ns), path
