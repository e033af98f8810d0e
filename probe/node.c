#include "probe/node.h"

#include <hwloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "probe/gpu_names.h"
#include "probe/nvml.h"

/* Copies without blanks at the end, which processors' names carry. */
static void copy_text(char *to, size_t size, const char *from) {
    snprintf(to, size, "%s", from != NULL ? from : "");
    for (size_t end = strlen(to); end > 0 && to[end - 1] == ' '; end--)
        to[end - 1] = '\0';
}

/* One line of a sysfs or procfs file; false when there is none. */
static bool read_line(const char *path, char *line, size_t size) {
    FILE *file = fopen(path, "r");
    bool got = file != NULL && fgets(line, (int)size, file) != NULL;
    if (file != NULL)
        fclose(file);
    return got;
}

static double kernel_memory_bytes(void) {
    char line[256];
    double kibibytes = 0;
    FILE *file = fopen("/proc/meminfo", "r");
    while (file != NULL && fgets(line, sizeof line, file) != NULL)
        if (sscanf(line, "MemTotal: %lf kB", &kibibytes) == 1)
            break;
    if (file != NULL)
        fclose(file);
    return kibibytes * 1024;
}

/* Port rate and state as the kernel tells them. */
static void read_nic_state(struct node_summary_part *nic, bool infiniband) {
    char path[256], line[64];
    double rate = 0;
    if (infiniband) {
        snprintf(path, sizeof path, "/sys/class/infiniband/%s/ports/1/rate", nic->name);
        if (read_line(path, line, sizeof line) && sscanf(line, "%lf Gb/sec", &rate) == 1 && rate > 0)
            nic->rate_bytes_per_second = rate * 1e9 / 8;
        snprintf(path, sizeof path, "/sys/class/infiniband/%s/ports/1/state", nic->name);
        nic->up = read_line(path, line, sizeof line) ? strstr(line, "ACTIVE") != NULL : -1;
        return;
    }
    snprintf(path, sizeof path, "/sys/class/net/%s/speed", nic->name);
    if (read_line(path, line, sizeof line) && sscanf(line, "%lf", &rate) == 1 && rate > 0)
        nic->rate_bytes_per_second = rate * 1e6 / 8;
    snprintf(path, sizeof path, "/sys/class/net/%s/carrier", nic->name);
    nic->up = read_line(path, line, sizeof line) ? line[0] == '1' : -1;
}

static hwloc_obj_t os_device(hwloc_obj_t pci, hwloc_obj_osdev_type_t type) {
    for (hwloc_obj_t child = pci->io_first_child; child != NULL; child = child->next_sibling)
        if (child->type == HWLOC_OBJ_OS_DEVICE && child->attr->osdev.type == type)
            return child;
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
    if (gpu->name[0] == '\0')
        snprintf(gpu->name, sizeof gpu->name, "PCI %04x:%04x", vendor, device);
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
        part->fabric = fabric != NULL ? 1 : 0;
        copy_text(part->name, sizeof part->name, fabric != NULL ? fabric->name : network->name);
        if (live)
            read_nic_state(part, fabric != NULL);
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
            if (above != beside)
                continue;
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

/* Of NICs equally near, one of a fabric is better than a plain one, then the faster. */
static bool is_better_nic(const struct node_summary_part *nic, const struct node_summary_part *than) {
    if (nic->fabric != than->fabric)
        return nic->fabric > than->fabric;
    return nic->rate_bytes_per_second > than->rate_bytes_per_second;
}

static void find_near_nic(struct node_summary *summary, const hwloc_obj_t *objects, int64_t gpu) {
    const struct node_summary_part *best = NULL;
    enum nearness nearest = NEAR_ACROSS;
    for (int64_t n = 0; n < summary->part_count; n++) {
        const struct node_summary_part *nic = &summary->parts[n];
        if (nic->kind != PART_NIC || nic->up == 0)
            continue;
        enum nearness near = nearness(objects[gpu], objects[n]);
        if (best == NULL || near > nearest || (near == nearest && is_better_nic(nic, best))) {
            best = nic;
            nearest = near;
        }
    }
    if (best != NULL) {
        struct node_summary_part *part = &summary->parts[gpu];
        snprintf(part->near, sizeof part->near, "%.48s (%s)", best->name, nearness_words[nearest]);
    }
}

static void describe_parts(hwloc_topology_t topology, bool live, struct node_summary *summary) {
    hwloc_obj_t objects[NODE_PARTS_MAX], pci = NULL;
    while ((pci = hwloc_get_next_pcidev(topology, pci)) != NULL && summary->part_count < NODE_PARTS_MAX)
        if (describe_part(topology, pci, live, &summary->parts[summary->part_count]))
            objects[summary->part_count++] = pci;
    for (int64_t i = 0; i < summary->part_count; i++)
        if (summary->parts[i].kind == PART_GPU)
            find_near_nic(summary, objects, i);
}

static double cache_bytes(hwloc_topology_t topology, hwloc_obj_type_t type) {
    double sum = 0;
    for (hwloc_obj_t cache = NULL; (cache = hwloc_get_next_obj_by_type(topology, type, cache)) != NULL;)
        sum += (double)cache->attr->cache.size;
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

void node_describe(const struct node_source *source, struct node_summary *summary) {
    const char *hwloc_xml = source->hwloc_xml;
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
        snprintf(summary->error, sizeof summary->error, "hwloc can't load the topology%s%.200s",
                 hwloc_xml != NULL ? " in " : "", hwloc_xml != NULL ? hwloc_xml : "");
    } else if (hwloc_xml != NULL && hwloc_topology_is_thissystem(topology)) {
        /* hwloc falls back to the live machine when the XML is of no use */
        snprintf(summary->error, sizeof summary->error, "%.200s is not an hwloc XML file", hwloc_xml);
    } else {
        describe_processor(topology, hwloc_xml == NULL, summary);
        describe_parts(topology, hwloc_xml == NULL, summary);
        if (hwloc_xml == NULL && !source->host_only)
            nvml_describe(summary, summary->nvml, sizeof summary->nvml);
    }
    hwloc_topology_destroy(topology);
}

/* The number of the only object of a kind that holds any of the cores; -1: there are several, or none. */
static int32_t only_one(hwloc_topology_t topology, hwloc_obj_type_t type, hwloc_const_cpuset_t cores) {
    int32_t found = -1;
    for (hwloc_obj_t object = NULL; (object = hwloc_get_next_obj_by_type(topology, type, object)) != NULL;) {
        if (object->cpuset != NULL && hwloc_bitmap_intersects(object->cpuset, cores)) {
            if (found >= 0)
                return -1;
            /* Parts name their NUMA node as the system does. */
            found = (int32_t)(type == HWLOC_OBJ_NUMANODE ? object->os_index : object->logical_index);
        }
    }
    return found;
}

void node_locate(struct node_place *place) {
    /* What UCX goes by, and what Open MPI's TCP does: the variable stands for --mca btl_tcp_if_include too.
     */
    static const char *const variables[] = {"UCX_NET_DEVICES", "OMPI_MCA_btl_tcp_if_include"};
    hwloc_topology_t topology;
    memset(place, 0, sizeof *place);
    place->package = place->numa = -1;
    for (size_t i = 0; i < sizeof variables / sizeof *variables && place->told[0] == '\0'; i++)
        copy_text(place->told, sizeof place->told, getenv(variables[i]));
    if (hwloc_topology_init(&topology) != 0)
        return;
    hwloc_cpuset_t cores = hwloc_bitmap_alloc();
    if (cores != NULL && hwloc_topology_load(topology) == 0 &&
        hwloc_get_cpubind(topology, cores, HWLOC_CPUBIND_PROCESS) == 0) {
        place->package = only_one(topology, HWLOC_OBJ_PACKAGE, cores);
        place->numa = only_one(topology, HWLOC_OBJ_NUMANODE, cores);
    }
    hwloc_bitmap_free(cores);
    hwloc_topology_destroy(topology);
}
