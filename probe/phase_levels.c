/* Levels out of the pairs, and who deviates. A link that looks slow is looked at again, alone and in turn
 * with a sound link of the same level: other work on a machine or a network slows now one, now another, and
 * pairs measured at the same time slow each other. */
#include <math.h>
#include <mpi.h>

#include "probe/phases.h"

static const double look_seconds = 0.08;
static const double warm_up_seconds = 0.03;
static const double latency_seconds = 0.03;
static const double passes_share = 0.1;                       /* of the time limit, for latencies */
static const double bettered_share = 0.05, bettered_by = 0.1; /* of the pairs; of a pair's least latency */
static const double looks_share = 0.15; /* of the time limit: what looking again may take */
static const double control_share =
    0.9; /* of the usual: a control this fast shows that nothing else goes on */
enum {
    PASSES_MAX = 8,      /* over all pairs, for their latency */
    REFERENCE_PAIRS = 4, /* of each level, measured alone where a whole round ran at once */
    LOOKS_MAX = 9,       /* at one link, until it is cleared or confirmed */
    LOOKS_TO_CONFIRM = 3 /* each slow, between controls that are not */
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

/* Who deviates, by all looks so far. */
static void find_deviations(struct campaign *campaign, struct analysis_links *suspects) {
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

/* Looks at one direction alone; `look` numbers the looks at it. */
static bool look(struct campaign *campaign, const struct campaign_pair *pair, int32_t number,
                 struct error *error) {
    struct record key = look_key;
    key.level = number;
    return campaign_measure(campaign, &key, pair, 1, look_seconds, false, error);
}

/* The least latency of each pair is what a link can do, once other work left it alone: pairs are looked at
 * again, in turn, until a pass betters few of them, or takes too long. */
static bool settle_latencies(struct campaign *campaign, struct error *error) {
    struct record key = {.phase = PHASE_PAIRS, .kind = TASK_LATENCY, .bytes = CAMPAIGN_LATENCY_BYTES};
    size_t hosts = campaign->placement->host_count, pairs = hosts * (hosts - 1) / 2, bettered = pairs;
    double cost = (double)pairs * (latency_seconds + warm_up_seconds);
    double end = MPI_Wtime() + passes_share * campaign->limit_seconds;
    for (key.level = 1; key.level <= PASSES_MAX && (double)bettered > bettered_share * (double)pairs;
         key.level++) {
        if (MPI_Wtime() + cost > end) {
            return true;
        }
        struct arena *scratch = arena_create();
        struct analysis_matrix before;
        campaign_gather(campaign, scratch, &before);
        bool good = true;
        bettered = 0;
        for (size_t i = 0; i < hosts && good; i++) {
            for (size_t j = i + 1; j < hosts && good; j++) {
                struct campaign_pair pair = {campaign_leader(campaign, i), campaign_leader(campaign, j)};
                good = campaign_measure(campaign, &key, &pair, 1, latency_seconds, false, error);
                double least = campaign->records->items[campaign->records->count - 1].summary.minimum;
                bettered += least < (1 - bettered_by) * (double)before.latency[i * hosts + j] ? 1 : 0;
            }
        }
        arena_destroy(scratch);
        if (!good) {
            return false;
        }
    }
    return true;
}

/* Some pairs of each level alone, both ways: what is usual there, where the rounds shared uplinks. */
static bool measure_references(struct campaign *campaign, struct error *error) {
    struct campaign_pair pairs[REFERENCE_PAIRS];
    for (size_t level = 0; level < campaign->levels.count; level++) {
        size_t count = phases_sample_pairs(campaign, level, REFERENCE_PAIRS, pairs);
        for (size_t i = 0; i < count && !phases_time_is_up(campaign); i++) {
            struct campaign_pair back = {pairs[i].to, pairs[i].from};
            if (!look(campaign, &pairs[i], 1, error) || !look(campaign, &back, 1, error)) {
                return false;
            }
        }
    }
    return true;
}

/* A sound direction of the level, other hosts' where possible, the fastest of them; false when there is none.
 */
static bool find_control(const struct campaign *campaign, const struct analysis_matrix *matrix,
                         const struct analysis_link *link, double usual, struct analysis_link *control) {
    size_t hosts = matrix->hosts, level = levels_joining(&campaign->levels, link->from, link->to);
    double best = 0;
    for (size_t i = 0; i < hosts; i++) {
        for (size_t j = 0; j < hosts; j++) {
            size_t cell = i * hosts + j;
            double factor = (double)matrix->bandwidth[cell] / usual;
            bool shares = i == link->from || j == link->to;
            double score = factor + (shares ? 0 : 1);
            if (i != j && matrix->alone[cell] && matrix->verdict[cell] == VERDICT_NONE &&
                factor >= control_share && score > best && levels_joining(&campaign->levels, i, j) == level) {
                best = score;
                *control = (struct analysis_link){i, j, factor, true};
            }
        }
    }
    return best > 0;
}

/* A suspect, the link it is compared with, and what is usual for both. */
struct trial {
    struct campaign_pair suspect, control;
    bool has_control;
    double usual;
    int32_t number; /* of the next look, the same for both */
};

static void start_trial(const struct campaign *campaign, const struct analysis_link *link,
                        struct trial *trial) {
    struct arena *scratch = arena_create();
    struct analysis_matrix matrix;
    struct analysis_usual usual;
    struct analysis_link control = {0};
    campaign_gather(campaign, scratch, &matrix);
    analysis_usual(&matrix, &campaign->levels, levels_joining(&campaign->levels, link->from, link->to),
                   scratch, &usual);
    *trial = (struct trial){.usual = usual.bandwidth};
    trial->has_control = find_control(campaign, &matrix, link, usual.bandwidth, &control);
    trial->suspect =
        (struct campaign_pair){campaign_leader(campaign, link->from), campaign_leader(campaign, link->to)};
    trial->control = (struct campaign_pair){campaign_leader(campaign, control.from),
                                            campaign_leader(campaign, control.to)};
    for (size_t r = 0; r < campaign->records->count; r++) {
        const struct record *record = &campaign->records->items[r];
        if (record->phase == PHASE_PAIRS && record->kind == TASK_STREAM && record->level >= trial->number) {
            trial->number = record->level + 1;
        }
    }
    arena_destroy(scratch);
}

static const struct summary *last_look(const struct campaign *campaign) {
    return &campaign->records->items[campaign->records->count - 1].summary;
}

/* Looks at the control. `quiet`: it is as fast as usual; true where there is none. */
static bool look_at_control(struct campaign *campaign, struct trial *trial, bool *quiet,
                            struct error *error) {
    *quiet = true;
    if (!trial->has_control) {
        return true;
    }
    if (!look(campaign, &trial->control, trial->number++, error)) {
        return false;
    }
    *quiet = last_look(campaign)->upper_quartile >= control_share * trial->usual;
    return true;
}

/* Suspect, control, suspect, control ... until the suspect was as fast as usual once, or slow often enough
 * while the controls before and after it were not. */
static bool try_link(struct campaign *campaign, const struct analysis_link *link,
                     enum analysis_verdict *verdict, struct error *error) {
    struct trial trial;
    bool before = true, after;
    int slow = 0;
    start_trial(campaign, link, &trial);
    *verdict = VERDICT_UNCLEAR;
    for (int number = 0; number < LOOKS_MAX && !phases_time_is_up(campaign); number++) {
        if (!look(campaign, &trial.suspect, trial.number++, error)) {
            return false;
        }
        const struct summary summary = *last_look(campaign);
        if (!analysis_is_slow(summary.upper_quartile, summary_spread(&summary), trial.usual)) {
            *verdict = VERDICT_NONE;
            return true;
        }
        if (!look_at_control(campaign, &trial, &after, error)) {
            return false;
        }
        slow += before && after ? 1 : 0;
        before = after;
        if (slow == LOOKS_TO_CONFIRM) {
            *verdict = VERDICT_SLOW;
            return true;
        }
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
    if (!settle_latencies(campaign, error)) {
        return false;
    }
    find_levels(campaign);
    if (campaign->plan.at_once > 1 && !measure_references(campaign, error)) {
        return false;
    }
    double end = MPI_Wtime() + looks_share * campaign->limit_seconds;
    find_deviations(campaign, &suspects);
    while (suspects.count > 0 && MPI_Wtime() < end && !phases_time_is_up(campaign)) {
        const struct analysis_link *link = &suspects.items[0];
        enum analysis_verdict verdict;
        if (!try_link(campaign, link, &verdict, error)) {
            return false;
        }
        campaign->verdicts[link->from * hosts + link->to] = (uint8_t)verdict;
        campaign->unclear_links += verdict == VERDICT_UNCLEAR ? 1 : 0;
        find_deviations(campaign, &suspects);
    }
    for (size_t i = 0; i < suspects.count; i++) {
        campaign->unclear_links += suspects.items[i].alone ? 1 : 0;
    }
    return true;
}

double phases_expect_levels(const struct campaign *campaign) {
    double hosts = (double)campaign->placement->host_count;
    double pass = hosts * (hosts - 1) / 2 * (latency_seconds + warm_up_seconds);
    double looks = campaign->plan.at_once > 1 ? 2 * 2 * REFERENCE_PAIRS : 0; /* two levels, both ways */
    return (pass < passes_share * campaign->limit_seconds ? pass : 0) +
           looks * (look_seconds + warm_up_seconds);
}
