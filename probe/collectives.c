#include "probe/collectives.h"

#include <math.h>
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/cluster.h"
#include "probe/escape.h"
#include "probe/gpu.h"
#include "probe/nccl.h"
#include "probe/wait.h"
#include "probe/watchdog.h"

enum { SAMPLES_MAX = 512, SAMPLES_MIN = 3, SAMPLES_LEAST = 2, REPEAT_MAX = 1000, TAG_FORM = 100 };
static const double SAMPLE_SECONDS = 300e-6; /* a sample repeats short operations up to this long */
static const double PRECISION = 0.02;
static const double CONNECTED_SHARE =
    0.25; /* by which the first operation may be longer if it made no connections */
/* Of the longest time of a message, on top of the time given. A measurement of MPI's goes on for half of that
 * at most, and then takes one operation more; NCCL's operations keep to a limit of their own. */
static const double PATIENT_STALLS = 2, OPERATION_STALLS = 1.5;

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

static void watch(const struct task *task, const char *what, double stalls) {
    char doing[128];
    snprintf(doing, sizeof doing, "%s among %d ranks", what, (int)task->members);
    watchdog_arm(task->seconds + stalls * task->stall_seconds, doing);
}

/* Blocking calls of MPI. False when one never returned and was left. */
static bool guard(const struct task *task, const char *what, double stalls, void (*act)(void *),
                  void *argument) {
    const double grace_seconds = 5;
    watch(task, what, stalls);
    if (escape_offered()) {
        if (sigsetjmp(*escape_point(), 1) != 0) {
            escape_close();
            watchdog_disarm();
            return false;
        }
        watchdog_try_first(escape_now, grace_seconds);
        escape_open();
    }
    wait_set_blocking(true);
    act(argument);
    wait_set_blocking(false);
    escape_close();
    watchdog_disarm();
    return true;
}

static void act_form(void *argument) {
    MPI_Group *members = argument;
    MPI_Comm_create_group(MPI_COMM_WORLD, *members, TAG_FORM, &group);
}

enum report_state collectives_form(const struct task *task, char why[REPORT_TEXT]) {
    int rank;
    int32_t *ranks = malloc((size_t)task->members * sizeof *ranks);
    if (ranks == NULL)
        return REPORT_STALLED;
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    if (rank == 0) {
        memcpy(ranks, own_list, (size_t)task->members * sizeof *ranks);
    } else {
        MPI_Request request;
        MPI_Irecv(ranks, task->members, MPI_INT32_T, 0, TAG_GROUP, MPI_COMM_WORLD, &request);
        if (!wait_request(&request, task->stall_seconds, WAIT_IDLE, MPI_STATUS_IGNORE))
            return REPORT_STALLED; /* the list is still awaited: not freed */
    }
    MPI_Group world, members;
    MPI_Comm_group(MPI_COMM_WORLD, &world);
    MPI_Group_incl(world, task->members, ranks, &members);
    bool formed = guard(task, "forming a group", PATIENT_STALLS, act_form, &members);
    MPI_Group_free(&members);
    MPI_Group_free(&world);
    free(ranks);
    if (!formed)
        return REPORT_STALLED;
    watch(task, "forming a group of GPUs", PATIENT_STALLS);
    bool well = task->transport != TRANSPORT_NCCL ||
                nccl_form(group, task->trial != 0, task->seconds, why, REPORT_TEXT);
    watchdog_disarm();
    return well ? REPORT_DONE : REPORT_REFUSED;
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

/* Seconds of one operation as this member sees it; infinite when it failed. */
static double own_seconds(const struct task *task, const struct buffers *b, int repeat) {
    double seconds = HUGE_VAL;
    if (task->transport == TRANSPORT_NCCL)
        return nccl_time(task, b->in, b->out, (size_t)b->part, repeat, &seconds) ? seconds : HUGE_VAL;
    double begin = clock_seconds();
    for (int i = 0; i < repeat; i++)
        call(task, b);
    return (clock_seconds() - begin) / repeat;
}

/* Seconds of one operation: the mean of `repeat` of them, of the slowest member; the same on all, and so is
 * what was `spent` since the moment `begin`. Agreeing takes longer than a short operation; the next one
 * begins with it, as all end it together. */
static double sample(const struct task *task, const struct buffers *buffers, int repeat, double begin,
                     double *spent) {
    double own[2], slowest[2];
    own[0] = own_seconds(task, buffers, repeat);
    own[1] = clock_seconds() - begin;
    MPI_Allreduce(own, slowest, 2, MPI_DOUBLE, MPI_MAX, group);
    *spent = slowest[1];
    return slowest[0];
}

/* Every member sees the same values, so all stop together. */
static bool is_enough(const struct task *task, const double *sorted, size_t count, size_t least,
                      double spent) {
    return count == SAMPLES_MAX || (count >= least && spent >= task->seconds) ||
           spent >= task->seconds + task->stall_seconds / 2 || summary_settled(sorted, count, PRECISION);
}

/* False on all members when the operation fails on one. */
static bool measure(const struct task *task, const struct buffers *buffers, struct summary *summary) {
    double values[SAMPLES_MAX], sorted[SAMPLES_MAX], spent, begin = clock_seconds();
    size_t count = 0;
    MPI_Barrier(group);
    double first = sample(task, buffers, 1, begin, &spent);
    if (task->apart != 0 && task->transport != TRANSPORT_NCCL)
        wait_sleep_in_blocking(); /* the first operation made the connections */
    double second = isfinite(first) ? sample(task, buffers, 1, begin, &spent) : first;
    if (!isfinite(second))
        return false;
    bool is_long = second > task->seconds;
    int repeat = (int)fmin(REPEAT_MAX, fmax(1, SAMPLE_SECONDS / second));
    if (repeat == 1) /* it is a sample like those that follow */
        values[count++] = second;
    if (is_long && first <= (1 + CONNECTED_SHARE) * second)
        values[count++] = first;
    for (;;) {
        memcpy(sorted, values, count * sizeof *values);
        summary_make(sorted, count, summary);
        if (is_enough(task, sorted, count, is_long ? SAMPLES_LEAST : SAMPLES_MIN, spent))
            return true;
        values[count] = sample(task, buffers, repeat, begin, &spent);
        if (!isfinite(values[count++]))
            return false;
    }
}

static void *allocate(const struct task *task, size_t bytes) {
    if (task->transport != TRANSPORT_HOST)
        return gpu_allocate(bytes);
    void *memory = malloc(bytes);
    if (memory != NULL)
        memset(memory, 0, bytes);
    return memory;
}

static void release(const struct task *task, void *memory) {
    if (task->transport != TRANSPORT_HOST)
        gpu_free(memory);
    else
        free(memory);
}

/* Whether all members are ready, so that none waits for one that isn't. */
static bool all_ready(bool ready) {
    int own = ready ? 1 : 0, all = 0;
    MPI_Allreduce(&own, &all, 1, MPI_INT, MPI_MIN, group);
    return all == 1;
}

/* What is measured behind the guard, and what came of it. */
struct trial {
    const struct task *task;
    struct buffers buffers;
    struct summary summary;
    bool ready, done;
};

static void act_measure(void *argument) {
    struct trial *trial = argument;
    trial->ready = all_ready(trial->buffers.in != NULL && trial->buffers.out != NULL);
    trial->done = trial->ready && measure(trial->task, &trial->buffers, &trial->summary);
}

enum report_state collectives_run(const struct task *task, struct summary *summary, char why[REPORT_TEXT]) {
    static struct trial trial; /* stays where a call was left: what it sent and awaits may still come */
    struct buffers *buffers = &trial.buffers;
    trial = (struct trial){.task = task};
    memset(summary, 0, sizeof *summary);
    if (group == MPI_COMM_NULL)
        return REPORT_STALLED;
    buffers->part = (int)(task->bytes / (int64_t)sizeof(float) / task->members);
    buffers->part = buffers->part > 0 ? buffers->part : 1;
    buffers->whole = buffers->part * task->members;
    size_t bytes = (size_t)buffers->whole * sizeof(float);
    double stalls = task->transport == TRANSPORT_NCCL ? PATIENT_STALLS : OPERATION_STALLS;
    buffers->in = allocate(task, bytes);
    buffers->out = allocate(task, bytes);
    if (!guard(task, collective_names[task->operation], stalls, act_measure, &trial))
        return REPORT_STALLED;
    release(task, buffers->in);
    release(task, buffers->out);
    if (!trial.done) {
        snprintf(why, REPORT_TEXT, "%s",
                 trial.ready && task->transport == TRANSPORT_NCCL ? gpu_fault() : "no memory");
        return REPORT_REFUSED;
    }
    *summary = trial.summary;
    return REPORT_DONE;
}
