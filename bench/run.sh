#!/usr/bin/env bash
# Times Limbeck's ops, training and distillation steps against PyTorch's, turn by turn in one run on the same cores, and prints a
# table:
#
#   bench/run.sh [--quick] [ops|train|kd|memory ...] [--cpu-time] [--json FILE] ...     see bench/run.sh --help
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/../scripts/common.sh"

[ -x "$build/limbeck" ] || "$root/scripts/build.sh"
# Debian's and Ubuntu's PyTorch belongs to the system's Python.
python=/usr/bin/python3
[ -x "$python" ] || python=python3
exec "$python" "$root/bench/compare.py" --limbeck "$build/limbeck" "$@"
