# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Inventory: the members of app clusters as hosts."""

from __future__ import annotations

DOCUMENTATION = r"""
name: app_members
short_description: The members of app clusters as hosts, each role a group
version_added: 0.1.0
author: The baremetal.bigdata maintainers (@baremetal)
description:
  - Each pod that plays a role is a host, reached by the connection P(kubernetes.core.kubectl#connection). Groups are
    the applications, the app clusters, their roles and, where members can be asked, their live roles.
  - The source is a YAML file whose name ends in C(app_members.yml) or C(app_members.yaml).
  - Groups are C(app_APP), C(CLUSTER), C(role_ROLE), C(CLUSTER_ROLE), and C(live_ROLE) and C(CLUSTER_live_ROLE) for
    live roles. Characters that a group's name may not have become C(_). Where O(namespaces) has several, or
    O(all_namespaces) is set, hosts are named C(POD.NAMESPACE), and C(CLUSTER) becomes C(NAMESPACE_CLUSTER).
  - Two different things that would be the same group are an error, never one group. A command meant for one app cluster
    must not reach another.
extends_documentation_fragment:
  - constructed
  - inventory_cache
options:
  plugin:
    description: The name of this plugin.
    type: str
    required: true
    choices: [baremetal.bigdata.app_members]
  kubeconfig:
    description:
      - Path of the kubeconfig, relative to the inventory's file, or several, separated by colons.
      - Unset means C(~/.kube/config). The connection to members uses the same.
      - Users may have a client certificate, a token, a token file, a name and a password, or a credential plugin.
    type: str
    env:
      - name: K8S_AUTH_KUBECONFIG
      - name: KUBECONFIG
  context:
    description: The kubeconfig's context, else its current one. The connection to members uses the same.
    type: str
    env:
      - name: K8S_AUTH_CONTEXT
  namespaces:
    description: The namespaces to look in. Empty means that of the kubeconfig's context, else V(default).
    type: list
    elements: str
    default: []
  all_namespaces:
    description: Look in all namespaces. The user needs a ClusterRole for that.
    type: bool
    default: false
  app:
    description: Only members of this application.
    type: str
  instance:
    description: Only members of this app cluster.
    type: str
  label_selector:
    description: Further conditions on the pods' labels. All of them must hold.
    type: list
    elements: str
    default: []
  role_label:
    description: The label whose value is the role. Pods without it are no hosts.
    type: str
    default: baremetal.bigdata/role
  only_ready:
    description: Leave out members that are not ready. Members that have no container to run a command in are no hosts.
    type: bool
    default: false
  racks:
    description: Read each member's rack from its node. The user needs the verb C(list) on nodes.
    type: bool
    default: true
  rack_label:
    description: The node label that names the rack.
    type: str
    default: topology.kubernetes.io/zone
  cluster_domain:
    description: DNS domain of the cluster.
    type: str
    default: cluster.local
  live_roles:
    description: How to ask members for their live role, as in M(baremetal.bigdata.role_discovery).
    type: dict
    default: {}
  definitions:
    description:
      - Paths of app definitions, relative to the inventory's file, from which the probes of their roles are taken.
      - Asked are members whose application is the definition's name.
    type: list
    elements: str
    default: []
  live_timeout:
    description: How long one member may take to answer, in seconds. One that does not is in no group of live roles.
    type: float
    default: 5
requirements:
  - PyYAML on the controller
  - kubectl on the controller, for the connection to members
notes:
  - A host has the variables C(ansible_connection), C(ansible_kubectl_namespace), C(ansible_kubectl_pod),
    C(ansible_kubectl_container), C(ansible_kubectl_kubeconfig), C(ansible_kubectl_context), and, beginning with
    C(member_), all fields of RV(baremetal.bigdata.role_discovery#module:members), such as C(member_ip) and
    C(member_live_role).
  - Most images of applications have no Python. M(ansible.builtin.raw) needs none.
"""

EXAMPLES = r"""
# app_members.yml: everything of one tenant
plugin: baremetal.bigdata.app_members
kubeconfig: tenant-a.kubeconfig
namespaces: [tenant-a]
---
# Only Cassandra; its members may be asked by their racks, as rack_a
plugin: baremetal.bigdata.app_members
namespaces: [cassandra]
instance: cassandra
strict: true
keyed_groups:
  - key: member_rack
    prefix: rack
compose:
  native_transport: member_ip ~ ':9042'
---
# ZooKeeper, with the groups live_leader and live_follower; asked again every five minutes
plugin: baremetal.bigdata.app_members
namespaces: [analytics]
live_roles:
  server:
    command: [sh, -c, "echo srvr | nc localhost 2181"]
    match: 'Mode: (\w+)'
cache: true
cache_plugin: ansible.builtin.jsonfile
cache_connection: ~/.cache/app_members
cache_timeout: 300
"""

import gc
import os
import re
from typing import Any

from ansible.errors import AnsibleParserError
from ansible.plugins.inventory import BaseInventoryPlugin, Cacheable, Constructable

from ..module_utils.app.dialects import document as documents
from ..module_utils.app.model.reader import AppError
from ..module_utils.app.run.live import Probe, ProbeError, ask_all, parse_probes, probes_of
from ..module_utils.discovery.read import load_pods, optional, read_nodes
from ..module_utils.discovery.roster import DiscoveryError, Roster, label_selector
from ..module_utils.kube.client import KubeApi
from ..module_utils.kube.config import load_kubeconfig
from ..module_utils.kube.errors import KubeApiError

NAMES = ("app_members.yml", "app_members.yaml")
# Names that Ansible has given a meaning.
RESERVED = ("all", "ungrouped", "localhost")
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9_]")


def group_name(*parts: str) -> str:
    """A group's name: the parts, joined by `_`, without what a name may not have."""
    name = _NOT_IN_NAMES.sub("_", "_".join(parts))
    return f"_{name}" if name[:1].isdigit() else name


def groups_of(member: dict[str, Any], several: bool) -> list[tuple[str, tuple[str, ...]]]:
    """The groups of a member, each with what it stands for."""
    role, live, app = member["role"], member["live_role"], member["app"]
    where = [member["namespace"]] if several else []
    groups: list[tuple[str, tuple[str, ...]]] = [(group_name("role", role), ("role", role))]
    if app:
        groups.append((group_name("app", app), ("app", app)))
    if live:
        groups.append((group_name("live", live), ("live role", live)))
    if member["instance"]:
        cluster = (member["namespace"], member["instance"])
        parts = [*where, member["instance"]]
        groups.append((group_name(*parts), ("cluster", *cluster)))
        groups.append((group_name(*parts, role), ("role of a cluster", *cluster, role)))
        if live:
            groups.append((group_name(*parts, "live", live), ("live role of a cluster", *cluster, live)))
    return groups


def host_name(member: dict[str, Any], several: bool) -> str:
    """The name of a member's host."""
    return f"{member['pod']}.{member['namespace']}" if several else member["pod"]


def checked_groups(members: list[dict[str, Any]], several: bool) -> dict[str, list[str]]:
    """Group -> hosts. Two meanings of one name are refused, as is a name that is a host's or Ansible's own.

    :raises AnsibleParserError: names both, and the remedy.
    """
    meanings: dict[str, tuple[str, ...]] = {}
    grouped: dict[str, list[str]] = {}
    for member in members:
        host = host_name(member, several)
        for name, meaning in groups_of(member, several):
            known = meanings.setdefault(name, meaning)
            if known != meaning:
                raise AnsibleParserError(
                    f"the group {name} would stand for {_said(known)} and for {_said(meaning)}. Narrow the inventory "
                    "by namespaces, app, instance or label_selector, so that only one of them is in it."
                )
            grouped.setdefault(name, []).append(host)
    hosts = {host_name(member, several) for member in members}
    for name, meaning in meanings.items():
        if name in RESERVED or name in hosts:
            other = "a host" if name in hosts else "a name of Ansible's own"
            raise AnsibleParserError(
                f"the group {name}, for {_said(meaning)}, would also be {other}. Narrow the inventory by "
                "label_selector, or look in several namespaces, which puts the namespace before the name."
            )
    return grouped


def _said(meaning: tuple[str, ...]) -> str:
    return f"{meaning[0]} {'/'.join(meaning[1:])}"


class InventoryModule(BaseInventoryPlugin, Constructable, Cacheable):
    """The plugin."""

    NAME = "baremetal.bigdata.app_members"

    def verify_file(self, path: str) -> bool:
        return super().verify_file(path) and path.endswith(NAMES)

    def parse(self, inventory: Any, loader: Any, path: str, cache: bool = True) -> None:
        super().parse(inventory, loader, path, cache)
        settings = self._read_config_data(path)
        known = sorted({"plugin", *(name for name in self.get_options() if not name.startswith("_"))})
        for name in settings:
            if name not in known:
                raise AnsibleParserError(f"{path}: expected one of {', '.join(known)}; found {name!r}.")
        directory = os.path.dirname(os.path.abspath(path))
        key, user_cache = self.get_cache_key(path), self.get_option("cache")
        found = None
        if cache and user_cache:
            try:
                found = self._cache[key]
            except KeyError:
                found = None
        if found is None:
            try:
                found = self.find(directory)
            except (KubeApiError, DiscoveryError, ProbeError) as error:
                raise AnsibleParserError(f"{path}: {error}") from error
            if user_cache:
                self._cache[key] = found
        for finding in found["findings"]:
            self.display.warning(f"{path}: no live role from {finding}")
        try:
            self.populate(found["members"], self.connection(directory))
        except AnsibleParserError as error:
            raise AnsibleParserError(f"{path}: {error.message}") from error

    # --- what is there ---

    @property
    def several(self) -> bool:
        """Whether names need their namespace. It follows from the settings, so names do not change with what runs."""
        return self.get_option("all_namespaces") or len(self.get_option("namespaces")) > 1

    def kubeconfig(self, directory: str) -> str | None:
        path, origin = self.get_option_and_origin("kubeconfig")
        if not path or os.pathsep in path:
            return path
        return os.path.join(os.getcwd() if "env" in str(origin) else directory, os.path.expanduser(path))

    def connection(self, directory: str) -> dict[str, str]:
        """The variables of every host."""
        variables = {"ansible_connection": "kubernetes.core.kubectl"}
        path, context = self.kubeconfig(directory), self.get_option("context")
        if path and os.pathsep not in path:
            variables["ansible_kubectl_kubeconfig"] = path
        if context:
            variables["ansible_kubectl_context"] = context
        return variables

    def find(self, directory: str) -> dict[str, Any]:
        """The members, and who did not say a live role."""
        access = load_kubeconfig(self.kubeconfig(directory), self.get_option("context"))
        namespaces = self.get_option("namespaces") or [access.namespace]
        if self.get_option("all_namespaces"):
            if self.get_option("namespaces"):
                raise DiscoveryError("expected either namespaces or all_namespaces, found both.")
            namespaces = [""]
        selector = label_selector(
            self.get_option("role_label"),
            app=self.get_option("app"),
            instance=self.get_option("instance"),
            extra=self.get_option("label_selector"),
        )
        roster = Roster(self.get_option("role_label"), cluster_domain=self.get_option("cluster_domain"))
        probes = parse_probes(self.get_option("live_roles"))
        definitions = [self._definition(os.path.join(directory, name)) for name in self.get_option("definitions")]
        # Parsed JSON has no cycles, and looking for them in large lists costs as much as parsing them.
        collecting = gc.isenabled()
        gc.disable()
        try:
            with KubeApi(access) as api:
                for namespace in namespaces:
                    load_pods(api, roster, namespace, selector)
                if self.get_option("racks") and roster.nodes():
                    with optional("racks"):
                        roster.set_nodes(read_nodes(api, roster.nodes(), self.get_option("rack_label")))
                members = [
                    member
                    for member in roster.all()
                    if member["phase"] == "Running" and (member["ready"] or not self.get_option("only_ready"))
                ]
                findings = self._ask(api, members, probes, definitions)
        finally:
            if collecting:
                gc.enable()
        return {"members": members, "findings": findings}

    def _definition(self, path: str) -> dict[str, Any]:
        try:
            found = dict(documents.pick(documents.read(path), ("App",)).data)
        except AppError as error:
            raise AnsibleParserError(f"definitions: {error}") from None
        probes_of(found, instance="x", namespace="x")
        return found

    def _ask(
        self,
        api: KubeApi,
        members: list[dict[str, Any]],
        probes: dict[str, Probe],
        definitions: list[dict[str, Any]],
    ) -> list[str]:
        """Ask each app cluster's members by the probes of its definition, and all others by those of the settings."""
        apps = {(definition.get("metadata") or {}).get("name"): definition for definition in definitions}
        clusters: dict[tuple[str, str, str], list[dict[str, Any]]] = {}
        for member in members:
            clusters.setdefault((member["app"] or "", member["namespace"], member["instance"] or ""), []).append(member)
        findings: list[str] = []
        for (app, namespace, instance), found in clusters.items():
            asked = dict(probes)
            if app in apps:
                asked = {**probes_of(apps[app], instance=instance, namespace=namespace), **probes}
            if asked:
                findings += ask_all(api, found, asked, self.get_option("live_timeout"))
        return findings

    # --- what Ansible gets ---

    def populate(self, members: list[dict[str, Any]], connection: dict[str, str]) -> None:
        """Hosts, their variables and groups."""
        grouped = checked_groups(members, self.several)
        strict = self.get_option("strict")
        compose, keyed, conditional = (self.get_option(name) for name in ("compose", "keyed_groups", "groups"))
        for member in members:
            host = host_name(member, self.several)
            self.inventory.add_host(host)
            variables = {
                **connection,
                "ansible_kubectl_namespace": member["namespace"],
                "ansible_kubectl_pod": member["pod"],
                "ansible_kubectl_container": member["container"] or "",
                **{f"member_{field}": value for field, value in member.items()},
            }
            for name, value in variables.items():
                self.inventory.set_variable(host, name, value)
            if compose or keyed or conditional:
                self._set_composite_vars(compose, variables, host, strict=strict)
                self._add_host_to_composed_groups(conditional, variables, host, strict=strict)
                self._add_host_to_keyed_groups(keyed, variables, host, strict=strict)
        for name, hosts in sorted(grouped.items()):
            self.inventory.add_group(name)
            for host in hosts:
                self.inventory.add_host(host, group=name)
        clusters = {
            (group_name(*parts), group_name(*parts, member["role"]))
            for member in members
            if member["instance"]
            for parts in [[*([member["namespace"]] if self.several else []), member["instance"]]]
        }
        for cluster, role in sorted(clusters):
            self.inventory.add_child(cluster, role)
