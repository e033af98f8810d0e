#include "probe/latency.h"

#include <mpi.h>

#include "common/clock.h"
#include "probe/wait.h"

enum {
    BATCH_MAX = 512, /* round trips in one sample */
    WARM_BATCHES = 8 /* that last long enough, before samples are taken */
};
static const double BATCH_SECONDS = 30e-6; /* the clock's own time of about 50 ns is then far below 1 % */

/* Round trips of one batch. */
static bool round_trips(const struct task *task, const struct message_buffers *buffers, int trips,
                        double *seconds) {
    double begin = clock_seconds();
    for (int i = 0; i < trips; i++)
        if (!transfer_send(buffers->out, task->bytes, TAG_DATA, task) ||
            !transfer_receive(buffers->in, task->bytes, TAG_DATA, task))
            return false;
    *seconds = (clock_seconds() - begin) / (2 * trips);
    return true;
}

bool latency_initiator(const struct task *task, const struct message_buffers *buffers,
                       struct sampler *sampler) {
    double half;
    int trips = 1;
    /* The first message makes the connection. The next batches are slow, too, which must not end their
     * growing. */
    if (!round_trips(task, buffers, trips, &half))
        return false;
    double end = clock_seconds() + task->seconds; /* a slow link: no time for more */
    for (int lasted = 0; lasted < WARM_BATCHES && clock_seconds() < end;) {
        if (!round_trips(task, buffers, trips, &half))
            return false;
        bool lasts = 2 * half * trips >= BATCH_SECONDS || trips == BATCH_MAX;
        lasted = lasts ? lasted + 1 : 0;
        trips = lasts ? trips : 2 * trips;
    }
    sampler_start(sampler, task);
    do {
        if (!round_trips(task, buffers, trips, &half))
            return false;
    } while (!sampler_add(sampler, half));
    return transfer_send(buffers->out, 0, TAG_DATA, task); /* an empty message ends it */
}

bool latency_responder(const struct task *task, const struct message_buffers *buffers) {
    for (;;) {
        MPI_Request request;
        MPI_Status status;
        int bytes;
        MPI_Irecv(buffers->in, (int)task->bytes, MPI_BYTE, task->peer, TAG_DATA, MPI_COMM_WORLD, &request);
        if (!wait_request(&request, task->stall_seconds, WAIT_SPIN, &status))
            return false;
        MPI_Get_count(&status, MPI_BYTE, &bytes);
        if (bytes == 0)
            return true;
        if (!transfer_send(buffers->in, task->bytes, TAG_DATA, task))
            return false;
    }
}
