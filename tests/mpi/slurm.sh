# Four Slurm nodes on one machine, to be sourced: munged, slurmctld and four slurmd of its own. Needs root,
# slurm-wlm and munge.
#
#   slurm_can_run    0 when this machine lets us; else the reason stands in $slurm_reason
#   slurm_up         starts them and sets SLURM_CONF; false, with $slurm_reason, when they don't come up
#   slurm_down       ends them

slurm_folder=
slurm_processes=
slurm_first_port=17000

slurm_can_run() {
    if [ "$(id -u)" != 0 ]; then
        slurm_reason="not root"
    elif ! command -v slurmctld slurmd srun >/dev/null; then
        slurm_reason="slurm-wlm is not installed"
    elif ! command -v munged >/dev/null; then
        slurm_reason="munge is not installed"
    else
        return 0
    fi
    return 1
}

slurm_configure() {
    mkdir -p "$slurm_folder/state" "$slurm_folder/log" "$slurm_folder/spool/"n1 "$slurm_folder/spool/"n2 \
        "$slurm_folder/spool/"n3 "$slurm_folder/spool/"n4
    cat >"$slurm_folder/slurm.conf" <<EOF
ClusterName=test
SlurmctldHost=$(hostname -s)
SlurmctldPort=$slurm_first_port
AuthType=auth/munge
AuthInfo=socket=$slurm_folder/munge/socket
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SlurmUser=root
StateSaveLocation=$slurm_folder/state
SlurmdSpoolDir=$slurm_folder/spool/%n
SlurmctldPidFile=$slurm_folder/slurmctld.pid
SlurmdPidFile=$slurm_folder/slurmd-%n.pid
SlurmctldLogFile=$slurm_folder/log/slurmctld
SlurmdLogFile=$slurm_folder/log/slurmd-%n
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
ReturnToService=2
MpiDefault=none
NodeName=n[1-4] NodeHostname=$(hostname -s) NodeAddr=127.0.0.1 Port=[$((slurm_first_port + 1))-$((slurm_first_port + 4))] CPUs=1 State=UNKNOWN
PartitionName=p Nodes=ALL Default=YES MaxTime=INFINITE State=UP
EOF
}

slurm_start() { # COMMAND...: in the foreground of a job of ours
    "$@" >>"$slurm_folder/log/started" 2>&1 &
    slurm_processes="$slurm_processes $!"
}

slurm_up() {
    slurm_folder=$(mktemp -d)
    chmod 755 "$slurm_folder"
    slurm_configure
    # munged insists on folders of its own user.
    mkdir "$slurm_folder/munge"
    head -c 1024 /dev/urandom >"$slurm_folder/munge/key"
    chmod 400 "$slurm_folder/munge/key"
    chown -R munge "$slurm_folder/munge"
    slurm_start setpriv --reuid munge --regid munge --clear-groups munged --foreground \
        --socket "$slurm_folder/munge/socket" --key-file "$slurm_folder/munge/key" \
        --pid-file "$slurm_folder/munge/pid" --log-file "$slurm_folder/munge/log" --seed-file "$slurm_folder/munge/seed"
    slurm_wait test -S "$slurm_folder/munge/socket" || return 1
    export SLURM_CONF=$slurm_folder/slurm.conf
    slurm_start slurmctld -D -f "$SLURM_CONF"
    for slurm_node in n1 n2 n3 n4; do
        slurm_start slurmd -D -f "$SLURM_CONF" -N $slurm_node
    done
    slurm_wait sh -c "[ \"\$(sinfo -h -t idle -o %D 2>/dev/null)\" = 4 ]"
}

slurm_wait() { # COMMAND...: until it succeeds, half a minute
    for _ in $(seq 300); do
        "$@" && return 0
        sleep 0.1
    done
    slurm_reason="it did not come up: $(tail -n 3 "$slurm_folder"/log/* 2>/dev/null)"
    return 1
}

slurm_down() {
    # shellcheck disable=SC2086
    [ -z "$slurm_processes" ] || kill $slurm_processes 2>/dev/null
    # A slurmd may wait for ever for a step that ended while it was busy.
    for _ in $(seq 100); do
        # shellcheck disable=SC2086
        kill -0 $slurm_processes 2>/dev/null || break
        sleep 0.1
    done
    # shellcheck disable=SC2086
    [ -z "$slurm_processes" ] || kill -KILL $slurm_processes 2>/dev/null
    wait $slurm_processes 2>/dev/null
    slurm_processes=
    [ -z "$slurm_folder" ] || rm -rf "$slurm_folder"
    slurm_folder=
}
