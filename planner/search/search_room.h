/* What memory leaves of a frame, before its layouts are looked at. Internal to the search. */
#ifndef CLUSTERPLAN_SEARCH_ROOM_H
#define CLUSTERPLAN_SEARCH_ROOM_H

#include "planner/search/search_recompute.h"
#include "planner/search/search_space.h"

/* What all leaves of some modes take at least: recompute of its mode, or none and a share of what all layers'
 * full recompute adds; activations streamed meanwhile. */
struct search_mode {
    bool sequence_parallel;
    enum recompute recompute;
    int64_t modules;
    double share, streamed_seconds;
};

/* The modes of a frame's leaves that are of use; as they are asked for one of a kind of sequence parallelism.
 */
enum { SEARCH_MAX_MODES = 2 * (1 + SEARCH_MAX_KINDS) };
struct search_modes {
    struct search_mode modes[SEARCH_MAX_MODES];
    size_t count;
    /* By sequence parallelism: the first kind of recompute (search_recompute_kinds) with room for activations
     * on the device; their count: none has. */
    int first_kind[2];
    bool moves;                    /* activations may lie elsewhere */
    struct layout_overlap overlap; /* the most there is */
};

/* All that the request allows of frames with tensor parallelism, or without. False when that is nothing. */
bool search_modes_asked(const struct search_problem *problem, bool tensor_parallel,
                        struct search_modes *modes);

/* Of modes that were asked, those that some leaf of the frame, or of one of its splits, has room for. False
 * when there is none. `split` may be NULL. */
bool search_modes_with_room(const struct search_problem *problem, const struct cost_context *context,
                            const struct search_space *space, const struct frame *frame,
                            const struct expert_split *split, struct search_modes *modes);

/* Bytes that no leaf of the frame is held against a device for less than. */
double search_frame_least_bytes(const struct search_problem *problem, const struct search_space *space,
                                const struct frame *frame);

/* Finds which splits and ZeRO stages have room for a frame's weights, gradients and optimizer alone, whatever
 * the micro-batch: least_ranks, whole_ranks. */
void search_frame_find_room(const struct search_problem *problem, const struct search_space *space,
                            struct frame *frame);

/* 3 where no lower ZeRO stage of the split has room and weights are thus gathered for each micro-batch, else
 * 0. */
int64_t search_least_zero(const struct frame *frame, const struct expert_split *split);

/* False when no leaf of the split has room for its weights, gradients and optimizer alone. */
bool search_split_has_room(const struct search_problem *problem, const struct split_choices *choices);

#endif
