/* The clusters that ship with the project. */
#ifndef CLUSTERPLAN_TESTS_SHIPPED_CLUSTER_H
#define CLUSTERPLAN_TESTS_SHIPPED_CLUSTER_H

#include "check.h"
#include "common/arena.h"
#include "common/cluster.h"

/* Its texts live in `room`. */
static inline struct cluster shipped_cluster(const char *name, struct arena *room) {
    const char *path = arena_print(room, SOURCE_DIR "/topologies/%s.yaml", name);
    struct cluster cluster;
    struct error error;
    if (!cluster_read(path, room, &cluster, &error))
        fail_msg("%s: %s", path, error.what);
    return cluster;
}

#endif
