/* What a node is made of, by hwloc: packages, cores, NUMA, caches, GPUs and NICs with their locality; memory
 * as the kernel counts it, too. Plain data of fixed size, so that it travels as bytes. */
#ifndef CLUSTERPLAN_PROBE_NODE_H
#define CLUSTERPLAN_PROBE_NODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { NODE_TEXT = 96, NODE_PARTS_MAX = 48 };

enum node_part_kind { PART_GPU, PART_NIC };

struct node_summary_part {
    int32_t kind;   /* enum node_part_kind */
    int32_t numa;   /* nearest NUMA node; -1 unknown */
    int32_t up;     /* NIC: 1 link up, 0 down, -1 unknown */
    int32_t fabric; /* NIC: 1 InfiniBand, RoCE or the like; 0 plain network */
    /* GPU, by NVML: 1 the job may use it, 1 cut into instances, how many NVLinks are up; 0 no, or unknown. */
    int32_t usable, mig, links;
    char name[NODE_TEXT];
    char pci[32];
    char near[NODE_TEXT];         /* GPU: its nearest NIC and how near; empty unknown */
    double rate_bytes_per_second; /* NIC; 0 unknown */
    double link_bytes_per_second; /* GPU: all its NVLinks together, one direction; 0 unknown */
    double memory_bytes;          /* GPU; 0 unknown */
};

struct node_summary {
    char error[256];      /* empty: the rest is filled */
    char nvml[NODE_TEXT]; /* what NVML is here, or why there is none; empty: it wasn't asked */
    char cpu[NODE_TEXT];
    int64_t packages, cores, threads, numa_nodes;
    double memory_bytes;       /* the kernel's figure; hwloc's when replayed from a file */
    double hwloc_memory_bytes; /* for comparison: they differ where memory was added to a running machine */
    double l3_bytes, l2_bytes;
    int64_t part_count;
    struct node_summary_part parts[NODE_PARTS_MAX];
};

/* Where a node's description comes from. */
struct node_source {
    const char *hwloc_xml; /* the machine of this file; NULL: this machine */
    bool host_only;        /* leave the GPUs' own libraries alone */
};

/* Where in its node this process runs, and over which network cards. */
struct node_place {
    int32_t package, numa; /* that its cores all belong to; -1: several, or unknown */
    char told[64];         /* the cards that the launcher or the user named for it; empty: none */
};
void node_locate(struct node_place *place);

/* Never fails: what went wrong stands in `error`. */
void node_describe(const struct node_source *source, struct node_summary *summary);

/* Whether two nodes are of one class: all but the addresses of their parts is equal, memory within 2 %. */
bool node_equal(const struct node_summary *one, const struct node_summary *other);

/* Which of the nodes are equal: `class_of` gets the number of each node's class, from 0 on. Returns how many.
 */
size_t node_classify(const struct node_summary *nodes, size_t count, size_t *class_of);

/* What differs between two nodes, for people: "cores 32, not 64; gpu 3 missing". */
void node_difference(const struct node_summary *node, const struct node_summary *usual, char *text,
                     size_t size);

/* The number of its GPUs, of those the job may use where that is known, and the name of the first (NULL:
 * none). */
int64_t node_gpus(const struct node_summary *node, const char **name);

/* All its GPUs, the job's or not. */
int64_t node_all_gpus(const struct node_summary *node);

/* NICs that carry a cluster's traffic: link not down and as fast as the fastest. 0: no rate is known. */
int64_t node_fast_nics(const struct node_summary *node, double *rate_bytes_per_second);

#endif
