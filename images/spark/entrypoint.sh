#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
# driver ARGS: spark-submit in client mode. executor: what Spark's driver starts on Kubernetes. Anything else: run it.
# Variables as Spark sets them for its pods (org.apache.spark.deploy.k8s.Constants).
set -euo pipefail

classpath="${SPARK_CLASSPATH:+$SPARK_CLASSPATH:}$SPARK_HOME/jars/*"
[ -z "${HADOOP_CONF_DIR:-}" ] || classpath="$HADOOP_CONF_DIR:$classpath"
[ -z "${SPARK_CONF_DIR:-}" ] || classpath="$SPARK_CONF_DIR:$classpath"

case "${1:-}" in
driver)
    shift
    command=(
        "$SPARK_HOME/bin/spark-submit"
        --conf "spark.driver.bindAddress=${SPARK_DRIVER_BIND_ADDRESS:?}"
        --conf "spark.executorEnv.SPARK_DRIVER_POD_IP=$SPARK_DRIVER_BIND_ADDRESS"
        --deploy-mode client
        "$@"
    )
    ;;
executor)
    options=()
    while IFS= read -r name; do
        options+=("${!name}")
    done < <(compgen -e SPARK_JAVA_OPT_ | sort --version-sort)
    command=(
        "$JAVA_HOME/bin/java"
        "${options[@]}"
        "-Xms${SPARK_EXECUTOR_MEMORY:?}"
        "-Xmx$SPARK_EXECUTOR_MEMORY"
        -cp "$classpath"
        org.apache.spark.scheduler.cluster.k8s.KubernetesExecutorBackend
        --driver-url "${SPARK_DRIVER_URL:?}"
        --executor-id "${SPARK_EXECUTOR_ID:?}"
        --cores "${SPARK_EXECUTOR_CORES:?}"
        --app-id "${SPARK_APPLICATION_ID:?}"
        --hostname "${SPARK_EXECUTOR_POD_IP:?}"
        --resourceProfileId "${SPARK_RESOURCE_PROFILE_ID:-0}"
        --podName "${SPARK_EXECUTOR_POD_NAME:?}"
    )
    ;;
*)
    command=("$@")
    ;;
esac
exec tini -s -- "${command[@]}"
