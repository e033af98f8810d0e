/* The best so many layouts seen, in order. Internal to the search.
 *
 * The order is total (time, then the keys one by one), so what a pool holds at the end does not depend on the
 * order in which layouts came. */
#ifndef CLUSTERPLAN_SEARCH_POOL_H
#define CLUSTERPLAN_SEARCH_POOL_H

#include <stdbool.h>
#include <stddef.h>

#include "planner/inputs/layout.h"

struct candidate {
    struct layout layout;
    double seconds;
};

struct search_pool {
    struct candidate *candidates; /* best first */
    size_t count, room;
    /* Of layouts that are alike by this the best one alone; NULL: all. */
    bool (*alike)(const struct layout *a, const struct layout *b);
};

/* Less than, equal to or greater than 0, as strcmp. */
int candidate_compare(const struct candidate *a, const struct candidate *b);

/* True when two layouts deal model, data and states to the devices in the same way: they differ in no more
 * than micro-batch, schedule and its chunks, ZeRO stage, recompute, sequence parallelism, order, overlap, and
 * in what they move out, if both move anything. */
bool layout_same_split(const struct layout *a, const struct layout *b);

/* The same, and alike in schedule, chunks and recompute too. */
bool layout_alike(const struct layout *a, const struct layout *b);

void search_pool_add(struct search_pool *pool, const struct candidate *candidate);

/* A layout slower than this can't enter: infinite while there is room, less than all in a pool without any.
 */
double search_pool_limit(const struct search_pool *pool);

/* The same for this layout: in a distinct pool it has to beat the one it is alike. */
double search_pool_limit_of(const struct search_pool *pool, const struct layout *layout);

#endif
