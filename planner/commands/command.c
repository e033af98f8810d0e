#include <stdio.h>

#include "common/arena.h"
#include "common/terminal.h"
#include "planner/commands/commands.h"

/* A command's own options, and those that all have. */
enum { OWN_OPTIONS = 60, COMMON_OPTIONS = 2 };

static void add_common_options(const struct command *command, const char **format, bool *help,
                               struct option_entry options[OWN_OPTIONS + COMMON_OPTIONS + 1]) {
    size_t count = 0;
    for (; command->options && command->options[count].name && count < OWN_OPTIONS; count++)
        options[count] = command->options[count];
    if (!command->has_no_format)
        options[count++] =
            (struct option_entry){"format", 'f', "F", "table (default), yaml or json", format, NULL};
    options[count++] = (struct option_entry){"help", 'h', NULL, "this text", NULL, help};
    options[count] = (struct option_entry){.name = NULL};
}

static int print_help(const struct command_help *help, const struct option_entry *options) {
    int lead = printf("Usage: ");
    terminal_print_wrapped(help->usage, (size_t)lead, stdout);
    putchar('\n');
    terminal_print_wrapped(help->about, 0, stdout);
    printf("\nOptions:\n");
    options_help(options, stdout);
    printf("\nExamples:\n%s", help->examples);
    return EXIT_RESULT;
}

static int read_and_run(const struct command *command, int argc, char **argv, struct arena *arena) {
    struct command_call call = {.arena = arena, .operands = ARENA_ARRAY(arena, const char *, (size_t)argc)};
    struct option_entry options[OWN_OPTIONS + COMMON_OPTIONS + 1];
    struct error error = {0};
    const char *format = NULL;
    bool help = false;
    add_common_options(command, &format, &help, options);
    if (!options_parse(argc, argv, options, call.operands, command->operand_max, &call.operand_count, &error))
        return command_fail(&error);
    if (help)
        return print_help(&command->help, options);
    if (!print_format_parse(format, &call.format, &error))
        return command_fail(&error);
    return command->run(&call, command->data);
}

int command_run(const struct command *command, int argc, char **argv) {
    struct arena *arena = arena_create();
    int code = read_and_run(command, argc, argv, arena);
    arena_destroy(arena);
    return code;
}

int command_fail(const struct error *error) {
    fflush(stdout);
    error_print_wrapped(error, stderr);
    return EXIT_USAGE;
}

int command_say_no(const struct error *error) {
    command_fail(error);
    return EXIT_NO_RESULT;
}
