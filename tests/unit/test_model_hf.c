/* Hugging Face configurations. Each fixture holds the published values that shape the model, as its
 * config.json has them; each count is that of the published checkpoint's parameters. */
#include "tests/unit/model_text.h"

static void assert_counts(const char *text, int64_t parameters) {
    struct arena *arena = arena_create();
    struct model_counts counts;
    const struct model model = model_of(text, arena);
    model_count(&model, model.sequence, &counts);
    assert_int_equal((int64_t)counts.parameters, parameters);
    arena_destroy(arena);
}

static void gpt2(void **state) {
    (void)state;
    assert_counts(
        "{\"activation_function\": \"gelu_new\", \"architectures\": [\"GPT2LMHeadModel\"],"
        " \"layer_norm_epsilon\": 1e-05, \"model_type\": \"gpt2\", \"n_ctx\": 1024, \"n_embd\": 768,"
        " \"n_head\": 12, \"n_layer\": 12, \"n_positions\": 1024, \"n_inner\": null,"
        " \"task_specific_params\": {\"text-generation\": {\"do_sample\": true}}, \"vocab_size\": 50257}",
        124439808);
    assert_counts("{\"model_type\": \"gpt2\", \"n_embd\": 1600, \"n_head\": 25, \"n_layer\": 48,"
                  " \"n_positions\": 1024, \"vocab_size\": 50257}",
                  1557611200); /* GPT-2 XL */
}

static void llama(void **state) {
    (void)state;
    assert_counts(
        "{\"architectures\": [\"LlamaForCausalLM\"], \"model_type\": \"llama\", \"hidden_size\": 4096,"
        " \"intermediate_size\": 14336, \"max_position_embeddings\": 8192, \"num_attention_heads\": 32,"
        " \"num_hidden_layers\": 32, \"num_key_value_heads\": 8, \"rms_norm_eps\": 1e-05,"
        " \"rope_scaling\": null, \"tie_word_embeddings\": false, \"vocab_size\": 128256}",
        8030261248); /* Llama 3 8B */
    assert_counts("{\"model_type\": \"llama\", \"hidden_size\": 4096, \"intermediate_size\": 11008,"
                  " \"num_attention_heads\": 32, \"num_hidden_layers\": 32, \"vocab_size\": 32000}",
                  6738415616); /* LLaMA 7B; older files leave out what is default */
    assert_counts("{\"model_type\": \"llama\", \"hidden_size\": 2048, \"intermediate_size\": 8192,"
                  " \"num_attention_heads\": 32, \"num_hidden_layers\": 16, \"num_key_value_heads\": 8,"
                  " \"head_dim\": 64, \"tie_word_embeddings\": true, \"vocab_size\": 128256}",
                  1235814400); /* Llama 3.2 1B */
}

static void mistral_and_mixtral(void **state) {
    (void)state;
    assert_counts("{\"model_type\": \"mistral\", \"hidden_size\": 4096, \"intermediate_size\": 14336,"
                  " \"num_attention_heads\": 32, \"num_hidden_layers\": 32, \"num_key_value_heads\": 8,"
                  " \"sliding_window\": 4096, \"tie_word_embeddings\": false, \"vocab_size\": 32000}",
                  7241732096);
    assert_counts("{\"model_type\": \"mixtral\", \"hidden_size\": 4096, \"intermediate_size\": 14336,"
                  " \"num_attention_heads\": 32, \"num_hidden_layers\": 32, \"num_key_value_heads\": 8,"
                  " \"num_experts_per_tok\": 2, \"num_local_experts\": 8, \"tie_word_embeddings\": false,"
                  " \"vocab_size\": 32000}",
                  46702792704);
}

static void qwen(void **state) {
    (void)state;
    assert_counts("{\"model_type\": \"qwen2\", \"hidden_size\": 3584, \"intermediate_size\": 18944,"
                  " \"num_attention_heads\": 28, \"num_hidden_layers\": 28, \"num_key_value_heads\": 4,"
                  " \"tie_word_embeddings\": false, \"vocab_size\": 152064}",
                  7615616512); /* Qwen2.5 7B */
    assert_counts(
        "{\"model_type\": \"qwen3\", \"attention_bias\": false, \"head_dim\": 128, \"hidden_size\": 4096,"
        " \"intermediate_size\": 12288, \"num_attention_heads\": 32, \"num_hidden_layers\": 36,"
        " \"num_key_value_heads\": 8, \"tie_word_embeddings\": false, \"vocab_size\": 151936}",
        8190735360); /* Qwen3 8B */
    assert_counts(
        "{\"model_type\": \"qwen2_moe\", \"decoder_sparse_step\": 1, \"hidden_size\": 2048,"
        " \"intermediate_size\": 5632, \"moe_intermediate_size\": 1408, \"num_attention_heads\": 16,"
        " \"num_experts\": 60, \"num_experts_per_tok\": 4, \"num_hidden_layers\": 24,"
        " \"num_key_value_heads\": 16, \"shared_expert_intermediate_size\": 5632,"
        " \"tie_word_embeddings\": false, \"vocab_size\": 151936}",
        14315784192); /* Qwen1.5 MoE A2.7B */
    assert_counts("{\"model_type\": \"qwen3_moe\", \"decoder_sparse_step\": 1, \"head_dim\": 128,"
                  " \"hidden_size\": 2048, \"intermediate_size\": 6144, \"mlp_only_layers\": [],"
                  " \"moe_intermediate_size\": 768, \"num_attention_heads\": 32, \"num_experts\": 128,"
                  " \"num_experts_per_tok\": 8, \"num_hidden_layers\": 48, \"num_key_value_heads\": 4,"
                  " \"tie_word_embeddings\": false, \"vocab_size\": 151936}",
                  30532122624); /* Qwen3 30B-A3B */
}

#define DEEPSEEK_V3                                                                                          \
    "{\"architectures\": [\"DeepseekV3ForCausalLM\"], \"model_type\": \"deepseek_v3\",\n"                    \
    " \"attention_bias\": false, \"first_k_dense_replace\": 3, \"hidden_size\": 7168,\n"                     \
    " \"intermediate_size\": 18432, \"kv_lora_rank\": 512, \"max_position_embeddings\": 163840,\n"           \
    " \"moe_intermediate_size\": 2048, \"moe_layer_freq\": 1, \"n_group\": 8, \"topk_group\": 4,\n"          \
    " \"n_routed_experts\": 256,\n"                                                                          \
    " \"n_shared_experts\": 1, \"num_attention_heads\": 128, \"num_experts_per_tok\": 8,\n"                  \
    " \"num_hidden_layers\": 61, \"num_key_value_heads\": 128, \"num_nextn_predict_layers\": 1,\n"           \
    " \"q_lora_rank\": 1536, \"qk_nope_head_dim\": 128, \"qk_rope_head_dim\": 64,\n"                         \
    " \"quantization_config\": {\"weight_block_size\": [128, 128]}, \"tie_word_embeddings\": false,\n"       \
    " \"v_head_dim\": 128, \"vocab_size\": 129280}"

static void deepseek(void **state) {
    struct arena *arena = arena_create();
    (void)state;
    assert_counts(DEEPSEEK_V3, 671026419200);
    const struct model model = model_of(DEEPSEEK_V3, arena);
    assert_int_equal(model.mtp_layers, 1);
    assert_int_equal(model.experts.first_dense_layers, 3);
    assert_int_equal(model.experts.groups, 8);
    assert_int_equal(model.experts.group_top_k, 4);
    arena_destroy(arena);
    assert_counts("{\"model_type\": \"deepseek_v2\", \"first_k_dense_replace\": 1, \"hidden_size\": 5120,"
                  " \"intermediate_size\": 12288, \"kv_lora_rank\": 512, \"moe_intermediate_size\": 1536,"
                  " \"moe_layer_freq\": 1, \"n_routed_experts\": 160, \"n_shared_experts\": 2,"
                  " \"num_attention_heads\": 128, \"num_experts_per_tok\": 6, \"num_hidden_layers\": 60,"
                  " \"num_key_value_heads\": 128, \"q_lora_rank\": 1536, \"qk_nope_head_dim\": 128,"
                  " \"qk_rope_head_dim\": 64, \"v_head_dim\": 128, \"vocab_size\": 102400}",
                  235741434880);
    assert_counts("{\"model_type\": \"deepseek_v2\", \"first_k_dense_replace\": 1, \"hidden_size\": 2048,"
                  " \"intermediate_size\": 10944, \"kv_lora_rank\": 512, \"moe_intermediate_size\": 1408,"
                  " \"n_routed_experts\": 64, \"n_shared_experts\": 2, \"num_attention_heads\": 16,"
                  " \"num_experts_per_tok\": 6, \"num_hidden_layers\": 27, \"num_key_value_heads\": 16,"
                  " \"q_lora_rank\": null, \"qk_nope_head_dim\": 128, \"qk_rope_head_dim\": 64,"
                  " \"v_head_dim\": 128, \"vocab_size\": 102400}",
                  15706484224); /* V2 Lite */
}

#define GPT_OSS(layers, experts)                                                                             \
    "{\"architectures\": [\"GptOssForCausalLM\"], \"model_type\": \"gpt_oss\", \"attention_bias\": true,"    \
    " \"experts_per_token\": 4, \"head_dim\": 64, \"hidden_size\": 2880, \"intermediate_size\": 2880,"       \
    " \"num_attention_heads\": 64,"                                                                          \
    " \"num_experts_per_tok\": 4, \"num_hidden_layers\": " layers ", \"num_key_value_heads\": 8,"            \
    " \"num_local_experts\": " experts ", \"sliding_window\": 128, \"tie_word_embeddings\": false,"          \
    " \"vocab_size\": 201088}"

static void gpt_oss(void **state) {
    (void)state;
    assert_counts(GPT_OSS("36", "128"), 116829156672);
    assert_counts(GPT_OSS("24", "32"), 20914757184);
}

#define QWEN3_ROTATED(scaling)                                                                               \
    "{\"model_type\": \"qwen3\", \"hidden_size\": 64, \"num_hidden_layers\": 2, \"num_attention_heads\": 8," \
    " \"intermediate_size\": 128, \"vocab_size\": 100" scaling "}"

/* Where a file is silent it is what the class has. */
static void yarn(void **state) {
    struct arena *arena = arena_create();
    (void)state;
    assert_true(model_of(GPT_OSS("24", "32"), arena).yarn);
    assert_false(model_of(QWEN3_ROTATED(""), arena).yarn);
    assert_false(model_of(QWEN3_ROTATED(", \"rope_scaling\": null"), arena).yarn);
    assert_false(model_of(QWEN3_ROTATED(", \"rope_scaling\": {\"rope_type\": \"llama3\"}"), arena).yarn);
    assert_true(
        model_of(QWEN3_ROTATED(", \"rope_scaling\": {\"type\": \"yarn\", \"factor\": 4}"), arena).yarn);
    assert_true(model_of(QWEN3_ROTATED(", \"rope_parameters\": {\"rope_type\": \"yarn\"}"), arena).yarn);
    arena_destroy(arena);
}

#define QWEN2_WITH(keys)                                                                                     \
    "{\"model_type\": \"qwen2\", \"hidden_size\": 64, \"num_hidden_layers\": 2, \"num_attention_heads\": 8," \
    " \"intermediate_size\": 128, \"vocab_size\": 100, \"max_position_embeddings\": 512" keys "}"

static void positions_are_the_longest_sequence(void **state) {
    struct arena *arena = arena_create();
    (void)state;
    const struct model model = model_of(QWEN2_WITH(""), arena);
    assert_true(model.sequence_is_limit);
    assert_int_equal(model.sequence, 512);
    arena_destroy(arena);
}

/* No exact count was published for Grok-1 ("314B"); by hand: attention 2 x 6144 x (6144 + 1024), eight gated
 * experts, the router and four norms a layer; the table once. */
static void grok(void **state) {
    const int64_t layer =
        INT64_C(2) * 6144 * (6144 + 1024) + INT64_C(8) * 3 * 6144 * 32768 + 6144 * 8 + 4 * 6144;
    (void)state;
    assert_counts("{\"architectures\": [\"Grok1ModelForCausalLM\"], \"model_type\": \"grok-1\","
                  " \"hidden_size\": 6144, \"intermediate_size\": 32768, \"max_position_embeddings\": 8192,"
                  " \"num_attention_heads\": 48, \"num_experts\": 8, \"num_experts_per_tok\": 2,"
                  " \"num_hidden_layers\": 64, \"num_key_value_heads\": 8, \"vocab_size\": 131072}",
                  64 * layer + INT64_C(131072) * 6144 + 6144);
}

static void the_file_or_the_size_gives_the_name(void **state) {
    struct arena *arena = arena_create();
    (void)state;
    const char *fields = " \"n_embd\": 768, \"n_head\": 12, \"n_layer\": 12, \"vocab_size\": 50257}";
    struct model model = model_of(
        arena_print(arena, "{\"model_type\": \"gpt2\", \"_name_or_path\": \"mine\",%s", fields), arena);
    assert_string_equal(model.name, "mine");
    model = model_of(arena_print(arena, "{\"model_type\": \"gpt2\",%s", fields), arena);
    assert_non_null(strstr(model.name, "gpt2 12"));
    arena_destroy(arena);
}

static void mistakes_are_pointed_at(void **state) {
    struct arena *arena = arena_create();
    struct model model;
    struct error error;
    (void)state;
    assert_refused("{\n \"model_type\": \"mamba\",\n \"hidden_size\": 1}",
                   "2:16: the architecture 'mamba' is not known");
    assert_false(read_text("{\"architectures\": [\"MambaForCausalLM\"]}", arena, &model, &error));
    assert_non_null(strstr(error.hint, "known are llama, llama4, mistral and "));
    assert_false(read_text("{\"model_type\": \"olmo4\"}", arena, &model, &error));
    assert_non_null(strstr(error.hint, "known are olmo2, olmo3, olmoe and "));
    assert_true(strlen("hint: ") + strlen(error.hint) <= 100);
    assert_refused("{\"model_type\": \"llama\", \"hidden_size\": 64}", "1:1: num_hidden_layers is missing");
    /* Mistral's own file, and Llama's. */
    assert_refused("{\"dim\": 4096, \"n_layers\": 32}", "1:9: a params.json is not read");
    assert_refused("{\"model_type\": \"llama\", \"hidden_size\": 64, \"num_hidden_layers\": 2,\n"
                   " \"num_attention_heads\": 7, \"intermediate_size\": 128, \"vocab_size\": 100}",
                   "2:25: heads 7 does not divide hidden 64, and head_dim is not given");
    assert_refused("{\"model_type\": \"llama\", \"hidden_size\": 64, \"num_hidden_layers\": 0}",
                   "1:65: num_hidden_layers must be positive");
    assert_refused("{\"model_type\": \"mixtral\", \"hidden_size\": 64, \"num_hidden_layers\": 2,\n"
                   " \"num_attention_heads\": 8, \"intermediate_size\": 128, \"vocab_size\": 100,\n"
                   " \"num_local_experts\": 4, \"num_experts_per_tok\": 5}",
                   "3:49: top_k 5 is more than the 4 experts there are");
    assert_refused("{\"model_type\": \"qwen3_moe\", \"hidden_size\": 64, \"num_hidden_layers\": 4,\n"
                   " \"num_attention_heads\": 8, \"intermediate_size\": 128, \"vocab_size\": 100,\n"
                   " \"num_experts\": 4, \"num_experts_per_tok\": 2, \"moe_intermediate_size\": 32,\n"
                   " \"mlp_only_layers\": [0, 2]}",
                   "4:25: only the first layers, in order, can be without experts");
    arena_destroy(arena);
}

static void layers_that_are_not_attention_are_pointed_at(void **state) {
    (void)state;
    assert_refused("{\"model_type\": \"qwen3_next\", \"hidden_size\": 64,\n \"full_attention_interval\": 4}",
                   "2:29: layers other than attention are not modelled (full_attention_interval)");
    assert_refused("{\"model_type\": \"nemotron_h\", \"hybrid_override_pattern\": \"M-M*\"}",
                   "1:57: layers other than attention are not modelled (hybrid_override_pattern)");
    assert_refused("{\"model_type\": \"lfm2\", \"layer_types\": [\"full_attention\", \"conv\"]}",
                   "1:58: layers other than attention are not modelled (layer_types)");
    assert_refused("{\"model_type\": \"minimax_text_01\", \"attn_type_list\": [0, 1]}",
                   "1:54: layers other than attention are not modelled (attn_type_list)");
    /* Attention of another sort is attention. */
    assert_refused("{\"model_type\": \"deepseek_v9\", \"layer_types\": [\"compressed_sparse_attention\"]}",
                   "1:16: the architecture 'deepseek_v9' is not known");
    /* Of an architecture that is known, and within the part that holds the language model. */
    assert_refused(QWEN2_WITH(", \"layer_types\": [\"linear_attention\"]"),
                   "1:187: layers other than attention are not modelled (layer_types)");
    assert_refused("{\"model_type\": \"v\", \"text_config\": {\"model_type\": \"m\", \"state_size\": 16}}",
                   "1:70: layers other than attention are not modelled (state_size)");
}

#define LISTED(type, keys)                                                                                   \
    "{\"model_type\": \"" type "\", \"hidden_size\": 64, \"num_hidden_layers\": 2,"                          \
    " \"num_attention_heads\": 8, \"intermediate_size\": 128, \"vocab_size\": 100,\n " keys "}"

/* Whether or not the architecture is known; what is off is not there. */
static void attention_that_is_not_modelled_is_pointed_at(void **state) {
    static const struct {
        const char *text, *refused;
    } files[] = {
        {LISTED("deepseek_v32", "\"index_topk\": 2048"),
         "2:16: sparse attention is not modelled (index_topk)"},
        {LISTED("llama", "\"index_topk\": 2048"), "2:16: sparse attention is not modelled (index_topk)"},
        {LISTED("minimax_m3", "\"sparse_attention_config\": {\"sparse_topk_blocks\": 16}"),
         "2:29: sparse attention is not modelled (sparse_attention_config)"},
        {LISTED("gemma4_text", "\"layer_types\": [\"full_attention\"], \"global_head_dim\": 512"),
         "2:56: layers of different shapes are not modelled (global_head_dim)"},
        {LISTED("nemotron-nas", "\"block_configs\": [{}]"),
         "2:19: layers of different shapes are not modelled (block_configs)"},
        {LISTED("mimo_v2_flash", "\"swa_num_key_value_heads\": 8"),
         "2:29: layers of different shapes are not modelled (swa_num_key_value_heads)"},
        {LISTED("qwen3_5", "\"attn_output_gate\": true"),
         "2:22: a gate on attention's output is not modelled (attn_output_gate)"},
        {LISTED("hunyuan", "\"use_cla\": true"), "2:13: keys that layers share are not modelled (use_cla)"},
        {LISTED("longcat_flash", "\"zero_expert_num\": 256"),
         "2:21: experts that compute nothing are not modelled (zero_expert_num)"},
        {LISTED("bailing_moe_linear", "\"layer_group_size\": 5"),
         "2:22: layers other than attention are not modelled (layer_group_size)"},
        {LISTED("llama", "\"linear_attn_config\": {}"),
         "2:24: layers other than attention are not modelled (linear_attn_config)"},
        /* Granite 4's layers are Mamba's unless a list says otherwise. */
        {LISTED("granitemoehybrid", "\"shared_intermediate_size\": 128"),
         "1:1: layers other than attention are not modelled (no layer_types)"},
        {LISTED("granitemoehybrid", "\"layer_types\": [\"attention\", \"mamba\"]"),
         "2:31: layers other than attention are not modelled (layer_types)"},
        {LISTED("granitemoehybrid",
                "\"layer_types\": [\"attention\", \"attention\"], \"num_local_experts\": 8"),
         "2:66: num_local_experts other than 0 is not supported"},
    };
    struct arena *arena = arena_create();
    (void)state;
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        assert_refused(files[i].text, files[i].refused);
    model_of(LISTED("llama", "\"use_cla\": false, \"index_topk\": null, \"zero_expert_num\": 0"), arena);
    arena_destroy(arena);
}

#define OF_EACH_LAYER(counts) LISTED("hunyuan_v1_moe", "\"num_experts\": 4, \"moe_topk\": " counts)

/* Hunyuan's files list experts for each layer. */
static void values_of_each_layer_are_the_same(void **state) {
    struct arena *arena = arena_create();
    (void)state;
    assert_int_equal(model_of(OF_EACH_LAYER("[2, 2]"), arena).experts.top_k, 2);
    assert_refused(OF_EACH_LAYER("[2, 1]"), "2:36: layers that differ in moe_topk are not modelled");
    assert_refused(OF_EACH_LAYER("[[2], 2]"), "2:33: layers that differ in moe_topk are not modelled");
    assert_refused(OF_EACH_LAYER("[]"), "2:32: moe_topk: a single value was expected, not a list");
    arena_destroy(arena);
}

#define TEXT_PART(keys) "{\"model_type\": \"llava\", \"text_config\": {\"model_type\": " keys "}}"

static void parts_of_a_vision_model_are_pointed_at(void **state) {
    (void)state;
    assert_refused(TEXT_PART("\"bert\", \"hidden_size\": 64"), "1:55: the architecture 'bert' is not known");
    assert_refused(TEXT_PART("\"qwen3\", \"hidden_size\": 64"), "1:40: num_hidden_layers is missing");
    assert_refused(TEXT_PART("\"llama\", \"hidden_size\": \"wide\""),
                   "1:79: hidden_size: \"wide\" isn't a number; it takes a count such as 32768, 60M, 200B "
                   "(billion) or 13T");
    assert_refused("{\"model_type\": \"llava\", \"text_config\": [1]}", "1:40: text_config is no mapping");
    assert_refused("{\"model_type\": \"llava\", \"text_config\": {\"hidden_size\": 64}}",
                   "1:40: neither model_type nor architectures is given");
}

/* What the language model leaves out is its class's, and the wrapper's word on tied tables counts. */
static void a_language_model_takes_its_classs_defaults(void **state) {
    struct arena *arena = arena_create();
    (void)state;
    struct model model = model_of(TEXT_PART("\"llama\""), arena);
    assert_int_equal(model.layers, 32);
    assert_int_equal(model.ffn_hidden, 11008);
    assert_false(model.tied_embeddings);
    model = model_of("{\"model_type\": \"llava\", \"tie_word_embeddings\": true, \"_name_or_path\": \"mine\","
                     " \"text_config\": {\"model_type\": \"llama\", \"_name_or_path\": \"other\"}}",
                     arena);
    assert_true(model.tied_embeddings);
    assert_string_equal(model.name, "mine");
    arena_destroy(arena);
}

#define LLAMA_4(keys)                                                                                        \
    "{\"model_type\": \"llama4_text\", \"hidden_size\": 64, \"num_hidden_layers\": 4, "                      \
    "\"num_attention_heads\": 8,"                                                                            \
    " \"intermediate_size\": 128, \"intermediate_size_mlp\": 256, \"vocab_size\": 100,"                      \
    " \"num_local_experts\": 4, \"num_experts_per_tok\": 1,\n" keys "}"

#define DOTS(types)                                                                                          \
    "{\"model_type\": \"dots1\", \"hidden_size\": 64, \"num_hidden_layers\": 3, \"num_attention_heads\": 8," \
    " \"intermediate_size\": 128, \"vocab_size\": 100, \"n_routed_experts\": 4, \"num_experts_per_tok\": 2," \
    " \"moe_intermediate_size\": 32,\n \"mlp_layer_types\": " types "}"

static void what_a_model_cannot_say_is_pointed_at(void **state) {
    struct arena *arena = arena_create();
    (void)state;
    const struct model model =
        model_of(LLAMA_4("\"interleave_moe_layer_step\": 2, \"moe_layers\": [1, 3]"), arena);
    assert_int_equal(model.experts.every, 2);
    assert_int_equal(model.experts.ffn_hidden, 128);
    assert_int_equal(model.experts.shared, 1);
    assert_int_equal(model.ffn_hidden, 256);
    assert_refused(
        LLAMA_4("\"interleave_moe_layer_step\": 2, \"moe_layers\": [1, 2]"),
        "2:51: layers with experts can only be each so many of them, as interleave_moe_layer_step says");
    assert_refused(LLAMA_4("\"interleave_moe_layer_step\": 2, \"moe_layers\": [3]"),
                   "2:47: 1 layers have experts here, 2 by interleave_moe_layer_step");
    assert_refused(
        "{\"model_type\": \"opt\", \"hidden_size\": 1024, \"ffn_dim\": 4096, \"num_hidden_layers\": 24,"
        " \"num_attention_heads\": 16, \"vocab_size\": 50272,\n \"word_embed_proj_dim\": 512}",
        "2:25: word_embed_proj_dim other than 1024 is not supported");
    assert_refused("{\"model_type\": \"ernie4_5_moe\", \"hidden_size\": 64, \"num_hidden_layers\": 4,"
                   " \"num_attention_heads\": 8, \"intermediate_size\": 128, \"vocab_size\": 100,"
                   " \"moe_num_experts\": 4, \"moe_k\": 2, \"moe_intermediate_size\": 32,\n"
                   " \"moe_layer_end_index\": 2}",
                   "2:25: moe_layer_end_index other than 3 is not supported");
    assert_refused(
        "{\"model_type\": \"dbrx\", \"d_model\": 64, \"n_heads\": 8, \"n_layers\": 2, \"vocab_size\": 100,\n"
        " \"ffn_config\": {\"ffn_hidden_size\": 128}}",
        "1:1: num_experts is missing");
    arena_destroy(arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gpt2),
        cmocka_unit_test(llama),
        cmocka_unit_test(mistral_and_mixtral),
        cmocka_unit_test(qwen),
        cmocka_unit_test(deepseek),
        cmocka_unit_test(gpt_oss),
        cmocka_unit_test(yarn),
        cmocka_unit_test(positions_are_the_longest_sequence),
        cmocka_unit_test(grok),
        cmocka_unit_test(the_file_or_the_size_gives_the_name),
        cmocka_unit_test(mistakes_are_pointed_at),
        cmocka_unit_test(layers_that_are_not_attention_are_pointed_at),
        cmocka_unit_test(attention_that_is_not_modelled_is_pointed_at),
        cmocka_unit_test(values_of_each_layer_are_the_same),
        cmocka_unit_test(parts_of_a_vision_model_are_pointed_at),
        cmocka_unit_test(a_language_model_takes_its_classs_defaults),
        cmocka_unit_test(what_a_model_cannot_say_is_pointed_at),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
