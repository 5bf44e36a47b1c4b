#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
# ansible-test sanity, on a copy of what git tracks under the path that it insists on.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
tree=$work/ansible_collections/baremetal/bigdata
mkdir -p "$tree"
git ls-files -z --cached --others --exclude-standard | while IFS= read -r -d '' file; do
    [ -e "$file" ] && printf '%s\0' "$file"
done | tar --null --files-from=- --create --file=- | tar --extract --directory="$tree"
cd "$tree"
git init --quiet . && git add --all
# Tests that need nothing but this Python: the rest of the suite runs under `make lint`.
exec ansible-test sanity --color no --python default --local \
    --test action-plugin-docs --test ansible-doc --test empty-init --test ignores --test import --test compile \
    --test no-assert --test no-get-exception --test no-illegal-filenames --test no-smart-quotes --test replace-urlopen \
    --test runtime-metadata --test shebang --test symlinks --test use-argspec-type-path --test use-compat-six \
    --test validate-modules --test yamllint
