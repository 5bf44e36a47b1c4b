#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
# The collection's artifact: small, nothing in it that a checkout's work leaves behind, and it installs and runs
# as baremetal.bigdata.site from another directory.
#
# usage: collection.sh [run]
# With `run` also on the lab that BB_LAB names, converged before: it changes nothing there.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
root=$PWD
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/elsewhere"

fail() { echo "collection: $*" >&2; exit 1; }

echo "build the artifact"
ansible-galaxy collection build --output-path "$work" >"$work/log" 2>&1 || { cat "$work/log"; fail "it does not build"; }
artifact=$(echo "$work"/baremetal-bigdata-*.tar.gz)
tar -tzf "$artifact" | sed 's,/$,,' >"$work/files"
junk=$(grep -E '(^|/)(\.(git|venv|lab.*|collections|ansible|pytest_cache|ruff_cache|hypothesis|cache)|__pycache__)(/|$)|\.(pyc|retry|tar\.gz|log)$' \
    "$work/files" || true)
[ -z "$junk" ] || fail "expected no trace of a checkout's work in the artifact, found:"$'\n'"$junk"
for file in artifacts/artifacts.yml playbooks/site.yml roles/preflight/meta/argument_specs.yml plugins/modules/role_discovery.py; do
    grep -qx "$file" "$work/files" || fail "expected $file in the artifact, found it missing"
done
size=$(stat --format=%s "$artifact")
[ "$size" -lt 1000000 ] || fail "expected less than 1 MB, found $size bytes"
echo "  $(wc -l <"$work/files") files, $((size / 1024)) KiB"

echo "install it elsewhere, and look at its playbooks"
cd "$work/elsewhere"
# Nothing of the caller: not its configuration, not the colours that molecule asks for.
unset "${!ANSIBLE_@}"
export ANSIBLE_COLLECTIONS_PATH=$work/collections
ansible-galaxy collection install --offline --no-deps -p "$work/collections" "$artifact" >"$work/log" 2>&1 ||
    { cat "$work/log"; fail "it does not install"; }
run() { ansible-playbook -i "$root/inventories/lab" "$@" >"$work/log" 2>&1 || { cat "$work/log"; fail "ansible-playbook $*"; }; }
run baremetal.bigdata.site --syntax-check
run baremetal.bigdata.site --list-tasks
for task in "baremetal.bigdata.preflight :" "Run the apps that the inventory enables"; do
    grep -q "$task" "$work/log" || { cat "$work/log"; fail "expected the task '$task' in baremetal.bigdata.site"; }
done

[ "${1:-}" = run ] || exit 0
echo "run it on the lab"
run baremetal.bigdata.site
grep -E '^[a-z0-9]+ +: ok=' "$work/log" | sed 's/^/  /'
! grep -E '^[a-z0-9]+ +: ok=' "$work/log" | grep -v 'changed=0 ' || fail "expected changed=0 on every host"
