#!/usr/bin/env bash
# Proves the README's two commands on a machine that has nothing: makes a bare Debian root, clones this repository's HEAD
# into it, and runs scripts/demo.sh, scripts/demo.sh again (now with warm caches) and scripts/test.sh there, timed.
#
#   scripts/check-fresh.sh [--suite bookworm] [--mirror URL] [--folder DIR] [--keep] [--ci] [--worktree] [-- COMMAND...]
#
#   --suite      the Debian or Ubuntu release to make; default: bookworm
#   --mirror     where from; default: what this host's apt uses for that release
#   --folder     where the root is made; default: a new folder in ${TMPDIR:-/tmp}. An existing root there is used again
#   --keep       leave the root behind, for a look inside
#   --ci         run scripts/test.sh with CI=true
#   --worktree   take the files as they are now, committed or not (ignored ones left out), in place of HEAD
#   COMMAND      run this in the clone, in place of demo and test
#
# Needs root and debootstrap. All mounts are made in a mount namespace of their own, so they are gone when this
# script is, however it ends; so are the processes it started.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

suite=bookworm mirror='' folder='' keep='' ci='' worktree=''
arguments=("$@")
while [ $# -gt 0 ]; do
    case $1 in
    --suite) suite=$2 && shift ;;
    --mirror) mirror=$2 && shift ;;
    --folder) folder=$2 && shift ;;
    --keep) keep=1 ;;
    --ci) ci=true ;;
    --worktree) worktree=1 ;;
    --) shift && break ;;
    *) die "unknown option $1; see the head of $0" ;;
    esac
    shift
done
command=("$@")

[ "$(id -u)" -eq 0 ] || die "debootstrap and chroot need root: sudo scripts/check-fresh.sh"
for tool in debootstrap unshare git; do
    command -v "$tool" >/dev/null || die "missing: $tool (apt-get install debootstrap util-linux git)"
done
if [ -z "${LIMBECK_FRESH_NAMESPACE:-}" ]; then
    exec env LIMBECK_FRESH_NAMESPACE=1 unshare --mount --pid --fork --kill-child --propagation private "$0" "${arguments[@]}"
fi

# "URL suite component" for every package list this host's apt would fetch, whichever format the sources are in.
host_sources() { apt-get indextargets --format '$(REPO_URI) $(RELEASE) $(COMPONENT)' 'Created-By: Packages' | sort -u; }
[ -n "$mirror" ] || mirror=$(host_sources | awk -v s="$suite" '$2 == s && $3 == "main" { print $1; exit }')
[ -n "$mirror" ] || die "This host's apt has no source for '$suite'; name one with --mirror"

if [ -n "$folder" ]; then mkdir -p "$folder"; else folder=$(mktemp -d "${TMPDIR:-/tmp}/limbeck-fresh.XXXXXX"); fi
fresh=$folder/root
# shellcheck disable=SC2034  # step() puts its logs there
build=$folder
finish() {
    cd /
    for mount in "$fresh/dev/shm" "$fresh/dev/pts" "$fresh/dev" "$fresh/sys" "$fresh/proc"; do
        if mountpoint -q "$mount"; then umount -l "$mount"; fi
    done
    if [ -n "$keep" ]; then
        say "left behind: $folder"
    else
        rm -rf --one-file-system "$fresh" "$folder/logs"
        rmdir --ignore-fail-on-non-empty "$folder"
    fi
}
trap finish EXIT
trap 'exit 130' INT TERM

# debootstrap downloads with wget, which does not know apt's proxy.
apt_proxy=$(apt-config dump Acquire::http::Proxy | sed -n 's/^[^"]*"\(.*\)";$/\1/p')
[ -z "$apt_proxy" ] || [ "$apt_proxy" = DIRECT ] || export http_proxy=${http_proxy:-$apt_proxy}
if [ -e "$fresh/etc/debian_version" ]; then
    say "using the root in $fresh again"
else
    step "bare $suite root" debootstrap --variant=minbase "$suite" "$fresh" "$mirror"
fi

# How this host's apt reaches its mirror: sources of the same release, proxy and TLS settings, credentials, certificates.
copy_apt_configuration() {
    local file
    { echo "deb $mirror $suite main" &&
        host_sources | awk -v s="$suite" '$2 == s || index($2, s "-") == 1 { print "deb", $1, $2, $3 }'; } |
        sort -u >"$fresh/etc/apt/sources.list"
    case $mirror in *ubuntu*) echo "deb $mirror $suite universe" >>"$fresh/etc/apt/sources.list" ;; esac
    apt-config dump | grep -Ei '^Acquire::([a-z]+::.*(proxy|cainfo|capath|sslcert|sslkey|verify-|crlfile)|Check-)' \
        >"$fresh/etc/apt/apt.conf.d/90host" || true
    for file in /etc/apt/auth.conf /etc/apt/auth.conf.d; do
        [ ! -e "$file" ] || cp -a "$file" "$fresh/etc/apt/"
    done
    while read -r file; do
        if [ -e "$file" ]; then mkdir -p "$fresh/$(dirname "$file")" && cp -aL "$file" "$fresh/$file"; fi
    done < <(grep -Ei 'cainfo|capath|ssl' "$fresh/etc/apt/apt.conf.d/90host" | sed -n 's/^[^"]*"\(\/.*\)";$/\1/p')
    for file in resolv.conf hosts; do cp -L "/etc/$file" "$fresh/etc/$file"; done
}
copy_apt_configuration

mount -t proc proc "$fresh/proc"
mount -t sysfs -o ro sysfs "$fresh/sys"
mount --bind /dev "$fresh/dev"
[ ! -d /dev/pts ] || mount --bind /dev/pts "$fresh/dev/pts"
[ ! -d /dev/shm ] || mount -t tmpfs tmpfs "$fresh/dev/shm"

place=$fresh/root/limbeck
rm -rf "$place"
if [ -n "$worktree" ]; then
    mkdir -p "$place"
    git -C "$root" ls-files -z --cached --others --exclude-standard | (cd "$root" && tar -c --null --ignore-failed-read -T -) | tar -x -C "$place"
    git -C "$place" init -q
else
    [ -z "$(git -C "$root" status --porcelain)" ] || say "note: uncommitted changes are not in HEAD and so not checked (--worktree takes them)"
    git clone -q --no-local "$root" "$place"
fi

inside() {
    local proxies=()
    local name
    for name in http_proxy https_proxy no_proxy; do [ -z "${!name:-}" ] || proxies+=("$name=${!name}"); done
    chroot "$fresh" /usr/bin/env -i "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin" HOME=/root LANG=C.UTF-8 \
        "TERM=${TERM:-dumb}" ${ci:+CI=true} "${proxies[@]}" /bin/bash -c 'cd /root/limbeck && "$@"' fresh "$@" </dev/null
}
times=()
timed() {
    local name=$1 begin=$SECONDS status=0
    shift
    say "${bold}== $name${plain}"
    inside "$@" || status=$?
    times+=("$(printf '%-38s %4d s  %s' "$name" $((SECONDS - begin)) "$([ $status -eq 0 ] && echo ok || echo "FAILED ($status)")")")
    [ $status -eq 0 ] || failed=1
}
failed=0
if [ ${#command[@]} -gt 0 ]; then
    timed "${command[*]}" "${command[@]}"
else
    timed "scripts/demo.sh, nothing installed" scripts/demo.sh
    timed "scripts/demo.sh, again" scripts/demo.sh
    timed "scripts/test.sh" scripts/test.sh
fi
say "${bold}== on a bare $suite root, $(nproc) cores${plain}"
printf '%s\n' "${times[@]}"
exit "$failed"
