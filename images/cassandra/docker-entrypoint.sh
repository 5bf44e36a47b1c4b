#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# As in upstream's image: CASSANDRA_* set what differs from one member to the next in cassandra.yaml and
# cassandra-rackdc.properties, then the command runs.
set -eu
conf="${CASSANDRA_CONF:-/etc/cassandra}"

set_value() { # file, separator, key, value
    [ -n "$4" ] || return 0
    if grep -q "^$3$2" "$1"; then
        sed "s|^$3$2.*|$3$2$4|" "$1" >"$1.new" && cat "$1.new" >"$1" && rm "$1.new"
    else
        printf '%s%s%s\n' "$3" "$2" "$4" >>"$1"
    fi
}

case "${1:-}" in
cassandra | -*)
    [ "$1" = cassandra ] || set -- cassandra -f "$@"
    address="$(hostname -i | cut -d' ' -f1)"
    listen="${CASSANDRA_LISTEN_ADDRESS:-auto}"
    [ "$listen" = auto ] && listen="$address"
    broadcast="${CASSANDRA_BROADCAST_ADDRESS:-$listen}"
    yaml="$conf/cassandra.yaml"
    set_value "$yaml" ': ' cluster_name "${CASSANDRA_CLUSTER_NAME:-}"
    set_value "$yaml" ': ' num_tokens "${CASSANDRA_NUM_TOKENS:-}"
    set_value "$yaml" ': ' endpoint_snitch "${CASSANDRA_ENDPOINT_SNITCH:-}"
    set_value "$yaml" ': ' listen_address "$listen"
    set_value "$yaml" ': ' broadcast_address "$broadcast"
    set_value "$yaml" ': ' rpc_address "${CASSANDRA_RPC_ADDRESS:-0.0.0.0}"
    set_value "$yaml" ': ' broadcast_rpc_address "${CASSANDRA_BROADCAST_RPC_ADDRESS:-$broadcast}"
    set_value "$yaml" ': ' '      - seeds' "\"${CASSANDRA_SEEDS:-$broadcast}\""
    set_value "$conf/cassandra-rackdc.properties" = dc "${CASSANDRA_DC:-}"
    set_value "$conf/cassandra-rackdc.properties" = rack "${CASSANDRA_RACK:-}"
    ;;
esac
exec "$@"
