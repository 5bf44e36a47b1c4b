# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Objects of the Kubernetes API, commands in containers and ports of pods, for modules."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from . import stream
from .ask import ask, run
from .client import MERGE_PATCH, STRATEGIC_PATCH, KubeApi
from .config import load_kubeconfig
from .errors import KubeApiError, NoKubeconfig
from .module import Unreachable, reason
from .question import Question

# Seconds for one answer of the API server, so that a host that is down does not hang a run.
TIMEOUT = 20


@contextlib.contextmanager
def _reached() -> Iterator[None]:
    """A server that does not answer is told from one that refuses."""
    try:
        yield
    except KubeApiError as error:
        if error.status:
            raise
        raise Unreachable(f"its API server does not answer: {reason(error)}") from error


class Kube:
    """Reads and writes objects. With ``dry_run``, which check mode sets, every write is the API server's dry run.

    Threads may share it.
    """

    def __init__(self, module: AnsibleModule):
        self.dry_run = module.check_mode
        try:
            access = load_kubeconfig(module.params.get("kubeconfig"), module.params.get("context"))
            self._api = KubeApi(access, TIMEOUT)
        except NoKubeconfig as error:
            raise Unreachable(f"there is no kubeconfig ({error})") from error
        except KubeApiError as error:
            module.fail_json(msg=str(error))
        self._owner = threading.get_ident()
        self._local = threading.local()
        self.request("/version")

    @property
    def api(self) -> KubeApi:
        """This thread's own connection."""
        if threading.get_ident() == self._owner:
            return self._api
        if not hasattr(self._local, "api"):
            self._local.api = self._api.clone()
        return self._local.api

    def request(self, path: str) -> bytes:
        with _reached():
            return self.api.text(path).encode()

    def _path(self, version: str, kind: str, namespace: str | None, name: str | None = None) -> str:
        with _reached():
            return self.api.path(version, kind, namespace, name)

    def get(self, version: str, kind: str, name: str, namespace: str | None) -> dict[str, Any] | None:
        path = self._path(version, kind, namespace, name)
        try:
            with _reached():
                return self.api.get(path)
        except KubeApiError as error:
            if error.status == 404:
                return None
            raise

    def list(self, version: str, kind: str, namespace: str, selector: str) -> list[dict[str, Any]]:
        path = self._path(version, kind, namespace)
        items: list[dict[str, Any]] = []
        try:
            with _reached():
                for chunk in self.api.list_chunks(path, labelSelector=selector):
                    items += chunk.get("items") or ()
        except KubeApiError as error:
            if error.status == 404:
                return []
            raise
        # Items of a list carry neither version nor kind.
        return [{**item, "apiVersion": version, "kind": kind} for item in items]

    def apply(self, wanted: Mapping[str, Any], manager: str) -> dict[str, Any]:
        metadata = wanted["metadata"]
        path = self._path(wanted["apiVersion"], wanted["kind"], metadata.get("namespace"), metadata["name"])
        with _reached():
            return self.api.apply(path, dict(wanted), manager, self.dry_run)

    def try_create(self, wanted: Mapping[str, Any], manager: str, namespace: str) -> None:
        """Have the server look at an object as if it were to be made in *namespace*, which there is. Makes nothing."""
        path = self._path(wanted["apiVersion"], wanted["kind"], namespace)
        body = {**wanted, "metadata": {**wanted["metadata"], "namespace": namespace}}
        try:
            with _reached():
                self.api.try_create(path, body, manager)
        except KubeApiError as error:
            # One of its name is there: that is said last, once all else is good.
            if error.reason != "AlreadyExists":
                raise

    def patch(
        self,
        version: str,
        kind: str,
        name: str,
        namespace: str | None,
        body: Mapping[str, Any],
        *,
        strategic: bool = False,
        subresource: str = "",
    ) -> dict[str, Any]:
        """Change these fields of an object, by a merge patch: null removes. Returns the object.

        *strategic* merges lists of built-in kinds by their keys, such as containers by name.
        """
        path = self._path(version, kind, namespace, name) + (f"/{subresource}" if subresource else "")
        content_type = STRATEGIC_PATCH if strategic else MERGE_PATCH
        with _reached():
            return self.api.patch(path, dict(body), self.dry_run, content_type)

    def delete(self, item: Mapping[str, Any], uid: str = "") -> None:
        """Delete an object; with *uid* only that very one, not another of the same name."""
        metadata = item["metadata"]
        path = self._path(item["apiVersion"], item["kind"], metadata.get("namespace"), metadata["name"])
        with _reached():
            self.api.delete(path, self.dry_run, uid=uid)

    def ask(self, namespace: str, pod: str, container: str, question: Question, timeout: float = TIMEOUT) -> str:
        """A member's answer: by HTTP through the API server, or by a command in its container."""
        with _reached():
            return ask(self.api, namespace, pod, container, question, timeout)

    def run(
        self,
        namespace: str,
        pod: str,
        container: str,
        command: Sequence[str],
        timeout: float = TIMEOUT,
        stdin: str | None = None,
    ) -> str:
        """The output of a command in a container. Raises CommandFailed, with `returncode` and `output`.

        The command can read *stdin*, but is not told where it ends.
        """
        with _reached():
            return run(self.api, namespace, pod, container, list(command), timeout, stdin)

    @contextlib.contextmanager
    def forward(self, namespace: str, pod: str, port: int) -> Iterator[int]:
        """A port on the controller's loopback that leads to a pod's, over the API server's connection."""
        with stream.forward(self.api, namespace, pod, port) as local:
            yield local
