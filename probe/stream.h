/* Bandwidth: the initiator announces a sample of so many messages, the responder posts its receives and says
 * it is ready, the messages go, the responder acknowledges the last. What the sender's side alone sees would
 * be its socket buffers. The round trip of announcing is taken off. Messages are as long as was asked for,
 * but over a slow link, where one would take seconds. */
#ifndef CLUSTERPLAN_PROBE_STREAM_H
#define CLUSTERPLAN_PROBE_STREAM_H

#include <stdbool.h>
#include <stdint.h>

#include "probe/sampler.h"
#include "probe/task.h"
#include "probe/transfer.h"

/* TASK_STREAM and TASK_EXCHANGE: samples of bytes a second, and how long the messages were. Of streams that
 * begin together one sample, or none where a stream was held up for too long. Both of `buffers` hold
 * task->bytes. */
bool stream_initiator(const struct task *task, const struct message_buffers *buffers, struct sampler *sampler,
                      int64_t *sent_bytes);

bool stream_responder(const struct task *task, const struct message_buffers *buffers);

#endif
