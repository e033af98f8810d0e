#include "planner/kernels/collective.h"

#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "planner/numbers.h"

/* A group's members sit in units: the device itself, then the groups that each level joins (a node, the nodes
 * under a switch, ...). A level is crossed when the group has members in more than one of its units. The
 * slowest level crossed bounds the bandwidth, each adds its latency. docs/kernel-model.md, "Collectives". */

/* What a level without constants or an efficiency of its own gives: inside a node of the link, by fits on
 * A100 and H100 (0.78 to 0.87); between nodes of the ports, published 0.82 (NDR) to 0.97 (8 x 100 GB/s). Of
 * that all-to-all reaches a share: many messages at once share switches unevenly. */
static const double INSIDE_NODE_SHARE = 0.83, BETWEEN_NODES_SHARE = 0.90, ALL_TO_ALL_SHARE = 0.8;
/* NCCL 2.28 src/graph/tuning.cc, baseLatencies and hwLatencies: a ring's start, and a network step of ring
 * and tree in the protocol of small messages (LL), without the wire. */
static const double LAUNCH_SECONDS = 6.6e-6;
static const double RING_NETWORK_SECONDS = 2.7e-6;
static const double TREE_NETWORK_SECONDS = 5.0e-6;
static const double TREE_SHARE = 0.92;      /* the same file: of a ring's bandwidth */
static const double PEER_SECONDS = 0.15e-6; /* all-to-all, another peer: fits on A100 and H100 */
/* From small to large messages NCCL goes over to protocols and chunks of higher latency. As for a pipeline of
 * optimal chunks that costs a multiple of sqrt(latency x transfer time), until the last protocol is reached.
 */
static const double RAMP_SHARE = 1.5;
static const double RAMP_LIMIT = 4; /* times the latency */
static const double RAMP_UNIT_BYTES = 1e6;

/* One crossed level, seen from the group. */
struct crossing {
    const struct network_level *level;
    const struct collective_constants *constants; /* NULL: none for this operation */
    bool outside_node;
    int64_t members_inside; /* the group's, in a unit that the level joins */
    int64_t members;        /* in one group of the level */
    double group_bandwidth; /* this group's part of what leaves a unit */
    double group_ports;     /* the same, of the ports as they are given */
};

struct path {
    struct crossing crossings[CLUSTER_MAX_LEVELS];
    size_t count;
};

/* The group's members in a unit of `devices`. Where groups and units don't divide each other some group
 * straddles units: what each surely has together is the common divisor. */
static int64_t members_in(const struct rank_group *group, int64_t devices) {
    int64_t together = greatest_common_divisor(devices, group->size * group->stride);
    return larger_count(1, together / group->stride);
}

/* Devices of an innermost level that joins several nodes (NVL72), which a job takes: as many as its groups
 * divide into, 64 of 72 where they span a multiple of 64. Trays are handed out in blocks for that, and the
 * rest stay idle or serve others. */
static int64_t placed_devices(const struct cluster *cluster, const struct rank_group *group) {
    int64_t devices = cluster->levels[0].devices, span = group->size * group->stride;
    if (devices <= cluster->node.devices)
        return devices;
    if (span <= devices)
        return span;
    while (span % devices != 0)
        devices--;
    return devices;
}

/* Groups that have members in a unit of `devices` and leave it. */
static int64_t groups_sharing(const struct rank_group *group, int64_t devices) {
    int64_t interleaved = devices < group->stride ? devices : group->stride;
    bool straddles = devices > 1 && (group->size * group->stride) % devices != 0;
    return straddles ? 2 * interleaved : interleaved;
}

/* What the ports of a unit carry, one direction. Ports belong to a node. */
static double ports_bandwidth(const struct cluster *cluster, const struct network_level *level,
                              int64_t unit_devices) {
    double devices = (double)cluster->node.devices;
    double ports = level->ports > 0 ? (double)level->ports : devices;
    return level->bandwidth_bytes_per_second * ports * (double)unit_devices / devices /
           fmax(1, level->oversubscription);
}

/* Of a mesh's links those to the members of the group: of four devices three, where a device has seven. */
static double mesh_share(const struct crossing *crossing, int64_t unit_devices) {
    double units = (double)crossing->level->devices / (double)unit_devices;
    double crossed = (double)crossing->members / (double)crossing->members_inside;
    return crossing->level->mesh && crossed < units ? (crossed - 1) / (units - 1) : 1;
}

/* What leaves a unit and the group's part of it. Constants hold for a group of whole nodes, inside a node for
 * the group itself. */
static void set_bandwidth(const struct cluster *cluster, const struct rank_group *group, int64_t unit_devices,
                          struct crossing *crossing) {
    const struct network_level *level = crossing->level;
    double share = level->efficiency > 0    ? level->efficiency
                   : crossing->outside_node ? BETWEEN_NODES_SHARE
                                            : INSIDE_NODE_SHARE;
    double sharing = (double)groups_sharing(group, unit_devices);
    double nodes = fmax(1, (double)unit_devices / (double)cluster->node.devices);
    crossing->group_ports =
        ports_bandwidth(cluster, level, unit_devices) * mesh_share(crossing, unit_devices) / sharing;
    crossing->group_bandwidth = crossing->constants
                                    ? crossing->constants->bandwidth_bytes_per_second * nodes / sharing
                                    : crossing->group_ports * share;
}

/* Those that a message passes between: of a chain only two. */
static int64_t at_once(const struct collective *collective, int64_t members) {
    return collective->operation == COLLECTIVE_SEND_RECEIVE ? 2 : members;
}

static void find_path(const struct cluster *cluster, const struct collective *collective, struct path *path) {
    const struct rank_group *group = &collective->group;
    int64_t inside = 1, unit_devices = 1, innermost = cluster->levels[0].devices;
    int64_t placed = placed_devices(cluster, group);
    path->count = 0;
    for (size_t i = 0; i < cluster->level_count && inside < group->size; i++) {
        const struct network_level *level = &cluster->levels[i];
        bool last = i + 1 == cluster->level_count || level->devices == 0;
        int64_t devices = level->devices;
        if (innermost > 0 && placed != innermost)
            devices = devices / innermost * placed;
        int64_t members = last ? group->size : larger_count(inside, members_in(group, devices));
        if (members > inside) {
            const struct collective_constants *constants = &level->collectives[collective->operation];
            struct crossing *crossing = &path->crossings[path->count++];
            *crossing = (struct crossing){.level = level,
                                          .constants = constants->known ? constants : NULL,
                                          .outside_node = unit_devices >= cluster->node.devices && i > 0,
                                          .members_inside = inside,
                                          .members = at_once(collective, members)};
            set_bandwidth(cluster, group, unit_devices, crossing);
        }
        inside = members;
        unit_devices = devices;
    }
}

static const struct crossing *outermost(const struct path *path) {
    return &path->crossings[path->count - 1];
}

static double ceil_divide(int64_t a, int64_t b) {
    return (double)quotient_up(a, b);
}

/* Constants hold for groups of every size: small groups reach less. */
static double at_size(const struct crossing *crossing, double bandwidth) {
    if (!crossing->constants)
        return bandwidth;
    return bandwidth * (1 - crossing->constants->small_group_loss / (double)crossing->members);
}

/* What a ring through all members carries: the least of the levels it crosses. */
static double ring_bandwidth(const struct path *path) {
    double least = HUGE_VAL;
    for (size_t i = 0; i < path->count; i++)
        least = fmin(least, at_size(&path->crossings[i], path->crossings[i].group_bandwidth));
    return least;
}

/* A tree passes each byte over each of its edges once per direction, N - 1 edges for N nodes: over two nodes
 * that is half of what a ring needs for each node's ports. From three nodes on NCCL counts it like a ring. */
static double tree_bandwidth(const struct path *path, int64_t members) {
    double least = HUGE_VAL;
    for (size_t i = 0; i < path->count; i++) {
        const struct crossing *crossing = &path->crossings[i];
        double bandwidth = at_size(crossing, crossing->group_bandwidth);
        if (crossing->outside_node && crossing == outermost(path) && !crossing->constants &&
            crossing->members == 2 * crossing->members_inside)
            bandwidth *= 2 * (1 - 1 / (double)members);
        else if (crossing->outside_node && !crossing->constants)
            bandwidth *= TREE_SHARE;
        least = fmin(least, bandwidth);
    }
    return least;
}

/* What one rank sends: the part of its data that leaves a unit goes over the part of the unit's bandwidth
 * that this rank has. Constants say what a rank of an all-to-all reaches while all send, but of send/receive
 * what one pair reaches while the rest is idle: it shares its node's ports besides. */
static double pairwise_bandwidth(const struct path *path, enum collective_operation operation,
                                 int64_t members) {
    double least = HUGE_VAL;
    for (size_t i = 0; i < path->count; i++) {
        const struct crossing *crossing = &path->crossings[i];
        double bandwidth = crossing->group_bandwidth;
        if (crossing->constants) {
            bandwidth = at_size(crossing, crossing->constants->bandwidth_bytes_per_second);
            if (operation == COLLECTIVE_SEND_RECEIVE)
                bandwidth = fmin(bandwidth, crossing->group_ports);
        } else if (operation == COLLECTIVE_ALL_TO_ALL) {
            double inside = (double)crossing->members_inside;
            bandwidth *= ((double)members - 1) / ((double)members - inside) / inside;
            if (crossing->outside_node)
                bandwidth *= ALL_TO_ALL_SHARE;
        }
        least = fmin(least, bandwidth);
    }
    return least;
}

static bool is_pairwise(enum collective_operation operation) {
    return operation == COLLECTIVE_ALL_TO_ALL || operation == COLLECTIVE_SEND_RECEIVE;
}

static double path_bandwidth(const struct path *path, enum collective_operation operation, int64_t members) {
    return is_pairwise(operation) ? pairwise_bandwidth(path, operation, members) : ring_bandwidth(path);
}

static double level_step_seconds(const struct crossing *crossing, double network_seconds) {
    return crossing->level->latency_seconds + (crossing->outside_node ? network_seconds : 0);
}

/* A small message goes round the ring: members - 1 steps, of which one less than the number of units cross a
 * level. `passes` is 2 for an all-reduce, whose constants count both. */
static double ring_latency(const struct path *path, int64_t members, double passes) {
    const struct collective_constants *first = path->crossings[0].constants;
    double seconds = first ? first->latency_seconds : LAUNCH_SECONDS;
    for (size_t i = 0; i < path->count; i++) {
        const struct crossing *crossing = &path->crossings[i];
        double steps =
            ceil_divide(members, crossing->members_inside) - ceil_divide(members, crossing->members);
        if (i + 1 == path->count)
            steps = ceil_divide(members, crossing->members_inside) - 1;
        seconds += crossing->constants && !crossing->outside_node
                       ? steps * crossing->constants->latency_per_member_seconds
                       : passes * steps * level_step_seconds(crossing, RING_NETWORK_SECONDS);
    }
    return seconds;
}

/* A chain inside the nodes, a binary tree over them, up and down. */
static double tree_latency(const struct path *path) {
    const struct collective_constants *first = path->crossings[0].constants;
    double seconds = first ? first->latency_seconds : LAUNCH_SECONDS;
    for (size_t i = 0; i < path->count; i++) {
        const struct crossing *crossing = &path->crossings[i];
        double units = ceil_divide(crossing->members, crossing->members_inside);
        if (crossing->outside_node)
            seconds += 2 * ceil(log2(units)) * level_step_seconds(crossing, TREE_NETWORK_SECONDS);
        else if (crossing->constants)
            seconds += (units - 1) * crossing->constants->latency_per_member_seconds;
        else
            seconds += 2 * (units - 1) * level_step_seconds(crossing, 0);
    }
    return seconds;
}

static double peers_latency(const struct path *path, int64_t members) {
    const struct collective_constants *first = path->crossings[0].constants;
    double seconds = first ? first->latency_seconds : LAUNCH_SECONDS;
    double per_peer = first ? first->latency_per_member_seconds : PEER_SECONDS;
    if (!first || outermost(path)->outside_node)
        seconds += level_step_seconds(outermost(path), TREE_NETWORK_SECONDS);
    return seconds + per_peer * (double)(members - 1);
}

/* Without constants for the operation: latency, transfer, and what lies between small and large messages. */
static double general_seconds(const struct collective_way *way, double volume) {
    double latency = way->latency_seconds, transfer = volume / way->bandwidth_bytes_per_second;
    return latency + transfer + smaller(RAMP_SHARE * sqrt(latency * transfer), RAMP_LIMIT * latency);
}

/* By the constants of the outermost level, for the whole group. */
static double fitted_seconds(const struct collective_curve *curve, double volume) {
    const struct collective_way *way = &curve->ways[0];
    return way->latency_seconds + volume / way->bandwidth_bytes_per_second +
           curve->ramp_seconds * sqrt(curve->ramp_sharing * volume / RAMP_UNIT_BYTES);
}

static void add_way(struct collective_curve *curve, double latency, double bandwidth) {
    curve->ways[curve->way_count++] = (struct collective_way){latency, bandwidth};
}

static void set_fitted(const struct path *path, enum collective_operation operation, int64_t members,
                       double bandwidth, struct collective_curve *curve) {
    const struct crossing *crossing = outermost(path);
    const struct collective_constants *c = crossing->constants;
    add_way(curve, c->latency_seconds + c->latency_per_member_seconds * (double)(members - 1), bandwidth);
    curve->fitted = true;
    curve->ramp_seconds = c->ramp_seconds;
    collective_corrections_of(c->corrections, c->correction_count, members, &curve->corrections);
    /* What lies between small and large messages lasts longer where other groups share that level; a slower
     * level inside does not lengthen it. */
    const struct path alone = {.count = 1, .crossings = {*crossing}};
    curve->ramp_sharing = fmax(1, at_size(crossing, c->bandwidth_bytes_per_second) /
                                      path_bandwidth(&alone, operation, members));
}

static void set_ways(const struct path *path, const struct collective *collective,
                     struct collective_curve *curve) {
    int64_t members = at_once(collective, collective->group.size);
    enum collective_operation operation = collective->operation;
    double bandwidth = path_bandwidth(path, operation, members);
    if (outermost(path)->constants) {
        set_fitted(path, operation, members, bandwidth, curve);
    } else if (operation == COLLECTIVE_ALL_REDUCE) {
        add_way(curve, ring_latency(path, members, 2), bandwidth);
        if (outermost(path)->outside_node)
            add_way(curve, tree_latency(path), tree_bandwidth(path, members));
    } else {
        add_way(curve, is_pairwise(operation) ? peers_latency(path, members) : ring_latency(path, members, 1),
                bandwidth);
    }
}

static const char *origin(const struct cluster *cluster, const struct crossing *crossing) {
    if (crossing->constants)
        return crossing->constants->from ? crossing->constants->from : "fitted";
    if (crossing->level->from)
        return crossing->level->from;
    return cluster->source.kind == SOURCE_MEASURED ? "measured" : "datasheet";
}

/* Bytes of bus volume for a byte of the collective. */
static double bus_share(const struct collective *collective) {
    int64_t members = collective->group.size;
    double share = (double)(members - 1) / (double)members;
    if (members <= 1)
        return 0;
    switch (collective->operation) {
    case COLLECTIVE_ALL_REDUCE:
        return 2 * share;
    case COLLECTIVE_SEND_RECEIVE:
        return 1;
    default:
        return share;
    }
}

double collective_bus_bytes(const struct collective *collective) {
    return bus_share(collective) * collective->bytes;
}

void collective_curve_of(const struct cluster *cluster, const struct collective *collective,
                         struct collective_curve *curve) {
    struct path path;
    *curve = (struct collective_curve){.level = "", .from = ""};
    if (collective->group.size <= 1)
        return;
    find_path(cluster, collective, &path);
    if (path.count == 0)
        return;
    curve->bus_share = bus_share(collective);
    set_ways(&path, collective, curve);
    curve->level = outermost(&path)->level->name;
    curve->from = origin(cluster, outermost(&path));
}

/* Seconds, and which of the ways is taken. */
static double quickest(const struct collective_curve *curve, double bytes, size_t *taken) {
    double volume = curve->bus_share * bytes, least;
    *taken = 0;
    if (curve->fitted)
        return fitted_seconds(curve, volume) * collective_corrections_factor(&curve->corrections, bytes);
    least = general_seconds(&curve->ways[0], volume);
    for (size_t i = 1; i < curve->way_count; i++) {
        double seconds = general_seconds(&curve->ways[i], volume);
        if (seconds < least) {
            least = seconds;
            *taken = i;
        }
    }
    return least;
}

double collective_curve_seconds(const struct collective_curve *curve, double bytes) {
    size_t taken;
    return curve->way_count > 0 && bytes > 0 ? quickest(curve, bytes, &taken) : 0;
}

double collective_curve_least_seconds(const struct collective_curve *curve, double bytes) {
    double bandwidth = 0;
    for (size_t i = 0; i < curve->way_count; i++)
        bandwidth = larger(bandwidth, curve->ways[i].bandwidth_bytes_per_second);
    if (bandwidth <= 0)
        return 0;
    double factor = curve->fitted ? collective_corrections_least(&curve->corrections) : 1;
    return factor * curve->bus_share * bytes / bandwidth;
}

/* The measured groups next to one of `members`; none where it was measured itself. */
static void find_beside(const struct collective_correction_lists *lists, int64_t members, int64_t beside[2]) {
    for (int side = 0; side < 2; side++)
        beside[side] = lists->counts[side] > 0 ? lists->lists[side]->members : 0;
    if (beside[1] == members)
        beside[0] = beside[1] = 0;
}

void collective_estimate(const struct cluster *cluster, const struct collective *collective,
                         struct collective_estimate *estimate) {
    struct collective_curve curve;
    size_t taken;
    *estimate = (struct collective_estimate){.level = "", .from = "", .correction = 1};
    collective_curve_of(cluster, collective, &curve);
    if (curve.way_count == 0 || !(collective->bytes > 0))
        return;
    estimate->seconds = quickest(&curve, collective->bytes, &taken);
    estimate->latency_seconds = curve.ways[taken].latency_seconds;
    estimate->bandwidth_bytes_per_second = curve.ways[taken].bandwidth_bytes_per_second;
    estimate->level = curve.level;
    estimate->from = curve.from;
    estimate->correction = collective_corrections_factor(&curve.corrections, collective->bytes);
    find_beside(&curve.corrections, at_once(collective, collective->group.size), estimate->beside);
}

const char *collective_origin(const struct collective_estimate *estimate, char text[COLLECTIVE_ORIGIN_TEXT]) {
    if (estimate->correction == 1)
        return estimate->from;
    int used = snprintf(text, COLLECTIVE_ORIGIN_TEXT, "%s, x %.3g at this size", estimate->from,
                        estimate->correction);
    int64_t low = estimate->beside[0], high = estimate->beside[1];
    if (used < 0 || used >= COLLECTIVE_ORIGIN_TEXT)
        return text;
    char *rest = text + used;
    size_t room = (size_t)(COLLECTIVE_ORIGIN_TEXT - used);
    if (low > 0 && high > 0)
        snprintf(rest, room, " between groups of %lld and %lld", (long long)low, (long long)high);
    else if (low + high > 0)
        snprintf(rest, room, " in groups of %lld", (long long)(low + high));
    return text;
}

double collective_seconds(const struct cluster *cluster, const struct collective *collective) {
    struct collective_curve curve;
    collective_curve_of(cluster, collective, &curve);
    return collective_curve_seconds(&curve, collective->bytes);
}

void collective_scale_bandwidth(struct collective_constants *constants, double factor) {
    constants->bandwidth_bytes_per_second *= factor;
    constants->ramp_seconds /= sqrt(factor);
}

void collective_scale_latency(struct network_level *level, double factor) {
    level->latency_seconds *= factor;
    for (int i = 0; i < COLLECTIVE_COUNT; i++) {
        level->collectives[i].latency_seconds *= factor;
        level->collectives[i].latency_per_member_seconds *= factor;
        level->collectives[i].ramp_seconds *= sqrt(factor);
    }
}
