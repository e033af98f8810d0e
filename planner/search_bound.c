#include "planner/search_bound.h"

#include <math.h>

static bool allows(const struct search_problem *problem, enum layout_key key, int64_t value) {
    return layout_request_allows(&problem->request, key, value);
}

/* The recompute mode that repeats least of those allowed: they are in that order. */
static enum recompute least_recompute(const struct search_problem *problem) {
    int recompute = RECOMPUTE_NONE;
    while (recompute < RECOMPUTE_FULL && !allows(problem, LAYOUT_RECOMPUTE, recompute))
        recompute++;
    return (enum recompute)recompute;
}

/* Overlap hides: as much of it as is allowed is fastest. */
static struct layout_overlap most_overlap(const struct search_problem *problem) {
    const struct stack *stack = problem->training.stack;
    const struct layout_request *request = &problem->request;
    bool free_tp = request->keys[LAYOUT_OVERLAP_TP].count == 0;
    bool free_dp = request->keys[LAYOUT_OVERLAP_DP].count == 0;
    bool free_pp = request->keys[LAYOUT_OVERLAP_PP].count == 0;
    return (struct layout_overlap){free_tp ? stack->overlap_tp : allows(problem, LAYOUT_OVERLAP_TP, 1),
                                   free_dp ? stack->overlap_dp : allows(problem, LAYOUT_OVERLAP_DP, 1),
                                   free_pp ? stack->overlap_pp : allows(problem, LAYOUT_OVERLAP_PP, 1)};
}

/* Schedules but DualPipe take at least what 1F1B's passes do, and DualPipe hides exchanges. The order of the
 * ranks matters to a layer only where a group of experts reaches beyond tp x cp. */
double search_bound_variant(const struct search_problem *problem, struct cost_context *context,
                            const struct layout *variant) {
    struct layout layout = *variant;
    bool orders = layout.pp > 1 && layout.ep * layout.etp > layout.tp * layout.cp;
    bool exchanges = layout.pp > 1 && layout.ep * layout.etp > 1;
    double least = HUGE_VAL;
    for (int order = 0; order < ORDER_COUNT; order++) {
        if (order > 0 && !orders)
            break;
        layout.order = (enum rank_order)order;
        layout.schedule = SCHEDULE_1F1B;
        least = fmin(least, cost_bound(context, &layout));
        layout.schedule = SCHEDULE_DUALPIPE;
        if (exchanges && search_may_run(problem, SCHEDULE_DUALPIPE))
            least = fmin(least, cost_bound(context, &layout));
    }
    return least;
}

/* Over sequence parallelism, with the least recompute and the most overlap. */
static double
least_bound(const struct search_problem *problem, struct cost_context *context, const struct layout *open,
            double (*bound)(const struct search_problem *, struct cost_context *, const struct layout *)) {
    struct layout layout = *open;
    double least = HUGE_VAL;
    layout.recompute = least_recompute(problem);
    layout.overlap = most_overlap(problem);
    for (int value = 0; value < (layout.tp > 1 ? 2 : 1); value++) {
        layout.sequence_parallel = value != 0;
        if (allows(problem, LAYOUT_SEQUENCE_PARALLEL, value))
            least = fmin(least, bound(problem, context, &layout));
    }
    return least;
}

double search_bound_split(const struct search_problem *problem, struct cost_context *context,
                          const struct layout *split) {
    return least_bound(problem, context, split, search_bound_variant);
}

static double bound_any_experts(const struct search_problem *problem, struct cost_context *context,
                                const struct layout *layout) {
    (void)problem;
    return cost_bound_any_experts(context, layout);
}

double search_bound_frame(const struct search_problem *problem, struct cost_context *context,
                          const struct layout *frame) {
    return least_bound(problem, context, frame, bound_any_experts);
}

/* The least over tp and cp with one micro-batch of so many sequences. */
static double work_of_micro_batch(const struct search_problem *problem, int64_t sequences,
                                  struct arena *arena) {
    const struct model *model = problem->model;
    struct search_problem one = *problem;
    double least = HUGE_VAL, fixed = problem->training.stack->step_seconds;
    one.training.global_batch = sequences;
    struct cost_context *context = cost_context_create(arena, model, problem->cluster, &one.training);
    for (int64_t tp = 1; tp <= model->heads; tp++)
        for (int64_t cp = 1; cp <= problem->training.sequence; cp++) {
            const struct layout frame = {
                .tp = tp, .pp = 1, .vpp = 1, .cp = cp, .ep = 1, .etp = 1, .dp = 1, .micro_batch = sequences};
            char why[128];
            if (problem->training.sequence % cp == 0 && allows(problem, LAYOUT_TP, tp) &&
                allows(problem, LAYOUT_CP, cp) &&
                layout_valid(&frame, model, problem->training.sequence, sequences, why, sizeof why))
                least = fmin(least, (search_bound_frame(&one, context, &frame) - fixed) * (double)(tp * cp) /
                                        (double)sequences);
        }
    return least;
}

/* What a frame's bound is made of depends on tp, cp and micro-batch alone: pp and dp deal the same work to
 * more devices, and stragglers are fewest on the fewest. So frames of tp x cp devices stand for all. */
double search_bound_work(const struct search_problem *problem, struct arena *arena) {
    const struct layout_request *request = &problem->request;
    size_t given = request->keys[LAYOUT_MICRO_BATCH].count;
    double least = HUGE_VAL;
    for (size_t i = 0; i < given; i++)
        least = fmin(least, work_of_micro_batch(problem, request->keys[LAYOUT_MICRO_BATCH].values[i], arena));
    for (int64_t size = 1; given == 0 && size <= SEARCH_MAX_MICRO_BATCH; size++)
        least = fmin(least, work_of_micro_batch(problem, size, arena));
    return isfinite(least) ? least : 0;
}
