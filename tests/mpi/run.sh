#!/bin/bash
# run.sh CASE BUILD SOURCE WIRE: one case of clusterprobe under mpirun. Exits 0, 1, or 77 when this machine
# can't run it, with the reason.
set -u
# MPI libraries leave memory to the end of the process.
export ASAN_OPTIONS=detect_leaks=0
case_name=$1 build=$2 source=$3 BED_WIRE=$4
here=$source/tests/mpi
probe=$build/clusterprobe
mpich_probe=$build/tests/mpi/clusterprobe_mpich
simulated_probe=$build/tests/mpi/libsimulated_probe.so
plan=$build/clusterplan
work=$(mktemp -d)
cd "$work" || exit 1
. "$here/bed.sh"
. "$here/slurm.sh"
trap 'compute_no_more; bed_down; slurm_down; cd /; rm -rf "$work"' EXIT

computing=
compute_beside() { # COUNT: so many programs that only compute run beside what follows
    for _ in $(seq "$1"); do
        (while :; do :; done) &
        computing="$computing $!"
    done
}

compute_no_more() {
    for program in $computing; do
        kill "$program" 2>/dev/null
    done
    computing=
}

fail() {
    echo "FAILED: $*"
    for file in out err; do
        [ -f $file ] && sed "s/^/$file: /" $file
    done
    exit 1
}

skip() {
    echo "skipped: $*"
    exit 77
}

expect_status() { # STATUS COMMAND...: its output goes to out and err
    wanted=$1
    shift
    "$@" >out 2>err
    status=$?
    [ "$status" -eq "$wanted" ] || fail "status $status, not $wanted, of: $*"
}

expect() { # PATTERN FILE
    grep -Eq -- "$1" "$2" || fail "no line like '$1' in $2: $(head -c 2000 "$2")"
}

refuse() { # PATTERN FILE
    ! grep -Eq -- "$1" "$2" || fail "a line like '$1' in $2: $(grep -E -- "$1" "$2")"
}

# The value of a key in a level of the written file: level_value FILE LEVEL KEY
level_value() {
    awk -v level="$2" -v key="$3:" '
        $2 == "{name:" && $3 == level "," && match($0, " " key " [^,}]*") {
            split(substr($0, RSTART, RLENGTH), word, " ")
            print word[2], word[3]
            exit
        }
        $1 == "-" && $2 == "name:" { here = $3 == level }
        here && $1 == key { print $2, $3; exit }
        here && $1 == "-" && $2 == key { print $3, $4; exit }' "$1"
}

# within FILE LEVEL UNIT LOW HIGH: the bandwidth of a level
bandwidth_within() {
    found=$(level_value "$1" "$2" bandwidth)
    echo "$found" | awk -v unit="$3" -v low="$4" -v high="$5" '{ exit !($2 == unit && $1 >= low && $1 <= high) }' ||
        fail "the bandwidth of level $2 is $found, not $4 to $5 $3"
}

# fits COUNT: so many operations of levels say how well their constants fit
fits() {
    fitted=$(grep -c 'fit_error: 0\.[0-9]*' c.yaml)
    [ "$fitted" -eq "$1" ] || fail "$fitted operations have the error of their fit, not $1"
}

# latency_as_bare BEFORE AFTER: c.yaml's latency across racks is that of a bare ping-pong before or after it
latency_as_bare() {
    level_value c.yaml network latency | awk -v one="$1" -v other="$2" '
        { truth = one < other ? one : other; exit !(truth > 300 && $2 == "us" && $1 > 0.85 * truth && $1 < 1.15 * truth) }' ||
        fail "the latency is $(level_value c.yaml network latency), not $1 or $2 us"
}

# near FILE LEVEL KEY UNIT VALUE: within 3 %
near() {
    found=$(level_value "$1" "$2" "$3")
    echo "$found" | awk -v unit="$4" -v value="$5" '{ exit !($2 == unit && $1 > 0.97 * value && $1 < 1.03 * value) }' ||
        fail "$3 of level $2 is $found, not $5 $4"
}

launch() { # RANKS ARGS...
    ranks=$1
    shift
    if [ "$probe" = "$mpich_probe" ]; then
        mpiexec.mpich -np "$ranks" "$probe" "$@"
    elif mpirun --version 2>&1 | grep -q 'Open MPI'; then
        mpirun --allow-run-as-root --oversubscribe --bind-to none -np "$ranks" "$probe" "$@"
    else
        mpiexec -np "$ranks" "$probe" "$@"
    fi
}

need_bed() {
    bed_can_run || skip "$bed_reason"
    mpirun --version 2>&1 | grep -q 'Open MPI' || skip "the test bed starts jobs with Open MPI"
}

one_rank() {
    expect_status 0 "$probe" -o c.yaml
    expect 'one rank: no link is measured' err
    expect 'no GPU was seen|was seen: the device' err
    expect 'what: memory_bandwidth' c.yaml
    expect '^    from: base' c.yaml
    refuse 'what: latency' c.yaml
    [ ! -e c.yaml.partial ] || fail "the journal was left"
    # What can't be printed is no success.
    "$probe" --show c.yaml >/dev/full 2>err
    [ $? -eq 2 ] || fail "--show on a full disk ends well"
    expect "clusterprobe: error: can't write to standard output: No space left on device" err
    expect_status 2 sh -c '"$0" -o d.yaml >&-' "$probe"
    expect 'clusterprobe: error: standard output is closed' err
    [ ! -e d.yaml ] || fail "something was measured that nobody can see"
}

two_ranks() {
    expect_status 0 launch 2 -o c.yaml
    expect 'kind: measured' c.yaml
    expect 'program: "clusterprobe ' c.yaml
    expect 'mpi: ' c.yaml
    expect 'command: "2 ranks of clusterprobe -o c.yaml"' c.yaml
    expect '^  nodes: 1$' c.yaml
    expect '^  - name: node$' c.yaml
    expect '^    from: measured' c.yaml
    for what in latency bandwidth exchange_bandwidth all_reduce all_gather reduce_scatter all_to_all; do
        expect "what: $what" c.yaml
    done
    expect '^sweep,latency,.*,4194304,' c.pairs.csv
    expect '[0-9]+ %  collectives' err
    refuse "$(printf '\r')" err
    [ "$(getconf _NPROCESSORS_ONLN)" -eq 1 ] || expect 'note: ranks are not bound to cores of their own' err
    [ ! -e c.yaml.partial ] || fail "the journal was left"
    expect_status 0 "$probe" --show c.yaml
    expect '^node +all .* measured$' out
    expect_status 0 "$plan" plan --cluster c.yaml --model llama-3-8b --top 1 --format yaml
    expect 'devices: 8$' out
    expect '  time: [0-9]' out
}

# The same sources built with the other MPI of Debian.
mpich() {
    [ -x "$mpich_probe" ] || skip "MPICH is not installed: $mpich_probe was not built"
    command -v mpiexec.mpich >/dev/null || skip "mpiexec.mpich is not installed"
    probe=$mpich_probe
    two_ranks
    expect 'mpi: .*MPICH' c.yaml
    start_job d.yaml
    kill -KILL "$victim"
    wait "$job"
    [ $? -ne 0 ] || fail "a killed rank went unnoticed"
    [ ! -e d.yaml ] || fail "a result was written"
    expect_status 0 launch 4 -o d.yaml --resume
}

# Someone sets the hosts' time meanwhile, by which MPICH's MPI_Wtime goes.
clock_set() {
    [ -x "$mpich_probe" ] || skip "MPICH is not installed: $mpich_probe was not built"
    command -v mpiexec.mpich >/dev/null || skip "mpiexec.mpich is not installed"
    expect_status 0 mpiexec.mpich -np 2 -env LD_PRELOAD "$build/tests/mpi/libjumping_clock.so" "$mpich_probe" -o c.yaml
    refuse 'time limit' c.yaml
    # Of ms too, where a rank waits for its turn on a core; a clock's jump is of seconds.
    level_value c.yaml node latency | awk '{ exit !($1 > 0 && $2 ~ /^[num]s$/) }' ||
        fail "the latency in a node is $(level_value c.yaml node latency)"
}

# One rank on each of four Slurm nodes; Open MPI would need a PMIx that the four don't share.
srun_job() {
    slurm_can_run || skip "$slurm_reason"
    [ -x "$mpich_probe" ] || skip "MPICH is not installed: $mpich_probe was not built"
    slurm_up || fail "Slurm: $slurm_reason"
    expect_status 0 srun --mpi=pmi2 -N 4 --ntasks-per-node 1 "$mpich_probe" -o c.yaml
    expect '^  nodes: 4$' c.yaml
    for host in n1 n2 n3 n4; do
        expect "name: $host, class: class0" c.yaml
    done
    expect_status 2 srun --mpi=pmi2 -N 4 --ntasks-per-node 1 "$mpich_probe" -o c.yaml --base dgx-h10
    [ "$(grep -c 'clusterprobe: error' err)" -eq 1 ] || fail "more than one rank complains"
    expect_status 0 srun --mpi=pmi2 -N 4 --ntasks-per-node 1 "$mpich_probe" --help
    [ "$(grep -c '^Usage:' out)" -eq 1 ] || fail "more than one rank helps"
}

oversubscribed() {
    cores=$(getconf _NPROCESSORS_ONLN)
    [ "$cores" -le 8 ] || skip "$cores cores: too many ranks would be needed"
    expect_status 0 launch $((cores + 2)) -o c.yaml --time-limit 30
    expect 'note: .*oversubscribed: more ranks than cores' c.yaml
    expect "^local,latency,.*,$((cores + 1))," c.pairs.csv
    # Everyone met everyone once.
    met=$(grep -c '^local,latency,' c.pairs.csv)
    [ "$met" -eq $(((cores + 2) * (cores + 1) / 2)) ] || fail "$met pairs of ranks were measured"
    # A rank that may take another's core, which is bound to it; then both on the same core, of however many.
    if [ "$cores" -ge 2 ] && mpirun --version 2>&1 | grep -q 'Open MPI'; then
        expect_status 0 mpirun --allow-run-as-root --oversubscribe --bind-to none -np 1 "$probe" -o d.yaml --quick : \
            -np 1 taskset -c 0 "$probe" -o d.yaml --quick
        expect 'note: ranks are not bound to cores of their own' err
    fi
    taskset -pc 0 $BASHPID >/dev/null
    expect_status 0 launch 2 -o d.yaml --quick
    expect 'note: oversubscribed: more ranks than cores' err
}

replay() {
    expect_status 0 "$probe" -o a.yaml --hwloc-xml "$source/tests/captured/hwloc/a100-two-gpus.xml"
    expect 'A100-SXM4-80GB was seen: .* of dgx-a100-80g' err
    expect 'packages: 2' a.yaml
    expect 'numa_nodes: 2' a.yaml
    expect 'memory: 137.438953472 GB' a.yaml
    expect 'kind: gpu, name: "NVIDIA A100-SXM4-80GB", pci: "0000:03:00.0", numa: 0, memory: 80 GB' a.yaml
    tr -s ' \n' ' ' <a.yaml >flat
    expect 'pci: "0000:03:00.0", [^}]*near: "mlx5_0 \(same PCI switch\)"' flat
    expect 'pci: "0000:81:00.0", numa: 1, [^}]*near: "mlx5_0 \(across NUMA nodes\)"' flat
    expect 'kind: nic, name: eno1, pci: "0000:00:03.0"' a.yaml
    refuse '00:02.0' a.yaml # the mainboard's own graphics
    expect 'node: \{devices: 2,' a.yaml
    expect_status 0 "$probe" -o b.yaml --hwloc-xml "$source/tests/captured/hwloc/mi300x-one-gpu.xml"
    expect 'AMD Instinct MI300X was seen: .* of mi300x' err
    expect_status 2 "$probe" -o b.yaml --base dgx-h100 --hwloc-xml "$source/tests/captured/hwloc/a100-two-gpus.xml"
    expect 'error: the base dgx-h100 is of .*, but host .* has NVIDIA A100-SXM4-80GB' err
    expect 'hint: --base dgx-a100-80g fits' err
    expect 'MI300X' b.yaml # what was there stays
}

# What the kernel tells of network cards: their rates, and one whose cable is out, which is no GPU's nearest.
cards() {
    [ "$(id -u)" = 0 ] && unshare --mount true 2>/dev/null || skip "only root puts another sysfs in place"
    export probe source
    export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 HWLOC_THISSYSTEM=1
    for state in ACTIVE DOWN; do
        export state
        expect_status 0 unshare --mount sh -c '
            mount -t tmpfs none /sys/class && cd /sys/class && mkdir -p infiniband/mlx5_0/ports/1 net/eno1 &&
            echo "4: $state" >infiniband/mlx5_0/ports/1/state && echo "200 Gb/sec (4X HDR)" >infiniband/mlx5_0/ports/1/rate &&
            echo 10000 >net/eno1/speed && echo 1 >net/eno1/carrier && cd "$OLDPWD" &&
            HWLOC_XMLFILE="$source/tests/captured/hwloc/a100-two-gpus.xml" "$probe" -o c.yaml --quick --host-only'
        tr -s ' \n' ' ' <c.yaml >flat
        expect 'name: eno1, pci: "0000:00:03.0", numa: 0, rate: 1.25 GB/s}' flat
        [ $state = DOWN ] || expect 'name: mlx5_0, [^}]*rate: 25 GB/s}' flat
        [ $state = DOWN ] || expect 'pci: "0000:03:00.0", [^}]*near: "mlx5_0 \(same PCI switch\)"' flat
    done
    expect 'name: mlx5_0, [^}]*rate: 25 GB/s, note: "?link down"?}' flat
    expect 'pci: "0000:03:00.0", [^}]*near: "eno1 ' flat
}

# Two ranks with options of their own: launch_two "OPTIONS OF THE FIRST" "OPTIONS OF THE SECOND"
launch_two() {
    # shellcheck disable=SC2086
    if mpirun --version 2>&1 | grep -q 'Open MPI'; then
        mpirun --allow-run-as-root --oversubscribe --bind-to none -np 1 "$probe" $1 : -np 1 "$probe" $2
    else
        mpiexec -np 1 "$probe" $1 : -np 1 "$probe" $2
    fi
}

one_error() { # PATTERN COMMAND...: exit 2, one message, nothing written
    pattern=$1
    shift
    expect_status 2 "$@"
    expect "clusterprobe: error: $pattern" err
    [ "$(grep -c 'clusterprobe: error' err)" -eq 1 ] || fail "more than one rank complains: $*"
    [ -z "$(find . -name 'c.*')" ] || fail "something was written by: $*"
}

bad_input() {
    one_error 'clusterprobe needs to know where its result goes' "$probe"
    one_error 'clusterprobe needs to know where its result goes' launch 2
    one_error '.*--time-limt' "$probe" -o c.yaml --time-limt 5
    expect 'time-limit' err
    one_error '--time-limit soon' "$probe" -o c.yaml --time-limit soon
    one_error '--time-limit 0: at least one second' "$probe" -o c.yaml --time-limit 0
    one_error '--time-limit -5: at least one second' "$probe" -o c.yaml --time-limit=-5
    one_error "can't read none.xml" launch 2 -o c.yaml --hwloc-xml none.xml
    : >empty.xml
    one_error 'host .*: .*empty.xml' launch 2 -o c.yaml --hwloc-xml empty.xml
    echo '<?xml version="1.0"?><topology version="2.0"></topology>' >nothing.xml
    one_error 'host .*: .*nothing.xml' launch 2 -o c.yaml --hwloc-xml nothing.xml
    one_error 'rank 1 on host .*: unknown option "--wrong"' launch_two "-o c.yaml" "-o c.yaml --wrong"
    one_error 'unknown option "--wrong"' launch_two "-o c.yaml --wrong" "-o c.yaml"
    # Ranks that measure don't wait for one that was asked something else.
    one_error 'rank 0 on host .* was given --help, and rank 1 on host .* was not' launch_two "--help" "-o c.yaml"
    one_error 'rank 1 on host .* was given --version, and rank 0 on host .* was not' launch_two "-o c.yaml" "--version"
    one_error 'rank 0 on host .* was given --show, and rank 1 on host .* was given --help' launch_two "--show c.yaml" "--help"
    one_error 'unknown option "--wrong"' launch_two "--wrong" "--help"
    # All follow rank 0, so what another rank was given must be the same.
    one_error 'rank 1 on host .*: given --output c2.yaml, but rank 0 was given --output c.yaml' launch_two "-o c.yaml" "-o c2.yaml"
    one_error 'rank 1 on host .*: given --time-limit 5, as rank 0 was not' launch_two "-o c.yaml" "-o c.yaml --time-limit 5"
    one_error 'rank 1 on host .*: not given --quick, as rank 0 was' launch_two "-o c.yaml --quick" "-o c.yaml"
    if mpirun --version 2>&1 | grep -q 'Open MPI'; then
        one_error 'clusterprobe [0-9.]+ runs on host .*, but another on host elsewhere' mpirun --allow-run-as-root \
            --oversubscribe --bind-to none -np 1 "$probe" -o c.yaml : -np 1 "$build/tests/mpi/other_version"
    fi
    if [ -x "$mpich_probe" ] && command -v mpiexec.mpich >/dev/null; then
        # As if each rank ran on a machine of its own.
        MPIR_CVAR_NOLOCAL=1 one_error 'two machines have the same name, ' mpiexec.mpich -np 2 "$mpich_probe" -o c.yaml
    fi
    mkfifo pipe.xml
    one_error "--hwloc-xml pipe.xml: a pipe or device" launch 2 -o c.yaml --hwloc-xml pipe.xml
    mkdir x.pairs.csv
    one_error 'x.pairs.csv: a directory, where a file was expected' launch 2 -o x.yaml
    one_error '.*dgx-h10' launch 2 -o c.yaml --base dgx-h10
    expect 'dgx-h100' err
    one_error "can't write no/such/folder/c.yaml.partial.new: No such file" launch 2 -o no/such/folder/c.yaml
    SLURMD_NODENAME='h 0' one_error 'rank 0 runs on a host named "h 0"; blanks, commas, colons' launch 2 -o c.yaml
    one_error 'nothing to resume' launch 2 -o c.yaml --resume
    printf '%s\n' 'clusterprobe journal 5' 'ranks: clusterprobe 0.1.0, 4 ranks: elsewhere:0,1,2,3' 'MPI: one' \
        'binding of ranks to cores: none' 'setting of MPI: none' >o.yaml.partial
    cp o.yaml.partial before
    one_error 'o.yaml.partial is of other hosts' launch 2 -o o.yaml --resume
    cmp -s before o.yaml.partial || fail "the journal of another cluster was overwritten"
    echo '3 6 0 1 0 0 1 0 8 1 1 1 1 1 1 0' >>o.yaml.partial
    cp o.yaml.partial before
    one_error 'o.yaml.partial holds what an earlier run measured' launch 2 -o o.yaml
    expect 'with --resume goes on .* to begin anew, remove it' err
    cmp -s before o.yaml.partial || fail "a journal that was not asked for was overwritten"
    [ ! -e o.yaml ] || fail "a result was written"
    expect_status 2 "$probe" --show nothing.yaml
    expect 'nothing.yaml' err
    expect_status 2 launch 2 --show nothing.yaml
    [ "$(grep -c '^clusterprobe: ' err)" -eq 1 ] || fail "more than one rank shows"
    expect_status 0 launch 2 --help
    [ "$(grep -c '^Usage:' out)" -eq 1 ] || fail "more than one rank helps"
    expect_status 0 "$probe" --version
    expect '^clusterprobe [0-9.]+$' out
}

full_disk() {
    [ "$(id -u)" = 0 ] && unshare --mount true 2>/dev/null || skip "only root mounts a small disk"
    export probe
    expect_status 2 unshare --mount sh -c '
        mkdir small && mount -t tmpfs -o size=16k none small && echo old >small/c.yaml &&
        echo old too >small/c.pairs.csv &&
        { OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 "$probe" -o small/c.yaml; status=$?
          cat small/c.yaml small/c.pairs.csv; ls small; exit $status; }'
    expect 'No space left on device' err
    expect '^old$' out
    expect '^old too$' out
    refuse '\.new$' out
    # Full while it measures: two ranks write more figures than fit.
    export -f launch
    export mpich_probe
    expect_status 2 unshare --mount bash -c '
        mkdir smaller && mount -t tmpfs -o size=8k none smaller && echo old >smaller/c.yaml &&
        { launch 2 -o smaller/c.yaml; status=$?
          cat smaller/c.yaml; ls smaller; exit $status; }'
    expect "can't write smaller/c.yaml.partial: No space left on device" err
    expect '^old$' out
}

# start_job [FILE]: starts four ranks and holds the second, whose process is in $victim, as soon as some figures stand
# in the journal. A job that was done before it could be held is started again. (Four, as two may be done within the
# second that mpirun lets ranks go on between its SIGCONT and its SIGTERM.)
start_job() {
    local result=${1:-c.yaml}

    for _ in $(seq 10); do
        launch 4 -o "$result" >out 2>err &
        job=$!
        if hold_second_rank "$result.partial"; then
            return 0
        fi
        wait "$job"
        rm -f "$result" "$result.partial"
    done
    fail "ten jobs were done before their second rank was held"
}

# hold_second_rank JOURNAL: false where $job ended before. What rank 0 does alone at the end takes less than the wait.
hold_second_rank() {
    victim=
    while [ -z "$victim" ]; do
        kill -0 "$job" 2>/dev/null || return 1
        victim=$(second_rank)
    done
    until [ -f "$1" ] && [ "$(wc -l <"$1")" -gt 8 ]; do
        kill -0 "$victim" 2>/dev/null || return 1
    done
    kill -STOP "$victim" 2>/dev/null || return 1
    sleep 0.5
    kill -0 "$job" 2>/dev/null && [ -f "$1" ] && return 0
    kill -CONT "$victim" 2>/dev/null
    return 1
}

second_rank() {
    for process in $(pgrep -f "^$probe "); do
        if tr '\0' '\n' </proc/"$process"/environ 2>/dev/null | grep -Eqx '(OMPI_COMM_WORLD_RANK|PMI_RANK)=1' &&
            [ "$(readlink /proc/"$process"/cwd)" = "$work" ]; then
            echo "$process"
        fi
    done
}

killed() {
    start_job
    kill -KILL "$victim"
    wait "$job"
    [ $? -ne 0 ] || fail "a killed rank went unnoticed"
    [ ! -e c.yaml ] || fail "a result was written"
    lines=$(wc -l <c.yaml.partial)
    [ "$lines" -gt 7 ] || fail "nothing was kept"
    kept=$(sed -n 7p c.yaml.partial)
    expect_status 2 launch 4 -o c.yaml --resume --base dgx-h10
    expect 'did you mean "dgx-h100"' err
    [ -e c.yaml.partial ] || fail "a misspelt base took what was measured"
    expect_status 0 launch 4 -o c.yaml --resume
    [ ! -e c.yaml.partial ] || fail "the journal was left"
    # A figure of the first run stands in the result.
    count=$(echo "$kept" | cut -d ' ' -f 9)
    grep -q ",$count," c.pairs.csv || fail "the figures of the first run are lost"
}

# until_journal FILE LINES: the job has written so many
until_journal() {
    for _ in $(seq 400); do
        [ -f "$1" ] && [ "$(wc -l <"$1")" -ge "$2" ] && return
        sleep 0.05
    done
    fail "no journal of $2 lines"
}

refuse_resume() { # PATTERN COMMAND...: exit 2, one message, and the journal stays
    cp c.yaml.partial before
    pattern=$1
    shift
    expect_status 2 "$@"
    expect "clusterprobe: error: c.yaml.partial was measured with another $pattern" err
    [ "$(grep -c 'clusterprobe: error' err)" -eq 1 ] || fail "more than one rank complains: $*"
    cmp -s before c.yaml.partial || fail "the journal was overwritten by: $*"
    [ ! -e c.yaml ] || fail "a result was written"
}

# Figures of one MPI, of one card or of ranks that are bound are none of another.
resumed_otherwise() {
    mpirun --version 2>&1 | grep -q 'Open MPI' || skip "the options are Open MPI's"
    start_job
    kill -KILL "$victim"
    wait "$job"
    refuse_resume 'setting of MPI: .*; this run: ranks 0 to 3: OMPI_MCA_btl_tcp_if_include=lo' \
        env OMPI_MCA_btl_tcp_if_include=lo mpirun --allow-run-as-root --oversubscribe --bind-to none -np 4 "$probe" \
        -o c.yaml --resume
    if [ "$(getconf _NPROCESSORS_ONLN)" -ge 2 ]; then
        refuse_resume 'binding of ranks to cores: ranks 0 to 3: .*; this run: ranks 0 to 3: 1 core' \
            mpirun --allow-run-as-root --oversubscribe --bind-to none -np 4 taskset -c 0 "$probe" -o c.yaml --resume
    fi
    if [ -x "$mpich_probe" ] && command -v mpiexec.mpich >/dev/null; then
        refuse_resume 'MPI: Open MPI v.*; this run: MPICH Version: ' mpiexec.mpich -np 4 "$mpich_probe" -o c.yaml --resume
    fi
    expect_status 0 launch 4 -o c.yaml --resume
    expect 'mpi: "?Open MPI v[0-9]' c.yaml
}

# As Ctrl-C does.
interrupted() {
    start_job
    expect 'keeps what it measures in c.yaml.partial; interrupted, the same line with --resume goes on' err
    kill -INT "$(pgrep -P "$job" | head -n 1)" # the launcher, a child of the shell in the background
    wait "$job"
    [ $? -ne 0 ] || fail "an interrupted job ended well"
    [ ! -e c.yaml ] || fail "a result was written"
    expect_status 0 launch 4 -o c.yaml --resume
    [ ! -e c.yaml.partial ] || fail "the journal was left"
}

stopped() {
    start_job
    begin=$(date +%s)
    wait "$job"
    status=$?
    took=$(($(date +%s) - begin))
    kill -KILL "$victim" 2>/dev/null
    [ $status -ne 0 ] || fail "a stopped rank went unnoticed"
    [ $took -lt 60 ] || fail "it took $took s to notice a stopped rank"
    [ -s c.yaml.partial ] || fail "nothing was kept"
    expect 'clusterprobe: error: (no answer|the hosts answer|no end of)' err
}

racks() {
    need_bed
    BED_UPLINK_MBIT=400
    bed_up 2 2 || fail "no test bed"
    before=$(bed_least_us h0 h2)
    expect_status 0 bed_mpirun "$probe" -o c.yaml
    expect 'several hosts are one machine' c.yaml
    expect '^  nodes: 4$' c.yaml
    [ "$(level_value c.yaml rack devices)" = "16 " ] || fail "racks: $(level_value c.yaml rack devices)"
    [ "$(level_value c.yaml network devices)" = "all " ] || fail "the last level joins not all"
    for host in 0 1 2 3; do
        expect "name: h$host, class: class0, place: rack$((host / 2))" c.yaml
    done
    fits 10 # five operations in the rack and beyond
    # The truth: 125 MB/s on a link, 50 MB/s on an uplink. A busy machine only takes away.
    bandwidth_within c.yaml rack MB/s 110 129
    bandwidth_within c.yaml network MB/s 47 51
    after=$(bed_least_us h0 h2)
    latency_as_bare "$before" "$after"
    # A rank of each host was measured; a node has eight devices, which share its port in an all-to-all.
    awk '$1 == "-" && $2 == "name:" { here = $3 == "network" }
        here && $1 ~ /^all_.*:$/ { operation = $1 }
        here && $1 == "bandwidth:" && !(operation in rate) { rate[operation] = $2 * ($3 == "kB/s" ? 1e-3 : 1) }
        END { exit !(rate["all_to_all:"] > 1 && rate["all_to_all:"] < rate["all_gather:"] / 3) }' c.yaml ||
        fail "an all-to-all of one rank a host stands in the file as one of all devices"
    # Two hosts share it.
    level_value c.yaml network oversubscription | awk '{ exit !($1 > 1.7 && $1 < 2.3) }' ||
        fail "oversubscription: $(level_value c.yaml network oversubscription), not 2"
    expect_status 0 "$plan" plan --cluster c.yaml --model llama-3-8b --top 1
}

# placed HOSTS PER_RACK: every host stands in its rack
placed() {
    for host in $(seq 0 $(($1 - 1))); do
        expect "name: h$host, class: class0, place: rack$((host / $2))" c.yaml
    done
}

# Three racks; one host receives slowly and sends as the others.
slow_host() {
    need_bed
    BED_UPLINK_MBIT=400
    bed_up 3 2 || fail "no test bed"
    bed_rate_in h3 200mbit
    expect_status 0 bed_mpirun "$probe" -o c.yaml --quick
    placed 6 2
    expect '^host h3: receives at 0\.[3-7]' out
    refuse '^host h[01245]:' out
    refuse '^host h3: .*sends' out
    refuse '^link ' out
}

# Two racks of two, whose uplinks can only be loaded the way that the slow host doesn't slow.
slow_of_four() {
    need_bed
    BED_UPLINK_MBIT=400
    bed_up 2 2 || fail "no test bed"
    bed_rate_in h3 200mbit
    expect_status 0 bed_mpirun "$probe" -o c.yaml
    placed 4 2
    expect '^host h3: receives at 0\.[3-7]' out
    refuse '^host h[012]:' out
    refuse 'no oversubscription of the network' c.yaml
    level_value c.yaml network oversubscription | awk '{ exit !($1 > 1.7 && $1 < 2.3) }' ||
        fail "oversubscription: $(level_value c.yaml network oversubscription), not 2"
    expect_status 0 "$plan" plan --cluster c.yaml --model llama-3-8b --top 1
    tr -s ' \n' ' ' <out >flat
    expect 'Slow host: h3 .* step with it, .* on 2 of the 3 others' flat
}

# Three racks; one cable is slow in one direction.
slow_link() {
    need_bed
    BED_UPLINK_MBIT=400
    bed_up 3 2 || fail "no test bed"
    bed_link h2 h3 400mbit
    expect_status 0 bed_mpirun "$probe" -o c.yaml --quick
    placed 6 2
    expect '^link h2:2 h3:3: only (4[5-9]|50)(\.[0-9]+)? MB/s, 0\.(3[5-9]|4[0-2]) of what is usual in the rack$' out
    [ "$(grep -c '^link ' out)" -eq 1 ] || fail "links were invented"
    refuse '^host ' out
}

# Two racks of four, all sound.
eight_hosts() {
    need_bed
    BED_UPLINK_MBIT=400
    bed_up 2 4 || fail "no test bed"
    expect_status 0 bed_mpirun "$probe" -o c.yaml --quick
    placed 8 4
    refuse '^(host|link) ' out
}

# A network on which 4 MiB take longer than a measurement may.
slow_network() {
    need_bed
    BED_RATE=4mbit
    bed_up 1 2 || fail "no test bed"
    expect_status 0 bed_mpirun "$probe" -o c.yaml --time-limit 100
    # The truth: 500 kB/s, of which few messages are seen. What the shaper's short queue drops has to be sent again;
    # after a pause 64 of the 524 kB of a message pass at once, out of the buckets of its two shapers: 570 kB/s.
    bandwidth_within c.yaml network kB/s 380 575
    tr -s ' \n' ' ' <c.yaml >flat
    expect 'bandwidths are of messages shorter than 4.19 MB, down to [0-9.]+ kB, as links are slow' flat
    expect '^pairs,bandwidth,h0,0,h1,1,1,(65536|524288),' c.pairs.csv
    expect 'what: all_reduce' c.yaml
    refuse '^(host|link) ' out
}

# Two sites, 100 ms apart. TCP moves what its window holds in a round trip, and more than 4 MiB in three.
far_apart() {
    need_bed
    BED_UPLINK_MBIT=400 BED_DELAY_US=100000
    bed_up 2 1 || fail "no test bed"
    expect_status 0 bed_mpirun "$probe" -o c.yaml --quick
    expect '^network +all +1 +(8|9|[1-4][0-9]|50)(\.[0-9]+)? MB/s +10[0-9](\.[0-9]+)? ms ' out
    refuse '^(host|link) ' out
}

# A switch that carries shorter frames than the hosts send: short messages pass, long ones are lost.
unlike_mtu() {
    need_bed
    bed_up 1 2 || fail "no test bed"
    bed_mtu h1 5000
    expect_status 1 bed_mpirun "$probe" -o c.yaml --quick
    expect 'error: no answer from h1; stalled: h0 .* with h1 .*; where only long messages are lost, .* MTU' err
    [ ! -e c.yaml ] || fail "a result was written"
    bed_mtu h1 9000
    expect_status 0 bed_mpirun "$probe" -o c.yaml --quick --resume
}

# Two racks, between which one packet in twenty is lost each way.
lossy() {
    need_bed
    BED_UPLINK_MBIT=400 BED_LOSS=5
    bed_up 2 1 || fail "no test bed"
    expect_status 0 bed_mpirun "$probe" -o c.yaml --time-limit 60
    level_value c.yaml network latency | awk '{ exit !($2 == "us" && $1 > 300 && $1 < 450) }' ||
        fail "the latency is $(level_value c.yaml network latency), not 0.34 ms"
    expect 'what: all_reduce' c.yaml
    refuse '^(host|link) ' out
}

# As many ranks as cores, which other programs want as well.
busy() {
    need_bed
    bed_up 2 1 || fail "no test bed"
    compute_beside 8
    before=$(bed_least_us h0 h1)
    expect_status 0 bed_mpirun "$probe" -o c.yaml --quick --time-limit 60
    after=$(bed_least_us h0 h1)
    latency_as_bare "$before" "$after"
    refuse '^(host|link) ' out
}

# Waits until the job on the test bed has measured another collective than the $1 that stand in the journal.
until_collectives() {
    for _ in $(seq 1200); do
        count=$(grep -cs '^6 ' c.yaml.partial)
        [ "${count:-0}" -gt "$1" ] && return
        sleep 0.05
    done
    fail "no collective was measured"
}

# A process that stops, then a cable that is cut, in the middle of blocking collectives. The second job resumes the first.
silent_in_collective() {
    need_bed
    bed_up 1 3 || fail "no test bed"
    known=0
    for fault in stopped cut; do
        # shellcheck disable=SC2046
        bed_mpirun "$probe" -o c.yaml $([ $fault = stopped ] || echo --resume) >out 2>err &
        job=$!
        until_collectives $known
        if [ $fault = stopped ]; then
            for victim in $(pgrep -f "^$probe "); do
                tr '\0' '\n' </proc/"$victim"/environ | grep -qx 'OMPI_COMM_WORLD_RANK=2' && break
            done
            kill -STOP "$victim"
        else
            bed_cut h2
        fi
        wait "$job"
        status=$?
        kill -KILL "$victim" 2>/dev/null
        [ $status -ne 0 ] || fail "a silent host went unnoticed"
        expect 'error: no answer from h2[;:]' err
        [ ! -e c.yaml ] || fail "a result was written"
        [ -s c.yaml.partial ] || fail "nothing was kept"
        known=$(grep -c '^6 ' c.yaml.partial)
    done
}

cut_uplink() {
    need_bed
    BED_UPLINK_MBIT=400
    bed_up 2 2 || fail "no test bed"
    bed_mpirun "$probe" -o c.yaml --quick >out 2>err &
    job=$!
    for _ in $(seq 400); do
        [ -f c.yaml.partial ] && [ "$(wc -l <c.yaml.partial)" -gt 15 ] && break
        sleep 0.05
    done
    bed_cut_rack 1
    begin=$(date +%s)
    wait "$job"
    status=$?
    took=$(($(date +%s) - begin))
    [ $status -eq 1 ] || fail "status $status of a run whose uplink was cut"
    [ $took -lt 60 ] || fail "it took $took s to notice a cut uplink"
    expect 'error: no answer from h2, h3' err
    [ ! -e c.yaml ] || fail "a result was written"
    bed_cut_rack 1 # mends it
    before=$(wc -l <c.yaml.partial)
    expect_status 0 bed_mpirun "$probe" -o c.yaml --quick --resume
    [ "$(wc -l <c.pairs.csv)" -gt "$before" ] || fail "the first run's figures are lost"
    expect '^  - .?name: rack' c.yaml
}

# 64 hosts that SimGrid simulates, in a fat tree: 4 leaf switches of 16, and UPLINKS core switches. Its factors
# for the overheads of real networks are taken out, so that the platform's figures are the truth. (Its all-to-all by Open MPI's
# choice ends groups of three.)
simulate() { # UPLINKS OPTIONS OF THE PROBE...
    uplinks=$1
    shift
    [ -f "$simulated_probe" ] || skip "SimGrid is not installed: $simulated_probe was not built"
    cat >platform.xml <<EOF
<?xml version="1.0"?>
<!DOCTYPE platform SYSTEM "https://simgrid.org/simgrid.dtd">
<platform version="4.1">
  <cluster id="tree" prefix="n" suffix="" radical="0-63" speed="1Gf" bw="1.25GBps" lat="1us" topology="FAT_TREE"
           topo_parameters="2;16,4;1,$uplinks;1,1" sharing_policy="SPLITDUPLEX"/>
</platform>
EOF
    seq -f 'n%.0f' 0 63 >hosts
    export CLUSTERPLAN_DATA=$source
    expect_status 0 smpirun -np 64 -platform platform.xml -hostfile hosts --cfg=smpi/bw-factor:0:1 \
        --cfg=smpi/lat-factor:0:1 --cfg=network/crosstraffic:0 --cfg=smpi/simulate-computation:no \
        --cfg=smpi/auto-shared-malloc-thresh:1000000 --cfg=smpi/coll-selector:ompi --cfg=smpi/alltoall:ring --log=root.thres:critical \
        "$simulated_probe" -o c.yaml "$@"
    for host in $(seq 0 63); do
        expect "name: n$host, class: class0, place: rack$((host / 16)), bandwidth_factor: (1|0\.9[5-9][0-9]*)[,}]" c.yaml
    done
    [ "$(level_value c.yaml rack devices)" = "128 " ] || fail "racks: $(level_value c.yaml rack devices)"
    # Two links of 1 us and 1.25 GB/s in a rack, four from rack to rack.
    near c.yaml rack latency us 2
    near c.yaml network latency us 4
    near c.yaml rack bandwidth GB/s 1.25
    near c.yaml network bandwidth GB/s 1.25
    refuse '^(host|link) ' out
}

fat_tree() {
    simulate 16 --time-limit 20
    refuse 'oversubscription: [02-9]|oversubscription: 1\.[^0]' c.yaml
    fits 2 # messages in the rack and beyond
}

# A rack's 16 hosts share 4 uplinks.
fat_tree_4_to_1() {
    simulate 4 --time-limit 20
    near c.yaml network oversubscription "" 4
}

# Whole rounds of pairs would take longer than half the time: the same levels out of a part of them.
fat_tree_sampled() {
    simulate 4 --quick --time-limit 8
    met=$(awk -F, '$1 == "pairs" && $2 == "bandwidth" { met[$4 < $6 ? $4 " " $6 : $6 " " $4] = 1 }
        END { print length(met) }' c.pairs.csv)
    [ "$met" -lt 2016 ] || fail "all pairs were measured"
    expect "note: $met of 2016 pairs of hosts were measured, sampled: " err
}

# Two ranks a host, each told one of its two cards; one host's second card sends at half the rate.
rails() {
    need_bed
    BED_RAILS=2 BED_SLOTS=2 BED_RATE=400mbit BED_UPLINK_MBIT=4000
    bed_up 1 3 || fail "no test bed"
    tc -n "$bed_id-h1" qdisc replace dev eth1 root tbf rate 200mbit burst 32kb latency 20ms
    cat >on_rail <<'EOF'
#!/bin/sh
export OMPI_MCA_btl_tcp_if_include=eth$OMPI_COMM_WORLD_LOCAL_RANK
exec "$@"
EOF
    chmod +x on_rail
    expect_status 0 bed_mpirun "$work/on_rail" "$probe" -o c.yaml --quick
    # Two ports; the truth: 50 MB/s on each card.
    expect '^network +all +2 +(4[4-9]|50)(\.[0-9]+)? MB/s ' out
    tr -s ' \n' ' ' <c.yaml >flat
    expect 'what: rail_bandwidth, between: "h0:0 eth0 \(as told\) to h1:2 eth0 \(as told\)"' flat
    expect 'what: rail_bandwidth, between: "h2:5 eth1 \(as told\) to h0:1 eth1 \(as told\)"' flat
    expect 'name: h1, .*note: "rail 1, eth1 \(as told\) sends at 0\.[45][0-9] of the fastest beside it"' flat
    expect '^host h1: rail 1, eth1 \(as told\) sends at' out
    refuse '^host h[02]: .*rail' out
}

# Two hosts whose names differ in their last letter alone; the time is up before much of the network is measured.
odd_hosts() {
    mpirun --version 2>&1 | grep -q 'Open MPI' || skip "the options are Open MPI's"
    name=$(printf 'node-%.0s' $(seq 40))
    line=
    for host in a b; do
        line="$line${line:+ : }-np 2 env SLURMD_NODENAME=$name$host $probe -o c.yaml --time-limit 1"
    done
    # shellcheck disable=SC2086
    expect_status 0 mpirun --allow-run-as-root --oversubscribe --bind-to none $line
    expect '^  nodes: 2$' c.yaml
    expect "${name}b\"?[,}]" c.yaml
    # What is inside a node never stands for what joins nodes.
    grep -Eq '^(node|nvlink) +8 ' out || fail "what is inside a node joins nodes"
    sed "s,matrix: .*,matrix: /dev/zero," c.yaml >edited.yaml
    expect_status 2 "$probe" --show edited.yaml
    expect "/dev/zero: .* where the pairs were expected" err
}

# Four ranks of which a journal of an earlier run says that they sit in two sockets. Where they run, hwloc says so too.
sockets() {
    [ "$(getconf _NPROCESSORS_ONLN)" -ge 2 ] || skip "one core"
    mpirun --version 2>&1 | grep -q 'Open MPI' || skip "the options are Open MPI's"
    export HWLOC_SYNTHETIC="pack:2 core:1 pu:1" HWLOC_THISSYSTEM=1
    line=
    for core in 0 0 1 1; do
        line="$line${line:+ : }-np 1 taskset -c $core $probe -o c.yaml"
    done
    # The head is that of a run of this line.
    # shellcheck disable=SC2086
    mpirun --allow-run-as-root --oversubscribe --bind-to none $line >out 2>err &
    job=$!
    until_journal c.yaml.partial 5
    kill $job
    wait $job
    {
        head -n 5 c.yaml.partial
        for pair in "0 1" "2 3" "0 2" "0 3" "1 2" "1 3"; do
            case $pair in "0 1" | "2 3") latency=3e-7 rate=12e9 ;; *) latency=7e-7 rate=6e9 ;; esac
            echo "1 5 $pair 0 0 1 0 8 20 $latency $latency $latency $latency $latency 8"
            echo "1 6 $pair 0 0 1 0 4194304 20 $rate $rate $rate $rate $rate 4194304"
        done
    } >edited
    mv edited c.yaml.partial
    # shellcheck disable=SC2086
    expect_status 0 mpirun --allow-run-as-root --oversubscribe --bind-to none ${line//c.yaml/c.yaml --resume}
    [ "$(level_value c.yaml socket devices)" = "4 " ] || fail "sockets of $(level_value c.yaml socket devices)"
    [ "$(level_value c.yaml node devices)" = "all " ] || fail "a node of $(level_value c.yaml node devices)"
    expect 'level: socket, what: latency, between: ".*:0 .*:1"' c.yaml
    expect 'level: node, what: latency, between: ".*:0 .*:2"' c.yaml
    expect 'level: socket, what: all_reduce, between: "2 ranks from' c.yaml
    expect_status 0 "$plan" plan --cluster c.yaml --model llama-3-8b --top 1 --format yaml
}

case $case_name in
sockets | unlike_mtu | lossy | busy | far_apart | slow_network | clock_set | resumed_otherwise | odd_hosts | rails | one_rank | mpich | srun_job | cards | fat_tree | fat_tree_4_to_1 | fat_tree_sampled | two_ranks | oversubscribed | replay | bad_input | full_disk | killed | interrupted | stopped | racks | slow_host | slow_of_four | slow_link | eight_hosts | cut_uplink | silent_in_collective)
    $case_name
    ;;
*)
    echo "no case $case_name" >&2
    exit 2
    ;;
esac
echo "$case_name: good"
