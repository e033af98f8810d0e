/* An arena for all tests of a group. */
#ifndef CLUSTERPLAN_TESTS_ARENA_FIXTURE_H
#define CLUSTERPLAN_TESTS_ARENA_FIXTURE_H

#include "common/arena.h"

static struct arena *arena;

static int setup(void **state) {
    (void)state;
    arena = arena_create();
    return 0;
}

static int teardown(void **state) {
    (void)state;
    arena_destroy(arena);
    return 0;
}

#endif
