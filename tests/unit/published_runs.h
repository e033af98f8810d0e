/* All published runs, predicted, for all tests of a group. */
#ifndef CLUSTERPLAN_TESTS_PUBLISHED_RUNS_H
#define CLUSTERPLAN_TESTS_PUBLISHED_RUNS_H

#include <glob.h>

#include "arena_fixture.h"
#include "planner/answers/validate.h"

static struct validation published;

static int setup_published(void **state) {
    struct error error = {0};
    glob_t found;

    setup(state);
    if (glob(SOURCE_DIR "/tests/measured/*.yaml", 0, NULL, &found) != 0 ||
        glob(SOURCE_DIR "/tests/held_out/*.yaml", GLOB_APPEND, NULL, &found) != 0 ||
        !validate_files((const char *const *)found.gl_pathv, found.gl_pathc, NULL, arena, &published, &error))
        return -1;
    globfree(&found);
    return 0;
}

#endif
