/* What a layout comes to, and whether it can be. Its keys are in layout_keys.c.
 *
 * Layouts may hold any number a user typed: products saturate instead of overflowing. */
#include "planner/inputs/layout.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include "planner/numbers.h"

enum {
    /* Context parallelism gives every rank one chunk from the front and one from the back of the sequence, so
     * that causal attention is even; arXiv 2407.21783 section 3.3.2. */
    CP_CHUNKS_A_RANK = 2,
    /* DualPipe: every rank holds a stage of each direction, and both directions have to be filled;
     * arXiv 2412.19437 section 3.2.1 (stages and micro-batches divisible by 2). */
    DUALPIPE_DIRECTIONS = 2,
    /* Embedding and loss count as a layer each where that makes the stages even; arXiv 2407.21783
       section 3.3.2. */
    END_LAYERS = 2
};

/* The product of positive numbers, or INT64_MAX where that is less. */
static int64_t product(int64_t a, int64_t b) {
    int64_t result;
    return __builtin_mul_overflow(a, b, &result) ? INT64_MAX : result;
}

int64_t layout_devices(const struct layout *layout) {
    return product(product(layout->tp, layout->cp), product(layout->dp, layout->pp));
}

int64_t layout_expert_dp(const struct layout *layout) {
    return product(product(layout->tp, layout->cp), layout->dp) / product(layout->ep, layout->etp);
}

int64_t layout_zero_group(const struct layout *layout) {
    return layout->zero_group < product(layout->dp, layout->cp) ? layout->zero_group : 0;
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

bool layout_divides_with_ends(const struct model *model, int64_t chunks) {
    const int64_t sum = model->layers + END_LAYERS + model->mtp_layers;
    return sum % chunks == 0 && sum / chunks > model->mtp_layers;
}

/* Layers of the last chunk where all others are filled from the front; 0 or less: none are left. */
static int64_t last_filled(const struct model *model, int64_t chunks) {
    return model->layers - product(model->layers / chunks + 1, chunks - 1);
}

/* Further predictions weigh more than the layer they would count as, and leave the last chunk what the others
 * don't take (Megatron-Bridge, recipes/deepseek/deepseek_v3.py). */
static bool counts_ends(const struct model *model, int64_t chunks) {
    return layout_divides_with_ends(model, chunks) &&
           (model->mtp_layers == 0 || last_filled(model, chunks) <= 0);
}

int64_t layout_chunk_layers(const struct layout *layout, const struct model *model, int64_t chunk) {
    if (layout_has_own_ends(layout))
        return own_stage_layers(layout, model, chunk % layout->pp) / layout->vpp;
    const int64_t chunks = product(layout->pp, layout->vpp), layers = model->layers;
    const int64_t last = chunks - 1;
    if (layers % chunks == 0)
        return layers / chunks;
    if (counts_ends(model, chunks)) {
        const int64_t each = (layers + END_LAYERS + model->mtp_layers) / chunks;
        return each - (chunk == 0) - (chunk == last ? 1 + model->mtp_layers : 0);
    }
    const int64_t full = layers / chunks + 1, rest = last_filled(model, chunks);
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
    } else if (counts_ends(model, chunks)) {
        dealing->each = (layers + END_LAYERS + model->mtp_layers) / chunks;
        dealing->displaced = 1;
    } else if (last_filled(model, chunks) > 0) {
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
    if (layout->zero < 0 || layout->zero > LAYOUT_MAX_ZERO)
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
static bool check_modules(int64_t modules, const struct model *model, const struct reason *reason) {
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
        if (recompute_has(modules, needs[i].module) && !needs[i].has)
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
        if (!check_modules(layout->recompute_modules, model, reason))
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

bool layout_modules_valid(int64_t modules, const struct model *model) {
    return check_modules(modules, model, &(struct reason){NULL, 0});
}
