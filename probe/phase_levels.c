/* Levels out of the pairs, and who deviates. A link that looks slow is looked at again, alone and in turn
 * with a sound link of the same level: other work on a machine or a network slows now one, now another, and
 * pairs measured at the same time slow each other. */
#include <math.h>
#include <mpi.h>

#include "probe/confirm.h"
#include "probe/phases.h"

static const double LOOK_SECONDS = 0.08;
static const double WARM_UP_SECONDS = 0.03;
static const double LOOKS_SHARE = 0.15; /* of the time limit: what looking again may take */
static const double CONTROL_SHARE =
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
                    if ((!sound && any == 0) || levels_joining(&campaign->levels, i, j) != level)
                        continue;
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
    return campaign_measure_one(campaign, &key, pair, LOOK_SECONDS, seen, error);
}

/* Some pairs of each level alone, both ways: what is usual there, where the rounds shared uplinks. */
static bool measure_references(struct campaign *campaign, struct error *error) {
    struct campaign_pair pairs[REFERENCE_PAIRS];
    struct summary seen;
    for (size_t level = 0; level < campaign->levels.count; level++) {
        size_t count = phases_sample_pairs(campaign, level, REFERENCE_PAIRS, pairs);
        for (size_t i = 0; i < count && !phases_time_is_up(campaign); i++) {
            struct campaign_pair back = {pairs[i].to, pairs[i].from};
            if (!look(campaign, &pairs[i], 1, &seen, error) || !look(campaign, &back, 1, &seen, error))
                return false;
        }
    }
    return true;
}

/* Sound directions of the level to compare a link with: those of other hosts first, then the fastest.
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
                !(factor >= CONTROL_SHARE) || levels_joining(&campaign->levels, i, j) != level)
                continue;
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

/* Number `turn` of them. False where there is none. */
static bool find_control(const struct campaign *campaign, const struct analysis_link *link, double usual,
                         size_t turn, struct campaign_pair *control) {
    struct arena *scratch = arena_create();
    struct analysis_matrix matrix;
    struct campaign_pair controls[CONTROLS_MAX];
    campaign_gather(campaign, scratch, &matrix);
    size_t count = find_controls(campaign, &matrix, link, usual, controls);
    arena_destroy(scratch);
    if (count > 0)
        *control = controls[turn % count];
    return count > 0;
}

/* What the looks at slow links keep: of a link the number is its place in the matrix. */
struct slow {
    int32_t number; /* of the next look */
    struct analysis_links suspects;
};

static size_t list_slow(struct campaign *campaign, void *context, size_t *numbers) {
    struct slow *slow = context;
    size_t hosts = campaign->placement->host_count, count = 0;
    phases_find_deviations(campaign, &slow->suspects);
    for (; count < slow->suspects.count && count < SUSPECTS_AT_ONCE; count++)
        numbers[count] = slow->suspects.items[count].from * hosts + slow->suspects.items[count].to;
    return count;
}

static bool look_at_slow(struct campaign *campaign, void *context, size_t number, bool beside, size_t turn,
                         enum confirm_seen *seen, struct error *error) {
    struct slow *slow = context;
    size_t hosts = campaign->placement->host_count;
    const struct analysis_link link = {.from = number / hosts, .to = number % hosts};
    struct campaign_pair pair = {campaign_leader(campaign, link.from), campaign_leader(campaign, link.to)};
    double usual = phases_usual(campaign, levels_joining(&campaign->levels, link.from, link.to)).bandwidth;
    struct summary summary;
    *seen = CONFIRM_NOTHING;
    if (beside && !find_control(campaign, &link, usual, turn, &pair))
        return true;
    if (!look(campaign, &pair, slow->number++, &summary, error))
        return false;
    bool is_slow = beside ? summary.upper_quartile < CONTROL_SHARE * usual
                          : analysis_is_slow(summary.upper_quartile, usual);
    *seen = is_slow ? CONFIRM_SLOW : CONFIRM_FAST;
    return true;
}

int32_t phases_next_look(const struct campaign *campaign, enum record_phase phase) {
    int32_t number = 1;
    for (size_t r = 0; r < campaign->records->count; r++) {
        const struct record *record = &campaign->records->items[r];
        if (record->phase == (int32_t)phase && record->level >= number)
            number = record->level + 1;
    }
    return number;
}

/* A look that is as fast as usual clears a suspect, since the best look counts. */
static bool confirm_slow_links(struct campaign *campaign, struct error *error) {
    size_t hosts = campaign->placement->host_count;
    struct slow slow = {.number = phases_next_look(campaign, PHASE_PAIRS)};
    const struct confirm confirm = {.count = hosts * hosts,
                                    .verdicts = campaign->verdicts,
                                    .share = LOOKS_SHARE,
                                    .rounds_max = SIZE_MAX,
                                    .at_once = SUSPECTS_AT_ONCE,
                                    .context = &slow,
                                    .list = list_slow,
                                    .look = look_at_slow};
    if (!confirm_run(campaign, &confirm, error))
        return false;
    phases_find_deviations(campaign, &slow.suspects);
    for (size_t i = 0; i < slow.suspects.count; i++)
        campaign->unclear_links += slow.suspects.items[i].alone ? 1 : 0;
    for (size_t cell = 0; cell < hosts * hosts; cell++)
        campaign->unclear_links += campaign->verdicts[cell] == VERDICT_UNCLEAR ? 1 : 0;
    return true;
}

bool phases_run_levels(struct campaign *campaign, struct error *error) {
    size_t hosts = campaign->placement->host_count;
    if (hosts < 2)
        return true;
    campaign->hosts = ARENA_ARRAY(campaign->arena, struct analysis_host, hosts);
    campaign->verdicts = ARENA_ARRAY(campaign->arena, uint8_t, hosts * hosts);
    campaign->late_verdicts = ARENA_ARRAY(campaign->arena, uint8_t, hosts);
    if (!phases_settle_latencies(campaign, error))
        return false;
    find_levels(campaign);
    if (campaign->plan.at_once > 1 && !measure_references(campaign, error))
        return false;
    return phases_confirm_late_hosts(campaign, error) && confirm_slow_links(campaign, error);
}

double phases_expect_levels(const struct campaign *campaign) {
    double looks = campaign->plan.at_once > 1 ? 2 * 2 * REFERENCE_PAIRS : 0; /* two levels, both ways */
    return phases_latency_pass_seconds(campaign) + looks * (LOOK_SECONDS + WARM_UP_SECONDS);
}
