/* A device that computes faster or slower, for what-if, for slow hosts, and for another device with the same
 * chip. */
#ifndef CLUSTERPLAN_DEVICE_SCALE_H
#define CLUSTERPLAN_DEVICE_SCALE_H

#include "common/cluster.h"

/* Multiplies the device's peaks and the rates of its products and attention by `factor`. Launches and the
 * fixed time of a tile stay, as where constants are taken over from another device (matmul.c, scale). */
void device_scale_compute(struct cluster_device *device, double factor);

/* Multiplies the device's memory bandwidth by `factor`; what quantising an operand takes is divided by it. */
void device_scale_memory_bandwidth(struct cluster_device *device, double factor);

#endif
