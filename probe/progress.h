/* How far a run is, on stderr: percent, what is being measured, time left. Redrawn in place on a terminal;
 * elsewhere a line at the start of each phase. */
#ifndef CLUSTERPLAN_PROBE_PROGRESS_H
#define CLUSTERPLAN_PROBE_PROGRESS_H

#include <stdbool.h>

struct progress {
    bool terminal;
    double begin, phase_begin, drawn; /* clock_seconds() of the start, of the phase, of the last drawing */
    double expected, later;           /* seconds of this phase, and of those after it, by the plan */
    const char *what;
};

/* `now`: clock_seconds() here and below. */
void progress_start(struct progress *progress, double now);

/* A phase begins that will take `expected_seconds`; those after it, `later_seconds`. */
void progress_phase(struct progress *progress, const char *what, double expected_seconds,
                    double later_seconds, double now);

/* `share` of the phase is done, 0 .. 1. */
void progress_step(struct progress *progress, double share, double now);

/* Clears the line, so that other text can follow. */
void progress_clear(struct progress *progress);

#endif
