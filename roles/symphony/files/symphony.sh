#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Starts a host of Symphony and keeps it in its cluster; answers what the deployment asks. The commands
# egoconfig and egosh are the product's own.
# usage: sh symphony.sh master | compute            start, and stay in the foreground
#        sh symphony.sh alive | live | count        at the master: does EGO answer; who is it; compute hosts that are ok
#        sh symphony.sh close NAME | idle NAME      at the master: let a host go; succeed when no work is left there
#        sh symphony.sh ping TASKS MILLISECONDS     at the master: run tasks on the compute hosts
set -u
umask 022

: "${EGO_TOP:=/opt/ibm/spectrumcomputing}" "${CLUSTERADMIN:=egoadmin}"
: "${SYMPHONY_CONFIG:=/etc/symphony}" "${SYMPHONY_MEMBERS:=/etc/symphony-members}" "${SYMPHONY_STATE:=/tmp/symphony}"
: "${SYMPHONY_CHECK_SECONDS:=10}" "${SYMPHONY_FORGET_SECONDS:=120}" "${EGO_KD_PORT:=7870}"
: "${SYMPHONY_ENTITLEMENT:=$SYMPHONY_CONFIG/entitlement.dat $SYMPHONY_CONFIG/entitlement/*}" "${SHARED_TOP:=}"
# The product looks a master's name up in DNS when it joins; here it is in EGO's own file of hosts.
EGOCONFIG_DISABLE_HOST_CHECK=Y
export EGO_TOP CLUSTERADMIN EGOCONFIG_DISABLE_HOST_CHECK
role=${1:-}
me=`hostname`

say() {
  echo "`date -u +%Y-%m-%dT%H:%M:%SZ` symphony: $*" >&2
}

# A state that lasts is said once.
say_once() {
  [ "$*" = "${said:-}" ] || say "$*"
  said=$*
}

die() {
  say "$*"
  exit 1
}

# The profile may use variables that are not set.
profile() {
  [ -r "$EGO_TOP/profile.platform" ] || die "expected Symphony in $EGO_TOP, found no profile.platform there." \
    "Use an image that holds it (images/symphony builds one), or set EGO_TOP."
  set +u
  . "$EGO_TOP/profile.platform"
  set -u
}

# egoconfig serves the cluster administrator only.
as_admin() {
  if [ "`id -u`" = 0 ]; then
    su -s /bin/sh -c '. "$EGO_TOP/profile.platform"; exec "$@"' "$CLUSTERADMIN" -- symphony "$@"
  else
    "$@"
  fi
}

# 8 to 15 characters: EGO takes no longer ones.
password() {
  if [ -n "${ADMIN_PASSWORD:-}" ]; then
    printf %s "$ADMIN_PASSWORD"
  else
    printf %.15s "${TOKEN_WEBGUI:-}"
  fi
}

logon() {
  egosh user logon -u Admin -x "`password`" </dev/null >/dev/null
}

# Lines KEY=VALUE of site.conf take the place of those in ego.conf.
site() {
  [ -s "$SYMPHONY_CONFIG/site.conf" ] || return 0
  awk -F= 'NR == FNR { if (NF > 1) site[$1] = $0; next }
           !($1 in site)
           END { for (key in site) print site[key] }' "$SYMPHONY_CONFIG/site.conf" "$EGO_CONFDIR/ego.conf" \
    >"$SYMPHONY_STATE/ego.conf" && cat "$SYMPHONY_STATE/ego.conf" >"$EGO_CONFDIR/ego.conf"
}

pause() {
  sleep "$SYMPHONY_CHECK_SECONDS" &
  wait $!
}

stop() {
  say "shutting down"
  egosh ego shutdown -f </dev/null >&2
  exit 0
}

# Hosts as lines "NAME STATUS"; fails when the master does not answer. -ll: quoted columns, names never cut.
hosts() {
  listing=`egosh resource list -ll </dev/null` || return 1
  echo "$listing" | awk -F'"' '$2 != "" && $2 != "NAME" { print $2, $4 }'
}

# A host's name may come with its domain.
status_of() {
  echo "$1" | awk -v name="$2" '{ split($1, label, ".") } $1 == name || label[1] == name { print $1, $2; exit }'
}

answers() {
  timeout 3 bash -c ': <"/dev/tcp/$0/$1"' "$1" "$EGO_KD_PORT" 2>/dev/null
}

# The master's address: as role_discovery published it, or by DNS; the first at which EGO answers.
find_master() {
  published=`awk -v name="$MASTER_HOST" '{ for (i = 2; i <= NF; i++) if ($i == name) { print $1; exit } }' \
    "$SYMPHONY_MEMBERS/hosts" 2>/dev/null`
  named=`getent ahostsv4 "$MASTER_FQDN" | awk '{ print $1; exit }'`
  for address in $published $named; do
    if answers "$address"; then
      echo "$address"
      return 0
    fi
  done
  return 1
}

# A container's /etc/hosts is the kubelet's. EGO has a file of its own.
write_hosts() {
  if ! [ -f "$EGO_CONFDIR/hosts" ] || [ "$1" != "`cat "$EGO_CONFDIR/hosts"`" ]; then
    echo "$1" >"$EGO_CONFDIR/hosts"
  fi
}

own_address() {
  echo "${POD_IP:-`getent ahostsv4 "$me" | awk '{ print $1; exit }'`}"
}

# Compute

join() {
  say "joining: master $MASTER_HOST is at $1"
  egosh ego shutdown -f </dev/null >/dev/null 2>&1
  profile
  write_hosts "$1 $MASTER_HOST $MASTER_FQDN
`own_address` $me"
  as_admin egoconfig join "$MASTER_HOST" -f </dev/null >&2 || return 1
  profile
  site
  egosh ego start </dev/null >&2
}

# Whether the master counts this host in, even as a closed one.
counted() {
  found=`hosts` || return 1
  case "`status_of "$found" "$me"`" in
    *" ok" | *" closed"*) return 0 ;;
    *) return 1 ;;
  esac
}

compute() {
  trap stop TERM INT
  joined= missed=0 said=
  while :; do
    if ! address=`find_master`; then
      say_once "no answer from master $MASTER_HOST: asked ${SYMPHONY_MEMBERS}/hosts and DNS for $MASTER_FQDN"
    elif [ "$address" != "$joined" ]; then
      said= missed=0
      if join "$address"; then
        joined=$address
      fi
    elif counted; then
      say_once "in the cluster of $MASTER_HOST at $joined"
      missed=0
    else
      # A host that just started is given time to be counted.
      missed=$(( missed + 1 ))
      if [ "$missed" -ge 3 ]; then
        say "the master does not count this host"
        joined=
      fi
    fi
    pause
  done
}

# Master

master() {
  pattern=$SYMPHONY_ENTITLEMENT entitlement=
  for file in $pattern; do
    if [ -s "$file" ]; then
      entitlement=$file
      break
    fi
  done
  [ -n "$entitlement" ] || die "expected an entitlement, found none in $pattern." \
    "Set symphony_entitlement_file or symphony_entitlement_secret."
  case "`password`" in
    ????????*) ;;
    *) die "expected the administrator's password with 8 to 15 characters, found `password | wc -c`." \
         "Look at the Secret that symphony_admin_secret names." ;;
  esac
  write_hosts "`own_address` $me $MASTER_FQDN"
  as_admin egoconfig join "$me" -f </dev/null >&2 || die "egoconfig join $me failed"
  if [ -n "$SHARED_TOP" ]; then
    as_admin egoconfig mghost "$SHARED_TOP" -f </dev/null >&2 || die "egoconfig mghost $SHARED_TOP failed"
    profile
    write_hosts "`own_address` $me $MASTER_FQDN"
  fi
  as_admin egoconfig setpassword -x "`password`" -f </dev/null >&2 || die "egoconfig setpassword failed"
  as_admin egoconfig setentitlement "$entitlement" </dev/null >&2 || die "egoconfig setentitlement $entitlement failed"
  site
  trap stop TERM INT
  egosh ego start </dev/null >&2 || die "egosh ego start failed"
  missed=0
  while :; do
    pause
    if egosh ego info </dev/null >/dev/null; then
      missed=0
      tidy
    else
      missed=$(( missed + 1 ))
      [ "$missed" -lt 6 ] || die "EGO does not answer on its own host; starting anew"
    fi
  done
}

# The master's file of hosts follows role_discovery. Hosts that are gone are taken from the list: a member of a
# ReplicationController never comes back under its name.
tidy() {
  if [ -s "$SYMPHONY_MEMBERS/hosts" ]; then
    write_hosts "`own_address` $me $MASTER_FQDN
`grep -vw -e "$me" "$SYMPHONY_MEMBERS/hosts"`"
  fi
  found=`hosts` || return 0
  now=`date +%s`
  gone=`echo "$found" | awk '$2 == "unavail" { print $1 }'`
  for file in "$SYMPHONY_STATE"/unavail-*; do
    case " `echo $gone` " in *" ${file##*/unavail-} "*) ;; *) rm -f "$file" ;; esac
  done
  for name in $gone; do
    [ -f "$SYMPHONY_STATE/unavail-$name" ] || echo "$now" >"$SYMPHONY_STATE/unavail-$name"
    since=`cat "$SYMPHONY_STATE/unavail-$name"`
    if [ -f "$SYMPHONY_STATE/closed-$name" ] || [ $(( now - since )) -ge "$SYMPHONY_FORGET_SECONDS" ]; then
      if logon && egosh resource remove "$name" </dev/null >&2; then
        say "removed $name, which is gone"
        rm -f "$SYMPHONY_STATE/unavail-$name" "$SYMPHONY_STATE/closed-$name"
      fi
    fi
  done
}

# Asked from outside

needs_name() {
  [ -n "${1:-}" ] || die "expected the name of a host, found none"
}

host_line() {
  found=`hosts` || die "expected an answer from EGO's master $me, found none"
  status_of "$found" "$1"
}

close_host() {
  line=`host_line "$1"` || exit 1
  name=${line%% *}
  case "$line" in
    "") echo "$1 is not in the cluster" ;;
    *" ok" | *" closed"*)
      # Its work is given back: by the consumer's grace period, and then run elsewhere.
      logon || die "expected to log on as Admin, and was refused"
      : >"$SYMPHONY_STATE/closed-$name"
      case "$line" in *" ok") egosh resource close -reclaim "$name" </dev/null ;; esac
      ;;
    *) : >"$SYMPHONY_STATE/closed-$name" ;;
  esac
}

idle() {
  line=`host_line "$1"` || exit 1
  name=${line%% *}
  case "$line" in
    "" | *" unavail") return 0 ;;
    *" ok") echo "$1 is not closed"; return 1 ;;
  esac
  listing=`egosh activity list -ll -r "$name" </dev/null 2>&1` || case "$listing" in
    *[Nn]o\ *activit*) listing= ;;
    *) echo "$listing"; return 1 ;;
  esac
  left=`echo "$listing" | grep -c '^"[0-9]'`
  echo "$left activities on $1"
  [ "$left" = 0 ]
}

mkdir -p "$SYMPHONY_STATE"
profile
case "$role" in
  master | compute) "$role" ;;
  alive) egosh ego info </dev/null >/dev/null && echo 1 ;;
  live) egosh ego info </dev/null | awk -F: -v me="$me" \
    '/host name/ { gsub(/ /, "", $2); split($2, label, "."); if ($2 == me || label[1] == me) print "master" }' ;;
  count)
    found=`hosts` || die "expected an answer from EGO's master $me, found none"
    echo "$found" | awk -v me="$me" '{ split($1, label, ".") } $2 == "ok" && label[1] != me { n++ } END { print n + 0 }'
    ;;
  close) needs_name "${2:-}" && close_host "$2" ;;
  idle) needs_name "${2:-}" && idle "$2" ;;
  ping)
    exec symping -u Admin -x "`password`" -m "${2:?}" -r "${3:?}" </dev/null
    ;;
  *) die "expected master, compute, alive, live, count, close, idle or ping, found '$role'" ;;
esac
