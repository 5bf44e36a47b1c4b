#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
# `make bench`: the benchmarks of the budgets, one after the other, or the named one with its options:
#   tests/bench/run.sh [cluster|discovery|rendering [OPTION...]]
set -euo pipefail
cd "$(dirname "$0")/../.."
python=.venv/bin/python
if [ $# -gt 0 ]; then
    name=$1
    shift
    exec "$python" "tests/bench/$name.py" "$@"
fi
"$python" tests/bench/cluster.py
"$python" tests/bench/discovery.py
"$python" tests/bench/rendering.py
