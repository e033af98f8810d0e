/* Deviating hosts and links out of records of pairs. */
#include "check.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "common/arena.h"
#include "probe/analysis.h"
#include "probe/records.h"
#include "probe/task.h"

enum { HOSTS = 8, RACK = 4 };

struct world {
    struct arena *arena;
    struct records records;
    struct analysis_matrix matrix;
    struct levels levels;
    bool by_bandwidth;
    struct analysis_host hosts[HOSTS];
    struct analysis_links links, suspects;
    int32_t at_once; /* pairs, in what `add` adds */
};

static const int32_t host_of[HOSTS] = {0, 1, 2, 3, 4, 5, 6, 7};

static void add(struct world *world, int32_t kind, int32_t from, int32_t to, double value) {
    struct error error;
    struct record record = {
        .phase = PHASE_PAIRS, .kind = kind, .from = from, .to = to, .members = world->at_once};
    record.summary = (struct summary){.count = 20,
                                      .minimum = value,
                                      .lower_quartile = value * 1.01,
                                      .median = value * 1.02,
                                      .upper_quartile = value * 1.03,
                                      .maximum = value * 1.5};
    assert_true(records_add(&world->records, &record, &error));
}

/* Judges all records; directions that `slow` calls so were confirmed to be. */
static void judge(struct world *world, double (*slower)(int32_t from, int32_t to)) {
    analysis_gather(&world->records, host_of, HOSTS, world->arena, &world->matrix);
    analysis_find_levels(&world->matrix, world->arena, &world->levels, &world->by_bandwidth);
    for (int32_t i = 0; slower != NULL && i < HOSTS; i++) {
        for (int32_t j = 0; j < HOSTS; j++)
            if (i != j && slower(i, j) < 0.8)
                world->matrix.verdict[i * HOSTS + j] = VERDICT_SLOW;
    }
    analysis_deviations(&world->matrix, &world->levels, world->arena, world->hosts, &world->links,
                        &world->suspects);
}

/* Two racks of four: 10 us and 100 MB/s inside, 300 us and 25 MB/s across; or one rack of all. What `slower`
 * says is times the usual bandwidth. */
static void make_world(struct world *world, bool racks, double (*slower)(int32_t from, int32_t to)) {
    memset(world, 0, sizeof *world);
    world->at_once = 1;
    world->arena = arena_create();
    for (int32_t i = 0; i < HOSTS; i++) {
        for (int32_t j = 0; j < HOSTS; j++) {
            bool far = racks && i / RACK != j / RACK;
            if (i < j)
                add(world, TASK_LATENCY, i, j, far ? 300e-6 : 10e-6);
            if (i != j)
                add(world, TASK_STREAM, i, j, (far ? 25e6 : 100e6) * slower(i, j));
        }
    }
    judge(world, slower);
}

static void free_world(struct world *world) {
    records_close(&world->records, false);
    arena_destroy(world->arena);
}

static double all_equal(int32_t from, int32_t to) {
    (void)from;
    (void)to;
    return 1;
}

static double host_5_sends_slowly(int32_t from, int32_t to) {
    (void)to;
    return from == 5 ? 0.4 : 1;
}

static double one_direction(int32_t from, int32_t to) {
    return from == 1 && to == 2 ? 0.5 : 1;
}

static double a_little_slower(int32_t from, int32_t to) {
    return from == 3 || to == 6 ? 0.9 : 1;
}

static double second_rack_by_bandwidth(int32_t from, int32_t to) {
    return from / RACK != to / RACK ? 0.25 : 1;
}

static void test_sound(void **state) {
    (void)state;
    double (*const cases[])(int32_t, int32_t) = {all_equal, a_little_slower};
    for (size_t c = 0; c < 2; c++) {
        struct world world;
        make_world(&world, true, cases[c]);
        assert_int_equal(world.levels.count, 2);
        assert_false(world.by_bandwidth);
        assert_int_equal(world.links.count, 0);
        for (size_t i = 0; i < HOSTS; i++)
            assert_string_equal(world.hosts[i].note, "");
        struct analysis_usual usual;
        analysis_usual(&world.matrix, &world.levels, 1, world.arena, &usual);
        assert_int_equal(usual.pairs, 16);
        assert_true(fabs(usual.bandwidth / (25e6 * 1.03) - 1) < 0.01);
        assert_true(fabs(usual.least_latency / 300e-6 - 1) < 0.01);
        free_world(&world);
    }
}

static void test_slow_sender(void **state) {
    (void)state;
    struct world world;
    make_world(&world, true, host_5_sends_slowly);
    assert_string_equal(world.hosts[5].note, "sends at 0.40 of the usual bandwidth");
    for (size_t i = 0; i < HOSTS; i++)
        assert_true(i == 5 || world.hosts[i].note[0] == '\0');
    assert_int_equal(world.links.count, 0); /* its links are its own fault */
    free_world(&world);
}

static void test_slow_link(void **state) {
    (void)state;
    struct world world;
    make_world(&world, true, one_direction);
    assert_int_equal(world.links.count, 1);
    assert_int_equal(world.links.items[0].from, 1);
    assert_int_equal(world.links.items[0].to, 2);
    assert_true(fabs(world.links.items[0].factor - 0.5) < 0.01);
    free_world(&world);
}

static void test_better_showing_counts(void **state) {
    (void)state;
    struct world world;
    make_world(&world, true, one_direction);
    add(&world, TASK_STREAM, 1, 2, 100e6);
    judge(&world, one_direction);
    assert_int_equal(world.links.count, 0);
    free_world(&world);
}

/* What only looks slow is a suspect, and nobody's fault. */
static void test_unconfirmed(void **state) {
    (void)state;
    struct world world;
    make_world(&world, true, host_5_sends_slowly);
    judge(&world, NULL);
    assert_int_equal(world.links.count, 0);
    assert_int_equal(world.suspects.count, HOSTS - 1);
    for (size_t i = 0; i < HOSTS; i++)
        assert_string_equal(world.hosts[i].note, "");
    free_world(&world);
    make_world(&world, true, one_direction);
    world.matrix.verdict[1 * HOSTS + 2] = VERDICT_UNCLEAR;
    analysis_deviations(&world.matrix, &world.levels, world.arena, world.hosts, &world.links,
                        &world.suspects);
    assert_int_equal(world.links.count, 0);
    assert_int_equal(world.suspects.count, 0);
    free_world(&world);
}

/* A host that is late to all others looks so, and is named once that was confirmed; a look as quick as usual
 * at half of its links clears it. */
static void test_late_host(void **state) {
    (void)state;
    struct world world;
    memset(&world, 0, sizeof world);
    world.at_once = 1;
    world.arena = arena_create();
    for (int32_t i = 0; i < HOSTS; i++)
        for (int32_t j = i + 1; j < HOSTS; j++)
            add(&world, TASK_LATENCY, i, j, (i == 2 || j == 2 ? 35e-6 : 10e-6) * (1 + 0.001 * (i + j)));
    judge(&world, NULL);
    assert_true(world.hosts[2].is_late && !world.hosts[3].is_late);
    assert_string_equal(world.hosts[2].note, "");
    world.matrix.late_verdict[2] = VERDICT_SLOW;
    analysis_deviations(&world.matrix, &world.levels, world.arena, world.hosts, &world.links,
                        &world.suspects);
    assert_non_null(strstr(world.hosts[2].note, "latency is 3.5"));
    for (int32_t j = 3; j < HOSTS; j++)
        add(&world, TASK_LATENCY, 2, j, 10e-6);
    judge(&world, NULL);
    assert_false(world.hosts[2].is_late);
    free_world(&world);
}

/* Five slow looks, while a sound link was fast each time, are enough; on a busy machine it takes more, and
 * without a sound link to compare with nothing is said. */
static void test_looks(void **state) {
    (void)state;
    static const struct {
        struct analysis_looks looks;
        enum analysis_verdict verdict;
    } cases[] = {
        {{0, 0}, VERDICT_NONE},
        {{4, 4}, VERDICT_NONE}, /* (1/5)^4 = 1.6e-3 */
        {{5, 5}, VERDICT_SLOW}, /* (1/6)^5 = 1.3e-4 */
        {{6, 5}, VERDICT_NONE},
        {{14, 11}, VERDICT_NONE}, /* (1 - 11/30)^14 = 1.7e-3 */
        {{16, 13}, VERDICT_SLOW}, /* (1 - 13/34)^16 = 4.5e-4 */
        {{28, 14}, VERDICT_SLOW},
        {{20, 4}, VERDICT_NONE},
        {{39, 0}, VERDICT_NONE},
        {{ANALYSIS_LOOKS_MAX, 0}, VERDICT_UNCLEAR},
        {{ANALYSIS_LOOKS_MAX, 2}, VERDICT_UNCLEAR},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_int_equal(analysis_judge_looks(&cases[i].looks), cases[i].verdict);
}

/* How often streams at the same time were measured, and the two best. One that came too late to be counted
 * had left the others alone. */
static void test_loaded(void **state) {
    (void)state;
    static const double rates[4][2] = {
        {10, 14}, {20, 24}, {15, 27}, {0, 33}}; /* the last: of a run on a busy machine */
    struct record items[8];
    struct records records = {.items = items};
    for (int32_t i = 0; i < 8; i++) {
        double rate = rates[i / 2][i % 2];
        items[records.count++] = (struct record){.phase = PHASE_LOADED,
                                                 .level = 1,
                                                 .operation = i / 2,
                                                 .summary = {.count = rate > 0 ? 1 : 0, .median = rate}};
    }
    double best[ANALYSIS_LOADS];
    analysis_find_loaded(&records, 1, best);
    assert_true(best[0] == 22 && best[1] == 21 && best[2] == 12);
    analysis_find_loaded(&records, 0, best);
    assert_true(best[0] == 0 && best[1] == 0);
}

/* Two racks of hosts on one machine beside eight computing programs, two streams of each level at a time,
 * MB/s. */
static void test_oversubscription(void **state) {
    (void)state;
    static const struct {
        double rack, network, alone;
        bool share_cores;
        double is, untold;
    } cases[] = {
        {95, 24.25, 48.5, true, 2, 1},       /* the cores carried 95, the uplinks 24 */
        {50, 48, 120, true, 1, 2.5},         /* the cores carried no more in a rack */
        {124, 92, 117, true, 1, 117 / 92.0}, /* cables of programs took more of the cores than a rack's */
        {99, 60, 120, true, 1, 2},           /* the same beside computing programs */
        {50, 48, 120, false, 2.5, 1},        /* each host has cores of its own */
        {120, 110, 120, true, 1, 1},         /* no loss */
        {0, 24.25, 48.5, true, 1, 2},        /* racks were not loaded */
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct record items[4];
        struct records records = {.items = items, .count = 4};
        double untold;
        for (int32_t k = 0; k < 4; k++) {
            double rate = k < 2 ? cases[i].rack : cases[i].network;
            items[k] = (struct record){.phase = PHASE_LOADED,
                                       .level = k / 2,
                                       .summary = {.count = rate > 0 ? 1 : 0, .median = rate}};
        }
        double factor = analysis_oversubscription(&records, 1, cases[i].alone, cases[i].share_cores, &untold);
        assert_float_equal(factor, cases[i].is, 1e-9);
        assert_float_equal(untold, cases[i].untold, 1e-9);
        /* Nothing lies inside the innermost level. */
        double inner = analysis_oversubscription(&records, 0, 2 * cases[i].rack, true, &untold);
        assert_true(inner == 1 && untold == (cases[i].rack > 0 ? 2 : 1));
    }
    /* One stream alone in a rack says half of what cores carry for two. */
    struct record items[3] = {{.phase = PHASE_LOADED, .summary = {.count = 1, .median = 55}},
                              {.phase = PHASE_LOADED, .level = 1, .summary = {.count = 1, .median = 25}},
                              {.phase = PHASE_LOADED, .level = 1, .summary = {.count = 1, .median = 25}}};
    const struct records records = {.items = items, .count = 3};
    double untold;
    assert_true(analysis_oversubscription(&records, 1, 50, true, &untold) == 1 && untold == 2);
}

/* Two repetitions that agree show that there is no loss; other work may feign one, so that takes three. */
static void test_load_known(void **state) {
    (void)state;
    assert_true(analysis_is_load_known((double[ANALYSIS_LOADS]){98, 96, 50}, 100));
    assert_false(analysis_is_load_known((double[ANALYSIS_LOADS]){98, 94, 50}, 100));
    assert_false(analysis_is_load_known((double[ANALYSIS_LOADS]){50, 49, 40}, 100));
    assert_true(analysis_is_load_known((double[ANALYSIS_LOADS]){50, 49, 49}, 100));
}

/* `spread`: interquartile range over median. */
static void add_spread(struct records *records, struct record *items, enum task_kind kind, int64_t bytes,
                       double spread) {
    records->items = items;
    items[records->count++] = (struct record){
        .kind = kind,
        .members = 1,
        .bytes = bytes,
        .summary = {.count = 20, .lower_quartile = 1, .median = 1, .upper_quartile = 1 + spread}};
}

/* A run is noisy where more than a quarter of the bandwidths spread, or more than half of the latencies. */
static void test_noisy(void **state) {
    (void)state;
    struct record items[16];
    struct records records = {0};
    struct analysis_noise noise;
    assert_false(analysis_is_noisy(&records, TASK_STREAM, &noise));
    for (int i = 0; i < 4; i++) {
        add_spread(&records, items, TASK_STREAM, 4 << 20, i < 1 ? 0.3 : 0.2);
        add_spread(&records, items, TASK_LATENCY, 8, i < 2 ? 0.3 : 0.2);
    }
    assert_false(analysis_is_noisy(&records, TASK_STREAM, &noise));
    assert_true(noise.noisy == 1 && noise.all == 4);
    assert_false(analysis_is_noisy(&records, TASK_LATENCY, &noise));
    assert_true(noise.noisy == 2 && noise.all == 4);
    add_spread(&records, items, TASK_STREAM, 4 << 20, 0.3);
    assert_true(analysis_is_noisy(&records, TASK_STREAM, &noise));
    assert_true(noise.noisy == 2 && noise.all == 5);
    add_spread(&records, items, TASK_LATENCY, 64, 0.3); /* longer messages don't count */
    assert_false(analysis_is_noisy(&records, TASK_LATENCY, &noise));
    add_spread(&records, items, TASK_LATENCY, 8, 0.3);
    assert_true(analysis_is_noisy(&records, TASK_LATENCY, &noise));
    items[records.count - 1].members = 2; /* nor what others ran beside */
    assert_false(analysis_is_noisy(&records, TASK_LATENCY, &noise));
    items[records.count - 1] = (struct record){.kind = TASK_LATENCY, .members = 1, .bytes = 8}; /* failed */
    assert_false(analysis_is_noisy(&records, TASK_LATENCY, &noise));
}

/* Pairs at the same time share an uplink: a look alone counts for more, and they don't make each other
 * suspect. */
static void test_shared(void **state) {
    (void)state;
    struct world world;
    struct analysis_usual usual;
    make_world(&world, true, all_equal);
    world.at_once = 4;
    add(&world, TASK_STREAM, 0, 4, 90e6); /* faster than alone: not to be believed */
    add(&world, TASK_STREAM, 0, 5, 8e6);
    judge(&world, NULL);
    analysis_usual(&world.matrix, &world.levels, 1, world.arena, &usual);
    assert_true(fabs(usual.bandwidth / (25e6 * 1.03) - 1) < 0.01);
    assert_int_equal(world.suspects.count, 0);
    free_world(&world);
    memset(&world, 0, sizeof world);
    world.arena = arena_create();
    world.at_once = 4;
    for (int32_t i = 0; i < HOSTS; i++) {
        for (int32_t j = 0; j < HOSTS; j++) {
            if (i < j)
                add(&world, TASK_LATENCY, i, j, 10e-6);
            if (i != j)
                add(&world, TASK_STREAM, i, j, 100e6 / (1 + (i + j) % 4));
        }
    }
    judge(&world, NULL);
    assert_int_equal(world.levels.count, 1);
    assert_int_equal(world.suspects.count, 0);
    free_world(&world);
}

static void test_levels_by_bandwidth(void **state) {
    (void)state;
    struct world world;
    make_world(&world, false, second_rack_by_bandwidth);
    assert_true(world.by_bandwidth);
    assert_int_equal(world.levels.count, 2);
    assert_int_equal(levels_joining(&world.levels, 0, 3), 0);
    assert_int_equal(levels_joining(&world.levels, 3, 4), 1);
    free_world(&world);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sound),
        cmocka_unit_test(test_slow_sender),
        cmocka_unit_test(test_slow_link),
        cmocka_unit_test(test_better_showing_counts),
        cmocka_unit_test(test_unconfirmed),
        cmocka_unit_test(test_shared),
        cmocka_unit_test(test_levels_by_bandwidth),
        cmocka_unit_test(test_late_host),
        cmocka_unit_test(test_looks),
        cmocka_unit_test(test_loaded),
        cmocka_unit_test(test_oversubscription),
        cmocka_unit_test(test_load_known),
        cmocka_unit_test(test_noisy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
