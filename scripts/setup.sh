#!/usr/bin/env bash
# Installs what Limbeck is built with and runs on: Debian 12 or Ubuntu 22.04, or later.
#
#   scripts/setup.sh            compiler, CMake, OpenCL with a CPU driver (PoCL), the libraries: enough for scripts/demo.sh
#   scripts/setup.sh --tests    the same, and what scripts/test.sh needs
#   scripts/setup.sh --ci       the same, and linters, simulators and PyTorch where the system has them
#
# Does nothing, quickly, when everything is there. Uses sudo when not root.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

required=(build-essential cmake ninja-build pkg-config git ocl-icd-opencl-dev opencl-headers pocl-opencl-icd libclblast-dev
    libiniparser-dev libjansson-dev zlib1g-dev libpng-dev libjpeg-dev)
tests=(libcriterion-dev python3)
# Checks that are left out, with a word, where one of these can't be had.
optional=(clang clang-tidy clang-format cppcheck python3-torch python3-torchvision python3-numpy python3-venv libopenblas0-pthread oclgrind mesa-opencl-icd
    libclang-rt-dev)

wanted_optional=()
case "${1:-}" in
'') ;;
--tests) required+=("${tests[@]}") ;;
--ci)
    required+=("${tests[@]}")
    wanted_optional=("${optional[@]}")
    ;;
*) die "usage: scripts/setup.sh [--tests | --ci]" ;;
esac

# The packages among the arguments that are not installed, one a line.
missing() {
    local installed
    # dpkg-query fails when it does not know one of them and still prints the others.
    installed=$(dpkg-query -W -f '${Package} ${db:Status-Status}\n' "$@" 2>/dev/null | sed -n 's/ installed$//p' || true)
    printf '%s\n' "$@" | grep -vxF -f <(printf '%s\n' "${installed:-/}") || true
}

# What Debian has no package of: transformers, whose BERT is the reference of models/bert.ini; a release that goes with Debian
# 12's PyTorch. It goes into a folder of its own, never the system's. Without it those comparisons are left out.
transformers=transformers==4.30.2
make_python() {
    /usr/bin/python3 -m venv --system-site-packages "$build/python" &&
        "$build/python/bin/pip" install --quiet --retries 2 "$transformers"
}
python_tools() {
    [ "${1:-}" = --ci ] || return 0
    ! compgen -G "$build/python/lib/*/site-packages/${transformers/==/-}.dist-info" >/dev/null || return 0
    if ! /usr/bin/python3 -c 'import torch, venv, ensurepip' 2>/dev/null; then
        say "not to be had here, its checks are left out: $transformers (needs python3-torch and python3-venv)"
    elif ! step "$transformers in ${build#"$root/"}/python" make_python; then
        rm -rf "$build/python"
        say "not to be had here, its checks are left out: $transformers"
    fi
}

if ! command -v apt-get >/dev/null || ! command -v dpkg-query >/dev/null; then
    say "This system has no apt-get; scripts/setup.sh knows Debian and Ubuntu only. Limbeck needs, by Debian's names:"
    say "    ${required[*]}"
    for tool in cc cmake ninja pkg-config git; do
        command -v "$tool" >/dev/null || say "not found here: $tool"
    done
    say "Install them, then: cmake -S . -B build -G Ninja && cmake --build build"
    exit 1
fi

mapfile -t lacking < <(missing "${required[@]}")
mapfile -t lacking_optional < <([ ${#wanted_optional[@]} -eq 0 ] || missing "${wanted_optional[@]}")
if [ ${#lacking[@]} -eq 0 ] && [ ${#lacking_optional[@]} -eq 0 ]; then
    python_tools "${1:-}"
    exit 0
fi

sudo=()
if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null || die "Not root, and no sudo. As root: apt-get install ${lacking[*]} ${lacking_optional[*]}"
    sudo=(sudo)
    sudo -v # asks for the password now, not in the middle of a log
fi
apt() {
    "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q -y -o Dpkg::Use-Pty=0 -o Acquire::Retries=3 "$@"
}

step "package lists" apt update

# What apt can install of the arguments, one a line; a name that only a virtual package has is not installable.
available() { apt-cache policy "$@" 2>/dev/null | awk '/^[^ ]/ { name = $1 } /Candidate:/ && $2 != "(none)" { sub(":$", "", name); print name }'; }

if [ ${#lacking[@]} -gt 0 ]; then
    gone=$(printf '%s\n' "${lacking[@]}" | grep -vxF -f <(available "${lacking[@]}"; echo /) || true)
    if [ -n "$gone" ]; then
        say "apt knows no package of these names: $(tr '\n' ' ' <<<"$gone")"
        say "On Ubuntu they are in the component 'universe': sudo add-apt-repository universe"
        say "Debian before 12 and Ubuntu before 22.04 lack some of them."
        exit 1
    fi
fi
if [ ${#lacking_optional[@]} -gt 0 ]; then
    mapfile -t found < <(available "${lacking_optional[@]}")
    for name in "${lacking_optional[@]}"; do
        [[ " ${found[*]} " == *" $name "* ]] || say "not to be had here, its checks are left out: $name"
    done
    lacking_optional=("${found[@]}")
fi
all=("${lacking[@]}" "${lacking_optional[@]}")
if [ ${#all[@]} -gt 0 ]; then
    step "installing ${#all[@]} packages" apt install --no-install-recommends "${all[@]}"
fi
python_tools "${1:-}"
