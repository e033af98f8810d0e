/* clusterplan: finds the command that is asked for and makes sure that what it printed has arrived. */
#include <locale.h>
#include <stdio.h>
#include <string.h>

#include "common/standard_output.h"
#include "common/terminal.h"
#include "planner/commands/commands.h"

struct verb {
    const char *name, *summary;
    int (*run)(int argc, char **argv);
};

#define VERB_ENTRY(verb, summary) {#verb, summary, cmd_##verb},
static const struct verb verbs[] = {COMMANDS(VERB_ENTRY){NULL, NULL, NULL}};

#define VERB_NAME(verb, summary) #verb,
static const char *const words[] = {COMMANDS(VERB_NAME) "help", "--help", "--version", NULL};

static const struct verb *find_verb(const char *name) {
    for (const struct verb *verb = verbs; verb->name; verb++)
        if (strcmp(verb->name, name) == 0)
            return verb;
    return NULL;
}

static void print_verb(const char *name, const char *summary, FILE *stream) {
    int lead = fprintf(stream, "  %-11s ", name);
    terminal_print_wrapped(summary, (size_t)lead, stream);
}

static void print_overview(FILE *stream) {
    terminal_print_wrapped("clusterplan " CLUSTERPLAN_VERSION
                           ": plans the training of large models on clusters, measured or from a datasheet",
                           0, stream);
    fputs("\nUsage: clusterplan COMMAND [options]\n\nCommands:\n", stream);
    for (const struct verb *verb = verbs; verb->name; verb++)
        print_verb(verb->name, verb->summary, stream);
    print_verb("help", "more about a command: clusterplan help plan", stream);
    fprintf(stream, "\nExamples:\n"
                    "  clusterplan plan --model llama-3-70b --cluster dgx-h100 --devices 512 --tokens 15T\n"
                    "  clusterplan explain --model gpt-3 --cluster dgx-a100-80g --layout \"tp=8 pp=8\"\n"
                    "  mpirun -np 2 clusterprobe -o cluster.yaml --base dgx-a100-80g\n"
                    "  clusterplan plan --model llama-3-8b --cluster cluster.yaml\n"
                    "\n");
    terminal_print_wrapped("Exit status: 0 success, 1 no result (nothing fits), 2 bad usage or bad input.", 0,
                           stream);
}

static int unknown_verb(const char *name) {
    struct error error = {0};
    error_set(&error, *name == '-' ? "unknown option \"%s\"" : "there is no command \"%s\"", name);
    const char *nearest = error_nearest(name, words);
    if (nearest)
        error_hint(&error, "did you mean \"%s\"?", nearest);
    else
        error_hint(&error, *name == '-' ? "a command comes first: clusterplan plan --help"
                                        : "clusterplan --help lists them");
    return command_fail(&error);
}

static int help(int argc, char **argv) {
    if (argc < 2 || strcmp(argv[1], "help") == 0) {
        print_overview(stdout);
        return EXIT_RESULT;
    }
    if (argc > 2) {
        struct error error = {0};
        error_set(&error, "help takes one command, \"%s\" is one too many", argv[2]);
        return command_fail(&error);
    }
    const struct verb *verb = find_verb(argv[1]);
    if (!verb)
        return unknown_verb(argv[1]);
    char option[] = "--help";
    char *arguments[] = {argv[1], option, NULL};
    return verb->run(2, arguments);
}

static int dispatch(int argc, char **argv) {
    if (argc < 2) {
        print_overview(stderr);
        return EXIT_USAGE;
    }
    const char *name = argv[1];
    if (strcmp(name, "--version") == 0) {
        puts("clusterplan " CLUSTERPLAN_VERSION);
        return EXIT_RESULT;
    }
    if (strcmp(name, "help") == 0 || strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0)
        return help(argc - 1, argv + 1);
    const struct verb *verb = find_verb(name);
    return verb ? verb->run(argc - 1, argv + 1) : unknown_verb(name);
}

int main(int argc, char **argv) {
    if (!standard_output_is_open("clusterplan"))
        return EXIT_USAGE;
    setlocale(LC_CTYPE, ""); /* which characters the terminal shows; numbers stay as in C */
    int code = dispatch(argc, argv);
    return standard_output_arrived("clusterplan") ? code : EXIT_USAGE;
}
