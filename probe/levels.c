#include "probe/levels.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "probe/summary.h"

enum {
    BINS_MAX = 8192,
    CANDIDATES_MAX = 12,
    SAMPLE_MAX = 32768, /* values that a median over many pairs is taken of */
    PARTNERS_MAX = 512  /* the same for a median over one host's pairs */
};
static const double BIN_WIDTH = 0.01;        /* of the logarithmic axis of distances: 1 % */
static const double VALLEY_SHARE = 0.5;      /* a valley is at most this share of both peaks beside it */
static const double CONFORMING_SHARE = 0.9;  /* of the pairs inside that are near, and across that are far */
static const double STEP_SHARE_MIN = 0.1;    /* a level is at least this much farther than the one inside */
static const double GAP_IN_SPREADS = 2;      /* between near and far, with many pairs */
static const double GAP_MORE_FOR_FEW = 6;    /* divided by the number of near pairs, on top */
static const double OFFSET_IN_SPREADS = 4;   /* a host's offset counts above so many spreads of its pairs */
static const double OFFSET_SHARE_MIN = 0.15; /* and above this share of its median distance */

struct finder {
    const struct levels_matrix *matrix;
    struct arena *arena;
    double *offset;
    double floor; /* the smallest distance measured: corrected ones stay above half of it */
    double ceiling;
};

/* The distance less what slow hosts add to it; NaN where not measured. */
static double corrected(const struct finder *finder, size_t one, size_t other) {
    double distance = (double)finder->matrix->distance[one * finder->matrix->hosts + other];
    double without = distance - finder->offset[one] - finder->offset[other];
    return without < finder->floor / 2 ? finder->floor / 2 : without;
}

static double spread_of(const struct finder *finder, size_t one, size_t other) {
    return (double)finder->matrix->spread[one * finder->matrix->hosts + other];
}

static bool known(const struct finder *finder, size_t one, size_t other) {
    return !isnan(finder->matrix->distance[one * finder->matrix->hosts + other]);
}

/* Collects at most SAMPLE_MAX of a stream of values, evenly: when full, every second one is dropped. */
struct sample {
    double *values;
    size_t count, stride, seen;
};

static struct sample sample_make(struct arena *arena) {
    return (struct sample){ARENA_ARRAY(arena, double, SAMPLE_MAX), 0, 1, 0};
}

static void sample_add(struct sample *sample, double value) {
    if (sample->seen++ % sample->stride != 0)
        return;
    if (sample->count == SAMPLE_MAX) {
        for (size_t i = 0; i < SAMPLE_MAX / 2; i++)
            sample->values[i] = sample->values[2 * i];
        sample->count = SAMPLE_MAX / 2;
        sample->stride *= 2;
        if ((sample->seen - 1) % sample->stride != 0)
            return;
    }
    sample->values[sample->count++] = value;
}

static double sample_quantile(struct sample *sample, double share) {
    return summary_quantile(sample->values, sample->count, share);
}

/* How many pairs may lie at each place of the logarithmic axis: each covers its distance plus and minus its
 * spread. Returns the number of bins. */
static size_t cover(const struct finder *finder, double *coverage) {
    size_t hosts = finder->matrix->hosts;
    double low = log(finder->floor / 2), width = BIN_WIDTH;
    double range = log(finder->ceiling * 2) - low;
    size_t bins = (size_t)(range / width) + 2;
    if (bins > BINS_MAX) {
        bins = BINS_MAX;
        width = range / (BINS_MAX - 2);
    }
    memset(coverage, 0, (bins + 1) * sizeof *coverage);
    for (size_t i = 0; i < hosts; i++) {
        for (size_t j = i + 1; j < hosts; j++) {
            if (!known(finder, i, j))
                continue;
            double distance = corrected(finder, i, j), spread = spread_of(finder, i, j);
            double centre = (log(distance) - low) / width, half = spread / distance / width;
            size_t from = (size_t)fmax(0, centre - half);
            size_t to = (size_t)fmin((double)(bins - 1), centre + half);
            coverage[from] += 1;
            coverage[to + 1] -= 1;
        }
    }
    for (size_t bin = 1; bin < bins; bin++)
        coverage[bin] += coverage[bin - 1];
    return bins;
}

/* Thresholds in the valleys of the coverage, from far to near. Returns how many. */
static size_t find_valleys(const struct finder *finder, double thresholds[CANDIDATES_MAX]) {
    double *coverage = ARENA_ARRAY(finder->arena, double, BINS_MAX + 2);
    size_t bins = cover(finder, coverage), count = 0;
    double low = log(finder->floor / 2), width = (log(finder->ceiling * 2) - low) / (double)(bins - 2);
    if (bins < BINS_MAX)
        width = BIN_WIDTH;
    double peak = 0, valley = HUGE_VAL;
    size_t valley_begin = 0, valley_end = 0;
    bool below = false; /* in a valley that a following peak would confirm */
    for (size_t bin = bins; bin-- > 0;) {
        double here = coverage[bin];
        if (!below) {
            peak = fmax(peak, here);
            below = here <= VALLEY_SHARE * peak && peak > 0;
            valley = here;
            valley_begin = valley_end = bin;
            continue;
        }
        if (here < valley) {
            valley = here;
            valley_begin = valley_end = bin;
        } else if (here <= valley && valley_end == bin + 1) {
            valley_end = bin;
        }
        if (here > 0 && valley <= VALLEY_SHARE * here && count < CANDIDATES_MAX) {
            double middle = ((double)valley_begin + (double)valley_end + 1) / 2;
            thresholds[count++] = exp(low + middle * width);
            peak = here;
            below = false;
        }
    }
    return count;
}

/* One group: grows from `seed` by the host with the least mean distance to it among those which are near to
 * more than half of the members they were measured with. One wrong distance so never joins two groups. */
static void grow(const struct finder *finder, double threshold, const int32_t *parent, size_t seed,
                 int32_t group, int32_t *group_of, double *scratch) {
    size_t hosts = finder->matrix->hosts;
    double *near = scratch, *measured = scratch + hosts, *sum = scratch + 2 * hosts;
    memset(scratch, 0, 3 * hosts * sizeof *scratch);
    for (size_t member = seed; member < hosts;) {
        group_of[member] = group;
        size_t best = hosts;
        double least = HUGE_VAL;
        for (size_t j = 0; j < hosts; j++) {
            if (group_of[j] >= 0 || parent[j] != parent[seed])
                continue;
            if (known(finder, member, j)) {
                double distance = corrected(finder, member, j);
                near[j] += distance < threshold ? 1 : 0;
                measured[j] += 1;
                sum[j] += distance;
            }
            if (2 * near[j] > measured[j] && sum[j] < least * measured[j]) {
                least = sum[j] / measured[j];
                best = j;
            }
        }
        member = best;
    }
}

static size_t partition(const struct finder *finder, double threshold, const int32_t *parent,
                        int32_t *group_of) {
    size_t hosts = finder->matrix->hosts;
    double *scratch = ARENA_ARRAY(finder->arena, double, 3 * hosts);
    int32_t groups = 0;
    for (size_t i = 0; i < hosts; i++)
        group_of[i] = -1;
    for (size_t seed = 0; seed < hosts; seed++)
        if (group_of[seed] < 0)
            grow(finder, threshold, parent, seed, groups++, group_of, scratch);
    return (size_t)groups;
}

/* Whether some group of the level outside falls into two or more that have two hosts. */
static bool splits(const struct finder *finder, const int32_t *parent, const int32_t *group_of) {
    size_t hosts = finder->matrix->hosts;
    size_t *members = ARENA_ARRAY(finder->arena, size_t, hosts),
           *large = ARENA_ARRAY(finder->arena, size_t, hosts);
    for (size_t i = 0; i < hosts; i++)
        if (++members[group_of[i]] == 2 && ++large[parent[i]] == 2)
            return true;
    return false;
}

/* Whether the pairs bear the groups out: see the header. */
static bool groups_hold(const struct finder *finder, double threshold, const int32_t *parent,
                        const int32_t *group_of) {
    size_t hosts = finder->matrix->hosts, inside = 0, inside_near = 0, across = 0, across_far = 0;
    struct sample near = sample_make(finder->arena), far = sample_make(finder->arena);
    struct sample spreads = sample_make(finder->arena);
    for (size_t i = 0; i < hosts; i++) {
        for (size_t j = i + 1; j < hosts; j++) {
            if (parent[i] != parent[j] || !known(finder, i, j))
                continue;
            double distance = corrected(finder, i, j);
            if (group_of[i] == group_of[j]) {
                inside++;
                inside_near += distance < threshold ? 1 : 0;
                sample_add(&near, distance);
            } else {
                across++;
                across_far += distance < threshold ? 0 : 1;
                sample_add(&far, distance);
            }
            sample_add(&spreads, spread_of(finder, i, j));
        }
    }
    if (inside == 0 || across == 0 || (double)inside_near < CONFORMING_SHARE * (double)inside ||
        (double)across_far < CONFORMING_SHARE * (double)across)
        return false;
    double near_median = sample_quantile(&near, 0.5), far_median = sample_quantile(&far, 0.5);
    double gap = far_median - near_median;
    double variation = fmax(sample_quantile(&far, 0.75) - sample_quantile(&far, 0.25),
                            sample_quantile(&near, 0.75) - near_median);
    double noise = fmax(sample_quantile(&spreads, 0.5), variation);
    double needed = (GAP_IN_SPREADS + GAP_MORE_FOR_FEW / (double)inside) * noise;
    return gap > needed && gap > STEP_SHARE_MIN * near_median;
}

static void describe(const struct finder *finder, const struct levels *levels, struct levels_level *level,
                     size_t index) {
    size_t hosts = finder->matrix->hosts;
    struct sample values = sample_make(finder->arena);
    for (size_t i = 0; i < hosts; i++) {
        for (size_t j = i + 1; j < hosts; j++)
            if (known(finder, i, j) && levels_joining(levels, i, j) == index)
                sample_add(&values, corrected(finder, i, j));
    }
    level->distance = sample_quantile(&values, 0.5);
    level->spread = sample_quantile(&values, 0.75) - sample_quantile(&values, 0.25);
}

/* Levels at the present offsets: from the outermost valley inwards, each inside the groups of the last. */
static void find_once(const struct finder *finder, struct levels *levels) {
    size_t hosts = finder->matrix->hosts, found = 0;
    struct levels_level outwards[LEVELS_MAX];
    outwards[found++] =
        (struct levels_level){.group_count = 1, .group_of = ARENA_ARRAY(finder->arena, int32_t, hosts)};
    double thresholds[CANDIDATES_MAX];
    size_t candidates = finder->ceiling > 0 ? find_valleys(finder, thresholds) : 0;
    for (size_t c = 0; c < candidates && found < LEVELS_MAX; c++) {
        const int32_t *parent = outwards[found - 1].group_of;
        int32_t *group_of = ARENA_ARRAY(finder->arena, int32_t, hosts);
        size_t groups = partition(finder, thresholds[c], parent, group_of);
        if (splits(finder, parent, group_of) && groups_hold(finder, thresholds[c], parent, group_of))
            outwards[found++] = (struct levels_level){.group_count = groups, .group_of = group_of};
    }
    levels->count = found;
    for (size_t l = 0; l < found; l++)
        levels->level[l] = outwards[found - 1 - l];
    for (size_t l = 0; l < found; l++)
        describe(finder, levels, &levels->level[l], l);
}

/* What each host adds to its distances over those of its levels. True when some host adds more than noise. */
static bool find_offsets(const struct finder *finder, const struct levels *levels, double *offset) {
    size_t hosts = finder->matrix->hosts;
    size_t stride = hosts / PARTNERS_MAX + 1;
    bool any = false;
    double *over = ARENA_ARRAY(finder->arena, double, hosts),
           *spreads = ARENA_ARRAY(finder->arena, double, hosts);
    double *distances = ARENA_ARRAY(finder->arena, double, hosts);
    for (size_t i = 0; i < hosts; i++) {
        size_t count = 0;
        for (size_t j = i % stride; j < hosts; j += stride) {
            if (j == i || !known(finder, i, j))
                continue;
            distances[count] = corrected(finder, i, j);
            over[count] = distances[count] - levels->level[levels_joining(levels, i, j)].distance;
            spreads[count++] = spread_of(finder, i, j);
        }
        double more = summary_median(over, count), typical = summary_median(distances, count) - more;
        if (count >= 2 && more > OFFSET_IN_SPREADS * summary_median(spreads, count) &&
            more > OFFSET_SHARE_MIN * typical) {
            offset[i] = more;
            any = true;
        }
    }
    return any;
}

size_t levels_joining(const struct levels *levels, size_t one, size_t other) {
    size_t level = 0;
    while (level + 1 < levels->count &&
           levels->level[level].group_of[one] != levels->level[level].group_of[other])
        level++;
    return level;
}

void levels_find(const struct levels_matrix *matrix, struct arena *arena, struct levels *levels) {
    struct arena *own = arena_create(); /* of what only the search needs */
    struct finder finder = {.matrix = matrix, .arena = own, .floor = HUGE_VAL};
    finder.offset = ARENA_ARRAY(own, double, matrix->hosts);
    for (size_t i = 0; i < matrix->hosts; i++) {
        for (size_t j = i + 1; j < matrix->hosts; j++) {
            double distance = (double)matrix->distance[i * matrix->hosts + j];
            if (distance > 0) {
                finder.floor = fmin(finder.floor, distance);
                finder.ceiling = fmax(finder.ceiling, distance);
            }
        }
    }
    find_once(&finder, levels);
    double *offset = ARENA_ARRAY(arena, double, matrix->hosts);
    if (find_offsets(&finder, levels, offset)) {
        finder.offset = offset;
        find_once(&finder, levels);
    }
    levels->offset = offset;
    for (size_t l = 0; l < levels->count; l++) {
        int32_t *group_of = ARENA_ARRAY(arena, int32_t, matrix->hosts);
        memcpy(group_of, levels->level[l].group_of, matrix->hosts * sizeof *group_of);
        levels->level[l].group_of = group_of;
    }
    arena_destroy(own);
}
