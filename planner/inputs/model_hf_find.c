/* Which part of a config.json is a language model, of which architecture, and what to say where none is. */
#include <string.h>

#include "planner/inputs/hf_parts.h"

/* Under which models of images and text hold their language model. */
static const char *const text_keys[] = {"text_config", "llm_config", "language_config", NULL};
static const char text_suffix[] = "_text";

/* Lists of what each layer is. */
static const char *const layer_keys[] = {"layer_types", "layers_block_type", "block_types", "attn_type_list",
                                         NULL};
/* Their words for attention, with what sort of it before them; and for what only is called so. */
static const char *const attention_words[] = {"attention", "full", "sliding", "1", NULL};
static const char *const other_words[] = {"linear_attention", "lightning_attention", NULL};

/* Keys that no model has whose layers are all attention: of state spaces, linear attention, convolutions. */
static const char *const other_layer_keys[] = {"hybrid_override_pattern",
                                               "attn_layer_period",
                                               "attn_layer_indices",
                                               "layer_group_size",
                                               "mamba_d_ssm",
                                               "mamba_d_state",
                                               "hybrid_layer_ids",
                                               "state_size",
                                               "full_attention_interval",
                                               "linear_attn_config",
                                               "linear_key_head_dim",
                                               "full_attn_idxs",
                                               "conv_L_cache",
                                               "lru_width",
                                               "attention_hidden_size",
                                               NULL};

/* Keys, unless they are off, of what a model cannot say though all its layers are attention. */
static const struct unmodelled {
    const char *key, *what;
} unmodelled[] = {{"index_topk", "sparse attention is"}, /* DeepSeek-V3.2, GLM-5 */
                  {"compress_ratios", "sparse attention is"},
                  {"sparse_attention_config", "sparse attention is"},    /* MiniMax M3 */
                  {"block_configs", "layers of different shapes are"},   /* Nemotron Super and Ultra */
                  {"global_head_dim", "layers of different shapes are"}, /* Gemma 4 */
                  {"swa_num_key_value_heads", "layers of different shapes are"}, /* MiMo V2 */
                  {"attention_other_setting", "layers of different shapes are"}, /* Step 3.5 */
                  {"attn_output_gate", "a gate on attention's output is"},
                  {"use_head_wise_attn_gate", "a gate on attention's output is"},
                  {"use_cla", "keys that layers share are"},               /* Hunyuan-Large */
                  {"num_kv_shared_layers", "keys that layers share are"},  /* Gemma 3n */
                  {"zero_expert_num", "experts that compute nothing are"}, /* LongCat-Flash */
                  {NULL, NULL}};

enum { HINT_COLUMNS = 94 }; /* behind "hint: " a terminal of 100 has them */

static bool ends_in_one_of(const char *text, const char *const *words) {
    for (; *words != NULL; words++) {
        const size_t length = strlen(text), end = strlen(*words);
        if (length >= end && strcmp(text + length - end, *words) == 0)
            return true;
    }
    return false;
}

const struct yaml_node *hf_get(const struct yaml_node *node, const char *key) {
    bool found;
    const struct yaml_node *member = model_member(node, key, &found);
    return found && !yaml_is_null(member) ? member : NULL;
}

static const char *text_of(const struct yaml_node *node) {
    return node != NULL && node->kind == YAML_SCALAR ? node->text : "";
}

bool hf_is(const struct yaml_node *node, const char *word) {
    return node != NULL && node->kind == YAML_SCALAR && strcmp(node->text, word) == 0;
}

/* Whether a file's type is that of an architecture, as it is or with "_text" behind it. */
static bool is_type(const char *type, const char *known) {
    const size_t length = strlen(known);
    return strncmp(type, known, length) == 0 &&
           (type[length] == '\0' || strcmp(type + length, text_suffix) == 0);
}

/* By class and type, else by class, else by type: a file of an own type may name another's class. */
static const struct hf_architecture *find_architecture(const struct yaml_node *node) {
    const struct yaml_node *classes = hf_get(node, "architectures");
    const char *class_name = text_of(classes != NULL ? classes->children : NULL);
    const char *type = text_of(hf_get(node, "model_type"));
    const struct hf_architecture *by_class = NULL, *by_type = NULL;
    for (const struct hf_architecture *known = hf_architectures; known->model_type != NULL; known++) {
        const bool same_class = strcmp(class_name, known->class_name) == 0;
        const bool same_type = is_type(type, known->model_type);
        if (same_class && (by_class == NULL || same_type))
            by_class = known;
        if (same_type)
            by_type = known;
    }
    return by_class != NULL ? by_class : by_type;
}

static bool fail_other_layers(const struct fields_reader *reader, const struct yaml_node *blamed,
                              const char *key) {
    return yaml_error(reader->document, blamed, reader->error,
                      "layers other than attention are not modelled (%s)", key);
}

static bool is_attention(const struct yaml_node *layer) {
    return ends_in_one_of(text_of(layer), attention_words) && !ends_in_one_of(text_of(layer), other_words);
}

/* The first of `list`'s layers that is not attention; NULL: none is. */
static const struct yaml_node *other_layer(const struct yaml_node *list) {
    if (list == NULL || list->kind != YAML_SEQUENCE)
        return NULL;
    const struct yaml_node *layer = list->children;
    while (layer != NULL && is_attention(layer))
        layer = layer->next;
    return layer;
}

static bool check_layers_listed(const struct fields_reader *reader, const struct yaml_node *node) {
    for (const char *const *key = layer_keys; *key != NULL; key++) {
        const struct yaml_node *layer = other_layer(hf_get(node, *key));
        if (layer != NULL)
            return fail_other_layers(reader, layer, *key);
    }
    return true;
}

/* What keys tell of a file without such a list. */
static bool check_layers_told(const struct fields_reader *reader, const struct yaml_node *node) {
    if (hf_get(node, layer_keys[0]) != NULL)
        return true; /* that list has been looked through */
    for (const char *const *key = other_layer_keys; *key != NULL; key++) {
        const struct yaml_node *told = hf_get(node, *key);
        if (told != NULL)
            return fail_other_layers(reader, told, *key);
    }
    return true;
}

static bool is_off(const struct yaml_node *value) {
    return value == NULL || hf_is(value, "false") || hf_is(value, "0");
}

static bool check_modelled(const struct fields_reader *reader, const struct yaml_node *node) {
    for (const struct unmodelled *known = unmodelled; known->key != NULL; known++) {
        const struct yaml_node *value = hf_get(node, known->key);
        if (!is_off(value))
            return yaml_error(reader->document, value, reader->error, "%s not modelled (%s)", known->what,
                              known->key);
    }
    return true;
}

/* Where only a list says which layers are attention, it has to be there. */
static bool check_list_given(const struct fields_reader *reader, const struct hf_part *part) {
    if (part->architecture == NULL || (part->architecture->traits & HF_LAYERS_LISTED) == 0)
        return true;
    for (const char *const *key = layer_keys; *key != NULL; key++)
        if (hf_get(part->text, *key) != NULL)
            return true;
    return fail_other_layers(reader, part->text, "no layer_types");
}

/* The known types, the one nearest to `word` first, as many as a line has room for. */
static const char *known_types(const struct fields_reader *reader, const char *word, size_t room) {
    size_t count = 0, shown = 0, first = 0;
    while (hf_architectures[count].model_type != NULL)
        count++;
    const char **types = ARENA_ARRAY(reader->arena, const char *, count + 1);
    for (size_t i = 0; i <= count; i++)
        types[i] = hf_architectures[i].model_type;
    const char *nearest = error_nearest(word, types);
    for (size_t i = 0; i < count; i++)
        if (types[i] == nearest)
            first = i;
    const char *list = "";
    for (; shown < count; shown++) {
        const char *type = types[(first + shown) % count];
        if (strlen(list) + strlen(", ") + strlen(type) > room)
            break;
        list = arena_print(reader->arena, "%s%s%s", list, shown == 0 ? "" : ", ", type);
    }
    return shown == count ? list : arena_print(reader->arena, "%s and %zu more", list, count - shown);
}

static bool fail_unknown(const struct fields_reader *reader, const struct yaml_node *node) {
    static const char rest[] = "known are  and 99 more (docs/formats.md); others go into a model file";
    const struct yaml_node *type = hf_get(node, "model_type");
    const struct yaml_node *classes = hf_get(node, "architectures");
    const struct yaml_node *blamed = type != NULL ? type : classes;
    if (blamed == NULL)
        return yaml_error(reader->document, node, reader->error,
                          "neither model_type nor architectures is given");
    if (blamed->kind == YAML_SEQUENCE && blamed->children != NULL)
        blamed = blamed->children;
    yaml_error(reader->document, blamed, reader->error, "the architecture '%s' is not known",
               text_of(blamed));
    return error_hint(reader->error, "known are %s (docs/formats.md); others go into a model file",
                      known_types(reader, text_of(blamed), HINT_COLUMNS - strlen(rest)));
}

bool hf_find(const struct fields_reader *reader, const struct yaml_node *root, struct hf_part *part) {
    part->root = part->text = root;
    for (const char *const *key = text_keys; *key != NULL && part->text == root; key++) {
        const struct yaml_node *text = hf_get(root, *key);
        if (text == NULL)
            continue;
        if (text->kind != YAML_MAPPING)
            return yaml_error(reader->document, text, reader->error, "%s is no mapping", *key);
        part->text = text;
    }
    part->architecture = find_architecture(part->text);
    if (part->architecture == NULL && hf_get(part->text, "model_type") == NULL)
        part->architecture = find_architecture(root);
    if (!check_layers_listed(reader, part->text) || !check_list_given(reader, part) ||
        !check_layers_told(reader, part->text) || !check_modelled(reader, part->text))
        return false;
    return part->architecture != NULL || fail_unknown(reader, part->text);
}
