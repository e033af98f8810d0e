/* The parts of a step that many layouts share, reckoned once each. Internal to the cost model. */
#ifndef CLUSTERPLAN_COST_PARTS_H
#define CLUSTERPLAN_COST_PARTS_H

#include "planner/cost/communication.h"
#include "planner/cost/cost_bound.h"
#include "planner/cost/launch.h"
#include "planner/cost/pipeline.h"
#include "planner/cost/stage_balance.h"

/* Memory traffic of one parameter's update. */
extern const double COST_UPDATE_BYTES;

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

/* All blocks. But for the routed experts they depend on tp, cp, micro_batch, sequence_parallel and overlap.tp
 * alone, the experts also on ep, etp, and where their groups lie: so the two are kept apart. */
struct layer_part {
    struct block_cost blocks[BLOCK_COUNT];
};

/* All blocks without routed experts, and sums of them by recompute under schedules other than DualPipe, each
 * reckoned when it is first asked for. */
struct base_part {
    struct layer_part layer;
    struct pipeline_work but_experts[RECOMPUTE_COUNT]; /* all blocks but expert layers */
    bool has_but_experts[RECOMPUTE_COUNT];
    struct pipeline_work any_experts[RECOMPUTE_COUNT]; /* all blocks, at least, whatever ep and etp are */
    bool has_any_experts[RECOMPUTE_COUNT];
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
    int64_t *runs; /* the first of devices next to each other that have the same; ends are by themselves */
    int64_t run_count;
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
    struct pipeline_room room;                          /* of simulations */
    double *forward, *backward_input, *backward_weight; /* by virtual stage; as long as stages.capacity */
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
struct routed_cost cost_routed_experts(struct cost_context *context, const struct layout *layout);
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
bool cost_fully_sharded(const struct cost_context *context, const struct layout *layout);
bool cost_splits_backward(enum schedule schedule);
struct launch_time cost_launch_block(const struct cost_context *context, const struct layout *layout,
                                     enum block block);

double cost_straggler_factor(struct cost_context *context, const struct layout *layout);
const struct state_part *cost_state_part(struct cost_context *context, const struct layout *layout);
/* Of it what cost_add_sharding asks for, more quickly. */
const struct communication_state *cost_sharded_state(struct cost_context *context,
                                                     const struct layout *layout);
const struct stage_layers *cost_stage_layers(struct cost_context *context, const struct layout *layout);

/* Reckon a part anew, telling how. */
void cost_layer_reckon(const struct cost_context *context, const struct layout *layout,
                       struct layer_part *part, struct explain *explain);
void cost_state_reckon(const struct cost_context *context, const struct layout *layout,
                       struct state_part *part, struct explain *explain);

/* cost_offload.c */
void cost_offload_reckon(const struct cost_context *context, const struct layout *layout,
                         const struct state_part *state, struct offload_part *part, struct explain *explain);

/* The part of `key`; `found` is false when it is new and still to be filled. */
void *cost_cache_find(struct cost_cache *cache, const struct cache_key *key, bool *found);

struct communication_problem cost_communication_problem(const struct cost_context *context,
                                                        const struct layout *layout);
struct compute_problem cost_compute_problem(const struct cost_context *context, const struct layout *layout);

#endif
