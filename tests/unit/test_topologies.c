/* Every shipped topology reads, and its figures are what the datasheets say or at least possible. */
#include <string.h>

#include "arena_fixture.h"
#include "check.h"
#include "common/catalogue.h"
#include "common/cluster.h"

static const char *const promised[] = {"a100-40g-1600g", "a100-80g-4x100g", "a100-80g-4x100g-opa",
                                       "a100-80g-800g",  "dgx-a100-40g",    "dgx-a100-80g",
                                       "dgx-2",          "dgx-b200",        "dgx-h100",
                                       "dgx-a800",       "dgx-h200",        "dgx-h800",
                                       "gb200-nvl72",    "h100-800g",       "h100-96g-500w",
                                       "dgx-b300",       "gb300-nvl72",     "mi250x-frontier",
                                       "mi300x",         "mi325x",          "mi355x",
                                       "cerebras-cs2",   "tesla-dojo"};

/* Unlike the devices of today's clusters: wafers, and one without bf16. */
static const char *const unlike[] = {"cerebras-cs2", "tesla-dojo", "dgx-2"};

static struct cluster read_topology(const char *name) {
    struct cluster cluster;
    struct error error = {0};
    const char *path = catalogue_find(CATALOGUE_TOPOLOGY, name, arena, &error);

    if (path == NULL || !cluster_read(path, arena, &cluster, &error))
        fail_msg("%s:%u: %s", name, error.line, error.what);
    return cluster;
}

static void within(const char *topology, const char *what, double value, double low, double high) {
    if (!(value >= low && value <= high))
        fail_msg("%s: %s is %g, not between %g and %g", topology, what, value, low, high);
}

static void all_that_were_promised_ship(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof promised / sizeof *promised; i++)
        assert_string_equal(read_topology(promised[i]).name, promised[i]);
}

static void check_device(const char *name, const struct cluster_device *device) {
    within(name, "memory", device->memory_bytes, 40e9, 300e9);
    within(name, "reserved", device->reserved_bytes, 0.5e9, 4e9);
    within(name, "memory bandwidth", device->memory_bytes_per_second, 1.5e12, 10e12);
    within(name, "bf16 peak", device->peak_flops[PRECISION_BF16], 150e12, 3e15);
    assert_same_double(device->peak_flops[PRECISION_FP16], device->peak_flops[PRECISION_BF16]);
    if (device->peak_flops[PRECISION_FP8] > 0) /* twice the 16-bit rate on all of these */
        within(name, "fp8 / bf16", device->peak_flops[PRECISION_FP8] / device->peak_flops[PRECISION_BF16],
               1.99, 2.01);
    within(name, "power", device->power_watts, 250, 1500);
    within(name, "mtbf", device->mtbf_seconds, 1e4 * 3600, 1e6 * 3600);
    if (device->price_per_second > 0)
        within(name, "price an hour", device->price_per_second * 3600, 0.5, 10);
}

static void check_levels(const char *name, const struct cluster *cluster) {
    for (size_t i = 0; i < cluster->level_count; i++) {
        const struct network_level *level = &cluster->levels[i];
        double ports = (double)(level->ports > 0 ? level->ports : cluster->node.devices);
        double per_device = level->bandwidth_bytes_per_second * ports / (double)cluster->node.devices;

        within(name, level->name, per_device, 5e9, 1e12);
        within(name, "latency", level->latency_seconds, 0.5e-6, 50e-6);
        if (level->efficiency > 0)
            within(name, "efficiency", level->efficiency, 0.1, 1);
        for (size_t j = 0; j < COLLECTIVE_COUNT; j++)
            if (level->collectives[j].known) /* in the switches, all-reduce may pass the link's rate */
                within(name, collective_names[j],
                       level->collectives[j].bandwidth_bytes_per_second / level->bandwidth_bytes_per_second,
                       0.5, 1.1);
    }
    for (size_t i = 1; i < cluster->level_count; i++) /* it gets no faster and no nearer outwards */
        assert_true(cluster->levels[i].latency_seconds >= cluster->levels[i - 1].latency_seconds);
}

static bool is_unlike(const char *name) {
    for (size_t i = 0; i < sizeof unlike / sizeof *unlike; i++)
        if (strcmp(name, unlike[i]) == 0)
            return true;
    return false;
}

static void every_topology_is_possible(void **state) {
    const char *const *names = catalogue_names(CATALOGUE_TOPOLOGY, arena);

    (void)state;
    assert_non_null(names[0]);
    for (; *names != NULL; names++) {
        struct cluster cluster = read_topology(*names);

        assert_string_equal(cluster.name, *names);
        assert_int_equal(cluster.source.kind, SOURCE_DATASHEET);
        assert_non_null(cluster.source.from);
        if (is_unlike(*names))
            continue;
        assert_int_equal(cluster.nodes, 0); /* as many as asked */
        within(*names, "host memory", cluster.node.host_memory_bytes, 256e9, 4e12);
        check_device(*names, &cluster.device);
        check_levels(*names, &cluster);
    }
}

static void figures_of_datasheets(void **state) {
    struct cluster a100 = read_topology("dgx-a100-80g"), h100 = read_topology("dgx-h100"),
                   h800 = read_topology("dgx-h800"), opa = read_topology("a100-80g-4x100g-opa"),
                   gb200 = read_topology("gb200-nvl72"), gcd = read_topology("mi250x-frontier");

    (void)state;
    assert_same_double(a100.device.peak_flops[PRECISION_BF16], 312e12);
    assert_same_double(a100.device.peak_flops[PRECISION_FP8], 0);
    assert_same_double(a100.device.memory_bytes_per_second, 2039e9);
    assert_same_double(a100.levels[0].bandwidth_bytes_per_second, 300e9);
    assert_same_double(a100.levels[1].bandwidth_bytes_per_second, 25e9);
    assert_int_equal(a100.levels[1].devices, 160);
    assert_same_double(a100.device.price_per_second, 1.0 / 3600);
    assert_true(a100.device.kernels.matmul[PRECISION_BF16].known);
    assert_int_equal(a100.device.kernels.multiprocessors, 108);
    assert_same_double(h100.device.peak_flops[PRECISION_FP8], 1978.9e12);
    assert_same_double(h100.levels[0].bandwidth_bytes_per_second, 450e9);
    assert_same_double(h100.device.price_per_second, 2.0 / 3600);
    /* 419 interruptions of 16,384 devices in 54 days */
    within("dgx-h100", "mtbf", h100.device.mtbf_seconds / (16384.0 * 54 * 86400 / 419), 0.9999, 1.0001);
    assert_same_double(h800.levels[0].bandwidth_bytes_per_second, 200e9);
    assert_same_double(h800.device.peak_flops[PRECISION_BF16], h100.device.peak_flops[PRECISION_BF16]);
    assert_same_double(opa.levels[1].bandwidth_bytes_per_second * (double)opa.levels[1].ports, 50e9);
    assert_int_equal(gb200.node.devices, 4);
    assert_int_equal(gb200.levels[0].devices, 72);
    assert_same_double(gcd.device.peak_flops[PRECISION_BF16], 191.5e12);
}

static void figures_of_wafers(void **state) {
    struct cluster cs2 = read_topology("cerebras-cs2"), dojo = read_topology("tesla-dojo"),
                   dgx2 = read_topology("dgx-2");

    (void)state;
    assert_int_equal(cs2.nodes, 192);
    assert_int_equal(cs2.parallelism, PARALLELISM_DATA);
    assert_same_double(cs2.device.memory_bytes, 40e9);
    assert_same_double(cs2.device.memory_bytes_per_second, 20e15);
    assert_same_double(cs2.device.peak_flops[PRECISION_FP16], 120e15 / 16);
    assert_same_double(cs2.levels[0].bandwidth_bytes_per_second, 1.2e12 / 8);
    assert_same_double(cs2.store.bytes_per_second, 1.2e12 / 8);
    assert_same_double(cs2.store.capacity_bytes, 2.4e15);
    assert_int_equal(cs2.store.devices, 0);
    assert_true(cs2.store.broadcast);
    assert_non_null(cs2.source.note);
    within("tesla-dojo", "memory", dojo.device.memory_bytes / (25 * 354 * 1.25e6), 0.99, 1.01);
    within("tesla-dojo", "peak", dojo.device.peak_flops[PRECISION_BF16] / (25 * 362e12), 0.99, 1.01);
    assert_same_double(dojo.levels[0].bandwidth_bytes_per_second, 9e12);
    assert_int_equal(dojo.node.devices, 6);
    assert_non_null(dojo.source.note);
    assert_same_double(dgx2.device.peak_flops[PRECISION_FP16], 125e12);
    assert_same_double(dgx2.store.capacity_bytes, 28e12);
    assert_int_equal(dgx2.store.devices, 16);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_that_were_promised_ship),
        cmocka_unit_test(every_topology_is_possible),
        cmocka_unit_test(figures_of_datasheets),
        cmocka_unit_test(figures_of_wafers),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
