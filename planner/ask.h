/* What plan and explain share: flags read, the problem searched, the answer handed on to be reported. */
#ifndef CLUSTERPLAN_ASK_H
#define CLUSTERPLAN_ASK_H

#include "planner/answer.h"
#include "planner/commands.h"
#include "planner/print_data.h"

struct ask {
    struct command_help help; /* its options are filled in */
    bool one_layout;          /* neither a range of devices nor runners-up */
    /* Prints the answer (or that there is none) and returns the exit code. */
    int (*report)(struct problem *problem, const struct answer *answer, enum print_format format,
                  struct arena *arena);
};

/* Returns the exit code. */
int ask(const struct ask *ask, int argc, char **argv);

#endif
