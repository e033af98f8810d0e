/* The parts of a step that many layouts share, reckoned once each. Internal to the cost model. */
#ifndef CLUSTERPLAN_COST_PARTS_H
#define CLUSTERPLAN_COST_PARTS_H

#include "planner/cost/communication.h"
#include "planner/cost/cost_bound.h"
#include "planner/cost/launch.h"
#include "planner/cost/pipeline.h"
#include "planner/cost/stage_balance.h"

/* Compute and exposed communication of one block for one micro-batch. */
struct block_cost {
    struct compute_time compute;
    struct communication_time communication;
    bool least; /* of one sequence among any number: the host's launches don't count */
};

enum block { BLOCK_DENSE, BLOCK_EXPERTS, BLOCK_EMBEDDING, BLOCK_HEAD, BLOCK_MTP_JOIN, BLOCK_COUNT };

/* One micro-batch through a block or a stage. The first three are what a pipeline plays, the rest where the
 * same seconds went. */
struct pass_cost {
    double forward, backward_input, backward_weight;
    double compute, recompute, tp, cp, ep, pp, dp, offload;
};

/* Passes of one kind are alike in all stages: blocks as most are, and layers that full recompute is limited
 * to, where it is. */
enum pass_kind {
    PASS_RECOMPUTED_DENSE,
    PASS_RECOMPUTED_EXPERTS,
    PASS_USUAL, /* from here on by block */
    PASS_DENSE = PASS_USUAL,
    PASS_EXPERTS,
    PASS_EMBEDDING,
    PASS_HEAD,
    PASS_MTP_JOIN,
    PASS_COUNT
};

/* One micro-batch through one block of each kind; kept ones, or the layout's own. Those that the model lacks
 * aren't set. */
struct layout_passes {
    const struct pass_cost *kinds[PASS_COUNT];
    struct pass_cost own[PASS_COUNT];
};

/* How many of each kind a virtual stage has, or a device: of all its chunks, and of the two stages that
 * DualPipe gives it half each. */
struct stage_share {
    double counts[PASS_COUNT], chunks;
};

/* Devices, or virtual stages, next to each other that have the same layers; ends are by themselves. The first
 * of each run, and then how many there are; the share of one of them, where no layers are recomputed apart
 * and no stages mirrored. */
struct stage_runs {
    int64_t *firsts;
    struct stage_share *shares;
    int64_t count;
};

/* All blocks. But for the routed experts they depend on tp, cp, micro_batch, sequence_parallel and overlap.tp
 * alone, the experts also on ep, etp, and where their groups lie: so the two are kept apart. */
struct layer_part {
    struct block_cost blocks[BLOCK_COUNT];
};

/* A transfer to the next stage, before overlap, of the last pp and dp asked for. */
struct kept_hop {
    int64_t pp, dp; /* 0: none yet */
    double seconds;
};

/* What routed experts take by cost_expert_place: what they compute, and exchange in groups that lie near, or
 * are spread by the last pp asked for. NULL: not asked for yet. */
struct routed_tables {
    struct routed_compute *compute;
    struct routed_exchange *near, *spread;
    int64_t spread_by;
};

/* What one kind of recompute makes of a base part: its blocks' passes by whether the schedule splits the
 * backward pass, but of those with routed experts; and sums of them under schedules other than DualPipe. Each
 * is reckoned when it is first asked for. */
struct recomputed_part {
    enum recompute recompute;
    int64_t modules; /* of selective recompute */
    struct pass_cost *passes[2];
    struct pipeline_work but_experts; /* all blocks but expert layers */
    bool has_but_experts;
    struct pipeline_work any_experts; /* all blocks, at least, whatever ep and etp are */
    bool has_any_experts;
    struct recomputed_part *next;
};

/* All blocks without routed experts. */
struct base_part {
    struct layer_part layer;
    struct kept_hop hops[ORDER_COUNT];
    struct routed_tables routed;
    struct recomputed_part *recomputed; /* those asked for, the last one first */
};

/* Base parts of one tp and cp at hand, by micro-batch; 0: cost_least_part. Rows lie in a table by tp and cp,
 * each of which may take the place of another. */
enum { BASE_ROW = 65, BASE_ROWS = 256 };
struct base_row {
    int64_t tp, cp;
    bool overlap_tp;
    struct base_part *parts[BASE_ROW]; /* NULL: not asked for yet */
};

/* Depends on tp, pp, vpp, cp x dp, ep x etp, ZeRO, the order of the ranks and the ends; under tied embeddings
 * on cp too. */
struct state_part {
    struct communication_state state;
    double optimizer_seconds; /* on the device */
    double clear_seconds;     /* the gradients' part of that */
    bool whole;               /* else only what ZeRO-3 sends is reckoned */
};

/* What memory outside the device adds. All 0 without offload. */
struct offload_part {
    double forward[BLOCK_COUNT], backward[BLOCK_COUNT]; /* seconds a micro-batch streams, before overlap */
    double optimizer_seconds;                           /* of states outside */
    bool broadcast; /* the store sends weights to all replicas and sums their gradients: nothing else does */
};

/* Layers on each virtual stage, and on each device of all its chunks. Depends on pp, vpp and the ends alone;
 * kept for the last ones seen. */
struct stage_layers {
    int64_t pp, vpp, first, last;
    int64_t capacity;
    int64_t *dense, *experts;
    int64_t *device_dense, *device_experts;
    struct stage_runs device_runs, stage_runs;
};

struct cache_key {
    uint64_t words[3];
};
struct cost_cache; /* open hash table from a packed key to a part */

/* What ep and etp can be; neither without experts. */
struct expert_places {
    int64_t *eps, *etps;
    size_t ep_count, etp_count;
};

struct cost_context {
    struct arena *arena;
    const struct model *model;
    const struct cluster *cluster;
    struct training training;
    struct cost_cache *layers, *routed; /* base parts; tables of routed experts by tokens a rank */
    struct cost_cache *rows, *states;   /* expert rows, state parts: renewed with the number of devices */
    struct expert_places places;
    struct product_cache *products;
    struct compute_known *known;
    struct collective_cache *collectives;
    struct stage_layers stages;
    int64_t *experts_before;                 /* expert layers before each layer */
    struct base_row base_rows[2][BASE_ROWS]; /* without and with sequence parallelism */
    double blocks[BLOCK_COUNT];              /* how many of each the model has */
    /* Pairs of first and last stages' own numbers of layers seen, for a short name in keys. */
    struct stage_ends *ends;
    size_t end_count, end_room;
    struct kept_balance *balances; /* those asked for, the last one first */
    int64_t straggler_devices;     /* that the next was reckoned for */
    double straggler_factor;
    struct pipeline_room room; /* of simulations */
    /* By virtual stage, and runs of devices; as long as stages.capacity. */
    double *forward, *backward_input, *backward_weight;
    struct pipeline_run *runs;
};

/* The parts of a layout without routed experts, from the cache or reckoned and kept. */
struct base_part *cost_base_part(struct cost_context *context, const struct layout *layout);
/* What one sequence takes of it at least in a micro-batch of any size. */
struct base_part *cost_least_part(struct cost_context *context, const struct layout *layout);
/* Routed experts have no attention, and no products beside tp collectives; part of a layout, and added to
 * one. */
struct routed_cost {
    double forward, backward_input, backward_weight;
    double activation, experts; /* of forward, as compute_time has them */
    double ep_forward, ep_backward, ep_shown;
};
struct routed_cost cost_routed_experts(struct cost_context *context, const struct layout *layout,
                                       struct base_part *base);
void cost_add_routed_experts(struct block_cost *block, const struct routed_cost *routed);

/* cost_routed.c: reckoned anew, telling how; of a split in its row; the least of each part in a row. */
struct routed_cost cost_routed_reckon(const struct cost_context *context, const struct layout *layout,
                                      struct explain *explain);
struct routed_cost cost_routed_in_row(const struct expert_row *row, const struct expert_split *split,
                                      bool any_order);
const struct routed_cost *cost_routed_least(const struct expert_row *row);
/* Forward passes, backward pass and a share of the exchange of a split; the lesser of near and spread, or
 * near. */
double cost_routed_seconds(const struct expert_row *row, const struct expert_split *split, bool any_order,
                           double forward_passes, double exchange_share);
size_t cost_expert_row_size(void);
void cost_places_init(struct cost_context *context);

/* cost_block.c: forward, backward and recompute of a block. */
struct pass_cost cost_block_pass(const struct cost_context *context, const struct layout *layout,
                                 enum block block, const struct block_cost *cost);
/* What a pass is longer for where weights and gradients are sharded, and where some of them, or activations,
 * lie elsewhere. */
void cost_add_sharding(const struct cost_context *context, const struct layout *layout,
                       const struct communication_state *state, enum block block, struct pass_cost *pass);
void cost_add_streaming(const struct layout *layout, double forward, double backward, struct pass_cost *pass);
bool cost_splits_backward(enum schedule schedule);
/* The kind of layers that counts, and that further predictions have: with experts, where there are any. */
enum block cost_main_layer(const struct cost_context *context);
/* Of a base part what all layers of a layout recompute, where full recompute may be limited to some. */
struct recomputed_part *cost_recomputed_part(struct cost_context *context, struct base_part *base,
                                             const struct layout *layout);
/* What all layers recompute, likewise. */
enum recompute cost_recompute_of_all(const struct layout *layout);
struct launch_time cost_launch_block(const struct cost_context *context, const struct layout *layout,
                                     enum block block);

double cost_straggler_factor(struct cost_context *context, const struct layout *layout);
const struct state_part *cost_state_part(struct cost_context *context, const struct layout *layout,
                                         const struct stage_layers *stages);
/* Of it what cost_add_sharding asks for, more quickly. */
const struct communication_state *cost_sharded_state(struct cost_context *context,
                                                     const struct layout *layout);
double cost_hop_seconds(const struct cost_context *context, const struct layout *layout,
                        struct base_part *base);

/* cost_stages.c: what stages have of a model, and what they take with it. */
const struct stage_layers *cost_stage_layers(struct cost_context *context, const struct layout *layout);
void cost_layout_passes(struct cost_context *context, const struct layout *layout, struct base_part *base,
                        const struct state_part *state, const struct offload_part *offload,
                        struct layout_passes *passes);
void cost_share_of_stage(const struct cost_context *context, const struct layout *layout,
                         const struct stage_layers *stages, int64_t index, struct stage_share *share);
void cost_share_of_device(const struct cost_context *context, const struct layout *layout,
                          const struct stage_layers *stages, int64_t device, struct stage_share *share);
/* What a share takes for a micro-batch: what a pipeline plays; and where the seconds went. */
struct pipeline_work cost_share_work(const struct cost_context *context, const struct layout *layout,
                                     const struct layout_passes *passes, const struct stage_share *share);
struct pass_cost cost_share_pass(const struct cost_context *context, const struct layout *layout,
                                 const struct layout_passes *passes, const struct stage_share *share);
/* Interleaving leaves slack to send in. */
bool cost_hops_hidden(const struct layout *layout);

/* Reckon a part anew, telling how. */
void cost_layer_reckon(const struct cost_context *context, const struct layout *layout,
                       struct layer_part *part, struct explain *explain);
void cost_state_reckon(const struct cost_context *context, const struct layout *layout,
                       const struct stage_layers *stages, struct state_part *part, struct explain *explain);

/* cost_offload.c */
void cost_offload_reckon(const struct cost_context *context, const struct layout *layout,
                         const struct state_part *state, struct offload_part *part, struct explain *explain);

/* The part of `key`; `found` is false when it is new and still to be filled. */
void *cost_cache_find(struct cost_cache *cache, const struct cache_key *key, bool *found);

struct communication_problem cost_communication_problem(const struct cost_context *context,
                                                        const struct layout *layout);
struct compute_problem cost_compute_problem(const struct cost_context *context, const struct layout *layout);

#endif
