/* Levels out of the pairs, and who deviates. A link that looks slow is looked at again, alone and in turn
 * with a sound link of the same level: other work on a machine or a network slows now one, now another, and
 * pairs measured at the same time slow each other. */
#include <math.h>
#include <mpi.h>

#include "probe/phases.h"

static const double look_seconds = 0.08;
static const double warm_up_seconds = 0.03;
static const double looks_share = 0.15; /* of the time limit: what looking again may take */
static const double control_share =
    0.9; /* of the usual: a control this fast shows that nothing else goes on */
enum {
    REFERENCE_PAIRS = 4,  /* of each level, measured alone where a whole round ran at once */
    CONTROLS_MAX = 4,     /* sound links that a suspect is compared with */
    SUSPECTS_AT_ONCE = 3, /* that are looked at in turn */
};

static const struct record look_key = {
    .phase = PHASE_PAIRS, .kind = TASK_STREAM, .bytes = CAMPAIGN_STREAM_BYTES};

size_t phases_sample_pairs(const struct campaign *campaign, size_t level, size_t most,
                           struct campaign_pair *pairs) {
    size_t hosts = campaign->placement->host_count, taken = 0;
    for (int any = 0; any < 2 && taken == 0; any++) {
        size_t total = 0, seen = 0;
        for (int pass = 0; pass < 2; pass++) {
            for (size_t i = 0; i < hosts; i++) {
                for (size_t j = i + 1; j < hosts; j++) {
                    bool sound = campaign->hosts[i].note[0] == '\0' && campaign->hosts[j].note[0] == '\0';
                    if ((!sound && any == 0) || levels_joining(&campaign->levels, i, j) != level) {
                        continue;
                    }
                    if (pass == 0) {
                        total++;
                    } else if (taken < most && seen++ * most >= taken * total) {
                        pairs[taken++] = (struct campaign_pair){campaign_leader(campaign, i),
                                                                campaign_leader(campaign, j)};
                    }
                }
            }
        }
    }
    return taken;
}

void phases_find_deviations(struct campaign *campaign, struct analysis_links *suspects) {
    struct arena *scratch = arena_create();
    struct analysis_matrix matrix;
    campaign_gather(campaign, scratch, &matrix);
    analysis_deviations(&matrix, &campaign->levels, scratch, campaign->hosts, &campaign->slow_links,
                        suspects);
    arena_destroy(scratch);
}

static void find_levels(struct campaign *campaign) {
    struct arena *scratch = arena_create();
    struct analysis_matrix matrix;
    campaign_gather(campaign, scratch, &matrix);
    analysis_find_levels(&matrix, campaign->arena, &campaign->levels, &campaign->by_bandwidth);
    arena_destroy(scratch);
}

/* Looks at one direction alone; `number` tells the looks apart. */
static bool look(struct campaign *campaign, const struct campaign_pair *pair, int32_t number,
                 struct summary *seen, struct error *error) {
    struct record key = look_key;
    key.level = number;
    return campaign_measure_one(campaign, &key, pair, look_seconds, seen, error);
}

/* Some pairs of each level alone, both ways: what is usual there, where the rounds shared uplinks. */
static bool measure_references(struct campaign *campaign, struct error *error) {
    struct campaign_pair pairs[REFERENCE_PAIRS];
    struct summary seen;
    for (size_t level = 0; level < campaign->levels.count; level++) {
        size_t count = phases_sample_pairs(campaign, level, REFERENCE_PAIRS, pairs);
        for (size_t i = 0; i < count && !phases_time_is_up(campaign); i++) {
            struct campaign_pair back = {pairs[i].to, pairs[i].from};
            if (!look(campaign, &pairs[i], 1, &seen, error) || !look(campaign, &back, 1, &seen, error)) {
                return false;
            }
        }
    }
    return true;
}

/* Sound directions of the level to compare a suspect with: those of other hosts first, then the fastest.
 * Returns how many. */
static size_t find_controls(const struct campaign *campaign, const struct analysis_matrix *matrix,
                            const struct analysis_link *link, double usual,
                            struct campaign_pair controls[CONTROLS_MAX]) {
    size_t hosts = matrix->hosts, level = levels_joining(&campaign->levels, link->from, link->to), count = 0;
    double scores[CONTROLS_MAX];
    for (size_t i = 0; i < hosts; i++) {
        for (size_t j = 0; j < hosts; j++) {
            size_t cell = i * hosts + j;
            double factor = (double)matrix->bandwidth[cell] / usual;
            bool shares = i == link->from || j == link->to;
            double score = factor + (shares ? 0 : 1);
            if (i == j || !matrix->alone[cell] || matrix->verdict[cell] != VERDICT_NONE ||
                !(factor >= control_share) || levels_joining(&campaign->levels, i, j) != level) {
                continue;
            }
            size_t place = count < CONTROLS_MAX ? count++ : CONTROLS_MAX;
            for (; place > 0 && scores[place - 1] < score; place--) {
                if (place < CONTROLS_MAX) {
                    scores[place] = scores[place - 1];
                    controls[place] = controls[place - 1];
                }
            }
            if (place < CONTROLS_MAX) {
                scores[place] = score;
                controls[place] =
                    (struct campaign_pair){campaign_leader(campaign, i), campaign_leader(campaign, j)};
            }
        }
    }
    return count;
}

/* One look at a suspect, and one at a sound link of the same level, those there are in turn. */
static bool look_again(struct campaign *campaign, const struct analysis_link *link, int32_t *number,
                       struct error *error) {
    size_t hosts = campaign->placement->host_count, cell = link->from * hosts + link->to;
    struct analysis_looks *looks = &campaign->looks[cell];
    struct arena *scratch = arena_create();
    struct analysis_matrix matrix;
    struct analysis_usual usual;
    struct campaign_pair controls[CONTROLS_MAX];
    const struct campaign_pair suspect = {campaign_leader(campaign, link->from),
                                          campaign_leader(campaign, link->to)};
    campaign_gather(campaign, scratch, &matrix);
    analysis_usual(&matrix, &campaign->levels, levels_joining(&campaign->levels, link->from, link->to),
                   scratch, &usual);
    size_t control_count = find_controls(campaign, &matrix, link, usual.bandwidth, controls);
    arena_destroy(scratch);
    struct summary seen;
    if (!look(campaign, &suspect, (*number)++, &seen, error)) {
        return false;
    }
    looks->count++;
    if (analysis_is_slow(seen.upper_quartile, usual.bandwidth) && control_count > 0) {
        if (!look(campaign, &controls[(size_t)looks->count % control_count], (*number)++, &seen, error)) {
            return false;
        }
        looks->quiet += seen.upper_quartile >= control_share * usual.bandwidth ? 1 : 0;
    }
    campaign->verdicts[cell] = (uint8_t)analysis_judge_looks(looks);
    campaign->unclear_links += campaign->verdicts[cell] == VERDICT_UNCLEAR ? 1 : 0;
    return true;
}

int32_t phases_next_look(const struct campaign *campaign, enum record_phase phase) {
    int32_t number = 1;
    for (size_t r = 0; r < campaign->records->count; r++) {
        const struct record *record = &campaign->records->items[r];
        if (record->phase == (int32_t)phase && record->level >= number) {
            number = record->level + 1;
        }
    }
    return number;
}

/* Rounds over the slowest suspects: so the looks at each are spread in time, and what slows some of them for
 * a moment is over at others. A look that is as fast as usual clears a suspect, since the best look counts.
 */
static bool try_suspects(struct campaign *campaign, struct analysis_links *suspects, struct error *error) {
    double end = MPI_Wtime() + looks_share * campaign->limit_seconds;
    size_t hosts = campaign->placement->host_count;
    int32_t number = phases_next_look(campaign, PHASE_PAIRS);
    while (suspects->count > 0 && MPI_Wtime() < end && !phases_time_is_up(campaign)) {
        for (size_t i = 0; i < suspects->count && i < SUSPECTS_AT_ONCE; i++) {
            const struct analysis_link *link = &suspects->items[i];
            bool host_is_slow =
                campaign->hosts[link->from].note[0] != '\0' || campaign->hosts[link->to].note[0] != '\0';
            if (!host_is_slow && !look_again(campaign, link, &number, error)) {
                return false;
            }
            if (campaign->verdicts[link->from * hosts + link->to] != VERDICT_NONE) {
                break; /* which may explain others */
            }
        }
        phases_find_deviations(campaign, suspects);
    }
    return true;
}

bool phases_run_levels(struct campaign *campaign, struct error *error) {
    struct analysis_links suspects;
    size_t hosts = campaign->placement->host_count;
    if (hosts < 2) {
        return true;
    }
    campaign->hosts = ARENA_ARRAY(campaign->arena, struct analysis_host, hosts);
    campaign->verdicts = ARENA_ARRAY(campaign->arena, uint8_t, hosts * hosts);
    campaign->looks = ARENA_ARRAY(campaign->arena, struct analysis_looks, hosts * hosts);
    campaign->late_verdicts = ARENA_ARRAY(campaign->arena, uint8_t, hosts);
    campaign->late_looks = ARENA_ARRAY(campaign->arena, struct analysis_looks, hosts);
    if (!phases_settle_latencies(campaign, error)) {
        return false;
    }
    find_levels(campaign);
    if (campaign->plan.at_once > 1 && !measure_references(campaign, error)) {
        return false;
    }
    if (!phases_confirm_late_hosts(campaign, error)) {
        return false;
    }
    phases_find_deviations(campaign, &suspects);
    if (!try_suspects(campaign, &suspects, error)) {
        return false;
    }
    for (size_t i = 0; i < suspects.count; i++) {
        campaign->unclear_links += suspects.items[i].alone ? 1 : 0;
    }
    return true;
}

double phases_expect_levels(const struct campaign *campaign) {
    double looks = campaign->plan.at_once > 1 ? 2 * 2 * REFERENCE_PAIRS : 0; /* two levels, both ways */
    return phases_latency_pass_seconds(campaign) + looks * (look_seconds + warm_up_seconds);
}
