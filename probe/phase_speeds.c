/* How fast each node computes and copies, alone; one that seems slow is looked at again, in turn with another
 * of its class, as links are (phase_levels.c): other work slows now one, now another. */

#include "common/clock.h"
#include "probe/confirm.h"
#include "probe/phases.h"

static const double seconds_of[SPEEDS_KINDS] = {[SPEEDS_COMPUTE] = 0.05, [SPEEDS_MEMORY] = 0.15};
static const double WARM_UP_SECONDS = 0.03;
static const double LOOKS_SHARE = 0.02; /* of the time limit: what looking again may take */
static const double TURNS_SHARE = 0.01; /* the same of hosts that are one machine, in turn, after the first */

/* All ranks of hosts first .. end-1 at once; `number` tells the looks apart. */
static bool look(struct campaign *campaign, enum speeds_kind kind, size_t first, size_t end, int32_t number,
                 struct error *error) {
    const struct placement *placement = campaign->placement;
    int32_t *ranks = campaign->speed_ranks;
    size_t count = 0;
    for (size_t i = first; i < end; i++)
        for (int32_t r = 0; r < placement->hosts[i].rank_count; r++)
            ranks[count++] = placement->hosts[i].ranks[r];
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
            !campaign->speeds[other].looks_slow[kind])
            return other;
    }
    return hosts;
}

/* What the look just taken showed of a host: the median of its ranks. */
static double rate_of_look(const struct campaign *campaign, enum speeds_kind kind, size_t host) {
    size_t count = (size_t)campaign->placement->hosts[host].rank_count;
    const struct record *last = &campaign->records->items[campaign->records->count - count];
    double *rates = ARENA_ARRAY(campaign->arena, double, count);
    for (size_t i = 0; i < count; i++)
        rates[i] = speeds_rate(kind, &last[i].summary);
    return summary_median(rates, count);
}

/* Of a suspect the number is that of the kind times the hosts, plus the host's. */
static size_t list_weak(struct campaign *campaign, void *context, size_t *suspects) {
    size_t hosts = campaign->placement->host_count, count = 0;
    (void)context;
    judge(campaign);
    for (size_t i = 0; i < SPEEDS_KINDS * hosts; i++)
        if (campaign->speeds[i % hosts].looks_slow[i / hosts] &&
            campaign->speed_verdicts[i / hosts][i % hosts] == VERDICT_NONE)
            suspects[count++] = i;
    return count;
}

/* `context`: the number of the next look. */
static bool look_at_weak(struct campaign *campaign, void *context, size_t suspect, bool beside, size_t turn,
                         enum confirm_seen *seen, struct error *error) {
    int32_t *number = context;
    size_t hosts = campaign->placement->host_count, host = suspect % hosts;
    enum speeds_kind kind = (enum speeds_kind)(suspect / hosts);
    size_t looked_at = beside ? find_control(campaign, kind, host, turn) : host;
    *seen = CONFIRM_NOTHING;
    if (looked_at == hosts)
        return true;
    if (!look(campaign, kind, looked_at, looked_at + 1, (*number)++, error))
        return false;
    bool slow;
    if (beside) {
        double rate = rate_of_look(campaign, kind, looked_at);
        slow = speeds_is_slow(kind, rate, campaign->speeds[host].usual[kind]);
    } else {
        judge(campaign);
        slow = campaign->speeds[host].looks_slow[kind];
    }
    *seen = slow ? CONFIRM_SLOW : CONFIRM_FAST;
    return true;
}

static bool confirm_weak_hosts(struct campaign *campaign, struct error *error) {
    int32_t number = phases_next_look(campaign, PHASE_MEMORY);
    size_t count = SPEEDS_KINDS * campaign->placement->host_count;
    const struct confirm confirm = {.count = count,
                                    .verdicts = campaign->speed_verdicts[0],
                                    .share = LOOKS_SHARE,
                                    .rounds_max = ANALYSIS_LOOKS_MAX,
                                    .at_once = count,
                                    .context = &number,
                                    .list = list_weak,
                                    .look = look_at_weak};
    return confirm_run(campaign, &confirm, error);
}

bool phases_run_speeds(struct campaign *campaign, struct error *error) {
    size_t hosts = campaign->placement->host_count;
    campaign->speed_ranks = ARENA_ARRAY(campaign->arena, int32_t, (size_t)campaign->placement->ranks);
    campaign->speeds = ARENA_ARRAY(campaign->arena, struct speeds_host, hosts);
    campaign->class_of = ARENA_ARRAY(campaign->arena, size_t, hosts);
    node_classify(campaign->nodes, hosts, campaign->class_of);
    uint8_t *verdicts = ARENA_ARRAY(campaign->arena, uint8_t, SPEEDS_KINDS * hosts);
    for (size_t kind = 0; kind < SPEEDS_KINDS; kind++)
        campaign->speed_verdicts[kind] = verdicts + kind * hosts;
    double end = clock_seconds() + TURNS_SHARE * campaign->limit_seconds;
    for (size_t host = 0; host < hosts && (host == 0 || clock_seconds() < end);
         host = phases_turn_end(campaign, host)) {
        for (int kind = 0; kind < SPEEDS_KINDS; kind++)
            if (!look(campaign, (enum speeds_kind)kind, host, phases_turn_end(campaign, host), 0, error))
                return false;
        progress_step(&campaign->progress, (double)host / (double)hosts, clock_seconds());
    }
    /* Hosts that are one machine compute alike; which of them shares a core with other work tells nothing. */
    return campaign->placement->share_machine || confirm_weak_hosts(campaign, error);
}

double phases_expect_speeds(const struct campaign *campaign) {
    size_t turns = campaign->placement->share_machine ? campaign->placement->host_count : 1;
    return (double)turns * (seconds_of[SPEEDS_COMPUTE] + seconds_of[SPEEDS_MEMORY] + 2 * WARM_UP_SECONDS);
}
