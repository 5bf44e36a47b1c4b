# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The two programs that a guest-configured member gets: the agent (sh) and a reader of configmeta.json (python).

They are texts in a Python file because what a module sends along has to be Python. ``@ROOT@`` is the
root of the member's file system: empty, except in tests.
"""

from __future__ import annotations

AGENT = r"""#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Configures this member from a config package. Called by the kubelet when the container starts, by the
# readiness probe, and by whoever has to tell the member about others. POSIX sh, and as few tools as possible.
#
#   configure start ROLE [MEMBER]   start the configuration in the background; returns at once
#   configure run           the same in the foreground
#   configure retry         forget how the last configuration ended, and run again in the foreground
#   configure ready         exit 0 once the member is configured
#   configure status        one line: none | running | configured fresh | configured kept | failed CODE, and why
#   configure logs          the last lines of what the start script said
#   configure meta          print the configmeta.json that the member has
#   configure tell [ARGS]   take configmeta.json from one line of standard input; call the start script with ARGS
set -u
umask 022
etc=@ROOT@/etc/guestconfig
opt=@ROOT@/opt/guestconfig
log=@ROOT@/var/log/guestconfig
bin=@ROOT@/usr/local/bin
given=@ROOT@/run/baremetal-bigdata/guest
agent=@ROOT@/run/baremetal-bigdata/agent
meta=$etc/configmeta.json
# Who this is: written at the start, for all later calls.
self=$opt/.self
status=$opt/configure.status
error=$opt/configure.error

# Also where the container's own output goes, so that its log tells the story.
say() {
    echo "guest: $*" >&2
    { echo "guest: $*" >/proc/1/fd/1; } 2>/dev/null || :
}

# Why this configuration cannot go on. Kept for the readiness probe and for `configure status`.
fail() {
    say "$*"
    { echo "$*" >"$error"; } 2>/dev/null || :
    return 1
}

have() {
    command -v "$1" >/dev/null 2>&1
}

find_python() {
    for name in python3 python python2; do
        if have "$name"; then
            echo "$name"
            return 0
        fi
    done
    return 1
}

# Tells one start of the container from the next: the time at which its first process started.
boot() {
    if read -r line <"/proc/${GUEST_FIRST_PROCESS:-1}/stat" 2>/dev/null; then
        # The name of the process is in parentheses and may hold blanks.
        # shellcheck disable=SC2086
        set -- ${line##*) }
        echo "container-${20}"
    else
        echo container-unknown
    fi
}

# A URL without what may be secret in it.
shown() {
    case $1 in
    *://*@*) echo "${1%%://*}://(hidden)@${1#*@}" ;;
    *) echo "${1%%\?*}" ;;
    esac
}

fetch() {
    url=$1 target=$2
    case $url in
    file://*)
        source=${url#file://}
        source=@ROOT@${source#localhost}
        if [ ! -r "$source" ]; then
            fail "expected $source in the image, because the cluster names $(shown "$url"); found nothing there." \
                "Use an image that has it, or another URL."
            return 1
        fi
        cp "$source" "$target" || fail "$source could not be copied to $target." ;;
    http://* | https://*)
        if have curl; then
            said=$(curl -fsSL --retry 3 --connect-timeout 10 --max-time 900 -o "$target" "$url" 2>&1)
        elif have wget; then
            said=$(wget -q -T 60 -O "$target" "$url" 2>&1)
        elif name=$(find_python); then
            said=$("$name" -c '
import shutil, sys
try:
    from urllib.request import build_opener
except ImportError:
    from urllib2 import build_opener
try:
    with open(sys.argv[2], "wb") as target:
        shutil.copyfileobj(build_opener().open(sys.argv[1], timeout=60), target)
except Exception as error:
    sys.exit(str(error))
' "$url" "$target" 2>&1)
        else
            fail "expected curl, wget or python in the image, to fetch $(shown "$url"); found none." \
                "Add one to the image, or put the file into the image and use a file:// URL."
            return 1
        fi
        # shellcheck disable=SC2181
        if [ $? -ne 0 ]; then
            fail "$(shown "$url") could not be fetched from here: ${said:-no reason given}." \
                "Look whether the server is up and whether a network policy lets this member reach it."
            return 1
        fi ;;
    *)
        fail "expected a URL that starts with http://, https:// or file://, found $(shown "$url")."
        return 1 ;;
    esac
}

# Why a directory cannot be used, or nothing.
trouble() {
    mkdir -p "$1" 2>/dev/null
    if [ ! -d "$1" ] || [ ! -w "$1" ]; then
        echo "user $(id -u) cannot write to the directory $1. A config package needs that:" \
            "run the role as root with a writable root file system, or mount a volume there."
    fi
}

# Whole at every moment: a daemon may read it just now.
replace_meta() {
    new=$meta.new.$$
    if cat >"$new" && [ -s "$new" ]; then
        chmod 644 "$new" && mv -f "$new" "$meta"
    else
        rm -f "$new"
        fail "$meta could not be written."
        return 1
    fi
}

write_meta() {
    for name in cluster.json "$member.json"; do
        if [ ! -r "$given/$name" ]; then
            fail "expected the file $given/$name from the cluster's Secret, found none." \
                "Apply the cluster again; a member that just joined may have to wait a minute for it."
            return 1
        fi
    done
    shared=$(cat "$given/cluster.json")
    { printf '%s,"node":' "${shared%\}}"; cat "$given/$member.json"; printf '}\n'; } | replace_meta
}

# The reader that start scripts call by several names. Never in place of one that the image brings.
install_reader() {
    [ -r "$agent/configcli" ] || return 0
    for name in configcli bdvcli bd_vcli ccli configmacro; do
        have "$name" && continue
        if [ -w "$bin" ] || mkdir -p "$bin" 2>/dev/null; then
            { cat "$agent/configcli" >"$bin/$name" && chmod 755 "$bin/$name"; } 2>/dev/null || :
        fi
    done
}

unpack() {
    rm -rf "$opt/.new" && mkdir -p "$opt/.new" || { fail "$opt/.new could not be made."; return 1; }
    fetch "$1" "$opt/.new.tgz" || return 1
    if have tar; then
        said=$(cd "$opt/.new" && tar xzf "$opt/.new.tgz" 2>&1)
    elif name=$(find_python); then
        said=$(cd "$opt/.new" && "$name" -m tarfile -e "$opt/.new.tgz" . 2>&1)
    else
        fail "expected tar or python in the image, to unpack $(shown "$1"); found neither. Add one to the image."
        return 1
    fi
    # shellcheck disable=SC2181
    if [ $? -ne 0 ]; then
        fail "$(shown "$1") is not a package: expected a tar file packed with gzip. ${said##*
}"
        return 1
    fi
    rm -f "$opt/.new.tgz"
    set -- "$1" "$opt/.new"/*/startscript
    if [ $# -ne 2 ] || [ ! -f "$2" ]; then
        # shellcheck disable=SC2012
        fail "$(shown "$1") is not a config package: expected one directory with a file startscript in it, found" \
            "$(cd "$opt/.new" && ls -d -- * */startscript 2>/dev/null | tr '\n' ' ')."
        return 1
    fi
    for old in "$opt"/*; do
        case $old in "$opt"/configure.*) ;; *) rm -rf "$old" ;; esac
    done
    mv "$opt/.new"/* "$opt/" && rm -rf "$opt/.new" && chmod u+x "$opt"/*/startscript
}

start_script() {
    for script in "$opt"/*/startscript; do
        [ -x "$script" ] && echo "$script" && return 0
    done
    return 1
}

inject() {
    mode=$1 owner=$2 path=@ROOT@$3
    mkdir -p "${path%/*}" || { fail "the directory ${path%/*} could not be made."; return 1; }
    fetch "$4" "$path.new.$$" || return 1
    if [ "$mode" != - ] && ! chmod "$mode" "$path.new.$$"; then
        fail "the mode $mode could not be set on $path."
        return 1
    fi
    if [ "$owner" != - ] && ! chown "$owner" "$path.new.$$"; then
        fail "the owner $owner could not be set on $path." \
            "Does the image have that user, and does the member run as root?"
        return 1
    fi
    mv -f "$path.new.$$" "$path"
}

# Lines that start with $1 in what the cluster says about this role, without that word.
settings() {
    while read -r word rest; do
        [ "$word" = "$1" ] && echo "$rest"
    done <"$given/$role.role"
    return 0
}

await_systemd() {
    tries=300
    until systemctl status systemd-journald >/dev/null 2>&1; do
        tries=$((tries - 1))
        if [ $tries -le 0 ]; then
            fail "systemd does not answer in this member after 300 s. Is it the image's first process?"
            return 1
        fi
        sleep 1
    done
}

run() {
    if [ ! -r "$given/$role.role" ]; then
        fail "expected the file $given/$role.role from the cluster's Secret, found none. Apply the cluster again."
        return 1
    fi
    package=$(settings package)
    [ -z "$(settings systemd)" ] || await_systemd || return 1
    settings file >"$opt/.files.$$"
    while read -r mode owner path url; do
        inject "$mode" "$owner" "$path" "$url" || { rm -f "$opt/.files.$$"; return 1; }
        say "fetched $path"
    done <"$opt/.files.$$"
    rm -f "$opt/.files.$$"
    [ -n "$package" ] || return 0
    install_reader
    if ! start_script >/dev/null || [ "$(cat "$opt/.package" 2>/dev/null)" != "$package" ]; then
        unpack "$package" || return 1
        echo "$package" >"$opt/.package"
    fi
    case " $(settings events) " in
    *" configure "*) ;;
    *) return 0 ;;
    esac
    script=$(start_script)
    say "running $script --configure; its output is in $opt/configure.stdout and configure.stderr"
    "$script" --configure >"$opt/configure.stdout" 2>"$opt/configure.stderr" </dev/null
    code=$?
    if [ $code -ne 0 ]; then
        last=$(tail -n 1 "$opt/configure.stderr" 2>/dev/null)
        fail "$script --configure ended with $code: ${last:-nothing on its standard error}." \
            "Its output is in $opt/configure.stdout and configure.stderr."
    fi
    return $code
}

# What has to be done before anything else, and how the last configuration ended.
prepare() {
    for directory in "$opt" "$etc"; do
        why=$(trouble "$directory")
        [ -z "$why" ] || { fail "$why"; return 1; }
    done
    chmod 700 "$etc" "$opt" 2>/dev/null
    mkdir -p "$log" 2>/dev/null
    echo "$role $member" >"$self"
    write_meta
}

# A volume may keep a finished configuration over restarts of the container: then it is not run again,
# because it may not bear it (it may format a disk). A changed package is another matter.
kept() {
    case $(cat "$status" 2>/dev/null) in *=0) ;; *) return 1 ;; esac
    start_script >/dev/null || [ -z "$(settings package)" ] || return 1
    [ "$(cat "$opt/.package" 2>/dev/null)" = "$(settings package)" ]
}

# Whole at every moment, as it is asked for all the time.
mark() {
    printf '%s=%s' "$(boot)" "$1" >"$status.new" && mv -f "$status.new" "$status"
} 2>/dev/null

finish() {
    run
    code=$?
    mark "$code"
    [ $code -ne 0 ] || { rm -f "$error"; say "configured"; }
    return $code
}

begin() {
    rm -f "$error" "$opt"/configure.* 2>/dev/null
    if ! prepare; then
        mark 1
        return 1
    fi
    mark ""
}

describe() {
    if ! text=$(cat "$status" 2>/dev/null) || [ -z "$text" ]; then
        why=$(trouble "$opt")
        if [ -n "$why" ]; then echo "failed 1 $why"; else echo none; fi
        return
    fi
    case $text in
    *=0) if [ "${text%=*}" = "$(boot)" ]; then echo "configured fresh"; else echo "configured kept"; fi ;;
    *=) if [ "${text%=}" = "$(boot)" ]; then echo running; else echo "none interrupted by a restart"; fi ;;
    *) echo "failed ${text##*=} $(cat "$error" 2>/dev/null)" ;;
    esac
}

role= member=
if [ "${1:-}" = start ]; then
    role=${2:-} member=${3:-$(uname -n)}
elif [ -r "$self" ]; then
    read -r role member <"$self"
fi

case ${1:-} in
start)
    if [ -z "$role" ]; then
        echo "configure: expected the name of a role after start" >&2
        exit 2
    fi
    # Never fail here: the kubelet would kill the container, and with it what there is to look at.
    if kept 2>/dev/null; then
        prepare || :
        install_reader
        say "already configured, by an earlier start of this container"
        exit 0
    fi
    begin || exit 0
    # In the background, as start scripts expect: until this hook ends nobody can reach the member by its name.
    detach=
    have setsid && detach=setsid
    $detach /bin/sh "$0" finish </dev/null >/dev/null 2>&1 &
    exit 0 ;;
finish)
    finish ;;
run)
    if kept 2>/dev/null; then prepare; else begin && finish; fi ;;
retry)
    if [ "$(describe)" = running ]; then
        echo "a configuration is running; look at $opt/configure.stdout" >&2
        exit 1
    fi
    rm -f "$opt/.package"
    begin && finish ;;
ready)
    answer=$(describe)
    case $answer in
    configured*) exit 0 ;;
    esac
    echo "not configured: $answer"
    exit 1 ;;
status)
    describe ;;
logs)
    for name in configure.stdout configure.stderr; do
        [ ! -s "$opt/$name" ] || { echo "$name:"; tail -n 20 "$opt/$name"; }
    done ;;
meta)
    cat "$meta" ;;
tell)
    shift
    # One line, because the API cannot close the standard input alone; without its end it is not whole.
    if ! IFS= read -r line; then
        echo "expected configmeta.json in one line of standard input; it ended early" >&2
        exit 1
    fi
    printf '%s\n' "$line" | replace_meta || exit 1
    [ $# -gt 0 ] || exit 0
    if ! script=$(start_script); then
        echo "expected a start script in $opt, found none" >&2
        exit 1
    fi
    "$script" "$@" >"$opt/notify.stdout" 2>"$opt/notify.stderr" </dev/null
    code=$?
    if [ $code -ne 0 ]; then
        echo "standard output: $(tail -n 5 "$opt/notify.stdout")" >&2
        echo "standard error: $(tail -n 10 "$opt/notify.stderr")" >&2
    fi
    exit $code ;;
*)
    echo "configure: expected start, run, retry, ready, status, logs, meta or tell, found ${1:-nothing}" >&2
    exit 2 ;;
esac
"""

CONFIGCLI = r'''#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads configmeta.json for start scripts, under the options that config packages use.

  configcli --get node.role_id            a value; a list with commas; of a mapping its keys
  configcli namespace node role_id        the same
  configcli --get_all_fqdns | --get_local_group_fqdns | --get_nodegroup_fqdns ID
  configcli --wait services.SERVICE.1.ROLE [--timeout SECONDS]   until every endpoint of it takes a connection
  configcli macro node --get_self_id | --get_self_index | --get_id FQDN | --get_index FQDN
  configcli macro nodegroup --num_nodegroups
"""
import json
import os
import socket
import sys
import time

META = "@ROOT@/etc/guestconfig/configmeta.json"
REFERENCE = "bdvlibrefkey"


def resolve(tree, keys):
    """The value behind keys. A reference on the way stands for the place that it names."""
    value, seen = tree, 0
    keys = list(keys)
    while True:
        if isinstance(value, dict) and REFERENCE in value:
            seen += 1
            if seen > 20:
                raise KeyError("references in a circle")
            value, keys = tree, list(value[REFERENCE]) + keys
            continue
        if not keys:
            return value
        if isinstance(value, list):
            # Connected objects are lists of mappings: their keys are asked for as if they were one.
            merged = {}
            for item in value:
                if isinstance(item, dict):
                    merged.update(item)
            value = merged
        if not isinstance(value, dict):
            raise KeyError(keys[0])
        # Keys of connected objects may have dots: the longest that is there.
        for size in range(len(keys), 0, -1):
            if ".".join(keys[:size]) in value:
                value, keys = value[".".join(keys[:size])], keys[size:]
                break
        else:
            raise KeyError(keys[0])


def text(value):
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return ",".join(value)
    if isinstance(value, list):
        if value and isinstance(value[0], dict):
            return ",".join(value[0])
        return ",".join(str(item) for item in value)
    return str(value)


def roles(tree, group):
    if group not in tree["nodegroups"]:
        raise KeyError(group)
    return [role for _name, role in sorted(tree["nodegroups"][group]["roles"].items())]


def fqdns(tree, groups):
    found = []
    for group in groups:
        for role in roles(tree, group):
            found.extend(name for name in role["fqdns"] if name not in found)
    return found


def node_id(tree, fqdn):
    for group in tree["nodegroups"]:
        for role in roles(tree, group):
            if fqdn in role["fqdn_mappings"]:
                return role["fqdn_mappings"][fqdn]
    raise KeyError(fqdn)


def node_index(tree, number):
    every = [one for group in tree["nodegroups"] for role in roles(tree, group) for one in role["node_ids"]]
    return sorted(every, key=int).index(number)


def endpoints(value, tree):
    """All endpoints in a part of the tree."""
    if isinstance(value, dict):
        if REFERENCE in value:
            return endpoints(resolve(tree, value[REFERENCE]), tree)
        if "endpoints" in value and "global_id" in value:
            return list(value["endpoints"] or [])
        return [one for part in value.values() for one in endpoints(part, tree)]
    return []


def wait(tree, key, seconds):
    end = time.time() + seconds
    for endpoint in endpoints(resolve(tree, key.split(".")), tree):
        host, _, port = endpoint.rpartition("://")[2].partition("/")[0].rpartition(":")
        while True:
            try:
                socket.create_connection((host, int(port)), 5).close()
                break
            except (OSError, socket.error) as error:
                if time.time() > end:
                    sys.exit("configcli: %s:%s did not answer within %s s: %s" % (host, port, seconds, error))
                time.sleep(1)


def option(words, *names):
    for name in names:
        for index, word in enumerate(words):
            if word == name and index + 1 < len(words):
                return words[index + 1]
            if word.startswith(name + "="):
                return word[len(name) + 1 :]
    return None


def main():
    words = sys.argv[1:]
    if os.path.basename(sys.argv[0]) == "configmacro":
        words = ["macro"] + words
    with open(META) as stream:
        tree = json.load(stream)
    if option(words, "--get", "-g") is not None:
        return resolve(tree, option(words, "--get", "-g").split("."))
    if words[:1] == ["namespace"] and len(words) > 1:
        return resolve(tree, [part for word in words[1:] for part in word.split(".")])
    if option(words, "--wait", "-w") is not None:
        return wait(tree, option(words, "--wait", "-w"), int(option(words, "--timeout", "-t") or 3600))
    if "--get_all_fqdns" in words:
        return fqdns(tree, sorted(tree["nodegroups"]))
    if "--get_local_group_fqdns" in words:
        return fqdns(tree, [tree["node"]["nodegroup_id"]])
    if option(words, "--get_nodegroup_fqdns") is not None:
        return fqdns(tree, [option(words, "--get_nodegroup_fqdns")])
    if "--num_nodegroups" in words:
        return len(tree["nodegroups"])
    if "--get_self_id" in words:
        return tree["node"]["id"]
    if "--get_self_index" in words:
        return node_index(tree, tree["node"]["id"])
    if option(words, "--get_id") is not None:
        return node_id(tree, option(words, "--get_id"))
    if option(words, "--get_index") is not None:
        return node_index(tree, node_id(tree, option(words, "--get_index")))
    sys.stderr.write(__doc__)
    sys.exit(2)


if __name__ == "__main__":
    try:
        print(text(main()))
    except KeyError as error:
        sys.exit("configcli: %s has no such key: %s" % (META, error))
    except (IOError, OSError, ValueError) as error:
        sys.exit("configcli: %s cannot be read: %s" % (META, error))
'''
