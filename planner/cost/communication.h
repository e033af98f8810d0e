/* What a layer and its parameters send, between which ranks, and how many seconds of it show beside compute.
 */
#ifndef CLUSTERPLAN_COMMUNICATION_H
#define CLUSTERPLAN_COMMUNICATION_H

#include "planner/cost/compute.h"
#include "planner/kernels/collective_cache.h"

/* Where the groups of a layout stand in the device order. With pp inside dp (ORDER_TP_CP_PP_DP) a group that
 * runs over tp or cp and goes on over dp has no single stride; it is then taken as evenly spread over the
 * same span. */
struct communication_groups {
    struct rank_group tp, cp;
    struct rank_group dp; /* dp x cp: who shares gradients of everything but routed experts */
    struct rank_group ep, etp;
    struct rank_group expert_dp; /* who shares gradients of routed experts */
    struct rank_group hop;       /* the pipeline's stages, of which neighbours exchange */
};
void communication_groups_of(const struct layout *layout, struct communication_groups *groups);

/* Products and their collectives overlap by reading each other's memory: within a node, or as far as its
 * innermost level reaches (Transformer Engine's issue 1071 and pull request 1470). */
bool communication_overlaps_products(const struct cluster *cluster, const struct layout *layout);

struct communication_problem {
    const struct model *model;
    const struct cluster *cluster;
    const struct training *training;
    const struct layout *layout;
    struct collective_cache *collectives; /* of the cluster; may be NULL */
    bool least;            /* as in struct compute_problem, whose times this then needs; with `collectives` */
    const int64_t *stages; /* those of the pipeline that may differ from the one before; NULL: all may */
    int64_t stage_count;
};

/* Seconds of a collective on the problem's cluster, from the cache where there is one. */
double communication_seconds(const struct communication_problem *problem,
                             const struct collective *collective);

/* Seconds that communication of one micro-batch adds to its forward and backward pass: what compute doesn't
 * hide. */
struct communication_time {
    double tp_forward, tp_backward;
    double cp_forward, cp_backward;
    double ep_forward, ep_backward; /* all-to-all, and the gathers of expert tensor parallelism */
    double ep_shown;                /* share of them that shows beside other work */
};

/* Of communication that runs beside other work, the share that still shows: its kernels hold 16 to 32 of the
 * 108 or 132 multiprocessors, and memory bandwidth (NCCL's channels; arXiv 2402.15627 and 2405.04434 say
 * likewise). */
extern const double COMMUNICATION_INTERFERENCE;

/* What is still seen of `communication` when `window` seconds of other work run beside it: all that is longer
 * than the window, and `share` of what fits in. */
double communication_exposed(double communication, double window, double share);

/* Fill `time` with what a layer sends for a micro-batch, but for its routed experts; with what those send;
 * with what embedding and head send. `compute` gives the windows to hide in. Terms are added to `explain`,
 * which may be NULL. */
void communication_layer(const struct communication_problem *problem, bool with_experts,
                         const struct compute_time *compute, struct communication_time *time,
                         struct explain *explain);
void communication_routed_experts(const struct communication_problem *problem,
                                  struct communication_time *time, struct explain *explain);
void communication_embedding(const struct communication_problem *problem, struct communication_time *time,
                             struct explain *explain);
void communication_head(const struct communication_problem *problem, struct communication_time *time,
                        struct explain *explain);

/* Seconds of one transfer of a micro-batch to the next stage, before overlap. */
double communication_hop_seconds(const struct communication_problem *problem);

/* Whether weights are gathered, and gradients scattered, layer by layer: under ZeRO-3, and FSDP's ZeRO-2. */
bool communication_is_sharded(const struct training *training, const struct layout *layout);

/* Seconds for the parameters and gradients of the stage that needs longest; not yet overlapped. */
struct communication_state {
    double reduce; /* gradients of a step (ZeRO-2: of a micro-batch) */
    double gather; /* parameters after the optimizer (ZeRO-1 and 2) */
    double tied;   /* the shared embedding's gradient between first and last stage */
    /* Where communication_is_sharded, else 0: of a dense and of an expert layer, and of the vocabulary. */
    double layer_gather[2], layer_scatter[2];
    double layer_parameters[2]; /* gathered */
    double vocabulary_gather, vocabulary_scatter;
    double vocabulary_parameters;
    double parameters;         /* of the stage with the longest optimizer step */
    double sharded_parameters; /* those of them that one device updates */
};
void communication_state_of(const struct communication_problem *problem, struct communication_state *state,
                            struct explain *explain);
/* What is sent for sharded layers and vocabulary alone; leaves the rest as it is. */
void communication_sharded_of(const struct communication_problem *problem, struct communication_state *state);

#endif
