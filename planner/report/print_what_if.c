#include "planner/report/print_what_if.h"

#include <string.h>

#include "planner/answers/settings.h"
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

static const char *kept_words(const struct what_if_gain *gain, const struct plan *today,
                              struct arena *arena) {
    return gain->kept_seconds > 0 ? share_words(1 - gain->kept_seconds / today->step.seconds, arena)
                                  : "no room";
}

static const char *layout_words(const struct what_if_gain *gain, const struct plan *today, char *buffer,
                                size_t size) {
    print_layout_difference(&today->layout, &gain->plan->layout, buffer, size);
    return *buffer ? buffer : "the same layout";
}

static struct print_table *gains_table(const char *heading, const struct plan *today, struct arena *arena) {
    const struct print_column columns[] = {{heading, false},
                                           {"step", true},
                                           {"saves", true},
                                           {"as laid out", true},
                                           {today->training.tokens > 0 ? "days" : "", true},
                                           {"what then wins", false}};
    return print_table_create(arena, columns, 6);
}

static void add_gain(struct print_table *table, const char *change, const struct what_if_gain *gain,
                     const struct plan *today, struct arena *arena) {
    char layout[TEXT];
    print_table_add(table, (const char *const[]){
                               change, print_quantity(arena, gain->plan->step.seconds, UNIT_SECONDS),
                               share_words(gain->saved, arena), kept_words(gain, today, arena),
                               today->training.tokens > 0 ? print_days(arena, gain->plan->total.days) : "",
                               layout_words(gain, today, layout, sizeof layout)});
}

/* What saves most, in a sentence or two. */
static const char *buy_words(const struct what_if *what_if, struct arena *arena) {
    const struct what_if_change *most = &what_if->changes[0];
    size_t named = 1;
    if (most->gain.saved < WORTH_BUYING) {
        return arena_print(arena, "nothing of this is worth it: none saves as much as %s of a step.",
                           print_percent(arena, WORTH_BUYING));
    }
    const char *words = arena_print(arena, "%s, which saves %s of a step", change_words(most, arena),
                                    print_percent(arena, most->gain.saved));
    for (; named < NAMED && named < what_if->count; named++) {
        const struct what_if_change *change = &what_if->changes[named];
        if (change->gain.saved < WORTH_BUYING)
            break;
        words = arena_print(arena, "%s; then %s, %s", words, change_words(change, arena),
                            print_percent(arena, change->gain.saved));
    }
    if (named < what_if->count && what_if->changes[named].gain.saved < WORTH_BUYING) {
        return arena_print(arena, "%s. All else saves less than %s.", words,
                           print_percent(arena, WORTH_BUYING));
    }
    return arena_print(arena, "%s.", words);
}

static void print_settings(const struct what_if *what_if, const struct plan *today,
                           const struct print_style *style, struct arena *arena, FILE *stream) {
    struct print_table *table = gains_table("what if the training had", today, arena);
    const struct what_if_setting *first = &what_if->settings[0];
    if (what_if->setting_count == 0)
        return;
    for (size_t i = 0; i < what_if->setting_count; i++) {
        const struct what_if_setting *setting = &what_if->settings[i];
        add_gain(table, settings_with(NULL, setting->key, setting->value, arena), &setting->gain, today,
                 arena);
    }
    fputc('\n', stream);
    print_table_print(table, style, INDENT, stream);
    fputc('\n', stream);
    print_paragraph("  What to switch on first: ",
                    arena_print(arena, "%s (%s), which saves %s of a step where the software can.",
                                settings_with(NULL, first->key, first->value, arena), first->flag,
                                print_percent(arena, first->gain.saved)),
                    stream);
}

void print_what_if_table(const struct what_if *what_if, const struct plan *today,
                         const struct print_style *style, struct arena *arena, FILE *stream) {
    struct print_table *table = gains_table("what if there were", today, arena);
    for (size_t i = 0; i < what_if->count; i++) {
        const struct what_if_change *change = &what_if->changes[i];
        add_gain(table, change_words(change, arena), &change->gain, today, arena);
    }
    print_heading("What if", style, stream);
    print_table_print(table, style, INDENT, stream);
    fputc('\n', stream);
    print_paragraph("  What to buy next: ", buy_words(what_if, arena), stream);
    print_settings(what_if, today, style, arena, stream);
}

static json_t *seconds_or_null(double seconds) {
    return seconds > 0 ? print_data_number(seconds) : json_null();
}

static void set_gain(json_t *data, const struct what_if_gain *gain, const struct plan *today) {
    double kept = gain->kept_seconds;
    json_object_set_new(data, "step_time", print_data_number(gain->plan->step.seconds));
    json_object_set_new(data, "saved", print_data_number(gain->saved));
    json_object_set_new(data, "same_layout_step_time", seconds_or_null(kept));
    json_object_set_new(data, "same_layout_saved",
                        kept > 0 ? print_data_number(1 - kept / today->step.seconds) : json_null());
    json_object_set_new(data, "layout", print_plan_layout_data(&gain->plan->layout));
}

json_t *print_what_if_data(const struct what_if *what_if, const struct plan *today) {
    json_t *list = json_array();
    for (size_t i = 0; i < what_if->count; i++) {
        const struct what_if_change *change = &what_if->changes[i];
        json_t *data = json_object();
        json_object_set_new(data, "change", print_data_text(what_if_names[change->kind]));
        json_object_set_new(data, "level", print_data_text(change->level));
        json_object_set_new(data, "factor", print_data_number(change->factor));
        set_gain(data, &change->gain, today);
        json_array_append_new(list, data);
    }
    return list;
}

json_t *print_what_if_settings_data(const struct what_if *what_if, const struct plan *today) {
    json_t *list = json_array();
    for (size_t i = 0; i < what_if->setting_count; i++) {
        const struct what_if_setting *setting = &what_if->settings[i];
        json_t *data = json_object();
        json_object_set_new(data, "setting", print_data_text(setting->key));
        json_object_set_new(data, "value", print_data_text(setting->value));
        set_gain(data, &setting->gain, today);
        json_array_append_new(list, data);
    }
    return list;
}
