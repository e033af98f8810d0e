/* libcuda.so.1 for tests; see stub.h. Memory of the GPU is memory of the process, so that MPI can use it. All
 * GPUs share one clock in a process, which has one.
 *
 * STUB_SLOW=N: GPU number N does everything at half the rate. STUB_ENDLESS=N: from the N-th event on, nothing
 * is ever done. STUB_SAME_GPU: every process sees the same one. */
#include <stdint.h>
#include <stdio.h>

#include "tests/gpu/stub.h"
#include "tests/gpu/stub_clock.h"

#define EXPORT __attribute__((visibility("default")))
enum { INVALID_DEVICE = 101, NOT_READY = 600, UUID_BYTES = 16 };
static const double copy_bytes_per_second = 2.8e12; /* read and written both counted */
static const double link_bytes_per_second = 55e9;

struct uuid {
    char bytes[UUID_BYTES];
};
struct event {
    double at;
};

int EXPORT cuInit(unsigned flags);
int EXPORT cuGetErrorString(int error, const char **text);
int EXPORT cuDriverGetVersion(int *version);
int EXPORT cuDeviceGetCount(int *count);
int EXPORT cuDeviceGet(int *device, int ordinal);
int EXPORT cuDeviceGetName(char *name, int length, int device);
int EXPORT cuDeviceGetUuid(struct uuid *uuid, int device);
int EXPORT cuDeviceGetUuid_v2(struct uuid *uuid, int device);
int EXPORT cuDeviceGetPCIBusId(char *address, int length, int device);
int EXPORT cuDeviceTotalMem_v2(size_t *bytes, int device);
int EXPORT cuDevicePrimaryCtxRetain(void **context, int device);
int EXPORT cuCtxSetCurrent(void *context);
int EXPORT cuStreamCreate(void **stream, unsigned flags);
int EXPORT cuEventCreate(struct event **event, unsigned flags);
int EXPORT cuEventRecord(struct event *event, void *stream);
int EXPORT cuEventQuery(struct event *event);
int EXPORT cuEventElapsedTime(float *milliseconds, struct event *begin, struct event *end);
int EXPORT cuMemAlloc_v2(unsigned long long *address, size_t bytes);
int EXPORT cuMemFree_v2(unsigned long long address);
int EXPORT cuMemAllocHost_v2(void **memory, size_t bytes);
int EXPORT cuMemFreeHost(void *memory);
int EXPORT cuMemcpyDtoDAsync_v2(unsigned long long to, unsigned long long from, size_t bytes, void *stream);
int EXPORT cuMemcpyHtoDAsync_v2(unsigned long long to, const void *from, size_t bytes, void *stream);
int EXPORT cuMemcpyDtoHAsync_v2(void *to, unsigned long long from, size_t bytes, void *stream);

EXPORT double stub_clock_seconds = 0, stub_clock_pace = 1;
static int events;

int cuInit(unsigned flags) {
    (void)flags;
    return stub_status("cuInit");
}

int cuGetErrorString(int error, const char **text) {
    *text = error == 100 ? "no CUDA-capable device is detected" : error == 2 ? "out of memory" : NULL;
    return *text != NULL ? 0 : 1;
}

int cuDriverGetVersion(int *version) {
    *version = 12040;
    return 0;
}

/* NVML shows all GPUs, CUDA those of the job. */
static const struct stub_gpu *gpu_number(int ordinal, int *count) {
    const struct stub_gpu *all[STUB_GPUS_MAX], *found = NULL;
    unsigned gpus = stub_gpus(all);
    *count = 0;
    for (unsigned i = 0; i < gpus; i++)
        if (!all[i]->denied && (*count)++ == ordinal)
            found = all[i];
    return found;
}

int cuDeviceGetCount(int *count) {
    gpu_number(0, count);
    return stub_status("cuDeviceGetCount");
}

int cuDeviceGet(int *device, int ordinal) {
    int count;
    *device = ordinal;
    return gpu_number(ordinal, &count) != NULL ? stub_status("cuDeviceGet") : INVALID_DEVICE;
}

int cuDeviceGetName(char *name, int length, int device) {
    int count;
    snprintf(name, (size_t)length, "%s", gpu_number(device, &count)->name);
    return stub_status("cuDeviceGetName");
}

int cuDeviceGetUuid(struct uuid *uuid, int device) {
    *uuid = (struct uuid){{0}};
    uuid->bytes[0] = (char)(getenv("STUB_SAME_GPU") != NULL ? 0 : device);
    return stub_status("cuDeviceGetUuid");
}

#ifndef STUB_OLD_DRIVER
int cuDeviceGetUuid_v2(struct uuid *uuid, int device) {
    return cuDeviceGetUuid(uuid, device);
}
#endif

int cuDeviceGetPCIBusId(char *address, int length, int device) {
    enum { FIRST_BUS = 3 };
    snprintf(address, (size_t)length, "0000:%02X:00.0", (unsigned)(FIRST_BUS + device));
    return stub_status("cuDeviceGetPCIBusId");
}

int cuDeviceTotalMem_v2(size_t *bytes, int device) {
    int count;
    const size_t kept = 480 << 20; /* by the driver */
    *bytes = (size_t)gpu_number(device, &count)->memory_bytes - kept;
    return stub_status("cuDeviceTotalMem_v2");
}

int cuDevicePrimaryCtxRetain(void **context, int device) {
    const char *slow = getenv("STUB_SLOW");
    stub_clock_pace = slow != NULL && atoi(slow) == device ? 2 : 1;
    *context = &stub_clock_pace;
    return stub_status("cuDevicePrimaryCtxRetain");
}

int cuCtxSetCurrent(void *context) {
    return context == &stub_clock_pace ? stub_status("cuCtxSetCurrent") : INVALID_DEVICE;
}

int cuStreamCreate(void **stream, unsigned flags) {
    (void)flags;
    *stream = &stub_clock_seconds;
    return stub_status("cuStreamCreate");
}

int cuEventCreate(struct event **event, unsigned flags) {
    (void)flags;
    *event = calloc(1, sizeof **event);
    return stub_status("cuEventCreate");
}

int cuEventRecord(struct event *event, void *stream) {
    event->at = *(double *)stream;
    events++;
    return stub_status("cuEventRecord");
}

/* The first look always comes too early. */
int cuEventQuery(struct event *event) {
    static const struct event *looked_at;
    const char *endless = getenv("STUB_ENDLESS");
    if (endless != NULL && events >= atoi(endless))
        return NOT_READY;
    if (looked_at != event) {
        looked_at = event;
        return NOT_READY;
    }
    looked_at = NULL;
    return stub_status("cuEventQuery");
}

int cuEventElapsedTime(float *milliseconds, struct event *begin, struct event *end) {
    *milliseconds = (float)((end->at - begin->at) * 1e3);
    return stub_status("cuEventElapsedTime");
}

static void *pointer_to(unsigned long long address) {
    void *memory;
    memcpy(&memory, &address, sizeof memory);
    return memory;
}

int cuMemAlloc_v2(unsigned long long *address, size_t bytes) {
    int status = stub_status("cuMemAlloc_v2");
    *address = status == 0 ? (unsigned long long)(uintptr_t)malloc(bytes) : 0;
    return status;
}

int cuMemFree_v2(unsigned long long address) {
    free(pointer_to(address));
    return 0;
}

int cuMemAllocHost_v2(void **memory, size_t bytes) {
    *memory = malloc(bytes);
    return stub_status("cuMemAllocHost_v2");
}

int cuMemFreeHost(void *memory) {
    free(memory);
    return 0;
}

int cuMemcpyDtoDAsync_v2(unsigned long long to, unsigned long long from, size_t bytes, void *stream) {
    if (to == 0 || from == 0 || stream != &stub_clock_seconds)
        return 1;
    stub_clock_add(2 * (double)bytes / copy_bytes_per_second);
    return stub_status("cuMemcpyDtoDAsync_v2");
}

int cuMemcpyHtoDAsync_v2(unsigned long long to, const void *from, size_t bytes, void *stream) {
    if (stream != &stub_clock_seconds)
        return 1;
    memcpy(pointer_to(to), from, bytes);
    stub_clock_add((double)bytes / link_bytes_per_second);
    return stub_status("cuMemcpyHtoDAsync_v2");
}

int cuMemcpyDtoHAsync_v2(void *to, unsigned long long from, size_t bytes, void *stream) {
    if (stream != &stub_clock_seconds || to == NULL || from == 0)
        return 1;
    stub_clock_add((double)bytes / link_bytes_per_second);
    return stub_status("cuMemcpyDtoHAsync_v2");
}
