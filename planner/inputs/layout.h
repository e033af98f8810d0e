/* How a training job is split over devices. tp cp dp pp = devices; ep etp expert-dp pp = devices. */
#ifndef CLUSTERPLAN_LAYOUT_H
#define CLUSTERPLAN_LAYOUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/arena.h"
#include "common/error.h"
#include "common/fields.h"
#include "planner/inputs/model.h"

enum recompute { RECOMPUTE_NONE, RECOMPUTE_SELECTIVE, RECOMPUTE_FULL, RECOMPUTE_COUNT };
/* What selective recompute repeats: Megatron-Core's `--recompute-modules` (transformer_config.py), and what
 * torchtitan repeats by operation. Sets of them are bits 1 << module. */
enum recompute_module {
    RECOMPUTE_CORE_ATTENTION,
    RECOMPUTE_LAYERNORM,         /* norms that are kernels of their own: before routed experts, and of latent
                                    attention; others are one with the product behind them */
    RECOMPUTE_MOE_ACTIVATION,    /* of the routed experts, between their products */
    RECOMPUTE_MLA_UP_PROJECTION, /* of latent attention: queries, keys and values out of their low ranks */
    RECOMPUTE_SHARED_EXPERTS,
    RECOMPUTE_MLP,        /* of layers without experts */
    RECOMPUTE_MOE,        /* router, exchange, routed and shared experts */
    RECOMPUTE_OPERATIONS, /* FSDP: every second product, all grouped ones, and all that is no product or
                             attention */
    RECOMPUTE_MODULE_COUNT
};
#define RECOMPUTE_BIT(module) ((int64_t)1 << RECOMPUTE_##module)
/* Experts as a whole hold these. */
#define RECOMPUTE_WITHIN_MOE (RECOMPUTE_BIT(MOE_ACTIVATION) | RECOMPUTE_BIT(SHARED_EXPERTS))

static inline bool recompute_has(int64_t modules, enum recompute_module module) {
    return (modules >> module & 1) != 0;
}

enum schedule {
    SCHEDULE_1F1B,
    SCHEDULE_INTERLEAVED,
    SCHEDULE_GPIPE,
    SCHEDULE_ZB_1P,
    SCHEDULE_ZB_2P,
    SCHEDULE_DUALPIPE,
    SCHEDULE_COUNT
};
/* Which dimension's neighbours are nearest in the device order after tp and cp; pp outermost is Megatron's
 * default. */
enum rank_order { ORDER_TP_CP_DP_PP, ORDER_TP_CP_PP_DP, ORDER_COUNT };
/* What lies outside the device, in the host's memory or the cluster's store, in the order of how little stays
 * on the device. Gradients go with the optimizer's states, weights with both, and pass the device as they are
 * used. */
enum offload { /* in pairs: without activations and with them */
               OFFLOAD_NONE,
               OFFLOAD_ACTIVATIONS,
               OFFLOAD_OPTIMIZER,
               OFFLOAD_OPTIMIZER_ACTIVATIONS,
               OFFLOAD_GRADIENTS,
               OFFLOAD_GRADIENTS_ACTIVATIONS,
               OFFLOAD_WEIGHTS,
               OFFLOAD_WEIGHTS_ACTIVATIONS,
               OFFLOAD_COUNT
};

extern const char *const recompute_names[];        /* "none" "selective" "full", NULL */
extern const char *const recompute_module_names[]; /* "core_attn" "layernorm" "moe_act" ..., NULL */
extern const char *const schedule_names[]; /* "1f1b" "interleaved" "gpipe" "zb-1p" "zb-2p" "dualpipe", NULL */
extern const char *const rank_order_names[]; /* "tp-cp-dp-pp" "tp-cp-pp-dp", NULL */
extern const char *const offload_names[];    /* "none" "activations" "optimizer" ..., NULL */

bool offload_activations(enum offload offload);
bool offload_optimizer(enum offload offload); /* alone, or with what goes with it */
bool offload_gradients(enum offload offload);
bool offload_weights(enum offload offload);
enum offload offload_union(enum offload a, enum offload b); /* moves out all that either does */

struct layout_overlap {
    bool tp, dp, pp;
}; /* hidden behind compute as far as that reaches */

struct layout {
    int64_t tp, pp, vpp, cp, ep, etp, dp;
    int64_t micro_batch; /* sequences */
    bool sequence_parallel;
    int64_t zero;       /* stage 0..LAYOUT_MAX_ZERO */
    int64_t zero_group; /* devices that share one shard; 0: all of dp x cp */
    enum recompute recompute;
    /* Full recompute for the first so many layers of a virtual stage alone, none for the rest (Megatron's
     * recompute method "block"); 0: for all. */
    int64_t recompute_layers;
    int64_t recompute_modules; /* of selective recompute; 0: as training_recompute_modules has it */
    /* Of the first and last pipeline stage, all its chunks together; the other stages share the rest evenly,
     * or those in front have a layer more in each chunk (Megatron's --decoder-first-pipeline-num-layers, or
     * --pipeline-model-parallel-layout). 0: as many as layout_chunk_layers' rule gives. */
    int64_t first_stage_layers, last_stage_layers;
    enum schedule schedule;
    enum rank_order order;
    struct layout_overlap overlap;
    enum offload offload;
};

/* The keys of a layout, for what is given and what is free. */
enum layout_key {
    LAYOUT_TP,
    LAYOUT_PP,
    LAYOUT_VPP,
    LAYOUT_CP,
    LAYOUT_EP,
    LAYOUT_ETP,
    LAYOUT_DP,
    LAYOUT_MICRO_BATCH,
    LAYOUT_SEQUENCE_PARALLEL,
    LAYOUT_ZERO,
    LAYOUT_ZERO_GROUP,
    LAYOUT_RECOMPUTE,
    LAYOUT_RECOMPUTE_LAYERS,
    LAYOUT_RECOMPUTE_MODULES,
    LAYOUT_FIRST_STAGE_LAYERS,
    LAYOUT_LAST_STAGE_LAYERS,
    LAYOUT_SCHEDULE,
    LAYOUT_ORDER,
    LAYOUT_OVERLAP_TP,
    LAYOUT_OVERLAP_DP,
    LAYOUT_OVERLAP_PP,
    LAYOUT_OFFLOAD,
    LAYOUT_KEY_COUNT
};
extern const char
    *const layout_key_names[LAYOUT_KEY_COUNT + 1]; /* "tp" ... "overlap.tp" ...; ends with NULL */

enum { LAYOUT_MAX_ZERO = 3 };
enum { LAYOUT_MAX_CHOICES = 32, LAYOUT_MAX_MODULE_SETS = 8 /* of recompute_modules */ };

/* What the user fixed: for each key the allowed values (as integers, enums and bools too), in rising order;
 * count 0: free. */
struct layout_request {
    struct {
        size_t count;
        int64_t values[LAYOUT_MAX_CHOICES];
    } keys[LAYOUT_KEY_COUNT];
};

/* Reads "tp=8 pp=16 overlap.tp=true" as --layout gives it; an error names the column and the nearest key. A
 * key may list choices: "tp=4,8". */
bool layout_request_parse(const char *text, struct layout_request *request, struct error *error);

/* Reads a run file's `layout:` or a session's `search:` mapping (a value or a list a key). */
bool layout_request_read(const struct fields_reader *reader, const struct yaml_node *node,
                         struct layout_request *request);

/* True when the request allows `value` for `key`. */
bool layout_request_allows(const struct layout_request *request, enum layout_key key, int64_t value);

/* Leaves one value for `key`. */
void layout_request_fix(struct layout_request *request, enum layout_key key, int64_t value);

/* The flag that asks for the request with `value` for `key`: --layout "tp=4,8 offload=none". */
const char *layout_request_flag(const struct layout_request *request, enum layout_key key, int64_t value,
                                struct arena *arena);

int64_t layout_get(const struct layout *layout, enum layout_key key);
void layout_set(struct layout *layout, enum layout_key key, int64_t value);

/* What a key takes: FIELD_INTEGER with its range, FIELD_BOOL, or its words as FIELD_CHOICE or FIELD_WORDS. */
struct field layout_key_field(enum layout_key key);

/* A value as files have it: "8", "true", "selective", "layernorm+moe_act". Returns `buffer`; no value is
 * longer than LAYOUT_VALUE_SIZE. */
enum { LAYOUT_VALUE_SIZE = 96 };
char *layout_format_value(enum layout_key key, int64_t value, char *buffer, size_t size);

/* "tp=8 pp=16 ep=16 dp=12 micro_batch=1 ..." with all keys that matter for it. Returns `buffer`. */
char *layout_format(const struct layout *layout, char *buffer, size_t size);

int64_t layout_devices(const struct layout *layout);
int64_t layout_expert_dp(const struct layout *layout); /* tp cp dp / (ep etp) */
/* Devices that share one shard; 0 where all that hold the same parameters do, which for experts may be more
 * than dp x cp. */
int64_t layout_zero_group(const struct layout *layout);
int64_t layout_micro_batches(const struct layout *layout,
                             int64_t global_batch); /* a pipeline passes in a step */

/* Interleaving sends micro-batches in groups through the chunks: a group passes one chunk, then the next. How
 * many are in each but the last: the least number, from pp on, of which the last group has none or pp at
 * least, as Megatron-Core since 0.10 wants it (--microbatch-group-size-per-virtual-pipeline-stage). 0 of
 * fewer micro-batches than pp. */
int64_t layout_micro_batch_group(int64_t pp, int64_t micro_batches);

/* False, with the reason in `why` (short: "heads 84 not divisible by tp 16"), when the model can't be split
 * so or the batch not be dealt so. */
bool layout_valid(const struct layout *layout, const struct model *model, int64_t sequence,
                  int64_t global_batch, char *why, size_t why_size);

/* The same of a layout that is known to be valid under 1F1B, and without sequence parallelism. */
bool layout_schedule_valid(const struct layout *layout, const struct model *model, int64_t global_batch);
bool layout_sequence_parallel_valid(const struct layout *layout, int64_t sequence);

/* Whether the model has all of a set of modules that selective recompute repeats. */
bool layout_modules_valid(int64_t modules, const struct model *model);

/* Whether tokens are sent to routed experts on other devices. */
bool layout_exchanges_tokens(const struct layout *layout, const struct model *model);

/* True when the ends of the pipeline have layers of their own number. */
bool layout_has_own_ends(const struct layout *layout);

/* Layers on virtual stage `chunk` (0..pp vpp - 1, in the order a token meets them). Where pp x vpp doesn't
 * divide the layers: if embedding and loss count as a layer each and it divides the sum, the first and the
 * last have so many fewer; else filled from the front, the rest on the last, or, where that leaves none for
 * the last, as even as can be. Of models with further predictions (MTP) the other way round: filled from the
 * front, or, where that leaves none for the last, with the predictions counted too. All but where the layout
 * gives the ends their own number. */
int64_t layout_chunk_layers(const struct layout *layout, const struct model *model, int64_t chunk);

/* True where `chunks` divides the layers with embedding, loss and each further prediction counted as one. */
bool layout_divides_with_ends(const struct model *model, int64_t chunks);

/* The most layers on any virtual stage. */
int64_t layout_most_chunk_layers(const struct layout *layout, const struct model *model);

/* How many layers of a virtual stage, its first ones, full recompute is limited to; 0 where it isn't. */
int64_t layout_recomputed_layers(const struct layout *layout, const struct model *model, int64_t chunk);

/* Layers on all virtual stages before `chunk`. */
int64_t layout_layers_before(const struct layout *layout, const struct model *model, int64_t chunk);

/* layout_layers_before for one chunk after the other, quickly: what it takes of a layout and a model. */
struct layout_dealing {
    int64_t chunks, layers;
    int64_t each;      /* layers of a chunk, but for what follows; the last one has what is left */
    int64_t longer;    /* so many chunks in front, or stages behind the first, have one more */
    int64_t displaced; /* so many fewer has the first one, for the embedding */
    bool own_ends; /* the ends have their own number: `each` is that of a chunk of the stages between, and */
    int64_t stages, first; /* `first` that of a chunk of the first of so many stages; */
    int64_t round;         /* all stages' first chunks together have so many, and all their second ones ... */
};
void layout_deal(const struct layout *layout, const struct model *model, struct layout_dealing *dealing);

static inline int64_t layout_dealt_before(const struct layout_dealing *dealing, int64_t chunk) {
    if (chunk >= dealing->chunks)
        return dealing->layers;
    if (dealing->own_ends) {
        const int64_t stage = chunk % dealing->stages, before = chunk / dealing->stages * dealing->round;
        const int64_t longer = stage - 1 < dealing->longer ? stage - 1 : dealing->longer;
        return stage == 0 ? before : before + dealing->first + (stage - 1) * dealing->each + longer;
    }
    return chunk * dealing->each + (chunk < dealing->longer ? chunk : dealing->longer) -
           (chunk > 0 ? dealing->displaced : 0);
}

#endif
