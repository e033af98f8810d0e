/* Least work and bounds: what no layout of a set takes less of, found without costing each of them. The
 * search leaves sets out by it.
 *
 * Work is what all pipeline stages together do for one micro-batch; cost_bound makes a step of it. A set is
 * what is fixed of a layout, from narrow to wide:
 *
 *   cost_least_work                  pp, vpp, dp, ZeRO and offload are open
 *   cost_least_work_in_row           the same, quickly for one ep and etp after the other
 *   cost_least_work_of_row           and ep, etp and the order of the ranks
 *   cost_least_work_any_experts      and the schedule
 *   cost_least_work_any_micro_batch  and the micro-batch */
#ifndef CLUSTERPLAN_COST_BOUND_H
#define CLUSTERPLAN_COST_BOUND_H

#include "planner/cost/cost.h"

/* The least work of all layouts that differ from `layout` in pp, vpp, dp, ZeRO and offload alone, and in the
 * schedule as long as both are DualPipe or neither is. */
void cost_least_work(struct cost_context *context, const struct layout *layout, struct pipeline_work *work);

/* A choice of ep and etp. */
struct expert_split {
    int64_t ep, etp;
    size_t place; /* cost_expert_place */
};

/* The place of an ep and etp, which the model can have, in the context's tables of routed experts. */
size_t cost_expert_place(const struct cost_context *context, int64_t ep, int64_t etp);

/* What routed experts take with each of `splits`, which are all that are of use for the layout's tp x cp x
 * dp. The row is kept for the next layout with as many tokens a rank. NULL for models without experts. */
struct expert_row;
const struct expert_row *cost_expert_row(struct cost_context *context, const struct layout *layout,
                                         const struct expert_split *splits, size_t count);

/* As cost_least_work with the ep and etp of `split`. `any_order`: the lesser of both orders of the ranks;
 * else as if groups lay near (ORDER_TP_CP_DP_PP). */
void cost_least_work_in_row(struct cost_context *context, const struct layout *layout,
                            const struct expert_row *row, const struct expert_split *split, bool any_order,
                            struct pipeline_work *work);

/* The least work of all splits of the row in either order of the ranks, under schedules other than DualPipe.
 */
void cost_least_work_of_row(struct cost_context *context, const struct layout *layout,
                            const struct expert_row *row, struct pipeline_work *work);

/* The least work whatever ep, etp, order and schedule are. */
void cost_least_work_any_experts(struct cost_context *context, const struct layout *layout,
                                 struct pipeline_work *work);

/* The least work of as many sequences as the layout's micro-batch has, in a micro-batch of any size. */
void cost_least_work_any_micro_batch(struct cost_context *context, const struct layout *layout,
                                     struct pipeline_work *work);

/* What cost_least_work_in_row gives, or less, as one number: seconds of forward and backward passes. Quicker
 * still, as all that the splits of a row share is summed up once. */
struct cost_row_work {
    const struct expert_row *row; /* NULL for models without experts */
    double others;                /* seconds of all but routed experts */
    double layers;                /* how many layers have them */
    double forward_passes;        /* with recomputation */
    double exchange_share;        /* of their exchange, that counts */
};
/* `hides_exchange`: some schedule of the set hides the experts' exchange. */
void cost_row_work_of(struct cost_context *context, const struct layout *layout, bool hides_exchange,
                      const struct expert_row *row, struct cost_row_work *work);
double cost_row_work(const struct cost_row_work *work, const struct expert_split *split, bool any_order);

/* Seconds that the activations of a micro-batch, of all layers, take at least to leave the device; as long
 * again to come back. */
struct memory_parts;
double cost_least_stream(const struct cost_context *context, const struct memory_parts *parts);

/* Makes each pass of `work` at least as long as the `seconds` that stream beside it. */
void cost_stream_beside(double seconds, struct pipeline_work *work);

/* Makes work as long as what streams beside it, and returns the seconds that an update outside the device
 * takes at least. `parts`: of the layout, activations included. */
double cost_least_offload(const struct cost_context *context, const struct memory_parts *parts,
                          struct pipeline_work *work);

/* For layouts that recompute in full at least this share of the layers of each virtual stage, its first ones:
 * the share that they take at least of what full recompute of all layers adds. */
double cost_recomputed_share(const struct cost_context *context, double share);

/* Moves work towards another by a share of the difference. */
void cost_blend_work(struct pipeline_work *work, const struct pipeline_work *other, double share);

/* Layers of the kind that counts, of a way to deal out a model: of the last stage, further predictions
 * included, and of the first chunks of all stages before it. */
struct cost_ends {
    double last, before;
};
void cost_ends_of(const struct cost_context *context, const struct layout *layout, struct cost_ends *ends);

/* What turns the work of a micro-batch into a step: the same for all layouts that share tp, pp, cp, dp, ends
 * and micro-batch. The ends are left to the caller. */
struct cost_pace {
    int64_t stages, micro_batches;
    double most_layers; /* of the kind that counts: however they are dealt out, a stage has so many */
    struct cost_ends whole, chunked; /* without chunks; of all ways to interleave that are of use */
    double straggler_factor, fixed_seconds;
};
void cost_pace_of(struct cost_context *context, const struct layout *layout, struct cost_pace *pace);

/* Seconds that no step with so much work takes less of under a schedule: a pipeline's busiest device is at
 * least as busy as the average of all, and as whole layers make it, and what the last one has besides is
 * known (pipeline_least_seconds). */
double cost_bound(const struct cost_pace *pace, enum schedule schedule, const struct pipeline_work *work);

#endif
