#include "planner/report/print_shapes.h"

#include <string.h>

#include "planner/report/print_data.h"
#include "planner/report/print_words.h"

enum { INDENT = 2 };

static bool has_days(const struct problem *problem) {
    return problem->search.training.tokens > 0;
}

/* "3.1 s to 3.6 s", or one figure where both read the same. */
static const char *between(struct arena *arena, const char *least, const char *most) {
    return strcmp(least, most) == 0 ? least : arena_print(arena, "%s to %s", least, most);
}

static const char *quantities(struct arena *arena, struct shapes_range range, enum unit unit) {
    return between(arena, print_quantity(arena, range.least, unit), print_quantity(arena, range.most, unit));
}

const char *print_shapes_sentence(const struct problem *problem, struct arena *arena) {
    const struct shapes *shapes = problem->shapes;
    struct shapes_range devices, days;
    const char *time, *missing = "";
    if (shapes == NULL)
        return NULL;
    if (shapes->answered == 0)
        return arena_print(arena, "The shape is not known: none of %zu plausible ones has an answer.",
                           shapes->count);
    devices = shapes_range_of(shapes, shapes_devices);
    days = shapes_range_of(shapes, shapes_days);
    time = has_days(problem)
               ? arena_print(arena, ", %s days",
                             between(arena, print_days(arena, days.least), print_days(arena, days.most)))
               : "";
    if (shapes->answered < shapes->count)
        missing = arena_print(arena, "; %zu of them ha%s no answer", shapes->count - shapes->answered,
                              shapes->count - shapes->answered == 1 ? "s" : "ve");
    return arena_print(
        arena, "The shape is not known: over %zu plausible ones, %s device%s, a step of %s, %s a device%s%s.",
        shapes->count,
        between(arena, print_count(arena, (int64_t)devices.least), print_count(arena, (int64_t)devices.most)),
        units_plural((int64_t)devices.most),
        quantities(arena, shapes_range_of(shapes, shapes_step), UNIT_SECONDS),
        quantities(arena, shapes_range_of(shapes, shapes_memory), UNIT_BYTES), time, missing);
}

static void add_row(const struct problem *problem, const struct shape *shape, struct print_table *table,
                    struct arena *arena) {
    const struct model *model = shape->model;
    const struct plan *plan = shape->plan;
    print_table_add(table,
                    (const char *const[]){
                        shape->what, print_count(arena, model->layers), print_count(arena, model->hidden),
                        print_count(arena, model->kv_heads), print_count(arena, model->vocab),
                        plan ? print_count(arena, plan->devices) : "-",
                        plan ? print_quantity(arena, plan->step.seconds, UNIT_SECONDS) : "-",
                        plan ? print_percent(arena, plan->mfu) : "-",
                        plan ? print_quantity(arena, plan->memory.per_device_bytes, UNIT_BYTES) : "-",
                        plan && has_days(problem) ? print_days(arena, plan->total.days) : ""});
}

void print_shapes_table(const struct problem *problem, const struct print_style *style, struct arena *arena,
                        FILE *stream) {
    const struct shapes *shapes = problem->shapes;
    const struct print_column columns[] = {{"shape", false}, {"layers", true},
                                           {"hidden", true}, {"kv heads", true},
                                           {"vocab", true},  {"devices", true},
                                           {"step", true},   {"MFU", true},
                                           {"memory", true}, {has_days(problem) ? "days" : "", true}};
    if (shapes == NULL)
        return;
    struct print_table *table = print_table_create(arena, columns, 10);
    for (size_t i = 0; i < shapes->count; i++)
        add_row(problem, &shapes->all[i], table, arena);
    print_heading("Shapes of this size", style, stream);
    print_table_print(table, style, INDENT, stream);
    print_paragraph("  ", print_shapes_sentence(problem, arena), stream);
}

static json_t *range_data(struct shapes_range range) {
    json_t *data = json_array();
    json_array_append_new(data, print_data_number(range.least));
    json_array_append_new(data, print_data_number(range.most));
    return data;
}

static json_t *shape_data(const struct problem *problem, const struct shape *shape) {
    const struct plan *plan = shape->plan;
    json_t *data = json_object();
    json_object_set_new(data, "what", print_data_text(shape->what));
    json_object_set_new(data, "layers", print_data_number((double)shape->model->layers));
    json_object_set_new(data, "hidden", print_data_number((double)shape->model->hidden));
    json_object_set_new(data, "kv_heads", print_data_number((double)shape->model->kv_heads));
    json_object_set_new(data, "vocab", print_data_number((double)shape->model->vocab));
    json_object_set_new(data, "devices", plan ? print_data_number((double)plan->devices) : json_null());
    json_object_set_new(data, "step_time", plan ? print_data_number(plan->step.seconds) : json_null());
    json_object_set_new(data, "mfu", plan ? print_data_number(plan->mfu) : json_null());
    json_object_set_new(data, "memory",
                        plan ? print_data_number(plan->memory.per_device_bytes) : json_null());
    json_object_set_new(data, "days",
                        plan && has_days(problem) ? print_data_number(plan->total.days) : json_null());
    return data;
}

json_t *print_shapes_data(const struct problem *problem) {
    const struct shapes *shapes = problem->shapes;
    json_t *data, *all;
    bool any;
    if (shapes == NULL)
        return NULL;
    data = json_object();
    all = json_array();
    any = shapes->answered > 0;
    for (size_t i = 0; i < shapes->count; i++)
        json_array_append_new(all, shape_data(problem, &shapes->all[i]));
    json_object_set_new(data, "devices",
                        any ? range_data(shapes_range_of(shapes, shapes_devices)) : json_null());
    json_object_set_new(data, "step_time",
                        any ? range_data(shapes_range_of(shapes, shapes_step)) : json_null());
    json_object_set_new(data, "memory",
                        any ? range_data(shapes_range_of(shapes, shapes_memory)) : json_null());
    json_object_set_new(data, "days",
                        any && has_days(problem) ? range_data(shapes_range_of(shapes, shapes_days))
                                                 : json_null());
    json_object_set_new(data, "tried", all);
    return data;
}
