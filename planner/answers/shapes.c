#include "planner/answers/shapes.h"

#include <math.h>

#include "planner/answers/size.h"

static void add(struct shapes *shapes, const char *what, const struct model *model, const struct plan *plan) {
    shapes->all[shapes->count++] = (struct shape){what, model, plan};
    shapes->answered += plan != NULL;
}

void shapes_find(struct problem *problem, const struct problem *asked, const struct plan *own,
                 shapes_question *find, void *data) {
    struct model_shape others[MODEL_OTHER_SHAPES];
    size_t count = model_other_shapes(&problem->model, others);
    const struct problem answered = *problem;
    struct model *models;
    struct shapes *shapes;
    if (count == 0)
        return;
    models = ARENA_ARRAY(problem->arena, struct model, count + 1);
    shapes = ARENA_NEW(problem->arena, struct shapes);
    models[0] = problem->model;
    add(shapes, "as derived", &models[0], own);
    for (size_t i = 0; i < count; i++) {
        *problem = *asked;
        models[i + 1] = problem->model = others[i].model;
        model_count(&problem->model, problem->search.training.sequence, &problem->counts);
        add(shapes, others[i].what, &models[i + 1], find(problem, data));
    }
    *problem = answered;
    problem->shapes = shapes;
}

struct size_question {
    const struct wish *wish;
    const struct progress *progress;
};

static const struct plan *find_size(struct problem *problem, void *data) {
    const struct size_question *question = data;
    struct size_result *result = ARENA_NEW(problem->arena, struct size_result);
    struct error ignored = {0}; /* a shape that no count splits has no answer */
    return size_find(problem, question->wish, question->progress, result, &ignored) ? result->best : NULL;
}

void shapes_find_sizes(struct problem *problem, const struct problem *asked, const struct wish *wish,
                       const struct progress *progress, const struct plan *own) {
    struct size_question question = {wish, progress};
    shapes_find(problem, asked, own, find_size, &question);
}

struct shapes_range shapes_range_of(const struct shapes *shapes, double (*figure)(const struct plan *plan)) {
    struct shapes_range range = {HUGE_VAL, 0};
    for (size_t i = 0; i < shapes->count; i++)
        if (shapes->all[i].plan != NULL) {
            range.least = fmin(range.least, figure(shapes->all[i].plan));
            range.most = fmax(range.most, figure(shapes->all[i].plan));
        }
    return range;
}

double shapes_step(const struct plan *plan) {
    return plan->step.seconds;
}

double shapes_memory(const struct plan *plan) {
    return plan->memory.per_device_bytes;
}

double shapes_devices(const struct plan *plan) {
    return (double)plan->devices;
}

double shapes_days(const struct plan *plan) {
    return plan->total.days;
}
