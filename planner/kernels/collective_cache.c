#include "planner/kernels/collective_cache.h"

/* Each operation and group has one place, by its hash, and may take the place of another. */
enum { CACHE_BITS = 10, CACHE_SIZE = 1 << CACHE_BITS };

struct entry {
    enum collective_operation operation;
    struct rank_group group; /* of size 0: free */
    struct collective_curve curve;
};

struct collective_cache {
    const struct cluster *cluster;
    struct entry entries[CACHE_SIZE];
};

struct collective_cache *collective_cache_create(struct arena *arena, const struct cluster *cluster) {
    struct collective_cache *cache = ARENA_NEW(arena, struct collective_cache);
    cache->cluster = cluster;
    return cache;
}

static size_t place_of(enum collective_operation operation, const struct rank_group *group) {
    const uint64_t multiplier = 0x9e3779b97f4a7c15; /* 2^64 over the golden ratio: Fibonacci hashing */
    uint64_t hash = ((uint64_t)group->size << 3 | (uint64_t)operation) * multiplier;
    hash = (hash ^ hash >> 32 ^ (uint64_t)group->stride) * multiplier;
    return (size_t)(hash >> (64 - CACHE_BITS));
}

static const struct collective_curve *curve_of(struct collective_cache *cache,
                                               const struct collective *collective) {
    const struct rank_group *group = &collective->group;
    struct entry *entry = &cache->entries[place_of(collective->operation, group)];
    if (entry->operation != collective->operation || entry->group.size != group->size ||
        entry->group.stride != group->stride) {
        entry->operation = collective->operation;
        entry->group = *group;
        collective_curve_of(cache->cluster, collective, &entry->curve);
    }
    return &entry->curve;
}

double collective_cache_seconds(struct collective_cache *cache, const struct collective *collective) {
    return collective_curve_seconds(curve_of(cache, collective), collective->bytes);
}

double collective_cache_least_seconds(struct collective_cache *cache, const struct collective *collective) {
    return collective_curve_least_seconds(curve_of(cache, collective), collective->bytes);
}
