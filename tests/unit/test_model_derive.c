/* Shapes derived from a parameter count alone. */
#include "tests/unit/check.h"

#include <math.h>
#include <string.h>

#include "planner/model_parts.h"

static struct model derive(double parameters) {
    static struct arena *arena;
    if (arena == NULL)
        arena = arena_create();
    struct model model = {.vocab = MODEL_DEFAULT_VOCAB, .sequence = MODEL_DEFAULT_SEQUENCE};
    struct model_problem problem;
    if (!model_derive(parameters, arena, &model, &problem))
        fail_msg("%g: %s", parameters, problem.why);
    return model;
}

/* The rule rests on GPT-3: its size gives its depth and width. */
static void gpt3s_size_gives_gpt3s_shape(void **state) {
    (void)state;
    const struct model model = derive(175e9);
    assert_int_equal(model.layers, 96);
    assert_int_equal(model.hidden, 12288);
    assert_int_equal(model.heads, 96);
}

/* Published dense models: layers x hidden, from the papers that model_derive.c names. */
static void depths_are_near_the_published(void **state) {
    static const struct {
        double parameters, layers, hidden;
    } published[] = {{8.03e9, 32, 4096},  {70.6e9, 80, 8192},  {405.9e9, 126, 16384},
                     {530e9, 105, 20480}, {540e9, 118, 18432}, {1008e9, 128, 25600}};
    (void)state;
    for (size_t i = 0; i < sizeof published / sizeof published[0]; i++) {
        const struct model model = derive(published[i].parameters);
        assert_true(fabs(log((double)model.layers / published[i].layers)) < 0.25);
        assert_true(fabs(log((double)model.hidden / published[i].hidden)) < 0.15);
    }
}

/* Every size comes out within 1 %, in widths that tensor parallelism of 8 splits. */
static void every_size_comes_out(void **state) {
    const double step = 1.01;
    (void)state;
    for (double parameters = 100e6; parameters <= MODEL_MAX_PARAMETERS; parameters *= step) {
        const struct model model = derive(parameters);
        struct model_counts counts;
        model_count(&model, model.sequence, &counts);
        assert_true(fabs(counts.parameters / parameters - 1) < 0.01);
        assert_int_equal(model.heads * model.head_dim, model.hidden);
        assert_int_equal(model.heads % model.kv_heads, 0);
        if (parameters > 500e6) {
            assert_int_equal(model.heads % 8, 0);
            assert_int_equal(model.kv_heads, 8);
            assert_int_equal(model.ffn_hidden % 8, 0);
        }
        const double widening = (double)model.ffn_hidden / (double)model.hidden;
        assert_true(widening > 2 && widening < 4);
        assert_true(model.shape_derived);
    }
}

static void the_derivation_is_said(void **state) {
    (void)state;
    const struct model model = derive(200e9);
    assert_non_null(strstr(model.derivation, "200B parameters alone"));
}

static void too_few_parameters_are_refused(void **state) {
    struct model model = {.vocab = 200000, .sequence = 8192};
    struct model_problem problem;
    struct arena *arena = arena_create();
    (void)state;
    assert_false(model_derive(1e6, arena, &model, &problem));
    assert_string_equal(problem.key, "parameters");
    arena_destroy(arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gpt3s_size_gives_gpt3s_shape),   cmocka_unit_test(depths_are_near_the_published),
        cmocka_unit_test(every_size_comes_out),           cmocka_unit_test(the_derivation_is_said),
        cmocka_unit_test(too_few_parameters_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
