/* Which kinds of recompute a search tries: none, selective of some sets of modules, full. Internal to the
 * search. */
#ifndef CLUSTERPLAN_SEARCH_RECOMPUTE_H
#define CLUSTERPLAN_SEARCH_RECOMPUTE_H

#include "planner/search/search.h"

/* `least`: no kind from here on repeats less than this one. */
struct recompute_kind {
    enum recompute mode, least_mode;
    int64_t modules, least_modules; /* of selective recompute, else 0 */
};

enum { SEARCH_MAX_KINDS = 2 + LAYOUT_MAX_MODULE_SETS };
struct recompute_kinds {
    struct recompute_kind kinds[SEARCH_MAX_KINDS];
    int count;
};

/* What the request allows, of modules that the model has. Where it leaves modules open, each kind repeats
 * what the one before does and more, and keeps less. */
void search_recompute_kinds(const struct search_problem *problem, struct recompute_kinds *kinds);

#endif
