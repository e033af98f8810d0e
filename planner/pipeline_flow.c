/* In 1F1B a device runs some forward passes ahead, then a forward and a backward pass in turn, then the
 * backward passes that are left. So what it does can be put in steps of a forward and a backward pass each,
 * and if each device is a step behind the next one, all that a pass needs was made in its own step or in the
 * one before: two rows of times are enough. And where a period of steps only moves all of these times by the
 * same, so does each that follows: a pass starts at the latest of some of them. */
#include "planner/pipeline_flow.h"

#include <math.h>
#include <string.h>

#include "planner/least.h"

/* Two times are the same that differ by this share: rounding. */
static const double SAME = 1e-12;

/* When each device's pass of a step is done. */
struct row {
    double *forward, *backward;
};

struct flow {
    const struct pipeline *pipeline;
    int64_t passes; /* of each kind, a device */
    int64_t ahead;  /* forward passes that the last device runs ahead */
    int64_t lead;   /* that each device before has more */
    struct row now, before;
    double *free_at;
    double *past; /* of the period before: both rows and free_at */
};

enum { TIMES_A_DEVICE = 5, PAST_A_DEVICE = 3 };

size_t pipeline_flow_room(const struct pipeline *pipeline) {
    return (size_t)pipeline->stages * (TIMES_A_DEVICE + PAST_A_DEVICE);
}

/* The k-th forward pass goes through this chunk; backward passes go through the chunks the other way. */
static int64_t chunk_of(const struct pipeline *pipeline, int64_t k) {
    return pipeline->chunks > 1 ? k / pipeline->stages % pipeline->chunks : 0;
}

/* The input comes from the device before, or as a further chunk from the last. */
static void run_forward(struct flow *flow, int64_t device, int64_t k) {
    const struct pipeline *pipeline = flow->pipeline;
    int64_t chunk = chunk_of(pipeline, k);
    double ready = 0, hop = pipeline->hop_seconds;
    if (device > 0)
        ready = flow->lead == 1 ? flow->now.forward[device - 1] : flow->before.forward[device - 1];
    else if (chunk > 0)
        ready = flow->before.forward[pipeline->stages - 1];
    else
        hop = 0;
    flow->free_at[device] = larger(flow->free_at[device], ready) + hop +
                            pipeline->forward_seconds[chunk * pipeline->stages + device];
    flow->now.forward[device] = flow->free_at[device];
}

/* The gradient comes from the device behind, or of a chunk before the last from the first. */
static void run_backward(struct flow *flow, int64_t device, int64_t k) {
    const struct pipeline *pipeline = flow->pipeline;
    int64_t chunk = pipeline->chunks - 1 - chunk_of(pipeline, k);
    int64_t stage = chunk * pipeline->stages + device;
    double ready, hop = pipeline->hop_seconds;
    if (device < pipeline->stages - 1) {
        ready = flow->before.backward[device + 1];
    } else if (chunk < pipeline->chunks - 1) {
        ready = flow->before.backward[0];
    } else {
        ready = flow->now.forward[device];
        hop = 0;
    }
    flow->free_at[device] = larger(flow->free_at[device], ready) + hop +
                            pipeline->backward_input_seconds[stage] +
                            pipeline->backward_weight_seconds[stage];
    flow->now.backward[device] = flow->free_at[device];
}

static void run_step(struct flow *flow, int64_t step) {
    int64_t last = flow->pipeline->stages - 1;
    const struct row before = flow->before;
    flow->before = flow->now;
    flow->now = before;
    for (int64_t device = 0; device <= last; device++) {
        int64_t backward = step - (last - device);
        int64_t forward = backward + flow->lead * (last - device) + flow->ahead;
        if (forward >= 0 && forward < flow->passes)
            run_forward(flow, device, forward);
        if (backward >= 0 && backward < flow->passes)
            run_backward(flow, device, backward);
    }
}

/* All that the next steps start from. */
static void copy_times(const struct flow *flow, double *times) {
    size_t stages = (size_t)flow->pipeline->stages;
    memcpy(times, flow->now.forward, stages * sizeof *times);
    memcpy(times + stages, flow->now.backward, stages * sizeof *times);
    memcpy(times + 2 * stages, flow->free_at, stages * sizeof *times);
}

/* Whether the last period moved all times by the same; by how much, in `period`. */
static bool is_steady(const struct flow *flow, double *period) {
    size_t stages = (size_t)flow->pipeline->stages;
    const double *const times[PAST_A_DEVICE] = {flow->now.forward, flow->now.backward, flow->free_at};
    *period = flow->free_at[0] - flow->past[2 * stages];
    for (size_t i = 0; i < PAST_A_DEVICE; i++)
        for (size_t j = 0; j < stages; j++)
            if (fabs(times[i][j] - flow->past[i * stages + j] - *period) > SAME * times[i][j])
                return false;
    return true;
}

static void move_times(struct flow *flow, double seconds) {
    for (int64_t device = 0; device < flow->pipeline->stages; device++) {
        flow->now.forward[device] += seconds;
        flow->now.backward[device] += seconds;
        flow->free_at[device] += seconds;
    }
}

/* Runs the steps in which every device has a forward and a backward pass, from `step` to before `end`, but
 * for periods that repeat. */
static void run_steady(struct flow *flow, int64_t step, int64_t end) {
    int64_t chunks = flow->pipeline->chunks, period = chunks > 1 ? chunks * flow->pipeline->stages : 1;
    bool steady = false;
    while (step < end) {
        double seconds = 0;
        copy_times(flow, flow->past);
        for (int64_t i = 0; i < period && step < end; i++)
            run_step(flow, step++);
        if (!steady && step + period <= end && is_steady(flow, &seconds)) {
            int64_t periods = (end - step) / period;
            move_times(flow, (double)periods * seconds);
            step += periods * period;
            steady = true;
        }
    }
}

double pipeline_flow_seconds(const struct pipeline *pipeline, double *room) {
    int64_t stages = pipeline->stages, chunks = pipeline->chunks, last = stages - 1;
    /* Interleaving deals micro-batches out in rounds of as many as there are stages, and fills up the last.
     */
    int64_t rows = chunks > 1 ? (pipeline->micro_batches + last) / stages * stages : pipeline->micro_batches;
    struct flow flow = {.pipeline = pipeline,
                        .passes = rows * chunks,
                        .ahead = (chunks - 1) * stages,
                        .lead = chunks > 1 ? 2 : 1,
                        .now = {room, room + stages},
                        .before = {room + 2 * stages, room + 3 * stages},
                        .free_at = room + 4 * stages,
                        .past = room + TIMES_A_DEVICE * stages};
    int64_t first = -flow.ahead - (flow.lead - 1) * last; /* step of the first device's first forward pass */
    int64_t steady_end = flow.passes + first, end = flow.passes + last;
    int64_t step = first;
    memset(room, 0, TIMES_A_DEVICE * (size_t)stages * sizeof *room);
    while (step <= last && step < end)
        run_step(&flow, step++);
    if (step < steady_end) {
        run_steady(&flow, step, steady_end);
        step = steady_end;
    }
    while (step < end)
        run_step(&flow, step++);
    double seconds = 0;
    for (int64_t device = 0; device < stages; device++)
        seconds = larger(seconds, flow.free_at[device]);
    return seconds;
}
