/* Times that no layout of a split can beat. Internal to the search. */
#ifndef CLUSTERPLAN_SEARCH_BOUND_H
#define CLUSTERPLAN_SEARCH_BOUND_H

#include "planner/cost.h"
#include "planner/search_space.h"

/* The least of cost_bound over the leaves of a split. */
double search_bound(const struct search_problem *problem, struct cost_context *context,
                    const struct split *split);

#endif
