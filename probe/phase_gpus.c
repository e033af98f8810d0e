/* The GPUs of a campaign: each alone, in pairs through MPI, and NCCL's collectives among them. */
#include <math.h>
#include <mpi.h>
#include <string.h>

#include "common/cluster.h"
#include "probe/phases.h"

static const double ALONE_SECONDS = 0.5; /* given to one figure of a GPU */
static const double PREPARE_SECONDS = 0.5;
static const double COLLECTIVE_SECONDS = 0.05, WARM_UP_SECONDS = 0.03, FORM_SECONDS = 2;
enum { ALONE_KINDS = 3, NCCL_SIZES = 6, NCCL_HELD_OUT_SIZES = 2, NCCL_STEP = 4 };
static const enum task_kind alone_kinds[ALONE_KINDS] = {TASK_GPU_MEMORY, TASK_GPU_LINK, TASK_GPU_PRODUCT};
/* Gradient buckets and gathered layers of a training are tens to hundreds of MB. */
static const int64_t nccl_bytes[NCCL_SIZES] = {1 << 10, 32 << 10, 1 << 20, 8 << 20, 32 << 20, 128 << 20};
static const int64_t nccl_held_out_bytes[NCCL_HELD_OUT_SIZES] = {128 << 10, 16 << 20};

/* All at once, as in a training, where they share power and the links to the host; hosts that are one machine
 * take turns. */
bool phases_run_gpus(struct campaign *campaign, struct error *error) {
    const struct placement *placement = campaign->placement;
    int32_t *ranks = ARENA_ARRAY(campaign->arena, int32_t, (size_t)placement->ranks);
    size_t step = placement->share_machine ? 1 : placement->host_count;
    for (size_t host = 0; host < placement->host_count; host += step) {
        size_t count = 0;
        for (size_t i = host; i < host + step; i++) {
            for (int32_t r = 0; r < placement->hosts[i].rank_count; r++) {
                int32_t rank = placement->hosts[i].ranks[r];
                if (campaign->gpus[rank].usable)
                    ranks[count++] = rank;
            }
        }
        for (size_t k = 0; k < ALONE_KINDS && count > 0 && !phases_time_is_up(campaign); k++)
            if (!campaign_alone(campaign, alone_kinds[k], ranks, count, ALONE_SECONDS, 0, error))
                return false;
    }
    return true;
}

double phases_expect_gpus(const struct campaign *campaign) {
    size_t turns = campaign->placement->share_machine ? campaign->placement->host_count : 1;
    bool any = false;
    for (int32_t rank = 0; rank < campaign->placement->ranks; rank++)
        any = any || campaign->gpus[rank].usable;
    return any ? (double)turns * ALONE_KINDS * (ALONE_SECONDS + PREPARE_SECONDS) : 0;
}

bool phases_run_gpu_pairs(struct campaign *campaign, struct error *error) {
    return !campaign->device_buffers || (phases_run_local(campaign, TRANSPORT_DEVICE, error) &&
                                         phases_run_sweep(campaign, TRANSPORT_DEVICE, error));
}

double phases_expect_gpu_pairs(const struct campaign *campaign) {
    return campaign->device_buffers ? phases_expect_local(campaign) + phases_expect_sweep(campaign) : 0;
}

/* All ranks of the first `hosts` of those in `order`. Returns how many. */
static size_t ranks_of_hosts(const struct campaign *campaign, const size_t *order, size_t hosts,
                             int32_t *ranks) {
    size_t count = 0;
    for (size_t i = 0; i < hosts; i++) {
        const struct placement_host *host = &campaign->placement->hosts[order[i]];
        for (int32_t r = 0; r < host->rank_count; r++)
            ranks[count++] = host->ranks[r];
    }
    return count;
}

/* One group; the first one of its kind also passes messages between two members. */
static bool measure(struct campaign *campaign, const int32_t *ranks, size_t count, enum record_group group,
                    bool first, struct error *error) {
    const struct phases_operations operations = {.transport = TRANSPORT_NCCL,
                                                 .group = group,
                                                 .first = COLLECTIVE_ALL_REDUCE,
                                                 .last =
                                                     first ? COLLECTIVE_SEND_RECEIVE : COLLECTIVE_ALL_TO_ALL,
                                                 .bytes = nccl_bytes,
                                                 .count = NCCL_SIZES,
                                                 .held_out_bytes = nccl_held_out_bytes,
                                                 .held_out_count = NCCL_HELD_OUT_SIZES};
    return count < 2 || campaign->refused[TRANSPORT_NCCL] != NULL || phases_time_is_up(campaign) ||
           phases_measure_group(campaign, &operations, ranks, count, error);
}

static bool measure_in_host(struct campaign *campaign, struct error *error) {
    const struct placement_host *host = &campaign->placement->hosts[0];
    size_t all = (size_t)host->rank_count;
    for (size_t members = 2; members < all; members *= 2)
        if (!measure(campaign, host->ranks, members, GROUP_HOST, members == 2, error))
            return false;
    return measure(campaign, host->ranks, all, GROUP_HOST, all == 2, error);
}

/* Whole hosts, as a training has them: 2, 8, 32 ... and all of `hosts`. A communicator of many takes long. */
static bool measure_hosts(struct campaign *campaign, const size_t *order, size_t hosts,
                          enum record_group group, struct error *error) {
    int32_t *ranks = ARENA_ARRAY(campaign->arena, int32_t, (size_t)campaign->placement->ranks);
    for (size_t some = 2; some < hosts; some *= NCCL_STEP) {
        size_t count = ranks_of_hosts(campaign, order, some, ranks);
        if (!measure(campaign, ranks, count, group, some == 2, error))
            return false;
    }
    return hosts < 2 ||
           measure(campaign, ranks, ranks_of_hosts(campaign, order, hosts, ranks), group, hosts == 2, error);
}

/* Hosts of the first inner group; or all, each further one across the outermost level where possible. */
static size_t order_hosts(const struct campaign *campaign, bool inner, size_t *order) {
    size_t hosts = campaign->placement->host_count, count = 0, levels = campaign->levels.count;
    bool *taken = ARENA_ARRAY(campaign->arena, bool, hosts);
    const int32_t *group_of = inner        ? campaign->levels.level[0].group_of
                              : levels > 1 ? campaign->levels.level[levels - 2].group_of
                                           : NULL;
    for (size_t i = 0; inner && i < hosts; i++)
        if (group_of[i] == group_of[0])
            order[count++] = i;
    for (int32_t last = -1; !inner && count < hosts;) {
        size_t next = hosts;
        for (size_t i = 0; i < hosts; i++) {
            bool better =
                next == hosts || (group_of != NULL && group_of[next] == last && group_of[i] != last);
            next = !taken[i] && better ? i : next;
        }
        taken[next] = true;
        last = group_of != NULL ? group_of[next] : -1;
        order[count++] = next;
    }
    return count;
}

bool phases_run_nccl(struct campaign *campaign, struct error *error) {
    size_t hosts = campaign->placement->host_count, *order = ARENA_ARRAY(campaign->arena, size_t, hosts);
    int32_t *ranks = ARENA_ARRAY(campaign->arena, int32_t, (size_t)campaign->placement->ranks);
    if (!(phases_expect_nccl(campaign) > 0) || phases_time_is_up(campaign))
        return true;
    size_t all = ranks_of_hosts(campaign, order, hosts > 1 ? order_hosts(campaign, false, order) : 1, ranks);
    if (!campaign_form(campaign, TRANSPORT_NCCL, true, ranks, all, error) ||
        !measure_in_host(campaign, error))
        return false;
    if (campaign->levels.count > 1 &&
        !measure_hosts(campaign, order, order_hosts(campaign, true, order), GROUP_INNER, error))
        return false;
    return hosts < 2 ||
           measure_hosts(campaign, order, order_hosts(campaign, false, order), GROUP_EVERYTHING, error);
}

double phases_expect_nccl(const struct campaign *campaign) {
    const struct placement *placement = campaign->placement;
    if (!campaign->gpu_each || placement->ranks < 2 || campaign->gpus[0].nccl_ready == 0)
        return 0;
    double groups = ceil(log2(fmax(1, placement->hosts[0].rank_count)));
    groups += placement->host_count > 1 ? ceil(log2((double)placement->host_count)) : 0;
    double figures =
        COLLECTIVE_COUNT * (NCCL_SIZES + NCCL_HELD_OUT_SIZES) * (COLLECTIVE_SECONDS + WARM_UP_SECONDS);
    return FORM_SECONDS + groups * (FORM_SECONDS + figures);
}
