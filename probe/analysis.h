/* What the records say: matrices of hosts, levels, the usual figures of each level, who deviates. No MPI. */
#ifndef CLUSTERPLAN_PROBE_ANALYSIS_H
#define CLUSTERPLAN_PROBE_ANALYSIS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/arena.h"
#include "probe/levels.h"
#include "probe/records.h"
#include "probe/task.h"

/* What became of a direction that looked slow, when it was looked at again. */
enum analysis_verdict {
    VERDICT_NONE,   /* it was not, or looks sound by now */
    VERDICT_SLOW,   /* slow each time, alone, while others were as fast as usual */
    VERDICT_UNCLEAR /* too much else went on to tell */
};

/* Looks at a suspect direction, all of them slow, each followed by one at a sound direction of the same
 * level. */
struct analysis_looks {
    int32_t count, quiet; /* quiet: the sound direction was as fast as usual */
};
enum { ANALYSIS_LOOKS_MAX = 40 }; /* then it is unclear */

/* VERDICT_SLOW once a sound link would hardly ever be slow so many times; VERDICT_NONE: look on. */
enum analysis_verdict analysis_judge_looks(const struct analysis_looks *looks);

/* Pairs of hosts: [i * hosts + j] is from host i to host j; NaN where not measured. */
struct analysis_matrix {
    size_t hosts;
    float *latency,
        *latency_spread;    /* seconds; symmetric: least half round trip, and how far it may be off */
    float *typical_latency; /* seconds; symmetric: lower quartile */
    float *bandwidth;       /* bytes a second, one direction: upper quartile of the best look */
    float *bandwidth_spread;
    bool *alone;           /* that was not measured at the same time as others */
    uint8_t *verdict;      /* enum analysis_verdict; all VERDICT_NONE until the caller says otherwise */
    uint8_t *late_verdict; /* the same of each host's latency */
};

/* Gathers PHASE_PAIRS, and what PHASE_SWEEP has of pairs of hosts. `host_of` maps ranks to hosts. */
void analysis_gather(const struct records *records, const int32_t *host_of, size_t hosts, struct arena *arena,
                     struct analysis_matrix *matrix);

/* Levels by latency; where that shows only one, by bandwidth. */
void analysis_find_levels(const struct analysis_matrix *matrix, struct arena *arena, struct levels *levels,
                          bool *by_bandwidth);

/* The usual figures of a level: of the pairs that it joins and no inner level. Other work on a machine or a
 * network only takes away, so of the samples of a pair the better quartile counts. */
struct analysis_usual {
    size_t pairs;
    double latency, latency_spread;     /* medians over pairs of their lower quartile; interquartile range */
    double least_latency;               /* lower quartile over pairs of the least */
    double bandwidth, bandwidth_spread; /* of directions measured alone, where there are any: their upper
                                           quartile, since slow ones are the exception */
    double shared_bandwidth, shared_spread; /* the same of directions measured at the same time as others */
};
void analysis_usual(const struct analysis_matrix *matrix, const struct levels *levels, size_t level,
                    struct arena *arena, struct analysis_usual *usual);

/* How a host deviates. Factors are of what is usual at the levels: bandwidth 0.4 is slow, latency 2 is slow.
 */
struct analysis_host {
    double sends, receives, latency; /* 0: not known */
    bool is_late;                    /* by the looks so far, confirmed or not */
    char note[160];                  /* empty: as the others */
};

/* A direction of a pair that deviates while neither of its hosts does. */
struct analysis_link {
    size_t from, to;
    double factor; /* of the usual bandwidth */
    bool alone;    /* looked at alone, not at the same time as others */
};
enum { ANALYSIS_LINKS_MAX = 64 };
struct analysis_links {
    struct analysis_link items[ANALYSIS_LINKS_MAX];
    size_t count;
};

/* Who deviates by what was confirmed (`hosts` has room for all), and the directions that look slow but were
 * not looked at again yet, the slowest first. */
void analysis_deviations(const struct analysis_matrix *matrix, const struct levels *levels,
                         struct arena *arena, struct analysis_host *hosts, struct analysis_links *links,
                         struct analysis_links *suspects);

/* The mean rate of the streams that loaded a level at the same time, in the repetitions that other work took
 * least from, the best first; 0: not measured. A repetition in which a stream came too late to be counted
 * says nothing. */
enum { ANALYSIS_LOADS = 3 };
void analysis_find_loaded(const struct records *records, int32_t level, double best[ANALYSIS_LOADS]);

/* Whether a level needs no further repetition: the two best agree and show no loss, or three agree on one. */
bool analysis_is_load_known(const double best[ANALYSIS_LOADS], double alone);

/* A loss under load below this factor is noise of the measurement. */
#define ANALYSIS_LOAD_NOISE 1.2

/* How much less each of many streams at a time gets of a level than one `alone`, 1: no less, or not known.
 * Where hosts are one machine, streams share its cores, and a loss is the level's only where as many streams
 * inside an inner level got more than 2.5 times as much: they had the same cores, of which a longer way takes
 * more a byte. `share_cores` says so of the hosts; `untold` is a loss that is not counted therefore, else 1.
 */
double analysis_oversubscription(const struct records *records, int32_t level, double alone, bool share_cores,
                                 double *untold);

/* Whether a bandwidth deviates from the usual. */
bool analysis_is_slow(double bandwidth, double usual);

/* Whether a latency does. */
bool analysis_is_late(double seconds, double usual);

/* Figures of pairs alone whose samples spread: the middle half of them over a quarter of the median and more.
 */
struct analysis_noise {
    size_t noisy, all;
};

/* Whether so many are noisy that the run is to be called so: of bandwidths (TASK_STREAM) more than a quarter,
 * of latencies of the shortest messages (TASK_LATENCY), which other work hits first, more than half. */
bool analysis_is_noisy(const struct records *records, enum task_kind kind, struct analysis_noise *noise);

#endif
