/* Model files: defaults, mistakes, and the models that ship. */
#include "tests/unit/model_text.h"

#include <math.h>

static void defaults_follow_the_mlp(void **state) {
    struct arena *arena = arena_create();
    (void)state;
    struct model model = model_of("model: {layers: 2, hidden: 64, heads: 4}\n", arena);
    assert_int_equal(model.kv_heads, 4);
    assert_int_equal(model.head_dim, 16);
    assert_int_equal(model.ffn_hidden, 256);
    assert_int_equal(model.vocab, 51200);
    assert_true(model.vocab_assumed);
    assert_int_equal(model.norm, NORM_LAYERNORM);
    assert_true(model.linear_bias && model.qkv_bias && model.output_bias && model.tied_embeddings);
    model = model_of("model: {layers: 2, hidden: 64, heads: 4, gated: true, vocab: 100}\n", arena);
    assert_int_equal(model.norm, NORM_RMSNORM);
    assert_false(model.linear_bias || model.qkv_bias || model.output_bias || model.tied_embeddings);
    assert_false(model.vocab_assumed);
    model = model_of("model:\n  layers: 2\n  hidden: 64\n  heads: 4\n  gated: true\n  norm: layernorm\n"
                     "  qkv_bias: true\n  tied_embeddings: yes\n"
                     "  experts: {count: 8, top_k: 2, shared: 1, capacity_factor: 1.25}\n",
                     arena);
    assert_int_equal(model.norm, NORM_LAYERNORM);
    assert_true(model.qkv_bias && model.tied_embeddings);
    assert_false(model.output_bias);
    assert_int_equal(model.experts.ffn_hidden, 256);
    assert_int_equal(model.experts.shared_ffn_hidden, 256);
    assert_int_equal(model.experts.every, 1);
    assert_same_double(model.experts.capacity_factor, 1.25);
    arena_destroy(arena);
}

#define WINDOWED(keys) "model:\n  layers: 62\n  hidden: 64\n  heads: 4\n" keys

static void windows_are_of_all_layers_or_some(void **state) {
    struct arena *arena = arena_create();
    (void)state;
    assert_int_equal(model_of(WINDOWED(""), arena).windowed_layers, 0);
    assert_int_equal(model_of(WINDOWED("  window: none\n"), arena).windowed_layers, 0);
    struct model model = model_of(WINDOWED("  window: 4096\n"), arena);
    assert_int_equal(model.window, 4096);
    assert_int_equal(model.windowed_layers, 62);
    assert_int_equal(model_of(WINDOWED("  window: 128 tokens\n  sequence: 4k tokens\n"), arena).window, 128);
    model = model_of(WINDOWED("  window: 1024\n  full_attention_every: 6\n"), arena);
    assert_int_equal(model.windowed_layers, 52);
    model = model_of(WINDOWED("  attention_chunk: 8192\n  full_attention_every: 4\n"), arena);
    assert_int_equal(model.attention_chunk, 8192);
    assert_int_equal(model.window, 0);
    assert_int_equal(model.windowed_layers, 47);
    assert_int_equal(model_of(WINDOWED("  window: 8\n  full_attention_every: 100\n"), arena).windowed_layers,
                     62);
    arena_destroy(arena);
}

static void odd_windows_are_pointed_at(void **state) {
    (void)state;
    assert_refused(WINDOWED("  window: 0\n"), "5:11: window: 0 is not between 1 and 1B");
    assert_refused(WINDOWED("  window: -128\n"), "5:11: window: -128 is not between 1 and 1B");
    assert_refused(WINDOWED("  window: 1.5\n"), "5:11: window: a whole number was expected");
    assert_refused(WINDOWED("  attention_chunk: 0\n"), "5:20: attention_chunk: 0 is not between 1 and 1B");
    assert_refused(WINDOWED("  window: 128\n  attention_chunk: 128\n"),
                   "6:20: attention_chunk can't stand beside a window");
    assert_refused(WINDOWED("  full_attention_every: 2\n"),
                   "5:25: full_attention_every needs a window or an attention_chunk, which the other layers "
                   "have");
    assert_refused(WINDOWED("  window: 128\n  full_attention_every: 1\n"),
                   "6:25: full_attention_every: 1 is not between 2 and 100000");
    assert_refused("model:\n  parameters: 8B\n  window: 128\n",
                   "3:3: 'window' can't stand beside 'parameters', from which the shape is derived");
}

static void a_size_alone_is_enough(void **state) {
    struct arena *arena = arena_create();
    struct model_counts counts;
    (void)state;
    const struct model model = model_of("model: {name: guess, parameters: 200B, vocab: 100k}\n", arena);
    model_count(&model, 8192, &counts);
    assert_true(fabs(counts.parameters / 200e9 - 1) < 0.01);
    assert_true(model.shape_derived);
    assert_int_equal(model.vocab, 100000);
    assert_int_equal(model_of("parameters: 8B\n", arena).heads, 32);
    arena_destroy(arena);
}

static void mistakes_are_pointed_at(void **state) {
    (void)state;
    assert_refused("model:\n  layers: 2\n  hidden: 65\n  heads: 4\n",
                   "4:10: heads 4 does not divide hidden 65, and head_dim is not given");
    assert_refused("model:\n  layers: 2\n  hidden: 64\n  heads: 4\n  kv_heads: 3\n",
                   "5:13: kv_heads 3 does not divide heads 4");
    assert_refused("model:\n  layers: 2\n  hidden: 64\n  heads: 4\n  experts:\n    count: 4\n    top_k: 5\n",
                   "7:12: top_k 5 is more than the 4 experts there are");
    assert_refused("model: {layers: 2, hidden: 64, heads: 4, mla: {kv_lora_rank: 8, qk_nope_head_dim: 8,\n"
                   "  qk_rope_head_dim: 8, v_head_dim: 8}, qk_norm: true}\n",
                   "2:49: norms on queries and keys can't stand beside mla, which has norms of its own");
    assert_refused("model:\n  parameters: 8B\n  layers: 2\n",
                   "3:3: 'layers' can't stand beside 'parameters', from which the shape is derived");
    assert_refused("model:\n  parameters: 1M\n",
                   "2:15: no shape of 1M parameters and a vocabulary of 51200: the nearest has 6.57M");
}

/* Refused by the tables of fields, whose own tests look at the messages. */
static void impossible_sizes_are_refused(void **state) {
    static const char *const texts[] = {"model: {layers: 0, hidden: 64, heads: 4}",
                                        "model: {layers: -2, hidden: 64, heads: 4}",
                                        "model: {layers: 2.5, hidden: 64, heads: 4}",
                                        "model: {layers: 2, hidden: 1e12, heads: 4}",
                                        "model: {layers: .nan, hidden: 64, heads: 4}",
                                        "model: {layers: 2, hidden: 64}",
                                        "model: {layers: 2, hidden: 64, heads: 4, head: 3}",
                                        "model: {layers: 2, hidden: 64, heads: 4, experts: {count: 4}}",
                                        "model: {layers: 2, hidden: 64, heads: 4, experts: 4}",
                                        "model: {layers: 2, hidden: 64, heads: 4, mla: {kv_lora_rank: 8}}",
                                        "model: {parameters: -8B}",
                                        "model: {parameters: 1e30}",
                                        "model: []",
                                        "model:",
                                        "modell: {layers: 2}",
                                        "[1, 2]",
                                        "text"};
    struct arena *arena = arena_create();
    struct model model;
    struct error error;
    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        if (read_text(texts[i], arena, &model, &error) || error.line == 0)
            fail_msg("%s: %u: %s", texts[i], error.line, error.what);
    assert_false(model_read("/nonexistent/model.yaml", arena, &model, &error));
    arena_destroy(arena);
}

struct shipped {
    const char *name;
    double parameters, tolerance;
};

/* Published totals; where one was published to the last parameter, to the last. */
static void shipped_models_have_their_sizes(void **state) {
    static const struct shipped models[] = {{"gpt-3", 174600e6, 1e-4},
                                            {"gpt-4", 1.83e12, 0.01},
                                            {"gpt-4-32k", 1.83e12, 0.01},
                                            {"gpt-4-100t", 100e12, 0.01},
                                            {"gpt-4o", 200e9, 0.01},
                                            {"gpt-4o-mini", 8e9, 0.01},
                                            {"claude-3.5-sonnet", 175e9, 0.01},
                                            {"dall-e", 12e9, 0.03},
                                            {"megatron-22b", 22e9, 0.03},
                                            {"megatron-175b", 175e9, 0.003},
                                            {"megatron-530b", 530e9, 0.001},
                                            {"megatron-1t", 1008e9, 1e-4},
                                            {"llama-3-8b", 8030261248, 0},
                                            {"llama-3-70b", 70553706496, 0},
                                            {"llama-3-405b", 405853388800, 0},
                                            {"mixtral-8x7b", 46702792704, 0},
                                            {"mixtral-8x22b", 140620634112, 0},
                                            {"deepseek-v3", 671026419200, 0},
                                            {"qwen3-30b-a3b", 30532122624, 0},
                                            {"qwen3-235b-a22b", 235093634560, 0}};
    struct arena *arena = arena_create();
    (void)state;
    for (size_t i = 0; i < sizeof models / sizeof models[0]; i++) {
        struct model model;
        struct model_counts counts;
        struct error error;
        const char *path = arena_print(arena, SOURCE_DIR "/examples/models/%s.yaml", models[i].name);
        if (!model_read(path, arena, &model, &error))
            fail_msg("%s:%u: %s", path, error.line, error.what);
        model_count(&model, model.sequence, &counts);
        if (fabs(counts.parameters / models[i].parameters - 1) > models[i].tolerance)
            fail_msg("%s has %.0f parameters", models[i].name, counts.parameters);
    }
    arena_destroy(arena);
}

/* The leak's own sums: 277B of weights for a token, 6 x 277B x 13T = 2.16e25 FLOPs. */
static void gpt4_trains_in_the_leaked_flops(void **state) {
    struct arena *arena = arena_create();
    struct model model;
    struct model_counts counts;
    struct error error;
    (void)state;
    assert_true(model_read(SOURCE_DIR "/examples/models/gpt-4.yaml", arena, &model, &error));
    model_count(&model, model.sequence, &counts);
    assert_true(fabs(counts.active_parameters / 277e9 - 1) < 0.01);
    const double leaked = (counts.flops_per_token - counts.attention_flops_per_token) * 13e12;
    assert_true(fabs(leaked / 2.16e25 - 1) < 0.01);
    arena_destroy(arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_follow_the_mlp),
        cmocka_unit_test(windows_are_of_all_layers_or_some),
        cmocka_unit_test(odd_windows_are_pointed_at),
        cmocka_unit_test(a_size_alone_is_enough),
        cmocka_unit_test(mistakes_are_pointed_at),
        cmocka_unit_test(impossible_sizes_are_refused),
        cmocka_unit_test(shipped_models_have_their_sizes),
        cmocka_unit_test(gpt4_trains_in_the_leaked_flops),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
