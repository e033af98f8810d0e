/* The space of layouts of a problem, in three steps of freedom.
 *
 * A frame is tp, pp, cp, dp and micro-batch; a split a frame with ep and etp; the leaves of a split are all
 * combinations of the other keys that go with it. Frames are few, splits many, leaves very many: only frames
 * are stored, the rest is made when a frame or split is opened. Internal to the search. */
#ifndef CLUSTERPLAN_SEARCH_SPACE_H
#define CLUSTERPLAN_SEARCH_SPACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "planner/cost/cost_bound.h"
#include "planner/cost/stage_balance.h"
#include "planner/search/search_choices.h"

/* Sequences a micro-batch may have where the request leaves it free: published runs have at most 64. */
enum { SEARCH_MAX_MICRO_BATCH = 64 };

/* Schedules that a frame can run, as a mask of 1 << enum schedule. */
struct frame_schedules {
    unsigned mask;
    bool unequal;                    /* some chunks are */
    struct cost_ends whole, chunked; /* without chunks; the least of all ways, with them and without */
};

/* Modes of a frame that are asked for: with sequence parallelism and without. */
enum { SEARCH_ASKED_MODES = 2 };

/* No ep x etp has room. */
static const int32_t FRAME_NO_ROOM = INT32_MAX;

/* What all leaves of a frame that need least memory have in common; zero -1 where that depends on the split.
 */
struct frame_thrift {
    int32_t zero_group, zero, offload;
    bool keeps, moves; /* activations stay on the device in some leaves, lie elsewhere in some */
};

struct frame {
    int32_t tp, pp, cp, dp, micro_batch;
    int32_t first_stage_layers, last_stage_layers; /* as in struct layout */
    int32_t split_group;                           /* place among the space's */
    struct frame_schedules schedules;
    struct frame_schedules later; /* of those with larger micro-batches too; the search sets it */
    int64_t leaves;               /* of all its splits */
    struct frame_thrift thrift;
    /* Fewer ep x etp have no room, 0: not looked at yet; fewer have none for whole weights. */
    int32_t least_ranks, whole_ranks;
    bool bounded;                      /* `bounds` are known, of each mode that is asked for */
    double bounds[SEARCH_ASKED_MODES]; /* seconds that no leaf takes less of */
};

/* Splits that the frames of one pp have in common: they deal the same number of ranks. */
struct split_group {
    size_t first, count;             /* in the space's expert_splits */
    size_t first_ranks, ranks_count; /* in the space's ranks: what ep x etp may be, rising */
};

struct search_space {
    struct frame *frames; /* owned, as are the next three; search_space_free */
    struct expert_split *expert_splits;
    int64_t *ranks;
    struct split_group *split_groups;
    size_t count, expert_split_count, split_group_count, ranks_count;
    size_t most_splits; /* of any frame */
    int64_t layouts;    /* leaves of all frames */
};

/* All frames of the problem that have leaves. `offloads`: a bit 1 << enum offload of each that is tried where
 * the request leaves that free. What balances the stages is kept in the context. */
void search_space_build(const struct search_problem *problem, struct cost_context *context, unsigned offloads,
                        struct search_space *space);
void search_space_free(struct search_space *space);

/* Keeps the lesser of each. */
void search_keep_least_ends(const struct cost_ends *ends, struct cost_ends *least);

/* The ends that balance the stages of layouts of this tp and pp (stage_balance_ends); they are weighed with
 * the least micro-batch asked for, and experts dealt out within a node, or as asked for first. */
size_t search_balanced_ends(const struct search_problem *problem, struct cost_context *context, int64_t tp,
                            int64_t pp, const struct stage_ends **ends);

/* The splits of a frame, and the layout of one: its keys, ep and etp; the rest at 0, vpp 1. */
const struct expert_split *frame_splits(const struct search_space *space, const struct frame *frame,
                                        size_t *count);
struct layout frame_split(const struct frame *frame, const struct expert_split *experts);
struct layout frame_layout(const struct frame *frame); /* ep and etp 1 */

#endif
