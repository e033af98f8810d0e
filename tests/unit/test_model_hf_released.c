/* Hugging Face configurations of released models: the keys that shape each, as its config.json has them,
 * against the parameters that are published (safetensors' total on Hugging Face, of the language model alone
 * where there is a vision part too). */
#include <math.h>

#include "tests/unit/model_text.h"

struct released {
    const char *name, *config;
    double parameters; /* to the last one, unless `rounded` */
    double active;     /* as in "A3B"; 0: a dense model */
    bool rounded;      /* published in billions alone: to 1 % */
};

#define SHAPE(type, hidden, ffn, layers, heads, kv_heads, vocab)                                             \
    "\"model_type\": \"" type "\", \"hidden_size\": " #hidden ", \"intermediate_size\": " #ffn               \
    ", \"num_hidden_layers\": " #layers ", \"num_attention_heads\": " #heads                                 \
    ", \"num_key_value_heads\": " #kv_heads ", \"vocab_size\": " #vocab

static const struct released dense[] = {
    {"GLM-4-9B-0414",
     "{" SHAPE("glm4", 4096, 13696, 40, 32, 2, 151552) ", \"head_dim\": 128, \"attention_bias\": true}",
     9400279040, 0, false},
    {"GLM-4-32B-0414",
     "{" SHAPE("glm4", 6144, 23040, 61, 48, 2, 151552) ", \"head_dim\": 128, \"attention_bias\": false}",
     32566081536, 0, false},
    {"GLM-4-9B-Chat", "{" SHAPE("glm", 4096, 13696, 40, 32, 2, 151552) ", \"attention_bias\": true}",
     9399951360, 0, false},
    {"Gemma 7B", "{" SHAPE("gemma", 3072, 24576, 28, 16, 16, 256000) ", \"head_dim\": 256}", 8537680896, 0,
     false},
    {"Gemma 2 9B",
     "{" SHAPE("gemma2", 3584, 14336, 42, 16, 8, 256000) ", \"head_dim\": 256, \"sliding_window\": 4096}",
     9241705984, 0, false},
    {"Gemma 2 27B", "{" SHAPE("gemma2", 4608, 36864, 46, 32, 16, 256000) ", \"head_dim\": 128}", 27227128320,
     0, false},
    {"Gemma 3 1B", "{" SHAPE("gemma3_text", 1152, 6912, 26, 4, 1, 262144) ", \"head_dim\": 256}", 999885952,
     0, false},
    {"Ministral 8B", "{" SHAPE("ministral", 4096, 12288, 36, 32, 8, 131072) ", \"head_dim\": 128}",
     8019808256, 0, false},
    {"Phi-3 mini", "{" SHAPE("phi3", 3072, 8192, 32, 32, 32, 32064) "}", 3821079552, 0, false},
    {"Phi-4", "{" SHAPE("phi3", 5120, 17920, 40, 40, 10, 100352) ", \"attention_bias\": false}", 14659507200,
     0, false},
    {"Phi-4 mini", "{" SHAPE("phi3", 3072, 8192, 32, 24, 8, 200064) ", \"tie_word_embeddings\": true}",
     3836021760, 0, false},
    {"OLMo 2 7B", "{" SHAPE("olmo2", 4096, 11008, 32, 32, 32, 100352) "}", 7298617344, 0, false},
    {"OLMo 2 32B", "{" SHAPE("olmo2", 5120, 27648, 64, 40, 8, 100352) "}", 32234279936, 0, false},
    {"OLMo 3 7B", "{" SHAPE("olmo3", 4096, 11008, 32, 32, 32, 100278) "}", 7298011136, 0, false},
    {"Granite 3.0 8B", "{" SHAPE("granite", 4096, 12800, 40, 32, 8, 49155) ", \"tie_word_embeddings\": true}",
     8170848256, 0, false},
    {"Seed-OSS 36B",
     "{" SHAPE("seed_oss", 5120, 27648, 64, 80, 8,
               155136) ", \"head_dim\": 128, \"attention_bias\": true,"
                       " \"attention_out_bias\": false, \"mlp_bias\": false}",
     36151104512, 0, false},
    {"SmolLM3 3B", "{" SHAPE("smollm3", 2048, 11008, 36, 16, 4, 128256) "}", 3075098624, 0, false},
    {"InternLM 2 7B", "{" SHAPE("internlm2", 4096, 14336, 32, 32, 8, 92544) ", \"bias\": false}", 7737708544,
     0, false},
    {"InternLM 2 20B", "{" SHAPE("internlm2", 6144, 16384, 48, 48, 8, 92544) ", \"bias\": false}",
     19861149696, 0, false},
    {"InternLM 3 8B",
     "{" SHAPE("internlm3", 4096, 10240, 48, 32, 2, 128512) ", \"head_dim\": 128, \"bias\": false,"
                                                            " \"qkv_bias\": false}",
     8804241408, 0, false},
    {"ERNIE 4.5 0.3B",
     "{" SHAPE("ernie4_5", 1024, 3072, 18, 16, 2, 103424) ", \"head_dim\": 128, \"use_bias\": false}",
     360748032, 0, false},
    {"StarCoder 2 3B", "{" SHAPE("starcoder2", 3072, 12288, 30, 24, 2, 49152) ", \"use_bias\": true}",
     3030371328, 0, false},
    {"StarCoder 2 7B", "{" SHAPE("starcoder2", 4608, 18432, 32, 36, 4, 49152) ", \"use_bias\": true}",
     7173923840, 0, false},
    {"GPT-NeoX 20B",
     "{" SHAPE("gpt_neox", 6144, 24576, 44, 64, 64, 50432) ", \"use_parallel_residual\": true}", 20554567680,
     0, false},
    {"Pythia 12B", "{" SHAPE("gpt_neox", 5120, 20480, 36, 40, 40, 50688) "}", 11846072320, 0, false},
    {"OPT 6.7B",
     "{\"model_type\": \"opt\", \"hidden_size\": 4096, \"ffn_dim\": 16384, \"num_hidden_layers\": 32,"
     " \"num_attention_heads\": 32, \"vocab_size\": 50272, \"max_position_embeddings\": 2048,"
     " \"word_embed_proj_dim\": 4096}",
     6658473984, 0, false},
    {"BLOOM 7B1",
     "{\"model_type\": \"bloom\", \"hidden_size\": 4096, \"n_layer\": 30, \"n_head\": 32, \"vocab_size\": "
     "250880}",
     7069016064 - 2 * 4096, 0, false}, /* without the norm behind its embedding, as below */
    {"BLOOM",
     "{\"model_type\": \"bloom\", \"n_embed\": 14336, \"n_layer\": 70, \"num_attention_heads\": 112,"
     " \"vocab_size\": 250880, \"seq_length\": 2048}",
     176247271424 - 2 * 14336, 0, false},
    {"Falcon 7B",
     "{\"model_type\": \"falcon\", \"hidden_size\": 4544, \"num_hidden_layers\": 32, "
     "\"num_attention_heads\": 71,"
     " \"num_kv_heads\": 71, \"vocab_size\": 65024, \"multi_query\": true, \"parallel_attn\": true, "
     "\"bias\": false,"
     " \"new_decoder_architecture\": false}",
     6921720704, 0, false},
    {"Falcon RW 1B",
     "{\"model_type\": \"falcon\", \"hidden_size\": 2048, \"num_hidden_layers\": 24, "
     "\"num_attention_heads\": 32,"
     " \"vocab_size\": 50304, \"alibi\": true, \"multi_query\": false, \"parallel_attn\": false, \"bias\": "
     "true}",
     1311625216, 0, false},
    {"Falcon 40B",
     "{\"model_type\": \"falcon\", \"hidden_size\": 8192, \"num_hidden_layers\": 60, "
     "\"num_attention_heads\": 128,"
     " \"num_kv_heads\": 8, \"vocab_size\": 65024, \"multi_query\": true, \"parallel_attn\": true, \"bias\": "
     "false,"
     " \"new_decoder_architecture\": true}",
     41303293952, 0, false},
    {"Nemotron-4 340B", "{" SHAPE("nemotron", 18432, 73728, 96, 96, 8, 256000) ", \"head_dim\": 192}", 340e9,
     0, true},
    {"Minitron 4B", "{" SHAPE("nemotron", 3072, 9216, 32, 24, 8, 256000) ", \"head_dim\": 128}", 4.19e9, 0,
     true},
    {"Command R", "{" SHAPE("cohere", 8192, 22528, 40, 64, 64, 256000) ", \"use_qk_norm\": false}",
     34980831232, 0, false},
    {"Command R+", "{" SHAPE("cohere", 12288, 33792, 64, 96, 8, 256000) ", \"use_qk_norm\": true}",
     103810674688, 0, false},
    {"Command R7B", "{" SHAPE("cohere2", 4096, 14336, 32, 32, 8, 256000) "}", 8028033024, 0, false},
    {"StableLM 2 1.6B", "{" SHAPE("stablelm", 2048, 5632, 24, 32, 32, 100352) ", \"use_qkv_bias\": true}",
     1644515328, 0, false},
    {"StableLM 2 12B",
     "{" SHAPE("stablelm", 5120, 13824, 40, 32, 8,
               100352) ", \"use_qkv_bias\": false, \"qk_layernorm\": true,"
                       " \"use_parallel_residual\": true}",
     12143605760, 0, true},
    {"EXAONE 3.5 7.8B",
     "{\"model_type\": \"exaone\", \"hidden_size\": 4096, \"intermediate_size\": 14336, \"num_layers\": 32,"
     " \"num_attention_heads\": 32, \"num_key_value_heads\": 8, \"vocab_size\": 102400}",
     7818448896, 0, false},
    {"EXAONE 4.0 32B",
     "{" SHAPE("exaone4", 5120, 27392, 64, 40, 8, 102400) ", \"head_dim\": 128, \"sliding_window\": 4096,"
                                                          " \"sliding_window_pattern\": \"LLLG\"}",
     32003216384, 0, false},
    {"Granite 4.0 Micro",
     "{" SHAPE("granitemoehybrid", 2560, 8192, 2, 40, 8,
               100352) ", \"shared_intermediate_size\": 8192, \"num_local_experts\": 0,"
                       " \"num_experts_per_tok\": 0, \"mamba_d_state\": 128, \"tie_word_embeddings\": true,"
                       " \"layer_types\": [\"attention\", \"attention\"]}",
     /* Of its 40 layers two: their attention, MLP and norms. */
     3402836480 - 38 * (2.0 * 2560 * (2560 + 512) + 3.0 * 2560 * 8192 + 2 * 2560), 0, false},
    {"AFM 4.5B", "{" SHAPE("arcee", 2560, 18432, 36, 20, 4, 128004) ", \"head_dim\": 128}", 4619184640, 0,
     false},
    {"Apertus 8B", "{" SHAPE("apertus", 4096, 21504, 32, 32, 8, 131072) "}", 8.05e9, 0, true},
    {"Apertus 70B", "{" SHAPE("apertus", 8192, 43008, 80, 64, 8, 131072) "}", 70.6e9, 0, true},
    {"Hunyuan 7B",
     "{" SHAPE("hunyuan_v1_dense", 4096, 14336, 32, 32, 8,
               128167) ", \"head_dim\": 128, \"tie_word_embeddings\": true}",
     7.5e9, 0, true},
    {"MiMo 7B",
     "{" SHAPE("mimo", 4096, 11008, 36, 32, 8, 151680) ", \"head_dim\": 128, \"attention_bias\": true,"
                                                       " \"num_nextn_predict_layers\": 1}",
     /* Without its layer of multi-token prediction: attention with biases, MLP, norms and projection. */
     7833409536 - (2.0 * 4096 * (4096 + 1024) + 6144 + 3.0 * 4096 * 11008 + 5 * 4096 + 2.0 * 4096 * 4096), 0,
     false},
    {"Youtu-LLM 2B",
     "{" SHAPE("youtu_llm", 2048, 6144, 32, 16, 16,
               128256) ", \"kv_lora_rank\": 512, \"q_lora_rank\": 1536, \"qk_nope_head_dim\": 128,"
                       " \"qk_rope_head_dim\": 64, \"v_head_dim\": 128}",
     1.96e9, 0, true},
};

static const struct released of_experts[] = {
    {"Kimi K2",
     "{" SHAPE(
         "kimi_k2", 7168, 18432, 61, 64, 64,
         163840) ", \"architectures\": [\"DeepseekV3ForCausalLM\"],"
                 " \"first_k_dense_replace\": 1, \"kv_lora_rank\": 512, \"moe_intermediate_size\": 2048, "
                 "\"moe_layer_freq\": 1,"
                 " \"n_group\": 1, \"topk_group\": 1, \"n_routed_experts\": 384, \"n_shared_experts\": 1,"
                 " \"num_experts_per_tok\": 8, \"num_nextn_predict_layers\": 0, \"q_lora_rank\": 1536,"
                 " \"qk_nope_head_dim\": 128, \"qk_rope_head_dim\": 64, \"v_head_dim\": 128}",
     1026408232448, 32e9, false},
    {"Phi-3.5 MoE",
     "{" SHAPE("phimoe", 4096, 6400, 32, 32, 8,
               32064) ", \"attention_bias\": true, \"lm_head_bias\": true,"
                      " \"num_local_experts\": 16, \"num_experts_per_tok\": 2}",
     41873153344 - 32064, 6.6e9, false}, /* without the bias of its logits */
    {"OLMoE",
     "{" SHAPE("olmoe", 2048, 1024, 16, 16, 16, 50304) ", \"num_experts\": 64, \"num_experts_per_tok\": 8}",
     6919161856, 1.3e9, false},
    {"Granite 3.0 3B-A800M",
     "{" SHAPE("granitemoe", 1536, 512, 32, 24, 8,
               49155) ", \"num_local_experts\": 40, \"num_experts_per_tok\": 8,"
                      " \"tie_word_embeddings\": true}",
     3.3e9, 800e6, true},
    {"MiniMax M2",
     "{" SHAPE("minimax_m2", 3072, 1536, 62, 48, 8,
               200064) ", \"head_dim\": 128, \"num_local_experts\": 256,"
                       " \"num_experts_per_tok\": 8, \"use_qk_norm\": true, \"attn_type_list\": [1, 1], "
                       "\"use_routing_bias\": true}",
     /* The weights, and a correction of each expert's score. */
     228689748992 + 62 * 256, 10e9, false},
    {"ERNIE 4.5 21B-A3B",
     "{" SHAPE("ernie4_5_moe", 2560, 12288, 28, 20, 4,
               103424) ", \"moe_num_experts\": 64, \"moe_k\": 6,"
                       " \"moe_num_shared_experts\": 2, \"moe_intermediate_size\": 1536, "
                       "\"moe_layer_start_index\": 1,"
                       " \"moe_layer_end_index\": 27, \"moe_layer_interval\": 1, \"use_bias\": false}",
     21825437888, 3e9, false},
    {"ERNIE 4.5 300B-A47B",
     "{" SHAPE("ernie4_5_moe", 8192, 28672, 54, 64, 8,
               103424) ", \"moe_num_experts\": 64, \"moe_k\": 8,"
                       " \"moe_num_shared_experts\": 0, \"moe_intermediate_size\": 3584, "
                       "\"moe_layer_start_index\": 3,"
                       " \"moe_layer_end_index\": 53, \"tie_word_embeddings\": false}",
     /* Without its layer of multi-token prediction, which is dense: its norms, attention, MLP and projection.
      */
     300474051776 - (4.0 * 8192 + 2.0 * 8192 * (8192 + 1024) + 3.0 * 8192 * 28672 + 2.0 * 8192 * 8192), 47e9,
     false},
    {"dots.llm1",
     "{" SHAPE("dots1", 4096, 10944, 62, 32, 32,
               152064) ", \"first_k_dense_replace\": 1,"
                       " \"moe_intermediate_size\": 1408, \"n_routed_experts\": 128, \"n_shared_experts\": 2,"
                       " \"num_experts_per_tok\": 6}",
     142774381696, 14e9, false},
    {"DBRX",
     "{\"model_type\": \"dbrx\", \"d_model\": 6144, \"n_heads\": 48, \"n_layers\": 40, \"vocab_size\": "
     "100352,"
     " \"max_seq_len\": 32768, \"attn_config\": {\"kv_n_heads\": 8, \"model_type\": \"\"}, \"ffn_config\":"
     " {\"ffn_hidden_size\": 10752, \"moe_num_experts\": 16, \"moe_top_k\": 4}}",
     131596523520, 36e9, false},
    {"Ling-lite",
     "{" SHAPE("bailing_moe", 2048, 5632, 28, 16, 4,
               126464) ", \"head_dim\": 128, \"num_experts\": 64, \"num_experts_per_tok\": 6,"
                       " \"num_shared_experts\": 2, \"moe_intermediate_size\": 1408, \"use_bias\": false,"
                       " \"first_k_dense_replace\": 0, \"use_qkv_bias\": false}",
     16.8e9, 2.75e9, true},
    {"Ling-mini 2.0",
     "{" SHAPE("bailing_moe_v2", 2048, 5120, 20, 16, 4,
               157184) ", \"head_dim\": 128, \"num_experts\": 256, \"num_experts_per_tok\": 8,"
                       " \"num_shared_experts\": 1, \"moe_intermediate_size\": 512,"
                       " \"moe_shared_expert_intermediate_size\": 512, \"first_k_dense_replace\": 1,"
                       " \"n_group\": 8, \"topk_group\": 4, \"use_bias\": false, \"use_qkv_bias\": false,"
                       " \"use_qk_norm\": true}",
     16.26e9, 1.43e9, true},
    {"GLM-4.7-Flash",
     "{" SHAPE("glm4_moe_lite", 2048, 10240, 47, 20, 20,
               154880) ", \"first_k_dense_replace\": 1, \"kv_lora_rank\": 512, \"q_lora_rank\": 768,"
                       " \"qk_nope_head_dim\": 192, \"qk_rope_head_dim\": 64, \"v_head_dim\": 256,"
                       " \"moe_intermediate_size\": 1536, \"n_group\": 1, \"topk_group\": 1,"
                       " \"n_routed_experts\": 64, \"n_shared_experts\": 1, \"num_experts_per_tok\": 4}",
     30e9, 3e9, true},
    {"Hunyuan-A13B",
     "{" SHAPE("hunyuan_v1_moe", 4096, 3072, 32, 32, 8,
               128167) ", \"head_dim\": 128, \"num_experts\": 64, \"moe_topk\": [8, 8, 8],"
                       " \"num_shared_expert\": [1, 1, 1], \"moe_intermediate_size\": [3072, 3072, 3072],"
                       " \"tie_word_embeddings\": true, \"use_cla\": false, \"use_qk_norm\": true}",
     80e9, 13e9, true},
    {"Hy3",
     "{" SHAPE("hy_v3", 4096, 13312, 80, 64, 8,
               120832) ", \"head_dim\": 128, \"num_experts\": 192, \"num_experts_per_tok\": 8,"
                       " \"num_shared_experts\": 1, \"moe_intermediate_size\": 1536,"
                       " \"first_k_dense_replace\": 1}",
     295e9, 21e9, true},
    {"K-EXAONE",
     "{" SHAPE("exaone_moe", 6144, 18432, 48, 64, 8,
               153600) ", \"head_dim\": 128, \"num_experts\": 128, \"num_experts_per_tok\": 8,"
                       " \"num_shared_experts\": 1, \"moe_intermediate_size\": 2048, \"n_group\": 1,"
                       " \"topk_group\": 1, \"is_moe_layer\": [false, true, true]}",
     236e9, 23e9, true},
    {"Solar Open 100B",
     "{\"model_type\": \"solar_open\", \"hidden_size\": 4096, \"num_hidden_layers\": 48,"
     " \"num_attention_heads\": 64, \"num_key_value_heads\": 8, \"vocab_size\": 196608,"
     " \"n_routed_experts\": 128, \"n_shared_experts\": 1, \"num_experts_per_tok\": 8,"
     " \"moe_intermediate_size\": 1280}",
     102.6e9, 12e9, true},
    {"FlexOlmo 7x7B",
     "{" SHAPE("flex_olmo", 4096, 11008, 32, 32, 32,
               100352) ", \"num_experts\": 7, \"num_experts_per_tok\": 5}",
     33e9, 24.6e9, true},
};

/* What is published holds the layer of multi-token prediction and its own copy of the tables. */
static const struct released with_prediction[] = {
    {"GLM-4.5",
     "{" SHAPE("glm4_moe", 5120, 12288, 92, 96, 8,
               151552) ", \"attention_bias\": true, \"head_dim\": 128,"
                       " \"first_k_dense_replace\": 3, \"moe_intermediate_size\": 1536, \"n_group\": 1, "
                       "\"topk_group\": 1,"
                       " \"n_routed_experts\": 160, \"n_shared_experts\": 1, \"num_experts_per_tok\": 8,"
                       " \"num_nextn_predict_layers\": 1, \"use_qk_norm\": true}",
     358337791296, 32e9, false},
    {"GLM-4.5-Air",
     "{" SHAPE("glm4_moe", 4096, 10944, 46, 96, 8,
               151552) ", \"attention_bias\": true, \"head_dim\": 128,"
                       " \"first_k_dense_replace\": 1, \"moe_intermediate_size\": 1408, \"n_group\": 1, "
                       "\"topk_group\": 1,"
                       " \"n_routed_experts\": 128, \"n_shared_experts\": 1, \"num_experts_per_tok\": 8,"
                       " \"num_nextn_predict_layers\": 1, \"use_qk_norm\": false}",
     110468824832, 12e9, false},
};

#define VISION ", \"vision_config\": {\"hidden_size\": 1152, \"num_hidden_layers\": 27}"
#define LLAMA_4(layers_step, experts, qk_norm)                                                               \
    "{\"model_type\": \"llama4\"" VISION                                                                     \
    ", \"text_config\": {" SHAPE("llama4_text", 5120, 8192, 48, 40, 8,                                       \
                                 202048) ", \"intermediate_size_mlp\": 16384, \"head_dim\": 128, "           \
                                         "\"interleave_moe_layer_step\": " layers_step                       \
                                         ", \"num_experts_per_tok\": 1, \"num_local_experts\": " experts     \
                                         ", \"attention_chunk_size\": 8192,"                                 \
                                         " \"use_qk_norm\": " qk_norm ", \"tie_word_embeddings\": false}}"

static const struct released with_vision[] = {
    {"Llama 4 Scout", LLAMA_4("1", "16", "true"), 107769861120, 17e9, false},
    {"Llama 4 Maverick", LLAMA_4("2", "128", "false"), 400711848960, 17e9, false},
    {"Gemma 3 4B",
     "{\"model_type\": \"gemma3\"" VISION
     ", \"text_config\": {\"model_type\": \"gemma3_text\", \"hidden_size\": 2560,"
     " \"intermediate_size\": 10240, \"num_hidden_layers\": 34, \"sliding_window\": 1024}}",
     3880263168, 0, false},
    {"Gemma 3 27B",
     "{\"model_type\": \"gemma3\"" VISION
     ", \"text_config\": {\"model_type\": \"gemma3_text\", \"hidden_size\": 5376,"
     " \"head_dim\": 128, \"intermediate_size\": 21504, \"num_attention_heads\": 32, \"num_hidden_layers\": "
     "62,"
     " \"num_key_value_heads\": 16, \"sliding_window\": 1024}}",
     27009346304, 0, false},
    {"Mistral Small 3.1",
     "{\"model_type\": \"mistral3\"" VISION
     ", \"text_config\": {" SHAPE("mistral", 5120, 32768, 40, 32, 8, 131072) ","
                                                                             " \"head_dim\": 128}}",
     23572403200, 0, false},
    {"Mistral Small 4",
     "{\"model_type\": \"mistral3\"" VISION ", \"text_config\": {" SHAPE(
         "mistral4", 4096, 12288, 36, 32, 32, 131072) ", \"kv_lora_rank\": 256, \"q_lora_rank\": 1024,"
                                                      " \"qk_nope_head_dim\": 64, \"qk_rope_head_dim\": 64,"
                                                      " \"v_head_dim\": 128, \"moe_intermediate_size\": 2048,"
                                                      " \"n_routed_experts\": 128, \"n_shared_experts\": 1,"
                                                      " \"num_experts_per_tok\": 4, \"n_group\": 1,"
                                                      " \"topk_group\": 1, \"first_k_dense_replace\": 0}}",
     119e9, 6.5e9, true},
    {"Ministral 3 8B",
     "{\"model_type\": \"mistral3\"" VISION ", \"text_config\": {\"model_type\": \"ministral3\"}}",
     8489553920, 0, false},
    {"LLaVA 1.5 7B",
     "{\"model_type\": \"llava\"" VISION
     ", \"tie_word_embeddings\": false, \"text_config\": {\"_name_or_path\": \"v\","
     " \"model_type\": \"llama\", \"max_position_embeddings\": 4096, \"vocab_size\": 32064}}",
     6738939904, 0, false},
    {"GLM-4.1V 9B",
     "{\"model_type\": \"glm4v\"" VISION
     ", \"text_config\": {" SHAPE("glm4v_text", 4096, 13696, 40, 32, 2, 151552) "}}",
     9400279040, 0, false},
    {"GLM-4.5V",
     "{\"model_type\": \"glm4v_moe\"" VISION
     ", \"text_config\": {" SHAPE("glm4v_moe_text", 4096, 10944, 46, 96, 8,
                                  151552) ", \"attention_bias\": true, \"first_k_dense_replace\": 1, "
                                          "\"moe_intermediate_size\": 1408, \"n_group\": 1,"
                                          " \"topk_group\": 1, \"n_routed_experts\": 128, "
                                          "\"n_shared_experts\": 1, \"num_experts_per_tok\": 8}}",
     /* GLM-4.5-Air without multi-token prediction. */
     110468824832 - 2375059584 - 2.0 * 151552 * 4096, 12e9, false},
    {"Qwen2.5-VL 7B", "{" SHAPE("qwen2_5_vl", 3584, 18944, 28, 28, 4, 152064) VISION "}", 7615616512, 0,
     false},
    {"Qwen2.5-VL 3B",
     "{\"model_type\": \"qwen2_5_vl\", \"tie_word_embeddings\": true" VISION
     ", \"text_config\": {" SHAPE("qwen2_5_vl_text", 2048, 11008, 36, 16, 2, 151936) "}}",
     3085938688, 0, false},
    {"Qwen3-VL 8B",
     "{\"model_type\": \"qwen3_vl\"" VISION
     ", \"text_config\": {" SHAPE("qwen3_vl_text", 4096, 12288, 36, 32, 8, 151936) ", \"head_dim\": 128}}",
     8190735360, 0, false},
    {"Qwen3-VL 30B-A3B",
     "{\"model_type\": \"qwen3_vl_moe\"" VISION
     ", \"text_config\": {" SHAPE("qwen3_vl_moe_text", 2048, 6144, 48, 32, 4,
                                  151936) ", \"decoder_sparse_step\": 1, \"head_dim\": 128,"
                                          " \"mlp_only_layers\": [], \"moe_intermediate_size\": 768, "
                                          "\"num_experts\": 128, \"num_experts_per_tok\": 8}}",
     30532122624, 3.3e9, false},
};

/* Some publishers leave the tables out of the active ones; most give whole billions. */
static bool is_active(const struct model_counts *counts, double published) {
    const double slack = fmax(0.03 * published, fmod(published, 1e9) == 0 ? 0.5e9 : 0);
    return counts->active_parameters - counts->embedding_parameters < published + slack &&
           counts->active_parameters > published - slack;
}

static void assert_released(const struct released *released, bool predicts) {
    struct arena *arena = arena_create();
    struct model_counts counts;
    const struct model model = model_of(released->config, arena);
    model_count(&model, model.sequence, &counts);
    const double found =
        counts.parameters + (predicts ? counts.mtp_parameters + counts.embedding_parameters : 0);
    if (fabs(found - released->parameters) > (released->rounded ? 1e-2 * released->parameters : 0))
        fail_msg("%s: %.0f parameters, published %.0f", released->name, found, released->parameters);
    assert_int_equal(released->active > 0, model.experts.count > 0);
    if (released->active > 0 && !is_active(&counts, released->active))
        fail_msg("%s: %g active, published %g", released->name, counts.active_parameters, released->active);
    arena_destroy(arena);
}

#define COUNT(models) (sizeof(models) / sizeof *(models))

static void dense_models(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT(dense); i++)
        assert_released(&dense[i], false);
}

static void models_of_experts(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT(of_experts); i++)
        assert_released(&of_experts[i], false);
    for (size_t i = 0; i < COUNT(with_prediction); i++)
        assert_released(&with_prediction[i], true);
}

static void language_models_beside_vision(void **state) {
    struct arena *arena = arena_create();
    (void)state;
    for (size_t i = 0; i < COUNT(with_vision); i++) {
        assert_released(&with_vision[i], false);
        assert_true(model_of(with_vision[i].config, arena).text_alone);
    }
    assert_false(model_of(dense[0].config, arena).text_alone);
    arena_destroy(arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(dense_models),
        cmocka_unit_test(models_of_experts),
        cmocka_unit_test(language_models_beside_vision),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
