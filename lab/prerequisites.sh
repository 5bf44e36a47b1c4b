#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Install what the lab and the tests need on this machine, where it is missing.
set -euo pipefail

# program -> package, on the Debian family and on the RHEL family
needs=(
    "podman podman podman"
    "runc runc runc"
    "mmdebstrap mmdebstrap mmdebstrap"
    "ssh openssh-client openssh-clients"
    "gcc gcc gcc"
    "java openjdk-17-jre-headless java-17-openjdk-headless"
    "mvn maven maven"
    "git git git"
    "rsync rsync rsync"
    "newuidmap uidmap shadow-utils"
    "nft nftables nftables"
    "netavark netavark netavark"
    # By which netavark of Debian 12 sets up addresses.
    "iptables iptables iptables-nft"
)
PATH=$PATH:/usr/lib/podman:/usr/libexec/podman:/usr/sbin:/sbin

if command -v apt-get >/dev/null; then family=debian; else family=redhat; fi
missing=()
for need in "${needs[@]}"; do
    # shellcheck disable=SC2034  # read by the name that family holds
    read -r program debian redhat <<<"$need"
    command -v "$program" >/dev/null || missing+=("${!family}")
done
if [ "$family" = debian ]; then
    [ -e /usr/include/stdio.h ] || missing+=(libc6-dev)
    python3 -c 'import ensurepip' 2>/dev/null || missing+=(python3-venv)
    [ -e /usr/share/keyrings/debian-archive-keyring.gpg ] || missing+=(debian-archive-keyring)
fi
[ ${#missing[@]} -eq 0 ] && exit 0

as_root=()
if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null || { echo "error: packages are missing (${missing[*]}); run as root, or install sudo" >&2; exit 1; }
    as_root=(sudo)
fi
echo "installing OS packages: ${missing[*]}"
if [ "$family" = debian ]; then
    "${as_root[@]}" apt-get -qq update
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq --yes --no-install-recommends install "${missing[@]}" >/dev/null
else
    "${as_root[@]}" dnf --quiet --assumeyes install "${missing[@]}"
fi
