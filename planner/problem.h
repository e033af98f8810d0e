/* What is asked on the command line, made into a search problem: files read, defaults filled in and said.
 *
 * plan and explain take the same flags. */
#ifndef CLUSTERPLAN_PROBLEM_H
#define CLUSTERPLAN_PROBLEM_H

#include "common/options.h"
#include "planner/search.h"

/* As given; NULL where they were not. */
struct problem_flags {
    const char *model, *cluster, *devices, *sequence, *global_batch, *tokens, *precision, *layout, *top,
        *stack, *attention;
    bool exhaustive;
};

enum { PROBLEM_OPTIONS = 12, PROBLEM_MAX_NOTES = 24 };

/* Writes PROBLEM_OPTIONS entries that set `flags`; returns the place after them. */
struct option_entry *problem_options(struct problem_flags *flags, struct option_entry *entries);

struct problem {
    struct model model;
    struct model_counts counts; /* at the training's sequence */
    struct cluster cluster;
    struct search_problem search; /* points at `model` and `cluster`: don't copy a problem */

    /* Device counts asked: the same twice for one. 0: as few as the model fits on. */
    int64_t devices_from, devices_to;

    int64_t asked_batch;       /* sequences; 0: not given */
    double asked_batch_tokens; /* 0: not given in tokens */

    const char *notes[PROBLEM_MAX_NOTES]; /* what was assumed, a sentence each without a full stop */
    size_t note_count;
    struct arena *arena;
};

/* Reads the files and flags. False with the error set when they are wrong, or don't go together. */
bool problem_read(const struct problem_flags *flags, struct arena *arena, struct problem *problem,
                  struct error *error);

/* Sets how many devices the search is for (a range shares one global batch), and that batch. */
void problem_set_devices(struct problem *problem, int64_t from, int64_t to);

/* Adds a sentence to the notes. */
void problem_note(struct problem *problem, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Notes about the model, the cluster and the training that every report ends with. Call it once, after
 * problem_set_devices. */
void problem_note_assumptions(struct problem *problem);

#endif
