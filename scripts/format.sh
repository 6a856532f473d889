#!/usr/bin/env bash
# Lays out the C and the kernels as CI wants them: scripts/format.sh [files...], default: all of host, kernels, tests.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
cd "$root"
if [ $# -gt 0 ]; then clang-format -i "$@"; else find host kernels tests -name '*.[ch]' -print0 -o -name '*.cl' -print0 | xargs -0 clang-format -i; fi
