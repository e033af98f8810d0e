/* How far a search is, on a terminal's stderr, once it takes longer than people like to wait. */
#ifndef CLUSTERPLAN_PRINT_PROGRESS_H
#define CLUSTERPLAN_PRINT_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

#include "planner/progress.h"

struct print_progress {
    struct progress progress;    /* to be passed on: shows the line */
    const int64_t *devices;      /* what the search now running is for; may be NULL */
    int64_t shown_devices;       /* what the line shown is about */
    double start_seconds;        /* of the first search (clock_seconds) */
    double search_start_seconds; /* of the one now running */
    double shown_seconds;        /* of the last line */
    bool enabled, shown;
};

/* `devices` is read whenever a line is shown: several searches may follow each other. NULL: the share is of
 * them all. */
void print_progress_start(struct print_progress *progress, const int64_t *devices);

/* Takes the line away again. */
void print_progress_end(struct print_progress *progress);

#endif
