/* How fast the best plan would be on a cluster that is better in one respect, or with software that is told
 * something else: what to buy next, and what to switch on first.
 *
 * Each change is searched anew, so the best layout may be another one. Fitted constants of kernels and
 * collectives go along with what is changed; what the host takes to launch a kernel doesn't. */
#ifndef CLUSTERPLAN_WHAT_IF_H
#define CLUSTERPLAN_WHAT_IF_H

#include "planner/answers/answer.h"

enum what_if_kind {
    WHAT_IF_COMPUTE,
    WHAT_IF_MEMORY,
    WHAT_IF_MEMORY_BANDWIDTH,
    WHAT_IF_BANDWIDTH,
    WHAT_IF_LATENCY,
    WHAT_IF_KIND_COUNT
};
/* "compute" "memory" "memory_bandwidth" "bandwidth" "latency"; ends with NULL */
extern const char *const what_if_names[WHAT_IF_KIND_COUNT + 1];

/* The best plan under a change. */
struct what_if_gain {
    const struct plan *plan; /* never slower than today's best, which it may be itself */
    double kept_seconds;     /* a step of today's best layout under the change; 0: it has no room then */
    double saved;            /* share of today's step time that the plan saves */
};

struct what_if_change {
    enum what_if_kind kind;
    double factor;     /* what is changed is so many times as much */
    const char *level; /* of bandwidth and latency; NULL: of all levels */
    struct what_if_gain gain;
};

/* A key of a training, or of a layout, as a session file gives it. */
struct what_if_setting {
    const char *key, *value; /* "routing.overlap" "true" */
    const char *flag;        /* that asks for it and for all else that was asked with that flag */
    struct what_if_gain gain;
};

enum { WHAT_IF_MAX_CHANGES = WHAT_IF_BANDWIDTH + 2 * (CLUSTER_MAX_LEVELS + 1), WHAT_IF_MAX_SETTINGS = 10 };

struct what_if {
    struct what_if_change changes[WHAT_IF_MAX_CHANGES]; /* most saved first */
    size_t count;
    struct what_if_setting settings[WHAT_IF_MAX_SETTINGS]; /* most saved first, without those that save
                                                              nothing */
    size_t setting_count;
};

/* Finds the best plan, as answer_find does, and sets answer->what_if (NULL where nothing fits). */
bool what_if_find(struct problem *problem, struct answer *answer, struct error *error);

/* The cluster with the change. `level` is an index of its levels, or level_count for all of them. */
void what_if_apply(enum what_if_kind kind, double factor, size_t level, struct cluster *cluster);

/* Adds what the software could be told (what_if_settings.c). */
bool what_if_add_settings(struct problem *problem, struct answer *answer, struct what_if *what_if,
                          struct error *error);

/* Searches a changed problem for what is no slower than today's best, and adds what was looked at to the
 * answer. */
bool what_if_search(struct search_problem *search, struct answer *answer, struct arena *arena,
                    struct what_if_gain *gain, struct error *error);

#endif
