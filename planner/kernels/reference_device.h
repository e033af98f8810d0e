/* The device whose kernel constants stand in for those of a device that has none of its own: rates go with
 * the peak, memory traffic with the memory bandwidth, launch times stay. */
#ifndef CLUSTERPLAN_REFERENCE_DEVICE_H
#define CLUSTERPLAN_REFERENCE_DEVICE_H

#include "common/cluster.h"

/* H100-SXM5-80GB with the constants fitted to it; the same as in topologies/dgx-h100.yaml. */
extern const struct cluster_device reference_device;

#endif
