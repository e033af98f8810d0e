/* clusterplan topologies: the cluster files that ship. */
#include <stdio.h>

#include "common/catalogue.h"
#include "common/cluster.h"
#include "common/units.h"
#include "planner/commands/commands.h"
#include "planner/report/print_data.h"
#include "planner/report/print_table.h"
#include "planner/report/print_words.h"

enum { INDENT = 0 };

struct listing {
    struct catalogue_list shipped;
    struct cluster *clusters;
};

static bool load(struct arena *arena, struct listing *listing, struct error *error) {
    if (!catalogue_list(CATALOGUE_TOPOLOGY, arena, &listing->shipped, error))
        return false;
    listing->clusters = ARENA_ARRAY(arena, struct cluster, listing->shipped.count);
    for (size_t i = 0; i < listing->shipped.count; i++)
        if (!cluster_read(listing->shipped.paths[i], arena, &listing->clusters[i], error))
            return false;
    return true;
}

/* Empty for what is not known. */
static const char *quantity(struct arena *arena, double value, enum unit unit) {
    return value > 0 ? print_quantity(arena, value, unit) : "";
}

static int64_t ports(const struct cluster *cluster, const struct network_level *level) {
    return level->ports > 0 ? level->ports : cluster->node.devices;
}

/* "8 x 25 GB/s": the ports of a node at its outermost level. */
static const char *farthest(struct arena *arena, const struct cluster *cluster) {
    const struct network_level *level = &cluster->levels[cluster->level_count - 1];
    return arena_print(arena, "%lld x %s", (long long)ports(cluster, level),
                       quantity(arena, level->bandwidth_bytes_per_second, UNIT_BYTES_PER_SECOND));
}

static void add_row(struct print_table *table, struct arena *arena, const char *name,
                    const struct cluster *cluster) {
    const struct cluster_device *device = &cluster->device;
    const double price = device->price_per_second * SECONDS_AN_HOUR;
    const char *const cells[] = {
        name,
        device->name,
        arena_print(arena, "%lld", (long long)cluster->node.devices),
        quantity(arena, device->memory_bytes, UNIT_BYTES),
        quantity(arena, device->peak_flops[PRECISION_BF16] / 1e12, UNIT_NONE),
        quantity(arena, device->peak_flops[PRECISION_FP8] / 1e12, UNIT_NONE),
        price > 0 ? arena_print(arena, "%.2f", price) : "",
        quantity(arena, cluster->levels[0].bandwidth_bytes_per_second, UNIT_BYTES_PER_SECOND),
        farthest(arena, cluster)};
    print_table_add(table, cells);
}

static void print_listing(const struct listing *listing, struct arena *arena) {
    static const struct print_column columns[] = {{"topology", false}, {"device", false}, {"node", true},
                                                  {"memory", true},    {"bf16", true},    {"fp8", true},
                                                  {"$/h", true},       {"nearest", true}, {"farthest", true}};
    struct print_table *table = print_table_create(arena, columns, sizeof columns / sizeof columns[0]);
    for (size_t i = 0; i < listing->shipped.count; i++)
        add_row(table, arena, listing->shipped.names[i], &listing->clusters[i]);
    const struct print_style style = print_style_of(stdout);
    print_table_print(table, &style, INDENT, stdout);
    printf("\n");
    print_paragraph("",
                    "Node: devices in one. bf16, fp8: dense peak of a device in TFLOP/s. Nearest: what a "
                    "device has at the innermost network level, one direction; farthest: what the ports "
                    "of a node have at the outermost. The files in topologies/ say where each figure is "
                    "from.",
                    stdout);
}

static json_t *level_data(const struct cluster *cluster, const struct network_level *level) {
    json_t *data = json_object();
    json_object_set_new(data, "name", print_data_text(level->name));
    json_object_set_new(data, "devices",
                        level->devices > 0 ? json_integer(level->devices) : json_string("all"));
    json_object_set_new(data, "bandwidth", print_data_number(level->bandwidth_bytes_per_second));
    json_object_set_new(data, "ports", json_integer(ports(cluster, level)));
    json_object_set_new(data, "latency", print_data_number(level->latency_seconds));
    json_object_set_new(data, "oversubscription", print_data_number(level->oversubscription));
    return data;
}

static json_t *known_number(double value) {
    return value > 0 ? print_data_number(value) : json_null();
}

/* Null where there is none. */
static json_t *store_data(const struct cluster_store *store) {
    json_t *data;
    if (store->name == NULL)
        return json_null();
    data = json_object();
    json_object_set_new(data, "name", print_data_text(store->name));
    json_object_set_new(data, "capacity", print_data_number(store->capacity_bytes));
    json_object_set_new(data, "devices",
                        store->devices > 0 ? json_integer(store->devices) : json_string("all"));
    json_object_set_new(data, "bandwidth", print_data_number(store->bytes_per_second));
    json_object_set_new(data, "broadcast", json_boolean(store->broadcast));
    return data;
}

static json_t *cluster_data(const char *name, const struct cluster *cluster) {
    const struct cluster_device *device = &cluster->device;
    json_t *data = json_object(), *peak = json_object(), *levels = json_array();
    json_object_set_new(data, "name", print_data_text(name));
    json_object_set_new(data, "source", print_data_text(cluster->source.from));
    json_object_set_new(data, "device", print_data_text(device->name));
    json_object_set_new(data, "devices_per_node", json_integer(cluster->node.devices));
    json_object_set_new(data, "nodes", known_number((double)cluster->nodes));
    json_object_set_new(data, "memory", print_data_number(device->memory_bytes));
    json_object_set_new(data, "memory_bandwidth", print_data_number(device->memory_bytes_per_second));
    for (size_t i = 0; i < PRECISION_COUNT; i++)
        json_object_set_new(peak, precision_names[i], known_number(device->peak_flops[i]));
    json_object_set_new(data, "peak", peak);
    json_object_set_new(data, "price_per_hour", known_number(device->price_per_second * SECONDS_AN_HOUR));
    json_object_set_new(data, "power", known_number(device->power_watts));
    for (size_t i = 0; i < cluster->level_count; i++)
        json_array_append_new(levels, level_data(cluster, &cluster->levels[i]));
    json_object_set_new(data, "network", levels);
    json_object_set_new(data, "host_memory", known_number(cluster->node.host_memory_bytes));
    json_object_set_new(data, "store", store_data(&cluster->store));
    return data;
}

static void print_document(const struct listing *listing, enum print_format format) {
    json_t *list = json_array(), *document = json_object();
    for (size_t i = 0; i < listing->shipped.count; i++)
        json_array_append_new(list, cluster_data(listing->shipped.names[i], &listing->clusters[i]));
    json_object_set_new(document, "topologies", list);
    print_data(document, format, stdout);
}

static int run(const struct command_call *call, void *data) {
    struct error error = {0};
    struct listing listing;
    (void)data;
    if (!load(call->arena, &listing, &error))
        return command_fail(&error);
    if (call->format != FORMAT_TABLE)
        print_document(&listing, call->format);
    else
        print_listing(&listing, call->arena);
    return EXIT_RESULT;
}

int cmd_topologies(int argc, char **argv) {
    static const struct command topologies = {
        .help = {.usage = "clusterplan topologies [--format table|yaml|json]",
                 .about = "Lists the cluster files that ship: a name here is a --cluster elsewhere. Files of "
                          "your own, such as clusterprobe writes, go by their path.",
                 .examples = "  clusterplan topologies\n  clusterplan topologies --format yaml\n"},
        .run = run};
    return command_run(&topologies, argc, argv);
}
