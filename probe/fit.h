/* Constants out of measured times, in the collective form of common/cluster.h. Errors count relative to the
 * measured time, and outliers count little. No MPI. */
#ifndef CLUSTERPLAN_PROBE_FIT_H
#define CLUSTERPLAN_PROBE_FIT_H

#include <stdbool.h>
#include <stddef.h>

#include "common/cluster.h"

/* That are fitted together: 64 group sizes of 8 messages, looked at 3 times. */
enum { FIT_POINTS_MAX = 2048 };

struct fit_collective_point {
    int members;
    double message_bytes; /* of a member's whole buffer */
    double volume_bytes;  /* bus volume: what nccl-tests counts, bytes (n-1)/n, doubled for an all-reduce */
    double seconds;
};

/* Shortens times that other work on the machine must have lengthened: in a group a message takes no longer
 * than a larger one, nor than smaller ones one after the other ("Self-Consistent MPI Performance Guidelines",
 * IEEE TPDS 21, 2010), but for twice that, since implementations may choose badly at a size. */
void fit_clip(struct fit_collective_point *points, size_t count);

/* Non-negative constants of struct collective_constants by least squares of the relative error, reweighted
 * so that outliers count little. The loss of small groups is fitted when there are two group sizes or more;
 * so is the latency per member. Of several powers of two and other sizes the powers are
 * fitted. False with fewer than two points, or no volume in any of them. */
bool fit_collective(const struct fit_collective_point *points, size_t count,
                    struct collective_constants *constants, double *median_error);

/* By how much each measured time (of the same group and message: their median) is longer than by the
 * constants, sorted as the file needs it; `corrections` has room for `count`. Sorts the points. Returns how
 * many. */
size_t fit_corrections(struct fit_collective_point *points, size_t count,
                       const struct collective_constants *constants,
                       struct collective_correction *corrections);

/* Seconds by those constants and their corrections, as the planner takes them from the file. */
double fit_corrected_seconds(const struct collective_constants *constants, int members, double message_bytes,
                             double volume_bytes);

/* Seconds by those constants. */
double fit_collective_seconds(const struct collective_constants *constants, int members, double volume_bytes);

/* Bus volume of an operation on `bytes` (the whole buffer of a member, as nccl-tests counts) by `members`. */
double fit_bus_volume(enum collective_operation operation, double bytes, int members);

#endif
