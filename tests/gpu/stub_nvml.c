/* libnvidia-ml.so.1 for tests; see stub.h. */
#include <stdio.h>

#include "tests/gpu/stub.h"

#define EXPORT __attribute__((visibility("default")))
enum { INVALID_ARGUMENT = 2, NOT_SUPPORTED = 3, NO_PERMISSION = 4, SPEED_COMMON = 90, FIRST_BUS = 3 };

struct pci_info {
    char bus_id_legacy[16];
    unsigned domain, bus, device, pci_device_id, pci_subsystem_id;
    char bus_id[32];
};

struct memory {
    unsigned long long total, free, used;
};

struct field_value {
    unsigned field_id, scope_id;
    long long timestamp, latency;
    int type, status;
    unsigned long long value;
};

int EXPORT nvmlInit_v2(void);
int EXPORT nvmlShutdown(void);
const char EXPORT *nvmlErrorString(int status);
int EXPORT nvmlSystemGetDriverVersion(char *version, unsigned length);
int EXPORT nvmlDeviceGetCount_v2(unsigned *count);
int EXPORT nvmlDeviceGetHandleByIndex_v2(unsigned index, void **device);
int EXPORT nvmlDeviceGetName(void *device, char *name, unsigned length);
int EXPORT nvmlDeviceGetPciInfo_v3(void *device, struct pci_info *pci);
int EXPORT nvmlDeviceGetMemoryInfo(void *device, struct memory *memory);
int EXPORT nvmlDeviceGetNvLinkState(void *device, unsigned link, int *active);
int EXPORT nvmlDeviceGetFieldValues(void *device, int count, struct field_value *values);
int EXPORT nvmlDeviceGetMigMode(void *device, unsigned *current, unsigned *pending);

static const struct stub_gpu *gpus[STUB_GPUS_MAX];
static unsigned count_of_gpus;

static const struct stub_gpu *gpu_of(void *device) {
    return *(const struct stub_gpu *const *)device;
}

int nvmlInit_v2(void) {
    count_of_gpus = stub_gpus(gpus);
    return stub_status("nvmlInit_v2");
}

int nvmlShutdown(void) {
    return stub_status("nvmlShutdown");
}

const char *nvmlErrorString(int status) {
    return status == 9 ? "Driver Not Loaded" : status == 15 ? "GPU is lost" : "Unknown Error";
}

int nvmlSystemGetDriverVersion(char *version, unsigned length) {
    snprintf(version, length, "550.54.15");
    return stub_status("nvmlSystemGetDriverVersion");
}

int nvmlDeviceGetCount_v2(unsigned *count) {
    *count = count_of_gpus;
    return stub_status("nvmlDeviceGetCount_v2");
}

int nvmlDeviceGetHandleByIndex_v2(unsigned index, void **device) {
    if (index >= count_of_gpus)
        return INVALID_ARGUMENT;
    *device = &gpus[index];
    return gpus[index]->denied ? NO_PERMISSION : stub_status("nvmlDeviceGetHandleByIndex_v2");
}

int nvmlDeviceGetName(void *device, char *name, unsigned length) {
    snprintf(name, length, "%s", gpu_of(device)->name);
    return stub_status("nvmlDeviceGetName");
}

int nvmlDeviceGetPciInfo_v3(void *device, struct pci_info *pci) {
    unsigned index = (unsigned)((const struct stub_gpu **)device - gpus);
    *pci = (struct pci_info){.bus = FIRST_BUS + index};
    return stub_status("nvmlDeviceGetPciInfo_v3");
}

int nvmlDeviceGetMemoryInfo(void *device, struct memory *memory) {
    *memory = (struct memory){.total = gpu_of(device)->memory_bytes};
    return stub_status("nvmlDeviceGetMemoryInfo");
}

int nvmlDeviceGetNvLinkState(void *device, unsigned link, int *active) {
    if (gpu_of(device)->links == 0)
        return NOT_SUPPORTED;
    *active = (int)link < gpu_of(device)->links ? 1 : 0;
    return stub_status("nvmlDeviceGetNvLinkState");
}

int nvmlDeviceGetFieldValues(void *device, int count, struct field_value *values) {
    for (int i = 0; i < count; i++) {
        values[i].status = values[i].field_id == SPEED_COMMON ? 0 : NOT_SUPPORTED;
        values[i].value = gpu_of(device)->link_megabytes_per_second;
    }
    return stub_status("nvmlDeviceGetFieldValues");
}

#ifndef STUB_OLD_DRIVER /* older than MIG */
int nvmlDeviceGetMigMode(void *device, unsigned *current, unsigned *pending) {
    *current = *pending = (unsigned)gpu_of(device)->mig;
    return stub_status("nvmlDeviceGetMigMode");
}
#endif
