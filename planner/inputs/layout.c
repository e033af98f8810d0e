/* What a layout comes to, and whether it can be.
 *
 * Layouts may hold any number a user typed: products saturate instead of overflowing. */
#include "planner/inputs/layout.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "planner/numbers.h"

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

enum {
    /* Context parallelism gives every rank one chunk from the front and one from the back of the sequence, so
     * that causal attention is even; arXiv 2407.21783 section 3.3.2. */
    CP_CHUNKS_A_RANK = 2,
    /* DualPipe: every rank holds a stage of each direction, and both directions have to be filled;
     * arXiv 2412.19437 section 3.2.1 (stages and micro-batches divisible by 2). */
    DUALPIPE_DIRECTIONS = 2,
    /* Embedding and loss count as a layer each where that makes the stages even; arXiv 2407.21783
       section 3.3.2. */
    END_LAYERS = 2,
    MAX_ZERO = 3,
    /* Of what a file or flag gives: beyond any machine, and far from overflow. */
    LARGEST_SIZE = 1 << 30
};

/* The product of positive numbers, or INT64_MAX where that is less. */
static int64_t product(int64_t a, int64_t b) {
    int64_t result;
    return __builtin_mul_overflow(a, b, &result) ? INT64_MAX : result;
}

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
    [LAYOUT_ZERO] = {.type = FIELD_INTEGER, .offset = offsetof(struct layout, zero), .maximum = MAX_ZERO},
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

int64_t layout_devices(const struct layout *layout) {
    return product(product(layout->tp, layout->cp), product(layout->dp, layout->pp));
}

int64_t layout_expert_dp(const struct layout *layout) {
    return product(product(layout->tp, layout->cp), layout->dp) / product(layout->ep, layout->etp);
}

int64_t layout_micro_batches(const struct layout *layout, int64_t global_batch) {
    return global_batch / product(layout->dp, layout->micro_batch);
}

int64_t layout_micro_batch_group(int64_t pp, int64_t micro_batches) {
    for (int64_t group = pp; group <= micro_batches;) {
        int64_t whole = micro_batches / group, last = micro_batches % group;
        if (last == 0 || last >= pp)
            return group;
        group = quotient_up(micro_batches, whole); /* until then a larger group leaves less for the last */
    }
    return 0;
}

bool layout_exchanges_tokens(const struct layout *layout, const struct model *model) {
    return model->experts.count > 0 && layout->ep > 1;
}

bool layout_has_own_ends(const struct layout *layout) {
    return layout->first_stage_layers > 0 || layout->last_stage_layers > 0;
}

/* Stages between ends that have their own number, and the layers they share. */
struct middle {
    int64_t stages, layers;
};

static struct middle middle_of(const struct layout *layout, const struct model *model) {
    return (struct middle){layout->pp - (layout->first_stage_layers > 0) - (layout->last_stage_layers > 0),
                           model->layers - layout->first_stage_layers - layout->last_stage_layers};
}

/* Layers of a pipeline stage whose layout gives the ends their own number. */
static int64_t own_stage_layers(const struct layout *layout, const struct model *model, int64_t stage) {
    const struct middle middle = middle_of(layout, model);
    if (stage == 0 && layout->first_stage_layers > 0)
        return layout->first_stage_layers;
    if (stage == layout->pp - 1 && layout->last_stage_layers > 0)
        return layout->last_stage_layers;
    const int64_t place = stage - (layout->first_stage_layers > 0), rows = middle.layers / layout->vpp;
    return layout->vpp * (rows / middle.stages + (place < rows % middle.stages));
}

int64_t layout_recomputed_layers(const struct layout *layout, const struct model *model, int64_t chunk) {
    const int64_t layers = layout_chunk_layers(layout, model, chunk);
    if (layout->recompute != RECOMPUTE_FULL)
        return 0;
    return layout->recompute_layers < layers ? layout->recompute_layers : layers;
}

bool layout_counts_ends(const struct model *model, int64_t chunks) {
    const int64_t sum = model->layers + END_LAYERS + model->mtp_layers;
    return sum % chunks == 0 && sum / chunks > model->mtp_layers;
}

int64_t layout_chunk_layers(const struct layout *layout, const struct model *model, int64_t chunk) {
    if (layout_has_own_ends(layout))
        return own_stage_layers(layout, model, chunk % layout->pp) / layout->vpp;
    const int64_t chunks = product(layout->pp, layout->vpp), layers = model->layers;
    const int64_t last = chunks - 1;
    if (layers % chunks == 0)
        return layers / chunks;
    if (layout_counts_ends(model, chunks)) {
        const int64_t each = (layers + END_LAYERS + model->mtp_layers) / chunks;
        return each - (chunk == 0) - (chunk == last ? 1 + model->mtp_layers : 0);
    }
    const int64_t full = layers / chunks + 1;
    const int64_t rest = layers - product(full, last);
    if (rest > 0)
        return chunk == last ? rest : full;
    /* So many full ones leave nothing for the last: as even as can be, the longer ones in front. */
    return chunk < layers % chunks ? full : full - 1;
}

static void deal_own_ends(const struct layout *layout, const struct model *model,
                          struct layout_dealing *dealing) {
    dealing->own_ends = true;
    dealing->stages = layout->pp;
    dealing->round = model->layers / layout->vpp;
    dealing->first = own_stage_layers(layout, model, 0) / layout->vpp;
    const struct middle middle = middle_of(layout, model);
    if (middle.stages == 0)
        return;
    dealing->each = middle.layers / layout->vpp / middle.stages;
    dealing->longer = middle.layers / layout->vpp % middle.stages;
    if (layout->first_stage_layers == 0 && dealing->longer > 0) /* the first stage is one of them */
        dealing->longer--;
}

void layout_deal(const struct layout *layout, const struct model *model, struct layout_dealing *dealing) {
    const int64_t chunks = product(layout->pp, layout->vpp), layers = model->layers;
    *dealing = (struct layout_dealing){.chunks = chunks, .layers = layers, .each = layers / chunks};
    if (layout_has_own_ends(layout)) {
        deal_own_ends(layout, model, dealing);
    } else if (layers % chunks == 0) {
        return;
    } else if (layout_counts_ends(model, chunks)) {
        dealing->each = (layers + END_LAYERS + model->mtp_layers) / chunks;
        dealing->displaced = 1;
    } else if (layers - product(dealing->each + 1, chunks - 1) > 0) {
        dealing->each++;
    } else {
        dealing->longer = layers % chunks;
    }
}

/* Those between the ends have the same, but for longer ones in front. */
int64_t layout_most_chunk_layers(const struct layout *layout, const struct model *model) {
    const int64_t chunks = product(layout->pp, layout->vpp);
    const int64_t places[] = {0, chunks > 2 ? 1 : 0, chunks - 1};
    int64_t most = 0;
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        const int64_t layers = layout_chunk_layers(layout, model, places[i]);
        most = layers > most ? layers : most;
    }
    return most;
}

int64_t layout_layers_before(const struct layout *layout, const struct model *model, int64_t chunk) {
    struct layout_dealing dealing;
    layout_deal(layout, model, &dealing);
    return layout_dealt_before(&dealing, chunk);
}

/* Where a refused layout says why. */
struct reason {
    char *text;
    size_t size;
};

static bool refuse(const struct reason *reason, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static bool refuse(const struct reason *reason, const char *format, ...) {
    if (reason->size > 0) {
        va_list arguments;
        va_start(arguments, format);
        vsnprintf(reason->text, reason->size, format, arguments);
        va_end(arguments);
    }
    return false;
}

static bool divides(int64_t divisor, int64_t value, const char *value_name, const char *divisor_name,
                    const struct reason *reason) {
    if (value % divisor == 0)
        return true;
    return refuse(reason, "%s %lld not divisible by %s %lld", value_name, (long long)value, divisor_name,
                  (long long)divisor);
}

static bool check_range(const struct layout *layout, const struct reason *reason) {
    static const enum layout_key positive[] = {LAYOUT_TP, LAYOUT_PP,  LAYOUT_VPP, LAYOUT_CP,
                                               LAYOUT_EP, LAYOUT_ETP, LAYOUT_DP,  LAYOUT_MICRO_BATCH};
    for (size_t i = 0; i < sizeof positive / sizeof positive[0]; i++) {
        const int64_t value = layout_get(layout, positive[i]);
        if (value < 1)
            return refuse(reason, "%s %lld is not positive", layout_key_names[positive[i]], (long long)value);
    }
    if (layout->zero < 0 || layout->zero > MAX_ZERO)
        return refuse(reason, "zero %lld is not a stage from 0 to 3", (long long)layout->zero);
    if (layout->recompute_layers < 0 || layout->first_stage_layers < 0 || layout->last_stage_layers < 0)
        return refuse(reason, "a number of layers is negative");
    if (layout->zero_group < 0)
        return refuse(reason, "zero_group %lld is negative", (long long)layout->zero_group);
    return true;
}

static bool has_dense_mlp(const struct model *model) {
    return model_expert_layers(model) < model->layers;
}

static bool check_tp(const struct layout *layout, const struct model *model, const struct reason *reason) {
    const int64_t tp = layout->tp;
    if (!divides(tp, model->heads, "heads", "tp", reason))
        return false;
    /* Where there are fewer key-value heads than ranks, Megatron copies them; latent attention has none. */
    if (model->mla.kv_lora_rank == 0 && model->kv_heads % tp != 0 && tp % model->kv_heads != 0) {
        return refuse(reason, "kv_heads %lld and tp %lld do not divide each other",
                      (long long)model->kv_heads, (long long)tp);
    }
    if (has_dense_mlp(model) && !divides(tp, model->ffn_hidden, "ffn_hidden", "tp", reason))
        return false;
    if (model->experts.shared > 0 &&
        !divides(tp, model->experts.shared_ffn_hidden, "shared experts' ffn_hidden", "tp", reason))
        return false;
    if (layout->sequence_parallel && tp == 1)
        return refuse(reason, "sequence_parallel needs tp above 1");
    return true;
}

static bool check_experts(const struct layout *layout, const struct model *model,
                          const struct reason *reason) {
    if (model->experts.count == 0) {
        if (layout->ep > 1 || layout->etp > 1) {
            return refuse(reason, "%s %lld in a model without experts", layout->ep > 1 ? "ep" : "etp",
                          (long long)(layout->ep > 1 ? layout->ep : layout->etp));
        }
        return true;
    }
    return divides(layout->ep, model->experts.count, "experts", "ep", reason) &&
           divides(layout->etp, model->experts.ffn_hidden, "experts' ffn_hidden", "etp", reason) &&
           divides(product(layout->ep, layout->etp), product(product(layout->tp, layout->cp), layout->dp),
                   "tp x cp x dp", "ep x etp", reason);
}

static bool check_sequence(const struct layout *layout, int64_t sequence, const struct reason *reason) {
    const int64_t chunks = layout->cp > 1 ? product(CP_CHUNKS_A_RANK, layout->cp) : 1;
    if (!divides(chunks, sequence, "sequence", "2 cp", reason))
        return false;
    return !layout->sequence_parallel ||
           divides(layout->tp, sequence / layout->cp, "sequence / cp", "tp", reason);
}

static bool check_pipeline(const struct layout *layout, const struct model *model, int64_t micro_batches,
                           const struct reason *reason) {
    const int64_t pp = layout->pp, chunks = product(pp, layout->vpp);
    const char *schedule = schedule_names[layout->schedule];
    if (layout->schedule != SCHEDULE_1F1B && pp == 1)
        return refuse(reason, "schedule %s needs pp above 1", schedule);
    if (layout->schedule == SCHEDULE_INTERLEAVED) {
        if (layout->vpp == 1)
            return refuse(reason, "schedule interleaved needs vpp above 1");
        if (micro_batches < pp)
            return refuse(reason, "interleaved needs pp micro-batches, not %lld", (long long)micro_batches);
    } else if (layout->vpp > 1) {
        return refuse(reason, "vpp %lld needs schedule interleaved, not %s", (long long)layout->vpp,
                      schedule);
    }
    if (layout->schedule == SCHEDULE_DUALPIPE) {
        if (!divides(DUALPIPE_DIRECTIONS, pp, "dualpipe: pp", "the directions", reason) ||
            !divides(DUALPIPE_DIRECTIONS, micro_batches, "dualpipe: micro-batches", "the directions", reason))
            return false;
        if (micro_batches / DUALPIPE_DIRECTIONS < pp)
            return refuse(reason, "dualpipe needs 2 pp micro-batches, not %lld", (long long)micro_batches);
    }
    if (chunks > model->layers && chunks != model->layers + END_LAYERS) {
        return refuse(reason, "pp x vpp %lld is more than the %lld layers", (long long)chunks,
                      (long long)model->layers);
    }
    return true;
}

/* Ends with their own number of layers: whole chunks, of the stages between them too, each of which has a
 * layer. */
static bool check_ends(const struct layout *layout, const struct model *model, const struct reason *reason) {
    const int64_t first = layout->first_stage_layers, last = layout->last_stage_layers;
    if (!layout_has_own_ends(layout))
        return true;
    if (layout->pp == 1)
        return refuse(reason, "%s %lld needs pp above 1",
                      first > 0 ? "first_stage_layers" : "last_stage_layers",
                      (long long)(first > 0 ? first : last));
    const struct middle middle = middle_of(layout, model);
    if (middle.layers < 0 || (middle.layers == 0) != (middle.stages == 0))
        return refuse(reason, "%lld layers on the ends leave %lld of %lld for %lld stages",
                      (long long)(first + last), (long long)middle.layers, (long long)model->layers,
                      (long long)middle.stages);
    return divides(layout->vpp, first, "first_stage_layers", "vpp", reason) &&
           divides(layout->vpp, last, "last_stage_layers", "vpp", reason) &&
           divides(layout->vpp, middle.layers, "layers between the ends", "vpp", reason) &&
           (middle.layers >= product(middle.stages, layout->vpp) ||
            refuse(reason, "%lld layers between the ends are too few for %lld stages x vpp %lld",
                   (long long)middle.layers, (long long)middle.stages, (long long)layout->vpp));
}

/* Modules that the model has no layer with. */
static bool check_modules(const struct layout *layout, const struct model *model,
                          const struct reason *reason) {
    const struct {
        enum recompute_module module;
        bool has;
        const char *lacks;
    } needs[] = {{RECOMPUTE_MLA_UP_PROJECTION, model->mla.kv_lora_rank > 0, "latent attention"},
                 {RECOMPUTE_MOE_ACTIVATION, model->experts.count > 0, "experts"},
                 {RECOMPUTE_MOE, model->experts.count > 0, "experts"},
                 {RECOMPUTE_SHARED_EXPERTS, model->experts.shared > 0, "shared experts"},
                 {RECOMPUTE_MLP, has_dense_mlp(model), "a dense layer"}};
    for (size_t i = 0; i < sizeof needs / sizeof needs[0]; i++)
        if ((layout->recompute_modules >> needs[i].module & 1) != 0 && !needs[i].has)
            return refuse(reason, "recompute_modules %s in a model without %s",
                          recompute_module_names[needs[i].module], needs[i].lacks);
    return true;
}

static bool check_recompute(const struct layout *layout, const struct model *model,
                            const struct reason *reason) {
    const int64_t limited = layout->recompute_layers;
    if (layout->recompute_modules != 0) {
        if (layout->recompute != RECOMPUTE_SELECTIVE)
            return refuse(reason, "recompute_modules needs recompute selective");
        if (!check_modules(layout, model, reason))
            return false;
    }
    if (limited == 0)
        return true;
    if (layout->recompute != RECOMPUTE_FULL)
        return refuse(reason, "recompute_layers %lld needs recompute full", (long long)limited);
    return limited <= model->layers || refuse(reason, "recompute_layers %lld is more than the %lld layers",
                                              (long long)limited, (long long)model->layers);
}

static bool check_zero(const struct layout *layout, const struct reason *reason) {
    /* ZeRO 2 and 3 in a pipeline depend on the software: FSDP does it, DeepSpeed refuses. The search knows.
     */
    if (layout->zero_group > 0) {
        if (!divides(layout->zero_group, product(layout->dp, layout->cp), "dp x cp", "zero_group", reason))
            return false;
        if (layout->zero == 0)
            return refuse(reason, "zero_group %lld needs zero 1 to 3", (long long)layout->zero_group);
    }
    return true;
}

bool layout_valid(const struct layout *layout, const struct model *model, int64_t sequence,
                  int64_t global_batch, char *why, size_t why_size) {
    const struct reason reason = {why, why_size};
    if (!check_range(layout, &reason) || !check_tp(layout, model, &reason) ||
        !check_experts(layout, model, &reason) || !check_sequence(layout, sequence, &reason))
        return false;
    if (!divides(product(layout->dp, layout->micro_batch), global_batch, "global_batch", "dp x micro_batch",
                 &reason))
        return false;
    const int64_t micro_batches = layout_micro_batches(layout, global_batch);
    if (micro_batches < 1)
        return refuse(&reason, "global_batch %lld is not positive", (long long)global_batch);
    return check_pipeline(layout, model, micro_batches, &reason) && check_ends(layout, model, &reason) &&
           check_recompute(layout, model, &reason) && check_zero(layout, &reason);
}

bool layout_schedule_valid(const struct layout *layout, const struct model *model, int64_t global_batch) {
    const struct reason unsaid = {NULL, 0};
    return check_pipeline(layout, model, layout_micro_batches(layout, global_batch), &unsaid) &&
           check_ends(layout, model, &unsaid);
}

bool layout_sequence_parallel_valid(const struct layout *layout, int64_t sequence) {
    return layout->tp > 1 && sequence / layout->cp % layout->tp == 0;
}
