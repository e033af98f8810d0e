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

static void print_summary(const struct validation *validation, const struct print_style *style,
                          struct arena *arena, FILE *stream) {
    static const struct print_column columns[] = {{"errors of", false}, {"steps", true},   {"mean", true},
                                                  {"median", true},     {"largest", true}, {"bias", true},
                                                  {"memory", true},     {"mean", true},    {"median", true},
                                                  {"largest", true},    {"bias", true}};
    struct print_table *table = print_table_create(arena, columns, sizeof columns / sizeof *columns);

    for (size_t i = 0; i < validation->file_count; i++) {
        const struct validated_file *file = &validation->files[i];

        add_summary(table, file->name, &file->step, &file->memory, style, arena);
    }
    if (validation->file_count > 1)
        add_summary(table, "all", &validation->step, &validation->memory, style, arena);
    print_table_print(table, style, 0, stream);
}

/* All of them ran, so these are errors too. */
static void print_refused(const struct validation *validation, FILE *stream) {
    if (validation->refused + validation->tight > 0)
        fprintf(stream,
                "\nOf %zu runs that ran %zu wouldn't fit by this prediction; %zu more have no room for its "
                "margin.\n",
                validation->run_count, validation->refused, validation->tight);
}

void print_validation_table(const struct validation *validation, const struct print_style *style,
                            struct arena *arena, FILE *stream) {
    for (size_t i = 0; i < validation->file_count; i++)
        print_runs(validation, validation->files[i].name, style, arena, stream);
    print_summary(validation, style, arena, stream);
    print_refused(validation, stream);
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

json_t *print_validation_data(const struct validation *validation, struct arena *arena) {
    json_t *data = json_object(), *runs = json_array(), *summary = json_object(), *by_file = json_object();

    for (size_t i = 0; i < validation->run_count; i++)
        json_array_append_new(runs, run_data(&validation->runs[i], arena));
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
    json_object_set_new(summary, "by_file", by_file);
    json_object_set_new(data, "runs", runs);
    json_object_set_new(data, "summary", summary);
    return data;
}
