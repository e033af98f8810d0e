/* How much longer collectives take than their constants say, by size and group: what was measured, between
 * the sizes and the groups that were measured. MPI and NCCL change algorithm and protocol with both, which no
 * constants of latency and bandwidth have. */
#ifndef CLUSTERPLAN_COLLECTIVE_CORRECTION_H
#define CLUSTERPLAN_COLLECTIVE_CORRECTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Lists are sorted by members, then by bytes; each pair of them stands there once. */
struct collective_correction {
    int64_t members;
    double message_bytes; /* as in struct collective (planner/kernels/collective.h) */
    double factor;        /* measured seconds over those of the constants */
};

/* Whether a list is sorted as it has to be. If not, `first` is the item that is out of its place. */
bool collective_corrections_sorted(const struct collective_correction *corrections, size_t count,
                                   size_t *first);

bool collective_is_power_of_two(int64_t members);

/* The lists of the two measured groups next to a size, of which either may be empty. Powers of two have
 * algorithms that spare the steps which other sizes need ("Optimization of Collective Communication
 * Operations in MPICH", IJHPCA 19, 2005): where two groups and more of either kind were measured, those of
 * the other kind don't count. */
struct collective_correction_lists {
    const struct collective_correction *lists[2];
    size_t counts[2];
    double weight; /* of the second */
};

void collective_corrections_of(const struct collective_correction *corrections, size_t count, int64_t members,
                               struct collective_correction_lists *lists);

/* The factor for so many bytes, interpolated in the logarithms of bytes and members. Beyond what was measured
 * the nearest counts; 1 where nothing was. */
double collective_corrections_factor(const struct collective_correction_lists *lists, double message_bytes);

/* The least factor for any number of bytes: what a bound may count on. */
double collective_corrections_least(const struct collective_correction_lists *lists);

#endif
