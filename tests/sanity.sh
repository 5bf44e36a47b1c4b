#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
# ansible-test sanity, on a copy of what git tracks under the path that it insists on.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
tree=$work/ansible_collections/baremetal/bigdata
mkdir -p "$tree"
# Fixtures are written by programs, and not in this collection's style.
git ls-files -z --cached --others --exclude-standard -- . ':!tests/fixtures' | while IFS= read -r -d '' file; do
    [ -e "$file" ] && printf '%s\0' "$file"
done | tar --null --files-from=- --create --file=- | tar --extract --directory="$tree"

# The collections that ours refers to, out of the `ansible` distribution.
python=$(python -c 'import sys; print("%d.%d" % sys.version_info[:2])')
packaged=$(python -c 'import ansible_collections; print(list(ansible_collections.__path__)[0])')
for namespace in ansible community kubernetes; do
    ln -s "$packaged/$namespace" "$work/ansible_collections/$namespace"
done

# ansible-test keeps its virtual environments under HOME: here that is the cache, so that the next run finds them and
# the user's own are left alone. It strips the environment, so pip's settings have to be where pip looks for them.
home=${BB_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/baremetal-bigdata}/sanity
mkdir -p "$home/.config" "$home/.ansible/test/cache"
for settings in "${XDG_CONFIG_HOME:-$HOME/.config}/pip" "$HOME/.pip"; do
    [ ! -d "$settings" ] || ln -sfn "$settings" "$home/.config/pip"
done
# It downloads a script that installs pip, of a release that it pins. Python brings a pip, which needs no download.
release=$(python -c 'import sys, types
from ansible_test._internal.python_requirements import get_venv_packages
print(get_venv_packages(types.SimpleNamespace(version=sys.argv[1]))["pip"])' "$python")
cat >"$home/.ansible/test/cache/get_pip_${release//./_}.py" <<'EOF'
import runpy, sys
sys.argv = ["ensurepip", "--upgrade", "--default-pip"]
runpy.run_module("ensurepip", run_name="__main__")
EOF

export HOME=$home
cd "$tree"
# It lists the files of a git work tree.
git init --quiet . && git add --all
# Left out: pep8 and pylint, whose place ruff has; the changelog's own linter; PowerShell, of which there is none.
ansible-test sanity --color no --local --python "$python" \
    --skip-test pep8 --skip-test pylint --skip-test changelog --skip-test pslint "$@"
