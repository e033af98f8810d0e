#!/bin/bash
# Runs the examples that the help of every command shows: help.sh BUILD_FOLDER SOURCE_FOLDER
# All must succeed. Those that name a file of the reader's own (an ending in .yaml, .json or .csv) are left out.
set -u
build=$(realpath "$1") source=$(realpath "$2")
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
cd "$scratch" && ln -s "$source/tests" "$source/examples" . || exit 1
export PATH="$build:$PATH" CLUSTERPLAN_DATA="$source"

ran=0 failed=0
while IFS= read -r verb; do
    while IFS= read -r example; do
        ran=$((ran + 1))
        bash -c "$example" >output 2>errors </dev/null && continue
        echo "FAILED: $example"
        cat errors
        failed=$((failed + 1))
    done < <(clusterplan help "$verb" | sed -n '/^Examples:/,$p' | grep '^  clusterplan' | grep -vE '\.(yaml|json|csv)\b')
done < <(clusterplan --help | sed -n '/^Commands:/,/^$/p' | awk '/^  / {print $1}')
echo "$ran examples run, $failed failed"
[ "$ran" -gt 0 ] && [ "$failed" -eq 0 ]
