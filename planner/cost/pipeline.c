#include "planner/cost/pipeline.h"

#include <math.h>

#include "planner/cost/pipeline_flow.h"

/* DualPipe runs two directions: a device has stage d of the one and stage p-1-d of the other, each for half
 * of the micro-batches. */
static struct pipeline_work device_work(const struct pipeline *pipeline, int64_t device) {
    struct pipeline_work work = {0};
    for (int64_t chunk = 0; chunk < pipeline->chunks; chunk++) {
        int64_t stage = chunk * pipeline->stages + device;
        work.forward += pipeline->forward_seconds[stage];
        work.backward_input += pipeline->backward_input_seconds[stage];
        work.backward_weight += pipeline->backward_weight_seconds[stage];
    }
    if (pipeline->schedule == SCHEDULE_DUALPIPE) {
        int64_t other = pipeline->stages - 1 - device;
        work.forward = 0.5 * (work.forward + pipeline->forward_seconds[other]);
        work.backward_input = 0.5 * (work.backward_input + pipeline->backward_input_seconds[other]);
        work.backward_weight = 0.5 * (work.backward_weight + pipeline->backward_weight_seconds[other]);
    }
    return work;
}

double pipeline_work_seconds(const struct pipeline_work *work) {
    return work->forward + work->backward_input + work->backward_weight;
}

/* Idle time of a device when `average` is what one of the other stages does for a micro-batch.
 *
 * Zero bubble: filling and draining take (p-1)(F+B), less what the `deferred` weight gradients fill. Of three
 * paths the longest counts: through the first stage, which puts none off and waits either for its last
 * gradient (each deferred one fills W) or for its first (each further micro-batch's F falls into the wait),
 * and through the stage that starts all its weight gradients behind its last input gradient: B earlier from
 * stage to stage, and under zb-2p, where two are put off a stage and a stage counts from its own start, F +
 * B. */
static double bubble(const struct pipeline *pipeline, const struct pipeline_work *average) {
    double stages = (double)pipeline->stages, micro_batches = (double)pipeline->micro_batches;
    double f = average->forward, b = average->backward_input, w = average->backward_weight;
    switch (pipeline->schedule) {
    case SCHEDULE_INTERLEAVED:
        return (stages - 1) * (f + b + w) / (double)pipeline->chunks;
    case SCHEDULE_ZB_1P: {
        double deferred = fmin(micro_batches, stages) - 1;
        return (stages - 1) * (f + b) - deferred * fmin(w, fmin(f, b));
    }
    case SCHEDULE_ZB_2P: {
        double deferred = fmin(micro_batches, 2 * stages - 1) - 1;
        double pairs = floor(deferred / 2), odd = deferred - 2 * pairs;
        return (stages - 1) * (f + b) - fmin(deferred * fmin(w, f), pairs * (f + b) + odd * fmin(w, f));
    }
    case SCHEDULE_DUALPIPE:
        return fmax(0, (stages / 2 - 1) * (f + 2 * b - w));
    case SCHEDULE_1F1B:
    case SCHEDULE_GPIPE:
    case SCHEDULE_COUNT:
        break;
    }
    return (stages - 1) * (f + b + w);
}

/* Transfers that show. A micro-batch arrives twice at each chunk, and filling and draining crosses every
 * stage once; batch and loss come from no other device, nor does the first pass wait for one. Of two stages
 * each is such an end. Exact for equal stages under 1F1B and GPipe; of interleaved chunks and DualPipe a few
 * too many, which their slack hides. */
static double hops(const struct pipeline *pipeline) {
    double micro_batches = (double)pipeline->micro_batches;
    double crossed = 2 * (micro_batches * (double)pipeline->chunks + (double)(pipeline->stages - 1));
    switch (pipeline->schedule) {
    case SCHEDULE_GPIPE:
        return crossed - 2;
    case SCHEDULE_1F1B:
    case SCHEDULE_ZB_1P:
        return pipeline->stages == 2 ? micro_batches + 1 : crossed - fmin(3, micro_batches + 1);
    case SCHEDULE_INTERLEAVED:
        return pipeline->stages == 2 ? crossed - micro_batches - 1 : crossed;
    case SCHEDULE_ZB_2P:
    case SCHEDULE_DUALPIPE:
    case SCHEDULE_COUNT:
        break;
    }
    return crossed;
}

void pipeline_add_devices(struct pipeline_devices *devices, const struct pipeline_run *run) {
    const struct pipeline_work *work = &run->work;
    struct pipeline_work *total = &devices->total;
    double count = (double)run->count;
    total->forward += count * work->forward;
    total->backward_input += count * work->backward_input;
    total->backward_weight += count * work->backward_weight;
    if (devices->count == 0 || pipeline_work_seconds(work) > pipeline_work_seconds(&devices->busiest)) {
        devices->busiest = *work;
        devices->stage = devices->count;
    }
    if (devices->runs != NULL)
        devices->runs[devices->run_count++] = *run;
    devices->count += run->count;
}

void pipeline_closed_form_of(const struct pipeline *pipeline, const struct pipeline_devices *devices,
                             struct pipeline_time *time) {
    const struct pipeline_work *total = &devices->total, *busiest = &devices->busiest;
    *time = (struct pipeline_time){.stage = devices->stage};
    time->busy_seconds = (double)pipeline->micro_batches * pipeline_work_seconds(busiest);
    if (pipeline->stages > 1) {
        double others = (double)(pipeline->stages - 1);
        struct pipeline_work average = {
            .forward = (total->forward - busiest->forward) / others,
            .backward_input = (total->backward_input - busiest->backward_input) / others,
            .backward_weight = (total->backward_weight - busiest->backward_weight) / others};
        time->bubble_seconds = bubble(pipeline, &average);
        time->hop_seconds = pipeline->hop_seconds * hops(pipeline);
    }
    time->seconds = time->busy_seconds + time->bubble_seconds + time->hop_seconds;
}

void pipeline_add_all(const struct pipeline *pipeline, struct pipeline_devices *devices) {
    for (int64_t device = 0; device < pipeline->stages; device++) {
        struct pipeline_run run = {.work = device_work(pipeline, device),
                                   .first_chunk_seconds = pipeline->forward_seconds[device] +
                                                          pipeline->backward_input_seconds[device] +
                                                          pipeline->backward_weight_seconds[device],
                                   .count = 1};
        pipeline_add_devices(devices, &run);
    }
}

void pipeline_closed_form(const struct pipeline *pipeline, struct pipeline_time *time) {
    struct pipeline_devices devices = {.count = 0};
    pipeline_add_all(pipeline, &devices);
    pipeline_closed_form_of(pipeline, &devices, time);
}

double pipeline_received(const struct pipeline *pipeline, int64_t device) {
    int64_t chunks = pipeline->chunks, passes = 2 * chunks;
    if (pipeline->stages == 1)
        return 0;
    passes -= (device == 0) +
              (device == pipeline->stages - 1); /* the batch comes from outside, the loss from here */
    return (double)passes * pipeline->hop_seconds;
}
