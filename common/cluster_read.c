#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/cluster.h"
#include "common/cluster_fields.h"

struct list {
    const struct field *fields;
    const struct field *(*choose)(const struct yaml_node *item); /* fields of an item; NULL: `fields` */
    const char *where;                                           /* "cluster.network" */
    size_t item_size;
    const void *defaults; /* what an item starts as; NULL: zeroed */
};

/* Reads a sequence of mappings into an array in the arena. NULL with the error set; an empty sequence gives a
 * valid address. */
static void *read_list(const struct fields_reader *reader, const struct yaml_node *node,
                       const struct list *list, size_t *count) {
    char *items, *item;

    if (node->kind != YAML_SEQUENCE) {
        yaml_error(reader->document, node, reader->error, "%s must be a list", list->where);
        return NULL;
    }
    items = item = arena_allocate(reader->arena, node->child_count, list->item_size);
    *count = node->child_count;
    for (const struct yaml_node *child = node->children; child != NULL; child = child->next) {
        const struct field *fields = list->choose != NULL ? list->choose(child) : list->fields;

        if (list->defaults != NULL)
            memcpy(item, list->defaults, list->item_size);
        if (!fields_read(reader, child, fields, list->where, item))
            return NULL;
        item += list->item_size;
    }
    return items;
}

CUSTOM_READER(read_source) {
    return fields_read(reader, node, source_fields, "cluster.source", target);
}

CUSTOM_READER(read_node) {
    return fields_read(reader, node, node_fields, "cluster.node", target);
}

CUSTOM_READER(read_store) {
    return fields_read(reader, node, store_fields, "cluster.store", target);
}

CUSTOM_READER(read_device) {
    return fields_read(reader, node, device_fields, "cluster.device", target);
}

CUSTOM_READER(read_peak) {
    return fields_read(reader, node, peak_fields, "cluster.device.peak", target);
}

CUSTOM_READER(read_product) {
    return fields_read(reader, node, product_fields, "cluster.device.product", target);
}

CUSTOM_READER(read_kernels) {
    return fields_read(reader, node, kernel_fields, "cluster.device.matmul", target);
}

CUSTOM_READER(read_matmul) {
    struct matmul_constants *constants = target;

    constants->known = true;
    return fields_read(reader, node, matmul_fields, "cluster.device.matmul", constants);
}

CUSTOM_READER(read_grouped) {
    return fields_read(reader, node, grouped_fields, "cluster.device.matmul.grouped", target);
}

static bool read_attention_of(const struct fields_reader *reader, const struct yaml_node *node,
                              const char *where, struct attention_constants *constants) {
    constants->known = true;
    return fields_read(reader, node, attention_fields, where, constants);
}

CUSTOM_READER(read_attention) {
    return read_attention_of(reader, node, "cluster.device.attention", target);
}

CUSTOM_READER(read_attention_fp8) {
    return read_attention_of(reader, node, "cluster.device.attention_fp8", target);
}

CUSTOM_READER(read_span) {
    static const struct field count = {
        .key = "devices", .type = FIELD_INTEGER, .unit = UNIT_COUNT, .minimum = 1, .maximum = 1e9};
    int64_t *span = target;

    if (node->kind == YAML_SCALAR && strcmp(node->text, "all") == 0) {
        *span = 0;
        return true;
    }
    return fields_read_value(reader, node, &count, span);
}

CUSTOM_READER(read_collectives) {
    return fields_read(reader, node, collectives_fields, "cluster.network.collectives", target);
}

CUSTOM_READER(read_collective) {
    struct collective_constants *constants = target;

    constants->known = true;
    return fields_read(reader, node, collective_fields, "cluster.network.collectives", constants);
}

CUSTOM_READER(read_corrections) {
    static const struct list list = {.fields = correction_fields,
                                     .where = "cluster.network.collectives.corrections",
                                     .item_size = sizeof(struct collective_correction)};
    struct collective_constants *constants = target;
    size_t first;

    constants->corrections = read_list(reader, node, &list, &constants->correction_count);
    if (constants->corrections == NULL)
        return false;
    if (collective_corrections_sorted(constants->corrections, constants->correction_count, &first))
        return true;
    const struct yaml_node *item = node->children;
    while (first-- > 0)
        item = item->next;
    return yaml_error(
        reader->document, item, reader->error,
        "corrections go by members, then by message, each pair of them once; this one is out of place");
}

CUSTOM_READER(read_network) {
    static const struct list list = {.fields = level_fields,
                                     .where = "cluster.network",
                                     .item_size = sizeof(struct network_level),
                                     .defaults = &level_defaults};
    struct cluster *cluster = target;
    const struct network_level *levels = read_list(reader, node, &list, &cluster->level_count);

    if (levels == NULL)
        return false;
    if (cluster->level_count == 0 || cluster->level_count > CLUSTER_MAX_LEVELS)
        return yaml_error(reader->document, node, reader->error,
                          "cluster.network takes 1 to %d levels, not %zu", CLUSTER_MAX_LEVELS,
                          cluster->level_count);
    memcpy(cluster->levels, levels, cluster->level_count * sizeof *levels);
    return true;
}

CUSTOM_READER(read_hosts) {
    static const struct list list = {
        .fields = host_fields, .where = "cluster.hosts", .item_size = sizeof(struct cluster_host)};
    struct cluster *cluster = target;

    cluster->hosts = read_list(reader, node, &list, &cluster->host_count);
    return cluster->hosts != NULL;
}

CUSTOM_READER(read_classes) {
    static const struct list list = {
        .fields = class_fields, .where = "cluster.classes", .item_size = sizeof(struct node_class)};
    struct cluster *cluster = target;

    cluster->classes = read_list(reader, node, &list, &cluster->class_count);
    return cluster->classes != NULL;
}

CUSTOM_READER(read_parts) {
    static const struct list list = {.fields = part_fields,
                                     .where = "cluster.classes.parts",
                                     .item_size = sizeof(struct node_part),
                                     .defaults = &part_defaults};
    struct node_class *class = target;

    class->parts = read_list(reader, node, &list, &class->part_count);
    return class->parts != NULL;
}

/* The unit of a measurement's figures follows from what was measured. */
static const struct field *measurement_fields(const struct yaml_node *item) {
    const struct yaml_node *what = yaml_get(item, "what");

    if (what != NULL && what->kind == YAML_SCALAR && measurement_unit(what->text) == UNIT_BYTES_PER_SECOND)
        return rate_fields;
    return time_fields;
}

CUSTOM_READER(read_measurements) {
    static const struct list list = {.choose = measurement_fields,
                                     .where = "cluster.measurements",
                                     .item_size = sizeof(struct measurement)};
    struct cluster *cluster = target;

    cluster->measurements = read_list(reader, node, &list, &cluster->measurement_count);
    return cluster->measurements != NULL;
}

/* What a check needs to point at the line to blame. */
struct check {
    const struct yaml_document *document;
    const struct yaml_node *node; /* the mapping under `cluster:` */
    const struct cluster *cluster;
    struct arena *arena; /* for what a check needs itself */
    struct error *error;
};

/* The member `key` of the mapping, or the mapping itself where it was left out. */
static const struct yaml_node *blame(const struct yaml_node *mapping, const char *key) {
    const struct yaml_node *member = yaml_get(mapping, key);

    return member != NULL ? member : mapping;
}

static bool check_device(const struct check *check) {
    const struct cluster_device *device = &check->cluster->device;
    const struct yaml_node *node = yaml_get(check->node, "device");
    bool any = false;

    if (device->reserved_bytes >= device->memory_bytes)
        return yaml_error(check->document, blame(node, "reserved"), check->error,
                          "reserved is all of the device's memory or more");
    for (int i = 0; i < PRECISION_COUNT; i++) {
        any = any || device->peak_flops[i] > 0;
        if (device->peak_flops[i] <= 0 && device->kernels.matmul[i].known)
            return yaml_error(check->document, blame(node, "matmul"), check->error,
                              "matmul has constants for %s, of which the device has no peak",
                              precision_names[i]);
    }
    if (!any)
        return yaml_error(check->document, blame(node, "peak"), check->error,
                          "peak names no number format the device has");
    return true;
}

static bool is_sound_rate(double value) {
    return value > 0 && value <= FIELDS_LARGEST_NUMBER;
}

/* Rates follow the peak that the file gives now; what takes a fixed time keeps it. False where nothing that a
 * file could hold comes out. */
static bool scale_matmul(struct matmul_constants *constants, double peak_flops) {
    double ratio = constants->peak_flops > 0 ? peak_flops / constants->peak_flops : 1;

    if (!constants->known || ratio == 1)
        return true;
    kernel_constants_scale_matmul(constants, ratio);
    constants->peak_flops = peak_flops;
    return is_sound_rate(constants->flops_per_second) && constants->throttle_flops <= FIELDS_LARGEST_NUMBER &&
           constants->output_seconds <= FIELDS_LARGEST_NUMBER;
}

static bool scale_attention(struct attention_constants *constants, double peak_flops) {
    double ratio = constants->peak_flops > 0 ? peak_flops / constants->peak_flops : 1;

    if (!constants->known || ratio == 1)
        return true;
    kernel_constants_scale_attention(constants, ratio);
    constants->peak_flops = peak_flops;
    return is_sound_rate(constants->flops_per_second) &&
           constants->backward_flops_per_second <= FIELDS_LARGEST_NUMBER;
}

/* To the device's peaks, where the constants say which peak they were fitted at. */
static bool scale_kernels(const struct check *check, struct cluster_device *device) {
    const struct yaml_node *node = yaml_get(check->node, "device");

    for (int i = 0; i < PRECISION_COUNT; i++)
        if (!scale_matmul(&device->kernels.matmul[i], device->peak_flops[i]))
            return yaml_error(check->document, blame(node, "matmul"), check->error,
                              "matmul: the constants of %s make no sense at the device's peak",
                              precision_names[i]);
    if (!scale_attention(&device->kernels.attention,
                         fmax(device->peak_flops[PRECISION_BF16], device->peak_flops[PRECISION_FP16])))
        return yaml_error(check->document, blame(node, "attention"), check->error,
                          "attention: the constants make no sense at the device's peak of bf16 or fp16");
    return scale_attention(&device->kernels.attention_fp8, device->peak_flops[PRECISION_FP8]) ||
           yaml_error(check->document, blame(node, "attention_fp8"), check->error,
                      "attention_fp8: the constants make no sense at the device's peak of fp8");
}

/* One of two counts is a multiple of the other. */
static bool divides(int64_t a, int64_t b) {
    return a % b == 0 || b % a == 0;
}

/* A level's group against the node and the level before it (`inner`, NULL for the first). */
static bool check_group(const struct check *check, const struct yaml_node *node,
                        const struct network_level *level, const struct network_level *inner) {
    int64_t in_node = check->cluster->node.devices;

    if (level->ports > 0 && !divides(level->ports, in_node))
        return yaml_error(check->document, blame(node, "ports"), check->error,
                          "the node's %lld devices can't share %lld ports evenly", (long long)in_node,
                          (long long)level->ports);
    if (level->devices == 0)
        return true;
    if (!divides(level->devices, in_node))
        return yaml_error(check->document, blame(node, "devices"), check->error,
                          "a group of %lld devices is neither a part nor a multiple of a node of %lld",
                          (long long)level->devices, (long long)in_node);
    if (inner != NULL && (level->devices % inner->devices != 0 || level->devices == inner->devices))
        return yaml_error(
            check->document, blame(node, "devices"), check->error,
            "a group of %lld devices isn't made of several groups of the level before, %s with %lld",
            (long long)level->devices, inner->name, (long long)inner->devices);
    return true;
}

static bool check_network(const struct check *check) {
    const struct cluster *cluster = check->cluster;
    const struct yaml_node *node = yaml_get(check->node, "network")->children;

    for (size_t i = 0; i < cluster->level_count; i++, node = node->next) {
        const struct network_level *level = &cluster->levels[i];
        bool last = i + 1 == cluster->level_count;

        if (last && level->devices != 0)
            return yaml_error(check->document, blame(node, "devices"), check->error,
                              "the last level joins everything: it needs \"devices: all\"");
        if (!last && level->devices == 0)
            return yaml_error(check->document, blame(node, "devices"), check->error,
                              "only the last level can join all devices");
        if (last && level->mesh)
            return yaml_error(check->document, blame(node, "mesh"), check->error,
                              "a mesh joins a number of devices by links of their own, not all there are");
        if (i > 0 && level->mesh)
            return yaml_error(check->document, blame(node, "mesh"), check->error,
                              "only the first level can be a mesh: its links are of single devices");
        for (size_t j = 0; j < i; j++)
            if (strcmp(cluster->levels[j].name, level->name) == 0)
                return yaml_error(check->document, blame(node, "name"), check->error,
                                  "two levels are named %s", level->name);
        if (!check_group(check, node, level, i > 0 ? level - 1 : NULL))
            return false;
    }
    return true;
}

static bool check_store(const struct check *check) {
    const struct cluster_store *store = &check->cluster->store;
    const struct yaml_node *node = yaml_get(check->node, "store");
    int64_t in_node = check->cluster->node.devices;

    if (node == NULL)
        return true;
    if (store->devices > 0 && !divides(store->devices, in_node))
        return yaml_error(check->document, blame(node, "devices"), check->error,
                          "a store for %lld devices serves neither a part nor a multiple of a node of %lld",
                          (long long)store->devices, (long long)in_node);
    if (store->total_bytes_per_second > 0 && store->total_bytes_per_second < store->bytes_per_second)
        return yaml_error(check->document, blame(node, "total_bandwidth"), check->error,
                          "total_bandwidth, of all devices of a store, is less than bandwidth, of one");
    return true;
}

static bool class_exists(const struct cluster *cluster, const char *name) {
    for (size_t i = 0; i < cluster->class_count; i++)
        if (strcmp(cluster->classes[i].name, name) == 0)
            return true;
    return false;
}

struct named_host {
    const char *name;
    const struct yaml_node *node;
    size_t index;
};

static int by_name(const void *left, const void *right) {
    const struct named_host *a = left, *b = right;
    int order = strcmp(a->name, b->name);

    return order != 0 ? order : (a->index > b->index) - (a->index < b->index);
}

/* A host is known by its name, in the matrix too. */
static bool check_host_names(const struct check *check, const struct yaml_node *hosts) {
    size_t count = check->cluster->host_count, i = 0;
    struct named_host *named = ARENA_ARRAY(check->arena, struct named_host, count + 1);

    for (const struct yaml_node *node = hosts->children; i < count && node != NULL; node = node->next, i++) {
        named[i] = (struct named_host){check->cluster->hosts[i].name, node, i};
        if (!cluster_is_host_name(named[i].name))
            return yaml_error(check->document, blame(node, "name"), check->error,
                              "a host's name has no blanks, commas and colons, and no letters beyond ASCII");
    }
    qsort(named, count, sizeof *named, by_name);
    for (i = 1; i < count; i++)
        if (strcmp(named[i - 1].name, named[i].name) == 0)
            return yaml_error(check->document, blame(named[i].node, "name"), check->error,
                              "two hosts are named %s", named[i].name);
    return true;
}

/* Hosts and classes against each other and the number of nodes. */
static bool check_hosts(const struct check *check) {
    const struct cluster *cluster = check->cluster;
    const struct yaml_node *hosts = yaml_get(check->node, "hosts");
    const struct yaml_node *node = hosts != NULL ? hosts->children : NULL;
    int64_t classed = 0;

    for (size_t i = 0; i < cluster->host_count && node != NULL; i++, node = node->next) {
        const char *class = cluster->hosts[i].class_name;

        if (class != NULL && !class_exists(cluster, class))
            return yaml_error(check->document, blame(node, "class"), check->error,
                              "no node class is named %s", class);
    }
    if (hosts != NULL && !check_host_names(check, hosts))
        return false;
    for (size_t i = 0; i < cluster->class_count; i++)
        classed += cluster->classes[i].nodes;
    if (cluster->nodes > 0 && (int64_t)cluster->host_count > cluster->nodes)
        return yaml_error(check->document, hosts, check->error, "%zu hosts, but only %lld nodes",
                          cluster->host_count, (long long)cluster->nodes);
    if (cluster->nodes > 0 && classed > cluster->nodes)
        return yaml_error(check->document, blame(check->node, "classes"), check->error,
                          "the classes hold %lld nodes, but there are only %lld", (long long)classed,
                          (long long)cluster->nodes);
    return true;
}

/* The file's one key. */
static CUSTOM_READER(read_cluster) {
    return fields_read(reader, node, cluster_fields, "cluster", target);
}

bool cluster_read(const char *path, struct arena *arena, struct cluster *cluster, struct error *error) {
    static const struct field file_fields[] = {
        {.key = "cluster", .type = FIELD_CUSTOM, .required = true, .read = read_cluster}, {.key = NULL}};
    struct yaml_document document;
    struct cluster found = {.file = arena_copy_string(arena, path)};
    struct fields_reader reader = {.document = &document, .arena = arena, .error = error};
    struct check check = {.document = &document, .cluster = &found, .arena = arena, .error = error};

    if (!yaml_read_file(path, arena, &document, error) ||
        !fields_read(&reader, document.root, file_fields, "a cluster file", &found))
        return false;
    check.node = yaml_get(document.root, "cluster");
    if (!check_device(&check) || !check_network(&check) || !check_store(&check) || !check_hosts(&check) ||
        !scale_kernels(&check, &found.device))
        return false;
    *cluster = found;
    return true;
}
