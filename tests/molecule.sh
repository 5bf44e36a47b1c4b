#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Run molecule scenarios, one after the other, on one site of their own, beside a running demo.
#
# usage: molecule.sh [SCENARIO...]                   the whole sequence of each, then remove the site; default: see `all`
#        molecule.sh --keep [SCENARIO...]            the same, but leave the site
#        molecule.sh --action ACTION SCENARIO [ARGS] one step of one scenario on the site as it is
#
# `default` makes the site (the four passes); the others are apps on it, and bring up what they need.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
export BB_LAB=lab-test BB_LAB_PREFIX=${BB_TEST_PREFIX:-10.231.8}
# Molecule folds what it shows to the terminal's width, and takes 80 where there is none.
export COLUMNS=${COLUMNS:-160}
# What `make test` runs, without the tests that are marked as long. A scenario that is named is run with them. By name
# alone: hazelcast (by racks), kubedirector, listed.
all=(default symphony spark cassandra reset)

# The apps of a scenario, where not the one that it is named after. Its step `prepare` fills the mirror with their images.
declare -A apps=([default]=hazelcast [reset]=hazelcast [listed]="hazelcast spark cassandra")
choose() {
    export BB_APPS=${apps[$1]:-$1} BB_MIRROR_APPS=${apps[$1]:-$1}
}

if [ "${1:-}" = --action ]; then
    action=${2:?usage: molecule.sh --action ACTION SCENARIO [ARGUMENTS]} scenario=${3:?name a scenario}
    choose "$scenario"
    shift 3
    exec molecule "$action" --scenario-name "$scenario" "$@"
fi
keep=
if [ "${1:-}" = --keep ]; then
    keep=1
    shift
fi
if [ $# -eq 0 ]; then
    export PYTEST_ADDOPTS="-m 'not long'"
    set -- "${all[@]}"
fi
[ "$1" = default ] || [ -e ".$BB_LAB/kubeconfig" ] || set -- default "$@"
# It speaks only where it fails: what a failed scenario said last stays the last that is to be read.
destroy() {
    local said
    choose default
    said=$(molecule destroy --scenario-name default 2>&1) || { echo "$said" >&2; return 1; }
}
# Also after a failure, unless it is to be looked at.
[ -n "$keep" ] || trap destroy EXIT
[ "$1" != default ] || destroy
for scenario in "$@"; do
    choose "$scenario"
    # Molecule remembers for a checkout's path that a scenario was prepared, also beyond its site: it would not do it again.
    molecule reset --scenario-name "$scenario"
    molecule test --destroy=never --scenario-name "$scenario"
done
