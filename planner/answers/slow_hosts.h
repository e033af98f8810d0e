/* Slow hosts and links of a measured cluster, and what they cost a job.
 *
 * A job takes the sound hosts first. One that is larger takes the least slow of the others too, and goes at
 * the pace of the slowest it takes: all of its collectives wait for that host's port, or for that link. A
 * slow link is one of its ends' fault: a job without that host has no use for it. */
#ifndef CLUSTERPLAN_SLOW_HOSTS_H
#define CLUSTERPLAN_SLOW_HOSTS_H

#include <stddef.h>
#include <stdint.h>

#include "common/cluster.h"

struct problem;
struct plan;

struct slow_host {
    const char *name;
    double bandwidth_factor[CLUSTER_MAX_LEVELS]; /* of the usual, at each level; 1: as usual */
    double latency_factor;                       /* at least 1; beyond the node */
    double compute_factor;                       /* at most 1 */
    const char *what;                            /* "0.50 of the usual bandwidth" */
};

struct slow_hosts {
    struct slow_host *hosts; /* the least slow first */
    size_t count;
    struct cluster **clusters; /* as a job sees it that takes so many of them; NULL: not made yet */
};

/* Finds the slow hosts of a cluster file. They belong to the arena. */
void slow_hosts_find(const struct cluster *cluster, struct arena *arena, struct slow_hosts *slow);

/* How many slow hosts a job on so many devices can't do without. */
size_t slow_hosts_taken(const struct slow_hosts *slow, const struct cluster *cluster, int64_t devices);

/* The cluster as a job sees it that takes the first `taken` slow hosts. */
const struct cluster *slow_hosts_cluster(struct slow_hosts *slow, const struct cluster *cluster, size_t taken,
                                         struct arena *arena);

/* A plan with the slow hosts that it takes, and the best on the others alone, with the same global batch. */
struct slow_hosts_price {
    const struct slow_hosts *slow;
    size_t taken;               /* 0: the plan does without them */
    const struct plan *with;    /* the plan; NULL where nothing fits */
    const struct plan *without; /* NULL: there is none, or none is needed */
};

/* Sets the problem's `slow_price` for its best plan; leaves it NULL where no host is slow. The problem stays
 * as it was but for the sums of what was searched. */
void slow_hosts_price(struct problem *problem, const struct plan *plan);

#endif
