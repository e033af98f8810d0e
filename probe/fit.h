/* Constants out of measured times: latency and bandwidth of a link by message size, and the collective form
 * of common/cluster.h. Errors count relative to the measured time, and outliers count little. No MPI. */
#ifndef CLUSTERPLAN_PROBE_FIT_H
#define CLUSTERPLAN_PROBE_FIT_H

#include <stdbool.h>
#include <stddef.h>

#include "common/cluster.h"

struct fit_point {
    double bytes;
    double seconds; /* one way */
};

struct fit_link {
    double latency_seconds;
    double bandwidth_bytes_per_second;
    double median_error, largest_error; /* |fitted / measured - 1| over the points */
};

/* T = latency + bytes / bandwidth with the least sum of |relative error|: that line goes through two of the
 * points, so all such lines are tried. False when the points don't give a line that rises: fewer than two
 * sizes, or times that are not positive. */
bool fit_link(const struct fit_point *points, size_t count, struct fit_link *fit);

struct fit_collective_point {
    int members;
    double volume_bytes; /* bus volume: what nccl-tests counts, bytes (n-1)/n, doubled for an all-reduce */
    double seconds;
};

/* Non-negative constants of struct collective_constants by least squares of the relative error, reweighted
 * so that outliers count little. The loss of small groups is fitted when there are two group sizes or more;
 * so is the latency per member. False with fewer than two points, or no volume in any of them. */
bool fit_collective(const struct fit_collective_point *points, size_t count,
                    struct collective_constants *constants, double *median_error);

/* How far each point in turn is from what a fit of all the others predicts, |predicted / measured - 1|;
 * `errors` has room for `count`. Returns how many could be predicted. */
size_t fit_held_out(const struct fit_collective_point *points, size_t count, double *errors);

/* Seconds by those constants. */
double fit_collective_seconds(const struct collective_constants *constants, int members, double volume_bytes);

/* Bus volume of an operation on `bytes` (the whole buffer of a member, as nccl-tests counts) by `members`. */
double fit_bus_volume(enum collective_operation operation, double bytes, int members);

#endif
