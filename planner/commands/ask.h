/* What plan and explain share: flags read, the problem posed, the answer searched with progress shown. */
#ifndef CLUSTERPLAN_ASK_H
#define CLUSTERPLAN_ASK_H

#include "planner/answers/answer.h"
#include "planner/commands/commands.h"
#include "planner/report/print_data.h"

enum { ASK_OPTIONS = 4 };

struct ask {
    struct command_help help;
    bool one_layout;                              /* neither a range of devices nor runners-up */
    struct option_entry options[ASK_OPTIONS + 1]; /* further flags of the command; a name of NULL ends them */
    /* Whether the flags go together; may be NULL. */
    bool (*check)(const struct ask *ask, const struct problem_flags *flags, struct error *error);
    /* Answers, prints the answer (or that there is none) and returns the exit code. */
    int (*reply)(const struct ask *ask, struct problem *problem, enum print_format format,
                 struct arena *arena);
};

/* Reads the arguments, poses the problem and replies. Returns the exit code. */
int ask(const struct ask *ask, int argc, char **argv);

/* Calls `find` (answer_find, or one like it) with the line of progress. */
bool ask_find(struct problem *problem,
              bool (*find)(struct problem *problem, struct answer *answer, struct error *error),
              struct answer *answer, struct error *error);

/* Prices the slow hosts under the best plan (NULL: nothing fits), and notes what the answer rests on. */
void ask_note(struct problem *problem, const struct plan *best);

#endif
