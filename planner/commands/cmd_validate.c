/* clusterplan validate: predicted against measured. */
#include <stdint.h>
#include <stdio.h>

#include "planner/commands/commands.h"
#include "planner/report/print_data.h"
#include "planner/report/print_progress.h"
#include "planner/report/print_validation.h"

static int run(const struct command_call *call, void *data) {
    struct print_progress line;
    struct validation validation;
    struct choices choices;
    struct error error = {0};
    size_t predicted = 0;

    (void)data;
    if (call->operand_count == 0) {
        error_set(&error, "validate needs run files");
        error_hint(&error, "clusterplan validate --help");
        return command_fail(&error);
    }
    print_progress_start(&line, NULL);
    bool done =
        validate_files(call->operands, call->operand_count, &line.progress, call->arena, &validation, &error);
    print_progress_end(&line);
    if (!done)
        return command_fail(&error);
    choices = choices_find(&validation, call->arena);
    if (call->format == FORMAT_TABLE) {
        struct print_style style = print_style_of(stdout);

        print_validation_table(&validation, &choices, &style, call->arena, stdout);
    } else {
        print_data(print_validation_data(&validation, &choices, call->arena), call->format, stdout);
    }
    for (size_t i = 0; i < validation.run_count; i++)
        predicted += validation.runs[i].why == NULL;
    return predicted > 0 ? EXIT_RESULT : EXIT_NO_RESULT;
}

int cmd_validate(int argc, char **argv) {
    static const struct command validate = {
        .help = {.usage = "clusterplan validate RUNS... [--format table|yaml|json]",
                 .about =
                     "Predicts step time and memory of measured runs and shows by how much it is wrong: run "
                     "by run, and in sum for each file. A run file lists runs with model, cluster, "
                     "training, layout and what was measured (docs/formats.md). What a layout leaves open "
                     "is chosen as plan would choose it. Of layouts that differ in nothing else it also says "
                     "which one it would choose, and by how much that was slower than the best.",
                 .examples = "  clusterplan validate tests/measured/seqsel-a100.yaml\n"
                             "  clusterplan validate tests/measured/*.yaml --format yaml\n"},
        .operand_max = SIZE_MAX,
        .run = run};
    return command_run(&validate, argc, argv);
}
