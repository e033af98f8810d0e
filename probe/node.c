#include "probe/node.h"

#include <hwloc.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "probe/gpu_names.h"

static const double memory_tolerance = 0.02; /* kernels reserve a little more or less of equal memory */

static void copy_text(char *to, size_t size, const char *from) {
    snprintf(to, size, "%s", from != NULL ? from : "");
}

/* One line of a sysfs or procfs file; false when there is none. */
static bool read_line(const char *path, char *line, size_t size) {
    FILE *file = fopen(path, "r");
    bool got = file != NULL && fgets(line, (int)size, file) != NULL;
    if (file != NULL) {
        fclose(file);
    }
    return got;
}

static double kernel_memory_bytes(void) {
    char line[256];
    double kibibytes = 0;
    FILE *file = fopen("/proc/meminfo", "r");
    while (file != NULL && fgets(line, sizeof line, file) != NULL) {
        if (sscanf(line, "MemTotal: %lf kB", &kibibytes) == 1) {
            break;
        }
    }
    if (file != NULL) {
        fclose(file);
    }
    return kibibytes * 1024;
}

/* Port rate and state as the kernel tells them. */
static void read_nic_state(struct node_summary_part *nic, bool infiniband) {
    char path[256], line[64];
    double rate = 0;
    if (infiniband) {
        snprintf(path, sizeof path, "/sys/class/infiniband/%s/ports/1/rate", nic->name);
        if (read_line(path, line, sizeof line) && sscanf(line, "%lf Gb/sec", &rate) == 1 && rate > 0) {
            nic->rate_bytes_per_second = rate * 1e9 / 8;
        }
        snprintf(path, sizeof path, "/sys/class/infiniband/%s/ports/1/state", nic->name);
        nic->up = read_line(path, line, sizeof line) ? strstr(line, "ACTIVE") != NULL : -1;
        return;
    }
    snprintf(path, sizeof path, "/sys/class/net/%s/speed", nic->name);
    if (read_line(path, line, sizeof line) && sscanf(line, "%lf", &rate) == 1 && rate > 0) {
        nic->rate_bytes_per_second = rate * 1e6 / 8;
    }
    snprintf(path, sizeof path, "/sys/class/net/%s/carrier", nic->name);
    nic->up = read_line(path, line, sizeof line) ? line[0] == '1' : -1;
}

static hwloc_obj_t os_device(hwloc_obj_t pci, hwloc_obj_osdev_type_t type) {
    for (hwloc_obj_t child = pci->io_first_child; child != NULL; child = child->next_sibling) {
        if (child->type == HWLOC_OBJ_OS_DEVICE && child->attr->osdev.type == type) {
            return child;
        }
    }
    return NULL;
}

static void describe_gpu(hwloc_obj_t pci, struct node_summary_part *gpu) {
    uint16_t vendor = pci->attr->pcidev.vendor_id, device = pci->attr->pcidev.device_id;
    const char *name = NULL;
    double kibibytes = 0;
    for (hwloc_obj_t child = pci->io_first_child; child != NULL; child = child->next_sibling) {
        const char *model = hwloc_obj_get_info_by_name(child, "GPUModel");
        const char *memory = hwloc_obj_get_info_by_name(child, "CUDAGlobalMemorySize");
        name = model != NULL ? model : name;
        kibibytes = memory != NULL ? strtod(memory, NULL) : kibibytes;
    }
    gpu->kind = PART_GPU;
    name = name != NULL ? name : gpu_name(vendor, device);
    name = name != NULL ? name : hwloc_obj_get_info_by_name(pci, "PCIDevice");
    copy_text(gpu->name, sizeof gpu->name, name);
    if (gpu->name[0] == '\0') {
        snprintf(gpu->name, sizeof gpu->name, "PCI %04x:%04x", vendor, device);
    }
    gpu->memory_bytes = kibibytes > 0 ? kibibytes * 1024 : gpu_memory_bytes(vendor, device);
}

/* False when the PCI device is neither GPU nor NIC. */
static bool describe_part(hwloc_topology_t topology, hwloc_obj_t pci, bool live,
                          struct node_summary_part *part) {
    const struct hwloc_pcidev_attr_s *attributes = &pci->attr->pcidev;
    hwloc_obj_t fabric = os_device(pci, HWLOC_OBJ_OSDEV_OPENFABRICS);
    hwloc_obj_t network = os_device(pci, HWLOC_OBJ_OSDEV_NETWORK);
    memset(part, 0, sizeof *part);
    if (gpu_is_one(attributes->vendor_id, attributes->class_id)) {
        describe_gpu(pci, part);
    } else if (fabric != NULL || network != NULL) {
        part->kind = PART_NIC;
        part->up = -1;
        copy_text(part->name, sizeof part->name, fabric != NULL ? fabric->name : network->name);
        if (live) {
            read_nic_state(part, fabric != NULL);
        }
    } else {
        return false;
    }
    snprintf(part->pci, sizeof part->pci, "%04x:%02x:%02x.%01x", (unsigned)attributes->domain,
             attributes->bus, attributes->dev, attributes->func);
    hwloc_obj_t place = hwloc_get_non_io_ancestor_obj(topology, pci);
    bool one_node = place != NULL && place->nodeset != NULL && hwloc_bitmap_weight(place->nodeset) == 1;
    part->numa = one_node ? hwloc_bitmap_first(place->nodeset) : -1;
    return true;
}

enum nearness { NEAR_ACROSS, NEAR_NUMA, NEAR_ROOT, NEAR_SWITCH };
static const char *const nearness_words[] = {"across NUMA nodes", "same NUMA node", "same PCI root",
                                             "same PCI switch"};

/* How near two PCI devices are: by the innermost object that holds both. */
static enum nearness nearness(hwloc_obj_t one, hwloc_obj_t other) {
    for (hwloc_obj_t above = one->parent; above != NULL; above = above->parent) {
        for (hwloc_obj_t beside = other->parent; beside != NULL; beside = beside->parent) {
            if (above != beside) {
                continue;
            }
            if (above->type == HWLOC_OBJ_BRIDGE) {
                bool host = above->attr->bridge.upstream_type == HWLOC_OBJ_BRIDGE_HOST;
                return host ? NEAR_ROOT : NEAR_SWITCH;
            }
            bool one_node = above->nodeset != NULL && hwloc_bitmap_weight(above->nodeset) == 1;
            return one_node ? NEAR_NUMA : NEAR_ACROSS;
        }
    }
    return NEAR_ACROSS;
}

static void find_near_nics(struct node_summary *summary, const hwloc_obj_t *objects) {
    for (int64_t g = 0; g < summary->part_count; g++) {
        struct node_summary_part *gpu = &summary->parts[g];
        int best = -1;
        double best_rate = -1;
        for (int64_t n = 0; gpu->kind == PART_GPU && n < summary->part_count; n++) {
            const struct node_summary_part *nic = &summary->parts[n];
            if (nic->kind != PART_NIC) {
                continue;
            }
            int near = (int)nearness(objects[g], objects[n]);
            if (near > best || (near == best && nic->rate_bytes_per_second > best_rate)) {
                best = near;
                best_rate = nic->rate_bytes_per_second;
                snprintf(gpu->near, sizeof gpu->near, "%.48s (%s)", nic->name, nearness_words[near]);
            }
        }
    }
}

static void describe_parts(hwloc_topology_t topology, bool live, struct node_summary *summary) {
    hwloc_obj_t objects[NODE_PARTS_MAX], pci = NULL;
    while ((pci = hwloc_get_next_pcidev(topology, pci)) != NULL && summary->part_count < NODE_PARTS_MAX) {
        if (describe_part(topology, pci, live, &summary->parts[summary->part_count])) {
            objects[summary->part_count++] = pci;
        }
    }
    find_near_nics(summary, objects);
}

static double cache_bytes(hwloc_topology_t topology, hwloc_obj_type_t type) {
    double sum = 0;
    for (hwloc_obj_t cache = NULL; (cache = hwloc_get_next_obj_by_type(topology, type, cache)) != NULL;) {
        sum += (double)cache->attr->cache.size;
    }
    return sum;
}

static int64_t count_objects(hwloc_topology_t topology, hwloc_obj_type_t type, int64_t least) {
    int64_t count = hwloc_get_nbobjs_by_type(topology, type);
    return count > least ? count : least;
}

static void describe_processor(hwloc_topology_t topology, bool live, struct node_summary *summary) {
    hwloc_obj_t package = hwloc_get_obj_by_type(topology, HWLOC_OBJ_PACKAGE, 0);
    hwloc_obj_t root = hwloc_get_root_obj(topology);
    const char *model = package != NULL ? hwloc_obj_get_info_by_name(package, "CPUModel") : NULL;
    copy_text(summary->cpu, sizeof summary->cpu,
              model != NULL ? model : hwloc_obj_get_info_by_name(root, "CPUModel"));
    summary->packages = count_objects(topology, HWLOC_OBJ_PACKAGE, 1);
    summary->threads = count_objects(topology, HWLOC_OBJ_PU, 1);
    summary->cores = count_objects(topology, HWLOC_OBJ_CORE, 0);
    summary->cores = summary->cores > 0 ? summary->cores : summary->threads;
    summary->numa_nodes = count_objects(topology, HWLOC_OBJ_NUMANODE, 1);
    summary->l3_bytes = cache_bytes(topology, HWLOC_OBJ_L3CACHE);
    summary->l2_bytes = cache_bytes(topology, HWLOC_OBJ_L2CACHE);
    double kernel = live ? kernel_memory_bytes() : 0;
    summary->hwloc_memory_bytes = (double)root->total_memory;
    summary->memory_bytes = kernel > 0 ? kernel : summary->hwloc_memory_bytes;
}

void node_describe(const char *hwloc_xml, struct node_summary *summary) {
    hwloc_topology_t topology;
    memset(summary, 0, sizeof *summary);
    if (hwloc_topology_init(&topology) != 0) {
        copy_text(summary->error, sizeof summary->error, "hwloc has no memory");
        return;
    }
    hwloc_topology_set_io_types_filter(topology, HWLOC_TYPE_FILTER_KEEP_IMPORTANT);
    if (hwloc_xml != NULL && hwloc_topology_set_xml(topology, hwloc_xml) != 0) {
        snprintf(summary->error, sizeof summary->error, "hwloc can't read %.200s", hwloc_xml);
    } else if (hwloc_topology_load(topology) != 0) {
        copy_text(summary->error, sizeof summary->error, "hwloc can't load the topology");
    } else if (hwloc_xml != NULL && hwloc_topology_is_thissystem(topology)) {
        /* hwloc falls back to the live machine when the XML is of no use */
        snprintf(summary->error, sizeof summary->error, "%.200s is not an hwloc XML file", hwloc_xml);
    } else {
        describe_processor(topology, hwloc_xml == NULL, summary);
        describe_parts(topology, hwloc_xml == NULL, summary);
    }
    hwloc_topology_destroy(topology);
}

static bool part_equal(const struct node_summary_part *one, const struct node_summary_part *other) {
    return one->kind == other->kind && strcmp(one->name, other->name) == 0 && one->numa == other->numa &&
           fabs(one->rate_bytes_per_second - other->rate_bytes_per_second) < 1 && one->up == other->up &&
           strcmp(one->near, other->near) == 0;
}

static bool memory_equal(double one, double other) {
    return fabs(one - other) <= memory_tolerance * fmax(one, other);
}

static bool parts_equal(const struct node_summary *one, const struct node_summary *other) {
    bool equal = one->part_count == other->part_count;
    for (int64_t i = 0; equal && i < one->part_count; i++) {
        equal = part_equal(&one->parts[i], &other->parts[i]);
    }
    return equal;
}

bool node_equal(const struct node_summary *one, const struct node_summary *other) {
    char difference[8];
    node_difference(one, other, difference, sizeof difference);
    return difference[0] == '\0';
}

static void add_difference(char *text, size_t size, const char *what, double value, double usual) {
    size_t used = strlen(text);
    if (used + 1 < size) {
        snprintf(text + used, size - used, "%s%s %.4g, not %.4g", used > 0 ? "; " : "", what, value, usual);
    }
}

static int64_t count_parts(const struct node_summary *node, int32_t kind) {
    int64_t count = 0;
    for (int64_t i = 0; i < node->part_count; i++) {
        count += node->parts[i].kind == kind ? 1 : 0;
    }
    return count;
}

void node_difference(const struct node_summary *node, const struct node_summary *usual, char *text,
                     size_t size) {
    const double gigabyte = 1e9;
    const struct {
        const char *what;
        double value, usual;
    } counts[] = {
        {"packages", (double)node->packages, (double)usual->packages},
        {"cores", (double)node->cores, (double)usual->cores},
        {"threads", (double)node->threads, (double)usual->threads},
        {"NUMA nodes", (double)node->numa_nodes, (double)usual->numa_nodes},
        {"L3 bytes", node->l3_bytes, usual->l3_bytes},
        {"L2 bytes", node->l2_bytes, usual->l2_bytes},
        {"GPUs", (double)count_parts(node, PART_GPU), (double)count_parts(usual, PART_GPU)},
        {"NICs", (double)count_parts(node, PART_NIC), (double)count_parts(usual, PART_NIC)},
    };
    text[0] = '\0';
    if (strcmp(node->cpu, usual->cpu) != 0) {
        snprintf(text, size, "processor %s, not %s", node->cpu, usual->cpu);
    }
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        if (fabs(counts[i].value - counts[i].usual) >= 0.5) {
            add_difference(text, size, counts[i].what, counts[i].value, counts[i].usual);
        }
    }
    if (!memory_equal(node->memory_bytes, usual->memory_bytes)) {
        add_difference(text, size, "memory in GB", node->memory_bytes / gigabyte,
                       usual->memory_bytes / gigabyte);
    }
    if (text[0] == '\0' && !parts_equal(node, usual)) {
        snprintf(text, size, "other GPUs or NICs, or in other places");
    }
}

int64_t node_gpus(const struct node_summary *node, const char **name) {
    *name = NULL;
    for (int64_t i = 0; i < node->part_count && *name == NULL; i++) {
        *name = node->parts[i].kind == PART_GPU ? node->parts[i].name : NULL;
    }
    return count_parts(node, PART_GPU);
}

int64_t node_fast_nics(const struct node_summary *node, double *rate_bytes_per_second) {
    double fastest = 0;
    int64_t count = 0;
    for (int64_t i = 0; i < node->part_count; i++) {
        const struct node_summary_part *part = &node->parts[i];
        if (part->kind != PART_NIC || part->up == 0 || part->rate_bytes_per_second <= 0) {
            continue;
        }
        count = part->rate_bytes_per_second > fastest ? 0 : count;
        fastest = fmax(fastest, part->rate_bytes_per_second);
        count += part->rate_bytes_per_second >= fastest ? 1 : 0;
    }
    *rate_bytes_per_second = fastest;
    return count;
}
