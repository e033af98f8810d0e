/* Samples of one measurement, gathered until their median is known within 2 % at 95 % confidence or the
 * budget is spent. */
#ifndef CLUSTERPLAN_PROBE_SAMPLER_H
#define CLUSTERPLAN_PROBE_SAMPLER_H

#include <stdbool.h>
#include <stddef.h>

#include "probe/task.h"

enum { SAMPLER_MAX = 4096 };

struct sampler {
    double values[SAMPLER_MAX];
    size_t count, check_at, limit;
    double end; /* by clock_seconds */
};

/* Forgets all samples; the budget, of task->seconds and task->samples_max, runs from here. */
void sampler_start(struct sampler *sampler, const struct task *task);

/* Adds a value; true when no more are needed. */
bool sampler_add(struct sampler *sampler, double value);

#endif
