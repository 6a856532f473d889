#!/usr/bin/env bash
# Installs what the tests need, builds, runs them. With CI=true also: warnings are errors, the sanitizers' build of the
# tests, clang-tidy, cppcheck, clang-format, the kernels under oclgrind's race and bounds checks, parity with PyTorch.
#
#   scripts/test.sh [ctest arguments...]     e.g. scripts/test.sh -R parity
#   CI=true scripts/test.sh                  about a quarter of an hour on two cores
#   LIMBECK_STEPS="tests tidy" CI=true ...   only these: tests, format, cppcheck, tidy, sanitizers, oclgrind
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
cd "$root"

ci=
[ "${CI:-}" != true ] || ci=1
passed=0 failed=0 skipped=0

# Kernels compiled by one test serve the next one; a CI run starts with none. PoCL's own cache does that: to give a program's
# binary it would compile every kernel of it once more.
export POCL_CACHE_DIR=$build/cache/pocl LIMBECK_CACHE=$build/cache/limbeck LIMBECK_STORE=off
[ -z "$ci" ] || rm -rf "$build/cache"
mkdir -p "$POCL_CACHE_DIR" "$LIMBECK_CACHE"

# check NAME COMMAND...: a step that counts as one test and does not stop the others.
check() {
    if step "$@"; then passed=$((passed + 1)); else failed=$((failed + 1)); fi
}
skip() {
    say "$1 ... skipped: $2"
    skipped=$((skipped + 1))
}
wanted() { [[ " ${LIMBECK_STEPS:-tests format cppcheck tidy sanitizers oclgrind} " == *" $1 "* ]]; }

# run_ctest FOLDER ARGUMENTS...: ctest as it prints itself, and its counts added to ours.
run_ctest() {
    local folder=$1 log status=0 total bad left_out
    log=$build/logs/ctest-$(basename "$1").log
    shift
    mkdir -p "$build/logs"
    ctest --test-dir "$folder" --output-on-failure --parallel "$(nproc)" "$@" 2>&1 </dev/null | tee "$log" || status=$?
    grep -h '^skipped: ' "$folder/Testing/Temporary/LastTest.log" | sort -u || true
    total=$(sed -n 's/.*tests passed, [0-9]* tests\{0,1\} failed out of \([0-9]*\).*/\1/p' "$log")
    bad=$(sed -n 's/.*tests passed, \([0-9]*\) tests\{0,1\} failed out of.*/\1/p' "$log")
    left_out=$(grep -c '\*\*\*Skipped' "$log" || true)
    [ -n "$total" ] || { bad=1 total=1; }
    passed=$((passed + total - bad - left_out)) failed=$((failed + bad)) skipped=$((skipped + left_out))
    return "$status"
}

sources() { find host tests -name '*.c' -o -name '*.h' | sort; }

check_format() {
    # Kernels too; kernels/cpu and kernels/gpu are laid out by hand and say so in a .clang-format of their own.
    { sources && find kernels -name '*.cl'; } | xargs clang-format --dry-run --Werror
}

check_cppcheck() {
    cppcheck --project="$build/compile_commands.json" --enable=warning,performance,portability --inline-suppr --quiet \
        --error-exitcode=1 --suppressions-list=.cppcheck-suppressions --cppcheck-build-dir="$(mkdir -p "$build/cppcheck" && echo "$build/cppcheck")" \
        -j "$(nproc)" --file-filter="$root/host/*"
}

check_tidy() {
    # The analyser follows at most 8,000 states of a function. Without a bound it takes nine tenths of the time.
    find host -name '*.c' -print0 | xargs -0 -n 8 -P "$(nproc)" clang-tidy -p "$build" --quiet --warnings-as-errors='*' \
        --extra-arg=-Xclang --extra-arg=-analyzer-config --extra-arg=-Xclang --extra-arg=max-nodes=8000
}

# A program that runs the ops' small examples one after the other, without Criterion's processes. The simulator uses one core.
oclgrind_class() {
    local class=$1 log=$build/logs/oclgrind-$1.txt status=0
    # A cache of its own: the program's keys do not hold the simulator's options. It lacks an intrinsic that restrict leads to.
    rm -rf "$build/cache/oclgrind-$class"
    LIMBECK_CLASS=$class LIMBECK_CACHE=$build/cache/oclgrind-$class oclgrind --data-races --max-errors 20 --log "$log" \
        --build-options -Drestrict= "$build/tests/ops_tool" "$class" || status=$?
    if [ -s "$log" ]; then
        head -n 60 "$log"
        status=1
    fi
    return "$status"
}

check_oclgrind() {
    local generic status=0
    oclgrind_class generic &
    generic=$!
    oclgrind_class gpu || status=$?
    wait "$generic" || status=$?
    return "$status"
}

build_sanitized() {
    # GCC: in a C program Clang's runtime does not see operator new, so that the leaks of drivers, which are C++, have no
    # owner that tests/support/lsan.supp could name. At -O1 it builds in half the time that -O2 takes; it then also warns of
    # what is not so, and the plain build has all warnings already.
    cmake -S "$root" -B "$build/sanitized" -G Ninja -DCMAKE_C_COMPILER=gcc -DCMAKE_BUILD_TYPE=RelWithDebInfo \
        -DCMAKE_C_FLAGS_RELWITHDEBINFO="-O1 -g1" -DLIMBECK_TESTS=ON -DLIMBECK_SANITIZE=address,undefined &&
        cmake --build "$build/sanitized" --parallel "$(nproc)"
}

if [ -n "$ci" ]; then
    "$root/scripts/setup.sh" --ci
    "$root/scripts/build.sh" -DLIMBECK_TESTS=ON -DLIMBECK_WERROR=ON
else
    "$root/scripts/setup.sh" --tests
    "$root/scripts/build.sh" -DLIMBECK_TESTS=ON
    run_ctest "$build" "$@" || true
    say "$passed passed, $failed failed, $skipped skipped"
    [ "$failed" -eq 0 ]
    exit
fi

if wanted format; then
    if command -v clang-format >/dev/null; then check "clang-format" check_format; else skip "clang-format" "not installed"; fi
fi
if wanted cppcheck; then
    if command -v cppcheck >/dev/null; then check "cppcheck" check_cppcheck; else skip "cppcheck" "not installed"; fi
fi
if wanted tidy; then
    if command -v clang-tidy >/dev/null; then check "clang-tidy" check_tidy; else skip "clang-tidy" "not installed"; fi
fi
if wanted tests; then
    run_ctest "$build" "$@" || true
fi
if wanted sanitizers; then
    check "sanitizers' build" build_sanitized
    say "tests with address and undefined-behaviour sanitizers:"
    # PyTorch's and the tree's checks gain nothing from sanitizers; parity would take minutes, and CLBlast's kernels one. A run that
    # is killed anywhere and goes on (train_resume) is the run that train_methods resumes.
    run_ctest "$build/sanitized" --label-exclude parity \
        --exclude-regex '^(structure|docs|kernels_compile|graph_tune|train_resume|.*_torch|.*_numpy)$' || true
fi
if wanted oclgrind; then
    if command -v oclgrind >/dev/null; then
        check "oclgrind, generic and gpu kernels" check_oclgrind
    else
        skip "oclgrind, generic and gpu kernels" "not installed"
    fi
fi

say "$((SECONDS / 60)) min $((SECONDS % 60)) s in all"
say "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ]
