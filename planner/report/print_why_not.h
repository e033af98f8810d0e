/* Why other layouts are not the answer: as tables, and as a document. */
#ifndef CLUSTERPLAN_PRINT_WHY_NOT_H
#define CLUSTERPLAN_PRINT_WHY_NOT_H

#include <jansson.h>

#include "planner/answers/why_not.h"
#include "planner/report/print_table.h"

/* `fits`: the base is a plan, no near miss. */
void print_why_not_table(const struct why_not *why_not, bool fits, const struct print_style *style,
                         struct arena *arena, FILE *stream);

/* {faster, next}: see docs/formats.md. */
json_t *print_why_not_data(const struct why_not *why_not);

#endif
