/* What stages are balanced by: seconds of the model's blocks under 1F1B, and what balances them, kept. */
#include <math.h>

#include "planner/cost/cost_parts.h"

struct kept_balance {
    struct balance_sizes sizes;
    struct stage_balance *balance;
    struct kept_balance *next;
};

/* In so many parts of a second weights are whole, so that sums of the same layers are the same. */
static const double WEIGHTS_A_SECOND = 1e12;

/* Without recompute and context parallelism. */
static struct layout weighed_layout(const struct cost_context *context, const struct balance_sizes *sizes) {
    const struct stack *stack = context->training.stack;
    struct layout layout = {.tp = sizes->tp,
                            .pp = 1,
                            .vpp = 1,
                            .cp = 1,
                            .ep = sizes->ep,
                            .etp = 1,
                            .dp = sizes->ep, /* so that ep can be dealt to tp x dp */
                            .micro_batch = sizes->micro_batch,
                            .schedule = SCHEDULE_1F1B,
                            .overlap = {stack->overlap_tp, stack->overlap_dp, stack->overlap_pp}};
    layout.sequence_parallel = layout_sequence_parallel_valid(&layout, context->training.sequence);
    return layout;
}

static double weight_of(const struct cost_context *context, const struct layout *layout, enum block block,
                        const struct block_cost *cost) {
    const struct pass_cost pass = cost_block_pass(context, layout, block, cost);
    return round(WEIGHTS_A_SECOND * (pass.forward + pass.backward_input + pass.backward_weight));
}

static struct stage_weights weigh(struct cost_context *context, const struct balance_sizes *sizes) {
    const struct layout layout = weighed_layout(context, sizes);
    const struct block_cost *blocks = cost_base_part(context, &layout)->layer.blocks;
    const double further = (double)context->model->mtp_layers;
    struct stage_weights weights = {.dense = weight_of(context, &layout, BLOCK_DENSE, &blocks[BLOCK_DENSE])};
    double last = weights.dense;
    if (context->model->experts.count > 0) {
        const struct routed_cost routed = cost_routed_reckon(context, &layout, NULL);
        struct block_cost experts = blocks[BLOCK_EXPERTS];
        cost_add_routed_experts(&experts, &routed);
        last = weights.experts = weight_of(context, &layout, BLOCK_EXPERTS, &experts);
    }
    weights.embedding = weight_of(context, &layout, BLOCK_EMBEDDING, &blocks[BLOCK_EMBEDDING]);
    weights.head = (1 + further) * weight_of(context, &layout, BLOCK_HEAD, &blocks[BLOCK_HEAD]);
    if (further > 0)
        weights.head +=
            further * (last + weight_of(context, &layout, BLOCK_MTP_JOIN, &blocks[BLOCK_MTP_JOIN]));
    return weights;
}

struct stage_balance *cost_stage_balance(struct cost_context *context, const struct balance_sizes *sizes) {
    struct kept_balance *kept = context->balances;
    while (kept != NULL && (kept->sizes.tp != sizes->tp || kept->sizes.ep != sizes->ep ||
                            kept->sizes.micro_batch != sizes->micro_batch))
        kept = kept->next;
    if (kept == NULL) {
        const struct stage_weights weights = weigh(context, sizes);
        kept = ARENA_NEW(context->arena, struct kept_balance);
        *kept = (struct kept_balance){*sizes, stage_balance_create(context->model, &weights, context->arena),
                                      context->balances};
        context->balances = kept;
    }
    return kept->balance;
}
