#include "planner/report/print_why_not.h"

#include "planner/report/print_data.h"
#include "planner/report/print_layout.h"
#include "planner/report/print_plan.h"
#include "planner/report/print_words.h"

enum { TEXT = 512, INDENT = 4 };

static const char *step_text(const struct why_not_layout *layout, struct arena *arena) {
    return layout->plan ? print_quantity(arena, layout->plan->step.seconds, UNIT_SECONDS) : "";
}

static void print_faster(const struct why_not *why_not, const struct print_style *style, struct arena *arena,
                         FILE *stream) {
    const struct plan *base = &why_not->base;
    const struct print_column columns[] = {{"step", true},
                                           {"saves", true},
                                           {"memory", true},
                                           {"over by", true},
                                           {"differs from the best in", false}};
    struct print_table *table = print_table_create(arena, columns, 5);
    for (size_t i = 0; i < why_not->faster_count; i++) {
        const struct plan *plan = why_not->faster[i].plan;
        double over = plan->memory.per_device_bytes - plan->memory.capacity_bytes;
        char difference[TEXT];
        print_table_add(
            table, (const char *const[]){
                       print_quantity(arena, plan->step.seconds, UNIT_SECONDS),
                       print_percent(arena, 1 - plan->step.seconds / base->step.seconds),
                       print_quantity(arena, plan->memory.per_device_bytes, UNIT_BYTES),
                       print_quantity(arena, over, UNIT_BYTES),
                       print_layout_difference(&base->layout, &plan->layout, difference, sizeof difference)});
    }
    print_table_print(table, style, INDENT, stream);
}

static void print_next(const struct why_not *why_not, const struct print_style *style, struct arena *arena,
                       FILE *stream) {
    const struct print_column columns[] = {
        {"instead", false}, {"step", true}, {"memory", true}, {"why not", false}};
    struct print_table *table = print_table_create(arena, columns, 4);
    for (size_t i = 0; i < why_not->next_count; i++) {
        const struct why_not_layout *next = &why_not->next[i];
        char value[LAYOUT_VALUE_SIZE];
        print_table_add(
            table,
            (const char *const[]){
                arena_print(arena, "%s=%s", layout_key_names[next->key],
                            layout_format_value(next->key, next->value, value, sizeof value)),
                step_text(next, arena),
                next->plan ? print_quantity(arena, next->plan->memory.per_device_bytes, UNIT_BYTES) : "",
                next->why});
    }
    print_table_print(table, style, INDENT, stream);
}

void print_why_not_table(const struct why_not *why_not, bool fits, const struct print_style *style,
                         struct arena *arena, FILE *stream) {
    print_heading("Why not", style, stream);
    if (why_not->faster_count > 0) {
        print_paragraph("  ",
                        fits ? "Faster, but over the memory; each the fastest that is over by as little:"
                             : "The fastest, were there more memory:",
                        stream);
        print_faster(why_not, style, arena, stream);
    } else {
        fputs("  Nothing faster is refused by memory.\n", stream);
    }
    fprintf(stream, "  Next to %s, the rest chosen anew:\n", fits ? "the best" : "the nearest");
    print_next(why_not, style, arena, stream);
}

static json_t *layout_data(const struct why_not_layout *layout) {
    json_t *data = json_object();
    const struct plan *plan = layout->plan;
    json_object_set_new(data, "bound", print_data_text(why_not_names[layout->reason]));
    json_object_set_new(data, "why", print_data_text(layout->why));
    json_object_set_new(data, "step_time", plan ? print_data_number(plan->step.seconds) : json_null());
    json_object_set_new(data, "memory",
                        plan ? print_data_number(plan->memory.per_device_bytes) : json_null());
    json_object_set_new(data, "over",
                        plan && layout->reason == WHY_NOT_MEMORY
                            ? print_data_number(plan->memory.per_device_bytes - plan->memory.capacity_bytes)
                            : json_null());
    json_object_set_new(data, "layout", plan ? print_plan_layout_data(&plan->layout) : json_null());
    return data;
}

json_t *print_why_not_data(const struct why_not *why_not) {
    json_t *data = json_object(), *faster = json_array(), *next = json_array();
    for (size_t i = 0; i < why_not->faster_count; i++)
        json_array_append_new(faster, layout_data(&why_not->faster[i]));
    for (size_t i = 0; i < why_not->next_count; i++) {
        const struct why_not_layout *layout = &why_not->next[i];
        json_t *item = layout_data(layout);
        json_object_set_new(item, "key", print_data_text(layout_key_names[layout->key]));
        json_object_set_new(item, "value", print_plan_layout_value(layout->key, layout->value));
        json_array_append_new(next, item);
    }
    json_object_set_new(data, "faster", faster);
    json_object_set_new(data, "next", next);
    return data;
}
