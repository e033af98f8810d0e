/* The best layouts of a problem, from the whole space. docs/search.md says how, and why that is exact. */
#ifndef CLUSTERPLAN_SEARCH_H
#define CLUSTERPLAN_SEARCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "planner/cost/cost.h"
#include "planner/cost/training_cost.h"
#include "planner/progress.h"

struct search_problem {
    const struct model *model;
    const struct cluster *cluster;
    struct training training;
    struct layout_request request;
    int64_t devices;
    size_t top;            /* how many plans to keep */
    bool exhaustive;       /* no bound removes a layout: all that fit are costed */
    bool simulates_all;    /* and also simulated, where the least they can take is too long to be of use */
    bool alike;            /* runners-up may be of the same split, and differ in the micro-batch alone */
    double limit_seconds;  /* slower steps are of no use, and no near miss is sought; 0: none is too slow */
    double wished_seconds; /* recommend_run: the longest step that is wished, where the limit is another; 0:
                              the limit */
    bool plans_only;       /* no near miss is sought when nothing fits */
    bool weighs_offload;   /* offload was left free: recommend_run takes it only where it is worth it */
    struct cost_context *context;    /* of this training, used again from search to search of its model and
                                        cluster; NULL: made anew */
    const struct progress *progress; /* may be NULL */
};

struct plan {
    const struct model *model;
    const struct cluster *cluster;
    struct training training;
    int64_t devices, nodes;
    struct layout layout;
    struct memory_use memory;
    struct step_cost step;
    double mfu;
    struct training_cost total; /* all 0 when no tokens were asked */
    const struct plan *rival;   /* faster, but not recommended (recommend.h); else NULL */
};

/* The best layout that was refused, and what refused it. */
struct near_miss {
    bool found;
    struct layout layout;
    struct memory_use memory;
    const char *bound; /* "memory", "divisibility" ... */
    char why[256];     /* "12.3 GiB over the device's 80 GB" */
};

/* How many layouts one search, or several, looked at: all there are, those costed, those that a bound
 * removed, those that fit in memory. */
struct search_counts {
    int64_t layouts, evaluated, pruned, feasible;
    double seconds;
};

void search_counts_add(const struct search_counts *more, struct search_counts *sums);

struct search_result {
    struct plan *plans; /* best first, owned by the arena */
    size_t plan_count;
    struct search_counts looked;
    struct near_miss nearest; /* set when nothing fits */
};

/* Finds the best plans. Where nothing fits that is a result too, with plan_count 0; false with the error set
 * only where no layout splits the devices at all. */
bool search_run(const struct search_problem *problem, struct arena *arena, struct search_result *result,
                struct error *error);

/* Restricts a free offload key to what is tried together with `offload`: what the stack moves out, or, where
 * `offload` is none of that, the rest. For searches that follow one that found `offload`. */
void search_keep_offloads(struct search_problem *problem, enum offload offload);

/* Device-seconds that no layout on any number of devices takes less of for a sequence: a step takes at least
 * global batch x this / devices. Neither devices nor batch of the problem matter. */
double search_least_work(const struct search_problem *problem);

/* One layout costed in full, the pipeline simulated; `explain` may be NULL. */
void search_evaluate(const struct search_problem *problem, const struct layout *layout, struct arena *arena,
                     struct plan *plan, struct explain *explain);

#endif
