/* Each device has a fixed list of passes. A pass starts when the device is free and what it needs has
 * arrived; we sweep over the devices and run all that can run until every list is done. 1F1B, interleaved or
 * not, is regular enough for less (pipeline_flow.c), and GPipe for a formula. */
#include "planner/cost/pipeline.h"

#include <assert.h>
#include <math.h>
#include <stdalign.h>
#include <stddef.h>

#include "planner/cost/pipeline_flow.h"
#include "planner/numbers.h"

enum pass_kind {
    PASS_FORWARD,
    PASS_BACKWARD, /* data and weight gradient */
    PASS_INPUT,    /* data gradient alone */
    PASS_WEIGHT
};

struct pass {
    int32_t stage; /* of the way its micro-batch takes */
    int32_t micro_batch;
    uint8_t kind; /* enum pass_kind */
    bool joined;  /* one with the pass before it: DualPipe's overlapped forward and backward */
};

struct device {
    struct pass *passes;
    int64_t count, next;
    double first_start, free_at, busy, hops;
};

struct simulation {
    const struct pipeline *pipeline;
    int64_t stages, rows; /* micro-batches */
    struct device *devices;
    struct pass *waiting;              /* of DualPipe: as many as rows */
    double *forward_done, *input_done; /* by stage and micro-batch; negative: not yet */
};

static void add_pass(struct device *device, enum pass_kind kind, int64_t stage, int64_t micro_batch) {
    device->passes[device->count++] =
        (struct pass){.stage = (int32_t)stage, .micro_batch = (int32_t)micro_batch, .kind = (uint8_t)kind};
}

/* ZB-H1 and ZB-H2: 1F1B or twice its warm-up, weight gradients late by so many micro-batches that every
 * stage holds as much. */
static void order_zero_bubble(struct simulation *simulation, int64_t stage, int64_t warm, int64_t delay) {
    struct device *device = &simulation->devices[stage];
    int64_t rows = simulation->rows;
    warm = smaller_count(warm, rows);
    for (int64_t i = 0; i < warm; i++)
        add_pass(device, PASS_FORWARD, stage, i);
    for (int64_t i = 0; i < rows; i++) {
        if (i + warm < rows)
            add_pass(device, PASS_FORWARD, stage, i + warm);
        add_pass(device, PASS_INPUT, stage, i);
        if (i >= delay)
            add_pass(device, PASS_WEIGHT, stage, i - delay);
    }
    for (int64_t i = rows - smaller_count(delay, rows); i < rows; i++)
        add_pass(device, PASS_WEIGHT, stage, i);
}

/* DualPipe's own counters while a device's list is made: the next micro-batch of each direction, and the
 * weight gradients put off. */
struct dual {
    struct simulation *simulation;
    int64_t rank;
    int64_t forward[2], backward[2];
    struct pass *waiting;
    int64_t first_waiting, end_waiting;
};

/* Micro-batch and stage of direction `way` (0 enters at device 0) for the device; micro-batches of
 * direction 1 are the odd ones. */
static void add_dual(struct dual *dual, enum pass_kind kind, int64_t phase, bool joined) {
    int64_t stages = dual->simulation->pipeline->stages;
    int64_t way = dual->rank >= stages / 2 ? 1 - phase : phase;
    int64_t *next = kind == PASS_FORWARD ? &dual->forward[way] : &dual->backward[way];
    struct device *device = &dual->simulation->devices[dual->rank];
    int64_t stage = way == 0 ? dual->rank : stages - 1 - dual->rank;
    add_pass(device, kind, stage, 2 * (*next)++ + way);
    device->passes[device->count - 1].joined = joined;
    if (kind == PASS_INPUT) {
        dual->waiting[dual->end_waiting] = device->passes[device->count - 1];
        dual->end_waiting++;
    }
}

static void add_dual_weight(struct dual *dual) {
    if (dual->first_waiting == dual->end_waiting)
        return;
    struct pass pass = dual->waiting[dual->first_waiting++];
    add_pass(&dual->simulation->devices[dual->rank], PASS_WEIGHT, pass.stage, pass.micro_batch);
}

static void add_dual_both(struct dual *dual, int64_t forward_phase, int64_t backward_phase) {
    add_dual(dual, PASS_FORWARD, forward_phase, false);
    add_dual(dual, PASS_BACKWARD, backward_phase, true);
}

/* The eight steps of the published schedule. */
static void order_dualpipe(struct simulation *simulation, int64_t rank) {
    int64_t stages = simulation->pipeline->stages, half = stages / 2;
    int64_t half_rank = smaller_count(rank, stages - 1 - rank), outer = half - half_rank - 1;
    struct dual dual = {.simulation = simulation, .rank = rank, .waiting = simulation->waiting};
    for (int64_t i = 0; i < 2 * outer; i++)
        add_dual(&dual, PASS_FORWARD, 0, false);
    for (int64_t i = 0; i < half_rank + 1; i++) {
        add_dual(&dual, PASS_FORWARD, 0, false);
        add_dual(&dual, PASS_FORWARD, 1, false);
    }
    for (int64_t i = 0; i < outer; i++) {
        add_dual(&dual, PASS_INPUT, 1, false);
        add_dual_weight(&dual);
        add_dual(&dual, PASS_FORWARD, 1, false);
    }
    for (int64_t i = 0; i < simulation->rows / 2 - stages + half_rank + 1; i++) {
        if (i == 0 && half_rank == half - 1) { /* the two middle devices wait for each other */
            add_dual(&dual, PASS_FORWARD, 0, false);
            add_dual(&dual, PASS_BACKWARD, 1, false);
        } else
            add_dual_both(&dual, 0, 1);
        add_dual_both(&dual, 1, 0);
    }
    for (int64_t i = 0; i < outer; i++) {
        add_dual(&dual, PASS_BACKWARD, 1, false);
        add_dual_both(&dual, 1, 0);
    }
    bool split = false;
    for (int64_t i = 0; i < half_rank + 1; i++) {
        split = split || (i == (half_rank + 1) / 2 && half_rank % 2 == 1);
        add_dual(&dual, split ? PASS_INPUT : PASS_BACKWARD, 1, false);
        split = split || (i == (half_rank + 1) / 2 && half_rank % 2 == 0);
        add_dual(&dual, split ? PASS_INPUT : PASS_BACKWARD, 0, false);
    }
    for (int64_t i = 0; i < outer; i++) {
        add_dual_weight(&dual);
        add_dual(&dual, PASS_INPUT, 0, false);
    }
    while (dual.first_waiting < dual.end_waiting)
        add_dual_weight(&dual);
}

static void make_order(struct simulation *simulation, int64_t device) {
    int64_t after = simulation->pipeline->stages - 1 - device;
    switch (simulation->pipeline->schedule) {
    case SCHEDULE_ZB_1P:
        order_zero_bubble(simulation, device, after, device);
        break;
    case SCHEDULE_ZB_2P:
        order_zero_bubble(simulation, device, 2 * after, 2 * device);
        break;
    case SCHEDULE_DUALPIPE:
    case SCHEDULE_GPIPE: /* the others need no lists */
    case SCHEDULE_1F1B:
    case SCHEDULE_INTERLEAVED:
    case SCHEDULE_COUNT:
        order_dualpipe(simulation, device);
        break;
    }
}

static double *done_at(double *table, const struct simulation *simulation, int64_t stage,
                       int64_t micro_batch) {
    return &table[stage * simulation->rows + micro_batch];
}

/* When the pass's input is there; negative when not yet. `receives` is set when it crosses devices. */
static double ready_at(const struct simulation *simulation, const struct pass *pass, bool *receives) {
    int64_t stage = pass->stage;
    *receives = false;
    if (pass->kind == PASS_WEIGHT)
        return 0;
    if (pass->kind == PASS_FORWARD) {
        if (stage == 0)
            return 0;
        *receives = simulation->pipeline->stages > 1;
        return *done_at(simulation->forward_done, simulation, stage - 1, pass->micro_batch);
    }
    if (stage == simulation->stages - 1)
        return *done_at(simulation->forward_done, simulation, stage, pass->micro_batch);
    *receives = simulation->pipeline->stages > 1;
    return *done_at(simulation->input_done, simulation, stage + 1, pass->micro_batch);
}

static double pass_seconds(const struct pipeline *pipeline, const struct pass *pass) {
    double input = pipeline->backward_input_seconds[pass->stage];
    double weight = pipeline->backward_weight_seconds[pass->stage];
    switch ((enum pass_kind)pass->kind) {
    case PASS_FORWARD:
        return pipeline->forward_seconds[pass->stage];
    case PASS_BACKWARD:
        return input + weight;
    case PASS_INPUT:
        return input;
    case PASS_WEIGHT:
        break;
    }
    return weight;
}

/* Runs the next pass of a device, with those joined to it, if its inputs are there. */
static bool run_next(struct simulation *simulation, struct device *device) {
    int64_t end = device->next + 1;
    while (end < device->count && device->passes[end].joined)
        end++;
    double start = device->free_at, seconds = 0, hops = 0;
    for (int64_t i = device->next; i < end; i++) {
        bool receives;
        double ready = ready_at(simulation, &device->passes[i], &receives);
        if (ready < 0)
            return false;
        start = fmax(start, ready);
        seconds += pass_seconds(simulation->pipeline, &device->passes[i]);
        hops += receives ? simulation->pipeline->hop_seconds : 0;
    }
    double done = start + hops + seconds;
    for (int64_t i = device->next; i < end; i++) {
        const struct pass *pass = &device->passes[i];
        if (pass->kind == PASS_FORWARD)
            *done_at(simulation->forward_done, simulation, pass->stage, pass->micro_batch) = done;
        else if (pass->kind != PASS_WEIGHT)
            *done_at(simulation->input_done, simulation, pass->stage, pass->micro_batch) = done;
    }
    if (device->next == 0)
        device->first_start = start;
    device->busy += seconds;
    device->hops += hops;
    device->free_at = done;
    device->next = end;
    return true;
}

/* True when every device came to the end of its list. */
static bool play(struct simulation *simulation) {
    bool moved = true, all_done = false;
    while (moved && !all_done) {
        moved = false;
        all_done = true;
        for (int64_t i = 0; i < simulation->pipeline->stages; i++) {
            struct device *device = &simulation->devices[i];
            while (device->next < device->count && run_next(simulation, device))
                moved = true;
            all_done = all_done && device->next == device->count;
        }
    }
    return all_done;
}

static void *room_for(struct pipeline_room *room, size_t size) {
    if (size > room->size) {
        room->size = 2 * size;
        room->memory = arena_allocate(room->arena, 1, room->size);
    }
    return room->memory;
}

static size_t aligned(size_t size) {
    const size_t alignment = alignof(max_align_t);
    return (size + alignment - 1) / alignment * alignment;
}

/* All that a simulation needs, in one piece of the room. */
static void set_up(struct simulation *simulation, const struct pipeline *pipeline,
                   struct pipeline_room *room) {
    int64_t stages = pipeline->stages, rows = pipeline->micro_batches;
    simulation->pipeline = pipeline;
    simulation->rows = rows;
    simulation->stages = stages;
    enum { KINDS = 3 }; /* of passes */
    size_t cells = (size_t)(simulation->stages * rows), passes = (size_t)(KINDS * rows);
    size_t devices_size = aligned((size_t)stages * sizeof(struct device)),
           table_size = aligned(cells * sizeof(double));
    size_t passes_size = aligned(passes * sizeof(struct pass)),
           waiting_size = (size_t)rows * sizeof(struct pass);
    unsigned char *memory =
        room_for(room, devices_size + 2 * table_size + (size_t)stages * passes_size + waiting_size);
    simulation->devices = (void *)memory;
    simulation->forward_done = (void *)(memory + devices_size);
    simulation->input_done = (void *)(memory + devices_size + table_size);
    memory += devices_size + 2 * table_size;
    simulation->waiting = (void *)(memory + (size_t)stages * passes_size);
    for (size_t i = 0; i < cells; i++)
        simulation->forward_done[i] = simulation->input_done[i] = -1;
    for (int64_t i = 0; i < stages; i++) {
        simulation->devices[i] = (struct device){.passes = (void *)(memory + (size_t)i * passes_size)};
        make_order(simulation, i);
    }
}

/* What lists came to. */
struct played {
    double seconds, hop_seconds; /* from start to end, and those that one device waits for transfers */
};

static struct played play_lists(const struct pipeline *pipeline, struct pipeline_room *room, int64_t device) {
    struct simulation simulation = {0};
    set_up(&simulation, pipeline, room);
    bool complete = play(&simulation);
    assert(complete);
    (void)complete;
    double seconds = 0;
    for (int64_t i = 0; i < pipeline->stages; i++) {
        const struct device *played = &simulation.devices[i];
        double start = pipeline->schedule == SCHEDULE_ZB_2P ? played->first_start : 0;
        seconds = fmax(seconds, played->free_at - start);
    }
    return (struct played){seconds, simulation.devices[device].hops};
}

/* Micro-batches are played one by one while there are fewer cells than this, of a stage and a micro-batch
 * each. Of more, as many as that are played, but some for each stage, and half of them: as long as the second
 * half took, as long take all that follow, and no less than the busiest device works. */
enum { CELLS_PLAYED = 1 << 18, PLAYED_A_STAGE = 8 };

/* Pipelines of more stages than any model was split into so far are not played. */
enum { STAGES_PLAYED = 512 };

static struct played play_any_number(const struct pipeline *pipeline, struct pipeline_room *room,
                                     const struct pipeline_time *closed) {
    int64_t stages = pipeline->stages;
    int64_t half = larger_count(CELLS_PLAYED / stages, stages * PLAYED_A_STAGE) / 2;
    half += half % 2; /* DualPipe's are even */
    if (pipeline->micro_batches <= 2 * half)
        return play_lists(pipeline, room, closed->stage);
    struct pipeline part = *pipeline;
    part.micro_batches = half;
    struct played first = play_lists(&part, room, closed->stage);
    part.micro_batches = 2 * half;
    struct played both = play_lists(&part, room, closed->stage);
    double halves = (double)pipeline->micro_batches / (double)half;
    double hops = both.hop_seconds - first.hop_seconds;
    double least = closed->busy_seconds / halves + hops;
    return (struct played){both.seconds + (halves - 2) * fmax(both.seconds - first.seconds, least),
                           both.hop_seconds + (halves - 2) * hops};
}

/* All micro-batches are alike: in each direction the first meets no other, and each that follows comes behind
 * the one before by what the slowest stage takes. */
static double gpipe_seconds(const struct pipeline *pipeline) {
    double first = 0, forward = 0, backward = 0;
    for (int64_t stage = 0; stage < pipeline->stages; stage++) {
        double there = pipeline->forward_seconds[stage] + (stage > 0 ? pipeline->hop_seconds : 0);
        double back = pipeline->backward_input_seconds[stage] + pipeline->backward_weight_seconds[stage] +
                      (stage < pipeline->stages - 1 ? pipeline->hop_seconds : 0);
        first += there + back;
        forward = fmax(forward, there);
        backward = fmax(backward, back);
    }
    return first + (double)(pipeline->micro_batches - 1) * (forward + backward);
}

/* What is played grows with the square of the stages, and with their chunks. */
static bool is_too_long(const struct pipeline *pipeline) {
    return (double)pipeline->stages * (double)pipeline->stages * (double)pipeline->chunks >
           (double)STAGES_PLAYED * STAGES_PLAYED;
}

/* Without playing: by closed form, but no less than any play takes. */
static void estimate(const struct pipeline *pipeline, struct pipeline_room *room,
                     struct pipeline_time *time) {
    struct pipeline_time least;
    struct pipeline_devices devices = {.runs =
                                           room_for(room, (size_t)pipeline->stages * sizeof *devices.runs)};
    pipeline_add_all(pipeline, &devices);
    pipeline_least(pipeline, &devices, &least);
    if (least.seconds > time->seconds)
        *time = least;
}

/* DualPipe's published order wants an even number of devices and two micro-batches for each. */
static bool has_order(const struct pipeline *pipeline) {
    return pipeline->schedule != SCHEDULE_DUALPIPE ||
           (pipeline->stages % 2 == 0 && pipeline->micro_batches % 2 == 0 &&
            pipeline->micro_batches >= 2 * pipeline->stages);
}

void pipeline_simulate(const struct pipeline *pipeline, struct pipeline_room *room,
                       struct pipeline_time *time) {
    pipeline_closed_form(pipeline, time);
    if (pipeline->stages == 1 || !has_order(pipeline))
        return;
    double received = (double)pipeline->micro_batches * pipeline_received(pipeline, time->stage);
    if (pipeline->schedule == SCHEDULE_GPIPE) {
        time->seconds = gpipe_seconds(pipeline);
        time->hop_seconds = received;
    } else if (is_too_long(pipeline)) {
        estimate(pipeline, room, time);
    } else if (pipeline->schedule == SCHEDULE_1F1B || pipeline->schedule == SCHEDULE_INTERLEAVED) {
        double *times = room_for(room, pipeline_flow_room(pipeline) * sizeof *times);
        time->seconds = pipeline_flow_seconds(pipeline, times);
        time->hop_seconds = received;
    } else {
        struct played played = play_any_number(pipeline, room, time);
        time->seconds = played.seconds;
        time->hop_seconds = played.hop_seconds;
    }
    /* Of a step of ages, rounding is worth more than a bubble. */
    time->bubble_seconds = fmax(0, time->seconds - time->busy_seconds - time->hop_seconds);
}
