/* The collectives of a campaign: which groups, which sizes. */
#include <math.h>
#include <mpi.h>

#include "common/cluster.h"
#include "probe/phases.h"

static const double collective_seconds = 0.05; /* given to one operation of one size */
static const double warm_up_seconds = 0.03;
enum { COLLECTIVE_SIZES = 7 };
static const int64_t collective_bytes[COLLECTIVE_SIZES] = {1024,   4096,    16384,  65536,
                                                           262144, 1 << 20, 8 << 20};

bool phases_measure_group(struct campaign *campaign, const struct phases_operations *operations,
                          const int32_t *ranks, size_t count, struct error *error) {
    const double longest_seconds = 0.1; /* of one operation: the next size is left out where it would pass */
    enum transport transport = operations->transport;
    const int64_t *bytes = operations->bytes;
    if (!campaign_form(campaign, transport, false, ranks, count, error)) {
        return false;
    }
    for (int operation = operations->first; operation <= operations->last; operation++) {
        double took = 0;
        for (size_t s = 0; s < operations->count && !phases_time_is_up(campaign); s++) {
            bool too_long = s > 0 && took * (double)(bytes[s] / bytes[s - 1]) > longest_seconds;
            if (too_long || campaign->refused[transport] != NULL) {
                break;
            }
            const struct record key = {.phase = PHASE_COLLECTIVE,
                                       .kind = TASK_COLLECTIVE,
                                       .operation = operation,
                                       .transport = (int32_t)transport,
                                       .level = (int32_t)operations->group,
                                       .bytes = bytes[s]};
            struct record result;
            if (!campaign_collective(campaign, &key, ranks, count, collective_seconds, &result, error)) {
                return false;
            }
            took = result.summary.minimum; /* other work must not leave sizes out */
        }
    }
    return true;
}

static bool measure_group(struct campaign *campaign, const int32_t *ranks, size_t count,
                          enum record_group group, struct error *error) {
    const struct phases_operations operations = {.transport = TRANSPORT_HOST,
                                                 .group = group,
                                                 .first = COLLECTIVE_ALL_REDUCE,
                                                 .last = COLLECTIVE_ALL_TO_ALL,
                                                 .bytes = collective_bytes,
                                                 .count = COLLECTIVE_SIZES};
    return phases_measure_group(campaign, &operations, ranks, count, error);
}

/* Groups of 2, 4, 8 ... and all of the `count` ranks. */
static bool measure_groups(struct campaign *campaign, const int32_t *ranks, size_t count,
                           enum record_group group, struct error *error) {
    for (size_t members = 2; members < count && !phases_time_is_up(campaign); members *= 2) {
        if (!measure_group(campaign, ranks, members, group, error)) {
            return false;
        }
    }
    return count < 2 || phases_time_is_up(campaign) || measure_group(campaign, ranks, count, group, error);
}

static size_t sound_hosts(const struct campaign *campaign) {
    size_t sound = 0;
    for (size_t i = 0; i < campaign->placement->host_count; i++) {
        sound += campaign->hosts[i].note[0] == '\0' ? 1 : 0;
    }
    return sound;
}

/* Groups are of sound hosts where there are two: the slow ones would set the pace of all, and the file says
 * apart how slow they are. */
static bool takes_part(const struct campaign *campaign, size_t host) {
    return campaign->hosts[host].note[0] == '\0' || sound_hosts(campaign) < 2;
}

/* Leaders ordered so that each further one is across the outermost level where possible: groups of them then
 * span it at every size. */
static size_t leaders_across(const struct campaign *campaign, int32_t *ranks) {
    size_t hosts = campaign->placement->host_count, count = 0, members = 0;
    bool *taken = ARENA_ARRAY(campaign->arena, bool, hosts);
    for (size_t i = 0; i < hosts; i++) {
        taken[i] = !takes_part(campaign, i);
        members += taken[i] ? 0 : 1;
    }
    size_t outer = campaign->levels.count - 1;
    size_t groups = outer == 0 ? hosts : campaign->levels.level[outer - 1].group_count;
    while (count < members) {
        for (size_t group = 0; group < groups; group++) {
            for (size_t i = 0; i < hosts; i++) {
                size_t of = outer == 0 ? i : (size_t)campaign->levels.level[outer - 1].group_of[i];
                if (!taken[i] && of == group) {
                    taken[i] = true;
                    ranks[count++] = campaign_leader(campaign, i);
                    break;
                }
            }
        }
    }
    return count;
}

static size_t leaders_of_group(const struct campaign *campaign, int32_t group, int32_t *ranks) {
    size_t count = 0;
    for (size_t i = 0; i < campaign->placement->host_count; i++) {
        if (campaign->levels.level[0].group_of[i] == group && takes_part(campaign, i)) {
            ranks[count++] = campaign_leader(campaign, i);
        }
    }
    return count;
}

/* Those of the first innermost group that has two. */
static size_t leaders_inside(const struct campaign *campaign, int32_t *ranks) {
    const struct levels_level *level = &campaign->levels.level[0];
    size_t count = 0;
    for (size_t group = 0; group < level->group_count && count < 2; group++) {
        count = leaders_of_group(campaign, (int32_t)group, ranks);
    }
    return count;
}

bool phases_run_collectives(struct campaign *campaign, struct error *error) {
    const struct placement *placement = campaign->placement;
    const struct placement_host *first = &placement->hosts[0];
    size_t room = (size_t)placement->ranks;
    int32_t *ranks = ARENA_ARRAY(campaign->arena, int32_t, room);
    size_t near = 0;
    for (int32_t r = 0; campaign->sockets.name != NULL && r < first->rank_count; r++) {
        if (campaign->sockets.group_of[r] == campaign->sockets.group_of[0]) {
            ranks[near++] = first->ranks[r];
        }
    }
    if (!measure_groups(campaign, ranks, near, GROUP_SOCKET, error)) {
        return false;
    }
    if (!measure_groups(campaign, first->ranks, (size_t)first->rank_count, GROUP_HOST, error)) {
        return false;
    }
    if (campaign->levels.count > 1) {
        int32_t *inner = ARENA_ARRAY(campaign->arena, int32_t, room);
        if (!measure_groups(campaign, inner, leaders_inside(campaign, inner), GROUP_INNER, error)) {
            return false;
        }
    }
    if (campaign->levels.count > 0 &&
        !measure_groups(campaign, ranks, leaders_across(campaign, ranks), GROUP_LEADERS, error)) {
        return false;
    }
    bool more_ranks = placement->host_count > 1 && (size_t)placement->ranks > placement->host_count;
    if (more_ranks && !phases_time_is_up(campaign)) {
        int32_t *all = ARENA_ARRAY(campaign->arena, int32_t, room);
        size_t count = 0;
        for (size_t i = 0; i < room; i++) {
            if (takes_part(campaign, (size_t)placement->host_of[i])) {
                all[count++] = (int32_t)i;
            }
        }
        return measure_group(campaign, all, count, GROUP_EVERYTHING, error);
    }
    return true;
}

double phases_expect_collectives(const struct campaign *campaign) {
    const struct placement *placement = campaign->placement;
    double groups = ceil(log2(fmax(1, placement->hosts[0].rank_count)));
    groups += campaign->placement->host_count > 1 ? 2 * ceil(log2((double)placement->host_count)) : 0;
    return groups * COLLECTIVE_SEND_RECEIVE * COLLECTIVE_SIZES * (collective_seconds + warm_up_seconds);
}
