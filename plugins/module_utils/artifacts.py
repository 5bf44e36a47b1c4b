# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The pinned list of artifacts: what a name and a version mean, as pure functions.

A *catalogue* is the content of artifacts/artifacts.yml, or of a lock file that the mirror playbook
wrote. Both have the same structure, so every function here takes either.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

# uname -m -> the name that Go and the download sites use.
ARCHITECTURES = {"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64"}
_UNAME = {"amd64": "x86_64", "arm64": "arm64"}
_SHA256 = re.compile(r"[0-9a-f]{64}")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")

DIRECTORIES = {"bin": "/usr/local/bin", "cni": "/opt/cni/bin"}


class ArtifactError(Exception):
    """A request that the catalogue cannot answer. The message says what is expected, found and the remedy."""


def architecture(machine: str) -> str:
    """Go's name of the architecture that ``uname -m`` calls *machine*."""
    try:
        return ARCHITECTURES[machine]
    except KeyError:
        raise ArtifactError(
            "architecture: expected one of {}, found {}. There are no artifacts for it.".format(
                ", ".join(sorted(ARCHITECTURES)), machine or "nothing"
            )
        ) from None


def kubernetes_versions(catalogue: dict) -> list[str]:
    """The Kubernetes releases of a catalogue, the default first."""
    return [str(version) for version in catalogue.get("kubernetes") or {}]


def _choose(kind: str, name: str, version: str | None, versions: Mapping[str, Any], where: str) -> str:
    if not versions:
        raise ArtifactError(f"{kind} {name}: {where} holds no version of it. Fill the mirror again.")
    if not version:
        return next(iter(versions))
    if version not in versions:
        raise ArtifactError(
            "{} {}: expected a version that {} holds ({}), found {}. Ask for one of those, or add it there.".format(
                kind, name, where, ", ".join(versions), version
            )
        )
    return version


def artifact(
    catalogue: dict,
    name: str,
    version: str | None = None,
    mirror_url: str = "",
    arch: str = "amd64",
    directories: dict | None = None,
    where: str = "artifacts.yml",
) -> dict:
    """Resolve a file: ``{name, version, url, sha256, filename, members}``.

    *version* empty: the catalogue's first. *mirror_url* set: the URL on that mirror. Members are
    ``{path, dest, mode}``, where path is null when the file is itself the program.
    """
    files = catalogue.get("files") or {}
    if name not in files:
        raise ArtifactError(
            "artifact: expected a name that {} holds ({}), found {}.".format(where, ", ".join(sorted(files)), name)
        )
    entry = files[name]
    versions = {str(key): value for key, value in (entry.get("versions") or {}).items()}
    version = _choose("artifact", name, str(version) if version else None, versions, where)
    sums = versions[version] or {}
    if arch not in sums:
        raise ArtifactError(
            "artifact {} {}: expected an architecture that {} holds ({}), found {}.".format(
                name, version, where, ", ".join(sums) or "none", arch
            )
        )
    sha256 = sums[arch]
    if sha256 is not None and not _SHA256.fullmatch(str(sha256)):
        raise ArtifactError(
            f"artifact {name} {version} {arch}: expected a sha256 of 64 hexadecimal digits in {where}, found {sha256}."
        )
    if sha256 is None:
        raise ArtifactError(
            f"artifact {name} {version} {arch}: expected a sha256 in {where}, found none: no public list has one. "
            "Put the sha256 there, or fill a mirror from a build (mirror_source: build)."
        )
    words = {"version": version, "arch": arch, "uname_arch": _UNAME[arch]}
    upstream = entry["url"].format(**words)
    filename = upstream.rsplit("/", 1)[1]
    url = upstream
    if mirror_url:
        url = "{}/files/{}/{}/{}".format(mirror_url.rstrip("/"), name, version, filename)
    places = dict(DIRECTORIES, **(directories or {}))
    members = [
        {
            "path": member["path"].format(**words) if member.get("path") else None,
            "dest": "{}/{}".format(places[member["directory"]], member["name"]),
            "mode": member.get("mode", "0755"),
        }
        for member in entry["members"]
    ]
    return {
        "name": name,
        "version": version,
        "url": url,
        "upstream": upstream,
        "sha256": sha256,
        "filename": filename,
        "members": members,
    }


def image_catalogue(catalogue: dict) -> dict[str, dict[str, str | None]]:
    """repository -> tag -> digest, Kubernetes' own images included (digests from ``images``)."""
    images = {
        repository: {str(tag): digest for tag, digest in (tags or {}).items()}
        for repository, tags in (catalogue.get("images") or {}).items()
    }
    for release in (catalogue.get("kubernetes") or {}).values():
        for repository, tag in (release.get("images") or {}).items():
            images.setdefault(repository, {}).setdefault(str(tag), None)
    return images


def split_reference(reference: str) -> tuple[str, str | None, str | None]:
    """``registry/repository:tag@digest`` -> repository with registry, tag, digest (each may be None)."""
    rest, _at, digest = reference.partition("@")
    repository, colon, tag = rest.rpartition(":")
    if not colon or "/" in tag:
        repository, tag = rest, ""
    return repository, tag or None, digest or None


def image(catalogue: dict, reference: str, where: str = "artifacts.yml") -> str:
    """*reference* with ``@sha256:...`` added where the catalogue knows it.

    Without a tag, the catalogue's first is taken. An image that the catalogue does not list is
    returned as it is: a site may use images of its own.
    """
    repository, tag, digest = split_reference(reference)
    if digest:
        return reference
    tags = image_catalogue(catalogue).get(repository)
    if tags is None:
        return reference
    tag = _choose("image", repository, tag, tags, where)
    known = tags[tag]
    if not known:
        return f"{repository}:{tag}"
    if not _DIGEST.fullmatch(known):
        raise ArtifactError(
            f"image {repository}:{tag}: expected a digest sha256:<64 hexadecimal digits> in {where}, found {known}."
        )
    return f"{repository}:{tag}@{known}"


def kubernetes_files(catalogue: dict, version: str, where: str = "artifacts.yml") -> dict[str, str]:
    """name -> version of every file that a site with this Kubernetes release needs."""
    releases = catalogue.get("kubernetes") or {}
    version = _choose("kubernetes", "release", str(version), {str(key): None for key in releases}, where)
    own = {"kubeadm": version, "kubelet": version, "kubectl": version, "etcd": str(releases[version]["etcd"])}
    return {
        name: own.get(name) or str(next(iter(entry["versions"])))
        for name, entry in (catalogue.get("files") or {}).items()
    }


def kubernetes_images(catalogue: dict, version: str, where: str = "artifacts.yml") -> list[str]:
    """repository:tag of every image that a site with this Kubernetes release needs."""
    releases = catalogue.get("kubernetes") or {}
    version = _choose("kubernetes", "release", str(version), {str(key): None for key in releases}, where)
    references = [f"{name}:{tag}" for name, tag in releases[version]["images"].items()]
    for repository, tags in (catalogue.get("images") or {}).items():
        if not any(repository in (release.get("images") or {}) for release in releases.values()):
            references.append(f"{repository}:{next(iter(tags))}")
    return references


def missing_checksums(catalogue: dict, files: dict[str, str], arch: str = "amd64") -> list[str]:
    """Those of *files* (name -> version) that have no pinned sha256 for *arch*, as ``name version``."""
    return [
        f"{name} {version}"
        for name, version in files.items()
        if not (catalogue["files"][name]["versions"].get(version) or {}).get(arch)
    ]
