#include "probe/latency.h"

#include <math.h>
#include <mpi.h>

#include "common/clock.h"
#include "probe/wait.h"

enum {
    BATCH_MAX = 512,  /* round trips in one sample */
    WARM_BATCHES = 8, /* that last long enough, before samples are taken */
    SHORT_BYTES = 64
};
static const double BATCH_SECONDS = 30e-6; /* the clock's own time of about 50 ns is then far below 1 % */

/* The next message of the peer. */
static bool receive(const struct task *task, void *buffer, enum wait_manner manner, MPI_Status *status) {
    MPI_Request request;
    MPI_Irecv(buffer, (int)task->bytes, MPI_BYTE, task->peer, TAG_DATA, MPI_COMM_WORLD, &request);
    return wait_request(&request, task->stall_seconds, manner, status);
}

/* Round trips of one batch. */
static bool round_trips(const struct task *task, const struct message_buffers *buffers, int trips,
                        enum wait_manner manner, double *seconds) {
    double begin = clock_seconds();
    for (int i = 0; i < trips; i++)
        if (!transfer_send(buffers->out, task->bytes, TAG_DATA, task) ||
            !receive(task, buffers->in, manner, MPI_STATUS_IGNORE))
            return false;
    *seconds = (clock_seconds() - begin) / (2 * trips);
    return true;
}

/* The first message makes the connection. The next batches are slow, too, which must not end their growing.
 * Over a slow link there is no time for them. */
static bool warm_up(const struct task *task, const struct message_buffers *buffers, int *trips) {
    double half, end = clock_seconds() + task->seconds;
    *trips = 1;
    if (!round_trips(task, buffers, *trips, WAIT_SPIN, &half))
        return false;
    for (int lasted = 0; lasted < WARM_BATCHES && clock_seconds() < end;) {
        if (!round_trips(task, buffers, *trips, WAIT_SPIN, &half))
            return false;
        bool lasts = 2 * half * *trips >= BATCH_SECONDS || *trips == BATCH_MAX;
        lasted = lasts ? lasted + 1 : 0;
        *trips = lasts ? *trips : 2 * *trips;
    }
    return true;
}

/* Samples in one manner; an empty message ends them. */
static bool sample(const struct task *task, const struct message_buffers *buffers, int trips,
                   enum wait_manner manner, struct sampler *sampler) {
    double half;
    sampler_start(sampler, task);
    do {
        if (!round_trips(task, buffers, trips, manner, &half))
            return false;
    } while (!sampler_add(sampler, half));
    return transfer_send(buffers->out, 0, TAG_DATA, task);
}

static double least(const struct sampler *sampler) {
    double seconds = HUGE_VAL;
    for (size_t i = 0; i < sampler->count; i++)
        seconds = fmin(seconds, sampler->values[i]);
    return seconds;
}

bool latency_initiator(const struct task *task, const struct message_buffers *buffers,
                       struct sampler *sampler) {
    static struct sampler asleep;
    struct task part = *task;
    int trips;
    if (!warm_up(task, buffers, &trips))
        return false;
    if (task->bytes > SHORT_BYTES || !wait_can_sleep())
        return sample(task, buffers, trips, WAIT_SPIN, sampler) &&
               transfer_send(buffers->out, 0, TAG_DATA, task);
    part.seconds = task->seconds / 2;
    if (!sample(&part, buffers, trips, WAIT_SPIN, sampler) ||
        !sample(&part, buffers, 1, WAIT_ASLEEP, &asleep))
        return false;
    if (least(&asleep) < least(sampler))
        *sampler = asleep;
    return true;
}

bool latency_responder(const struct task *task, const struct message_buffers *buffers) {
    bool can_sleep = false;
    for (int manners = 0, messages = 0; manners < 2; messages++) {
        MPI_Status status;
        int bytes;
        if (!receive(task, buffers->in, manners > 0 && can_sleep ? WAIT_ASLEEP : WAIT_SPIN, &status))
            return false;
        if (messages == 0)
            can_sleep = wait_can_sleep();
        MPI_Get_count(&status, MPI_BYTE, &bytes);
        manners += bytes == 0 ? 1 : 0;
        if (bytes > 0 && !transfer_send(buffers->in, task->bytes, TAG_DATA, task))
            return false;
    }
    return true;
}
