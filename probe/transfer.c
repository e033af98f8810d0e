#include "probe/transfer.h"

#include "probe/wait.h"

bool transfer_receive(void *buffer, int64_t bytes, int tag, const struct task *task) {
    MPI_Request request;
    MPI_Irecv(buffer, (int)bytes, MPI_BYTE, task->peer, tag, MPI_COMM_WORLD, &request);
    return wait_request(&request, task->stall_seconds, WAIT_SPIN, MPI_STATUS_IGNORE);
}

bool transfer_send(const void *buffer, int64_t bytes, int tag, const struct task *task) {
    MPI_Request request;
    MPI_Isend(buffer, (int)bytes, MPI_BYTE, task->peer, tag, MPI_COMM_WORLD, &request);
    return wait_request(&request, task->stall_seconds, WAIT_SPIN, MPI_STATUS_IGNORE);
}

void flow_post(struct flow *flow, const struct task *task) {
    int slot = flow->next++ % flow->window;
    if (flow->sending) {
        MPI_Isend(flow->buffer, (int)task->bytes, MPI_BYTE, task->peer, TAG_DATA, MPI_COMM_WORLD,
                  &flow->requests[slot]);
    } else {
        MPI_Irecv(flow->buffer, (int)task->bytes, MPI_BYTE, task->peer, TAG_DATA, MPI_COMM_WORLD,
                  &flow->requests[slot]);
    }
}

void flow_start(struct flow *flow, bool sending, int total, int window, char *buffer,
                const struct task *task) {
    *flow = (struct flow){.total = total, .window = window, .sending = sending, .buffer = buffer};
    while (flow->next < total && flow->next < window)
        flow_post(flow, task);
}

bool flow_await(struct flow *flow, int message, const struct task *task, MPI_Status *status) {
    return wait_request(&flow->requests[message % flow->window], task->stall_seconds, WAIT_SPIN, status);
}

bool flow_step(struct flow *flow, int message, const struct task *task) {
    if (message >= flow->total)
        return true;
    if (!flow_await(flow, message, task, MPI_STATUS_IGNORE))
        return false;
    if (flow->next < flow->total)
        flow_post(flow, task);
    return true;
}
