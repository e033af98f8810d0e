/* What the records say: matrices of hosts, levels, the usual figures of each level, who deviates. No MPI. */
#ifndef CLUSTERPLAN_PROBE_ANALYSIS_H
#define CLUSTERPLAN_PROBE_ANALYSIS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/arena.h"
#include "probe/levels.h"
#include "probe/records.h"

/* Pairs of hosts: [i * hosts + j] is from host i to host j; NaN where not measured. */
struct analysis_matrix {
    size_t hosts;
    float *latency,
        *latency_spread;   /* seconds; symmetric: least half round trip, and how far it may be off */
    float *median_latency; /* seconds; symmetric */
    float *bandwidth;      /* bytes a second, one direction */
    float *bandwidth_spread;
};

/* Gathers PHASE_PAIRS. `host_of` maps ranks to hosts. */
void analysis_gather(const struct records *records, const int32_t *host_of, size_t hosts, struct arena *arena,
                     struct analysis_matrix *matrix);

/* Levels by latency; where that shows only one, by bandwidth. */
void analysis_find_levels(const struct analysis_matrix *matrix, struct arena *arena, struct levels *levels,
                          bool *by_bandwidth);

/* The usual figures of a level: of the pairs that it joins and no inner level. */
struct analysis_usual {
    size_t pairs;
    double latency, latency_spread; /* medians over pairs of their median; interquartile range */
    double least_latency;           /* median over pairs of the least */
    double bandwidth,
        bandwidth_spread; /* upper quartile over directions, since slow ones are the exception */
};
void analysis_usual(const struct analysis_matrix *matrix, const struct levels *levels, size_t level,
                    struct arena *arena, struct analysis_usual *usual);

/* How a host deviates. Factors are of what is usual at the levels: bandwidth 0.4 is slow, latency 2 is slow.
 */
struct analysis_host {
    double sends, receives, latency; /* 0: not known */
    char note[160];                  /* empty: as the others */
};

/* A direction of a pair that deviates while neither of its hosts does. */
struct analysis_link {
    size_t from, to;
    double factor; /* of the usual bandwidth */
};
enum { ANALYSIS_LINKS_MAX = 64 };

void analysis_deviations(const struct analysis_matrix *matrix, const struct levels *levels,
                         struct arena *arena, struct analysis_host *hosts,
                         struct analysis_link links[ANALYSIS_LINKS_MAX], size_t *link_count);

/* All directions that look slow, also those of hosts that look slow as a whole: to be measured again. */
void analysis_suspects(const struct analysis_matrix *matrix, const struct levels *levels, struct arena *arena,
                       struct analysis_link links[ANALYSIS_LINKS_MAX], size_t *link_count);

#endif
