/* What a split leaves open: its leaves are all combinations of these keys. Internal to the search. */
#ifndef CLUSTERPLAN_SEARCH_CHOICES_H
#define CLUSTERPLAN_SEARCH_CHOICES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "planner/search/search.h"
#include "planner/search/search_recompute.h"

enum {
    SEARCH_MAX_SCHEDULES = 64,
    SEARCH_MAX_SHARDINGS = 64,
    SEARCH_MAX_RECOMPUTES = SEARCH_MAX_KINDS + 1 + LAYOUT_MAX_CHOICES
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
        int kind; /* place among search_recompute_kinds' */
        enum recompute mode;
        int64_t modules;
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

/* Whether the request says nothing of a key, or this among others. */
bool search_allows(const struct search_problem *problem, enum layout_key key, int64_t value);

/* True where the cluster has no other way to hold a large model than to stream it. */
bool search_only_streams(const struct cluster *cluster);

/* What may be moved out where the request leaves it free, each a bit 1 << enum offload: what the stack moves,
 * where the cluster has a place for it, or all where it only streams; and the rest, which is tried where
 * nothing fits. */
unsigned search_usual_offloads(const struct search_problem *problem);
unsigned search_further_offloads(const struct search_problem *problem);

/* Chunks of a pipeline are equal, embedding and loss counted as a layer each or not. Unequal ones are
 * searched where the stack deals them out and no number of equal ones goes with pp: the most chunks. */
bool search_has_equal_chunks(const struct model *model, int64_t pp, int64_t vpp);
bool search_may_interleave(const struct search_problem *problem, int64_t pp, int64_t vpp);

/* Whether the request fixes tp, pp, cp, dp, ep and etp; of the first four any three fix the other. */
bool search_has_one_split(const struct search_problem *problem);

/* False when the split has no leaf. */
bool split_choices_make(const struct search_problem *problem, unsigned offloads, const struct layout *split,
                        struct split_choices *choices);

/* Its parts: schedules and their chunks; all others, which no schedule matters to. They are of choices->base.
 */
void split_choices_schedules(const struct search_problem *problem, struct split_choices *choices);
void split_choices_others(const struct search_problem *problem, unsigned offloads,
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

#endif
