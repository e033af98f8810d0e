/* Levels of a network (switches, racks) out of a matrix of distances between hosts, by clustering. No MPI.
 *
 * A level is a way to split the hosts into groups such that pairs inside are near and pairs across are far.
 * Candidates are the valleys in the distribution of distances, where every pair counts over its own spread:
 * noise closes a valley, precise pairs open one. A candidate becomes a level only where the groups hold:
 * nearly all pairs inside are nearer than nearly all pairs across, by a gap well above the spread of both,
 * and some group of the level outside falls into at least two that have two hosts. A host that is slow to
 * everyone (an additive offset) is told apart from a level, and placed as if it were not slow.
 *
 * Units are the caller's: seconds, or seconds a byte (the inverse of bandwidth). */
#ifndef CLUSTERPLAN_PROBE_LEVELS_H
#define CLUSTERPLAN_PROBE_LEVELS_H

#include <stddef.h>
#include <stdint.h>

#include "common/arena.h"

enum { LEVELS_MAX = 6 };

struct levels_matrix {
    size_t hosts;
    const float *distance; /* hosts x hosts, symmetric; NaN where not measured; the diagonal is ignored */
    const float *spread;   /* of each distance, how far it may be off; the same shape */
};

struct levels_level {
    double distance; /* median over the pairs that this level joins and no inner one */
    double spread;   /* interquartile range of the same */
    size_t group_count;
    int32_t *group_of; /* of each host; numbered by the first host in them */
};

struct levels {
    size_t count;                          /* at least 1: the last level joins all */
    struct levels_level level[LEVELS_MAX]; /* from the hosts outwards */
    double *offset; /* of each host: what it adds to all its distances; 0 where that is no more than noise */
};

/* Arrays of the result belong to `arena`. */
void levels_find(const struct levels_matrix *matrix, struct arena *arena, struct levels *levels);

/* The innermost level whose groups hold both hosts. */
size_t levels_joining(const struct levels *levels, size_t one, size_t other);

#endif
