#include "posed.h"

#include <stdlib.h>
#include <string.h>

#include "planner/answers/answer.h"

static void find(struct arena *arena, const struct problem_flags *flags, struct problem *problem,
                 struct answer *answer) {
    struct error error = {0};
    pose(arena, flags, problem);
    must(answer_find(problem, answer, &error), &error);
}

static void test_a_range_doubles_to_its_end(void **state) {
    struct problem problem = {0};
    struct answer answer = {0};
    find(*state,
         &(struct problem_flags){.model = "llama-3-8b",
                                 .cluster = "dgx-h100",
                                 .devices = "6..48",
                                 .layout = "tp=2 pp=1 cp=1 recompute=none micro_batch=1"},
         &problem, &answer);
    assert_true(answer.range);
    /* 6, then a full node, then doubled; fastest first */
    static const int64_t devices[] = {48, 32, 16, 8, 6};
    assert_int_equal(answer.plan_count, 5);
    for (size_t i = 0; i < 5; i++) {
        assert_int_equal(answer.plans[i]->devices, devices[i]);
        assert_int_equal(answer.plans[i]->training.global_batch, problem.search.training.global_batch);
    }
    assert_true(answer.looked.layouts > 0 && answer.looked.feasible <= answer.looked.layouts);
}

/* 7 replicas share 28 sequences, 8 can't. */
static void test_a_range_finds_the_fastest_between(void **state) {
    struct problem problem = {0};
    struct answer answer = {0};
    find(*state,
         &(struct problem_flags){.model = "llama-3-8b",
                                 .cluster = "dgx-h100",
                                 .devices = "8..64",
                                 .global_batch = "28",
                                 .layout = "tp=8 pp=1 cp=1 recompute=none micro_batch=1"},
         &problem, &answer);
    assert_int_equal(answer.plans[0]->devices, 56);
    assert_true(answer.plan_count >= 2);
    assert_int_equal(problem.devices_from, 8);
    assert_int_equal(problem.devices_to, 64);
}

/* Where no layout splits all devices, or badly, the rest stands idle; not where that gains nothing. */
static void test_devices_may_stand_idle(void **state) {
    struct problem_flags flags = {.model = "llama-3-8b",
                                  .cluster = "dgx-h100",
                                  .devices = "264",
                                  .global_batch = "512",
                                  .layout = "tp=8 pp=1 cp=1 recompute=none micro_batch=1"};
    struct problem problem = {0};
    struct answer answer = {0};
    find(*state, &flags, &problem, &answer);
    assert_int_equal(answer.plans[0]->devices, 256);
    assert_int_equal(problem.search.devices, 256);
    assert_string_equal(problem.notes[0], "256 of the 264 devices: no layout splits all, and the rest stands "
                                          "idle, at no cost here");
    flags.global_batch = "528";
    find(*state, &flags, &problem, &answer);
    assert_int_equal(answer.plans[0]->devices, 264);
}

/* 64 nodes are a power of two and don't split by 5; of those below, 60 do. */
static void test_counts_that_split_well_are_looked_at(void **state) {
    struct problem problem = {0};
    struct answer answer = {0};
    find(*state,
         &(struct problem_flags){.model = "llama-3-8b",
                                 .cluster = "dgx-h100",
                                 .devices = "512",
                                 .global_batch = "960",
                                 .layout = "tp=8 pp=5 cp=1"},
         &problem, &answer);
    assert_int_equal(answer.plans[0]->devices, 480);
    assert_int_equal(answer.plans[0]->layout.dp, 12);
}

static void test_one_count_keeps_the_ranking(void **state) {
    struct problem problem = {0};
    struct answer answer = {0};
    find(*state,
         &(struct problem_flags){.model = "llama-3-8b", .cluster = "dgx-h100", .devices = "8", .top = "3"},
         &problem, &answer);
    assert_false(answer.range);
    assert_int_equal(answer.plan_count, 3);
    assert_true(answer.plans[0]->step.seconds <= answer.plans[1]->step.seconds);
    assert_true(answer.plans[1]->step.seconds <= answer.plans[2]->step.seconds);
}

static void test_the_fewest_is_where_one_node_less_fails(void **state) {
    struct problem problem = {0};
    struct answer answer = {0};
    struct problem_flags flags = {
        .model = "llama-3-70b", .cluster = "dgx-a100-80g", .top = "1", .layout = "offload=false"};
    find(*state, &flags, &problem, &answer);
    assert_int_equal(answer.plan_count, 1);
    int64_t devices = answer.plans[0]->devices;
    /* 70.6B parameters at 16 bytes are 1129 GB: more than one node's 687 GB */
    assert_true(devices >= 16 && devices % 8 == 0);
    assert_non_null(strstr(problem.notes[0], "the fewest whole nodes it fits on"));
    char fewer[32];
    snprintf(fewer, sizeof fewer, "%lld", (long long)(devices - 8));
    flags.devices = fewer;
    find(*state, &flags, &problem, &answer);
    assert_int_equal(answer.plan_count, 0);
    assert_true(answer.nearest.found);
    assert_int_equal(answer.nearest_devices, devices - 8);
}

/* 125 nodes have 1,000 devices, and none of the counts that go in steps of two or more do. */
static void test_the_fewest_is_a_multiple_of_the_split(void **state) {
    struct problem problem = {0};
    struct answer answer = {0};
    struct error error = {0};
    struct problem_flags flags = {
        .model = "llama-3-8b", .cluster = "dgx-a100-80g", .top = "1", .layout = "tp=8 pp=5 dp=25"};
    find(*state, &flags, &problem, &answer);
    assert_int_equal(answer.plan_count, 1);
    assert_int_equal(answer.plans[0]->devices, 1000);
    flags.layout = "pp=1000";
    pose(*state, &flags, &problem);
    assert_false(answer_find(&problem, &answer, &error));
    assert_string_equal(error.what,
                        "no layout splits the model over 1000 devices: pp x vpp 1000 is more than "
                        "the 32 layers");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_range_doubles_to_its_end, create, destroy),
        cmocka_unit_test_setup_teardown(test_a_range_finds_the_fastest_between, create, destroy),
        cmocka_unit_test_setup_teardown(test_devices_may_stand_idle, create, destroy),
        cmocka_unit_test_setup_teardown(test_counts_that_split_well_are_looked_at, create, destroy),
        cmocka_unit_test_setup_teardown(test_one_count_keeps_the_ranking, create, destroy),
        cmocka_unit_test_setup_teardown(test_the_fewest_is_where_one_node_less_fails, create, destroy),
        cmocka_unit_test_setup_teardown(test_the_fewest_is_a_multiple_of_the_split, create, destroy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
