# SPDX-License-Identifier: GPL-3.0-or-later
"""What build.py and download.py have in common: the bundle that they make.

A bundle is a YAML file with two parts: ``lock``, the list that a site's lock file will be (artifacts.yml
with the versions, checksums and digests that are really there), and ``files`` and ``images``, where
each of them lies on this machine. The mirror playbook reads nothing else.
"""

from __future__ import annotations

import contextlib
import copy
import difflib
import fcntl
import hashlib
import json
import os
import pathlib
import sys
import tarfile
import tempfile
import time

import yaml

HERE = pathlib.Path(__file__).resolve().parent
UNAME = {"amd64": "x86_64", "arm64": "arm64"}
# As Python names the platform of a wheel.
LINUX = {"amd64": "x86_64", "arm64": "aarch64"}


class BundleError(Exception):
    """Bad input; the message says what is expected."""


class Progress:
    """Lines with the time since the start, on stderr."""

    def __init__(self):
        self.start = time.monotonic()

    def note(self, text):
        seconds = int(time.monotonic() - self.start)
        print(f"[{seconds // 60:2d}:{seconds % 60:02d}] {text}", file=sys.stderr, flush=True)

    @contextlib.contextmanager
    def step(self, text):
        self.note(text)
        before = time.monotonic()
        yield
        self.note(f"{text}: done in {time.monotonic() - before:.0f} s")


def default_cache():
    base = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return pathlib.Path(base) / "baremetal-bigdata" / "artifacts"


def add_arguments(parser):
    parser.add_argument(
        "--kubernetes", action="append", required=True, metavar="VERSION", help="Kubernetes release (repeatable)"
    )
    parser.add_argument(
        "--app", action="append", default=[], metavar="NAME", help="with this app's images (repeatable)"
    )
    parser.add_argument(
        "--only",
        action="append",
        default=[],
        metavar="NAME",
        help="only this file or image, of any app (repeatable)",
    )
    parser.add_argument("--arch", default="amd64", choices=sorted(UNAME))
    parser.add_argument("--cache", type=pathlib.Path, default=default_cache())
    parser.add_argument("--bundle", type=pathlib.Path, required=True, help="the YAML file to write")


@contextlib.contextmanager
def locked(cache):
    """The cache, held by this process alone: two builds at once would only get in each other's way."""
    cache.mkdir(parents=True, exist_ok=True)
    with open(cache / ".lock", "w", encoding="utf-8") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print(f"waiting for another run that uses {cache}", file=sys.stderr, flush=True)
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield cache


def load(path=HERE / "artifacts.yml"):
    with open(path, encoding="utf-8") as stream:
        return yaml.safe_load(stream)


def release(catalogue, version):
    releases = catalogue["kubernetes"]
    if version not in releases:
        raise BundleError(f"kubernetes: expected one of {', '.join(releases)}, found {version}.")
    return releases[version]


def files_of(catalogue, version, only=()):
    """(name, version) of the files of one Kubernetes release."""
    own = dict.fromkeys(("kubeadm", "kubelet", "kubectl"), version) | {"etcd": release(catalogue, version)["etcd"]}
    for name, entry in catalogue["files"].items():
        if not only or name in only:
            yield name, own.get(name) or next(iter(entry["versions"]))


def default_tag(catalogue, repository):
    return next(iter(catalogue["images"][repository]))


def left_out(catalogue, apps):
    """Repositories that only apps list, and none of *apps*. An image that no app lists is the cluster's."""
    listed = catalogue.get("apps") or {}
    chosen = {repository for app in apps for repository in listed[app]}
    return {repository for images in listed.values() for repository in images} - chosen


def images_of(catalogue, version, only=(), apps=()):
    """repository:tag of the images of one Kubernetes release and of some apps; with *only*, of any app."""
    wanted = dict(release(catalogue, version)["images"])
    for repository in catalogue["images"]:
        wanted.setdefault(repository, default_tag(catalogue, repository))
    without = set() if only else left_out(catalogue, apps)
    for repository, tag in wanted.items():
        if repository in only or (not only and repository not in without):
            yield f"{repository}:{tag}"


def check(catalogue, arguments):
    """Refuse names that artifacts.yml does not know, before anything is fetched or built."""
    apps = catalogue.get("apps") or {}
    for app in arguments.app:
        if app not in apps:
            raise BundleError(
                f"--app: expected one of {', '.join(apps)}, found {app}. The apps and their images are in "
                "artifacts/artifacts.yml under apps."
            )
    for version in arguments.kubernetes:
        names = {*catalogue["files"], *catalogue["images"], *release(catalogue, version)["images"]}
        for name in arguments.only:
            if name not in names:
                close = difflib.get_close_matches(name, names, 1)
                hint = f" Did you mean {close[0]}?" if close else ""
                raise BundleError(
                    f"--only: expected a file or an image of artifacts/artifacts.yml, found {name}.{hint}"
                )


def pinned_digest(catalogue, reference):
    repository, tag = reference.rsplit(":", 1)
    return (catalogue["images"].get(repository) or {}).get(tag)


def file_url(catalogue, name, version, arch):
    return catalogue["files"][name]["url"].format(version=version, arch=arch, uname_arch=UNAME[arch])


def file_name(catalogue, name, version, arch):
    return file_url(catalogue, name, version, arch).rsplit("/", 1)[1]


def sha256_of(path):
    """SHA-256 of a file, kept beside it: the files of the cache never change."""
    note = path.with_name(path.name + ".sha256")
    if note.is_file():
        return note.read_text(encoding="utf-8").strip()
    with open(path, "rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    note.write_text(digest + "\n", encoding="utf-8")
    return digest


def image_digest(path):
    """Digest of the one manifest in an OCI archive."""
    with tarfile.open(path) as tar:
        index = json.load(tar.extractfile("index.json"))
    (manifest,) = index["manifests"]
    return manifest["digest"]


class Bundle:
    def __init__(self, catalogue, source, arch):
        self.arch = arch
        self.lock = copy.deepcopy(catalogue)
        self.lock = {"source": source, **self.lock}
        for entry in self.lock["files"].values():
            entry["versions"] = {}
        self.lock["images"] = {}
        self.files = []
        self.images = []

    def add_file(self, name, version, path):
        digest = sha256_of(path)
        versions = self.lock["files"][name]["versions"]
        if version not in versions:
            versions[version] = {self.arch: digest}
            self.files.append({"name": name, "version": version, "path": str(path), "sha256": digest})

    def add_image(self, reference, path):
        repository, tag = reference.rsplit(":", 1)
        digest = image_digest(path)
        tags = self.lock["images"].setdefault(repository, {})
        if tag not in tags:
            tags[tag] = digest
            self.images.append(
                {"repository": repository, "tag": tag, "path": str(path), "digest": digest, "sha256": sha256_of(path)}
            )

    def write(self, target, kubernetes):
        self.lock["kubernetes"] = {version: self.lock["kubernetes"][version] for version in kubernetes}
        content = {"lock": self.lock, "files": self.files, "images": self.images}
        text = "---\n# Written by artifacts/build.py or download.py.\n" + yaml.safe_dump(
            content, sort_keys=False, width=200
        )
        if target.is_file() and target.read_text(encoding="utf-8") == text:
            print("unchanged")
            return
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            stream.write(text)
        os.chmod(temporary, 0o644)
        os.replace(temporary, target)
        print("changed")
