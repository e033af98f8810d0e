/* Time of matrix products on one device. */
#ifndef CLUSTERPLAN_MATMUL_H
#define CLUSTERPLAN_MATMUL_H

#include <stdint.h>

#include "common/cluster.h"

enum matmul_pass {
    MATMUL_FORWARD,        /* y = x w */
    MATMUL_DATA_GRADIENT,  /* dx = dy w' */
    MATMUL_WEIGHT_GRADIENT /* dw += x' dy, summed in fp32 */
};

/* Result m x n, inner k, one product; of a forward product m is tokens. The shape is that of the pass itself:
 * the weight gradient of a forward (m, n, k) is (k, n, m). */
struct matmul {
    int64_t m, n, k;
    int64_t batch; /* equal independent products in one kernel (unfused attention); 1 otherwise */
    enum precision precision;
    enum matmul_pass pass;
};

/* Bytes that summing up moves for each element of a weight's gradient, and the share of them that a dense
 * product doesn't hide. */
extern const double MATMUL_ACCUMULATE_BYTES, MATMUL_ACCUMULATE_SHOWN;

/* Seconds, launch included; 0 for an empty product, infinite where the device lacks the format. A device
 * without constants is reckoned with a reference device's, scaled by peak. */
double matmul_seconds(const struct cluster_device *device, const struct matmul *matmul);

/* Grouped expert products: `groups` weights of n x k, `m` rows in all of them together. Of a weight gradient
 * the rows are `k`, and each group has its own m x n result. */
double matmul_grouped_seconds(const struct cluster_device *device, const struct matmul *matmul,
                              int64_t groups);

/* The same in one kernel that runs through all groups, and at its end does more with each result or reads
 * more for it: so many bytes in all. */
double matmul_fused_grouped_seconds(const struct cluster_device *device, const struct matmul *matmul,
                                    int64_t groups, double fused_bytes);

/* Holds the constants against the product that was measured on the device, where one was: from then on all
 * products run at the share of their rate that it reached. Returns that share, 0 where none was measured. */
double matmul_adopt_measured(struct cluster_device *device);

/* Seconds that no product or group of products of so many floating-point operations in all takes less of,
 * whatever its shape. */
double matmul_least_seconds(const struct cluster_device *device, enum precision precision, double flops);

/* The device's own constants, else another's scaled to its peak and memory. `precision` must have a peak. */
struct matmul_constants matmul_constants_of(const struct cluster_device *device, enum precision precision);

/* True when the constants are this device's own and not scaled from another's. */
bool matmul_is_fitted(const struct cluster_device *device, enum precision precision);

#endif
