/* Constants of the kernel and collective models, fitted to measured times.
 *
 * A fit takes the least mean |log(predicted / measured)|, so that too long and too short by the same factor
 * count alike and a few odd times count little. What is predicted is what the planner itself would say. */
#ifndef CLUSTERPLAN_CALIBRATE_H
#define CLUSTERPLAN_CALIBRATE_H

#include <stdbool.h>
#include <stddef.h>

#include "common/cluster.h"
#include "planner/calibration/timings.h"

/* |predicted / measured - 1| over some of the rows. */
struct calibration_errors {
    size_t count;
    double median, ninetieth;             /* of the constants fitted to all rows */
    double cross_median, cross_ninetieth; /* each row predicted by a fit to the other four fifths */
};

/* One fit: the rows of one device, and of one precision or operation. */
struct calibration {
    enum timing_kind kind;
    const char *device;
    enum precision precision;            /* products, experts, attention */
    enum collective_operation operation; /* collectives */
    struct kernel_constants kernels;     /* what was fitted; the rest as in the base */
    struct collective_constants collective;
    bool backward_measured; /* attention: else the planner takes a share of the forward's rate */
    struct calibration_errors all, large, backward; /* large: from 1 GFLOP, or 1 MiB; backward: attention's */
};

enum { CALIBRATION_MAX = 64 };

/* The devices, precisions and operations that the timings hold, in the order of the file, nothing fitted yet.
 * `calibrations` has room for CALIBRATION_MAX; more is an error. */
bool calibration_find(const struct timings *timings, struct calibration *calibrations, size_t *count,
                      struct error *error);

/* Fits one of them. `base` gives the device's peak, memory bandwidth and multiprocessors, and the products'
 * constants that experts are counted with; collectives need none of it. False with the error set when the
 * base is another device, lacks the precision, or there are too few rows. */
bool calibration_fit(const struct timings *timings, const struct cluster *base, struct arena *arena,
                     struct calibration *calibration, struct error *error);

#endif
