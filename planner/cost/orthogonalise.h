/* Time of Muon's orthogonalisation of a step's updates. Internal to the cost model. */
#ifndef CLUSTERPLAN_ORTHOGONALISE_H
#define CLUSTERPLAN_ORTHOGONALISE_H

#include "planner/inputs/layout.h"
#include "planner/inputs/model.h"

struct cluster_device;

/* Seconds that a device spends on its share of so many layers without and with experts, 1 / pp of the
 * model's: five steps of Newton-Schulz on each matrix (arXiv 2502.16982, section 2.1), in bf16. Matrices are
 * dealt to the replicas whole, by all ranks of tp alike (Megatron-LM, --muon-tp-mode duplicated); without
 * ZeRO each replica does all of them. Embedding and head are Adam's. */
double orthogonalise_seconds(const struct model *model, const struct cluster_device *device,
                             const struct layout *layout, double dense_layers, double expert_layers);

#endif
