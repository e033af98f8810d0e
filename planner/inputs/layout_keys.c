/* The keys of a layout: their names, what they take, and where struct layout holds them. */
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "planner/inputs/layout.h"

/* Of what a file or flag gives: beyond any machine, and far from overflow. */
enum { LARGEST_SIZE = 1 << 30 };

const char *const recompute_names[] = {"none", "selective", "full", NULL};
const char *const recompute_module_names[] = {
    "core_attn", "layernorm", "moe_act", "mla_up_proj", "shared_experts", "mlp", "moe", "operations", NULL};
const char *const schedule_names[] = {"1f1b", "interleaved", "gpipe", "zb-1p", "zb-2p", "dualpipe", NULL};
const char *const rank_order_names[] = {"tp-cp-dp-pp", "tp-cp-pp-dp", NULL};
const char *const offload_names[] = {
    "none",      "activations",           "optimizer", "optimizer+activations",
    "gradients", "gradients+activations", "weights",   "weights+activations",
    NULL};
const char *const layout_key_names[LAYOUT_KEY_COUNT + 1] = {"tp",
                                                            "pp",
                                                            "vpp",
                                                            "cp",
                                                            "ep",
                                                            "etp",
                                                            "dp",
                                                            "micro_batch",
                                                            "sequence_parallel",
                                                            "zero",
                                                            "zero_group",
                                                            "recompute",
                                                            "recompute_layers",
                                                            "recompute_modules",
                                                            "first_stage_layers",
                                                            "last_stage_layers",
                                                            "schedule",
                                                            "order",
                                                            "overlap.tp",
                                                            "overlap.dp",
                                                            "overlap.pp",
                                                            "offload",
                                                            NULL};

bool offload_activations(enum offload offload) {
    return offload == OFFLOAD_ACTIVATIONS || offload == OFFLOAD_OPTIMIZER_ACTIVATIONS ||
           offload == OFFLOAD_GRADIENTS_ACTIVATIONS || offload == OFFLOAD_WEIGHTS_ACTIVATIONS;
}

bool offload_optimizer(enum offload offload) {
    return offload >= OFFLOAD_OPTIMIZER;
}

bool offload_gradients(enum offload offload) {
    return offload >= OFFLOAD_GRADIENTS;
}

bool offload_weights(enum offload offload) {
    return offload >= OFFLOAD_WEIGHTS;
}

enum offload offload_union(enum offload a, enum offload b) {
    enum offload more = a > b ? a : b;
    bool lacks_activations = !offload_activations(more) && (offload_activations(a) || offload_activations(b));
    return lacks_activations ? (enum offload)(more + 1) : more;
}

/* How each key is written, and where struct layout holds it; the name is layout_key_names'. */
#define SIZE(member)                                                                                         \
    {                                                                                                        \
        .type = FIELD_INTEGER, .offset = offsetof(struct layout, member), .minimum = 1,                      \
        .maximum = LARGEST_SIZE                                                                              \
    }
#define SIZE_OR_NONE(member)                                                                                 \
    { .type = FIELD_INTEGER, .offset = offsetof(struct layout, member), .maximum = LARGEST_SIZE }
#define FLAG(member)                                                                                         \
    { .type = FIELD_BOOL, .offset = offsetof(struct layout, member) }
#define WORD(member, words)                                                                                  \
    { .type = FIELD_CHOICE, .offset = offsetof(struct layout, member), .choices = words }

static const struct field key_fields[LAYOUT_KEY_COUNT] = {
    [LAYOUT_TP] = SIZE(tp),
    [LAYOUT_PP] = SIZE(pp),
    [LAYOUT_VPP] = SIZE(vpp),
    [LAYOUT_CP] = SIZE(cp),
    [LAYOUT_EP] = SIZE(ep),
    [LAYOUT_ETP] = SIZE(etp),
    [LAYOUT_DP] = SIZE(dp),
    [LAYOUT_MICRO_BATCH] = SIZE(micro_batch),
    [LAYOUT_SEQUENCE_PARALLEL] = FLAG(sequence_parallel),
    [LAYOUT_ZERO] = {.type = FIELD_INTEGER,
                     .offset = offsetof(struct layout, zero),
                     .maximum = LAYOUT_MAX_ZERO},
    [LAYOUT_ZERO_GROUP] = SIZE_OR_NONE(zero_group),
    [LAYOUT_RECOMPUTE] = WORD(recompute, recompute_names),
    [LAYOUT_RECOMPUTE_LAYERS] = SIZE_OR_NONE(recompute_layers),
    [LAYOUT_RECOMPUTE_MODULES] = {.type = FIELD_WORDS,
                                  .offset = offsetof(struct layout, recompute_modules),
                                  .choices = recompute_module_names},
    [LAYOUT_FIRST_STAGE_LAYERS] = SIZE_OR_NONE(first_stage_layers),
    [LAYOUT_LAST_STAGE_LAYERS] = SIZE_OR_NONE(last_stage_layers),
    [LAYOUT_SCHEDULE] = WORD(schedule, schedule_names),
    [LAYOUT_ORDER] = WORD(order, rank_order_names),
    [LAYOUT_OVERLAP_TP] = FLAG(overlap.tp),
    [LAYOUT_OVERLAP_DP] = FLAG(overlap.dp),
    [LAYOUT_OVERLAP_PP] = FLAG(overlap.pp),
    [LAYOUT_OFFLOAD] = WORD(offload, offload_names),
};

struct field layout_key_field(enum layout_key key) {
    struct field field = key_fields[key];
    field.key = layout_key_names[key];
    return field;
}

int64_t layout_get(const struct layout *layout, enum layout_key key) {
    const char *member = (const char *)layout + key_fields[key].offset;
    int64_t number;
    int choice;
    switch (key_fields[key].type) {
    case FIELD_BOOL:
        return *(const bool *)member;
    case FIELD_CHOICE:
        memcpy(&choice, member, sizeof choice);
        return choice;
    default:
        memcpy(&number, member, sizeof number);
        return number;
    }
}

void layout_set(struct layout *layout, enum layout_key key, int64_t value) {
    char *member = (char *)layout + key_fields[key].offset;
    const int choice = (int)value;
    switch (key_fields[key].type) {
    case FIELD_BOOL:
        *(bool *)member = value != 0;
        break;
    case FIELD_CHOICE:
        memcpy(member, &choice, sizeof choice);
        break;
    default:
        memcpy(member, &value, sizeof value);
        break;
    }
}

/* "layernorm+moe_act". */
static void format_words(const char *const *choices, int64_t words, char *buffer, size_t size) {
    size_t used = 0;
    buffer[0] = '\0';
    for (int i = 0; choices[i] != NULL && used < size; i++)
        if ((words >> i & 1) != 0)
            used += (size_t)snprintf(buffer + used, size - used, "%s%s", used > 0 ? "+" : "", choices[i]);
}

char *layout_format_value(enum layout_key key, int64_t value, char *buffer, size_t size) {
    const struct field *field = &key_fields[key];
    if (field->type == FIELD_INTEGER)
        snprintf(buffer, size, "%lld", (long long)value);
    else if (field->type == FIELD_BOOL)
        snprintf(buffer, size, "%s", value != 0 ? "true" : "false");
    else if (field->type == FIELD_WORDS)
        format_words(field->choices, value, buffer, size);
    else
        snprintf(buffer, size, "%s", field->choices[value]);
    return buffer;
}
