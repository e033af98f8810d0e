/* A campaign's records as a cluster file's struct; what they don't tell comes from a base topology. */
#ifndef CLUSTERPLAN_PROBE_RESULT_H
#define CLUSTERPLAN_PROBE_RESULT_H

#include <stdbool.h>

#include "common/arena.h"
#include "common/cluster.h"
#include "common/error.h"
#include "probe/campaign.h"

struct result_source {
    const char *output;    /* path of the cluster file */
    const char *command;   /* the line that was run */
    const char *mpi;       /* version of the MPI library */
    const char *libraries; /* of the GPUs: which are here, and why not; NULL: not asked for */
    const char *note;      /* what to know before trusting it; NULL nothing */
};

/* The shipped topology whose device a GPU's name says it is, or NULL. */
const char *result_topology_of_gpu(const char *gpu);

/* False with the error set when `base` is of another device than the nodes hold. */
bool result_check_base(const struct campaign *campaign, const struct cluster *base, struct error *error);

/* Strings and arrays belong to the campaign's arena. */
void result_make(const struct campaign *campaign, const struct cluster *base,
                 const struct result_source *source, struct cluster *cluster);

/* Classes of nodes, hosts, and the figures behind the levels (result_details.c). */
void result_add_nodes(const struct campaign *campaign, struct cluster *cluster);
void result_add_measurements(const struct campaign *campaign, struct cluster *cluster);

/* Measured figures to as many digits as they may mean. */
void result_round(struct cluster *cluster);

/* Every record, as CSV. */
bool result_write_matrix(const struct campaign *campaign, const char *path, struct error *error);

/* How well the constants of collectives and their corrections predict times that they were not made from: of
 * the sizes between, and of other groups, how many; the median of |predicted / measured - 1|, and what nine
 * in ten keep to. */
struct result_held_out {
    size_t sizes, groups;
    double sizes_error, groups_error, sizes_nine_in_ten, groups_nine_in_ten;
};
void result_held_out(const struct campaign *campaign, struct result_held_out *out);

/* Name of a network level of the campaign in the file: "rack", "network". */
const char *result_level_name(const struct campaign *campaign, size_t level);

/* All records of a phase, kind and level as a summary: medians of medians, and of quartiles. count 0: none.
 */
void result_summarize(const struct campaign *campaign, enum record_phase phase, int32_t kind, int32_t level,
                      struct summary *summary);
void result_summarize_over(const struct campaign *campaign, enum transport transport, enum record_phase phase,
                           int32_t kind, int32_t level, struct summary *summary);

/* Where the figures of a level's collectives come from: the level of messages by size, and the groups of
 * ranks that MPI and NCCL were measured in. */
struct result_groups {
    int32_t level;
    enum record_group mpi, nccl;
    bool host_memory; /* MPI's from and to host memory count: not between the GPUs of a node */
    /* Between nodes, where MPI's groups have one rank of each: what a node's ranks carry together over what
     * one does, and the devices of a node. Else 0. */
    double node_share;
    int64_t devices;
};

/* Constants of all operations (result_fit.c): NCCL's where it was measured, then MPI's on memory of GPUs,
 * then on the hosts'. */
void result_fit(const struct campaign *campaign, const struct result_groups *groups,
                struct network_level *level);

/* What was measured of the GPUs (result_gpus.c): of the base's level that joins those of a node; of the
 * device and its link to the host; and a word on the GPUs of a host that are slower than usual. */
void result_add_gpu_level(const struct campaign *campaign, struct network_level *level);
void result_add_device(const struct campaign *campaign, struct cluster *cluster);
void result_note_gpus(const struct campaign *campaign, size_t host, char *text, size_t size);

/* Products and copies of the slowest GPU of a host over the usual, 1 where none is slow; 0: none was
 * measured. */
double result_gpu_factor(const struct campaign *campaign, size_t host);

/* "measured", or by what if it wasn't MPI from and to host memory. */
const char *result_measured_by(const struct campaign *campaign, enum transport transport);

#endif
