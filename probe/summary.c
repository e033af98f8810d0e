#include "probe/summary.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { SETTLED_COUNT_MIN = 10 };
static const double NORMAL_QUANTILE_95 = 1.96; /* two-sided */

static int compare(const void *left, const void *right) {
    double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

/* Quantile by linear interpolation between order statistics. */
static double quantile(const double *sorted, size_t count, double share) {
    double position = share * (double)(count - 1);
    size_t below = (size_t)position;
    if (below + 1 >= count)
        return sorted[count - 1];
    double part = position - (double)below;
    return sorted[below] + part * (sorted[below + 1] - sorted[below]);
}

void summary_make(double *values, size_t count, struct summary *summary) {
    memset(summary, 0, sizeof *summary);
    if (count == 0)
        return;
    qsort(values, count, sizeof *values, compare);
    *summary = (struct summary){.count = (int64_t)count,
                                .minimum = values[0],
                                .lower_quartile = quantile(values, count, 0.25),
                                .median = quantile(values, count, 0.5),
                                .upper_quartile = quantile(values, count, 0.75),
                                .maximum = values[count - 1]};
}

double summary_spread(const struct summary *summary) {
    return summary->upper_quartile - summary->lower_quartile;
}

double summary_median(double *values, size_t count) {
    struct summary summary;
    summary_make(values, count, &summary);
    return summary.median;
}

bool summary_settled(const double *sorted, size_t count, double precision) {
    if (count < SETTLED_COUNT_MIN)
        return false;
    double half_width = NORMAL_QUANTILE_95 * sqrt((double)count) / 2;
    double middle = (double)(count - 1) / 2;
    double low = sorted[(size_t)fmax(0, floor(middle - half_width))];
    double high = sorted[(size_t)fmin((double)(count - 1), ceil(middle + half_width))];
    double median = quantile(sorted, count, 0.5);
    return high - low <= 2 * precision * median;
}

double summary_quantile(double *values, size_t count, double share) {
    if (count == 0)
        return 0;
    qsort(values, count, sizeof *values, compare);
    return quantile(values, count, share);
}
