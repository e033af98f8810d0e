/* What a better cluster saves: constants go along, and the search is the same as on a cluster that is so. */
#include "posed.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "planner/answers/what_if.h"
#include "planner/kernels/attention.h"
#include "planner/kernels/collective.h"
#include "planner/kernels/matmul.h"
#include "shipped_cluster.h"

static void find(struct arena *arena, const struct problem_flags *flags, struct problem *problem,
                 struct answer *answer) {
    struct error error = {0};
    pose(arena, flags, problem);
    must(what_if_find(problem, answer, &error), &error);
}

static const struct cluster *read_cluster(struct arena *arena, const char *name) {
    struct cluster *cluster = ARENA_NEW(arena, struct cluster);
    *cluster = shipped_cluster(name, arena);
    return cluster;
}

/* Of clusters with constants of their own (A100, H100) and without any (a device scaled from another). */
static void test_compute_doubles_every_rate(void **state) {
    static const char *const names[] = {"dgx-a100-80g", "dgx-h100", "mi300x"};
    const struct matmul product = {16384, 12288, 12288, 1, PRECISION_BF16, MATMUL_FORWARD};
    const struct attention attention = {.batch = 4,
                                        .sequence = 16384,
                                        .query_split = 1,
                                        .heads = 32,
                                        .kv_heads = 32,
                                        .qk_head_dim = 128,
                                        .v_head_dim = 128};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const struct cluster *today = read_cluster(*state, names[i]);
        struct cluster twice = *today;
        what_if_apply(WHAT_IF_COMPUTE, 2, today->level_count, &twice);
        assert_true(twice.device.peak_flops[PRECISION_BF16] == 2 * today->device.peak_flops[PRECISION_BF16]);
        double ratio = matmul_seconds(&today->device, &product) / matmul_seconds(&twice.device, &product);
        assert_true(ratio > 1.9 && ratio < 2.05);
        ratio = attention_seconds(&today->device, &attention) / attention_seconds(&twice.device, &attention);
        assert_true(ratio > 1.8 && ratio <= 2);
    }
}

static void test_network_follows_for_large_and_small_messages(void **state) {
    static const char *const names[] = {"dgx-a100-80g", "dgx-h100", "mi300x"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        for (int operation = 0; operation < COLLECTIVE_COUNT; operation++) {
            const struct cluster *today = read_cluster(*state, names[i]);
            struct cluster wide = *today, quick = *today;
            struct collective large = {(enum collective_operation)operation, 8e9, {64, 1}};
            struct collective small = {(enum collective_operation)operation, 64, {64, 1}};
            what_if_apply(WHAT_IF_BANDWIDTH, 2, today->level_count, &wide);
            what_if_apply(WHAT_IF_LATENCY, 0.5, today->level_count, &quick);
            double gain = collective_seconds(today, &large) / collective_seconds(&wide, &large);
            assert_true(gain > 1.8 && gain <= 2.0001);
            assert_true(collective_seconds(&quick, &small) < 0.95 * collective_seconds(today, &small));
            assert_true(collective_seconds(&quick, &small) >= 0.4999 * collective_seconds(today, &small));
        }
}

/* One level alone: the others stay. */
static void test_one_level_is_changed_alone(void **state) {
    const struct cluster *today = read_cluster(*state, "dgx-h100");
    struct cluster changed = *today;
    what_if_apply(WHAT_IF_BANDWIDTH, 2, 1, &changed);
    for (size_t i = 0; i < today->level_count; i++)
        assert_true(changed.levels[i].bandwidth_bytes_per_second ==
                    (i == 1 ? 2 : 1) * today->levels[i].bandwidth_bytes_per_second);
}

static void test_is_the_search_on_such_a_cluster(void **state) {
    struct problem problem = {0};
    struct answer answer = {0};
    size_t counts[WHAT_IF_KIND_COUNT] = {0};
    find(*state, &(struct problem_flags){.model = "mixtral-8x7b", .cluster = "dgx-h100", .devices = "32"},
         &problem, &answer);
    assert_int_equal(answer.plan_count, 1);
    assert_non_null(answer.what_if);
    for (size_t i = 0; i < answer.what_if->count; i++) {
        const struct what_if_change *change = &answer.what_if->changes[i];
        const struct plan *today = answer.plans[0];
        struct cluster cluster = problem.cluster;
        struct search_problem search = problem.search;
        struct search_result result;
        struct error error = {0};
        size_t level = cluster.level_count;
        for (size_t j = 0; change->level && j < cluster.level_count; j++)
            if (strcmp(cluster.levels[j].name, change->level) == 0)
                level = j;
        what_if_apply(change->kind, change->factor, level, &cluster);
        search.cluster = &cluster;
        assert_true(search_run(&search, *state, &result, &error));
        assert_true(change->gain.plan->step.seconds <= result.plans[0].step.seconds);
        assert_true(change->gain.plan->step.seconds >= result.plans[0].step.seconds * (1 - 1e-9) ||
                    change->gain.plan->step.seconds == change->gain.kept_seconds);
        assert_true(change->gain.plan->step.seconds <= change->gain.kept_seconds);
        assert_true(change->gain.kept_seconds <= today->step.seconds * (1 + 1e-9));
        assert_same_double(change->gain.saved, 1 - change->gain.plan->step.seconds / today->step.seconds);
        assert_true(i == 0 || change->gain.saved <= answer.what_if->changes[i - 1].gain.saved);
        counts[change->kind]++;
    }
    /* 32 devices: within a node, and under the first switch. */
    static const size_t expected[WHAT_IF_KIND_COUNT] = {1, 1, 1, 3, 3};
    for (size_t i = 0; i < WHAT_IF_KIND_COUNT; i++)
        assert_int_equal(counts[i], expected[i]);
}

static const struct what_if_setting *setting_of(const struct what_if *what_if, const char *key) {
    for (size_t i = 0; i < what_if->setting_count; i++)
        if (strcmp(what_if->settings[i].key, key) == 0)
            return &what_if->settings[i];
    return NULL;
}

static const struct what_if_setting *setting_with_value(const struct what_if *what_if, const char *value) {
    for (size_t i = 0; i < what_if->setting_count; i++)
        if (strcmp(what_if->settings[i].value, value) == 0)
            return &what_if->settings[i];
    return NULL;
}

/* `set` is told to the search that the setting stands for. */
static void check_setting(struct arena *arena, const struct problem *problem, const struct answer *answer,
                          const char *key, const struct training *set) {
    const struct what_if_setting *setting = setting_of(answer->what_if, key);
    struct search_problem search = problem->search;
    struct search_result result;
    struct error error = {0};
    assert_non_null(setting);
    search.context = NULL;
    search.training = *set;
    must(search_run(&search, arena, &result, &error), &error);
    assert_same_double(setting->gain.plan->step.seconds, result.plans[0].step.seconds);
    assert_same_double(setting->gain.saved,
                       1 - setting->gain.plan->step.seconds / answer->plans[0]->step.seconds);
}

static void test_settings_are_searches_of_such_a_training(void **state) {
    struct problem problem = {0};
    struct answer answer = {0};
    find(*state, &(struct problem_flags){.model = "mixtral-8x7b", .cluster = "dgx-h100", .devices = "32"},
         &problem, &answer);
    struct training set = problem.search.training;
    set.precision = PRECISION_FP8;
    check_setting(*state, &problem, &answer, "precision", &set);
    set = problem.search.training;
    set.gradients = GRADIENTS_HALF;
    check_setting(*state, &problem, &answer, "gradients", &set);
    set = problem.search.training;
    set.routing.overlap = true;
    check_setting(*state, &problem, &answer, "routing.overlap", &set);
    for (size_t i = 1; i < answer.what_if->setting_count; i++)
        assert_true(answer.what_if->settings[i].gain.saved <= answer.what_if->settings[i - 1].gain.saved);
    assert_null(setting_of(answer.what_if, "attention"));
}

/* One that holds a further pass has no room in a layout that fills the memory. */
static void test_today_s_layout_may_have_no_room(void **state) {
    struct problem problem = {0};
    struct answer answer = {0};
    find(*state, &(struct problem_flags){.model = "mixtral-8x7b", .cluster = "dgx-h100", .devices = "32"},
         &problem, &answer);
    const struct what_if_setting *overlap = setting_of(answer.what_if, "routing.overlap");
    struct search_problem search = problem.search;
    struct plan kept;
    assert_non_null(overlap);
    search.training.routing.overlap = true;
    search_evaluate(&search, &answer.plans[0]->layout, *state, &kept, NULL);
    assert_false(memory_fits(&kept.memory));
    assert_true(overlap->gain.kept_seconds <= 0);
    assert_true(memory_fits(&overlap->gain.plan->memory));
}

/* A100 have no fp8 and no DeepEP, dense models exchange nothing; of the schedules that the stack lacks the
 * best is named. */
static void test_settings_are_only_what_can_be(void **state) {
    struct problem problem = {0};
    struct answer answer = {0};
    find(*state, &(struct problem_flags){.model = "mixtral-8x7b", .cluster = "dgx-a100-80g", .devices = "64"},
         &problem, &answer);
    assert_null(setting_of(answer.what_if, "precision"));
    assert_null(setting_of(answer.what_if, "routing.dispatcher"));
    assert_non_null(setting_of(answer.what_if, "routing.overlap"));
    find(*state, &(struct problem_flags){.model = "deepseek-v3", .cluster = "dgx-h800", .devices = "2048"},
         &problem, &answer);
    const struct what_if_setting *schedule = setting_of(answer.what_if, "schedule");
    assert_non_null(schedule);
    assert_string_equal(schedule->value, schedule_names[schedule->gain.plan->layout.schedule]);
    assert_true((stack_default()->schedules & 1U << schedule->gain.plan->layout.schedule) == 0);
    find(*state, &(struct problem_flags){.model = "llama-3-8b", .cluster = "dgx-h100", .devices = "32"},
         &problem, &answer);
    assert_null(setting_of(answer.what_if, "routing.overlap"));
    assert_null(setting_of(answer.what_if, "cuda_graphs")); /* whose host is ahead */
    assert_null(setting_of(answer.what_if, "recipe.experts"));
}

/* Blackwell's software of 2026: experts' kernels fused, and once they are a step in one graph. */
static void test_blackwell_s_experts_may_be_fused(void **state) {
    struct problem problem = {0};
    struct answer answer = {0};
    struct problem_flags flags = {
        .model = "qwen3-30b-a3b", .cluster = "gb200-nvl72", .devices = "16", .precision = "fp8"};
    find(*state, &flags, &problem, &answer);
    struct training set = problem.search.training;
    set.recipe.experts = EXPERTS_FUSED;
    check_setting(*state, &problem, &answer, "recipe.experts", &set);
    assert_null(setting_with_value(answer.what_if, "step"));
    flags.training = "recipe: {experts: fused}";
    find(*state, &flags, &problem, &answer);
    assert_null(setting_of(answer.what_if, "recipe.experts"));
    assert_non_null(setting_with_value(answer.what_if, "step"));
    flags.cluster = "dgx-h100";
    flags.training = NULL;
    find(*state, &flags, &problem, &answer);
    assert_null(setting_of(answer.what_if, "recipe.experts"));
}

static void test_where_nothing_fits_there_is_no_what_if(void **state) {
    struct problem problem = {0};
    struct answer answer = {0};
    find(*state, &(struct problem_flags){.model = "gpt-3", .cluster = "dgx-h100", .devices = "8"}, &problem,
         &answer);
    assert_int_equal(answer.plan_count, 0);
    assert_null(answer.what_if);
    assert_true(answer.nearest.found);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_compute_doubles_every_rate, create, destroy),
        cmocka_unit_test_setup_teardown(test_network_follows_for_large_and_small_messages, create, destroy),
        cmocka_unit_test_setup_teardown(test_one_level_is_changed_alone, create, destroy),
        cmocka_unit_test_setup_teardown(test_is_the_search_on_such_a_cluster, create, destroy),
        cmocka_unit_test_setup_teardown(test_settings_are_searches_of_such_a_training, create, destroy),
        cmocka_unit_test_setup_teardown(test_today_s_layout_may_have_no_room, create, destroy),
        cmocka_unit_test_setup_teardown(test_blackwell_s_experts_may_be_fused, create, destroy),
        cmocka_unit_test_setup_teardown(test_settings_are_only_what_can_be, create, destroy),
        cmocka_unit_test_setup_teardown(test_where_nothing_fits_there_is_no_what_if, create, destroy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
