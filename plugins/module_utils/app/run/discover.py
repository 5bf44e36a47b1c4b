# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What role_discovery is asked for, and how it looks and waits for it."""

from __future__ import annotations

import time
import typing as t

from ...discovery.read import load_pods, wait_for
from ...discovery.roster import DiscoveryError, Roster, label_selector, parse_expect
from ...kube.client import KubeApi
from .live import Probe, ask_all, parse_probes, probes_of

# The API tells of pods, not of who leads: members are asked again after this many seconds.
ASK_SECONDS = 2.0


class Request:
    """What the options of role_discovery ask for, checked. *namespace*: of the kubeconfig's context."""

    def __init__(self, params: t.Mapping[str, t.Any], namespace: str) -> None:
        self.expect = parse_expect(params["expect"] or {})
        self.expect_live = parse_expect(params["expect_live"] or {}, "expect_live")
        self.namespace = "" if params["all_namespaces"] else params["namespace"] or namespace
        self.selector = label_selector(
            params["role_label"],
            app=params["app"],
            instance=params["instance"],
            roles=params["roles"],
            extra=params["label_selector"],
            require_role=not params["default_role"],
        )
        self.until = params["wait_until"]
        self.wait_timeout, self.live_timeout = params["wait_timeout"], params["live_timeout"]
        self.chunk_size = params["chunk_size"]
        self.roles = {*params["roles"], *self.expect}
        self.probes: dict[str, Probe] = {}
        if params["definition"]:
            self.probes = probes_of(params["definition"], instance=params["instance"] or "", namespace=self.namespace)
        self.probes.update(parse_probes(params["live_roles"]))
        if self.expect_live and not self.probes:
            raise DiscoveryError(
                "expect_live: expected live_roles, or a definition with live_role, to know how members are asked; "
                "found neither."
            )
        if params["publish"]:
            narrowed = [name for name in ("roles", "label_selector", "all_namespaces", "default_role") if params[name]]
            if narrowed or not params["namespace"] or not params["instance"]:
                raise DiscoveryError(
                    "publish: expected namespace and instance, and all members of that app cluster; found "
                    + (f"{', '.join(narrowed)} set." if narrowed else "namespace or instance not set.")
                )


def look(api: KubeApi, roster: Roster, request: Request, waiting: bool) -> tuple[float, list[str]]:
    """Fill the roster, and wait if asked to: how long that took, and what members did not answer."""
    started = time.monotonic()
    deadline = started + request.wait_timeout
    where = request.namespace, request.selector

    def settled() -> bool:
        return roster.met(request.expect, request.until)

    def follow(version: str, done: t.Callable[[], bool], until: float) -> str:
        return wait_for(api, roster, *where, version, request.chunk_size, done, until)

    version = load_pods(api, roster, *where, request.chunk_size)
    while True:
        if waiting:
            version = follow(version, settled, deadline)
        findings = ask_all(api, roster.all(), request.probes, request.live_timeout) if request.probes else []
        met = settled() and not roster.live_unmet(request.expect_live)
        if not waiting or met or time.monotonic() >= deadline:
            return (round(time.monotonic() - started, 1) if waiting else 0.0), findings
        # Pods are followed meanwhile: those asked next are those that are ready then.
        version = follow(version, lambda: False, min(deadline, time.monotonic() + ASK_SECONDS))
