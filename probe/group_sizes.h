/* How many members the groups have whose collectives are measured. No MPI. */
#ifndef CLUSTERPLAN_PROBE_GROUP_SIZES_H
#define CLUSTERPLAN_PROBE_GROUP_SIZES_H

#include <stdbool.h>
#include <stddef.h>

enum { GROUP_SIZES_MAX = 256 };

struct group_size {
    size_t members;
    bool fine; /* may be left out where the time is short */
};

/* Those smaller than `count`, the ones that matter most first: 2, 4, 8 ..., 3, 6, 12 ..., and what divides
 * `count` or `whole`, since a plan's groups divide the cluster: so each that it may form of all hosts; at
 * last 5, 10, 20 ... and 7, 14, 28 ..., which are fine. Returns how many. */
size_t group_sizes_list(size_t count, size_t whole, struct group_size sizes[GROUP_SIZES_MAX]);

/* A size that isn't listed, to predict from those that are: the largest of 9, 11, 13 and 15 times a power of
 * two below `count`; 0 where there is none. */
size_t group_sizes_held_out(size_t count, size_t whole);

#endif
