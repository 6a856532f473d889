#!/usr/bin/env bash
# From a fresh machine to a distilled network: installs what is missing, builds, runs experiments/quickstart.ini.
# Further arguments go to `limbeck run`, e.g. scripts/demo.sh --set experiment.seed=2
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

"$root/scripts/setup.sh"
# Criterion is not needed to see the demo; a build folder that already has the tests keeps them.
if [ -f "$build/CMakeCache.txt" ]; then "$root/scripts/build.sh"; else "$root/scripts/build.sh" -DLIMBECK_TESTS=OFF; fi
cd "$root"
exec "$build/limbeck" run experiments/quickstart.ini "$@"
