#include "planner/answers/slow_hosts.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "planner/answers/problem.h"
#include "planner/answers/size.h"
#include "planner/kernels/collective.h"
#include "planner/kernels/device_scale.h"
#include "planner/numbers.h"

static const char slow_link[] = "slow_link_bandwidth"; /* what the probe calls it among the measurements */

static double least_factor(const struct slow_host *host) {
    double least = 1;
    for (size_t level = 0; level < CLUSTER_MAX_LEVELS; level++)
        least = fmin(least, host->bandwidth_factor[level]);
    return least;
}

static double badness(const struct slow_host *host) {
    return fmax(fmax(1 / least_factor(host), host->latency_factor), 1 / host->compute_factor);
}

static int least_slow_first(const void *left, const void *right) {
    double a = badness(left), b = badness(right);
    return (a > b) - (a < b);
}

static bool reaches_beyond_node(const struct cluster *cluster, size_t level) {
    int64_t devices = cluster->levels[level].devices;
    return devices == 0 || devices > cluster->node.devices;
}

static struct slow_host *find_entry(const struct slow_hosts *slow, const char *name) {
    for (size_t i = 0; i < slow->count; i++)
        if (strcmp(slow->hosts[i].name, name) == 0)
            return &slow->hosts[i];
    return NULL;
}

/* The entry of a host, which is made where there is none. */
static struct slow_host *entry_of(struct slow_hosts *slow, const char *name) {
    struct slow_host *host = find_entry(slow, name);
    if (host != NULL)
        return host;
    host = &slow->hosts[slow->count++];
    *host = (struct slow_host){.name = name, .latency_factor = 1, .compute_factor = 1};
    for (size_t level = 0; level < CLUSTER_MAX_LEVELS; level++)
        host->bandwidth_factor[level] = 1;
    return host;
}

static const char *join(struct arena *arena, const char *list, const char *word) {
    return list != NULL ? arena_print(arena, "%s, %s", list, word) : word;
}

static void add_host(const struct cluster *cluster, const struct cluster_host *found, struct arena *arena,
                     struct slow_hosts *slow) {
    double bandwidth = found->bandwidth_factor > 0 ? found->bandwidth_factor : 1;
    double latency = found->latency_factor > 0 ? found->latency_factor : 1;
    double compute = found->compute_factor > 0 ? found->compute_factor : 1;
    bool narrow = bandwidth < CLUSTER_SLOW_FACTOR, weak = compute < CLUSTER_SLOW_COMPUTE;
    bool late = latency * CLUSTER_SLOW_FACTOR > 1;
    struct slow_host *host = narrow || late || weak ? entry_of(slow, found->name) : NULL;
    if (host == NULL)
        return;
    for (size_t level = 0; narrow && level < cluster->level_count; level++)
        if (reaches_beyond_node(cluster, level))
            host->bandwidth_factor[level] = bandwidth;
    host->latency_factor = late ? latency : 1;
    host->compute_factor = weak ? compute : 1;
    if (weak)
        host->what = arena_print(arena, "computes at %.2f of the usual rate", compute);
    if (narrow)
        host->what = join(arena, host->what, arena_print(arena, "%.2f of the usual bandwidth", bandwidth));
    if (late && !narrow)
        host->what = join(arena, host->what, arena_print(arena, "%.3g times the usual latency", latency));
}

/* "h2:2 h3:3": the hosts of both ends. False where it is something else. */
static bool ends_of(const char *between, struct arena *arena, const char *ends[2]) {
    for (size_t i = 0; i < 2; i++) {
        size_t length = strcspn(between, ": ");
        ends[i] = arena_print(arena, "%.*s", (int)length, between);
        between += strcspn(between, " ");
        between += strspn(between, " ");
        if (length == 0)
            return false;
    }
    return true;
}

/* Links are the fault of an end that is slow already, else of that which sends. */
static void add_link(const struct cluster *cluster, const struct measurement *link, struct arena *arena,
                     struct slow_hosts *slow) {
    const char *ends[2];
    size_t level = 0;
    while (level < cluster->level_count && strcmp(cluster->levels[level].name, link->level) != 0)
        level++;
    if (level == cluster->level_count || link->between == NULL || !ends_of(link->between, arena, ends))
        return;
    double factor = link->median / cluster->levels[level].bandwidth_bytes_per_second;
    struct slow_host *host =
        factor < CLUSTER_SLOW_FACTOR ? entry_of(slow, find_entry(slow, ends[1]) ? ends[1] : ends[0]) : NULL;
    if (host == NULL)
        return;
    host->bandwidth_factor[level] = fmin(host->bandwidth_factor[level], factor);
    if (host->what == NULL)
        host->what = arena_print(arena, "%.2f of the usual bandwidth to %s", factor,
                                 strcmp(host->name, ends[0]) == 0 ? ends[1] : ends[0]);
}

void slow_hosts_find(const struct cluster *cluster, struct arena *arena, struct slow_hosts *slow) {
    size_t most = cluster->host_count + cluster->measurement_count;
    *slow = (struct slow_hosts){.hosts = ARENA_ARRAY(arena, struct slow_host, most + 1)};
    for (size_t i = 0; i < cluster->host_count; i++)
        add_host(cluster, &cluster->hosts[i], arena, slow);
    for (size_t i = 0; i < cluster->measurement_count; i++)
        if (strcmp(cluster->measurements[i].what, slow_link) == 0)
            add_link(cluster, &cluster->measurements[i], arena, slow);
    slow->clusters = ARENA_ARRAY(arena, struct cluster *, slow->count + 1);
    qsort(slow->hosts, slow->count, sizeof *slow->hosts, least_slow_first);
}

size_t slow_hosts_taken(const struct slow_hosts *slow, const struct cluster *cluster, int64_t devices) {
    int64_t nodes = quotient_up(devices, cluster->node.devices);
    int64_t sound = cluster->nodes - (int64_t)slow->count;
    int64_t most = (int64_t)slow->count, taken = nodes - sound;
    if (cluster->nodes == 0 || taken < 0)
        return 0; /* as many nodes as asked are sound ones */
    return (size_t)(taken < most ? taken : most);
}

/* A host's narrow port counts where the level under load leaves more to it: what the group's members get of
 * its uplinks is no less because of one of them. Constants of collectives were measured under that load, but
 * for those of a pair. */
static void narrow_level(struct network_level *level, double factor) {
    double loaded = fmin(1, factor * fmax(1, level->oversubscription));
    level->bandwidth_bytes_per_second *= factor;
    level->oversubscription = fmax(1, factor * level->oversubscription);
    for (int i = 0; i < COLLECTIVE_COUNT; i++) {
        double share = i == COLLECTIVE_SEND_RECEIVE ? factor : loaded;
        collective_scale_bandwidth(&level->collectives[i], share);
    }
}

/* All that a host does is slower by as much: what throttles a device, or steals its time, spares neither
 * products nor memory. */
static void slow_down(struct cluster_device *device, double pace) {
    device_scale_compute(device, pace);
    device_scale_memory_bandwidth(device, pace);
    device->pace = pace;
}

const struct cluster *slow_hosts_cluster(struct slow_hosts *slow, const struct cluster *cluster, size_t taken,
                                         struct arena *arena) {
    if (taken == 0)
        return cluster;
    if (slow->clusters[taken] != NULL)
        return slow->clusters[taken];
    struct cluster *paced = slow->clusters[taken] = ARENA_NEW(arena, struct cluster);
    *paced = *cluster;
    double pace = 1;
    for (size_t i = 0; i < taken; i++)
        pace = fmin(pace, slow->hosts[i].compute_factor);
    if (pace < 1)
        slow_down(&paced->device, pace);
    for (size_t level = 0; level < cluster->level_count; level++) {
        double factor = 1, delay = 1;
        for (size_t i = 0; i < taken; i++) {
            factor = fmin(factor, slow->hosts[i].bandwidth_factor[level]);
            delay = fmax(delay, slow->hosts[i].latency_factor);
        }
        if (factor < 1)
            narrow_level(&paced->levels[level], factor);
        if (delay > 1 && reaches_beyond_node(cluster, level))
            collective_scale_latency(&paced->levels[level], delay);
    }
    return paced;
}

/* Of the counts that leave all slow hosts out: all that are left, then those that split well, to half of
 * them. */
static const struct plan *find_without(struct problem *problem, const struct plan *with) {
    int64_t per_node = problem->cluster.node.devices;
    int64_t sound = problem->cluster.nodes - (int64_t)problem->slow.count;
    const struct plan *best = NULL;
    struct search_counts ignored = {0};
    problem->asked_batch = with->training.global_batch;
    for (int64_t nodes = sound; nodes > 0 && 2 * nodes >= sound; nodes--) {
        if (nodes < sound && !size_splits_well(nodes))
            continue;
        const struct plan *plan = size_faster(problem, nodes * per_node, best, 1, &ignored);
        best = plan != NULL ? plan : best;
    }
    return best;
}

void slow_hosts_price(struct problem *problem, const struct plan *plan) {
    if (problem->slow.count == 0)
        return;
    struct slow_hosts_price *price = ARENA_NEW(problem->arena, struct slow_hosts_price);
    *price = (struct slow_hosts_price){.slow = &problem->slow, .with = plan};
    if (plan != NULL)
        price->taken = slow_hosts_taken(&problem->slow, &problem->cluster, plan->devices);
    if (price->taken > 0) {
        struct problem *others = ARENA_NEW(problem->arena, struct problem);
        *others = *problem;
        others->search.top = 1;
        price->without = find_without(others, plan);
    }
    problem->slow_price = price;
}
