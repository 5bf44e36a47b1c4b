#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Install Symphony into $EGO_TOP and make its kernel fit a container.
# usage: install.sh INSTALLER CLUSTERNAME BASEPORT
set -eu
: "${EGO_TOP:?}" "${CLUSTERADMIN:?}"
IBM_SPECTRUM_SYMPHONY_LICENSE_ACCEPT=Y SIMPLIFIEDWEM=N CLUSTERNAME=$2 BASEPORT=$3
export CLUSTERADMIN CLUSTERNAME BASEPORT IBM_SPECTRUM_SYMPHONY_LICENSE_ACCEPT SIMPLIFIEDWEM
case "$1" in
  *.bin)
    chmod a+x "$1"
    "$1" --prefix "$EGO_TOP" --quiet
    ;;
  *.rpm) rpm --install --prefix "$EGO_TOP" "$1" ;;
esac
[ -r "$EGO_TOP/profile.platform" ] || {
  echo "images/symphony: expected $EGO_TOP/profile.platform after the installation, found none. Look at the" \
    "installer's messages above." >&2
  exit 1
}
# The installer asks the kernel of the machine that builds; newer kernels than it knows leave "fail" here.
for file in "$EGO_TOP/kernel/conf/profile.ego" "$EGO_TOP/jre/profile.jre" "$EGO_TOP/soam/conf/profile.soam"; do
  if [ -f "$file" ]; then
    sed -i 's|BINARY_TYPE="fail"|BINARY_TYPE="linux-x86_64"|' "$file"
  fi
done
chown -R "$CLUSTERADMIN" "$EGO_TOP"
