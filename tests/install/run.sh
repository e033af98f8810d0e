#!/bin/bash
# Installs a build into an empty prefix, moves away from the source tree, and uses what is there: the programs
# find their catalogue, and a small program compiles and links by pkg-config alone.
# usage: run.sh BUILD_FOLDER [EXTRA_C_FLAGS]
set -eu
build=$(realpath "$1")
flags=${2:-}
prefix=$(mktemp -d)
trap 'rm -rf "$prefix"' EXIT
unset CLUSTERPLAN_DATA
log=$prefix/install.log
cmake --install "$build" --prefix "$prefix/usr" >"$log" 2>&1 || { cat "$log"; exit 1; }
cd "$prefix"

expect() { # what it says, what it must hold
    case $1 in
    *"$2"*) ;;
    *) printf 'expected "%s" in:\n%s\n' "$2" "$1"; exit 1 ;;
    esac
}
expect "$(usr/bin/clusterplan topologies)" dgx-a100-80g
expect "$(usr/bin/clusterplan models)" gpt-4
expect "$(usr/bin/clusterplan plan --model llama-3-8b --cluster dgx-a100-80g --devices 8)" tp

pc=$(find usr -name clusterplan.pc)
export PKG_CONFIG_PATH="$PWD/${pc%/*}"
cat >program.c <<'C'
#include <stdio.h>

#include <planner/clusterplan.h>

int main(int argc, char **argv) {
    struct arena *arena = arena_create();
    struct error error;
    struct model model;
    struct model_counts counts;

    if (argc != 2 || !model_read(argv[1], arena, &model, &error)) {
        return 1;
    }
    model_count(&model, model.sequence, &counts);
    printf("%s: %.2fB\n", model.name, counts.parameters / 1e9);
    arena_destroy(arena);
    return 0;
}
C
# shellcheck disable=SC2046,SC2086
gcc $flags program.c $(pkg-config --cflags --libs clusterplan) -o program
expect "$(./program usr/share/clusterplan/examples/models/llama-3-8b.yaml)" 8.03B
echo "installed, found its catalogue, and linked"
