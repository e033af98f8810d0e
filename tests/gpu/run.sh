#!/bin/bash
# run.sh CASE BUILD SOURCE: clusterprobe on a node whose GPUs are stand-ins (stub.h), which have exact figures.
set -u
export ASAN_OPTIONS=detect_leaks=0 OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
case_name=$1 build=$2 source=$3
probe=$build/clusterprobe
stubs=$build/tests/gpu/stubs
work=$(mktemp -d)
cd "$work" || exit 1
trap 'cd /; rm -rf "$work"' EXIT

fail() {
    echo "FAILED: $*"
    for file in out err; do
        [ -f $file ] && sed "s/^/$file: /" $file
    done
    exit 1
}

# probe_alone FOLDER STATUS ARGS...: one rank with the stubs of FOLDER; output in out and err, and the file, in one
# line, in flat
probe_alone() {
    folder=$1 wanted=$2
    shift 2
    LD_LIBRARY_PATH=$stubs/$folder "$probe" -o c.yaml "$@" >out 2>err
    status=$?
    [ "$status" -eq "$wanted" ] || fail "status $status, not $wanted, with $folder $*"
    [ ! -e c.yaml ] || tr -s ' \n' ' ' <c.yaml >flat
}

expect() { # PATTERN FILE
    grep -Eq -- "$1" "$2" || fail "no line like '$1' in $2: $(head -c 3000 "$2")"
}

refuse() { # PATTERN FILE
    ! grep -Eq -- "$1" "$2" || fail "a line like '$1' in $2"
}

absent() {
    probe_alone none 0
    expect 'libraries: "NVML: no libnvidia-ml.so.1' c.yaml
    expect 'no GPU was seen' err
    refuse 'kind: gpu' c.yaml
}

h100() {
    export STUB_GPUS=h100,h100
    probe_alone all 0
    expect 'libraries: "NVML: driver 550.54.15, 2 GPUs' c.yaml
    expect 'NVIDIA H100 80GB HBM3 was seen: .* of dgx-h100' err
    expect 'node: \{devices: 2,' c.yaml
    for bus in 03 04; do
        expect "kind: gpu, name: \"NVIDIA H100 80GB HBM3\", pci: \"0000:$bus:00.0\", memory: 85.520809984 GB, links: 18, link_rate: 478.116 GB/s\}" flat
    done
    refuse 'cut into instances|GPUs of' c.yaml
}

two_kinds() { # in one node
    export STUB_GPUS=h100,pcie
    probe_alone all 0
    expect 'name: "NVIDIA H100 80GB HBM3", pci: "0000:03:00.0", memory: 85.520809984 GB, links: 18' flat
    expect 'name: "NVIDIA A100 80GB PCIe", pci: "0000:04:00.0", memory: 85.89934592 GB\}' flat
    expect 'note: .*unlike GPUs in one node: NVIDIA H100 80GB HBM3, NVIDIA A100 80GB PCIe' flat
}

mig() {
    export STUB_GPUS=a100,mig
    probe_alone all 0
    expect 'pci: "0000:03:00.0", memory: 85.89934592 GB, links: 12, link_rate: 309.372 GB/s\}' flat
    expect 'pci: "0000:04:00.0", .*note: "cut into instances \(MIG\)"\}' flat
    expect 'note: 1 of the GPUs of .* are cut into instances \(MIG\)' err
}

some_denied() { # GPUs of another job are no parts of this one's nodes
    export STUB_GPUS=denied,h100,denied,h100
    probe_alone all 0
    expect 'libraries: "NVML: driver 550.54.15, 2 GPUs' c.yaml
    expect 'node: \{devices: 2,' c.yaml
    expect 'pci: "0000:04:00.0"' c.yaml
    refuse 'pci: "0000:03:00.0"' c.yaml
}

old_driver() { # which knows no MIG
    export STUB_GPUS=mig
    probe_alone old 0
    expect 'links: 12' c.yaml
    refuse 'MIG' c.yaml
}

lost() {
    export STUB_GPUS=h100 STUB_FAIL=nvmlInit_v2:9
    probe_alone all 0
    expect 'libraries: "NVML: Driver Not Loaded' c.yaml
    refuse 'kind: gpu' c.yaml
    STUB_FAIL=nvmlDeviceGetPciInfo_v3:15 probe_alone all 0
    expect 'libraries: "NVML: GPU is lost' c.yaml
    refuse 'kind: gpu' c.yaml
    # What can be missing without harm.
    STUB_FAIL=nvmlDeviceGetMemoryInfo:3,nvmlDeviceGetFieldValues:3,nvmlDeviceGetMigMode:3 probe_alone all 0
    expect 'kind: gpu, name: "NVIDIA H100 80GB HBM3", pci: "0000:03:00.0", links: 18\}' flat
}

lacking() {
    probe_alone lacking 0
    expect 'libraries: "NVML: libnvidia-ml.so.1 lacks nvmlInit_v2' c.yaml
}

broken() {
    probe_alone broken 0
    expect 'NVML: .*libnvidia-ml.so.1: (file too short|invalid ELF header)' flat
}

host_only() {
    export STUB_GPUS=h100
    probe_alone all 0 --host-only
    refuse 'libraries:|kind: gpu' c.yaml
}

case $case_name in
absent | h100 | two_kinds | mig | some_denied | old_driver | lost | lacking | broken | host_only)
    $case_name
    ;;
*)
    echo "no case $case_name" >&2
    exit 2
    ;;
esac
echo "$case_name: good"
