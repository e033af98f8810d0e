/* Times that no layout of a frame or split can beat. Internal to the search. */
#ifndef CLUSTERPLAN_SEARCH_BOUND_H
#define CLUSTERPLAN_SEARCH_BOUND_H

#include "planner/cost.h"
#include "planner/search_space.h"

/* The least of cost_bound over the leaves of all splits of a frame. */
double search_bound_frame(const struct search_problem *problem, struct cost_context *context,
                          const struct layout *frame);

/* The least of cost_bound over the leaves of a split. */
double search_bound_split(const struct search_problem *problem, struct cost_context *context,
                          const struct layout *split);

/* The least of cost_bound over all schedules, orders and shardings of a layout. */
double search_bound_variant(const struct search_problem *problem, struct cost_context *context,
                            const struct layout *variant);

/* The least device-seconds of a sequence over all frames of any number of devices; `arena` holds working
 * space. */
double search_bound_work(const struct search_problem *problem, struct arena *arena);

#endif
