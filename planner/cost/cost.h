/* What one step of a layout costs: compute, communication and pipeline put together. */
#ifndef CLUSTERPLAN_COST_H
#define CLUSTERPLAN_COST_H

#include <stdbool.h>
#include <stddef.h>

#include "common/cluster.h"
#include "planner/cost/memory.h"
#include "planner/cost/pipeline.h"
#include "planner/explain.h"
#include "planner/inputs/layout.h"
#include "planner/inputs/model.h"
#include "planner/inputs/training.h"

/* Exposed seconds of the slowest path; the parts add up to `seconds`. */
struct step_cost {
    double seconds;
    double compute; /* forward and backward without recompute, host and launch time included */
    double recompute;
    double tp, ep, cp, pp, dp; /* exposed communication */
    double bubble;
    double optimizer; /* its memory traffic (and link), and what a step costs in any case */
    double offload;   /* exposed streaming of weights, gradients and activations */
};

/* One problem: what many layouts are costed for. Holds the per-layer costs already reckoned, so it is not
 * const and not shared between threads. A layout whose parts are known is costed without allocation. */
struct cost_context;

struct cost_context *cost_context_create(struct arena *arena, const struct model *model,
                                         const struct cluster *cluster, const struct training *training);

/* True when it was created for this model and cluster, by their addresses. */
bool cost_context_is_of(const struct cost_context *context, const struct model *model,
                        const struct cluster *cluster);

/* For another global batch. What depends on the number of devices is kept in `arena` from now on, until the
 * next call. */
void cost_context_renew(struct cost_context *context, int64_t global_batch, struct arena *arena);

/* The model's layers weighed, for the ends of its pipelines (stage_balance.h). */
struct stage_balance *cost_stage_balance(struct cost_context *context);

/* The layout must be valid (layout_valid) for the context's model and training. */
void cost_evaluate(struct cost_context *context, const struct layout *layout, enum pipeline_method method,
                   struct step_cost *cost, struct explain *explain);

/* True where a layout never gets faster by moving activations or optimizer states out of the device: neither
 * store nor host updates states faster than the device does. */
bool cost_offload_only_adds(const struct cluster *cluster);

/* What all stages together do at least for a micro-batch, the same for all layouts that differ in pp, vpp,
 * dp, ZeRO, offload alone, and in the schedule as long as both are DualPipe or neither is. */
void cost_least_work(struct cost_context *context, const struct layout *layout, struct pipeline_work *work);

struct expert_split {
    int64_t ep, etp;
    size_t place; /* cost_expert_place */
};

/* Names an ep and etp that the model can have. */
size_t cost_expert_place(const struct cost_context *context, int64_t ep, int64_t etp);

/* The same, quickly, for one split after the other of those that a layout leaves open, in either order of the
 * ranks (`any_order`) or where groups lie near: `splits` are all that are of use for its tp x cp x dp, and
 * the row that holds their routed experts is kept for the next layout with as many tokens a rank. NULL for
 * models without experts. */
struct expert_row;
const struct expert_row *cost_expert_row(struct cost_context *context, const struct layout *layout,
                                         const struct expert_split *splits, size_t count);
void cost_least_work_in_row(struct cost_context *context, const struct layout *layout,
                            const struct expert_row *row, const struct expert_split *split, bool any_order,
                            struct pipeline_work *work);

/* Less than the same, as one number, of one split after the other, more quickly still. */
struct cost_row_work {
    const struct expert_row *row;
    double others, layers; /* seconds but of routed experts; how many layers have them */
    double forward_passes, exchange_share;
};
/* Of the layouts that differ in the split alone; `hides_exchange`: some run a schedule that does. */
void cost_row_work_of(struct cost_context *context, const struct layout *layout, bool hides_exchange,
                      const struct expert_row *row, struct cost_row_work *work);
/* Seconds of forward and backward passes; `any_order`: the least over both orders of the ranks, else as if
 * groups lay near. */
double cost_row_work(const struct cost_row_work *work, const struct expert_split *split, bool any_order);

/* The same for all splits of the row in either order of the ranks, under schedules other than DualPipe. */
void cost_least_work_of_row(struct cost_context *context, const struct layout *layout,
                            const struct expert_row *row, struct pipeline_work *work);

/* The same whatever ep, etp, order and schedule are too. */
void cost_least_work_any_experts(struct cost_context *context, const struct layout *layout,
                                 struct pipeline_work *work);

/* And in proportion to the sequences of its micro-batch, as no smaller or larger one takes less of. */
void cost_least_work_any_micro_batch(struct cost_context *context, const struct layout *layout,
                                     struct pipeline_work *work);

/* What moving things out of the device adds at least to a layout: its passes take no less than what streams
 * beside them, and the update outside no less than the seconds returned. Needs its memory's parts. */
struct memory_parts;
double cost_least_offload(const struct cost_context *context, const struct memory_parts *parts,
                          struct pipeline_work *work);
/* Seconds that all layers' activations of a micro-batch take at least to go out, as long as to come back. */
double cost_least_stream(const struct cost_context *context, const struct memory_parts *parts);
void cost_stream_beside(double seconds, struct pipeline_work *work);

/* Of layouts that recompute in full this share of the layers of each virtual stage, its first ones, or more:
 * the share of what full recompute of all adds that they take at least. */
double cost_recomputed_share(const struct cost_context *context, double share);
void cost_blend_work(struct pipeline_work *work, const struct pipeline_work *other, double share);

/* What turns the work of a micro-batch into a step: the same for all layouts that share tp, pp, cp, dp and
 * micro-batch. */
struct cost_pace {
    int64_t stages, micro_batches;
    double most_layers; /* of the kind that counts: however they are dealt out, a stage has so many */
    double straggler_factor, fixed_seconds;
};
void cost_pace_of(struct cost_context *context, const struct layout *layout, struct cost_pace *pace);

/* Seconds that no step with so much work takes less of, by whatever schedule: a pipeline's busiest device is
 * at least as busy as the average of all, and as whole layers make it, so a step takes micro-batches x that,
 * and what it costs in any case. */
double cost_bound(const struct cost_pace *pace, enum schedule schedule, const struct pipeline_work *work);

/* The same with the bubble of a schedule and vpp. The step by closed form takes no less, but by
 * simulation it may (pipeline.h). */
double cost_bound_closed_form(const struct cost_pace *pace, enum schedule schedule, int64_t vpp,
                              const struct pipeline_work *work);

/* Model FLOPs utilisation of a step. */
double cost_mfu(const struct model *model, const struct cluster *cluster, const struct training *training,
                const struct layout *layout, double step_seconds);

/* A whole training: steps, days with interruptions (Daly's optimal checkpoint interval), cost, energy. */
struct training_cost {
    double tokens, steps, days, device_hours;
    double cost;        /* dollars: device hours x price + energy x its price; 0: neither price is known */
    double energy_cost; /* the second part */
    double
        goodput; /* share of the time that is not lost to checkpoints and restarts; 1 when no MTBF is known */
    double energy_joules; /* 0: unknown */
};
/* Its steps, and the share of the time that so many devices make progress. */
double cost_steps(const struct training *training);

/* Dollars a second while `devices` compute and `paid` are paid for, and how many of them for energy. */
double cost_rate(const struct cluster *cluster, double paid, double devices);
double cost_energy_rate(const struct cluster *cluster, double devices);

double cost_goodput(const struct model_counts *counts, const struct cluster *cluster, int64_t devices);

void cost_training(const struct model *model, const struct cluster *cluster, const struct training *training,
                   const struct layout *layout, double step_seconds, struct training_cost *cost);

#endif
