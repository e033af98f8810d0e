#include "probe/analysis.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/cluster.h"
#include "probe/summary.h"
#include "probe/task.h"
#include "probe/text_list.h"

/* A clock's and a system call's worth: no distance is known better than this. */
static const double LEAST_SPREAD_SECONDS = 50e-9;
static const double LEAST_SPREAD_SHARE = 0.01;
static const double SLOW_IN_SPREADS =
    3; /* of pairs at the same time: a suspect is also this far below what is usual for them */
/* A sound link that other work slows may be taken for slow once in so many. Where controls were slow too,
 * other work goes on, and may hit the suspect harder than them. */
static const double CHANCE_MAX = 1e-3, TRUST_WHEN_BUSY = 0.5;
enum {
    CONFIRMED_MIN = 2,    /* links of a host in one direction that show that the host is slow, not they */
    LATENCY_BYTES_MAX = 8 /* longer messages of the sweep tell more than the latency */
};
static const double LATE_SHARE = 0.2; /* the same for latency above the usual */
static const double USUAL_QUANTILE =
    0.75; /* of the bandwidths of a level; of the least latencies the other side */
/* Of a sample's interquartile range over its median, and how many figures may be so. On two cores 14 to 21 %
 * of latencies are with little beside; beside eight programs that compute 61 to 71 % of ranks that poll, 22
 * to 29 % of ranks that share cores and sleep. Of bandwidths over slow links hardly any. */
static const double NOISY_SPREAD = 0.25, NOISY_BANDWIDTHS = 0.25, NOISY_LATENCIES = 0.5;

static const double LOADED_AGREEMENT = 0.03; /* of repetitions of a load */
/* How much faster streams inside a level were than as many through it, where hosts are one machine: less than
 * this may be the cores', of which a longer way takes more a byte where its cables or switches are programs
 * (1.2 to 2 where uplinks limit little, and 3.5 or more where they do: docs/probing.md). */
static const double CORES_FACTOR = 2.5;

static float *not_measured(struct arena *arena, size_t count) {
    float *values = ARENA_ARRAY(arena, float, count);
    for (size_t i = 0; i < count; i++)
        values[i] = NAN;
    return values;
}

/* A look at the bandwidth from one host to another. Pairs that ran at the same time share uplinks: a look
 * alone is worth more than any of those. Other work only takes away, so the better quartile of the best look
 * counts. */
static void gather_bandwidth(struct analysis_matrix *matrix, size_t cell, const struct record *record) {
    const struct summary *s = &record->summary;
    bool alone = record->members == 1, first = isnan(matrix->bandwidth[cell]);
    if (!first && !alone && matrix->alone[cell])
        return;
    bool replaces = first || (alone && !matrix->alone[cell]);
    matrix->alone[cell] = matrix->alone[cell] || alone;
    if (replaces || s->upper_quartile > (double)matrix->bandwidth[cell]) {
        matrix->bandwidth[cell] = (float)s->upper_quartile;
        matrix->bandwidth_spread[cell] = (float)summary_spread(s);
    }
}

static void gather_latency(struct analysis_matrix *matrix, size_t there, size_t back,
                           const struct summary *s) {
    if (!isnan(matrix->latency[there]) && (double)matrix->latency[there] <= s->minimum)
        return;
    double spread =
        fmax(s->lower_quartile - s->minimum, fmax(LEAST_SPREAD_SECONDS, LEAST_SPREAD_SHARE * s->minimum));
    matrix->latency[there] = matrix->latency[back] = (float)s->minimum;
    matrix->latency_spread[there] = matrix->latency_spread[back] = (float)spread;
    matrix->typical_latency[there] = matrix->typical_latency[back] = (float)s->lower_quartile;
}

void analysis_gather(const struct records *records, const int32_t *host_of, size_t hosts, struct arena *arena,
                     struct analysis_matrix *matrix) {
    size_t cells = hosts * hosts;
    *matrix = (struct analysis_matrix){.hosts = hosts};
    matrix->latency = not_measured(arena, cells);
    matrix->latency_spread = not_measured(arena, cells);
    matrix->typical_latency = not_measured(arena, cells);
    matrix->bandwidth = not_measured(arena, cells);
    matrix->bandwidth_spread = not_measured(arena, cells);
    matrix->alone = ARENA_ARRAY(arena, bool, cells);
    matrix->verdict = ARENA_ARRAY(arena, uint8_t, cells);
    matrix->late_verdict = ARENA_ARRAY(arena, uint8_t, hosts);
    for (size_t r = 0; r < records->count; r++) {
        const struct record *record = &records->items[r];
        size_t from = (size_t)host_of[record->from], to = (size_t)host_of[record->to];
        bool of_hosts = record->phase == PHASE_PAIRS || (record->phase == PHASE_SWEEP && from != to);
        if (!of_hosts || record->transport != TRANSPORT_HOST || record->summary.count == 0)
            continue;
        if (record->kind == TASK_STREAM)
            gather_bandwidth(matrix, from * hosts + to, record);
        else if (record->kind == TASK_LATENCY && record->bytes <= LATENCY_BYTES_MAX)
            gather_latency(matrix, from * hosts + to, to * hosts + from, &record->summary);
    }
}

/* Seconds a byte in the better direction of each pair: one slow direction makes no level. */
static void invert_bandwidth(const struct analysis_matrix *matrix, float *distance, float *spread) {
    size_t hosts = matrix->hosts;
    for (size_t i = 0; i < hosts; i++) {
        for (size_t j = 0; j < hosts; j++) {
            size_t better = i * hosts + j, other = j * hosts + i;
            if (isnan(matrix->bandwidth[better]) || matrix->bandwidth[other] > matrix->bandwidth[better])
                better = other;
            double rate = (double)matrix->bandwidth[better];
            double share = fmax((double)matrix->bandwidth_spread[better] / rate, LEAST_SPREAD_SHARE);
            distance[i * hosts + j] = (float)(1 / rate);
            spread[i * hosts + j] = (float)(share / rate);
        }
    }
}

void analysis_find_levels(const struct analysis_matrix *matrix, struct arena *arena, struct levels *levels,
                          bool *by_bandwidth) {
    const struct levels_matrix latency = {matrix->hosts, matrix->latency, matrix->latency_spread};
    levels_find(&latency, arena, levels);
    *by_bandwidth = false;
    if (levels->count > 1)
        return;
    struct levels_matrix inverse = {.hosts = matrix->hosts};
    float *distance = ARENA_ARRAY(arena, float, matrix->hosts * matrix->hosts);
    float *spread = ARENA_ARRAY(arena, float, matrix->hosts * matrix->hosts);
    struct levels found;
    invert_bandwidth(matrix, distance, spread);
    inverse.distance = distance;
    inverse.spread = spread;
    levels_find(&inverse, arena, &found);
    if (found.count > 1) {
        found.offset = levels->offset; /* those of latency, in seconds */
        *levels = found;
        *by_bandwidth = true;
    }
}

/* Bandwidths of a level that were looked at alone, or not. */
static double usual_bandwidth(const struct analysis_matrix *matrix, const struct levels *levels, size_t level,
                              bool alone, double *scratch, double *spread) {
    size_t hosts = matrix->hosts, count = 0;
    struct summary summary;
    for (size_t i = 0; i < hosts; i++) {
        for (size_t j = 0; j < hosts; j++) {
            size_t cell = i * hosts + j;
            if (i != j && !isnan(matrix->bandwidth[cell]) && matrix->alone[cell] == alone &&
                levels_joining(levels, i, j) == level)
                scratch[count++] = (double)matrix->bandwidth[cell];
        }
    }
    summary_make(scratch, count, &summary);
    *spread = summary_spread(&summary);
    return summary_quantile(scratch, count, USUAL_QUANTILE);
}

void analysis_usual(const struct analysis_matrix *matrix, const struct levels *levels, size_t level,
                    struct arena *arena, struct analysis_usual *usual) {
    size_t hosts = matrix->hosts, times = 0;
    double *typical = ARENA_ARRAY(arena, double, hosts *hosts);
    double *least = ARENA_ARRAY(arena, double, hosts *hosts);
    struct summary summary;
    memset(usual, 0, sizeof *usual);
    usual->bandwidth = usual_bandwidth(matrix, levels, level, true, typical, &usual->bandwidth_spread);
    usual->shared_bandwidth = usual_bandwidth(matrix, levels, level, false, typical, &usual->shared_spread);
    if (!(usual->bandwidth > 0)) {
        usual->bandwidth = usual->shared_bandwidth;
        usual->bandwidth_spread = usual->shared_spread;
    }
    for (size_t i = 0; i < hosts; i++) {
        for (size_t j = i + 1; j < hosts; j++) {
            if (!isnan(matrix->latency[i * hosts + j]) && levels_joining(levels, i, j) == level) {
                typical[times] = (double)matrix->typical_latency[i * hosts + j];
                least[times++] = (double)matrix->latency[i * hosts + j];
            }
        }
    }
    usual->pairs = times;
    summary_make(typical, times, &summary);
    usual->latency = summary.median;
    usual->latency_spread = summary_spread(&summary);
    usual->least_latency = summary_quantile(least, times, 1 - USUAL_QUANTILE);
}

/* What is usual where this cell was looked at: alone, or with others. */
static double usual_of_cell(const struct analysis_matrix *matrix, const struct analysis_usual *usual,
                            size_t cell) {
    return matrix->alone[cell] ? usual->bandwidth : usual->shared_bandwidth;
}

/* One direction of a host at one level. */
struct direction {
    double factor; /* median over its partners, of the usual bandwidth */
    size_t partners, confirmed;
};

/* Partners looked at alone count where there are two; else all. */
static struct direction judge_direction(const struct analysis_matrix *matrix, const struct levels *levels,
                                        const struct analysis_usual *usual, size_t level, size_t host,
                                        bool sends, double *scratch) {
    size_t hosts = matrix->hosts;
    struct direction result = {0};
    for (int any = 0; any < 2 && result.partners < 2; any++) {
        result = (struct direction){0};
        for (size_t j = 0; j < hosts; j++) {
            size_t cell = sends ? host * hosts + j : j * hosts + host;
            double typical = usual_of_cell(matrix, usual, cell);
            if (j != host && !isnan(matrix->bandwidth[cell]) && (matrix->alone[cell] || any != 0) &&
                typical > 0 && levels_joining(levels, host, j) == level) {
                scratch[result.partners++] = (double)matrix->bandwidth[cell] / typical;
                result.confirmed += matrix->verdict[cell] == VERDICT_SLOW ? 1 : 0;
            }
        }
    }
    result.factor = summary_median(scratch, result.partners);
    return result;
}

bool analysis_is_slow(double bandwidth, double usual) {
    return bandwidth < CLUSTER_SLOW_FACTOR * usual;
}

bool analysis_is_late(double seconds, double usual) {
    return seconds > (1 + LATE_SHARE) * usual;
}

enum analysis_verdict analysis_judge_looks(const struct analysis_looks *looks) {
    double share = (double)looks->quiet / (looks->count + 1);
    double trust = looks->quiet == looks->count ? 1 : TRUST_WHEN_BUSY;
    if (looks->quiet > 0 && pow(1 - trust * share, looks->count) < CHANCE_MAX)
        return VERDICT_SLOW;
    return looks->count >= ANALYSIS_LOOKS_MAX ? VERDICT_UNCLEAR : VERDICT_NONE;
}

/* A host is slow where most of its links are, and two of them were confirmed to be. One partner alone could
 * be the slow one. */
static void judge_bandwidth(const struct analysis_matrix *matrix, const struct levels *levels,
                            const struct analysis_usual *usual, size_t host, double *scratch,
                            struct analysis_host *out) {
    bool slow[2] = {false, false};
    for (size_t level = 0; level < levels->count; level++) {
        for (int sends = 0; sends < 2; sends++) {
            double *known = sends ? &out->sends : &out->receives;
            struct direction direction =
                judge_direction(matrix, levels, &usual[level], level, host, sends != 0, scratch);
            if (direction.partners >= 2 && (!(*known > 0) || direction.factor < *known)) {
                *known = direction.factor;
                slow[sends] = analysis_is_slow(direction.factor, 1) && direction.confirmed >= CONFIRMED_MIN;
            }
        }
    }
    if (slow[1])
        text_list_add(out->note, sizeof out->note, "; ", "sends at %.2f of the usual bandwidth", out->sends);
    if (slow[0]) {
        text_list_add(out->note, sizeof out->note, "; ", "receives at %.2f of the usual bandwidth",
                      out->receives);
    }
}

static void judge_latency(const struct analysis_matrix *matrix, const struct levels *levels,
                          const struct analysis_usual *usual, size_t host, double *scratch,
                          struct analysis_host *out) {
    size_t count = 0;
    for (size_t j = 0; j < matrix->hosts; j++) {
        double expected = usual[levels_joining(levels, host, j)].least_latency;
        double latency = (double)matrix->latency[host * matrix->hosts + j];
        if (j != host && latency > 0 && expected > 0)
            scratch[count++] = latency / expected;
    }
    out->latency = summary_median(scratch, count);
    out->is_late = levels->offset[host] > 0 && analysis_is_late(out->latency, 1);
    if (out->is_late && matrix->late_verdict[host] == VERDICT_SLOW)
        text_list_add(out->note, sizeof out->note, "; ", "latency is %.2f times the usual", out->latency);
}

static int slowest_first(const void *left, const void *right) {
    const struct analysis_link *a = left, *b = right;
    return (a->factor > b->factor) - (a->factor < b->factor);
}

/* Directions that look slow, between hosts that are not, with this verdict; the slowest first. */
static void judge_links(const struct analysis_matrix *matrix, const struct levels *levels,
                        const struct analysis_usual *usual, const struct analysis_host *hosts,
                        enum analysis_verdict verdict, struct arena *arena, struct analysis_links *links) {
    struct analysis_link *slow = ARENA_ARRAY(arena, struct analysis_link, matrix->hosts * matrix->hosts);
    size_t count = 0;
    for (size_t i = 0; i < matrix->hosts; i++) {
        for (size_t j = 0; j < matrix->hosts; j++) {
            size_t cell = i * matrix->hosts + j;
            if (i == j || isnan(matrix->bandwidth[cell]) || matrix->verdict[cell] != verdict ||
                hosts[i].note[0] != '\0' || hosts[j].note[0] != '\0')
                continue;
            const struct analysis_usual *level = &usual[levels_joining(levels, i, j)];
            double typical = usual_of_cell(matrix, level, cell);
            double factor = (double)matrix->bandwidth[cell] / typical;
            /* What pairs at the same time take from each other is no fault of one of them. Of those alone a
             * noisy one is looked at again too: that may hide how slow it is. */
            double noise = fmax((double)matrix->bandwidth_spread[cell], level->shared_spread) / typical;
            if (analysis_is_slow(factor, 1) && (matrix->alone[cell] || 1 - factor > SLOW_IN_SPREADS * noise))
                slow[count++] = (struct analysis_link){i, j, factor, matrix->alone[cell]};
        }
    }
    qsort(slow, count, sizeof *slow, slowest_first);
    links->count = count < ANALYSIS_LINKS_MAX ? count : ANALYSIS_LINKS_MAX;
    memcpy(links->items, slow, links->count * sizeof *slow);
}

void analysis_deviations(const struct analysis_matrix *matrix, const struct levels *levels,
                         struct arena *arena, struct analysis_host *hosts, struct analysis_links *links,
                         struct analysis_links *suspects) {
    struct analysis_usual usual[LEVELS_MAX];
    double *scratch = ARENA_ARRAY(arena, double, matrix->hosts);
    for (size_t level = 0; level < levels->count; level++)
        analysis_usual(matrix, levels, level, arena, &usual[level]);
    for (size_t host = 0; host < matrix->hosts; host++) {
        memset(&hosts[host], 0, sizeof hosts[host]);
        judge_bandwidth(matrix, levels, usual, host, scratch, &hosts[host]);
        judge_latency(matrix, levels, usual, host, scratch, &hosts[host]);
    }
    judge_links(matrix, levels, usual, hosts, VERDICT_SLOW, arena, links);
    judge_links(matrix, levels, usual, hosts, VERDICT_NONE, arena, suspects);
}

void analysis_find_loaded(const struct records *records, int32_t level, double best[ANALYSIS_LOADS]) {
    memset(best, 0, ANALYSIS_LOADS * sizeof *best);
    for (int32_t repetition = 0, streams = 1; streams > 0; repetition++) {
        double sum = 0;
        bool all_moved = true;
        streams = 0;
        for (size_t r = 0; r < records->count; r++) {
            const struct record *record = &records->items[r];
            if (record->phase == PHASE_LOADED && record->level == level && record->operation == repetition) {
                all_moved = all_moved && record->summary.count > 0;
                sum += record->summary.median;
                streams++;
            }
        }
        double mean = streams > 0 && all_moved ? sum / streams : 0;
        for (size_t i = 0; i < ANALYSIS_LOADS; i++) {
            double better = fmax(best[i], mean);
            mean = fmin(best[i], mean);
            best[i] = better;
        }
    }
}

/* Streams of a level at a time. */
static size_t count_loading(const struct records *records, int32_t level) {
    size_t count = 0;
    for (size_t r = 0; r < records->count; r++) {
        const struct record *record = &records->items[r];
        count += record->phase == PHASE_LOADED && record->level == level && record->operation == 0 ? 1 : 0;
    }
    return count;
}

/* What cores let through at least to each of as many streams as loaded the level: what those inside inner
 * levels got. 0: not known. */
static double cores_carry(const struct records *records, int32_t level) {
    double most = 0, streams = (double)count_loading(records, level), best[ANALYSIS_LOADS];
    for (int32_t inner = 0; inner < level; inner++) {
        analysis_find_loaded(records, inner, best);
        most = fmax(most, best[0] * fmin(1, (double)count_loading(records, inner) / streams));
    }
    return most;
}

double analysis_oversubscription(const struct records *records, int32_t level, double alone, bool share_cores,
                                 double *untold) {
    double best[ANALYSIS_LOADS];
    analysis_find_loaded(records, level, best);
    double loss = best[0] > 0 ? alone / best[0] : 1;
    *untold = 1;
    if (loss <= ANALYSIS_LOAD_NOISE)
        return 1;
    if (!share_cores || cores_carry(records, level) > CORES_FACTOR * best[0])
        return loss;
    *untold = loss;
    return 1;
}

bool analysis_is_load_known(const double best[ANALYSIS_LOADS], double alone) {
    bool no_loss = best[0] * ANALYSIS_LOAD_NOISE >= alone;
    return best[no_loss ? 1 : ANALYSIS_LOADS - 1] >= (1 - LOADED_AGREEMENT) * best[0];
}

bool analysis_is_noisy(const struct records *records, enum task_kind kind, struct analysis_noise *noise) {
    const double most = kind == TASK_STREAM ? NOISY_BANDWIDTHS : NOISY_LATENCIES;
    *noise = (struct analysis_noise){0};
    for (size_t r = 0; r < records->count; r++) {
        const struct record *record = &records->items[r];
        bool wanted = record->kind == (int32_t)kind && record->members == 1 && record->summary.count > 0;
        if (!wanted || (kind == TASK_LATENCY && record->bytes > LATENCY_BYTES_MAX))
            continue;
        noise->all++;
        noise->noisy += summary_spread(&record->summary) > NOISY_SPREAD * record->summary.median ? 1 : 0;
    }
    return (double)noise->noisy > most * (double)noise->all;
}
