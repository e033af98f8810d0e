#include <stdio.h>

#include "common/terminal.h"
#include "planner/commands/commands.h"

int command_print_help(const struct command_help *help) {
    printf("Usage: %s\n\n", help->usage);
    terminal_print_wrapped(help->about, 0, stdout);
    if (help->options) {
        printf("\nOptions:\n");
        options_help(help->options, stdout);
    }
    printf("\nExamples:\n%s", help->examples);
    return EXIT_RESULT;
}
