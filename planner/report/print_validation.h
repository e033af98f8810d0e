/* What `validate` answers: as text for people, and as a document. */
#ifndef CLUSTERPLAN_PRINT_VALIDATION_H
#define CLUSTERPLAN_PRINT_VALIDATION_H

#include <jansson.h>
#include <stdio.h>

#include "planner/answers/choice.h"
#include "planner/answers/validate.h"
#include "planner/report/print_table.h"

void print_validation_table(const struct validation *validation, const struct choices *choices,
                            const struct print_style *style, struct arena *arena, FILE *stream);

/* {runs, choices, summary}: see docs/formats.md. */
json_t *print_validation_data(const struct validation *validation, const struct choices *choices,
                              struct arena *arena);

#endif
