/* A cluster of two levels like DGX H100's, with the constants of the reference device. */
#ifndef CLUSTERPLAN_TESTS_H100_CLUSTER_H
#define CLUSTERPLAN_TESTS_H100_CLUSTER_H

#include "planner/kernels/reference_device.h"

static inline struct cluster h100_cluster(void) {
    struct cluster cluster = {.name = "test", .node = {.devices = 8}, .device = reference_device};
    cluster.device.reserved_bytes = 1e9;
    cluster.levels[0] = (struct network_level){.name = "nvlink",
                                               .devices = 8,
                                               .bandwidth_bytes_per_second = 450e9,
                                               .latency_seconds = 2e-6,
                                               .oversubscription = 1};
    cluster.levels[1] = (struct network_level){.name = "leaf",
                                               .bandwidth_bytes_per_second = 50e9,
                                               .ports = 8,
                                               .latency_seconds = 5e-6,
                                               .oversubscription = 1};
    cluster.level_count = 2;
    return cluster;
}

#endif
