/* Latency: batches of round trips, each long enough for the clock, one sample a batch. */
#ifndef CLUSTERPLAN_PROBE_LATENCY_H
#define CLUSTERPLAN_PROBE_LATENCY_H

#include <stdbool.h>

#include "probe/sampler.h"
#include "probe/task.h"
#include "probe/transfer.h"

/* TASK_LATENCY: samples of seconds, half a round trip. Both of `buffers` hold task->bytes. */
bool latency_initiator(const struct task *task, const struct message_buffers *buffers,
                       struct sampler *sampler);

bool latency_responder(const struct task *task, const struct message_buffers *buffers);

#endif
