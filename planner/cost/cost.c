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

static void add_pass(struct pass_cost *sum, const struct pass_cost *pass, double count) {
    sum->forward += count * pass->forward;
    sum->backward_input += count * pass->backward_input;
    sum->backward_weight += count * pass->backward_weight;
    sum->compute += count * pass->compute;
    sum->recompute += count * pass->recompute;
    sum->tp += count * pass->tp;
    sum->cp += count * pass->cp;
    sum->ep += count * pass->ep;
    sum->pp += count * pass->pp;
    sum->dp += count * pass->dp;
    sum->offload += count * pass->offload;
}

/* The blocks of a layout, each for one micro-batch; layers as most are, and as those that full recompute is
 * limited to, where it is. */
struct block_passes {
    struct pass_cost usual[BLOCK_COUNT], recomputed[BLOCK_COUNT];
};

/* Of those that the model has. */
static void passes_of(const struct cost_context *context, const struct layout *layout,
                      const struct block_cost *const blocks[BLOCK_COUNT], const struct state_part *state,
                      const struct offload_part *offload, struct pass_cost *passes) {
    bool sharded = cost_fully_sharded(context, layout) && !offload->broadcast;
    for (int block = 0; block < BLOCK_COUNT; block++) {
        struct pass_cost *pass = &passes[block];
        *pass = (struct pass_cost){0};
        if (context->blocks[block] <= 0)
            continue;
        *pass = cost_block_pass(context, layout, (enum block)block, blocks[block]);
        if (sharded)
            cost_add_sharding(context, layout, &state->state, (enum block)block, pass);
        if (layout->offload != OFFLOAD_NONE)
            cost_add_streaming(layout, offload->forward[block], offload->backward[block], pass);
    }
}

static void block_passes(struct cost_context *context, const struct layout *layout,
                         const struct state_part *state, const struct offload_part *offload,
                         struct block_passes *passes) {
    const struct base_part *base = cost_base_part(context, layout);
    const struct block_cost *blocks[BLOCK_COUNT];
    struct block_cost experts;
    struct layout all = *layout;
    struct offload_part offload_all;
    for (int block = 0; block < BLOCK_COUNT; block++)
        blocks[block] = &base->layer.blocks[block];
    if (context->model->experts.count > 0) {
        struct routed_cost routed = cost_routed_experts(context, layout);
        experts = *blocks[BLOCK_EXPERTS];
        cost_add_routed_experts(&experts, &routed);
        blocks[BLOCK_EXPERTS] = &experts;
    }
    passes_of(context, layout, blocks, state, offload, passes->usual);
    if (layout->recompute_layers == 0)
        return;
    all.recompute_layers = 0;
    cost_offload_reckon(context, &all, state, &offload_all, NULL);
    passes_of(context, &all, blocks, state, &offload_all, passes->recomputed);
}

/* What a virtual stage, or a device, has of the model: layers as most are, and those recomputed; its ends. */
struct stage_share {
    int64_t dense, experts, recomputed_dense, recomputed_experts, chunks;
    bool first, last;
};

static struct stage_share share_of_stage(const struct cost_context *context, const struct layout *layout,
                                         const struct stage_layers *stages, int64_t index) {
    struct stage_share share = {.dense = stages->dense[index],
                                .experts = stages->experts[index],
                                .chunks = 1,
                                .first = index == 0,
                                .last = index == layout->pp * layout->vpp - 1};
    if (layout->recompute_layers > 0) {
        int64_t first = layout_layers_before(layout, context->model, index);
        int64_t limited = layout_recomputed_layers(layout, context->model, index);
        share.recomputed_experts = context->experts_before[first + limited] - context->experts_before[first];
        share.recomputed_dense = limited - share.recomputed_experts;
        share.experts -= share.recomputed_experts;
        share.dense -= share.recomputed_dense;
    }
    return share;
}

/* Of all its chunks; without the mirrored stage of DualPipe. */
static struct stage_share share_of_device(const struct cost_context *context, const struct layout *layout,
                                          const struct stage_layers *stages, int64_t device) {
    struct stage_share sum = {.dense = stages->device_dense[device],
                              .experts = stages->device_experts[device],
                              .chunks = layout->vpp,
                              .first = device == 0,
                              .last = device == layout->pp - 1};
    for (int64_t chunk = 0; layout->recompute_layers > 0 && chunk < layout->vpp; chunk++) {
        struct stage_share share = share_of_stage(context, layout, stages, chunk * layout->pp + device);
        sum.recomputed_dense += share.recomputed_dense;
        sum.recomputed_experts += share.recomputed_experts;
    }
    sum.dense -= sum.recomputed_dense;
    sum.experts -= sum.recomputed_experts;
    return sum;
}

/* Interleaving leaves slack to send in. */
static bool hops_hidden(const struct layout *layout) {
    return layout->overlap.pp && layout->vpp > 1;
}

/* All that it takes for a micro-batch. */
static struct pass_cost share_pass(const struct cost_context *context, const struct layout *layout,
                                   const struct block_passes *passes, const struct stage_share *share) {
    const struct pass_cost *usual = passes->usual;
    struct pass_cost pass = {0};
    if (layout->recompute_layers > 0) {
        add_pass(&pass, &passes->recomputed[BLOCK_DENSE], (double)share->recomputed_dense);
        add_pass(&pass, &passes->recomputed[BLOCK_EXPERTS], (double)share->recomputed_experts);
    }
    add_pass(&pass, &usual[BLOCK_DENSE], (double)share->dense);
    add_pass(&pass, &usual[BLOCK_EXPERTS], (double)share->experts);
    if (share->first)
        add_pass(&pass, &usual[BLOCK_EMBEDDING], 1);
    if (share->last) {
        double further = (double)context->model->mtp_layers;
        enum block kind = context->model->experts.count > 0 ? BLOCK_EXPERTS : BLOCK_DENSE;
        add_pass(&pass, &usual[BLOCK_HEAD], 1 + further);
        add_pass(&pass, &usual[kind], further);
        add_pass(&pass, &usual[BLOCK_MTP_JOIN], further);
    }
    if (layout->pp > 1 && !hops_hidden(layout)) {
        double host = context->training.stack->hop_seconds * (double)share->chunks;
        pass.forward += host;
        pass.backward_input += host;
        pass.pp = 2 * host;
    }
    return pass;
}

static struct pass_cost device_pass(const struct cost_context *context, const struct layout *layout,
                                    const struct stage_layers *stages, const struct block_passes *passes,
                                    int64_t device) {
    struct stage_share share = share_of_device(context, layout, stages, device);
    struct pass_cost own = share_pass(context, layout, passes, &share), both = {0};
    if (layout->schedule != SCHEDULE_DUALPIPE)
        return own;
    share = share_of_device(context, layout, stages, layout->pp - 1 - device);
    struct pass_cost mirrored = share_pass(context, layout, passes, &share);
    add_pass(&both, &own, 0.5);
    add_pass(&both, &mirrored, 0.5);
    return both;
}

/* Seconds that gradients and parameters add to the step. They hide behind the last micro-batch's backward and
 * the first one's forward pass; with chunks, behind as many micro-batches as pass the device meanwhile. */
static double data_parallel(const struct cost_context *context, const struct layout *layout,
                            const struct communication_state *state, const struct pass_cost *device,
                            double micro_batches) {
    double chunks = (double)layout->vpp;
    bool streamed = offload_weights(layout->offload), sent = offload_gradients(layout->offload);
    /* ZeRO-2 reduces every micro-batch, and so does who sends gradients out. */
    bool each_time = (layout->zero == 2 || sent) && !cost_fully_sharded(context, layout);
    double passes = each_time ? 1 : (fmin(micro_batches, (double)layout->pp) * (chunks - 1) + 1) / chunks;
    double window = layout->overlap.dp ? OVERLAP_WINDOW * passes : 0;
    double share = COMMUNICATION_INTERFERENCE;
    /* What fills the bubble hides nothing else. */
    double later = each_time && cost_splits_backward(layout->schedule) ? device->backward_weight : 0;
    double backward = window * (device->backward_input + device->backward_weight - later);
    double forward = context->training.stack->broadcasts_parameters ? 0 : window * device->forward;
    if (cost_fully_sharded(context, layout)) {
        bool gathers = !streamed && (layout->pp > 1 || layout->zero == 2);
        bool reduces = !sent && layout->pp > 1;
        return (reduces ? communication_exposed(state->reduce, backward, share) : 0) +
               (gathers ? communication_exposed(state->gather, forward, share) : 0);
    }
    return (each_time ? micro_batches : 1) * communication_exposed(state->reduce, backward, share) +
           communication_exposed(state->gather, forward, share) + state->tied;
}

static bool is_alike(const struct stage_share *a, const struct stage_share *b) {
    return a->dense == b->dense && a->experts == b->experts && a->recomputed_dense == b->recomputed_dense &&
           a->recomputed_experts == b->recomputed_experts && a->first == b->first && a->last == b->last;
}

/* By virtual stage. */
static void lay_out_stages(struct cost_context *context, const struct layout *layout,
                           const struct stage_layers *stages, const struct block_passes *passes,
                           struct pipeline *pipeline) {
    struct stage_share before = {.chunks = 0};
    struct pass_cost pass;
    for (int64_t i = 0; i < layout->pp * layout->vpp; i++) {
        struct stage_share share = share_of_stage(context, layout, stages, i);
        if (i == 0 || !is_alike(&share, &before))
            pass = share_pass(context, layout, passes, &share);
        before = share;
        context->forward[i] = pass.forward;
        context->backward_input[i] = pass.backward_input;
        context->backward_weight[i] = pass.backward_weight;
    }
    pipeline->forward_seconds = context->forward;
    pipeline->backward_input_seconds = context->backward_input;
    pipeline->backward_weight_seconds = context->backward_weight;
}

/* What devices of a run have differs where only some layers are recomputed, and where DualPipe pairs them. */
static void add_devices(const struct cost_context *context, const struct layout *layout,
                        const struct stage_layers *stages, const struct block_passes *passes,
                        struct pipeline_devices *devices) {
    bool apart = layout->schedule == SCHEDULE_DUALPIPE || layout->recompute_layers > 0;
    int64_t count = apart ? layout->pp : stages->run_count;
    *devices = (struct pipeline_devices){.count = 0};
    for (int64_t i = 0; i < count; i++) {
        int64_t first = apart ? i : stages->runs[i];
        int64_t next = apart ? i + 1 : i + 1 < count ? stages->runs[i + 1] : layout->pp;
        struct pass_cost pass = device_pass(context, layout, stages, passes, first);
        struct pipeline_work work = {.forward = pass.forward,
                                     .backward_input = pass.backward_input,
                                     .backward_weight = pass.backward_weight};
        pipeline_add_devices(devices, &work, next - first);
    }
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
    char host[80] = "";
    if (launch->forward > 0)
        snprintf(host, sizeof host, "; the host launches it in %s and %s",
                 explain_text(explain, launch->forward, UNIT_SECONDS),
                 explain_text(explain, launch->backward, UNIT_SECONDS));
    explain_add(explain, name, pass->forward + pass->backward_input + pass->backward_weight, UNIT_SECONDS,
                "forward %s, backward with recompute %s, weight gradients %s%s",
                explain_text(explain, pass->forward, UNIT_SECONDS),
                explain_text(explain, pass->backward_input, UNIT_SECONDS),
                explain_text(explain, pass->backward_weight, UNIT_SECONDS), host);
}

static void explain_blocks(const struct cost_context *context, const struct layout *layout,
                           const struct block_passes *passes, const struct pass_cost *device,
                           struct explain *explain) {
    static const char *const names[BLOCK_COUNT] = {"dense layer", "expert layer", "embedding",
                                                   "head and loss", "join of a further prediction"};
    static const char *const recomputed[] = {"dense layer, recomputed", "expert layer, recomputed"};
    explain_open(explain, "passes of one micro-batch");
    for (int block = 0; block < BLOCK_COUNT; block++) {
        if (context->blocks[block] <= 0)
            continue;
        const struct launch_time launch = cost_launch_block(context, layout, (enum block)block);
        explain_block(names[block], &passes->usual[block], &launch, explain);
        if (layout->recompute_layers > 0 && block <= BLOCK_EXPERTS)
            explain_block(recomputed[block], &passes->recomputed[block], &launch, explain);
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
    explain_add(explain, "bubble", cost->bubble, UNIT_SECONDS, "%s, %lld stages of %lld chunks",
                schedule_names[pipeline->schedule], (long long)pipeline->stages, (long long)pipeline->chunks);
    explain_add(explain, "dp", cost->dp, UNIT_SECONDS, NULL);
    explain_add(explain, "optimizer", cost->optimizer, UNIT_SECONDS, "and what every step costs");
    if (cost->offload > 0)
        explain_add(explain, "offload", cost->offload, UNIT_SECONDS, "streaming that nothing hides");
    explain_close(explain, cost->seconds, UNIT_SECONDS, "stragglers' factor %.4g in all but the optimizer",
                  factor);
}

/* The parts again, with the figures behind them: the same functions, so the same seconds. */
static void explain_parts(const struct cost_context *context, const struct layout *layout,
                          struct explain *explain) {
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
    cost_state_reckon(context, layout, &state, explain);
    explain_close(explain, 0, UNIT_NONE, NULL);
    cost_offload_reckon(context, layout, &state, &offload, explain);
}

/* Of a transfer between stages, the seconds that it holds up the receiver: all, or what shows beside the
 * chunk's passes behind which its two transfers a micro-batch hide. `work`: of all devices. */
static double exposed_hop(const struct layout *layout, const struct pipeline_work *work, double hop) {
    double chunks = (double)(layout->pp * layout->vpp);
    if (!hops_hidden(layout))
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
    const struct state_part *state = cost_state_part(context, layout);
    const struct stage_layers *stages = cost_stage_layers(context, layout);
    struct communication_problem problem = cost_communication_problem(context, layout);
    int64_t batches = layout_micro_batches(layout, context->training.global_batch);
    struct pipeline pipeline = {.schedule = layout->schedule,
                                .stages = layout->pp,
                                .chunks = layout->vpp,
                                .micro_batches = batches,
                                .group = layout_micro_batch_group(layout->pp, batches)};
    struct pipeline_devices devices;
    struct block_passes passes;
    struct pipeline_time time;
    cost_offload_reckon(context, layout, state, &offload, NULL);
    block_passes(context, layout, state, &offload, &passes);
    add_devices(context, layout, stages, &passes, &devices);

    double hop = communication_hop_seconds(&problem);
    pipeline.hop_seconds = exposed_hop(layout, &devices.total, hop);
    if (method == PIPELINE_CLOSED_FORM) {
        pipeline_closed_form_of(&pipeline, &devices, &time);
    } else {
        lay_out_stages(context, layout, stages, &passes, &pipeline);
        pipeline_time_of(&pipeline, method, &context->room, &time);
    }

    double micro_batches = (double)pipeline.micro_batches;
    struct pass_cost device = device_pass(context, layout, stages, &passes, time.stage);
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
    explain_parts(context, layout, explain);
    explain_blocks(context, layout, &passes, &device, explain);
    explain_step(cost, &pipeline, hop, factor, explain);
}
