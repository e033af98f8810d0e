/* What it costs to keep weights, activations and optimizer states outside the device (arXiv 2104.07857): each
 * micro-batch reads a layer's weights in both passes and sends its gradients out; activations go out forward
 * and come back backward. Both directions of a link run at once. */
#include <math.h>

#include "planner/cost/cost_bound.h"
#include "planner/cost/cost_parts.h"
#include "planner/cost/memory_parts.h"

/* The summed gradient goes to the optimizer in fp32; weights, and the gradients of one micro-batch, pass the
 * link as wide as they are computed with. */
static const double GRADIENT_LINK_BYTES = 4;
/* A host's memory where the cluster file says nothing: eight channels of DDR4-3200 a socket, two sockets, at
 * 80 %. */
static const double HOST_MEMORY_BYTES_PER_SECOND = 320e9;
/* PCIe 4.0 x16, reached by pinned copies; where the cluster file says nothing. */
static const double HOST_LINK_BYTES_PER_SECOND = 25e9;

/* Bytes of each class that one device moves in a pass, one direction. */
struct transfer {
    double bytes[OUTSIDE_COUNT];
};

struct offload_problem {
    const struct cost_context *context;
    const struct layout *layout;
    struct memory_parts parts;
    struct memory_use use;
    double link[OUTSIDE_COUNT]; /* bytes a second of a device's share of the link to where the class lies */
    double host_memory;         /* a device's share of its bandwidth */
    bool broadcast;
};

static double known(double value, double otherwise) {
    return value > 0 ? value : otherwise;
}

static double host_memory_share(const struct cluster *cluster, const struct layout *layout) {
    return known(cluster->node.host_memory_bytes_per_second, HOST_MEMORY_BYTES_PER_SECOND) /
           (double)memory_devices_of_host(cluster, layout_devices(layout));
}

/* A device's share of the store, where so many streams leave it at once. */
static double store_link(const struct cluster_store *store, double streams) {
    double total = store->total_bytes_per_second;
    return total > 0 ? fmin(store->bytes_per_second, total / streams) : store->bytes_per_second;
}

/* One copy of the weights for all replicas. */
static bool shares_weights(const struct cost_context *context, const struct layout *layout) {
    return layout->zero >= (context->training.stack->fully_sharded ? 2 : 3);
}

static double host_link(const struct cluster *cluster) {
    return known(cluster->node.host_link_bytes_per_second, HOST_LINK_BYTES_PER_SECOND);
}

/* Where what moves out lies takes the whole layout's memory to know, but without a store it lies in the host.
 */
static void pose(const struct cost_context *context, const struct layout *layout, bool explained,
                 struct offload_problem *problem) {
    const struct cluster *cluster = context->cluster;
    double devices = (double)memory_devices_of_store(cluster, layout_devices(layout));
    double replicas = (double)(layout->dp * layout->cp);
    problem->context = context;
    problem->layout = layout;
    memory_parts_init(&problem->parts, context->model, &context->training, layout);
    problem->use = (struct memory_use){0};
    if (cluster->store.name != NULL || explained)
        memory_parts_use(&problem->parts, cluster, &problem->use);
    problem->broadcast = offload_weights(layout->offload) && shares_weights(context, layout) &&
                         cluster->store.broadcast && problem->use.outside[OUTSIDE_WEIGHTS].in_store &&
                         problem->use.outside[OUTSIDE_GRADIENTS].in_store;
    problem->host_memory = host_memory_share(cluster, layout);
    for (int i = 0; i < OUTSIDE_COUNT; i++) {
        bool once = problem->broadcast && i != OUTSIDE_ACTIVATIONS;
        problem->link[i] = problem->use.outside[i].in_store
                               ? store_link(&cluster->store, once ? fmax(1, devices / replicas) : devices)
                               : host_link(cluster);
    }
}

/* Of so many parameters of a layer, those whose weights or gradients one device moves itself: all, or its
 * shard, the rest coming from the other replicas or going to them. */
static double moved(const struct offload_problem *problem, double parameters, bool expert,
                    int64_t from_zero) {
    int64_t from = problem->context->training.stack->fully_sharded ? 2 : from_zero;
    bool whole = problem->layout->zero < from || problem->broadcast;
    return parameters / (whole ? 1 : memory_shards(problem->layout, expert));
}

static struct transfer block_transfer(const struct offload_problem *problem, enum block block) {
    const struct memory_parts *parts = &problem->parts;
    enum offload offload = problem->layout->offload;
    struct transfer transfer = {{0}};
    double dense = 0, expert = 0;
    if (block == BLOCK_DENSE || block == BLOCK_EXPERTS) {
        int kind = block == BLOCK_DENSE ? LAYER_DENSE : LAYER_EXPERTS;
        dense = parts->dense_parameters[kind];
        expert = parts->expert_parameters[kind];
        if (offload_activations(offload))
            transfer.bytes[OUTSIDE_ACTIVATIONS] = parts->activations[kind].kept;
    } else if (block == BLOCK_EMBEDDING || block == BLOCK_HEAD) {
        dense = parts->vocabulary * (double)parts->model->hidden;
    }
    if (offload_weights(offload))
        transfer.bytes[OUTSIDE_WEIGHTS] =
            parts->element_bytes * (moved(problem, dense, false, 3) + moved(problem, expert, true, 3));
    if (offload_gradients(offload))
        transfer.bytes[OUTSIDE_GRADIENTS] =
            parts->element_bytes * (moved(problem, dense, false, 2) + moved(problem, expert, true, 2));
    return transfer;
}

/* The classes named by bits, of a transfer. */
static struct transfer only(const struct transfer *transfer, unsigned classes) {
    struct transfer part = {{0}};
    for (int i = 0; i < OUTSIDE_COUNT; i++)
        if (classes & 1U << i)
            part.bytes[i] = transfer->bytes[i];
    return part;
}

/* The slower direction of the slower link, host or store, or both directions through the host's memory. */
static double pass_seconds(const struct offload_problem *problem, const struct transfer *transfer,
                           unsigned classes_in, unsigned classes_out) {
    struct transfer in = only(transfer, classes_in), out = only(transfer, classes_out);
    double in_seconds[2] = {0}, out_seconds[2] = {0}, host_bytes = 0;
    for (int i = 0; i < OUTSIDE_COUNT; i++) {
        bool in_store = problem->use.outside[i].in_store;
        in_seconds[in_store] += in.bytes[i] / problem->link[i];
        out_seconds[in_store] += out.bytes[i] / problem->link[i];
        host_bytes += in_store ? 0 : in.bytes[i] + out.bytes[i];
    }
    return fmax(fmax(fmax(in_seconds[0], out_seconds[0]), fmax(in_seconds[1], out_seconds[1])),
                host_bytes / problem->host_memory);
}

/* Seconds a parameter's update takes on the host, of whose memory's bandwidth the device has that share. */
static double host_update_seconds(const struct cost_context *context, double share) {
    const struct stack *stack = context->training.stack;
    double bytes = optimizer_update_bytes(&context->training) * fmax(1, stack->host_update_factor);
    return bytes / fmin(share, known(stack->host_update_bytes_per_second, INFINITY));
}

/* Seconds a parameter's update takes of the device's share of the processors at the states. */
static double update_seconds(const struct offload_problem *problem) {
    const struct cluster *cluster = problem->context->cluster;
    int64_t devices = layout_devices(problem->layout);
    bool in_store = problem->use.outside[OUTSIDE_OPTIMIZER].in_store;
    bool has_host = cluster->node.host_memory_bytes > 0;
    const struct training *training = &problem->context->training;
    double bytes =
        optimizer_update_bytes(training); /* in a store that only keeps states they go in and out */
    double states = in_store ? optimizer_kept_bytes(training) / problem->link[OUTSIDE_OPTIMIZER] : 0;
    if (in_store && cluster->store.memory_bytes_per_second > 0)
        return bytes /
               (cluster->store.memory_bytes_per_second / (double)memory_devices_of_store(cluster, devices));
    if (in_store && !has_host)
        return fmax(states, compute_traffic_seconds(&cluster->device, bytes));
    return fmax(states, host_update_seconds(problem->context, problem->host_memory));
}

/* Of hosts with all their devices at work, as jobs of whole nodes have them; fewer devices share more of it
 * each. */
bool cost_offload_only_adds(const struct cluster *cluster) {
    double host = known(cluster->node.host_memory_bytes_per_second, HOST_MEMORY_BYTES_PER_SECOND);
    bool computes = cluster->store.name != NULL && cluster->store.memory_bytes_per_second > 0;
    return !computes && !cluster->store.broadcast && 1 / host >= compute_traffic_seconds(&cluster->device, 1);
}

/* Gradients to where the update is made, and parameters back; streamed ones have gone already. */
static double exchange_seconds(const struct offload_problem *problem) {
    const struct cluster *cluster = problem->context->cluster;
    bool in_store = problem->use.outside[OUTSIDE_OPTIMIZER].in_store;
    bool on_device =
        in_store && cluster->store.memory_bytes_per_second <= 0 && cluster->node.host_memory_bytes <= 0;
    bool by_store = in_store && cluster->store.memory_bytes_per_second > 0;
    double bytes = (offload_gradients(problem->layout->offload) ? 0 : GRADIENT_LINK_BYTES) +
                   problem->parts.element_bytes;
    if (offload_weights(problem->layout->offload) || on_device)
        return 0;
    return bytes / (by_store ? problem->link[OUTSIDE_OPTIMIZER] : host_link(cluster));
}

/* The fastest link that anything may go by. */
static double fastest_link(const struct cluster *cluster) {
    double host = cluster->node.host_memory_bytes > 0 ? host_link(cluster) : 0;
    return cluster->store.name != NULL ? fmax(host, cluster->store.bytes_per_second) : host;
}

/* Of the fullest stage, which has no fewer parameters than the average. Nothing is known of a store. */
static double least_update_seconds(const struct cost_context *context, const struct memory_parts *parts) {
    const struct layout *layout = parts->layout;
    const struct cluster *cluster = context->cluster;
    double dense = 0, expert = 0, link = 0;
    bool sharded = layout->zero > 0;
    if (cluster->node.host_memory_bytes <= 0 || !cost_offload_only_adds(cluster))
        return 0;
    for (int kind = 0; kind < LAYER_KIND_COUNT; kind++) {
        double layers = context->blocks[kind == LAYER_DENSE ? BLOCK_DENSE : BLOCK_EXPERTS];
        dense += layers * parts->dense_parameters[kind];
        expert += layers * parts->expert_parameters[kind];
    }
    dense /= sharded ? memory_shards(layout, false) : 1;
    expert /= sharded ? memory_shards(layout, true) : 1;
    if (!offload_weights(layout->offload))
        link = parts->element_bytes + (offload_gradients(layout->offload) ? 0 : GRADIENT_LINK_BYTES);
    return (dense + expert) / (double)layout->pp *
           (host_update_seconds(context, host_memory_share(cluster, layout)) + link / host_link(cluster));
}

double cost_least_stream(const struct cost_context *context, const struct memory_parts *parts) {
    bool limited = parts->layout->recompute_layers > 0; /* which layers are recomputed isn't known here */
    double bytes = 0, link = fastest_link(context->cluster);
    for (int kind = 0; kind < LAYER_KIND_COUNT; kind++) {
        const struct layer_activations *layer = &parts->activations[kind];
        bytes += context->blocks[kind == LAYER_DENSE ? BLOCK_DENSE : BLOCK_EXPERTS] *
                 (limited ? layer->checkpoint : layer->kept);
    }
    return link > 0 ? bytes / link : 0;
}

void cost_stream_beside(double seconds, struct pipeline_work *work) {
    work->forward = fmax(work->forward, seconds);
    work->backward_input = fmax(work->backward_input, seconds - work->backward_weight);
}

double cost_least_offload(const struct cost_context *context, const struct memory_parts *parts,
                          struct pipeline_work *work) {
    enum offload offload = parts->layout->offload;
    if (offload_activations(offload))
        cost_stream_beside(cost_least_stream(context, parts), work);
    return offload_optimizer(offload) ? least_update_seconds(context, parts) : 0;
}

static void explain_offload(const struct offload_problem *problem, const struct offload_part *part,
                            double updated, struct explain *explain) {
    static const char *const names[BLOCK_COUNT] = {"dense layer", "expert layer", "embedding", "head", ""};
    const struct cluster *cluster = problem->context->cluster;
    explain_open(explain, "memory outside the device");
    for (int i = 0; i < OUTSIDE_COUNT; i++) {
        const struct outside *outside = &problem->use.outside[i];
        if (outside->bytes > 0)
            explain_add(explain, outside_names[i], outside->bytes, UNIT_BYTES, "a device, in %s, %s%s",
                        outside->in_store ? cluster->store.name : "host memory",
                        explain_text(explain, problem->link[i], UNIT_BYTES_PER_SECOND),
                        i == OUTSIDE_WEIGHTS && problem->broadcast ? ", broadcast to all replicas" : "");
    }
    for (int block = 0; block < BLOCK_COUNT; block++)
        if (part->forward[block] + part->backward[block] > 0)
            explain_add(explain, names[block], part->forward[block] + part->backward[block], UNIT_SECONDS,
                        "streamed for a micro-batch, before overlap: forward %s, backward %s",
                        explain_text(explain, part->forward[block], UNIT_SECONDS),
                        explain_text(explain, part->backward[block], UNIT_SECONDS));
    if (offload_optimizer(problem->layout->offload))
        explain_add(explain, "update", part->optimizer_seconds, UNIT_SECONDS, "%s parameters",
                    explain_text(explain, updated, UNIT_COUNT));
    explain_close(explain, 0, UNIT_NONE, NULL);
}

enum {
    ACTIVATIONS = 1 << OUTSIDE_ACTIVATIONS,
    WEIGHTS = 1 << OUTSIDE_WEIGHTS,
    GRADIENTS = 1 << OUTSIDE_GRADIENTS
};

void cost_offload_reckon(const struct cost_context *context, const struct layout *layout,
                         const struct state_part *state, struct offload_part *part, struct explain *explain) {
    struct offload_problem problem;
    double updated = state->state.sharded_parameters;
    *part = (struct offload_part){0};
    if (layout->offload == OFFLOAD_NONE)
        return;
    pose(context, layout, explain != NULL, &problem);
    part->broadcast = problem.broadcast;
    for (int block = 0; block < BLOCK_COUNT; block++) {
        struct transfer transfer = block_transfer(&problem, (enum block)block);
        part->forward[block] = pass_seconds(&problem, &transfer, WEIGHTS, ACTIVATIONS);
        part->backward[block] = pass_seconds(&problem, &transfer, WEIGHTS | ACTIVATIONS, GRADIENTS);
    }
    if (offload_optimizer(layout->offload))
        part->optimizer_seconds = updated * (update_seconds(&problem) + exchange_seconds(&problem));
    explain_offload(&problem, part, updated, explain);
}
