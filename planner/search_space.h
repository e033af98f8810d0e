/* The space of layouts of a problem: splits of the devices, and what can be chosen for each of them.
 *
 * A split is tp, pp, cp, dp, ep, etp and micro-batch. Its leaves are all combinations of the other keys that
 * go with it. Splits are few and small, leaves many: bounds are reckoned for splits, and leaves made when a
 * split is opened. Internal to the search. */
#ifndef CLUSTERPLAN_SEARCH_SPACE_H
#define CLUSTERPLAN_SEARCH_SPACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "planner/search.h"

/* Sequences a micro-batch may have where the request leaves it free: published runs have at most 64. */
enum { SEARCH_MAX_MICRO_BATCH = 64 };

struct split {
    int32_t tp, pp, cp, dp, ep, etp, micro_batch;
    int32_t leaves;
    double bound_seconds; /* no leaf takes less; 0 until reckoned */
};

struct search_space {
    struct split *splits; /* owned; search_space_free */
    size_t count;
    int64_t layouts; /* leaves of all splits */
};

enum { SEARCH_MAX_SCHEDULES = 64, SEARCH_MAX_SHARDINGS = 64 };

/* What a split leaves open. Every combination is a layout, and a valid one. */
struct split_choices {
    struct layout base; /* the split, with everything else at its first choice */
    struct {
        enum schedule schedule;
        int64_t vpp;
    } schedules[SEARCH_MAX_SCHEDULES];
    size_t schedule_count;
    struct {
        int64_t zero, group;
    } shardings[SEARCH_MAX_SHARDINGS];
    size_t sharding_count;
    enum recompute recomputes[RECOMPUTE_COUNT];
    size_t recompute_count;
    bool sequence_parallel[2];
    size_t sequence_parallel_count;
    enum rank_order orders[ORDER_COUNT];
    size_t order_count;
    struct layout_overlap overlaps[8];
    size_t overlap_count;
    bool offloads[2];
    size_t offload_count;
};

/* All splits of the problem that have leaves. `offload` says whether optimizer states go to the host where
 * the request leaves that free. */
void search_space_build(const struct search_problem *problem, bool offload, struct search_space *space);
void search_space_free(struct search_space *space);

/* A layout of the split, everything else at its first choice. */
struct layout split_layout(const struct split *split);

/* False when the split has no leaf. */
bool split_choices_make(const struct search_problem *problem, bool offload, const struct split *split,
                        struct split_choices *choices);

/* Leaves of a split: the product of all counts. */
int64_t split_choices_count(const struct split_choices *choices);

#endif
