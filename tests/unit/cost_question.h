/* Questions to the cost model, as its tests ask them. */
#ifndef CLUSTERPLAN_TESTS_COST_QUESTION_H
#define CLUSTERPLAN_TESTS_COST_QUESTION_H

#include "planner/cost/cost.h"

static inline struct training training_of(int64_t sequence, int64_t global_batch) {
    return (struct training){.sequence = sequence,
                             .global_batch = global_batch,
                             .precision = PRECISION_BF16,
                             .attention = ATTENTION_FLASH,
                             .stack = stack_default()};
}

/* tp 8, pp 8, dp 4, all overlapped. */
static inline struct layout dense_layout(void) {
    return (struct layout){.tp = 8,
                           .pp = 8,
                           .vpp = 1,
                           .cp = 1,
                           .ep = 1,
                           .etp = 1,
                           .dp = 4,
                           .micro_batch = 1,
                           .sequence_parallel = true,
                           .zero = 1,
                           .overlap = {true, true, true}};
}

static inline struct step_cost cost_on(const struct cluster *cluster, const struct model *model,
                                       const struct training *training, const struct layout *layout) {
    struct arena *arena = arena_create();
    struct step_cost cost;
    cost_evaluate(cost_context_create(arena, model, cluster, training), layout, PIPELINE_CLOSED_FORM, &cost,
                  NULL);
    arena_destroy(arena);
    return cost;
}

#endif
