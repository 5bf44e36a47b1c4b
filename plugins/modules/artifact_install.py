#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: artifact_install
short_description: Install verified programs from pinned files
version_added: 0.1.0
author: The baremetal.bigdata maintainers (@baremetal)
description:
  - Downloads files, verifies the SHA-256 of each, and installs the listed members of each.
  - Nothing is replaced before every file of the call is downloaded, verified and unpacked. A wrong
    checksum or an unreachable source leaves the host as it was.
  - Each program is replaced in one step (rename), with the SELinux context that the policy has for its path.
  - What was installed is recorded, and a later run compares the files on the host with the record.
extends_documentation_fragment:
  - baremetal.bigdata.attributes.posix
options:
  artifacts:
    description:
      - What to install, as the lookup P(baremetal.bigdata.artifact#lookup) returns it. Not with O(state=absent), which
        goes by O(names) and the record.
    type: list
    elements: dict
    suboptions:
      name:
        description: Name of the artifact. The record is kept under it.
        type: str
        required: true
      version:
        description: Version, for the record and for messages.
        type: str
        required: true
      url:
        description: Address of the file.
        type: str
        required: true
      upstream:
        description: Upstream's address of the file. Not used.
        type: str
      filename:
        description: Name of the file. Not used.
        type: str
      sha256:
        description: SHA-256 of the file, 64 hexadecimal digits.
        type: str
        required: true
      members:
        description: What to install from the file.
        type: list
        elements: dict
        required: true
        suboptions:
          path:
            description: Path in the archive (tar, compressed or not). Unset means that the file itself is the program.
            type: str
          dest:
            description: Absolute path on the host. Missing directories are created, mode 0755.
            type: path
            required: true
          mode:
            description: Mode of the file, octal.
            type: str
            default: "0755"
  state:
    description:
      - V(installed) puts the files in place.
      - V(fetched) only downloads and verifies what V(installed) would need, into O(cache_dir), where V(installed)
        finds it. It reports no change, since nothing on the host uses that directory. Does nothing in check mode.
      - V(absent) removes every file that the records of O(names) have and that still is what was installed, in whatever
        version, and the records. A file that something else has replaced stays.
    type: str
    choices: [installed, fetched, absent]
    default: installed
  names:
    description: Names of the artifacts that are to go with O(state=absent).
    type: list
    elements: str
    default: []
  ca_content:
    description: Certificates (PEM) of authorities to trust besides those of the host.
    type: str
    default: ""
  timeout_seconds:
    description: How long one connection may stay silent.
    type: int
    default: 15
  retries:
    description: How often a download is tried again.
    type: int
    default: 2
  cache_dir:
    description: Where downloads are kept until they are installed.
    type: path
    default: /var/cache/baremetal-bigdata
  state_dir:
    description: Where the record of what was installed is kept.
    type: path
    default: /var/lib/baremetal-bigdata/artifacts
attributes:
  check_mode:
    description: Reports what would be installed. Contacts nothing.
    support: full
  diff_mode:
    description: Shows the versions before and after.
    support: full
notes:
  - Proxies are taken from the environment (C(http_proxy), C(https_proxy), C(no_proxy)).
"""

EXAMPLES = r"""
- name: Install kubeadm
  baremetal.bigdata.artifact_install:
    artifacts:
      - "{{ lookup('baremetal.bigdata.artifact', 'kubeadm', mirror_url='https://mirror1') }}"
    ca_content: "{{ lookup('ansible.builtin.file', '.lab/mirror-ca.crt') }}"
"""

RETURN = r"""
changed_artifacts:
  description: Names of the artifacts of which at least one file was replaced or removed.
  type: list
  elements: str
  returned: success
  sample: [containerd]
fetched:
  description: Names of the artifacts whose file is verified and waits in the cache.
  type: list
  elements: str
  returned: with O(state=fetched)
up_to_date:
  description: Names of the artifacts of which nothing is to be installed.
  type: list
  elements: str
  returned: with O(state=fetched)
removed:
  description: Paths of the files that were removed.
  type: list
  elements: str
  returned: with O(state=absent)
installed:
  description: Every artifact of the call. Empty with O(state=fetched) and O(state=absent).
  type: list
  elements: dict
  returned: success
  contains:
    name: {description: The name., type: str}
    version: {description: The version that is on the host now., type: str}
    previous_version: {description: The version that was recorded before. Empty if none was., type: str}
    files: {description: Files that were replaced., type: list, elements: str}
"""

import hashlib
import io
import json
import os
import re
import shutil
import ssl
import tarfile
import tempfile
import time
import urllib.error
import urllib.request

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.common.text.converters import to_native

CHUNK = 1 << 20


class InstallError(Exception):
    """A failure that names what was expected, what was found and the remedy."""


def sha256_of(path: str) -> str:
    """SHA-256 of a file, as hexadecimal digits."""
    digest = hashlib.sha256()
    with open(path, "rb") as stream:
        for chunk in iter(lambda: stream.read(CHUNK), b""):
            digest.update(chunk)
    return digest.hexdigest()


def stamp(path: str) -> list[int]:
    """What changes whenever a file is written, without reading it: a change time cannot be set back."""
    status = os.stat(path)
    return [status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns]


def opener(ca_content: str) -> urllib.request.OpenerDirector:
    """An HTTP client that trusts the host's authorities and those of *ca_content*."""
    context = ssl.create_default_context()
    if ca_content:
        try:
            context.load_verify_locations(cadata=ca_content)
        except (ssl.SSLError, ValueError) as error:
            raise InstallError(f"ca_content: expected certificates (PEM), found something else ({error}).") from error
    return urllib.request.build_opener(urllib.request.HTTPSHandler(context=context))


def reason_of(error: Exception) -> str:
    """The part of a download's error that a person can act on."""
    if isinstance(error, urllib.error.HTTPError):
        return f"HTTP {error.code} {error.reason}"
    reason = getattr(error, "reason", None) or error
    if isinstance(reason, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted ({reason.verify_message})"
    return to_native(reason)


def download(client: urllib.request.OpenerDirector, artifact: dict, target: str, timeout: int, retries: int) -> str:
    """Fetch to *target*; return the SHA-256 of what came."""
    last: Exception = InstallError("no attempt was made")
    for attempt in range(retries + 1):
        if attempt:
            time.sleep(attempt)
        digest = hashlib.sha256()
        try:
            with client.open(artifact["url"], timeout=timeout) as response, open(target, "wb") as stream:
                length = response.headers.get("Content-Length")
                size = 0
                for chunk in iter(lambda: response.read(CHUNK), b""):
                    digest.update(chunk)
                    stream.write(chunk)
                    size += len(chunk)
                if length is not None and size != int(length):
                    raise OSError(f"the connection ended after {size} of {length} bytes")
            return digest.hexdigest()
        except urllib.error.HTTPError as error:
            last = error
            if error.code < 500 and error.code not in (408, 429):
                break
        except ssl.SSLCertVerificationError as error:
            last = error
            break
        except (OSError, ValueError) as error:
            last = error
            if isinstance(getattr(error, "reason", None), ssl.SSLCertVerificationError):
                break
    raise InstallError(
        "{name} {version}: expected a file at {url}, found: {reason}. Nothing was installed. Check that this host "
        "reaches that address (route, firewall, proxy, DNS) and that the source holds this version.".format(
            reason=reason_of(last), **artifact
        )
    )


def normal(path: str) -> str:
    """A path in an archive without the leading ./ that some archives have."""
    return os.path.normpath(path)


def unpack(archive: str, artifact: dict, staged: dict[str, str]) -> None:
    """Extract the listed members of *archive* to the paths in *staged* (dest -> temporary file)."""
    wanted: dict[str, list[str]] = {}
    for member in artifact["members"]:
        wanted.setdefault(normal(member["path"]), []).append(member["dest"])
    seen = []
    try:
        with tarfile.open(archive, "r:*") as tar:
            for entry in tar:
                name = normal(entry.name)
                if name not in wanted:
                    seen.append(name)
                    continue
                if not entry.isreg():
                    raise InstallError(
                        "{name} {version}: expected a regular file {0} in {url}, found another kind of entry. "
                        "Nothing was installed.".format(name, **artifact)
                    )
                for dest in wanted.pop(name):
                    source = tar.extractfile(entry)
                    # Of a regular file there is always something to read.
                    with source or io.BytesIO() as content, open(staged[dest], "wb") as stream:
                        shutil.copyfileobj(content, stream, CHUNK)
                if not wanted:
                    return
    except (tarfile.TarError, EOFError) as error:
        raise InstallError(
            "{name} {version}: expected an archive at {url}, found something else ({0}). Nothing was installed. "
            "Correct the artifact's address or its members.".format(error, **artifact)
        ) from error
    raise InstallError(
        "{name} {version}: expected {0} in {url}, found {1}. Nothing was installed. "
        "Correct the artifact's members.".format(
            ", ".join(sorted(wanted)), ", ".join(seen[:20]) or "an empty archive", **artifact
        )
    )


class Record:
    """What an earlier run installed."""

    def __init__(self, directory: str, name: str) -> None:
        self.path = os.path.join(directory, name + ".json")
        try:
            with open(self.path, encoding="utf-8") as stream:
                self.data = json.load(stream)
        except (FileNotFoundError, ValueError):
            self.data = {}

    @property
    def version(self) -> str:
        return self.data.get("version", "")

    def stale_members(self, artifact: dict) -> list[dict]:
        """Members whose file is not the recorded one, or is of another artifact."""
        if self.data.get("sha256") != artifact["sha256"]:
            return [member for member in artifact["members"] if not self._is_itself(artifact, member)]
        files = self.data.get("files", {})
        return [member for member in artifact["members"] if not self._is_current(files.get(member["dest"]), member)]

    @staticmethod
    def _is_itself(artifact: dict, member: dict) -> bool:
        # A bare program needs no record: its checksum is the artifact's.
        dest = member["dest"]
        return not member.get("path") and os.path.isfile(dest) and sha256_of(dest) == artifact["sha256"]

    @classmethod
    def _is_current(cls, entry: dict | None, member: dict) -> bool:
        return entry is not None and entry.get("path") == member.get("path") and cls.is_recorded(member["dest"], entry)

    @staticmethod
    def is_recorded(dest: str, entry: dict) -> bool:
        """Whether the file at *dest* is the one of the record's *entry*."""
        if not os.path.isfile(dest) or os.path.islink(dest):
            return False
        return entry.get("stamp") == stamp(dest) or entry.get("sha256") == sha256_of(dest)

    def write(self, artifact: dict) -> None:
        known = self.data.get("files", {}) if self.data.get("sha256") == artifact["sha256"] else {}
        files = {}
        for member in artifact["members"]:
            dest = member["dest"]
            now = stamp(dest)
            entry = known.get(dest) or {}
            digest = entry.get("sha256") if entry.get("stamp") == now else sha256_of(dest)
            files[dest] = {"path": member.get("path"), "sha256": digest, "stamp": now}
        data = {"name": artifact["name"], "version": artifact["version"], "sha256": artifact["sha256"], "files": files}
        if data == self.data:
            return
        os.makedirs(os.path.dirname(self.path), mode=0o755, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=os.path.dirname(self.path))
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            json.dump(data, stream, indent=1, sort_keys=True)
            stream.write("\n")
        os.chmod(temporary, 0o644)
        os.replace(temporary, self.path)


class Installer:
    def __init__(self, module: AnsibleModule) -> None:
        self.module = module
        self.params = module.params
        self.records = {item["name"]: Record(self.params["state_dir"], item["name"]) for item in self.artifacts}
        self.stale = {item["name"]: self.records[item["name"]].stale_members(item) for item in self.artifacts}
        self.temporary: list[str] = []

    @property
    def artifacts(self) -> list[dict]:
        return self.params["artifacts"]

    def fetch_all(self) -> dict[str, str]:
        """Download and verify everything that is needed: name -> file."""
        needed = [item for item in self.artifacts if self.stale[item["name"]]]
        if not needed:
            return {}
        client = opener(self.params["ca_content"])
        os.makedirs(self.params["cache_dir"], mode=0o755, exist_ok=True)
        files = {}
        for artifact in needed:
            target = os.path.join(self.params["cache_dir"], artifact["sha256"])
            files[artifact["name"]] = target
            if os.path.isfile(target) and sha256_of(target) == artifact["sha256"]:
                continue
            partial = target + ".part"
            self.temporary.append(partial)
            found = download(client, artifact, partial, self.params["timeout_seconds"], self.params["retries"])
            if found != artifact["sha256"]:
                raise InstallError(
                    "{name} {version}: expected sha256 {sha256} of {url}, found {0}. Nothing was installed. "
                    "Do not use that file. Compare with the checksum that the project publishes; if the mirror is "
                    "wrong, fill it again; if the list is wrong, correct it.".format(found, **artifact)
                )
            os.replace(partial, target)
        return files

    def stage_all(self, files: dict[str, str]) -> dict[str, str]:
        """Put every member beside its destination, under a temporary name: dest -> temporary file."""
        staged = {}
        for artifact in self.artifacts:
            members = self.stale[artifact["name"]]
            if not members:
                continue
            for member in members:
                directory = os.path.dirname(member["dest"])
                os.makedirs(directory, mode=0o755, exist_ok=True)
                handle, temporary = tempfile.mkstemp(prefix=".ansible-artifact-", dir=directory)
                os.close(handle)
                self.temporary.append(temporary)
                staged[member["dest"]] = temporary
            archived = [member for member in members if member.get("path")]
            for member in members:
                if not member.get("path"):
                    shutil.copyfile(files[artifact["name"]], staged[member["dest"]])
            if archived:
                unpack(files[artifact["name"]], dict(artifact, members=archived), staged)
            for member in members:
                os.chmod(staged[member["dest"]], int(member["mode"], 8))
        return staged

    def attributes(self, artifact: dict) -> bool:
        """Mode, owner and SELinux context of every member; whether one was corrected."""
        changed = False
        for member in artifact["members"]:
            dest = member["dest"]
            if not os.path.exists(dest):
                continue
            changed = self.module.set_mode_if_different(dest, member["mode"], changed)
            if os.geteuid() == 0:
                changed = self.module.set_owner_if_different(dest, "root", changed)
                changed = self.module.set_group_if_different(dest, "root", changed)
            if self.module.selinux_enabled():
                changed = self.module.set_context_if_different(dest, self.module.selinux_default_context(dest), changed)
        return changed

    def up_to_date(self) -> list[str]:
        """Names of the artifacts of which nothing is to be installed or corrected."""
        before, self.module.check_mode = self.module.check_mode, True
        try:
            return [
                item["name"] for item in self.artifacts if not self.stale[item["name"]] and not self.attributes(item)
            ]
        finally:
            self.module.check_mode = before

    def run(self) -> dict:
        check = self.module.check_mode
        if self.params["state"] == "fetched":
            fetched = [] if check else sorted(self.fetch_all())
            up_to_date = self.up_to_date()
            empty = {"changed": False, "changed_artifacts": [], "installed": []}
            return {**empty, "fetched": fetched, "up_to_date": up_to_date}
        files = {} if check else self.fetch_all()
        staged = {} if check else self.stage_all(files)
        for dest, temporary in staged.items():
            self.module.atomic_move(temporary, dest)
        installed = []
        changed_artifacts = []
        for artifact in self.artifacts:
            name = artifact["name"]
            corrected = self.attributes(artifact)
            if corrected or self.stale[name]:
                changed_artifacts.append(name)
            if not check:
                self.records[name].write(artifact)
            installed.append(
                {
                    "name": name,
                    "version": artifact["version"],
                    "previous_version": self.records[name].version,
                    "files": [member["dest"] for member in self.stale[name]],
                }
            )
        for path in files.values():
            if os.path.exists(path):
                os.unlink(path)
        return {
            "changed": bool(changed_artifacts),
            "changed_artifacts": changed_artifacts,
            "installed": installed,
            "diff": self.difference(installed, changed_artifacts),
        }

    def difference(self, installed: list[dict], changed_artifacts: list[str]) -> dict:
        before = after = ""
        for item in installed:
            if item["name"] in changed_artifacts:
                if item["previous_version"]:
                    before += "{name} {previous_version}\n".format(**item)
                after += "{name} {version}\n".format(**item)
                after += "".join(f"  {path}\n" for path in item["files"])
        return {"before_header": "artifacts", "after_header": "artifacts", "before": before, "after": after}

    def clean_up(self) -> None:
        for path in self.temporary:
            if os.path.exists(path):
                os.unlink(path)


def remove(module: AnsibleModule) -> dict:
    """Remove what the records name, and the records."""
    removed: list[str] = []
    names: list[str] = []
    lines: list[str] = []
    for name in module.params["names"]:
        record = Record(module.params["state_dir"], name)
        if not os.path.isfile(record.path):
            continue
        files = record.data.get("files", {})
        doomed = [dest for dest, entry in files.items() if record.is_recorded(dest, entry)]
        names.append(name)
        removed += doomed
        lines += [f"{name} {record.version}", *(f"  {dest}" for dest in doomed)]
        if not module.check_mode:
            for path in [*doomed, record.path]:
                os.unlink(path)
    diff = {"before_header": "artifacts", "after_header": "artifacts", "before": "".join(f"{x}\n" for x in lines)}
    result = {"changed_artifacts": names, "installed": [], "removed": removed, "diff": {**diff, "after": ""}}
    return {"changed": bool(names), **result}


def refuse_bad_input(artifacts: list[dict]) -> None:
    """Raise on what the argument spec cannot express."""
    names = set()
    for artifact in artifacts:
        if artifact["name"] in names or not re.match(r"[A-Za-z0-9][A-Za-z0-9._-]*\Z", artifact["name"]):
            raise InstallError("artifacts: expected distinct simple names, found {name!r}.".format(**artifact))
        names.add(artifact["name"])
        if not re.match(r"[0-9a-f]{64}\Z", artifact["sha256"]):
            raise InstallError(
                "{name} {version}: expected a sha256 of 64 hexadecimal digits, found {sha256!r}. "
                "Unverified files are never installed: put the checksum in the list.".format(**artifact)
            )
        for member in artifact["members"]:
            if not os.path.isabs(member["dest"]):
                raise InstallError(
                    "{}: expected an absolute dest, found {!r}.".format(artifact["name"], member["dest"])
                )
            if not re.match(r"[0-7]{3,4}\Z", member["mode"]):
                raise InstallError("{}: expected an octal mode, found {!r}.".format(artifact["name"], member["mode"]))


def main() -> None:
    member = {
        "path": {"type": "str"},
        "dest": {"type": "path", "required": True},
        "mode": {"type": "str", "default": "0755"},
    }
    artifact = {
        "name": {"type": "str", "required": True},
        "version": {"type": "str", "required": True},
        "url": {"type": "str", "required": True},
        "upstream": {"type": "str"},
        "filename": {"type": "str"},
        "sha256": {"type": "str", "required": True},
        "members": {"type": "list", "elements": "dict", "required": True, "options": member},
    }
    module = AnsibleModule(
        argument_spec={
            "artifacts": {"type": "list", "elements": "dict", "options": artifact},
            "state": {"type": "str", "choices": ["installed", "fetched", "absent"], "default": "installed"},
            "names": {"type": "list", "elements": "str", "default": []},
            "ca_content": {"type": "str", "default": ""},
            "timeout_seconds": {"type": "int", "default": 15},
            "retries": {"type": "int", "default": 2},
            "cache_dir": {"type": "path", "default": "/var/cache/baremetal-bigdata"},
            "state_dir": {"type": "path", "default": "/var/lib/baremetal-bigdata/artifacts"},
        },
        required_if=[
            ("state", "installed", ["artifacts"]),
            ("state", "fetched", ["artifacts"]),
            ("state", "absent", ["names"]),
        ],
        supports_check_mode=True,
    )
    installer = None
    try:
        if module.params["state"] == "absent":
            module.exit_json(**remove(module))
        refuse_bad_input(module.params["artifacts"])
        installer = Installer(module)
        result = installer.run()
    except InstallError as error:
        module.fail_json(msg=str(error))
    except OSError as error:
        module.fail_json(msg=f"The files could not be installed: {error}. Nothing was replaced that is not verified.")
    finally:
        if installer:
            installer.clean_up()
    module.exit_json(**result)


if __name__ == "__main__":
    main()
