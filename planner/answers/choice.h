/* How well predictions choose: among layouts of one question that were all measured, which one is predicted
 * to be the quickest, and by how much it was slower than the one that was.
 *
 * A search picks by predictions, so it picks what is predicted too quick. Errors of single runs don't show
 * what that costs. */
#ifndef CLUSTERPLAN_CHOICE_H
#define CLUSTERPLAN_CHOICE_H

#include <stdbool.h>
#include <stddef.h>

#include "planner/answers/validate.h"

/* Whether two runs are of one source and agree in all but the layout: in model, cluster, devices, training.
 */
bool choice_same_question(const struct run *a, const struct run *b);

/* Runs of one source that agree in model, cluster, devices and training, and differ in the layout. */
struct choice {
    const struct validated_run *best;   /* the quickest as measured */
    const struct validated_run *chosen; /* the quickest as predicted, of those that are said to fit */
    size_t layouts;                     /* that ran; runs of the same layout count once, by their mean */
    size_t ran_out;                     /* layouts that ran out of memory */
    size_t ran_out_first;               /* and are said to fit and predicted to be quicker than the chosen */
    /* Measured over the best's - 1: of the chosen layout, on the mean of all (any of them), and of what a
     * rule of thumb takes: the least recomputation, then the least tp, then the least pp, then the largest
     * micro-batch, of those that ran. */
    double regret, any_regret, rule_regret;
    double rank_correlation; /* Kendall's tau of predicted and measured times, -1 to 1 */
};

/* Means over the choices, and how many of these are of so little regret; all 0 for none. */
struct choice_summary {
    size_t choices, layouts, ran_out, ran_out_first;
    double regret, largest_regret, any_regret, rule_regret, rank_correlation;
    size_t within_2_percent, within_5_percent, within_10_percent;
};

struct choices {
    struct choice *items; /* in the order of their first runs, owned by the arena */
    size_t count;
    struct choice_summary summary;
};

/* All questions of which so many layouts or more ran. */
enum { CHOICE_LEAST_LAYOUTS = 3 };
struct choices choices_find(const struct validation *validation, struct arena *arena);

#endif
