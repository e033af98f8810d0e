/* Why nothing was found. Internal to the search. */
#ifndef CLUSTERPLAN_SEARCH_WHY_H
#define CLUSTERPLAN_SEARCH_WHY_H

#include "planner/search/search_space.h"

/* Describes in `error` why the problem has no layout at all. Always false. */
bool search_why_no_layout(const struct search_problem *problem, struct error *error);

/* The same without the lead: "heads 84 not divisible by tp 16". `why` has room for SEARCH_WHY_SIZE
 * characters. */
enum { SEARCH_WHY_SIZE = 128 };
void search_why_not_split(const struct search_problem *problem, char *why);

/* The layout of the space that exceeds its device's memory (or its host's and store's, with offload) by
 * least.
 */
void search_why_nothing_fits(const struct search_problem *problem, unsigned offloads,
                             const struct search_space *space, struct near_miss *nearest);

#endif
