#!/bin/bash
# Runs the examples of a Markdown file: run.sh [--regenerate] FILE BUILD_FOLDER SOURCE_FOLDER
#
# A ```console block holds commands ("$ command", further lines of it after "> ") and what they print. Every
# command must succeed. Where the line before the block is <!-- exact -->, its output is compared as well: up to
# a line "...", and but for how long a search took and how much of its space it looked at. --regenerate writes such outputs anew.
# Commands run in an empty folder with copies of SOURCE_FOLDER's examples/ and tests/ in it, with the built programs first in PATH.
set -u
regenerate=no
[ "${1:-}" = --regenerate ] && { regenerate=yes; shift; }
[ $# = 3 ] || { echo "usage: run.sh [--regenerate] FILE BUILD_FOLDER SOURCE_FOLDER" >&2; exit 2; }
file=$(realpath "$1") build=$(realpath "$2") source=$(realpath "$3")
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
mkdir "$scratch/work"
cp -R "$source/examples" "$source/tests" "$scratch/work/"
cd "$scratch/work" || exit 1
export PATH="$build:$PATH" CLUSTERPLAN_DATA="$source" LC_ALL=C.UTF-8
# The examples are for people on a cluster; tests may run as root on two cores.
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OMPI_MCA_rmaps_base_oversubscribe=1

ran=0 failed=0 skipped=0

fail() {
    echo "FAILED ($1): $command"
    failed=$((failed + 1))
}

# Without the time of a search and how much of its space it had to look at.
without_effort() {
    sed -E -e 's/ in [0-9.]+ (ns|us|ms|s|min)([:,]|$)/ in TIME\2/g' \
        -e '/^Searched /s/ [1-9][0-9,]* (fit|costed|pruned)/ COUNT \1/g' "$1"
}

# The output as the file shows it: as many lines before "..." as there are now.
shorten() {
    local lines

    lines=$(grep -n -m1 -x '\.\.\.' "$scratch/shown" | cut -d: -f1)
    if [ -n "$lines" ]; then
        head -n $((lines - 1)) "$scratch/output"
        echo ...
    else
        cat "$scratch/output"
    fi
}

# Runs $command, whose output the file shows as $scratch/shown.
run() {
    [ -n "$command" ] || return
    # Without MPI the rest of its block has nothing to work on either.
    case $command in
    *mpirun*) command -v mpirun >/dev/null && [ -x "$build/clusterprobe" ] || skip_block=yes ;;
    esac
    if [ "$skip_block" = yes ]; then
        skipped=$((skipped + 1))
        cat "$scratch/shown" >>"$scratch/new"
        return
    fi
    ran=$((ran + 1))
    # Open MPI leaves memory to the end of the process.
    case $command in
    *mpirun*) export ASAN_OPTIONS=detect_leaks=0 ;;
    *) unset ASAN_OPTIONS ;;
    esac
    if ! bash -c "$command" >"$scratch/output" 2>"$scratch/errors" </dev/null; then
        fail "it exits with an error"
        cat "$scratch/output" "$scratch/errors"
    elif [ "$exact" = yes ]; then
        shorten >"$scratch/printed"
        if ! diff <(without_effort "$scratch/shown") <(without_effort "$scratch/printed") >"$scratch/difference"; then
            [ "$regenerate" = yes ] || { fail "the file shows <, it prints >"; cat "$scratch/difference"; }
            cat "$scratch/printed" >>"$scratch/new"
            return
        fi
    fi
    cat "$scratch/shown" >>"$scratch/new"
}

: >"$scratch/new"
inside=no exact=no previous='' command=''
while IFS= read -r line || [ -n "$line" ]; do
    if [ "$inside" = no ]; then
        printf '%s\n' "$line" >>"$scratch/new"
        if [ "$line" = '```console' ]; then
            inside=yes command='' skip_block=no
            [ "$previous" = '<!-- exact -->' ] && exact=yes || exact=no
        fi
    elif [ "$line" = '```' ] || [ "${line:0:2}" = '$ ' ]; then
        run
        printf '%s\n' "$line" >>"$scratch/new"
        command=${line:2}
        : >"$scratch/shown"
        [ "$line" = '```' ] && inside=no
    elif [ "${line:0:2}" = '> ' ] && [ ! -s "$scratch/shown" ]; then
        printf '%s\n' "$line" >>"$scratch/new"
        command+=$'\n'${line:2}
    else
        printf '%s\n' "$line" >>"$scratch/shown"
    fi
    previous=$line
done <"$file"

[ "$regenerate" = no ] || cp "$scratch/new" "$file"
[ "$failed" = 0 ] || echo "after a change that is meant: tests/readme/run.sh --regenerate README.md build ."
echo "$ran examples run, $failed failed, $skipped skipped for want of MPI"
[ "$ran" -gt 0 ] && [ "$failed" -eq 0 ]
