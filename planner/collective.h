/* Time of collectives over groups of ranks laid on a cluster's network levels. */
#ifndef CLUSTERPLAN_COLLECTIVE_H
#define CLUSTERPLAN_COLLECTIVE_H

#include <stdint.h>

#include "common/cluster.h"
#include "planner/explain.h"

/* Ranks first, first + stride, ... in device order. All groups of the same shape run at the same time and
 * share the links. */
struct rank_group {
    int64_t size, stride;
};

struct collective {
    enum collective_operation operation;
    double bytes; /* all-reduce, all-gather, reduce-scatter: the whole buffer; all-to-all: what one rank
                     holds; send/receive: the message */
    struct rank_group
        group; /* send/receive: a chain, in which each sends to the next; the slowest pair counts */
};

struct collective_estimate {
    double seconds;
    double bandwidth_bytes_per_second; /* bus bandwidth at infinite size, sharing included */
    double latency_seconds;
    const char *level; /* the outermost level the group spans */
    const char *from;  /* "measured", "fitted", "datasheet": where the constants came from */
};

void collective_estimate(const struct cluster *cluster, const struct collective *collective,
                         struct collective_estimate *estimate);

/* The seconds alone. 0 for a group of one or no bytes. */
double collective_seconds(const struct cluster *cluster, const struct collective *collective);

/* Bus volume of a collective in bytes, as nccl-tests defines it. */
double collective_bus_bytes(const struct collective *collective);

#endif
