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

/* Every record, as CSV; written beside and renamed. */
bool result_write_matrix(const struct campaign *campaign, const char *path, struct error *error);

/* Name of a network level of the campaign in the file: "rack", "network". */
const char *result_level_name(const struct campaign *campaign, size_t level);

/* All records of a phase, kind and level as a summary: medians of medians, and of quartiles. count 0: none.
 */
void result_summarize(const struct campaign *campaign, enum record_phase phase, int32_t kind, int32_t level,
                      struct summary *summary);

#endif
