/* Which rank runs on which host, and what that means for measuring. Gathered on rank 0. */
#ifndef CLUSTERPLAN_PROBE_PLACEMENT_H
#define CLUSTERPLAN_PROBE_PLACEMENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/arena.h"
#include "common/error.h"
#include "probe/node.h"

struct placement_host {
    const char *name;
    int32_t *ranks; /* in order; the first one leads */
    int32_t rank_count;
    bool unbound;     /* some of its ranks may run on each other's cores */
    const char *boot; /* identity of the running kernel: equal for hosts that share a machine */
};

struct placement {
    int32_t ranks;
    struct placement_host *hosts; /* in the order of their first ranks */
    size_t host_count;
    int32_t *host_of;          /* of each rank */
    int32_t *local_of;         /* of each rank: its number on its host */
    struct node_place *places; /* of each rank */
    const char **bindings;     /* of each rank, in words: "1 core of package 0, NUMA node 1" */
    const char **settings;     /* of each rank: identity_list_settings */
    bool crowded;              /* some ranks have fewer cores to run on than they are, on one machine */
    bool share_machine;        /* several hosts are one machine: containers or namespaces */
};

/* What a rank was asked for on its command line. */
struct placement_wish {
    const char *instead; /* option that asks for something else than to measure, such as "--help"; or NULL */
    struct error wrong;  /* with its options; `what` is empty where they are good */
    /* Each option as it was given, in the order of the program's table; "": it was not. */
    const char *const *given;
    size_t given_count;
};

/* Called by all ranks, each with its own wish. Fills `placement` on rank 0 only, and tells every rank whether
 * it is crowded and which host rank 0 is on. False on all ranks, and the error set on rank 0, when a rank's
 * options are wrong or are not rank 0's, ranks were asked for different things, two hosts have the same name
 * or the ranks are of different programs. Where all were asked for something else than to measure,
 * `placement` holds no hosts. Blocks until all have called it. */
bool placement_gather(struct arena *arena, struct placement_wish *wish, struct placement *placement,
                      bool *crowded, const char **leader, struct error *error);

#endif
