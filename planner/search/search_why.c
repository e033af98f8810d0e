#include "planner/search/search_why.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "common/units.h"
#include "planner/search/search_leaves.h"
#include "planner/search/search_pool.h"
#include "planner/search/search_room.h"

/* What the request says of a key, if it says one thing only. */
static int64_t asked(const struct search_problem *problem, enum layout_key key, int64_t otherwise) {
    return problem->request.keys[key].count > 0 ? problem->request.keys[key].values[0] : otherwise;
}

void search_why_not_split(const struct search_problem *problem, char *why) {
    const struct layout_request *request = &problem->request;
    struct layout layout = {0};
    double used; /* may be beyond an integer */
    for (int key = 0; key < LAYOUT_KEY_COUNT; key++) {
        bool size = key <= LAYOUT_MICRO_BATCH;
        layout_set(&layout, (enum layout_key)key, asked(problem, (enum layout_key)key, size ? 1 : 0));
    }
    used = (double)layout.tp * (double)layout.pp * (double)layout.cp;
    if (request->keys[LAYOUT_DP].count > 0)
        used *= (double)layout.dp;
    bool divides = used > 0 && fmod((double)problem->devices, used) == 0;
    if (divides && request->keys[LAYOUT_DP].count == 0)
        layout.dp = problem->devices / (int64_t)used;
    if (layout.vpp > 1 && request->keys[LAYOUT_SCHEDULE].count == 0)
        layout.schedule = SCHEDULE_INTERLEAVED;
    if (!divides)
        snprintf(why, SEARCH_WHY_SIZE, "tp x pp x cp%s = %.15g does not divide %lld",
                 request->keys[LAYOUT_DP].count > 0 ? " x dp" : "", used, (long long)problem->devices);
    else if (layout_valid(&layout, problem->model, problem->training.sequence, problem->training.global_batch,
                          why, SEARCH_WHY_SIZE))
        snprintf(why, SEARCH_WHY_SIZE, "no choice of the free keys goes with the given ones");
}

bool search_why_no_layout(const struct search_problem *problem, struct error *error) {
    char why[SEARCH_WHY_SIZE];
    search_why_not_split(problem, why);
    return error_set(error, "no layout splits the model over %lld devices: %s", (long long)problem->devices,
                     why);
}

/* Bytes of a device that find no place: on the device, and with offload in its shares of host and store. */
static double device_excess(const struct memory_use *use) {
    return fmax(0, use->per_device_bytes - use->capacity_bytes);
}

static double host_excess(const struct memory_use *use) {
    return fmax(0, use->host_bytes_per_device - use->host_capacity_bytes);
}

static double store_excess(const struct memory_use *use) {
    return fmax(0, use->store_bytes_per_device - use->store_capacity_bytes);
}

static double excess(const struct memory_use *use) {
    return device_excess(use) + host_excess(use) + store_excess(use);
}

/* Of layouts that exceed as much the first in the order of the keys, so that it doesn't matter in which order
 * they come. */
static void consider(struct leaves *leaves, struct near_miss *nearest) {
    for (size_t i = 0; i < leaves->count; i++) {
        struct candidate best = {nearest->layout, excess(&nearest->memory)}, candidate;
        struct memory_use use;
        if (leaves->partial[i]) /* all layers take no more but for buffers */
            continue;
        leaves_memory(leaves, i, &use);
        candidate = (struct candidate){leaves->layouts[i], excess(&use)};
        candidate.layout.order = leaves->choices->orders[0];
        candidate.layout.overlap = leaves->choices->overlaps[0];
        if (nearest->found && candidate_compare(&candidate, &best) >= 0)
            continue;
        nearest->found = true;
        nearest->layout = candidate.layout;
        nearest->memory = use;
    }
}

/* Adds "12.3 GB over the device's 80 GB" to what is said already. */
static void say_excess(struct near_miss *nearest, const char *bound, const char *whose, double over,
                       double capacity) {
    char over_text[32], capacity_text[32];
    size_t used = strlen(nearest->why);
    if (over <= 0)
        return;
    if (nearest->bound == NULL)
        nearest->bound = bound;
    units_format(over, UNIT_BYTES, over_text, sizeof over_text);
    units_format(capacity, UNIT_BYTES, capacity_text, sizeof capacity_text);
    snprintf(nearest->why + used, sizeof nearest->why - used, "%s%s over %s%s", used > 0 ? ", and " : "",
             over_text, whose, capacity_text);
}

static void describe(const struct search_problem *problem, struct near_miss *nearest) {
    const struct memory_use *use = &nearest->memory;
    const struct cluster *cluster = problem->cluster;
    int64_t devices = layout_devices(&nearest->layout);
    double hosts = (double)memory_devices_of_host(cluster, devices);
    double stores = (double)memory_devices_of_store(cluster, devices);
    nearest->bound = NULL;
    nearest->why[0] = '\0';
    say_excess(nearest, "memory", "the device's ", device_excess(use), use->capacity_bytes);
    say_excess(nearest, "host memory", "the node's ", host_excess(use) * hosts,
               cluster->node.host_memory_bytes);
    say_excess(nearest, "store", "the store's ", store_excess(use) * stores, cluster->store.capacity_bytes);
}

static void consider_split(const struct search_problem *problem, unsigned offloads,
                           const struct layout *split, struct near_miss *nearest) {
    struct layout variants[SPLIT_MAX_VARIANTS];
    struct split_choices choices;
    struct leaves leaves;
    size_t count;
    if (!split_choices_make(problem, offloads, split, &choices))
        return;
    leaves_init(&leaves, problem, &choices, 0);
    count = split_variants(&choices, variants);
    for (size_t i = 0; i < count; i++)
        leaves_add(&leaves, &variants[i], choices.recomputes[i % choices.recompute_count].partial, true);
    for (size_t i = 0; i < choices.schedule_count; i++) {
        leaves_choose_schedule(&leaves, i);
        for (size_t j = 0; j < choices.offload_count * choices.sharding_count; j++) {
            leaves_choose(&leaves, j % choices.sharding_count, choices.offloads[j / choices.sharding_count]);
            if (nearest->found && leaves_least_bytes(&leaves) - problem->cluster->device.memory_bytes >
                                      excess(&nearest->memory))
                continue;
            consider(&leaves, nearest);
        }
    }
}

/* True when all leaves of the frame exceed their device by more than the nearest exceeds its own. */
static bool is_further(const struct search_problem *problem, const struct search_space *space,
                       const struct frame *frame, const struct near_miss *nearest) {
    return search_frame_least_bytes(problem, space, frame) - problem->cluster->device.memory_bytes >
           excess(&nearest->memory);
}

void search_why_nothing_fits(const struct search_problem *problem, unsigned offloads,
                             const struct search_space *space, struct near_miss *nearest) {
    for (size_t i = 0; i < space->count; i++) {
        size_t count;
        const struct expert_split *splits = frame_splits(space, &space->frames[i], &count);
        if (nearest->found && is_further(problem, space, &space->frames[i], nearest))
            continue;
        for (size_t j = 0; j < count; j++) {
            struct layout layout = frame_split(&space->frames[i], &splits[j]);
            consider_split(problem, offloads, &layout, nearest);
        }
    }
    if (nearest->found)
        describe(problem, nearest);
}
