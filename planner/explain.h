/* A tree of terms with the figures behind them, filled while the cost model computes.
 *
 * Every function does nothing when `explain` is NULL, which is how the search runs. */
#ifndef CLUSTERPLAN_EXPLAIN_H
#define CLUSTERPLAN_EXPLAIN_H

#include <stddef.h>

#include "common/arena.h"
#include "common/units.h"

struct explain_term {
    const char *label; /* "forward", "qkv product" */
    double value;
    enum unit unit;                           /* UNIT_SECONDS or UNIT_BYTES for costs, others for facts */
    const char *detail;                       /* "m 2048 n 12288 k 4096, 271 TFLOP/s"; may be NULL */
    struct explain_term *first, *last, *next; /* its parts, and the next part of its parent */
};

struct explain;

struct explain *explain_create(struct arena *arena);
const struct explain_term *
explain_root(const struct explain *explain); /* its parts are the tree; never NULL */

/* A figure for people, such as "3.55 GB", for a detail; lives as long as the tree. */
const char *explain_text(struct explain *explain, double value, enum unit unit);

/* A part of the term now open. */
void explain_add(struct explain *explain, const char *label, double value, enum unit unit,
                 const char *detail_format, ...) __attribute__((format(printf, 5, 6)));

/* Opens a term whose parts follow; its value may be known only when it is closed. */
void explain_open(struct explain *explain, const char *label);
void explain_close(struct explain *explain, double value, enum unit unit, const char *detail_format, ...)
    __attribute__((format(printf, 4, 5)));

#endif
