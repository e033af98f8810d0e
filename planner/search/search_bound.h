/* Times that no layout of a frame or split can beat. Internal to the search. */
#ifndef CLUSTERPLAN_SEARCH_BOUND_H
#define CLUSTERPLAN_SEARCH_BOUND_H

#include "planner/cost/cost_bound.h"
#include "planner/search/search_room.h"

/* A frame with what is known of it once it is opened. */
struct open_frame {
    const struct frame *frame;
    const struct frame_schedules *schedules; /* the frame's, or those of frames that follow it too */
    const struct expert_split *splits;
    size_t split_count;
    int64_t split_leaves; /* leaves of each split; of use where dp x cp is above 1, then all have as many */
    struct search_modes asked; /* modes that are asked for, and fast enough */
    struct search_modes modes; /* those of them that it may have room for */
    struct cost_pace pace;
    unsigned offloads;
};

/* Of all leaves of a frame in each of its modes; splits don't matter. */
void search_bound_frame(struct cost_context *context, const struct open_frame *open, double *bounds);
double search_least_bound(const double *bounds, size_t count);

/* The least of all modes of this frame and of those that have a larger micro-batch but are else as this, with
 * its schedules: by what sequences take in a micro-batch of any size, which is reckoned more quickly. */
double search_bound_larger(struct cost_context *context, const struct open_frame *open);

/* Leaves out modes whose bounds are above the limit. False when none is left. */
bool search_drop_modes(const double *bounds, double limit, struct search_modes *modes);

/* Leaves out modes that are above the limit with the experts that the frame's splits have, and modes that
 * another beats for sure: where activations that move out hide behind the passes, none that recomputes more
 * is faster. False when none is left. */
bool search_bound_modes(struct cost_context *context, double limit, struct open_frame *open);

/* Whether a mode of the kind is left. */
bool search_has_mode(const struct open_frame *open, bool sequence_parallel);

/* Of each of its splits, in as many bounds. A split that is above the limit may get any bound
 * that is. */
void search_bound_splits(struct cost_context *context, const struct open_frame *open, double limit,
                         double *bounds);

/* Of all leaves of one of them. */
double search_bound_split(struct cost_context *context, const struct open_frame *open, size_t split);

/* Of all leaves of a variant of a split. */
double search_bound_variant(struct cost_context *context, const struct open_frame *open, size_t split,
                            const struct layout *variant);

/* The least device-seconds of a sequence over all frames of any number of devices; `arena` holds working
 * space. */
double search_bound_work(const struct search_problem *problem, struct arena *arena);

#endif
