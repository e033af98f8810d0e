/* How many layers the ends of a pipeline should have, so that embedding, head and loss, further predictions
 * and first dense layers weigh as much as the layers they displace. */
#ifndef CLUSTERPLAN_STAGE_BALANCE_H
#define CLUSTERPLAN_STAGE_BALANCE_H

#include "planner/inputs/layout.h"
#include "planner/inputs/model.h"

struct stage_ends {
    int64_t first, last; /* as layout's first_stage_layers and last_stage_layers */
};

/* What parts of a model weigh, in any unit, as whole numbers: their sums have to be exact, so that equal
 * stages are equal. */
struct stage_weights {
    double dense, experts;  /* of a layer of either kind */
    double embedding, head; /* of what stands before the first layer, and behind the last */
};

/* The layers of a model, weighed. Keeps what it found, so it is not const. Lives in the arena; the model has
 * to live as long. */
struct stage_balance;
struct stage_balance *stage_balance_create(const struct model *model, const struct stage_weights *weights,
                                           struct arena *arena);

/* Ends for each number of chunks that layers can be dealt to, so many at most. */
enum { STAGE_BALANCE_MOST = 6 };

/* For each number of chunks, 1 included, that ends can be divided by, the ends whose busiest stage has least
 * to do; of equals those with the fewest layers on the first stage, which memory fills first. Left out are
 * those no better than layout_chunk_layers' rule for as many chunks, or than ends for more of them, and what
 * makes the busiest stage so busy that interleaving can't make up for it. Returns how many. */
size_t stage_balance_ends(struct stage_balance *balance, int64_t pp, const struct stage_ends **ends);

#endif
