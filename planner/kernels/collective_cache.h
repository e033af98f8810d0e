/* Curves of collectives by operation and group: layouts share few of them. */
#ifndef CLUSTERPLAN_COLLECTIVE_CACHE_H
#define CLUSTERPLAN_COLLECTIVE_CACHE_H

#include "common/arena.h"
#include "planner/kernels/collective.h"

struct collective_cache;

/* Of one cluster, which has to live as long. */
struct collective_cache *collective_cache_create(struct arena *arena, const struct cluster *cluster);

/* As collective_seconds. */
double collective_cache_seconds(struct collective_cache *cache, const struct collective *collective);

/* As collective_curve_least_seconds. */
double collective_cache_least_seconds(struct collective_cache *cache, const struct collective *collective);

#endif
