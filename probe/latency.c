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

/* The next message of the peer. MPI moves a long one only while it is called, so only short ones are slept
 * for. */
static bool receive(const struct task *task, void *buffer, double *least, MPI_Status *status) {
    MPI_Request request;
    MPI_Irecv(buffer, (int)task->bytes, MPI_BYTE, task->peer, TAG_DATA, MPI_COMM_WORLD, &request);
    return task->bytes <= SHORT_BYTES ? wait_answer(&request, task->stall_seconds, least, status)
                                      : wait_request(&request, task->stall_seconds, WAIT_SPIN, status);
}

/* Round trips of one batch. */
static bool round_trips(const struct task *task, const struct message_buffers *buffers, int trips,
                        double *least, double *seconds) {
    double begin = clock_seconds();
    for (int i = 0; i < trips; i++)
        if (!transfer_send(buffers->out, task->bytes, TAG_DATA, task) ||
            !receive(task, buffers->in, least, MPI_STATUS_IGNORE))
            return false;
    *seconds = (clock_seconds() - begin) / (2 * trips);
    return true;
}

bool latency_initiator(const struct task *task, const struct message_buffers *buffers,
                       struct sampler *sampler) {
    double half, least = HUGE_VAL;
    int trips = 1;
    /* The first message makes the connection. The next batches are slow, too, which must not end their
     * growing. Over a slow link there is no time for them. */
    double end = clock_seconds() + task->seconds;
    if (!round_trips(task, buffers, trips, &least, &half))
        return false;
    for (int lasted = 0; lasted < WARM_BATCHES && clock_seconds() < end;) {
        if (!round_trips(task, buffers, trips, &least, &half))
            return false;
        bool lasts = 2 * half * trips >= BATCH_SECONDS || trips == BATCH_MAX;
        lasted = lasts ? lasted + 1 : 0;
        trips = lasts ? trips : 2 * trips;
    }
    sampler_start(sampler, task);
    do {
        if (!round_trips(task, buffers, trips, &least, &half))
            return false;
    } while (!sampler_add(sampler, half));
    return transfer_send(buffers->out, 0, TAG_DATA, task); /* an empty message ends it */
}

bool latency_responder(const struct task *task, const struct message_buffers *buffers) {
    for (double least = HUGE_VAL;;) {
        MPI_Status status;
        int bytes;
        if (!receive(task, buffers->in, &least, &status))
            return false;
        MPI_Get_count(&status, MPI_BYTE, &bytes);
        if (bytes == 0)
            return true;
        if (!transfer_send(buffers->in, task->bytes, TAG_DATA, task))
            return false;
    }
}
