#include "planner/report/print_size.h"

#include "planner/report/print_data.h"
#include "planner/report/print_layout.h"
#include "planner/report/print_plan.h"
#include "planner/report/print_shapes.h"
#include "planner/report/print_slow_hosts.h"
#include "planner/report/print_words.h"

enum { TEXT = 512, INDENT = 2 };

/* Batches this close are one batch, dealt to different counts of devices. */
static const double BATCHES_ALIKE = 1.05;

static const char *time_words(const struct plan *plan, struct arena *arena) {
    return plan->training.tokens > 0
               ? print_duration(arena, plan->total.days * SECONDS_A_DAY)
               : arena_print(arena, "%s a step", print_quantity(arena, plan->step.seconds, UNIT_SECONDS));
}

/* Where more devices stop paying. */
static const char *paying_words(const struct size_result *result, struct arena *arena) {
    if (result->point_count < 2)
        return NULL;
    const struct size_point *until = &result->points[result->pays_until],
                            *at = &result->points[result->stops_at];
    const struct plan *last = result->points[result->point_count - 1].plan;
    if (at == until) {
        const char *more = last->devices < result->devices_to
                               ? arena_print(arena, " None of the larger counts up to %s is faster.",
                                             print_count(arena, result->devices_to))
                               : "";
        return arena_print(arena,
                           "More devices pay up to %s: more than half of what is added turns into speed.%s",
                           print_count(arena, last->devices), more);
    }
    return arena_print(
        arena,
        "More devices stop paying beyond %s: from there to %s only %s of what is added turns into "
        "speed (%s become %s).",
        print_count(arena, until->plan->devices), print_count(arena, at->plan->devices),
        print_percent(arena, at->paying), time_words(until->plan, arena), time_words(at->plan, arena));
}

/* Whether counts of devices have batches of their own: a batch in tokens differs by a few percent alone. */
static bool batches_differ(const struct size_result *result) {
    int64_t least = result->points[0].plan->training.global_batch, most = least;
    for (size_t i = 1; i < result->point_count; i++) {
        int64_t batch = result->points[i].plan->training.global_batch;
        least = batch < least ? batch : least;
        most = batch > most ? batch : most;
    }
    return (double)most > BATCHES_ALIKE * (double)least;
}

static void print_frontier(const struct size_result *result, const struct print_style *style,
                           struct arena *arena, FILE *stream) {
    bool totals = result->points[0].plan->training.tokens > 0;
    bool batches = batches_differ(result);
    const struct print_column columns[] = {{"", false},
                                           {"devices", true},
                                           {batches ? "batch" : "", true},
                                           {totals ? "days" : "", true},
                                           {totals ? "cost" : "", true},
                                           {totals ? "goodput" : "", true},
                                           {"step", true},
                                           {"MFU", true},
                                           {"memory", true},
                                           {"layout", false}};
    struct print_table *table = print_table_create(arena, columns, 10);
    for (size_t i = 0; i < result->point_count; i++) {
        const struct size_point *point = &result->points[i];
        const struct plan *plan = point->plan;
        char layout[TEXT];
        double batch = (double)plan->training.global_batch * (double)plan->training.sequence;
        print_table_add(table,
                        (const char *const[]){
                            point->is_best ? ">"
                            : point->meets ? "+"
                                           : "",
                            print_count(arena, plan->devices), batches ? print_amount(arena, batch) : "",
                            totals ? print_days(arena, plan->total.days) : "",
                            plan->total.cost > 0 ? print_quantity(arena, plan->total.cost, UNIT_MONEY) : "",
                            totals ? print_percent(arena, plan->total.goodput) : "",
                            print_quantity(arena, plan->step.seconds, UNIT_SECONDS),
                            print_percent(arena, plan->mfu),
                            print_quantity(arena, plan->memory.per_device_bytes, UNIT_BYTES),
                            print_layout_short(&plan->layout, layout, sizeof layout)});
    }
    fputc('\n', stream);
    print_paragraph("",
                    arena_print(arena,
                                "%sFrontier%s over 1, 2, 3, 4, 6 ... nodes, each faster than those before "
                                "(> answer, + meets the wish)",
                                print_colour(style, BOLD), print_colour(style, PLAIN)),
                    stream);
    print_table_print(table, style, INDENT, stream);
}

static void print_best(const struct problem *problem, const struct wish *wish,
                       const struct size_result *result, const struct plan *plan,
                       const struct print_style *style, struct arena *arena, FILE *stream) {
    const char *binding = print_size_binding(wish, result, arena);
    const char *slow = print_size_risk(wish, plan, arena);
    const char *title =
        arena_print(arena, "%s device%s in %s node%s", print_count(arena, plan->devices),
                    units_plural(plan->devices), print_count(arena, plan->nodes), units_plural(plan->nodes));
    print_plan_layout(title, &plan->layout, &plan->training, style, stream);
    print_plan_details(plan, style, arena, stream);
    print_slow_hosts(problem, arena, stream);
    if (binding)
        print_paragraph("  ", binding, stream);
    if (slow)
        print_paragraph("  ", slow, stream);
}

static void print_none(const struct problem *problem, const struct wish *wish,
                       const struct size_result *result, const struct print_style *style, struct arena *arena,
                       FILE *stream) {
    const char *miss = print_size_miss(wish, result, arena);
    const char *to = print_count(arena, result->devices_to);
    const char *range =
        result->devices_from == result->devices_to
            ? arena_print(arena, "%s device%s: that does not do it.", to, units_plural(result->devices_to))
            : arena_print(arena, "No number of devices from %s to %s does it.",
                          print_count(arena, result->devices_from), to);
    print_heading(range, style, stream);
    if (miss)
        print_paragraph("  ", miss, stream);
    if (result->closest) {
        print_plan_layout("What comes closest", &result->closest->layout, &result->closest->training, style,
                          stream);
        print_plan_details(result->closest, style, arena, stream);
    } else if (result->nearest.found) {
        print_plan_nearest(problem, &result->nearest, style, arena, stream);
    }
}

void print_size_table(const struct problem *problem, const struct wish *wish,
                      const struct size_result *result, const struct print_style *style, struct arena *arena,
                      FILE *stream) {
    print_plan_question(problem, problem->search.devices, style, arena, stream);
    print_paragraph("Wish      ", print_size_wish(wish, arena), stream);
    const struct plan *best = result->best;
    if (best)
        print_best(problem, wish, result, best, style, arena, stream);
    else
        print_none(problem, wish, result, style, arena, stream);
    const char *paying = paying_words(result, arena);
    if (result->point_count > 1) {
        print_frontier(result, style, arena, stream);
        fputc('\n', stream);
        print_paragraph("  ", paying, stream);
    }
    print_shapes_table(problem, style, arena, stream);
    const char *searched =
        arena_print(arena, "Searched %s count%s from %s to %s devices: %s layouts in %s",
                    print_count(arena, result->searches), units_plural((int64_t)result->searches),
                    print_count(arena, result->devices_from), print_count(arena, result->devices_to),
                    print_amount(arena, (double)result->looked.layouts),
                    print_quantity(arena, result->looked.seconds, UNIT_SECONDS));
    fputc('\n', stream);
    print_paragraph("", searched, stream);
    print_plan_notes(problem, style, stream);
}

static json_t *wish_data(const struct wish *wish) {
    json_t *data = json_object();
    json_object_set_new(data, "deadline",
                        wish->deadline_seconds > 0 ? print_data_number(wish->deadline_seconds) : json_null());
    json_object_set_new(data, "budget", wish->budget > 0 ? print_data_number(wish->budget) : json_null());
    json_object_set_new(data, "step_time",
                        wish->step_seconds > 0 ? print_data_number(wish->step_seconds) : json_null());
    json_object_set_new(data, "headroom", print_data_number(wish->headroom_bytes));
    json_object_set_new(data, "spare", print_data_number((double)wish->spare_nodes));
    json_object_set_new(data, "objective", json_string(objective_names[wish->objective]));
    return data;
}

static json_t *point_data(const struct size_result *result, const struct size_point *point) {
    const struct plan *plan = point->plan;
    bool totals = plan->training.tokens > 0;
    char layout[TEXT];
    json_t *data = json_object();
    json_object_set_new(data, "devices", print_data_number((double)plan->devices));
    json_object_set_new(data, "nodes", print_data_number((double)plan->nodes));
    json_object_set_new(data, "days", totals ? print_data_number(plan->total.days) : json_null());
    json_object_set_new(data, "cost",
                        plan->total.cost > 0 ? print_data_number(plan->total.cost) : json_null());
    json_object_set_new(data, "goodput", totals ? print_data_number(plan->total.goodput) : json_null());
    json_object_set_new(data, "step_time", print_data_number(plan->step.seconds));
    json_object_set_new(data, "global_batch", print_data_number((double)plan->training.global_batch));
    json_object_set_new(data, "mfu", print_data_number(plan->mfu));
    json_object_set_new(data, "memory", print_data_number(plan->memory.per_device_bytes));
    json_object_set_new(data, "layout", json_string(layout_format(&plan->layout, layout, sizeof layout)));
    json_object_set_new(data, "meets", json_boolean(point->meets));
    json_object_set_new(data, "paying",
                        point->on_hull && point != result->points ? print_data_number(point->paying)
                                                                  : json_null());
    return data;
}

static json_t *miss_data(const struct wish *wish, const struct plan *plan) {
    json_t *misses = json_object();
    for (int i = 0; i < WISH_KEY_COUNT; i++) {
        double excess = wish_excess(wish, plan, (enum wish_key)i);
        if (excess > 0)
            json_object_set_new(misses, wish_names[i], print_data_number(excess));
    }
    return misses;
}

static json_t *search_data(const struct size_result *result) {
    json_t *data = json_object();
    json_object_set_new(data, "devices_from", print_data_number((double)result->devices_from));
    json_object_set_new(data, "devices_to", print_data_number((double)result->devices_to));
    json_object_set_new(data, "counts", print_data_number((double)result->counts));
    json_object_set_new(data, "split", print_data_number((double)result->split));
    json_object_set_new(data, "searches", print_data_number((double)result->searches));
    json_object_set_new(data, "layouts", print_data_number((double)result->looked.layouts));
    json_object_set_new(data, "evaluated", print_data_number((double)result->looked.evaluated));
    json_object_set_new(data, "seconds", print_data_number(result->looked.seconds));
    return data;
}

json_t *print_size_data(const struct problem *problem, const struct wish *wish,
                        const struct size_result *result, struct arena *arena) {
    json_t *data = json_object(), *frontier = json_array();
    bool memory = result->best && result->binding == WISH_KEY_COUNT;
    for (size_t i = 0; i < result->point_count; i++)
        json_array_append_new(frontier, point_data(result, &result->points[i]));
    json_object_set_new(data, "cluster", print_data_text(problem->cluster.name));
    json_object_set_new(data, "wish", wish_data(wish));
    json_object_set_new(data, "best", result->best ? print_plan_one(problem, result->best) : json_null());
    if (result->best && wish->objective == OBJECTIVE_DEVICES) {
        json_object_set_new(data, "binding", json_string(memory ? "memory" : wish_names[result->binding]));
        json_object_set_new(data, "why", print_data_text(print_size_binding(wish, result, arena)));
    }
    if (result->best)
        json_object_set_new(data, "risk", print_data_text(print_size_risk(wish, result->best, arena)));
    if (result->closest) {
        json_object_set_new(data, "closest", print_plan_one(problem, result->closest));
        json_object_set_new(data, "misses", miss_data(wish, result->closest));
    }
    if (result->closest || result->never_ends)
        json_object_set_new(data, "why", print_data_text(print_size_miss(wish, result, arena)));
    if (result->nearest.found)
        json_object_set_new(data, "nearest", print_plan_nearest_data(problem, &result->nearest));
    json_object_set_new(data, "frontier", frontier);
    json_object_set_new(data, "paying", print_data_text(paying_words(result, arena)));
    if (problem->slow_price)
        json_object_set_new(data, "slow_hosts", print_slow_hosts_data(problem));
    if (problem->shapes)
        json_object_set_new(data, "shapes", print_shapes_data(problem));
    json_object_set_new(data, "search", search_data(result));
    json_object_set_new(data, "assumptions", print_plan_assumptions(problem));
    return data;
}
