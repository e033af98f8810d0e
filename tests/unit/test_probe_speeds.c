/* Hosts that compute or copy slowly, out of looks at their ranks. */
#include "check.h"

#include <math.h>

#include "common/arena.h"
#include "probe/speeds.h"

enum { HOSTS = 5, RANKS = 2 * HOSTS };
static const int32_t host_of[RANKS] = {0, 0, 1, 1, 2, 2, 3, 3, 4, 4};
static const size_t class_of[HOSTS] = {0, 0, 0, 0, 1}; /* the last one is of another kind */

static void add(struct records *records, enum speeds_kind kind, int32_t rank, double rate) {
    struct error error;
    struct record record = {
        .phase = PHASE_MEMORY, .kind = (int32_t)speeds_tasks[kind], .from = rank, .to = rank};
    double best = kind == SPEEDS_COMPUTE ? 1 / rate : rate;
    double worst = kind == SPEEDS_COMPUTE ? 3 / rate : rate / 3; /* other work had the core */
    record.summary = (struct summary){.count = 20,
                                      .minimum = fmin(best, worst),
                                      .lower_quartile = worst,
                                      .median = worst,
                                      .upper_quartile = kind == SPEEDS_MEMORY ? best : worst,
                                      .maximum = fmax(best, worst)};
    assert_true(records_add(records, &record, &error));
}

static void judge(const struct records *records, struct speeds_host out[HOSTS]) {
    struct arena *arena = arena_create();
    speeds_judge(records, host_of, RANKS, class_of, HOSTS, arena, out);
    arena_destroy(arena);
}

static void test_slow_hosts(void **state) {
    (void)state;
    struct records records = {0};
    struct speeds_host hosts[HOSTS];
    for (int32_t rank = 0; rank < RANKS; rank++) {
        bool third = host_of[rank] == 2, last = host_of[rank] == 4;
        add(&records, SPEEDS_COMPUTE, rank, (third ? 1400 : last ? 500 : 2000) * (1 + 0.002 * rank));
        add(&records, SPEEDS_MEMORY, rank, host_of[rank] == 1 ? 6e9 : 10e9);
    }
    judge(&records, hosts);
    for (size_t i = 0; i < HOSTS; i++) {
        assert_int_equal(hosts[i].looks_slow[SPEEDS_COMPUTE], i == 2);
        assert_int_equal(hosts[i].looks_slow[SPEEDS_MEMORY], i == 1);
    }
    assert_true(fabs(hosts[2].factor[SPEEDS_COMPUTE] - 0.7) < 0.01);
    assert_true(fabs(hosts[1].factor[SPEEDS_MEMORY] - 0.6) < 1e-9);
    assert_true(hosts[4].factor[SPEEDS_COMPUTE] == 0 && hosts[4].usual[SPEEDS_COMPUTE] > 0); /* alone */
    /* One rank's better look says nothing of the host yet; those of both clear it. */
    add(&records, SPEEDS_COMPUTE, 4, 2000);
    judge(&records, hosts);
    assert_true(hosts[2].looks_slow[SPEEDS_COMPUTE]);
    add(&records, SPEEDS_COMPUTE, 5, 2000);
    judge(&records, hosts);
    assert_false(hosts[2].looks_slow[SPEEDS_COMPUTE]);
    records_close(&records, false);
}

static void test_nothing_measured(void **state) {
    (void)state;
    struct records records = {0};
    struct speeds_host hosts[HOSTS];
    const struct summary none = {0};
    assert_true(speeds_rate(SPEEDS_COMPUTE, &none) == 0);
    judge(&records, hosts);
    for (size_t i = 0; i < HOSTS; i++)
        assert_true(hosts[i].factor[SPEEDS_COMPUTE] == 0 && !hosts[i].looks_slow[SPEEDS_COMPUTE]);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_slow_hosts),
        cmocka_unit_test(test_nothing_measured),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
