#!/usr/bin/env bash
# How the time of a step grows with batch, depth and width, against the FLOPs; with the number of cores; and serial against concurrent
# distillation. Prints tables:
#
#   bench/scaling.sh [--quick] [batch|depth|width|cores|schedule ...]     see bench/scaling.sh --help
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/../scripts/common.sh"

[ -x "$build/limbeck" ] || "$root/scripts/build.sh"
exec python3 "$root/bench/scaling.py" --limbeck "$build/limbeck" "$@"
