/* Windows and chunks of Hugging Face configurations: each architecture says them its own way. */
#include "tests/unit/model_text.h"

#define WITH(type, layers, keys)                                                                             \
    "{\"model_type\": \"" type "\", \"hidden_size\": 64, \"num_hidden_layers\": " layers                     \
    ", \"num_attention_heads\": 8, \"intermediate_size\": 128, \"vocab_size\": 100,"                         \
    " \"num_local_experts\": 4, \"n_routed_experts\": 4, \"num_experts_per_tok\": 2,"                        \
    " \"moe_intermediate_size\": 32,\n " keys "}"
#define SLIDING "\"sliding_attention\""
#define FULL    "\"full_attention\""

/* A file, its window, how many of its layers have it, and whether it is one of chunks. */
struct windowed {
    const char *text;
    int64_t tokens, layers;
    bool chunked;
};

static void assert_windows(const struct windowed *files, size_t count) {
    struct arena *arena = arena_create();
    for (size_t i = 0; i < count; i++) {
        const struct model model = model_of(files[i].text, arena);
        if (model.windowed_layers != files[i].layers)
            fail_msg("%s: %lld layers have a window", files[i].text, (long long)model.windowed_layers);
        assert_int_equal(model.window, files[i].chunked ? 0 : files[i].tokens);
        assert_int_equal(model.attention_chunk, files[i].chunked ? files[i].tokens : 0);
    }
    arena_destroy(arena);
}
#define ASSERT_WINDOWS(files) assert_windows(files, sizeof(files) / sizeof *(files))

static void every_layer_has_one(void **state) {
    static const struct windowed files[] = {
        {WITH("mistral", "32", "\"sliding_window\": 4096"), 4096, 32, false},
        {WITH("mistral", "32", "\"sliding_window\": null"), 0, 0, false},
        {WITH("ministral", "32", "\"head_dim\": 8"), 4096, 32, false},
        {WITH("mistral", "32", "\"head_dim\": 8"), 4096, 32, false},
        {WITH("mixtral", "32", "\"sliding_window\": 4096"), 4096, 32, false},
        {WITH("phi3", "32", "\"sliding_window\": 2047"), 2047, 32, false},
        {WITH("starcoder2", "30", "\"sliding_window\": 4096, \"use_bias\": true"), 4096, 30, false},
        /* Its class knows no switch. */
        {WITH("mistral", "32", "\"sliding_window\": 4096, \"use_sliding_window\": false"), 4096, 32, false},
    };
    (void)state;
    ASSERT_WINDOWS(files);
}

/* 1 of 2, 3 of 4, 5 of 6 layers, by the architecture, the file's number or its list. */
static void some_layers_attend_to_all(void **state) {
    static const struct windowed files[] = {
        {WITH("gpt_oss", "36", "\"sliding_window\": 128"), 128, 18, false},
        {WITH("gpt_oss", "3",
              "\"sliding_window\": 128, \"layer_types\": [" SLIDING ", " FULL ", " SLIDING "]"),
         128, 2, false},
        {WITH("gpt_oss", "2", "\"sliding_window\": 128, \"layer_types\": [" FULL ", " FULL "]"), 0, 0, false},
        {WITH("gpt_oss", "2", "\"sliding_window\": null, \"layer_types\": [" SLIDING ", " FULL "]"), 0, 0,
         false},
        {WITH("ministral", "4",
              "\"sliding_window\": 32768, \"layer_types\": [" FULL ", " SLIDING ", " SLIDING ", " SLIDING
              "]"),
         32768, 3, false},
        {WITH("gemma2", "42", "\"sliding_window\": 4096"), 4096, 21, false},
        {WITH("gemma3_text", "26", "\"sliding_window\": 512, \"sliding_window_pattern\": 6"), 512, 22, false},
        {WITH("gemma3_text", "62", "\"sliding_window\": 1024"), 1024, 52, false},
        {WITH("gemma3_text", "26", "\"sliding_window\": 512, \"_sliding_window_pattern\": 2"), 512, 13,
         false},
        {WITH("cohere2", "32", "\"sliding_window\": 4096, \"sliding_window_pattern\": 4"), 4096, 24, false},
        {WITH("cohere2", "32", "\"sliding_window\": 4096, \"sliding_window_pattern\": 1"), 0, 0, false},
        {WITH("olmo3", "32", "\"sliding_window\": 4096"), 4096, 24, false},
        {WITH("cwm", "64", "\"sliding_window\": 8192"), 8192, 48, false},
        {WITH("exaone4", "30", "\"sliding_window\": null, \"sliding_window_pattern\": null"), 0, 0, false},
        {WITH("exaone4", "64", "\"sliding_window\": 4096, \"sliding_window_pattern\": \"LLLG\""), 4096, 48,
         false},
        {WITH("exaone4", "64", "\"sliding_window\": 4096, \"sliding_window_pattern\": \"LG\""), 4096, 32,
         false},
        /* As `transformers` does, which takes it for ministral. */
        {WITH("mistral", "2", "\"layer_types\": [" SLIDING ", " FULL "]"), 4096, 1, false},
    };
    (void)state;
    ASSERT_WINDOWS(files);
}

/* Qwen's files name a window and switch it off. */
static void a_switch_has_to_be_on(void **state) {
#define ON ", \"use_sliding_window\": true"
    static const struct windowed files[] = {
        {WITH("qwen2", "28", "\"sliding_window\": 131072, \"max_window_layers\": 28"), 0, 0, false},
        {WITH("qwen2", "28", "\"sliding_window\": 64, \"use_sliding_window\": false"), 0, 0, false},
        {WITH("qwen2", "28", "\"sliding_window\": 64, \"max_window_layers\": 21" ON), 64, 7, false},
        {WITH("qwen2", "28", "\"sliding_window\": 64, \"max_window_layers\": 0" ON), 64, 28, false},
        {WITH("qwen2", "30", "\"sliding_window\": 64" ON), 64, 2, false},
        {WITH("qwen2", "2", "\"sliding_window\": 64, \"layer_types\": [" FULL ", " SLIDING "]"), 0, 0, false},
        {WITH("qwen2", "2", "\"sliding_window\": 64, \"layer_types\": [" FULL ", " SLIDING "]" ON), 64, 1,
         false},
        {WITH("qwen3", "36", "\"sliding_window\": null, \"max_window_layers\": 36"), 0, 0, false},
        {WITH("smollm3", "36", "\"sliding_window\": 64, \"no_rope_layer_interval\": 4" ON), 64, 9, false},
        {WITH("smollm3", "4", "\"sliding_window\": 64, \"no_rope_layers\": [1, 0, 0, 0]" ON), 64, 3, false},
        {WITH("smollm3", "2", "\"sliding_window\": 64, \"no_rope_layers\": [1, 0, 0, 0]" ON), 64, 1, false},
        {WITH("smollm3", "4", "\"sliding_window\": 64, \"no_rope_layers\": null" ON), 64, 1, false},
        {WITH("smollm3", "4", "\"sliding_window\": 64, \"no_rope_layers\": [1, 0, 0, 0]"), 0, 0, false},
        {WITH("smollm3", "2",
              "\"sliding_window\": 64, \"no_rope_layers\": [0, 0], \"layer_types\": [" SLIDING ", " FULL
              "]" ON),
         64, 1, false},
        {WITH("qwen2_moe", "24", "\"sliding_window\": 64, \"num_experts\": 4, \"max_window_layers\": 21" ON),
         64, 11, false},
        {WITH("qwen3_moe", "24", "\"sliding_window\": 64, \"num_experts\": 4, \"max_window_layers\": 21" ON),
         64, 24, false},
        {WITH("dots1", "62", "\"sliding_window\": 64, \"max_window_layers\": 60"), 64, 2, false},
    };
    (void)state;
    ASSERT_WINDOWS(files);
}

static void llama_4_has_chunks(void **state) {
#define CHUNK "\"attention_chunk_size\": 8192"
    static const struct windowed files[] = {
        {WITH("llama4_text", "48", CHUNK), 8192, 36, true},
        {WITH("llama4_text", "48", CHUNK ", \"no_rope_layers\": []"), 8192, 36, true},
        {WITH("llama4_text", "4", CHUNK ", \"no_rope_layers\": [1, 0, 1, 0]"), 8192, 2, true},
        {WITH("llama4_text", "48", CHUNK ", \"no_rope_layer_interval\": 6"), 8192, 40, true},
        {WITH("llama4_text", "2", CHUNK ", \"layer_types\": [\"chunked_attention\", " FULL "]"), 8192, 1,
         true},
        {WITH("llama4_text", "48", "\"attention_chunk_size\": null"), 0, 0, true},
    };
    (void)state;
    ASSERT_WINDOWS(files);
}

/* A file, or its part that is the language model, may leave out what its class has. */
static void one_left_out_is_the_classs(void **state) {
    static const struct windowed files[] = {
        {WITH("gpt_oss", "36", "\"head_dim\": 64"), 128, 18, false},
        {WITH("llama4_text", "48", "\"head_dim\": 128"), 8192, 36, true},
        {WITH("mixtral", "32", "\"head_dim\": 8"), 0, 0, false},
        {WITH("qwen2", "32", "\"head_dim\": 8"), 0, 0, false},
        {WITH("qwen2", "32", "\"head_dim\": 8, \"max_window_layers\": 24" ON), 4096, 8, false},
        {"{\"model_type\": \"gemma3\", \"text_config\": {\"model_type\": \"gemma3_text\"}}", 4096, 22, false},
        {"{\"model_type\": \"mistral3\", \"text_config\": {\"model_type\": \"mistral\"}}", 4096, 32, false},
        {"{\"model_type\": \"mistral3\", \"text_config\": {\"model_type\": \"mistral\", \"sliding_window\": "
         "null}}",
         0, 0, false},
        {"{\"model_type\": \"mistral3\", \"text_config\": {\"model_type\": \"ministral3\"}}", 0, 0, false},
        {"{\"model_type\": \"llava\", \"text_config\": {\"model_type\": \"qwen2\"}}", 0, 0, false},
    };
    (void)state;
    ASSERT_WINDOWS(files);
}

static void architectures_without_windows_have_none(void **state) {
    static const struct windowed files[] = {
        {WITH("llama", "32", "\"sliding_window\": 4096"), 0, 0, false},
    };
    (void)state;
    ASSERT_WINDOWS(files);
}

static void odd_lists_are_pointed_at(void **state) {
    (void)state;
    assert_refused(WITH("gpt_oss", "3", "\"sliding_window\": 128, \"layer_types\": [" SLIDING ", " FULL "]"),
                   "2:40: layer_types lists 2 layers, num_hidden_layers says 3");
    assert_refused(WITH("gpt_oss", "3", "\"sliding_window\": 128, \"layer_types\": " SLIDING),
                   "2:40: layer_types is no list of layers");
    assert_refused(WITH("gpt_oss", "2", "\"sliding_window\": 128, \"layer_types\": [{}, " FULL "]"),
                   "2:41: layers other than attention are not modelled (layer_types)");
    assert_refused(WITH("gpt_oss", "2", "\"sliding_window\": 128, \"layer_types\": [0, " FULL "]"),
                   "2:41: layers other than attention are not modelled (layer_types)");
    assert_refused(WITH("llama4_text", "4", CHUNK ", \"no_rope_layers\": [1, 1]"),
                   "2:50: no_rope_layers lists 2 layers, num_hidden_layers says 4");
    assert_refused(
        WITH("smollm3", "4", "\"use_sliding_window\": true, \"sliding_window\": 4, \"no_rope_layers\": [1]"),
        "2:69: no_rope_layers lists 1 layer, num_hidden_layers says 4");
    assert_refused(WITH("llama4_text", "4", CHUNK ", \"no_rope_layers\": 4"),
                   "2:50: no_rope_layers is no list of layers");
    assert_refused(WITH("mistral", "2", "\"sliding_window\": -1"),
                   "2:20: sliding_window: -1 is not between 0 and 1B");
    assert_refused(
        WITH("exaone4", "2", "\"sliding_window_pattern\": \"LGLG\""),
        "2:28: sliding_window_pattern: \"LGLG\" isn't a number; it takes a count such as 32768, 60M, "
        "200B (billion) or 13T");
    assert_refused(WITH("gemma2", "2", "\"sliding_window\": [4096]"),
                   "2:20: sliding_window: a single value was expected, not a list");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_layer_has_one),
        cmocka_unit_test(some_layers_attend_to_all),
        cmocka_unit_test(a_switch_has_to_be_on),
        cmocka_unit_test(llama_4_has_chunks),
        cmocka_unit_test(one_left_out_is_the_classs),
        cmocka_unit_test(architectures_without_windows_have_none),
        cmocka_unit_test(odd_lists_are_pointed_at),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
