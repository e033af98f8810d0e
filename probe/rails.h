/* Rails: what the ranks of a node that sit near different network cards carry, each to its counterpart on
 * another node. The launcher binds ranks and tells them their cards; here is found which card each is nearest
 * to, and which rail of which host is slow. No MPI. */
#ifndef CLUSTERPLAN_PROBE_RAILS_H
#define CLUSTERPLAN_PROBE_RAILS_H

#include <stddef.h>
#include <stdint.h>

#include "common/arena.h"
#include "probe/node.h"
#include "probe/records.h"

enum { RAILS_MAX = 16, RAILS_TEXT = 96 };

/* What is known of a rank's place. */
struct rails_rank {
    const struct node_place *place;
    const char *gpu_pci; /* of its GPU; empty or NULL: none */
};

/* The card of rank number `local` of the `count` ranks of a node, "mlx5_1 (same NUMA node)": the one the rank
 * was told to use, that of its GPU, or the nearest to its cores, where ranks of one NUMA node take its cards
 * in turn. Empty when nothing is known. */
void rails_find_nic(const struct node_summary *node, const struct rails_rank *ranks, size_t count,
                    size_t local, char nic[RAILS_TEXT]);

/* A rail between two hosts that looks slow beside another of theirs, and was not looked at RAILS_LOOKS times
 * yet. */
struct rails_suspect {
    int32_t from, to, beside_from, beside_to; /* ranks */
    int32_t looks;                            /* so far */
};
enum { RAILS_SLOW_MAX = 64, RAILS_LOOKS = 8 };

/* Returns how many there are. */
size_t rails_suspects(const struct records *records, const int32_t *host_of, struct arena *arena,
                      struct rails_suspect suspects[RAILS_SLOW_MAX]);

/* A rail that is slower than the fastest of the same pair of hosts, to or from all that it was measured with.
 */
struct rails_slow {
    size_t host;
    int32_t rail;  /* the rank's number on its host */
    bool sends;    /* or receives */
    double factor; /* of the fastest rail */
};

/* Out of PHASE_RAIL; a rail that looked slow each of RAILS_LOOKS times. `local_of` gives a rank's number on
 * its host.
 */
void rails_judge(const struct records *records, const int32_t *host_of, const int32_t *local_of, size_t hosts,
                 struct arena *arena, struct rails_slow slow[RAILS_SLOW_MAX], size_t *count);

/* How many ports of a node `together` shows, each of which carries `alone`; `known` is how many cards the
 * node has by hwloc (0 unknown). A number that the node's devices divide or are divided by, as cluster files
 * want it. */
int64_t rails_ports(double alone, double together, int64_t known, int64_t ranks, int64_t devices);

#endif
