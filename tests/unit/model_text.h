/* Reads a model from a text, by way of a file as the programs do. */
#ifndef CLUSTERPLAN_TESTS_MODEL_TEXT_H
#define CLUSTERPLAN_TESTS_MODEL_TEXT_H

#include "tests/unit/check.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "planner/inputs/model.h"

static bool read_text(const char *text, struct arena *arena, struct model *model, struct error *error) {
    char path[] = "/tmp/clusterplan-model-XXXXXX";
    const int file = mkstemp(path);
    assert_true(file >= 0);
    assert_int_equal(write(file, text, strlen(text)), (ssize_t)strlen(text));
    close(file);
    memset(error, 0, sizeof *error);
    const bool read = model_read(path, arena, model, error);
    unlink(path);
    return read;
}

/* The model of a text that is right. */
static inline struct model model_of(const char *text, struct arena *arena) {
    struct model model = {0};
    struct error error;
    if (!read_text(text, arena, &model, &error))
        fail_msg("%u:%u: %s", error.line, error.column, error.what);
    return model;
}

/* Where and how a text is refused: "line:column: what". */
static inline void assert_refused(const char *text, const char *expected) {
    struct arena *arena = arena_create();
    struct model model;
    struct error error;
    char found[1100];
    assert_false(read_text(text, arena, &model, &error));
    snprintf(found, sizeof found, "%u:%u: %s", error.line, error.column, error.what);
    assert_string_equal(found, expected);
    arena_destroy(arena);
}

#endif
