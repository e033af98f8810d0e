/* How many sequences a step trains on, where that is left to the planner or said in tokens. */
#ifndef CLUSTERPLAN_PROBLEM_BATCH_H
#define CLUSTERPLAN_PROBLEM_BATCH_H

#include "planner/answers/problem.h"

/* Sequences of a step on the devices that are set: as asked; of tokens, near to them, and without either near
 * to a default, the number that most splits of the devices divide. */
int64_t problem_batch(const struct problem *problem);

#endif
