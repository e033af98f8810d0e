#!/bin/bash
# Mistakes, a folder each (tests/cases.sh says what is in it): the message on stderr is exactly the file
# `expected`, the exit code 2, stdout empty, and no file is left behind.
# usage: run.sh [--regenerate] BUILD_FOLDER [CASE...]
here=$(realpath "$(dirname "$0")")
. "$here/../cases.sh"

check() {
    compare "$scratch/err" "$here/$case/expected" "the message"
    [ ! -s "$scratch/out" ] || fail "stdout isn't empty: $(head -c 200 "$scratch/out")"
    diff "$scratch/before" "$scratch/after" >/dev/null || fail "files changed: $(diff "$scratch/before" "$scratch/after")"
}

check_cases 2 check
