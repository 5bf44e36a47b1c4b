#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Build the lab's host image and the OS packages that the lab's mirror offers.
#
# usage: build.sh CACHE_DIR
# Prints the image's name. CACHE_DIR then holds host-<key>/packages/, an apt repository. Both are
# keyed by the content of this folder, so a second call does nothing.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cache=${1:?usage: build.sh CACHE_DIR}
suite=bookworm

key=$(cd "$here" && find . -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum | sha256sum | cut -c1-12)
image=localhost/baremetal-bigdata-host:$key
out=$cache/host-$key

names() { grep -vE '^(#|$)' "$1" | paste -sd "$2"; }

if [ ! -e "$out/packages/Packages.gz" ] || ! podman image exists "$image"; then
    echo "building the host image $image (1 to 2 minutes)" >&2
    work=$(mktemp -d "$cache/.host-XXXXXX")
    trap 'rm -rf "$work"' EXIT
    mkdir -p "$work/packages"
    mmdebstrap --quiet --variant=minbase \
        --include="$(names "$here/packages.txt" ,)" \
        --customize-hook="copy-in $here/rootfs/etc $here/rootfs/usr /" \
        --customize-hook='chroot "$1" useradd --create-home --shell /bin/bash ops' \
        --customize-hook='chroot "$1" chown -R root:root /etc/sudoers.d /etc/ssh /etc/systemd /usr/local/sbin' \
        --customize-hook='chmod 0440 "$1/etc/sudoers.d/ops"' \
        --customize-hook='rm -f "$1"/etc/ssh/ssh_host_* "$1/etc/machine-id"; : >"$1/etc/machine-id"' \
        --customize-hook='chroot "$1" systemctl --quiet enable lab-host.service ssh.service firewalld.service' \
        --customize-hook='chroot "$1" systemctl --quiet disable nginx.service' \
        --customize-hook='chroot "$1" systemctl --quiet mask systemd-networkd-wait-online.service getty@tty1.service apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer fstrim.timer' \
        --customize-hook='chroot "$1" apt-get clean' \
        --customize-hook="chroot \"\$1\" apt-get -qq --download-only --no-install-recommends --yes install $(names "$here/mirrored-packages.txt" ' ')" \
        --customize-hook='mkdir "$1/packages" && mv "$1"/var/cache/apt/archives/*.deb "$1/packages/"' \
        --customize-hook='chroot "$1" sh -c "cd /packages && apt-ftparchive packages . >Packages && gzip -9nk Packages && apt-ftparchive release . >/Release && mv /Release ."' \
        --customize-hook="sync-out /packages $work/packages" \
        --customize-hook='rm -r "$1/packages"; rm -f "$1"/etc/apt/sources.list "$1"/etc/apt/sources.list.d/*' \
        "$suite" "$work/rootfs.tar" >&2
    podman import --quiet --change 'CMD ["/sbin/init"]' --change 'STOPSIGNAL SIGRTMIN+3' \
        "$work/rootfs.tar" "$image" >&2
    rm -f "$work/rootfs.tar"
    rm -rf "$out"
    mv "$work" "$out"
    trap - EXIT
fi
echo "$image"
echo "$out/packages"
