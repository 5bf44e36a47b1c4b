#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: config_files
short_description: Place a set of files on a host in one round trip
version_added: 0.1.0
author: The baremetal.bigdata maintainers (@baremetal)
description:
  - Renders templates on the controller, as M(ansible.builtin.template) does, and brings all files of the call to the
    host together, with one connection instead of two for each file.
  - The whole set is compared before the first file is written. Each file is replaced in one step (rename), with its
    owner and mode already set, so no reader sees half a file, and no secret is readable for a moment.
  - Missing parent directories are made, mode 0755.
  - With O(unit), the service that reads the files then runs with them, in the same round trip.
  - With O(state=absent), the same list says what is to go.
extends_documentation_fragment:
  - baremetal.bigdata.attributes.posix
options:
  state:
    description:
      - V(absent) stops and disables the O(unit), and removes the files, also those that are not O(files[].enabled). A
        directory goes if nothing else is in it, and is left alone otherwise.
    type: str
    choices: [present, absent]
    default: present
  files:
    description: The files, and directories to hold others.
    type: list
    elements: dict
    required: true
    suboptions:
      dest:
        description: Absolute path on the host. A symbolic link there is replaced by the file.
        type: path
        required: true
      template:
        description: Template on the controller, looked for where M(ansible.builtin.template) looks.
        type: path
      file:
        description: File on the controller to place as it is, looked for where M(ansible.builtin.copy) looks.
        type: path
      content:
        description: The file's content itself.
        type: str
      state:
        description: V(file) needs one of O(files[].template), O(files[].file) and O(files[].content).
        type: str
        choices: [file, directory]
        default: file
      owner:
        description: Name of the owner. Unset leaves the owner as it is.
        type: str
      group:
        description: Name of the group. Unset leaves the group as it is.
        type: str
      mode:
        description: >-
          Octal mode, as a quoted string. V(0644) unless set; V(0600) for a secret file, V(0755) for a directory.
        type: str
      secret:
        description: Never show the file's content, neither what it was nor what it becomes.
        type: bool
        default: false
      enabled:
        description: V(false) leaves this path alone, as if it were not in the list.
        type: bool
        default: true
      live:
        description: The unit reads this file whenever it needs it, so a change restarts nothing.
        type: bool
        default: false
  backup:
    description: Keep a copy of each file that is replaced, beside it, with the time in its name.
    type: bool
    default: false
  look:
    description: Paths of files to tell about, as they are when all others are in place.
    type: list
    elements: path
    default: []
  unit:
    description:
      - The systemd unit that reads the files. It is enabled, started if it does not run, and restarted if one of the
        files changed (see O(files[].live)), if its program was replaced since it was started, or if an earlier run
        stopped before it could restart it.
    type: dict
    suboptions:
      name:
        description: Its name, with the suffix.
        type: str
        required: true
      restart:
        description: Restart it in any case, since something else that it reads has changed.
        type: bool
        default: false
      needs:
        description: Path without which it is enabled, but neither started nor restarted.
        type: path
      wait:
        description:
          - Whether a start is over only when the unit says that it is up. A unit that was up and is restarted is always
            waited for.
        type: bool
        default: true
attributes:
  check_mode:
    description: Reports what would change. An owner that does not exist yet is taken as one that will.
    support: full
  diff_mode:
    description: Shows one difference for each file; of secret files only that they differ.
    support: full
"""

EXAMPLES = r"""
- name: Write the settings and the unit
  baremetal.bigdata.config_files:
    files:
      - template: etcd.env.j2
        dest: /etc/etcd.env
      - template: etcd.service.j2
        dest: /etc/systemd/system/etcd.service
      - dest: /etc/kubernetes/manifests
        state: directory
      - content: "{{ site_token }}"
        dest: /etc/site.token
        secret: true
  register: written

- name: Run containerd with its newest configuration
  baremetal.bigdata.config_files:
    files:
      - template: config.toml.j2
        dest: /etc/containerd/config.toml
      - template: hosts.toml.j2
        dest: /etc/containerd/certs.d/_default/hosts.toml
        live: true
    unit:
      name: containerd.service

- name: Remove containerd's unit and files
  baremetal.bigdata.config_files:
    state: absent
    files:
      - dest: /etc/containerd/config.toml
      - dest: /etc/containerd
        state: directory
    unit:
      name: containerd.service

- name: Tell whether the unit changed
  ansible.builtin.debug:
    msg: "{{ '/etc/systemd/system/etcd.service' in written.changed_files }}"
"""

RETURN = r"""
changed_files:
  description: Paths that were made, replaced, or given another owner or mode, in the order of the call.
  type: list
  elements: str
  returned: success
  sample: [/etc/etcd.env]
backup_files:
  description: Path of each replaced file to its copy.
  type: dict
  returned: with O(backup=true)
unit_steps:
  description: What was done to the unit, in order, out of C(daemon-reload), C(enable), C(start) and C(restart).
  type: list
  elements: str
  returned: with O(unit)
  sample: [daemon-reload, restart]
"""

import base64
import contextlib
import grp
import hashlib
import os
import pwd
import re
import stat
import tempfile
from typing import Any, Callable

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.common.text.converters import to_native

from ..module_utils.host.unit import Unit, UnitError
from ..module_utils.host.unit import shown as shown_unit

# How contents come from the action plugin.
ENCODED = "base64:"

# What is larger is not worth reading in a terminal.
DIFF_BYTES = 100 * 1024


class FileError(Exception):
    """A failure that names what was expected, what was found and the remedy."""


def read(path: str) -> bytes | None:
    """A file's bytes; None where there is no file (a symbolic link is none)."""
    try:
        with open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NOFOLLOW)) as stream:
            return stream.read()
    except FileNotFoundError:
        return None
    except OSError:
        if os.path.islink(path):
            return None
        raise


def digest(path: str) -> str | None:
    """A file's SHA-256 as hexadecimal digits; None where there is no file."""
    content = read(path)
    return None if content is None else hashlib.sha256(content).hexdigest()


def decode(content: str | None) -> bytes:
    """A file's bytes out of what the action plugin sent."""
    if content is None or not content.startswith(ENCODED):
        raise FileError("files: expected contents that the action plugin prepared. Call this module in a task.")
    return base64.b64decode(content[len(ENCODED) :])


def make_directory(path: str) -> None:
    """Make a directory and its missing parents, mode 0755 whatever the umask is."""
    if os.path.isdir(path):
        return
    make_directory(os.path.dirname(path))
    os.mkdir(path)
    os.chmod(path, 0o755)


def obstacle(path: str, directory: bool) -> str:
    """What is in the way of a file or a directory at *path*; empty if nothing is."""
    try:
        found = os.lstat(path).st_mode
    except (FileNotFoundError, NotADirectoryError):
        found = None
    if found is not None:
        if directory and not os.path.isdir(path):
            return f"{path}: expected a directory, found something else. Move it away."
        if not directory and not (stat.S_ISREG(found) or stat.S_ISLNK(found)):
            kind = "a directory" if stat.S_ISDIR(found) else "no regular file"
            return f"{path}: expected a file, found {kind}. Move it away."
        return ""
    parent = os.path.dirname(path)
    return obstacle(parent, directory=True) if parent != path else ""


def shown(content: bytes | None, secret: bool) -> str:
    """A file's content as a difference may show it."""
    if content is None:
        return ""
    if secret:
        return "(a secret)\n"
    if len(content) > DIFF_BYTES:
        return f"({len(content)} bytes, too large to show)\n"
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        return f"({len(content)} bytes, not text)\n"


class Entry:
    """One path: what it is to be, and what it is."""

    def __init__(self, module: AnsibleModule, params: dict[str, Any]) -> None:
        self.module = module
        self.path = params["dest"]
        self.directory = params["state"] == "directory"
        self.secret = params["secret"]
        self.mode = params["mode"] or ("0755" if self.directory else "0600" if self.secret else "0644")
        self.owner, self.group = params["owner"], params["group"]
        self.live = params["live"]
        self.content = None if self.directory else decode(params["content"])
        self.refuse()
        self.before = None if self.directory else read(self.path)
        self.missing = not os.path.isdir(self.path) if self.directory else self.before is None

    @property
    def stale(self) -> bool:
        return self.missing if self.directory else self.before != self.content

    def refuse(self) -> None:
        """Raise on what the argument spec cannot express, and on what is in the way."""
        if not os.path.isabs(self.path):
            raise FileError(f"dest: expected an absolute path, found {self.path!r}.")
        if not re.match(r"[0-7]{3,4}\Z", self.mode):
            raise FileError(f"{self.path}: expected an octal mode such as '0644', found {self.mode!r}.")
        found = obstacle(self.path, self.directory)
        if found:
            raise FileError(found)
        for kind, name, look in (("user", self.owner, pwd.getpwnam), ("group", self.group, grp.getgrnam)):
            if name and not known(look, name) and not self.module.check_mode:
                raise FileError(f"{self.path}: expected a {kind} {name}, found none. Make it first.")

    def write(self) -> None:
        """Make the directory, or put the new content in the file's place in one step."""
        if self.directory:
            make_directory(self.path)
            return
        parent = os.path.dirname(self.path)
        make_directory(parent)
        handle, temporary = tempfile.mkstemp(prefix=".ansible-config-", dir=parent)
        try:
            with os.fdopen(handle, "wb") as stream:
                stream.write(self.content or b"")
                stream.flush()
                os.fsync(stream.fileno())
            if self.before is not None:
                # What is not asked for stays as it was.
                status = os.stat(self.path)
                os.chown(temporary, status.st_uid, status.st_gid)
            if self.module.selinux_enabled():
                look = self.module.selinux_default_context if self.before is None else self.module.selinux_context
                self.module.set_context_if_different(temporary, look(self.path), False)
            self.attributes(temporary)
            os.replace(temporary, self.path)
        except BaseException:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(temporary)
            raise

    def attributes(self, path: str, difference: dict | None = None) -> bool:
        """Set owner, group and mode; whether one differed."""
        changed = False
        if self.owner and known(pwd.getpwnam, self.owner):
            changed = self.module.set_owner_if_different(path, self.owner, changed, difference)
        if self.group and known(grp.getgrnam, self.group):
            changed = self.module.set_group_if_different(path, self.group, changed, difference)
        return self.module.set_mode_if_different(path, self.mode, changed, difference)

    def owner_to_come(self) -> bool:
        """In check mode: an owner that an earlier task would have made."""
        return bool(
            (self.owner and not known(pwd.getpwnam, self.owner)) or (self.group and not known(grp.getgrnam, self.group))
        )

    def apply(self) -> tuple[bool, list[dict]]:
        """Bring the path to what it is to be; whether that changed it, and the differences."""
        differences: list[dict] = []
        stale = self.stale
        if stale:
            if self.directory:
                states = ({"path": self.path, "state": state} for state in ("absent", "directory"))
                differences.append(dict(zip(("before", "after"), states)))
            else:
                before, after = shown(self.before, self.secret), shown(self.content, self.secret)
                if before == after:
                    before, after = before.replace(")", ", as it was)"), after.replace(")", ", as it is to be)")
                differences.append(
                    {"before_header": self.path, "after_header": self.path, "before": before, "after": after}
                )
            if not self.module.check_mode:
                self.write()
        if self.missing and self.module.check_mode:
            return True, differences
        found: dict = {"before": {"path": self.path}, "after": {"path": self.path}}
        corrected = self.attributes(self.path, found) or self.owner_to_come()
        # A new directory's are no news beside the directory itself.
        if corrected and not self.missing:
            differences.append(found)
        return stale or corrected, differences


def doomed(entries: list[dict]) -> list[dict]:
    """Those of the entries that are there and may go, the inner before the outer ones."""
    found, gone = [], set()
    for params in sorted(entries, key=lambda params: params["dest"].count("/"), reverse=True):
        path = params["dest"]
        if not os.path.isabs(path):
            raise FileError(f"dest: expected an absolute path, found {path!r}.")
        try:
            kind = os.lstat(path).st_mode
        except (FileNotFoundError, NotADirectoryError):
            continue
        if params["state"] == "directory":
            foreign = not stat.S_ISDIR(kind) or os.path.ismount(path)
            if foreign or any(os.path.join(path, name) not in gone for name in os.listdir(path)):
                continue
        elif stat.S_ISDIR(kind):
            raise FileError(f"{path}: expected a file to remove, found a directory. Move it away.")
        gone.add(path)
        found.append(params)
    return found


def remove(module: AnsibleModule) -> dict:
    """The unit first, as long as it has its files; everything is looked at before the first change."""
    entries = doomed(module.params["files"])
    wanted = module.params["unit"]
    changed: list[str] = []
    differences: list[dict] = []
    result: dict = {}
    if wanted:
        unit = Unit(module.run_command, wanted["name"])
        found = unit.look()
        result["unit_steps"] = unit.farewell(found)
        if result["unit_steps"]:
            after = shown_unit(found, result["unit_steps"])
            differences.append({"before_header": unit.name, "after_header": unit.name, **after})
        if not module.check_mode:
            unit.carry_out(result["unit_steps"], found)
    for params in entries:
        path = params["dest"]
        if params["state"] == "directory":
            states = ({"path": path, "state": state} for state in ("directory", "absent"))
            differences.append(dict(zip(("before", "after"), states)))
        else:
            before = shown(read(path), params["secret"])
            differences.append({"before_header": path, "after_header": path, "before": before, "after": ""})
        changed.append(path)
        if not module.check_mode:
            (os.rmdir if params["state"] == "directory" else os.unlink)(path)
    if wanted and changed and not module.check_mode:
        unit.carry_out(["daemon-reload"], found)
    if module._diff and differences:
        result["diff"] = differences
    return {"changed": bool(changed or result.get("unit_steps")), "changed_files": changed, **result}


def known(look: Callable[[str], object], name: str) -> bool:
    try:
        look(name)
    except KeyError:
        return False
    return True


def place(module: AnsibleModule) -> dict:
    """Everything is looked at before the first change."""
    entries = [Entry(module, params) for params in module.params["files"] if params["enabled"]]
    paths = [entry.path for entry in entries]
    twice = sorted({path for path in paths if paths.count(path) > 1})
    if twice:
        raise FileError(f"files: expected each path once, found {', '.join(twice)} more than once.")
    wanted = module.params["unit"]
    unit = Unit(module.run_command, wanted["name"], wanted["needs"], wanted["wait"]) if wanted else None
    if unit and not module.check_mode and any(entry.stale and not entry.live for entry in entries):
        unit.mark()
    changed: list[str] = []
    differences: list[dict] = []
    backups: dict[str, str] = {}
    for entry in entries:
        if module.params["backup"] and entry.before is not None and entry.stale and not module.check_mode:
            backups[entry.path] = module.backup_local(entry.path)
        different, found = entry.apply()
        if different:
            changed.append(entry.path)
            differences += found
    result: dict = {"changed": bool(changed), "changed_files": changed}
    if unit:
        live = {entry.path for entry in entries if entry.live}
        properties = unit.look()
        steps = unit.steps(properties, wanted["restart"] or not live.issuperset(changed))
        if not module.check_mode:
            unit.carry_out(steps, properties)
        if steps:
            result["changed"] = True
            differences.append({"before_header": unit.name, "after_header": unit.name, **shown_unit(properties, steps)})
        result["unit_steps"] = steps
    if module._diff and differences:
        result["diff"] = differences
    if module.params["backup"]:
        result["backup_files"] = backups
    if module.params["look"]:
        result["looked"] = {path: digest(path) for path in module.params["look"]}
    return result


def main() -> None:
    # The action plugin has rendered templates and read files: here, each comes with its content, encoded. What is
    # marked as no_log stays out of the host's log, and encoded as it is, it takes nothing else out of the result.
    spec = {
        "dest": {"type": "path", "required": True},
        "template": {"type": "path"},
        "file": {"type": "path"},
        "content": {"type": "str", "no_log": True},
        "state": {"type": "str", "choices": ["file", "directory"], "default": "file"},
        "owner": {"type": "str"},
        "group": {"type": "str"},
        "mode": {"type": "str"},
        "secret": {"type": "bool", "default": False},
        "enabled": {"type": "bool", "default": True},
        "live": {"type": "bool", "default": False},
    }
    unit = {
        "name": {"type": "str", "required": True},
        "restart": {"type": "bool", "default": False},
        "needs": {"type": "path"},
        "wait": {"type": "bool", "default": True},
    }
    module = AnsibleModule(
        argument_spec={
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "files": {"type": "list", "elements": "dict", "required": True, "options": spec},
            "backup": {"type": "bool", "default": False},
            "look": {"type": "list", "elements": "path", "default": []},
            "unit": {"type": "dict", "options": unit},
        },
        supports_check_mode=True,
    )
    try:
        module.exit_json(**(remove if module.params["state"] == "absent" else place)(module))
    except (FileError, UnitError) as error:
        module.fail_json(msg=to_native(error))
    except OSError as error:
        module.fail_json(
            msg=f"{error.filename or 'a file'}: expected to read and write it, found: {error.strerror or error}. "
            "What comes before it in the list is done; put this right and run the same again."
        )


if __name__ == "__main__":
    main()
