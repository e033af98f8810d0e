/* Parameter counts of published models, to the last one, and model FLOPs by hand. */
#include "tests/unit/check.h"

#include <math.h>

#include "planner/inputs/model_parts.h"

/* A model file's keys, completed with defaults as the readers do. */
static struct model complete(struct model model) {
    struct model_reading reading = {.model = model};
    struct model_problem problem;
    if (!model_complete(&reading, &problem))
        fail_msg("%s: %s", problem.key, problem.why);
    return reading.model;
}

static struct model_counts counts_of(struct model model) {
    const struct model completed = complete(model);
    struct model_counts counts;
    model_count(&completed, completed.sequence, &counts);
    return counts;
}

static void assert_parameters(struct model model, int64_t published) {
    assert_int_equal((int64_t)counts_of(model).parameters, published);
}

static const struct model gpt4 = {
    .layers = 120,
    .hidden = 10752,
    .heads = 96,
    .ffn_hidden = 43008,
    .vocab = 100352,
    .sequence = 8192,
    .experts = {.count = 16, .top_k = 2},
};

static const struct model deepseek_v3 = {
    .layers = 61,
    .hidden = 7168,
    .heads = 128,
    .ffn_hidden = 18432,
    .gated = true,
    .vocab = 129280,
    .sequence = 4096,
    .mtp_layers = 1,
    .mla = {.q_lora_rank = 1536,
            .kv_lora_rank = 512,
            .qk_nope_head_dim = 128,
            .qk_rope_head_dim = 64,
            .v_head_dim = 128},
    .experts = {.count = 256,
                .top_k = 8,
                .ffn_hidden = 2048,
                .shared = 1,
                .first_dense_layers = 3,
                .router_bias = true},
};

/* GPT-3's Table 2.1 and D.1 (arXiv 2005.14165) print 174,600M, with 50257 tokens and 2048 positions. */
static void test_gpt3(void **state) {
    (void)state;
    const struct model gpt3 = {.layers = 96,
                               .hidden = 12288,
                               .heads = 96,
                               .vocab = 50257,
                               .sequence = 2048,
                               .learned_positions = 2048};
    const struct model_counts counts = counts_of(gpt3);
    assert_int_equal((int64_t)round(counts.parameters / 1e6), 174604);
    /* By hand: 12 h^2 + 13 h a layer, the tied table, positions, the last norm. */
    const double h = 12288;
    assert_true(counts.parameters == 96 * (12 * h * h + 13 * h) + (50257 + 2048) * h + 2 * h);
    assert_true(counts.active_parameters == counts.parameters);
    assert_true(counts.embedding_parameters == 50257 * h);
}

/* The formula with vocabulary and positions of arXiv 2104.04473 (equation 2) gives what its Table 1 prints:
 * 1008B. */
static void test_megatron_1t(void **state) {
    (void)state;
    const struct model model = {.layers = 128,
                                .hidden = 25600,
                                .heads = 160,
                                .vocab = 51200,
                                .sequence = 2048,
                                .learned_positions = 2048};
    const double l = 128, h = 25600, v = 51200, s = 2048;
    const double formula = 12 * l * h * h * (1 + 13 / (12 * h) + (v + s) / (12 * l * h));
    const struct model_counts counts = counts_of(model);
    assert_true(fabs(counts.parameters - formula - 2 * h) < 1); /* the paper leaves out the last norm */
    assert_int_equal((int64_t)round(counts.parameters / 1e9), 1008);
    /* Equation 3 of the same paper counts 96 B s l h^2 (1 + s/6h + V/16lh) with recompute, 72 without. */
    const double flops = 72 * l * h * h * (1 + s / (6 * h) + v / (12 * l * h));
    assert_true(fabs(counts.flops_per_token / flops - 1) < 1e-12);
    assert_true(counts.attention_flops_per_token == 12 * l * h * s);
}

/* Twice what the causal mask leaves, so that a window of the whole sequence is none. */
static void test_windows(void **state) {
    (void)state;
    struct model model = {.layers = 36,
                          .hidden = 2880,
                          .heads = 64,
                          .head_dim = 64,
                          .vocab = 201088,
                          .sequence = 4096,
                          .window = 128,
                          .windowed_layers = 18};
    const double width = 64 * (64 + 64), s = 4096, w = 128;
    assert_true(model_windowed_share(&model, 4096) == 0.5);
    assert_true(counts_of(model).attention_flops_per_token == 6 * 36 * width * (s + 2 * w - w * w / s) / 2);
    model.window = 4096;
    assert_true(model_windowed_share(&model, 4096) == 0);
    assert_true(counts_of(model).attention_flops_per_token == 6 * 36 * width * s);
    model.window = 0;
    model.attention_chunk = 1024;
    assert_true(counts_of(model).attention_flops_per_token == 6 * 36 * width * (s + 1024) / 2);
    const double all = counts_of(model).flops_per_token - counts_of(model).attention_flops_per_token;
    model.windowed_layers = model.attention_chunk = 0;
    assert_true(counts_of(model).flops_per_token - counts_of(model).attention_flops_per_token == all);
    assert_true(counts_of(model).attention_flops_per_token == 6 * 36 * width * s);
}

static void test_gpt4_leak(void **state) {
    (void)state;
    const struct model model = complete(gpt4);
    struct model_counts counts;
    model_count(&model, model.sequence, &counts);
    const double table = 100352.0 * 10752; /* untied, the second table is on top */
    assert_true(fabs((counts.parameters + table) / 1.83e12 - 1) < 0.01);
    assert_true(fabs((counts.active_parameters + table) / 277e9 - 1) < 0.01);
    struct layer_parameters layer;
    model_layer_parameters(&model, true, &layer);
    assert_int_equal((int64_t)round(120 * layer.expert / 1e9), 111);
    assert_int_equal((int64_t)round(120 * layer.attention_split / 1e9), 55);
    assert_true(layer.experts == 16);
    assert_int_equal(model_expert_layers(&model), 120);
}

static void test_deepseek_v3(void **state) {
    (void)state;
    /* The published 671B count the main model; with the scores' correction of 58 x 256. */
    assert_parameters(deepseek_v3, 671026419200);
    const struct model_counts counts = counts_of(deepseek_v3);
    assert_int_equal((int64_t)(counts.active_parameters / 1e9), 37);
    /* "11.5B unique parameters" of the MTP module (the repository's README_WEIGHTS), to its precision. */
    assert_true(fabs(counts.mtp_parameters / 11.5e9 - 1) < 0.015);
    const struct model model = complete(deepseek_v3);
    assert_int_equal(model_expert_layers(&model), 58);
    assert_false(model_layer_has_experts(&model, 2));
    assert_true(model_layer_has_experts(&model, 3));
    assert_int_equal(model.head_dim, 192);
    /* Latent attention: scores over 192, values over 128, in 61 layers and the MTP layer. */
    assert_true(counts.attention_flops_per_token == 6.0 * 62 * 128 * (192 + 128) * 4096);
}

/* Each figure is what the published checkpoint holds (safetensors' total on Hugging Face). */
static void test_published(void **state) {
    (void)state;
    assert_parameters((struct model){.layers = 12,
                                     .hidden = 768,
                                     .heads = 12,
                                     .vocab = 50257,
                                     .sequence = 1024,
                                     .learned_positions = 1024},
                      124439808); /* GPT-2 */
    assert_parameters((struct model){.layers = 32,
                                     .hidden = 4096,
                                     .heads = 32,
                                     .kv_heads = 8,
                                     .ffn_hidden = 14336,
                                     .gated = true,
                                     .vocab = 128256},
                      8030261248); /* Llama 3 8B */
    assert_parameters((struct model){.layers = 80,
                                     .hidden = 8192,
                                     .heads = 64,
                                     .kv_heads = 8,
                                     .ffn_hidden = 28672,
                                     .gated = true,
                                     .vocab = 128256},
                      70553706496); /* Llama 3 70B */
    assert_parameters((struct model){.layers = 126,
                                     .hidden = 16384,
                                     .heads = 128,
                                     .kv_heads = 8,
                                     .ffn_hidden = 53248,
                                     .gated = true,
                                     .vocab = 128256},
                      405853388800); /* Llama 3.1 405B */
    const struct model mixtral = {.layers = 32,
                                  .hidden = 4096,
                                  .heads = 32,
                                  .kv_heads = 8,
                                  .ffn_hidden = 14336,
                                  .gated = true,
                                  .vocab = 32000,
                                  .experts = {.count = 8, .top_k = 2}};
    assert_parameters(mixtral, 46702792704); /* Mixtral 8x7B; 12.9B active, as its announcement says */
    assert_int_equal((int64_t)round(counts_of(mixtral).active_parameters / 1e8), 129);
    assert_parameters((struct model){.layers = 56,
                                     .hidden = 6144,
                                     .heads = 48,
                                     .kv_heads = 8,
                                     .ffn_hidden = 16384,
                                     .gated = true,
                                     .vocab = 32000,
                                     .experts = {.count = 8, .top_k = 2}},
                      140620634112); /* Mixtral 8x22B */
    assert_parameters((struct model){.layers = 48,
                                     .hidden = 2048,
                                     .heads = 32,
                                     .kv_heads = 4,
                                     .head_dim = 128,
                                     .ffn_hidden = 6144,
                                     .gated = true,
                                     .qk_norm = true,
                                     .vocab = 151936,
                                     .experts = {.count = 128, .top_k = 8, .ffn_hidden = 768}},
                      30532122624); /* Qwen3 30B-A3B */
    assert_parameters((struct model){.layers = 94,
                                     .hidden = 4096,
                                     .heads = 64,
                                     .kv_heads = 4,
                                     .head_dim = 128,
                                     .ffn_hidden = 12288,
                                     .gated = true,
                                     .qk_norm = true,
                                     .vocab = 151936,
                                     .experts = {.count = 128, .top_k = 8, .ffn_hidden = 1536}},
                      235093634560); /* Qwen3 235B-A22B */
    assert_parameters((struct model){.layers = 64,
                                     .hidden = 5120,
                                     .heads = 40,
                                     .kv_heads = 8,
                                     .ffn_hidden = 27648,
                                     .gated = true,
                                     .qk_norm_wide = true,
                                     .vocab = 100352},
                      32234279936); /* OLMo 2 32B */
    struct model_reading command_r = {.model = {.layers = 40,
                                                .hidden = 8192,
                                                .heads = 64,
                                                .ffn_hidden = 22528,
                                                .gated = true,
                                                .shared_norm = true,
                                                .tied_embeddings = true,
                                                .vocab = 256000},
                                      .has_tied_embeddings = true};
    struct model_problem problem;
    struct model_counts counts;
    assert_true(model_complete(&command_r, &problem));
    model_count(&command_r.model, 8192, &counts);
    assert_int_equal((int64_t)counts.parameters, 34980831232); /* Command R */
}

static void test_every_other_layer(void **state) {
    (void)state;
    struct model model = gpt4;
    model.layers = 7;
    model.experts.first_dense_layers = 2;
    model.experts.every = 2;
    model = complete(model);
    const bool expected[7] = {false, false, false, true, false, true, false};
    int64_t count = 0;
    for (int64_t layer = 0; layer < 7; layer++) {
        assert_int_equal(model_layer_has_experts(&model, layer), expected[layer]);
        count += expected[layer];
    }
    assert_int_equal(model_expert_layers(&model), count);
}

/* What a layer's parts say adds up to the whole. */
static void test_parts_add_up(void **state) {
    (void)state;
    const struct model model = complete(deepseek_v3);
    struct model_counts counts;
    model_count(&model, 4096, &counts);
    double sum = counts.embedding_parameters + 7168;
    for (int64_t index = 0; index < model.layers; index++) {
        struct layer_parameters layer;
        model_layer_parameters(&model, model_layer_has_experts(&model, index), &layer);
        sum += layer.attention_split + layer.attention_replicated + layer.norms + layer.mlp_split +
               layer.router + layer.experts * layer.expert;
    }
    assert_true(sum == counts.parameters);
}

static void assert_refused(struct model model, const char *key) {
    struct model_reading reading = {.model = model};
    struct model_problem problem;
    assert_false(model_complete(&reading, &problem));
    assert_string_equal(problem.key, key);
}

static void test_refused(void **state) {
    (void)state;
    struct model model = gpt4;
    model.heads = 85;
    assert_refused(model, "heads");
    model = gpt4;
    model.kv_heads = 9;
    assert_refused(model, "kv_heads");
    model = gpt4;
    model.experts.top_k = 17;
    assert_refused(model, "experts.top_k");
    model = gpt4;
    model.experts.first_dense_layers = 120;
    assert_refused(model, "experts");
    model = gpt4;
    model.experts.shared_gate = true;
    assert_refused(model, "experts.shared_gate");
    model = gpt4;
    model.learned_positions = 2048;
    assert_refused(model, "learned_positions");
    model = gpt4;
    model.heads = 85;
    model.head_dim = 128;
    complete(model);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gpt3),
        cmocka_unit_test(test_megatron_1t),
        cmocka_unit_test(test_windows),
        cmocka_unit_test(test_gpt4_leak),
        cmocka_unit_test(test_deepseek_v3),
        cmocka_unit_test(test_published),
        cmocka_unit_test(test_every_other_layer),
        cmocka_unit_test(test_parts_add_up),
        cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
