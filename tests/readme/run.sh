#!/bin/bash
# Runs the examples of a Markdown file: run.sh FILE BUILD_FOLDER SOURCE_FOLDER
#
# A ```console block holds commands ("$ command", further lines of it after "> ") and what they print. Every
# command must succeed. Where the line before the block is <!-- exact -->, its output is compared as well: up to
# a line "...", and but for the seconds a search took, the width of a column they widen, and the version.
# Commands run in an empty folder that has SOURCE_FOLDER's examples/ in it, with the built programs first in PATH.
set -u
file=$(realpath "$1") build=$(realpath "$2") source=$(realpath "$3")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cp -R "$source/examples" "$work/"
cd "$work" || exit 1
export PATH="$build:$PATH" CLUSTERPLAN_DATA="$source" LC_ALL=C.UTF-8
# The examples are for people on a cluster; tests may run as root on two cores.
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OMPI_MCA_rmaps_base_oversubscribe=1

ran=0 failed=0 skipped=0

same_but_time() {
    sed -E 's/ in [0-9.]+ (ns|us|ms|s|min)([:,]|$)/ in TIME\2/g; s/[[:space:]]+$//' "$1"
}

# run COMMAND EXPECTED_FILE EXACT
run() {
    case $1 in
    *mpirun*) command -v mpirun >/dev/null && [ -x "$build/clusterprobe" ] || { skipped=$((skipped + 1)); return; } ;;
    esac
    ran=$((ran + 1))
    if ! bash -c "$1" >output 2>errors; then
        echo "FAILED (it exits with an error): $1"
        cat output errors
        failed=$((failed + 1))
    elif [ "$3" = yes ]; then
        local lines
        lines=$(grep -n -m1 -x '\.\.\.' "$2" | cut -d: -f1)
        if [ -n "$lines" ]; then
            head -n $((lines - 1)) "$2" >shown && head -n $((lines - 1)) output >printed
        else
            cp "$2" shown && cp output printed
        fi
        if ! diff <(same_but_time shown) <(same_but_time printed); then
            echo "FAILED (it prints >, $file shows <): $1"
            failed=$((failed + 1))
        fi
    fi
}

inside=no exact=no previous='' command=''
while IFS= read -r line || [ -n "$line" ]; do
    if [ "$inside" = no ]; then
        if [ "$line" = '```console' ]; then
            inside=yes command=''
            [ "$previous" = '<!-- exact -->' ] && exact=yes || exact=no
        fi
    elif [ "$line" = '```' ] || [ "${line:0:2}" = '$ ' ]; then
        [ -n "$command" ] && run "$command" expected "$exact"
        command=${line:2}
        : >expected
        [ "$line" = '```' ] && inside=no
    elif [ "${line:0:2}" = '> ' ] && [ ! -s expected ]; then
        command+=$'\n'${line:2}
    else
        printf '%s\n' "$line" >>expected
    fi
    previous=$line
done <"$file"

echo "$ran examples run, $failed failed, $skipped skipped for want of MPI"
[ "$ran" -gt 0 ] && [ "$failed" -eq 0 ]
