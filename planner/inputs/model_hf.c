/* Hugging Face's config.json as it comes, for the architectures of the table below.
 *
 * The meaning and the defaults of the keys are those of the configuration and modeling classes of the
 * `transformers` library (of the model's own repository for Grok-1). Keys that shape nothing (dropout, rope,
 * dtype, generation) are passed over: this is the one reader that lets unknown keys be, as the files are not
 * ours. */
#include <stddef.h>
#include <string.h>

#include "common/units.h"
#include "common/yaml_tree.h"
#include "planner/inputs/model_parts.h"

/* What sets an architecture apart from Llama (gated MLP, RMSNorm, no bias, untied embeddings). */
enum trait {
    GPT2_BLOCK = 1 << 0, /* plain MLP, LayerNorm, biases, learned positions, tied embeddings */
    QKV_BIAS = 1 << 1,
    ALL_BIAS = 1 << 2, /* on every product, the experts' too */
    QK_NORM = 1 << 3,
    MLA = 1 << 4,
    EXPERTS = 1 << 5,
    EXPERTS_WIDE = 1 << 6, /* an expert's width is intermediate_size */
    SHARED_GATED = 1 << 7, /* one shared expert of its own width, behind a gate */
    ROUTER_BIAS = 1 << 8,
    SINKS = 1 << 9,
    POST_NORMS = 1 << 10,
    TIED = 1 << 11 /* unless the file says otherwise */
};

struct architecture {
    const char *class_name; /* one of `architectures`; goes before model_type */
    const char *model_type;
    unsigned traits;
    int64_t head_dim; /* of files that leave it out; 0: hidden / heads */
};

static const struct architecture known[] = {
    {"GPT2LMHeadModel", "gpt2", GPT2_BLOCK | TIED, 0},
    {"LlamaForCausalLM", "llama", 0, 0},
    {"MistralForCausalLM", "mistral", 0, 0},
    {"MixtralForCausalLM", "mixtral", EXPERTS | EXPERTS_WIDE, 0},
    {"Qwen2ForCausalLM", "qwen2", QKV_BIAS, 0},
    {"Qwen3ForCausalLM", "qwen3", QK_NORM, 128},
    {"Qwen2MoeForCausalLM", "qwen2_moe", QKV_BIAS | EXPERTS | SHARED_GATED, 0},
    {"Qwen3MoeForCausalLM", "qwen3_moe", QK_NORM | EXPERTS, 128},
    {"DeepseekV2ForCausalLM", "deepseek_v2", MLA | EXPERTS, 0},
    {"DeepseekV3ForCausalLM", "deepseek_v3", MLA | EXPERTS | ROUTER_BIAS, 0},
    {"Grok1ModelForCausalLM", "grok-1", EXPERTS | EXPERTS_WIDE | POST_NORMS | TIED, 128},
    {"GptOssForCausalLM", "gpt_oss", ALL_BIAS | EXPERTS | EXPERTS_WIDE | ROUTER_BIAS | SINKS, 64},
    {NULL, NULL, 0, 0}};

/* The keys that shape a model, of all architectures. */
struct config {
    const char *path;
    int64_t hidden, layers, heads, kv_heads, head_dim, ffn_hidden, vocab, positions;
    bool tied, has_tied, attention_bias, has_attention_bias, mlp_bias, has_mlp_bias, qkv_bias, has_qkv_bias;
    int64_t experts, top_k, expert_ffn_hidden, shared, shared_ffn_hidden;
    int64_t first_dense, sparse_step, layer_freq, mtp_layers, groups, group_top_k, window;
    bool windowed, has_windowed;
    struct model_mla mla;
};

/* A key of the file, and the key of a model file that it stands for, by which model_complete names mistakes.
 */
struct config_key {
    struct field field;
    const char *model_key;
};

#define WHOLE(name, member, most, model_name)                                                                \
    {                                                                                                        \
        {.key = name, .type = FIELD_INTEGER, .offset = offsetof(struct config, member), .maximum = most},    \
            model_name                                                                                       \
    }
#define FLAG(name, member)                                                                                   \
    {                                                                                                        \
        {.key = name,                                                                                        \
         .type = FIELD_BOOL,                                                                                 \
         .offset = offsetof(struct config, member),                                                          \
         .present_offset = offsetof(struct config, has_##member)},                                           \
            NULL                                                                                             \
    }

/* Several keys for one member are other architectures' names for it. */
static const struct config_key keys[] = {
    {{.key = "_name_or_path", .type = FIELD_TEXT, .one_line = true, .offset = offsetof(struct config, path)},
     "name"},
    WHOLE("hidden_size", hidden, MODEL_MAX_WIDTH, "hidden"),
    WHOLE("n_embd", hidden, MODEL_MAX_WIDTH, "hidden"),
    WHOLE("num_hidden_layers", layers, MODEL_MAX_LAYERS, "layers"),
    WHOLE("n_layer", layers, MODEL_MAX_LAYERS, "layers"),
    WHOLE("num_attention_heads", heads, MODEL_MAX_HEADS, "heads"),
    WHOLE("n_head", heads, MODEL_MAX_HEADS, "heads"),
    WHOLE("num_key_value_heads", kv_heads, MODEL_MAX_HEADS, "kv_heads"),
    WHOLE("head_dim", head_dim, MODEL_MAX_WIDTH, "head_dim"),
    WHOLE("intermediate_size", ffn_hidden, MODEL_MAX_WIDTH, "ffn_hidden"),
    WHOLE("n_inner", ffn_hidden, MODEL_MAX_WIDTH, "ffn_hidden"),
    WHOLE("vocab_size", vocab, MODEL_MAX_WIDTH, "vocab"),
    WHOLE("max_position_embeddings", positions, MODEL_MAX_SEQUENCE, "sequence"),
    WHOLE("n_positions", positions, MODEL_MAX_SEQUENCE, "sequence"),
    FLAG("tie_word_embeddings", tied),
    FLAG("attention_bias", attention_bias),
    FLAG("mlp_bias", mlp_bias),
    FLAG("qkv_bias", qkv_bias),
    WHOLE("num_experts", experts, MODEL_MAX_EXPERTS, "experts.count"),
    WHOLE("num_local_experts", experts, MODEL_MAX_EXPERTS, "experts.count"),
    WHOLE("n_routed_experts", experts, MODEL_MAX_EXPERTS, "experts.count"),
    WHOLE("num_experts_per_tok", top_k, MODEL_MAX_EXPERTS, "experts.top_k"),
    WHOLE("experts_per_token", top_k, MODEL_MAX_EXPERTS, "experts.top_k"),
    WHOLE("n_group", groups, MODEL_MAX_EXPERTS, "experts.groups"),
    WHOLE("topk_group", group_top_k, MODEL_MAX_EXPERTS, "experts.group_top_k"),
    WHOLE("moe_intermediate_size", expert_ffn_hidden, MODEL_MAX_WIDTH, "experts.ffn_hidden"),
    WHOLE("n_shared_experts", shared, MODEL_MAX_EXPERTS, "experts.shared"),
    WHOLE("shared_expert_intermediate_size", shared_ffn_hidden, MODEL_MAX_WIDTH, "experts.shared_ffn_hidden"),
    WHOLE("first_k_dense_replace", first_dense, MODEL_MAX_LAYERS, "experts.first_dense_layers"),
    WHOLE("decoder_sparse_step", sparse_step, MODEL_MAX_LAYERS, "experts.every"),
    WHOLE("moe_layer_freq", layer_freq, MODEL_MAX_LAYERS, "experts.every"),
    WHOLE("sliding_window", window, MODEL_MAX_SEQUENCE, NULL),
    FLAG("use_sliding_window", windowed),
    WHOLE("num_nextn_predict_layers", mtp_layers, MODEL_MAX_LAYERS, "mtp_layers"),
    WHOLE("q_lora_rank", mla.q_lora_rank, MODEL_MAX_WIDTH, "mla.q_lora_rank"),
    WHOLE("kv_lora_rank", mla.kv_lora_rank, MODEL_MAX_WIDTH, "mla.kv_lora_rank"),
    WHOLE("qk_nope_head_dim", mla.qk_nope_head_dim, MODEL_MAX_WIDTH, "mla.qk_nope_head_dim"),
    WHOLE("qk_rope_head_dim", mla.qk_rope_head_dim, MODEL_MAX_WIDTH, "mla.qk_rope_head_dim"),
    WHOLE("v_head_dim", mla.v_head_dim, MODEL_MAX_WIDTH, "mla.v_head_dim"),
    {{.key = NULL}, NULL}};

static bool is_text(const struct yaml_node *node, const char *text) {
    return node != NULL && node->kind == YAML_SCALAR && strcmp(node->text, text) == 0;
}

static const struct architecture *find_architecture(const struct yaml_node *root) {
    const struct yaml_node *classes = yaml_get(root, "architectures");
    const struct yaml_node *first = classes != NULL ? classes->children : NULL;
    for (const struct architecture *candidate = known; candidate->class_name != NULL; candidate++)
        if (is_text(first, candidate->class_name))
            return candidate;
    for (const struct architecture *candidate = known; candidate->class_name != NULL; candidate++)
        if (is_text(yaml_get(root, "model_type"), candidate->model_type))
            return candidate;
    return NULL;
}

static bool fail_unknown(const struct fields_reader *reader, const struct yaml_node *root) {
    const struct yaml_node *type = yaml_get(root, "model_type");
    const struct yaml_node *classes = yaml_get(root, "architectures");
    const struct yaml_node *blamed = type != NULL ? type : classes;
    const struct yaml_node *said =
        blamed->kind == YAML_SEQUENCE && blamed->children != NULL ? blamed->children : blamed;
    const char *names = "";
    for (const struct architecture *candidate = known; candidate->class_name != NULL; candidate++) {
        names = arena_print(reader->arena, "%s%s%s", names, candidate == known ? "" : ", ",
                            candidate->model_type);
    }
    yaml_error(reader->document, blamed, reader->error, "the architecture '%s' is not known",
               said->kind == YAML_SCALAR ? said->text : "");
    return error_hint(reader->error, "known are %s; other models go into a model file", names);
}

static bool read_keys(const struct fields_reader *reader, const struct yaml_node *root,
                      struct config *config) {
    for (const struct config_key *key = keys; key->field.key != NULL; key++) {
        const struct yaml_node *node = yaml_get(root, key->field.key);
        if (node == NULL || yaml_is_null(node))
            continue;
        if (!fields_read_value(reader, node, &key->field, (char *)config + key->field.offset))
            return false;
        if (key->field.present_offset != 0)
            *(bool *)((char *)config + key->field.present_offset) = true;
    }
    return true;
}

static bool require(const struct fields_reader *reader, const struct yaml_node *root, const char *model_key,
                    int64_t value) {
    if (value > 0)
        return true;
    const char *missing = NULL;
    for (const struct config_key *key = keys; key->field.key != NULL; key++) {
        if (strcmp(key->model_key != NULL ? key->model_key : "", model_key) != 0)
            continue;
        const struct yaml_node *node = yaml_get(root, key->field.key);
        if (node != NULL)
            return yaml_error(reader->document, node, reader->error, "%s must be positive", key->field.key);
        missing = missing != NULL ? missing : key->field.key;
    }
    return yaml_error(reader->document, root, reader->error, "%s is missing", missing);
}

static bool check_required(const struct fields_reader *reader, const struct yaml_node *root,
                           const struct architecture *architecture, const struct config *config) {
    const bool mla = (architecture->traits & MLA) != 0, experts = config->experts > 0;
    const bool own_width = experts && (architecture->traits & EXPERTS_WIDE) == 0;
    return require(reader, root, "hidden", config->hidden) &&
           require(reader, root, "layers", config->layers) && require(reader, root, "heads", config->heads) &&
           require(reader, root, "vocab", config->vocab) &&
           ((architecture->traits & GPT2_BLOCK) != 0 ||
            require(reader, root, "ffn_hidden", config->ffn_hidden)) &&
           (!mla || (require(reader, root, "mla.kv_lora_rank", config->mla.kv_lora_rank) &&
                     require(reader, root, "mla.qk_nope_head_dim", config->mla.qk_nope_head_dim) &&
                     require(reader, root, "mla.qk_rope_head_dim", config->mla.qk_rope_head_dim) &&
                     require(reader, root, "mla.v_head_dim", config->mla.v_head_dim))) &&
           ((architecture->traits & EXPERTS_WIDE) == 0 ||
            require(reader, root, "experts.count", config->experts)) &&
           (!experts || require(reader, root, "experts.top_k", config->top_k)) &&
           (!own_width || require(reader, root, "experts.ffn_hidden", config->expert_ffn_hidden));
}

/* Qwen's list of layers without experts, of which only the first ones can be said in a model. */
static bool read_dense_list(const struct fields_reader *reader, const struct yaml_node *root,
                            struct config *config) {
    const struct yaml_node *list = yaml_get(root, "mlp_only_layers");
    if (list == NULL || yaml_is_null(list))
        return true;
    static const struct field index = {
        .key = "mlp_only_layers", .type = FIELD_INTEGER, .offset = 0, .maximum = MODEL_MAX_LAYERS};
    for (const struct yaml_node *item = list->children; item != NULL; item = item->next) {
        int64_t layer = 0;
        if (!fields_read_value(reader, item, &index, &layer))
            return false;
        if (layer != config->first_dense || config->sparse_step > 1) {
            return yaml_error(reader->document, item, reader->error,
                              "only the first layers, in order, can be without experts");
        }
        config->first_dense++;
    }
    return true;
}

static void set_experts(const struct architecture *architecture, const struct config *config,
                        struct model_experts *experts) {
    if ((architecture->traits & EXPERTS) == 0 || config->experts == 0)
        return;
    const bool wide = (architecture->traits & EXPERTS_WIDE) != 0;
    experts->count = config->experts;
    experts->top_k = config->top_k;
    experts->ffn_hidden = wide ? config->ffn_hidden : config->expert_ffn_hidden;
    experts->shared = config->shared;
    if ((architecture->traits & SHARED_GATED) != 0 && config->shared_ffn_hidden > 0) {
        experts->shared = 1;
        experts->shared_ffn_hidden = config->shared_ffn_hidden;
        experts->shared_gate = true;
    }
    experts->first_dense_layers = config->first_dense;
    experts->every = config->sparse_step;
    experts->groups = config->groups;
    experts->group_top_k = config->group_top_k;
    experts->router_bias = (architecture->traits & ROUTER_BIAS) != 0;
}

static void set_reading(const struct architecture *architecture, const struct config *config,
                        struct model_reading *reading) {
    const unsigned traits = architecture->traits;
    struct model *model = &reading->model;
    model->hidden = config->hidden;
    model->layers = config->layers;
    model->heads = config->heads;
    model->kv_heads = config->kv_heads;
    model->ffn_hidden = config->ffn_hidden;
    model->vocab = config->vocab;
    model->sequence = config->positions;
    model->sequence_is_limit = config->positions > 0;
    model->window = config->has_windowed && !config->windowed ? 0 : config->window;
    if ((traits & MLA) != 0) {
        model->mla = config->mla; /* head_dim in such files is that of the rotary part */
        model->mtp_layers = config->mtp_layers;
    } else {
        model->head_dim = config->head_dim > 0 ? config->head_dim : architecture->head_dim;
    }
    model->gated = (traits & GPT2_BLOCK) == 0;
    model->learned_positions = (traits & GPT2_BLOCK) != 0 ? config->positions : 0;
    model->tied_embeddings = config->has_tied ? config->tied : (traits & TIED) != 0;
    const bool all_bias = (traits & (GPT2_BLOCK | ALL_BIAS)) != 0;
    const bool attention_bias = config->has_attention_bias ? config->attention_bias : all_bias;
    model->linear_bias = config->has_mlp_bias ? config->mlp_bias : all_bias;
    model->output_bias = attention_bias;
    model->qkv_bias = (traits & QKV_BIAS) != 0 ? !config->has_qkv_bias || config->qkv_bias : attention_bias;
    model->qk_norm = (traits & QK_NORM) != 0;
    model->post_norms = (traits & POST_NORMS) != 0;
    model->attention_sinks = (traits & SINKS) != 0;
    reading->has_tied_embeddings = reading->has_linear_bias = true;
    reading->has_qkv_bias = reading->has_output_bias = true;
    set_experts(architecture, config, &model->experts);
}

static const struct yaml_node *blamed(const struct yaml_node *root, const char *model_key) {
    for (const struct config_key *key = keys; key->field.key != NULL; key++) {
        const struct yaml_node *node = yaml_get(root, key->field.key);
        if (node != NULL && key->model_key != NULL && strcmp(key->model_key, model_key) == 0)
            return node;
    }
    return root;
}

static const char *name_of(const struct fields_reader *reader, const struct architecture *architecture,
                           const struct config *config, const struct model *model) {
    if (config->path != NULL && config->path[0] != '\0')
        return config->path;
    struct model_counts counts;
    char size[32];
    model_count(model, model->sequence, &counts);
    return arena_print(reader->arena, "%s %s", architecture->model_type,
                       units_format(counts.parameters, UNIT_COUNT, size, sizeof size));
}

bool model_read_config(const struct fields_reader *reader, const struct yaml_node *root,
                       struct model *model) {
    const struct architecture *architecture = find_architecture(root);
    if (architecture == NULL)
        return fail_unknown(reader, root);
    struct config config = {0};
    if (!read_keys(reader, root, &config) || !check_required(reader, root, architecture, &config) ||
        !read_dense_list(reader, root, &config))
        return false;
    if (config.layer_freq > 1) {
        return yaml_error(reader->document, yaml_get(root, "moe_layer_freq"), reader->error,
                          "moe_layer_freq other than 1 is not supported");
    }
    struct model_reading reading = {0};
    struct model_problem problem;
    set_reading(architecture, &config, &reading);
    if (!model_complete(&reading, &problem))
        return yaml_error(reader->document, blamed(root, problem.key), reader->error, "%s", problem.why);
    *model = reading.model;
    model->name = name_of(reader, architecture, &config, model);
    return true;
}
