/* What tests of questions to the planner begin with: an arena as the group's state, with the catalogue of the
 * source tree, and a problem posed as the command line poses it. */
#ifndef CLUSTERPLAN_TESTS_POSED_H
#define CLUSTERPLAN_TESTS_POSED_H

#include <stdlib.h>

#include "check.h"

#include "planner/answers/problem.h"

/* Setup and teardown of a group, whose state is the arena. */
static inline int create(void **state) {
    setenv("CLUSTERPLAN_DATA", SOURCE_DIR, 1);
    *state = arena_create();
    return 0;
}

static inline int destroy(void **state) {
    arena_destroy(*state);
    return 0;
}

/* Ends the test where `is_done` is false, with what the error says. */
static inline void must(bool is_done, const struct error *error) {
    if (!is_done) {
        fail_msg("%s", error->what);
        abort(); /* fail_msg never returns, which the analyser does not know */
    }
}

static inline void pose(struct arena *arena, const struct problem_flags *flags, struct problem *problem) {
    struct error error = {0};
    must(problem_read(flags, arena, problem, &error), &error);
}

#endif
