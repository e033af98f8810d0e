/* What a pipeline's stages and devices do for a micro-batch: how many blocks of each kind they have, times
 * what one of it takes. The blocks' passes are the same for all stages of a layout; those of blocks without
 * routed experts, where nothing is sharded or streamed, for all layouts of a base part. */
#include "planner/cost/cost_parts.h"

/* Layers that full recompute is limited to. */
static enum pass_kind recomputed_kind(enum block layer) {
    return layer == BLOCK_DENSE ? PASS_RECOMPUTED_DENSE : PASS_RECOMPUTED_EXPERTS;
}

static enum pass_kind usual_kind(enum block block) {
    return (enum pass_kind)(PASS_USUAL + (int)block);
}

/* Of all blocks that the model has, but of those with routed experts. DualPipe hides nothing of them. */
static const struct pass_cost *base_passes(struct cost_context *context, const struct layout *layout,
                                           struct base_part *base) {
    struct recomputed_part *part = cost_recomputed_part(context, base, layout);
    struct pass_cost **kept = &part->passes[cost_splits_backward(layout->schedule)];
    if (*kept != NULL)
        return *kept;
    *kept = ARENA_ARRAY(context->arena, struct pass_cost, BLOCK_COUNT);
    for (int block = 0; block < BLOCK_COUNT; block++)
        if (block != BLOCK_EXPERTS && context->blocks[block] > 0)
            (*kept)[block] = cost_block_pass(context, layout, (enum block)block, &base->layer.blocks[block]);
    return *kept;
}

static struct pass_cost expert_pass(struct cost_context *context, const struct layout *layout,
                                    struct base_part *base) {
    struct block_cost block = base->layer.blocks[BLOCK_EXPERTS];
    struct routed_cost routed = cost_routed_experts(context, layout, base);
    cost_add_routed_experts(&block, &routed);
    return cost_block_pass(context, layout, BLOCK_EXPERTS, &block);
}

/* The first `count` blocks, from kind `first` on. */
static void find_passes(struct cost_context *context, const struct layout *layout, struct base_part *base,
                        const struct state_part *state, const struct offload_part *offload,
                        enum pass_kind first, int count, struct layout_passes *passes) {
    const struct pass_cost *kept = base_passes(context, layout, base);
    bool sharded = communication_is_sharded(&context->training, layout) && !offload->broadcast;
    bool streamed = layout->offload != OFFLOAD_NONE;
    for (int block = 0; block < count; block++) {
        struct pass_cost *own = &passes->own[(int)first + block];
        bool shared = block != BLOCK_EXPERTS && !sharded && !streamed;
        passes->kinds[(int)first + block] = shared ? &kept[block] : own;
        if (shared || context->blocks[block] <= 0)
            continue;
        *own = block == BLOCK_EXPERTS ? expert_pass(context, layout, base) : kept[block];
        if (sharded)
            cost_add_sharding(context, layout, &state->state, (enum block)block, own);
        if (streamed)
            cost_add_streaming(layout, offload->forward[block], offload->backward[block], own);
    }
}

void cost_layout_passes(struct cost_context *context, const struct layout *layout, struct base_part *base,
                        const struct state_part *state, const struct offload_part *offload,
                        struct layout_passes *passes) {
    find_passes(context, layout, base, state, offload, PASS_USUAL, BLOCK_COUNT, passes);
    if (layout->recompute_layers == 0)
        return;
    struct layout all = *layout;
    struct offload_part offload_all;
    all.recompute_layers = 0;
    cost_offload_reckon(context, &all, state, &offload_all, NULL);
    find_passes(context, &all, base, state, &offload_all, PASS_RECOMPUTED_DENSE, PASS_USUAL, passes);
}

/* Of so many layers of each kind. */
static void share_of_layers(const struct cost_context *context, int64_t dense, int64_t experts, bool first,
                            bool last, struct stage_share *share) {
    *share = (struct stage_share){.counts = {[PASS_DENSE] = (double)dense, [PASS_EXPERTS] = (double)experts}};
    if (first)
        share->counts[PASS_EMBEDDING] = 1;
    if (last) {
        double further = (double)context->model->mtp_layers;
        share->counts[PASS_HEAD] = 1 + further;
        share->counts[usual_kind(cost_main_layer(context))] += further;
        share->counts[PASS_MTP_JOIN] = further;
    }
}

static void reserve_runs(struct arena *arena, size_t capacity, struct stage_runs *runs) {
    runs->firsts = ARENA_ARRAY(arena, int64_t, capacity + 1);
    runs->shares = ARENA_ARRAY(arena, struct stage_share, capacity);
}

static void reserve_stages(struct cost_context *context, int64_t count) {
    struct stage_layers *stages = &context->stages;
    if (count <= stages->capacity)
        return;
    size_t capacity = 2 * (size_t)count;
    stages->capacity = (int64_t)capacity;
    stages->dense = ARENA_ARRAY(context->arena, int64_t, capacity);
    stages->experts = ARENA_ARRAY(context->arena, int64_t, capacity);
    stages->device_dense = ARENA_ARRAY(context->arena, int64_t, capacity);
    stages->device_experts = ARENA_ARRAY(context->arena, int64_t, capacity);
    reserve_runs(context->arena, capacity, &stages->device_runs);
    reserve_runs(context->arena, capacity, &stages->stage_runs);
    context->forward = ARENA_ARRAY(context->arena, double, capacity);
    context->backward_input = ARENA_ARRAY(context->arena, double, capacity);
    context->backward_weight = ARENA_ARRAY(context->arena, double, capacity);
    context->runs = ARENA_ARRAY(context->arena, struct pipeline_run, capacity);
}

/* Of `count` devices or virtual stages, each of so many chunks. */
static void find_runs(const struct cost_context *context, const int64_t *dense, const int64_t *experts,
                      int64_t count, int64_t chunks, struct stage_runs *runs) {
    runs->count = 0;
    for (int64_t i = 0; i < count; i++) {
        bool alone = i <= 1 || i == count - 1;
        struct stage_share *share = &runs->shares[runs->count];
        if (!alone && dense[i] == dense[i - 1] && experts[i] == experts[i - 1])
            continue;
        share_of_layers(context, dense[i], experts[i], i == 0, i == count - 1, share);
        share->chunks = (double)chunks;
        runs->firsts[runs->count++] = i;
    }
    runs->firsts[runs->count] = count;
}

const struct stage_layers *cost_stage_layers(struct cost_context *context, const struct layout *layout) {
    struct stage_layers *stages = &context->stages;
    if (stages->pp == layout->pp && stages->vpp == layout->vpp &&
        stages->first == layout->first_stage_layers && stages->last == layout->last_stage_layers)
        return stages;
    struct layout_dealing dealing;
    int64_t count = layout->pp * layout->vpp, first = 0;
    layout_deal(layout, context->model, &dealing);
    reserve_stages(context, count);
    for (int64_t i = 0; i < layout->pp; i++)
        stages->device_dense[i] = stages->device_experts[i] = 0;
    for (int64_t i = 0, device = 0; i < count; i++, device = device + 1 < layout->pp ? device + 1 : 0) {
        int64_t end = layout_dealt_before(&dealing, i + 1);
        stages->experts[i] = context->experts_before[end] - context->experts_before[first];
        stages->dense[i] = end - first - stages->experts[i];
        stages->device_experts[device] += stages->experts[i];
        stages->device_dense[device] += stages->dense[i];
        first = end;
    }
    find_runs(context, stages->device_dense, stages->device_experts, layout->pp, layout->vpp,
              &stages->device_runs);
    find_runs(context, stages->dense, stages->experts, count, 1, &stages->stage_runs);
    stages->pp = layout->pp;
    stages->vpp = layout->vpp;
    stages->first = layout->first_stage_layers;
    stages->last = layout->last_stage_layers;
    return stages;
}

static void move_layers(enum block layer, int64_t count, struct stage_share *share) {
    share->counts[usual_kind(layer)] -= (double)count;
    share->counts[recomputed_kind(layer)] += (double)count;
}

/* Those of virtual stage `index` that full recompute is limited to, where it is. */
static void limit_recompute(const struct cost_context *context, const struct layout *layout, int64_t index,
                            struct stage_share *share) {
    int64_t first = layout_layers_before(layout, context->model, index);
    int64_t limited = layout_recomputed_layers(layout, context->model, index);
    int64_t experts = context->experts_before[first + limited] - context->experts_before[first];
    move_layers(BLOCK_EXPERTS, experts, share);
    move_layers(BLOCK_DENSE, limited - experts, share);
}

void cost_share_of_stage(const struct cost_context *context, const struct layout *layout,
                         const struct stage_layers *stages, int64_t index, struct stage_share *share) {
    share_of_layers(context, stages->dense[index], stages->experts[index], index == 0,
                    index == layout->pp * layout->vpp - 1, share);
    share->chunks = 1;
    if (layout->recompute_layers > 0)
        limit_recompute(context, layout, index, share);
}

static const struct stage_share *share_of_run(const struct stage_runs *runs, int64_t index) {
    int64_t run = 0;
    while (index >= runs->firsts[run + 1])
        run++;
    return &runs->shares[run];
}

/* Without the mirrored stage of DualPipe. */
static void share_of_chunks(const struct cost_context *context, const struct layout *layout,
                            const struct stage_layers *stages, int64_t device, struct stage_share *share) {
    *share = *share_of_run(&stages->device_runs, device);
    for (int64_t chunk = 0; layout->recompute_layers > 0 && chunk < layout->vpp; chunk++)
        limit_recompute(context, layout, chunk * layout->pp + device, share);
}

void cost_share_of_device(const struct cost_context *context, const struct layout *layout,
                          const struct stage_layers *stages, int64_t device, struct stage_share *share) {
    struct stage_share mirrored;
    share_of_chunks(context, layout, stages, device, share);
    if (layout->schedule != SCHEDULE_DUALPIPE)
        return;
    share_of_chunks(context, layout, stages, layout->pp - 1 - device, &mirrored);
    for (int kind = 0; kind < PASS_COUNT; kind++)
        share->counts[kind] = 0.5 * (share->counts[kind] + mirrored.counts[kind]);
}

bool cost_hops_hidden(const struct layout *layout) {
    return layout->overlap.pp && layout->vpp > 1;
}

/* What the host takes in each pass for transfers that show. */
static double host_hops(const struct cost_context *context, const struct layout *layout,
                        const struct stage_share *share) {
    bool shown = layout->pp > 1 && !cost_hops_hidden(layout);
    return shown ? context->training.stack->hop_seconds * share->chunks : 0;
}

struct pipeline_work cost_share_work(const struct cost_context *context, const struct layout *layout,
                                     const struct layout_passes *passes, const struct stage_share *share) {
    double host = host_hops(context, layout, share);
    struct pipeline_work work = {0};
    for (int kind = 0; kind < PASS_COUNT; kind++) {
        const struct pass_cost *pass = passes->kinds[kind];
        double count = share->counts[kind];
        if (count <= 0)
            continue;
        work.forward += count * pass->forward;
        work.backward_input += count * pass->backward_input;
        work.backward_weight += count * pass->backward_weight;
    }
    work.forward += host;
    work.backward_input += host;
    return work;
}

struct pass_cost cost_share_pass(const struct cost_context *context, const struct layout *layout,
                                 const struct layout_passes *passes, const struct stage_share *share) {
    struct pipeline_work work = cost_share_work(context, layout, passes, share);
    struct pass_cost sum = {.forward = work.forward,
                            .backward_input = work.backward_input,
                            .backward_weight = work.backward_weight,
                            .pp = 2 * host_hops(context, layout, share)};
    for (int kind = 0; kind < PASS_COUNT; kind++) {
        const struct pass_cost *pass = passes->kinds[kind];
        double count = share->counts[kind];
        if (count <= 0)
            continue;
        sum.compute += count * pass->compute;
        sum.recompute += count * pass->recompute;
        sum.tp += count * pass->tp;
        sum.cp += count * pass->cp;
        sum.ep += count * pass->ep;
        sum.dp += count * pass->dp;
        sum.offload += count * pass->offload;
    }
    return sum;
}
