/* Sockets out of the pairs of ranks of a host. */
#include "check.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "probe/sockets.h"
#include "probe/task.h"

enum { RANKS = 8, FIRST = 16 };

struct host {
    struct records records;
    struct record items[RANKS * RANKS];
    int32_t ranks[RANKS];
    struct node_place places[FIRST + RANKS];
};

/* Latency and bandwidth of ranks 16 .. 23 of another host than the first; the same within `inside`
 * neighbours. */
static void fill(struct host *host, int inside, double far_seconds, double far_rate) {
    memset(host, 0, sizeof *host);
    host->records.items = host->items;
    for (int32_t i = 0; i < RANKS; i++) {
        host->ranks[i] = FIRST + i;
        host->places[FIRST + i] = (struct node_place){i / (RANKS / 2), i / (RANKS / 2), ""};
    }
    for (int32_t i = 0; i < RANKS; i++) {
        for (int32_t j = i + 1; j < RANKS; j++) {
            bool near = i / inside == j / inside;
            double seconds = (near ? 300e-9 : far_seconds) * (1 + 0.01 * ((i + 3 * j) % 5));
            double rate = (near ? 12e9 : far_rate) * (1 + 0.01 * ((2 * i + j) % 5));
            struct record record = {.phase = PHASE_LOCAL, .from = FIRST + i, .to = FIRST + j};
            record.kind = TASK_LATENCY;
            record.summary = (struct summary){
                .count = 20, .minimum = seconds, .lower_quartile = 1.02 * seconds, .median = 1.05 * seconds};
            host->items[host->records.count++] = record;
            record.kind = TASK_STREAM;
            record.summary = (struct summary){
                .count = 20, .lower_quartile = 0.99 * rate, .median = rate, .upper_quartile = 1.01 * rate};
            host->items[host->records.count++] = record;
        }
    }
}

static void assert_sockets(struct host *host, const char *name) {
    struct arena *arena = arena_create();
    struct sockets sockets;
    sockets_find(&host->records, host->ranks, host->places, RANKS, arena, &sockets);
    if (name == NULL) {
        assert_null(sockets.name);
    } else {
        assert_string_equal(sockets.name, name);
        assert_int_equal(sockets.groups, 2);
        for (int32_t i = 0; i < RANKS; i++)
            assert_int_equal(sockets.group_of[i] == sockets.group_of[0], i < RANKS / 2);
    }
    arena_destroy(arena);
}

static void test_by_latency(void **state) {
    (void)state;
    struct host host;
    fill(&host, RANKS / 2, 700e-9, 12e9);
    assert_sockets(&host, "socket");
}

static void test_by_bandwidth(void **state) {
    (void)state;
    struct host host;
    fill(&host, RANKS / 2, 300e-9, 6e9);
    assert_sockets(&host, "socket");
}

static void test_numa_nodes_of_one_package(void **state) {
    (void)state;
    struct host host;
    fill(&host, RANKS / 2, 700e-9, 6e9);
    for (int32_t i = 0; i < RANKS; i++)
        host.places[FIRST + i].package = 0;
    assert_sockets(&host, "numa");
}

/* No gap, ranks that aren't bound, and groups that are none of the machine's. */
static void test_none(void **state) {
    (void)state;
    struct host host;
    fill(&host, RANKS, 300e-9, 12e9);
    assert_sockets(&host, NULL);
    fill(&host, RANKS / 2, 700e-9, 6e9);
    for (int32_t i = 0; i < RANKS; i++)
        host.places[FIRST + i].package = host.places[FIRST + i].numa = -1;
    assert_sockets(&host, NULL);
    fill(&host, RANKS / 4, 700e-9, 6e9);
    assert_sockets(&host, NULL);
    host.records.count = 0;
    assert_sockets(&host, NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_by_latency),
        cmocka_unit_test(test_by_bandwidth),
        cmocka_unit_test(test_numa_nodes_of_one_package),
        cmocka_unit_test(test_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
