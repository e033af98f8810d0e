/* Hugging Face's config.json as it comes, for the architectures of model_hf_table.c. This is the one reader
 * that lets unknown keys be, as the files are not ours. */
#include "planner/inputs/hf_parts.h"

#include <string.h>

#include "common/units.h"

static bool has(const struct hf_part *part, unsigned traits) {
    return (part->architecture->traits & traits) != 0;
}

static bool flag_or(struct hf_flag flag, bool otherwise) {
    return flag.given ? flag.value : otherwise;
}

/* The one value of a list that has the same for each layer; NULL with the error set: they differ. */
static const struct yaml_node *common_value(const struct fields_reader *reader, const struct yaml_node *list,
                                            const char *key) {
    const struct yaml_node *first = list->children;
    for (const struct yaml_node *item = first; item != NULL; item = item->next) {
        if (first->kind != YAML_SCALAR || !hf_is(item, first->text)) {
            yaml_error(reader->document, item, reader->error, "layers that differ in %s are not modelled",
                       key);
            return NULL;
        }
    }
    return first;
}

/* How many layers a pattern like LLLG has; 0: the value is none. */
static int64_t letters(const struct yaml_node *value) {
    if (value->kind != YAML_SCALAR)
        return 0;
    const size_t locals = strspn(value->text, "L");
    return strcmp(value->text + locals, "G") == 0 ? (int64_t)locals + 1 : 0;
}

static bool read_key(const struct fields_reader *reader, const struct yaml_node *node,
                     const struct hf_key *key, struct hf_config *config) {
    const struct yaml_node *value = hf_get(node, key->field.key);
    void *member = (char *)config + key->field.offset;
    if (value == NULL)
        return true;
    if (key->in_letters && letters(value) > 0) {
        *(int64_t *)member = letters(value);
        return true;
    }
    if (key->of_each_layer && value->kind == YAML_SEQUENCE && value->children != NULL)
        value = common_value(reader, value, key->field.key);
    if (value == NULL || !fields_read_value(reader, value, &key->field, member))
        return false;
    if (key->field.present_offset != 0)
        *(bool *)((char *)config + key->field.present_offset) = true;
    return true;
}

static bool read_keys(const struct fields_reader *reader, const struct hf_part *part,
                      struct hf_config *config) {
    for (const struct hf_key *key = hf_keys; key->field.key != NULL; key++) {
        if (key->only != 0 && !has(part, key->only))
            continue;
        /* The language model's own name is that of what it was made from. */
        const bool name = key->field.type == FIELD_TEXT;
        if (key->of_wrapper && part->root != part->text && !read_key(reader, part->root, key, config))
            return false;
        if ((!name || part->root == part->text) && !read_key(reader, part->text, key, config))
            return false;
    }
    return true;
}

static void take_defaults(const struct hf_part *part, struct hf_config *config) {
    const struct hf_defaults *defaults = part->architecture->defaults;
    if (defaults == NULL || part->root == part->text)
        return;
    config->hidden = defaults->hidden;
    config->layers = defaults->layers;
    config->heads = defaults->heads;
    config->kv_heads = defaults->kv_heads;
    config->ffn_hidden = defaults->ffn_hidden;
    config->vocab = defaults->vocab;
    config->positions = defaults->positions;
}

static bool require(const struct fields_reader *reader, const struct hf_part *part, const char *model_key,
                    int64_t value) {
    if (value > 0)
        return true;
    const char *missing = "", *others = "";
    for (const struct hf_key *key = hf_keys; key->field.key != NULL; key++) {
        const char *name = key->field.key;
        if (strcmp(key->model_key != NULL ? key->model_key : "", model_key) != 0)
            continue;
        const struct yaml_node *node = hf_get(part->text, name);
        if (node != NULL)
            return yaml_error(reader->document, node, reader->error, "%s must be positive", name);
        if (*missing == '\0')
            missing = name;
        else
            others = arena_print(reader->arena, "%s%s%s", others, *others != '\0' ? ", " : "", name);
    }
    yaml_error(reader->document, part->text, reader->error, "%s is missing", missing);
    return *others != '\0' && error_hint(reader->error, "some architectures call it %s", others);
}

static bool check_required(const struct fields_reader *reader, const struct hf_part *part,
                           const struct hf_config *config) {
    const bool mla = has(part, HF_MLA), experts = has(part, HF_EXPERTS);
    const bool own_width = experts && !has(part, HF_EXPERTS_WIDE);
    const struct {
        bool needed;
        const char *model_key;
        int64_t value;
    } required[] = {
        {true, "hidden", config->hidden},
        {true, "layers", config->layers},
        {true, "heads", config->heads},
        {true, "vocab", config->vocab},
        {!has(part, HF_FOURFOLD), "ffn_hidden", config->ffn_hidden},
        {mla, "mla.kv_lora_rank", config->mla.kv_lora_rank},
        {mla, "mla.qk_nope_head_dim", config->mla.qk_nope_head_dim},
        {mla, "mla.qk_rope_head_dim", config->mla.qk_rope_head_dim},
        {mla, "mla.v_head_dim", config->mla.v_head_dim},
        {experts, "experts.count", config->experts},
        {experts, "experts.top_k", config->top_k},
        {own_width, "experts.ffn_hidden", config->expert_ffn_hidden},
    };
    for (size_t i = 0; i < sizeof required / sizeof *required; i++)
        if (required[i].needed && !require(reader, part, required[i].model_key, required[i].value))
            return false;
    return true;
}

/* Keys of which a model can say one value alone. */
static bool check_fixed(const struct fields_reader *reader, const struct hf_part *part,
                        const struct hf_config *config) {
    const struct {
        const char *key;
        int64_t value, only;
    } fixed[] = {
        {"moe_layer_freq", config->layer_interval, 1},
        {"moe_layer_interval", config->layer_interval, 1},
        {"moe_layer_end_index", config->last_expert_layer, config->layers - 1},
        {"word_embed_proj_dim", config->embedding_width, config->hidden},
        {"num_local_experts", has(part, HF_LAYERS_LISTED) ? config->experts : 0, 0},
    };
    for (size_t i = 0; i < sizeof fixed / sizeof *fixed; i++) {
        const struct yaml_node *node = hf_get(part->text, fixed[i].key);
        if (node != NULL && fixed[i].value > 0 && fixed[i].value != fixed[i].only) {
            return yaml_error(reader->document, node, reader->error, "%s other than %lld is not supported",
                              fixed[i].key, (long long)fixed[i].only);
        }
    }
    return true;
}

static bool read_layer(const struct fields_reader *reader, const struct yaml_node *node, const char *list,
                       int64_t *layer) {
    const struct field index = {.key = list, .type = FIELD_INTEGER, .offset = 0, .maximum = MODEL_MAX_LAYERS};
    return fields_read_value(reader, node, &index, layer);
}

/* Qwen's list of layers without experts, of which only the first ones can be said in a model. */
static bool read_dense_list(const struct fields_reader *reader, const struct hf_part *part,
                            struct hf_config *config) {
    static const char key[] = "mlp_only_layers";
    const struct yaml_node *list = hf_get(part->text, key);
    for (const struct yaml_node *item = list != NULL ? list->children : NULL; item != NULL;
         item = item->next) {
        int64_t layer = 0;
        if (!read_layer(reader, item, key, &layer))
            return false;
        if (layer != config->first_dense || config->every > 1) {
            return yaml_error(reader->document, item, reader->error,
                              "only the first layers, in order, can be without experts");
        }
        config->first_dense++;
    }
    return true;
}

/* Some files say of each layer what its MLP is. */
static const struct mlp_list {
    const char *key, *dense, *sparse;
} mlp_lists[] = {{"mlp_layer_types", "dense", "sparse"}, {"is_moe_layer", "false", "true"}};
enum { MLP_LISTS = sizeof mlp_lists / sizeof *mlp_lists };

static void count_dense(const struct hf_part *part, struct hf_config *config) {
    for (size_t i = 0; i < MLP_LISTS && config->first_dense == 0; i++) {
        const struct yaml_node *list = hf_get(part->text, mlp_lists[i].key);
        for (const struct yaml_node *item = list != NULL ? list->children : NULL;
             item != NULL && hf_is(item, mlp_lists[i].dense); item = item->next)
            config->first_dense++;
    }
}

static bool check_mlp_list(const struct fields_reader *reader, const struct hf_part *part,
                           const struct mlp_list *known, const struct model *model) {
    const struct yaml_node *list = hf_get(part->text, known->key);
    int64_t layer = 0;
    for (const struct yaml_node *item = list != NULL ? list->children : NULL; item != NULL;
         item = item->next) {
        if (!hf_is(item, model_layer_has_experts(model, layer++) ? known->sparse : known->dense)) {
            return yaml_error(reader->document, item, reader->error,
                              "only the first layers can be dense, and each so many of those behind");
        }
    }
    return true;
}

static bool check_mlp_types(const struct fields_reader *reader, const struct hf_part *part,
                            const struct model *model) {
    for (size_t i = 0; i < MLP_LISTS; i++)
        if (!check_mlp_list(reader, part, &mlp_lists[i], model))
            return false;
    return true;
}

/* Llama 4's list of layers with experts, which has to be what its other key says. */
static bool check_expert_list(const struct fields_reader *reader, const struct hf_part *part,
                              const struct model *model) {
    static const char key[] = "moe_layers";
    const struct yaml_node *list = hf_get(part->text, key);
    if (list == NULL || !has(part, HF_EXPERTS))
        return true;
    for (const struct yaml_node *item = list->children; item != NULL; item = item->next) {
        int64_t layer = 0;
        if (!read_layer(reader, item, key, &layer))
            return false;
        if (layer >= model->layers || !model_layer_has_experts(model, layer)) {
            return yaml_error(reader->document, item, reader->error,
                              "layers with experts can only be each so many of them, as "
                              "interleave_moe_layer_step says");
        }
    }
    if ((int64_t)list->child_count == model_expert_layers(model))
        return true;
    return yaml_error(reader->document, list, reader->error,
                      "%zu layers have experts here, %lld by interleave_moe_layer_step", list->child_count,
                      (long long)model_expert_layers(model));
}

static void set_experts(const struct hf_part *part, const struct hf_config *config,
                        struct model_experts *experts) {
    if (!has(part, HF_EXPERTS))
        return;
    experts->count = config->experts;
    experts->top_k = config->top_k;
    experts->ffn_hidden = has(part, HF_EXPERTS_WIDE) ? config->ffn_hidden : config->expert_ffn_hidden;
    experts->shared = has(part, HF_SHARED_ONE) && config->shared == 0 ? 1 : config->shared;
    experts->shared_ffn_hidden = config->shared_ffn_hidden;
    if (has(part, HF_SHARED_GATED) && config->shared_ffn_hidden > 0) {
        experts->shared = 1;
        experts->shared_gate = true;
    }
    experts->first_dense_layers = config->first_dense;
    experts->every = config->every;
    experts->groups = config->groups;
    experts->group_top_k = config->group_top_k;
    experts->router_bias = has(part, HF_ROUTER_BIAS);
}

static void set_biases(const struct hf_part *part, const struct hf_config *config,
                       struct model_reading *reading) {
    struct model *model = &reading->model;
    const bool all = flag_or(config->bias, has(part, HF_ALL_BIAS));
    const bool attention = flag_or(config->attention_bias, all);
    model->linear_bias = flag_or(config->mlp_bias, all && !has(part, HF_MLP_UNBIASED));
    model->qkv_bias = flag_or(config->qkv_bias, attention || has(part, HF_QKV_BIAS));
    model->output_bias = flag_or(config->output_bias, attention && !has(part, HF_OUTPUT_UNBIASED));
    reading->has_linear_bias = reading->has_qkv_bias = reading->has_output_bias = true;
}

static void set_norms(const struct hf_part *part, const struct hf_config *config,
                      struct model_reading *reading) {
    struct model *model = &reading->model;
    const bool qk_norm = flag_or(config->qk_norm, !has(part, HF_QK_NORM_KEY));
    reading->has_norm = true;
    reading->norm = has(part, HF_LAYERNORM) ? NORM_LAYERNORM : NORM_RMSNORM;
    model->qk_norm = qk_norm && has(part, HF_QK_NORM);
    model->qk_norm_wide = qk_norm && has(part, HF_QK_NORM_WIDE);
    model->post_norms = has(part, HF_POST_NORMS);
    model->side_by_side = flag_or(config->parallel, has(part, HF_PARALLEL));
    /* Falcon 40B has a norm before each again. */
    const bool one_each = config->new_decoder.value && config->parallel_norms != 1;
    model->shared_norm = model->side_by_side && has(part, HF_SHARED_NORM) && !one_each;
}

/* gpt_oss's class has it where the file is silent. */
static bool has_yarn(const struct hf_part *part) {
    static const char *const keys[] = {"rope_scaling.rope_type", "rope_scaling.type",
                                       "rope_parameters.rope_type", NULL};
    for (const char *const *key = keys; *key != NULL; key++) {
        const struct yaml_node *type = hf_get(part->text, *key);
        if (type != NULL)
            return hf_is(type, "yarn");
    }
    return has(part, HF_SINKS);
}

static void set_attention(const struct hf_part *part, const struct hf_config *config, struct model *model) {
    const bool multi_query = flag_or(config->multi_query, has(part, HF_MULTI_QUERY));
    model->heads = config->heads;
    model->kv_heads = multi_query && !config->new_decoder.value ? 1 : config->kv_heads;
    model->attention_sinks = has(part, HF_SINKS);
    model->yarn = has_yarn(part);
    if (has(part, HF_MLA))
        model->mla = config->mla; /* head_dim in such files is that of the rotary part */
    else
        model->head_dim = config->head_dim > 0 ? config->head_dim : part->architecture->head_dim;
}

static void set_reading(const struct hf_part *part, const struct hf_config *config,
                        struct model_reading *reading) {
    struct model *model = &reading->model;
    model->hidden = config->hidden;
    model->layers = config->layers;
    model->ffn_hidden = config->dense_ffn_hidden > 0 ? config->dense_ffn_hidden : config->ffn_hidden;
    model->vocab = config->vocab;
    model->sequence = config->positions;
    model->sequence_is_limit = config->positions > 0;
    model->gated = !has(part, HF_PLAIN_MLP);
    if (has(part, HF_POSITIONS) && config->positions > 0)
        model->learned_positions = config->positions + (has(part, HF_POSITIONS_TWO) ? 2 : 0);
    model->tied_embeddings = flag_or(config->tied, has(part, HF_TIED));
    reading->has_tied_embeddings = true;
    model->mtp_layers = has(part, HF_MTP) ? config->mtp_layers : 0;
    model->text_alone = part->root != part->text || hf_get(part->root, "vision_config") != NULL;
    set_attention(part, config, model);
    set_biases(part, config, reading);
    set_norms(part, config, reading);
    set_experts(part, config, &model->experts);
}

static const struct yaml_node *blamed(const struct yaml_node *node, const char *model_key) {
    for (const struct hf_key *key = hf_keys; key->field.key != NULL; key++) {
        const struct yaml_node *member = hf_get(node, key->field.key);
        if (member != NULL && key->model_key != NULL && strcmp(key->model_key, model_key) == 0)
            return member;
    }
    return node;
}

static const char *name_of(const struct fields_reader *reader, const struct hf_part *part,
                           const struct hf_config *config, const struct model *model) {
    if (config->path != NULL && config->path[0] != '\0')
        return config->path;
    struct model_counts counts;
    char size[32];
    model_count(model, model->sequence, &counts);
    return arena_print(reader->arena, "%s %s", part->architecture->model_type,
                       units_format(counts.parameters, UNIT_COUNT, size, sizeof size));
}

bool model_read_config(const struct fields_reader *reader, const struct yaml_node *root,
                       struct model *model) {
    struct hf_part part;
    struct hf_config config = {.max_window_layers = HF_NOT_GIVEN};
    if (!hf_find(reader, root, &part))
        return false;
    take_defaults(&part, &config);
    if (!read_keys(reader, &part, &config) || !check_required(reader, &part, &config) ||
        !check_fixed(reader, &part, &config) || !read_dense_list(reader, &part, &config))
        return false;
    count_dense(&part, &config);
    struct model_reading reading = {0};
    struct model_problem problem;
    set_reading(&part, &config, &reading);
    if (!hf_read_windows(reader, &part, &config, &reading.model))
        return false;
    if (!model_complete(&reading, &problem))
        return yaml_error(reader->document, blamed(part.text, problem.key), reader->error, "%s", problem.why);
    if (!check_expert_list(reader, &part, &reading.model) || !check_mlp_types(reader, &part, &reading.model))
        return false;
    *model = reading.model;
    model->name = name_of(reader, &part, &config, model);
    return true;
}
