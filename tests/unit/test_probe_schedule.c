/* Tournament rounds: everyone meets everyone exactly once, nobody twice at a time, as few at once as fits. */
#include "check.h"

#include <stdlib.h>

#include "probe/schedule.h"

/* Plays all slots of a plan; fills meetings[i * members + j] for i < j; fails if one appears twice a slot. */
static unsigned char *play(const struct schedule_plan *plan) {
    size_t members = (size_t)plan->members;
    unsigned char *meetings = calloc(members * members, 1);
    struct schedule_pair *pairs = calloc(members, sizeof *pairs);
    int64_t *busy_in = calloc(members, sizeof *busy_in);
    for (int64_t slot = 0; slot < plan->slots; slot++) {
        size_t count = schedule_slot(plan, slot, pairs);
        assert_true(count <= (size_t)plan->at_once);
        for (size_t i = 0; i < count; i++) {
            size_t first = (size_t)pairs[i].first, second = (size_t)pairs[i].second;
            assert_true(first < second && second < members);
            assert_true(busy_in[first] != slot + 1 && busy_in[second] != slot + 1);
            busy_in[first] = busy_in[second] = slot + 1;
            meetings[first * members + second]++;
        }
    }
    free(pairs);
    free(busy_in);
    return meetings;
}

static void assert_all_met_once(const struct schedule_plan *plan) {
    unsigned char *meetings = play(plan);
    size_t members = (size_t)plan->members;
    for (size_t i = 0; i < members; i++)
        for (size_t j = i + 1; j < members; j++)
            assert_int_equal(meetings[i * members + j], 1);
    free(meetings);
}

static void test_rounds(void **state) {
    (void)state;
    assert_int_equal(schedule_round_count(0), 0);
    assert_int_equal(schedule_round_count(1), 0);
    assert_int_equal(schedule_round_count(2), 1);
    assert_int_equal(schedule_round_count(7), 7);
    assert_int_equal(schedule_round_count(8), 7);
    assert_int_equal(schedule_round_count(1024), 1023);
}

static void test_everyone_meets_once(void **state) {
    (void)state;
    for (int64_t members = 2; members <= 65; members++) {
        struct schedule_plan plan;
        schedule_make(members, 1, 1e9, &plan);
        assert_int_equal(plan.at_once, 1);
        assert_all_met_once(&plan);
        schedule_make(members, 1, (double)schedule_round_count(members), &plan);
        assert_int_equal(plan.slots, schedule_round_count(members));
        assert_false(plan.sampled);
        assert_all_met_once(&plan);
        schedule_make(members, 1, 3 * (double)schedule_round_count(members), &plan);
        assert_true(plan.slots <= 3 * schedule_round_count(members));
        assert_all_met_once(&plan);
    }
}

static void test_large_fits_its_time(void **state) {
    (void)state;
    struct schedule_plan plan;
    schedule_make(1024, 0.1, 300, &plan);
    assert_false(plan.sampled);
    assert_true((double)plan.slots * 0.1 <= 300);
    assert_true(plan.at_once <= 256);
    assert_all_met_once(&plan);
}

/* The probe's own shares and pace (phases.c): half of the default five minutes, a third of 0.28 s a slot. */
static void test_sampled_above(void **state) {
    (void)state;
    struct schedule_plan plan;
    schedule_make(1606, 0.28 / 3, 150, &plan);
    assert_false(plan.sampled);
    schedule_make(1609, 0.28 / 3, 150, &plan);
    assert_true(plan.sampled);
    assert_true((double)plan.slots * 0.28 / 3 <= 150);
}

static void test_sampled(void **state) {
    (void)state;
    struct schedule_plan plan;
    schedule_make(100, 1, 50, &plan);
    assert_true(plan.sampled);
    assert_true(plan.slots <= 50);
    unsigned char *meetings = play(&plan);
    for (size_t i = 0; i + 1 < 100; i++) {
        assert_true(meetings[i * 100 + i + 1] >= 1);
        for (size_t j = i + 1; j < 100; j++)
            assert_true(meetings[i * 100 + j] <= 2);
    }
    free(meetings);
}

static void test_alone(void **state) {
    (void)state;
    struct schedule_plan plan;
    schedule_make(1, 0.1, 10, &plan);
    assert_int_equal(plan.slots, 0);
    schedule_make(0, 0.1, 10, &plan);
    assert_int_equal(plan.slots, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rounds),        cmocka_unit_test(test_everyone_meets_once),
        cmocka_unit_test(test_sampled),       cmocka_unit_test(test_large_fits_its_time),
        cmocka_unit_test(test_sampled_above), cmocka_unit_test(test_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
