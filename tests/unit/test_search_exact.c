/* The search against itself without pruning, and without a limit. */
#include "check.h"

#include "planner/search/search_pool.h"
#include "random_problem.h"

enum { RANDOM_PROBLEMS = 600, UNEQUAL_PROBLEMS = 400, OFFLOAD_PROBLEMS = 120, LIMIT_PROBLEMS = 150 };

static void assert_same_layout(const struct layout *a, const struct layout *b) {
    for (int key = 0; key < LAYOUT_KEY_COUNT; key++)
        if (layout_get(a, (enum layout_key)key) != layout_get(b, (enum layout_key)key)) {
            char left[512], right[512];
            fail_msg("%s and not %s", layout_format(a, left, sizeof left),
                     layout_format(b, right, sizeof right));
        }
}

static void assert_same_result(const struct search_result *pruned, const struct search_result *whole) {
    assert_int_equal(pruned->looked.layouts, whole->looked.layouts);
    assert_int_equal(whole->looked.pruned, 0);
    assert_int_equal(whole->looked.evaluated, whole->looked.feasible);
    assert_true(pruned->looked.evaluated <= whole->looked.evaluated);
    assert_true(pruned->looked.evaluated + pruned->looked.pruned <= pruned->looked.layouts);
    assert_int_equal(pruned->plan_count, whole->plan_count);
    for (size_t i = 0; i < whole->plan_count; i++) {
        assert_same_layout(&pruned->plans[i].layout, &whole->plans[i].layout);
        assert_same_double(pruned->plans[i].step.seconds, whole->plans[i].step.seconds);
        if (i > 0)
            assert_true(whole->plans[i - 1].step.seconds <= whole->plans[i].step.seconds);
    }
    assert_int_equal(pruned->nearest.found, whole->nearest.found);
    if (whole->nearest.found) {
        assert_int_equal(whole->plan_count, 0);
        assert_same_layout(&pruned->nearest.layout, &whole->nearest.layout);
        assert_string_equal(pruned->nearest.why, whole->nearest.why);
    }
}

/* What came of some problems, each searched with and without pruning. */
struct tally {
    int infeasible, impossible, offloaded;
    int won;     /* by offload, where something fits without */
    int partial; /* whose best plan recomputes some layers of a chunk */
    int64_t evaluated, costed;
};

/* Whether moving things out is faster than what fits without. */
static bool wins(const struct setting *setting, const struct search_result *result, struct arena *arena) {
    struct search_problem problem = setting->problem;
    struct search_result without;
    struct error error = {0};
    if (result->plan_count == 0 || result->plans[0].layout.offload == OFFLOAD_NONE)
        return false;
    problem.request.keys[LAYOUT_OFFLOAD].count = 0;
    layout_request_fix(&problem.request, LAYOUT_OFFLOAD, OFFLOAD_NONE);
    problem.exhaustive = false;
    if (!search_run(&problem, arena, &without, &error) || without.plan_count == 0)
        return false;
    assert_true(result->plans[0].step.seconds <= without.plans[0].step.seconds);
    return result->plans[0].step.seconds < without.plans[0].step.seconds;
}

static void search_both(struct setting *setting, struct tally *tally) {
    struct arena *arena = arena_create();
    struct search_result pruned, whole;
    struct error error = {0};
    bool posed = search_run(&setting->problem, arena, &pruned, &error);
    setting->problem.exhaustive = setting->problem.simulates_all = true;
    assert_int_equal(search_run(&setting->problem, arena, &whole, &error), posed);
    if (posed) {
        assert_same_result(&pruned, &whole);
        tally->infeasible += pruned.plan_count == 0;
        tally->offloaded += pruned.plan_count > 0 && pruned.plans[0].layout.offload;
        tally->partial += pruned.plan_count > 0 && pruned.plans[0].layout.recompute_layers > 0 &&
                          setting->problem.request.keys[LAYOUT_RECOMPUTE_LAYERS].count == 0;
        tally->won +=
            setting->problem.request.keys[LAYOUT_OFFLOAD].count == 0 && wins(setting, &whole, arena);
        tally->evaluated += pruned.looked.evaluated;
        tally->costed += whole.looked.evaluated;
    }
    tally->impossible += !posed;
    arena_destroy(arena);
}

static void print_tally(const struct tally *tally, int problems) {
    print_message("    %d problems: %d that nothing fits, %d without a layout, %d with offload, faster than "
                  "without in %d; "
                  "%d that recompute some layers; %lld of %lld layouts costed\n",
                  problems, tally->infeasible, tally->impossible, tally->offloaded, tally->won,
                  tally->partial, (long long)tally->evaluated, (long long)tally->costed);
}

static void test_pruned_is_exact(void **state) {
    struct tally tally = {0};
    (void)state;
    random_state = 1;
    for (int i = 0; i < RANDOM_PROBLEMS; i++) {
        struct setting setting;
        make_random(&setting);
        search_both(&setting, &tally);
    }
    print_tally(&tally, RANDOM_PROBLEMS);
    assert_true(tally.infeasible >= 10 && tally.impossible >= 1 && tally.won >= 4);
    assert_true(tally.evaluated < tally.costed);
}

/* Few layers, so that stages are unlike, with heads of any size; few micro-batches; links from fast to so
 * slow that transfers take longer than passes; in half of the problems schedules that the stack lacks. */
static void test_unequal_stages_are_exact(void **state) {
    struct tally tally = {0};
    (void)state;
    random_state = 4;
    for (int i = 0; i < UNEQUAL_PROBLEMS; i++) {
        struct setting setting;
        struct search_problem *problem = &setting.problem;
        make_random(&setting);
        setting.model.layers = PICK_INT(1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 13, 16);
        setting.model.experts.first_dense_layers = setting.model.experts.count > 0 ? PICK_INT(0, 0, 1) : 0;
        setting.model.vocab = PICK_INT(8000, 32000, 128000, 256000);
        setting.cluster.device.memory_bytes = 80e9;
        setting.cluster.levels[0].bandwidth_bytes_per_second = (double)PICK_INT(1, 10, 300) * 1e9;
        setting.cluster.levels[1].bandwidth_bytes_per_second = (double)PICK_INT(1, 5, 25) * 1e9;
        problem->devices = PICK_INT(2, 3, 4, 6, 8, 12, 16);
        problem->training.global_batch = PICK_INT(1, 2, 3, 4, 6, 8, 12, 16);
        problem->request = (struct layout_request){0};
        give(&problem->request, LAYOUT_OFFLOAD, OFFLOAD_NONE);
        if (PICK_INT(0, 1) != 0)
            for (int schedule = 0; schedule < SCHEDULE_COUNT; schedule++)
                problem->request.keys[LAYOUT_SCHEDULE]
                    .values[problem->request.keys[LAYOUT_SCHEDULE].count++] = schedule;
        search_both(&setting, &tally);
    }
    print_tally(&tally, UNEQUAL_PROBLEMS);
    assert_true(tally.infeasible == 0 && tally.impossible < UNEQUAL_PROBLEMS / 3);
    assert_true(tally.evaluated < tally.costed);
}

/* Devices with little memory, and hosts and stores to help them out; in some problems what goes out is given.
 */
static void test_offload_is_exact(void **state) {
    struct tally tally = {0};
    (void)state;
    random_state = 2;
    for (int i = 0; i < OFFLOAD_PROBLEMS; i++) {
        struct setting setting;
        make_random(&setting);
        setting.cluster.device.memory_bytes = (double)PICK_INT(12, 15, 18, 22, 26) * 1e8;
        setting.cluster.node.host_memory_bytes = (double)PICK_INT(0, 10, 1000) * 1e9;
        setting.cluster.node.host_link_bytes_per_second = (double)PICK_INT(25, 200) * 1e9;
        if (PICK_INT(0, 1))
            add_store(&setting.cluster);
        if (PICK_INT(0, 0, 1) != 0) {
            give(&setting.problem.request, LAYOUT_OFFLOAD, PICK_INT(0, 1, 2));
            setting.problem.request.keys[LAYOUT_OFFLOAD].values[1] = PICK_INT(3, 4, 5, 6, 7);
            setting.problem.request.keys[LAYOUT_OFFLOAD].count = 2;
        }
        search_both(&setting, &tally);
    }
    print_tally(&tally, OFFLOAD_PROBLEMS);
    assert_true(tally.infeasible >= 5 && tally.offloaded >= 40 && tally.won >= 3);
    assert_true(tally.evaluated < tally.costed);
}

/* A limit leaves the best plan where it is, and nothing where all are slower. */
static void test_limit(void **state) {
    (void)state;
    random_state = 4711;
    for (int i = 0; i < LIMIT_PROBLEMS; i++) {
        struct arena *arena = arena_create();
        struct setting setting;
        struct search_result free_of_limit, limited;
        struct error error = {0};
        make_random(&setting);
        if (search_run(&setting.problem, arena, &free_of_limit, &error) && free_of_limit.plan_count > 0) {
            double best = free_of_limit.plans[0].step.seconds;
            /* Where all are too slow it would be tried what offload gives. */
            layout_request_fix(&setting.problem.request, LAYOUT_OFFLOAD,
                               free_of_limit.plans[0].layout.offload);
            setting.problem.limit_seconds = best;
            assert_true(search_run(&setting.problem, arena, &limited, &error));
            assert_true(limited.plan_count > 0);
            assert_same_double(limited.plans[0].step.seconds, best);
            assert_true(layout_alike(&limited.plans[0].layout, &free_of_limit.plans[0].layout));
            setting.problem.limit_seconds = best / 2;
            assert_true(search_run(&setting.problem, arena, &limited, &error));
            assert_int_equal(limited.plan_count, 0);
            assert_false(limited.nearest.found);
        }
        arena_destroy(arena);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pruned_is_exact),
        cmocka_unit_test(test_unequal_stages_are_exact),
        cmocka_unit_test(test_offload_is_exact),
        cmocka_unit_test(test_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
