/* Times that no layout of a split can beat. Internal to the search. */
#ifndef CLUSTERPLAN_SEARCH_BOUND_H
#define CLUSTERPLAN_SEARCH_BOUND_H

#include "planner/search.h"
#include "planner/search_space.h"

struct search_bounds;

struct search_bounds *search_bounds_create(const struct search_problem *problem, struct arena *arena);

/* Seconds of a step of any layout with the split of `layout`, its sequence parallelism and its recompute.
 *
 * Every schedule keeps its busiest device busy for all micro-batches of its layers, and the busiest is at
 * least as busy as the average: micro-batches x (all layers, embedding, head) / pp, compute alone. All else
 * that a step costs (communication, bubble, optimizer, host) comes on top. */
double search_bound(struct search_bounds *bounds, const struct layout *layout);

/* The least of search_bound over all layouts of a split. */
double search_bound_split(struct search_bounds *bounds, const struct split *split);

#endif
