/* Curves of collectives by operation and group: layouts share few of them. */
#ifndef CLUSTERPLAN_COLLECTIVE_CACHE_H
#define CLUSTERPLAN_COLLECTIVE_CACHE_H

#include "common/arena.h"
#include "planner/kernels/collective.h"

struct collective_cache;

/* A cache for one cluster, which has to live as long as the cache. The arena owns the cache. */
struct collective_cache *collective_cache_create(struct arena *arena, const struct cluster *cluster);

/* What collective_seconds gives, from a curve that is kept. */
double collective_cache_seconds(struct collective_cache *cache, const struct collective *collective);

/* What collective_curve_least_seconds gives for the collective's curve. */
double collective_cache_least_seconds(struct collective_cache *cache, const struct collective *collective);

#endif
