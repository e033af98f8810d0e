/* Run files: measured training steps, published or a user's own, that predictions are held against.
 *
 * Everything read belongs to the arena. */
#ifndef CLUSTERPLAN_RUN_FILE_H
#define CLUSTERPLAN_RUN_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/arena.h"
#include "common/error.h"
#include "planner/inputs/layout.h"
#include "planner/inputs/model.h"
#include "planner/inputs/training.h"

/* What a memory figure counts: what the framework's allocator handed out at the peak, what it held, or all
 * that the device had in use. */
enum memory_kind { MEMORY_ALLOCATED, MEMORY_RESERVED, MEMORY_DEVICE };

enum run_confidence { CONFIDENCE_A, CONFIDENCE_A_MINUS, CONFIDENCE_B };

struct run_measured {
    double step_seconds; /* 0: not measured */
    double memory_bytes; /* of the fullest device at its peak; 0: not measured */
    enum memory_kind memory_kind;
    bool out_of_memory;                  /* it did not run: nothing else was measured */
    const char *step_note, *memory_note; /* how the figures were derived; NULL when as published */
};

struct run {
    const char *id;
    const char *source;       /* where it was published; NULL when not given */
    const char *cluster;      /* a shipped topology's name, or a path */
    const char *cluster_path; /* of its cluster file */
    int64_t devices;
    struct model model;
    struct training training;
    struct layout_request layout; /* what was published; the rest is free */
    struct run_measured measured;
    enum run_confidence confidence;
    const char **assumed; /* what was filled in by inference; ends with NULL; NULL when nothing */
    const char *note;     /* NULL when there is none */
    unsigned line;        /* in the file */
};

struct run_file {
    const char *path;
    struct run *runs;
    size_t count;
};

/* Reads a file, whole or not at all. False with the error set: unknown keys, a layout that takes other
 * devices than the run says, two runs of one id, nothing measured, no such cluster. */
bool run_file_read(const char *path, struct arena *arena, struct run_file *file, struct error *error);

#endif
