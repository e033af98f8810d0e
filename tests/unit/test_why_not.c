/* Why other layouts are refused. */
#include "posed.h"

#include <stdlib.h>
#include <string.h>

#include "planner/answers/why_not.h"

static void find(struct arena *arena, const struct problem_flags *flags, struct problem *problem,
                 struct answer *answer) {
    struct error error = {0};
    pose(arena, flags, problem);
    must(why_not_find(problem, answer, &error), &error);
}

static const struct why_not_layout *next_of(const struct why_not *why_not, enum layout_key key,
                                            int64_t value) {
    for (size_t i = 0; i < why_not->next_count; i++)
        if (why_not->next[i].key == key && why_not->next[i].value == value)
            return &why_not->next[i];
    return NULL;
}

static void test_the_faster_need_more_memory(void **state) {
    struct problem problem = {0};
    struct answer answer = {0};
    find(*state,
         &(struct problem_flags){.model = "llama-3-8b", .cluster = "dgx-h100", .devices = "8", .top = "3"},
         &problem, &answer);
    const struct why_not *why_not = answer.why_not;
    assert_non_null(why_not);
    assert_int_equal(answer.plan_count, 3); /* runners-up stay */
    assert_true(why_not->faster_count > 0);
    double before = answer.plans[0]->step.seconds, least = problem.cluster.device.memory_bytes;
    for (size_t i = 0; i < why_not->faster_count; i++) {
        const struct plan *plan = why_not->faster[i].plan;
        assert_int_equal(why_not->faster[i].reason, WHY_NOT_MEMORY);
        assert_true(plan->step.seconds < before && plan->memory.per_device_bytes > least);
        assert_same_double(plan->memory.capacity_bytes, problem.cluster.device.memory_bytes);
        assert_non_null(strstr(why_not->faster[i].why, "over the device's 85.5 GB"));
        before = plan->step.seconds;
        least = plan->memory.per_device_bytes;
    }
}

static void test_each_neighbour_has_its_reason(void **state) {
    struct problem problem = {0};
    struct answer answer = {0};
    find(*state,
         &(struct problem_flags){.model = "gpt-3",
                                 .cluster = "dgx-h100",
                                 .devices = "64",
                                 .global_batch = "512",
                                 .layout = "tp=8,16,64 pp=8 recompute=none,full micro_batch=1"},
         &problem, &answer);
    const struct why_not *why_not = answer.why_not;
    assert_non_null(why_not);
    assert_int_equal(why_not->base.layout.tp, 8);
    /* What the request leaves out isn't asked about. */
    assert_null(next_of(why_not, LAYOUT_TP, 4));
    assert_null(next_of(why_not, LAYOUT_PP, 16));
    assert_null(next_of(why_not, LAYOUT_MICRO_BATCH, 2));
    assert_null(next_of(why_not, LAYOUT_EP, 2)); /* of a model without experts */
    const struct why_not_layout *wide = next_of(why_not, LAYOUT_TP, 16);
    assert_non_null(wide);
    assert_int_equal(wide->reason, WHY_NOT_DIVISIBILITY);
    assert_string_equal(wide->why, "tp x pp x cp = 128 does not divide 64");
    assert_null(wide->plan);
    const struct why_not_layout *chunks = next_of(why_not, LAYOUT_VPP, 2 * why_not->base.layout.vpp);
    assert_non_null(chunks);
    for (size_t i = 0; i < why_not->next_count; i++) {
        const struct why_not_layout *next = &why_not->next[i];
        if (next->reason == WHY_NOT_SLOWER)
            assert_true(next->plan->step.seconds >= why_not->base.step.seconds &&
                        next->plan->memory.per_device_bytes <= next->plan->memory.capacity_bytes);
        else if (next->reason == WHY_NOT_MEMORY)
            assert_true(next->plan->memory.per_device_bytes > next->plan->memory.capacity_bytes);
    }
}

static void test_unequal_chunks_are_said(void **state) {
    struct problem problem = {0};
    struct answer answer = {0};
    find(*state,
         &(struct problem_flags){.model = "llama-3-70b",
                                 .cluster = "dgx-h100",
                                 .devices = "64",
                                 .layout = "tp=8 pp=4 vpp=20,40 recompute=none"},
         &problem, &answer);
    assert_int_equal(answer.why_not->base.layout.vpp, 20);
    const struct why_not_layout *next = next_of(answer.why_not, LAYOUT_VPP, 40);
    assert_int_equal(next->reason, WHY_NOT_DIVISIBILITY);
    assert_string_equal(next->why, "layers 80 not divisible by pp x vpp 160");
}

/* 4 micro-batches on 3 stages are interleaved where a key asks for it: this is faster, and isn't hushed up.
 */
static void test_what_is_faster_but_left_out_is_said(void **state) {
    struct problem problem = {0};
    struct answer answer = {0};
    find(*state,
         &(struct problem_flags){.model = "qwen3-30b-a3b",
                                 .cluster = "dgx-h200",
                                 .devices = "96",
                                 .sequence = "4096",
                                 .global_batch = "256",
                                 .layout = "tp=1 pp=3 cp=1 ep=4 micro_batch=2 recompute=none,selective"},
         &problem, &answer);
    const struct why_not_layout *next = next_of(answer.why_not, LAYOUT_VPP, 2);
    assert_non_null(next);
    assert_true(next->plan->step.seconds < 0.9 * answer.plans[0]->step.seconds);
    assert_int_equal(next->reason, WHY_NOT_UNASKED);
    assert_non_null(strstr(next->why, " % faster; tried only where asked for"));
}

static void test_where_nothing_fits_the_nearest_has_neighbours(void **state) {
    struct problem problem = {0};
    struct answer answer = {0};
    find(*state, &(struct problem_flags){.model = "gpt-3", .cluster = "dgx-h100", .devices = "8"}, &problem,
         &answer);
    assert_int_equal(answer.plan_count, 0);
    assert_non_null(answer.why_not);
    const struct why_not_layout *none = next_of(answer.why_not, LAYOUT_RECOMPUTE, RECOMPUTE_NONE);
    assert_int_equal(none->reason, WHY_NOT_MEMORY);
    assert_true(none->plan->memory.per_device_bytes > answer.why_not->base.memory.per_device_bytes);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_the_faster_need_more_memory, create, destroy),
        cmocka_unit_test_setup_teardown(test_each_neighbour_has_its_reason, create, destroy),
        cmocka_unit_test_setup_teardown(test_unequal_chunks_are_said, create, destroy),
        cmocka_unit_test_setup_teardown(test_what_is_faster_but_left_out_is_said, create, destroy),
        cmocka_unit_test_setup_teardown(test_where_nothing_fits_the_nearest_has_neighbours, create, destroy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
