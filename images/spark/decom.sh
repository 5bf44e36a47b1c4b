#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Before an executor's pod ends: tell it to hand its blocks over (SIGPWR), and wait until it is gone.
set -euo pipefail
worker=$(pgrep --oldest --full 'KubernetesExecutorBackend' || true)
[ -n "$worker" ] || exit 0
kill -s SIGPWR "$worker"
timeout 60 tail --pid="$worker" --follow /dev/null || true
