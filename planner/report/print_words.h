/* Numbers in words, for tables and sentences. What is returned belongs to the arena. */
#ifndef CLUSTERPLAN_PRINT_WORDS_H
#define CLUSTERPLAN_PRINT_WORDS_H

#include <stdint.h>

#include "common/arena.h"
#include "common/units.h"

const char *print_quantity(struct arena *arena, double value, enum unit unit); /* "74.5 GB" */
const char *print_percent(struct arena *arena, double share);                  /* 0.875 as "87.5 %" */
const char *print_count(struct arena *arena, int64_t number);                  /* 24576 as "24,576" */
const char *print_amount(struct arena *arena, double number); /* a count in full as long as that is short */
const char *print_days(struct arena *arena, double days);     /* "96.1", "2,281", "never" */
const char *print_duration(struct arena *arena, double seconds); /* "90 s", "12 h", "96.1 days" */
const char *print_excess(struct arena *arena, double excess);    /* 0.12 as "12.0 %", 4 as "a factor of 5" */
const char *print_factor(struct arena *arena, double factor); /* "2.5", "17,450": three digits, or a count */

const char *print_tokens(struct arena *arena, double tokens); /* "1 token", "13T tokens" */
/* A name that is wider than `columns` (at least 5) without its middle. */
const char *print_shortened(struct arena *arena, const char *text, size_t columns);

#endif
