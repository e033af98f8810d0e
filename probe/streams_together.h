/* Streams of several pairs at the same time, that begin together: what each gets of what they share.
 *
 * They go on without a pause, and what each moved between two moments counts, in which all of them were under
 * way: samples would end sooner in the faster ones, and leave more to the others. */
#ifndef CLUSTERPLAN_PROBE_STREAMS_TOGETHER_H
#define CLUSTERPLAN_PROBE_STREAMS_TOGETHER_H

#include <stdbool.h>

#include "probe/task.h"

/* The initiator's side, which moves `alone` bytes a second alone: bytes a second that arrived among the
 * others, 0 where too little did. `memory` holds task->bytes. */
bool streams_together_send(const struct task *task, char *memory, double alone, double *bytes_per_second);

/* The responder's side. */
bool streams_together_receive(const struct task *task, char *memory);

#endif
