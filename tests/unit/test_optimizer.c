/* What an optimizer keeps of a parameter, by kind and formats, and what that does to memory and time. */
#include "check.h"

#include <string.h>

#include "cost_question.h"
#include "h100_cluster.h"
#include "planner/cost/memory_parts.h"
#include "planner/cost/orthogonalise.h"
#include "planner/inputs/optimizer.h"
#include "shapes.h"

static struct training training_with(const char *stack, struct optimizer optimizer) {
    struct training training = training_of(2048, 1536);
    training.stack = stack_find(stack);
    training.optimizer = optimizer;
    return training;
}

static void assert_bytes(const struct training *training, double parameter, double state, double update) {
    assert_near(optimizer_parameter_bytes(training), parameter, 1e-12);
    assert_near(optimizer_state_bytes(training), state, 1e-12);
    assert_near(optimizer_update_bytes(training), update, 1e-12);
}

/* Nothing said: Adam in fp32. */
static void adam_keeps_twelve_bytes(void **state) {
    (void)state;
    struct optimizer nothing = {0}, told = {OPTIMIZER_ADAM, MASTER_SINGLE, MOMENTS_SINGLE};
    struct training training = training_with("megatron-core", nothing);
    assert_bytes(&training, 2, 12, 40);
    assert_true(optimizer_copies_gradients(&training));
    training.optimizer = told;
    assert_bytes(&training, 2, 12, 40);
    training = training_with("fsdp", nothing); /* which keeps the parameter itself in fp32 */
    assert_bytes(&training, 4, 8, 40);
    training.optimizer = told;
    assert_bytes(&training, 4, 8, 40);
    training = training_with("megatron-core", nothing);
    training.precision = PRECISION_TF32;
    assert_bytes(&training, 4, 8, 40);
}

/* Megatron-Core with --exp-avg-dtype bf16: of bf16 parameters the optimizer then holds what they lack of
 * fp32, of fp8 ones all of it. */
static void narrow_moments_come_with_remainders(void **state) {
    (void)state;
    struct training training = training_with("megatron-core", (struct optimizer){.moments = MOMENTS_HALF});
    assert_bytes(&training, 2, 2 + 4, 28);
    assert_false(optimizer_copies_gradients(&training));
    training.precision = PRECISION_FP8;
    assert_bytes(&training, 2, 4 + 4, 32);
    training.precision = PRECISION_FP16;
    assert_bytes(&training, 2, 4 + 4, 32);
    training = training_with("megatron-core", (struct optimizer){OPTIMIZER_ADAM, MASTER_SINGLE, MOMENTS_FP8});
    assert_bytes(&training, 2, 4 + 2, 28);
    training = training_with("megatron-core", (struct optimizer){.master = MASTER_HALF});
    assert_bytes(&training, 2, 2 + 8, 36);
    assert_false(optimizer_copies_gradients(&training));
}

/* PyTorch makes the states like the parameter. */
static void without_a_master_copy_all_is_in_16_bits(void **state) {
    (void)state;
    struct training training = training_with("fsdp", (struct optimizer){.master = MASTER_NONE});
    assert_bytes(&training, 2, 4, 24);
    training.optimizer.moments = MOMENTS_SINGLE;
    assert_bytes(&training, 2, 8, 32);
    training.optimizer.master = MASTER_HALF;
    assert_bytes(&training, 2, 10, 36);
}

static void others_keep_one_moment(void **state) {
    (void)state;
    for (int kind = OPTIMIZER_MUON; kind <= OPTIMIZER_SGD; kind++) {
        struct training training =
            training_with("megatron-core", (struct optimizer){.kind = (enum optimizer_kind)kind});
        assert_bytes(&training, 2, 4 + 4, 32);
        assert_near(optimizer_table_bytes(&training), kind == OPTIMIZER_MUON ? 4 : 0, 1e-12);
    }
}

static struct memory_use memory_with(const struct training *training, const struct layout *layout) {
    struct cluster cluster = h100_cluster();
    struct memory_use use;
    memory_estimate(&gpt_3, &cluster, training, layout, &use, NULL);
    return use;
}

static double held_parameters(const struct layout *layout, int64_t stage) {
    struct stage_parameters held;
    memory_stage_parameters(&gpt_3, layout, stage, &held);
    return held.dense + held.expert;
}

/* What moves out, what ZeRO shards, and the update: all go by the same bytes. */
static void memory_and_time_follow(void **state) {
    (void)state;
    struct cluster cluster = h100_cluster();
    struct layout layout = dense_layout();
    struct training adam = training_with("megatron-core", (struct optimizer){0});
    struct training narrow = training_with("megatron-core", (struct optimizer){.moments = MOMENTS_HALF});
    struct memory_use wide_use = memory_with(&adam, &layout), narrow_use = memory_with(&narrow, &layout);
    double parameters = held_parameters(&layout, wide_use.stage);
    assert_near(wide_use.optimizer_bytes, 12 * parameters / 4, 1e-9);
    assert_near(narrow_use.optimizer_bytes, 6 * parameters / 4, 1e-9);
    assert_near(narrow_use.weights_bytes, wide_use.weights_bytes, 1e-12);
    assert_true(cost_on(&cluster, &gpt_3, &narrow, &layout).optimizer <
                cost_on(&cluster, &gpt_3, &adam, &layout).optimizer);
    layout.offload = OFFLOAD_OPTIMIZER;
    wide_use = memory_with(&adam, &layout);
    narrow_use = memory_with(&narrow, &layout);
    assert_near(narrow_use.optimizer_bytes, 0, 1e-12);
    assert_near(narrow_use.outside[OUTSIDE_OPTIMIZER].bytes, wide_use.outside[OUTSIDE_OPTIMIZER].bytes / 2,
                1e-9);
}

/* Muon leaves tables to Adam. */
static void muon_has_two_moments_of_tables(void **state) {
    (void)state;
    struct training adam = training_with("megatron-core", (struct optimizer){0});
    struct training muon = training_with("megatron-core", (struct optimizer){.kind = OPTIMIZER_MUON});
    struct layout layout = dense_layout();
    struct memory_use use, other;
    struct cluster cluster = h100_cluster();
    double table = 51200.0 / 8 * 12288;
    memory_estimate_stage(&gpt_3, &cluster, &adam, &layout, 0, &use);
    memory_estimate_stage(&gpt_3, &cluster, &muon, &layout, 0, &other);
    double layers = (use.optimizer_bytes - other.optimizer_bytes) * 4 / 4; /* 4 bytes less, over dp 4 */
    assert_near(layers + table, held_parameters(&layout, 0), 1e-9);
}

/* FSDP hands the optimizer gradients like the parameter, but sums them in what it reduces in. */
static void fsdp_in_16_bits_throughout(void **state) {
    (void)state;
    struct training training = training_with("fsdp", (struct optimizer){.master = MASTER_NONE});
    struct layout layout = dense_layout();
    struct memory_parts parts;
    layout.tp = layout.pp = 1;
    layout.sequence_parallel = false;
    layout.dp = 8;
    layout.zero = 3;
    memory_parts_init(&parts, &gpt_3, &training, &layout);
    assert_near(parts.dense_bytes.weights, 2.0 / 8, 1e-12);
    assert_near(parts.dense_bytes.gradients, 2.0 / 8, 1e-12);
    assert_near(parts.dense_bytes.optimizer, 4.0 / 8, 1e-12);
    layout.pp = 2;
    memory_parts_init(&parts, &gpt_3, &training, &layout);
    assert_near(parts.dense_bytes.weights, 2.0 / 8 + 2, 1e-12);
    assert_near(parts.dense_bytes.gradients, 4, 1e-12);
    training.gradients = GRADIENTS_HALF;
    memory_parts_init(&parts, &gpt_3, &training, &layout);
    assert_near(parts.dense_bytes.gradients, 2.0 / 8 + 2, 1e-12);
    layout.dp = 1;
    memory_parts_init(&parts, &gpt_3, &training, &layout);
    assert_near(parts.dense_bytes.weights, 2, 1e-12);
    assert_near(parts.dense_bytes.gradients, 2, 1e-12);
}

/* The optimizer that takes 16-bit gradients as they come makes no copy of them. */
static void precision_aware_makes_no_copy(void **state) {
    (void)state;
    struct training training = training_with("megatron-core", (struct optimizer){0});
    struct layout layout = dense_layout();
    struct memory_parts parts;
    training.gradients = GRADIENTS_HALF;
    memory_parts_init(&parts, &gpt_3, &training, &layout);
    assert_near(parts.dense_bytes.update, 4.0 / 4, 1e-12);
    training.optimizer.moments = MOMENTS_HALF;
    memory_parts_init(&parts, &gpt_3, &training, &layout);
    assert_near(parts.dense_bytes.update, 0, 1e-12);
}

/* GPT-3's layer has four matrices of h x h and two of h x 4h: by 5 (4 m m n + 2 m m m) FLOPs each 300 h^3 in
 * all. Large products reach 0.6 to 1 of the peak. */
static void muon_multiplies_each_matrix(void **state) {
    (void)state;
    struct cluster cluster = h100_cluster();
    struct layout layout = dense_layout();
    struct training lion = training_with("megatron-core", (struct optimizer){.kind = OPTIMIZER_LION});
    struct training muon = training_with("megatron-core", (struct optimizer){.kind = OPTIMIZER_MUON});
    double flops = 300 * 12288.0 * 12288.0 * 12288.0 * 96 / 8; /* of a stage, by all ranks of tp */
    for (layout.zero = 0; layout.zero <= 1; layout.zero++) {
        double more = cost_on(&cluster, &gpt_3, &muon, &layout).optimizer -
                      cost_on(&cluster, &gpt_3, &lion, &layout).optimizer;
        double least = flops / (layout.zero == 1 ? 4 : 1) / 989.4e12;
        assert_true(more > least && more < least / 0.6);
    }
}

/* Of experts a device does its own; latent attention (with ranks of its own here) has matrices of its own. */
static void muon_multiplies_experts(void **state) {
    (void)state;
    struct model model = mixtral_8x22b, latent = model;
    latent.mla = (struct model_mla){.q_lora_rank = 1536,
                                    .kv_lora_rank = 512,
                                    .qk_nope_head_dim = 128,
                                    .qk_rope_head_dim = 64,
                                    .v_head_dim = 128};
    struct cluster cluster = h100_cluster();
    struct layout layout = dense_layout(), wider;
    struct training muon = training_with("megatron-core", (struct optimizer){.kind = OPTIMIZER_MUON});
    layout.tp = layout.pp = 1;
    layout.sequence_parallel = false;
    layout.dp = 64;
    layout.ep = 2;
    wider = layout;
    wider.ep = 8; /* a quarter of the experts, on a quarter of the replicas */
    double few = orthogonalise_seconds(&model, &cluster.device, &layout, 0, 56);
    double many = orthogonalise_seconds(&model, &cluster.device, &wider, 0, 56);
    assert_near(few, many, 1e-9);
    wider.zero = 0;
    assert_true(orthogonalise_seconds(&model, &cluster.device, &wider, 0, 56) > 2 * many);
    assert_true(cost_on(&cluster, &model, &muon, &layout).optimizer > few);
    assert_true(orthogonalise_seconds(&latent, &cluster.device, &layout, 0, 56) < few);
}

static void words_name_what_differs(void **state) {
    (void)state;
    char words[OPTIMIZER_WORDS];
    struct training training = training_with("megatron-core", (struct optimizer){0});
    assert_string_equal(optimizer_words(&training, words), "");
    training.optimizer = (struct optimizer){OPTIMIZER_MUON, MASTER_HALF, MOMENTS_FP8};
    assert_string_equal(optimizer_words(&training, words), ", muon, master copy in 16 bits, moments in fp8");
    training.optimizer = (struct optimizer){.master = MASTER_NONE};
    assert_string_equal(optimizer_words(&training, words), ", no master copy");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(adam_keeps_twelve_bytes),
        cmocka_unit_test(narrow_moments_come_with_remainders),
        cmocka_unit_test(without_a_master_copy_all_is_in_16_bits),
        cmocka_unit_test(others_keep_one_moment),
        cmocka_unit_test(memory_and_time_follow),
        cmocka_unit_test(muon_has_two_moments_of_tables),
        cmocka_unit_test(fsdp_in_16_bits_throughout),
        cmocka_unit_test(precision_aware_makes_no_copy),
        cmocka_unit_test(muon_multiplies_each_matrix),
        cmocka_unit_test(muon_multiplies_experts),
        cmocka_unit_test(words_name_what_differs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
