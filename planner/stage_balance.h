/* How many layers the ends of a pipeline should have, so that embedding, head and loss, further predictions
 * and first dense layers weigh as much as the layers they displace. */
#ifndef CLUSTERPLAN_STAGE_BALANCE_H
#define CLUSTERPLAN_STAGE_BALANCE_H

#include "planner/layout.h"
#include "planner/model.h"

struct stage_ends {
    int64_t first, last; /* as layout's first_stage_layers and last_stage_layers */
};

/* The ends whose busiest stage has least to do, by the multiplications of a token of a sequence of so many
 * tokens; of equals those with the fewest layers on the first stage, which memory fills first. False where no
 * ends are better than layout_chunk_layers' rule. Stages are taken whole (vpp 1). */
bool stage_balance(const struct model *model, int64_t sequence, int64_t pp, struct arena *scratch,
                   struct stage_ends *ends);

#endif
