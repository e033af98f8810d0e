/* Nodes compared: what makes a class, and what differs. No hwloc here. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "common/units.h"
#include "probe/node.h"
#include "probe/text_list.h"

static const double MEMORY_TOLERANCE = 0.02; /* kernels reserve a little more or less of equal memory */

static bool part_equal(const struct node_summary_part *one, const struct node_summary_part *other) {
    return one->kind == other->kind && strcmp(one->name, other->name) == 0 && one->numa == other->numa &&
           fabs(one->rate_bytes_per_second - other->rate_bytes_per_second) < 1 && one->up == other->up &&
           strcmp(one->near, other->near) == 0 && one->usable == other->usable && one->mig == other->mig &&
           one->links == other->links;
}

static bool memory_equal(double one, double other) {
    return fabs(one - other) <= MEMORY_TOLERANCE * fmax(one, other);
}

bool node_equal(const struct node_summary *one, const struct node_summary *other) {
    char difference[256];
    node_difference(one, other, difference, sizeof difference);
    return difference[0] == '\0';
}

size_t node_classify(const struct node_summary *nodes, size_t count, size_t *class_of) {
    size_t classes = 0;
    for (size_t i = 0; i < count; i++) {
        size_t like = 0; /* the first node that is equal */
        while (like < i && !node_equal(&nodes[like], &nodes[i]))
            like++;
        class_of[i] = like < i ? class_of[like] : classes++;
    }
    return classes;
}

static void add_difference(char *text, size_t size, const char *what, double value, double usual) {
    text_list_add(text, size, "; ", "%s %.4g, not %.4g", what, value, usual);
}

/* How a part differs from its counterpart. */
static void add_unlike_part(char *text, size_t size, const struct node_summary_part *part,
                            const struct node_summary_part *usual) {
    char rate[48], usual_rate[48];
    const char *name = part->kind == PART_GPU ? part->pci : part->name;
    units_format(part->rate_bytes_per_second, UNIT_BYTES_PER_SECOND, rate, sizeof rate);
    units_format(usual->rate_bytes_per_second, UNIT_BYTES_PER_SECOND, usual_rate, sizeof usual_rate);
    if (part->kind != usual->kind || strcmp(part->name, usual->name) != 0)
        text_list_add(text, size, "; ", "%s at %s, not %s", part->name, part->pci, usual->name);
    else if (part->up != usual->up)
        text_list_add(text, size, "; ", "link of %s %s", name, part->up == 0 ? "down" : "not down");
    else if (fabs(part->rate_bytes_per_second - usual->rate_bytes_per_second) >= 1)
        text_list_add(text, size, "; ", "%s at %s, not %s", name, rate, usual_rate);
    else if (part->links != usual->links)
        text_list_add(text, size, "; ", "%s with %d NVLinks, not %d", name, part->links, usual->links);
    else if (part->usable != usual->usable || part->mig != usual->mig)
        text_list_add(text, size, "; ", "%s shared otherwise among jobs", name);
    else
        text_list_add(text, size, "; ", "%s in another place", name);
}

static int64_t count_parts(const struct node_summary *node, int32_t kind) {
    int64_t count = 0;
    for (int64_t i = 0; i < node->part_count; i++)
        count += node->parts[i].kind == kind ? 1 : 0;
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
    if (strcmp(node->cpu, usual->cpu) != 0)
        snprintf(text, size, "processor %s, not %s", node->cpu, usual->cpu);
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++)
        if (fabs(counts[i].value - counts[i].usual) >= 0.5)
            add_difference(text, size, counts[i].what, counts[i].value, counts[i].usual);
    if (!memory_equal(node->memory_bytes, usual->memory_bytes)) {
        add_difference(text, size, "memory in GB", node->memory_bytes / gigabyte,
                       usual->memory_bytes / gigabyte);
    }
    if (text[0] == '\0' && strcmp(node->nvml, usual->nvml) != 0)
        snprintf(text, size, "%s, not %s", node->nvml, usual->nvml);
    /* With as many of each the parts correspond, in the order of PCI. */
    bool alike = text[0] == '\0';
    for (int64_t i = 0; alike && i < node->part_count; i++)
        if (!part_equal(&node->parts[i], &usual->parts[i]))
            add_unlike_part(text, size, &node->parts[i], &usual->parts[i]);
}

int64_t node_all_gpus(const struct node_summary *node) {
    return count_parts(node, PART_GPU);
}

int64_t node_gpus(const struct node_summary *node, const char **name) {
    const char *first = NULL, *first_usable = NULL;
    int64_t usable = 0;
    for (int64_t i = node->part_count; i-- > 0;) {
        const struct node_summary_part *part = &node->parts[i];
        if (part->kind == PART_GPU) {
            first = part->name;
            first_usable = part->usable ? part->name : first_usable;
            usable += part->usable ? 1 : 0;
        }
    }
    *name = usable > 0 ? first_usable : first;
    return usable > 0 ? usable : node_all_gpus(node);
}

int64_t node_fast_nics(const struct node_summary *node, double *rate_bytes_per_second) {
    double fastest = 0;
    int64_t count = 0;
    for (int64_t i = 0; i < node->part_count; i++) {
        const struct node_summary_part *part = &node->parts[i];
        if (part->kind != PART_NIC || part->up == 0 || part->rate_bytes_per_second <= 0)
            continue;
        count = part->rate_bytes_per_second > fastest ? 0 : count;
        fastest = fmax(fastest, part->rate_bytes_per_second);
        count += part->rate_bytes_per_second >= fastest ? 1 : 0;
    }
    *rate_bytes_per_second = fastest;
    return count;
}
