#include <stdio.h>

#include "planner/commands/commands.h"

int command_print_help(const struct command_help *help) {
    printf("Usage: %s\n\n%s\n", help->usage, help->about);
    if (help->options) {
        printf("\nOptions:\n");
        options_help(help->options, stdout);
    }
    printf("\nExamples:\n%s", help->examples);
    return EXIT_RESULT;
}
