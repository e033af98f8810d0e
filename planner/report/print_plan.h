/* What `plan` answers: as text for people, and as a document. */
#ifndef CLUSTERPLAN_PRINT_PLAN_H
#define CLUSTERPLAN_PRINT_PLAN_H

#include <jansson.h>
#include <stdio.h>

#include "planner/answers/answer.h"
#include "planner/answers/problem.h"
#include "planner/report/print_table.h"

/* The whole report; `arena` holds working space. */
void print_plan_table(const struct problem *problem, const struct answer *answer,
                      const struct print_style *style, struct arena *arena, FILE *stream);

/* {plans, search, assumptions}, and {nearest} where nothing fits: see docs/formats.md. */
json_t *print_plan_data(const struct problem *problem, const struct answer *answer);

/* One member of `plans:`. */
json_t *print_plan_one(const struct problem *problem, const struct plan *plan);

/* The value of a layout's key, and a `layout:`, as a run file has them. */
json_t *print_plan_layout_value(enum layout_key key, int64_t value);
json_t *print_plan_layout_data(const struct layout *layout);

/* The sentences of assumption, a list of strings. */
json_t *print_plan_assumptions(const struct problem *problem);

/* Parts of the report that others show as well. */
void print_plan_question(const struct problem *problem, int64_t devices, const struct print_style *style,
                         struct arena *arena, FILE *stream);
void print_plan_details(const struct plan *plan, const struct print_style *style, struct arena *arena,
                        FILE *stream);
void print_plan_layout(const char *title, const struct layout *layout, const struct training *training,
                       const struct print_style *style, FILE *stream);
void print_plan_nearest(const struct problem *problem, const struct near_miss *nearest,
                        const struct print_style *style, struct arena *arena, FILE *stream);
json_t *print_plan_nearest_data(const struct problem *problem, const struct near_miss *nearest);
void print_plan_search(const struct answer *answer, struct arena *arena, FILE *stream);
void print_plan_notes(const struct problem *problem, const struct print_style *style, FILE *stream);

#endif
