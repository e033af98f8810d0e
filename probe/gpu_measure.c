#include "probe/gpu_measure.h"

#include <string.h>

#include "common/clock.h"
#include "probe/gpu.h"
#include "probe/matrix_product.h"
#include "probe/watchdog.h"

/* Ten times the largest L2 cache there is (50 MB on H100, 126 MB on B200 in two halves), but a fifth of the
 * smallest MIG instance (5 GB). */
enum { COPY_BYTES = 512 << 20, LINK_BYTES = 64 << 20, SAMPLES_MAX = 256, SAMPLES_MIN = 5, WARM_UP = 2 };
static const double PRECISION = 0.02; /* of the median */

struct block {
    void *to, *from;
};

static bool enqueue_copy(struct gpu_stream *stream, void *context) {
    const struct block *block = context;
    return gpu_copy(stream, block->to, block->from, COPY_BYTES);
}

static bool enqueue_link(struct gpu_stream *stream, void *context) {
    const struct block *block = context;
    return gpu_copy_out(stream, block->to, block->from, LINK_BYTES);
}

/* Seconds of one of what `enqueue` does, until the median is settled or the time is spent. */
static bool repeat(const struct task *task, bool (*enqueue)(struct gpu_stream *, void *), void *context,
                   struct summary *summary) {
    double values[SAMPLES_MAX], sorted[SAMPLES_MAX], seconds;
    size_t count = 0;
    double limit = task->seconds + task->stall_seconds, end = 0;
    for (int warm = 0; warm < WARM_UP; warm++)
        if (!gpu_time(enqueue, context, 1, limit, &seconds))
            return false;
    end = clock_seconds() + task->seconds;
    do {
        if (!gpu_time(enqueue, context, 1, limit, &values[count]))
            return false;
        count++;
        memcpy(sorted, values, count * sizeof *values);
        summary_make(sorted, count, summary);
    } while (count < SAMPLES_MAX && (count < SAMPLES_MIN || clock_seconds() < end) &&
             !summary_settled(sorted, count, PRECISION));
    return true;
}

/* Times as rates of `amount` in each. */
static void invert(struct summary *summary, double amount) {
    const struct summary times = *summary;
    summary->minimum = amount / times.maximum;
    summary->lower_quartile = amount / times.upper_quartile;
    summary->median = amount / times.median;
    summary->upper_quartile = amount / times.lower_quartile;
    summary->maximum = amount / times.minimum;
}

static bool measure_memory(const struct task *task, struct summary *summary) {
    struct block block = {gpu_allocate(COPY_BYTES), gpu_allocate(COPY_BYTES)};
    bool done = block.to != NULL && block.from != NULL && repeat(task, enqueue_copy, &block, summary);
    if (done)
        invert(summary, 2.0 * COPY_BYTES);
    gpu_free(block.to);
    gpu_free(block.from);
    return done;
}

static bool measure_link(const struct task *task, struct summary *summary) {
    struct block block = {gpu_allocate_host(LINK_BYTES), gpu_allocate(LINK_BYTES)};
    bool done = block.to != NULL && block.from != NULL && repeat(task, enqueue_link, &block, summary);
    if (done)
        invert(summary, LINK_BYTES);
    gpu_free_host(block.to);
    gpu_free(block.from);
    return done;
}

static bool measure_product(const struct task *task, struct summary *summary) {
    struct matrix_product product;
    bool done = matrix_product_prepare(&product, task->seconds + task->stall_seconds) &&
                repeat(task, matrix_product_enqueue, &product, summary);
    matrix_product_release(&product);
    return done;
}

bool gpu_measure(const struct task *task, struct summary *summary) {
    bool done = false;
    memset(summary, 0, sizeof *summary);
    watchdog_arm(task->seconds + 2 * task->stall_seconds, "measuring a GPU");
    switch (task->kind) {
    case TASK_GPU_MEMORY:
        done = measure_memory(task, summary);
        break;
    case TASK_GPU_LINK:
        done = measure_link(task, summary);
        break;
    default:
        done = measure_product(task, summary);
        break;
    }
    watchdog_disarm();
    return done;
}
