#include "planner/cost/communication.h"

#include <math.h>
#include <stddef.h>

#include "planner/kernels/attention.h"
#include "planner/numbers.h"

const double COMMUNICATION_INTERFERENCE = 0.2;

void communication_groups_of(const struct layout *layout, struct communication_groups *groups) {
    int64_t inner = layout->tp * layout->cp, experts = layout->ep * layout->etp;
    int64_t between = layout->order == ORDER_TP_CP_PP_DP ? layout->pp : 1;
    *groups = (struct communication_groups){
        .tp = {layout->tp, 1},
        .cp = {layout->cp, layout->tp},
        .dp = {layout->dp * layout->cp, layout->tp * between},
        .etp = {layout->etp, 1},
        .ep = {layout->ep, layout->etp * (experts > inner ? between : 1)},
        .expert_dp = {layout_expert_dp(layout), experts * between},
        .hop = {layout->pp, between > 1 ? inner : inner * layout->dp},
    };
}

double communication_exposed(double communication, double window, double share) {
    double hidden = fmin(communication, window);
    return communication - hidden + share * hidden;
}

double communication_seconds(const struct communication_problem *problem,
                             const struct collective *collective) {
    if (problem->collectives == NULL)
        return collective_seconds(problem->cluster, collective);
    if (problem->least)
        return collective_cache_least_seconds(problem->collectives, collective);
    return collective_cache_seconds(problem->collectives, collective);
}

/* Seconds of `count` equal collectives, with the figures behind them. */
static double add_collective(const struct communication_problem *problem, struct explain *explain,
                             const char *label, double count, const struct collective *collective) {
    if (collective->group.size <= 1 || collective->bytes <= 0 || count <= 0)
        return 0;
    if (explain == NULL)
        return count * communication_seconds(problem, collective);
    struct collective_estimate estimate;
    char origin[COLLECTIVE_ORIGIN_TEXT];
    collective_estimate(problem->cluster, collective, &estimate);
    explain_add(
        explain, label, count * estimate.seconds, UNIT_SECONDS,
        "%g x %s of %s over %lld ranks %lld apart, level %s: bus bandwidth %s, latency %s (%s)", count,
        collective_names[collective->operation], explain_text(explain, collective->bytes, UNIT_BYTES),
        (long long)collective->group.size, (long long)collective->group.stride, estimate.level,
        explain_text(explain, estimate.bandwidth_bytes_per_second, UNIT_BYTES_PER_SECOND),
        explain_text(explain, estimate.latency_seconds, UNIT_SECONDS), collective_origin(&estimate, origin));
    return count * communication_seconds(problem, collective);
}

static double tokens_of(const struct communication_problem *problem) {
    const struct layout *layout = problem->layout;
    return (double)(layout->micro_batch * problem->training->sequence) / (double)layout->cp;
}

static double hidden_bytes(const struct communication_problem *problem) {
    return training_element_bytes(problem->training) * tokens_of(problem) * (double)problem->model->hidden;
}

/* PyTorch's tensor parallelism casts before it gathers (torchao, float8_tensor_parallel.py), forward
 * activations and backward gradients. */
static double gathered_bytes(const struct communication_problem *problem) {
    const struct training *training = problem->training;
    bool cast = training->stack->fully_sharded && training->precision == PRECISION_FP8;
    return hidden_bytes(problem) / (cast ? training_element_bytes(training) : 1);
}

/* It gathers along the sequence, which is not a tensor's first dimension: what was gathered is put together,
 * and what is to be scattered taken apart, by a copy each, of all ranks' parts
 * (torch/distributed/_functional_collectives.py, all_gather_tensor and reduce_scatter_tensor). */
static double add_reordering(const struct communication_problem *problem, struct explain *explain,
                             double blocks) {
    static const double READ_AND_WRITTEN = 2;
    double bytes = blocks * (gathered_bytes(problem) + hidden_bytes(problem));
    if (!problem->training->stack->fully_sharded || problem->layout->tp <= 1)
        return 0;
    double seconds = compute_traffic_seconds(&problem->cluster->device, READ_AND_WRITTEN * bytes);
    explain_add(explain, "tp copies, each pass", seconds, UNIT_SECONDS,
                "%.4g MB put together and taken apart along the sequence", bytes / 1e6);
    return seconds;
}

static double logits_bytes(const struct communication_problem *problem) {
    return training_element_bytes(problem->training) * tokens_of(problem) * (double)problem->model->vocab;
}

bool communication_overlaps_products(const struct cluster *cluster, const struct layout *layout) {
    int64_t innermost = cluster->levels[0].devices, tp = layout->tp;
    return layout->overlap.tp && (innermost == 0 || tp <= innermost || tp <= cluster->node.devices);
}

/* A gate that is a product of its own sums its input's gradient over tp apart. Under FSDP PyTorch sums both
 * first, and so does what gathers a norm's output along the sequence. */
static bool reduces_gate_apart(const struct communication_problem *problem) {
    return !problem->training->stack->fully_sharded &&
           training_gate_is_apart(problem->training, problem->model);
}

/* Blocks split over tp begin with the whole input and end with a sum: an all-reduce at each end, or an
 * all-gather and a reduce-scatter under sequence parallelism (arXiv 2205.05198, section 4.2.2). That gathers
 * its input once more in the backward pass, behind the data gradient; PyTorch keeps it. */
static void add_tensor_parallel(const struct communication_problem *problem, bool with_experts,
                                const struct compute_time *compute, struct communication_time *time,
                                struct explain *explain) {
    const struct layout *layout = problem->layout;
    struct communication_groups groups;
    communication_groups_of(layout, &groups);
    struct collective collective = {COLLECTIVE_ALL_REDUCE, hidden_bytes(problem), groups.tp};
    bool overlapped = communication_overlaps_products(problem->cluster, layout);
    /* Routed experts take their tokens by the ep exchange instead. */
    double blocks = model_layers_have_mlp(problem->model, with_experts) ? 2 : 1;
    double forward, again = 0, further = 0;
    if (!layout->sequence_parallel) {
        forward = add_collective(problem, explain, "tp, each pass", 2, &collective);
        if (blocks > 1 && reduces_gate_apart(problem))
            further = add_collective(problem, explain, "tp, backward, of the gate", 1, &collective);
    } else {
        collective.operation = COLLECTIVE_ALL_GATHER;
        collective.bytes = gathered_bytes(problem);
        if (!problem->training->stack->fully_sharded)
            again = add_collective(problem, NULL, NULL, blocks, &collective);
        forward = add_collective(problem, explain, "tp gather, each pass", blocks, &collective);
        collective.operation = COLLECTIVE_REDUCE_SCATTER;
        collective.bytes = hidden_bytes(problem);
        forward += add_collective(problem, explain, "tp scatter, each pass", blocks, &collective);
        if (!overlapped)
            forward += add_reordering(problem, explain, blocks);
    }
    double backward = forward + further;
    if (overlapped) {
        double share = fmax(problem->training->stack->tp_exposed, COMMUNICATION_INTERFERENCE);
        forward = communication_exposed(forward, compute->split_products_forward, share);
        backward = communication_exposed(backward + again, compute->split_products_backward, share);
    } else
        backward +=
            communication_exposed(again, compute->split_products_backward, COMMUNICATION_INTERFERENCE);
    time->tp_forward = forward;
    time->tp_backward = backward;
}

/* What can hide behind backward attention, a share of it; all that is sent, where the least is asked for: of
 * attention only that is known too. */
static double hidden_behind(const struct communication_problem *problem, double sent, double attention,
                            double share) {
    double window = problem->least ? HUGE_VAL : share * ATTENTION_BACKWARD_FLOPS * attention;
    return communication_exposed(sent, window, COMMUNICATION_INTERFERENCE);
}

/* PyTorch gathers keys and values at once, repeated for all heads of queries, while it computes the first of
 * cp pieces; their gradients go round the ring in fp32 behind the others
 * (torch/distributed/tensor/experimental/_attention.py, torchtitan's repeat_kv). */
static void add_pytorch_ring(const struct communication_problem *problem, double token, double query,
                             double attention, struct communication_time *time, struct explain *explain) {
    static const double SINGLE_PRECISION = 2; /* times the bytes of 16 bits */
    struct communication_groups groups;
    communication_groups_of(problem->layout, &groups);
    double cp = (double)problem->layout->cp, share = COMMUNICATION_INTERFERENCE;
    struct collective gather = {COLLECTIVE_ALL_GATHER, token * 2 * query * cp, groups.cp};
    double seconds = add_collective(problem, explain, "cp gather, each pass", 1, &gather);
    time->cp_forward = communication_exposed(seconds, attention / cp, share);
    time->cp_backward = hidden_behind(problem, seconds, attention, 1 / cp) +
                        hidden_behind(problem, SINGLE_PRECISION * seconds, attention, 1 - 1 / cp);
}

/* Context parallelism: keys and values go round the ring behind the attention of the blocks already there
 * (arXiv 2310.01889), or all-to-all deals heads for tokens (arXiv 2309.14509). The cheaper is taken in each
 * pass: how often the forward pass runs isn't known here. */
static void add_context_parallel(const struct communication_problem *problem,
                                 const struct compute_time *compute, struct communication_time *time,
                                 struct explain *explain) {
    const struct layout *layout = problem->layout;
    const struct model *model = problem->model;
    if (layout->cp <= 1)
        return;
    struct communication_groups groups;
    communication_groups_of(layout, &groups);
    double token = training_element_bytes(problem->training) * tokens_of(problem) / (double)layout->tp;
    double query = (double)(model->heads * model_query_width(model));
    double kv =
        (double)(model_key_value_heads(model) * (model_query_width(model) + model_value_width(model)));
    double window = compute->attention;
    if (problem->training->stack->fully_sharded) {
        add_pytorch_ring(problem, token, query, window, time, explain);
        return;
    }
    struct collective ring = {COLLECTIVE_ALL_GATHER, token * kv * (double)layout->cp, groups.cp};
    struct collective deal = {COLLECTIVE_ALL_TO_ALL, token * (2 * query + kv) / 4, groups.cp};
    double ring_forward = add_collective(problem, explain, "cp ring, forward", 1, &ring);
    double deal_forward = add_collective(problem, explain, "or cp all-to-all, each pass", 4, &deal);
    double ring_exposed = communication_exposed(ring_forward, window, COMMUNICATION_INTERFERENCE);
    /* Backward: keys and values once more and their gradients. */
    double ring_backward = hidden_behind(problem, 2 * ring_forward, window, 1);
    time->cp_forward = fmin(ring_exposed, deal_forward);
    time->cp_backward = fmin(ring_backward, deal_forward);
}

/* Of the time that NCCL's all-to-all takes for the same bytes where NVLink joins all: HybridEP 1.10 on 8 and
 * 1.18 on 32 GB200, without its copies, which are counted with the routing (README_Hybrid-EP.md of DeepEP:
 * 550 and 538, 484 and 464 GB/s with them). DeepEP's 153 and 158 GB/s on 8 H800 (its README of 2025) and 337
 * on H20 (its issue 16) are as far from what NVLink gives all-to-all. */
static const double IN_DOMAIN_SHARE = 1.15;
/* What 20 multiprocessors move for DeepEP, its default and that of those who train under FSDP (torchtitan,
 * NeMo AutoModel): between 348 and 494 GB/s out and 302 and 420 back, of 16 and 24 on 8 B200
 * (README_Hybrid-EP.md). Hopper's NVLink is slower. */
static const double DEEPEP_BYTES_PER_SECOND = 2 / (1 / 421e9 + 1 / 361e9);

/* Of the innermost level's bandwidth, that a device reaches handing on what came from other nodes. HybridEP
 * on 16 H100: 54 GB/s of tokens a node, 3.2 copies of each in it; DeepEP on 16 H200: 134 to 145 GB/s
 * (README_Hybrid-EP.md of DeepEP, its issue 493). Of 450 GB/s. */
static const double FORWARD_SHARE = 0.35;

/* Of the time that NCCL's all-to-all takes for the same bytes between nodes, where it reaches 0.72 of the
 * ports: DeepEP reaches 0.87 and 0.89 on 32 and 64 H800 (its README of 2025: 58 and 51 GB/s with the share
 * that stays in the node), HybridEP 0.71 to 0.82 on 32 and 64 H100 (README_Hybrid-EP.md). */
static const double BETWEEN_NODES_SHARE = 0.88;

/* Seconds of an exchange over NVLink alone, out and back; `bytes`: what a device receives. */
static double add_in_domain(const struct communication_problem *problem, const struct rank_group *group,
                            double bytes, struct explain *explain) {
    struct collective exchange = {COLLECTIVE_ALL_TO_ALL, IN_DOMAIN_SHARE * bytes, *group};
    double seconds = add_collective(problem, explain, "ep exchange, each pass", 2, &exchange);
    double kernels = 2 * bytes / DEEPEP_BYTES_PER_SECOND;
    if (!problem->training->stack->fully_sharded || kernels <= seconds)
        return seconds;
    explain_add(explain, "or by 20 multiprocessors", kernels, UNIT_SECONDS, "2 x %s at %s",
                explain_text(explain, bytes, UNIT_BYTES),
                explain_text(explain, DEEPEP_BYTES_PER_SECOND, UNIT_BYTES_PER_SECOND));
    return kernels;
}

/* Seconds of an exchange that sends a token once to each node that has any of its experts, and there once to
 * each device: beyond a node both at the same time, token by token. `bytes`: one copy of each token. */
static double add_deduplicated(const struct communication_problem *problem, const struct rank_group *group,
                               double bytes, struct explain *explain) {
    const struct network_level *inner = &problem->cluster->levels[0];
    int64_t node = problem->cluster->level_count > 1 && inner->devices > 0 ? inner->devices
                                                                           : problem->cluster->node.devices;
    int64_t span = group->size * group->stride;
    double nodes = (double)quotient_up(span, node);
    double copies = compute_copies(problem->model, (double)group->size);
    if (group->size <= 1)
        return 0;
    if (span <= node)
        return add_in_domain(problem, group, copies * bytes, explain);
    double sent = BETWEEN_NODES_SHARE * compute_copies(problem->model, nodes) * bytes;
    struct collective between = {COLLECTIVE_ALL_TO_ALL, sent, *group};
    double seconds = add_collective(problem, explain, "ep exchange between nodes, each pass", 2, &between);
    double inside = 2 * copies * bytes / (FORWARD_SHARE * inner->bandwidth_bytes_per_second);
    explain_add(
        explain, "ep exchange in the nodes, at the same time", inside, UNIT_SECONDS, "2 x %s at %s",
        explain_text(explain, copies * bytes, UNIT_BYTES),
        explain_text(explain, FORWARD_SHARE * inner->bandwidth_bytes_per_second, UNIT_BYTES_PER_SECOND));
    return fmax(seconds, inside);
}

/* Of an exchange that runs beside another micro-batch's compute. DeepEP and HybridEP move tokens by kernels
 * that take 20 to 32 multiprocessors from it: of the exchanges of Qwen3 30B on 16 H100 0.37 were hidden
 * (Megatron-Bridge, skills/nemo-mbridge-perf-moe-comm-overlap). NCCL's shows what its collectives show
 * elsewhere. */
static const double DEDUPLICATED_EXPOSED = 0.63;
/* In a step of one graph no host is late: of 32 multiprocessors, as Megatron-Bridge's recipes have it, B200's
 * 148 leave the compute the rest, and beyond that these kernels show as all collectives do. Assumed. */
static const double KERNELS_SHARE = 32.0 / 148;

static double deduplicated_exposed(const struct training *training) {
    return training->cuda_graphs == GRAPHS_STEP ? KERNELS_SHARE + COMMUNICATION_INTERFERENCE
                                                : DEDUPLICATED_EXPOSED;
}

static void add_expert_parallel(const struct communication_problem *problem, struct communication_time *time,
                                struct explain *explain) {
    struct communication_groups groups;
    communication_groups_of(problem->layout, &groups);
    const struct model *model = problem->model;
    double rows = compute_expert_rows(model, problem->training, problem->layout);
    double bytes = training_element_bytes(problem->training) * (double)model->hidden * rows;
    double sent = bytes / (double)problem->layout->etp;
    struct collective exchange = {COLLECTIVE_ALL_TO_ALL, sent, groups.ep};
    struct collective gather = {COLLECTIVE_ALL_GATHER, bytes, groups.etp};
    struct collective scatter = {COLLECTIVE_REDUCE_SCATTER, bytes, groups.etp};
    bool deduplicated =
        training_dispatcher(problem->training, model, problem->cluster, problem->layout) == DISPATCHER_DEEPEP;
    double seconds = deduplicated
                         ? add_deduplicated(problem, &groups.ep, sent / (double)model->experts.top_k, explain)
                         : add_collective(problem, explain, "ep all-to-all, each pass", 2, &exchange);
    seconds += add_collective(problem, explain, "etp gather, each pass", 1, &gather) +
               add_collective(problem, explain, "etp scatter, each pass", 1, &scatter);
    time->ep_forward = time->ep_backward = seconds;
    time->ep_shown = deduplicated ? deduplicated_exposed(problem->training) : COMMUNICATION_INTERFERENCE;
}

void communication_layer(const struct communication_problem *problem, bool with_experts,
                         const struct compute_time *compute, struct communication_time *time,
                         struct explain *explain) {
    *time = (struct communication_time){0};
    explain_open(explain,
                 with_experts ? "communication of an expert layer" : "communication of a dense layer");
    add_tensor_parallel(problem, with_experts, compute, time, explain);
    add_context_parallel(problem, compute, time, explain);
    explain_close(explain, time->tp_forward + time->tp_backward + time->cp_forward + time->cp_backward,
                  UNIT_SECONDS, "what isn't hidden, a micro-batch: tp %s, cp %s",
                  explain_text(explain, time->tp_forward + time->tp_backward, UNIT_SECONDS),
                  explain_text(explain, time->cp_forward + time->cp_backward, UNIT_SECONDS));
}

void communication_routed_experts(const struct communication_problem *problem,
                                  struct communication_time *time, struct explain *explain) {
    *time = (struct communication_time){0};
    explain_open(explain, "communication of the routed experts");
    add_expert_parallel(problem, time, explain);
    explain_close(explain, time->ep_forward + time->ep_backward, UNIT_SECONDS,
                  "what isn't hidden, a micro-batch");
}

void communication_embedding(const struct communication_problem *problem, struct communication_time *time,
                             struct explain *explain) {
    struct communication_groups groups;
    communication_groups_of(problem->layout, &groups);
    *time = (struct communication_time){0};
    struct collective collective = {COLLECTIVE_ALL_REDUCE, hidden_bytes(problem), groups.tp};
    if (problem->layout->sequence_parallel) {
        collective.operation = COLLECTIVE_ALL_GATHER;
        time->tp_backward = add_collective(problem, explain, "embedding gather", 1, &collective);
        collective.operation = COLLECTIVE_REDUCE_SCATTER;
    }
    time->tp_forward = add_collective(problem, explain, "embedding sum", 1, &collective);
}

/* The loss needs the maximum, the sum and the target's logit of each token, in fp32; or all logits. */
void communication_head(const struct communication_problem *problem, struct communication_time *time,
                        struct explain *explain) {
    struct communication_groups groups;
    communication_groups_of(problem->layout, &groups);
    *time = (struct communication_time){0};
    bool gathered = training_loss(problem->training) == LOSS_GATHERED;
    struct collective sums = {COLLECTIVE_ALL_REDUCE, 4 * tokens_of(problem), groups.tp};
    struct collective logits = {COLLECTIVE_ALL_GATHER, logits_bytes(problem), groups.tp};
    time->tp_forward = gathered ? add_collective(problem, explain, "logits gather", 1, &logits)
                                : add_collective(problem, explain, "loss sums", 3, &sums);
    struct collective collective = {COLLECTIVE_ALL_REDUCE, hidden_bytes(problem), groups.tp};
    if (problem->layout->sequence_parallel) {
        collective.operation = COLLECTIVE_ALL_GATHER;
        time->tp_forward += add_collective(problem, explain, "head gather", 1, &collective);
        collective.operation = COLLECTIVE_REDUCE_SCATTER;
    }
    time->tp_backward = add_collective(problem, explain, "head input gradient", 1, &collective);
}

double communication_hop_seconds(const struct communication_problem *problem) {
    const struct layout *layout = problem->layout;
    if (layout->pp <= 1)
        return 0;
    struct communication_groups groups;
    communication_groups_of(layout, &groups);
    /* Each tp rank sends its part; without sequence parallelism they gather the whole on the other side
     * (arXiv 2104.04473, section 4.1). */
    struct collective send = {COLLECTIVE_SEND_RECEIVE, hidden_bytes(problem) / (double)layout->tp,
                              groups.hop};
    double seconds = communication_seconds(problem, &send);
    if (!layout->sequence_parallel && layout->tp > 1) {
        struct collective gather = {COLLECTIVE_ALL_GATHER, hidden_bytes(problem), groups.tp};
        seconds += communication_seconds(problem, &gather);
    }
    return seconds;
}
