/* Two ranks measure the link between them: ping-pong for latency, acknowledged streams for bandwidth.
 *
 * Samples are taken until their median is known (sampler.h). Every wait has a deadline; after one that
 * passed, false is returned and MPI is only good for aborting. */
#ifndef CLUSTERPLAN_PROBE_PINGPONG_H
#define CLUSTERPLAN_PROBE_PINGPONG_H

#include <stdbool.h>

#include "probe/summary.h"
#include "probe/task.h"

/* Runs TASK_LATENCY, TASK_STREAM or TASK_EXCHANGE in its role. The initiator's summary is filled, and how
 * long its messages were: shorter than task->bytes in streams over a link where one would take seconds. */
bool pingpong_run(const struct task *task, struct summary *summary, int64_t *sent_bytes);

/* Gives back the message buffers. */
void pingpong_free(void);

#endif
