#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: app_guest
short_description: Configure members from config packages, and tell them of each other
version_added: 0.1.0
author: The baremetal.bigdata maintainers (@baremetal)
description:
  - Does for members with a config package in KubeDirector's form what its operator does, in the run and with
    nothing left running. Before members start it writes what they are told into a Secret, from which each
    configures itself, also after a restart. When others come or go it brings every member's C(configmeta.json) up
    to date and calls the start script with C(--addnodes), C(--delnodes) or C(--reconnect), as the role asked for.
  - Makes the random tokens of services too, once, also for apps without config packages.
  - What a member was told is remembered in its pod's annotation C(baremetal.bigdata/guest-members), so an
    interrupted run is safe to repeat and a second run tells nobody anything.
extends_documentation_fragment:
  - baremetal.bigdata.kube_auth
  - baremetal.bigdata.field_manager
options:
  state:
    description:
      - V(prepared) writes the Secrets. Before the members start.
      - V(told) waits until all members have configured themselves, then tells them of each other.
    type: str
    choices: [prepared, told]
    default: prepared
  guest:
    description: The contract of the cluster, as P(baremetal.bigdata.app_render#filter) returns it in C(guest).
    type: dict
    required: true
  leaving:
    description: With O(state=told), names of pods that are about to leave. All others are told so before they go.
    type: list
    elements: str
    default: []
  timeout:
    description: Seconds for all members to configure themselves, and again for each call of a start script.
    type: int
    default: 600
attributes:
  check_mode:
    description: Applies by the API server's dry run, reads from members, and says who would be told what.
    support: full
  diff_mode:
    description: One difference per object, and what each member knows before and after. Secrets are never shown.
    support: full
"""

EXAMPLES = r"""
- name: Write what the members of a Cassandra cluster are told when they start
  baremetal.bigdata.app_guest:
    kubeconfig: "{{ cluster_kubeconfig }}"
    guest: "{{ (definition | baremetal.bigdata.app_render(settings)).guest }}"

- name: Tell the others before a member leaves
  baremetal.bigdata.app_guest:
    kubeconfig: "{{ cluster_kubeconfig }}"
    guest: "{{ (definition | baremetal.bigdata.app_render(settings)).guest }}"
    state: told
    leaving: [cassandra-worker-2]
"""

RETURN = r"""
reachable:
  description: Whether an API server answered. Only false in check mode, when nothing was looked at.
  type: bool
  returned: always
reason:
  description: Why no API server could be asked.
  type: str
  returned: when RV(reachable) is false
applied:
  description: Objects that were created or changed, each as C(Kind/name).
  type: list
  elements: str
  returned: when RV(reachable)
told:
  description: Each call of a start script, in order, such as C(seed-0 --addnodes of role worker with worker-1).
  type: list
  elements: str
  returned: when RV(reachable)
updated:
  description: Members whose C(configmeta.json) was brought up to date.
  type: list
  elements: str
  returned: when RV(reachable)
progress:
  description: What happened, with the time since the start in seconds.
  type: list
  elements: str
  returned: when RV(reachable)
"""

import json
import secrets
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any, NoReturn

try:
    import yaml
except ImportError:
    yaml = None  # type: ignore[assignment]

from ..module_utils.app.compare import identity, masked, normalise
from ..module_utils.app.contract import ContractError, GuestContract, GuestRole
from ..module_utils.app.render.guest import CONFIGURE, guest_name
from ..module_utils.app.render.names import namespace_object
from ..module_utils.app.render.text import digest
from ..module_utils.app.run import guest
from ..module_utils.kube.module import FIELD_MANAGER, Unreachable, create_module, reason, reporting
from ..module_utils.kube.objects import Kube
from ..module_utils.kube.stream import CommandFailed
from ..module_utils.labels import ANNOTATION_MEMBERS

PAUSE = 1.0
# A question to the agent, which answers from files.
QUESTION = 20
# Members that are asked or told at the same time.
WORKERS = 8


class Refused(Exception):
    """Something that the run cannot go on with: its text says what was expected, what was found and the remedy."""


@dataclass(frozen=True)
class Member:
    """A pod of a guest-configured role."""

    pod: Mapping[str, Any]
    role: GuestRole

    @property
    def name(self) -> str:
        return str(self.pod["metadata"]["name"])

    @property
    def _statuses(self) -> list[dict[str, Any]]:
        return (self.pod.get("status") or {}).get("containerStatuses") or []

    @property
    def container(self) -> str:
        """The container that runs now, or nothing."""
        for item in self._statuses:
            if item["name"] == self.role.container and (item.get("state") or {}).get("running") is not None:
                return item.get("containerID") or ""
        return ""

    @property
    def waits_for(self) -> str:
        """Why its container does not run, where the kubelet says so."""
        waiting = [(item.get("state") or {}).get("waiting") or {} for item in self._statuses]
        return ": ".join(filter(None, (waiting[0].get("reason"), waiting[0].get("message")))) if waiting else ""

    @property
    def told(self) -> guest.Told | None:
        """What the pod's annotation says that it was told."""
        return guest.Told.from_json((self.pod["metadata"].get("annotations") or {}).get(ANNOTATION_MEMBERS) or "")


@dataclass(frozen=True)
class Job:
    """What one member is told: from what it knows to what it shall know, and its configmeta.json."""

    member: Member
    known: guest.Told
    final: guest.Told
    notes: Sequence[guest.Notification]
    meta: Mapping[str, Any]


class Guests:
    """One run: what the cluster's contract says, what is there, and what was done."""

    def __init__(self, kube: Kube, contract: GuestContract, params: Mapping[str, Any], check: bool):
        self.kube = kube
        self.check = check
        self.params = params
        self.contract = contract
        self.namespace = contract.namespace
        self.roles = {role.id: role for role in contract.roles}
        self.start = time.monotonic()
        self.secrets: set[str] = set()
        self.namespace_is_new = False
        self.result: dict[str, Any] = {"applied": [], "told": [], "updated": [], "progress": [], "diff": []}

    def progress(self, text: str) -> None:
        self.result["progress"].append(f"{time.monotonic() - self.start:.1f} s: {text}")

    # --- objects --------------------------------------------------------------------------------------

    def get(self, kind: str, name: str, version: str = "v1") -> dict[str, Any] | None:
        return None if self.namespace_is_new else self.kube.get(version, kind, name, self.namespace)

    def apply(self, item: dict[str, Any]) -> None:
        namespace = item["metadata"].get("namespace")
        live = None if namespace and self.namespace_is_new else self._live(item)
        if live is None and item["kind"] == "Namespace" and self.check:
            self.namespace_is_new = True
        # A dry run does not make the namespace, so the server would refuse what belongs into it.
        dry = bool(namespace) and self.namespace_is_new
        now = item if dry else self.kube.apply(item, self.params["field_manager"])
        if live is None or normalise(live) != normalise(now):
            self.result["applied"].append(identity(item))
            self.differ(identity(item), self.shown(live), self.shown(now))

    def _live(self, item: Mapping[str, Any]) -> dict[str, Any] | None:
        metadata = item["metadata"]
        return self.kube.get(item["apiVersion"], item["kind"], metadata["name"], metadata.get("namespace"))

    @staticmethod
    def shown(item: Mapping[str, Any] | None) -> str:
        if not item:
            return ""
        content = masked(normalise(item))
        return yaml.safe_dump(content) if yaml else json.dumps(content, indent=1, sort_keys=True)

    def differ(self, name: str, before: str, after: str) -> None:
        self.result["diff"].append({"before_header": name, "after_header": name, "before": before, "after": after})

    def tokens(self) -> dict[str, str]:
        """The services' tokens: those that exist stay."""
        if not self.contract.tokens:
            return {}
        known = guest.secret_content(self.get("Secret", f"{self.contract.name}-tokens"))
        tokens = {name: known.get(name) or secrets.token_hex(16) for name in self.contract.tokens}
        self.secrets |= set(tokens.values())
        return tokens

    def connections(self) -> dict[str, Any]:
        """What the cluster is connected to, as it is now."""
        wanted = self.contract.connections
        result: dict[str, Any] = {"clusters": {}, "configmaps": {}, "secrets": {}}
        for name in wanted.clusters:
            found = self.get("Secret", guest_name(name))
            text = guest.secret_content(found).get("cluster.json")
            if not text:
                raise Refused(
                    f"connections.clusters of {self.contract.name}: expected a running cluster {name} with config "
                    f"packages in namespace {self.namespace}, found no Secret {guest_name(name)} there. "
                    f"Deploy {name} first, or take it out of the connections."
                )
            result["clusters"][name] = guest.connected_cluster(json.loads(text), name)
        for what, kind, names in (
            ("configmaps", "ConfigMap", wanted.configmaps),
            ("secrets", "Secret", wanted.secrets),
        ):
            for name in names:
                found = self.get(kind, name)
                if found is None:
                    raise Refused(
                        f"connections.{what} of {self.contract.name}: expected a {kind} {name} in namespace "
                        f"{self.namespace}, found none. Make it first, or take it out of the connections."
                    )
                label = guest.TYPE_LABELS[what]
                category = (found["metadata"].get("labels") or {}).get(label)
                if not category:
                    raise Refused(
                        f"connections.{what} of {self.contract.name}: expected a label {label} on {kind} {name}, "
                        f"found none. Start scripts look connected objects up by it: "
                        f"kubectl -n {self.namespace} label {kind.lower()} {name} {label}=KIND"
                    )
                if kind == "Secret":
                    self.secrets |= set(guest.secret_content(found).values())
                result[what].setdefault(category, []).append(guest.connected_object({**found, "kind": kind}))
        return result

    def counts(self) -> dict[str, int]:
        """How many members each role has now, by its controller. A role that is not there yet is left out."""
        result = {}
        for role in self.contract.roles:
            version = "v1" if role.controller == "ReplicationController" else "apps/v1"
            live = self.get(role.controller, role.workload, version)
            if live is None:
                continue
            spec, status = live.get("spec") or {}, live.get("status") or {}
            count = spec.get("replicas", status.get("desiredNumberScheduled"))
            if count is not None:
                result[role.id] = count
        return result

    def write(self, members: Mapping[str, Sequence[str]]) -> tuple[dict[str, Any], dict[str, int]]:
        """Bring the Secrets up to date. Returns what all members are told, and the members' numbers."""
        tokens, connections = self.tokens(), self.connections()
        for role in self.contract.roles:
            self.secrets |= set(role.secret_keys.values())
        found = guest.secret_content(self.get("Secret", guest_name(self.contract.name)))
        ids = guest.assign_ids(json.loads(found.get("ids.json") or "{}"), members)
        for item in guest.guest_objects(self.contract, connections, tokens, members, ids):
            self.apply(item)
        if not self.roles:
            return {}, ids
        return guest.shared_meta(self.contract, connections, tokens, members, ids), ids

    # --- members --------------------------------------------------------------------------------------

    def agent(self, pod: str, role: GuestRole, *words: str, line: str = "", timeout: float = QUESTION) -> str:
        """What the agent in a member answers. ``line`` goes to its standard input."""
        command = [*CONFIGURE, *words]
        if not line:
            return self.kube.run(self.namespace, pod, role.container, command, timeout)
        return self.kube.run(self.namespace, pod, role.container, command, timeout, line + "\n")

    def by_hand(self, pod: str, role: GuestRole, word: str) -> str:
        return f"kubectl -n {self.namespace} exec {pod} -c {role.container} -- {' '.join(CONFIGURE)} {word}"

    def pods(self) -> dict[str, Member]:
        """The pods of guest-configured roles that are there to stay, by name."""
        found = {}
        for role in self.roles.values():
            if role.guest:
                for pod in self.kube.list("v1", "Pod", self.namespace, role.selector):
                    if not pod["metadata"].get("deletionTimestamp"):
                        found[pod["metadata"]["name"]] = Member(pod, role)
        return found

    def state(self, member: Member) -> str:
        """How far a member is: as its agent says, or why it cannot be asked."""
        if not member.container:
            why = member.waits_for
            return f"none, its container does not run{' (' + why + ')' if why else ''}"
        return self.agent(member.name, member.role, "status")

    def await_members(self, members: Mapping[str, Sequence[str]], told: dict[str, guest.Told]) -> dict[str, Member]:
        """Wait until every member has configured itself. Returns the pods.

        ``told`` gets what each member knows where that has to be asked of it: when its container is new.
        """
        wait = not self.check and not self.params["leaving"]
        shown: dict[str, str] = {}
        while True:
            pods, missing = self.pods(), {}
            names = [name for role in self.roles.values() if role.guest for name in members[role.id]]
            with ThreadPoolExecutor(WORKERS) as pool:
                found = list(pool.map(self.look, [pods.get(name) for name in names]))
            for name, (known, state) in zip(names, found):
                if known is not None:
                    told[name] = known
                elif state.startswith("failed") and wait:
                    self.refuse(name, pods[name].role, state)
                else:
                    told.pop(name, None)
                    missing[name] = state
            for name, state in missing.items():
                if shown.get(name) != state and wait:
                    self.progress(f"{name} is not configured yet: {state}")
            shown = missing
            if not missing or not wait:
                return pods
            if time.monotonic() - self.start > self.params["timeout"]:
                raise Refused(
                    f"{self.contract.name} in namespace {self.namespace}: expected all members to configure themselves "
                    f"within {self.params['timeout']} s, found "
                    + "; ".join(f"{name}: {state}" for name, state in missing.items())
                    + f". Look at kubectl -n {self.namespace} describe pod {next(iter(missing))}, and run again."
                )
            time.sleep(PAUSE)

    def look(self, member: Member | None) -> tuple[guest.Told | None, str]:
        """What a member knows, or why nobody can tell."""
        if member is None:
            return None, "there is no such pod"
        known = member.told
        if known and known.container == member.container:
            return known, ""
        try:
            state = self.state(member)
            if not state.startswith("configured"):
                return None, state
            return self.ask_memory(member, known if state.endswith("kept") else None), ""
        except CommandFailed as error:
            return None, f"none, its agent does not answer: {reason(error)}"
        except Exception as error:
            # A container that ends while it is asked looks like an API server that does.
            if not (isinstance(error, Unreachable) or getattr(error, "status", None)):
                raise
            return None, f"none, it cannot be asked: {reason(error)}"

    def ask_memory(self, member: Member, kept: guest.Told | None) -> guest.Told:
        """What a member with a new container knows: what it configured itself with, or what it kept on a volume."""
        if kept:
            return replace(kept, container=member.container, meta="")
        meta = json.loads(self.agent(member.name, member.role, "meta"))
        members = guest.told_by_meta(self.contract, meta)
        return guest.Told(member.container, digest(meta), digest(meta["connections"]), members)

    def refuse(self, name: str, role: GuestRole, state: str) -> NoReturn:
        code, _, why = state.partition(" ")[2].partition(" ")
        try:
            logs = self.agent(name, role, "logs")
        except Exception as error:  # the reason above is what matters
            logs = f"(cannot be read: {reason(error)})"
        text = (
            f"{name} (role {role.id} of {self.contract.name}, namespace {self.namespace}) could not be configured "
            f"from {shown_url(role.package)}: it ended with {code}: {why}\n{logs}\n"
            f"See {self.by_hand(name, role, 'logs')}. When the cause is gone: {self.by_hand(name, role, 'retry')}, "
            "or delete the pod; then run again."
        )
        raise Refused(text)

    def remember(self, name: str, known: guest.Told) -> None:
        annotation = {ANNOTATION_MEMBERS: known.to_json()}
        self.kube.patch("v1", "Pod", name, self.namespace, {"metadata": {"annotations": annotation}})

    def report(self, job: Job) -> None:
        name, old = job.member.name, job.member.told
        if job.known.meta != job.final.meta:
            self.result["updated"].append(name)
        self.result["told"] += [str(note) for note in job.notes]
        if old != job.final:
            self.differ(f"Pod/{name}", remembered(old), remembered(job.final))

    def tell(self, job: Job, hosts: Mapping[str, str]) -> None:
        """Bring one member up to date, call by call, each remembered once it is done."""
        name, role, old, known = job.member.name, job.member.role, job.member.told, job.known
        if job.notes and old != known:
            # What it knows by its configuration has to be kept before the file there says more.
            self.remember(name, known)
        line = json.dumps(job.meta, sort_keys=True, separators=(",", ":"))
        if not job.notes and known.meta != job.final.meta:
            self.call(name, role, [], line)
        for note in job.notes:
            self.call(name, role, note.arguments(hosts), line)
            self.progress(f"told {note}")
            known = guest.after(known, note, job.final.connections)
            self.remember(name, known)
        if job.notes or old != job.final:
            self.remember(name, job.final)

    def call(self, name: str, role: GuestRole, arguments: list[str], line: str) -> None:
        try:
            self.agent(name, role, "tell", *arguments, line=line, timeout=self.params["timeout"])
        except Exception as error:
            if not (isinstance(error, (CommandFailed, Unreachable)) or getattr(error, "status", None)):
                raise
            what = f"startscript {' '.join(arguments)}" if arguments else "writing configmeta.json"
            raise Refused(
                f"{name} (role {role.id} of {self.contract.name}, namespace {self.namespace}) could not be told: "
                f"{what}: {reason(error)}\nIts output is in /opt/guestconfig/notify.stdout and notify.stderr there. "
                "Members told so far are not told again: mend the cause and run again."
            ) from error

    # --- states ---------------------------------------------------------------------------------------

    def prepare(self) -> None:
        if self.contract.create_namespace:
            self.apply(namespace_object(self.contract.namespace))
        counts = {}
        for name, count in self.counts().items():
            # Those that have to leave are members until they are told to.
            counts[name] = max(count, self.roles[name].members)
        self.write(guest.membership(self.contract, counts))
        for name in self.result["applied"]:
            self.progress(f"wrote {name}")

    def bring_up_to_date(self) -> None:
        counts = self.counts()
        if not any(self.roles[name].guest for name in counts):
            return
        leaving = self.params["leaving"]
        # Also those that are still to be started: they are in the file from the beginning.
        planned = {name: max(counts.get(name, 0), role.members) for name, role in self.roles.items()}
        expected = guest.membership(self.contract, planned, leaving)
        members = guest.membership(self.contract, {name: counts.get(name, 0) for name in self.roles}, leaving)
        shared, ids = self.write(expected)
        told: dict[str, guest.Told] = {}
        pods = self.await_members(members, told)
        announced = expected if self.check and not leaving else members
        goal = guest.Goal(
            members={role.name: expected[name] for name, role in self.roles.items()},
            connections=digest(shared["connections"]),
            listeners={name: pods[name].role.events for name in told},
            configured={
                name
                for role in self.roles.values()
                for name in announced[role.id]
                if name in told or not role.guest or announced is expected
            },
        )
        hosts = {
            name: guest.fqdn(role, name)
            for role in self.roles.values()
            for known in (*(item.members for item in told.values()), goal.members)
            for name in known.get(role.name, ())
        }
        notes = guest.notifications(told, goal)
        jobs = []
        for name in sorted(told):
            meta = {**shared, "node": guest.node_meta(self.contract, name, ids)}
            final = replace(guest.settled(told[name], goal), meta=digest(meta))
            jobs.append(Job(pods[name], told[name], final, [note for note in notes if note.pod == name], meta))
            self.report(jobs[-1])
        if not self.check and jobs:
            # Members at the same time, the calls of each one after the other, as KubeDirector does.
            with ThreadPoolExecutor(WORKERS) as pool:
                for future in [pool.submit(self.tell, job, hosts) for job in jobs]:
                    future.result()


def remembered(known: guest.Told | None) -> str:
    if not known:
        return ""
    lines = [f"{role}: {', '.join(names)}\n" for role, names in known.members.items()]
    return "".join([*lines, f"connections {known.connections}\n", f"configmeta {known.meta}\n"])


def shown_url(url: str) -> str:
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{rest.rpartition('@')[2].partition('?')[0]}"


def main() -> None:
    module = create_module(
        {
            "state": {"type": "str", "choices": ["prepared", "told"], "default": "prepared"},
            "guest": {"type": "dict", "required": True},
            "leaving": {"type": "list", "elements": "str", "default": []},
            "timeout": {"type": "int", "default": 600},
            **FIELD_MANAGER,
        }
    )
    try:
        contract = GuestContract.from_dict(module.params["guest"])
    except ContractError as error:
        # What is no contract may have secrets anywhere, and Ansible shows the call.
        module.params["guest"] = None
        module.fail_json(msg=str(error))
    # Values that are part of the contract, and so of what Ansible shows of the call.
    for role in contract.roles:
        urls = [role.package, *(item.url for item in role.files)]
        module.no_log_values |= guest.secrets_of([*role.secret_keys.values(), *map(guest.password_of, urls)])
    with reporting(module, lambda why: {"reason": why}):
        guests = Guests(Kube(module), contract, module.params, module.check_mode)
    try:
        with reporting(module, lambda why: {"reason": why}):
            if module.params["state"] == "prepared":
                guests.prepare()
            else:
                guests.bring_up_to_date()
    except Refused as error:
        module.fail_json(msg=guest.hidden(str(error), guests.secrets), progress=guests.result["progress"])
    module.no_log_values |= guest.secrets_of(guests.secrets)
    result = guests.result
    if not module._diff:
        del result["diff"]
    module.exit_json(changed=bool(result["applied"] or result["told"] or result["updated"]), reachable=True, **result)


if __name__ == "__main__":
    main()
