#include "planner/answers/expert_notes.h"

#include "planner/answers/settings.h"

/* Of routers left to themselves, the step times of published runs tell 1 to 2 (docs/accuracy-evidence.md,
 * "How evenly experts are loaded"). */
static const double UNEVEN = 1.5;
/* A hidden exchange is worth a word where it saves this share of a step. */
static const double WORTH_TELLING = 0.05;
/* What was assumed is told from this share on. */
static const double TOLD = 0.01;

/* The same layout trained otherwise. */
static struct plan trained(struct problem *problem, const struct plan *plan,
                           const struct training *training) {
    struct search_problem search = problem->search;
    struct plan other;
    search.training = *training;
    search_evaluate(&search, &plan->layout, problem->arena, &other, NULL);
    return other;
}

static struct plan routed(struct problem *problem, const struct plan *plan, const struct routing *routing) {
    struct training training = plan->training;
    training.routing = *routing;
    return trained(problem, plan, &training);
}

static const char *room_words(const struct plan *plan) {
    return memory_fits(&plan->memory) ? "" : ", and memory is too small";
}

static void note_load(struct problem *problem, const struct plan *plan) {
    struct routing uneven = plan->training.routing;
    if (plan->model->experts.capacity_factor > 0 || uneven.imbalance > 0 || uneven.balance == BALANCE_FORCED)
        return;
    uneven.imbalance = UNEVEN;
    const struct plan longer = routed(problem, plan, &uneven);
    problem_note(problem,
                 "experts loaded evenly to %.0f %%; with %.2g times the mean on the fullest device a step "
                 "takes %.0f %% longer%s (--training \"%s\"; published runs: 1 to 2)",
                 100 * (training_imbalance(&plan->training) - 1), UNEVEN,
                 100 * (longer.step.seconds / plan->step.seconds - 1), room_words(&longer),
                 settings_with(problem->settings, "routing.imbalance",
                               arena_print(problem->arena, "%.2g", UNEVEN), problem->arena));
}

static void note_exchange(struct problem *problem, const struct plan *plan) {
    struct routing hidden = plan->training.routing;
    if (hidden.overlap || plan->layout.schedule == SCHEDULE_DUALPIPE)
        return;
    hidden.overlap = true;
    const struct plan shorter = routed(problem, plan, &hidden);
    double saved = 1 - shorter.step.seconds / plan->step.seconds;
    if (saved >= WORTH_TELLING)
        problem_note(problem,
                     "tokens are exchanged while no compute runs; beside another micro-batch's a step takes "
                     "%.0f %% less%s (--training \"%s\", where the software can)",
                     100 * saved, room_words(&shorter),
                     settings_with(problem->settings, "routing.overlap", "true", problem->arena));
}

/* Of graphs that nobody asked for. */
static void note_graphs(struct problem *problem, const struct plan *plan) {
    struct training launched = plan->training;
    if (launched.cuda_graphs != GRAPHS_DEFAULT ||
        training_graphs(&launched, plan->model, &plan->cluster->device) == GRAPHS_NONE)
        return;
    launched.cuda_graphs = GRAPHS_NONE;
    const struct plan without = trained(problem, plan, &launched);
    double longer = without.step.seconds / plan->step.seconds - 1;
    if (longer < TOLD)
        return;
    problem_note(problem,
                 "attention, routers and dispatch replayed from CUDA graphs, as NVIDIA's recipes for Grace "
                 "have it; without a step takes %.0f %% longer (--training \"%s\")",
                 100 * longer, settings_with(problem->settings, "cuda_graphs", "false", problem->arena));
}

void expert_notes_add(struct problem *problem, const struct plan *plan) {
    if (!layout_exchanges_tokens(&plan->layout, plan->model))
        return;
    note_load(problem, plan);
    note_exchange(problem, plan);
    note_graphs(problem, plan);
}
