# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What holds between the parts of a definition, and between those of a cluster."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from .reader import Problem, Reader
from .types import SYSTEMD_TMPFS, App, AppCluster, secret_mounts


def check_app(app: App, problems: list[Problem]) -> None:
    """What holds between the parts of a definition."""
    services = [service.id for service in app.services]
    roles = [role.id for role in app.roles]
    primary = [service.id for service in app.services if service.primary]
    top = Reader({}, "spec", problems)
    if not roles:
        top.problem("roles", "at least one role", "none")
    if len(primary) > 1:
        top.problem("services", "at most one primary service", " and ".join(primary))
    for service in app.services:
        offering = [role.id for role in app.roles_of(service.id)]
        if service.primary and len(offering) > 1:
            top.problem("services", "a primary service in one role", f"{service.id} in {' and '.join(offering)}")
    for index, role in enumerate(app.roles):
        reader = Reader({}, f"spec.roles[{index}]", problems)
        for name in role.services:
            reader.known("services", name, services, "service")
        ports: dict[tuple[int, str], str] = {}
        for service in (app.service(name) for name in role.services if name in services):
            other = ports.setdefault((service.port, service.protocol), service.id)
            if other != service.id:
                reader.problem(
                    "services", "a port for each service", f"{other} and {service.id} both on {service.port}"
                )
        for name in role.starts_after:
            reader.known("starts_after", name, roles, "role")
        for name in role.health.counts:
            reader.known("health.counts", name, roles, "role")
        steps = {name: getattr(role.leave, name) for name in ("allowed", "announce", "done")}
        for where, name in [("health.at", role.health.at), *((f"leave.{k}.at", v.at) for k, v in steps.items() if v)]:
            reader.known(where, name, roles, "role")
        checks = {
            "probes.startup": role.probes.startup and role.probes.startup.check,
            "probes.readiness": role.probes.readiness and role.probes.readiness.check,
            "probes.liveness": role.probes.liveness and role.probes.liveness.check,
            "health.members": role.health.members,
            "health.safe": role.health.safe,
            "live_role": role.live_role and role.live_role.check,
            **{f"leave.{name}": step.check for name, step in steps.items() if step},
        }
        asked = dict.fromkeys(("health.members", "health.safe"), role.health.at)
        asked.update({f"leave.{name}": step.at for name, step in steps.items() if step})
        for where, check in checks.items():
            if check is None:
                continue
            if check.tcp and not where.startswith("probes."):
                reader.problem(where, "http or command", "tcp", "An open port does not say how the app is.")
            at = asked.get(where) or role.id
            offers = app.role(at).services if at in roles else ()
            reader.known(where, check.http.service if check.http else check.tcp, offers, "service")
    cycle = _cycle({role.id: role.starts_after for role in app.roles})
    if cycle:
        top.problem("roles", "an order in which roles can start", " after ".join(cycle), "Remove one starts_after.")


def _cycle(graph: Mapping[str, Sequence[str]]) -> list[str]:
    """A way round in a directed graph, or nothing."""
    done: set[str] = set()

    def walk(node: str, trail: list[str]) -> list[str]:
        if node in trail:
            return trail[trail.index(node) :] + [node]
        if node in done or node not in graph:
            return []
        for following in graph[node]:
            found = walk(following, trail + [node])
            if found:
                return found
        done.add(node)
        return []

    for start in graph:
        found = walk(start, [])
        if found:
            return found
    return []


def check_cluster(cluster: AppCluster, problems: list[Problem]) -> None:
    """What holds between the parts of a cluster, once it is put together."""
    for role in cluster.app.roles:
        reader = Reader({}, f"spec.roles.{role.id}", problems)
        settings = cluster.roles[role.id]
        paths: dict[str, str] = {}
        places = [("config_files", item.path) for item in role.config_files]
        places += [("storage", path) for item in role.storage for path in item.paths or (item.path,)]
        places += [("secrets", item.path) for item in secret_mounts(role, settings)]
        places += [("volumes", item.path) for item in settings.volumes]
        places += [("security.writable_paths", path) for path in role.security.writable_paths]
        if role.discovery_path:
            places.append(("discovery_path", role.discovery_path))
        if role.systemd:
            places += [("systemd", path) for path in (*SYSTEMD_TMPFS, "/sys/fs/cgroup")]
        if settings.shared_memory:
            places.append(("shared_memory", "/dev/shm"))
        for what, path in places:
            path = path.rstrip("/") or "/"
            if path in paths:
                reader.problem(what, "a path for each mount", f"{path} again, after {paths[path]}")
            paths[path] = what
        longest = len(cluster.name) + len(role.id) + 1
        # A pod's name is a label of 63 characters, and a StatefulSet's pods carry a hash of ten more.
        if longest > 52:
            reader.problem("", "names of cluster and role of at most 51 characters together", str(longest - 1),
                           "Shorten one of them.")  # fmt: skip
        for name in ("files", "secret_keys"):
            if getattr(settings, name) and role.guest is None:
                reader.problem(name, f"{name} only for a role with a config package", "none",
                               "Put it into the image, a Secret or config_files.")  # fmt: skip
    for service in cluster.app.services:
        roles = cluster.app.roles_of(service.id)
        if cluster.services[service.id].node_port and len(roles) > 1:
            Reader({}, f"spec.services.{service.id}", problems).problem(
                "node_port", "a node port for a service of one role", " and ".join(role.id for role in roles),
                "Leave it to Kubernetes.")  # fmt: skip
