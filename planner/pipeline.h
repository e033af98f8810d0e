/* Time of a pipeline schedule. */
#ifndef CLUSTERPLAN_PIPELINE_H
#define CLUSTERPLAN_PIPELINE_H

#include <stdint.h>

#include "common/arena.h"
#include "planner/layout.h"

struct pipeline {
    enum schedule schedule;
    int64_t stages, chunks; /* pp, vpp */
    int64_t micro_batches;
    /* By virtual stage (chunk-major as a token meets them, stages x chunks of them), seconds a micro-batch:
     */
    const double *forward_seconds;
    const double *backward_input_seconds; /* data gradient and recompute */
    const double
        *backward_weight_seconds; /* weight gradient; run with the former unless the schedule splits them */
    double hop_seconds;           /* exposed time of one transfer between neighbouring stages */
};

struct pipeline_time {
    double seconds;        /* from the first forward to the last backward */
    double busy_seconds;   /* of the busiest stage */
    double bubble_seconds; /* seconds - busy, hops apart */
    double hop_seconds;    /* exposed transfers on the critical path */
};

/* By closed form; equal to the simulation where the stages are equal and hops are free. */
void pipeline_closed_form(const struct pipeline *pipeline, struct pipeline_time *time);

/* By playing the schedule event by event. `arena` holds the working space. */
void pipeline_simulate(const struct pipeline *pipeline, struct arena *arena, struct pipeline_time *time);

#endif
