/* One micro-batch through a block on one device: its passes, what ZeRO-3 sends beside them, and what streams
 * in and out. */
#include <math.h>

#include "planner/cost/cost_parts.h"

enum block cost_main_layer(const struct cost_context *context) {
    return context->blocks[BLOCK_EXPERTS] > 0 ? BLOCK_EXPERTS : BLOCK_DENSE;
}

enum recompute cost_recompute_of_all(const struct layout *layout) {
    return layout->recompute_layers > 0 ? RECOMPUTE_NONE : layout->recompute;
}

/* Schedules that put weight gradients off, into the bubble. */
bool cost_splits_backward(enum schedule schedule) {
    return schedule == SCHEDULE_ZB_1P || schedule == SCHEDULE_ZB_2P || schedule == SCHEDULE_DUALPIPE;
}

/* What a backward pass hides transfers behind: weight gradients too, where they aren't put off. */
static double backward_window(const struct layout *layout, const struct pass_cost *pass) {
    return pass->backward_input + (cost_splits_backward(layout->schedule) ? 0 : pass->backward_weight);
}

/* Memory traffic of a parameter that FSDP gathers: copied out of the buffer it arrived in, which Megatron's
 * and DeepSpeed's parameters are views of, 16 bits read and written (PyTorch _fsdp_collectives.py,
 * _runtime_utils.py). */
static const double GATHERED_COPY_BYTES = 4;

/* The same of its gradient: flattened in 16 bits, cast where it is reduced in fp32, and divided by the number
 * of ranks. */
static double scattered_copy_bytes(const struct training *training, int64_t zero) {
    static const double FLATTENED_BYTES = 4, HALF_BYTES = 2;
    double gradient = training_sent_gradient_bytes(training, zero);
    double cast = gradient > HALF_BYTES ? HALF_BYTES + gradient : 0;
    return FLATTENED_BYTES + cast + 2 * gradient;
}

/* What ZeRO-3 sends for a layer and micro-batch: its parameters before each pass, its gradients behind the
 * backward one. ZeRO-2, and ZeRO-3 in a pipeline, keep the parameters gathered through the step, but never
 * streamed ones. */
static void add_sharding(const struct cost_context *context, const struct layout *layout, double parameters,
                         double gather, double scatter, struct pass_cost *pass) {
    bool streamed = offload_weights(layout->offload);
    bool kept = (layout->zero == 2 || layout->pp > 1) && !streamed;
    bool once = layout->pp > 1 && !offload_gradients(layout->offload); /* gradients go when the step ends */
    double share = layout->overlap.dp ? COMMUNICATION_INTERFERENCE : 1;
    double window = layout->overlap.dp ? 1 : 0;
    double before = kept ? 0 : communication_exposed(gather, window * pass->forward, share);
    double behind = communication_exposed((kept ? 0 : gather) + (once ? 0 : scatter),
                                          window * backward_window(layout, pass), share);
    double sent = kept ? 0 : parameters, copied = context->training.stack->fully_sharded ? sent : 0;
    before += compute_traffic_seconds(&context->cluster->device, GATHERED_COPY_BYTES * copied);
    behind += compute_traffic_seconds(&context->cluster->device,
                                      GATHERED_COPY_BYTES * copied +
                                          scattered_copy_bytes(&context->training, layout->zero) * sent);
    pass->forward += before;
    pass->backward_input += behind;
    pass->dp += before + behind;
}

void cost_add_sharding(const struct cost_context *context, const struct layout *layout,
                       const struct communication_state *state, enum block block, struct pass_cost *pass) {
    if (block == BLOCK_DENSE || block == BLOCK_EXPERTS)
        add_sharding(context, layout, state->layer_parameters[block], state->layer_gather[block],
                     state->layer_scatter[block], pass);
    else if (block == BLOCK_HEAD)
        add_sharding(context, layout, state->vocabulary_parameters, state->vocabulary_gather,
                     state->vocabulary_scatter, pass);
}

/* What comes from memory outside the device and goes there, beside the pass. */
void cost_add_streaming(const struct layout *layout, double forward, double backward,
                        struct pass_cost *pass) {
    double before = communication_exposed(forward, pass->forward, 0);
    double behind = communication_exposed(backward, backward_window(layout, pass), 0);
    pass->forward += before;
    pass->backward_input += behind;
    pass->offload += before + behind;
}

/* Weight gradients put off are launched on their own: a third of the backward pass's kernels. */
static double weight_floor(enum schedule schedule, double backward_floor) {
    return cost_splits_backward(schedule) ? backward_floor / 3 : 0;
}

/* DualPipe runs one micro-batch's forward pass beside another's backward pass, so that the experts' exchange
 * of each hides behind the other's compute (arXiv 2412.19437, section 3.2.1), here taken as long as its own.
 */
static double exposed_exchange(const struct training *training, enum schedule schedule, double exchange,
                               double shown, double compute) {
    if (schedule == SCHEDULE_DUALPIPE)
        return communication_exposed(exchange, compute, 0);
    return training->routing.overlap ? communication_exposed(exchange, compute, shown) : exchange;
}

/* By operation, torchtitan's keeps every second product (torchtitan/distributed/activation_checkpoint.py),
 * but none of torch._grouped_mm, and since c4e229115 what was exchanged (_op_sac_save_list of
 * models/deepseek_v3/infra/parallelize.py at 82a9530f6; get_default_op_list of PyTorch's _functorch). */
static const double RECOMPUTED_PRODUCTS = 0.5;

/* Adds seconds that a backward pass repeats, and those of them that are sent. */
static void repeat(double seconds, double sent, double *kind_sent, struct pass_cost *pass) {
    pass->backward_input += seconds + sent;
    pass->recompute += seconds;
    *kind_sent += sent;
}

/* What selective recompute repeats. */
static void add_selective(const struct block_cost *block, bool with_experts, int64_t modules, double exchange,
                          struct pass_cost *pass) {
    const struct compute_time *compute = &block->compute;
    const struct communication_time *sent = &block->communication;
    const double tp_half = sent->tp_forward / 2; /* the other half is attention's */
    const bool moe = with_experts && recompute_has(modules, RECOMPUTE_MOE);
    if (recompute_has(modules, RECOMPUTE_OPERATIONS)) /* what was scattered is kept */
        repeat(RECOMPUTED_PRODUCTS * compute->products + compute->traffic + compute->experts, tp_half,
               &pass->tp, pass);
    if (recompute_has(modules, RECOMPUTE_CORE_ATTENTION))
        repeat(compute->attention, sent->cp_forward, &pass->cp, pass);
    if (recompute_has(modules, RECOMPUTE_LAYERNORM))
        repeat(compute->norms, 0, &pass->tp, pass);
    if (recompute_has(modules, RECOMPUTE_MLA_UP_PROJECTION))
        repeat(compute->latent_up, 0, &pass->tp, pass);
    if (moe || recompute_has(modules, with_experts ? RECOMPUTE_SHARED_EXPERTS : RECOMPUTE_MLP))
        repeat(compute->mlp, compute->mlp > 0 ? tp_half : 0, &pass->tp, pass);
    if (moe)
        repeat(compute->experts, exchange, &pass->ep, pass);
    else if (recompute_has(modules, RECOMPUTE_MOE_ACTIVATION))
        repeat(compute->activation, 0, &pass->tp, pass);
}

/* What the host needs to launch a block. */
struct launch_time cost_launch_block(const struct cost_context *context, const struct layout *layout,
                                     enum block block) {
    if (block == BLOCK_DENSE)
        return launch_dense_layer(&context->training);
    if (block == BLOCK_EXPERTS)
        return launch_expert_layer(context->model, context->cluster, &context->training, layout);
    return (struct launch_time){0};
}

/* The host launches ahead of the device, which waits where the host is slower; or waits itself. */
static double paced(const struct training *training, double device, double host) {
    return training_blocks_launches(training) ? device + host : fmax(device, host);
}

struct pass_cost cost_block_pass(const struct cost_context *context, const struct layout *layout,
                                 enum block block, const struct block_cost *cost) {
    const struct compute_time *compute = &cost->compute;
    const struct communication_time *communication = &cost->communication;
    const struct training *training = &context->training;
    bool is_layer = block == BLOCK_DENSE || block == BLOCK_EXPERTS;
    bool recomputed = is_layer && layout->recompute_layers == 0;
    enum recompute recompute = recomputed ? layout->recompute : RECOMPUTE_NONE;
    struct launch_time launch = {0};
    if (!cost->least)
        launch = cost_launch_block(context, layout, block);
    double ep = exposed_exchange(training, layout->schedule, communication->ep_forward,
                                 communication->ep_shown, compute->forward);
    double ep_back =
        exposed_exchange(training, layout->schedule, communication->ep_backward, communication->ep_shown,
                         compute->backward_input + compute->backward_weight);
    double sent = communication->tp_forward + communication->cp_forward + ep;
    double sent_back = communication->tp_backward + communication->cp_backward + ep_back;
    double forward = paced(training, compute->forward + sent, launch.forward);
    double later = weight_floor(layout->schedule, launch.backward);
    double weight = paced(training, compute->backward_weight, later);
    double together = later > 0 ? 0 : weight; /* launched with the rest */
    double input =
        paced(training, compute->backward_input + sent_back + together, launch.backward - later) - together;
    struct pass_cost pass = {
        .forward = forward,
        .backward_input = input,
        .backward_weight = weight,
        .compute = forward - sent + input + weight - sent_back,
        .tp = communication->tp_forward + communication->tp_backward,
        .cp = communication->cp_forward + communication->cp_backward,
        .ep = ep + ep_back,
    };
    if (recompute == RECOMPUTE_FULL) {
        bool shorter = block == BLOCK_DENSE && training_stops_early(training);
        double again = forward - (shorter ? compute->last_product : 0);
        pass.backward_input += again;
        pass.recompute = again - sent;
        pass.tp += communication->tp_forward;
        pass.cp += communication->cp_forward;
        pass.ep += ep;
    } else if (recompute == RECOMPUTE_SELECTIVE)
        add_selective(cost, block == BLOCK_EXPERTS,
                      training_recompute_modules(training, context->model, layout), ep, &pass);
    return pass;
}
