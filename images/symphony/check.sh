#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Say what is missing to build the image of Symphony.
# usage: check.sh DIRECTORY INSTALLER [ENTITLEMENT]
set -u
directory=${1:?usage: check.sh DIRECTORY INSTALLER [ENTITLEMENT]}
installer=${2:-}
entitlement=${3:-}
problems=0

missing() {
  echo "images/symphony: $*" >&2
  problems=$(( problems + 1 ))
}

if [ -z "$installer" ]; then
  missing "expected the name of the installer, found none. Put IBM's installer (sym-<version>_x86_64.bin, or the" \
    "main .rpm) beside the Containerfile and build with --build-arg INSTALLER=<its name>. Symphony is licensed:" \
    "your site downloads it from IBM."
elif [ ! -s "$directory/$installer" ]; then
  missing "expected the installer $installer beside the Containerfile, found no such file. Files that are there:" \
    "$( ls -1 "$directory" | tr '\n' ' ')"
else
  case "$installer" in
    *.bin | *.rpm) ;;
    *) missing "expected an installer that ends in .bin or .rpm, found $installer" ;;
  esac
fi
if [ -n "$entitlement" ]; then
  if [ ! -s "$directory/$entitlement" ]; then
    missing "expected the entitlement file $entitlement beside the Containerfile, found no such file"
  elif ! grep -q '^ego_base[[:space:]]' "$directory/$entitlement"; then
    missing "expected a line ego_base in $entitlement, found none. It is not an entitlement file of Symphony."
  fi
fi
[ "$problems" = 0 ]
