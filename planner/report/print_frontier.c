#include "planner/report/print_frontier.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

#include "planner/report/print_layout.h"
#include "planner/report/print_plan.h"
#include "planner/report/print_words.h"

enum { TEXT = 512, INDENT = 2 };

/* Few devices first, of each count the fastest first. */
static int compare_for_people(const void *left, const void *right) {
    const struct plan *const *a = left, *const *b = right;
    if ((*a)->devices != (*b)->devices)
        return (*a)->devices < (*b)->devices ? -1 : 1;
    return ((*a)->step.seconds > (*b)->step.seconds) - ((*a)->step.seconds < (*b)->step.seconds);
}

static const char *cost_text(const struct plan *plan, struct arena *arena) {
    bool known = plan->total.cost > 0 && isfinite(plan->total.cost);
    return known ? print_quantity(arena, plan->total.cost, UNIT_MONEY) : "";
}

static void print_plans(const struct plan **plans, size_t count, const struct print_style *style,
                        struct arena *arena, FILE *stream) {
    bool totals = plans[0]->training.tokens > 0;
    const struct print_column columns[] = {{"devices", true},
                                           {"step", true},
                                           {"MFU", true},
                                           {"memory", true},
                                           {totals ? "days" : "", true},
                                           {totals ? "cost" : "", true},
                                           {"layout", false}};
    struct print_table *table = print_table_create(arena, columns, 7);
    for (size_t i = 0; i < count; i++) {
        const struct plan *plan = plans[i];
        bool first = i == 0 || plans[i - 1]->devices != plan->devices;
        char layout[TEXT];
        print_table_add(
            table, (const char *const[]){first ? print_count(arena, plan->devices) : "",
                                         print_quantity(arena, plan->step.seconds, UNIT_SECONDS),
                                         print_percent(arena, plan->mfu),
                                         print_quantity(arena, plan->memory.per_device_bytes, UNIT_BYTES),
                                         totals ? print_days(arena, plan->total.days) : "",
                                         totals ? cost_text(plan, arena) : "",
                                         print_layout_short(&plan->layout, layout, sizeof layout)});
    }
    print_table_print(table, style, INDENT, stream);
}

void print_frontier_table(const struct problem *problem, const struct answer *answer,
                          const struct print_style *style, struct arena *arena, FILE *stream) {
    size_t count = answer->plan_count;
    const struct plan **plans = ARENA_ARRAY(arena, const struct plan *, count);
    for (size_t i = 0; i < count; i++)
        plans[i] = answer->plans[i];
    qsort(plans, count, sizeof *plans, compare_for_people);
    print_plan_question(problem, problem->devices_to, style, arena, stream);
    fputc('\n', stream);
    print_paragraph(
        "",
        arena_print(arena,
                    "%sFrontier of devices, time and memory%s: nothing is faster on as few devices "
                    "with as little",
                    print_colour(style, BOLD), print_colour(style, PLAIN)),
        stream);
    print_plans(plans, count, style, arena, stream);
    print_plan_search(answer, arena, stream);
    print_plan_notes(problem, style, stream);
}
