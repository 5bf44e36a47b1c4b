#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Other pairs of Python and ansible-core than the one that everything else runs on, where such a Python is there: the unit
# tests by the newest controller that requirements.txt has pins for, and the modules that run on hosts by the oldest host's.
# PYTHON_CONTROLLER and PYTHON_HOST name them.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# A program of that name that runs: pyenv has stand-ins that do not.
find_python() {
    local name=$1 candidate
    for candidate in "$(command -v "$name" || true)" "$(pyenv root 2>/dev/null || true)"/versions/"${name#python}".*/bin/"$name"; do
        if [ -x "$candidate" ] && "$candidate" -c '' 2>/dev/null; then
            echo "$candidate"
            return
        fi
    done
}

controller=${PYTHON_CONTROLLER:-$(find_python python3.13)}
if [ -n "$controller" ]; then
    lab/venv.sh .venv-controller "${BB_CACHE:?}" "$controller"
    .venv-controller/bin/ansible --version | sed -n '1p; s/^ *python version = //p'
    # What runs programs of the environment finds those of this one.
    PATH=$PWD/.venv-controller/bin:$PATH .venv-controller/bin/pytest --numprocesses=2 --dist=loadfile tests/unit tests/programs
else
    echo "not run: no python3.13 on this machine (PYTHON_CONTROLLER names one)"
fi

host=${PYTHON_HOST:-$(find_python python3.9)}
if [ -n "$host" ]; then
    "$host" --version
    BB_HOST_PYTHON=$host pytest tests/controllers
else
    echo "not run: no python3.9 on this machine (PYTHON_HOST names one)"
fi
