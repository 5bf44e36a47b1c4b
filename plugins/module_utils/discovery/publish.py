# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The ConfigMap that tells members and other apps who is where."""

from __future__ import annotations

import json
import typing as t

from ..kube.client import KubeApi
from ..kube.errors import KubeApiError
from ..kube.pods import FINISHED_PHASES, Object, natural
from ..labels import FIELD_MANAGER, LABEL_APP, LABEL_CLUSTER, LABEL_MANAGER, MANAGER
from .roster import DiscoveryError

# What the API takes as a ConfigMap's content, in bytes.
_CONFIGMAP_BYTES = 1024 * 1024


def members_map(members: t.Mapping[str, t.Sequence[Object]], *, cluster: str, namespace: str, app: str = "") -> Object:
    """The discovery ConfigMap of an app cluster, `<cluster>-members`, which members and other apps mount.

    ``members.json``: role -> members, each with name, ip, host, fqdn, node, rack and, where it is known, live_role.
    ``hosts``: lines of an address, its full name if it has one, its host name and, where that is another, its pod's
    name, as in /etc/hosts. Members that have no address or are terminating are in neither, and whether one is ready
    is not told: the map changes when members come, go or move, and not when they have a bad minute.

    :raises DiscoveryError: where that is more than a ConfigMap holds.
    """
    listed: dict[str, list[Object]] = {}
    lines = []
    for role, found in sorted(members.items()):
        entries = listed.setdefault(role, [])
        for member in sorted(found, key=lambda one: natural(one["pod"])):
            if not member["ip"] or member["terminating"] or member["phase"] in FINISHED_PHASES:
                continue
            entry = {
                "name": member["pod"],
                "ip": member["ip"],
                "host": member["hostname"],
                "fqdn": member["fqdn"],
                "node": member["node"],
                "rack": member["rack"],
            }
            if member["live_role"]:
                entry["live_role"] = member["live_role"]
            entries.append(entry)
            names = [member["fqdn"], member["hostname"], member["pod"]]
            lines.append(" ".join([member["ip"], *dict.fromkeys(name for name in names if name)]))
            app = app or member["app"] or ""
    # A line for each member, so that a difference shows who came and who went.
    blocks = [
        f"{json.dumps(role)}: ["
        + ",".join("\n  " + json.dumps(entry, sort_keys=True) for entry in entries)
        + ("\n]" if entries else "]")
        for role, entries in listed.items()
    ]
    data = {
        "members.json": "{" + ",\n".join(blocks) + "}\n",
        "hosts": "".join(f"{line}\n" for line in lines),
    }
    size = sum(len(key) + len(text.encode()) for key, text in data.items())
    if size > _CONFIGMAP_BYTES:
        raise DiscoveryError(
            f"publish: expected at most {_CONFIGMAP_BYTES} bytes, which a ConfigMap holds; found {size} bytes for "
            f"{len(lines)} members of {cluster}. Such a cluster has to be found by its DNS names or by this module."
        )
    labels = {LABEL_CLUSTER: cluster, LABEL_MANAGER: MANAGER}
    if app:
        labels[LABEL_APP] = app
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": f"{cluster}-members", "namespace": namespace, "labels": labels},
        "data": data,
    }


def same_map(live: Object | None, wanted: Object) -> bool:
    """Whether the ConfigMap that is there has this content and these labels."""
    if live is None:
        return False
    labels = live["metadata"].get("labels") or {}
    return (live.get("data") or {}) == wanted["data"] and wanted["metadata"]["labels"].items() <= labels.items()


def shown_map(config_map: Object | None) -> str:
    """A ConfigMap's content for people, and for a difference."""
    data = (config_map or {}).get("data") or {}
    return "\n".join(f"{key}:\n{data[key]}" for key in sorted(data))


def publish(api: KubeApi, wanted: Object, check_mode: bool) -> tuple[bool, dict[str, str]]:
    """Apply the discovery ConfigMap where it is not as wanted: whether it changed, and the difference."""
    metadata = wanted["metadata"]
    path = api.path("v1", "ConfigMap", metadata["namespace"], metadata["name"])
    try:
        live = api.get(path)
    except KubeApiError as error:
        if error.status != 404:
            raise
        live = None
    if same_map(live, wanted):
        return False, {}
    try:
        api.apply(path, wanted, FIELD_MANAGER, check_mode)
    except KubeApiError as error:
        # A namespace that a dry run did not make cannot take the dry run of what belongs into it.
        if not (check_mode and error.status == 404):
            raise
    name = f"ConfigMap/{metadata['name']}"
    return True, {
        "before_header": name,
        "after_header": name,
        "before": shown_map(live),
        "after": shown_map(wanted),
    }
