/* 1F1B and its interleaved form, played without lists of passes. Internal to the pipeline. */
#ifndef CLUSTERPLAN_PIPELINE_FLOW_H
#define CLUSTERPLAN_PIPELINE_FLOW_H

#include "planner/cost/pipeline.h"

/* Doubles that it works in. */
size_t pipeline_flow_room(const struct pipeline *pipeline);

/* Seconds from the first forward to the last backward pass, of two stages or more. */
double pipeline_flow_seconds(const struct pipeline *pipeline, double *room);

/* pipeline.c: seconds that the passes of a micro-batch on a device take longer for what they receive. */
double pipeline_received(const struct pipeline *pipeline, int64_t device);

/* pipeline.c: adds each device of the pipeline, in a run of its own. */
void pipeline_add_all(const struct pipeline *pipeline, struct pipeline_devices *devices);

#endif
