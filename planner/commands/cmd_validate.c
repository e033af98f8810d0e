/* clusterplan validate: predicted against measured. */
#include <stdio.h>

#include "planner/commands/commands.h"
#include "planner/report/print_data.h"
#include "planner/report/print_progress.h"
#include "planner/report/print_validation.h"

enum { MAX_FILES = 4096 };

static const char about[] =
    "Predicts step time and memory of measured runs and shows by how much it is wrong: run by run, and in "
    "sum for each file. A run file lists runs with model, cluster, training, layout and what was measured "
    "(docs/formats.md). What a layout leaves open is chosen as plan would choose it.";

static int report(const char *const *paths, size_t count, enum print_format format, struct arena *arena) {
    struct print_progress progress;
    struct validation validation;
    struct error error = {0};
    size_t predicted = 0;

    print_progress_start(&progress, NULL);
    bool done = validate_files(paths, count, print_progress_update, &progress, arena, &validation, &error);
    print_progress_end(&progress);
    if (!done)
        return command_fail(&error);
    if (format == FORMAT_TABLE) {
        struct print_style style = print_style_of(stdout);

        print_validation_table(&validation, &style, arena, stdout);
    } else {
        print_data(print_validation_data(&validation, arena), format, stdout);
    }
    for (size_t i = 0; i < validation.run_count; i++)
        predicted += validation.runs[i].why == NULL;
    return predicted > 0 ? EXIT_RESULT : EXIT_NO_RESULT;
}

int cmd_validate(int argc, char **argv) {
    const char *format_text = NULL, *paths[MAX_FILES];
    bool help = false;
    const struct option_entry options[] = {
        {"format", 'f', "F", "table (default), yaml or json", &format_text, NULL},
        {"help", 'h', NULL, "this text", NULL, &help},
        {.name = NULL}};
    const struct command_help text = {.usage = "clusterplan validate RUNS... [--format table|yaml|json]",
                                      .about = about,
                                      .options = options,
                                      .examples =
                                          "  clusterplan validate tests/measured/seqsel-a100.yaml\n"
                                          "  clusterplan validate tests/measured/*.yaml --format yaml\n"};
    enum print_format format;
    struct error error = {0};
    size_t count = 0;

    if (!options_parse(argc, argv, options, paths, MAX_FILES, &count, &error))
        return command_fail(&error);
    if (help)
        return command_print_help(&text);
    if (count == 0) {
        error_set(&error, "validate needs run files");
        error_hint(&error, "clusterplan validate --help");
        return command_fail(&error);
    }
    if (!print_format_parse(format_text, &format, &error))
        return command_fail(&error);

    struct arena *arena = arena_create();
    int code = report(paths, count, format, arena);

    arena_destroy(arena);
    return code;
}
