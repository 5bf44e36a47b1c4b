# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which pods play which role, and are they ready: pure functions over API objects.

Nothing here talks to a server. Objects are the dictionaries of the API's JSON (core/v1 Pod, Service,
Node); what is handed out are *projections*, small dictionaries of the fields a playbook asks for.
"""

from __future__ import annotations

import json
import re
import typing as t

APP_LABEL = "app.kubernetes.io/name"
INSTANCE_LABEL = "app.kubernetes.io/instance"
ROLE_LABEL = "baremetal.bigdata/role"
RACK_LABEL = "topology.kubernetes.io/zone"
HOSTNAME_LABEL = "kubernetes.io/hostname"
MANAGED_LABEL = "app.kubernetes.io/managed-by"
MANAGER = "baremetal.bigdata"
# The owner of the discovery ConfigMap's fields.
FIELD_MANAGER = "baremetal.bigdata.discovery"
# On a Service: the URL scheme and path of its ports, and whether people open it. `<annotation>.<port>` is for one port,
# by its name or number; without a port it is for all.
SCHEME_ANNOTATION = "baremetal.bigdata/scheme"
PATH_ANNOTATION = "baremetal.bigdata/path"
DASHBOARD_ANNOTATION = "baremetal.bigdata/dashboard"
# Names the container that a person means; as in kubectl.
CONTAINER_ANNOTATION = "kubectl.kubernetes.io/default-container"
# In the selector of a Service of one member.
POD_NAME_LABEL = "statefulset.kubernetes.io/pod-name"

# From the least to the most that a member can be; a member that counts as one counts as those before it.
LEVELS = ("present", "running", "ready")
TERMINATING = "terminating"
FINISHED_PHASES = ("Succeeded", "Failed")

# What the API takes as a ConfigMap's content, in bytes.
_CONFIGMAP_BYTES = 1024 * 1024
_URL_HOSTS = 3
_NAMED_PODS = 10
_REASON_LENGTH = 300
_DIGITS = re.compile(r"(\d+)")
_URL_SCHEMES = ("http", "https", "ftp", "ws", "wss")

Object = t.Dict[str, t.Any]  # noqa: UP006 (ansible-test imports this with Python 3.8 too)


class DiscoveryError(Exception):
    """A request that makes no sense. The message says what is expected and what was found."""


class Expectation(t.NamedTuple):
    """How many members a role should have: exactly *count*, or at least that many."""

    count: int
    exact: bool = True

    def __str__(self) -> str:
        return f"{self.count}" if self.exact else f"{self.count}+"


def parse_expect(expect: t.Mapping[str, t.Any], option: str = "expect") -> dict[str, Expectation]:
    """Read ``{role: 3}`` (exactly) and ``{role: "2+"}`` (at least)."""
    parsed = {}
    for role, value in expect.items():
        match = re.fullmatch(r"(\d+)(\+?)", str(value).strip())
        if isinstance(value, bool) or not match:
            raise DiscoveryError(
                f"{option}: role {role!r}: expected a count such as 3, or 2+ for at least 2; found {value!r}."
            )
        parsed[str(role)] = Expectation(int(match.group(1)), not match.group(2))
    return parsed


def natural(name: str) -> list[t.Any]:
    """Sort key by which ``w-2`` comes before ``w-10``."""
    return [int(part) if index % 2 else part for index, part in enumerate(_DIGITS.split(name))]


# --- pods ------------------------------------------------------------------------------------------


def _condition(status: Object, kind: str) -> Object:
    for condition in status.get("conditions") or ():
        if condition.get("type") == kind:
            return condition
    return {}


def _join(reason: str | None, message: str | None) -> str:
    text = ": ".join(part for part in (reason, " ".join((message or "").split())) if part)
    return text if len(text) <= _REASON_LENGTH else text[: _REASON_LENGTH - 3] + "..."


def not_ready_reason(pod: Object) -> str:
    """Why a pod is not ready, by what stands closest to the cause: deletion, scheduling, a container, a condition."""
    metadata, status = pod.get("metadata") or {}, pod.get("status") or {}
    if metadata.get("deletionTimestamp"):
        held = metadata.get("finalizers")
        return f"Terminating, to be gone by {metadata['deletionTimestamp']}" + (
            f", held by finalizers {', '.join(held)}" if held else ""
        )
    if status.get("phase") in FINISHED_PHASES:
        return _join(status.get("reason") or status["phase"], status.get("message"))
    scheduled = _condition(status, "PodScheduled")
    if scheduled.get("status") == "False":
        return _join(scheduled.get("reason") or "Unschedulable", scheduled.get("message"))
    if not (pod.get("spec") or {}).get("nodeName"):
        return "Not scheduled to a node yet"
    for statuses in ("initContainerStatuses", "containerStatuses"):
        for container in status.get(statuses) or ():
            state = container.get("state") or {}
            if container.get("ready") or "running" in state:
                continue
            waiting, ended = state.get("waiting"), state.get("terminated")
            name = container.get("name")
            # A container that waits for its turn says less than the one it waits for.
            if waiting and waiting.get("reason") not in (None, "PodInitializing"):
                last = (container.get("lastState") or {}).get("terminated") or {}
                exit_code = (
                    f"; it last exited with {last['exitCode']} ({last.get('reason')})" if "exitCode" in last else ""
                )
                return _join(f"container {name}: {waiting['reason']}", (waiting.get("message") or "") + exit_code)
            if ended and (ended.get("exitCode") or statuses == "containerStatuses"):
                return _join(
                    f"container {name}: exited with {ended.get('exitCode')}",
                    ended.get("message") or ended.get("reason"),
                )
    ready = _condition(status, "Ready")
    if ready.get("message") or ready.get("reason"):
        return _join(ready.get("reason"), ready.get("message"))
    return f"phase {status.get('phase') or 'unknown'}, condition Ready {ready.get('status') or 'not set'}"


def _restarts(spec: Object, status: Object) -> int:
    total = sum(container.get("restartCount") or 0 for container in status.get("containerStatuses") or ())
    if status.get("initContainerStatuses"):
        # Sidecars are init containers that are restarted always.
        sidecars = {c["name"] for c in spec.get("initContainers") or () if c.get("restartPolicy") == "Always"}
        total += sum(c.get("restartCount") or 0 for c in status["initContainerStatuses"] if c.get("name") in sidecars)
    return total


def main_container(pod: Object) -> str | None:
    """The container that runs the app: the one that the pod's annotation names, `app`, or the first."""
    named = (pod["metadata"].get("annotations") or {}).get(CONTAINER_ANNOTATION)
    names = [container["name"] for container in (pod.get("spec") or {}).get("containers") or ()]
    if named in names:
        return named
    return "app" if "app" in names else (names[0] if names else None)


def project_pod(pod: Object, cluster_domain: str = "cluster.local", role: str | None = None) -> Object:
    """A pod as a member. ``rack`` is filled in later, from its node, and ``live_role`` from its own answer."""
    metadata, spec, status = pod["metadata"], pod.get("spec") or {}, pod.get("status") or {}
    labels = metadata.get("labels") or {}
    name, namespace, node = metadata["name"], metadata.get("namespace") or "", spec.get("nodeName")
    phase = status.get("phase") or "Unknown"
    terminating = bool(metadata.get("deletionTimestamp"))
    ready = not terminating and phase == "Running" and _condition(status, "Ready").get("status") == "True"
    hostname, subdomain = spec.get("hostname") or name, spec.get("subdomain")
    host_network = bool(spec.get("hostNetwork"))
    ip = status.get("podIP")
    return {
        "pod": name,
        "namespace": namespace,
        "app": labels.get(APP_LABEL),
        "instance": labels.get(INSTANCE_LABEL),
        "role": role,
        "live_role": None,
        "ip": ip,
        "ips": [entry["ip"] for entry in status.get("podIPs") or () if entry.get("ip")] or ([ip] if ip else []),
        "host_ip": status.get("hostIP"),
        "node": node,
        "hostname": (node or hostname) if host_network else hostname,
        # DNS has a record of a pod only where both are set (and a headless Service has the subdomain's name).
        "fqdn": f"{spec['hostname']}.{subdomain}.{namespace}.svc.{cluster_domain}"
        if subdomain and spec.get("hostname")
        else None,
        "host_network": host_network,
        "container": main_container(pod),
        "rack": None,
        "phase": phase,
        "ready": ready,
        "terminating": terminating,
        "restarts": _restarts(spec, status),
        "started": status.get("startTime"),
        "reason": None if ready else not_ready_reason(pod),
    }


def level(member: Object) -> str:
    """What a live member counts as: one of LEVELS, or ``terminating``."""
    if member["terminating"]:
        return TERMINATING
    if member["ready"]:
        return "ready"
    return "running" if member["phase"] == "Running" and member["ip"] else "present"


class _Entry(t.NamedTuple):
    role: str
    level: str
    member: Object
    labels: dict[str, str]


class Roster:
    """The members known so far, by role, kept current from lists and watch events.

    Counts are kept with every change, so that asking whether a wait is over costs nothing per pod.
    """

    def __init__(
        self,
        role_label: str = ROLE_LABEL,
        *,
        default_role: str | None = None,
        include_finished: bool = False,
        cluster_domain: str = "cluster.local",
    ) -> None:
        self._role_label = role_label
        self._default_role = default_role
        self._include_finished = include_finished
        self._cluster_domain = cluster_domain
        self._entries: dict[tuple[str, str], _Entry] = {}
        self._counts: dict[str, dict[str, int]] = {}

    def __len__(self) -> int:
        return len(self._entries)

    def clear(self) -> None:
        """Forget everything, before a new list."""
        self._entries.clear()
        self._counts.clear()

    def put(self, pod: Object) -> None:
        """Add a pod, or replace what was known of the one of its name."""
        metadata = pod["metadata"]
        labels = metadata.get("labels") or {}
        role = labels.get(self._role_label) or self._default_role
        finished = (pod.get("status") or {}).get("phase") in FINISHED_PHASES
        if not role or (finished and not self._include_finished):
            self.drop(pod)
            return
        key = (metadata.get("namespace") or "", metadata["name"])
        self._forget(key)
        member = project_pod(pod, self._cluster_domain, role)
        entry = _Entry(role, "finished" if finished else level(member), member, labels)
        self._entries[key] = entry
        counts = self._counts.setdefault(role, {})
        counts[entry.level] = counts.get(entry.level, 0) + 1

    def drop(self, pod: Object) -> None:
        """Remove a pod, if it was known."""
        self._forget((pod["metadata"].get("namespace") or "", pod["metadata"]["name"]))

    def _forget(self, key: tuple[str, str]) -> None:
        entry = self._entries.pop(key, None)
        if entry:
            self._counts[entry.role][entry.level] -= 1

    def apply(self, kind: str, pod: Object) -> None:
        """Take in a watch event: ADDED, MODIFIED or DELETED."""
        if kind == "DELETED":
            self.drop(pod)
        elif kind in ("ADDED", "MODIFIED"):
            self.put(pod)

    def counts(self, role: str) -> dict[str, int]:
        """``{total, ready, running, terminating}`` of a role; finished pods count nowhere."""
        found = self._counts.get(role, {})
        running = found.get("ready", 0) + found.get("running", 0)
        return {
            "total": running + found.get("present", 0) + found.get(TERMINATING, 0),
            "ready": found.get("ready", 0),
            "running": running,
            "terminating": found.get(TERMINATING, 0),
        }

    def roles(self) -> list[str]:
        """The roles that have members, sorted."""
        return sorted(role for role, counts in self._counts.items() if any(counts.values()))

    def _good(self, role: str, until: str) -> tuple[int, int]:
        """Members of the role that are at least *until*, and those that are not."""
        counts = self.counts(role)
        good = counts["total"] - counts["terminating"] if until == "present" else counts[until]
        return good, counts["total"] - good

    def _role_met(self, role: str, expectation: Expectation, until: str) -> bool:
        good, others = self._good(role, until)
        if expectation.exact:
            return good == expectation.count and not others
        return good >= expectation.count

    def met(self, expect: t.Mapping[str, Expectation], until: str = "ready") -> bool:
        """Is every expected role as it should be? Without any: is there a member, and are all of them *until*?

        An exact count is met when as many members are *until* and there is no other one, neither starting nor
        terminating: only then has a scale-in or a restart ended.
        """
        if expect:
            return all(self._role_met(role, expectation, until) for role, expectation in expect.items())
        found = [self._good(role, until) for role in self.roles()]
        return sum(good for good, dummy in found) > 0 and not any(others for dummy, others in found)

    def unmet(self, expect: t.Mapping[str, Expectation], until: str = "ready") -> list[str]:
        """One sentence for every role that is not as expected: how many of how many, and which pods are why."""
        if not expect and not self.roles():
            return ["no pod found"]
        sentences = []
        for role in expect or self.roles():
            good, others = self._good(role, until)
            if (expect and self._role_met(role, expect[role], until)) or (not expect and not others):
                continue
            wanted = str(expect[role]) if expect else str(good + others)
            sentence = f"role {role}: {good} {until} of {wanted} expected ({good + others} found)"
            wrong = self.lagging(role, until)
            pods = [f"{member['pod']} ({member['reason'] or member['phase']})" for member in wrong[:_NAMED_PODS]]
            if len(wrong) > _NAMED_PODS:
                pods.append(f"and {len(wrong) - _NAMED_PODS} more")
            sentences.append(sentence + (f"; not {until}: " + ", ".join(pods) if pods else ""))
        return sentences

    def lagging(self, role: str, until: str = "ready") -> list[Object]:
        """The live members of a role that are not (or no longer) *until*."""
        enough = LEVELS[LEVELS.index(until) :]
        return [
            entry.member
            for entry in self._sorted()
            if entry.role == role and entry.level != "finished" and entry.level not in enough
        ]

    def _sorted(self) -> list[_Entry]:
        return sorted(
            self._entries.values(), key=lambda entry: (entry.member["namespace"], natural(entry.member["pod"]))
        )

    def nodes(self) -> set[str]:
        """Names of the nodes that members run on."""
        return {entry.member["node"] for entry in self._entries.values() if entry.member["node"]}

    def set_nodes(self, nodes: t.Mapping[str, Object]) -> None:
        """Fill in what is known by the node: the rack, and the host name of members in the host's network."""
        for entry in self._entries.values():
            node = nodes.get(entry.member["node"])
            if node:
                entry.member["rack"] = node["rack"]
                if entry.member["host_network"]:
                    entry.member["hostname"] = node["hostname"]

    def members(self, roles: t.Iterable[str] = ()) -> dict[str, list[Object]]:
        """Role -> members, in natural order of their names. *roles* are there even without members."""
        grouped: dict[str, list[Object]] = {role: [] for role in sorted({*roles, *self.roles()})}
        for entry in self._sorted():
            grouped[entry.role].append(entry.member)
        return grouped

    def all(self) -> list[Object]:
        """All members, in natural order of their names."""
        return [entry.member for entry in self._sorted()]

    def live(self) -> dict[str, list[Object]]:
        """Live role -> members, of those that have said one."""
        grouped: dict[str, list[Object]] = {}
        if any(entry.member["live_role"] for entry in self._entries.values()):
            for member in self.all():
                if member["live_role"]:
                    grouped.setdefault(member["live_role"], []).append(member)
        return dict(sorted(grouped.items()))

    def live_unmet(self, expect: t.Mapping[str, Expectation], findings: t.Sequence[str] = ()) -> list[str]:
        """One sentence for every live role that not as many members say as expected."""
        found = {role: len(members) for role, members in self.live().items()}
        sentences = []
        for role, expectation in expect.items():
            count = found.get(role, 0)
            if count == expectation.count or (count > expectation.count and not expectation.exact):
                continue
            said = ", ".join(f"{number} {name}" for name, number in found.items()) or "no live role at all"
            sentences.append(f"live role {role}: {count} of {expectation} expected; members say: {said}")
        if sentences and findings:
            more = f" (and {len(findings) - _NAMED_PODS} more)" if len(findings) > _NAMED_PODS else ""
            sentences.append(f"no live role from: {', '.join(findings[:_NAMED_PODS])}{more}")
        return sentences

    def services(
        self, services: t.Iterable[Object], *, roles: t.Iterable[str] = (), labels: t.Mapping[str, str] | None = None
    ) -> dict[str, list[Object]]:
        """Role -> the Services that select at least one of its members, as projections, sorted by name.

        A Service of a role without members is found too if its selector names the role label and all of *labels*.
        """
        services = [service for service in services if (service.get("spec") or {}).get("selector")]
        wanted = {pair for service in services for pair in service["spec"]["selector"].items()}
        carriers: dict[tuple[str, str], set[tuple[str, str]]] = {}
        for key, entry in self._entries.items():
            if entry.level != "finished":
                for pair in wanted.intersection(entry.labels.items()):
                    carriers.setdefault(pair, set()).add(key)
        grouped: dict[str, list[Object]] = {role: [] for role in sorted({*roles, *self.roles()})}
        for service in sorted(
            services, key=lambda s: (s["metadata"].get("namespace") or "", natural(s["metadata"]["name"]))
        ):
            selector = service["spec"]["selector"]
            # From the rarest label on: a Service per member must not cost a look at every pod.
            sets = sorted((carriers.get(pair, set()) for pair in selector.items()), key=len)
            namespace = service["metadata"].get("namespace") or ""
            selected = [self._entries[key] for key in set.intersection(*sets) if key[0] == namespace]
            by_role: dict[str, list[Object]] = {}
            for entry in selected:
                by_role.setdefault(entry.role, []).append(entry.member)
            named = selector.get(self._role_label)
            if not by_role and named in grouped and labels is not None and labels.items() <= selector.items():
                by_role[named] = []
            for role, members in by_role.items():
                grouped[role].append(project_service(service, members, self._cluster_domain))
        return grouped


# --- services --------------------------------------------------------------------------------------


def _url(scheme: str, host: str, port: int, path: str) -> str:
    host = f"[{host}]" if ":" in host else host
    return f"{scheme}://{host}:{port}/{path.lstrip('/')}" if path else f"{scheme}://{host}:{port}"


def project_service(service: Object, members: t.Sequence[Object], cluster_domain: str = "cluster.local") -> Object:
    """A Service and the URLs to open. *members* are those it selects; node port URLs name hosts of ready ones."""
    metadata, spec = service["metadata"], service["spec"]
    name, namespace = metadata["name"], metadata.get("namespace") or ""
    annotations = metadata.get("annotations") or {}
    dns = f"{name}.{namespace}.svc.{cluster_domain}"
    ingress = ((service.get("status") or {}).get("loadBalancer") or {}).get("ingress") or ()
    external = [entry.get("ip") or entry.get("hostname") for entry in ingress] + list(spec.get("externalIPs") or ())
    placed = [member for member in members if member["host_ip"]]
    placed = [member for member in placed if member["ready"]] or placed
    hosts = sorted({member["host_ip"] for member in placed}, key=natural)[:_URL_HOSTS]
    cluster_ip = spec.get("clusterIP")
    headless = cluster_ip == "None"
    ports, urls, cluster_urls, dashboards = [], [], [], []
    for port in spec.get("ports") or ():
        scheme, path = _annotated(annotations, SCHEME_ANNOTATION, port), _annotated(annotations, PATH_ANNOTATION, port)
        if not scheme and port.get("appProtocol") in _URL_SCHEMES:
            scheme = port["appProtocol"]
        dashboard = _annotated(annotations, DASHBOARD_ANNOTATION, port).lower() == "true"
        ports.append(
            {
                "name": port.get("name") or "",
                "port": port["port"],
                "target_port": port.get("targetPort"),
                "node_port": port.get("nodePort"),
                "protocol": port.get("protocol") or "TCP",
                "scheme": scheme or None,
                "dashboard": dashboard,
            }
        )
        if scheme:
            # The name of a headless Service leads to the members themselves, so to their port.
            target = port.get("targetPort")
            number = target if headless and isinstance(target, int) and target else port["port"]
            cluster_urls.append(_url(scheme, dns, number, path))
            outside = [_url(scheme, host, port["port"], path) for host in external if host]
            if port.get("nodePort"):
                outside += [_url(scheme, host, port["nodePort"], path) for host in hosts]
            urls += outside
            if dashboard:
                dashboards += outside
    return {
        "name": name,
        "namespace": namespace,
        "type": spec.get("type") or "ClusterIP",
        "headless": headless,
        "member": (spec.get("selector") or {}).get(POD_NAME_LABEL),
        "cluster_ip": None if headless else cluster_ip,
        "dns": dns,
        "external": [host for host in external if host],
        "ports": ports,
        "urls": urls,
        "cluster_urls": cluster_urls,
        "dashboards": dashboards,
    }


def _annotated(annotations: t.Mapping[str, str], key: str, port: Object) -> str:
    """What an annotation says of a port: by its name, by its number, or of all."""
    for suffix in (f".{port['name']}" if port.get("name") else "", f".{port['port']}", ""):
        if annotations.get(key + suffix):
            return str(annotations[key + suffix])
    return ""


# --- the members' map ------------------------------------------------------------------------------


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
    labels = {INSTANCE_LABEL: cluster, MANAGED_LABEL: MANAGER}
    if app:
        labels[APP_LABEL] = app
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


# --- nodes and selectors ---------------------------------------------------------------------------


def project_node(node: Object, rack_label: str = RACK_LABEL) -> Object:
    """The rack and host name of a node, of which only the metadata is needed."""
    labels = node["metadata"].get("labels") or {}
    return {"rack": labels.get(rack_label), "hostname": labels.get(HOSTNAME_LABEL) or node["metadata"]["name"]}


def label_selector(
    role_label: str,
    *,
    app: str | None = None,
    instance: str | None = None,
    roles: t.Sequence[str] = (),
    extra: t.Sequence[str] = (),
    require_role: bool = True,
) -> str:
    """The API's label selector for a request. Pods without the role label are left to the server to skip."""
    terms = [f"{key}={value}" for key, value in ((APP_LABEL, app), (INSTANCE_LABEL, instance)) if value]
    if roles and require_role:
        terms.append(f"{role_label} in ({','.join(sorted(set(roles)))})")
    elif require_role:
        terms.append(role_label)
    return ",".join([*terms, *(term for term in extra if term)])
