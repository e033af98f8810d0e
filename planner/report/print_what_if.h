/* What a better cluster would save, and software told otherwise: as tables, with what to buy next and what to
 * switch on first in words, and as documents. */
#ifndef CLUSTERPLAN_PRINT_WHAT_IF_H
#define CLUSTERPLAN_PRINT_WHAT_IF_H

#include <jansson.h>

#include "planner/answers/what_if.h"
#include "planner/report/print_table.h"

/* Stands under the plan of today. */
void print_what_if_table(const struct what_if *what_if, const struct plan *today,
                         const struct print_style *style, struct arena *arena, FILE *stream);

/* The lists `what_if:` and `what_if_settings:` of docs/formats.md. */
json_t *print_what_if_data(const struct what_if *what_if, const struct plan *today);
json_t *print_what_if_settings_data(const struct what_if *what_if, const struct plan *today);

#endif
