/* Which layout to take: the fastest, but one that moves nothing out of the devices where that is nearly as
 * fast. Hardly a run with offload was measured, its streams share the host with all that the model doesn't
 * know, and an operator would not set it up for a percent. */
#ifndef CLUSTERPLAN_RECOMMEND_H
#define CLUSTERPLAN_RECOMMEND_H

#include "planner/answers/problem.h"

/* Offload that was left free is taken where it saves this share of a step at least, and where nothing fits or
 * is fast enough without it. A guess: hardly a run with offload was measured. */
extern const double RECOMMEND_OFFLOAD_SHARE;

/* search_run, and where the fastest plan moves something out that nobody asked for, a second search of the
 * plans that don't. Their best is taken where the first saves less than that share; it then has the first as
 * its `rival`, and may be slower than limit_seconds where wished_seconds allows it. Both searches are exact,
 * and their counts are added. */
bool recommend_run(const struct search_problem *problem, struct arena *arena, struct search_result *result,
                   struct error *error);

/* Notes what the best plan of the count that is set gains by what it moves out, or would gain. Adds what was
 * looked at for that to the sums. */
void recommend_note(struct problem *problem, const struct plan *best, struct search_counts *sums);

#endif
