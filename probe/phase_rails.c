/* The rails of a campaign: each alone between neighbouring hosts, and all ranks of two hosts at once. */
#include <string.h>

#include "probe/phases.h"
#include "probe/rails.h"

static const double ALONE_SECONDS = 0.08, TOGETHER_SECONDS = 0.6, WARM_UP_SECONDS = 0.03;
enum { PAIRS_PER_LEVEL = 2, DIRECTIONS = 2, TOGETHER_REPETITIONS = 2 };

static const struct record stream_key = {.kind = TASK_STREAM, .bytes = CAMPAIGN_STREAM_BYTES};

/* Numbers of the first host's ranks that stand for a rail: one for each card, or all where none is known. */
static size_t find_rails(const struct campaign *campaign, int32_t rails[RAILS_MAX]) {
    const struct placement_host *host = &campaign->placement->hosts[0];
    char nics[RAILS_MAX][RAILS_TEXT];
    size_t count = 0;
    for (int32_t local = 0; local < host->rank_count && count < RAILS_MAX; local++) {
        bool known = false;
        campaign_nic(campaign, host->ranks[local], nics[count]);
        for (size_t i = 0; i < count && nics[count][0] != '\0'; i++)
            known = known || strcmp(nics[i], nics[count]) == 0;
        if (!known)
            rails[count++] = local;
    }
    return count;
}

/* Ends of a pair of hosts by their ranks number `local`. False when one has none. */
static bool join(const struct campaign *campaign, size_t one, size_t other, int32_t local,
                 struct campaign_pair *pair) {
    const struct placement_host *from = &campaign->placement->hosts[one],
                                *to = &campaign->placement->hosts[other];
    if (local >= from->rank_count || local >= to->rank_count)
        return false;
    *pair = (struct campaign_pair){from->ranks[local], to->ranks[local]};
    return true;
}

/* Neighbours around the ring of hosts: pair i is of host i and the next, so that each host has two partners.
 */
static size_t ring_pairs(size_t hosts) {
    return hosts == 2 ? 1 : hosts;
}

/* Slots in which each host has at most one partner; hosts that are one machine go one pair at a time. */
static size_t slots_of(const struct campaign *campaign) {
    size_t hosts = campaign->placement->host_count;
    return campaign->placement->share_machine || hosts == 2 ? ring_pairs(hosts) : 2 + hosts % 2;
}

static size_t slot_of(const struct campaign *campaign, size_t pair) {
    size_t hosts = campaign->placement->host_count;
    if (campaign->placement->share_machine)
        return pair;
    return hosts % 2 != 0 && pair == hosts - 1 ? 2 : pair % 2; /* an odd ring is closed apart */
}

/* One rail between all pairs of a slot that `level` joins, in one direction. */
static bool measure_slot(struct campaign *campaign, int32_t local, size_t slot, bool back, size_t level,
                         struct error *error) {
    size_t hosts = campaign->placement->host_count, count = 0;
    struct campaign_pair *pairs = ARENA_ARRAY(campaign->arena, struct campaign_pair, hosts);
    struct record key = stream_key;
    key.phase = PHASE_RAIL;
    key.level = (int32_t)level;
    for (size_t pair = 0; pair < ring_pairs(hosts); pair++) {
        size_t next = (pair + 1) % hosts;
        if (slot_of(campaign, pair) == slot && levels_joining(&campaign->levels, pair, next) == level &&
            join(campaign, back ? next : pair, back ? pair : next, local, &pairs[count]))
            count++;
    }
    return count == 0 || campaign_measure(campaign, &key, pairs, count, ALONE_SECONDS, false, error);
}

static bool run_alone(struct campaign *campaign, struct error *error) {
    int32_t rails[RAILS_MAX];
    size_t count = find_rails(campaign, rails), slots = slots_of(campaign);
    for (size_t r = 0; r < count && count > 1; r++) {
        for (size_t slot = 0; slot < slots; slot++) {
            for (size_t level = 0; level < campaign->levels.count && !phases_time_is_up(campaign); level++)
                if (!measure_slot(campaign, rails[r], slot, false, level, error) ||
                    !measure_slot(campaign, rails[r], slot, true, level, error))
                    return false;
        }
    }
    return true;
}

/* Rounds over the rails that look slow: each again, and the one beside it that is the fastest, until it kept
 * up once or was slow each time. */
static bool run_suspects(struct campaign *campaign, struct error *error) {
    struct rails_suspect suspects[RAILS_SLOW_MAX];
    for (int32_t round = 1; round < RAILS_LOOKS; round++) {
        struct arena *scratch = arena_create();
        size_t count = rails_suspects(campaign->records, campaign->placement->host_of, scratch, suspects);
        arena_destroy(scratch);
        for (size_t i = 0; i < count && !phases_time_is_up(campaign); i++) {
            struct record key = stream_key;
            struct summary seen;
            const struct rails_suspect *suspect = &suspects[i];
            const struct campaign_pair pair = {suspect->from, suspect->to},
                                       beside = {suspect->beside_from, suspect->beside_to};
            key.phase = PHASE_RAIL;
            key.operation = round;
            key.level =
                (int32_t)levels_joining(&campaign->levels, (size_t)campaign->placement->host_of[pair.from],
                                        (size_t)campaign->placement->host_of[pair.to]);
            if (!campaign_measure_one(campaign, &key, &pair, ALONE_SECONDS, &seen, error) ||
                !campaign_measure_one(campaign, &key, &beside, ALONE_SECONDS, &seen, error))
                return false;
        }
    }
    return true;
}

/* All ranks of one host to all of another at the same time: what a node's cards carry together. */
static bool run_together(struct campaign *campaign, struct error *error) {
    const struct placement *placement = campaign->placement;
    struct campaign_pair ends[PAIRS_PER_LEVEL];
    struct campaign_pair *pairs =
        ARENA_ARRAY(campaign->arena, struct campaign_pair, (size_t)placement->ranks);
    for (size_t turn = 0; turn < TOGETHER_REPETITIONS * campaign->levels.count; turn++) {
        size_t level = turn % campaign->levels.count;
        size_t found = phases_sample_pairs(campaign, level, PAIRS_PER_LEVEL, ends);
        for (size_t e = 0; e < found && !phases_time_is_up(campaign); e++) {
            size_t one = (size_t)placement->host_of[ends[e].from],
                   other = (size_t)placement->host_of[ends[e].to];
            size_t count = 0;
            for (int32_t local = 0; join(campaign, one, other, local, &pairs[count]); local++)
                count++;
            struct record key = stream_key;
            key.phase = PHASE_RAILS;
            key.level = (int32_t)level;
            key.operation = (int32_t)(turn / campaign->levels.count);
            if (count > 1 && !campaign_measure(campaign, &key, pairs, count, TOGETHER_SECONDS, true, error))
                return false;
        }
    }
    return true;
}

bool phases_run_rails(struct campaign *campaign, struct error *error) {
    bool several = campaign->placement->host_count > 1 && campaign->placement->hosts[0].rank_count > 1;
    return !several ||
           (run_alone(campaign, error) && run_suspects(campaign, error) && run_together(campaign, error));
}

double phases_expect_rails(const struct campaign *campaign) {
    int32_t rails[RAILS_MAX];
    if (campaign->placement->host_count < 2 || campaign->placement->hosts[0].rank_count < 2)
        return 0;
    size_t count = find_rails(campaign, rails);
    double alone = count > 1 ? (double)(count * slots_of(campaign)) * DIRECTIONS : 0;
    double levels = campaign->levels.count > 0 ? (double)campaign->levels.count : 2;
    return alone * (ALONE_SECONDS + WARM_UP_SECONDS) +
           TOGETHER_REPETITIONS * PAIRS_PER_LEVEL * levels * (TOGETHER_SECONDS + WARM_UP_SECONDS);
}
