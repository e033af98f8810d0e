/* Memory of all leaves of a split, what they share reckoned once. Internal to the search. */
#ifndef CLUSTERPLAN_SEARCH_LEAVES_H
#define CLUSTERPLAN_SEARCH_LEAVES_H

#include "planner/memory_parts.h"
#include "planner/search_space.h"

/* Sequence parallelism x recompute: what activations depend on within a split. */
enum { LEAF_ACTIVATIONS = 2 * RECOMPUTE_COUNT };

struct leaves {
    const struct search_problem *problem;
    const struct split_choices *choices;
    struct layout layouts[LEAF_ACTIVATIONS];
    struct memory_parts parts[LEAF_ACTIVATIONS]; /* each points at its layout */
    size_t count;
};

void leaves_init(struct leaves *leaves, const struct search_problem *problem,
                 const struct split_choices *choices);

/* Sets the schedule, sharding and offload that the following calls are about. */
void leaves_choose(struct leaves *leaves, size_t schedule, size_t sharding, bool offload);

/* Bytes that are held against the device, without activations: no leaf of the choice needs less. */
double leaves_least_bytes(const struct leaves *leaves);

/* Memory of variant `index` < count; its layout is leaves->layouts[index]. */
void leaves_memory(const struct leaves *leaves, size_t index, struct memory_use *use);

#endif
