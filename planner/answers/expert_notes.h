/* What a plan takes where experts are not loaded as evenly as it assumes, or their exchange is hidden. */
#ifndef CLUSTERPLAN_EXPERT_NOTES_H
#define CLUSTERPLAN_EXPERT_NOTES_H

#include "planner/answers/problem.h"

/* Notes how much longer a step of `plan` takes, and whether it still fits, where the fullest device gets more
 * tokens than is assumed; and how much less where the exchange runs beside compute. Nothing of what is known
 * or told, of what hardly matters, or where nothing is exchanged. */
void expert_notes_add(struct problem *problem, const struct plan *plan);

#endif
