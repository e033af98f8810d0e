#!/bin/bash
# run.sh CASE BUILD SOURCE: clusterprobe on a node whose GPUs are stand-ins (stub.h), which have exact figures.
set -u
# The stand-in of MPI is loaded before the sanitizer.
export ASAN_OPTIONS=detect_leaks=0:verify_asan_link_order=0 OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
case_name=$1 build=$2 source=$3
probe=$build/clusterprobe
stubs=$build/tests/gpu/stubs
work=$(mktemp -d)
cd "$work" || exit 1
echo 'parameters: 1B' >model.yaml
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

# The same with several ranks, in a count of hosts: probe_job FOLDER STATUS HOSTS RANKS_A_HOST ARGS...
probe_job() {
    folder=$1 wanted=$2 hosts=$3 ranks=$4
    shift 4
    line=()
    host=0
    while [ "$host" -lt "$hosts" ]; do
        line+=(${line[@]+:} -np "$ranks" env SLURMD_NODENAME="h$host" "$probe" -o c.yaml "$@")
        host=$((host + 1))
    done
    if mpirun --version 2>&1 | grep -q 'Open MPI'; then
        set -- mpirun --oversubscribe --bind-to none "${line[@]}"
    else
        set -- mpiexec "${line[@]}"
    fi
    LD_LIBRARY_PATH=$stubs/$folder LD_PRELOAD=${preload-} timeout 100 "$@" >out 2>err
    status=$?
    [ "$status" -eq "$wanted" ] || fail "status $status, not $wanted, of $*"
    [ ! -e c.yaml ] || tr -s ' \n' ' ' <c.yaml >flat
}

expect() { # PATTERN FILE
    grep -Eq -- "$1" "$2" || fail "no line like '$1' in $2: $(head -c 3000 "$2")"
}

refuse() { # PATTERN FILE
    ! grep -Eq -- "$1" "$2" || fail "a line like '$1' in $2"
}

absent() {
    ! ldconfig -p | grep -Eq 'libcuda.so.1|libnvidia-ml.so.1' || { echo "skipped: this machine has a driver"; exit 77; }
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
    expect 'libraries: "NVML: libnvidia-ml.so.1 lacks nvmlInit_v2; CUDA: libcuda.so.1 lacks cuInit"' flat
}

broken() {
    probe_alone broken 0
    expect 'NVML: .*libnvidia-ml.so.1: (file too short|invalid ELF header)' flat
    expect 'CUDA: .*libcuda.so.1: (file too short|invalid ELF header)' flat
}

lacking_above() { # CUDA is whole, what stands on it isn't
    mkdir mixed
    ln -s "$stubs"/all/lib{cuda,nvidia-ml}.so.1 "$stubs"/lacking/lib{cublas.so.12,nccl.so.2} mixed
    stubs=$work
    probe_alone mixed 0
    expect '; CUDA 12.4; cuBLAS: libcublas.so.12 lacks cublasCreate_v2; NCCL: libnccl.so.2 lacks ncclGetVersion; MPI takes no buffers of GPUs"' flat
    expect 'note: a GPU was not measured: rank 0 on .*: cuBLAS: not loaded' err
    expect 'what: gpu_memory_bandwidth, .* median: 2.8 TB/s' flat
    refuse 'what: matrix_product' c.yaml
}

# What the stand-ins do in a known time comes out as such.
alone() {
    export STUB_GPUS=h100
    probe_alone all 0
    expect 'libraries: "NVML: driver 550.54.15, 1 GPU; CUDA 12.4; cuBLAS 12.4.5; NCCL 2.21.5; MPI takes no buffers of GPUs"' flat
    expect 'host_link: 55 GB/s' c.yaml
    expect 'from: "base: links; measured: host_memory, devices, host_link"' flat
    expect '^    memory: 85.017493504 GB' c.yaml # as CUDA has it, without the driver's own
    expect '^    from: "base; measured: memory, memory_efficiency, product"' c.yaml
    expect 'product: \{edge: 8192, rate: 700 TFLOP/s\}' c.yaml
    expect 'memory_efficiency: 0.835821' c.yaml # 2.8 of 3.35 TB/s
    expect 'what: gpu_memory_bandwidth, between: "[^"]*:0", members: 1, count: 10, median: 2.8 TB/s' flat
    expect 'what: host_link_bandwidth, .* median: 55 GB/s' flat
    expect 'what: matrix_product, .* median: 1.57073 ms' flat
    # And the planner says what it does with it.
    "$build/clusterplan" explain --cluster c.yaml --model model.yaml --devices 1 >out 2>err || fail "explain"
    tr -s ' \n' ' ' <out >flat
    expect 'figures of the device H100-SXM5-80GB: base; measured: memory, memory_efficiency, product' flat
    expect 'matrix products at 0.967 of their usual rate, as one of 8192 reached' flat
    expect 'TFLOP/s \(0.967 of the usual, measured\)' flat
}

no_memory() {
    export STUB_GPUS=h100 STUB_FAIL=cuMemAlloc_v2:2
    probe_alone all 0
    expect 'note: a GPU was not measured: rank 0 on .*: cuMemAlloc: out of memory' err
    expect '^    from: "base; measured: memory"' c.yaml
    refuse 'gpu_memory_bandwidth|what: matrix_product' c.yaml
}

no_driver() { # CUDA is installed, but the kernel has no driver for it
    export STUB_FAIL=nvmlInit_v2:9,cuInit:100
    probe_alone all 0
    expect 'libraries: "NVML: Driver Not Loaded; CUDA: cuInit: no CUDA-capable device is detected"' flat
    expect '^    from: base' c.yaml
}

failing_calls() { # each call of CUDA and cuBLAS that can fail, by its name in the notes
    export STUB_GPUS=h100
    for call in cuDeviceGetCount cuDeviceGet cuDeviceGetName cuDeviceGetPCIBusId cuDeviceGetUuid cuDeviceTotalMem_v2:cuDeviceTotalMem \
        cuDevicePrimaryCtxRetain cuCtxSetCurrent cuStreamCreate cuEventCreate; do
        STUB_FAIL=${call%:*}:7 probe_alone all 0 --time-limit 20
        expect "CUDA: ${call#*:}: unknown error" flat
        refuse 'what: gpu_memory' c.yaml
    done
    for call in cuEventRecord cuEventQuery cuEventElapsedTime cuMemAllocHost_v2:cuMemAllocHost \
        cuMemcpyDtoDAsync_v2:cuMemcpyDtoDAsync cuMemcpyHtoDAsync_v2:cuMemcpyHtoDAsync \
        cuMemcpyDtoHAsync_v2:cuMemcpyDtoHAsync cublasGemmEx cublasSetStream_v2:cublasSetStream; do
        STUB_FAIL=${call%:*}:7 probe_alone all 0 --time-limit 20
        expect "a GPU was not measured: rank 0 on .*: ${call#*:}: (unknown error|status 7)" err
    done
    STUB_FAIL=cublasCreate_v2:3 probe_alone all 0
    expect 'CUDA 12.4; cuBLAS: cublasCreate: status 3; NCCL' flat
}

endless() { # work that is never done is given up at its deadline
    export STUB_GPUS=h100 STUB_ENDLESS=1
    probe_alone all 0 --time-limit 20
    expect 'a GPU was not measured: rank 0 on .*: the GPU: not done after 1[0-9] s' err
    refuse 'gpu_memory_bandwidth' c.yaml
}

nccl() { # four GPUs of one node
    export STUB_GPUS=h100,h100,h100,h100
    probe_job all 0 1 4
    expect 'name: nvlink' c.yaml
    expect 'bandwidth: 235.784 GB/s latency: 10.0043 us from: "measured by NCCL 2.21.5"' flat
    for operation in all_reduce all_gather reduce_scatter all_to_all; do
        expect "$operation: \{latency: 9 us, latency_per_member: 1 us, bandwidth: 300 GB/s, fit_error: 0.001, from: \"measured by NCCL 2.21.5\"\}" flat
    done
    expect 'send_receive: \{latency: 10 us, bandwidth: 240 GB/s, fit_error: 0.001, from: "measured by NCCL 2.21.5"\}' flat
    expect 'what: all_reduce, transport: nccl, between: "4 ranks from h0:0 on", message: 134.217728 MB, members: 4, count: 10, median: 683.[0-9]* us' flat
    expect '^collective,all_to_all,h0,0,h0,0,4,134217728,.*,nccl$' c.pairs.csv
    "$build/clusterplan" explain --cluster c.yaml --model model.yaml --devices 4 --layout "tp=4" >out 2>err || fail "explain"
    tr -s ' \n' ' ' <out >flat
    expect 'over 4 ranks 1 apart, level nvlink: bus bandwidth 300 GB/s, latency 12 us \(measured by NCCL 2.21.5\)' flat
}

nccl_hosts() { # two hosts of two GPUs
    export STUB_GPUS=h100,h100 STUB_NODE_RANKS=2
    probe_job all 0 2 2
    # Latency and bandwidth of the group of all four, whose members are nowhere fewer.
    expect 'name: network .*all_reduce: \{latency: 24 us, bandwidth: 90 GB/s, fit_error: 0.001, from: "measured by NCCL 2.21.5"\}' flat
    expect 'send_receive: \{latency: 22 us, bandwidth: 240 GB/s, fit_error: 0.001, from: "measured by NCCL 2.21.5"\}' flat
    expect 'level: network, what: all_gather, transport: nccl, between: "4 ranks from h0:0 on"' flat
    expect 'level: network, what: all_gather, between: "2 ranks from h0:0 on"' flat # MPI's stay beside it
}

nccl_fails() { # and all but NCCL is measured
    export STUB_GPUS=h100,h100
    # A run that can't write its matrix keeps what it measured, which those after it take over.
    { until [ -e c.yaml.partial ]; do sleep 0.1; done; mkdir c.pairs.csv; } &
    STUB_FAIL=ncclCommInitRankConfig:2 probe_job all 2 1 2
    wait
    expect 'NCCL was given up: rank [01] on h0: ncclCommInitRankConfig: unhandled system error \(member 0 of 2\)' err
    rmdir c.pairs.csv
    mv c.yaml.partial journal
    for fault in "ncclGetUniqueId:2 ncclGetUniqueId: unhandled system error" \
        "ncclCommGetAsyncError:3 ncclCommInitRank: internal error" "ncclGroupStart:3 ncclGroupStart: internal error" \
        "ncclSend:3 ncclSend: internal error" "ncclRecv:3 ncclRecv: internal error" "ncclGroupEnd:3 ncclGroupEnd: internal error" \
        "ncclReduceScatter:3 ncclReduceScatter: internal error"; do
        cp journal c.yaml.partial
        STUB_FAIL=${fault%% *} probe_job all 0 1 2 --resume
        expect "NCCL was given up: .*: ${fault#* }" err
        case $fault in ncclGet* | ncclComm*) refuse 'nccl$' c.pairs.csv ;; esac
    done
    expect 'what: matrix_product' c.yaml
    expect 'what: all_reduce, between' flat
    expect 'what: all_gather, transport: nccl' flat # what came before stays
    expect 'all_reduce: \{.*from: "measured by NCCL' flat
}

nccl_hangs() { # while the ranks are brought together
    export STUB_GPUS=h100,h100 STUB_FAIL=ncclPending:1
    probe_job all 0 1 2 --time-limit 60
    expect 'NCCL was given up: .*: NCCL: no communicator within 20 s \(member 0 of 2\)' err
    expect 'what: matrix_product' c.yaml
}

driver_hangs() { # in a call that never returns: the watchdog's
    export STUB_GPUS=h100 STUB_HANG=nvmlInit_v2
    probe_alone all 1
    expect 'error: no end of NVML describing the GPUs within 25 s' err
    [ ! -e c.yaml ] || fail "a result was written"
}

buffers_of_gpus() { # MPI that takes addresses of GPUs
    export STUB_GPUS=h100,h100
    preload=$stubs/aware/aware.so probe_job all 0 1 2
    expect 'MPI takes buffers of GPUs' flat
    expect '^local,bandwidth,h0,0,h0,1,.*,mpi-gpu$' c.pairs.csv
    expect '^sweep,latency,h0,0,h0,1,1,8,.*,mpi-gpu$' c.pairs.csv
    expect 'what: exchange_bandwidth, transport: mpi-gpu' flat
    expect 'from: "measured by NCCL' flat # which comes first
    mkdir without
    ln -s "$stubs"/all/lib{cuda.so.1,nvidia-ml.so.1,cublas.so.12} "$stubs"/lacking/libnccl.so.2 without
    aware=$stubs/aware/aware.so
    stubs=$work
    preload=$aware probe_job without 0 1 2
    expect 'NCCL: libnccl.so.2 lacks ncclGetVersion; MPI takes buffers of GPUs' flat
    expect 'name: nvlink .* from: "measured by MPI between GPUs" collectives: .* send_receive: .*bandwidth: .*from: "measured by MPI between GPUs"' flat
    expect 'all_reduce: \{[^}]*from: base\}' flat
}

too_many_ranks() { # than GPUs, or that see the same one
    export STUB_GPUS=h100,h100
    probe_job all 0 1 3
    expect 'note: 1 of 3 ranks have no GPU of their own, so none is measured with others; rank 2: CUDA: more ranks than GPUs' err
    expect 'what: matrix_product, between: "h0:1"' flat
    refuse 'nccl$' c.pairs.csv
    STUB_SAME_GPU=1 probe_job all 0 1 2 --quick
    expect 'note: 1 of 2 ranks have no GPU of their own.*; rank 1: it has the GPU of rank 0' err
    refuse 'what: matrix_product, between: "h0:1"' flat
}

slow_gpu() { # is named with its host
    export STUB_GPUS=h100,h100,h100 STUB_SLOW=2
    probe_job all 0 1 3 --quick
    expect 'name: h0, class: class0, compute_factor: 0\.5, note: "the GPU of rank 2 copies in its memory at 0.50 of the usual rate; the GPU of rank 2 sends to its host at 0.50 of the usual rate; the GPU of rank 2 multiplies at 0.50 of the usual rate"' flat
    expect '^host h0: the GPU of rank 2 copies' out
}

host_only() {
    export STUB_GPUS=h100
    probe_alone all 0 --host-only
    refuse 'libraries:|kind: gpu' c.yaml
}

case $case_name in
absent | h100 | two_kinds | mig | some_denied | old_driver | lost | lacking | broken | host_only | lacking_above | alone | no_memory | no_driver | failing_calls | endless | nccl | nccl_hosts | nccl_fails | buffers_of_gpus | too_many_ranks | slow_gpu | nccl_hangs | driver_hangs)
    $case_name
    ;;
*)
    echo "no case $case_name" >&2
    exit 2
    ;;
esac
echo "$case_name: good"
