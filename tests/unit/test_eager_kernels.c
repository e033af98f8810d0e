/* Rotary embedding by PyTorch's kernels, which reckon an address for each element. */
#include "tests/unit/check.h"

#include "planner/cost/compute.h"
#include "tests/unit/cost_question.h"
#include "tests/unit/shapes.h"
#include "tests/unit/shipped_cluster.h"

static const struct layout one_device = {
    .tp = 1, .pp = 1, .vpp = 1, .cp = 1, .ep = 1, .etp = 1, .dp = 1, .micro_batch = 1};

/* Forward, of so many heads in all and tokens. */
static double rotary_seconds(const struct cluster *cluster, int64_t heads, int64_t head_dim, int64_t tokens) {
    struct model model = {.layers = 1,
                          .hidden = 64,
                          .heads = heads / 2,
                          .kv_heads = heads / 2,
                          .head_dim = head_dim,
                          .ffn_hidden = 64,
                          .gated = true,
                          .vocab = 64};
    const struct training training = training_of(tokens, 1);
    const struct compute_problem problem = {
        .model = &model, .cluster = cluster, .training = &training, .layout = &one_device};
    struct compute_time fused, unfused;
    compute_layer(&problem, false, &fused, NULL);
    model.yarn = true;
    compute_layer(&problem, false, &unfused, NULL);
    return unfused.forward - fused.forward;
}

/* B200: 32 heads of queries and of keys, 128 wide, 8,192 tokens in bf16 took 8.675 ms in ten rounds. H200: a
 * tensor of 56 heads, 96 wide, of 55,768 rows took 4.1 ms. Neither joins the rotated part with one that is
 * not. */
static void rotary_takes_what_was_measured(void **state) {
    struct arena *arena = arena_create();
    (void)state;
    const struct cluster b200 = shipped_cluster("dgx-b200", arena), h200 = shipped_cluster("dgx-h200", arena);
    assert_near(rotary_seconds(&b200, 64, 128, 8192), 0.8675e-3, 0.1);
    assert_near(rotary_seconds(&h200, 56, 96, 55768), 4.1e-3, 0.1);
    arena_destroy(arena);
}

static void who_rotates_unfused(void **state) {
    struct model llama = mixtral_8x22b, gpt = gpt_3;
    struct training training = training_of(2048, 256);
    (void)state;
    training.stack = stack_find("megatron-2022");
    assert_true(training_rotates_unfused(&training, &llama));
    assert_false(training_rotates_unfused(&training, &gpt));
    training.stack = stack_find("megatron-core");
    assert_false(training_rotates_unfused(&training, &llama));
    llama.yarn = true;
    assert_true(training_rotates_unfused(&training, &llama));
    llama.mla.kv_lora_rank = 512;
    assert_false(training_rotates_unfused(&training, &llama));
    llama.mla.kv_lora_rank = 0;
    training.stack = stack_find("fsdp");
    assert_false(training_rotates_unfused(&training, &llama));
    training.recipe.rotary = ROTARY_FUSED; /* but it was said */
    training.stack = stack_find("megatron-core");
    assert_false(training_rotates_unfused(&training, &llama));
    training.recipe.rotary = ROTARY_UNFUSED;
    assert_true(training_rotates_unfused(&training, &gpt));
}

/* 16 heads of 128 plain, 64 rotated and 128 value elements. Megatron-Core's kernels move 2 x 64 of queries,
 * and 256 and 320 of keys and values; else 192, 192 and 128 are joined or copied, and 64 rotated by
 * operations. */
static void latent_attention_rotates_in_place(void **state) {
    static const double FUSED = 2 * 64 + 256 + 320, APART = 2 * (192 + 192 + 128), TOKENS = 4096;
    struct arena *arena = arena_create();
    const struct cluster h100 = shipped_cluster("dgx-h100", arena);
    struct training training = training_of((int64_t)TOKENS, 1);
    const struct model model = {
        .layers = 1,
        .hidden = 2048,
        .heads = 16,
        .kv_heads = 16,
        .ffn_hidden = 1024,
        .gated = true,
        .vocab = 64,
        .mla = {.kv_lora_rank = 512, .qk_nope_head_dim = 128, .qk_rope_head_dim = 64, .v_head_dim = 128}};
    const struct compute_problem problem = {
        .model = &model, .cluster = &h100, .training = &training, .layout = &one_device};
    struct compute_time fused, unfused;
    (void)state;
    compute_layer(&problem, false, &fused, NULL);
    training.recipe.rotary = ROTARY_UNFUSED;
    compute_layer(&problem, false, &unfused, NULL);
    double rotated = TOKENS * 16 * 64;
    double moved = TOKENS * 16 * 2 * (APART - FUSED) * training_traffic_factor(&training, &model);
    assert_near(unfused.forward - fused.forward,
                4.5 * 3.4e-12 * rotated + compute_traffic_seconds(&h100.device, 10 * rotated + moved), 1e-6);
    assert_near(unfused.backward_input - fused.backward_input,
                4.5 * 3.4e-12 * rotated + compute_traffic_seconds(&h100.device, 24 * rotated + 1.7 * moved),
                1e-6);
    arena_destroy(arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rotary_takes_what_was_measured),
        cmocka_unit_test(who_rotates_unfused),
        cmocka_unit_test(latent_attention_rotates_in_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
