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

#include "planner/search.h"

/* Sequences a micro-batch may have where the request leaves it free: published runs have at most 64. */
enum { SEARCH_MAX_MICRO_BATCH = 64 };

/* Schedules that a frame can run, as a mask of 1 << enum schedule, and the most chunks it can be interleaved
 * in. */
struct frame_schedules {
    unsigned mask;
    int32_t most_chunks;
    bool unequal; /* some chunks are */
};

/* Seconds that no layout of some takes less of: of a step, however its pipeline is simulated, and by the
 * closed form.
 */
struct search_bound {
    double step_seconds, closed_form_seconds;
};

struct frame {
    int32_t tp, pp, cp, dp, micro_batch;
    int32_t first_stage_layers, last_stage_layers; /* as in struct layout */
    int32_t split_group;                           /* place among the space's */
    struct frame_schedules schedules;
    int64_t leaves; /* of all its splits */
    /* What all its leaves that need least memory have in common; zero -1 where that depends on the split. */
    int32_t zero_group;
    int32_t zero, offload;
    bool keeps, moves; /* activations stay on the device in some leaves, lie elsewhere in some */
    struct search_bound bound;
};

/* Splits that the frames of one pp have in common: they deal the same number of ranks. */
struct split_group {
    size_t first, count; /* in the space's expert_splits */
    int64_t most_ranks;  /* ep x etp of any */
};

struct search_space {
    struct frame *frames; /* owned, as are the next two; search_space_free */
    struct expert_split *expert_splits;
    struct split_group *split_groups;
    size_t count, expert_split_count, split_group_count;
    size_t most_splits; /* of any frame */
    int64_t layouts;    /* leaves of all frames */
};

enum {
    SEARCH_MAX_SCHEDULES = 64,
    SEARCH_MAX_SHARDINGS = 64,
    SEARCH_MAX_RECOMPUTES = RECOMPUTE_COUNT + 1 + LAYOUT_MAX_CHOICES
};

/* What a split leaves open. Every combination is a layout, and a valid one. */
struct split_choices {
    struct layout base; /* the split's layout */
    struct {
        enum schedule schedule;
        int64_t vpp;
        int64_t partials; /* numbers of layers that full recompute may be limited to */
    } schedules[SEARCH_MAX_SCHEDULES];
    size_t schedule_count;
    struct {
        int64_t zero, group;
    } shardings[SEARCH_MAX_SHARDINGS];
    size_t sharding_count;
    struct {
        enum recompute mode;
        int64_t layers; /* that full recompute is limited to */
        bool partial;   /* to any number of them below a chunk's: as many layouts as the schedule's partials,
                           where activations stay on the device */
    } recomputes[SEARCH_MAX_RECOMPUTES];
    size_t recompute_count;
    bool sequence_parallel[2];
    size_t sequence_parallel_count;
    enum rank_order orders[ORDER_COUNT];
    size_t order_count;
    struct layout_overlap overlaps[8];
    size_t overlap_count;
    enum offload offloads[OFFLOAD_COUNT];
    size_t offload_count;
    size_t keeping_count; /* of those that keep activations on the device */
};

/* What may be moved out where the request leaves it free, each a bit 1 << enum offload: what the stack moves,
 * where the cluster has a place for it; and the rest, which is tried where nothing fits. */
unsigned search_usual_offloads(const struct search_problem *problem);
unsigned search_further_offloads(const struct search_problem *problem);

/* All frames of the problem that have leaves. `offloads`: a bit 1 << enum offload of each that is tried where
 * the request leaves that free. What balances the stages is kept in the context. */
void search_space_build(const struct search_problem *problem, struct cost_context *context, unsigned offloads,
                        struct search_space *space);
void search_space_free(struct search_space *space);

/* The splits of a frame, and the layout of one: its keys, ep and etp; the rest at 0, vpp 1. */
const struct expert_split *frame_splits(const struct search_space *space, const struct frame *frame,
                                        size_t *count);
struct layout frame_split(const struct frame *frame, const struct expert_split *experts);

/* Chunks of a pipeline are equal, embedding and loss counted as a layer each or not. Unequal ones are
 * searched where the stack deals them out and no number of equal ones goes with pp: the most chunks. */
bool search_has_equal_chunks(const struct model *model, int64_t pp, int64_t vpp);
bool search_may_interleave(const struct search_problem *problem, int64_t pp, int64_t vpp);

/* Whether the request fixes tp, pp, cp, dp, ep and etp; of the first four any three fix the other. */
bool search_has_one_split(const struct search_problem *problem);

/* A plan is for software that is there: a schedule that the stack lacks is searched only when asked for. */
bool search_may_run(const struct search_problem *problem, enum schedule schedule);

/* False when the split has no leaf. */
bool split_choices_make(const struct search_problem *problem, unsigned offloads, const struct layout *split,
                        struct split_choices *choices);

/* Leaves of a split, and those of its choice `recompute` in one mode of sequence parallelism. */
int64_t split_choices_count(const struct split_choices *choices);
int64_t split_recompute_count(const struct split_choices *choices, size_t recompute);

/* Whether full recompute of some layers is searched: where the request says nothing of either key. */
bool search_has_partials(const struct search_problem *problem);

/* The layout of a split that needs least for weights, gradients and optimizer: a higher stage of ZeRO and a
 * larger group never need more, nor does offload, nor does any schedule less than 1F1B. */
struct layout split_thriftiest(const struct split_choices *choices);

/* Its variants: sequence parallelism and recompute chosen, the most overlap there is; variant i has recompute
 * i % recompute_count, what is partial of a layer. Returns how many. */
enum { SPLIT_MAX_VARIANTS = 2 * SEARCH_MAX_RECOMPUTES };
size_t split_variants(const struct split_choices *choices, struct layout *variants);

struct layout frame_layout(const struct frame *frame); /* ep and etp 1 */

#endif
