/* Cluster files as they are read: defaults, derived figures, and what makes no sense refused at its line. */
#include <math.h>
#include <string.h>

#include "cluster_fixture.h"
#include "common/cluster_fields.h"

static const char *const smallest =
    "cluster:\n"
    "  name: small\n"
    "  source: {kind: datasheet}\n"
    "  node: {devices: 8}\n"
    "  device: {name: X, memory: 80 GB, memory_bandwidth: 2 TB/s, peak: {bf16: "
    "312 TFLOP/s, fp8: none}}\n"
    "  network:\n"
    "  - {name: nvlink, devices: 8, bandwidth: 300 GB/s, latency: 2 us}\n"
    "  - {name: spine, devices: all, bandwidth: 25 GB/s, latency: 5 us}\n";

static void what_is_left_out_has_its_default(void **state) {
    struct scratch *scratch = *state;
    struct cluster cluster, again;
    struct error error = {0};

    write_file(scratch->path, smallest);
    must(cluster_read(scratch->path, scratch->arena, &cluster, &error), &error);
    assert_int_equal(cluster.nodes, 0);
    assert_int_equal(cluster_devices(&cluster), 0);
    assert_int_equal(cluster.levels[1].ports, 0);
    assert_int_equal(cluster.levels[1].devices, 0);
    assert_same_double(cluster.levels[1].oversubscription, 1);
    assert_same_double(cluster.device.peak_flops[PRECISION_BF16], 312e12);
    assert_same_double(cluster.device.peak_flops[PRECISION_FP8], 0);
    assert_same_double(cluster.device.peak_flops[PRECISION_TF32], 0);
    assert_false(cluster.device.kernels.matmul[PRECISION_BF16].known);
    must(cluster_write(&cluster, scratch->path, &error), &error);
    must(cluster_read(scratch->path, scratch->arena, &again, &error), &error);
    same_cluster(&again, &cluster);
}

/* Whoever copies a file and changes the peak gets other times: constants that say which peak they were fitted
 * at follow it, those that don't stay. */
static void rates_follow_the_peak(void **state) {
    static const char text[] =
        "cluster:\n"
        "  name: copied\n"
        "  source: {kind: datasheet}\n"
        "  node: {devices: 8}\n"
        "  device:\n"
        "    name: X\n"
        "    memory: 80 GB\n"
        "    memory_bandwidth: 2 TB/s\n"
        "    peak: {bf16: 312 TFLOP/s, fp16: 312 TFLOP/s}\n"
        "    matmul:\n"
        "      bf16: {form: smooth, rate: 100 TFLOP/s, peak: 156 TFLOP/s, throttle_flops: 1e9, output_time: "
        "2e-12}\n"
        "      fp16: {form: smooth, rate: 100 TFLOP/s}\n"
        "    attention: {rate: 60 TFLOP/s, peak: 156 TFLOP/s, backward_rate: 40 TFLOP/s}\n"
        "  network:\n"
        "  - {name: nvlink, devices: all, bandwidth: 300 GB/s, latency: 2 us}\n";
    struct scratch *scratch = *state;
    struct cluster cluster, again;
    struct error error = {0};

    write_file(scratch->path, text);
    must(cluster_read(scratch->path, scratch->arena, &cluster, &error), &error);
    const struct kernel_constants *found = &cluster.device.kernels;
    assert_same_double(found->matmul[PRECISION_BF16].flops_per_second, 200e12);
    assert_same_double(found->matmul[PRECISION_BF16].throttle_flops, 2e9);
    assert_same_double(found->matmul[PRECISION_BF16].output_seconds, 1e-12);
    assert_same_double(found->matmul[PRECISION_FP16].flops_per_second, 100e12);
    assert_same_double(found->attention.flops_per_second, 120e12);
    assert_same_double(found->attention.backward_flops_per_second, 80e12);
    must(cluster_write(&cluster, scratch->path, &error), &error);
    must(cluster_read(scratch->path, scratch->arena, &again, &error), &error);
    same_kernels(&again.device.kernels, found);
}

static void levels_of_spans(void **state) {
    struct cluster cluster;

    (void)state;
    fill(&cluster);
    assert_int_equal(cluster_devices(&cluster), 32);
    assert_int_equal(cluster_level_of_span(&cluster, 1), 0);
    assert_int_equal(cluster_level_of_span(&cluster, 4), 0);
    assert_int_equal(cluster_level_of_span(&cluster, 5), 1);
    assert_int_equal(cluster_level_of_span(&cluster, 16), 1);
    assert_int_equal(cluster_level_of_span(&cluster, 17), 2);
    assert_int_equal(cluster_level_of_span(&cluster, 1000000), 2);
}

/* The tables spell the names of the enumerations out. */
static void tables_name_all(void **state) {
    (void)state;
    for (size_t i = 0; i < PRECISION_COUNT; i++) {
        assert_string_equal(peak_fields[i].key, precision_names[i]);
        assert_int_equal(peak_fields[i].offset, i * sizeof(double));
    }
    assert_null(peak_fields[PRECISION_COUNT].key);
    for (size_t i = 0; i < COLLECTIVE_COUNT; i++) {
        assert_string_equal(collectives_fields[i].key, collective_names[i]);
        assert_int_equal(collectives_fields[i].offset, i * sizeof(struct collective_constants));
    }
    assert_null(collectives_fields[COLLECTIVE_COUNT].key);
}

/* `smallest` with one piece of text replaced. */
struct mistake {
    const char *old, *new;
    unsigned line;
    const char *what; /* part of the message */
};

static const struct mistake mistakes[] = {
    {"devices: all", "devices: 16", 8, "devices: all"},
    {"nvlink, devices: 8", "nvlink, devices: all", 7, "only the last"},
    {"nvlink, devices: 8", "nvlink, devices: 12", 7, "12"},
    {"nvlink, devices: 8", "nvlink, devices: 0", 7, "devices"},
    {"nvlink, devices: 8", "nvlink, devices: 1.5", 7, "devices"},
    {"name: spine", "name: nvlink", 8, "two levels"},
    {"bandwidth: 25 GB/s", "bandwidth: 0", 8, "bandwidth"},
    {"bandwidth: 25 GB/s", "bandwidth: -1 GB/s", 8, "bandwidth"},
    {"bandwidth: 25 GB/s", "bandwidth: 25 GB", 8, "GB"},
    {"latency: 5 us", "latency: 5 us, oversubscription: 0.5", 8, "oversubscription"},
    {"latency: 5 us", "latency: 5 us, efficiency: 1.1", 8, "efficiency"},
    {"latency: 5 us", "latency: 5 us, ports: 3", 8, "3 ports"},
    {"latency: 5 us", "latency: 5 us, ports: 0", 8, "ports"},
    {"latency: 5 us", "latency: 5 us, latncy: 5 us", 8, "latncy"},
    {"latency: 5 us", "latency: 5 us, collectives: {allreduce: {bandwidth: 1 GB/s}}", 8, "allreduce"},
    {"latency: 5 us", "latency: 5 us, collectives: {all_reduce: {latency: 1 us}}", 8, "bandwidth"},
    {"latency: 5 us", "latency: 5 us, collectives: {all_reduce: {bandwidth: 1 GB/s, small_group_loss: 1}}", 8,
     "small_group_loss"},
    {"peak: {bf16: 312 TFLOP/s, fp8: none}", "peak: {bf16: none, fp8: none}", 5, "no number format"},
    {"peak: {bf16: 312 TFLOP/s, fp8: none}", "peak: {bf17: 312 TFLOP/s}", 5, "bf17"},
    {"fp8: none}", "fp8: none}, matmul: {fp8: {form: smooth, rate: 1 TFLOP/s}}", 5, "no peak"},
    {"fp8: none}", "fp8: none}, matmul: {bf16: {form: round, rate: 1 TFLOP/s}}", 5, "round"},
    {"memory: 80 GB", "memory: 80 GB, reserved: 80 GB", 5, "reserved"},
    {"memory: 80 GB", "memory: 80 GB, product: {edge: 8192}", 5, "rate"},
    {"memory: 80 GB", "memory: 80 GB, product: {edge: 0, rate: 1 TFLOP/s}", 5, "edge"},
    {"memory: 80 GB", "memory: 80 GB, product: {edge: 8, rate: -1}", 5, "rate"},
    {"memory: 80 GB", "memory: 80 GB, product: {size: 8, rate: 1}", 5, "size"},
    {"memory: 80 GB", "memory: 0", 5, "memory"},
    {"kind: datasheet", "kind: guess", 3, "guess"},
    {"  name: small\n", "  nodes: 1\n", 2, "name"},
    {"  name: small\n", "  name: small\n  nodes: 0\n", 3, "nodes"},
    {"  network:\n", "  hosts: [{name: a}, {name: b}]\n  nodes: 1\n  network:\n", 6, "2 hosts"},
    {"  network:\n", "  hosts: [{name: a, class: b}]\n  network:\n", 6, "class is named b"},
    {"  network:\n", "  classes: [{name: a, nodes: 2}]\n  nodes: 1\n  network:\n", 6, "2 nodes"},
    {"  network:\n", "  hosts: {name: a}\n  network:\n", 6, "list"},
    {"cluster:\n", "cluster:\n  clusters: 1\n", 2, "clusters"},
};

static void mistakes_are_refused_at_their_line(void **state) {
    struct scratch *scratch = *state;

    for (size_t i = 0; i < sizeof mistakes / sizeof *mistakes; i++) {
        const struct mistake *mistake = &mistakes[i];
        const char *at = strstr(smallest, mistake->old);
        struct cluster cluster = {.name = "untouched"};
        struct error error = {0};

        assert_non_null(at);
        write_file(scratch->path, arena_print(scratch->arena, "%.*s%s%s", (int)(at - smallest), smallest,
                                              mistake->new, at + strlen(mistake->old)));
        if (cluster_read(scratch->path, scratch->arena, &cluster, &error))
            fail_msg("\"%s\" was taken", mistake->new);
        if (strstr(error.what, mistake->what) == NULL || error.line != mistake->line)
            fail_msg("\"%s\": line %u: %s", mistake->new, error.line, error.what);
        assert_string_equal(cluster.name, "untouched");
        assert_string_equal(error.file, scratch->path);
    }
}

static void nesting_of_levels(void **state) {
    struct scratch *scratch = *state;
    struct cluster cluster;
    struct error error = {0};

    fill(&cluster);
    cluster.levels[1].devices = 8 * 5;
    cluster.levels[0].devices = 16; /* two nodes share a switch; 40 isn't made of them */
    must(cluster_write(&cluster, scratch->path, &error), &error);
    assert_false(cluster_read(scratch->path, scratch->arena, &cluster, &error));
    assert_non_null(strstr(error.what, "group of 40 devices"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_is_left_out_has_its_default, setup, teardown),
        cmocka_unit_test_setup_teardown(rates_follow_the_peak, setup, teardown),
        cmocka_unit_test(levels_of_spans),
        cmocka_unit_test(tables_name_all),
        cmocka_unit_test_setup_teardown(mistakes_are_refused_at_their_line, setup, teardown),
        cmocka_unit_test_setup_teardown(nesting_of_levels, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
