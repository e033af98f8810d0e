/* Shapes derived from a parameter count alone. */
#include "tests/unit/check.h"

#include <math.h>
#include <string.h>

#include "planner/inputs/model_parts.h"

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

/* One thing changes at a time, the size never. Depths are between BLOOM's and DeepSeek's; of 200B: 68 to 128
 * layers beside 92 (the rule: 96 (200 / 175)^(1/6) = 98, times 0.73 and 1.36, then rounded with the width).
 */
static void other_shapes_have_the_same_size(void **state) {
    const double step = 1.7;
    (void)state;
    for (double parameters = 1e9; parameters <= 200e12; parameters *= step) {
        struct model model = derive(parameters);
        struct model_shape shapes[MODEL_OTHER_SHAPES];
        model.vocab_assumed = true;
        size_t count = model_other_shapes(&model, shapes);
        assert_in_range(count, 2, MODEL_OTHER_SHAPES);
        for (size_t i = 0; i < count; i++) {
            const struct model *other = &shapes[i].model;
            struct model_counts counts;
            model_count(other, other->sequence, &counts);
            assert_true(fabs(counts.parameters / parameters - 1) < 0.01);
            const double depth = (double)other->layers / (double)model.layers;
            const double widening = (double)other->ffn_hidden / (double)other->hidden;
            assert_true(depth > 0.6 && depth < 1.6 && widening > 1.5 && widening < 5);
            assert_int_equal((depth < 0.95 || depth > 1.05) + (other->kv_heads != model.kv_heads) +
                                     (other->vocab != model.vocab) >
                                 0,
                             1);
        }
    }
}

static void shapes_of_200b(void **state) {
    struct model model = derive(200e9);
    struct model_shape shapes[MODEL_OTHER_SHAPES];
    (void)state;
    assert_int_equal(model.layers, 92);
    assert_int_equal(model.hidden, 13312);
    assert_int_equal(model_other_shapes(&model, shapes), 3); /* the vocabulary was given */
    assert_string_equal(shapes[0].what, "deeper");
    assert_int_equal(shapes[0].model.layers, 132);
    assert_int_equal(shapes[0].model.hidden, 11264);
    assert_string_equal(shapes[1].what, "shallower");
    assert_int_equal(shapes[1].model.layers, 72);
    assert_string_equal(shapes[2].what, "keys in every head");
    assert_int_equal(shapes[2].model.kv_heads, 104);
    model.vocab_assumed = true;
    assert_int_equal(model_other_shapes(&model, shapes), 5);
    assert_int_equal(shapes[3].model.vocab, 32000);
    assert_int_equal(shapes[4].model.vocab, 256000);
    model.shape_derived = false; /* published shapes are what they are */
    assert_int_equal(model_other_shapes(&model, shapes), 0);
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
        cmocka_unit_test(gpt3s_size_gives_gpt3s_shape),
        cmocka_unit_test(depths_are_near_the_published),
        cmocka_unit_test(every_size_comes_out),
        cmocka_unit_test(other_shapes_have_the_same_size),
        cmocka_unit_test(shapes_of_200b),
        cmocka_unit_test(the_derivation_is_said),
        cmocka_unit_test(too_few_parameters_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
