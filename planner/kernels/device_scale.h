/* A device that computes faster or slower, for what-if and for slow hosts. */
#ifndef CLUSTERPLAN_DEVICE_SCALE_H
#define CLUSTERPLAN_DEVICE_SCALE_H

#include "common/cluster.h"

/* Rates follow the peak, as where constants are taken over from another device (matmul.c, scale): launches
 * and the fixed time of a tile stay. */
void device_scale_compute(struct cluster_device *device, double factor);

void device_scale_memory_bandwidth(struct cluster_device *device, double factor);

#endif
