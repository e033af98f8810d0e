/* The architectures and keys of Hugging Face's config.json.
 *
 * Meanings and defaults are those of the configuration and modeling classes of the `transformers` library, or
 * of the model's own repository (Grok-1, InternLM, Kimi K2). Keys that shape nothing (dropout, rope, dtype,
 * generation) are not here. */
#include <stddef.h>

#include "planner/inputs/hf_parts.h"

static const struct hf_defaults llama = {4096, 32, 32, 0, 11008, 32000, 2048};
static const struct hf_defaults mistral = {4096, 32, 32, 8, 14336, 32000, 131072};
static const struct hf_defaults ministral3 = {4096, 34, 32, 8, 14336, 131072, 262144};
static const struct hf_defaults qwen2 = {4096, 32, 32, 32, 22016, 151936, 32768};
static const struct hf_defaults gemma3 = {2304, 26, 8, 4, 9216, 262208, 131072};

/* GPT's block. */
#define GPT (HF_PLAIN_MLP | HF_LAYERNORM | HF_ALL_BIAS)
/* Gemma's. */
#define GEMMA (HF_TIED | HF_POST_NORMS)
/* Mixtral's experts; DeepSeek-V3's, with a correction of the router's scores. */
#define WIDE_EXPERTS  (HF_EXPERTS | HF_EXPERTS_WIDE)
#define SCORE_EXPERTS (HF_EXPERTS | HF_ROUTER_BIAS)
#define QWEN_BIAS     (HF_QKV_BIAS | HF_OUTPUT_UNBIASED)

const struct hf_architecture hf_architectures[] = {
    {"llama", "LlamaForCausalLM", 0, 0, &llama},
    {"llama4", "Llama4ForCausalLM", WIDE_EXPERTS | HF_SHARED_ONE, 128, NULL},
    {"mistral", "MistralForCausalLM", 0, 0, &mistral},
    {"ministral", "MinistralForCausalLM", 0, 0, &mistral},
    {"ministral3", "Ministral3ForCausalLM", 0, 128, &ministral3},
    {"mixtral", "MixtralForCausalLM", WIDE_EXPERTS, 0, NULL},
    {"gemma", "GemmaForCausalLM", HF_TIED, 256, NULL},
    {"gemma2", "Gemma2ForCausalLM", GEMMA, 256, NULL},
    {"gemma3", "Gemma3ForCausalLM", GEMMA | HF_QK_NORM, 256, &gemma3},
    {"qwen2", "Qwen2ForCausalLM", QWEN_BIAS, 0, &qwen2},
    {"qwen2_moe", "Qwen2MoeForCausalLM", QWEN_BIAS | HF_EXPERTS | HF_SHARED_GATED, 0, NULL},
    {"qwen2_vl", "Qwen2VLForConditionalGeneration", QWEN_BIAS, 0, NULL},
    {"qwen2_5_vl", "Qwen2_5_VLForConditionalGeneration", QWEN_BIAS, 0, NULL},
    {"qwen3", "Qwen3ForCausalLM", HF_QK_NORM, 128, NULL},
    {"qwen3_moe", "Qwen3MoeForCausalLM", HF_QK_NORM | HF_EXPERTS, 128, NULL},
    {"qwen3_vl", "Qwen3VLForConditionalGeneration", HF_QK_NORM, 128, NULL},
    {"qwen3_vl_moe", "Qwen3VLMoeForConditionalGeneration", HF_QK_NORM | HF_EXPERTS, 128, NULL},
    {"deepseek_v2", "DeepseekV2ForCausalLM", HF_MLA | HF_MTP | HF_EXPERTS, 0, NULL},
    {"deepseek_v3", "DeepseekV3ForCausalLM", HF_MLA | HF_MTP | SCORE_EXPERTS, 0, NULL},
    {"kimi_k2", "DeepseekV3ForCausalLM", HF_MLA | HF_MTP | SCORE_EXPERTS, 0, NULL},
    {"glm4_moe_lite", "Glm4MoeLiteForCausalLM", HF_MLA | HF_MTP | SCORE_EXPERTS, 0, NULL},
    {"mistral4", "Mistral4ForCausalLM", HF_MLA | HF_EXPERTS, 0, NULL},
    {"youtu_llm", "YoutuForCausalLM", HF_MLA | HF_TIED, 0, NULL},
    {"glm", "GlmForCausalLM", HF_OUTPUT_UNBIASED, 128, NULL},
    {"glm4", "Glm4ForCausalLM", HF_OUTPUT_UNBIASED | HF_POST_NORMS, 128, NULL},
    {"glm4v", "Glm4vForConditionalGeneration", QWEN_BIAS | HF_POST_NORMS, 0, NULL},
    {"glm4v_moe", "Glm4vMoeForConditionalGeneration", QWEN_BIAS | SCORE_EXPERTS, 128, NULL},
    {"glm4_moe", "Glm4MoeForCausalLM",
     HF_OUTPUT_UNBIASED | HF_QK_NORM | HF_QK_NORM_KEY | HF_MTP | SCORE_EXPERTS, 128, NULL},
    {"solar_open", "SolarOpenForCausalLM", HF_FOURFOLD | SCORE_EXPERTS, 128, NULL},
    {"bailing_moe", "BailingMoeForCausalLM", HF_BIAS_KEYS | HF_QK_NORM | HF_QK_NORM_KEY | HF_EXPERTS, 0,
     NULL},
    {"bailing_moe_v2", "BailingMoeV2ForCausalLM",
     HF_BIAS_KEYS | HF_MLP_UNBIASED | HF_QK_NORM | HF_MTP | SCORE_EXPERTS, 0, NULL},
    {"hunyuan_v1_dense", "HunYuanDenseV1ForCausalLM", HF_QK_NORM, 0, NULL},
    {"hunyuan_v1_moe", "HunYuanMoEV1ForCausalLM", HF_QK_NORM | WIDE_EXPERTS | HF_SHARED_ONE, 0, NULL},
    {"hy_v3", "HYV3ForCausalLM", HF_QK_NORM | HF_MTP | SCORE_EXPERTS, 128, NULL},
    {"exaone", "ExaoneForCausalLM", 0, 0, NULL},
    {"exaone4", "Exaone4ForCausalLM", HF_QK_NORM, 0, NULL},
    {"exaone_moe", "ExaoneMoEForCausalLM", HF_QK_NORM | SCORE_EXPERTS, 0, NULL},
    {"mimo", "MiMoForCausalLM", QWEN_BIAS | HF_MTP, 0, NULL},
    {"dots1", "Dots1ForCausalLM", HF_QK_NORM | SCORE_EXPERTS, 0, NULL},
    {"minimax_m2", "MiniMaxM2ForCausalLM", HF_QK_NORM_WIDE | WIDE_EXPERTS | HF_ROUTER_BIAS, 128, NULL},
    {"ernie4_5", "Ernie4_5ForCausalLM", HF_BIAS_KEYS | HF_TIED, 128, NULL},
    {"ernie4_5_moe", "Ernie4_5_MoeForCausalLM", HF_BIAS_KEYS | HF_TIED | SCORE_EXPERTS, 0, NULL},
    {"gpt_oss", "GptOssForCausalLM", HF_ALL_BIAS | WIDE_EXPERTS | HF_ROUTER_BIAS | HF_SINKS, 64, NULL},
    {"grok-1", "Grok1ModelForCausalLM", WIDE_EXPERTS | HF_POST_NORMS | HF_TIED, 128, NULL},
    {"dbrx", "DbrxForCausalLM", WIDE_EXPERTS, 0, NULL},
    {"phi3", "Phi3ForCausalLM", 0, 0, NULL},
    {"phimoe", "PhimoeForCausalLM", HF_LAYERNORM | WIDE_EXPERTS, 0, NULL},
    {"olmo2", "Olmo2ForCausalLM", HF_QK_NORM_WIDE, 0, NULL},
    {"olmo3", "Olmo3ForCausalLM", HF_QK_NORM_WIDE, 0, NULL},
    {"olmoe", "OlmoeForCausalLM", HF_QK_NORM_WIDE | WIDE_EXPERTS, 0, NULL},
    {"flex_olmo", "FlexOlmoForCausalLM", HF_QK_NORM_WIDE | WIDE_EXPERTS, 0, NULL},
    {"granite", "GraniteForCausalLM", 0, 0, NULL},
    {"granitemoehybrid", "GraniteMoeHybridForCausalLM", HF_LAYERS_LISTED, 0, NULL},
    {"granitemoe", "GraniteMoeForCausalLM", WIDE_EXPERTS, 0, NULL},
    {"seed_oss", "SeedOssForCausalLM", HF_OUTPUT_UNBIASED, 128, NULL},
    {"apertus", "ApertusForCausalLM", HF_PLAIN_MLP | HF_QK_NORM, 0, NULL},
    {"arcee", "ArceeForCausalLM", HF_PLAIN_MLP, 0, NULL},
    {"cwm", "CwmForCausalLM", 0, 128, NULL},
    {"smollm3", "SmolLM3ForCausalLM", HF_TIED, 0, NULL},
    {"internlm2", "InternLM2ForCausalLM", HF_BIAS_KEYS | HF_MLP_UNBIASED, 0, NULL},
    {"internlm3", "InternLM3ForCausalLM", HF_BIAS_KEYS, 0, NULL},
    {"cohere", "CohereForCausalLM", HF_QK_NORM_WIDE | HF_QK_NORM_KEY | HF_PARALLEL | HF_SHARED_NORM | HF_TIED,
     0, NULL},
    {"cohere2", "Cohere2ForCausalLM", HF_PARALLEL | HF_SHARED_NORM | HF_TIED, 0, NULL},
    {"gpt2", "GPT2LMHeadModel", GPT | HF_FOURFOLD | HF_POSITIONS | HF_TIED, 0, NULL},
    {"gpt_neox", "GPTNeoXForCausalLM", GPT | HF_PARALLEL, 0, NULL},
    {"opt", "OPTForCausalLM", GPT | HF_BIAS_KEYS | HF_POSITIONS | HF_POSITIONS_TWO | HF_TIED, 0, NULL},
    {"bloom", "BloomForCausalLM", GPT | HF_FOURFOLD | HF_TIED, 0, NULL},
    {"falcon", "FalconForCausalLM",
     HF_PLAIN_MLP | HF_FOURFOLD | HF_LAYERNORM | HF_BIAS_KEYS | HF_PARALLEL | HF_SHARED_NORM |
         HF_MULTI_QUERY | HF_TIED,
     0, NULL},
    {"starcoder2", "Starcoder2ForCausalLM", GPT | HF_BIAS_KEYS | HF_TIED, 0, NULL},
    {"nemotron", "NemotronForCausalLM", HF_PLAIN_MLP | HF_LAYERNORM, 0, NULL},
    {"stablelm", "StableLmForCausalLM",
     HF_LAYERNORM | HF_BIAS_KEYS | HF_QK_NORM_WIDE | HF_QK_NORM_KEY | HF_SHARED_NORM, 0, NULL},
    {NULL, NULL, 0, 0, NULL}};

#define WHOLE(name, member, most, model_name)                                                                \
    {                                                                                                        \
        .field = {.key = name,                                                                               \
                  .type = FIELD_INTEGER,                                                                     \
                  .offset = offsetof(struct hf_config, member),                                              \
                  .maximum = most},                                                                          \
        .model_key = model_name                                                                              \
    }
#define WIDTH(name, member, model_name)   WHOLE(name, member, MODEL_MAX_WIDTH, model_name)
#define LAYERS(name, member, model_name)  WHOLE(name, member, MODEL_MAX_LAYERS, model_name)
#define HEADS(name, member, model_name)   WHOLE(name, member, MODEL_MAX_HEADS, model_name)
#define EXPERTS(name, member, model_name) WHOLE(name, member, MODEL_MAX_EXPERTS, model_name)
#define TOKENS(name, member, model_name)  WHOLE(name, member, MODEL_MAX_SEQUENCE, model_name)
/* One that may be given for each layer. */
#define EACH(name, member, most, model_name)                                                                 \
    {                                                                                                        \
        .field = {.key = name,                                                                               \
                  .type = FIELD_INTEGER,                                                                     \
                  .offset = offsetof(struct hf_config, member),                                              \
                  .maximum = most},                                                                          \
        .model_key = model_name, .of_each_layer = true                                                       \
    }
#define FLAG(name, member, traits)                                                                           \
    {                                                                                                        \
        .field = {.key = name,                                                                               \
                  .type = FIELD_BOOL,                                                                        \
                  .offset = offsetof(struct hf_config, member.value),                                        \
                  .present_offset = offsetof(struct hf_config, member.given)},                               \
        .only = traits                                                                                       \
    }

const struct hf_key hf_keys[] = {
    {.field = {.key = "_name_or_path",
               .type = FIELD_TEXT,
               .one_line = true,
               .offset = offsetof(struct hf_config, path)},
     .model_key = "name",
     .of_wrapper = true},
    WIDTH("hidden_size", hidden, "hidden"),
    WIDTH("n_embd", hidden, "hidden"),
    WIDTH("n_embed", hidden, "hidden"),
    WIDTH("d_model", hidden, "hidden"),
    LAYERS("num_hidden_layers", layers, "layers"),
    LAYERS("n_layer", layers, "layers"),
    LAYERS("n_layers", layers, "layers"),
    LAYERS("num_layers", layers, "layers"),
    HEADS("num_attention_heads", heads, "heads"),
    HEADS("n_head", heads, "heads"),
    HEADS("n_heads", heads, "heads"),
    HEADS("num_key_value_heads", kv_heads, "kv_heads"),
    HEADS("num_kv_heads", kv_heads, "kv_heads"),
    HEADS("n_head_kv", kv_heads, "kv_heads"),
    HEADS("attn_config.kv_n_heads", kv_heads, "kv_heads"),
    FLAG("multi_query", multi_query, HF_MULTI_QUERY),
    WIDTH("head_dim", head_dim, "head_dim"),
    WIDTH("intermediate_size", ffn_hidden, "ffn_hidden"),
    WIDTH("n_inner", ffn_hidden, "ffn_hidden"),
    WIDTH("ffn_dim", ffn_hidden, "ffn_hidden"),
    WIDTH("ffn_hidden_size", ffn_hidden, "ffn_hidden"),
    WIDTH("ffn_config.ffn_hidden_size", ffn_hidden, "ffn_hidden"),
    WIDTH("intermediate_size_mlp", dense_ffn_hidden, "ffn_hidden"),
    {.field = {.key = "shared_intermediate_size",
               .type = FIELD_INTEGER,
               .offset = offsetof(struct hf_config, ffn_hidden),
               .maximum = MODEL_MAX_WIDTH},
     .only = HF_LAYERS_LISTED},
    WIDTH("vocab_size", vocab, "vocab"),
    WIDTH("word_embed_proj_dim", embedding_width, NULL),
    TOKENS("seq_length", positions, "sequence"),
    TOKENS("max_seq_len", positions, "sequence"),
    TOKENS("max_position_embeddings", positions, "sequence"),
    TOKENS("n_positions", positions, "sequence"),
    {.field = {.key = "tie_word_embeddings",
               .type = FIELD_BOOL,
               .offset = offsetof(struct hf_config, tied.value),
               .present_offset = offsetof(struct hf_config, tied.given)},
     .of_wrapper = true},
    FLAG("attention_bias", attention_bias, 0),
    FLAG("mlp_bias", mlp_bias, 0),
    FLAG("qkv_bias", qkv_bias, HF_BIAS_KEYS | HF_QKV_BIAS),
    FLAG("use_qkv_bias", qkv_bias, HF_BIAS_KEYS),
    FLAG("attention_out_bias", output_bias, HF_OUTPUT_UNBIASED),
    FLAG("bias", bias, HF_BIAS_KEYS),
    FLAG("use_bias", bias, HF_BIAS_KEYS),
    FLAG("enable_bias", bias, HF_BIAS_KEYS),
    FLAG("use_qk_norm", qk_norm, HF_QK_NORM_KEY | HF_QK_NORM),
    FLAG("qk_layernorm", qk_norm, HF_QK_NORM_KEY),
    FLAG("use_parallel_residual", parallel, HF_PARALLEL | HF_SHARED_NORM),
    FLAG("parallel_attn", parallel, HF_SHARED_NORM),
    FLAG("new_decoder_architecture", new_decoder, HF_MULTI_QUERY),
    LAYERS("num_ln_in_parallel_attn", parallel_norms, NULL),
    EACH("num_experts", experts, MODEL_MAX_EXPERTS, "experts.count"),
    EXPERTS("num_local_experts", experts, "experts.count"),
    EXPERTS("n_routed_experts", experts, "experts.count"),
    EXPERTS("moe_num_experts", experts, "experts.count"),
    EXPERTS("ffn_config.moe_num_experts", experts, "experts.count"),
    EXPERTS("num_experts_per_tok", top_k, "experts.top_k"),
    EXPERTS("experts_per_token", top_k, "experts.top_k"),
    EXPERTS("moe_k", top_k, "experts.top_k"),
    EACH("moe_topk", top_k, MODEL_MAX_EXPERTS, "experts.top_k"),
    EXPERTS("ffn_config.moe_top_k", top_k, "experts.top_k"),
    WHOLE("n_group", groups, MODEL_MAX_GROUPS, "experts.groups"),
    WHOLE("topk_group", group_top_k, MODEL_MAX_GROUPS, "experts.group_top_k"),
    EACH("moe_intermediate_size", expert_ffn_hidden, MODEL_MAX_WIDTH, "experts.ffn_hidden"),
    EXPERTS("n_shared_experts", shared, "experts.shared"),
    EXPERTS("moe_num_shared_experts", shared, "experts.shared"),
    EXPERTS("num_shared_experts", shared, "experts.shared"),
    EACH("num_shared_expert", shared, MODEL_MAX_EXPERTS, "experts.shared"),
    WIDTH("shared_expert_intermediate_size", shared_ffn_hidden, "experts.shared_ffn_hidden"),
    WIDTH("moe_shared_expert_intermediate_size", shared_ffn_hidden, "experts.shared_ffn_hidden"),
    LAYERS("first_k_dense_replace", first_dense, "experts.first_dense_layers"),
    LAYERS("moe_layer_start_index", first_dense, "experts.first_dense_layers"),
    LAYERS("decoder_sparse_step", every, "experts.every"),
    LAYERS("interleave_moe_layer_step", every, "experts.every"),
    LAYERS("moe_layer_freq", layer_interval, NULL),
    LAYERS("moe_layer_interval", layer_interval, NULL),
    {.field = {.key = "moe_layer_end_index",
               .type = FIELD_INTEGER,
               .offset = offsetof(struct hf_config, last_expert_layer),
               .minimum = -1,
               .maximum = MODEL_MAX_LAYERS}},
    TOKENS("sliding_window", window, NULL),
    TOKENS("attention_chunk_size", attention_chunk, NULL),
    {.field = {.key = "sliding_window_pattern",
               .type = FIELD_INTEGER,
               .offset = offsetof(struct hf_config, window_pattern),
               .maximum = MODEL_MAX_LAYERS},
     .in_letters = true},
    LAYERS("_sliding_window_pattern", window_pattern, NULL),
    LAYERS("no_rope_layer_interval", window_pattern, NULL),
    LAYERS("max_window_layers", max_window_layers, NULL),
    FLAG("use_sliding_window", windowed, 0),
    LAYERS("num_nextn_predict_layers", mtp_layers, "mtp_layers"),
    LAYERS("num_mtp_layers", mtp_layers, "mtp_layers"),
    WIDTH("q_lora_rank", mla.q_lora_rank, "mla.q_lora_rank"),
    WIDTH("kv_lora_rank", mla.kv_lora_rank, "mla.kv_lora_rank"),
    WIDTH("qk_nope_head_dim", mla.qk_nope_head_dim, "mla.qk_nope_head_dim"),
    WIDTH("qk_rope_head_dim", mla.qk_rope_head_dim, "mla.qk_rope_head_dim"),
    WIDTH("v_head_dim", mla.v_head_dim, "mla.v_head_dim"),
    {.field = {.key = NULL}}};
