#include "planner/search/search_leaves.h"

#include <math.h>
#include <string.h>

void leaves_init(struct leaves *leaves, const struct search_problem *problem,
                 const struct split_choices *choices, int64_t least_zero) {
    leaves->least_zero = least_zero;
    leaves->problem = problem;
    leaves->choices = choices;
    leaves->count = 0;
}

void leaves_add(struct leaves *leaves, const struct layout *variant, bool partial, bool has_room) {
    const struct search_problem *problem = leaves->problem;
    struct layout *layout = &leaves->layouts[leaves->count];
    *layout = *variant;
    if (leaves->count == 0)
        memory_parts_init(&leaves->parts[0], problem->model, &problem->training, layout);
    else
        memory_parts_follow(&leaves->parts[0], layout, &leaves->parts[leaves->count]);
    leaves->parts[leaves->count].stages = layout->recompute_layers > 0 ? NULL : leaves->stages;
    leaves->has_work[leaves->count] = false;
    leaves->partial[leaves->count] = partial;
    leaves->has_room[leaves->count] = has_room;
    leaves->count++;
}

/* Reckoned when first asked for; no schedule but DualPipe has work of its own. */
static const struct pipeline_work *work_of(struct leaves *leaves, struct cost_context *context,
                                           size_t index) {
    const struct split_choices *choices = leaves->choices;
    struct pipeline_work *work = leaves->work[index];
    if (leaves->layouts[index].schedule == SCHEDULE_DUALPIPE || !leaves->has_work[index])
        for (size_t i = 0; i < choices->order_count; i++) {
            struct layout layout = leaves->layouts[index];
            layout.order = choices->orders[i];
            layout.zero = leaves->least_zero;
            cost_least_work(context, &layout, &work[i]);
            layout.recompute_layers = 0;
            if (leaves->partial[index])
                cost_least_work(context, &layout, &leaves->whole_work[index][i]);
        }
    leaves->has_work[index] = leaves->layouts[index].schedule != SCHEDULE_DUALPIPE;
    return work;
}

static double bound_of(struct leaves *leaves, struct cost_context *context, const struct cost_pace *pace,
                       size_t index, size_t order, bool moved) {
    const struct layout *layout = &leaves->layouts[index];
    struct pipeline_work work = work_of(leaves, context, index)[order];
    double share = (double)layout->recompute_layers / (double)leaves->chunk_layers;
    if (leaves->partial[index])
        cost_blend_work(&work, &leaves->whole_work[index][order], cost_recomputed_share(context, share));
    double update = moved ? cost_least_offload(context, &leaves->parts[index], &work) : 0;
    struct cost_pace own = *pace;
    if (layout->schedule == SCHEDULE_INTERLEAVED && !leaves->has_chunked) {
        cost_ends_of(context, layout, &leaves->chunked);
        leaves->has_chunked = true;
    }
    own.chunked = leaves->chunked;
    return cost_bound(&own, layout->schedule, &work) + update;
}

/* Reckoned once for a schedule, but of partial ones. */
double leaves_plain_bound(struct leaves *leaves, struct cost_context *context, const struct cost_pace *pace,
                          size_t index, size_t order) {
    double *plain = &leaves->plain[index][order];
    if (leaves->partial[index])
        return bound_of(leaves, context, pace, index, order, false);
    if (*plain <= 0)
        *plain = bound_of(leaves, context, pace, index, order, false);
    return *plain;
}

double leaves_bound(struct leaves *leaves, struct cost_context *context, const struct cost_pace *pace,
                    size_t index, size_t order) {
    return bound_of(leaves, context, pace, index, order, true);
}

void leaves_choose_schedule(struct leaves *leaves, size_t schedule) {
    const struct split_choices *choices = leaves->choices;
    leaves->chunk_layers = choices->schedules[schedule].partials + 1;
    for (size_t i = 0; i < STAGES_KEPT; i++)
        leaves->stages[i].known = false;
    memset(leaves->plain, 0, leaves->count * sizeof leaves->plain[0]);
    for (size_t i = 0; i < leaves->count; i++) {
        leaves->layouts[i].schedule = choices->schedules[schedule].schedule;
        leaves->layouts[i].vpp = choices->schedules[schedule].vpp;
        if (leaves->partial[i])
            leaves_limit(leaves, i, 1);
    }
    leaves->has_chunked = false;
}

void leaves_choose(struct leaves *leaves, size_t sharding, enum offload offload) {
    const struct split_choices *choices = leaves->choices;
    memory_stages_resharded(leaves->stages);
    for (size_t i = 0; i < leaves->count; i++) {
        struct layout *layout = &leaves->layouts[i];
        layout->zero = choices->shardings[sharding].zero;
        layout->zero_group = choices->shardings[sharding].group;
        layout->offload = offload;
        if (i == 0) {
            memory_sharding_init(&leaves->parts[i]);
            continue;
        }
        leaves->parts[i].dealing = leaves->parts[0].dealing;
        leaves->parts[i].dense_bytes = leaves->parts[0].dense_bytes;
        leaves->parts[i].expert_bytes = leaves->parts[0].expert_bytes;
    }
}

double leaves_least_bytes(const struct leaves *leaves) {
    return memory_parts_least_bytes(&leaves->parts[0], leaves->problem->cluster, false);
}

bool leaves_have_room(const struct leaves *leaves) {
    const struct cluster *cluster = leaves->problem->cluster;
    return leaves_least_bytes(leaves) <= cluster->device.memory_bytes &&
           memory_parts_have_place(&leaves->parts[0], cluster);
}

void leaves_memory(const struct leaves *leaves, size_t index, struct memory_use *use) {
    memory_parts_use(&leaves->parts[index], leaves->problem->cluster, use);
}

void leaves_limit(struct leaves *leaves, size_t index, int64_t layers) {
    leaves->layouts[index].recompute_layers = layers;
}

/* Of so many bytes too much; `none`: where they are none. */
static int64_t least_layers(const struct leaves *leaves, size_t index, double over, int64_t none) {
    double least = over / memory_parts_layer_bytes(&leaves->parts[index]);
    if (over <= 0 || least > (double)leaves->chunk_layers)
        return over <= 0 ? none : leaves->chunk_layers;
    return least > 1 ? (int64_t)ceil(least) : 1;
}

int64_t leaves_least_layers(const struct leaves *leaves, size_t index, const struct memory_use *use) {
    double over = use->per_device_bytes - use->capacity_bytes;
    return least_layers(leaves, index, over, leaves->chunk_layers); /* it isn't the device that has no room */
}

int64_t leaves_least_layers_roughly(const struct leaves *leaves, size_t index) {
    const struct cluster *cluster = leaves->problem->cluster;
    double bytes = memory_parts_least_bytes(&leaves->parts[index], cluster, true);
    return least_layers(leaves, index, bytes - cluster->device.memory_bytes, 1);
}

/* From one number to the next that may fit: what is too much is freed by so many layers at the earliest. */
int64_t leaves_fewest_layers(struct leaves *leaves, size_t index, int64_t most, struct memory_use *use) {
    double freed = memory_parts_layer_bytes(&leaves->parts[index]);
    int64_t layers = leaves->layouts[index].recompute_layers;
    while (layers <= most) {
        double over;
        leaves_limit(leaves, index, layers);
        leaves_memory(leaves, index, use);
        over = use->per_device_bytes - use->capacity_bytes;
        if (memory_fits(use))
            return layers;
        if (over <= 0 || over > (double)most * freed) /* the host has no room, or they don't free enough */
            return 0;
        layers += over > freed ? (int64_t)ceil(over / freed) : 1;
    }
    return 0;
}
