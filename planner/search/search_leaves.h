/* Memory and bounds of all leaves of a split, what they share reckoned once. Internal to the search. */
#ifndef CLUSTERPLAN_SEARCH_LEAVES_H
#define CLUSTERPLAN_SEARCH_LEAVES_H

#include "planner/cost/memory_parts.h"
#include "planner/search/search_space.h"

struct leaves {
    const struct search_problem *problem;
    const struct split_choices *choices;
    struct layout layouts[SPLIT_MAX_VARIANTS];
    struct memory_parts parts[SPLIT_MAX_VARIANTS]; /* each points at its layout */
    struct pipeline_work work[SPLIT_MAX_VARIANTS]
                             [ORDER_COUNT]; /* by place in choices->orders, where reckoned */
    struct pipeline_work whole_work[SPLIT_MAX_VARIANTS]
                                   [ORDER_COUNT]; /* of partial ones, if all were recomputed */
    bool has_work[SPLIT_MAX_VARIANTS];
    double plain[SPLIT_MAX_VARIANTS][ORDER_COUNT]; /* 0: not reckoned of the schedule yet */
    bool has_room[SPLIT_MAX_VARIANTS];
    bool of_use[SPLIT_MAX_VARIANTS];        /* in the schedule that is chosen */
    bool partial[SPLIT_MAX_VARIANTS];       /* recompute of some layers, as many as leaves_limit says */
    struct stage_parts stages[STAGES_KEPT]; /* of the schedule that is chosen */
    size_t count;
    int64_t least_zero;       /* the stage of all that have room for their weights, or 0 */
    int64_t chunk_layers;     /* the most of any virtual stage, of the schedule that is chosen */
    struct cost_ends chunked; /* of that schedule, where it is interleaved and it was asked for */
    bool has_chunked;
};

/* None yet. `least_zero`: search_least_zero. */
void leaves_init(struct leaves *leaves, const struct search_problem *problem,
                 const struct split_choices *choices, int64_t least_zero);

/* Adds a variant of the split: its sequence parallelism and recompute, of some layers or not; `has_room`
 * false: only with its activations moved out. */
void leaves_add(struct leaves *leaves, const struct layout *variant, bool partial, bool has_room);

/* How many layers of a virtual stage at least are to be recomputed, where variant `index` recomputes none and
 * needs more than there is. */
int64_t leaves_least_layers(const struct leaves *leaves, size_t index, const struct memory_use *use);

/* No more than that, more quickly: without buffers. */
int64_t leaves_least_layers_roughly(const struct leaves *leaves, size_t index);

/* Sets how many layers a partial variant recomputes. */
void leaves_limit(struct leaves *leaves, size_t index, int64_t layers);

/* The fewest layers, from that one to `most`, with which a partial variant fits, which it is limited to then,
 * with its memory; 0 where it never does. */
int64_t leaves_fewest_layers(struct leaves *leaves, size_t index, int64_t most, struct memory_use *use);

/* Sets the schedule that the following calls are about, then the sharding and offload. */
void leaves_choose_schedule(struct leaves *leaves, size_t schedule);
void leaves_choose(struct leaves *leaves, size_t sharding, enum offload offload);

/* Bytes that are held against the device, without activations: no leaf of the choice needs less. */
double leaves_least_bytes(const struct leaves *leaves);

/* False where no leaf of the choice fits: for want of room on the device, or for what is moved out of it. */
bool leaves_have_room(const struct leaves *leaves);

/* The same below, whatever the sharding and whatever is moved out. */
double leaves_plain_bound(struct leaves *leaves, struct cost_context *context, const struct cost_pace *pace,
                          size_t index, size_t order);

/* Bounds of variant `index` < count, of a partial one with as many layers as it is limited to, in the order
 * of the ranks at place `order` of the choices. */
double leaves_bound(struct leaves *leaves, struct cost_context *context, const struct cost_pace *pace,
                    size_t index, size_t order);

/* Memory of variant `index` < count; its layout is leaves->layouts[index]. */
void leaves_memory(const struct leaves *leaves, size_t index, struct memory_use *use);

#endif
