#include "planner/search_bound.h"

#include <math.h>

static bool allows(const struct search_problem *problem, enum layout_key key, int64_t value) {
    return layout_request_allows(&problem->request, key, value);
}

/* The recompute mode that repeats least of those allowed: they are in that order. */
static enum recompute least_recompute(const struct search_problem *problem) {
    int recompute = RECOMPUTE_NONE;
    while (recompute < RECOMPUTE_FULL && !allows(problem, LAYOUT_RECOMPUTE, recompute))
        recompute++;
    return (enum recompute)recompute;
}

/* Overlap hides: as much of it as is allowed is fastest. */
static struct layout_overlap most_overlap(const struct search_problem *problem) {
    const struct stack *stack = problem->training.stack;
    const struct layout_request *request = &problem->request;
    bool free_tp = request->keys[LAYOUT_OVERLAP_TP].count == 0;
    bool free_dp = request->keys[LAYOUT_OVERLAP_DP].count == 0;
    bool free_pp = request->keys[LAYOUT_OVERLAP_PP].count == 0;
    return (struct layout_overlap){free_tp ? stack->overlap_tp : allows(problem, LAYOUT_OVERLAP_TP, 1),
                                   free_dp ? stack->overlap_dp : allows(problem, LAYOUT_OVERLAP_DP, 1),
                                   free_pp ? stack->overlap_pp : allows(problem, LAYOUT_OVERLAP_PP, 1)};
}

double search_bound(const struct search_problem *problem, struct cost_context *context,
                    const struct split *split) {
    struct layout layout = split_layout(split);
    /* The order of the ranks matters to a layer only where a group of experts reaches beyond tp x cp. */
    bool orders = split->pp > 1 && split->ep * split->etp > split->tp * split->cp;
    double least = HUGE_VAL;
    layout.recompute = least_recompute(problem);
    layout.overlap = most_overlap(problem);
    if (split->pp > 1 && allows(problem, LAYOUT_SCHEDULE, SCHEDULE_DUALPIPE))
        layout.schedule = SCHEDULE_DUALPIPE; /* hides what others don't */
    for (int value = 0; value <= (split->tp > 1); value++)
        for (int order = 0; order <= (orders ? 1 : 0); order++) {
            layout.sequence_parallel = value != 0;
            layout.order = (enum rank_order)order;
            if (allows(problem, LAYOUT_SEQUENCE_PARALLEL, value) && allows(problem, LAYOUT_ORDER, order))
                least = fmin(least, cost_bound(context, &layout));
        }
    return least;
}
