/* In 1F1B a device runs some forward passes ahead, then a forward and a backward pass in turn, then the
 * backward passes that are left. So what it does can be put in steps of a forward and a backward pass each,
 * and if each device is a step behind the next one, all that a pass needs was made in its own step or in the
 * one before: two rows of times are enough. Only the input of a next chunk may wait for longer, where groups
 * of micro-batches are larger than the pipeline is long: the last passes of the ends are kept for that. And
 * where a period of steps only moves all of these times by the same, so does each that follows: a pass starts
 * at the latest of some of them. */
#include "planner/cost/pipeline_flow.h"

#include <math.h>
#include <string.h>

#include "planner/numbers.h"

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
    int64_t whole;  /* passes of whole groups */
    struct row now, before;
    double *free_at;
    struct row turned; /* the last forward passes of the last device, backward passes of the first: by their
                          number modulo `turns` */
    int64_t turns;     /* a group's micro-batches; 1 without chunks */
    double *past;      /* what copy_times keeps of the period before */
};

enum { TIMES_A_DEVICE = 5, PAST_A_DEVICE = 3, TIMES_A_TURN = 2 };

static int64_t turns_of(const struct pipeline *pipeline) {
    return pipeline->chunks > 1 ? pipeline->group : 1;
}

size_t pipeline_flow_room(const struct pipeline *pipeline) {
    return (size_t)(pipeline->stages * (TIMES_A_DEVICE + PAST_A_DEVICE) +
                    turns_of(pipeline) * 2 * TIMES_A_TURN);
}

/* How many micro-batches the group of the k-th pass has. */
static int64_t group_of(const struct flow *flow, int64_t k) {
    const struct pipeline *pipeline = flow->pipeline;
    return k < flow->whole ? pipeline->group : pipeline->micro_batches % pipeline->group;
}

/* The k-th forward pass goes through this chunk; backward passes go through the chunks the other way. */
static int64_t chunk_of(const struct flow *flow, int64_t k) {
    int64_t chunks = flow->pipeline->chunks, of_part = k < flow->whole ? k : k - flow->whole;
    return chunks > 1 ? of_part / group_of(flow, k) % chunks : 0;
}

/* The input comes from the device before, or as a further chunk from the last. */
static void run_forward(struct flow *flow, int64_t device, int64_t k) {
    const struct pipeline *pipeline = flow->pipeline;
    int64_t chunk = chunk_of(flow, k);
    double ready = 0, hop = pipeline->hop_seconds;
    if (device > 0)
        ready = flow->lead == 1 ? flow->now.forward[device - 1] : flow->before.forward[device - 1];
    else if (chunk > 0)
        ready = flow->turned.forward[(k - group_of(flow, k)) % flow->turns];
    else
        hop = 0;
    flow->free_at[device] = larger(flow->free_at[device], ready) + hop +
                            pipeline->forward_seconds[chunk * pipeline->stages + device];
    flow->now.forward[device] = flow->free_at[device];
    if (device == pipeline->stages - 1)
        flow->turned.forward[k % flow->turns] = flow->free_at[device];
}

/* The gradient comes from the device behind, or of a chunk before the last from the first. */
static void run_backward(struct flow *flow, int64_t device, int64_t k) {
    const struct pipeline *pipeline = flow->pipeline;
    int64_t chunk = pipeline->chunks - 1 - chunk_of(flow, k);
    int64_t stage = chunk * pipeline->stages + device;
    double ready, hop = pipeline->hop_seconds;
    if (device < pipeline->stages - 1) {
        ready = flow->before.backward[device + 1];
    } else if (chunk < pipeline->chunks - 1) {
        ready = flow->turned.backward[(k - group_of(flow, k)) % flow->turns];
    } else {
        ready = flow->now.forward[device];
        hop = 0;
    }
    flow->free_at[device] = larger(flow->free_at[device], ready) + hop +
                            pipeline->backward_input_seconds[stage] +
                            pipeline->backward_weight_seconds[stage];
    flow->now.backward[device] = flow->free_at[device];
    if (device == 0)
        flow->turned.backward[k % flow->turns] = flow->free_at[device];
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

/* All that the next steps start from: so many arrays, of `counts` times each. */
enum { KEPT_ARRAYS = PAST_A_DEVICE + TIMES_A_TURN };

static void kept_arrays(const struct flow *flow, double *arrays[KEPT_ARRAYS], size_t counts[KEPT_ARRAYS]) {
    double *const all[KEPT_ARRAYS] = {flow->free_at, flow->now.forward, flow->now.backward,
                                      flow->turned.forward, flow->turned.backward};
    for (size_t i = 0; i < KEPT_ARRAYS; i++) {
        arrays[i] = all[i];
        counts[i] = (size_t)(i < PAST_A_DEVICE ? flow->pipeline->stages : flow->turns);
    }
}

static void copy_times(const struct flow *flow, double *past) {
    double *arrays[KEPT_ARRAYS];
    size_t counts[KEPT_ARRAYS];
    kept_arrays(flow, arrays, counts);
    for (size_t i = 0; i < KEPT_ARRAYS; past += counts[i++])
        memcpy(past, arrays[i], counts[i] * sizeof *past);
}

/* Whether the last period moved all times by the same; by how much, in `period`. */
static bool is_steady(const struct flow *flow, double *period) {
    double *arrays[KEPT_ARRAYS];
    size_t counts[KEPT_ARRAYS];
    const double *past = flow->past;
    kept_arrays(flow, arrays, counts);
    *period = flow->free_at[0] - past[0];
    for (size_t i = 0; i < KEPT_ARRAYS; past += counts[i++])
        for (size_t j = 0; j < counts[i]; j++)
            if (fabs(arrays[i][j] - past[j] - *period) > SAME * arrays[i][j])
                return false;
    return true;
}

static void move_times(struct flow *flow, double seconds) {
    double *arrays[KEPT_ARRAYS];
    size_t counts[KEPT_ARRAYS];
    kept_arrays(flow, arrays, counts);
    for (size_t i = 0; i < KEPT_ARRAYS; i++)
        for (size_t j = 0; j < counts[i]; j++)
            arrays[i][j] += seconds;
}

/* Runs the steps in which every device has a forward and a backward pass, from `step` to before `end`, but
 * for periods that repeat. */
static void run_steady(struct flow *flow, int64_t step, int64_t end) {
    int64_t chunks = flow->pipeline->chunks, period = chunks * flow->turns;
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
    int64_t rows = pipeline->micro_batches, turns = turns_of(pipeline), late = rows % turns;
    double *turned = room + TIMES_A_DEVICE * stages;
    struct flow flow = {.pipeline = pipeline,
                        .passes = rows * chunks,
                        .whole = (rows - late) * chunks,
                        .ahead = (chunks - 1) * turns,
                        .lead = chunks > 1 ? 2 : 1,
                        .now = {room, room + stages},
                        .before = {room + 2 * stages, room + 3 * stages},
                        .free_at = room + 4 * stages,
                        .turned = {turned, turned + turns},
                        .turns = turns,
                        .past = turned + TIMES_A_TURN * turns};
    int64_t first = -flow.ahead - (flow.lead - 1) * last; /* step of the first device's first forward pass */
    int64_t steady_end = flow.whole + first, end = flow.passes + last;
    int64_t step = first;
    memset(room, 0, (size_t)(TIMES_A_DEVICE * stages + TIMES_A_TURN * turns) * sizeof *room);
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
