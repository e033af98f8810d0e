/* What a plan takes where experts are not loaded as evenly as it assumes. */
#ifndef CLUSTERPLAN_EXPERT_LOAD_H
#define CLUSTERPLAN_EXPERT_LOAD_H

#include "planner/answers/problem.h"

/* Notes how much longer a step of `plan` takes, and whether it still fits, where the fullest device gets more
 * tokens than is assumed. Nothing where that is known, or nothing is exchanged. */
void expert_load_note(struct problem *problem, const struct plan *plan);

#endif
