/* How fast each node computes and copies, alone; one that seems slow is looked at again, in turn with another
 * of its class, as links are (phase_levels.c): other work slows now one, now another. */
#include <mpi.h>

#include "probe/phases.h"

static const double seconds_of[SPEEDS_KINDS] = {[SPEEDS_COMPUTE] = 0.05, [SPEEDS_MEMORY] = 0.15};
static const double warm_up_seconds = 0.03;
static const double looks_share = 0.02; /* of the time limit: what looking again may take */

/* All ranks of hosts first .. end-1 at once; `number` tells the looks apart. */
static bool look(struct campaign *campaign, enum speeds_kind kind, size_t first, size_t end, int32_t number,
                 struct error *error) {
    const struct placement *placement = campaign->placement;
    int32_t *ranks = campaign->speed_ranks;
    size_t count = 0;
    for (size_t i = first; i < end; i++) {
        for (int32_t r = 0; r < placement->hosts[i].rank_count; r++) {
            ranks[count++] = placement->hosts[i].ranks[r];
        }
    }
    return campaign_alone(campaign, speeds_tasks[kind], ranks, count, seconds_of[kind], number, error);
}

static void judge(struct campaign *campaign) {
    struct arena *scratch = arena_create();
    const struct placement *placement = campaign->placement;
    speeds_judge(campaign->records, placement->host_of, (size_t)placement->ranks, campaign->class_of,
                 placement->host_count, scratch, campaign->speeds);
    arena_destroy(scratch);
}

/* Number `turn` of the other hosts of the same class that don't look slow; host_count: there is none. */
static size_t find_control(const struct campaign *campaign, enum speeds_kind kind, size_t host, size_t turn) {
    size_t hosts = campaign->placement->host_count;
    for (size_t i = 1; i < hosts; i++) {
        size_t other = (host + turn + i) % hosts;
        if (other != host && campaign->class_of[other] == campaign->class_of[host] &&
            !campaign->speeds[other].looks_slow[kind]) {
            return other;
        }
    }
    return hosts;
}

/* What the look just taken showed of a host: the median of its ranks. */
static double rate_of_look(const struct campaign *campaign, enum speeds_kind kind, size_t host) {
    size_t count = (size_t)campaign->placement->hosts[host].rank_count;
    const struct record *last = &campaign->records->items[campaign->records->count - count];
    double *rates = ARENA_ARRAY(campaign->arena, double, count);
    for (size_t i = 0; i < count; i++) {
        rates[i] = speeds_rate(kind, &last[i].summary);
    }
    return summary_median(rates, count);
}

static bool look_again(struct campaign *campaign, enum speeds_kind kind, size_t host, size_t turn,
                       int32_t *number, struct error *error) {
    struct analysis_looks *looks = &campaign->speed_looks[kind][host];
    if (!look(campaign, kind, host, host + 1, (*number)++, error)) {
        return false;
    }
    judge(campaign);
    if (!campaign->speeds[host].looks_slow[kind]) {
        return true;
    }
    looks->count++;
    size_t control = find_control(campaign, kind, host, turn);
    if (control < campaign->placement->host_count) {
        if (!look(campaign, kind, control, control + 1, (*number)++, error)) {
            return false;
        }
        double rate = rate_of_look(campaign, kind, control);
        looks->quiet += speeds_is_slow(kind, rate, campaign->speeds[host].usual[kind]) ? 0 : 1;
    }
    campaign->speed_verdicts[kind][host] = (uint8_t)analysis_judge_looks(looks);
    return true;
}

static bool confirm(struct campaign *campaign, struct error *error) {
    size_t hosts = campaign->placement->host_count;
    double end = MPI_Wtime() + looks_share * campaign->limit_seconds;
    int32_t number = phases_next_look(campaign, PHASE_MEMORY);
    bool any = true;
    judge(campaign);
    for (size_t turn = 0; any && turn < ANALYSIS_LOOKS_MAX; turn++) {
        any = false;
        for (size_t i = 0; i < SPEEDS_KINDS * hosts && MPI_Wtime() < end; i++) {
            enum speeds_kind kind = (enum speeds_kind)(i / hosts);
            size_t host = i % hosts;
            if (campaign->speeds[host].looks_slow[kind] &&
                campaign->speed_verdicts[kind][host] == VERDICT_NONE) {
                any = true;
                if (!look_again(campaign, kind, host, turn, &number, error)) {
                    return false;
                }
            }
        }
    }
    return true;
}

bool phases_run_speeds(struct campaign *campaign, struct error *error) {
    size_t hosts = campaign->placement->host_count;
    campaign->speed_ranks = ARENA_ARRAY(campaign->arena, int32_t, (size_t)campaign->placement->ranks);
    campaign->speeds = ARENA_ARRAY(campaign->arena, struct speeds_host, hosts);
    campaign->class_of = ARENA_ARRAY(campaign->arena, size_t, hosts);
    node_classify(campaign->nodes, hosts, campaign->class_of);
    for (int kind = 0; kind < SPEEDS_KINDS; kind++) {
        campaign->speed_looks[kind] = ARENA_ARRAY(campaign->arena, struct analysis_looks, hosts);
        campaign->speed_verdicts[kind] = ARENA_ARRAY(campaign->arena, uint8_t, hosts);
    }
    for (size_t host = 0; host < hosts; host = phases_turn_end(campaign, host)) {
        for (int kind = 0; kind < SPEEDS_KINDS; kind++) {
            if (!look(campaign, (enum speeds_kind)kind, host, phases_turn_end(campaign, host), 0, error)) {
                return false;
            }
        }
        progress_step(&campaign->progress, (double)host / (double)hosts, MPI_Wtime());
    }
    /* Hosts that are one machine compute alike; which of them shares a core with other work tells nothing. */
    return campaign->placement->share_machine || confirm(campaign, error);
}

double phases_expect_speeds(const struct campaign *campaign) {
    size_t turns = campaign->placement->share_machine ? campaign->placement->host_count : 1;
    return (double)turns * (seconds_of[SPEEDS_COMPUTE] + seconds_of[SPEEDS_MEMORY] + 2 * warm_up_seconds);
}
