/* Messages between a rank and its task's peer, each waited for with the task's deadline; and flows of them,
 * of which several are on the way. After false MPI is only good for aborting. */
#ifndef CLUSTERPLAN_PROBE_TRANSFER_H
#define CLUSTERPLAN_PROBE_TRANSFER_H

#include <mpi.h>
#include <stdbool.h>
#include <stdint.h>

#include "probe/task.h"

/* Where messages come from and go to; the two share no cache line. */
struct message_buffers {
    char *out, *in;
};

bool transfer_send(const void *buffer, int64_t bytes, int tag, const struct task *task);
bool transfer_receive(void *buffer, int64_t bytes, int tag, const struct task *task);

enum { FLOW_WINDOW_MAX = 64 }; /* OSU has as many messages on the way by default */

/* One direction's messages of task->bytes, up to `window` of them at a time, all out of one buffer or into
 * one: what arrives is never looked at. */
struct flow {
    MPI_Request requests[FLOW_WINDOW_MAX];
    int next, total, window;
    bool sending;
    char *buffer; /* the caller's */
};

/* Posts the first messages of `total`. */
void flow_start(struct flow *flow, bool sending, int total, int window, char *buffer,
                const struct task *task);

/* Posts the next message, in the place of one that was waited for. */
void flow_post(struct flow *flow, const struct task *task);

/* Waits for message number `message`, counted from 0. */
bool flow_await(struct flow *flow, int message, const struct task *task, MPI_Status *status);

/* Waits for it, if the flow has so many, and posts the one that takes its place. */
bool flow_step(struct flow *flow, int message, const struct task *task);

#endif
