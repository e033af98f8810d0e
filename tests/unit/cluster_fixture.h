/* A cluster with a figure in every field, what makes another the same, and a folder to write it into. */
#ifndef CLUSTERPLAN_TESTS_CLUSTER_FIXTURE_H
#define CLUSTERPLAN_TESTS_CLUSTER_FIXTURE_H

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "check.h"
#include "common/cluster.h"

/* A folder of its own for each test, and the arena its clusters live in. */
struct scratch {
    struct arena *arena;
    char folder[64];
    char path[128];
};

static inline int setup(void **state) {
    struct scratch *scratch = calloc(1, sizeof *scratch);

    assert_non_null(scratch);
    scratch->arena = arena_create();
    snprintf(scratch->folder, sizeof scratch->folder, "/tmp/test_cluster.XXXXXX");
    assert_non_null(mkdtemp(scratch->folder));
    snprintf(scratch->path, sizeof scratch->path, "%s/c.yaml", scratch->folder);
    *state = scratch;
    return 0;
}

static inline int teardown(void **state) {
    struct scratch *scratch = *state;

    unlink(scratch->path);
    assert_int_equal(rmdir(scratch->folder), 0); /* no temporary file is left behind */
    arena_destroy(scratch->arena);
    free(scratch);
    return 0;
}

static inline void same_text(const char *found, const char *wanted) {
    if (wanted == NULL)
        assert_null(found);
    else
        assert_string_equal(found, wanted);
}

static inline struct collective_constants collective_filled(double seed) {
    return (struct collective_constants){.known = true,
                                         .latency_seconds = 1e-6 * seed,
                                         .latency_per_member_seconds = 0.91e-6 * seed,
                                         .bandwidth_bytes_per_second = 256e9 / 3 * seed,
                                         .small_group_loss = 0.646 / seed,
                                         .ramp_seconds = 12.5e-6 / 7 * seed,
                                         .fit_error = 0.031 * seed,
                                         .from = "fitted"};
}

static inline struct matmul_constants matmul_filled(double seed) {
    return (struct matmul_constants){.known = true,
                                     .form = seed > 1 ? MATMUL_SMOOTH : MATMUL_TILED,
                                     .launch_seconds = 3.52e-6 * seed,
                                     .flops_per_second = 406e12 / 3 * seed,
                                     .throttle = 0.17 * seed,
                                     .throttle_flops = 793e9 * seed,
                                     .tile_edge = 28.8 * seed,
                                     .tile_seconds = 2.25e-6 * seed,
                                     .split_traffic = 0.71 * seed,
                                     .output_seconds = 0.434e-12 * seed,
                                     .idle_share = 0.19 * seed,
                                     .operand_seconds = 3.49e-12 * seed};
}

static struct node_part parts[] = {
    {.kind = "gpu",
     .name = "NVIDIA A100-SXM4-80GB",
     .pci = "0000:07:00.0",
     .numa = 3,
     .memory_bytes = 80e9,
     .links = 12,
     .link_rate_bytes_per_second = 309.372e9 / 7,
     .near = "mlx5_0 (same switch)",
     .note = "cut into instances (MIG)"},
    {.kind = "nic", .name = "eth0", .numa = -1, .rate_bytes_per_second = 25e9 / 3},
    {.kind = "nic", .name = "mlx5_0", .numa = 0},
};

static struct node_class classes[] = {
    {.name = "node-a",
     .nodes = 3,
     .cpu = "AMD EPYC 7742 \"Rome\": 64 cores",
     .packages = 2,
     .cores = 128,
     .threads = 256,
     .numa_nodes = 8,
     .memory_bytes = 2.16e12,
     .l3_bytes = 16777216,
     .l2_bytes = 524288,
     .parts = parts,
     .part_count = 3},
    {.name = "null", .nodes = 1},
};

static struct cluster_host hosts[] = {
    {.name = "node1",
     .class_name = "node-a",
     .place = "rack1/switch3",
     .bandwidth_factor = 1.0 / 3,
     .latency_factor = 1.1,
     .compute_factor = 0.7,
     .note = "slow: 33 % of the others\nsecond line \xc3\xa9"},
    {.name = "12", .class_name = "null"},
};

static struct measurement measurements[] = {
    {.level = "nvlink",
     .what = "latency",
     .transport = "nccl",
     .between = "node1:0 node1:1",
     .message_bytes = 8,
     .members = 2,
     .count = 101,
     .median = 1.0 / 3e5,
     .minimum = 3.1e-6,
     .maximum = 9.7e-6,
     .spread = 0.1e-6},
    {.level = "node",
     .what = "bandwidth",
     .message_bytes = 1048576,
     .members = 4,
     .count = 7,
     .median = 25e9 / 7,
     .minimum = 3e9,
     .maximum = 4e9,
     .spread = 1e8 / 3},
};

/* Every field differs from its default and from its neighbours. */
static inline void fill(struct cluster *cluster) {
    *cluster = (struct cluster){
        .name = "measured: yes",
        .source = {.kind = SOURCE_MEASURED,
                   .from = "a test",
                   .date = "2024-01-02",
                   .program = "clusterprobe 0.1",
                   .mpi = "Open MPI 4.1.4",
                   .libraries = "NVML: driver 550.54.15, 8 GPUs",
                   .command = "mpirun -np 4 clusterprobe -o c.yaml # 'all'",
                   .note = "oversubscribed: 2 ranks a core"},
        .nodes = 4,
        .node = {.devices = 8,
                 .host_memory_bytes = 2e12,
                 .host_link_bytes_per_second = 25e9,
                 .host_memory_bytes_per_second = 320e9 / 7,
                 .storage_bytes_per_second = 10e9 / 3,
                 .from = "measured"},
        .parallelism = PARALLELISM_DATA,
        .store = {.name = "drives of a node",
                  .capacity_bytes = 28e12,
                  .devices = 8,
                  .bytes_per_second = 10e9 / 3,
                  .total_bytes_per_second = 25e9,
                  .memory_bytes_per_second = 1e12 / 7,
                  .broadcast = true,
                  .from = "base"},
        .device = {.name = "A100",
                   .memory_bytes = 80e9,
                   .reserved_bytes = 2e9 / 3,
                   .memory_bytes_per_second = 2039e9,
                   .peak_flops = {312e12, 311e12, 156e12, 1e15 / 3},
                   .fp8_scaling = FP8_SCALING_BLOCK,
                   .price_per_second = 1.0 / 3600,
                   .power_watts = 400,
                   .mtbf_seconds = 180e6,
                   .from = "base"},
        .level_count = 3,
        .levels = {{.name = "nvlink",
                    .devices = 4,
                    .bandwidth_bytes_per_second = 300e9,
                    .latency_seconds = 2e-6,
                    .oversubscription = 1,
                    .from = "base"},
                   {.name = "leaf",
                    .devices = 16,
                    .bandwidth_bytes_per_second = 25e9 / 3,
                    .ports = 4,
                    .latency_seconds = 1e-5 / 3,
                    .oversubscription = 1.5,
                    .efficiency = 0.85 / 3,
                    .from = "measured"},
                   {.name = "spine",
                    .devices = 0,
                    .bandwidth_bytes_per_second = 24e9,
                    .ports = 2,
                    .latency_seconds = 9e-6,
                    .oversubscription = 2}},
        .hosts = hosts,
        .host_count = 2,
        .classes = classes,
        .class_count = 2,
        .measurements = measurements,
        .measurement_count = 2,
        .matrix_file = "c-pairs.csv",
    };
    for (size_t i = 0; i < COLLECTIVE_COUNT; i++)
        cluster->levels[0].collectives[i] = collective_filled((double)(i + 1));
    cluster->levels[1].collectives[COLLECTIVE_SEND_RECEIVE] = collective_filled(9);
    cluster->levels[1].collectives[COLLECTIVE_SEND_RECEIVE].small_group_loss = -0.5;
    static struct collective_correction corrections[] = {{2, 1024, 0.5}, {2, 65536, 1}, {4, 1024, 1.25}};
    cluster->levels[1].collectives[COLLECTIVE_ALL_GATHER] = collective_filled(8);
    cluster->levels[1].collectives[COLLECTIVE_ALL_GATHER].corrections = corrections;
    cluster->levels[1].collectives[COLLECTIVE_ALL_GATHER].correction_count = 3;
    cluster->device.kernels = (struct kernel_constants){.multiprocessors = 108,
                                                        .memory_efficiency = 0.85,
                                                        .attention = {.known = true,
                                                                      .launch_seconds = 13e-6,
                                                                      .flops_per_second = 154e12,
                                                                      .diagonal_tokens = 308,
                                                                      .longest_row_share = 0.47,
                                                                      .backward_launch_seconds = 165e-6,
                                                                      .backward_flops_per_second = 160e12},
                                                        .grouped_rate = 0.97,
                                                        .grouped_launch_seconds = 27e-6,
                                                        .from = "kernel data"};
    cluster->device.product_edge = 8192;
    cluster->device.product_flops_per_second = 700e12 / 3;
    for (size_t i = 0; i < PRECISION_COUNT; i++)
        cluster->device.kernels.matmul[i] = matmul_filled((double)(i + 1));
}

static inline void same_collective(const struct collective_constants *found,
                                   const struct collective_constants *wanted) {
    assert_int_equal(found->known, wanted->known);
    assert_same_double(found->latency_seconds, wanted->latency_seconds);
    assert_same_double(found->latency_per_member_seconds, wanted->latency_per_member_seconds);
    assert_same_double(found->fit_error, wanted->fit_error);
    assert_same_double(found->bandwidth_bytes_per_second, wanted->bandwidth_bytes_per_second);
    assert_same_double(found->small_group_loss, wanted->small_group_loss);
    assert_same_double(found->ramp_seconds, wanted->ramp_seconds);
    same_text(found->from, wanted->from);
    assert_int_equal(found->correction_count, wanted->correction_count);
    for (size_t i = 0; i < wanted->correction_count; i++) {
        assert_int_equal(found->corrections[i].members, wanted->corrections[i].members);
        assert_same_double(found->corrections[i].message_bytes, wanted->corrections[i].message_bytes);
        assert_same_double(found->corrections[i].factor, wanted->corrections[i].factor);
    }
}

static inline void same_matmul(const struct matmul_constants *found, const struct matmul_constants *wanted) {
    assert_int_equal(found->known, wanted->known);
    assert_int_equal(found->form, wanted->form);
    assert_same_double(found->launch_seconds, wanted->launch_seconds);
    assert_same_double(found->flops_per_second, wanted->flops_per_second);
    assert_same_double(found->throttle, wanted->throttle);
    assert_same_double(found->throttle_flops, wanted->throttle_flops);
    assert_same_double(found->tile_edge, wanted->tile_edge);
    assert_same_double(found->tile_seconds, wanted->tile_seconds);
    assert_same_double(found->split_traffic, wanted->split_traffic);
    assert_same_double(found->output_seconds, wanted->output_seconds);
    assert_same_double(found->idle_share, wanted->idle_share);
    assert_same_double(found->operand_seconds, wanted->operand_seconds);
}

static inline void same_kernels(const struct kernel_constants *found, const struct kernel_constants *wanted) {
    assert_int_equal(found->multiprocessors, wanted->multiprocessors);
    assert_same_double(found->memory_efficiency, wanted->memory_efficiency);
    for (size_t i = 0; i < PRECISION_COUNT; i++)
        same_matmul(&found->matmul[i], &wanted->matmul[i]);
    assert_int_equal(found->attention.known, wanted->attention.known);
    assert_same_double(found->attention.launch_seconds, wanted->attention.launch_seconds);
    assert_same_double(found->attention.flops_per_second, wanted->attention.flops_per_second);
    assert_same_double(found->attention.diagonal_tokens, wanted->attention.diagonal_tokens);
    assert_same_double(found->attention.longest_row_share, wanted->attention.longest_row_share);
    assert_same_double(found->attention.backward_launch_seconds, wanted->attention.backward_launch_seconds);
    assert_same_double(found->attention.backward_flops_per_second,
                       wanted->attention.backward_flops_per_second);
    assert_same_double(found->grouped_rate, wanted->grouped_rate);
    assert_same_double(found->grouped_launch_seconds, wanted->grouped_launch_seconds);
    same_text(found->from, wanted->from);
}

static inline void same_source(const struct cluster_source *found, const struct cluster_source *wanted) {
    assert_int_equal(found->kind, wanted->kind);
    same_text(found->from, wanted->from);
    same_text(found->date, wanted->date);
    same_text(found->program, wanted->program);
    same_text(found->mpi, wanted->mpi);
    same_text(found->libraries, wanted->libraries);
    same_text(found->command, wanted->command);
    same_text(found->note, wanted->note);
}

static inline void same_node_and_device(const struct cluster *found, const struct cluster *wanted) {
    assert_int_equal(found->node.devices, wanted->node.devices);
    assert_same_double(found->node.host_memory_bytes, wanted->node.host_memory_bytes);
    assert_same_double(found->node.host_link_bytes_per_second, wanted->node.host_link_bytes_per_second);
    assert_same_double(found->node.storage_bytes_per_second, wanted->node.storage_bytes_per_second);
    assert_same_double(found->node.host_memory_bytes_per_second, wanted->node.host_memory_bytes_per_second);
    same_text(found->node.from, wanted->node.from);
    assert_int_equal(found->parallelism, wanted->parallelism);
    same_text(found->store.name, wanted->store.name);
    assert_same_double(found->store.capacity_bytes, wanted->store.capacity_bytes);
    assert_int_equal(found->store.devices, wanted->store.devices);
    assert_same_double(found->store.bytes_per_second, wanted->store.bytes_per_second);
    assert_same_double(found->store.total_bytes_per_second, wanted->store.total_bytes_per_second);
    assert_same_double(found->store.memory_bytes_per_second, wanted->store.memory_bytes_per_second);
    assert_int_equal(found->store.broadcast, wanted->store.broadcast);
    same_text(found->store.from, wanted->store.from);
    same_text(found->device.name, wanted->device.name);
    assert_same_double(found->device.memory_bytes, wanted->device.memory_bytes);
    assert_same_double(found->device.reserved_bytes, wanted->device.reserved_bytes);
    assert_same_double(found->device.memory_bytes_per_second, wanted->device.memory_bytes_per_second);
    for (size_t i = 0; i < PRECISION_COUNT; i++)
        assert_same_double(found->device.peak_flops[i], wanted->device.peak_flops[i]);
    assert_int_equal(found->device.fp8_scaling, wanted->device.fp8_scaling);
    assert_same_double(found->device.price_per_second, wanted->device.price_per_second);
    assert_same_double(found->device.power_watts, wanted->device.power_watts);
    assert_same_double(found->device.mtbf_seconds, wanted->device.mtbf_seconds);
    same_text(found->device.from, wanted->device.from);
    same_kernels(&found->device.kernels, &wanted->device.kernels);
    assert_int_equal(found->device.product_edge, wanted->device.product_edge);
    assert_same_double(found->device.product_flops_per_second, wanted->device.product_flops_per_second);
}

static inline void same_levels(const struct cluster *found, const struct cluster *wanted) {
    assert_int_equal(found->level_count, wanted->level_count);
    for (size_t i = 0; i < wanted->level_count; i++) {
        const struct network_level *a = &found->levels[i], *b = &wanted->levels[i];

        same_text(a->name, b->name);
        assert_int_equal(a->devices, b->devices);
        assert_same_double(a->bandwidth_bytes_per_second, b->bandwidth_bytes_per_second);
        assert_int_equal(a->ports, b->ports);
        assert_same_double(a->latency_seconds, b->latency_seconds);
        assert_same_double(a->oversubscription, b->oversubscription);
        assert_same_double(a->efficiency, b->efficiency);
        same_text(a->from, b->from);
        for (size_t j = 0; j < COLLECTIVE_COUNT; j++)
            same_collective(&a->collectives[j], &b->collectives[j]);
    }
}

static inline void same_classes(const struct cluster *found, const struct cluster *wanted) {
    assert_int_equal(found->class_count, wanted->class_count);
    for (size_t i = 0; i < wanted->class_count; i++) {
        const struct node_class *a = &found->classes[i], *b = &wanted->classes[i];

        same_text(a->name, b->name);
        assert_int_equal(a->nodes, b->nodes);
        same_text(a->cpu, b->cpu);
        assert_int_equal(a->packages, b->packages);
        assert_int_equal(a->cores, b->cores);
        assert_int_equal(a->threads, b->threads);
        assert_int_equal(a->numa_nodes, b->numa_nodes);
        assert_same_double(a->memory_bytes, b->memory_bytes);
        assert_same_double(a->l3_bytes, b->l3_bytes);
        assert_same_double(a->l2_bytes, b->l2_bytes);
        assert_int_equal(a->part_count, b->part_count);
        for (size_t j = 0; j < b->part_count; j++) {
            same_text(a->parts[j].kind, b->parts[j].kind);
            same_text(a->parts[j].name, b->parts[j].name);
            same_text(a->parts[j].pci, b->parts[j].pci);
            assert_int_equal(a->parts[j].numa, b->parts[j].numa);
            assert_same_double(a->parts[j].rate_bytes_per_second, b->parts[j].rate_bytes_per_second);
            assert_same_double(a->parts[j].memory_bytes, b->parts[j].memory_bytes);
            assert_int_equal(a->parts[j].links, b->parts[j].links);
            assert_same_double(a->parts[j].link_rate_bytes_per_second,
                               b->parts[j].link_rate_bytes_per_second);
            same_text(a->parts[j].near, b->parts[j].near);
            same_text(a->parts[j].note, b->parts[j].note);
        }
    }
}

static inline void same_measurements(const struct cluster *found, const struct cluster *wanted) {
    assert_int_equal(found->measurement_count, wanted->measurement_count);
    for (size_t i = 0; i < wanted->measurement_count; i++) {
        const struct measurement *a = &found->measurements[i], *b = &wanted->measurements[i];

        same_text(a->level, b->level);
        same_text(a->what, b->what);
        same_text(a->transport, b->transport);
        same_text(a->between, b->between);
        assert_same_double(a->message_bytes, b->message_bytes);
        assert_int_equal(a->members, b->members);
        assert_int_equal(a->count, b->count);
        assert_same_double(a->median, b->median);
        assert_same_double(a->minimum, b->minimum);
        assert_same_double(a->maximum, b->maximum);
        assert_same_double(a->spread, b->spread);
    }
}

static inline void same_cluster(const struct cluster *found, const struct cluster *wanted) {
    same_text(found->name, wanted->name);
    same_source(&found->source, &wanted->source);
    assert_int_equal(found->nodes, wanted->nodes);
    same_node_and_device(found, wanted);
    same_levels(found, wanted);
    assert_int_equal(found->host_count, wanted->host_count);
    for (size_t i = 0; i < wanted->host_count; i++) {
        same_text(found->hosts[i].name, wanted->hosts[i].name);
        same_text(found->hosts[i].class_name, wanted->hosts[i].class_name);
        same_text(found->hosts[i].place, wanted->hosts[i].place);
        assert_same_double(found->hosts[i].bandwidth_factor, wanted->hosts[i].bandwidth_factor);
        assert_same_double(found->hosts[i].latency_factor, wanted->hosts[i].latency_factor);
        assert_same_double(found->hosts[i].compute_factor, wanted->hosts[i].compute_factor);
        same_text(found->hosts[i].note, wanted->hosts[i].note);
    }
    same_classes(found, wanted);
    same_measurements(found, wanted);
    same_text(found->matrix_file, wanted->matrix_file);
}

static inline void must(bool done, const struct error *error) {
    if (!done)
        fail_msg("line %u: %s (%s)", error->line, error->what, error->hint);
}

static inline void write_file(const char *path, const char *text) {
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    fputs(text, file);
    assert_int_equal(fclose(file), 0);
}

#endif
