/* How far a search is, on a terminal's stderr, once it takes longer than people like to wait. */
#ifndef CLUSTERPLAN_PRINT_PROGRESS_H
#define CLUSTERPLAN_PRINT_PROGRESS_H

#include <stdbool.h>

struct print_progress {
    double start_seconds, shown_seconds; /* CLOCK_MONOTONIC */
    bool enabled, shown;
};

void print_progress_start(struct print_progress *progress);

/* For search_problem's `progress`: `data` is a struct print_progress, `share` from 0 to 1. A share that falls
 * starts the next search of several. */
void print_progress_update(void *data, double share);

/* Takes the line away again. */
void print_progress_end(struct print_progress *progress);

#endif
