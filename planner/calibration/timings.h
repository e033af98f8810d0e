/* Measured times of matrix products, attention, experts and collectives, read from a CSV file: what
 * `clusterplan calibrate` fits constants to. docs/calibration.md describes the columns. */
#ifndef CLUSTERPLAN_TIMINGS_H
#define CLUSTERPLAN_TIMINGS_H

#include <stdbool.h>
#include <stddef.h>

#include "common/arena.h"
#include "common/error.h"
#include "planner/kernels/attention.h"
#include "planner/kernels/collective.h"
#include "planner/kernels/matmul.h"

enum timing_kind { TIMING_MATMUL, TIMING_ATTENTION, TIMING_EXPERTS, TIMING_COLLECTIVE, TIMING_KIND_COUNT };
extern const char *const timing_kind_names[TIMING_KIND_COUNT + 1];

/* A layer's experts on one rank, gated: both products, and the tokens dealt out and gathered. */
struct timing_experts {
    int64_t tokens, hidden, ffn_hidden, top_k, experts, tp, ep;
};

struct timing {
    const char *device;
    enum precision precision;
    double seconds;
    union {
        struct matmul matmul;
        struct attention attention;
        struct timing_experts experts;
        struct collective collective;
    } of;
};

struct timings {
    enum timing_kind kind;
    struct timing *rows;
    size_t count;
    size_t left_out;             /* rows that say nothing here: */
    const char *left_out_reason; /* why, of the last of them; NULL when there are none */
    const char *unused_columns;  /* "framework, tflops"; NULL when there are none */
};

/* Reads a whole file. False with the error set to its place: unreadable, no header that names one kind, a row
 * with too few or too many fields, a value that is no number or not positive, an unknown word. */
bool timings_read(const char *path, struct arena *arena, struct timings *timings, struct error *error);

#endif
