#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Run a molecule scenario on a lab of its own, beside a running demo.
#
# usage: molecule.sh SCENARIO [molecule arguments; default: test]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
scenario=${1:?usage: molecule.sh SCENARIO [ARGUMENTS]}
shift
export BB_LAB=lab-$scenario BB_LAB_PREFIX=${BB_TEST_PREFIX:-10.231.8}
# Molecule folds what it shows to the terminal's width, and takes 80 where there is none.
export COLUMNS=${COLUMNS:-160}
[ $# -gt 0 ] || set -- test
action=$1
shift
exec molecule "$action" --scenario-name "$scenario" "$@"
