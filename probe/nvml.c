#include "probe/nvml.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "common/units.h"
#include "probe/watchdog.h"

/* Declared here is what is used of nvml.h, API version 13 as github.com/NVIDIA/go-nvml carries it
 * (Apache-2.0); these functions and structs are the same in all versions since driver 450. */
struct nvml_device;
typedef int nvml_return; /* an enum: 0 NVML_SUCCESS, 4 NVML_ERROR_NO_PERMISSION */

struct nvml_pci_info {
    char bus_id_legacy[16];
    unsigned domain, bus, device, pci_device_id, pci_subsystem_id;
    char bus_id[32];
};

struct nvml_memory {
    unsigned long long total, free, used;
};

struct nvml_field_value {
    unsigned field_id, scope_id;
    long long timestamp, latency_microseconds;
    int value_type;
    nvml_return status;
    union {
        double floating;
        unsigned whole;
        unsigned long long large;
    } value;
};

enum {
    NVML_SUCCESS = 0,
    NVML_ERROR_NO_PERMISSION = 4,
    NVML_FEATURE_ENABLED = 1,
    NVML_DEVICE_MIG_ENABLE = 1,
    NVML_NVLINK_MAX_LINKS = 36,
    NVML_FI_DEV_NVLINK_SPEED_MBPS_COMMON = 90 /* of one active link, in 10^6 bytes a second */
};

struct nvml {
    nvml_return (*init)(void);
    nvml_return (*shutdown)(void);
    const char *(*error_string)(nvml_return);
    nvml_return (*driver_version)(char *, unsigned);
    nvml_return (*count)(unsigned *);
    nvml_return (*handle)(unsigned, struct nvml_device **);
    nvml_return (*name)(struct nvml_device *, char *, unsigned);
    nvml_return (*pci_info)(struct nvml_device *, struct nvml_pci_info *);
    nvml_return (*memory)(struct nvml_device *, struct nvml_memory *);
    nvml_return (*link_state)(struct nvml_device *, unsigned, int *);
    nvml_return (*field_values)(struct nvml_device *, int, struct nvml_field_value *);
    nvml_return (*mig_mode)(struct nvml_device *, unsigned *, unsigned *);
};

static const char *const names[] = {"libnvidia-ml.so.1", NULL};
static const struct library_symbol symbols[] = {
    {"nvmlInit_v2", offsetof(struct nvml, init), false},
    {"nvmlShutdown", offsetof(struct nvml, shutdown), false},
    {"nvmlErrorString", offsetof(struct nvml, error_string), false},
    {"nvmlSystemGetDriverVersion", offsetof(struct nvml, driver_version), false},
    {"nvmlDeviceGetCount_v2", offsetof(struct nvml, count), false},
    {"nvmlDeviceGetHandleByIndex_v2", offsetof(struct nvml, handle), false},
    {"nvmlDeviceGetName", offsetof(struct nvml, name), false},
    {"nvmlDeviceGetPciInfo_v3", offsetof(struct nvml, pci_info), false},
    {"nvmlDeviceGetMemoryInfo", offsetof(struct nvml, memory), false},
    {"nvmlDeviceGetNvLinkState", offsetof(struct nvml, link_state), true},
    {"nvmlDeviceGetFieldValues", offsetof(struct nvml, field_values), true},
    {"nvmlDeviceGetMigMode", offsetof(struct nvml, mig_mode), true},
};
/* A driver in trouble may not answer at all. */
static const double ANSWER_SECONDS = 25;

/* The GPU at this address; a new part where hwloc has none. NULL: no room. */
static struct node_summary_part *find_part(struct node_summary *node, const char *pci) {
    for (int64_t i = 0; i < node->part_count; i++)
        if (node->parts[i].kind == PART_GPU && strcmp(node->parts[i].pci, pci) == 0)
            return &node->parts[i];
    if (node->part_count == NODE_PARTS_MAX)
        return NULL;
    struct node_summary_part *part = &node->parts[node->part_count++];
    *part = (struct node_summary_part){.kind = PART_GPU, .numa = -1};
    snprintf(part->pci, sizeof part->pci, "%s", pci);
    return part;
}

static void describe_links(const struct nvml *nvml, struct nvml_device *device,
                           struct node_summary_part *part) {
    int active;
    struct nvml_field_value speed = {.field_id = NVML_FI_DEV_NVLINK_SPEED_MBPS_COMMON};
    const double megabyte = 1e6;
    part->links = 0;
    part->link_bytes_per_second = 0;
    for (unsigned link = 0; nvml->link_state != NULL && link < NVML_NVLINK_MAX_LINKS; link++)
        if (nvml->link_state(device, link, &active) == NVML_SUCCESS && active == NVML_FEATURE_ENABLED)
            part->links++;
    if (part->links > 0 && nvml->field_values != NULL &&
        nvml->field_values(device, 1, &speed) == NVML_SUCCESS && speed.status == NVML_SUCCESS)
        part->link_bytes_per_second = part->links * (double)speed.value.whole * megabyte;
}

static nvml_return describe_gpu(const struct nvml *nvml, struct nvml_device *device,
                                struct node_summary *node) {
    struct nvml_pci_info pci = {.domain = 0};
    struct nvml_memory memory = {.total = 0};
    char name[NODE_TEXT] = "", address[32];
    unsigned mig = 0, pending;
    nvml_return status = nvml->pci_info(device, &pci);
    status = status == NVML_SUCCESS ? nvml->name(device, name, sizeof name) : status;
    if (status != NVML_SUCCESS)
        return status;
    snprintf(address, sizeof address, "%04x:%02x:%02x.0", pci.domain, pci.bus, pci.device);
    struct node_summary_part *part = find_part(node, address);
    if (part == NULL)
        return NVML_SUCCESS;
    snprintf(part->name, sizeof part->name, "%s", name);
    /* Unified memory of an integrated part has no total of its own. */
    if (nvml->memory(device, &memory) == NVML_SUCCESS && memory.total > 0)
        part->memory_bytes = (double)memory.total;
    describe_links(nvml, device, part);
    bool known = nvml->mig_mode != NULL && nvml->mig_mode(device, &mig, &pending) == NVML_SUCCESS;
    part->mig = known && mig == NVML_DEVICE_MIG_ENABLE ? 1 : 0;
    part->usable = 1;
    return NVML_SUCCESS;
}

/* All GPUs that the job may use; in a job that has some of a node's, the rest refuse. */
static nvml_return describe_gpus(const struct nvml *nvml, struct node_summary *node, unsigned *described) {
    unsigned count = 0;
    nvml_return status = nvml->count(&count);
    *described = 0;
    for (unsigned i = 0; status == NVML_SUCCESS && i < count; i++) {
        struct nvml_device *device = NULL;
        status = nvml->handle(i, &device);
        if (status == NVML_ERROR_NO_PERMISSION) {
            status = NVML_SUCCESS;
            continue;
        }
        status = status == NVML_SUCCESS ? describe_gpu(nvml, device, node) : status;
        *described += status == NVML_SUCCESS ? 1 : 0;
    }
    return status;
}

enum library_state nvml_describe(struct node_summary *node, char *words, size_t words_size) {
    struct nvml nvml;
    char why[160], version[80] = "unknown";
    unsigned described = 0;
    enum library_state state =
        library_load(names, symbols, sizeof symbols / sizeof *symbols, &nvml, why, sizeof why);
    if (state != LIBRARY_READY) {
        snprintf(words, words_size, "NVML: %s", why);
        return state;
    }
    struct node_summary before = *node;
    watchdog_arm(ANSWER_SECONDS, "NVML describing the GPUs");
    nvml_return status = nvml.init();
    if (status == NVML_SUCCESS) {
        nvml.driver_version(version, sizeof version);
        status = describe_gpus(&nvml, node, &described);
        nvml.shutdown();
    }
    watchdog_disarm();
    if (status != NVML_SUCCESS) {
        *node = before; /* which may hold `words` */
        snprintf(words, words_size, "NVML: %s", nvml.error_string(status));
        return LIBRARY_UNFIT;
    }
    snprintf(words, words_size, "NVML: driver %s, %u GPU%s", version, described, units_plural(described));
    return LIBRARY_READY;
}
