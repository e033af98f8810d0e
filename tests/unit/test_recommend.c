/* The plan to take against the fastest one: offload only where it is worth it. */
#include "posed.h"

#include <string.h>

#include "planner/answers/recommend.h"

static bool same_layout(const struct layout *a, const struct layout *b) {
    for (int key = 0; key < LAYOUT_KEY_COUNT; key++)
        if (layout_get(a, (enum layout_key)key) != layout_get(b, (enum layout_key)key))
            return false;
    return true;
}

/* The best plan of 64 devices, NULL where nothing fits. */
static const struct plan *best(struct arena *arena, const struct problem_flags *flags, double limit_seconds,
                               bool weighed) {
    struct problem *problem = ARENA_NEW(arena, struct problem);
    struct search_result result;
    struct error error = {0};
    pose(arena, flags, problem);
    problem_set_devices(problem, 64, 64);
    problem->search.top = 1;
    problem->search.limit_seconds = limit_seconds;
    must(weighed ? recommend_run(&problem->search, arena, &result, &error)
                 : search_run(&problem->search, arena, &result, &error),
         &error);
    return result.plan_count > 0 ? &result.plans[0] : NULL;
}

/* Few keys free, so that every layout is soon costed; the devices' memory decides what has to move out. */
static struct problem_flags flags_of(const char *model, const char *cluster, const char *layout) {
    return (struct problem_flags){.model = model,
                                  .cluster = cluster,
                                  .devices = "64",
                                  .global_batch = "256",
                                  .layout = layout,
                                  .exhaustive = false};
}

#define FEW_FREE "tp=4,8 pp=1,2,4,8 cp=1 etp=1 vpp=1 micro_batch=1,2 recompute=none,selective zero=1"

/* By both searches and by the one that leaves bounds out. */
static enum offload hold(struct arena *arena, const char *model, const char *cluster) {
    struct problem_flags free_flags = flags_of(model, cluster, FEW_FREE);
    const struct problem_flags plain_flags = flags_of(model, cluster, FEW_FREE " offload=none");
    const struct plan *taken = best(arena, &free_flags, 0, true);
    const struct plan *fastest = best(arena, &free_flags, 0, false);
    const struct plan *plain = best(arena, &plain_flags, 0, false);
    const struct plan *expected = fastest;
    if (plain && fastest->step.seconds >= (1 - RECOMMEND_OFFLOAD_SHARE) * plain->step.seconds)
        expected = plain;
    assert_true(same_layout(&taken->layout, &expected->layout));
    assert_int_equal(taken->rival != NULL, fastest->step.seconds < taken->step.seconds);
    if (taken->rival)
        assert_true(same_layout(&taken->rival->layout, &fastest->layout));
    free_flags.exhaustive = true;
    assert_true(same_layout(&best(arena, &free_flags, 0, true)->layout, &taken->layout));
    /* What is asked for is taken. */
    const struct problem_flags asked =
        flags_of(model, cluster, FEW_FREE " offload=none,activations,optimizer,optimizer+activations");
    assert_true(best(arena, &asked, 0, true)->step.seconds <= fastest->step.seconds * (1 + 1e-9));
    return taken->layout.offload;
}

static void test_offload_is_taken_where_it_is_worth_it(void **state) {
    static const char *const models[] = {"mixtral-8x22b", "qwen3-235b-a22b", "llama-3-70b"};
    static const char *const clusters[] = {"dgx-h100", "dgx-h200", "dgx-a100-80g"};
    size_t kept = 0, moved = 0;
    for (size_t i = 0; i < sizeof models / sizeof *models; i++)
        for (size_t j = 0; j < sizeof clusters / sizeof *clusters; j++) {
            bool moves = hold(*state, models[i], clusters[j]) != OFFLOAD_NONE;
            kept += !moves;
            moved += moves;
        }
    assert_true(kept > 0 && moved > 0);
}

/* Where only a plan that moves something out is as fast as was asked, it is taken. */
static void test_a_limit_that_needs_offload(void **state) {
    struct problem_flags flags = flags_of("mixtral-8x22b", "dgx-h200", NULL);
    flags.sequence = "65536";
    const struct plan *taken = best(*state, &flags, 0, true);
    assert_non_null(taken->rival);
    assert_int_equal(taken->layout.offload, OFFLOAD_NONE);
    double between = (taken->step.seconds + taken->rival->step.seconds) / 2;
    const struct plan *limited = best(*state, &flags, between, true);
    assert_true(limited->layout.offload != OFFLOAD_NONE && limited->step.seconds <= between);
    assert_null(limited->rival);
}

/* The note on the best plan of one device. */
static const char *note_on_one(struct arena *arena, const char *model, const char *cluster) {
    const struct problem_flags flags = {.model = model, .cluster = cluster, .devices = "1"};
    struct problem *problem = ARENA_NEW(arena, struct problem);
    struct search_result result;
    struct search_counts counts = {0};
    struct error error = {0};
    pose(arena, &flags, problem);
    problem_set_devices(problem, 1, 1);
    must(recommend_run(&problem->search, arena, &result, &error), &error);
    assert_true(result.plan_count > 0);
    problem->note_count = 0;
    recommend_note(problem, &result.plans[0], &counts);
    assert_int_equal(problem->note_count, 1);
    return problem->notes[0];
}

/* Megatron-Core moves out optimizer and activations, not gradients and weights. */
static void test_what_the_stack_lacks_is_said(void **state) {
    assert_string_equal(note_on_one(*state, "llama-3-8b", "dgx-h100"), "nothing fits without offload");
    assert_non_null(strstr(note_on_one(*state, "llama-3-8b", "dgx-a100-40g"),
                           "nothing fits with what megatron-core can move out: it lacks offload="));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_offload_is_taken_where_it_is_worth_it),
        cmocka_unit_test(test_a_limit_that_needs_offload),
        cmocka_unit_test(test_what_the_stack_lacks_is_said),
    };
    return cmocka_run_group_tests(tests, create, destroy);
}
