/* Memory and bounds of all leaves of a split, what they share reckoned once. Internal to the search. */
#ifndef CLUSTERPLAN_SEARCH_LEAVES_H
#define CLUSTERPLAN_SEARCH_LEAVES_H

#include "planner/memory_parts.h"
#include "planner/search_space.h"

struct leaves {
    const struct search_problem *problem;
    const struct split_choices *choices;
    struct layout layouts[SPLIT_MAX_VARIANTS];
    struct memory_parts parts[SPLIT_MAX_VARIANTS]; /* each points at its layout */
    struct pipeline_work work[SPLIT_MAX_VARIANTS]
                             [ORDER_COUNT]; /* by place in choices->orders, where reckoned */
    bool has_work[SPLIT_MAX_VARIANTS];
    size_t count;
};

/* None yet. */
void leaves_init(struct leaves *leaves, const struct search_problem *problem,
                 const struct split_choices *choices);

/* Adds a variant of the split: its sequence parallelism and recompute. */
void leaves_add(struct leaves *leaves, const struct layout *variant);

/* Sets the schedule, sharding and offload that the following calls are about. */
void leaves_choose(struct leaves *leaves, size_t schedule, size_t sharding, enum offload offload);

/* Bytes that are held against the device, without activations: no leaf of the choice needs less. */
double leaves_least_bytes(const struct leaves *leaves);

/* Bounds of variant `index` < count in the order of the ranks at place `order` of the choices. */
void leaves_bound(struct leaves *leaves, struct cost_context *context, const struct cost_pace *pace,
                  size_t index, size_t order, struct search_bound *bound);

/* Memory of variant `index` < count; its layout is leaves->layouts[index]. */
void leaves_memory(const struct leaves *leaves, size_t index, struct memory_use *use);

#endif
