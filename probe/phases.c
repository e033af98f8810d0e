#include "probe/phases.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "probe/analysis.h"

/* Seconds given to one measurement. Most end sooner, with their median known. */
static const double LATENCY_SECONDS = 0.03;
static const double STREAM_SECONDS = 0.08;
static const double SWEEP_SECONDS = 0.05;
static const double LOADED_SECONDS = 0.5;
static const double WARM_UP_SECONDS = 0.03; /* of one measurement, on top */
/* Shares of the time limit that pairs may take; the rest is for what follows. */
static const double LOCAL_SHARE = 0.15, PAIRS_SHARE = 0.5;
/* What only makes figures better is left out beyond this share of the time limit, or beyond the time that all
 * takes as planned and the slack. */
static const double AIM_SHARE = 1.0 / 6, AIM_SLACK = 1.25;
static const double SLOWNESS_MAX = 2; /* by which phases are expected to take longer as those before did */
enum {
    SWEEP_PAIRS = 3,
    SWEEP_SIZES = 8,
    HELD_OUT_SIZES = 3,
    LOADED_REPETITIONS = 3,
    LOADED_REPETITIONS_MAX = 6
};
static const int64_t sweep_bytes[SWEEP_SIZES] = {8, 64, 512, 4096, 32768, 262144, 1 << 20, 4 << 20};
static const int64_t held_out_bytes[HELD_OUT_SIZES] = {16 << 10, 128 << 10, 2 << 20};

static const struct record latency_key = {.kind = TASK_LATENCY, .bytes = CAMPAIGN_LATENCY_BYTES};
static const struct record stream_key = {.kind = TASK_STREAM, .bytes = CAMPAIGN_STREAM_BYTES};

/* A slot of the tournament: latency, then bandwidth there and back, at a pace of 1. */
static double slot_seconds(void) {
    return LATENCY_SECONDS + 2 * STREAM_SECONDS + 3 * WARM_UP_SECONDS;
}

static struct record in_phase(struct record key, enum record_phase phase, int32_t level) {
    key.phase = (int32_t)phase;
    key.level = level;
    return key;
}

bool phases_time_is_up(const struct campaign *campaign) {
    return campaign_seconds_left(campaign) <= 0;
}

static void step(struct campaign *campaign, double share) {
    progress_step(&campaign->progress, share, clock_seconds());
}

size_t phases_turn_end(const struct campaign *campaign, size_t first) {
    return campaign->placement->share_machine ? first + 1 : campaign->placement->host_count;
}

static void local_plan(const struct campaign *campaign, size_t host, struct schedule_plan *plan) {
    size_t turns = campaign->placement->share_machine ? campaign->placement->host_count : 1;
    double budget = LOCAL_SHARE * campaign->limit_seconds / (double)turns;
    double cost = LATENCY_SECONDS + STREAM_SECONDS + 2 * WARM_UP_SECONDS;
    schedule_make(campaign->placement->hosts[host].rank_count, cost, budget, plan);
}

/* Pairs of ranks of hosts first .. end-1, slot by slot; the hosts go in step. */
static bool run_local_turn(struct campaign *campaign, enum transport transport, size_t first, size_t end,
                           struct error *error) {
    const struct placement *placement = campaign->placement;
    struct campaign_pair *pairs =
        ARENA_ARRAY(campaign->arena, struct campaign_pair, (size_t)placement->ranks);
    struct schedule_pair *slot_pairs =
        ARENA_ARRAY(campaign->arena, struct schedule_pair, (size_t)placement->ranks);
    int64_t slots = 1;
    for (int64_t slot = 0; slot < slots && !phases_time_is_up(campaign); slot++) {
        size_t count = 0;
        for (size_t i = first; i < end; i++) {
            struct schedule_plan plan;
            local_plan(campaign, i, &plan);
            slots = plan.slots > slots ? plan.slots : slots;
            size_t found = slot < plan.slots ? schedule_slot(&plan, slot, slot_pairs) : 0;
            for (size_t p = 0; p < found; p++) {
                pairs[count++] = (struct campaign_pair){placement->hosts[i].ranks[slot_pairs[p].first],
                                                        placement->hosts[i].ranks[slot_pairs[p].second]};
            }
        }
        struct record latency = in_phase(latency_key, PHASE_LOCAL, 0);
        struct record stream = in_phase(stream_key, PHASE_LOCAL, 0);
        latency.transport = stream.transport = (int32_t)transport;
        if (!campaign_measure(campaign, &latency, pairs, count, LATENCY_SECONDS, false, error) ||
            !campaign_measure(campaign, &stream, pairs, count, STREAM_SECONDS, false, error))
            return false;
    }
    return true;
}

bool phases_run_local(struct campaign *campaign, enum transport transport, struct error *error) {
    for (size_t host = 0; host < campaign->placement->host_count; host = phases_turn_end(campaign, host)) {
        if (!run_local_turn(campaign, transport, host, phases_turn_end(campaign, host), error))
            return false;
        step(campaign, (double)host / (double)campaign->placement->host_count);
    }
    return true;
}

static bool run_local(struct campaign *campaign, struct error *error) {
    const struct placement *placement = campaign->placement;
    const struct placement_host *host = &placement->hosts[0];
    if (!phases_run_local(campaign, TRANSPORT_HOST, error))
        return false;
    sockets_find(campaign->records, host->ranks, placement->places, (size_t)host->rank_count, campaign->arena,
                 &campaign->sockets);
    return true;
}

static bool run_pairs(struct campaign *campaign, struct error *error) {
    size_t hosts = campaign->placement->host_count;
    double brief = campaign->pace * LATENCY_SECONDS, longer = campaign->pace * STREAM_SECONDS;
    const struct schedule_plan *plan = &campaign->plan;
    struct schedule_pair *slot_pairs = ARENA_ARRAY(campaign->arena, struct schedule_pair, hosts);
    struct campaign_pair *pairs = ARENA_ARRAY(campaign->arena, struct campaign_pair, hosts);
    struct record latency = in_phase(latency_key, PHASE_PAIRS, 0);
    struct record stream = in_phase(stream_key, PHASE_PAIRS, 0);
    for (int64_t slot = 0; slot < plan->slots && !phases_time_is_up(campaign); slot++) {
        size_t count = schedule_slot(plan, slot, slot_pairs);
        for (size_t i = 0; i < count; i++) {
            pairs[i].from = campaign_leader(campaign, (size_t)slot_pairs[i].first);
            pairs[i].to = campaign_leader(campaign, (size_t)slot_pairs[i].second);
        }
        if (!campaign_measure(campaign, &latency, pairs, count, brief, false, error) ||
            !campaign_measure(campaign, &stream, pairs, count, longer, false, error))
            return false;
        for (size_t i = 0; i < count; i++)
            pairs[i] = (struct campaign_pair){pairs[i].to, pairs[i].from};
        if (!campaign_measure(campaign, &stream, pairs, count, longer, false, error))
            return false;
        step(campaign, (double)(slot + 1) / (double)plan->slots);
    }
    return true;
}

double phases_extrapolate(const struct phases_took *before, const struct phases_took *last, int64_t bytes) {
    if (before->bytes == 0 || last->bytes == 0)
        return 0;
    double more = (double)(bytes - last->bytes) / (double)(last->bytes - before->bytes);
    double line = last->seconds + fmax(0, last->seconds - before->seconds) * more;
    return fmin(line, last->seconds * (double)bytes / (double)last->bytes);
}

/* By rising sizes; those that take too long one way, and larger ones, are left out. Over a long way the
 * smallest may take as long. */
static bool sweep_sizes(struct campaign *campaign, const struct record *asked, const int64_t *bytes,
                        size_t sizes, const struct campaign_pair *pair, struct error *error) {
    const double longest_seconds = 0.5; /* three round trips are the least that is measured */
    struct record key = *asked;
    struct phases_took before = {0}, last = {0};
    struct summary seen;
    double least = 0;
    for (size_t s = 0; s < sizes && !phases_time_is_up(campaign); s++) {
        if (phases_extrapolate(&before, &last, bytes[s]) > fmax(longest_seconds, 2 * least))
            return true;
        key.bytes = bytes[s];
        if (!campaign_measure_one(campaign, &key, pair, SWEEP_SECONDS, &seen, error))
            return false;
        before = last;
        last = (struct phases_took){bytes[s], seen.minimum};
        least = s == 0 ? seen.minimum : least;
    }
    return true;
}

/* Of the first pair of a level some sizes are held out of the fit. */
static bool sweep_pair(struct campaign *campaign, enum transport transport, const struct campaign_pair *pair,
                       int32_t level, bool first, struct error *error) {
    struct record key = in_phase(latency_key, PHASE_SWEEP, level);
    key.transport = (int32_t)transport;
    struct record held_out = in_phase(key, PHASE_HELD_OUT, level);
    struct record stream = in_phase(stream_key, PHASE_SWEEP, level);
    stream.transport = (int32_t)transport;
    struct record exchange = stream;
    exchange.kind = TASK_EXCHANGE;
    return sweep_sizes(campaign, &key, sweep_bytes, SWEEP_SIZES, pair, error) &&
           sweep_sizes(campaign, &held_out, held_out_bytes, first ? HELD_OUT_SIZES : 0, pair, error) &&
           (phases_time_is_up(campaign) ||
            campaign_measure(campaign, &stream, pair, 1, 2 * STREAM_SECONDS, false, error)) &&
           (phases_time_is_up(campaign) ||
            campaign_measure(campaign, &exchange, pair, 1, STREAM_SECONDS, false, error));
}

/* The first rank of the host and the next that is, or isn't, in its socket. False when there is none. */
static bool pair_by_socket(const struct campaign *campaign, const struct placement_host *host, bool inside,
                           struct campaign_pair *pair) {
    for (int32_t r = 1; r < host->rank_count; r++) {
        if ((campaign->sockets.group_of[r] == campaign->sockets.group_of[0]) == inside) {
            *pair = (struct campaign_pair){host->ranks[0], host->ranks[r]};
            return true;
        }
    }
    return false;
}

/* The inside of the first host that has two ranks stands for all. */
static bool sweep_inside(struct campaign *campaign, enum transport transport, struct error *error) {
    for (size_t i = 0; i < campaign->placement->host_count; i++) {
        const struct placement_host *host = &campaign->placement->hosts[i];
        struct campaign_pair pair;
        if (host->rank_count < 2)
            continue;
        if (i > 0 || campaign->sockets.name == NULL || transport != TRANSPORT_HOST) {
            pair = (struct campaign_pair){host->ranks[0], host->ranks[1]};
            return sweep_pair(campaign, transport, &pair, CAMPAIGN_LEVEL_NODE, true, error);
        }
        return (!pair_by_socket(campaign, host, true, &pair) ||
                sweep_pair(campaign, transport, &pair, CAMPAIGN_LEVEL_SOCKET, true, error)) &&
               (!pair_by_socket(campaign, host, false, &pair) ||
                sweep_pair(campaign, transport, &pair, CAMPAIGN_LEVEL_NODE, true, error));
    }
    return true;
}

bool phases_run_sweep(struct campaign *campaign, enum transport transport, struct error *error) {
    struct campaign_pair pairs[SWEEP_PAIRS];
    if (!sweep_inside(campaign, transport, error))
        return false;
    for (size_t i = 0; i < SWEEP_PAIRS && (i == 0 || phases_spare_seconds(campaign) > 0); i++) {
        for (size_t level = 0; level < campaign->levels.count && !phases_time_is_up(campaign); level++) {
            size_t count = phases_sample_pairs(campaign, level, SWEEP_PAIRS, pairs);
            if (i < count && !sweep_pair(campaign, transport, &pairs[i], (int32_t)level, i == 0, error))
                return false;
        }
        step(campaign, (double)(i + 1) / SWEEP_PAIRS);
    }
    return true;
}

static bool run_sweep(struct campaign *campaign, struct error *error) {
    return phases_run_sweep(campaign, TRANSPORT_HOST, error);
}

/* Which hosts load a level: those of inner groups that are sound as a whole, else sound ones, else any. */
enum loading_choice { LOADING_SOUND_GROUPS, LOADING_SOUND_HOSTS, LOADING_ANY, LOADING_CHOICES };

static void choose_hosts(const struct campaign *campaign, size_t level, enum loading_choice choice,
                         bool *chosen) {
    size_t hosts = campaign->placement->host_count;
    const int32_t *inner = level > 0 ? campaign->levels.level[level - 1].group_of : NULL;
    for (size_t i = 0; i < hosts; i++) {
        chosen[i] = choice == LOADING_ANY || campaign->hosts[i].note[0] == '\0';
        for (size_t j = 0; inner != NULL && choice == LOADING_SOUND_GROUPS && j < hosts; j++)
            chosen[i] = chosen[i] && (inner[i] != inner[j] || campaign->hosts[j].note[0] == '\0');
    }
}

/* Whether what one host sends to another would show how slow one of them is, not the level. */
static bool is_slow_way(const struct campaign *campaign, size_t from, size_t to) {
    const struct analysis_host *sender = &campaign->hosts[from], *receiver = &campaign->hosts[to];
    return campaign->verdicts[from * campaign->placement->host_count + to] == VERDICT_SLOW ||
           (sender->note[0] != '\0' && analysis_is_slow(sender->sends, 1)) ||
           (receiver->note[0] != '\0' && analysis_is_slow(receiver->receives, 1));
}

/* Pairs that load a level at the same time: member k of one group sends to member k of the next group (or,
 * `back`, the other way), groups two by two; at the innermost level, neighbours in each group. Returns how
 * many. */
static size_t pair_hosts(const struct campaign *campaign, size_t level, const bool *chosen, bool back,
                         struct campaign_pair *pairs) {
    size_t hosts = campaign->placement->host_count, count = 0;
    bool *used = ARENA_ARRAY(campaign->arena, bool, hosts);
    int32_t *partner_group = ARENA_ARRAY(campaign->arena, int32_t, hosts); /* by group, plus one */
    for (size_t i = 0; i < hosts; i++) {
        for (size_t j = i + 1; j < hosts && chosen[i] && !used[i]; j++) {
            size_t from = back ? j : i, to = back ? i : j;
            if (used[j] || !chosen[j] || is_slow_way(campaign, from, to) ||
                levels_joining(&campaign->levels, i, j) != level)
                continue;
            if (level > 0) {
                const int32_t *inner = campaign->levels.level[level - 1].group_of;
                int32_t *one = &partner_group[inner[i]], *other = &partner_group[inner[j]];
                /* A group that sends receives nothing, and has one group to send to. */
                if ((*one != 0 && *one != inner[j] + 1) || (*other != 0 && *other != -(inner[i] + 1)))
                    continue;
                *one = inner[j] + 1;
                *other = -(inner[i] + 1);
            }
            used[i] = used[j] = true;
            pairs[count++] =
                (struct campaign_pair){campaign_leader(campaign, from), campaign_leader(campaign, to)};
        }
    }
    return count;
}

/* A host that is slow one way alone still loads the level the other way. */
static size_t loading_pairs(const struct campaign *campaign, size_t level, struct campaign_pair *pairs) {
    bool *chosen = ARENA_ARRAY(campaign->arena, bool, campaign->placement->host_count);
    size_t count = 0;
    for (int choice = 0; choice < 2 * LOADING_CHOICES && count < 2; choice++) {
        choose_hosts(campaign, level, (enum loading_choice)(choice / 2), chosen);
        count = pair_hosts(campaign, level, chosen, choice % 2 != 0, pairs);
    }
    return count;
}

/* Streams of one level; each repetition is a set of its own. */
static bool load_level(struct campaign *campaign, int32_t level, const struct campaign_pair *pairs,
                       size_t count, int32_t repetition, struct error *error) {
    struct record key = in_phase(stream_key, PHASE_LOADED, level);
    key.operation = repetition;
    return count < 2 || campaign_measure(campaign, &key, pairs, count, LOADED_SECONDS, true, error);
}

/* Whether a level needs no further repetition, or there is no time for it. */
static bool is_load_known(const struct campaign *campaign, int32_t level, double alone, int32_t repetition) {
    double best[ANALYSIS_LOADS];
    analysis_find_loaded(campaign->records, level, best);
    return repetition >= LOADED_REPETITIONS &&
           (analysis_is_load_known(best, alone) || !(phases_spare_seconds(campaign) > 0));
}

struct analysis_usual phases_usual(const struct campaign *campaign, size_t level) {
    struct arena *scratch = arena_create();
    struct analysis_matrix matrix;
    struct analysis_usual usual;
    campaign_gather(campaign, scratch, &matrix);
    analysis_usual(&matrix, &campaign->levels, level, scratch, &usual);
    arena_destroy(scratch);
    return usual;
}

/* Repetitions of a level are spread over time, as other work takes from now one, now another. */
static bool run_loaded(struct campaign *campaign, struct error *error) {
    size_t hosts = campaign->placement->host_count;
    size_t room = (size_t)campaign->placement->ranks + hosts;
    struct campaign_pair *pairs = ARENA_ARRAY(campaign->arena, struct campaign_pair, room);
    const struct placement_host *first = &campaign->placement->hosts[0];
    for (int32_t repetition = 0; repetition < LOADED_REPETITIONS_MAX; repetition++) {
        size_t count = 0;
        for (int32_t r = 0; r + 1 < first->rank_count; r += 2)
            pairs[count++] = (struct campaign_pair){first->ranks[r], first->ranks[r + 1]};
        if (!is_load_known(campaign, -1, 0, repetition) &&
            !load_level(campaign, -1, pairs, count, repetition, error))
            return false;
        for (size_t level = 0; level < campaign->levels.count && !phases_time_is_up(campaign); level++) {
            count = loading_pairs(campaign, level, pairs);
            if (!is_load_known(campaign, (int32_t)level, phases_usual(campaign, level).bandwidth,
                               repetition) &&
                !load_level(campaign, (int32_t)level, pairs, count, repetition, error))
                return false;
        }
        step(campaign, (double)(repetition + 1) / LOADED_REPETITIONS_MAX);
    }
    return true;
}

double phases_expect_local(const struct campaign *campaign) {
    double sum = 0;
    for (size_t host = 0; host < campaign->placement->host_count; host = phases_turn_end(campaign, host)) {
        struct schedule_plan plan;
        local_plan(campaign, host, &plan);
        sum += (double)plan.slots * (LATENCY_SECONDS + STREAM_SECONDS + 2 * WARM_UP_SECONDS);
    }
    return sum;
}

static double expect_pairs(const struct campaign *campaign) {
    return (double)campaign->plan.slots * campaign->pace * slot_seconds();
}

static double network_levels(const struct campaign *campaign) {
    double unknown = campaign->placement->host_count > 1 ? 2 : 0;
    return campaign->levels.count > 0 ? (double)campaign->levels.count : unknown;
}

double phases_expect_sweep(const struct campaign *campaign) {
    double size = SWEEP_SECONDS + WARM_UP_SECONDS, pair = SWEEP_SIZES * size + 3 * STREAM_SECONDS;
    double inside = campaign->placement->hosts[0].rank_count > 1 ? 1 : 0;
    double firsts = inside + network_levels(campaign);
    return (inside + SWEEP_PAIRS * network_levels(campaign)) * pair + firsts * HELD_OUT_SIZES * size;
}

static double expect_loaded(const struct campaign *campaign) {
    return LOADED_REPETITIONS * network_levels(campaign) * (LOADED_SECONDS + WARM_UP_SECONDS);
}

static const struct {
    const char *what;
    bool (*run)(struct campaign *, struct error *);
    double (*expect)(const struct campaign *);
    bool quick; /* stays with --quick */
} phases[] = {
    {"nodes alone", phases_run_speeds, phases_expect_speeds, true},
    {"pairs of ranks in a node", run_local, phases_expect_local, false},
    {"pairs of nodes", run_pairs, expect_pairs, true},
    {"levels", phases_run_levels, phases_expect_levels, true},
    {"messages by size", run_sweep, phases_expect_sweep, false},
    {"levels under load", run_loaded, expect_loaded, false},
    {"rails", phases_run_rails, phases_expect_rails, true},
    {"collectives", phases_run_collectives, phases_expect_collectives, false},
    {"GPUs", phases_run_gpus, phases_expect_gpus, true},
    {"pairs of GPUs", phases_run_gpu_pairs, phases_expect_gpu_pairs, false},
    {"collectives of NCCL", phases_run_nccl, phases_expect_nccl, false},
};
enum { PHASES = sizeof phases / sizeof *phases };

static bool is_left_out(const struct campaign *campaign, size_t phase) {
    return campaign->quick && !phases[phase].quick;
}

static double expected_seconds(const struct campaign *campaign, size_t phase) {
    return is_left_out(campaign, phase) ? 0 : phases[phase].expect(campaign);
}

double phases_expected_seconds(const struct campaign *campaign, size_t phase) {
    double sum = 0;
    for (; phase < PHASES; phase++)
        sum += expected_seconds(campaign, phase);
    double left = campaign_seconds_left(campaign);
    return sum < left ? sum : fmax(0, left);
}

/* With many hosts each measurement is given less time, down to a third, before pairs are left out. */
static void plan_pairs(struct campaign *campaign) {
    const double least_pace = 1.0 / 3;
    int64_t hosts = (int64_t)campaign->placement->host_count;
    double budget = PAIRS_SHARE * campaign->limit_seconds;
    double needed = (double)schedule_round_count(hosts) * slot_seconds();
    /* A little less than what just fits, which rounding might push over. */
    campaign->pace = fmax(least_pace, fmin(1, 0.999 * budget / fmax(needed, slot_seconds())));
    schedule_make(hosts, campaign->pace * slot_seconds(), budget, &campaign->plan);
}

double phases_spare_seconds(const struct campaign *campaign) {
    return campaign->aim_seconds - (clock_seconds() - campaign->begin) - campaign->later_seconds;
}

bool phases_run(struct campaign *campaign, struct error *error) {
    plan_pairs(campaign);
    campaign->aim_seconds =
        fmin(campaign->limit_seconds,
             fmax(AIM_SHARE * campaign->limit_seconds, AIM_SLACK * phases_expected_seconds(campaign, 0)));
    double planned = 0; /* of the phases before */
    for (size_t p = 0; p < PHASES; p++) {
        double expected = expected_seconds(campaign, p), later = phases_expected_seconds(campaign, p + 1);
        double spent = clock_seconds() - campaign->begin;
        campaign->later_seconds = later * fmin(SLOWNESS_MAX, fmax(1, spent / fmax(1, planned)));
        planned += expected;
        if (expected > 0)
            progress_phase(&campaign->progress, phases[p].what, expected, later, clock_seconds());
        if (!is_left_out(campaign, p) && !phases[p].run(campaign, error))
            return false;
    }
    return true;
}
