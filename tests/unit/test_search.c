/* What a search answers. */
#include "check.h"

#include <math.h>
#include <string.h>

#include "planner/search/search_space.h"
#include "search_setting.h"

/* 13 layers, on 4 stages: no chunks are equal, with the ends' two layers or without. */
static void test_unequal_chunks_are_interleaved(void **state) {
    struct arena *arena = arena_create();
    struct setting setting;
    struct search_result unequal, whole;
    struct error error = {0};
    (void)state;
    make_small(&setting, 80e9);
    setting.model.layers = 13;
    setting.problem.training.global_batch = 16;
    layout_request_fix(&setting.problem.request, LAYOUT_PP, 4);
    layout_request_fix(&setting.problem.request, LAYOUT_TP, 4);
    assert_true(search_run(&setting.problem, arena, &unequal, &error));
    layout_request_fix(&setting.problem.request, LAYOUT_VPP, 1);
    assert_true(search_run(&setting.problem, arena, &whole, &error));
    assert_true(unequal.plans[0].layout.vpp > 1);
    assert_false(search_has_equal_chunks(&setting.model, 4, unequal.plans[0].layout.vpp));
    assert_true(unequal.plans[0].step.seconds < whole.plans[0].step.seconds);
    print_message("    %.4g s instead of %.4g\n", unequal.plans[0].step.seconds, whole.plans[0].step.seconds);
    setting.problem.request.keys[LAYOUT_VPP].count = 0;
    setting.problem.training.stack = stack_find("megatron-2022"); /* deals equal ones alone */
    assert_true(search_run(&setting.problem, arena, &whole, &error));
    assert_int_equal(whole.plans[0].layout.vpp, 1);
    arena_destroy(arena);
}

static void test_request_is_kept(void **state) {
    struct arena *arena = arena_create();
    struct setting setting;
    struct search_result result;
    struct error error = {0};
    (void)state;
    make_small(&setting, 80e9);
    assert_true(layout_request_parse("tp=2,4 recompute=full zero=1 micro_batch=2 sequence_parallel=false",
                                     &setting.problem.request, &error));
    assert_true(search_run(&setting.problem, arena, &result, &error));
    assert_true(result.plan_count > 1);
    for (size_t i = 0; i < result.plan_count; i++) {
        const struct layout *layout = &result.plans[i].layout;
        assert_true(layout->tp == 2 || layout->tp == 4);
        assert_int_equal(layout->recompute, RECOMPUTE_FULL);
        assert_int_equal(layout->zero, 1);
        assert_int_equal(layout->micro_batch, 2);
        assert_false(layout->sequence_parallel);
        assert_int_equal(result.plans[i].devices, 16);
        assert_int_equal(result.plans[i].nodes, 2);
    }
    arena_destroy(arena);
}

static bool same_split(const struct layout *a, const struct layout *b) {
    return a->tp == b->tp && a->pp == b->pp && a->cp == b->cp && a->dp == b->dp && a->ep == b->ep &&
           a->etp == b->etp && a->offload == b->offload;
}

/* Runners-up are of another split, unless there is one only or alike ones are asked for. */
static void test_runners_up_differ(void **state) {
    struct arena *arena = arena_create();
    struct setting setting;
    struct search_result result;
    struct error error = {0};
    (void)state;
    make_small(&setting, 80e9);
    setting.problem.top = 12;
    assert_true(search_run(&setting.problem, arena, &result, &error));
    assert_int_equal(result.plan_count, 12);
    for (size_t i = 0; i < result.plan_count; i++)
        for (size_t j = 0; j < i; j++)
            assert_false(same_split(&result.plans[i].layout, &result.plans[j].layout));
    layout_request_fix(&setting.problem.request, LAYOUT_TP, 2);
    layout_request_fix(&setting.problem.request, LAYOUT_PP, 2);
    layout_request_fix(&setting.problem.request, LAYOUT_CP, 1);
    assert_true(search_run(&setting.problem, arena, &result, &error));
    assert_true(result.plan_count > 3);
    for (size_t i = 0; i < result.plan_count; i++)
        for (size_t j = 0; j < i; j++) {
            const struct layout *a = &result.plans[i].layout, *b = &result.plans[j].layout;
            assert_true(same_split(a, b));
            assert_true(a->vpp != b->vpp || a->recompute != b->recompute || a->schedule != b->schedule ||
                        a->last_stage_layers != b->last_stage_layers);
        }
    setting.problem.request = (struct layout_request){0};
    assert_true(layout_request_parse("tp=2 pp=2 cp=1 schedule=1f1b recompute=none zero=1 order=tp-cp-dp-pp "
                                     "sequence_parallel=true first_stage_layers=0",
                                     &setting.problem.request, &error));
    assert_true(search_run(&setting.problem, arena, &result, &error));
    assert_int_equal(result.plan_count, 1);
    setting.problem.alike = true; /* 32 sequences on dp 4: micro-batches of 1, 2, 4, 8 */
    assert_true(search_run(&setting.problem, arena, &result, &error));
    assert_int_equal(result.plan_count, 4);
    arena_destroy(arena);
}

static void test_nothing_fits(void **state) {
    struct arena *arena = arena_create();
    struct setting setting;
    struct search_result result;
    struct error error = {0};
    (void)state;
    make_small(&setting, 7e8);
    assert_true(search_run(&setting.problem, arena, &result, &error));
    assert_int_equal(result.plan_count, 0);
    assert_int_equal(result.looked.feasible, 0);
    assert_int_equal(result.looked.evaluated, 0);
    assert_true(result.nearest.found);
    assert_string_equal(result.nearest.bound, "memory");
    assert_true(result.nearest.memory.per_device_bytes > 7e8);
    assert_non_null(strstr(result.nearest.why, "over the device's 700"));
    arena_destroy(arena);
}

/* What finds no place, on a device and in its share of the host. */
static double excess_of(const struct setting *setting, const struct near_miss *nearest) {
    const struct cluster_node *node = &setting->cluster.node;
    return fmax(0, nearest->memory.per_device_bytes - nearest->memory.capacity_bytes) +
           fmax(0, nearest->memory.host_bytes_per_device - node->host_memory_bytes / (double)node->devices);
}

/* With offload both memories count: a host too small must not hide what the device lacks, nor one
 * recomputation from another. */
static void test_nearest_counts_both_memories(void **state) {
    static const char *const layouts[] = {"recompute=none offload=true", "recompute=full offload=true",
                                          "recompute=none offload=false", "recompute=full offload=false"};
    struct arena *arena = arena_create();
    struct setting setting;
    struct search_result free_choice, fixed;
    struct error error = {0};
    (void)state;
    make_small(&setting, 6e8);
    setting.cluster.node.host_memory_bytes = 16e6;
    setting.cluster.node.host_link_bytes_per_second = 25e9;
    assert_true(search_run(&setting.problem, arena, &free_choice, &error));
    assert_true(free_choice.nearest.found);
    for (size_t i = 0; i < sizeof layouts / sizeof layouts[0]; i++) {
        setting.problem.request = (struct layout_request){0};
        assert_true(layout_request_parse(layouts[i], &setting.problem.request, &error));
        assert_true(search_run(&setting.problem, arena, &fixed, &error));
        assert_true(fixed.nearest.found);
        assert_true(excess_of(&setting, &free_choice.nearest) <= excess_of(&setting, &fixed.nearest));
        if (fixed.nearest.layout.offload) {
            assert_non_null(strstr(fixed.nearest.why, "over the device's 600"));
            assert_non_null(strstr(fixed.nearest.why, "over the node's 16"));
        }
    }
    assert_int_equal(free_choice.nearest.layout.recompute, RECOMPUTE_FULL);
    arena_destroy(arena);
}

static void test_no_layout_at_all(void **state) {
    static const struct {
        const char *layout;
        const char *why;
    } cases[] = {{"tp=16", "heads 8 not divisible by tp 16"},
                 {"tp=3", "tp x pp x cp = 3 does not divide 16"},
                 {"dp=32", "tp x pp x cp x dp = 32 does not divide 16"},
                 {"ep=2", "ep 2 in a model without experts"},
                 {"micro_batch=5", "global_batch 32 not divisible by dp x micro_batch 80"}};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct arena *arena = arena_create();
        struct setting setting;
        struct search_result result;
        struct error error = {0};
        make_small(&setting, 80e9);
        assert_true(layout_request_parse(cases[i].layout, &setting.problem.request, &error));
        assert_false(search_run(&setting.problem, arena, &result, &error));
        if (strstr(error.what, cases[i].why) == NULL)
            fail_msg("\"%s\" does not say \"%s\"", error.what, cases[i].why);
        arena_destroy(arena);
    }
}

/* More memory or bandwidth never hurts the best plan. */
static void test_better_clusters(void **state) {
    struct arena *arena = arena_create();
    struct setting setting;
    struct error error = {0};
    double before = HUGE_VAL;
    (void)state;
    for (int i = 0; i < 5; i++) {
        struct search_result result;
        make_small(&setting, 1e9 * (1 << i));
        assert_true(search_run(&setting.problem, arena, &result, &error));
        assert_true(result.plan_count > 0 && result.plans[0].step.seconds <= before);
        before = result.plans[0].step.seconds;
    }
    before = HUGE_VAL;
    for (int i = 0; i < 5; i++) {
        struct search_result result;
        make_small(&setting, 2e9);
        setting.cluster.levels[1].bandwidth_bytes_per_second *= 1 << i;
        assert_true(search_run(&setting.problem, arena, &result, &error));
        assert_true(result.plans[0].step.seconds <= before);
        before = result.plans[0].step.seconds;
    }
    arena_destroy(arena);
}

static void test_evaluate_is_what_plan_says(void **state) {
    struct arena *arena = arena_create();
    struct setting setting;
    struct search_result result;
    struct plan plan;
    struct error error = {0};
    (void)state;
    make_small(&setting, 80e9);
    setting.problem.training.tokens = 1e9;
    assert_true(search_run(&setting.problem, arena, &result, &error));
    search_evaluate(&setting.problem, &result.plans[0].layout, arena, &plan, NULL);
    assert_same_double(plan.step.seconds, result.plans[0].step.seconds);
    assert_same_double(plan.memory.per_device_bytes, result.plans[0].memory.per_device_bytes);
    assert_true(plan.mfu > 0 && plan.mfu < 1 && plan.total.days > 0);
    arena_destroy(arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_unequal_chunks_are_interleaved),
        cmocka_unit_test(test_request_is_kept),
        cmocka_unit_test(test_runners_up_differ),
        cmocka_unit_test(test_nothing_fits),
        cmocka_unit_test(test_nearest_counts_both_memories),
        cmocka_unit_test(test_no_layout_at_all),
        cmocka_unit_test(test_better_clusters),
        cmocka_unit_test(test_evaluate_is_what_plan_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
