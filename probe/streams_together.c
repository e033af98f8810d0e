#include "probe/streams_together.h"

#include <limits.h>
#include <mpi.h>
#include <stdlib.h>

#include "common/clock.h"
#include "probe/transfer.h"
#include "probe/wait.h"

enum {
    WINDOW = 4,      /* messages on the way at once: streams have to end together */
    MESSAGES = 64,   /* of each stream, about */
    SHARING = 4,     /* that many get less than one alone, which is reckoned with up to here */
    MESSAGES_MIN = 8 /* however slow */
};
/* No message is shorter than the first; but over a link that takes longer than MIN_SECONDS for it, the
 * second. */
static const int64_t BYTES_MIN = 65536, SLOW_BYTES_MIN = 8192;
static const double MIN_SECONDS = 0.1;
/* Of the time given: what counts begins and ends then, and when they stop. */
static const double FROM = 0.2, UNTIL = 1, STOP = 1.25;

/* The initiators of a set of streams wait for each other: the root hears from all, then tells all. */
static bool start_together(const struct task *task) {
    int rank;
    char word = 0;
    MPI_Request request;
    MPI_Status status;
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    if (rank != task->together_root) {
        MPI_Send(&word, 1, MPI_BYTE, task->together_root, TAG_TOGETHER, MPI_COMM_WORLD);
        MPI_Irecv(&word, 1, MPI_BYTE, task->together_root, TAG_TOGETHER, MPI_COMM_WORLD, &request);
        return wait_request(&request, 2 * task->stall_seconds, WAIT_SPIN, &status);
    }
    int others = task->together_count - 1;
    int *ranks = malloc((size_t)(others + 1) * sizeof *ranks);
    bool all = ranks != NULL;
    for (int i = 0; all && i < others; i++) {
        MPI_Irecv(&word, 1, MPI_BYTE, MPI_ANY_SOURCE, TAG_TOGETHER, MPI_COMM_WORLD, &request);
        all = wait_request(&request, 2 * task->stall_seconds, WAIT_SPIN, &status);
        ranks[i] = status.MPI_SOURCE;
    }
    for (int i = 0; all && i < others; i++)
        MPI_Send(&word, 1, MPI_BYTE, ranks[i], TAG_TOGETHER, MPI_COMM_WORLD);
    free(ranks);
    return all;
}

/* Messages of streams at the same time: many in the time given, but none shorter than a link needs. */
static int64_t message_bytes(const struct task *task, double bytes_per_second) {
    int sharing = task->together_count < SHARING ? task->together_count : SHARING;
    double wanted = bytes_per_second * task->seconds / (MESSAGES * sharing);
    int64_t bytes = task->bytes, least = BYTES_MIN;
    if ((double)least > MIN_SECONDS * bytes_per_second)
        least = SLOW_BYTES_MIN;
    while (bytes > least && (double)bytes > wanted)
        bytes /= 2;
    return bytes;
}

/* Sends without a pause until the time is up, and hears what arrived. */
static bool send_until_stop(const struct task *task, char *memory, double *bytes_per_second) {
    struct flow flow;
    int message = 0;
    double end = clock_seconds() + STOP * task->seconds;
    flow_start(&flow, true, INT_MAX, WINDOW, memory, task);
    while (clock_seconds() < end || message < MESSAGES_MIN)
        if (!flow_step(&flow, message++, task))
            return false;
    flow.total = flow.next;
    while (message < flow.total)
        if (!flow_step(&flow, message++, task))
            return false;
    for (int i = 0; i < WINDOW; i++)
        if (!transfer_send(memory, 0, TAG_DATA, task))
            return false;
    return transfer_receive(bytes_per_second, sizeof *bytes_per_second, TAG_ACKNOWLEDGE, task);
}

/* What arrives between two moments, in which all streams are under way; what came when is taken to have come
 * evenly since the message before, so that a stream that stalls in between is not counted as one that moves.
 * The sender would count what its socket buffers take, too. */
struct arrivals {
    double begin;         /* of the first message */
    double bytes, time;   /* so far, and when the last came, from then */
    double first, latest; /* bytes at FROM, and at UNTIL */
    bool has_first, has_latest;
};

/* Bytes at `moment`, which lies between the last message and one of `bytes` at `time`. */
static double bytes_at(const struct arrivals *arrivals, double bytes, double time, double moment) {
    double share = time > arrivals->time ? (moment - arrivals->time) / (time - arrivals->time) : 1;
    return arrivals->bytes + share * bytes;
}

static void arrivals_add(struct arrivals *arrivals, double bytes, double seconds) {
    double now = clock_seconds(), from = FROM * seconds, until = UNTIL * seconds;
    arrivals->begin = arrivals->begin > 0 ? arrivals->begin : now;
    double time = now - arrivals->begin;
    if (!arrivals->has_first && time >= from) {
        arrivals->first = bytes_at(arrivals, bytes, time, from);
        arrivals->has_first = true;
    }
    if (!arrivals->has_latest && time >= until) {
        arrivals->latest = bytes_at(arrivals, bytes, time, until);
        arrivals->has_latest = true;
    }
    arrivals->bytes += bytes;
    arrivals->time = time;
}

/* 0 where too little came. */
static double arrivals_rate(const struct arrivals *arrivals, double seconds) {
    return arrivals->has_latest ? (arrivals->latest - arrivals->first) / ((UNTIL - FROM) * seconds) : 0;
}

bool streams_together_receive(const struct task *task, char *memory) {
    struct flow flow;
    struct arrivals arrivals = {0};
    int empty = 0;
    flow_start(&flow, false, INT_MAX, WINDOW, memory, task);
    for (int message = 0; empty < WINDOW; message++) {
        MPI_Status status;
        int bytes;
        if (!flow_await(&flow, message, task, &status))
            return false;
        MPI_Get_count(&status, MPI_BYTE, &bytes);
        empty += bytes == 0 ? 1 : 0;
        if (empty == 0) {
            arrivals_add(&arrivals, bytes, task->seconds);
            flow_post(&flow, task);
        }
    }
    const double rate = arrivals_rate(&arrivals, task->seconds);
    return transfer_send(&rate, sizeof rate, TAG_ACKNOWLEDGE, task);
}

bool streams_together_send(const struct task *task, char *memory, double alone, double *bytes_per_second) {
    struct task part = *task;
    part.bytes = message_bytes(task, alone);
    return start_together(task) && send_until_stop(&part, memory, bytes_per_second);
}
