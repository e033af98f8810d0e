/* Latencies of pairs of hosts that other work left alone, and which hosts are late. */
#include <math.h>

#include "common/clock.h"
#include "probe/confirm.h"
#include "probe/phases.h"

static const double LATENCY_SECONDS = 0.03, WARM_UP_SECONDS = 0.03;
static const double PASSES_SHARE = 0.05; /* of the time limit, for all pairs; and for hosts that look late */
/* So many least looks at a latency have to differ by no more than the share: other work holds up all round
 * trips of a look alike, and two may agree on what is a tenth too long. */
static const double SETTLED_SHARE = 0.01;
enum { AGREEING = 3, PASSES_MAX = 8 }; /* passes: over all pairs */
/* So long passes go on if need be, be they more: other work holds up all looks of a short time alike, and
 * those at few pairs are soon taken. */
static const double PASSES_LEAST_SECONDS = 2.5;

static const struct record look_key = {
    .phase = PHASE_PAIRS, .kind = TASK_LATENCY, .bytes = CAMPAIGN_LATENCY_BYTES};

/* The least of a pair's looks at its latency, seconds, by rising time; infinite where there were fewer. */
struct least_looks {
    double seconds[AGREEING];
};

static bool is_settled(const struct least_looks *looks) {
    return looks->seconds[AGREEING - 1] <= (1 + SETTLED_SHARE) * looks->seconds[0];
}

static void add_look(struct least_looks *looks, double seconds) {
    for (size_t i = 0; i < AGREEING; i++) {
        double later = fmax(seconds, looks->seconds[i]);
        looks->seconds[i] = fmin(seconds, looks->seconds[i]);
        seconds = later;
    }
}

static void gather_looks(const struct campaign *campaign, struct least_looks *looks) {
    size_t hosts = campaign->placement->host_count;
    for (size_t i = 0; i < hosts * hosts; i++)
        for (size_t k = 0; k < AGREEING; k++)
            looks[i].seconds[k] = HUGE_VAL;
    for (size_t r = 0; r < campaign->records->count; r++) {
        const struct record *record = &campaign->records->items[r];
        if (record->phase == PHASE_PAIRS && record->kind == TASK_LATENCY) {
            size_t from = (size_t)campaign->placement->host_of[record->from],
                   to = (size_t)campaign->placement->host_of[record->to];
            add_look(&looks[from < to ? from * hosts + to : to * hosts + from], record->summary.minimum);
        }
    }
}

/* Looks at a pair of hosts; `number` tells the looks apart. */
static bool look(struct campaign *campaign, size_t from, size_t to, int32_t number, double *seconds,
                 struct error *error) {
    const struct campaign_pair pair = {campaign_leader(campaign, from), campaign_leader(campaign, to)};
    struct record key = look_key;
    struct summary seen;
    key.level = number;
    if (!campaign_measure_one(campaign, &key, &pair, LATENCY_SECONDS, &seen, error))
        return false;
    *seconds = seen.minimum;
    return true;
}

bool phases_settle_latencies(struct campaign *campaign, struct error *error) {
    size_t hosts = campaign->placement->host_count, pairs = hosts * (hosts - 1) / 2, unsettled = pairs;
    double begin = clock_seconds(), end = begin + PASSES_SHARE * campaign->limit_seconds, seconds;
    if (!(phases_latency_pass_seconds(campaign) > 0))
        return true;
    struct least_looks *looks = ARENA_ARRAY(campaign->arena, struct least_looks, hosts * hosts);
    gather_looks(campaign, looks);
    for (int32_t pass = 1;
         unsettled > 0 && (pass <= PASSES_MAX || clock_seconds() < begin + PASSES_LEAST_SECONDS); pass++) {
        unsettled = 0;
        for (size_t i = 0; i < hosts; i++) {
            for (size_t j = i + 1; j < hosts; j++) {
                struct least_looks *of_pair = &looks[i * hosts + j];
                if (is_settled(of_pair))
                    continue;
                if (clock_seconds() > end)
                    return true;
                if (!look(campaign, i, j, pass, &seconds, error))
                    return false;
                add_look(of_pair, seconds);
                unsettled += is_settled(of_pair) ? 0 : 1;
            }
        }
    }
    return true;
}

double phases_latency_pass_seconds(const struct campaign *campaign) {
    double hosts = (double)campaign->placement->host_count;
    double pass = hosts * (hosts - 1) / 2 * (LATENCY_SECONDS + WARM_UP_SECONDS);
    return pass < PASSES_SHARE * campaign->limit_seconds ? pass : 0;
}

/* Number `turn` of the pairs at a level of hosts that don't look late; of `host` with such a one, or of two
 * others. False when there is none. */
static bool find_pair(const struct campaign *campaign, size_t host, bool of_host, size_t level, size_t turn,
                      size_t pair[2]) {
    size_t hosts = campaign->placement->host_count, found = 0;
    for (int pass = 0; pass < 2; pass++) {
        size_t at = 0;
        for (size_t i = 0; i < hosts; i++) {
            for (size_t j = of_host ? 0 : i + 1; j < hosts; j++) {
                bool first_fits = of_host ? i == host : i != host && !campaign->hosts[i].is_late;
                if (!first_fits || j == i || j == host || campaign->hosts[j].is_late ||
                    levels_joining(&campaign->levels, i, j) != level)
                    continue;
                if (pass == 1 && at == turn % found) {
                    pair[0] = i;
                    pair[1] = j;
                    return true;
                }
                at++;
            }
        }
        found = at;
        if (found == 0)
            return false;
    }
    return false;
}

/* What the looks at late hosts keep. */
struct late {
    int32_t number; /* of the next look */
    size_t level;   /* of the last look at a host */
};

static size_t list_late(struct campaign *campaign, void *context, size_t *suspects) {
    struct analysis_links links;
    size_t count = 0;
    (void)context;
    phases_find_deviations(campaign, &links);
    for (size_t host = 0; host < campaign->placement->host_count; host++)
        if (campaign->hosts[host].is_late && campaign->late_verdicts[host] == VERDICT_NONE)
            suspects[count++] = host;
    return count;
}

/* A pair with the host, of the innermost level that has one, as latency tells most there; then one of two
 * others of the same level. */
static bool look_at_late(struct campaign *campaign, void *context, size_t host, bool beside, size_t turn,
                         enum confirm_seen *seen, struct error *error) {
    struct late *late = context;
    size_t pair[2] = {0, 0};
    bool found = beside && find_pair(campaign, host, false, late->level, turn, pair);
    for (size_t level = 0; !beside && !found && level < campaign->levels.count; level++) {
        found = find_pair(campaign, host, true, level, turn, pair);
        late->level = level;
    }
    *seen = CONFIRM_NOTHING;
    if (!found)
        return true;
    double seconds, usual = phases_usual(campaign, late->level).least_latency;
    if (!look(campaign, pair[0], pair[1], late->number++, &seconds, error))
        return false;
    *seen = analysis_is_late(seconds, usual) ? CONFIRM_SLOW : CONFIRM_FAST;
    return true;
}

bool phases_confirm_late_hosts(struct campaign *campaign, struct error *error) {
    size_t hosts = campaign->placement->host_count;
    struct late late = {.number = phases_next_look(campaign, PHASE_PAIRS)};
    const struct confirm confirm = {.count = hosts,
                                    .verdicts = campaign->late_verdicts,
                                    .share = PASSES_SHARE,
                                    .rounds_max = ANALYSIS_LOOKS_MAX,
                                    .at_once = hosts,
                                    .context = &late,
                                    .list = list_late,
                                    .look = look_at_late};
    return confirm_run(campaign, &confirm, error);
}
