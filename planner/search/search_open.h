/* A search as it runs, and what it does with a split that is of use. Internal to the search. */
#ifndef CLUSTERPLAN_SEARCH_OPEN_H
#define CLUSTERPLAN_SEARCH_OPEN_H

#include "planner/search/search_bound.h"
#include "planner/search/search_leaves.h"
#include "planner/search/search_pool.h"

struct open_split {
    size_t place; /* among the frame's splits */
    double bound;
};

struct search {
    const struct search_problem *problem;
    struct arena *arena; /* of the search alone: caches, simulation */
    struct cost_context *context;
    struct search_pool best; /* layouts, by simulated seconds */
    double limit;            /* seconds above which a layout is of no use */
    struct search_result *result;
    struct expert_split
        *with_room; /* of the frame that is open; as many as any frame has, as of the next two */
    struct open_split *splits;
    double *bounds;
    struct search_modes asked[2]; /* search_modes_asked: without tensor parallelism, with it */
    bool only_adds;               /* cost_offload_only_adds */
};

/* search.c: whether a bound says that a layout is of no use. */
bool search_is_pruned(const struct search *search, double bound);

/* search.c: costs a layout that fits and keeps it, unless one is known that beats it: that one is of no use,
 * but counts. */
void search_cost(struct search *search, const struct layout *layout, bool beaten);

/* Costs the leaves of a split that are of use. */
void search_open_split(struct search *search, const struct open_frame *open, size_t place,
                       const struct split_choices *choices);

#endif
