/* How far a search is, on a terminal's stderr, once it takes longer than people like to wait. */
#ifndef CLUSTERPLAN_PRINT_PROGRESS_H
#define CLUSTERPLAN_PRINT_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

struct print_progress {
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

/* For search_problem's `progress`: `data` is a struct print_progress, `share` from 0 to 1. */
void print_progress_update(void *data, double share);

/* Takes the line away again. */
void print_progress_end(struct print_progress *progress);

#endif
