#!/usr/bin/env bash
# Times Limbeck's convolutions and matrix products against PyTorch's, turn by turn in one run on the same cores, and prints a
# table. Arguments go to bench/ops.py (--rounds, --device, --threads, --json FILE).
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/../scripts/common.sh"

[ -x "$build/limbeck" ] || "$root/scripts/build.sh"
# Debian's and Ubuntu's PyTorch belongs to the system's Python.
python=/usr/bin/python3
[ -x "$python" ] || python=python3
exec "$python" "$root/bench/ops.py" --limbeck "$build/limbeck" "$@"
