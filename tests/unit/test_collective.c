#include "check.h"

#include <math.h>

#include "planner/kernels/collective.h"

/* Two nodes of 8 A100, NVLink as fitted, and 4 x 12.5 GB/s ports a node (AWS p4de). */
static struct cluster p4de(void) {
    struct cluster cluster = {
        .name = "p4de",
        .node = {.devices = 8},
        .level_count = 2,
        .levels =
            {{.name = "nvlink", .devices = 8, .bandwidth_bytes_per_second = 300e9, .latency_seconds = 2e-6},
             {.name = "efa",
              .bandwidth_bytes_per_second = 12.5e9,
              .ports = 4,
              .latency_seconds = 80e-6,
              .oversubscription = 1}},
    };
    cluster.levels[0].collectives[COLLECTIVE_ALL_REDUCE] =
        (struct collective_constants){.known = true,
                                      .latency_seconds = 8e-6,
                                      .latency_per_member_seconds = 1.8e-6,
                                      .bandwidth_bytes_per_second = 252e9,
                                      .small_group_loss = 0.257,
                                      .ramp_seconds = 11e-6,
                                      .from = "fitted"};
    return cluster;
}

/* Nodes of 8 devices with a port each; 4 nodes under a leaf, 4 leaves. */
static struct cluster three_levels(void) {
    return (struct cluster){
        .name = "three",
        .node = {.devices = 8},
        .level_count = 3,
        .levels =
            {{.name = "nvlink", .devices = 8, .bandwidth_bytes_per_second = 300e9, .latency_seconds = 2e-6},
             {.name = "leaf", .devices = 32, .bandwidth_bytes_per_second = 25e9, .latency_seconds = 5e-6},
             {.name = "spine",
              .bandwidth_bytes_per_second = 25e9,
              .latency_seconds = 9e-6,
              .oversubscription = 1}},
    };
}

static struct collective collective(enum collective_operation operation, double bytes, int64_t size,
                                    int64_t stride) {
    return (struct collective){.operation = operation, .bytes = bytes, .group = {size, stride}};
}

static double seconds(const struct cluster *cluster, enum collective_operation operation, double bytes,
                      int64_t size, int64_t stride) {
    struct collective c = collective(operation, bytes, size, stride);
    return collective_seconds(cluster, &c);
}

static double bandwidth(const struct cluster *cluster, enum collective_operation operation, int64_t size,
                        int64_t stride) {
    struct collective c = collective(operation, 1e9, size, stride);
    struct collective_estimate estimate;
    collective_estimate(cluster, &c, &estimate);
    return estimate.bandwidth_bytes_per_second;
}

static void bus_volume_is_that_of_nccl_tests(void **state) {
    (void)state;
    struct collective c = collective(COLLECTIVE_ALL_REDUCE, 8e6, 8, 1);
    assert_near(collective_bus_bytes(&c), 14e6, 1e-12);
    c.operation = COLLECTIVE_ALL_GATHER;
    assert_near(collective_bus_bytes(&c), 7e6, 1e-12);
    c = collective(COLLECTIVE_SEND_RECEIVE, 8e6, 2, 1);
    assert_near(collective_bus_bytes(&c), 8e6, 1e-12);
}

static void a_group_of_one_and_no_bytes_are_free(void **state) {
    (void)state;
    struct cluster cluster = p4de();
    for (int op = 0; op < COLLECTIVE_COUNT; op++) {
        assert_true(seconds(&cluster, (enum collective_operation)op, 1e9, 1, 1) == 0);
        assert_true(seconds(&cluster, (enum collective_operation)op, 0, 8, 1) == 0);
    }
}

/* nccl-tests on 8 A100: 512 MiB all-reduce at 213 GB/s bus bandwidth (aiconfigurator database). */
static void one_node_follows_its_constants(void **state) {
    (void)state;
    struct cluster cluster = p4de();
    double expected = 512 * 1048576.0 * 1.75 / 213e9;
    assert_near(seconds(&cluster, COLLECTIVE_ALL_REDUCE, 512 * 1048576.0, 8, 1), expected, 0.06);
}

/* nccl-tests on 2 p4de nodes, as published by AWS: 1 MiB 309 us, 16 MiB 1192 us, 64 MiB 2.64 ms, 1 GiB 26.2
 * ms. */
static void two_nodes_all_reduce_as_measured(void **state) {
    (void)state;
    struct cluster cluster = p4de();
    assert_near(seconds(&cluster, COLLECTIVE_ALL_REDUCE, 1048576.0, 16, 1), 309e-6, 0.2);
    assert_near(seconds(&cluster, COLLECTIVE_ALL_REDUCE, 16 * 1048576.0, 16, 1), 1192e-6, 0.2);
    assert_near(seconds(&cluster, COLLECTIVE_ALL_REDUCE, 64 * 1048576.0, 16, 1), 2.64e-3, 0.1);
    assert_near(seconds(&cluster, COLLECTIVE_ALL_REDUCE, 1024 * 1048576.0, 16, 1), 26.2e-3, 0.1);
}

static void groups_share_the_ports_of_a_node(void **state) {
    (void)state;
    struct cluster cluster = three_levels();
    double whole = bandwidth(&cluster, COLLECTIVE_ALL_GATHER, 16, 1);
    assert_near(whole, 8 * 25e9 * 0.9, 1e-9);
    assert_near(bandwidth(&cluster, COLLECTIVE_ALL_GATHER, 8, 2), whole / 2, 1e-9);
    assert_near(bandwidth(&cluster, COLLECTIVE_ALL_GATHER, 2, 8), whole / 8, 1e-9);
    assert_near(bandwidth(&cluster, COLLECTIVE_ALL_GATHER, 2, 16), whole / 8, 1e-9);
}

static void oversubscription_counts_where_all_members_cross_it(void **state) {
    (void)state;
    struct cluster cluster = three_levels();
    double leaf = bandwidth(&cluster, COLLECTIVE_ALL_GATHER, 4, 8);
    double near_ring = bandwidth(&cluster, COLLECTIVE_ALL_GATHER, 16, 8);
    double far_ring = bandwidth(&cluster, COLLECTIVE_ALL_GATHER, 4, 32);
    assert_near(near_ring, leaf, 1e-9);
    assert_near(far_ring, leaf, 1e-9);
    cluster.levels[2].oversubscription = 4;
    assert_near(bandwidth(&cluster, COLLECTIVE_ALL_GATHER, 16, 8), near_ring, 1e-9); /* one edge a leaf */
    assert_near(bandwidth(&cluster, COLLECTIVE_ALL_GATHER, 4, 32), far_ring / 4, 1e-9);
    assert_near(bandwidth(&cluster, COLLECTIVE_ALL_GATHER, 4, 8), leaf, 1e-9); /* stays under a leaf */
}

/* Of 16 ranks on 2 nodes, 8 of 15 parts of what a rank sends to others leave the node, over a port a rank. */
static void all_to_all_counts_what_stays_in_the_node(void **state) {
    (void)state;
    struct cluster cluster = three_levels();
    assert_near(bandwidth(&cluster, COLLECTIVE_ALL_TO_ALL, 16, 1), 25e9 * 0.9 * 0.8 * 15 / 8, 1e-9);
    assert_near(bandwidth(&cluster, COLLECTIVE_ALL_TO_ALL, 2, 8), 25e9 * 0.9 * 0.8, 1e-9);
}

static void send_receive_takes_the_level_that_joins_both(void **state) {
    (void)state;
    struct cluster cluster = three_levels();
    struct collective c = collective(COLLECTIVE_SEND_RECEIVE, 1e6, 2, 4);
    struct collective_estimate estimate;
    collective_estimate(&cluster, &c, &estimate);
    assert_string_equal(estimate.level, "nvlink");
    c.group.stride = 8;
    collective_estimate(&cluster, &c, &estimate);
    assert_string_equal(estimate.level, "leaf");
    assert_string_equal(estimate.from, "datasheet");
    assert_near(estimate.bandwidth_bytes_per_second, 25e9 * 0.9, 1e-9);
    c.group.stride = 32;
    collective_estimate(&cluster, &c, &estimate);
    assert_string_equal(estimate.level, "spine");
}

/* A pipeline of 8 stages of 16 devices on 4 leaves of 32: each second hop leaves a leaf, 16 pairs over its 32
 * ports, and all hops leave their node, over a port each. */
static void the_slowest_pair_of_a_chain_counts(void **state) {
    (void)state;
    struct cluster cluster = three_levels();
    struct collective pair = collective(COLLECTIVE_SEND_RECEIVE, 1e6, 2, 16),
                      chain = collective(COLLECTIVE_SEND_RECEIVE, 1e6, 8, 16);
    struct collective_estimate near, far;
    collective_estimate(&cluster, &pair, &near);
    collective_estimate(&cluster, &chain, &far);
    assert_string_equal(near.level, "leaf");
    assert_string_equal(far.level, "spine");
    assert_near(far.latency_seconds - near.latency_seconds, 4e-6, 1e-9);
    assert_near(far.bandwidth_bytes_per_second, 25e9 * 0.9, 1e-9);
    cluster.levels[2].oversubscription = 8;
    assert_near(bandwidth(&cluster, COLLECTIVE_SEND_RECEIVE, 8, 16), 25e9 * 0.9 * 32 / 8 / 16, 1e-9);
}

/* Trays of 4 in NVLink domains of 72, 8 of those under a leaf. */
static struct cluster nvl72(void) {
    return (struct cluster){
        .name = "nvl72",
        .node = {.devices = 4},
        .level_count = 3,
        .levels =
            {{.name = "nvlink", .devices = 72, .bandwidth_bytes_per_second = 900e9, .latency_seconds = 2e-6},
             {.name = "leaf", .devices = 576, .bandwidth_bytes_per_second = 50e9, .latency_seconds = 5e-6},
             {.name = "spine", .bandwidth_bytes_per_second = 50e9, .latency_seconds = 9e-6}},
    };
}

static const char *level_of(const struct cluster *cluster, int64_t size, int64_t stride) {
    struct collective c = collective(COLLECTIVE_ALL_TO_ALL, 1e8, size, stride);
    struct collective_estimate estimate;
    collective_estimate(cluster, &c, &estimate);
    return estimate.level;
}

/* 64 of 72: a group of 64 stays in a domain, ranks 64 apart don't, and 8 domains are under a leaf. */
static void a_job_takes_of_each_domain_what_divides_it(void **state) {
    struct cluster cluster = nvl72();

    (void)state;
    assert_string_equal(level_of(&cluster, 64, 1), "nvlink");
    assert_string_equal(level_of(&cluster, 8, 8), "nvlink");
    assert_string_equal(level_of(&cluster, 72, 1), "nvlink");
    assert_string_equal(level_of(&cluster, 8, 64), "leaf");
    assert_string_equal(level_of(&cluster, 16, 64), "spine");
    /* 64 groups leave a domain by 64 ports; 4 by as many of theirs if each has 16 ranks in it. */
    assert_near(bandwidth(&cluster, COLLECTIVE_ALL_GATHER, 4, 64), 50e9 * 0.9, 1e-9);
    assert_near(bandwidth(&cluster, COLLECTIVE_ALL_GATHER, 64, 4), 16 * 50e9 * 0.9, 0.05);
}

/* 3 does not divide 8: some group has members in two nodes. */
static void a_straddling_group_pays_the_outer_level(void **state) {
    (void)state;
    struct cluster cluster = three_levels();
    struct collective c = collective(COLLECTIVE_ALL_GATHER, 1e6, 3, 1);
    struct collective_estimate estimate;
    collective_estimate(&cluster, &c, &estimate);
    assert_string_equal(estimate.level, "spine");
}

static void measured_constants_of_an_outer_level_count(void **state) {
    (void)state;
    struct cluster cluster = p4de();
    cluster.levels[1].collectives[COLLECTIVE_ALL_GATHER] = (struct collective_constants){
        .known = true, .latency_seconds = 100e-6, .bandwidth_bytes_per_second = 40e9, .from = "measured"};
    struct collective c = collective(COLLECTIVE_ALL_GATHER, 16e6, 16, 1);
    struct collective_estimate estimate;
    collective_estimate(&cluster, &c, &estimate);
    assert_string_equal(estimate.from, "measured");
    assert_near(estimate.seconds, 100e-6 + 15e6 / 40e9, 1e-9);
    assert_near(bandwidth(&cluster, COLLECTIVE_ALL_GATHER, 2, 8), 5e9, 1e-9); /* 8 groups share a node */
}

/* At the measured size and group the time is the measured one; between them and beyond, the nearest factors
 * count. */
static void measured_times_correct_the_constants(void **state) {
    (void)state;
    struct cluster cluster = p4de();
    struct collective_correction corrections[] = {{2, 1e6, 2}, {2, 16e6, 1}, {8, 1e6, 4}, {8, 16e6, 1}};
    cluster.levels[0].collectives[COLLECTIVE_ALL_GATHER] =
        (struct collective_constants){.known = true,
                                      .latency_seconds = 10e-6,
                                      .bandwidth_bytes_per_second = 200e9,
                                      .from = "measured",
                                      .corrections = corrections,
                                      .correction_count = 4};
    static const struct {
        double bytes;
        int64_t members;
        double factor;
    } expected[] = {{1e6, 2, 2}, {16e6, 2, 1}, {4e6, 2, 1.5}, {1e3, 2, 2}, {1e9, 2, 1},
                    {1e6, 8, 4}, {1e6, 4, 3},  {4e6, 8, 2.5}, {4e6, 4, 2}};
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++) {
        struct collective c = collective(COLLECTIVE_ALL_GATHER, expected[i].bytes, expected[i].members, 1);
        struct collective_estimate estimate;
        collective_estimate(&cluster, &c, &estimate);
        assert_near(estimate.correction, expected[i].factor, 1e-9);
        assert_near(estimate.seconds, expected[i].factor * (10e-6 + collective_bus_bytes(&c) / 200e9), 1e-9);
        assert_near(collective_seconds(&cluster, &c), estimate.seconds, 1e-12);
    }
    struct collective c = collective(COLLECTIVE_ALL_GATHER, 1e6, 16, 1); /* another level, without any */
    struct collective_estimate estimate;
    char origin[COLLECTIVE_ORIGIN_TEXT];
    collective_estimate(&cluster, &c, &estimate);
    assert_near(estimate.correction, 1, 1e-12);
    assert_string_equal(collective_origin(&estimate, origin), "datasheet");
    c.group.size = 8;
    collective_estimate(&cluster, &c, &estimate);
    assert_string_equal(collective_origin(&estimate, origin), "measured, x 4 at this size");
    c.group.size = 4;
    collective_estimate(&cluster, &c, &estimate);
    assert_string_equal(collective_origin(&estimate, origin),
                        "measured, x 3 at this size between groups of 2 and 8");
    cluster.levels[0].collectives[COLLECTIVE_ALL_GATHER].correction_count = 2;
    collective_estimate(&cluster, &c, &estimate);
    assert_string_equal(collective_origin(&estimate, origin), "measured, x 2 at this size in groups of 2");
}

/* A pair alone measured 12 GB/s; 8 devices behind 4 ports of 12.5 GB/s have 6.25 each when all send. */
static void a_measured_pair_shares_the_ports(void **state) {
    (void)state;
    struct cluster cluster = p4de();
    cluster.levels[1].collectives[COLLECTIVE_SEND_RECEIVE] = (struct collective_constants){
        .known = true, .latency_seconds = 20e-6, .bandwidth_bytes_per_second = 12e9};
    assert_near(bandwidth(&cluster, COLLECTIVE_SEND_RECEIVE, 2, 8), 6.25e9, 1e-9);
    cluster.levels[1].ports = 8;
    assert_near(bandwidth(&cluster, COLLECTIVE_SEND_RECEIVE, 2, 8), 12e9, 1e-9);
}

static const int64_t groups[][2] = {{2, 1},  {4, 1}, {8, 1},  {16, 1}, {32, 1}, {128, 1}, {2, 4},  {4, 4},
                                    {16, 4}, {2, 8}, {4, 8},  {16, 8}, {2, 16}, {2, 32},  {4, 32}, {3, 1},
                                    {6, 2},  {5, 3}, {12, 8}, {96, 1}, {2, 64}, {7, 5}};
static const double sizes[] = {1, 1e3, 1e5, 1e6, 3e7, 1e9, 1e12};

/* More bandwidth, more ports, less latency, less oversubscription, fewer bytes: never a longer time. */
static void better_networks_never_cost_more(void **state) {
    (void)state;
    for (int op = 0; op < COLLECTIVE_COUNT; op++)
        for (size_t g = 0; g < sizeof groups / sizeof *groups; g++)
            for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++)
                for (size_t level = 0; level < 3; level++) {
                    enum collective_operation operation = (enum collective_operation)op;
                    struct cluster cluster = three_levels();
                    cluster.levels[2].oversubscription = 2;
                    double before = seconds(&cluster, operation, sizes[s], groups[g][0], groups[g][1]);
                    assert_true(before > 0 && isfinite(before));
                    assert_true(before <=
                                seconds(&cluster, operation, sizes[s] * 1.1, groups[g][0], groups[g][1]));
                    cluster.levels[level].bandwidth_bytes_per_second *= 1.5;
                    double wider = seconds(&cluster, operation, sizes[s], groups[g][0], groups[g][1]);
                    assert_true(wider <= before);
                    cluster.levels[level].ports = 16;
                    assert_true(seconds(&cluster, operation, sizes[s], groups[g][0], groups[g][1]) <= wider);
                    cluster = three_levels();
                    cluster.levels[2].oversubscription = 2;
                    cluster.levels[level].latency_seconds /= 2;
                    assert_true(seconds(&cluster, operation, sizes[s], groups[g][0], groups[g][1]) <= before);
                    cluster.levels[2].oversubscription = 1;
                    assert_true(seconds(&cluster, operation, sizes[s], groups[g][0], groups[g][1]) <= before);
                }
}

/* For small messages a tree over many nodes beats a ring: time grows with the logarithm of the nodes. */
static void small_all_reduces_go_by_tree(void **state) {
    (void)state;
    struct cluster cluster = three_levels();
    double few = seconds(&cluster, COLLECTIVE_ALL_REDUCE, 1024, 32, 1);
    double many = seconds(&cluster, COLLECTIVE_ALL_REDUCE, 1024, 8192, 1);
    assert_true(many > few);
    assert_true(many < 20 * few);
}

/* Of a mesh a group has its own links alone: as measured on 8 MI300X, all-reduce of 4 GiB has 313 GB/s over
 * all and 48 over two (stas00/ml-engineering, network). Between nodes it changes nothing. */
static void a_mesh_gives_a_group_its_own_links(void **state) {
    struct cluster mesh = three_levels(), switched;
    (void)state;
    mesh.levels[0].bandwidth_bytes_per_second = 448e9;
    mesh.levels[0].efficiency = 0.71;
    switched = mesh;
    mesh.levels[0].mesh = true;
    assert_within(bandwidth(&mesh, COLLECTIVE_ALL_REDUCE, 8, 1), 313e9, 10e9);
    assert_within(bandwidth(&mesh, COLLECTIVE_ALL_REDUCE, 2, 1), 48e9, 4e9);
    assert_within(bandwidth(&mesh, COLLECTIVE_ALL_REDUCE, 2, 4), 48e9, 4e9);
    assert_within(bandwidth(&mesh, COLLECTIVE_ALL_GATHER, 4, 2), 3 * 0.71 * 64e9, 1e9);
    assert_within(bandwidth(&mesh, COLLECTIVE_SEND_RECEIVE, 4, 1), 0.71 * 64e9, 1e9);
    assert_same_double(bandwidth(&mesh, COLLECTIVE_ALL_REDUCE, 32, 1),
                       bandwidth(&switched, COLLECTIVE_ALL_REDUCE, 32, 1));
    assert_same_double(bandwidth(&mesh, COLLECTIVE_ALL_REDUCE, 4, 8),
                       bandwidth(&switched, COLLECTIVE_ALL_REDUCE, 4, 8));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bus_volume_is_that_of_nccl_tests),
        cmocka_unit_test(a_group_of_one_and_no_bytes_are_free),
        cmocka_unit_test(one_node_follows_its_constants),
        cmocka_unit_test(two_nodes_all_reduce_as_measured),
        cmocka_unit_test(groups_share_the_ports_of_a_node),
        cmocka_unit_test(oversubscription_counts_where_all_members_cross_it),
        cmocka_unit_test(all_to_all_counts_what_stays_in_the_node),
        cmocka_unit_test(send_receive_takes_the_level_that_joins_both),
        cmocka_unit_test(the_slowest_pair_of_a_chain_counts),
        cmocka_unit_test(a_job_takes_of_each_domain_what_divides_it),
        cmocka_unit_test(a_straddling_group_pays_the_outer_level),
        cmocka_unit_test(measured_constants_of_an_outer_level_count),
        cmocka_unit_test(measured_times_correct_the_constants),
        cmocka_unit_test(a_measured_pair_shares_the_ports),
        cmocka_unit_test(better_networks_never_cost_more),
        cmocka_unit_test(a_mesh_gives_a_group_its_own_links),
        cmocka_unit_test(small_all_reduces_go_by_tree),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
