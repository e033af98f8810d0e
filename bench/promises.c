/* What a free search promises over what was run: promises RUNS... For each question of run files, the best
 * prediction of its measured layouts over that of the best layout that plan could offer, with the same
 * software, overlap and no offload. What laboratories tuned should leave little; what is promised beyond is
 * theirs that they did not look for it, or the model's that takes it for too cheap. */
#include <stdio.h>

#include "planner/answers/band.h"
#include "planner/answers/choice.h"

/* All that was published of a layout is free but for what the software can hide. */
static struct layout_request same_software(const struct run *run) {
    static const enum layout_key kept[] = {LAYOUT_OVERLAP_TP, LAYOUT_OVERLAP_DP, LAYOUT_OVERLAP_PP};
    struct layout_request request = {0};

    for (size_t i = 0; i < sizeof kept / sizeof *kept; i++)
        request.keys[kept[i]] = run->layout.keys[kept[i]];
    layout_request_fix(&request, LAYOUT_OFFLOAD, OFFLOAD_NONE);
    return request;
}

/* Prints stack, kind, file, run, what is promised beyond it (a fraction), and both layouts. */
static void print_promise(const struct validated_run *validated) {
    struct arena *arena = arena_create();
    const struct run *run = validated->run;
    const struct search_problem problem = {.model = &run->model,
                                           .cluster = validated->cluster,
                                           .training = run->training,
                                           .request = same_software(run),
                                           .devices = run->devices,
                                           .top = 1,
                                           .plans_only = true};
    const struct band_kind kind =
        band_kind_of(&run->model, &validated->cluster->device, run->training.precision);
    struct search_result result;
    struct error error = {0};
    char ran[512], offered[512];

    if (search_run(&problem, arena, &result, &error) && result.plan_count > 0)
        printf("%s\t%s\t%s\t%s\t%.4f\t%s\t%s\n", run->training.stack->name, band_kind_format(&kind, arena),
               validated->file, run->id, validated->predicted_step / result.plans[0].step.seconds - 1,
               layout_format(&validated->layout, ran, sizeof ran),
               layout_format(&result.plans[0].layout, offered, sizeof offered));
    arena_destroy(arena);
}

static bool was_timed(const struct validated_run *validated) {
    return validated->why == NULL && validated->run->measured.step_seconds > 0;
}

/* Of the runs of a question the one that is predicted to be the quickest; NULL where an earlier run is of the
 * same question. */
static const struct validated_run *best_of_question(const struct validation *validation, size_t first) {
    const struct validated_run *best = &validation->runs[first];

    for (size_t i = 0; i < validation->run_count; i++) {
        const struct validated_run *other = &validation->runs[i];

        if (!was_timed(other) || !choice_same_question(validation->runs[first].run, other->run))
            continue;
        if (i < first)
            return NULL;
        if (other->predicted_step < best->predicted_step)
            best = other;
    }
    return best;
}

int main(int argc, char **argv) {
    struct arena *arena = arena_create();
    const char *const *paths = (const char *const *)&argv[1];
    struct validation validation;
    struct error error = {0};

    if (!validate_files(paths, (size_t)(argc - 1), NULL, arena, &validation, &error)) {
        error_print(&error, stderr);
        arena_destroy(arena);
        return 2;
    }
    for (size_t i = 0; i < validation.run_count; i++) {
        const struct validated_run *best =
            was_timed(&validation.runs[i]) ? best_of_question(&validation, i) : NULL;

        if (best != NULL)
            print_promise(best);
    }
    arena_destroy(arena);
    return 0;
}
