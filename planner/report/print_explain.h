/* The tree of costs behind a plan: as text for people, and as a document. */
#ifndef CLUSTERPLAN_PRINT_EXPLAIN_H
#define CLUSTERPLAN_PRINT_EXPLAIN_H

#include <jansson.h>
#include <stdio.h>

#include "planner/explain.h"
#include "planner/report/print_table.h"
#include "planner/search/search.h"

/* The parts of `root`, a line each: label, value, share of the term above where both are of one unit, detail.
 */
void print_explain_table(const struct explain_term *root, const struct print_style *style,
                         struct arena *arena, FILE *stream);

/* [{label, value, unit, detail, parts: [the same]}]: values in base units, which `unit` names. */
json_t *print_explain_data(const struct explain_term *root);

/* The plan as flags of Megatron-LM (megatron_flags.h), lines to paste; nothing where it has none. */
void print_explain_flags(const struct plan *plan, const struct print_style *style, struct arena *arena,
                         FILE *stream);

/* The same as a list of texts. */
json_t *print_explain_flags_data(const struct plan *plan, struct arena *arena);

#endif
