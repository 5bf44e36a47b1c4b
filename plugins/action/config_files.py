# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Renders the templates of the config_files module on the controller, and sends all files in one call."""

from __future__ import annotations

import base64
import os
from collections.abc import Mapping
from typing import Any

from ansible import constants as C
from ansible.errors import AnsibleActionFail, AnsibleError
from ansible.plugins.action import ActionBase
from ansible.template import trust_as_template

SOURCES = ("template", "file", "content")


class ActionModule(ActionBase):
    """Everything is rendered before the host is asked: a template that fails changes nothing."""

    TRANSFERS_FILES = False
    _VALID_ARGS = frozenset(("files", "backup", "unit", "state", "look"))

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result = super().run(tmp, task_vars)
        files = self._task.args.get("files")
        if not isinstance(files, list) or not all(isinstance(entry, dict) and entry.get("dest") for entry in files):
            raise AnsibleActionFail(f"files: expected a list of dictionaries, each with a dest, found {files!r}.")
        state = self._task.args.get("state", "present")
        absent = state == "absent"
        wanted = [entry for entry in files if absent or _enabled(entry)]
        unit, look = self._task.args.get("unit"), self._task.args.get("look", [])
        if not wanted and not unit and not look:
            return {**result, "changed": False, "changed_files": []}
        self._variables = dict(task_vars or {})
        # The template action's line of that name, without what would differ from one controller to the next.
        self._variables.setdefault("ansible_managed", C.config.get_config_value("DEFAULT_MANAGED_STR"))
        answer = self._execute_module(
            module_args={
                "state": state,
                "files": [_without_source(entry) if absent else self._prepared(entry) for entry in wanted],
                "backup": self._task.args.get("backup", False),
                "look": look,
                "unit": unit,
            },
            task_vars=task_vars,
        )
        # The arguments are whole files.
        answer.pop("invocation", None)
        return {**result, **answer}

    def _prepared(self, entry: Mapping[str, Any]) -> dict[str, Any]:
        """The entry as the module takes it: with its content instead of where that comes from."""
        dest = entry["dest"]
        if isinstance(entry.get("mode"), int):
            raise AnsibleActionFail(f"{dest}: expected mode as a quoted string such as '0644', found a number.")
        given = [source for source in SOURCES if entry.get(source) is not None]
        if entry.get("state", "file") == "directory":
            if given:
                raise AnsibleActionFail(f"{dest}: expected no {given[0]} for a directory, found one.")
            return dict(entry)
        if len(given) != 1:
            raise AnsibleActionFail(
                f"{dest}: expected one of {', '.join(SOURCES)}, found {' and '.join(given) or 'none of them'}."
            )
        source = given[0]
        content = getattr(self, f"_{source}")(entry[source], dest)
        return {**_without_source(entry), "content": "base64:" + base64.b64encode(content).decode("ascii")}

    def _template(self, name: str, dest: str) -> bytes:
        path = self._find("templates", name, dest)
        places = [os.path.dirname(path)]
        for place in self._variables.get("ansible_search_path", []):
            places += [os.path.join(place, "templates"), place]
        templar = self._templar.copy_with_new_env(searchpath=places, available_variables=self._variables)
        text = templar.template(
            trust_as_template(self._loader.get_text_file_contents(path)),
            escape_backslashes=False,
            overrides={"trim_blocks": True},
        )
        return ("" if text is None else str(text)).encode("utf-8")

    def _file(self, name: str, dest: str) -> bytes:
        with open(self._loader.get_real_file(self._find("files", name, dest)), "rb") as stream:
            return stream.read()

    @staticmethod
    def _content(text: Any, dest: str) -> bytes:
        if not isinstance(text, str):
            raise AnsibleActionFail(f"{dest}: expected content as text, found {type(text).__name__}.")
        return text.encode("utf-8")

    def _find(self, kind: str, name: str, dest: str) -> str:
        try:
            return self._find_needle(kind, name)
        except AnsibleError as error:
            raise AnsibleActionFail(f"{dest}: expected {name} on the controller, found no such file.") from error


def _without_source(entry: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in entry.items() if key not in SOURCES}


def _enabled(entry: Mapping[str, Any]) -> bool:
    """Whether the entry counts; a string comes from a template without native types."""
    value = entry.get("enabled", True)
    if isinstance(value, str):
        return value.strip().lower() in ("true", "yes", "on", "1")
    return bool(value)
