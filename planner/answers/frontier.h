/* What time, memory and device count cost each other: the plans that no other beats in all three.
 *
 * For each count of devices the search is asked for the fastest plan, then for the fastest that needs less
 * memory, and so on until nothing fits: each of them is the fastest there is of all that need as little. */
#ifndef CLUSTERPLAN_FRONTIER_H
#define CLUSTERPLAN_FRONTIER_H

#include "planner/answers/answer.h"

/* A plan is taken that needs at least this share of memory less than the next faster one: finer differences
 * are of no use, and would be hundreds. */
extern const double FRONTIER_STEP;

/* What is so many times as slow as the fastest on as many devices is left out. */
extern const double FRONTIER_SLOWEST;

/* Fills answer->plans with the frontier, fastest first. The counts are those of answer_find. Everything
 * belongs to the problem's arena. */
bool frontier_find(struct problem *problem, struct answer *answer, struct error *error);

#endif
