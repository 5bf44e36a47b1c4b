# SPDX-License-Identifier: GPL-3.0-or-later
# Runs in a pod: SparkPi, then the job with a shuffle, both by spark-submit. Settings are in the environment.
# shellcheck shell=bash disable=SC2154
set -euo pipefail
mkdir -p "$SPARK_CONF_DIR"
printf '%s' "$DEFAULTS" >"$SPARK_CONF_DIR/spark-defaults.conf"
[ -z "${TOKEN_SPARK:-}" ] || echo "spark.authenticate.secret=$TOKEN_SPARK" >>"$SPARK_CONF_DIR/spark-defaults.conf"
[ -z "${POD_TEMPLATE:-}" ] || printf '%s' "$POD_TEMPLATE" >/tmp/executor.json
printf '%s' "$SHUFFLE" >/tmp/shuffle.py
submit() { "$SPARK_HOME/bin/spark-submit" "$@"; }
submit "$SPARK_HOME/examples/src/main/python/pi.py" "$SLICES" | tee /tmp/pi
sed -n 's/^Pi is roughly \([0-9.]*\)$/figures {"pi": \1}/p' /tmp/pi
submit /tmp/shuffle.py "$RECORDS"
