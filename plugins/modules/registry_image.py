#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: registry_image
short_description: Push images from OCI archives into a registry
version_added: 0.1.0
author: The baremetal.bigdata maintainers (@baremetal)
description:
  - Sees to it that a registry holds images under given tags and digests. Pushes what it does not hold.
  - Speaks the OCI distribution protocol (version 1.1) without authentication, so it is meant for a registry on
    the loopback interface of the host that it runs on.
extends_documentation_fragment:
  - baremetal.bigdata.attributes.posix
options:
  registry:
    description: Address of the registry.
    type: str
    default: http://127.0.0.1:5000
  images:
    description: The images.
    type: list
    elements: dict
    required: true
    suboptions:
      repository:
        description: Repository in the registry.
        type: str
        required: true
      tag:
        description: Tag.
        type: str
        required: true
      digest:
        description: Digest of the manifest.
        type: str
        required: true
      path:
        description: Where the archive lies on the controller. Not used.
        type: str
      sha256:
        description: SHA-256 of the archive. Not used.
        type: str
  archive_dir:
    description:
      - Where the OCI archives (tar) lie on the host, each named after its digest, as C(sha256-....tar).
        Only those of missing images are read.
    type: path
    required: true
  timeout_seconds:
    description: How long one request may stay silent.
    type: int
    default: 60
attributes:
  check_mode:
    description: Reports what is missing. A registry that does not answer holds nothing.
    support: full
  diff_mode:
    description: Shows the missing images.
    support: full
"""

EXAMPLES = r"""
- name: Push pause
  baremetal.bigdata.registry_image:
    images:
      - repository: registry.k8s.io/pause
        tag: 3.10.2
        digest: sha256:d0e1...
    archive_dir: /var/cache/baremetal-bigdata/mirror
"""

RETURN = r"""
missing:
  description: Digests of the images that were missing under their tag. Outside check mode they were pushed.
  type: list
  elements: str
  returned: success
"""

import hashlib
import json
import tarfile
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterable
from email.message import Message
from typing import IO, Any

from ansible.module_utils.basic import AnsibleModule

MANIFESTS = (
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
)


class RegistryError(Exception):
    """A registry or an archive that is not as expected."""


class Registry:
    def __init__(self, address: str, timeout: int) -> None:
        self.address = address.rstrip("/")
        self.timeout = timeout
        # Loopback: no proxy.
        self.client = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def request(
        self,
        method: str,
        url: str,
        data: bytes | IO[bytes] | None = None,
        headers: dict[str, str] | None = None,
        accept: Iterable[str] = (),
    ) -> tuple[int, Message]:
        """Status and headers; a 404 is an answer, other errors are raised."""
        request = urllib.request.Request(
            urllib.parse.urljoin(self.address + "/", url), data=data, method=method, headers=headers or {}
        )
        if accept:
            request.add_header("Accept", ", ".join(accept))
        try:
            with self.client.open(request, timeout=self.timeout) as response:
                return response.status, response.headers
        except urllib.error.HTTPError as error:
            if error.code == 404:
                return 404, error.headers
            body = error.read().decode("utf-8", "replace")[:500]
            raise RegistryError(
                f"{method} {request.full_url}: expected success, found HTTP {error.code} {body}"
            ) from error

    def digest(self, repository: str, tag: str) -> str | None:
        status, headers = self.request("HEAD", f"/v2/{repository}/manifests/{tag}", accept=MANIFESTS)
        return headers.get("Docker-Content-Digest") if status == 200 else None

    def push_blob(self, repository: str, descriptor: dict[str, Any], stream: IO[bytes]) -> None:
        digest = descriptor["digest"]
        if self.request("HEAD", f"/v2/{repository}/blobs/{digest}")[0] == 200:
            return
        status, headers = self.request("POST", f"/v2/{repository}/blobs/uploads/", data=b"")
        if status != 202:
            raise RegistryError(f"{repository}: expected an upload to be accepted, found HTTP {status}")
        location = headers["Location"]
        location += ("&" if "?" in location else "?") + urllib.parse.urlencode({"digest": digest})
        self.request(
            "PUT",
            location,
            data=stream,
            headers={"Content-Type": "application/octet-stream", "Content-Length": str(descriptor["size"])},
        )

    def push(self, repository: str, tag: str, digest: str, archive: str) -> None:
        """Push the manifest *digest* of an OCI archive and all that it names."""
        with tarfile.open(archive) as tar:
            names = set(tar.getnames())

            def blob(wanted: str) -> IO[bytes]:
                name = "blobs/" + wanted.replace(":", "/")
                content = tar.extractfile(name) if name in names else None
                if content is None:
                    raise RegistryError(f"{archive}: expected the blob {wanted}, found none. Make the archive again.")
                return content

            manifest = blob(digest).read()
            if "sha256:" + hashlib.sha256(manifest).hexdigest() != digest:
                raise RegistryError(f"{archive}: the content of {digest} is another. Make the archive again.")
            parsed = json.loads(manifest)
            if "layers" not in parsed:
                raise RegistryError(f"{archive}: expected an image manifest under {digest}, found an index.")
            for descriptor in [parsed["config"]] + parsed["layers"]:
                with blob(descriptor["digest"]) as stream:
                    self.push_blob(repository, descriptor, stream)
        kind = parsed.get("mediaType") or MANIFESTS[0]
        self.request("PUT", f"/v2/{repository}/manifests/{tag}", data=manifest, headers={"Content-Type": kind})
        found = self.digest(repository, tag)
        if found != digest:
            raise RegistryError(f"{repository}:{tag}: expected {digest} after the push, found {found}.")


def main() -> None:
    image = {
        "repository": {"type": "str", "required": True},
        "tag": {"type": "str", "required": True},
        "digest": {"type": "str", "required": True},
        "path": {"type": "str"},
        "sha256": {"type": "str"},
    }
    module = AnsibleModule(
        argument_spec={
            "registry": {"type": "str", "default": "http://127.0.0.1:5000"},
            "images": {"type": "list", "elements": "dict", "required": True, "options": image},
            "archive_dir": {"type": "path", "required": True},
            "timeout_seconds": {"type": "int", "default": 60},
        },
        supports_check_mode=True,
    )
    registry = Registry(module.params["registry"], module.params["timeout_seconds"])
    missing = []
    try:
        for item in module.params["images"]:
            try:
                found = registry.digest(item["repository"], item["tag"])
            except urllib.error.URLError:
                if not module.check_mode:
                    raise
                found = None
            if found != item["digest"]:
                missing.append(item)
                if not module.check_mode:
                    archive = "{}/{}.tar".format(module.params["archive_dir"], item["digest"].replace(":", "-"))
                    registry.push(item["repository"], item["tag"], item["digest"], archive)
    except urllib.error.URLError as error:
        module.fail_json(
            msg=f"registry: expected one at {registry.address}, found: {error.reason}. Is its service running?"
        )
    except (RegistryError, OSError, tarfile.TarError) as error:
        module.fail_json(msg=str(error))
    module.exit_json(
        changed=bool(missing),
        missing=[item["digest"] for item in missing],
        diff={"before": "", "after": "".join("{repository}:{tag}\n".format(**item) for item in missing)},
    )


if __name__ == "__main__":
    main()
