#include "planner/report/print_what_if.h"

#include "planner/report/print_data.h"
#include "planner/report/print_layout.h"
#include "planner/report/print_plan.h"
#include "planner/report/print_words.h"

enum { TEXT = 512, INDENT = 2 };

/* Less than this share of the step isn't worth buying anything for. */
static const double WORTH_BUYING = 0.01;
/* How many are named in words. */
enum { NAMED = 3 };

/* "twice the bandwidth of nvlink" */
static const char *change_words(const struct what_if_change *change, struct arena *arena) {
    static const char *const things[] = {"compute", "memory", "memory bandwidth", "bandwidth", "latency"};
    const char *times = change->factor < 1 ? "half" : "twice", *thing = things[change->kind];
    if (change->kind < WHAT_IF_BANDWIDTH)
        return arena_print(arena, "%s the %s", times, thing);
    return arena_print(arena, "%s the %s of %s", times, thing, change->level ? change->level : "all levels");
}

/* Words for a share; nothing saved is said so, and so is a plan that the simulation ranks a trifle lower. */
static const char *share_words(double share, struct arena *arena) {
    return share > 0 ? print_percent(arena, share) : "nothing";
}

static const char *layout_words(const struct what_if_change *change, const struct plan *today, char *buffer,
                                size_t size) {
    print_layout_difference(&today->layout, &change->plan->layout, buffer, size);
    return *buffer ? buffer : "the same layout";
}

static void print_changes(const struct what_if *what_if, const struct plan *today,
                          const struct print_style *style, struct arena *arena, FILE *stream) {
    bool totals = today->training.tokens > 0;
    const struct print_column columns[] = {
        {"what if there were", false}, {"step", true},           {"saves", true}, {"as laid out", true},
        {totals ? "days" : "", true},  {"what then wins", false}};
    struct print_table *table = print_table_create(arena, columns, 6);
    for (size_t i = 0; i < what_if->count; i++) {
        const struct what_if_change *change = &what_if->changes[i];
        char layout[TEXT];
        print_table_add(
            table, (const char *const[]){change_words(change, arena),
                                         print_quantity(arena, change->plan->step.seconds, UNIT_SECONDS),
                                         share_words(change->saved, arena),
                                         share_words(1 - change->kept_seconds / today->step.seconds, arena),
                                         totals ? print_days(arena, change->plan->total.days) : "",
                                         layout_words(change, today, layout, sizeof layout)});
    }
    print_table_print(table, style, INDENT, stream);
}

/* What saves most, in a sentence or two. */
static const char *buy_words(const struct what_if *what_if, struct arena *arena) {
    const struct what_if_change *most = &what_if->changes[0];
    size_t named = 1;
    if (most->saved < WORTH_BUYING) {
        return arena_print(arena, "nothing of this is worth it: none saves as much as %s of a step.",
                           print_percent(arena, WORTH_BUYING));
    }
    const char *words = arena_print(arena, "%s, which saves %s of a step", change_words(most, arena),
                                    print_percent(arena, most->saved));
    for (; named < NAMED && named < what_if->count; named++) {
        const struct what_if_change *change = &what_if->changes[named];
        if (change->saved < WORTH_BUYING)
            break;
        words = arena_print(arena, "%s; then %s, %s", words, change_words(change, arena),
                            print_percent(arena, change->saved));
    }
    if (named < what_if->count && what_if->changes[named].saved < WORTH_BUYING) {
        return arena_print(arena, "%s. All else saves less than %s.", words,
                           print_percent(arena, WORTH_BUYING));
    }
    return arena_print(arena, "%s.", words);
}

void print_what_if_table(const struct what_if *what_if, const struct plan *today,
                         const struct print_style *style, struct arena *arena, FILE *stream) {
    print_heading("What if", style, stream);
    print_changes(what_if, today, style, arena, stream);
    fputc('\n', stream);
    print_paragraph("  What to buy next: ", buy_words(what_if, arena), stream);
}

json_t *print_what_if_data(const struct what_if *what_if, const struct plan *today) {
    json_t *list = json_array();
    for (size_t i = 0; i < what_if->count; i++) {
        const struct what_if_change *change = &what_if->changes[i];
        json_t *data = json_object();
        json_object_set_new(data, "change", print_data_text(what_if_names[change->kind]));
        json_object_set_new(data, "level", print_data_text(change->level));
        json_object_set_new(data, "factor", print_data_number(change->factor));
        json_object_set_new(data, "step_time", print_data_number(change->plan->step.seconds));
        json_object_set_new(data, "saved", print_data_number(change->saved));
        json_object_set_new(data, "same_layout_step_time", print_data_number(change->kept_seconds));
        json_object_set_new(data, "same_layout_saved",
                            print_data_number(1 - change->kept_seconds / today->step.seconds));
        json_object_set_new(data, "layout", print_plan_layout_data(&change->plan->layout));
        json_array_append_new(list, data);
    }
    return list;
}
