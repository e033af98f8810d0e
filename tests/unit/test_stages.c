/* Stages that aren't alike: ends with their own number of layers, and full recompute of some layers. */
#include "check.h"

#include <math.h>
#include <string.h>

#include "h100_cluster.h"
#include "planner/cost/cost.h"
#include "planner/cost/cost_parts.h"
#include "planner/cost/stage_balance.h"
#include "shapes.h"

/* 3 dense layers, then 57 with experts, and a large vocabulary. */
static const struct model mixed = {
    .name = "mixed",
    .layers = 60,
    .hidden = 4096,
    .heads = 32,
    .kv_heads = 32,
    .head_dim = 128,
    .ffn_hidden = 11008,
    .gated = true,
    .vocab = 256000,
    .sequence = 4096,
    .norm = NORM_RMSNORM,
    .experts = {.count = 16, .top_k = 4, .ffn_hidden = 8192, .first_dense_layers = 3, .every = 1}};

static struct training training_of(const struct model *model) {
    return (struct training){.sequence = model->sequence,
                             .global_batch = 64,
                             .precision = PRECISION_BF16,
                             .attention = ATTENTION_FLASH,
                             .stack = stack_default()};
}

static struct layout layout_of(int64_t pp, int64_t vpp) {
    return (struct layout){.tp = 8,
                           .pp = pp,
                           .vpp = vpp,
                           .cp = 1,
                           .ep = 1,
                           .etp = 1,
                           .dp = 2,
                           .micro_batch = 1,
                           .sequence_parallel = true,
                           .zero = 1,
                           .schedule = vpp > 1 ? SCHEDULE_INTERLEAVED : SCHEDULE_1F1B,
                           .overlap = {true, true, true}};
}

static double step_of(const struct model *model, const struct layout *layout) {
    struct arena *arena = arena_create();
    struct cluster cluster = h100_cluster();
    struct training training = training_of(model);
    struct step_cost cost;
    char why[128] = "";
    if (!layout_valid(layout, model, training.sequence, training.global_batch, why, sizeof why))
        fail_msg("%s", why);
    cost_evaluate(cost_context_create(arena, model, &cluster, &training), layout, PIPELINE_SIMULATED, &cost,
                  NULL);
    arena_destroy(arena);
    return cost.seconds;
}

static double memory_of(const struct model *model, const struct layout *layout) {
    struct cluster cluster = h100_cluster();
    struct training training = training_of(model);
    struct memory_use use;
    memory_estimate(model, &cluster, &training, layout, &use, NULL);
    /* No stage is fuller than the one that is said to be the fullest. */
    for (int64_t stage = 0; stage < layout->pp; stage++) {
        struct memory_use one;
        memory_estimate_stage(model, &cluster, &training, layout, stage, &one);
        assert_true(one.per_device_bytes <= use.per_device_bytes);
    }
    return use.per_device_bytes;
}

static void assert_layers(const struct model *model, const struct layout *layout, const char *expected) {
    char found[512] = "";
    int64_t sum = 0;
    for (int64_t chunk = 0; chunk < layout->pp * layout->vpp; chunk++) {
        size_t used = strlen(found);
        int64_t layers = layout_chunk_layers(layout, model, chunk);
        assert_int_equal(layout_layers_before(layout, model, chunk), sum);
        sum += layers;
        snprintf(found + used, sizeof found - used, "%s%lld", used > 0 ? " " : "", (long long)layers);
    }
    assert_int_equal(sum, model->layers);
    assert_string_equal(found, expected);
}

static void test_ends_take_their_own_number(void **state) {
    struct layout layout = layout_of(8, 1);
    (void)state;
    layout.first_stage_layers = 10;
    layout.last_stage_layers = 14;
    assert_layers(&gpt_3, &layout, "10 12 12 12 12 12 12 14");
    layout.first_stage_layers = 0;
    layout.last_stage_layers = 5;
    assert_layers(&gpt_3, &layout, "13 13 13 13 13 13 13 5");
    layout = layout_of(4, 2);
    layout.first_stage_layers = 20;
    layout.last_stage_layers = 28;
    assert_layers(&gpt_3, &layout, "10 12 12 14 10 12 12 14");
    layout = layout_of(2, 1);
    layout.first_stage_layers = 50;
    assert_layers(&gpt_3, &layout, "50 46");
    /* Between them those in front have a layer more, in each chunk. */
    layout = layout_of(8, 1);
    layout.first_stage_layers = 10;
    layout.last_stage_layers = 11;
    assert_layers(&gpt_3, &layout, "10 13 13 13 12 12 12 11");
    layout.first_stage_layers = 0;
    assert_layers(&gpt_3, &layout, "13 12 12 12 12 12 12 11");
    layout = layout_of(4, 2);
    layout.first_stage_layers = 22;
    layout.last_stage_layers = 20;
    assert_layers(&gpt_3, &layout, "11 14 13 10 11 14 13 10");
}

static void assert_refused(struct layout layout, int64_t first, int64_t last, const char *expected) {
    char why[128] = "";
    layout.first_stage_layers = first;
    layout.last_stage_layers = last;
    assert_false(layout_valid(&layout, &gpt_3, gpt_3.sequence, 64, why, sizeof why));
    assert_string_equal(why, expected);
}

static void test_ends_without_sense(void **state) {
    struct layout layout = layout_of(8, 1);
    (void)state;
    assert_refused(layout_of(1, 1), 4, 0, "first_stage_layers 4 needs pp above 1");
    assert_refused(layout, 45, 46, "5 layers between the ends are too few for 6 stages x vpp 1");
    assert_refused(layout_of(4, 5), 5, 5, "layers between the ends 86 not divisible by vpp 5");
    assert_refused(layout, 60, 40, "100 layers on the ends leave -4 of 96 for 6 stages");
    assert_refused(layout, 48, 48, "96 layers on the ends leave 0 of 96 for 6 stages");
    assert_refused(layout_of(2, 1), 10, 10, "20 layers on the ends leave 76 of 96 for 0 stages");
    assert_refused(layout_of(4, 2), 21, 27, "first_stage_layers 21 not divisible by vpp 2");
    layout.recompute_layers = 4;
    assert_refused(layout, 0, 0, "recompute_layers 4 needs recompute full");
    layout.recompute = RECOMPUTE_FULL;
    layout.recompute_layers = 97;
    assert_refused(layout, 0, 0, "recompute_layers 97 is more than the 96 layers");
}

/* The rule's own numbers, said, are the same layout. */
static void test_even_ends_are_the_rule(void **state) {
    static const struct model *const models[] = {&gpt_3, &mixed};
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct layout rule = layout_of(4, 1), said = rule;
        said.first_stage_layers = said.last_stage_layers = models[i]->layers / 4;
        assert_same_double(step_of(models[i], &said), step_of(models[i], &rule));
        assert_same_double(memory_of(models[i], &said), memory_of(models[i], &rule));
    }
}

/* A stage with a layer more is later by a layer; the first stage with fewer layers needs less memory. */
static void test_ends_move_time_and_memory(void **state) {
    struct layout even = layout_of(8, 1), more = even, less = even;
    (void)state;
    more.first_stage_layers = 18; /* 12 for each of the next but the last, which has 6 */
    more.last_stage_layers = 6;
    less.first_stage_layers = 10;
    less.last_stage_layers = 14;
    assert_true(step_of(&gpt_3, &more) > 1.2 * step_of(&gpt_3, &even));
    assert_true(step_of(&gpt_3, &less) > 1.1 * step_of(&gpt_3, &even));
    assert_true(memory_of(&gpt_3, &more) > memory_of(&gpt_3, &even));
    assert_true(memory_of(&gpt_3, &less) < memory_of(&gpt_3, &even));
}

/* None at 0, full at all of them; between, time rises, by the same for each layer without chunks, and memory
 * never does. */
static void test_recompute_of_some_layers(void **state) {
    static const struct model *const models[] = {&gpt_3, &mixed};
    (void)state;
    for (size_t i = 0; i < 2; i++)
        for (int64_t vpp = 1; vpp <= 3; vpp += 2) {
            const struct model *model = models[i];
            struct layout layout = layout_of(4, vpp);
            int64_t most = model->layers / (4 * vpp);
            double step = step_of(model, &layout), memory = memory_of(model, &layout), each = 0;
            layout.recompute = RECOMPUTE_FULL;
            double full_step = step_of(model, &layout), full_memory = memory_of(model, &layout);
            for (int64_t layers = 1; layers <= most; layers++) {
                layout.recompute_layers = layers;
                double longer = step_of(model, &layout), smaller = memory_of(model, &layout);
                assert_true(longer > step && smaller <= memory);
                if (model == &gpt_3 && vpp == 1 && layers > 1)
                    assert_true(fabs(longer - step - each) < 1e-6 * each);
                each = longer - step;
                step = longer;
                memory = smaller;
            }
            assert_true(fabs(step - full_step) < 1e-9 * full_step);
            assert_true(fabs(memory - full_memory) < 1e-9 * full_memory);
        }
}

/* Of two layers in ten of each stage, two tenths of what full recompute brings. */
static void test_recompute_counts_layers(void **state) {
    struct layout layout = layout_of(8, 1);
    (void)state;
    double none = step_of(&gpt_3, &layout);
    layout.recompute = RECOMPUTE_FULL;
    double full = step_of(&gpt_3, &layout);
    layout.recompute_layers = 3;
    double some = step_of(&gpt_3, &layout);
    assert_true(fabs((some - none) / (full - none) - 0.25) < 0.01);
}

static bool balanced_ends(const struct model *model, int64_t pp, struct stage_ends *ends) {
    struct arena *arena = arena_create();
    const struct cluster cluster = h100_cluster();
    const struct training training = training_of(model);
    const struct balance_sizes sizes = {.tp = 8, .ep = 1, .micro_batch = 1};
    struct cost_context *context = cost_context_create(arena, model, &cluster, &training);
    const struct stage_ends *found;
    const size_t count = stage_balance_ends(cost_stage_balance(context, &sizes), pp, &found);
    if (count > 0)
        *ends = found[count - 1]; /* those for fewest chunks */
    arena_destroy(arena);
    return count > 0;
}

static void test_balance(void **state) {
    struct stage_ends ends = {0};
    struct layout even = layout_of(4, 1), balanced = even;
    (void)state;
    /* A head of 256,000 x 4,096 is worth some layers. */
    assert_true(balanced_ends(&mixed, 4, &ends));
    assert_true(ends.last < 15 && ends.first > 0);
    balanced.first_stage_layers = ends.first;
    balanced.last_stage_layers = ends.last;
    assert_true(step_of(&mixed, &balanced) < 0.98 * step_of(&mixed, &even));
    /* GPT-3's is worth a third of one: nothing to move. */
    assert_false(balanced_ends(&gpt_3, 8, &ends));
    assert_false(balanced_ends(&gpt_3, 1, &ends));
    assert_false(balanced_ends(&gpt_3, 97, &ends));
}

/* Ends for each number of chunks that layers can be dealt to: with the head of 256,000 words two stages are
 * best with 31 and 29 layers, which no chunks divide. */
static void test_balance_for_chunks(void **state) {
    struct arena *arena = arena_create();
    const struct cluster cluster = h100_cluster();
    const struct balance_sizes sizes = {.tp = 8, .ep = 1, .micro_batch = 1};
    struct model dense = mixed;
    const struct stage_ends *ends;
    size_t count;
    (void)state;
    dense.experts = (struct model_experts){.every = 1};
    const struct training training = training_of(&dense);
    struct cost_context *context = cost_context_create(arena, &dense, &cluster, &training);
    struct stage_balance *balance = cost_stage_balance(context, &sizes);
    count = stage_balance_ends(balance, 2, &ends);
    assert_int_equal(count, 2);
    assert_int_equal(ends[0].first, 32);
    assert_int_equal(ends[0].last, 28);
    assert_int_equal(ends[1].first, 31);
    assert_int_equal(ends[1].last, 29);
    for (int64_t pp = 2; pp <= 30; pp++) {
        count = stage_balance_ends(balance, pp, &ends);
        assert_true(count <= STAGE_BALANCE_MOST);
        for (size_t i = 0; i < count; i++) {
            struct layout layout = layout_of(pp, 1);
            char why[128] = "";
            layout.first_stage_layers = ends[i].first;
            layout.last_stage_layers = ends[i].last;
            assert_true(layout_valid(&layout, &dense, dense.sequence, 64, why, sizeof why));
            for (size_t j = 0; j < i; j++)
                assert_true(ends[i].first != ends[j].first || ends[i].last != ends[j].last);
        }
    }
    arena_destroy(arena);
}

enum { FEW_STAGES = 5 };

/* Blocks of a model, and what is tried with them: the layers of each stage. */
struct assignment {
    const struct model *model;
    struct cost_context *context;
    struct pass_cost passes[BLOCK_COUNT];
    struct pipeline_room room;
    int64_t stages, layers[FEW_STAGES];
    double least;
};

/* 1F1B of the stages, simulated. */
static double assigned_seconds(struct assignment *assignment) {
    double passes[FEW_STAGES][3] = {{0}}, forward[FEW_STAGES], input[FEW_STAGES], weight[FEW_STAGES];
    struct pipeline_time time;
    for (int64_t stage = 0, begin = 0; stage < assignment->stages; stage++) {
        const int64_t *before = assignment->context->experts_before;
        const int64_t layers = assignment->layers[stage], experts = before[begin + layers] - before[begin];
        const double counts[BLOCK_COUNT] = {[BLOCK_DENSE] = (double)(layers - experts),
                                            [BLOCK_EXPERTS] = (double)experts,
                                            [BLOCK_EMBEDDING] = stage == 0,
                                            [BLOCK_HEAD] = stage == assignment->stages - 1};
        for (int block = 0; block < BLOCK_COUNT; block++) {
            passes[stage][0] += counts[block] * assignment->passes[block].forward;
            passes[stage][1] += counts[block] * assignment->passes[block].backward_input;
            passes[stage][2] += counts[block] * assignment->passes[block].backward_weight;
        }
        forward[stage] = passes[stage][0];
        input[stage] = passes[stage][1];
        weight[stage] = passes[stage][2];
        begin += layers;
    }
    const struct pipeline pipeline = {.schedule = SCHEDULE_1F1B,
                                      .stages = assignment->stages,
                                      .chunks = 1,
                                      .micro_batches = 8 * assignment->stages,
                                      .forward_seconds = forward,
                                      .backward_input_seconds = input,
                                      .backward_weight_seconds = weight};
    pipeline_simulate(&pipeline, &assignment->room, &time);
    return time.seconds;
}

/* All ways to deal `left` layers to the stages from `layers` on, of which so many are behind; each gets one
 * at least. */
static void try_all(struct assignment *assignment, int64_t *layers, int64_t behind, int64_t left) {
    if (behind == 0) {
        *layers = left;
        assignment->least = fmin(assignment->least, assigned_seconds(assignment));
        return;
    }
    for (*layers = 1; *layers + behind <= left; ++*layers)
        try_all(assignment, layers + 1, behind - 1, left - *layers);
}

static void deal_as_balanced(struct assignment *assignment, const struct stage_ends *ends) {
    const struct layout layout = {.pp = assignment->stages,
                                  .vpp = 1,
                                  .first_stage_layers = ends->first,
                                  .last_stage_layers = ends->last};
    for (int64_t stage = 0; stage < assignment->stages; stage++)
        assignment->layers[stage] = layout_chunk_layers(&layout, assignment->model, stage);
}

/* How much longer than the best of all assignments the balanced one takes. */
static double lost_by_balance(const struct model *model, int64_t ep, int64_t stages) {
    struct arena *arena = arena_create();
    const struct cluster cluster = h100_cluster();
    const struct training training = training_of(model);
    const struct balance_sizes sizes = {.tp = 1, .ep = ep, .micro_batch = 1};
    struct assignment assignment = {.model = model, .stages = stages, .least = HUGE_VAL};
    struct layout layout = layout_of(stages, 1);
    struct layer_part part;
    struct stage_ends ends;
    layout.tp = 1;
    layout.ep = layout.dp = ep;
    layout.sequence_parallel = false;
    assignment.room.arena = arena;
    assignment.context = cost_context_create(arena, model, &cluster, &training);
    cost_layer_reckon(assignment.context, &layout, &part, NULL);
    for (int block = 0; block < BLOCK_COUNT; block++)
        if (assignment.context->blocks[block] > 0)
            assignment.passes[block] =
                cost_block_pass(assignment.context, &layout, (enum block)block, &part.blocks[block]);
    const struct stage_ends *found;
    const size_t count = stage_balance_ends(cost_stage_balance(assignment.context, &sizes), stages, &found);
    ends = count > 0 ? found[count - 1] : (struct stage_ends){0}; /* none: the rule's are as even */
    try_all(&assignment, assignment.layers, stages - 1, model->layers);
    deal_as_balanced(&assignment, &ends);
    const double lost = assigned_seconds(&assignment) / assignment.least - 1;
    print_message("    %s on %lld stages, %lld .. %lld layers: %.2f %%\n", model->name, (long long)stages,
                  (long long)ends.first, (long long)ends.last, 100 * lost);
    arena_destroy(arena);
    return lost;
}

/* Many small experts, as Qwen3 30B has, whose layers take longer than their multiplications; and dense layers
 * in front with a large vocabulary behind. */
static void test_balance_against_all(void **state) {
    struct model small_experts = qwen3_30b;
    struct model shorter = mixed;
    (void)state;
    small_experts.layers = 24;
    shorter.layers = 20;
    for (int64_t stages = 2; stages <= FEW_STAGES; stages++) {
        assert_true(lost_by_balance(&small_experts, 8, stages) < 0.01);
        assert_true(lost_by_balance(&shorter, 8, stages) < 0.005);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ends_take_their_own_number),
        cmocka_unit_test(test_ends_without_sense),
        cmocka_unit_test(test_even_ends_are_the_rule),
        cmocka_unit_test(test_ends_move_time_and_memory),
        cmocka_unit_test(test_recompute_of_some_layers),
        cmocka_unit_test(test_recompute_counts_layers),
        cmocka_unit_test(test_balance),
        cmocka_unit_test(test_balance_for_chunks),
        cmocka_unit_test(test_balance_against_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
