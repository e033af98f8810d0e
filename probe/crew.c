#include "probe/crew.h"

#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "probe/collectives.h"
#include "probe/compute_kernel.h"
#include "probe/gpu_measure.h"
#include "probe/memory_copy.h"
#include "probe/pingpong.h"
#include "probe/wait.h"
#include "probe/watchdog.h"

/* A report may come this much later than its task's own limits allow. */
static const double REPORT_GRACE_SECONDS = 1;
/* The last rank takes rank 0 for dead after this time without a word (a heartbeat goes out every round). */
static const double SILENCE_SECONDS = 10;

/* hwloc on a large node with many devices takes seconds, and so does a GPU's driver that wakes up. */
static const double DESCRIBE_SECONDS = 30;

/* The longest that a task may take before it gives up by itself. */
static double task_limit(const struct task *task) {
    return task->seconds + (task->together_count > 1 ? 4 : 2) * task->stall_seconds + REPORT_GRACE_SECONDS;
}

static void run_task(const struct task *task, struct report *report) {
    bool done = true;
    memset(report, 0, sizeof *report);
    MPI_Comm_rank(MPI_COMM_WORLD, &report->rank);
    switch (task->kind) {
    case TASK_MEMORY:
        done = memory_copy_measure(task->seconds, &report->summary);
        break;
    case TASK_COMPUTE:
        done = compute_kernel_measure(task->seconds, &report->summary);
        break;
    case TASK_LATENCY:
    case TASK_STREAM:
    case TASK_EXCHANGE:
        done = pingpong_run(task, &report->summary, &report->sent_bytes);
        break;
    case TASK_GROUP:
        report->state = collectives_form(task, report->why);
        return;
    case TASK_COLLECTIVE:
        report->state = collectives_run(task, &report->summary, report->why);
        return;
    case TASK_GPU_MEMORY:
    case TASK_GPU_LINK:
    case TASK_GPU_PRODUCT:
        if (!gpu_measure(task, &report->summary)) {
            report->state = REPORT_REFUSED;
            snprintf(report->why, sizeof report->why, "%s", gpu_fault());
            return;
        }
        break;
    default:
        break;
    }
    report->state = done ? REPORT_DONE : REPORT_STALLED;
}

static void send_node(const struct node_source *source) {
    struct node_summary node;
    node_describe(source, &node);
    MPI_Send(&node, (int)sizeof node, MPI_BYTE, 0, TAG_NODE, MPI_COMM_WORLD);
}

static void open_gpu(int32_t local, struct gpu_summary *gpu) {
    watchdog_arm(DESCRIBE_SECONDS, "opening a GPU");
    gpu_open(local, gpu);
    watchdog_disarm();
}

static void send_gpu(int32_t local) {
    struct gpu_summary gpu;
    open_gpu(local, &gpu);
    MPI_Send(&gpu, (int)sizeof gpu, MPI_BYTE, 0, TAG_GPU, MPI_COMM_WORLD);
}

bool crew_work(const struct node_source *source, int *status) {
    int rank, ranks;
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &ranks);
    const double forever = 1e9;
    double limit = SILENCE_SECONDS;
    for (;;) {
        struct task task;
        struct report report;
        MPI_Request request;
        MPI_Irecv(&task, (int)sizeof task, MPI_BYTE, 0, TAG_TASK, MPI_COMM_WORLD, &request);
        if (!wait_request(&request, rank == ranks - 1 ? limit : forever, WAIT_IDLE, MPI_STATUS_IGNORE))
            return false;
        limit = SILENCE_SECONDS + task_limit(&task);
        if (task.kind == TASK_STOP) {
            *status = task.role;
            return true;
        }
        if (task.kind == TASK_HEARTBEAT)
            continue;
        run_task(&task, &report);
        MPI_Send(&report, (int)sizeof report, MPI_BYTE, 0, TAG_REPORT, MPI_COMM_WORLD);
        if (task.kind == TASK_NODE)
            send_node(source);
        else if (task.kind == TASK_GPU_OPEN)
            send_gpu(task.gpu);
    }
}

/* Tells the last rank that rank 0 lives, and how long the coming tasks may take. */
static void beat(const struct task *task) {
    int ranks;
    struct task heartbeat = *task;
    heartbeat.kind = TASK_HEARTBEAT;
    MPI_Comm_size(MPI_COMM_WORLD, &ranks);
    if (ranks > 1)
        MPI_Send(&heartbeat, (int)sizeof heartbeat, MPI_BYTE, ranks - 1, TAG_TASK, MPI_COMM_WORLD);
}

void crew_pause(double seconds) {
    beat(&(struct task){.seconds = seconds});
}

/* Room for the requests of a task and a report a rank. Not given back, since after a failure some of them are
 * still active. NULL: out of memory. */
static MPI_Request *need_requests(size_t count) {
    static MPI_Request *requests = NULL;
    static size_t room = 0;
    if (room < count) {
        MPI_Request *more = realloc(requests, count * sizeof *more);
        if (more == NULL)
            return NULL;
        requests = more;
        room = count;
    }
    return requests;
}

bool crew_run(const struct task *tasks, const int32_t *ranks, size_t count, struct report *reports) {
    MPI_Request *requests = need_requests(2 * count);
    const struct task *own = NULL;
    size_t own_index = 0;
    double limit = 0, begin = clock_seconds();
    bool all = true;
    if (requests == NULL)
        return false;
    beat(&tasks[0]);
    for (size_t i = 0; i < count; i++) {
        reports[i] = (struct report){.state = REPORT_MISSING, .rank = ranks[i]};
        limit = task_limit(&tasks[i]) > limit ? task_limit(&tasks[i]) : limit;
        requests[i] = requests[count + i] = MPI_REQUEST_NULL;
        if (ranks[i] == 0) {
            own = &tasks[i];
            own_index = i;
            continue;
        }
        MPI_Isend(&tasks[i], (int)sizeof tasks[i], MPI_BYTE, ranks[i], TAG_TASK, MPI_COMM_WORLD,
                  &requests[count + i]);
    }
    if (own != NULL)
        run_task(own, &reports[own_index]);
    /* Not before: what rank 0 measures would be compared with each report that is awaited. */
    for (size_t i = 0; i < count; i++)
        if (ranks[i] != 0)
            MPI_Irecv(&reports[i], (int)sizeof reports[i], MPI_BYTE, ranks[i], TAG_REPORT, MPI_COMM_WORLD,
                      &requests[i]);
    for (size_t i = 0; i < 2 * count; i++) {
        double left = begin + limit - clock_seconds();
        if (requests[i] != MPI_REQUEST_NULL)
            all = wait_request(&requests[i], left > 0 ? left : 0, WAIT_IDLE, MPI_STATUS_IGNORE) && all;
    }
    for (size_t i = 0; i < count; i++)
        all = all && (reports[i].state == REPORT_DONE || reports[i].state == REPORT_REFUSED);
    return all;
}

bool crew_describe(struct task *tasks, const int32_t *ranks, size_t count, const struct node_source *source,
                   struct report *reports, struct node_summary *nodes) {
    for (size_t i = 0; i < count; i++)
        tasks[i] = (struct task){.kind = TASK_NODE, .seconds = DESCRIBE_SECONDS};
    bool all = crew_run(tasks, ranks, count, reports);
    for (size_t i = 0; all && i < count; i++) {
        if (ranks[i] == 0) {
            node_describe(source, &nodes[i]);
            continue;
        }
        MPI_Request request;
        MPI_Irecv(&nodes[i], (int)sizeof nodes[i], MPI_BYTE, ranks[i], TAG_NODE, MPI_COMM_WORLD, &request);
        if (!wait_request(&request, DESCRIBE_SECONDS, WAIT_IDLE, MPI_STATUS_IGNORE)) {
            reports[i].state = REPORT_MISSING;
            all = false;
        }
    }
    return all;
}

bool crew_open_gpus(struct task *tasks, const int32_t *ranks, const int32_t *local, size_t count,
                    struct report *reports, struct gpu_summary *gpus) {
    for (size_t i = 0; i < count; i++)
        tasks[i] = (struct task){.kind = TASK_GPU_OPEN, .seconds = DESCRIBE_SECONDS, .gpu = local[i]};
    bool all = crew_run(tasks, ranks, count, reports);
    for (size_t i = 0; all && i < count; i++) {
        if (ranks[i] == 0) {
            open_gpu(local[i], &gpus[i]);
            continue;
        }
        MPI_Request request;
        MPI_Irecv(&gpus[i], (int)sizeof gpus[i], MPI_BYTE, ranks[i], TAG_GPU, MPI_COMM_WORLD, &request);
        if (!wait_request(&request, DESCRIBE_SECONDS, WAIT_IDLE, MPI_STATUS_IGNORE)) {
            reports[i].state = REPORT_MISSING;
            all = false;
        }
    }
    return all;
}

void crew_roll_call(const int32_t *ranks, size_t count, double seconds, bool *answers) {
    static const struct task call = {.kind = TASK_ROLL_CALL};
    double end = clock_seconds() + seconds;
    MPI_Request request;
    for (size_t i = 0; i < count; i++)
        if (ranks[i] != 0)
            MPI_Isend(&call, (int)sizeof call, MPI_BYTE, ranks[i], TAG_TASK, MPI_COMM_WORLD, &request);
    for (size_t i = 0; i < count; i++) {
        struct report *report = malloc(sizeof *report); /* may be filled after this returns: not freed then */
        double left = end - clock_seconds();
        answers[i] = ranks[i] == 0;
        if (report == NULL || ranks[i] == 0) {
            free(report);
            continue;
        }
        MPI_Irecv(report, (int)sizeof *report, MPI_BYTE, ranks[i], TAG_REPORT, MPI_COMM_WORLD, &request);
        if (wait_request(&request, left > 0 ? left : 0, WAIT_IDLE, MPI_STATUS_IGNORE)) {
            answers[i] = true;
            free(report);
        }
    }
}

bool crew_stop(int status) {
    const struct task stop = {.kind = TASK_STOP, .role = status};
    const double stop_seconds = 5;
    int ranks;
    bool told = true;
    MPI_Comm_size(MPI_COMM_WORLD, &ranks);
    for (int rank = 1; rank < ranks; rank++) {
        MPI_Request request;
        MPI_Isend(&stop, (int)sizeof stop, MPI_BYTE, rank, TAG_TASK, MPI_COMM_WORLD, &request);
        told = wait_request(&request, stop_seconds, WAIT_IDLE, MPI_STATUS_IGNORE) && told;
    }
    return told;
}
