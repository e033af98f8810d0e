/* A step is put together from parts that many layouts share (cost_parts.h): blocks make stages, stages a
 * pipeline, and what data parallelism adds is hidden behind the last micro-batch as far as it fits. */
#include "planner/cost/cost.h"

#include <math.h>
#include <stdio.h>

#include "planner/cost/cost_parts.h"
#include "planner/cost/pipeline.h"
#include "planner/kernels/matmul.h"
#include "planner/kernels/reference_device.h"

/* Gradients and parameters can hide behind this share of a stage's pass: the first bucket has to be full
 * before it goes, the last has nothing left to hide behind. */
static const double OVERLAP_WINDOW = 0.9;
/* The slowest of many nodes sets the pace; a step grows by this share each time they double. */
static const double STRAGGLER_SHARE = 0.0075;

/* Seconds that gradients and parameters add to the step. They hide behind the last micro-batch's backward and
 * the first one's forward pass; with chunks, behind as many micro-batches as pass the device meanwhile. */
static double data_parallel(const struct cost_context *context, const struct layout *layout,
                            const struct communication_state *state, const struct pass_cost *device,
                            double micro_batches) {
    double chunks = (double)layout->vpp;
    bool streamed = offload_weights(layout->offload), sent = offload_gradients(layout->offload);
    /* ZeRO-2 reduces every micro-batch, and so does who sends gradients out. */
    bool each_time = (layout->zero == 2 || sent) && !communication_is_sharded(&context->training, layout);
    double passes = each_time ? 1 : (fmin(micro_batches, (double)layout->pp) * (chunks - 1) + 1) / chunks;
    double window = layout->overlap.dp ? OVERLAP_WINDOW * passes : 0;
    double share = COMMUNICATION_INTERFERENCE;
    /* What fills the bubble hides nothing else. */
    double later = each_time && cost_splits_backward(layout->schedule) ? device->backward_weight : 0;
    double backward = window * (device->backward_input + device->backward_weight - later);
    double forward = context->training.stack->broadcasts_parameters ? 0 : window * device->forward;
    if (communication_is_sharded(&context->training, layout)) {
        bool gathers = !streamed && (layout->pp > 1 || layout->zero == 2);
        bool reduces = !sent && layout->pp > 1;
        return (reduces ? communication_exposed(state->reduce, backward, share) : 0) +
               (gathers ? communication_exposed(state->gather, forward, share) : 0);
    }
    return (each_time ? micro_batches : 1) * communication_exposed(state->reduce, backward, share) +
           communication_exposed(state->gather, forward, share) + state->tied;
}

/* From virtual stage `first` to before `end`. */
static void set_stages(struct cost_context *context, const struct pipeline_work *work, int64_t first,
                       int64_t end) {
    for (int64_t i = first; i < end; i++) {
        context->forward[i] = work->forward;
        context->backward_input[i] = work->backward_input;
        context->backward_weight[i] = work->backward_weight;
    }
}

static void lay_out_stages(struct cost_context *context, const struct layout *layout,
                           const struct stage_layers *stages, const struct layout_passes *passes,
                           struct pipeline *pipeline) {
    const struct stage_runs *runs = &stages->stage_runs;
    bool by_run = layout->recompute_layers == 0;
    struct pipeline_work work;
    for (int64_t i = 0; by_run && i < runs->count; i++) {
        work = cost_share_work(context, layout, passes, &runs->shares[i]);
        set_stages(context, &work, runs->firsts[i], runs->firsts[i + 1]);
    }
    for (int64_t i = 0; !by_run && i < layout->pp * layout->vpp; i++) {
        struct stage_share share;
        cost_share_of_stage(context, layout, stages, i, &share);
        work = cost_share_work(context, layout, passes, &share);
        set_stages(context, &work, i, i + 1);
    }
    pipeline->forward_seconds = context->forward;
    pipeline->backward_input_seconds = context->backward_input;
    pipeline->backward_weight_seconds = context->backward_weight;
}

/* The devices of a run of equal ones, in runs whose first chunks are equal too. */
static void add_run(const struct cost_context *context, const struct layout *layout,
                    const struct stage_layers *stages, const struct layout_passes *passes, int64_t index,
                    struct pipeline_devices *devices) {
    const struct stage_runs *runs = &stages->device_runs, *chunks = &stages->stage_runs;
    int64_t first = runs->firsts[index], end = runs->firsts[index + 1];
    struct pipeline_run run = {.work = cost_share_work(context, layout, passes, &runs->shares[index])};
    run.first_chunk_seconds = pipeline_work_seconds(&run.work);
    for (int64_t i = 0; first < end; first += run.count) {
        run.count = end - first;
        if (layout->vpp > 1) {
            while (chunks->firsts[i + 1] <= first)
                i++;
            struct pipeline_work chunk = cost_share_work(context, layout, passes, &chunks->shares[i]);
            run.first_chunk_seconds = pipeline_work_seconds(&chunk);
            run.count = chunks->firsts[i + 1] < end ? chunks->firsts[i + 1] - first : run.count;
        }
        pipeline_add_devices(devices, &run);
    }
}

/* One that is unlike its neighbours. */
static void add_device(const struct cost_context *context, const struct layout *layout,
                       const struct stage_layers *stages, const struct layout_passes *passes, int64_t device,
                       struct pipeline_devices *devices) {
    struct stage_share share, chunk;
    cost_share_of_device(context, layout, stages, device, &share);
    cost_share_of_stage(context, layout, stages, device, &chunk);
    struct pipeline_work first_chunk = cost_share_work(context, layout, passes, &chunk);
    struct pipeline_run run = {.work = cost_share_work(context, layout, passes, &share),
                               .first_chunk_seconds = pipeline_work_seconds(&first_chunk),
                               .count = 1};
    pipeline_add_devices(devices, &run);
}

static void add_devices(const struct cost_context *context, const struct layout *layout,
                        const struct stage_layers *stages, const struct layout_passes *passes,
                        struct pipeline_devices *devices) {
    bool by_run = layout->recompute_layers == 0 && layout->schedule != SCHEDULE_DUALPIPE;
    *devices = (struct pipeline_devices){.runs = context->runs};
    for (int64_t i = 0; by_run && i < stages->device_runs.count; i++)
        add_run(context, layout, stages, passes, i, devices);
    for (int64_t i = 0; !by_run && i < layout->pp; i++)
        add_device(context, layout, stages, passes, i, devices);
}

static void scale(struct step_cost *cost, double factor) {
    cost->compute *= factor;
    cost->recompute *= factor;
    cost->tp *= factor;
    cost->cp *= factor;
    cost->ep *= factor;
    cost->pp *= factor;
    cost->dp *= factor;
    cost->bubble *= factor;
    cost->offload *= factor;
}

double cost_straggler_factor(struct cost_context *context, const struct layout *layout) {
    int64_t devices = layout_devices(layout);
    if (devices != context->straggler_devices) {
        double nodes = (double)devices / (double)context->cluster->node.devices;
        context->straggler_devices = devices;
        context->straggler_factor = 1 + STRAGGLER_SHARE * log2(fmax(1, nodes));
    }
    return context->straggler_factor;
}

/* `launch` is 0 for what isn't a layer. */
static void explain_block(const char *name, const struct pass_cost *pass, const struct launch_time *launch,
                          struct explain *explain) {
    char host[128] = "", again[80] = "", calls[40] = "";
    if (pass->recompute > 0)
        snprintf(again, sizeof again, " (%s of it recompute)",
                 explain_text(explain, pass->recompute, UNIT_SECONDS));
    if (launch->calls > 0)
        snprintf(calls, sizeof calls, ", with %d further calls,", launch->calls);
    if (launch->forward > 0)
        snprintf(host, sizeof host, "; the host launches it%s in %s and %s", calls,
                 explain_text(explain, launch->forward, UNIT_SECONDS),
                 explain_text(explain, launch->backward, UNIT_SECONDS));
    explain_add(explain, name, pass->forward + pass->backward_input + pass->backward_weight, UNIT_SECONDS,
                "forward %s, backward %s%s, weight gradients %s%s",
                explain_text(explain, pass->forward, UNIT_SECONDS),
                explain_text(explain, pass->backward_input, UNIT_SECONDS), again,
                explain_text(explain, pass->backward_weight, UNIT_SECONDS), host);
}

static void explain_blocks(const struct cost_context *context, const struct layout *layout,
                           const struct layout_passes *passes, const struct pass_cost *device,
                           struct explain *explain) {
    static const char *const names[BLOCK_COUNT] = {"dense layer", "expert layer", "embedding",
                                                   "head and loss", "join of a further prediction"};
    static const char *const recomputed[] = {"dense layer, recomputed", "expert layer, recomputed"};
    explain_open(explain, "passes of one micro-batch");
    for (int block = 0; block < BLOCK_COUNT; block++) {
        if (context->blocks[block] <= 0)
            continue;
        const struct launch_time launch = cost_launch_block(context, layout, (enum block)block);
        explain_block(names[block], passes->kinds[PASS_USUAL + block], &launch, explain);
        if (layout->recompute_layers > 0 && block <= BLOCK_EXPERTS)
            explain_block(recomputed[block], passes->kinds[block], &launch, explain);
    }
    explain_add(explain, "busiest device", device->forward + device->backward_input + device->backward_weight,
                UNIT_SECONDS, "through all its layers: forward %s",
                explain_text(explain, device->forward, UNIT_SECONDS));
    explain_close(explain, 0, UNIT_NONE, "with what isn't hidden");
}

static void explain_step(const struct step_cost *cost, const struct pipeline *pipeline, double hop,
                         double factor, struct explain *explain) {
    explain_add(explain, "compute", cost->compute, UNIT_SECONDS, "%lld micro-batches",
                (long long)pipeline->micro_batches);
    explain_add(explain, "recompute", cost->recompute, UNIT_SECONDS, NULL);
    explain_add(explain, "tp", cost->tp, UNIT_SECONDS, NULL);
    explain_add(explain, "cp", cost->cp, UNIT_SECONDS, NULL);
    explain_add(explain, "ep", cost->ep, UNIT_SECONDS, NULL);
    if (pipeline->hop_seconds < hop)
        explain_add(explain, "pp", cost->pp, UNIT_SECONDS,
                    "%s a hop, hidden but for %s and filling the pipeline",
                    explain_text(explain, hop, UNIT_SECONDS),
                    explain_text(explain, pipeline->hop_seconds, UNIT_SECONDS));
    else
        explain_add(explain, "pp", cost->pp, UNIT_SECONDS, "%s a hop, not hidden",
                    explain_text(explain, hop, UNIT_SECONDS));
    explain_add(explain, "bubble", cost->bubble, UNIT_SECONDS, "%s, %lld stage%s of %lld chunk%s",
                schedule_names[pipeline->schedule], (long long)pipeline->stages,
                units_plural(pipeline->stages), (long long)pipeline->chunks, units_plural(pipeline->chunks));
    explain_add(explain, "dp", cost->dp, UNIT_SECONDS, NULL);
    explain_add(explain, "optimizer", cost->optimizer, UNIT_SECONDS, "and what every step costs");
    if (cost->offload > 0)
        explain_add(explain, "offload", cost->offload, UNIT_SECONDS, "streaming that nothing hides");
    explain_close(explain, cost->seconds, UNIT_SECONDS, "stragglers' factor %.4g in all but the optimizer",
                  factor);
}

/* The parts again, with the figures behind them: the same functions, so the same seconds. */
static void explain_parts(const struct cost_context *context, const struct layout *layout,
                          const struct stage_layers *stages, struct explain *explain) {
    struct layer_part layer;
    struct state_part state;
    struct offload_part offload;
    explain_open(explain, "blocks, one micro-batch on one device");
    cost_layer_reckon(context, layout, &layer, explain);
    const struct cluster_device *device = &context->cluster->device;
    const char *from = device->kernels.from;
    if (matmul_is_fitted(device, context->training.precision) && device->kernels.chip_device != NULL)
        explain_close(explain, 0, UNIT_NONE, "rates of its kernels: the %s's, which has the same chip",
                      device->kernels.chip_device);
    else if (matmul_is_fitted(device, context->training.precision))
        explain_close(explain, 0, UNIT_NONE, "rates of its kernels: %s", from ? from : "the cluster file's");
    else
        explain_close(explain, 0, UNIT_NONE, "rates of its kernels: the %s's, scaled by peak",
                      reference_device.name);
    explain_open(explain, "parameters and gradients");
    cost_state_reckon(context, layout, stages, &state, explain);
    explain_close(explain, 0, UNIT_NONE, NULL);
    cost_offload_reckon(context, layout, &state, &offload, explain);
}

/* Of a transfer between stages, the seconds that it holds up the receiver: all, or what shows beside the
 * chunk's passes behind which its two transfers a micro-batch hide. `work`: of all devices. */
static double exposed_hop(const struct layout *layout, const struct pipeline_work *work, double hop) {
    double chunks = (double)(layout->pp * layout->vpp);
    if (!cost_hops_hidden(layout))
        return hop;
    return communication_exposed(hop, pipeline_work_seconds(work) / (2 * chunks), COMMUNICATION_INTERFERENCE);
}

/* Gradients sent out are never held, so never cleared. */
static double optimizer_seconds(const struct layout *layout, const struct state_part *state,
                                const struct offload_part *offload) {
    if (!offload_optimizer(layout->offload))
        return state->optimizer_seconds;
    return offload->optimizer_seconds + (offload_gradients(layout->offload) ? 0 : state->clear_seconds);
}

void cost_evaluate(struct cost_context *context, const struct layout *layout, enum pipeline_method method,
                   struct step_cost *cost, struct explain *explain) {
    struct offload_part offload;
    struct base_part *base = cost_base_part(context, layout);
    const struct stage_layers *stages = cost_stage_layers(context, layout);
    const struct state_part *state = cost_state_part(context, layout, stages);
    int64_t batches = layout_micro_batches(layout, context->training.global_batch);
    struct pipeline pipeline = {
        .schedule = layout->schedule, .stages = layout->pp, .chunks = layout->vpp, .micro_batches = batches};
    struct pipeline_devices devices;
    struct layout_passes passes;
    struct stage_share busiest;
    struct pipeline_time time;
    cost_offload_reckon(context, layout, state, &offload, NULL);
    cost_layout_passes(context, layout, base, state, &offload, &passes);
    add_devices(context, layout, stages, &passes, &devices);

    double hop = cost_hop_seconds(context, layout, base);
    pipeline.hop_seconds = exposed_hop(layout, &devices.total, hop);
    if (method == PIPELINE_LEAST) {
        pipeline_least(&pipeline, &devices, &time);
    } else if (method == PIPELINE_CLOSED_FORM) {
        pipeline_closed_form_of(&pipeline, &devices, &time);
    } else {
        pipeline.group = layout_micro_batch_group(layout->pp, batches);
        lay_out_stages(context, layout, stages, &passes, &pipeline);
        pipeline_simulate(&pipeline, &context->room, &time);
    }

    double micro_batches = (double)pipeline.micro_batches;
    cost_share_of_device(context, layout, stages, time.stage, &busiest);
    struct pass_cost device = cost_share_pass(context, layout, &passes, &busiest);
    double fill = 2 * (double)(layout->pp - 1) * (hop - pipeline.hop_seconds);
    *cost = (struct step_cost){
        .compute = micro_batches * device.compute,
        .recompute = micro_batches * device.recompute,
        .tp = micro_batches * device.tp,
        .cp = micro_batches * device.cp,
        .ep = micro_batches * device.ep,
        .pp = micro_batches * device.pp + time.hop_seconds + fill,
        .bubble = time.bubble_seconds,
        .dp =
            micro_batches * device.dp + data_parallel(context, layout, &state->state, &device, micro_batches),
        .optimizer = optimizer_seconds(layout, state, &offload) + context->training.stack->step_seconds,
        .offload = micro_batches * device.offload,
    };
    double factor = cost_straggler_factor(context, layout);
    scale(cost, factor);
    cost->seconds = cost->compute + cost->recompute + cost->tp + cost->ep + cost->cp + cost->pp + cost->dp +
                    cost->bubble + cost->optimizer + cost->offload;
    if (explain == NULL)
        return;
    explain_open(explain, "step");
    explain_parts(context, layout, stages, explain);
    explain_blocks(context, layout, &passes, &device, explain);
    explain_step(cost, &pipeline, hop, factor, explain);
}
