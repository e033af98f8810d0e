/* The frontier against all plans there are. */
#include "posed.h"

#include <stdlib.h>

#include "planner/answers/frontier.h"

static bool beats(const struct plan *a, const struct plan *b, double share) {
    return a->devices <= b->devices && a->step.seconds <= b->step.seconds &&
           a->memory.per_device_bytes * (1 - share) <= b->memory.per_device_bytes;
}

/* Of the plans on so many devices; they stand in the order of their times. */
static double fastest_seconds(const struct answer *answer, int64_t devices) {
    size_t i = 0;
    while (answer->plans[i]->devices != devices)
        i++;
    return answer->plans[i]->step.seconds;
}

static void test_nothing_beats_it_and_it_beats_all_else(void **state) {
    const struct problem_flags flags = {.model = "llama-3-8b",
                                        .cluster = "dgx-h100",
                                        .devices = "8..16",
                                        .global_batch = "128",
                                        .layout = "cp=1 micro_batch=1,2 recompute=none,selective,full"};
    struct problem problem = {0}, all = {0};
    struct answer answer = {0};
    struct error error = {0};
    size_t plans = 0;
    pose(*state, &flags, &problem);
    assert_true(frontier_find(&problem, &answer, &error));
    assert_true(answer.plan_count > 10);
    for (size_t i = 1; i < answer.plan_count; i++)
        assert_true(answer.plans[i - 1]->step.seconds <= answer.plans[i]->step.seconds);
    pose(*state, &flags, &all);
    problem_set_devices(&all, 8, 16);
    all.search.top = 4000;
    all.search.alike = all.search.exhaustive = true;
    /* One by one what is moved out: of several that fit the search leaves out those that are only slower. */
    for (int place = 0; place < 2 * 4; place++) {
        static const enum offload moved[] = {OFFLOAD_NONE, OFFLOAD_ACTIVATIONS, OFFLOAD_OPTIMIZER,
                                             OFFLOAD_OPTIMIZER_ACTIVATIONS};
        struct search_result result;
        all.search.devices = place % 2 == 0 ? 8 : 16;
        layout_request_fix(&all.search.request, LAYOUT_OFFLOAD, moved[place / 2]);
        assert_true(search_run(&all.search, *state, &result, &error));
        assert_int_equal(result.plan_count, result.looked.feasible);
        plans += result.plan_count;
        for (size_t i = 0; i < result.plan_count; i++) {
            const struct plan *plan = &result.plans[i];
            bool is_reached = plan->step.seconds > FRONTIER_SLOWEST * fastest_seconds(&answer, plan->devices);
            for (size_t j = 0; j < answer.plan_count; j++) {
                const struct plan *kept = answer.plans[j];
                is_reached = is_reached || beats(kept, plan, FRONTIER_STEP);
                assert_true(!beats(plan, kept, 0) ||
                            (plan->step.seconds == kept->step.seconds &&
                             plan->memory.per_device_bytes == kept->memory.per_device_bytes));
            }
            assert_true(is_reached);
        }
    }
    assert_true(plans > 1000);
}

static void test_plans_are_of_the_real_device(void **state) {
    struct problem problem = {0};
    struct answer answer = {0};
    struct error error = {0};
    pose(*state, &(struct problem_flags){.model = "llama-3-8b", .cluster = "dgx-h100", .devices = "8"},
         &problem);
    assert_true(frontier_find(&problem, &answer, &error));
    for (size_t i = 0; i < answer.plan_count; i++) {
        const struct plan *plan = answer.plans[i];
        assert_ptr_equal(plan->cluster, &problem.cluster);
        assert_same_double(plan->memory.capacity_bytes, problem.cluster.device.memory_bytes);
        assert_true(plan->memory.per_device_bytes <= plan->memory.capacity_bytes);
        if (i > 0) {
            assert_true(plan->memory.per_device_bytes <
                        answer.plans[i - 1]->memory.per_device_bytes * (1 - FRONTIER_STEP) * (1 + 1e-12));
        }
    }
}

static void test_where_nothing_fits_the_nearest_is_said(void **state) {
    struct problem problem = {0};
    struct answer answer = {0};
    struct error error = {0};
    pose(*state, &(struct problem_flags){.model = "gpt-3", .cluster = "dgx-h100", .devices = "8"}, &problem);
    assert_true(frontier_find(&problem, &answer, &error));
    assert_int_equal(answer.plan_count, 0);
    assert_true(answer.nearest.found);
    assert_int_equal(answer.nearest_devices, 8);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_nothing_beats_it_and_it_beats_all_else, create, destroy),
        cmocka_unit_test_setup_teardown(test_plans_are_of_the_real_device, create, destroy),
        cmocka_unit_test_setup_teardown(test_where_nothing_fits_the_nearest_is_said, create, destroy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
