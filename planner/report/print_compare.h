/* What `compare` answers: clusters side by side, as text for people and as a document. */
#ifndef CLUSTERPLAN_PRINT_COMPARE_H
#define CLUSTERPLAN_PRINT_COMPARE_H

#include <jansson.h>
#include <stdio.h>

#include "planner/answers/size.h"
#include "planner/report/print_table.h"

/* One of the clusters, and its answer. */
struct compared {
    struct problem problem;
    struct wish wish;
    struct size_result result;
    const char *name, *variant; /* "dgx-h100", and what else tells it from others: "fp8 fsdp"; may be empty */
    const char *label;          /* both */
};

/* The whole report; `arena` holds working space. */
void print_compare_table(const struct compared *compared, size_t count, const struct print_style *style,
                         struct arena *arena, FILE *stream);

/* {sizes, differences}: see docs/formats.md. */
json_t *print_compare_data(const struct compared *compared, size_t count, struct arena *arena);

#endif
