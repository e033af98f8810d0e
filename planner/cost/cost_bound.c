/* What all stages do for a micro-batch is dealt to them as evenly as can be. */
#include "planner/cost/cost_bound.h"

#include <math.h>

#include "planner/cost/cost_parts.h"
#include "planner/numbers.h"

/* `sharded`: what ZeRO-3 sends for each micro-batch; NULL: nothing. */
static void add_block(const struct cost_context *context, const struct layout *layout, enum block block,
                      const struct block_cost *cost, const struct communication_state *sharded,
                      struct pipeline_work *work) {
    struct pass_cost pass = cost_block_pass(context, layout, block, cost);
    double count = context->blocks[block];
    if (sharded != NULL)
        cost_add_sharding(context, layout, sharded, block, &pass);
    work->forward += count * pass.forward;
    work->backward_input += count * pass.backward_input;
    work->backward_weight += count * pass.backward_weight;
    if (block == cost_main_layer(context))
        work->layer_seconds = pass.forward + pass.backward_input + pass.backward_weight;
    if (block == BLOCK_HEAD || block == BLOCK_MTP_JOIN)
        work->last_seconds += count * (pass.forward + pass.backward_input + pass.backward_weight);
}

static void reckon_but_experts(const struct cost_context *context, const struct layout *layout,
                               const struct layer_part *layer, const struct communication_state *sharded,
                               struct pipeline_work *work) {
    *work = (struct pipeline_work){0};
    for (int block = 0; block < BLOCK_COUNT; block++)
        if (block != BLOCK_EXPERTS && context->blocks[block] > 0)
            add_block(context, layout, (enum block)block, &layer->blocks[block], sharded, work);
}

/* From the cache where it is there: DualPipe, which few stacks run, hides nothing of these blocks, but
 * launches weight gradients apart. */
static void work_but_experts(struct cost_context *context, const struct layout *layout,
                             struct base_part *base, const struct communication_state *sharded,
                             struct pipeline_work *work) {
    struct layout other = *layout;
    if (layout->schedule == SCHEDULE_DUALPIPE || sharded != NULL) {
        reckon_but_experts(context, layout, &base->layer, sharded, work);
        return;
    }
    /* No less than without any is needed where some layers are recomputed. */
    struct recomputed_part *part = cost_recomputed_part(context, base, layout);
    if (!part->has_but_experts) {
        other.schedule = SCHEDULE_1F1B;
        other.recompute = part->recompute;
        other.recompute_layers = 0;
        reckon_but_experts(context, &other, &base->layer, NULL, &part->but_experts);
        part->has_but_experts = true;
    }
    *work = part->but_experts;
}

static void add_experts(const struct cost_context *context, const struct layout *layout, int64_t ep,
                        const struct block_cost *base, const struct routed_cost *routed,
                        const struct communication_state *sharded, struct pipeline_work *work) {
    struct block_cost block = *base;
    struct layout split = *layout;
    split.ep = ep;
    split.pp = split.vpp = 1; /* more stages and chunks cost the host more */
    cost_add_routed_experts(&block, routed);
    add_block(context, &split, BLOCK_EXPERTS, &block, sharded, work);
}

/* `routed` is NULL for models without experts. */
static void least_work_of(struct cost_context *context, const struct layout *layout, struct base_part *base,
                          int64_t ep, const struct routed_cost *routed, struct pipeline_work *work) {
    /* In a pipeline weights stay gathered through the step. */
    const bool sharded = layout->zero >= 3 && layout->pp == 1;
    const struct communication_state *state = sharded ? cost_sharded_state(context, layout) : NULL;
    work_but_experts(context, layout, base, state, work);
    if (routed != NULL)
        add_experts(context, layout, ep, &base->layer.blocks[BLOCK_EXPERTS], routed, state, work);
}

static void least_work(struct cost_context *context, const struct layout *layout, int64_t ep,
                       const struct routed_cost *routed, struct pipeline_work *work) {
    least_work_of(context, layout, cost_base_part(context, layout), ep, routed, work);
}

void cost_least_work(struct cost_context *context, const struct layout *layout, struct pipeline_work *work) {
    struct base_part *base = cost_base_part(context, layout);
    bool experts = context->model->experts.count > 0;
    struct routed_cost routed;
    if (experts)
        routed = cost_routed_experts(context, layout, base);
    least_work_of(context, layout, base, layout->ep, experts ? &routed : NULL, work);
}

void cost_least_work_in_row(struct cost_context *context, const struct layout *layout,
                            const struct expert_row *row, const struct expert_split *split, bool any_order,
                            struct pipeline_work *work) {
    struct routed_cost routed;
    if (row != NULL)
        routed = cost_routed_in_row(row, split, any_order);
    least_work(context, layout, split->ep, row != NULL ? &routed : NULL, work);
}

void cost_least_work_of_row(struct cost_context *context, const struct layout *layout,
                            const struct expert_row *row, struct pipeline_work *work) {
    least_work(context, layout, LAUNCH_ANY_EP, row != NULL ? cost_routed_least(row) : NULL, work);
}

/* Without exchanges to hide none takes less than 1F1B. */
static void reckon_any_experts(struct cost_context *context, const struct layout *layout,
                               struct base_part *base, struct pipeline_work *work) {
    struct compute_problem compute = cost_compute_problem(context, layout);
    struct routed_cost routed = {0};
    struct layout plain = *layout;
    plain.schedule = SCHEDULE_1F1B;
    if (context->model->experts.count == 0) {
        least_work_of(context, &plain, base, 1, NULL, work);
        return;
    }
    routed.forward = compute_least_experts(&compute);
    routed.backward_input = 2 * routed.forward;
    least_work_of(context, &plain, base, LAUNCH_ANY_EP, &routed, work);
}

/* With a micro-batch of so many sequences. */
static const struct pipeline_work *any_experts(struct cost_context *context, const struct layout *layout,
                                               int64_t micro_batch, struct base_part *base) {
    struct recomputed_part *part = cost_recomputed_part(context, base, layout);
    if (!part->has_any_experts) {
        struct layout sized = *layout;
        sized.micro_batch = micro_batch;
        reckon_any_experts(context, &sized, base, &part->any_experts);
        part->has_any_experts = true;
    }
    return &part->any_experts;
}

void cost_least_work_any_experts(struct cost_context *context, const struct layout *layout,
                                 struct pipeline_work *work) {
    *work = *any_experts(context, layout, layout->micro_batch, cost_base_part(context, layout));
}

void cost_least_work_any_micro_batch(struct cost_context *context, const struct layout *layout,
                                     struct pipeline_work *work) {
    static const double ROUNDING = 1e-9; /* of sums that are equal but for the order of their terms */
    const double sequences = (1 - ROUNDING) * (double)layout->micro_batch;
    *work = *any_experts(context, layout, 1, cost_least_part(context, layout));
    work->forward *= sequences;
    work->backward_input *= sequences;
    work->backward_weight *= sequences;
    work->layer_seconds *= sequences;
    work->last_seconds *= sequences;
}

void cost_row_work_of(struct cost_context *context, const struct layout *layout, bool hides_exchange,
                      const struct expert_row *row, struct cost_row_work *work) {
    struct base_part *base = cost_base_part(context, layout);
    const struct compute_time *compute = &base->layer.blocks[BLOCK_EXPERTS].compute;
    const struct communication_time *sent = &base->layer.blocks[BLOCK_EXPERTS].communication;
    struct pipeline_work others;
    struct layout plain = *layout;
    plain.schedule = SCHEDULE_1F1B; /* weight gradients launched apart take no less */
    work_but_experts(context, &plain, base, NULL, &others);
    bool again = layout->recompute == RECOMPUTE_FULL && layout->recompute_layers == 0;
    double forward = compute->forward + sent->tp_forward + sent->cp_forward;
    double backward =
        compute->backward_input + compute->backward_weight + sent->tp_backward + sent->cp_backward;
    work->layers = context->blocks[BLOCK_EXPERTS];
    work->others = others.forward + others.backward_input + others.backward_weight +
                   work->layers * (forward + backward + (again ? forward : 0));
    work->forward_passes = again ? 2 : 1;
    work->exchange_share = hides_exchange || context->training.routing.overlap ? 0 : 1;
    work->row = row;
}

double cost_row_work(const struct cost_row_work *work, const struct expert_split *split, bool any_order) {
    if (work->row == NULL)
        return work->others;
    return work->others + work->layers * cost_routed_seconds(work->row, split, any_order,
                                                             work->forward_passes, work->exchange_share);
}

/* Layers with experts, where there are any, are what counts: the others may come first. */
double cost_recomputed_share(const struct cost_context *context, double share) {
    double layers = (double)context->model->layers, further = (double)context->model->mtp_layers;
    double experts = (double)context->experts_before[context->model->layers];
    double recomputed = share * layers;
    if (experts > 0)
        return fmax(0, recomputed - (layers - experts)) / (experts + further);
    return recomputed / (layers + further);
}

/* Which of a device's layers are recomputed isn't known here: one of them takes no less than without. */
void cost_blend_work(struct pipeline_work *work, const struct pipeline_work *other, double share) {
    work->forward += share * (other->forward - work->forward);
    work->backward_input += share * (other->backward_input - work->backward_input);
    work->backward_weight += share * (other->backward_weight - work->backward_weight);
}

/* Of `count` layers from one on. */
static double layers_that_count(const struct cost_context *context, int64_t first, int64_t end) {
    const int64_t *before = context->experts_before;
    return (double)(before[context->model->layers] > 0 ? before[end] - before[first] : end - first);
}

void cost_ends_of(const struct cost_context *context, const struct layout *layout, struct cost_ends *ends) {
    struct layout_dealing dealing;
    layout_deal(layout, context->model, &dealing);
    *ends = (struct cost_ends){
        .last = (double)context->model->mtp_layers,
        .before = layers_that_count(context, 0, layout_dealt_before(&dealing, layout->pp - 1))};
    for (int64_t chunk = layout->pp - 1; chunk < dealing.chunks; chunk += layout->pp)
        ends->last += layers_that_count(context, layout_dealt_before(&dealing, chunk),
                                        layout_dealt_before(&dealing, chunk + 1));
}

void cost_pace_of(struct cost_context *context, const struct layout *layout, struct cost_pace *pace) {
    const int64_t experts = context->experts_before[context->model->layers];
    const int64_t layers = experts > 0 ? experts : context->model->layers;
    *pace = (struct cost_pace){.stages = layout->pp,
                               .most_layers = (double)quotient_up(layers, layout->pp),
                               .micro_batches = layout_micro_batches(layout, context->training.global_batch),
                               .straggler_factor = cost_straggler_factor(context, layout),
                               .fixed_seconds = context->training.stack->step_seconds};
}

/* Under DualPipe a device has halves of two stages. */
double cost_bound(const struct cost_pace *pace, enum schedule schedule, const struct pipeline_work *work) {
    const struct cost_ends *ends = schedule == SCHEDULE_INTERLEAVED ? &pace->chunked : &pace->whole;
    double all = pipeline_work_seconds(work);
    struct pipeline_known known = {.all = all, .busiest = all / (double)pace->stages};
    if (schedule != SCHEDULE_DUALPIPE) {
        known.last = work->last_seconds + ends->last * work->layer_seconds;
        known.before = ends->before * work->layer_seconds;
        known.busiest = larger(known.busiest, larger(known.last, pace->most_layers * work->layer_seconds));
    }
    return pace->straggler_factor *
               pipeline_least_seconds(schedule, pace->stages, pace->micro_batches, &known) +
           pace->fixed_seconds;
}
