#!/bin/sh
# Pairs of a spoken and a written digit for experiments/cross-modal.ini, as Vielzeuf et al. 2018 (arXiv 1808.07275) pair them: each recording
# of the Free Spoken Digit Dataset with a scan of the same digit. Recordings 0 to 4 and every fifth scan are for testing.
#     scripts/pair-digits.sh RECORDINGS > pairs.csv
set -eu
[ $# -eq 1 ] && [ -d "$1" ] || { echo "usage: $0 RECORDINGS > pairs.csv" >&2; exit 2; }
folder=$(cd "$1" && pwd)
{
    gzip -dc "$(dirname "$0")/../host/data/digits/digits.csv.gz"
    cd "$folder" && ls | grep -E '^[0-9]_[a-z]+_[0-9]+\.wav$' | LC_ALL=C sort
} | awk -v folder="$folder" '
    BEGIN {
        printf "file,split,label"
        for (i = 0; i < 64; i++) printf ",p%d", i
        print ""
    }
    /,/ { # a scan: 64 pixels and the digit
        digit = substr($0, match($0, /[0-9]+$/))
        part = scans[digit]++ % 5 ? "train" : "test"
        pixels[part, digit, count[part, digit]++] = substr($0, 1, length($0) - length(digit) - 1)
        next
    }
    {
        split($0, name, /[_.]/)
        part = name[3] < 5 ? "test" : "train"
        print folder "/" $0 "," part "," name[1] "," pixels[part, name[1], used[part, name[1]]++ % count[part, name[1]]]
    }'
