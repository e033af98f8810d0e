# What tests/invalid and tests/cli share. To be sourced with $here, the folder with a folder a case.
#
# A case runs in a copy of its folder, so that relative names in messages are the same everywhere:
#   command   arguments to clusterplan, as a shell reads them (quotes, redirections); %PROBE in front: to
#             clusterprobe, without mpirun
#   setup     optional: a sh script that makes inputs too large or too odd to keep
#   columns   optional: of the terminal, where it isn't a wide one
#   exit      optional: the exit code, where it isn't the usual one
#   user      optional, empty: to be run without root's right to read everything
set -u
regenerate=no
[ "${1:-}" = --regenerate ] && { regenerate=yes; shift; }
[ $# -ge 1 ] || { echo "usage: run.sh [--regenerate] BUILD_FOLDER [CASE...]" >&2; exit 2; }
build=$(realpath "$1")
source=$(realpath "$here/../..")
shift
if [ $# -gt 0 ]; then
    chosen=("$@")
else
    mapfile -t chosen < <(cd "$here" && ls -d */command | sed "s,/command,,")
fi

scratch=$(mktemp -d)
trap 'chmod -R u+rwX "$scratch"; rm -rf "$scratch"' EXIT
chmod 755 "$scratch"
export CLUSTERPLAN_DATA="$source" LC_ALL=C.UTF-8 OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
# Open MPI leaves memory to the end of the process; clusterplan itself is held to free what it took.
probe_asan_options=detect_leaks=0
unset NO_COLOR COLUMNS
passed=0 failed=0 skipped=0
longest_seconds=60

fail() {
    echo "FAILED $case: $*"
    failed_here=yes
}

skip() {
    echo "skipped $case: $*"
    skipped=$((skipped + 1))
}

# How long things took differs from run to run, the probe's notes from machine to machine, and how much of a space had to
# be looked at with every gain of the search; how large the space is doesn't.
without_what_differs() {
    sed -E -e '/^clusterprobe: note: /d' -e 's/ in [0-9.]+ (ns|us|ms|s|min)([:,]|$)/ in TIME\2/g' \
        -e 's/("?seconds"?: )[0-9.e+-]+/\1TIME/' -e 's/("?(evaluated|pruned)"?: )[1-9][0-9]*/\1COUNT/' \
        -e '/^Searched /s/ [1-9][0-9,]* (fit|costed|pruned)/ COUNT \1/g' "$1"
}

# Compares a file with what is expected, or writes what is expected anew.
compare() {
    if [ "$regenerate" = yes ]; then
        cp "$1" "$2"
    elif ! diff -u --label expected --label got "$2" "$1"; then
        fail "$3 differs"
    fi
}

# Runs the case into $scratch/out and $scratch/err; the exit code lands in $code. False: skipped.
run_case() {
    local command program="$build/clusterplan" as_user="" asan_options="" columns=""

    read -r command <"$here/$case/command"
    case $command in
    %PROBE*)
        program="$build/clusterprobe" command=${command#%PROBE} asan_options=$probe_asan_options
        [ -x "$program" ] || { skip "clusterprobe is not built"; return 1; }
        ;;
    esac
    if [ -e "$here/$case/user" ] && [ "$(id -u)" = 0 ]; then
        as_user="setpriv --reuid=65534 --regid=65534 --clear-groups"
        $as_user "$build/clusterplan" --version >/dev/null 2>&1 && $as_user test -r "$source/examples" ||
            { skip "root reads everything, and nobody can't run the program where it lies"; return 1; }
    fi
    rm -rf "$scratch/case"
    cp -R "$here/$case" "$scratch/case"
    cd "$scratch/case" || exit 1
    [ ! -f setup ] || sh ./setup || { skip "its setup failed"; return 1; }
    [ ! -f columns ] || read -r columns <columns
    find . | sort >"$scratch/before"
    ASAN_OPTIONS=$asan_options COLUMNS=$columns timeout "$longest_seconds" $as_user bash -c "\"$program\" $command" >"$scratch/out.raw" 2>"$scratch/err.raw" </dev/null
    code=$?
    find . | sort >"$scratch/after"
    without_what_differs "$scratch/out.raw" >"$scratch/out"
    without_what_differs "$scratch/err.raw" >"$scratch/err"
    cd "$here" || exit 1
}

# check_cases USUAL_EXIT CHECK: runs every chosen case and calls CHECK on what it left.
check_cases() {
    local wanted
    for case in "${chosen[@]}"; do
        [ -f "$here/$case/command" ] || { echo "FAILED $case: it has no command"; failed=$((failed + 1)); continue; }
        failed_here=no
        run_case || continue
        wanted=$1
        [ ! -f "$here/$case/exit" ] || read -r wanted <"$here/$case/exit"
        [ "$code" = "$wanted" ] || { fail "exit code $code, not $wanted"; cat "$scratch/err"; }
        "$2"
        [ "$failed_here" = no ] && passed=$((passed + 1)) || failed=$((failed + 1))
    done
    [ "$failed" = 0 ] || echo "after a change that is meant: ${here#"$source"/}/run.sh --regenerate build"
    echo "$passed passed, $failed failed, $skipped skipped"
    [ "$failed" = 0 ]
}
