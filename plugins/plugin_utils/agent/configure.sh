#!/bin/sh
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
etc=/etc/guestconfig
opt=/opt/guestconfig
log=/var/log/guestconfig
bin=/usr/local/bin
given=/run/baremetal-bigdata/guest
agent=/run/baremetal-bigdata/agent
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
        source=${source#localhost}
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
    mode=$1 owner=$2 path=$3
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
