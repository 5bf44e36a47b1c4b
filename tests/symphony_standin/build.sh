#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Build the image of the stand-in as an OCI archive, unless the cache has it.
#
# usage: build.sh ARCHIVE   (prints the manifest's digest)
# Needs podman and mmdebstrap. The cache is keyed by the files here.
set -euo pipefail
archive=${1:?usage: build.sh ARCHIVE}
cd "$(dirname "${BASH_SOURCE[0]}")"
cache=${BB_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/baremetal-bigdata}/symphony-standin
suite=bookworm
packages=$(sed '/^#/d' packages.txt | paste -sd,)
rootfs=$cache/rootfs-$(printf '%s' "$suite $packages" | sha256sum | cut -c1-12).tar
sources=(Containerfile build.sh ego.py packages.txt profile.platform bin kernel)
key=$(find "${sources[@]}" -type f -not -name '*.pyc' -print0 | sort -z | xargs -0 sha256sum | sha256sum | cut -c1-12)
image=localhost/baremetal-bigdata-symphony-standin:$key-$$
base=localhost/baremetal-bigdata-symphony-standin-base:$key-$$
mkdir -p "$cache"
if [ ! -f "$rootfs" ]; then
  # The user is made here: then the image needs no command run in it.
  SOURCE_DATE_EPOCH=0 mmdebstrap --quiet --variant=minbase --include="$packages" \
    --customize-hook='chroot "$1" useradd --uid 1000 --user-group --create-home --shell /bin/bash egoadmin' \
    --customize-hook='rm -rf "$1"/usr/share/doc/* "$1"/usr/share/man/* "$1"/usr/share/locale/* "$1"/var/log/*' \
    "$suite" "$cache/new-$$.tar" >&2
  mv "$cache/new-$$.tar" "$rootfs"
fi
if [ ! -f "$cache/image-$key.tar" ]; then
  trap 'podman rmi --force "$image" "$base" >/dev/null 2>&1' EXIT
  podman import --quiet "$rootfs" "$base" >&2
  podman build --quiet --force-rm --layers=false --timestamp=0 --format=oci --build-arg "BASE=$base" \
    --tag "$image" . >&2
  podman save --quiet --format=oci-archive --output="$cache/new-$$.tar" "$image" >&2
  mv "$cache/new-$$.tar" "$cache/image-$key.tar"
fi
cp "$cache/image-$key.tar" "$archive"
tar --extract --to-stdout --file="$archive" index.json | python3 -c 'import json, sys
print(json.load(sys.stdin)["manifests"][0]["digest"])'
