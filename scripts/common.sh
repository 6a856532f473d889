# Sourced by the other scripts: where things are, and how steps are announced, timed and logged.
# shellcheck shell=bash

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
build=${LIMBECK_BUILD:-$root/build}

if [ -t 1 ] && [ -z "${NO_COLOR:-}" ]; then
    bold=$'\e[1m' red=$'\e[31m' green=$'\e[32m' plain=$'\e[0m'
else
    bold='' red='' green='' plain=''
fi

say() { printf '%s\n' "$*"; }
die() {
    printf '%s\n' "${red}$*${plain}" >&2
    exit 1
}

# Seconds of wall time since the script began.
elapsed() { printf '%d' "$SECONDS"; }

# step NAME COMMAND...: runs the command with its output in a log, prints one line with the time it took, and on failure
# the end of the log. Returns the command's status.
step() {
    local name=$1 log status=0 begin=$SECONDS
    shift
    mkdir -p "$build/logs"
    log=$build/logs/$(printf '%s' "$name" | tr -cs 'A-Za-z0-9\n' '-').log
    printf '%s' "${bold}$name${plain} ... "
    "$@" >"$log" 2>&1 </dev/null || status=$?
    if [ "$status" -eq 0 ]; then
        printf '%s\n' "${green}ok${plain} ($((SECONDS - begin)) s)"
    else
        printf '%s\n' "${red}failed${plain} (status $status, $((SECONDS - begin)) s), the end of $log:"
        tail -n "${LIMBECK_LOG_LINES:-40}" "$log" | sed 's/^/    /'
    fi
    return "$status"
}
