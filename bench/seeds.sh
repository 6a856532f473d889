#!/usr/bin/env bash
# Runs an experiment with several seeds and prints teacher, student and control accuracy: each seed, mean and spread.
#
#   bench/seeds.sh [EXPERIMENT [SEEDS]] [limbeck run options...]     default: experiments/quickstart.ini 5
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
limbeck=${LIMBECK:-$root/build/limbeck}
experiment=${1:-$root/experiments/quickstart.ini}
seeds=${2:-5}
shift $(($# > 2 ? 2 : $#))
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
for seed in $(seq 1 "$seeds"); do
    "$limbeck" run "$experiment" --out "$out/$seed" --set "experiment.seed=$seed" --quiet "$@"
done
python3 - "$out" "$seeds" <<'PYTHON'
import json, statistics, sys
folder, seeds = sys.argv[1], int(sys.argv[2])
results = [json.load(open(f"{folder}/{seed}/result.json")) for seed in range(1, seeds + 1)]
roles = [role for role in ("teacher", "student", "control") if role in results[0]]
print("seed   " + "".join(f"{role:>10}" for role in roles) + "     total")
accuracy = {role: [100 * r[role]["test"]["accuracy"] for r in results] for role in roles}
for i, r in enumerate(results):
    print(f"{i + 1:<7}" + "".join(f"{accuracy[role][i]:>9.2f}%" for role in roles) + f"{r['time']['total_s']:>8.1f} s")
print("mean   " + "".join(f"{statistics.mean(accuracy[role]):>9.2f}%" for role in roles))
if seeds > 1:
    print("spread " + "".join(f"{statistics.stdev(accuracy[role]):>9.2f} " for role in roles) + "  (standard deviation)")
PYTHON
