/* Slow hosts: who is, what a job that takes them sees, and what they cost. */
#include "check.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "planner/answers/answer.h"
#include "planner/answers/slow_hosts.h"
#include "planner/kernels/collective.h"
#include "planner/kernels/matmul.h"
#include "planner/kernels/reference_device.h"

static int create(void **state) {
    setenv("CLUSTERPLAN_DATA", SOURCE_DIR, 1);
    *state = arena_create();
    return 0;
}

static int destroy(void **state) {
    arena_destroy(*state);
    return 0;
}

/* Six nodes of 8: 300 GB/s inside, 25 GB/s a port in a rack of two, and a network that is oversubscribed. */
static void make(struct cluster *cluster, struct cluster_host hosts[6], double oversubscription) {
    static const char *const names[] = {"h0", "h1", "h2", "h3", "h4", "h5"};
    *cluster = (struct cluster){
        .name = "six", .nodes = 6, .node = {.devices = 8}, .level_count = 3, .hosts = hosts, .host_count = 6};
    cluster->levels[0] = (struct network_level){.name = "node",
                                                .devices = 8,
                                                .bandwidth_bytes_per_second = 300e9,
                                                .latency_seconds = 2e-6,
                                                .oversubscription = 1};
    cluster->levels[1] = (struct network_level){.name = "rack",
                                                .devices = 16,
                                                .bandwidth_bytes_per_second = 25e9,
                                                .ports = 8,
                                                .latency_seconds = 5e-6,
                                                .oversubscription = 1};
    cluster->levels[2] = (struct network_level){.name = "network",
                                                .bandwidth_bytes_per_second = 25e9,
                                                .ports = 8,
                                                .latency_seconds = 9e-6,
                                                .oversubscription = oversubscription};
    for (size_t i = 0; i < 6; i++)
        hosts[i] = (struct cluster_host){.name = names[i], .bandwidth_factor = 0.97, .latency_factor = 1.02};
}

static void test_who_is_slow(void **state) {
    struct cluster cluster;
    struct cluster_host hosts[6];
    struct slow_hosts slow;
    make(&cluster, hosts, 1);
    slow_hosts_find(&cluster, *state, &slow);
    assert_int_equal(slow.count, 0);
    hosts[1].bandwidth_factor = 0.81; /* everyday variation */
    hosts[2].bandwidth_factor = 0;    /* not measured */
    hosts[3].bandwidth_factor = 0.4;
    hosts[4].bandwidth_factor = 0.7;
    hosts[5].latency_factor = 2;
    slow_hosts_find(&cluster, *state, &slow);
    assert_int_equal(slow.count, 3);
    assert_string_equal(slow.hosts[0].name, "h4"); /* the least slow first */
    assert_string_equal(slow.hosts[1].name, "h5");
    assert_string_equal(slow.hosts[2].name, "h3");
    assert_string_equal(slow.hosts[2].what, "0.40 of the usual bandwidth");
    assert_string_equal(slow.hosts[1].what, "2 times the usual latency");
    assert_true(slow.hosts[2].bandwidth_factor[0] == 1); /* the inside of a node is not to blame */
    assert_true(slow.hosts[2].bandwidth_factor[1] == 0.4 && slow.hosts[2].bandwidth_factor[2] == 0.4);
}

/* A link slows the level that it belongs to; the host that sends is to blame, or that which is slow anyway.
 */
static void test_slow_links(void **state) {
    struct measurement links[] = {
        {.level = "network", .what = "slow_link_bandwidth", .between = "h2:16 h3:24", .median = 10e9},
        {.level = "network", .what = "slow_link_bandwidth", .between = "h5:40 h2:16", .median = 5e9},
        {.level = "network", .what = "slow_link_bandwidth", .between = "h0:0 h1:8", .median = 24e9},
        {.level = "spine", .what = "slow_link_bandwidth", .between = "h0:0 h1:8", .median = 1e9},
        {.level = "rack", .what = "bandwidth", .between = "h0:0 h1:8", .median = 1e9},
        {.level = "rack", .what = "slow_link_bandwidth", .median = 1e9},
    };
    struct cluster cluster;
    struct cluster_host hosts[6];
    struct slow_hosts slow;
    make(&cluster, hosts, 1);
    cluster.measurements = links;
    cluster.measurement_count = sizeof links / sizeof *links;
    slow_hosts_find(&cluster, *state, &slow);
    assert_int_equal(slow.count, 1);
    assert_string_equal(slow.hosts[0].name, "h2");
    assert_string_equal(slow.hosts[0].what, "0.40 of the usual bandwidth to h3");
    assert_true(slow.hosts[0].bandwidth_factor[1] == 1);
    assert_true(slow.hosts[0].bandwidth_factor[2] == 0.2);
}

static double gather_seconds(const struct cluster *cluster, int64_t size) {
    const struct collective gather = {COLLECTIVE_ALL_GATHER, 64e9, {size, 1}};
    return collective_seconds(cluster, &gather);
}

/* Sound hosts are taken first; with a port of 0.4 a long all-gather over all takes 2.5 times as long, and no
 * longer than before where the uplinks leave a host an eighth anyway. */
static void test_the_slowest_sets_the_pace(void **state) {
    struct cluster cluster;
    struct cluster_host hosts[6];
    struct slow_hosts slow;
    make(&cluster, hosts, 1);
    hosts[3].bandwidth_factor = 0.4;
    hosts[4].bandwidth_factor = 0.7;
    slow_hosts_find(&cluster, *state, &slow);
    assert_int_equal(slow_hosts_taken(&slow, &cluster, 8), 0);
    assert_int_equal(slow_hosts_taken(&slow, &cluster, 32), 0);
    assert_int_equal(slow_hosts_taken(&slow, &cluster, 40), 1);
    assert_int_equal(slow_hosts_taken(&slow, &cluster, 48), 2);
    cluster.nodes = 0; /* as many as asked */
    assert_int_equal(slow_hosts_taken(&slow, &cluster, 48), 0);
    cluster.nodes = 6;
    assert_ptr_equal(slow_hosts_cluster(&slow, &cluster, 0, *state), &cluster);
    const struct cluster *five = slow_hosts_cluster(&slow, &cluster, 1, *state),
                         *six = slow_hosts_cluster(&slow, &cluster, 2, *state);
    assert_ptr_equal(slow_hosts_cluster(&slow, &cluster, 2, *state), six);
    assert_true(five->levels[1].bandwidth_bytes_per_second == 0.7 * 25e9);
    assert_true(six->levels[2].bandwidth_bytes_per_second == 0.4 * 25e9);
    assert_true(six->levels[0].bandwidth_bytes_per_second == 300e9);
    double ratio = gather_seconds(six, 48) / gather_seconds(&cluster, 48);
    assert_true(fabs(ratio - 2.5) < 0.05);
    assert_true(gather_seconds(six, 8) == gather_seconds(&cluster, 8)); /* inside a node */
    make(&cluster, hosts, 8);
    hosts[3].bandwidth_factor = 0.4;
    slow_hosts_find(&cluster, *state, &slow);
    six = slow_hosts_cluster(&slow, &cluster, 1, *state);
    assert_true(fabs(six->levels[2].oversubscription - 3.2) < 1e-9);
    ratio = gather_seconds(six, 48) / gather_seconds(&cluster, 48);
    assert_true(fabs(ratio - 1) < 1e-9);
}

/* Constants that were measured go along: those under load as far as the port is narrower than the load leaves
 * it. */
static void test_constants_follow(void **state) {
    struct cluster cluster;
    struct cluster_host hosts[6];
    struct slow_hosts slow;
    make(&cluster, hosts, 2);
    hosts[3].bandwidth_factor = 0.25;
    hosts[3].latency_factor = 3;
    for (int i = 0; i < COLLECTIVE_COUNT; i++)
        cluster.levels[2].collectives[i] = (struct collective_constants){.known = true,
                                                                         .latency_seconds = 10e-6,
                                                                         .latency_per_member_seconds = 1e-6,
                                                                         .bandwidth_bytes_per_second = 20e9,
                                                                         .ramp_seconds = 4e-6};
    slow_hosts_find(&cluster, *state, &slow);
    const struct cluster *all = slow_hosts_cluster(&slow, &cluster, 1, *state);
    const struct collective_constants *sum = &all->levels[2].collectives[COLLECTIVE_ALL_REDUCE],
                                      *send = &all->levels[2].collectives[COLLECTIVE_SEND_RECEIVE];
    assert_true(fabs(sum->bandwidth_bytes_per_second / 10e9 - 1) < 1e-9);
    assert_true(fabs(send->bandwidth_bytes_per_second / 5e9 - 1) < 1e-9);
    assert_true(fabs(sum->latency_seconds / 30e-6 - 1) < 1e-9);
    assert_true(fabs(sum->ramp_seconds / (4e-6 * sqrt(2) * sqrt(3)) - 1) < 1e-9);
    assert_true(fabs(all->levels[2].latency_seconds / 27e-6 - 1) < 1e-9);
    assert_true(all->levels[0].latency_seconds == 2e-6);
}

/* A host that computes at 0.5 takes twice as long for all but launches and what is sent; model FLOPs are held
 * against the peak of the others still. */
static void test_slow_to_compute(void **state) {
    struct cluster cluster;
    struct cluster_host hosts[6];
    struct slow_hosts slow;
    make(&cluster, hosts, 1);
    cluster.device = reference_device;
    hosts[1].compute_factor = 0.91; /* everyday variation */
    hosts[2].compute_factor = 0.5;
    hosts[2].bandwidth_factor = 0.6;
    slow_hosts_find(&cluster, *state, &slow);
    assert_int_equal(slow.count, 1);
    assert_string_equal(slow.hosts[0].what,
                        "computes at 0.50 of the usual rate, 0.60 of the usual bandwidth");
    const struct cluster *paced = slow_hosts_cluster(&slow, &cluster, 1, *state);
    const struct matmul product = {8192, 8192, 8192, 1, PRECISION_BF16, MATMUL_FORWARD};
    double ratio = matmul_seconds(&paced->device, &product) / matmul_seconds(&cluster.device, &product);
    assert_true(fabs(ratio - 2) < 0.05); /* it reaches its power limit in shorter products */
    assert_true(paced->device.memory_bytes_per_second == 0.5 * cluster.device.memory_bytes_per_second);
    assert_true(paced->device.peak_flops[PRECISION_BF16] / paced->device.pace ==
                cluster.device.peak_flops[PRECISION_BF16]);
    assert_true(cluster.device.pace == 0);
}

static void pose(struct arena *arena, const char *cluster, const char *devices, const char *batch,
                 struct problem *problem, struct answer *answer) {
    const struct problem_flags flags = {
        .model = "llama-3-8b",
        .cluster = arena_print(arena, SOURCE_DIR "/tests/cli/plan-slow-host/%s.yaml", cluster),
        .devices = devices,
        .global_batch = batch};
    struct error error = {0};
    if (!problem_read(&flags, arena, problem, &error) || !answer_find(problem, answer, &error)) {
        fail_msg("%s", error.what);
        abort(); /* fail_msg never returns, which the analyser does not know */
    }
    slow_hosts_price(problem, answer->plans[0]);
}

/* With the slow host the step is that of a cluster whose network is as slow throughout; without it, that of a
 * plan for the others. */
static void test_price(void **state) {
    struct problem all, others, paced;
    struct answer of_all, of_others, of_paced;
    pose(*state, "cluster", "64", "336", &all, &of_all);
    pose(*state, "cluster", "56", "336", &others, &of_others);
    pose(*state, "all-slow", "64", "336", &paced, &of_paced);
    const struct slow_hosts_price *price = all.slow_price;
    assert_non_null(price);
    assert_int_equal(price->taken, 1);
    assert_int_equal(price->without->devices, 56);
    assert_int_equal(price->without->training.global_batch, 336);
    assert_true(price->without->step.seconds == of_others.plans[0]->step.seconds);
    assert_int_equal(others.slow_price->taken, 0);
    assert_null(others.slow_price->without);
    assert_null(paced.slow_price);
    assert_true(fabs(of_paced.plans[0]->step.seconds / price->with->step.seconds - 1) < 1e-9);
}

/* Of 625 sequences the seven sound nodes make little; five of them split well. */
static void test_price_on_fewer(void **state) {
    struct problem all, others;
    struct answer of_all, of_others;
    pose(*state, "cluster", "64", "625", &all, &of_all);
    pose(*state, "cluster", "40", "625", &others, &of_others);
    assert_int_equal(all.slow_price->without->devices, 40);
    assert_true(all.slow_price->without->step.seconds == of_others.plans[0]->step.seconds);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_who_is_slow),
        cmocka_unit_test(test_slow_links),
        cmocka_unit_test(test_the_slowest_sets_the_pace),
        cmocka_unit_test(test_constants_follow),
        cmocka_unit_test(test_slow_to_compute),
        cmocka_unit_test(test_price),
        cmocka_unit_test(test_price_on_fewer),
    };
    return cmocka_run_group_tests(tests, create, destroy);
}
