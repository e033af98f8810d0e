/* Time that the host needs to launch a layer's kernels. Where that is longer than the kernels take, the
 * device waits for it. */
#ifndef CLUSTERPLAN_LAUNCH_H
#define CLUSTERPLAN_LAUNCH_H

#include "common/cluster.h"
#include "planner/inputs/layout.h"
#include "planner/inputs/model.h"
#include "planner/inputs/training.h"

/* Seconds of a layer and micro-batch. */
struct launch_time {
    double forward;
    double backward; /* with weight gradients */
    int calls;       /* of a forward pass, besides those of any layer of its kind */
};

/* The least time of a layer without routed experts. */
struct launch_time launch_dense_layer(const struct training *training);

/* An ep that stands for whatever split of the experts the host launches quickest. */
enum { LAUNCH_ANY_EP = 0 };

/* The least time of a layer with routed experts. Of the layout ep counts, which says how many experts a
 * device holds, tp and etp, whose collectives are called, and pp and vpp, which say how many layers share the
 * cost of a stage's pass; of the cluster its device and, where the dispatcher is left open, how many are in a
 * node. More where the exchange of tokens runs beside another micro-batch (training.routing.overlap). */
struct launch_time launch_expert_layer(const struct model *model, const struct cluster *cluster,
                                       const struct training *training, const struct layout *layout);

#endif
