#!/usr/bin/env bash
# How long it takes from the start of the program to the first step of a distillation: with empty caches (ours and PoCL's), then
# with what that run left, three times. Seconds of wall time, and of processor time (all threads), which other work on the
# machine disturbs less; "all": until the program has ended, 4 steps included.
#
#   bench/start.sh [TEACHER STUDENT [limbeck bench kd options...]]       default: resnet56 resnet20
#
# A driver that keeps a cache elsewhere (NVIDIA: CUDA_CACHE_PATH, AMD: ~/.cache) is as cold as that is: see the driver's manual.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/../scripts/common.sh"

teacher=${1:-resnet56} student=${2:-resnet20}
shift $(($# > 2 ? 2 : $#))
limbeck=${LIMBECK:-$build/limbeck}
[ -x "$limbeck" ] || "$root/scripts/build.sh"
caches=$(mktemp -d)
trap 'rm -rf "$caches"' EXIT
export POCL_CACHE_DIR=$caches/pocl LIMBECK_CACHE=$caches/limbeck CUDA_CACHE_PATH=$caches/cuda
mkdir -p "$POCL_CACHE_DIR" "$LIMBECK_CACHE" "$CUDA_CACHE_PATH"

say "$teacher -> $student"
say 'caches   first step    data  devices  compile | processor | programs: compiled  from our cache |   all'
for run in empty full full full; do
    begin=$(date +%s.%N)
    "$limbeck" bench kd --teacher "$teacher" --student "$student" --steps 1 "$@" --json |
        python3 -c '
import json, sys, time
start, run, begin = json.load(sys.stdin)["start"], sys.argv[1], float(sys.argv[2])
print("{:6} {:10.2f} s {prepare_s:7.2f} {open_s:8.2f} {compile_s:8.2f} | {cpu_s:9.2f} | {programs_built:18d} {programs_from_disk:15d} | {:5.1f}".format(
    run, start["total_s"], time.time() - begin, **start))' "$run" "$begin"
done
