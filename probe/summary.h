/* Order statistics of repeated measurements, and when enough of them were taken. No MPI. */
#ifndef CLUSTERPLAN_PROBE_SUMMARY_H
#define CLUSTERPLAN_PROBE_SUMMARY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct summary {
    int64_t count; /* 0: nothing measured, and the figures below are 0 */
    double minimum, lower_quartile, median, upper_quartile, maximum;
};

/* Sorts `values` in place and describes them. */
void summary_make(double *values, size_t count, struct summary *summary);

/* Interquartile range. */
double summary_spread(const struct summary *summary);

/* The median alone; sorts `values` in place. 0 of no values. */
double summary_median(double *values, size_t count);

/* The value below which `share` of them lie, interpolated; sorts `values` in place. 0 of no values. */
double summary_quantile(double *values, size_t count, double share);

/* True when the median of the sorted values is known within the fraction `precision` at 95 % confidence, by
 * the order statistics that enclose it (binomial, normal approximation). Never true of fewer than 10. */
bool summary_settled(const double *sorted, size_t count, double precision);

#endif
