/* What no simulation of a schedule takes less of. Each bound is a chain of passes of which every one waits
 * for the one before: to a device, through its own passes, where that takes longer down to the end of the
 * pipeline and up again, and back. A transfer makes the pass that receives it longer.
 *
 * A device that runs k passes ahead, the first that it does in turn counted, has k - 1 others to do between
 * its first output and its first gradient, and as many between its last ones. What both need meanwhile, down
 * and up, is the work of the devices behind it: where that is longer, the device waits. */
#include <math.h>

#include "planner/cost/pipeline_flow.h"
#include "planner/numbers.h"

/* A device's passes for a micro-batch, with what they receive: of all its chunks, and of the first. */
struct device_passes {
    double forward, input, weight;
    double first_chunk;
};

/* The batch comes from outside, the gradient of the loss from the last device itself. */
static struct device_passes passes_of(const struct pipeline *pipeline, const struct pipeline_run *run,
                                      int64_t device) {
    int64_t first = device == 0, last = device == pipeline->stages - 1;
    int64_t received_by_first_chunk = 2 - first - (last && pipeline->chunks == 1);
    double hop = pipeline->hop_seconds;
    return (struct device_passes){.forward = run->work.forward + (double)(pipeline->chunks - first) * hop,
                                  .input = run->work.backward_input + (double)(pipeline->chunks - last) * hop,
                                  .weight = run->work.backward_weight,
                                  .first_chunk =
                                      run->first_chunk_seconds + (double)received_by_first_chunk * hop};
}

static double all_passes(const struct device_passes *own) {
    return own->forward + own->input + own->weight;
}

/* The way of a micro-batch to a device and from there. */
struct way {
    double there;  /* what the first one needs to come, and, of plain schedules, the last one to go back */
    double behind; /* down and up again through the devices behind this one */
    double left;   /* of zero bubble: from its last gradient to the end of the step */
};

/* Of fewer micro-batches than run ahead both waits are one. */
static double one_by_one(const struct device_passes *own, const struct way *way, double micro_batches,
                         double ahead) {
    double forward = own->forward, backward = own->input + own->weight;
    double all = micro_batches * (forward + backward);
    if (micro_batches < ahead)
        return way->there + larger(all, way->behind + forward + backward +
                                            (micro_batches - 1) * larger(forward, backward));
    return way->there + all + larger(0, way->behind - (ahead - 1) * forward) +
           larger(0, way->behind - (ahead - 1) * backward);
}

/* `late`: of so many micro-batches the weight gradients are put off. */
static double zero_bubble(const struct device_passes *own, struct way *way, double micro_batches,
                          double ahead, double late) {
    /* Behind the last gradient; and in turn between the last output and that. */
    double off = smaller(late + 1, micro_batches) * own->weight;
    double between = larger(0, micro_batches - 1 - larger(micro_batches - ahead, late)) * own->weight;
    double first = way->behind - (smaller(ahead, micro_batches) - 1) * own->forward;
    double last = micro_batches < ahead ? 0 : way->behind - (ahead - 1) * own->input - between;
    double all = micro_batches * (own->forward + own->input + own->weight);
    way->left = larger(off, way->left);
    return way->there + all - off + larger(0, first) + larger(0, last) + way->left;
}

/* From a device to an equal one behind it no chain of these schedules gets shorter: the waits it saves are no
 * longer than the device before. So the last one of a run counts. */
static double plain_run(const struct pipeline *pipeline, const struct device_passes *own, int64_t last,
                        int64_t count, struct way *way) {
    double micro_batches = (double)pipeline->micro_batches, seconds;
    way->there += (double)(count - 1) * own->first_chunk;
    way->behind -= (double)count * all_passes(own);
    seconds = pipeline->schedule == SCHEDULE_1F1B
                  ? one_by_one(own, way, micro_batches, (double)(pipeline->stages - last))
                  : way->there + micro_batches * all_passes(own);
    way->there += own->first_chunk;
    return seconds;
}

static double zero_bubble_run(const struct pipeline *pipeline, const struct device_passes *own, int64_t first,
                              int64_t count, struct way *way) {
    double micro_batches = (double)pipeline->micro_batches, longest = 0;
    for (int64_t device = first; device < first + count; device++) {
        double before = (double)device, after = (double)(pipeline->stages - 1 - device);
        way->behind -= own->forward + own->input;
        if (pipeline->schedule == SCHEDULE_ZB_2P) { /* the devices' own spans count */
            way->left = 0;
            longest = larger(longest, zero_bubble(own, way, micro_batches, 2 * after + 1, 2 * before));
            continue;
        }
        longest = larger(longest, zero_bubble(own, way, micro_batches, after + 1, before));
        way->there += own->forward;
        way->left += own->input;
    }
    return longest;
}

/* From run to run. */
static double longest_chain(const struct pipeline *pipeline, const struct pipeline_devices *devices) {
    bool splits_backward = pipeline->schedule == SCHEDULE_ZB_1P || pipeline->schedule == SCHEDULE_ZB_2P;
    const struct pipeline_work *total = &devices->total;
    struct way way = {.behind = total->forward + total->backward_input +
                                (splits_backward ? 0 : total->backward_weight) +
                                2 * (double)(pipeline->stages - 1) * pipeline->hop_seconds};
    double longest = 0;
    for (int64_t i = 0, first = 0; i < devices->run_count; first += devices->runs[i++].count) {
        int64_t count = devices->runs[i].count;
        const struct device_passes own = passes_of(pipeline, &devices->runs[i], first);
        double seconds = splits_backward ? zero_bubble_run(pipeline, &own, first, count, &way)
                                         : plain_run(pipeline, &own, first + count - 1, count, &way);
        longest = larger(longest, seconds);
    }
    return longest;
}

/* All forward passes, then all backward passes, each as its longest stage lets them pass. */
static double all_by_all(const struct pipeline *pipeline, const struct pipeline_devices *devices) {
    double total = 0, forward = 0, backward = 0;
    for (int64_t i = 0, first = 0; i < devices->run_count; first += devices->runs[i++].count) {
        const struct device_passes own = passes_of(pipeline, &devices->runs[i], first);
        total += (double)devices->runs[i].count * all_passes(&own);
        forward = larger(forward, own.forward);
        backward = larger(backward, own.input + own.weight);
    }
    return total + (double)(pipeline->micro_batches - 1) * (forward + backward);
}

void pipeline_least(const struct pipeline *pipeline, const struct pipeline_devices *devices,
                    struct pipeline_time *time) {
    pipeline_closed_form_of(pipeline, devices, time);
    if (pipeline->stages == 1)
        return;
    time->seconds = pipeline->schedule == SCHEDULE_DUALPIPE ? time->busy_seconds
                    : pipeline->schedule == SCHEDULE_GPIPE  ? all_by_all(pipeline, devices)
                                                            : longest_chain(pipeline, devices);
    time->bubble_seconds = time->seconds - time->busy_seconds - time->hop_seconds;
}

/* 1F1B. With S the work of the stages before one, w its own and W that of all, the chains of stage d of p
 * say, from p - d micro-batches on, T >= 2 W - S + (m - p + d - 1) w, and of any number of them T >= W + (m -
 * 1) w / 2.
 *
 * More than p of them: let u be T - 2 W + S at a stage. To the next it grows by w, which is at most
 * u / (m - p + d - 1), so by a factor of (m - p + d) / (m - p + d - 1) at most. So no w is more than what u
 * of the first stage is divided by m - p - 1, and they make W only if T >= (m + p - 1) W / p: equal stages
 * are best.
 *
 * p and fewer: the first p - m + 1 stages have 2 (T - W) / (m - 1) each at most, and T >= 2 W less what they
 * have together. Both bounds never fall where micro-batches become fewer and larger. */
static double one_by_one_at_least(double stages, double micro_batches, const struct pipeline_known *known) {
    double all = known->all, most = known->busiest;
    double uneven = all + (micro_batches - 1) * larger(0.5 * most, known->last);
    if (micro_batches > stages)
        return larger(uneven, 2 * all + (micro_batches - stages - 1) * most);
    return larger(uneven, 2 * stages * all / (2 * stages - micro_batches + 1));
}

double pipeline_least_seconds(enum schedule schedule, int64_t stages, int64_t micro_batches,
                              const struct pipeline_known *known) {
    double many = (double)micro_batches, busy = many * known->busiest;
    if (stages == 1)
        return busy;
    switch (schedule) {
    case SCHEDULE_1F1B:
        return larger(busy, one_by_one_at_least((double)stages, many, known));
    case SCHEDULE_GPIPE:
        return busy + known->all - known->busiest;
    case SCHEDULE_INTERLEAVED:
        return larger(busy, known->before + many * known->last);
    case SCHEDULE_ZB_1P:
    case SCHEDULE_ZB_2P:
    case SCHEDULE_DUALPIPE:
    case SCHEDULE_COUNT:
        break;
    }
    return busy;
}
