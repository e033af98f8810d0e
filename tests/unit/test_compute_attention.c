/* Attention of a layer where some of them have a window. */
#include "tests/unit/check.h"

#include <string.h>

#include "planner/cost/compute.h"
#include "tests/unit/cost_question.h"
#include "tests/unit/h100_cluster.h"

/* As gpt-oss 120b's attention. */
static const struct model model_of_all = {.layers = 36,
                                          .hidden = 2880,
                                          .heads = 64,
                                          .kv_heads = 8,
                                          .head_dim = 64,
                                          .ffn_hidden = 2880,
                                          .gated = true,
                                          .vocab = 201088,
                                          .norm = NORM_RMSNORM};

static struct compute_time time_of(const struct model *model, const struct training *training,
                                   const struct layout *layout, struct explain *explain) {
    const struct cluster cluster = h100_cluster();
    const struct compute_problem problem = {
        .model = model, .cluster = &cluster, .training = training, .layout = layout};
    struct compute_time time;
    compute_layer(&problem, false, &time, explain);
    return time;
}

static const struct layout one_device = {
    .tp = 1, .pp = 1, .vpp = 1, .cp = 1, .ep = 1, .etp = 1, .dp = 1, .micro_batch = 1};

static struct model with_window(int64_t window, int64_t layers) {
    struct model model = model_of_all;
    model.window = window;
    model.windowed_layers = layers;
    return model;
}

/* A third of the layers with a window takes a third of what all of them save. */
static void layers_take_their_mean(void **state) {
    const struct training training = training_of(16384, 8);
    const struct model third = with_window(128, 12), every = with_window(128, 36);
    (void)state;
    const struct compute_time none = time_of(&model_of_all, &training, &one_device, NULL);
    const struct compute_time all = time_of(&every, &training, &one_device, NULL);
    const struct compute_time some = time_of(&third, &training, &one_device, NULL);
    assert_true(all.attention < none.attention / 8);
    assert_near(some.attention, (2 * none.attention + all.attention) / 3, 1e-9 * none.attention);
    assert_near(some.forward, (2 * none.forward + all.forward) / 3, 1e-9 * none.forward);
    assert_near(some.backward_input, (2 * none.backward_input + all.backward_input) / 3,
                1e-9 * none.backward_input);
    assert_true(some.backward_weight == none.backward_weight);
}

static void a_window_of_the_sequence_is_none(void **state) {
    const struct training training = training_of(4096, 8);
    const struct model model = with_window(4096, 18);
    (void)state;
    assert_true(time_of(&model, &training, &one_device, NULL).attention ==
                time_of(&model_of_all, &training, &one_device, NULL).attention);
}

/* A mask like any other. */
static void unfused_attention_computes_the_square(void **state) {
    struct training training = training_of(4096, 8);
    const struct model model = with_window(128, 36);
    (void)state;
    training.attention = ATTENTION_UNFUSED;
    assert_true(time_of(&model, &training, &one_device, NULL).attention ==
                time_of(&model_of_all, &training, &one_device, NULL).attention);
}

static void context_parallelism_splits_a_windows_work(void **state) {
    const struct training training = training_of(131072, 8);
    const struct model model = with_window(4096, 36);
    struct layout split = one_device;
    (void)state;
    split.cp = 4;
    const double whole = time_of(&model, &training, &one_device, NULL).attention;
    const double part = time_of(&model, &training, &split, NULL).attention;
    assert_true(part > whole / 4 && part < whole / 2);
}

static const struct explain_term *part_of(const struct explain_term *term, const char *label) {
    for (const struct explain_term *part = term->first; part != NULL; part = part->next)
        if (strcmp(part->label, label) == 0)
            return part;
    return NULL;
}

static void assert_explained(const struct model *model, const char *label, const char *start) {
    const struct training training = training_of(16384, 8);
    struct arena *arena = arena_create();
    struct explain *explain = explain_create(arena);
    time_of(model, &training, &one_device, explain);
    const struct explain_term *term = part_of(explain_root(explain)->first, label);
    assert_non_null(term);
    if (strncmp(term->detail, start, strlen(start)) != 0)
        fail_msg("%s", term->detail);
    arena_destroy(arena);
}

static void both_kinds_of_layers_are_explained(void **state) {
    struct model model = with_window(128, 18);
    (void)state;
    assert_explained(&model_of_all, "flash attention", "batch 1 heads 64 of 64: ");
    assert_explained(&model, "flash attention", "in 18 of 36 layers; batch 1 heads 64 of 64: ");
    assert_explained(&model, "windowed attention", "in 18 of 36 layers, 128 tokens back; batch 1 ");
    model.window = 1;
    assert_explained(&model, "windowed attention", "in 18 of 36 layers, 1 token back; batch 1 ");
    model = model_of_all;
    model.attention_chunk = 8192;
    model.windowed_layers = 27;
    assert_explained(&model, "windowed attention", "in 27 of 36 layers, in chunks of 8192; batch 1 ");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(layers_take_their_mean),
        cmocka_unit_test(a_window_of_the_sequence_is_none),
        cmocka_unit_test(unfused_attention_computes_the_square),
        cmocka_unit_test(context_parallelism_splits_a_windows_work),
        cmocka_unit_test(both_kinds_of_layers_are_explained),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
