# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Gathers what the preflight's rules need on the controller, and reports what they find."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import yaml
from ansible.errors import AnsibleError
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.plugins.action import ActionBase
from ansible.utils.vars import load_extra_vars
from ansible.vars.hostvars import HostVars
from ansible.vars.plugins import get_vars_from_inventory_sources, get_vars_from_path

from ..filter.node_addresses import node_address
from ..module_utils import artifacts
from ..module_utils.host.volumes import read_volumes
from ..module_utils.kube.client import KubeApi
from ..module_utils.kube.config import load_kubeconfig
from ..module_utils.kube.errors import KubeApiError
from ..module_utils.preflight.findings import ERROR, INVENTORY, Finding, make_finding
from ..module_utils.preflight.inventory import EXTRA, PLAY, check_group_variables
from ..module_utils.preflight.kubespray import KNOWN, check_addresses, check_variables
from ..module_utils.preflight.limit import is_meant
from ..module_utils.preflight.report import (
    ARGUMENT_SPEC,
    apply_ignore,
    evaluate,
    format_report,
    summary,
    warning_lines,
)
from ..module_utils.preflight.variables import check_variable_names, check_variable_range, check_variable_text
from ..plugin_utils import catalogue, role_specs

try:
    from ansible._internal._datatag._tags import Origin
except ImportError:  # Only to say where a variable is set.
    Origin = None

# Seconds for the API of a cluster that exists.
API_TIMEOUT = 5

# Anything else is a secret of ansible-vault, which is not opened here.
_PLAIN = (str, int, float, bool, list, dict, type(None))


class ActionModule(ActionBase):
    """Judges all hosts of the play at once."""

    TRANSFERS_FILES = False
    _requires_connection = False
    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result = super().run(tmp, task_vars)
        _spec, args = self.validate_argument_spec(argument_spec=ARGUMENT_SPEC)
        task_vars = task_vars or {}
        hostvars = task_vars["hostvars"]
        names = list(task_vars.get("ansible_play_hosts_all") or task_vars["ansible_play_hosts"])
        raw = {name: hostvars.raw_get(name) for name in names}
        hosts = {name: self._host(values.get(args["probe"])) for name, values in raw.items()}

        members = task_vars.get("groups") or {}
        groups = {role: list(members.get(group) or []) for role, group in args["groups"].items()}
        # Those that the run leaves out, and what a cluster has left on them.
        outside_facts = {
            name: self._host(hostvars.raw_get(name).get(args["probe"]))["facts"] or {}
            for name in sorted({*groups["etcd"], *groups["control_plane"]} - {*names})
        }
        run_tags, skip_tags = task_vars.get("ansible_run_tags") or ["all"], task_vars.get("ansible_skip_tags") or []
        versions, unreadable = self._supported_versions(args["lock_file"])
        settings = dict(
            args["settings"],
            group_names=args["groups"],
            inventory_groups=members,
            supported_versions=versions,
            cluster=self._cluster(args["kubeconfig"]),
            missing_kubeconfig="" if os.path.isfile(args["kubeconfig"]) else args["kubeconfig"],
            missing_files={
                variable: path
                for variable, path in args["controller_files"].items()
                if path and not os.path.isfile(str(path))
            },
        )
        findings = evaluate(
            settings,
            groups,
            hosts,
            outside={name: facts.get("kubernetes") for name, facts in outside_facts.items()},
            etcd_clients={name: facts.get("etcd_clients") for name, facts in outside_facts.items()},
            meant=lambda tag: is_meant(tag, run_tags, skip_tags),
            elsewhere={name: _address(hostvars[name]) for name in {*groups["cluster"], *groups["etcd"]} - {*names}},
        )
        findings += unreadable
        findings += self._addresses(_asked_for(groups, {*names}, args["settings"]), hostvars)
        findings += check_addresses({name: self._written(name, raw[name], hosts[name], hostvars) for name in names})
        if is_meant("storage", run_tags, skip_tags):
            findings += self._volumes(groups["cluster"], hostvars)
        findings += self._variables(raw, hostvars, args["own_variables"])
        findings = apply_ignore(findings, args["ignore"])

        for name, host in hosts.items():
            if host["facts"]:
                self._display.v(f"preflight: {name}: {summary(host['facts'])}")
        report = format_report(findings, len(names))
        result.update(changed=False, findings=[finding.as_dict() for finding in findings], msg=report)
        if any(finding.severity == ERROR for finding in findings):
            result["failed"] = True
        else:
            for line in warning_lines(findings):
                self._display.warning(line)
        return result

    @staticmethod
    def _host(probe: object) -> dict[str, Any]:
        if isinstance(probe, dict) and isinstance(probe.get("facts"), dict):
            return {"roles": probe["roles"], "facts": probe["facts"], "settings": probe["settings"]}
        host: dict[str, Any] = {"roles": [], "facts": None, "settings": {}}
        if isinstance(probe, dict):
            # A host that answers but cannot be looked at would fail in every later play.
            text = str(probe.get("module_stderr") or probe.get("module_stdout") or probe.get("msg") or "")
            host["reason"] = " ".join(text.removeprefix("Task failed: ").split())[:300] or "no reason given"
            host["severity"] = ERROR
        return host

    @staticmethod
    def _supported_versions(lock_file: str) -> tuple[list[str], list[Finding]]:
        """The releases that can be installed, and a finding when the list that says so cannot be read."""
        try:
            # A lock file that is not there is a finding of its own; the collection's list says what it could hold.
            content, _path = catalogue.load(lock_file if lock_file and os.path.isfile(lock_file) else "")
        except (OSError, ValueError, yaml.YAMLError, artifacts.ArtifactError) as error:
            return [], [
                Finding(
                    INVENTORY,
                    "controller_files",
                    "a readable list of artifacts",
                    str(error),
                    "fill the mirror again (playbooks/mirror.yml writes the lock file)",
                    ERROR,
                )
            ]
        return artifacts.kubernetes_versions(content), []

    def _addresses(self, names: Iterable[str], hostvars: HostVars) -> list[Finding]:
        """Findings about hosts outside of the run, whose addresses hosts of the run need."""
        return [
            make_finding(
                name,
                "node_address",
                "its address to be known to the hosts of this run, which is limited to others",
                "no cluster_node_address, and it does not answer",
                "set cluster_node_address for it in the inventory, or start it",
            )
            for name in sorted(names)
            if not _address(hostvars[name])
        ]

    @staticmethod
    def _written(name: str, values: Mapping[str, Any], host: Mapping[str, Any], hostvars: HostVars) -> dict[str, Any]:
        """A host's address, and what the inventory says of it."""
        return {
            "address": host["settings"].get("node_address"),
            "ip": hostvars[name].get("ip") if "ip" in values else "",
            "access_ip": hostvars[name].get("access_ip") if "access_ip" in values else "",
            "own": "cluster_node_address" in values,
        }

    def _volumes(self, names: list[str], hostvars: HostVars) -> list[Finding]:
        """Findings about the local volumes of all hosts, also of those that the run is not limited to."""
        described: dict[str, dict[str, Any]] = {}
        findings = []
        for name in names:
            described[name] = {}
            try:
                volumes = hostvars[name].get("storage_local_volumes")
                if volumes:
                    node = hostvars[name].get("cluster_node_name")
                    described[name] = {"storage_local_volumes": volumes, "cluster_node_name": node}
            except AnsibleError as error:
                findings.append(
                    make_finding(
                        name,
                        "limit",
                        "its storage_local_volumes and cluster_node_name to be known, since all volumes are described",
                        str(error),
                        "write them without the host's facts, or add it to --limit",
                    )
                )
        _volumes, problems = read_volumes(names, described)
        return findings + [
            make_finding(problem.host, "storage_volumes", problem.expected, problem.found, problem.remedy)
            for problem in problems
        ]

    @staticmethod
    def _cluster(kubeconfig: str) -> dict[str, str]:
        """The cluster that the controller knows: its kubeconfig, and what its API says of itself."""
        if not kubeconfig or not os.path.isfile(kubeconfig):
            return {"kubeconfig": "", "version": "", "error": ""}
        try:
            with KubeApi(load_kubeconfig(kubeconfig), API_TIMEOUT) as api:
                version = str(api.get("/version").get("gitVersion") or "")
        except KubeApiError as error:
            return {"kubeconfig": kubeconfig, "version": "", "error": str(error)}
        return {"kubeconfig": kubeconfig, "version": version, "error": ""}

    # --- variables ---

    def _variables(self, raw: Mapping[str, dict[str, Any]], hostvars: HostVars, own: Iterable[str]) -> list[Finding]:
        """Findings about names and values that the inventory, the play and the command line set."""
        specs = role_specs.load()
        options, known = role_specs.options(specs), role_specs.known_names(specs)
        settings = list(self._set_by_the_user(hostvars))
        names = [(str(name), where) for name, _value, where, _host in settings]
        findings = check_variable_names(names, known, role_specs.prefixes(specs), [*own, *KNOWN])
        findings += check_variables(((str(name), where, value) for name, value, where, _host in settings), own)
        findings += check_group_variables((str(name), value, where) for name, value, where, _host in settings)
        seen = set()
        for name, value, where, host in settings:
            spec = options.get(str(name))
            # The plugin's choices have a check of their own.
            if spec is None or name == "cluster_network_plugin" or not isinstance(value, _PLAIN):
                continue
            key: tuple[Any, ...] = (str(name), where, repr(value))
            if _is_template(value):
                key += (host,)
                value = self._template(value, raw, host)
                if value is None:
                    continue
            if key not in seen:
                seen.add(key)
                findings += check_value(str(name), value, spec, where)
        return findings

    def _template(self, value: object, raw: Mapping[str, dict[str, Any]], host: str | None) -> object:
        """What a template comes to on a host of the play; None where that cannot be said here."""
        name = host if host in raw else next(iter(raw), None)
        if name is None:
            return None
        try:
            return self._templar.copy_with_new_env(available_variables=raw[name]).template(value)
        except Exception:
            # It may need facts, or a default of the role that it is for: judged where it is used.
            return None

    def _set_by_the_user(self, hostvars: HostVars) -> Iterator[tuple[str, Any, str, str | None]]:
        """(name, raw value, where it is set, a host that it holds for)."""
        inventory, loader = hostvars._inventory, self._loader
        base = loader.get_basedir()
        entities = [*inventory.groups.values(), *inventory.hosts.values()]
        for entity in entities:
            is_group = hasattr(entity, "child_groups")
            hosts = entity.get_hosts() if is_group else [entity]
            host = hosts[0].name if hosts else None
            title = "{} {}".format("group" if is_group else "host", entity.name)
            for source in (
                entity.vars,
                get_vars_from_inventory_sources(loader, inventory._sources, [entity], "all"),
                get_vars_from_path(loader, base, [entity], "all"),
            ):
                for name, value in source.items():
                    yield name, value, _where(name, value, title), host
        play = getattr(self._task, "play", None)
        for name, value in (getattr(play, "vars", None) or {}).items():
            yield name, value, _where(name, value, PLAY), None
        for name, value in load_extra_vars(loader).items():
            yield name, value, EXTRA, None


def _address(variables: Mapping[str, Any]) -> str:
    """A host's address; empty where it is not known, or only by facts of a host that is not in the run."""
    try:
        return node_address(variables)
    except AnsibleError:
        return ""


def _asked_for(groups: Mapping[str, list[str]], names: set[str], settings: Mapping[str, Any]) -> set[str]:
    """The hosts outside of a run with *names* whose addresses it needs: where etcd is, or where the API is."""
    core = {*groups["etcd"], *groups["control_plane"]}
    if core & names:
        return core - names
    return set() if settings.get("api_endpoint") else {*groups["control_plane"][:1]} - names


def check_value(name: str, value: object, spec: Mapping[str, Any], where: str) -> list[Finding]:
    """Findings about one variable's type, choices and range."""
    kind = spec.get("type")
    written = None
    if kind in ("list", "dict") and isinstance(value, str):
        # Ansible's own validation would split it, and the roles take it as it is.
        example = "[...]" if kind == "list" else "{...}"
        written = f"write it as YAML, on the command line as -e '{{\"{name}\": {example}}}'"
    elif kind == "str" and name.endswith("_mode") and not isinstance(value, str) and str(spec.get("default")).isdigit():
        # 0770 without quotes is the number 504.
        written = f'put it in quotes: {name}: "0770"'
    if written:
        expected = role_specs.expectation(name, spec)
        return [Finding(INVENTORY, "variable_value", expected, f"{value!r} ({where})", written, ERROR)]
    findings = check_variable_text(name, value, where) if kind == "str" else []
    if findings:
        return findings
    validated = ArgumentSpecValidator({name: {**spec, "required": False}}).validate({name: value})
    if validated.error_messages:
        return [
            Finding(
                INVENTORY,
                "variable_value",
                role_specs.expectation(name, spec),
                f"{'a secret' if spec.get('no_log') else repr(value)} ({where}): {validated.error_messages[0]}",
                f"correct {name}",
                ERROR,
            )
        ]
    return check_variable_range(name, validated.validated_parameters[name], where)


def _is_template(value: object) -> bool:
    if isinstance(value, str):
        return "{{" in value or "{%" in value
    if isinstance(value, dict):
        return any(_is_template(item) for item in value.values())
    return isinstance(value, list) and any(_is_template(item) for item in value)


def _where(name: str, value: object, title: str) -> str:
    """File and line where a variable is set, or what it belongs to."""
    origin = Origin and (Origin.get_tag(name) or Origin.get_tag(value))
    path = origin and origin.path
    if not path:
        return title
    path = os.path.relpath(path) if not os.path.relpath(path).startswith("..") else path
    return f"{path}:{origin.line_num}" if origin.line_num else path
