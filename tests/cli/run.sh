#!/bin/bash
# Commands and what they print, a folder each (tests/cases.sh says what is in it): stdout is exactly the file
# `expected`, stderr `expected-stderr` where there is one and else empty, the exit code 0, and no line of text
# is wider than a terminal of 100 columns.
# usage: run.sh [--regenerate] BUILD_FOLDER [CASE...]
here=$(realpath "$(dirname "$0")")
. "$here/../cases.sh"
widest_columns=100

check_width() {
    local line

    while IFS= read -r line; do
        [ "${#line}" -le "$widest_columns" ] || fail "${#line} columns: $line"
    done <"$scratch/out"
}

check() {
    compare "$scratch/out" "$here/$case/expected" "stdout"
    if [ -f "$here/$case/expected-stderr" ]; then
        compare "$scratch/err" "$here/$case/expected-stderr" "stderr"
    elif [ -s "$scratch/err" ]; then
        fail "stderr isn't empty: $(head -c 400 "$scratch/err")"
    fi
    # YAML and JSON are for programs.
    grep -q -- --format "$here/$case/command" || check_width
}

check_cases 0 check
