/* What slow hosts cost, as text for people, and as a document. */
#ifndef CLUSTERPLAN_PRINT_SLOW_HOSTS_H
#define CLUSTERPLAN_PRINT_SLOW_HOSTS_H

#include <jansson.h>
#include <stdio.h>

#include "planner/answers/problem.h"

/* A paragraph under the plan. Nothing where no host is slow. */
void print_slow_hosts(const struct problem *problem, struct arena *arena, FILE *stream);

/* `slow_hosts:`, see docs/formats.md; NULL where no host is slow. */
json_t *print_slow_hosts_data(const struct problem *problem);

#endif
