/* The verbs of clusterplan.
 *
 * To add one: write planner/commands/cmd_<verb>.c and one line here. */
#ifndef CLUSTERPLAN_COMMANDS_H
#define CLUSTERPLAN_COMMANDS_H

#include "common/error.h"
#include "common/options.h"
#include "planner/report/print_data.h"

/* X(verb, one line for `clusterplan --help`), in the order the help shows them. */
#define COMMANDS(X)                                                                                          \
    X(plan, "the fastest layouts of a training on so many devices")                                          \
    X(explain, "where the time and the memory of one layout go, term by term")                               \
    X(size, "the fewest devices for a deadline, a budget, a step time")                                      \
    X(compare, "the clusters of a session side by side")                                                     \
    X(validate, "predictions against measured runs")                                                         \
    X(models, "the models that ship, and what storing each takes")                                           \
    X(topologies, "the cluster files that ship")                                                             \
    X(calibrate, "fits the constants of a device or network to measured times")

enum exit_code { EXIT_RESULT = 0, EXIT_NO_RESULT = 1, EXIT_USAGE = 2 };

/* Does the verb with the arguments after it (argv[0] is the verb) and returns the exit code. `--help` is one
 * of every verb's options. Results go to stdout, all else to stderr. */
#define COMMAND_DECLARE(verb, summary) int cmd_##verb(int argc, char **argv);
COMMANDS(COMMAND_DECLARE)

/* What `clusterplan help <verb>` says, above and below the options. */
struct command_help {
    const char *usage;    /* "clusterplan plan --model F --cluster F [options]" */
    const char *about;    /* a paragraph or two */
    const char *examples; /* command lines that work, one a line; each line ends with \n */
};

/* What a command was called with, but for the options of its own. */
struct command_call {
    enum print_format format; /* what --format says */
    const char **operands;
    size_t operand_count;
    struct arena *arena; /* until the command has run */
};

/* How a command is called. --help is every command's option. */
struct command {
    struct command_help help;
    const struct option_entry *options; /* of its own: a name of NULL ends them; NULL: none */
    bool has_no_format;                 /* else --format is an option too */
    size_t operand_max;                 /* SIZE_MAX: any number of them */
    /* Does it and returns the exit code. `data`: the same as below, for what the options set. */
    int (*run)(const struct command_call *call, void *data);
    void *data;
};

/* Reads the arguments and runs the command, or says what is wrong with them or how it is called. Returns the
 * exit code. */
int command_run(const struct command *command, int argc, char **argv);

/* Prints the error on stderr, and returns EXIT_USAGE. */
int command_fail(const struct error *error);

/* The same where the question is sound and the answer is no: returns EXIT_NO_RESULT. */
int command_say_no(const struct error *error);

#endif
