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

/* Of what layout blocks are weighed: one micro-batch under 1F1B, without cp and recompute. */
struct balance_sizes {
    int64_t tp, ep, micro_batch; /* ep divides the experts; 1 without */
};

/* The model's layers and ends weighed by their seconds, for the ends of its pipelines (stage_balance.h). */
struct stage_balance *cost_stage_balance(struct cost_context *context, const struct balance_sizes *sizes);

/* Fills `cost` with the step of a layout, and adds its terms to `explain`, which may be NULL. The layout must
 * be valid (layout_valid) for the context's model and training. */
void cost_evaluate(struct cost_context *context, const struct layout *layout, enum pipeline_method method,
                   struct step_cost *cost, struct explain *explain);

/* True where a layout never gets faster by moving activations or optimizer states out of the device: neither
 * store nor host updates states faster than the device does. */
bool cost_offload_only_adds(const struct cluster *cluster);

#endif
