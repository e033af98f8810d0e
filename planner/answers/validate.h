/* Predictions held against measured runs. */
#ifndef CLUSTERPLAN_VALIDATE_H
#define CLUSTERPLAN_VALIDATE_H

#include <stdbool.h>
#include <stddef.h>

#include "planner/answers/run_file.h"
#include "planner/search/search.h"

struct validated_run {
    const struct run *run;
    const struct cluster *cluster;
    const char *file;               /* its run file's name, without folder and ending */
    const char *why;                /* no prediction can be made; NULL: it was */
    struct layout layout;           /* what was published, completed by the search */
    bool fits, fits_without_margin; /* as the planner checks it; as the prediction itself says */
    /* Seconds and bytes; predicted / measured - 1 as error, 0 where nothing was measured. */
    double predicted_step, step_error;
    double predicted_memory, memory_error; /* of the kind that was measured */
    double checked_memory;                 /* what the planner holds against the device */
};

/* Fractions, over the runs that were measured and predicted; all 0 for no run. */
struct error_summary {
    size_t runs;
    double mean_absolute, median_absolute, largest, bias; /* largest: absolute; bias: mean with its sign */
};

struct validated_file {
    const char *name;
    struct error_summary step, memory;
};

struct validation {
    struct validated_run *runs; /* in the files' order */
    size_t run_count;
    struct validated_file *files;
    size_t file_count;
    struct error_summary step, memory;
    size_t ran;                 /* all but those that ran out of memory */
    size_t tight, refused;      /* runs that lack only the margin; that wouldn't fit, though they ran */
    size_t ran_out_but_fit;     /* that ran out of memory, though they are said to fit */
    size_t ran_out_and_refused; /* that ran out of memory, as they are said to */
};

/* Reads `count` run files, one that is named twice once, and predicts each run: its layout where that is
 * published in full, else the best that the search finds among those that agree with it. Everything belongs
 * to the arena. `progress` may be NULL. False with the error set when a file, or a cluster it names, is
 * wrong. */
bool validate_files(const char *const *paths, size_t count, const struct progress *progress,
                    struct arena *arena, struct validation *validation, struct error *error);

#endif
