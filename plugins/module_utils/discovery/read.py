# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading pods, nodes and Services from the API server into a roster, and following the pods."""

from __future__ import annotations

import contextlib
import time
import typing as t
from urllib.parse import quote

from ..kube.client import KubeApi
from ..kube.errors import ConnectionLost, Expired, KubeApiError
from ..kube.pods import project_node
from .roster import Roster

# Objects for each request of a list.
CHUNK_SIZE = 500
# After the connection to a server that has answered once is lost, try again after this many seconds.
RECONNECT_SECONDS = 1.0


def base_path(namespace: str) -> str:
    """Where the objects of a namespace are; of all namespaces, where *namespace* is empty."""
    return f"/api/v1/namespaces/{quote(namespace, safe='')}" if namespace else "/api/v1"


def load_pods(api: KubeApi, roster: Roster, namespace: str, selector: str = "", chunk_size: int = CHUNK_SIZE) -> str:
    """Read the pods of a namespace (empty: of all) into the roster; the resource version to watch from.

    A list that expired is read from the start again, and what it gave so far is forgotten.
    """
    for last_attempt in (False, False, True):
        roster.clear(namespace)
        version = ""
        try:
            for chunk in api.list_chunks(f"{base_path(namespace)}/pods", limit=chunk_size, labelSelector=selector):
                version = chunk["metadata"]["resourceVersion"]
                for pod in chunk.pop("items") or ():
                    roster.put(pod)
                del chunk
            return version
        except Expired:
            if last_attempt:
                raise
    raise AssertionError("unreachable")


def pause(deadline: float) -> None:
    """Give a server that went away some time, but never past the deadline."""
    time.sleep(max(0.0, min(RECONNECT_SECONDS, deadline - time.monotonic())))


def wait_for(
    api: KubeApi,
    roster: Roster,
    namespace: str,
    selector: str,
    version: str,
    chunk_size: int,
    done: t.Callable[[], bool],
    deadline: float,
) -> str:
    """Follow the pods until *done* or the deadline; the version to go on from.

    Survives expired versions and a restarting API server.
    """
    while not done() and time.monotonic() < deadline:
        try:
            if not version:
                version = load_pods(api, roster, namespace, selector, chunk_size)
                continue
            began = time.monotonic()
            for kind, pod in api.watch(f"{base_path(namespace)}/pods", version, deadline, labelSelector=selector):
                version = pod["metadata"]["resourceVersion"]
                roster.apply(kind, pod)
                if done():
                    return version
            # A server or proxy that ends watches at once is not asked in a tight loop.
            if time.monotonic() - began < RECONNECT_SECONDS:
                pause(deadline)
        except Expired:
            version = ""
        except ConnectionLost:
            # What happened meanwhile is read from the history, or by a new list where that has expired.
            pause(deadline)
    return version


def read_nodes(
    api: KubeApi, names: set[str], rack_label: str, chunk_size: int = CHUNK_SIZE
) -> dict[str, dict[str, t.Any]]:
    """Rack and host name of these nodes, from the metadata of all."""
    nodes = {}
    for chunk in api.list_chunks("/api/v1/nodes", limit=chunk_size, metadata_only=True):
        for node in chunk["items"] or ():
            if node["metadata"]["name"] in names:
                nodes[node["metadata"]["name"]] = project_node(node, rack_label)
    return nodes


def read_services(api: KubeApi, namespace: str, chunk_size: int = CHUNK_SIZE) -> list[dict[str, t.Any]]:
    """The Services of a namespace."""
    services: list[dict[str, t.Any]] = []
    for chunk in api.list_chunks(f"{base_path(namespace)}/services", limit=chunk_size):
        services += chunk["items"] or ()
    return services


@contextlib.contextmanager
def optional(option: str) -> t.Iterator[None]:
    """Name the option that does without, where the user has no right to read something."""
    try:
        yield
    except KubeApiError as error:
        if error.status != 403:
            raise
        raise KubeApiError(f"{error} Or do without, by {option}: false.", 403, error.reason) from error
