/* How fast hosts compute and copy in their memory, each against the others of its class. No MPI. */
#ifndef CLUSTERPLAN_PROBE_SPEEDS_H
#define CLUSTERPLAN_PROBE_SPEEDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/arena.h"
#include "probe/records.h"
#include "probe/task.h"

enum speeds_kind { SPEEDS_COMPUTE, SPEEDS_MEMORY, SPEEDS_KINDS };
extern const enum task_kind speeds_tasks[SPEEDS_KINDS];
extern const char *const speeds_words[SPEEDS_KINDS]; /* "computes", "copies in its memory" */

struct speeds_host {
    double usual[SPEEDS_KINDS];  /* of its class: products, or bytes, a second; 0: not known */
    bool beside[SPEEDS_KINDS];   /* the class has others */
    double factor[SPEEDS_KINDS]; /* of that; 0: not known, or alone in its class */
    bool looks_slow[SPEEDS_KINDS];
};

/* The rate that a look at a rank shows. Other work on a core only takes away: the best of the samples, of
 * copies their upper quartile. */
double speeds_rate(enum speeds_kind kind, const struct summary *summary);

/* Whether a rate deviates from the usual. */
bool speeds_is_slow(enum speeds_kind kind, double rate, double usual);

/* What PHASE_MEMORY shows: of each rank the best look, of a host the median of its ranks, of a class the
 * upper quartile of its hosts, since slow ones are the exception. `host_of` maps ranks to hosts, `class_of`
 * hosts to classes. */
void speeds_judge(const struct records *records, const int32_t *host_of, size_t ranks, const size_t *class_of,
                  size_t hosts, struct arena *arena, struct speeds_host *out);

#endif
