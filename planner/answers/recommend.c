#include "planner/answers/recommend.h"

#include <math.h>

#include "planner/search/search_choices.h"

const double RECOMMEND_OFFLOAD_SHARE = 0.05;

/* The same problem for plans that move nothing out. */
static struct search_problem without_offload(const struct search_problem *problem) {
    struct search_problem plain = *problem;
    layout_request_fix(&plain.request, LAYOUT_OFFLOAD, OFFLOAD_NONE);
    plain.plans_only = true;
    return plain;
}

/* The longest step that is preferred to that of `fastest`. */
static double longest_step(const struct search_problem *problem, const struct plan *fastest) {
    double longest = fastest->step.seconds / (1 - RECOMMEND_OFFLOAD_SHARE);
    double wished = problem->wished_seconds > 0 ? problem->wished_seconds : problem->limit_seconds;
    return wished > 0 ? fmin(longest, wished) : longest;
}

static void take(const struct search_result *plain, const struct plan *fastest,
                 struct search_result *result) {
    result->plans = plain->plans;
    result->plan_count = plain->plan_count;
    result->plans[0].rival = fastest;
}

bool recommend_run(const struct search_problem *problem, struct arena *arena, struct search_result *result,
                   struct error *error) {
    struct search_problem second = without_offload(problem);
    struct search_result plain;
    struct error ignored = {0}; /* what the first could split, so can this */
    if (!search_run(problem, arena, result, error))
        return false;
    if (!problem->weighs_offload || result->plan_count == 0 ||
        result->plans[0].layout.offload == OFFLOAD_NONE)
        return true;
    const struct plan *fastest = &result->plans[0];
    double longest = longest_step(problem, fastest);
    if (problem->top == 1) /* else runners-up are asked for, however slow */
        second.limit_seconds = longest;
    if (!search_run(&second, arena, &plain, &ignored))
        return true;
    search_counts_add(&plain.looked, &result->looked);
    if (plain.plan_count > 0 && plain.plans[0].step.seconds <= longest)
        take(&plain, fastest, result);
    return true;
}

/* Of what moves something out, over what doesn't. */
static double percent_saved(const struct plan *moving, const struct plan *plain) {
    return 100 * (1 - moving->step.seconds / plain->step.seconds);
}

/* What the stack lacks is tried where nothing else fits, and would have to be added to it. */
static void note_needed(struct problem *problem, enum offload offload) {
    const char *stack = problem->search.training.stack->name;
    if (search_usual_offloads(&problem->search) & 1U << offload)
        problem_note(problem, "nothing fits without offload");
    else
        problem_note(problem, "nothing fits with what %s can move out: it lacks offload=%s", stack,
                     offload_names[offload]);
}

static const char *offload_flag(const struct problem *problem, enum offload offload) {
    return layout_request_flag(&problem->search.request, LAYOUT_OFFLOAD, offload, problem->arena);
}

void recommend_note(struct problem *problem, const struct plan *best, struct search_counts *sums) {
    struct search_problem second = without_offload(&problem->search);
    struct search_result plain;
    struct error ignored = {0};
    if (!problem->search.weighs_offload)
        return;
    if (best->rival) {
        const char *moved = offload_names[best->rival->layout.offload];
        problem_note(problem,
                     "offload=%s takes %.2g %% less time (%s): by itself offload is taken "
                     "where it saves %.0f %%",
                     moved, percent_saved(best->rival, best),
                     offload_flag(problem, best->rival->layout.offload), 100 * RECOMMEND_OFFLOAD_SHARE);
    } else if (best->layout.offload != OFFLOAD_NONE) {
        second.top = 1;
        second.limit_seconds = 0;
        bool posed = search_run(&second, problem->arena, &plain, &ignored);
        search_counts_add(&plain.looked, sums);
        if (posed && plain.plan_count > 0)
            problem_note(problem, "offload takes %.3g %% less time than the best without (%s)",
                         percent_saved(best, plain.plans), offload_flag(problem, OFFLOAD_NONE));
        else
            note_needed(problem, best->layout.offload);
    }
}
