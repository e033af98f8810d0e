/* Model files: the mapping under `model:`. docs/formats.md has the table of its keys. */
#include <stddef.h>
#include <string.h>

#include "common/yaml_tree.h"
#include "planner/inputs/model_parts.h"

static const char *const norm_names[] = {"layernorm", "rmsnorm", NULL};

/* Rows of the tables: a member of `owner` under a key. */
#define WHOLE(owner, name, member, least, most)                                                              \
    .key = name, .type = FIELD_INTEGER, .offset = offsetof(owner, member), .minimum = least, .maximum = most
#define FLAG(owner, name, member) .key = name, .type = FIELD_BOOL, .offset = offsetof(owner, member)

#define EXPERTS(member, least, most) WHOLE(struct model_experts, #member, member, least, most)
#define MLA(member)                  WHOLE(struct model_mla, #member, member, 1, MODEL_MAX_WIDTH)

const struct field model_experts_fields[] = {
    {EXPERTS(count, 1, MODEL_MAX_EXPERTS), .required = true},
    {EXPERTS(top_k, 1, MODEL_MAX_EXPERTS), .required = true},
    {EXPERTS(ffn_hidden, 1, MODEL_MAX_WIDTH)},
    {EXPERTS(shared, 0, MODEL_MAX_EXPERTS)},
    {EXPERTS(shared_ffn_hidden, 1, MODEL_MAX_WIDTH)},
    {FLAG(struct model_experts, "shared_gate", shared_gate)},
    {FLAG(struct model_experts, "router_bias", router_bias)},
    {EXPERTS(first_dense_layers, 0, MODEL_MAX_LAYERS)},
    {EXPERTS(every, 1, MODEL_MAX_LAYERS)},
    {EXPERTS(groups, 1, MODEL_MAX_GROUPS)},
    {EXPERTS(group_top_k, 1, MODEL_MAX_GROUPS)},
    {.key = "capacity_factor",
     .type = FIELD_NUMBER,
     .offset = offsetof(struct model_experts, capacity_factor),
     .none_allowed = true,
     .positive = true,
     .maximum = MODEL_MAX_EXPERTS},
    {.key = NULL},
};

const struct field model_mla_fields[] = {
    {MLA(q_lora_rank), .none_allowed = true},  {MLA(kv_lora_rank), .required = true},
    {MLA(qk_nope_head_dim), .required = true}, {MLA(qk_rope_head_dim), .required = true},
    {MLA(v_head_dim), .required = true},       {.key = NULL},
};

static bool read_experts(const struct fields_reader *reader, const struct yaml_node *node, void *target) {
    return fields_read(reader, node, model_experts_fields, "model.experts", target);
}

static bool read_mla(const struct fields_reader *reader, const struct yaml_node *node, void *target) {
    return fields_read(reader, node, model_mla_fields, "model.mla", target);
}

/* Keys that read like their member of struct model, within the struct model_reading. */
#define MODEL(member, least, most)    WHOLE(struct model_reading, #member, model.member, least, most)
#define MODEL_TOKENS(member)          MODEL(member, 1, MODEL_MAX_SEQUENCE), .unit = UNIT_TOKENS
#define MODEL_FLAG(member)            FLAG(struct model_reading, #member, model.member)
#define MODEL_FLAG_OR_DEFAULT(member) MODEL_FLAG(member), .present_offset = READING_OFFSET(has_##member)
#define MODEL_CUSTOM(member, read_with)                                                                      \
    .key = #member, .type = FIELD_CUSTOM, .offset = READING_OFFSET(model.member), .read = read_with
#define READING_OFFSET(member) offsetof(struct model_reading, member)

static const char model_size_key[] = "parameters";

const struct field model_shape_fields[] = {
    {.key = "name", .type = FIELD_TEXT, .one_line = true, .offset = READING_OFFSET(model.name)},
    {MODEL(layers, 1, MODEL_MAX_LAYERS), .required = true,
     .example = "layers: 32, or parameters: 70B instead of a shape"},
    {MODEL(hidden, 1, MODEL_MAX_WIDTH), .required = true},
    {MODEL(heads, 1, MODEL_MAX_HEADS), .required = true},
    {MODEL(kv_heads, 1, MODEL_MAX_HEADS)},
    {MODEL(head_dim, 1, MODEL_MAX_WIDTH)},
    {MODEL(ffn_hidden, 1, MODEL_MAX_WIDTH)},
    {MODEL_FLAG(gated)},
    {MODEL(vocab, 1, MODEL_MAX_WIDTH)},
    {MODEL_FLAG_OR_DEFAULT(tied_embeddings)},
    {MODEL_TOKENS(sequence)},
    {MODEL(learned_positions, 1, MODEL_MAX_SEQUENCE), .none_allowed = true},
    {.key = "norm",
     .type = FIELD_CHOICE,
     .offset = READING_OFFSET(norm),
     .choices = norm_names,
     .present_offset = READING_OFFSET(has_norm)},
    {MODEL_FLAG_OR_DEFAULT(linear_bias)},
    {MODEL_FLAG_OR_DEFAULT(qkv_bias)},
    {MODEL_FLAG_OR_DEFAULT(output_bias)},
    {MODEL_FLAG(qk_norm)},
    {MODEL_FLAG(qk_norm_wide)},
    {MODEL_FLAG(post_norms)},
    {MODEL_FLAG(shared_norm)},
    {MODEL_FLAG(attention_sinks)},
    {MODEL_FLAG(yarn)},
    {MODEL_TOKENS(window), .none_allowed = true},
    {MODEL_TOKENS(attention_chunk), .none_allowed = true},
    {WHOLE(struct model_reading, "full_attention_every", full_attention_every, 2, MODEL_MAX_LAYERS),
     .none_allowed = true},
    {MODEL_CUSTOM(experts, read_experts)},
    {MODEL_CUSTOM(mla, read_mla)},
    {MODEL(mtp_layers, 0, MODEL_MAX_LAYERS)},
    /* With it the keys are those of model_size_fields; here so that it is known to be one. */
    {.key = model_size_key, .type = FIELD_NUMBER, .unit = UNIT_COUNT, .offset = READING_OFFSET(parameters)},
    {.key = NULL}};

/* Of a model of which only the size is known. */
const struct field model_size_fields[] = {
    {.key = "name", .type = FIELD_TEXT, .one_line = true, .offset = READING_OFFSET(model.name)},
    {.key = model_size_key,
     .type = FIELD_NUMBER,
     .unit = UNIT_COUNT,
     .required = true,
     .offset = READING_OFFSET(parameters),
     .minimum = MODEL_MIN_PARAMETERS,
     .maximum = MODEL_MAX_PARAMETERS},
    {MODEL(vocab, 1, MODEL_MAX_WIDTH)},
    {MODEL_TOKENS(sequence)},
    {.key = NULL}};

const struct yaml_node *model_member(const struct yaml_node *node, const char *key, bool *found) {
    *found = false;
    while (!*found) {
        const size_t length = strcspn(key, ".");
        const struct yaml_node *member = node->kind == YAML_MAPPING ? node->children : NULL;
        while (member != NULL && (strncmp(member->key->text, key, length) != 0 || member->key->text[length]))
            member = member->next;
        if (member == NULL)
            return node;
        node = member;
        *found = key[length] == '\0';
        key += length + !*found;
    }
    return node;
}

/* An error about a key, at it or at what lacks it. */
static bool fail(const struct fields_reader *reader, const struct yaml_node *node,
                 const struct model_problem *problem) {
    bool found;
    return yaml_error(reader->document, model_member(node, problem->key, &found), reader->error, "%s",
                      problem->why);
}

static bool read_size(const struct fields_reader *reader, const struct yaml_node *node, struct model *model) {
    for (const struct field *field = model_shape_fields; field->key != NULL; field++) {
        const bool allowed = strcmp(field->key, "name") == 0 || strcmp(field->key, "vocab") == 0 ||
                             strcmp(field->key, "sequence") == 0 || strcmp(field->key, model_size_key) == 0;
        const struct yaml_node *member = yaml_get(node, field->key);
        if (member != NULL && !allowed) {
            return yaml_error(reader->document, member->key, reader->error,
                              "'%s' can't stand beside 'parameters', from which the shape is derived",
                              field->key);
        }
    }
    struct model_reading reading = {.model = {.sequence = MODEL_DEFAULT_SEQUENCE}};
    if (!fields_read(reader, node, model_size_fields, "model", &reading))
        return false;
    *model = reading.model;
    if (model->vocab == 0) {
        model->vocab = MODEL_DEFAULT_VOCAB;
        model->vocab_assumed = true;
    }
    struct model_problem problem;
    if (!model_derive(reading.parameters, reader->arena, model, &problem))
        return fail(reader, node, &problem);
    return true;
}

static bool read_shape(const struct fields_reader *reader, const struct yaml_node *node,
                       struct model *model) {
    struct model_reading reading = {0};
    struct model_problem problem;
    if (!fields_read(reader, node, model_shape_fields, "model", &reading))
        return false;
    if (!model_complete(&reading, &problem))
        return fail(reader, node, &problem);
    *model = reading.model;
    return true;
}

bool model_read_node(const struct fields_reader *reader, const struct yaml_node *node, struct model *model) {
    const bool size_alone = yaml_get(node, model_size_key) != NULL;
    if (!(size_alone ? read_size(reader, node, model) : read_shape(reader, node, model)))
        return false;
    if (model->name == NULL || *model->name == '\0')
        model->name = "unnamed model";
    return true;
}

static bool read_model_member(const struct fields_reader *reader, const struct yaml_node *node,
                              void *target) {
    return model_read_node(reader, node, target);
}

bool model_read(const char *path, struct arena *arena, struct model *model, struct error *error) {
    struct yaml_document document;
    if (!yaml_read_file(path, arena, &document, error))
        return false;
    const struct fields_reader reader = {&document, arena, error};
    const struct yaml_node *root = document.root;
    struct model reading = {0};
    bool read;
    if (yaml_get(root, "model_type") != NULL || yaml_get(root, "architectures") != NULL) {
        read = model_read_config(&reader, root, &reading);
    } else if (yaml_get(root, "hidden_size") != NULL || yaml_get(root, "n_embd") != NULL) {
        yaml_error(&document, root, error, "neither model_type nor architectures is given");
        read = error_hint(error, "a config.json of Hugging Face has both");
    } else if (yaml_get(root, "dim") != NULL && yaml_get(root, "n_layers") != NULL) {
        yaml_error(&document, yaml_get(root, "dim"), error, "a params.json is not read");
        read = error_hint(error, "take the model's config.json, or write a model file (docs/formats.md)");
    } else if (yaml_get(root, model_size_key) != NULL) {
        read = model_read_node(&reader, root, &reading);
    } else {
        static const struct field fields[] = {
            {.key = "model", .type = FIELD_CUSTOM, .required = true, .read = read_model_member},
            {.key = NULL}};
        read = fields_read(&reader, root, fields, "model file", &reading);
    }
    if (!read)
        return false;
    *model = reading;
    model->file = arena_copy_string(arena, path);
    return true;
}
