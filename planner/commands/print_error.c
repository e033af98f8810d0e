#include <stdio.h>

#include "planner/commands/commands.h"

int command_fail(const struct error *error) {
    fflush(stdout);
    error_print(error, stderr);
    return EXIT_USAGE;
}

int command_say_no(const struct error *error) {
    command_fail(error);
    return EXIT_NO_RESULT;
}
