#!/usr/bin/env bash
# Configures and builds into build/ (or $LIMBECK_BUILD).
#   scripts/build.sh [cmake -D options...]
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

generator=()
[ -f "$build/CMakeCache.txt" ] || ! command -v ninja >/dev/null || generator=(-G Ninja)
step "configure" cmake -S "$root" -B "$build" "${generator[@]}" "$@"
step "build" cmake --build "$build" --parallel "$(nproc)"
