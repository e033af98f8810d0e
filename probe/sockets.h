/* Whether the pairs of ranks in a host show its packages, or its NUMA nodes, as a level of their own. No MPI.
 */
#ifndef CLUSTERPLAN_PROBE_SOCKETS_H
#define CLUSTERPLAN_PROBE_SOCKETS_H

#include <stddef.h>
#include <stdint.h>

#include "common/arena.h"
#include "probe/node.h"
#include "probe/records.h"

struct sockets {
    const char *name;  /* of the level: "socket" or "numa"; NULL: there is none */
    size_t groups;     /* in the host, all of the same size */
    int32_t *group_of; /* of each of the host's ranks, by their number on it */
};

/* Out of PHASE_LOCAL between the `count` ranks of a host, by the rules of levels.h: by latency, or else by
 * bandwidth. What shows counts only where it is where the ranks are. */
void sockets_find(const struct records *records, const int32_t *ranks, const struct node_place *places,
                  size_t count, struct arena *arena, struct sockets *sockets);

#endif
