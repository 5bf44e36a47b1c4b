# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Asking members of an app: by a command in their container, or by HTTP through the API server's proxy."""

from __future__ import annotations

import typing as t
from urllib.parse import quote

from . import stream
from .answer import field_of, normal
from .client import KubeApi
from .question import Question

# Of what a command that failed said, the end tells most.
_SAID = 500


def ask(api: KubeApi, namespace: str, pod: str, container: str, question: Question, timeout: float) -> str:
    """A member's answer, as `normal` makes it. HTTP goes by the API server's proxy."""
    if question.command:
        return normal(run(api, namespace, pod, container, question.command, timeout))
    scheme = "https:" if question.scheme == "https" else ""
    target = f"{scheme}{pod}:{question.port}" if scheme or question.port else pod
    path = f"/api/v1/namespaces/{quote(namespace, safe='')}/pods/{quote(target, safe=':')}/proxy{question.path}"
    body = api.text(path, timeout)
    return normal(field_of(body, question.json) if question.json else body)


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
        raise stream.CommandFailed(
            f"{' '.join(command)} ended with {code}{': ' + said[-_SAID:] if said else ''}", code, said
        )
    return out.strip()
