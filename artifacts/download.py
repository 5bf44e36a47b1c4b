# SPDX-License-Identifier: GPL-3.0-or-later
"""Download what artifacts.yml lists from upstream, verified, into a bundle (see bundle.py).

Files are checked against the pinned sha256, or, where none is pinned, against the one that the project
publishes beside the file (checksum_url). A file with neither is refused. Images are pulled by their
pinned digest, or by tag, and the digest that came is recorded. Interrupted, it continues.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import os
import pathlib
import re
import shutil
import sys
import tarfile
import tempfile
import urllib.error
import urllib.parse
import urllib.request

import bundle

TIMEOUT_SECONDS = 30
INDEXES = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
)
MANIFESTS = ("application/vnd.oci.image.manifest.v1+json", "application/vnd.docker.distribution.manifest.v2+json")
# The registry behind docker.io answers elsewhere.
API_HOSTS = {"docker.io": "registry-1.docker.io"}


class DownloadError(Exception):
    """A download that failed; the message names the address, the reason and the remedy."""


def open_url(url, headers=None):
    try:
        return urllib.request.urlopen(urllib.request.Request(url, headers=headers or {}), timeout=TIMEOUT_SECONDS)
    except urllib.error.HTTPError:
        raise
    except OSError as error:
        raise DownloadError(
            f"{url}: expected an answer, found: {getattr(error, 'reason', error)}. Check route, proxy and DNS of this "
            "machine, or build instead (mirror_source: build)."
        ) from error


def read_url(url):
    try:
        with open_url(url) as response:
            return response.read()
    except urllib.error.HTTPError as error:
        raise DownloadError(f"{url}: expected a file, found HTTP {error.code}.") from error


def store(response, target, wanted, url):
    """Write a response to *target* if its SHA-256 is *wanted*."""
    digest = hashlib.sha256()
    handle, temporary = tempfile.mkstemp(dir=target.parent, prefix=".download-")
    try:
        with os.fdopen(handle, "wb") as stream:
            for chunk in iter(lambda: response.read(1 << 20), b""):
                digest.update(chunk)
                stream.write(chunk)
        if digest.hexdigest() != wanted:
            raise DownloadError(
                f"{url}: expected sha256 {wanted}, found {digest.hexdigest()}. Do not use that file. Compare with what "
                "the project publishes, and correct artifacts/artifacts.yml if that is wrong."
            )
        os.chmod(temporary, 0o644)
        os.replace(temporary, target)
    finally:
        pathlib.Path(temporary).unlink(missing_ok=True)


def checksum_in(text, name):
    """The SHA-256 of the file *name* in a checksum file: alone, or on the line that names the file."""
    lines = [line for line in text.splitlines() if re.search(r"\b[0-9a-f]{64}\b", line)]
    chosen = [line for line in lines if line.split()[-1].lstrip("*") == name] or (lines if len(lines) == 1 else [])
    return re.search(r"\b[0-9a-f]{64}\b", chosen[0])[0] if chosen else None


def wanted_checksum(catalogue, name, version, arch):
    entry = catalogue["files"][name]
    pinned = (entry["versions"].get(version) or {}).get(arch)
    if pinned:
        return pinned
    file_name = bundle.file_name(catalogue, name, version, arch)
    if "checksum_url" in entry:
        address = entry["checksum_url"].format(url=bundle.file_url(catalogue, name, version, arch))
        published = checksum_in(read_url(address).decode("utf-8", "replace"), file_name)
        if published:
            return published
    raise DownloadError(
        f"{name} {version} {arch}: expected a sha256 in artifacts/artifacts.yml, found none. Unverified files are "
        "never used: put the checksum there, or build instead (mirror_source: build)."
    )


class Images:
    """Anonymous pulls by the OCI distribution protocol."""

    def __init__(self, cache, arch):
        self.blobs = cache / "blobs"
        self.blobs.mkdir(exist_ok=True)
        self.arch = arch
        self.tokens = {}

    def get(self, registry, repository, path, accept=()):
        url = f"https://{API_HOSTS.get(registry, registry)}/v2/{repository}/{path}"
        for attempt in (1, 2):
            headers = {"Accept": ", ".join(accept)} if accept else {}
            if (registry, repository) in self.tokens:
                headers["Authorization"] = "Bearer " + self.tokens[registry, repository]
            try:
                return open_url(url, headers)
            except urllib.error.HTTPError as error:
                if error.code == 401 and attempt == 1:
                    challenge = dict(re.findall(r'(\w+)="([^"]*)"', error.headers.get("WWW-Authenticate", "")))
                    query = {"service": challenge.get("service", ""), "scope": f"repository:{repository}:pull"}
                    answer = json.loads(read_url(challenge["realm"] + "?" + urllib.parse.urlencode(query)))
                    self.tokens[registry, repository] = answer.get("token") or answer["access_token"]
                    continue
                raise DownloadError(f"{url}: expected an image, found HTTP {error.code}.") from error
        raise AssertionError("unreachable")

    def manifest(self, registry, repository, reference):
        with self.get(registry, repository, f"manifests/{reference}", INDEXES + MANIFESTS) as response:
            content = response.read()
        digest = "sha256:" + hashlib.sha256(content).hexdigest()
        if reference.startswith("sha256:") and digest != reference:
            raise DownloadError(f"{registry}/{repository}: expected {reference}, found {digest}.")
        return digest, content, json.loads(content)

    def pull(self, reference, digest, target):
        """Write the image of this architecture to *target* as an OCI archive."""
        name, tag = reference.rsplit(":", 1)
        registry, repository = name.split("/", 1)
        found, content, parsed = self.manifest(registry, repository, digest or tag)
        if "manifests" in parsed:
            chosen = [
                entry["digest"]
                for entry in parsed["manifests"]
                if entry.get("platform", {}).get("architecture") == self.arch
                and entry.get("platform", {}).get("os") == "linux"
            ]
            if not chosen:
                raise DownloadError(f"{reference}: expected an image for linux/{self.arch}, found none in its index.")
            found, content, parsed = self.manifest(registry, repository, chosen[0])
        files = {f"blobs/{found.replace(':', '/')}": content}
        for descriptor in [parsed["config"], *parsed["layers"]]:
            wanted = descriptor["digest"].removeprefix("sha256:")
            blob = self.blobs / wanted
            if not blob.is_file():
                with self.get(registry, repository, f"blobs/{descriptor['digest']}") as response:
                    store(response, blob, wanted, f"{reference} {descriptor['digest']}")
            files[f"blobs/sha256/{wanted}"] = blob
        kind = parsed.get("mediaType", MANIFESTS[0])
        entry = {"mediaType": kind, "digest": found, "size": len(content)}
        files["index.json"] = json.dumps({"schemaVersion": 2, "manifests": [entry]}).encode()
        files["oci-layout"] = b'{"imageLayoutVersion": "1.0.0"}'
        partial = target.with_name(target.name + ".part")
        with tarfile.open(partial, "w") as tar:
            for path, value in sorted(files.items()):
                info = tarfile.TarInfo(path)
                info.mode = 0o644
                if isinstance(value, bytes):
                    info.size = len(value)
                    tar.addfile(info, io.BytesIO(value))
                else:
                    info.size = value.stat().st_size
                    with open(value, "rb") as stream:
                        tar.addfile(info, stream)
        partial.replace(target)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    bundle.add_arguments(parser)
    arguments = parser.parse_args()
    catalogue = bundle.load()
    progress = bundle.Progress()
    try:
        bundle.check(catalogue, arguments)
        with bundle.locked(arguments.cache) as cache:
            images = Images(cache, arguments.arch)
            made = bundle.Bundle(catalogue, "upstream", arguments.arch)
            for release in arguments.kubernetes:
                for name, version in bundle.files_of(catalogue, release, arguments.only):
                    file_name = bundle.file_name(catalogue, name, version, arguments.arch)
                    target = cache / f"upstream-{name}-{version}" / file_name
                    if not target.is_file():
                        with progress.step(f"download {file_name} ({version})"):
                            wanted = wanted_checksum(catalogue, name, version, arguments.arch)
                            target.parent.mkdir(exist_ok=True)
                            url = bundle.file_url(catalogue, name, version, arguments.arch)
                            try:
                                with open_url(url) as response:
                                    store(response, target, wanted, url)
                            except urllib.error.HTTPError as error:
                                raise DownloadError(f"{url}: expected a file, found HTTP {error.code}.") from error
                    made.add_file(name, version, target)
                for reference in bundle.images_of(catalogue, release, arguments.only, arguments.app):
                    digest = bundle.pinned_digest(catalogue, reference)
                    key = hashlib.sha256(f"{reference}@{digest}@{arguments.arch}".encode()).hexdigest()[:12]
                    target = cache / f"upstream-image-{key}" / "image.tar"
                    if not target.is_file():
                        with progress.step(f"pull {reference}"):
                            target.parent.mkdir(exist_ok=True)
                            images.pull(reference, digest, target)
                    made.add_image(reference, target)
            made.write(arguments.bundle, arguments.kubernetes)
            shutil.rmtree(images.blobs)
    except (DownloadError, bundle.BundleError) as error:
        sys.exit(f"download.py: {error}")


if __name__ == "__main__":
    main()
