#include "planner/report/print_validation.h"

#include <inttypes.h>
#include <math.h>

#include "planner/answers/band.h"
#include "planner/report/print_data.h"
#include "planner/report/print_layout.h"
#include "planner/report/print_words.h"

enum { INDENT = 2, LAYOUT_TEXT = 512 };

/* Errors from here on are worth a look, and bad. */
static const double NOTABLE_ERROR = 0.1, BAD_ERROR = 0.2;

static const char *coloured(const struct print_style *style, struct arena *arena, double error,
                            const char *text) {
    enum print_colour colour = fabs(error) >= BAD_ERROR ? RED : fabs(error) >= NOTABLE_ERROR ? YELLOW : PLAIN;

    if (colour == PLAIN)
        return text;
    return arena_print(arena, "%s%s%s", print_colour(style, colour), text, print_colour(style, PLAIN));
}

static const char *signed_percent(const struct print_style *style, struct arena *arena, double error) {
    return coloured(style, arena, error, arena_print(arena, "%+.1f %%", 100 * error));
}

static const char *percent(const struct print_style *style, struct arena *arena, int decimals, double error) {
    return coloured(style, arena, error, arena_print(arena, "%.*f %%", decimals, 100 * error));
}

/* What is to be said of a run behind its name. */
static const char *remark(const struct validated_run *validated, struct arena *arena) {
    if (validated->why != NULL)
        return arena_print(arena, ": %s", validated->why);
    if (validated->run->measured.out_of_memory)
        return validated->fits ? " (ran out of memory, would fit)" : " (ran out of memory)";
    if (validated->fits)
        return "";
    return validated->fits_without_margin ? " (no margin)" : " (wouldn't fit)";
}

static void add_run(struct print_table *table, const struct validated_run *validated,
                    const struct print_style *style, struct arena *arena) {
    const struct run_measured *measured = &validated->run->measured;
    bool predicted = validated->why == NULL;
    const char *cells[] = {
        measured->step_seconds > 0 ? print_quantity(arena, measured->step_seconds, UNIT_SECONDS) : NULL,
        predicted ? print_quantity(arena, validated->predicted_step, UNIT_SECONDS) : NULL,
        predicted && measured->step_seconds > 0 ? signed_percent(style, arena, validated->step_error) : NULL,
        measured->memory_bytes > 0 ? print_quantity(arena, measured->memory_bytes, UNIT_BYTES) : NULL,
        predicted ? print_quantity(arena, validated->predicted_memory, UNIT_BYTES) : NULL,
        predicted && measured->memory_bytes > 0 ? signed_percent(style, arena, validated->memory_error)
                                                : NULL,
        arena_print(arena, "%" PRId64, validated->run->devices),
        arena_print(arena, "%s%s", validated->run->id, remark(validated, arena))};

    print_table_add(table, cells);
}

static void print_runs(const struct validation *validation, const char *file, const struct print_style *style,
                       struct arena *arena, FILE *stream) {
    static const struct print_column columns[] = {{"step", true},    {"predicted", true}, {"error", true},
                                                  {"memory", true},  {"predicted", true}, {"error", true},
                                                  {"devices", true}, {"run", false}};
    struct print_table *table = print_table_create(arena, columns, sizeof columns / sizeof *columns);

    for (size_t i = 0; i < validation->run_count; i++)
        if (validation->runs[i].file == file)
            add_run(table, &validation->runs[i], style, arena);
    fprintf(stream, "%s%s%s\n", print_colour(style, BOLD), file, print_colour(style, PLAIN));
    print_table_print(table, style, INDENT, stream);
    fputc('\n', stream);
}

static void add_summary(struct print_table *table, const char *name, const struct error_summary *step,
                        const struct error_summary *memory, const struct print_style *style,
                        struct arena *arena) {
    const struct error_summary *summaries[] = {step, memory};
    const char *cells[11] = {name};

    for (size_t i = 0; i < 2; i++) {
        const struct error_summary *summary = summaries[i];
        const char **cell = &cells[1 + 5 * i];

        if (summary->runs == 0)
            continue;
        cell[0] = arena_print(arena, "%zu", summary->runs);
        cell[1] = percent(style, arena, 2, summary->mean_absolute);
        cell[2] = percent(style, arena, 2, summary->median_absolute);
        cell[3] = percent(style, arena, 1, summary->largest);
        cell[4] = signed_percent(style, arena, summary->bias);
    }
    print_table_add(table, cells);
}

/* False, with nothing printed, where nothing was measured that has an error. */
static bool print_summary(const struct validation *validation, const struct print_style *style,
                          struct arena *arena, FILE *stream) {
    static const struct print_column columns[] = {{"errors of", false}, {"steps", true},   {"mean", true},
                                                  {"median", true},     {"largest", true}, {"bias", true},
                                                  {"memory", true},     {"mean", true},    {"median", true},
                                                  {"largest", true},    {"bias", true}};
    struct print_table *table = print_table_create(arena, columns, sizeof columns / sizeof *columns);

    if (validation->step.runs + validation->memory.runs == 0)
        return false;
    for (size_t i = 0; i < validation->file_count; i++) {
        const struct validated_file *file = &validation->files[i];

        if (file->step.runs + file->memory.runs > 0)
            add_summary(table, file->name, &file->step, &file->memory, style, arena);
    }
    if (validation->file_count > 1)
        add_summary(table, "all", &validation->step, &validation->memory, style, arena);
    print_table_print(table, style, 0, stream);
    return true;
}

/* What ran and is refused is an error too, and so is what ran out and is not. */
static void print_refused(const struct validation *validation, bool below_table, FILE *stream) {
    const size_t ran_out = validation->run_count - validation->ran;
    const bool ran_is_said = validation->refused + validation->tight > 0;

    if (ran_is_said)
        fprintf(stream,
                "%sOf %zu run%s that ran %zu wouldn't fit by this prediction; %zu more have no room for its "
                "margin.\n",
                below_table ? "\n" : "", validation->ran, units_plural((int64_t)validation->ran),
                validation->refused, validation->tight);
    if (ran_out > 0)
        fprintf(stream,
                "%sOf %zu run%s that ran out of memory %zu wouldn't fit by this prediction; %zu would.\n",
                below_table || ran_is_said ? "\n" : "", ran_out, units_plural((int64_t)ran_out),
                validation->ran_out_and_refused, validation->ran_out_but_fit);
}

static void add_regrets(struct print_table *table, size_t layouts, double regret, double any, double rule,
                        double rank_correlation, const char *name, const struct print_style *style,
                        struct arena *arena) {
    const char *cells[] = {
        arena_print(arena, "%zu", layouts),           percent(style, arena, 1, regret),
        arena_print(arena, "%.1f %%", 100 * any),     arena_print(arena, "%.1f %%", 100 * rule),
        arena_print(arena, "%.2f", rank_correlation), name};

    print_table_add(table, cells);
}

/* What was chosen and, where another was quicker, what would have been best. */
static const char *chosen_name(const struct choice *choice, struct arena *arena) {
    const char *chosen = choice->chosen->run->id;
    const char *failed =
        choice->ran_out_first == 0
            ? ""
            : arena_print(arena, " (behind %zu that ran out of memory)", choice->ran_out_first);

    if (choice->best == choice->chosen)
        return arena_print(arena, "%s%s", chosen, failed);
    return arena_print(arena, "%s%s, not %s", chosen, failed, choice->best->run->id);
}

static void print_choices(const struct choices *choices, const struct print_style *style, struct arena *arena,
                          FILE *stream) {
    static const struct print_column columns[] = {{"layouts", true}, {"chosen", true}, {"any", true},
                                                  {"rule", true},    {"order", true},  {"chosen", false}};
    const struct choice_summary *sums = &choices->summary;
    struct print_table *table = print_table_create(arena, columns, sizeof columns / sizeof *columns);

    if (choices->count == 0)
        return;
    for (size_t i = 0; i < choices->count; i++) {
        const struct choice *choice = &choices->items[i];

        add_regrets(table, choice->layouts, choice->regret, choice->any_regret, choice->rule_regret,
                    choice->rank_correlation, chosen_name(choice, arena), style, arena);
    }
    if (choices->count > 1)
        add_regrets(table, sums->layouts, sums->regret, sums->any_regret, sums->rule_regret,
                    sums->rank_correlation, "all", style, arena);
    fprintf(stream, "%schoices among layouts that differ in nothing else%s\n", print_colour(style, BOLD),
            print_colour(style, PLAIN));
    print_paragraph("",
                    "By how much layouts were slower than the best that was measured: the one that is "
                    "predicted to be the quickest, any of them on the mean, and what a rule of thumb takes "
                    "(least recomputation, then tp, then pp, then the largest micro-batch).",
                    stream);
    print_table_print(table, style, INDENT, stream);
    fputc('\n', stream);
}

void print_validation_table(const struct validation *validation, const struct choices *choices,
                            const struct print_style *style, struct arena *arena, FILE *stream) {
    for (size_t i = 0; i < validation->file_count; i++)
        print_runs(validation, validation->files[i].name, style, arena, stream);
    print_choices(choices, style, arena, stream);
    print_refused(validation, print_summary(validation, style, arena, stream), stream);
}

/* A figure that wasn't measured, or couldn't be predicted, is null. */
static void set(json_t *object, const char *key, bool known, double value) {
    json_object_set_new(object, key, known ? print_data_number(value) : json_null());
}

static json_t *run_data(const struct validated_run *validated, struct arena *arena) {
    struct band_kind kind =
        band_kind_of(&validated->run->model, &validated->cluster->device, validated->run->training.precision);
    const struct run_measured *measured = &validated->run->measured;
    bool predicted = validated->why == NULL, step = measured->step_seconds > 0,
         memory = measured->memory_bytes > 0;
    char layout[LAYOUT_TEXT];
    json_t *data = json_object();

    json_object_set_new(data, "id", print_data_text(validated->run->id));
    json_object_set_new(data, "file", print_data_text(validated->file));
    json_object_set_new(data, "devices", json_integer(validated->run->devices));
    json_object_set_new(data, "kind", print_data_text(band_kind_format(&kind, arena)));
    set(data, "measured_step_time", step, measured->step_seconds);
    set(data, "predicted_step_time", predicted, validated->predicted_step);
    set(data, "step_time_error", predicted && step, validated->step_error);
    set(data, "measured_memory", memory, measured->memory_bytes);
    json_object_set_new(data, "out_of_memory", json_boolean(measured->out_of_memory));
    set(data, "predicted_memory", predicted, validated->predicted_memory);
    set(data, "memory_error", predicted && memory, validated->memory_error);
    set(data, "checked_memory", predicted, validated->checked_memory);
    json_object_set_new(data, "fits", predicted ? json_boolean(validated->fits) : json_null());
    json_object_set_new(data, "fits_without_margin",
                        predicted ? json_boolean(validated->fits_without_margin) : json_null());
    json_object_set_new(
        data, "layout",
        print_data_text(predicted ? layout_format(&validated->layout, layout, sizeof layout) : NULL));
    if (!predicted)
        json_object_set_new(data, "why", print_data_text(validated->why));
    return data;
}

static json_t *summary_data(const struct error_summary *summary) {
    bool known = summary->runs > 0;
    json_t *data = json_object();

    json_object_set_new(data, "runs", json_integer((json_int_t)summary->runs));
    set(data, "mean_absolute_error", known, summary->mean_absolute);
    set(data, "median_absolute_error", known, summary->median_absolute);
    set(data, "largest_error", known, summary->largest);
    set(data, "bias", known, summary->bias);
    return data;
}

static void set_regrets(json_t *data, double regret, double any, double rule, double rank_correlation) {
    json_object_set_new(data, "regret", print_data_number(regret));
    json_object_set_new(data, "any_regret", print_data_number(any));
    json_object_set_new(data, "rule_regret", print_data_number(rule));
    json_object_set_new(data, "rank_correlation", print_data_number(rank_correlation));
}

static json_t *choice_data(const struct choice *choice) {
    json_t *data = json_object();

    json_object_set_new(data, "file", print_data_text(choice->best->file));
    json_object_set_new(data, "best", print_data_text(choice->best->run->id));
    json_object_set_new(data, "chosen", print_data_text(choice->chosen->run->id));
    json_object_set_new(data, "layouts", json_integer((json_int_t)choice->layouts));
    json_object_set_new(data, "ran_out", json_integer((json_int_t)choice->ran_out));
    json_object_set_new(data, "ran_out_first", json_integer((json_int_t)choice->ran_out_first));
    set_regrets(data, choice->regret, choice->any_regret, choice->rule_regret, choice->rank_correlation);
    return data;
}

static json_t *choice_summary_data(const struct choice_summary *summary) {
    json_t *data = json_object();

    json_object_set_new(data, "choices", json_integer((json_int_t)summary->choices));
    json_object_set_new(data, "layouts", json_integer((json_int_t)summary->layouts));
    json_object_set_new(data, "ran_out", json_integer((json_int_t)summary->ran_out));
    json_object_set_new(data, "ran_out_first", json_integer((json_int_t)summary->ran_out_first));
    if (summary->choices == 0)
        return data;
    set_regrets(data, summary->regret, summary->any_regret, summary->rule_regret, summary->rank_correlation);
    json_object_set_new(data, "largest_regret", print_data_number(summary->largest_regret));
    json_object_set_new(data, "within_2_percent", json_integer((json_int_t)summary->within_2_percent));
    json_object_set_new(data, "within_5_percent", json_integer((json_int_t)summary->within_5_percent));
    json_object_set_new(data, "within_10_percent", json_integer((json_int_t)summary->within_10_percent));
    return data;
}

static json_t *summary_of_all(const struct validation *validation, const struct choices *choices) {
    json_t *summary = json_object(), *by_file = json_object();

    for (size_t i = 0; i < validation->file_count; i++) {
        const struct validated_file *file = &validation->files[i];
        json_t *errors = json_object();

        json_object_set_new(errors, "step_time", summary_data(&file->step));
        json_object_set_new(errors, "memory", summary_data(&file->memory));
        json_object_set_new(by_file, file->name, errors);
    }
    json_object_set_new(summary, "step_time", summary_data(&validation->step));
    json_object_set_new(summary, "memory", summary_data(&validation->memory));
    json_object_set_new(summary, "refused", json_integer((json_int_t)validation->refused));
    json_object_set_new(summary, "tight", json_integer((json_int_t)validation->tight));
    json_object_set_new(summary, "ran_out_but_fit", json_integer((json_int_t)validation->ran_out_but_fit));
    json_object_set_new(summary, "ran_out_and_refused",
                        json_integer((json_int_t)validation->ran_out_and_refused));
    json_object_set_new(summary, "choice", choice_summary_data(&choices->summary));
    json_object_set_new(summary, "by_file", by_file);
    return summary;
}

json_t *print_validation_data(const struct validation *validation, const struct choices *choices,
                              struct arena *arena) {
    json_t *data = json_object(), *runs = json_array(), *chosen = json_array();

    for (size_t i = 0; i < validation->run_count; i++)
        json_array_append_new(runs, run_data(&validation->runs[i], arena));
    for (size_t i = 0; i < choices->count; i++)
        json_array_append_new(chosen, choice_data(&choices->items[i]));
    json_object_set_new(data, "runs", runs);
    json_object_set_new(data, "choices", chosen);
    json_object_set_new(data, "summary", summary_of_all(validation, choices));
    return data;
}
