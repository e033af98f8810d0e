#include "planner/cost/launch.h"

/* The host launches a backward pass's kernels in so many times what a forward pass takes: more of them, and
 * autograd between. Fitted with the floors. */
static const double BACKWARD_FLOOR = 1.6;

/* What a forward pass calls besides a query's, key's and value's product, attention, its output's product,
 * norms, the router, a fused exchange of tokens and the experts, each a collective or a module of Transformer
 * Engine. From the sources of Megatron-Core (token_dispatcher.py, attention.py, multi_latent_attention.py,
 * shared_experts.py). */
enum {
    ALL_TO_ALL_CALLS = 2,    /* it gathers counts, and sends probabilities apart */
    SORTING_CALLS = 2,       /* and sorts what comes and goes by experts, where a device has several */
    TENSOR_CALLS = 2,        /* what tp sends before and after attention */
    FEW_HEADS_CALLS = 1,     /* what it gathers where keys have fewer heads than tp has ranks */
    EXPERT_TENSOR_CALLS = 3, /* tokens and probabilities gathered, results scattered */
    LATENT_CALLS = 2,        /* two products for keys and values, beside the query's */
    LATENT_QUERY_CALLS = 1,  /* and two for the query */
    LATENT_TENSOR_CALLS = 2, /* each product's input is gathered, and the rotary key */
    SHARED_CALLS = 2,        /* two products */
    SHARED_TENSOR_CALLS = 2  /* what tp sends before and after them */
};

/* CUDA graphs of the router and of what prepares an exchange spare the host some of a layer's calls, but not
 * the casts of each expert. 20.1 s of Qwen3 30B on 16 H100 leave a pass at most 0.85 of them
 * (Megatron-Bridge, docs/training/moe-optimization.md), 28.2 and 27.1 s of it on 8 B200 at least 0.8 (its
 * performance summaries of 25.11 and 26.02). */
static const double GRAPHED_FLOOR = 0.8;
/* With attention's too: Qwen3 235B on 256 GB200 leaves a pass at most that, with a Grace's share. */
static const double ATTENTION_GRAPHED_FLOOR = 0.4;

/* What launching takes a Grace, in a Xeon's: a Linear 2.46 times (GH200) and 2.75 times (GB200; Transformer
 * Engine issue 2053). But not everything is such calls: layers of 128 and 256 experts on 64 GB200 leave 1.3
 * (github.com/marin-community/marin, issue 7668). */
static const double GRACE_FACTOR = 1.3;

/* What is launched for each expert, from the sources of Transformer Engine (GroupedLinear) and Megatron-Core
 * (experts.py). In fp8 the largest element, the scale and the cast of each operand; with scales by blocks the
 * cast alone. With biases they are multiplied by the probability and added; backward two products and two
 * sums, the first product's bias, and for each bias an addition and a hook. Products are not: one call
 * launches all. */
enum {
    QUANTISING_LAUNCHES = 6, /* in each pass */
    BLOCK_QUANTISING_LAUNCHES = 2,
    BIAS_LAUNCHES = 2,
    BIAS_BACKWARD_LAUNCHES = 9
};
/* One of them, in eager PyTorch with autograd. Assumed: 10 to 30 us are usual. */
static const double LAUNCH_SECONDS = 25e-6;

/* Experts padded to their capacity: nobody waits for counts, and products have the same shape each time, so
 * that the host runs ahead. Qwen3 30B on 8 B200 with 16 experts a device, which takes 28.2 s without,
 * took 14.5 s so: a layer at most 4.7 ms (Megatron-Bridge, performance summaries of 25.11 and 25.09). */
static const double PADDED_FLOOR = 0.5;

/* An exchange of tokens beside another micro-batch takes a schedule that cuts each layer's pass into four
 * nodes: attention, dispatch, experts, combination. For each the host waits for an event and records one,
 * changes streams twice, detaches what goes in and wraps what comes out, or starts autograd anew: some ten
 * calls of PyTorch (Megatron-Core, pipeline_parallel/utils.py, models/gpt/fine_grained_callables.py). They
 * are taken for as long as four launches; graphs spare none. */
enum { NODES_OF_A_PASS = 4, LAUNCHES_OF_A_NODE = 4 };

/* A stage's pass over a chunk of its layers costs the host so much besides: the schedule and the transfers to
 * its neighbours. As fitted to the stacks that wait for it (`hop_seconds` of Megatron-LM before Core). */
static const double PASS_SECONDS = 0.55e-3;

struct launch_time launch_dense_layer(const struct training *training) {
    double floor = training->cuda_graphs == GRAPHS_STEP ? 0 : training->stack->layer_floor_seconds;
    return (struct launch_time){.forward = floor, .backward = BACKWARD_FLOOR * floor};
}

/* A layer's share of that. */
static double pass_share(const struct model *model, const struct layout *layout) {
    double passes = (double)(layout->pp * layout->vpp);
    return layout->pp > 1 ? PASS_SECONDS * passes / (double)model->layers : 0;
}

/* Of a pass whose exchange runs beside another micro-batch. */
static double node_seconds(const struct training *training) {
    return training->routing.overlap ? NODES_OF_A_PASS * LAUNCHES_OF_A_NODE * LAUNCH_SECONDS : 0;
}

/* What a forward pass calls besides, as listed above. */
static int further_calls(const struct model *model, const struct cluster *cluster,
                         const struct training *training, const struct layout *layout) {
    const bool exchanged = layout->ep > 1, split = layout->tp > 1, latent = model->mla.kv_lora_rank > 0;
    int calls = 0;
    if (exchanged && training_dispatcher(training, model, cluster, layout) == DISPATCHER_ALL_TO_ALL)
        calls += ALL_TO_ALL_CALLS + (model->experts.count > layout->ep ? SORTING_CALLS : 0);
    if (layout->etp > 1 && layout->ep != LAUNCH_ANY_EP)
        calls += EXPERT_TENSOR_CALLS;
    if (split)
        calls += TENSOR_CALLS + (!latent && model->kv_heads < layout->tp ? FEW_HEADS_CALLS : 0);
    if (latent)
        calls += LATENT_CALLS + (model->mla.q_lora_rank > 0 ? LATENT_QUERY_CALLS : 0) +
                 (split ? LATENT_TENSOR_CALLS : 0);
    if (model->experts.shared > 0)
        calls += SHARED_CALLS + (split ? SHARED_TENSOR_CALLS : 0);
    return calls;
}

/* That are launched one by one. Under FSDP those of a device are slices of one weight, which one grouped
 * product goes through, and one hook waits for (torchtitan, models/gpt_oss/moe.py at 58b034444; NeMo
 * AutoModel, components/moe/experts.py). */
static double launched_experts(const struct model *model, const struct stack *stack,
                               const struct layout *layout) {
    bool one = stack->fully_sharded || layout->ep == LAUNCH_ANY_EP;
    return one ? 1 : (double)model->experts.count / (double)layout->ep;
}

static double ungraphed_share(enum cuda_graphs graphs) {
    if (graphs == GRAPHS_NONE)
        return 1;
    return graphs == GRAPHS_ATTENTION ? ATTENTION_GRAPHED_FLOOR : GRAPHED_FLOOR;
}

struct launch_time launch_expert_layer(const struct model *model, const struct cluster *cluster,
                                       const struct training *training, const struct layout *layout) {
    const struct stack *stack = training->stack;
    const struct cluster_device *device = &cluster->device;
    double experts = launched_experts(model, stack, layout);
    const int calls = further_calls(model, cluster, training, layout);
    double floor = (stack->expert_floor_seconds + calls * stack->expert_call_seconds) *
                   ungraphed_share(training_graphs(training, model, device));
    double nodes = node_seconds(training), forward = 0, backward = 0;
    if (training_graphs_experts(training, model))
        return (struct launch_time){0};
    if (training->precision == PRECISION_FP8)
        forward = backward = training_fp8_scaling(training, device) == FP8_SCALING_BLOCK
                                 ? BLOCK_QUANTISING_LAUNCHES
                                 : QUANTISING_LAUNCHES;
    if (training_adds_expert_biases(training, model)) {
        forward += BIAS_LAUNCHES;
        backward += BIAS_BACKWARD_LAUNCHES;
    }
    floor += pass_share(model, layout);
    double host = cluster_device_has_grace(device) ? GRACE_FACTOR : 1;
    if (model->experts.capacity_factor > 0) {
        floor *= PADDED_FLOOR;
        experts = 0; /* whatever their number */
    }
    return (struct launch_time){
        .forward = host * (floor + experts * forward * LAUNCH_SECONDS + nodes),
        .backward = host * (BACKWARD_FLOOR * floor + experts * backward * LAUNCH_SECONDS + nodes),
        .calls = calls};
}
