/* How much an unknown shape matters: as text for people, and as a document. */
#ifndef CLUSTERPLAN_PRINT_SHAPES_H
#define CLUSTERPLAN_PRINT_SHAPES_H

#include <jansson.h>

#include "planner/answers/shapes.h"
#include "planner/report/print_table.h"

/* A table of the shapes and a sentence with the ranges. Nothing where the problem has no shapes. */
void print_shapes_table(const struct problem *problem, const struct print_style *style, struct arena *arena,
                        FILE *stream);

/* The sentence alone: "Over 6 plausible shapes: 80 to 96 devices, ..."; NULL where there are none. */
const char *print_shapes_sentence(const struct problem *problem, struct arena *arena);

/* `shapes:`, see docs/formats.md; NULL where there are none. */
json_t *print_shapes_data(const struct problem *problem);

#endif
