/* Sliding windows and chunks of Hugging Face's config.json: how long, and in how many layers. */
#include <string.h>

#include "common/units.h"
#include "planner/inputs/hf_parts.h"

/* Which layers have one where the file doesn't list them. */
enum window_rule {
    ALL_LAYERS,
    ALL_BUT_EACH,  /* of each so many, all but the last */
    EACH,          /* of each so many, the last alone: those without rotary positions */
    FROM_MAX,      /* those from max_window_layers on */
    HALF_BELOW_MAX /* of each two below max_window_layers, the first */
};

/* Of the architectures that have windows, by the configuration and modeling classes of `transformers`. */
struct window_habit {
    const char *model_type;
    enum window_rule rule;
    int64_t number;         /* the rule's, of files that leave it out */
    bool switched;          /* only where use_sliding_window is true */
    bool chunked;           /* attention_chunk_size, not sliding_window */
    int64_t default_tokens; /* of a file that leaves them out */
};
static const struct window_habit habits[] = {
    {"mistral", ALL_LAYERS, 0, false, false, 4096},
    {"ministral", ALL_LAYERS, 0, false, false, 4096},
    {"ministral3", ALL_LAYERS, 0, false, false, 0},
    {"mixtral", ALL_LAYERS, 0, false, false, 0},
    {"phi3", ALL_LAYERS, 0, false, false, 0},
    {"phimoe", ALL_LAYERS, 0, false, false, 0},
    {"starcoder2", ALL_LAYERS, 0, false, false, 0},
    {"gemma2", ALL_BUT_EACH, 2, false, false, 4096},
    {"gemma3", ALL_BUT_EACH, 6, false, false, 4096},
    {"gpt_oss", ALL_BUT_EACH, 2, false, false, 128},
    {"olmo3", ALL_BUT_EACH, 4, false, false, 4096},
    {"cohere2", ALL_BUT_EACH, 4, false, false, 4096},
    {"llama4", ALL_BUT_EACH, 4, false, true, 8192},
    {"smollm3", EACH, 4, true, false, 0},
    {"qwen2", FROM_MAX, 28, true, false, 4096},
    {"qwen2_vl", FROM_MAX, 80, true, false, 4096},
    {"qwen2_5_vl", FROM_MAX, 80, true, false, 4096},
    {"qwen3", FROM_MAX, 28, true, false, 4096},
    {"dots1", FROM_MAX, 62, false, false, 4096},
    {"qwen2_moe", HALF_BELOW_MAX, 28, true, false, 4096},
    {"qwen3_moe", ALL_LAYERS, 0, true, false, 4096},
    {"exaone4", ALL_BUT_EACH, 4, false, false, 4096},
    {"exaone_moe", ALL_BUT_EACH, 4, false, false, 4096},
    {"cwm", ALL_BUT_EACH, 4, false, false, 8192},
};

static const char types_key[] = "layer_types", rotary_key[] = "no_rope_layers";

static const struct window_habit *habit_of(const struct hf_part *part) {
    for (size_t i = 0; i < sizeof habits / sizeof *habits; i++)
        if (strcmp(habits[i].model_type, part->architecture->model_type) == 0)
            return &habits[i];
    return NULL;
}

/* How long; 0: there is none. What is null in the file is none too. */
static int64_t window_tokens(const struct hf_part *part, const struct hf_config *config,
                             const struct window_habit *habit) {
    bool found;
    if (habit->switched && !(config->windowed.given && config->windowed.value))
        return 0;
    model_member(part->text, habit->chunked ? "attention_chunk_size" : "sliding_window", &found);
    if (!found)
        return habit->default_tokens;
    return habit->chunked ? config->attention_chunk : config->window;
}

static bool rule_has_window(const struct window_habit *habit, int64_t number, int64_t layer) {
    switch (habit->rule) {
    case ALL_BUT_EACH:
        return (layer + 1) % number != 0;
    case EACH:
        return (layer + 1) % number == 0;
    case FROM_MAX:
        return layer >= number;
    case HALF_BELOW_MAX:
        return layer % 2 == 0 && layer < number;
    case ALL_LAYERS:
        break;
    }
    return true;
}

static int64_t count_by_rule(const struct window_habit *habit, const struct hf_config *config) {
    const bool by_max = habit->rule == FROM_MAX || habit->rule == HALF_BELOW_MAX;
    int64_t number = habit->number, count = 0;
    if (by_max && config->max_window_layers != HF_NOT_GIVEN)
        number = config->max_window_layers;
    else if (!by_max && config->window_pattern > 0)
        number = config->window_pattern;
    for (int64_t layer = 0; layer < config->layers; layer++)
        count += rule_has_window(habit, number, layer);
    return count;
}

static bool starts_with(const struct yaml_node *node, const char *word) {
    return node->kind == YAML_SCALAR && strncmp(node->text, word, strlen(word)) == 0;
}

/* Whether a list's layer has the window: "sliding_attention", "chunked_attention"; of rotary positions Llama
 * 4's with them, which have chunks, and SmolLM3's without. */
static bool is_listed(const struct yaml_node *item, const struct window_habit *habit, const char *key) {
    if (key == rotary_key)
        return hf_is(item, habit->chunked ? "1" : "0");
    return starts_with(item, "sliding") || starts_with(item, "chunked");
}

/* Adds those that have it. False with the error set: it is no list of all layers. One of rotary positions may
 * go on behind the last. */
static bool count_listed(const struct fields_reader *reader, const struct yaml_node *list,
                         const struct window_habit *habit, const char *key, int64_t layers, int64_t *count) {
    if (list->kind != YAML_SEQUENCE)
        return yaml_error(reader->document, list, reader->error, "%s is no list of layers", key);
    const int64_t listed = (int64_t)list->child_count;
    if (listed < layers || (listed > layers && key != rotary_key)) {
        return yaml_error(reader->document, list, reader->error,
                          "%s lists %lld layer%s, num_hidden_layers says %lld", key, (long long)listed,
                          units_plural(listed), (long long)layers);
    }
    const struct yaml_node *item = list->children;
    for (int64_t layer = 0; layer < layers; layer++, item = item->next)
        *count += is_listed(item, habit, key);
    return true;
}

bool hf_read_windows(const struct fields_reader *reader, const struct hf_part *part,
                     const struct hf_config *config, struct model *model) {
    const struct window_habit *habit = habit_of(part);
    const int64_t tokens = habit != NULL ? window_tokens(part, config, habit) : 0;
    if (tokens == 0)
        return true;
    const char *key = types_key;
    const struct yaml_node *list = hf_get(part->text, key);
    if (list == NULL && (habit->chunked || habit->rule == EACH)) {
        key = rotary_key;
        list = hf_get(part->text, key);
        if (list != NULL && list->kind == YAML_SEQUENCE && list->child_count == 0)
            list = NULL; /* which stands for none given */
    }
    int64_t count = 0;
    if (list == NULL)
        count = count_by_rule(habit, config);
    else if (!count_listed(reader, list, habit, key, config->layers, &count))
        return false;
    if (count > 0)
        *(habit->chunked ? &model->attention_chunk : &model->window) = tokens;
    model->windowed_layers = count;
    return true;
}
