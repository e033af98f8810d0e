#include "probe/gpu.h"

#include <ctype.h>
#include <dlfcn.h>
#include <mpi.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "common/clock.h"
#include "probe/library.h"
#include "probe/matrix_product.h"
#include "probe/nccl.h"

/* Declared here is what is used of CUDA's driver interface (cuda.h of CUDA 12; documented at
 * docs.nvidia.com/cuda/cuda-driver-api). Names are those of the library: cuda.h maps cuMemAlloc to
 * cuMemAlloc_v2 and so on. All are there since CUDA 7, but for the optional one. */
typedef int cuda_result; /* an enum: 0 CUDA_SUCCESS, 600 CUDA_ERROR_NOT_READY */
typedef int cuda_device;
typedef unsigned long long cuda_address;
struct cuda_context;
struct cuda_event;
struct cuda_uuid {
    unsigned char bytes[GPU_UUID_BYTES];
};
enum { CUDA_SUCCESS = 0, CUDA_ERROR_NOT_READY = 600, CU_STREAM_NON_BLOCKING = 1 };

static struct cuda {
    cuda_result (*init)(unsigned);
    cuda_result (*error_string)(cuda_result, const char **);
    cuda_result (*driver_version)(int *);
    cuda_result (*device_count)(int *);
    cuda_result (*device_get)(cuda_device *, int);
    cuda_result (*device_name)(char *, int, cuda_device);
    cuda_result (*device_uuid)(struct cuda_uuid *, cuda_device);
    cuda_result (*instance_uuid)(struct cuda_uuid *, cuda_device);
    cuda_result (*device_memory)(size_t *, cuda_device);
    cuda_result (*device_pci)(char *, int, cuda_device);
    cuda_result (*context_retain)(struct cuda_context **, cuda_device);
    cuda_result (*context_set)(struct cuda_context *);
    cuda_result (*stream_create)(struct gpu_stream **, unsigned);
    cuda_result (*event_create)(struct cuda_event **, unsigned);
    cuda_result (*event_record)(struct cuda_event *, struct gpu_stream *);
    cuda_result (*event_query)(struct cuda_event *);
    cuda_result (*event_elapsed)(float *, struct cuda_event *, struct cuda_event *);
    cuda_result (*allocate)(cuda_address *, size_t);
    cuda_result (*release)(cuda_address);
    cuda_result (*allocate_host)(void **, size_t);
    cuda_result (*release_host)(void *);
    cuda_result (*copy)(cuda_address, cuda_address, size_t, struct gpu_stream *);
    cuda_result (*copy_in)(cuda_address, const void *, size_t, struct gpu_stream *);
    cuda_result (*copy_out)(void *, cuda_address, size_t, struct gpu_stream *);
} cuda;

static const char *const names[] = {"libcuda.so.1", NULL};
static const struct library_symbol symbols[] = {
    {"cuInit", offsetof(struct cuda, init), false},
    {"cuGetErrorString", offsetof(struct cuda, error_string), false},
    {"cuDriverGetVersion", offsetof(struct cuda, driver_version), false},
    {"cuDeviceGetCount", offsetof(struct cuda, device_count), false},
    {"cuDeviceGet", offsetof(struct cuda, device_get), false},
    {"cuDeviceGetName", offsetof(struct cuda, device_name), false},
    {"cuDeviceGetUuid", offsetof(struct cuda, device_uuid), false},
    {"cuDeviceGetUuid_v2", offsetof(struct cuda, instance_uuid), true}, /* CUDA 11.4: of a MIG instance */
    {"cuDeviceTotalMem_v2", offsetof(struct cuda, device_memory), false},
    {"cuDeviceGetPCIBusId", offsetof(struct cuda, device_pci), false},
    {"cuDevicePrimaryCtxRetain", offsetof(struct cuda, context_retain), false},
    {"cuCtxSetCurrent", offsetof(struct cuda, context_set), false},
    {"cuStreamCreate", offsetof(struct cuda, stream_create), false},
    {"cuEventCreate", offsetof(struct cuda, event_create), false},
    {"cuEventRecord", offsetof(struct cuda, event_record), false},
    {"cuEventQuery", offsetof(struct cuda, event_query), false},
    {"cuEventElapsedTime", offsetof(struct cuda, event_elapsed), false},
    {"cuMemAlloc_v2", offsetof(struct cuda, allocate), false},
    {"cuMemFree_v2", offsetof(struct cuda, release), false},
    {"cuMemAllocHost_v2", offsetof(struct cuda, allocate_host), false},
    {"cuMemFreeHost", offsetof(struct cuda, release_host), false},
    {"cuMemcpyDtoDAsync_v2", offsetof(struct cuda, copy), false},
    {"cuMemcpyHtoDAsync_v2", offsetof(struct cuda, copy_in), false},
    {"cuMemcpyDtoHAsync_v2", offsetof(struct cuda, copy_out), false},
};

static struct gpu_stream *stream;
static struct cuda_event *begin_event, *end_event;
static char fault[GPU_TEXT];

const char *gpu_fault(void) {
    return fault;
}

bool gpu_fail(const char *what, const char *why) {
    snprintf(fault, sizeof fault, "%.40s: %.110s", what, why);
    return false;
}

/* True of success; else the fault is named after the function. */
static bool good(cuda_result result, const char *function) {
    const char *why = NULL;
    if (result == CUDA_SUCCESS)
        return true;
    bool known = cuda.error_string(result, &why) == CUDA_SUCCESS && why != NULL;
    return gpu_fail(function, known ? why : "unknown error");
}

/* A device address fits a pointer, and MPI and NCCL take it as one. */
static cuda_address address_of(const void *memory) {
    return (cuda_address)(uintptr_t)memory;
}

static bool describe_device(cuda_device device, struct gpu_summary *summary) {
    struct cuda_uuid uuid;
    size_t bytes;
    if (!good(cuda.device_name(summary->name, sizeof summary->name, device), "cuDeviceGetName") ||
        !good(cuda.device_memory(&bytes, device), "cuDeviceTotalMem") ||
        !good(cuda.device_pci(summary->pci, sizeof summary->pci, device), "cuDeviceGetPCIBusId") ||
        !good(cuda.instance_uuid != NULL ? cuda.instance_uuid(&uuid, device)
                                         : cuda.device_uuid(&uuid, device),
              "cuDeviceGetUuid"))
        return false;
    summary->memory_bytes = (double)bytes;
    for (char *digit = summary->pci; *digit != '\0'; digit++)
        *digit = (char)tolower((unsigned char)*digit);
    memcpy(summary->uuid, uuid.bytes, sizeof summary->uuid);
    return true;
}

/* The context that CUDA's runtime, and so MPI and NCCL, take as well. */
static bool open_device(int32_t local, struct gpu_summary *summary) {
    int count = 0;
    cuda_device device;
    struct cuda_context *context;
    if (!good(cuda.init(0), "cuInit") || !good(cuda.device_count(&count), "cuDeviceGetCount"))
        return false;
    if (count == 0 || (count > 1 && local >= count)) {
        snprintf(fault, sizeof fault, count == 0 ? "no GPU" : "more ranks than GPUs");
        return false;
    }
    return good(cuda.device_get(&device, count == 1 ? 0 : local), "cuDeviceGet") &&
           describe_device(device, summary) &&
           good(cuda.context_retain(&context, device), "cuDevicePrimaryCtxRetain") &&
           good(cuda.context_set(context), "cuCtxSetCurrent") &&
           good(cuda.stream_create(&stream, CU_STREAM_NON_BLOCKING), "cuStreamCreate") &&
           good(cuda.event_create(&begin_event, 0), "cuEventCreate") &&
           good(cuda.event_create(&end_event, 0), "cuEventCreate");
}

/* Open MPI and MPICH both have the question, but not all builds and not all other libraries. */
static int32_t mpi_takes_buffers(void) {
    int (*query)(void) = NULL;
    void *address = dlsym(RTLD_DEFAULT, "MPIX_Query_cuda_support");
    memcpy(&query, &address, sizeof query);
    return query != NULL && query() == 1 ? 1 : 0;
}

void gpu_open(int32_t local, struct gpu_summary *summary) {
    enum { MAJOR = 1000, MINOR = 10 }; /* 12040 is CUDA 12.4 */
    int version = 0;
    char why[GPU_TEXT - 8];
    memset(summary, 0, sizeof *summary);
    if (library_load(names, symbols, sizeof symbols / sizeof *symbols, &cuda, why, sizeof why) !=
        LIBRARY_READY) {
        snprintf(summary->words, sizeof summary->words, "CUDA: %s", why);
        return;
    }
    if (!open_device(local, summary)) {
        snprintf(summary->words, sizeof summary->words, "CUDA: %.150s", fault);
        return;
    }
    summary->usable = 1;
    cuda.driver_version(&version);
    snprintf(summary->words, sizeof summary->words, "CUDA %d.%d", version / MAJOR, version % MAJOR / MINOR);
    summary->mpi_takes_buffers = mpi_takes_buffers();
    matrix_product_open(summary->blas, sizeof summary->blas);
    summary->nccl_ready = nccl_open(summary->nccl, sizeof summary->nccl) ? 1 : 0;
}

void *gpu_allocate(size_t bytes) {
    cuda_address address = 0;
    void *memory;
    if (!good(cuda.allocate(&address, bytes), "cuMemAlloc"))
        return NULL;
    memcpy(&memory, &address, sizeof memory);
    return memory;
}

void gpu_free(void *memory) {
    if (memory != NULL)
        cuda.release(address_of(memory));
}

void *gpu_allocate_host(size_t bytes) {
    void *memory = NULL;
    return good(cuda.allocate_host(&memory, bytes), "cuMemAllocHost") ? memory : NULL;
}

void gpu_free_host(void *memory) {
    if (memory != NULL)
        cuda.release_host(memory);
}

bool gpu_copy(struct gpu_stream *queue, void *to, const void *from, size_t bytes) {
    return good(cuda.copy(address_of(to), address_of(from), bytes, queue), "cuMemcpyDtoDAsync");
}

bool gpu_copy_in(struct gpu_stream *queue, void *to, const void *from, size_t bytes) {
    return good(cuda.copy_in(address_of(to), from, bytes, queue), "cuMemcpyHtoDAsync");
}

bool gpu_copy_out(struct gpu_stream *queue, void *to, const void *from, size_t bytes) {
    return good(cuda.copy_out(to, address_of(from), bytes, queue), "cuMemcpyDtoHAsync");
}

/* Polls for the end of what is on the queue: to wait in the library would be without end. */
static bool wait_for_end(double limit_seconds) {
    const struct timespec pause = {0, 20000};
    double deadline = clock_seconds() + limit_seconds;
    for (;;) {
        cuda_result result = cuda.event_query(end_event);
        if (result != CUDA_ERROR_NOT_READY)
            return good(result, "cuEventQuery");
        if (clock_seconds() > deadline) {
            char why[64];
            snprintf(why, sizeof why, "not done after %.0f s", limit_seconds);
            return gpu_fail("the GPU", why);
        }
        nanosleep(&pause, NULL);
    }
}

bool gpu_time(bool (*enqueue)(struct gpu_stream *stream, void *context), void *context, int repeat,
              double limit_seconds, double *seconds) {
    const double millisecond = 1e-3;
    float milliseconds;
    if (!good(cuda.event_record(begin_event, stream), "cuEventRecord"))
        return false;
    for (int i = 0; i < repeat; i++)
        if (!enqueue(stream, context))
            return false;
    if (!good(cuda.event_record(end_event, stream), "cuEventRecord") || !wait_for_end(limit_seconds) ||
        !good(cuda.event_elapsed(&milliseconds, begin_event, end_event), "cuEventElapsedTime"))
        return false;
    *seconds = (double)milliseconds * millisecond / repeat;
    return true;
}
