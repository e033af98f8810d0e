#include "probe/collectives.h"

#include <math.h>
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/cluster.h"
#include "probe/wait.h"
#include "probe/watchdog.h"

enum { SAMPLES_MAX = 512, SAMPLES_MIN = 5, SAMPLES_LEAST = 2, REPEAT_MAX = 1000, TAG_FORM = 100 };
static const double sample_seconds = 300e-6; /* a sample repeats short operations up to this long */
static const double precision = 0.02;

/* Earlier groups are not freed: that is collective among members who may be elsewhere by now. */
static MPI_Comm group = MPI_COMM_NULL;
static const int32_t *own_list; /* of rank 0, which doesn't send it to itself */

void collectives_send_group(const int32_t *ranks, size_t count) {
    own_list = ranks;
    for (size_t i = 0; i < count; i++) {
        MPI_Request request;
        if (ranks[i] != 0) {
            MPI_Isend(ranks, (int)count, MPI_INT32_T, ranks[i], TAG_GROUP, MPI_COMM_WORLD, &request);
            MPI_Request_free(&request);
        }
    }
}

static void watch(const struct task *task, const char *what) {
    char doing[128];
    snprintf(doing, sizeof doing, "%s among %d ranks", what, (int)task->members);
    watchdog_arm(task->seconds + 2 * task->stall_seconds, doing);
}

bool collectives_form(const struct task *task) {
    int rank;
    int32_t *ranks = malloc((size_t)task->members * sizeof *ranks);
    if (ranks == NULL) {
        return false;
    }
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    if (rank == 0) {
        memcpy(ranks, own_list, (size_t)task->members * sizeof *ranks);
    } else {
        MPI_Request request;
        MPI_Irecv(ranks, task->members, MPI_INT32_T, 0, TAG_GROUP, MPI_COMM_WORLD, &request);
        if (!wait_request(&request, task->stall_seconds, WAIT_IDLE, MPI_STATUS_IGNORE)) {
            return false; /* the list is still awaited: not freed */
        }
    }
    MPI_Group world, members;
    watch(task, "forming a group");
    MPI_Comm_group(MPI_COMM_WORLD, &world);
    MPI_Group_incl(world, task->members, ranks, &members);
    MPI_Comm_create_group(MPI_COMM_WORLD, members, TAG_FORM, &group);
    MPI_Group_free(&members);
    MPI_Group_free(&world);
    watchdog_disarm();
    free(ranks);
    return true;
}

/* Elements that one member gives or gets: nccl-tests counts the whole buffer of a member. */
struct buffers {
    float *in, *out;
    int whole, part;
};

static void call(const struct task *task, const struct buffers *b) {
    switch (task->operation) {
    case COLLECTIVE_ALL_REDUCE:
        MPI_Allreduce(b->in, b->out, b->whole, MPI_FLOAT, MPI_SUM, group);
        break;
    case COLLECTIVE_ALL_GATHER:
        MPI_Allgather(b->in, b->part, MPI_FLOAT, b->out, b->part, MPI_FLOAT, group);
        break;
    case COLLECTIVE_REDUCE_SCATTER:
        MPI_Reduce_scatter_block(b->in, b->out, b->part, MPI_FLOAT, MPI_SUM, group);
        break;
    case COLLECTIVE_ALL_TO_ALL:
        MPI_Alltoall(b->in, b->part, MPI_FLOAT, b->out, b->part, MPI_FLOAT, group);
        break;
    default:
        break;
    }
}

/* Seconds of one operation: the mean of `repeat` of them, of the slowest member; the same on all. */
static double sample(const struct task *task, const struct buffers *buffers, int repeat) {
    MPI_Barrier(group);
    double begin = MPI_Wtime();
    for (int i = 0; i < repeat; i++) {
        call(task, buffers);
    }
    double own = (MPI_Wtime() - begin) / repeat, slowest;
    MPI_Allreduce(&own, &slowest, 1, MPI_DOUBLE, MPI_MAX, group);
    return slowest;
}

static void measure(const struct task *task, const struct buffers *buffers, struct summary *summary) {
    double values[SAMPLES_MAX], sorted[SAMPLES_MAX], spent = 0;
    size_t count = 0;
    sample(task, buffers, 1);
    double first = sample(task, buffers, 1); /* the one before made connections */
    size_t least = first > task->seconds ? SAMPLES_LEAST : SAMPLES_MIN;
    int repeat = (int)fmin(REPEAT_MAX, fmax(1, sample_seconds / first));
    do {
        values[count] = sample(task, buffers, repeat);
        spent += values[count++] * repeat;
        memcpy(sorted, values, count * sizeof *values);
        summary_make(sorted, count, summary);
        /* Every member sees the same values, so all stop together. */
    } while (count < SAMPLES_MAX && (count < least || spent < task->seconds) &&
             spent < task->seconds + task->stall_seconds / 2 && !summary_settled(sorted, count, precision));
}

bool collectives_run(const struct task *task, struct summary *summary) {
    struct buffers buffers = {.part = (int)(task->bytes / (int64_t)sizeof(float) / task->members)};
    buffers.part = buffers.part > 0 ? buffers.part : 1;
    buffers.whole = buffers.part * task->members;
    size_t bytes = (size_t)buffers.whole * sizeof(float);
    buffers.in = malloc(bytes);
    buffers.out = malloc(bytes);
    bool ready = buffers.in != NULL && buffers.out != NULL && group != MPI_COMM_NULL;
    if (ready) {
        memset(buffers.in, 0, bytes);
        memset(buffers.out, 0, bytes);
        watch(task, collective_names[task->operation]);
        measure(task, &buffers, summary);
        watchdog_disarm();
    }
    free(buffers.in);
    free(buffers.out);
    return ready;
}
