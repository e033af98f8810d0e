/* Times that no layout of a frame or split can beat. Internal to the search. */
#ifndef CLUSTERPLAN_SEARCH_BOUND_H
#define CLUSTERPLAN_SEARCH_BOUND_H

#include "planner/cost.h"
#include "planner/search_room.h"

/* Of all leaves of a frame in some modes. */
void search_bound_frame(const struct search_problem *problem, struct cost_context *context,
                        const struct frame *frame, const struct search_modes *modes,
                        struct search_bound *bound);

/* The same, closer: of all its splits. */
void search_bound_splits(const struct search_problem *problem, struct cost_context *context,
                         const struct frame *frame, const struct expert_split *splits, size_t count,
                         const struct search_modes *modes, struct search_bound *bound);

/* Of those of one of its splits. */
void search_bound_split(const struct search_problem *problem, struct cost_context *context,
                        const struct frame *frame, const struct expert_split *split,
                        const struct search_modes *modes, struct search_bound *bound);

/* Of all leaves of a variant of a split. */
void search_bound_variant(const struct search_problem *problem, struct cost_context *context,
                          const struct frame *frame, const struct layout *variant,
                          struct search_bound *bound);

/* The least device-seconds of a sequence over all frames of any number of devices; `arena` holds working
 * space. */
double search_bound_work(const struct search_problem *problem, struct arena *arena);

#endif
