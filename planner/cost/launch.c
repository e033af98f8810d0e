#include "planner/cost/launch.h"

/* The host launches a backward pass's kernels in so many times what a forward pass takes: more of them, and
 * autograd between. Fitted with the floors. */
static const double BACKWARD_FLOOR = 1.6;

/* CUDA graphs of the router and of what prepares an exchange spare the host some of the launches of a layer
 * with routed experts, but none of those made for each expert. 20.1 s of Qwen3 30B on 16 H100 leave a forward
 * pass at most 0.7 of the floor (Megatron-Bridge, docs/training/moe-optimization.md), 28.2 and 27.1 s of it
 * on 8 B200 at least that (its performance summaries of 25.11 and 26.02). */
static const double GRAPHED_FLOOR = 0.7;
/* With attention's too: Qwen3 235B on 256 GB200 leaves a pass at most that, with a Grace's share. */
static const double ATTENTION_GRAPHED_FLOOR = 0.4;

/* What launching takes a Grace, in a Xeon's: a Linear 2.46 times (GH200) and 2.75 times (GB200; Transformer
 * Engine issue 2053). But not everything is such calls: 10.0 s of Qwen3 30B on 8 GB200 leave 1.5 at most. */
static const double GRACE_FACTOR = 1.5;

/* What is launched for each expert, from the sources of Transformer Engine (GroupedLinear) and Megatron-Core
 * (experts.py, distributed_data_parallel.py). Forward two products; backward twice as many, and a hook for
 * each weight. In fp8 the largest element, the scale and the cast of each operand; with scales by blocks the
 * cast alone. With biases they are multiplied by the probability and added; backward two products and two
 * sums, the first product's bias, and for each bias an addition and a hook. */
enum {
    EXPERT_LAUNCHES = 2,
    EXPERT_BACKWARD_LAUNCHES = 6,
    QUANTISING_LAUNCHES = 6, /* in each pass */
    BLOCK_QUANTISING_LAUNCHES = 2,
    BIAS_LAUNCHES = 2,
    BIAS_BACKWARD_LAUNCHES = 9
};
/* One of them, in eager PyTorch with autograd. Assumed: 10 to 30 us are usual. With it, runs of 8 and 16
 * experts a device, in bf16, in fp8 and with biases, agree (docs/cost-model.md). */
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
    return (struct launch_time){floor, BACKWARD_FLOOR * floor};
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

/* That are launched one by one. Under FSDP those of a device are slices of one weight, which one grouped
 * product goes through, and one hook waits for (torchtitan, models/gpt_oss/moe.py at 58b034444; NeMo
 * AutoModel, components/moe/experts.py). */
static double launched_experts(const struct model *model, const struct stack *stack,
                               const struct layout *layout) {
    return stack->fully_sharded ? 1 : (double)model->experts.count / (double)layout->ep;
}

static double ungraphed_share(enum cuda_graphs graphs) {
    if (graphs == GRAPHS_NONE)
        return 1;
    return graphs == GRAPHS_ATTENTION ? ATTENTION_GRAPHED_FLOOR : GRAPHED_FLOOR;
}

struct launch_time launch_expert_layer(const struct model *model, const struct cluster_device *device,
                                       const struct training *training, const struct layout *layout) {
    const struct stack *stack = training->stack;
    double experts = launched_experts(model, stack, layout);
    double floor = stack->expert_floor_seconds * ungraphed_share(training_graphs(training, model, device));
    double nodes = node_seconds(training), forward = EXPERT_LAUNCHES, backward = EXPERT_BACKWARD_LAUNCHES;
    if (training_graphs_experts(training, model))
        return (struct launch_time){0};
    if (training->precision == PRECISION_FP8) {
        int casts = training_fp8_scaling(training, device) == FP8_SCALING_BLOCK ? BLOCK_QUANTISING_LAUNCHES
                                                                                : QUANTISING_LAUNCHES;
        forward += casts;
        backward += casts;
    }
    if (training_adds_expert_biases(training, model)) {
        forward += BIAS_LAUNCHES;
        backward += BIAS_BACKWARD_LAUNCHES;
    }
    floor += pass_share(model, layout);
    double host = cluster_device_has_grace(device) ? GRACE_FACTOR : 1;
    if (model->experts.capacity_factor > 0)
        return (struct launch_time){host * (PADDED_FLOOR * floor + nodes),
                                    host * (BACKWARD_FLOOR * PADDED_FLOOR * floor + nodes)};
    return (struct launch_time){host * (floor + experts * forward * LAUNCH_SECONDS + nodes),
                                host *
                                    (BACKWARD_FLOOR * floor + experts * backward * LAUNCH_SECONDS + nodes)};
}
