#include "planner/answers/expert_load.h"

/* Of routers left to themselves, the step times of published runs tell 1 to 2 (docs/accuracy.md, "How evenly
 * experts are loaded"). */
static const double UNEVEN = 1.5;

static bool is_assumed(const struct plan *plan) {
    return plan->model->experts.count > 0 && plan->model->experts.capacity_factor <= 0 &&
           plan->training.routing.imbalance <= 0 && plan->layout.ep > 1;
}

void expert_load_note(struct problem *problem, const struct plan *plan) {
    struct search_problem search = problem->search;
    struct plan uneven;
    if (!is_assumed(plan))
        return;
    search.training = plan->training;
    search.training.routing.imbalance = UNEVEN;
    search_evaluate(&search, &plan->layout, problem->arena, &uneven, NULL);
    problem_note(
        problem,
        "experts loaded evenly to %.0f %%; with %.2g times the mean on the fullest device a step takes "
        "%.0f %% longer%s (--training \"routing: {imbalance: %.2g}\"; published runs: 1 to 2)",
        100 * (training_imbalance(&plan->training) - 1), UNEVEN,
        100 * (uneven.step.seconds / plan->step.seconds - 1),
        memory_fits(&uneven.memory) ? "" : ", and memory is too small", UNEVEN);
}
