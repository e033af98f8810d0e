#include "probe/analysis.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "probe/summary.h"
#include "probe/task.h"

/* A clock's and a system call's worth: no distance is known better than this. */
static const double least_spread_seconds = 50e-9;
static const double least_spread_share = 0.01;
static const double slow_share = 0.2;    /* a host or link this far below the usual deviates ... */
static const double slow_in_spreads = 3; /* ... if that is also this many of the pairs' own spreads */
enum { LINKS_PER_HOST = 8 };             /* that are told of one sender: with more, the host itself is slow */
static const double late_share = 0.2;    /* the same for latency above the usual */
static const double usual_quantile = 0.75; /* of the bandwidths of a level */

static float *not_measured(struct arena *arena, size_t count) {
    float *values = ARENA_ARRAY(arena, float, count);
    for (size_t i = 0; i < count; i++) {
        values[i] = NAN;
    }
    return values;
}

void analysis_gather(const struct records *records, const int32_t *host_of, size_t hosts, struct arena *arena,
                     struct analysis_matrix *matrix) {
    size_t cells = hosts * hosts;
    *matrix = (struct analysis_matrix){.hosts = hosts};
    matrix->latency = not_measured(arena, cells);
    matrix->latency_spread = not_measured(arena, cells);
    matrix->median_latency = not_measured(arena, cells);
    matrix->bandwidth = not_measured(arena, cells);
    matrix->bandwidth_spread = not_measured(arena, cells);
    for (size_t r = 0; r < records->count; r++) {
        const struct record *record = &records->items[r];
        if (record->phase != PHASE_PAIRS || record->summary.count == 0) {
            continue;
        }
        size_t from = (size_t)host_of[record->from], to = (size_t)host_of[record->to];
        size_t there = from * hosts + to, back = to * hosts + from;
        const struct summary *s = &record->summary;
        if (record->kind == TASK_STREAM) {
            /* Measured again when it looked slow: a link is as fast as it has shown. */
            if (!isnan(matrix->bandwidth[there]) && (double)matrix->bandwidth[there] >= s->median) {
                continue;
            }
            matrix->bandwidth[there] = (float)s->median;
            matrix->bandwidth_spread[there] = (float)summary_spread(s);
        } else if (record->kind == TASK_LATENCY) {
            double spread = fmax(s->lower_quartile - s->minimum,
                                 fmax(least_spread_seconds, least_spread_share * s->minimum));
            matrix->latency[there] = matrix->latency[back] = (float)s->minimum;
            matrix->latency_spread[there] = matrix->latency_spread[back] = (float)spread;
            matrix->median_latency[there] = matrix->median_latency[back] = (float)s->median;
        }
    }
}

/* Seconds a byte in the better direction of each pair: one slow direction makes no level. */
static void invert_bandwidth(const struct analysis_matrix *matrix, float *distance, float *spread) {
    size_t hosts = matrix->hosts;
    for (size_t i = 0; i < hosts; i++) {
        for (size_t j = 0; j < hosts; j++) {
            size_t better = i * hosts + j, other = j * hosts + i;
            if (isnan(matrix->bandwidth[better]) || matrix->bandwidth[other] > matrix->bandwidth[better]) {
                better = other;
            }
            double rate = (double)matrix->bandwidth[better];
            double share = fmax((double)matrix->bandwidth_spread[better] / rate, least_spread_share);
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
    if (levels->count > 1) {
        return;
    }
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

void analysis_usual(const struct analysis_matrix *matrix, const struct levels *levels, size_t level,
                    struct arena *arena, struct analysis_usual *usual) {
    size_t hosts = matrix->hosts, rates = 0, times = 0;
    double *bandwidth = ARENA_ARRAY(arena, double, hosts *hosts);
    double *median = ARENA_ARRAY(arena, double, hosts *hosts),
           *least = ARENA_ARRAY(arena, double, hosts *hosts);
    struct summary summary;
    memset(usual, 0, sizeof *usual);
    for (size_t i = 0; i < hosts; i++) {
        for (size_t j = 0; j < hosts; j++) {
            if (i == j || levels_joining(levels, i, j) != level) {
                continue;
            }
            if (!isnan(matrix->bandwidth[i * hosts + j])) {
                bandwidth[rates++] = (double)matrix->bandwidth[i * hosts + j];
            }
            if (i < j && !isnan(matrix->latency[i * hosts + j])) {
                median[times] = (double)matrix->median_latency[i * hosts + j];
                least[times++] = (double)matrix->latency[i * hosts + j];
            }
        }
    }
    usual->pairs = times;
    usual->bandwidth = summary_quantile(bandwidth, rates, usual_quantile);
    summary_make(bandwidth, rates, &summary);
    usual->bandwidth_spread = summary_spread(&summary);
    summary_make(median, times, &summary);
    usual->latency = summary.median;
    usual->latency_spread = summary_spread(&summary);
    usual->least_latency = summary_median(least, times);
}

/* Median over the host's partners at a level of bandwidth over the usual, and of its own spread. */
static double direction_factor(const struct analysis_matrix *matrix, const struct levels *levels,
                               size_t level, size_t host, bool sends, double usual, double *scratch,
                               double *noise) {
    size_t hosts = matrix->hosts, count = 0;
    double *spreads = scratch + hosts;
    for (size_t j = 0; j < hosts; j++) {
        size_t cell = sends ? host * hosts + j : j * hosts + host;
        if (j != host && levels_joining(levels, host, j) == level && !isnan(matrix->bandwidth[cell])) {
            scratch[count] = (double)matrix->bandwidth[cell] / usual;
            spreads[count++] = (double)matrix->bandwidth_spread[cell] / usual;
        }
    }
    *noise = summary_median(spreads, count);
    return count >= 2 ? summary_median(scratch, count)
                      : (double)NAN; /* one partner alone could be the slow one */
}

static bool is_slow(double factor, double noise) {
    return 1 - factor > fmax(slow_share, slow_in_spreads * noise);
}

static void note(struct analysis_host *host, const char *what, double factor, const char *of) {
    size_t used = strlen(host->note);
    char words[80];
    snprintf(words, sizeof words, "%s %.2f %s", what, factor, of);
    snprintf(host->note + used, sizeof host->note - used, "%s%s", used > 0 ? "; " : "", words);
}

static void judge_bandwidth(const struct analysis_matrix *matrix, const struct levels *levels,
                            const struct analysis_usual *usual, size_t host, double *scratch,
                            struct analysis_host *out) {
    bool slow[2] = {false, false};
    for (size_t level = 0; level < levels->count; level++) {
        for (int sends = 0; sends < 2; sends++) {
            double noise, *known = sends ? &out->sends : &out->receives;
            if (!(usual[level].bandwidth > 0)) {
                continue;
            }
            double factor = direction_factor(matrix, levels, level, host, sends != 0, usual[level].bandwidth,
                                             scratch, &noise);
            if (!isnan(factor) && (!(*known > 0) || factor < *known)) {
                *known = factor;
                slow[sends] = is_slow(factor, noise);
            }
        }
    }
    if (slow[1]) {
        note(out, "sends at", out->sends, "of the usual bandwidth");
    }
    if (slow[0]) {
        note(out, "receives at", out->receives, "of the usual bandwidth");
    }
}

static void judge_latency(const struct analysis_matrix *matrix, const struct levels *levels,
                          const struct analysis_usual *usual, size_t host, double *scratch,
                          struct analysis_host *out) {
    size_t count = 0;
    for (size_t j = 0; j < matrix->hosts; j++) {
        double expected = usual[levels_joining(levels, host, j)].least_latency;
        double latency = (double)matrix->latency[host * matrix->hosts + j];
        if (j != host && latency > 0 && expected > 0) {
            scratch[count++] = latency / expected;
        }
    }
    out->latency = summary_median(scratch, count);
    if (levels->offset[host] > 0 && out->latency > 1 + late_share) {
        note(out, "latency is", out->latency, "times the usual");
    }
}

/* Slow directions of pairs; those of hosts that deviate too, or only of others. */
static void judge_links(const struct analysis_matrix *matrix, const struct levels *levels,
                        const struct analysis_usual *usual, const struct analysis_host *hosts, bool of_all,
                        struct analysis_link links[ANALYSIS_LINKS_MAX], size_t *link_count) {
    *link_count = 0;
    for (size_t i = 0; i < matrix->hosts; i++) {
        size_t sent = 0;
        for (size_t j = 0; j < matrix->hosts && *link_count < ANALYSIS_LINKS_MAX; j++) {
            size_t cell = i * matrix->hosts + j;
            double typical = i == j ? 0 : usual[levels_joining(levels, i, j)].bandwidth;
            bool sound = hosts[i].note[0] == '\0' && hosts[j].note[0] == '\0';
            if (!(typical > 0) || isnan(matrix->bandwidth[cell]) || (!sound && !of_all) ||
                sent == LINKS_PER_HOST) {
                continue;
            }
            double factor = (double)matrix->bandwidth[cell] / typical;
            if (is_slow(factor, (double)matrix->bandwidth_spread[cell] / typical)) {
                links[*link_count] = (struct analysis_link){i, j, factor};
                *link_count += 1;
                sent++;
            }
        }
    }
}

static void find_usual(const struct analysis_matrix *matrix, const struct levels *levels, struct arena *arena,
                       struct analysis_usual usual[LEVELS_MAX]) {
    for (size_t level = 0; level < levels->count; level++) {
        analysis_usual(matrix, levels, level, arena, &usual[level]);
    }
}

void analysis_suspects(const struct analysis_matrix *matrix, const struct levels *levels, struct arena *arena,
                       struct analysis_link links[ANALYSIS_LINKS_MAX], size_t *link_count) {
    struct analysis_usual usual[LEVELS_MAX];
    struct analysis_host *unjudged = ARENA_ARRAY(arena, struct analysis_host, matrix->hosts);
    find_usual(matrix, levels, arena, usual);
    judge_links(matrix, levels, usual, unjudged, true, links, link_count);
}

void analysis_deviations(const struct analysis_matrix *matrix, const struct levels *levels,
                         struct arena *arena, struct analysis_host *hosts,
                         struct analysis_link links[ANALYSIS_LINKS_MAX], size_t *link_count) {
    struct analysis_usual usual[LEVELS_MAX];
    double *scratch = ARENA_ARRAY(arena, double, 2 * matrix->hosts);
    find_usual(matrix, levels, arena, usual);
    for (size_t host = 0; host < matrix->hosts; host++) {
        memset(&hosts[host], 0, sizeof hosts[host]);
        judge_bandwidth(matrix, levels, usual, host, scratch, &hosts[host]);
        judge_latency(matrix, levels, usual, host, scratch, &hosts[host]);
    }
    judge_links(matrix, levels, usual, hosts, false, links, link_count);
}
