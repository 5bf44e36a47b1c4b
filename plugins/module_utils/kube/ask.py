# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Asking members of an app: by a command in their container, or by HTTP through the API server's proxy."""

from __future__ import annotations

import json
import typing as t
from urllib.parse import quote

from . import stream
from .client import KubeApi
from .question import Question

_ANSWER_LENGTH = 200


def field_of(body: str, path: str) -> str:
    """A field of a JSON answer, by dots; a number is an index of a list. Raises ValueError, with what was found."""
    try:
        value: t.Any = json.loads(body)
    except ValueError:
        raise ValueError(f"expected JSON with {path}, found {shortened(body)!r}") from None
    for key in path.split("."):
        try:
            value = value[int(key)] if isinstance(value, list) else value[key]
        except (LookupError, TypeError, ValueError):
            found = ", ".join(sorted(map(str, value))[:10]) if isinstance(value, dict) else shortened(json.dumps(value))
            raise ValueError(f"expected JSON with {path}, found no {key} in {found or 'an empty object'}") from None
    return json.dumps(value) if value is None or isinstance(value, (bool, dict, list)) else str(value)


def shortened(text: str) -> str:
    """One line of a text, not too long."""
    text = " ".join(text.split())
    return text if len(text) <= _ANSWER_LENGTH else text[: _ANSWER_LENGTH - 3] + "..."


def ask(api: KubeApi, namespace: str, pod: str, container: str, question: Question, timeout: float) -> str:
    """A member's answer. HTTP goes by the API server's proxy."""
    if question.command:
        return run(api, namespace, pod, container, question.command, timeout)
    scheme = "https:" if question.scheme == "https" else ""
    target = f"{scheme}{pod}:{question.port}" if scheme or question.port else pod
    path = f"/api/v1/namespaces/{quote(namespace, safe='')}/pods/{quote(target, safe=':')}/proxy{question.path}"
    body = api.text(path, timeout)
    return field_of(body, question.json) if question.json else body


def run(
    api: KubeApi,
    namespace: str,
    pod: str,
    container: str,
    command: t.Sequence[str],
    timeout: float,
    stdin: str | None = None,
) -> str:
    """The output of a command that ended with 0. Raises CommandFailed otherwise."""
    code, out, err = stream.run(api, namespace, pod, container, command, timeout, stdin)
    if code:
        said = (err or out).strip()
        raise stream.CommandFailed(f"{' '.join(command)} ended with {code}{': ' + said if said else ''}", code, said)
    return out.strip()
